-- 法令に基づく場合 (Act art. 56): the one way past a block. One entry in one file, for a time, by an article of law and two
-- different people; who and why of both orders are in staff_reason.
create table gate_based_on_law (
    -- The run in which the row was taken out; the file is known again by asker and digest.
    run          uuid not null references gate_run,
    entry        uuid not null references register_entry,
    asker        text not null,
    sha256       bytea not null constraint based_on_law_sha256 check (octet_length(sha256) = 32),
    article      text not null,
    until        timestamptz not null,
    first        uuid not null references staff_reason,
    first_staff  uuid not null,
    first_at     timestamptz not null,
    second       uuid references staff_reason,
    second_staff uuid,
    second_at    timestamptz,
    primary key (run, entry),
    constraint based_on_law_for_a_time check (until > first_at and until <= first_at + interval '31 days'),
    constraint based_on_law_whole check (
        (second is null) = (second_staff is null) and (second is null) = (second_at is null)),
    constraint based_on_law_two_people check (second is null or second <> first and second_staff <> first_staff)
);
create index gate_based_on_law_file on gate_based_on_law (asker, sha256) where second is not null;

-- The two are who gave the orders; the second one adds the second word and nothing else; nobody unsays it while it counts.
create function based_on_law() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.until > now() then
            raise exception 'it counts until its time is over' using errcode = 'check_violation', constraint = 'based_on_law_stays';
        end if;
        return old;
    end if;
    if tg_op = 'INSERT' and new.second is not null
       or tg_op = 'UPDATE' and (old.second is not null or new.second is null
          or (new.run, new.entry, new.asker, new.sha256, new.article, new.until, new.first, new.first_staff, new.first_at)
             is distinct from (old.run, old.entry, old.asker, old.sha256, old.article, old.until, old.first, old.first_staff, old.first_at)) then
        raise exception 'first one says it, then another says the same' using errcode = 'check_violation', constraint = 'based_on_law_stays';
    end if;
    if (select staff from staff_reason where cause = new.first) is distinct from new.first_staff
       or (select staff from staff_reason where cause = new.second) is distinct from new.second_staff then
        raise exception 'those who gave the orders, and nobody else' using errcode = 'check_violation', constraint = 'based_on_law_orders';
    end if;
    return new;
end $$;
create trigger based_on_law before insert or update or delete on gate_based_on_law for each row execute function based_on_law();

-- It stands in every list.
alter table gate_finding
    add column article text,
    add constraint gate_finding_article check ((answer = 'based-on-law') = (article is not null));
alter table gate_incident add column article text;

-- There is no other way past a final stop, for no program: its row, its keys and the gate's count stay.
create function a_final_stop_is_kept() returns trigger language plpgsql as $$
begin
    if old.final_since is not null then
        raise exception 'a final stop is never lifted' using errcode = 'check_violation', constraint = 'a_final_stop_stays';
    end if;
    return old;
end $$;
create trigger a_final_stop_is_kept before delete on register_entry for each row execute function a_final_stop_is_kept();

create function the_gate_keeps_its_keys() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.entry <> old.entry
       or tg_op = 'DELETE' and exists (select from register_entry where entry = old.entry and final_since is not null) then
        raise exception 'a final stop is never lifted' using errcode = 'check_violation', constraint = 'a_final_stop_stays';
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
create trigger the_gate_keeps_its_keys before update or delete on gate_entry for each row execute function the_gate_keeps_its_keys();

-- Positions only grow: an older one would hide what is newer from processes that follow.
create function the_gate_goes_on() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or new.position < old.position or new.whole < old.whole then
        raise exception 'positions of the gate only grow' using errcode = 'check_violation', constraint = 'the_gate_goes_on';
    end if;
    return new;
end $$;
create trigger the_gate_goes_on before update or delete on gate_position for each row execute function the_gate_goes_on();
