-- 通知先, and what was issued to whom. One ledger for all transports; every transport is a cursor on it.
create table recipient (
    id            uuid primary key,
    label         text not null constraint recipient_label unique,
    kind          text not null,
    transport     text not null,
    in_force      bool not null default true,
    -- The account that the steward derives for it; also the name of its durable.
    nats_account  text constraint recipient_account unique,
    nats_user     text,
    -- Ed25519, verifies its reports; the id is derived from it.
    report_key    bytea not null constraint recipient_report_key check (octet_length(report_key) = 32),
    report_key_id text not null constraint recipient_report_key_id unique,
    -- X25519, identifiers are sealed to it.
    sealing_key   bytea not null constraint recipient_sealing_key check (octet_length(sealing_key) = 32),
    registered_at timestamptz not null,
    -- 通番: the last position issued. Moved by the fan-out only, in the transaction of the rows that it counts.
    last          bigint not null default 0,
    constraint recipient_transport check (
        transport = 'webhook' or transport = 'nats' and nats_account is not null)
) with (fillfactor = 50);

-- One row per endpoint version; a delivery is frozen to the one in force when it was issued.
create table endpoint (
    id          uuid primary key,
    recipient   uuid not null references recipient,
    version     int not null,
    transport   text not null,
    -- Webhook: the URL, sealed to this service's key (it may hold a secret path); additional data = recipient.
    url         bytea,
    enabled     bool not null default true,
    cursor      bigint not null default 0,
    owner       uuid,
    fence       bigint not null default 0,
    lease_until timestamptz not null default '-infinity',
    unique (recipient, version),
    constraint endpoint_url check (transport = 'nats' or url is not null)
) with (fillfactor = 50);

-- Changes that wait for the fan-out: written in the transaction that made the stop final. A mark, not a cursor.
create table fanout (
    change   uuid primary key,
    entry    uuid not null,
    "case"   uuid not null,
    version  bigint not null,
    scope    text not null,
    measure  text not null,
    -- W3C trace context in which the stop was made final.
    trace    text,
    done_at  timestamptz
);
create index fanout_open on fanout (change) where done_at is null;

-- Locks for one writer at a time.
create table one (job text primary key);
insert into one values ('fan-out');

-- What was issued: the very bytes. Insert only.
create table delivery (
    recipient   uuid not null,
    position    bigint not null constraint delivery_position check (position > 0),
    epoch       int not null,
    instruction uuid not null constraint delivery_instruction unique,
    endpoint    uuid not null,
    -- The entry as this recipient knows it.
    entry       uuid not null,
    digest      bytea not null,
    body        bytea not null,
    -- For our spans only; never sent.
    trace       text,
    at          timestamptz not null default now(),
    primary key (recipient, position)
);
create index delivery_endpoint on delivery (endpoint, position);
create index delivery_entry on delivery (recipient, entry, position);

-- What is owed: instructions without a final report. Goes when it is settled.
create table owed (
    instruction uuid primary key,
    recipient   uuid not null,
    endpoint    uuid not null,
    position    bigint not null,
    issued_at   timestamptz not null,
    received_at timestamptz
);
create index owed_recipient on owed (recipient, issued_at);

-- Deliveries to be tried again, at a time. Parked: waits for a person (404, 410, an address that may not be reached).
create table retry (
    endpoint uuid not null,
    position bigint not null,
    tries    int not null,
    next_at  timestamptz not null,
    parked   bool not null default false,
    primary key (endpoint, position)
);
create index retry_due on retry (endpoint, next_at) where not parked;

-- Every attempt. Insert only.
create table attempt (
    endpoint uuid not null,
    position bigint not null,
    at       timestamptz not null default now(),
    fence    bigint not null,
    outcome  text not null,
    status   int,
    ms       int
);
create index attempt_of on attempt (endpoint, position);

-- Signed reports as they came: evidence, kept whether or not they moved anything that was not moved before. Insert only.
create table report (
    cause       uuid primary key,
    recipient   uuid not null,
    instruction uuid not null,
    stage       text not null,
    body        bytea not null,
    at          timestamptz not null
);
create index report_of on report (instruction);

-- The recipients' stream as it was seen last: another birth means that it was made anew and is empty.
create table stream (name text primary key, born text not null);

create trigger delivery_is_insert_only before update on delivery for each row execute function log_is_insert_only();
create trigger attempt_is_insert_only before update on attempt for each row execute function log_is_insert_only();
create trigger report_is_insert_only before update on report for each row execute function log_is_insert_only();

-- Positions are gapless also against a faulty program: the next one, or none. (So the newest delivery of each recipient
-- stays when older ones go at the end of their retention.)
create function positions_follow() returns trigger language plpgsql as $$
begin
    if exists (select from added a where a.position > 1 and not exists (
        select from delivery d where d.recipient = a.recipient and d.position = a.position - 1)) then
        raise exception 'positions of a recipient have no gap' using errcode = 'check_violation', constraint = 'positions_follow';
    end if;
    return null;
end $$;
create trigger positions_follow after insert on delivery referencing new table as added
    for each statement execute function positions_follow();

-- To an endpoint of its own recipient: more than two foreign keys would say, and looked up once per statement. Recipients
-- and endpoints are never deleted.
create function endpoint_is_its_own() returns trigger language plpgsql as $$
begin
    if exists (select from added a where not exists (
        select from endpoint e where e.id = a.endpoint and e.recipient = a.recipient)) then
        raise exception 'a delivery goes to an endpoint of its recipient' using errcode = 'check_violation', constraint = 'endpoint_is_its_own';
    end if;
    return null;
end $$;
create trigger endpoint_is_its_own after insert on delivery referencing new table as added
    for each statement execute function endpoint_is_its_own();
