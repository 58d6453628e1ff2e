-- 連絡先: the mailbox of a recipient's contact, as its contract says. Sealed to this service's key, additional data = recipient.
create table contact (
    recipient uuid primary key references recipient,
    sealed    bytea,
    set_at    timestamptz not null
);

-- 督促: mails about instructions that are due soon or past due. One row per mail; the id is made of recipient, kind, rung and
-- to whom, so that each is said once.
create table alert (
    id          uuid primary key,
    recipient   uuid not null references recipient,
    kind        text not null constraint alert_kind check (kind in ('reminder', 'escalation')),
    whom        text not null constraint alert_whom check (whom in ('contact', 'officer')),
    rung        int not null,
    soon        int not null,
    unreceived  int not null,
    unreported  int not null,
    unconfirmed int not null,
    -- The oldest of the instructions that it is about.
    oldest      uuid[] not null,
    made_at     timestamptz not null,
    tries       int not null default 0,
    due_at      timestamptz not null,
    sent_at     timestamptz,
    -- Why the last try failed, or why it is not tried any more.
    reason      text
);
create index alert_due on alert (due_at) where sent_at is null;
create index alert_of on alert (recipient, made_at desc);
