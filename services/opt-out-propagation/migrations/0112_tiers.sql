-- 再委託先 (Act art. 24): instructions that travel to the contractor above, reports that come back through it.
alter table recipient drop constraint recipient_transport;
alter table recipient add constraint recipient_transport check (
    transport in ('nats', 'webhook', 'pull', 'sealed-file', 'through-parent')
    and (transport <> 'nats' or nats_account is not null));

-- The endpoint of the contractor that carries for this one: frozen like every endpoint, so that a change above makes another
-- one here and issues anew what is owed.
alter table endpoint
    add column via uuid references endpoint,
    add constraint endpoint_via check ((transport = 'through-parent') = (via is not null));
create index endpoint_via on endpoint (via) where via is not null;

create index recipient_parent_of on recipient (parent) where parent is not null;

-- What a contractor signed around its sub-contractor's own signed report: both are kept. Insert only.
create table carried_report (
    id          uuid primary key,
    -- Who carried it.
    carrier     uuid not null references recipient,
    -- Whose report it is, and about what.
    recipient   uuid not null references recipient,
    instruction uuid not null,
    -- SHA-256 of the report inside, as it stands in `report`.
    digest      bytea not null constraint carried_report_digest check (octet_length(digest) = 32),
    -- The whole, as it came.
    body        bytea not null,
    at          timestamptz not null
);
create index carried_report_of on carried_report (instruction);
create trigger carried_report_is_insert_only before update or delete on carried_report
    for each row execute function log_is_insert_only();
