-- 受付簿: what came by post, by telephone or to the counter, as staff wrote it down. What somebody wrote or said is sealed under a key of
-- its own (class `correspondence`, unit = the arrival).
create table arrival (
  id            uuid primary key,                   -- the order's token: the same form sent twice is one arrival
  channel       text not null constraint arrival_channel check (channel in ('post', 'telephone', 'counter')),
  arrived_at    timestamptz not null,
  postal_class    text constraint arrival_postal_class check (postal_class in
                  ('ordinary', 'recorded', 'simply-registered', 'registered', 'cash-registered', 'content-certified', 'letter-pack', 'courier')),
  postmarked_on date,
  cash          boolean not null,
  sealed        bytea,                              -- who, the item's number, what it says; null when it is destroyed
  logged_by     uuid not null,
  logged_at     timestamptz not null,
  state         text not null default 'open' constraint arrival_state check (state in ('open', 'settled')),
  outcome       text constraint arrival_outcome check (outcome in ('case', 'request', 'answered', 'returned', 'no-request')),
  case_id       uuid,
  settled_by    uuid,
  settled_at    timestamptz,
  why           bytea,                              -- what was done, sealed like the arrival
  erased_at     timestamptz,                        -- with its case
  constraint arrival_post check (channel = 'post' or (postal_class is null and postmarked_on is null)),
  constraint arrival_settled check ((state = 'settled') = (outcome is not null and settled_by is not null and settled_at is not null)),
  constraint arrival_case check ((outcome in ('case', 'request')) = (case_id is not null)),
  constraint arrival_erased check (erased_at is null or (sealed is null and why is null))
);
create index arrival_open on arrival (arrived_at, id) where state = 'open';
create index arrival_all on arrival (arrived_at, id);
create index arrival_case on arrival (case_id) where case_id is not null;
comment on table arrival is 'Every envelope, call and visit that staff wrote down, and what became of it. Personal values are sealed.';

-- 代理入力: requests that staff filed in the person's name, and the access code until it is handed over. The case's id is made from what it
-- was filed from and its kind, so that two members of staff cannot file one letter twice.
create table desk_filing (
  case_id        uuid primary key,
  token          uuid not null,                     -- the form's
  from_arrival   uuid references arrival,
  from_mail      uuid references mail,
  receipt_number text not null,
  code           bytea,                             -- 照会用暗証, sealed under the key of the case; null: handed over, or erased
  filed_by       uuid not null,
  filed_at       timestamptz not null,
  handed_by      uuid,
  handed_at      timestamptz,
  constraint desk_filing_from check (num_nonnulls(from_arrival, from_mail) = 1),
  constraint desk_filing_handed check ((handed_at is null) = (handed_by is null) and (handed_at is null or code is null))
);
comment on table desk_filing is 'Who filed which case for whom, and the access code until the slip is sent.';

alter table mail drop constraint mail_outcome,
  add constraint mail_outcome check (outcome in ('case', 'request', 'no-request', 'spam'));
