-- 同意・承諾: what a requester said to what, with the version of the text. The newest counts. Insert only.
create table consent (
    -- The order that recorded it; who and why are in staff_reason.
    cause   uuid primary key,
    entry   uuid not null references register_entry,
    what    text not null constraint consent_what check (what in ('tell-others', 'electronic-document')),
    given   bool not null,
    said_at timestamptz not null,
    text    text not null,
    at      timestamptz not null
);
create index consent_entry on consent (entry, what, said_at);
create trigger consent_is_insert_only before update or delete on consent for each row execute function log_is_insert_only();

-- 作業依頼: the stop is addressed to the hospital (Rules art. 47); one that reached the desk is brought to each hospital that the
-- person named, per track. The block holds whatever becomes of it.
create table work_order (
    id               uuid primary key,
    entry            uuid not null references register_entry,
    -- Keyed digest of the hospital's name, as in entry_hospital.
    tag              bytea not null constraint work_order_tag check (octet_length(tag) = 16),
    track            text not null constraint work_order_track check (track in ('anonymised', 'pseudonymised')),
    -- The desk's date; the hospital's stands in entry_hospital.
    desk_received_at timestamptz not null,
    made_at          timestamptz not null,
    brought_at       timestamptz,
    -- 提供を停止した日: as the hospital says.
    stopped_on       date,
    confirmed_at     timestamptz,
    constraint work_order_once unique (entry, tag, track),
    constraint work_order_confirmed check ((stopped_on is null) = (confirmed_at is null))
);

-- 法53条書面: the copy of each, sealed under a key of its own (record class `register`, unit = document), with names in it.
create table stop_document (
    id         uuid primary key,
    work_order uuid not null references work_order,
    how        text not null constraint stop_document_how check (how in ('paper', 'electronic')),
    issued_on  date not null,
    -- The copy is kept until the end of this day (Rules art. 52); then its key goes.
    kept_until date not null,
    body       bytea not null,
    cause      uuid not null,
    at         timestamptz not null
);
create index stop_document_of on stop_document (work_order);
create index stop_document_kept on stop_document (kept_until);
create trigger stop_document_is_insert_only before update on stop_document for each row execute function log_is_insert_only();

-- 第三者提供の記録 (APPI art. 29): every telling of a person to a hospital or another operator. Insert only.
create table provision_record (
    id         uuid primary key,
    entry      uuid not null references register_entry,
    -- A recipient, or one of the hospitals that the person named, told by hand.
    recipient  uuid references recipient,
    hospital   smallint,
    -- The person, as that body knows it.
    person     uuid not null,
    items      text[] not null,
    -- The consent on which it was told; none: based on law.
    consent    uuid references consent,
    at         timestamptz not null,
    kept_until date not null,
    constraint provision_record_to check ((recipient is null) <> (hospital is null))
);
create index provision_record_entry on provision_record (entry, at);
create index provision_record_kept on provision_record (kept_until);
create trigger provision_record_is_insert_only before update on provision_record for each row execute function log_is_insert_only();

-- 取次ぎの記録 (APPI art. 30): a request that another body handed on. `sender`: its name, sealed to this service's key with the
-- order's id. Outlives the case. Insert only.
create table relay_record (
    cause       uuid primary key,
    entry       uuid not null references register_entry,
    "case"      uuid not null,
    sender      bytea not null,
    acquired    text not null,
    basis       text not null,
    received_at timestamptz not null,
    kept_until  date not null,
    at          timestamptz not null
);
create index relay_record_entry on relay_record (entry);
create trigger relay_record_is_insert_only before update on relay_record for each row execute function log_is_insert_only();

-- 異議: somebody wants a stop lifted that another asked for. The stop stays. Insert only.
create table disagreement (
    cause       uuid primary key,
    entry       uuid not null references register_entry,
    "case"      uuid not null,
    capacity    text not null,
    received_at timestamptz not null,
    at          timestamptz not null
);
create index disagreement_entry on disagreement (entry);
create trigger disagreement_is_insert_only before update or delete on disagreement
    for each row execute function log_is_insert_only();
