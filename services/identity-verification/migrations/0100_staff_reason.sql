-- Why a member of staff ordered what: one row per order that moved a verification, named by the order's token, which is
-- also the cause in the history. The words are sealed under the case's evidence key and end with it.
create table order_reason (
  cause uuid primary key,
  case_id uuid not null,
  staff uuid not null,
  sealed bytea not null check (octet_length(sealed) <= 65536),
  at timestamptz not null
);
create index order_reason_case on order_reason (case_id);
