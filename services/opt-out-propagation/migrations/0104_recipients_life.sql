-- 通知先の一生: certification and contract versions, keys and endpoints that change, what was issued and what became of it,
-- and what waits for a member of staff.
alter table recipient
    add column status text not null default 'active'
        constraint recipient_status check (status in ('active', 'suspended', 'removed', 'certification-ended')),
    -- 認定 (Act art. 9, 45, 46) with the place in the tiers (art. 24): contracts' `Certification`.
    add column certification jsonb,
    -- 再委託元.
    add column parent uuid references recipient,
    drop constraint recipient_transport,
    add constraint recipient_transport check (
        transport in ('nats', 'webhook', 'pull', 'sealed-file') and (transport <> 'nats' or nats_account is not null)),
    -- The core zone has no network (Rules art. 6(iv)).
    add constraint recipient_core_zone check (kind <> 'core-zone' or transport = 'sealed-file'),
    add constraint recipient_parent check (parent is null or parent <> id);
alter table endpoint
    drop constraint endpoint_url,
    add constraint endpoint_url check (transport <> 'webhook' or url is not null);

-- 契約の版. `items` are the seven of Rules art. 20(1): a version without one cannot be in force.
create table contract_version (
    recipient    uuid not null references recipient,
    version      int not null,
    terms        jsonb not null,
    items        text[] not null,
    activated_at timestamptz not null,
    -- Another version took its place.
    ended_at     timestamptz,
    primary key (recipient, version),
    constraint contract_has_its_seven_items check (items @> array[
        'scope', 'procedure', 'right-to-check', 'instructions', 'right-to-check-measures', 'reports', 'other'])
);
create unique index contract_in_force on contract_version (recipient) where ended_at is null;

-- Report keys that were replaced: they verify until a date.
create table former_key (
    id        text primary key,
    recipient uuid not null references recipient,
    key       bytea not null,
    until     timestamptz not null
);
create index former_key_of on former_key (recipient);

-- What a hospital or operator is called, as keyed digests: it is told of those who named it.
create table recipient_name (
    recipient uuid not null references recipient,
    tag       bytea not null constraint recipient_name_tag check (octet_length(tag) = 16),
    primary key (recipient, tag)
);
create index recipient_name_tag on recipient_name (tag);

-- What was issued to whom and what became of it; the instruction's machine has the history of it.
create table issued (
    instruction  uuid primary key,
    change       uuid not null,
    -- Written beside its delivery, which looks that the recipient is one.
    recipient    uuid not null,
    entry        uuid not null,
    measure      text not null,
    scope        text not null,
    -- The contract's version in force then; none for kinds that need no contract.
    contract     int,
    issued_at    timestamptz not null,
    due          timestamptz not null,
    -- The instruction that took its place when the endpoint changed.
    replaced_by  uuid,
    outcome      text,
    ground       text,
    reported_at  timestamptz,
    confirmed_at timestamptz,
    -- `automatic`, `staff` or `attested`.
    confirmed_by text
);
create index issued_entry on issued (entry);
create index issued_recipient on issued (recipient, entry);

-- 差替え: what an old endpoint owed and is issued anew. `new` is set with the new instruction, `done_at` when the old one is
-- cancelled. The audit of an endpoint's change.
create table reissue (
    old       uuid primary key,
    recipient uuid not null references recipient,
    endpoint  uuid not null references endpoint,
    -- The order that changed the endpoint.
    cause     uuid not null,
    ordered_at timestamptz not null,
    new       uuid constraint reissue_new unique,
    done_at   timestamptz
);
create index reissue_open on reissue (old) where done_at is null;

-- Standing entries that a recipient is still to be told of: it came later, or was found to have data of the person.
create table backlog (
    recipient uuid not null references recipient,
    entry     uuid not null,
    since     timestamptz not null default now(),
    primary key (recipient, entry)
);

-- What waits for a member of staff.
create table task (
    id          uuid primary key,
    kind        text not null constraint task_kind check (kind in ('report', 'sample', 'erase-all')),
    recipient   uuid not null references recipient,
    instruction uuid,
    entry       uuid,
    outcome     text,
    ground      text,
    since       timestamptz not null,
    due         timestamptz not null,
    closed_at   timestamptz,
    -- The order that closed it; who and why are in staff_reason.
    cause       uuid
);
create index task_open on task (since) where closed_at is null;

-- What two different people have to say. The words are compared: the second one says the same as the first.
create table two_people (
    subject   uuid not null,
    kind      text not null constraint two_people_kind check (kind in ('match', 'attest')),
    words     text not null,
    first     uuid not null,
    first_at  timestamptz not null,
    second    uuid,
    second_at timestamptz,
    primary key (subject, kind),
    constraint two_people_are_two check (second is null or second <> first)
);
-- Once two people said it, nobody unsays or rewrites it.
create function two_people_stay() returns trigger language plpgsql as $$
begin
    if old.second is not null then
        raise exception 'what two people said stays' using errcode = 'check_violation', constraint = 'two_people_stay';
    end if;
    if tg_op = 'UPDATE' and new.second is not null
       and (new.subject, new.kind, new.words, new.first) is distinct from (old.subject, old.kind, old.words, old.first) then
        raise exception 'the second one says the same as the first' using errcode = 'check_violation', constraint = 'two_people_same';
    end if;
    return case when tg_op = 'DELETE' then old else new end;
end $$;
create trigger two_people_stay before update or delete on two_people for each row execute function two_people_stay();
