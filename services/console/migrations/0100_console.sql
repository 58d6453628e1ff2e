-- Who may work here, and what each service has said so far. No value of a person who brought a request is kept here:
-- such values are asked for one by one (`req.intake.disclose`), shown, and forgotten; `view_audit` says who looked.

-- ---- staff -------------------------------------------------------------------------------------------------------

create table staff (
    id            uuid primary key,
    login         text not null unique constraint staff_login check (login ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    -- argon2id in PHC form; null until the one-time link was used.
    password_hash text,
    display       text not null constraint staff_display check (char_length(display) between 1 and 100),
    administrator bool not null default false,
    created_at    timestamptz not null,
    disabled      bool not null default false
);

-- The cookie's token itself is nowhere: who reads this table cannot take a session over.
create table session (
    token_hash bytea primary key,
    staff      uuid not null references staff on delete cascade,
    created_at timestamptz not null,
    last_seen  timestamptz not null,
    expires_at timestamptz not null
);
create index session_of on session (staff);
create index session_end on session (expires_at);

create table sign_in_link (
    token_hash bytea primary key,
    staff      uuid not null references staff on delete cascade,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index sign_in_link_of on sign_in_link (staff);

-- Attempts per login and per address within a window. The key is a hash: people type passwords into the wrong field.
create table sign_in_failure (
    key   bytea primary key,
    since timestamptz not null,
    count int not null
);

-- Who looked at personal values, or searched by one. Written before the values are asked for; insert only.
create table view_audit (
    id      uuid primary key,
    staff   uuid not null,
    case_id uuid,
    purpose text not null,
    fields  text[] not null,
    at      timestamptz not null
);
create index view_audit_case on view_audit (case_id, at);
create index view_audit_staff on view_audit (staff, at);

create function view_audit_is_insert_only() returns trigger language plpgsql as $$
begin
    raise exception 'view_audit is insert only' using errcode = 'check_violation';
end $$;
create trigger view_audit_is_insert_only before update or delete on view_audit
    for each row execute function view_audit_is_insert_only();

-- ---- what was said -----------------------------------------------------------------------------------------------
-- `view` is what projection.rs made of the facts; the columns beside it are what lists filter and sort by.

create table case_view (
    id             uuid primary key,
    view           jsonb not null default '{}',
    receipt_number text,
    kind           text,
    step           text,
    received_at    timestamptz,
    due_at         timestamptz
);
create index case_view_number on case_view (receipt_number);
create index case_view_new on case_view (received_at desc) where kind is not null;
create index case_view_due on case_view (due_at, received_at) where kind is not null and step <> 'ended';

create table charge_view (
    id      uuid primary key,
    case_id uuid not null,
    view    jsonb not null default '{}'
);
create index charge_view_case on charge_view (case_id);

create table entry_view (
    id      uuid primary key,
    case_id uuid not null,
    view    jsonb not null default '{}'
);
create index entry_view_case on entry_view (case_id);

create table instruction_view (
    id      uuid primary key,
    case_id uuid not null,
    view    jsonb not null default '{}',
    settled bool not null default false
);
create index instruction_view_case on instruction_view (case_id);

create table notice_view (
    id      uuid primary key,
    case_id uuid not null,
    view    jsonb not null default '{}'
);
create index notice_view_case on notice_view (case_id);

create table statement_view (
    id   uuid primary key,
    view jsonb not null default '{}',
    at   timestamptz
);
create index statement_view_new on statement_view (at desc);

-- What staff must look at: ReportRefused, LineUnmatched, InstructionOverdue, NoticeFailed.
create table incident_view (
    message_id uuid primary key,
    word       text not null,
    case_id    uuid,
    at         timestamptz not null,
    data       jsonb not null,
    traceparent text
);
create index incident_view_new on incident_view (at desc);

-- Every fact about a case, as it was said (codes, ids, amounts and times only): the case's timeline.
create table fact_view (
    message_id  uuid primary key,
    case_id     uuid not null,
    machine     uuid not null,
    service     text not null,
    word        text not null,
    at          timestamptz not null,
    seq         bigint not null,
    data        jsonb not null,
    traceparent text
);
create index fact_view_case on fact_view (case_id, at);
