-- What every mail needs of a case and no more: language and receipt number, from CaseOpened. No personal data. The row of
-- an erased case keeps only the date, so that a late fact about it is recognised and not told.
create table case_language (
  case_id uuid primary key,
  language text check (language in ('ja', 'en')),
  receipt_number text,
  erased_at timestamptz,
  check ((language is null) = (receipt_number is null)),
  check (language is not null or erased_at is not null)
);

-- Which notices a case has: an erasure ends them all.
create table notice_of_case (
  notice uuid primary key,
  case_id uuid not null
);
create index notice_of_case_case on notice_of_case (case_id);

-- Attempts that a shell has to make; written and removed with the machine's state. `taken` is set once per attempt: a shell
-- that dies with it is found by the machine's lease, which makes a new attempt.
create table dispatch (
  notice uuid primary key,
  attempt smallint not null,
  taken bool not null default false
);
create index dispatch_open on dispatch (notice) where not taken;
