-- 監督 (Rules arts. 21, 37): what the operator did or saw about a recipient: contracts' `Act`. Insert only.
create table supervision (
    cause     uuid primary key,
    recipient uuid not null references recipient,
    act       jsonb not null,
    at        timestamptz not null
);
create index supervision_of on supervision (recipient, at);
create trigger supervision_is_insert_only before update or delete on supervision
    for each row execute function log_is_insert_only();

-- 認定の失効 of the operator itself.
create table operator_end (
    cause uuid primary key,
    "on"  date not null,
    at    timestamptz not null
);

-- 漏えい等の通知: each notice of a recipient, by API or by staff. `statement`: the words of its items, sealed to this service's
-- key with the notice's id. Insert only; the newest of a number amends the earlier ones.
create table incident_notice (
    id        uuid primary key,
    recipient uuid not null references recipient,
    -- The recipient's own number of the incident.
    number    text not null,
    known_at  timestamptz not null,
    told      jsonb not null,
    stated    text[] not null,
    statement bytea not null,
    -- `api` (signed) or `staff`.
    way       text not null constraint incident_notice_way check (way in ('api', 'staff')),
    at        timestamptz not null
);
create index incident_notice_of on incident_notice (recipient, number, at);
create trigger incident_notice_is_insert_only before update or delete on incident_notice
    for each row execute function log_is_insert_only();

-- The operator's own clock: one per recipient and number, from the earliest time of knowing of anybody on the way. It only moves
-- back.
create table processor_incident (
    id         uuid primary key,
    recipient  uuid not null references recipient,
    number     text not null,
    known_at   timestamptz not null,
    reached_at timestamptz not null,
    constraint processor_incident_once unique (recipient, number)
);

-- 苦情の取次ぎ: cause and measures as the recipient gave them, sealed to this service's key with the order's id.
create table forwarded_complaint (
    id          uuid primary key,
    "case"      uuid not null,
    recipient   uuid not null references recipient,
    at          timestamptz not null,
    due         timestamptz not null,
    cause_order uuid,
    cause       bytea,
    measures_order uuid,
    measures    bytea,
    told_at     timestamptz,
    constraint forwarded_complaint_once unique ("case", recipient),
    constraint forwarded_complaint_told check (told_at is null or cause is not null and measures is not null)
);
create index forwarded_complaint_open on forwarded_complaint (due) where told_at is null;

-- 保存期間: a run of the gate goes with what was found in it; what passed based on law goes first.
create index gate_run_begun on gate_run (begun_at);

-- Nothing goes before its last day is over, by no program.
create function a_kept_record_stays() returns trigger language plpgsql as $$
begin
    if old.kept_until >= (now() at time zone 'Asia/Tokyo')::date then
        raise exception 'it is kept until %', old.kept_until using errcode = 'check_violation', constraint = 'a_kept_record_stays';
    end if;
    return old;
end $$;
create trigger a_kept_record_stays before delete on provision_record for each row execute function a_kept_record_stays();
create trigger a_kept_record_stays before delete on relay_record for each row execute function a_kept_record_stays();
create trigger a_kept_record_stays before delete on stop_document for each row execute function a_kept_record_stays();
