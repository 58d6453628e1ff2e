-- What the person is answered: the standard words of the ground and the reasons in words (APPI art. 36). One row per order,
-- named by its token; why the member of staff decided so stands beside it in staff_reason, and neither is without the other.
-- Both are sealed under the case's statutory-record key: erasing the case does not reach them, the end of their time does.
create table answer_record (
  cause uuid primary key references staff_reason on delete cascade,
  case_id uuid not null,
  sealed bytea not null check (octet_length(sealed) <= 131072),
  at timestamptz not null,
  keep_until timestamptz not null check (keep_until > at)
);
create index answer_record_case on answer_record (case_id);
create index answer_record_end on answer_record (keep_until);
