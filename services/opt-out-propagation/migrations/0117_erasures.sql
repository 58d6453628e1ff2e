-- 消去: reports that do not say enough wait for a person; a certification that ended makes an order to erase everything.
alter table task drop constraint task_kind;
alter table task add constraint task_kind check (kind in ('report', 'sample', 'erase-all', 'erasure'));
create index task_instruction on task (instruction) where closed_at is null;

-- 全消去 (Act arts. 12(2), 16(2)): one per recipient whose certification, or ours, ended. `id` is that of its task.
create table erase_all (
    id          uuid primary key,
    recipient   uuid not null references recipient,
    -- The order; who and why are in staff_reason.
    cause       uuid not null,
    ordered_at  timestamptz not null,
    -- Set with the instruction.
    done_at     timestamptz,
    instruction uuid
);
create index erase_all_open on erase_all (ordered_at) where done_at is null;

-- What two people read on a paper about an erasure: held to the same as a signed report. Insert only.
create table attested_erasure (
    cause       uuid primary key,
    recipient   uuid not null,
    instruction uuid not null,
    body        bytea not null,
    at          timestamptz not null
);
create index attested_erasure_of on attested_erasure (instruction);
create trigger attested_erasure_is_insert_only before update or delete on attested_erasure
    for each row execute function log_is_insert_only();
