-- The door's two trays and what it has accepted. See bus.md 6.3.
--
-- In-tray: the door puts, intake takes. What lies here is sealed with a hatch key that the door forgets within seconds.
create table hatch (
  id      uuid primary key,
  sealed  bytea not null check (octet_length(sealed) between 1 and 1024),   -- the hatch's key, sealed to the desk
  made_at timestamptz not null default now()
);
comment on table hatch is 'Short-lived keys of the door, each sealed to the desk. Intake deletes a row when no filing needs it.';

create table filing (
  id          uuid primary key,
  hatch       uuid not null,                        -- no foreign key: both rows come in one statement
  sealed      bytea not null check (octet_length(sealed) between 1 and 262144),
  state       text not null default 'waiting' constraint filing_state check (state in ('waiting', 'parked')),
  received_at timestamptz not null,
  tries       int not null default 0,               -- intake's, like the two below
  next_at     timestamptz,
  note        text constraint filing_note check (note ~ '^[a-z0-9][a-z0-9-]{0,63}$')   -- a code, never words of a person
);
create index filing_waiting on filing (received_at) where state = 'waiting';
comment on table filing is 'Sealed filings. Intake deletes a row in the transaction that makes its case.';

-- Outlives the filing: a repeated POST gets the original answer, or is refused when it says something else.
create table idempotency (
  id          uuid primary key,                     -- the filing's id, derived from the Idempotency-Key and the door's secret
  body_mac    bytea not null check (octet_length(body_mac) = 32),
  code_key    bytea not null check (octet_length(code_key) = 32),
  kind        text,                                 -- null: a withdrawal
  received_at timestamptz not null
);
create index idempotency_code on idempotency (code_key) where kind is not null;
create index idempotency_age on idempotency using brin (received_at);
comment on table idempotency is 'What the door has accepted: keyed digests only. Rows end after [door] idempotency_days.';

-- Out-tray: letters to a person, each sealed to the access code; written by intake with the step that they tell of.
create table letterbox (
  code_key   bytea not null check (octet_length(code_key) = 32),
  kind       text not null constraint letterbox_kind check (kind in ('draft', 'status', 'messages', 'answer')),
  body       bytea not null check (octet_length(body) between 1 and 1048576),
  version    bigint not null,
  updated_at timestamptz not null default now(),
  primary key (code_key, kind)
);
comment on table letterbox is 'Letters sealed to access codes; found by the code''s public key, opened by nobody but its holder.';

-- The door cannot read back what it has put into the in-tray, not even sealed, and cannot write letters.
revoke all on hatch, filing, idempotency, letterbox from public;
revoke all on hatch, filing, idempotency, letterbox from door;
grant insert on hatch to door;
grant select (id) on hatch to door;                 -- "on conflict (id)" needs it
grant insert on filing to door;
grant select (id, state, received_at) on filing to door;
grant select, insert, delete on idempotency to door;
grant select on letterbox to door;

-- The one declared exception to "no grants across": intake takes the in-tray and fills the out-tray.
grant usage on schema door to intake;
grant select, update, delete on filing to intake;
grant select, delete on hatch to intake;
grant select, insert, update, delete on letterbox to intake;
