-- How the log stood, signed (C2SP signed note). Insert only, so that anybody who kept one can be shown that the log was only
-- appended to since. The text has origin, size and root; nothing personal.
create table checkpoint (
    epoch int not null,
    size  bigint not null constraint checkpoint_size check (size > 0),
    note  text not null,
    -- The verifier key, so that who reads this needs no key folder.
    key   text not null,
    at    timestamptz not null default now(),
    primary key (epoch, size)
);
create trigger checkpoint_is_insert_only before update on checkpoint for each row execute function log_is_insert_only();
