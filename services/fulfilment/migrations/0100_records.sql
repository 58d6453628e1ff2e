-- Why a member of staff decided as they did (one row per order, named by its token, which is also the cause in the
-- history), and what the person is answered: the standard words of the ground and the reasons in words (APPI art. 36).
-- Both are sealed under the case's statutory-record key: erasing the case does not reach them, the end of their time does.
create table order_reason (
  cause uuid primary key,
  case_id uuid not null,
  staff uuid not null,
  sealed bytea not null check (octet_length(sealed) <= 65536),
  at timestamptz not null
);
create index order_reason_case on order_reason (case_id);

create table answer_record (
  cause uuid primary key,
  case_id uuid not null,
  sealed bytea not null check (octet_length(sealed) <= 131072),
  at timestamptz not null,
  keep_until timestamptz not null check (keep_until > at)
);
create index answer_record_case on answer_record (case_id);
create index answer_record_end on answer_record (keep_until);
