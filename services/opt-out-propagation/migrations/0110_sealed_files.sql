-- 封緘ファイル: every file that was made for a recipient in a closed network, and every one that came back. Who and why stand in
-- staff_reason, by the id. A file's bodies are those of `delivery`; nothing of a sheet but what it says is kept.
create table file_export (
    id        uuid primary key,
    recipient uuid not null references recipient,
    epoch     int not null,
    first     bigint not null,
    last      bigint not null,
    -- The last position issued when it was made.
    issued    bigint not null,
    -- SHA-256 of the whole file.
    digest    bytea not null constraint file_export_digest check (octet_length(digest) = 32),
    -- In the object store, sealed to the recipient.
    object    uuid not null,
    made_at   timestamptz not null,
    constraint file_export_positions check (1 <= first and first <= last and last <= issued)
);
create index file_export_of on file_export (recipient, epoch, last);

create table file_import (
    id        uuid primary key,
    recipient uuid not null references recipient,
    form      text not null constraint file_import_form check (form in ('reports', 'sheet')),
    -- SHA-256 of the plain file.
    digest    bytea not null constraint file_import_digest check (octet_length(digest) = 32),
    -- What became of it line by line: ids and codes.
    answer    jsonb not null,
    at        timestamptz not null
);
create index file_import_of on file_import (recipient, at);

create trigger file_export_is_insert_only before update or delete on file_export
    for each row execute function log_is_insert_only();
create trigger file_import_is_insert_only before update or delete on file_import
    for each row execute function log_is_insert_only();
