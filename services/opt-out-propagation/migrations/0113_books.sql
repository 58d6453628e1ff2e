-- 日次照合: each time that a recipient compared its books with ours, with what both had. Evidence: insert only.
create table reconcile (
    id             uuid primary key,
    recipient      uuid not null references recipient,
    epoch          int not null,
    -- As of which position both counted.
    position       bigint not null constraint reconcile_position check (position >= 0),
    at             timestamptz not null,
    -- Null: the recipient sent its digest only.
    their_entries  bigint,
    their_digest   bytea not null constraint reconcile_their_digest check (octet_length(their_digest) = 32),
    our_entries    bigint not null,
    our_digest     bytea not null constraint reconcile_our_digest check (octet_length(our_digest) = 32),
    agrees         bool not null
);
create index reconcile_of on reconcile (recipient, at desc);
create trigger reconcile_is_insert_only before update on reconcile for each row execute function log_is_insert_only();

-- The last position at which both agreed: what is offered anew begins after it.
alter table pull
    add column agreed_epoch    int,
    add column agreed_position bigint,
    add column agreed_at       timestamptz,
    add constraint pull_agreed check ((agreed_epoch is null) = (agreed_position is null) and (agreed_epoch is null) = (agreed_at is null));

-- A task of kind `report` without an instruction: what the recipient owes us a word about (`books-differ`, `books-late`).
alter table task add column about text constraint task_about check (about is null or about ~ '^[a-z][a-z-]{0,39}$');
