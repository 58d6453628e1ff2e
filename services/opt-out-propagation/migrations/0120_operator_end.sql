-- 認定の失効 of the operator itself: it cannot be taken back, so it takes two different people who say the same day.
drop table operator_end;
create table operator_end (
    first        uuid primary key,
    first_staff  uuid not null,
    first_at     timestamptz not null,
    -- The last day on which it was certified.
    "on"         date not null,
    second       uuid unique,
    second_staff uuid,
    second_at    timestamptz,
    constraint operator_end_whole check (
        (second is null) = (second_staff is null) and (second is null) = (second_at is null)),
    constraint operator_end_two_people check (second is null or second <> first and second_staff <> first_staff)
);
-- It ends once.
create unique index operator_end_once on operator_end ((true)) where second is not null;

-- The two are who gave the orders; the second one adds the second word and nothing else; nobody unsays it.
create function operator_end() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or tg_op = 'INSERT' and new.second is not null
       or tg_op = 'UPDATE' and (old.second is not null or new.second is null
          or (new.first, new.first_staff, new.first_at, new."on") is distinct from (old.first, old.first_staff, old.first_at, old."on")) then
        raise exception 'first one says it, then another says the same' using errcode = 'check_violation', constraint = 'operator_end_stays';
    end if;
    if (select staff from staff_reason where cause = new.first) is distinct from new.first_staff
       or (select staff from staff_reason where cause = new.second) is distinct from new.second_staff then
        raise exception 'those who gave the orders, and nobody else' using errcode = 'check_violation', constraint = 'operator_end_orders';
    end if;
    return new;
end $$;
create trigger operator_end before insert or update or delete on operator_end for each row execute function operator_end();
