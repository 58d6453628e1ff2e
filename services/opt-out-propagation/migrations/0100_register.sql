-- 停止登録簿. The personal part is sealed under a key of its own per entry (record class `register`); what can be found is
-- found by keyed hashes. The block itself is `blocked_since`: written in the transaction of the entry's machine, so the
-- gate and the machine never disagree.
create table register_entry (
    entry         uuid primary key,
    "case"        uuid not null,
    -- Identifiers as JSON (kana, birth date, name, sex, hospitals), sealed: key unit = entry.
    person        bytea,
    scope         text,
    blocked_since timestamptz,
    final_since   timestamptz,
    constraint register_entry_scope check (scope in ('anonymised', 'pseudonymised', 'both')),
    constraint register_entry_block check (blocked_since is null or scope is not null),
    constraint register_entry_final check (final_since is null or blocked_since is not null)
);

-- A final stop is never lifted, whatever a program does: no text lets the operator lift one (Act art. 52(1)).
create function a_final_stop_stays() returns trigger language plpgsql as $$
begin
    if old.final_since is not null
       and (new.blocked_since, new.final_since, new.scope) is distinct from (old.blocked_since, old.final_since, old.scope) then
        raise exception 'a final stop is never lifted or changed' using errcode = 'check_violation', constraint = 'a_final_stop_stays';
    end if;
    return new;
end $$;
create trigger a_final_stop_stays before update on register_entry for each row execute function a_final_stop_stays();

-- Blind index (HMAC under this service's index key, 16 bytes, whole values only); goes with its entry.
create table register_index (
    entry uuid not null references register_entry on delete cascade,
    field text not null,
    tag   bytea not null constraint register_index_tag check (octet_length(tag) = 16),
    primary key (entry, field)
);
create index register_index_tag on register_index (tag, field);

-- 照合: does a block stand for any of these tags and this track? `track` is `anonymised`, `pseudonymised` or `both`.
create function is_blocked(tags bytea[], track text) returns boolean language sql stable as $$
    select exists (
        select from register_index i join register_entry e using (entry)
         where i.tag = any (tags) and i.field = 'kana-birth-date'
           and e.blocked_since is not null and (e.scope = 'both' or track = 'both' or e.scope = track))
$$;
