-- 試験通知: a webhook endpoint gets no instruction before a test event was delivered to it, verified and answered with a
-- signed report. Endpoints from before this migration are in use already.
alter table endpoint add column tested bool not null default true;

-- One test event per row: its bytes, how far it is, and the signed report that answered it (evidence).
create table endpoint_test (
    id          uuid primary key,
    endpoint    uuid not null references endpoint,
    recipient   uuid not null references recipient,
    body        bytea not null,
    digest      bytea not null constraint endpoint_test_digest check (octet_length(digest) = 32),
    made_at     timestamptz not null,
    tries       int not null default 0,
    -- The next try; `infinity`: another test took its place, or it was tried long enough.
    due_at      timestamptz not null,
    -- What came of the last try, as in `attempt`.
    outcome     text,
    status      int,
    answered_at timestamptz,
    report      bytea,
    constraint endpoint_test_answer check ((answered_at is null) = (report is null))
);
create index endpoint_test_due on endpoint_test (due_at) where answered_at is null;
create index endpoint_test_of on endpoint_test (endpoint);
