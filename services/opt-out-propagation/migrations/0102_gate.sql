-- 照合 (the gate). What answers is an index in memory; these rows are what it is made of, and what its answers leave behind.

-- 通番 of the gate: every change of what it says is the next one. One row, locked by each change, so that positions become
-- visible in their order. `whole`: from this position on everything must be read anew (a deletion, a filing).
create table gate_position (
    one      bool primary key default true constraint gate_position_is_one check (one),
    position bigint not null default 0,
    whole    bigint not null default 0
);
insert into gate_position default values;

-- One entry's keys: digests of its folded values, sealed under the key file `optout.gate`; never values.
create table gate_entry (
    entry   uuid primary key references register_entry on delete cascade,
    rules   text not null,
    sealed  bytea not null,
    changed bigint not null default 0
);
create index gate_entry_changed on gate_entry (changed);

create function gate_moves() returns trigger language plpgsql as $$
begin
    update gate_position set position = position + 1 returning position into new.changed;
    return new;
end $$;
create trigger gate_moves before insert or update on gate_entry for each row execute function gate_moves();

-- A block that is placed, lifted or has other tracks moves its entry's keys: in the transaction of the entry's machine.
create function gate_follows() returns trigger language plpgsql as $$
begin
    update gate_entry set changed = 0 where entry = new.entry;
    return null;
end $$;
create trigger gate_follows after update of blocked_since, scope on register_entry for each row
    when ((old.blocked_since, old.scope) is distinct from (new.blocked_since, new.scope)) execute function gate_follows();
create trigger gate_follows_first after insert on register_entry for each row execute function gate_follows();

create function gate_whole() returns trigger language plpgsql as $$
begin
    update gate_position set position = position + 1, whole = position + 1;
    return null;
end $$;
create trigger gate_forgets after delete on gate_entry for each statement execute function gate_whole();

-- 届出: what a hospital has filed for one track (Act art. 52, 57): `gate::filing::Filing`. A change is a new row. Insert only.
create table gate_filing (
    supplier text not null,
    track    text not null constraint gate_filing_track check (track in ('anonymised', 'pseudonymised')),
    filed_on date not null,
    number   text not null,
    filing   jsonb not null,
    -- The order that recorded it; who and why are in staff_reason.
    cause    uuid not null,
    at       timestamptz not null,
    primary key (supplier, track, filed_on, number)
);
create trigger gate_filing_is_insert_only before update or delete on gate_filing
    for each row execute function log_is_insert_only();
create trigger gate_filing_moves after insert on gate_filing for each statement execute function gate_whole();

-- Keys of insurance numbers in a recipient's snapshots: only with counsel's recorded view (Health Insurance Act art. 194-2).
create table gate_permission (
    recipient uuid primary key references recipient,
    counsel   text not null,
    cause     uuid not null,
    at        timestamptz not null
);

-- What was checked: enough to write the receipt record of Act art. 55.
create table gate_run (
    id         uuid primary key,
    -- A recipient's id or a service's name.
    asker      text not null,
    flow       text not null,
    track      text not null,
    supplier   text,
    begun_at   timestamptz not null,
    epoch      int not null,
    position   bigint not null,
    ground     jsonb not null,
    ended_at   timestamptz,
    -- `complete`, `digest-mismatch`, `cut-off`, or why a file was refused.
    outcome    text,
    counts     jsonb,
    sha256_in  bytea,
    sha256_out bytea
);
create index gate_run_asker on gate_run (asker, begun_at);

-- Rows that did not pass: line and answer, never a value. At most 100,000 of a run.
create table gate_finding (
    run    uuid not null references gate_run on delete cascade,
    line   bigint not null,
    answer text not null,
    why    text,
    key    text,
    -- Ours, and as the asker knows it.
    entry  uuid,
    known  uuid,
    primary key (run, line)
);

-- A record that arrives although it is blocked: raised to staff (Act art. 56). From a run, or stated by a receiver.
create table gate_incident (
    id        uuid primary key,
    asker     text not null,
    flow      text not null,
    supplier  text,
    file      text not null,
    line      bigint not null,
    entry     uuid,
    raised_at timestamptz not null,
    constraint gate_incident_once unique (asker, file, line)
);
create index gate_incident_raised on gate_incident (raised_at);

-- Possible matches: two different people say the same, or it stays open. `person`: the row's values, sealed to this service's
-- key with the review's id; gone when it is decided.
create table gate_review (
    id         uuid primary key,
    entry      uuid not null,
    tag        bytea not null constraint gate_review_tag check (octet_length(tag) = 16),
    key        text not null,
    flow       text not null,
    track      text not null,
    asker      text not null,
    person     bytea,
    raised_at  timestamptz not null,
    first      uuid,
    first_same bool,
    second     uuid,
    same       bool,
    decided_at timestamptz,
    changed    bigint not null default 0,
    constraint gate_review_once unique (entry, tag),
    constraint gate_review_two_people check (second is null or first is not null and second <> first),
    constraint gate_review_decided check ((decided_at is null) = (same is null) and (decided_at is null) = (second is null)),
    constraint gate_review_agree check (same is null or same = first_same),
    constraint gate_review_forgets check (decided_at is null or person is null)
);
create index gate_review_open on gate_review (raised_at) where decided_at is null;
create index gate_review_changed on gate_review (changed) where decided_at is not null;
create trigger gate_review_moves before update on gate_review for each row
    when (new.decided_at is not null and old.decided_at is null) execute function gate_moves();
