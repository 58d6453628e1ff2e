-- 登録の変更: every change of an entry with its own case, legal basis and dates. Insert only.
create table register_change (
    entry        uuid not null,
    version      bigint not null,
    kind         text not null constraint register_change_kind check (
        kind in ('stopped', 'scope-changed', 'identifiers-corrected', 'erasure-released', 'withdrawn')),
    "case"       uuid not null,
    basis        text not null,
    scope        text,
    -- Arrival at the desk; effective at the gate.
    received_at  timestamptz not null,
    effective_at timestamptz not null,
    primary key (entry, version)
);
create trigger register_change_is_insert_only before update or delete on register_change
    for each row execute function log_is_insert_only();

-- 撤回: waits for the hospital's new notice (Act art. 52(1)); the block holds.
alter table register_entry add column withdrawn_at timestamptz;

-- The hospitals that the person named, in that order, and when each had the stop (Rules art. 47). The tag is a keyed digest of
-- the name; the name itself stands in the sealed part only.
create table entry_hospital (
    entry       uuid not null references register_entry on delete cascade,
    n           smallint not null constraint entry_hospital_n check (n > 0),
    tag         bytea not null constraint entry_hospital_tag check (octet_length(tag) = 16),
    received_at timestamptz,
    primary key (entry, n)
);
create index entry_hospital_tag on entry_hospital (tag);

-- Recipients that a search ticket showed to have data of the person.
create table shown (
    entry     uuid not null,
    recipient uuid not null references recipient,
    at        timestamptz not null,
    primary key (entry, recipient)
);

-- A final stop is never lifted. Its tracks change only with a change of its own case beside it.
create or replace function a_final_stop_stays() returns trigger language plpgsql as $$
begin
    if old.final_since is not null
       and (new.blocked_since, new.final_since) is distinct from (old.blocked_since, old.final_since) then
        raise exception 'a final stop is never lifted' using errcode = 'check_violation', constraint = 'a_final_stop_stays';
    end if;
    if old.final_since is not null and new.scope is distinct from old.scope
       and (select c.kind || ' ' || c.scope from register_change c where c.entry = new.entry order by c.version desc limit 1)
           is distinct from 'scope-changed ' || new.scope then
        raise exception 'the tracks of a final stop change with a case only' using errcode = 'check_violation', constraint = 'a_final_stop_stays';
    end if;
    return new;
end $$;

-- A change of the tracks goes to everybody who was told of either.
alter table fanout add column everybody bool not null default false;
