-- Personal data of a case: one sealed document per case, key class `case`, unit = the case. Nothing else in this schema
-- is personal but the keyed hashes in person_index and the sealed reasons in staff_order, which go with it.
create table person (
  case_id     uuid primary key,
  kind        text not null,                       -- what is asked: it decides which purposes exist
  received_at timestamptz not null,
  sealed      bytea,                               -- null: erased
  erased_at   timestamptz,
  constraint person_sealed_or_erased check ((sealed is null) = (erased_at is not null))
);
comment on table person is 'The personal part of a case, sealed under its own key. Erased: the row stays and says when.';

-- Blind index: HMAC of folded whole values (name, kana, telephone, kana and birth date). Rows go with the case.
create table person_index (
  field   text  not null constraint person_index_field check (field in ('name', 'kana', 'telephone', 'kana-birth-date')),
  tag     bytea not null constraint person_index_tag check (octet_length(tag) = 16),
  case_id uuid  not null references person on delete cascade,
  primary key (field, tag, case_id)
);
create index person_index_of on person_index (case_id);
comment on table person_index is 'Keyed hashes to find a case by; useless without the index key, deleted when the case is erased.';

-- 受付番号 to case, and the public half of the access code: what a withdrawal has to show.
create table receipt (
  receipt_number text primary key,
  case_id        uuid not null unique,
  code_key       bytea constraint receipt_code_key check (octet_length(code_key) = 32)   -- null: erased
);
comment on table receipt is 'From the number that the person reads to the counter to the case.';
