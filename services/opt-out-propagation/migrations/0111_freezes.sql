-- 利用停止 (freeze of current builds) and its end are changes of an entry like the others: with a case, a legal basis and dates.
alter table register_change drop constraint register_change_kind;
alter table register_change add constraint register_change_kind check (kind in (
    'stopped', 'scope-changed', 'identifiers-corrected', 'erasure-released', 'withdrawn', 'use-suspended', 'use-resumed'));
