-- A message is a few kilobytes and is worked off within minutes: compressing it costs the writer more than the disk saves.
alter table outbox alter column body set storage external;
alter table outbox set (toast_tuple_target = 8160);
alter table inbox alter column body set storage external;
alter table inbox set (toast_tuple_target = 8160);

-- The same rule, looked at without calling a function for each leaf that keeps it.
drop trigger leaf_is_numbered_once on leaf;
create or replace function leaf_is_numbered_once() returns trigger language plpgsql as $$
begin
    raise exception 'a leaf of the log gets its number once and never changes' using errcode = 'check_violation';
end $$;
create trigger leaf_is_numbered_once before update on leaf for each row
    when (old.number is not null or new.number is null
          or (new.id, new.machine, new.version, new.hash) is distinct from (old.id, old.machine, old.version, old.hash))
    execute function leaf_is_numbered_once();
