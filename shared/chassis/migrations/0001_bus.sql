-- The bus, the same in every service's schema. One table per kind of machine is made beside these (see schema.rs).
-- PostgreSQL remembers, NATS carries: nothing here is ever the copy of something in a stream.

-- What happened to each machine: private, insert only. `json`, not `jsonb`: it keeps the bytes that the leaf hashes.
create table history (
    machine uuid not null,
    version bigint not null,
    at      timestamptz not null,
    cause   uuid not null,
    event   json not null,
    salt    bytea not null,
    primary key (machine, version)
);

-- What must be said. Open until every hearer, asked, says from its own inbox that it has it: a PubAck proves nothing.
create table outbox (
    id      uuid primary key,
    machine uuid not null,
    seq     bigint not null,
    subject text not null,
    body    bytea not null,
    hearers text[] not null,
    unheard text[] not null,
    tries   int not null default 0,
    next_at timestamptz not null default now(),
    unique (machine, seq)
);
-- Fresh before repeated: a backlog of repeats must not hold up what was just said.
create index outbox_due on outbox ((tries > 0), next_at) where unheard <> '{}';

-- What was heard. The inbox is the queue: seen, too early, parked and behind are states of one row.
create table inbox (
    id       uuid primary key,
    lane     uuid not null,
    source   text not null,
    seq      bigint not null,
    body     bytea,
    answer   bytea,
    state    text not null constraint inbox_state check (state in ('done', 'later', 'parked', 'behind', 'dropped')),
    due_at   timestamptz not null default now(),
    heard_at timestamptz not null default now(),
    tries    int not null default 0,
    note     text
);
create index inbox_due on inbox (due_at) where state = 'later';
create index inbox_open on inbox (lane, source, seq) where state in ('later', 'parked', 'behind');
create index inbox_from on inbox (source, id);

-- One leaf per history row; the sealer gives it its number in the log, once.
create table leaf (
    id      bigint generated always as identity primary key,
    machine uuid not null,
    version bigint not null,
    hash    bytea not null,
    number  bigint unique,
    unique (machine, version)
);
create index leaf_new on leaf (id) where number is null;

create function leaf_is_numbered_once() returns trigger language plpgsql as $$
begin
    if old.number is not null or new.number is null
       or (new.id, new.machine, new.version, new.hash) is distinct from (old.id, old.machine, old.version, old.hash) then
        raise exception 'a leaf of the log gets its number once and never changes' using errcode = 'check_violation';
    end if;
    return new;
end $$;
create trigger leaf_is_numbered_once before update on leaf for each row execute function leaf_is_numbered_once();

create function log_is_insert_only() returns trigger language plpgsql as $$
begin
    raise exception '% is insert only', tg_table_name using errcode = 'check_violation';
end $$;
create trigger history_is_insert_only before update on history for each row execute function log_is_insert_only();

-- The Merkle tree over the leaves (RFC 9162): its size, the roots of its perfect subtrees, its root.
create table log (
    one   bool primary key default true check (one),
    size  bigint not null,
    peaks bytea[] not null,
    root  bytea not null
);
insert into log (size, peaks, root)
values (0, '{}', '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

-- The epoch that each hearer last answered with: another one means that it was restored and has lost rows.
create table peer (hearer text primary key, epoch int not null);

-- Why a member of staff did something; the row's id is the cause of what followed. With a unit (the case that the order
-- is about): sealed under that unit's key, and it ends with it. Without: as it came, sealed to this service's key.
create table staff_reason (
    cause  uuid primary key,
    staff  uuid not null,
    unit   uuid,
    sealed bytea not null check (octet_length(sealed) <= 262144),
    at     timestamptz not null
);
create index staff_reason_unit on staff_reason (unit) where unit is not null;
