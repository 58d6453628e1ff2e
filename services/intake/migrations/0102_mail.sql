-- 来信: mails. The door brings each as one sealed file; it is read in a process apart and kept in parts, each with a key of its own
-- (class `correspondence`, unit = the mail, or the part): one paper can be destroyed while the rest, and every hash, stays.
--
-- Nothing is dropped: whatever arrives has a row here, with what it was taken for and why.
create table mail (
  id          uuid primary key,                     -- the filing's id: brought twice, it is one
  state       text not null default 'arrived' constraint mail_state check (state in
                ('arrived', 'triage', 'threaded', 'quarantine', 'bounce', 'automatic', 'feedback', 'loop', 'repeated', 'settled')),
  reason      text constraint mail_reason check (reason ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
  received_at timestamptz not null,
  client      text not null,                        -- which of our systems brought it
  digest      bytea not null constraint mail_digest check (octet_length(digest) = 32),   -- SHA-256 of the bytes as they came
  bytes       bigint not null,
  inbound     uuid,                                 -- the file as it came, sealed to this service; null when it is taken apart
  skeleton    uuid,                                 -- the mail without its files, in the object store; null when there is none
  sealed      bytea,                                -- envelope, headers, text; null when it is destroyed
  message_tag bytea constraint mail_message_tag check (octet_length(message_tag) = 16),
  sender_tag  bytea constraint mail_sender_tag check (octet_length(sender_tag) = 16),
  same_as     uuid references mail,                 -- the first mail with this Message-ID
  case_id     uuid,                                 -- the case that it belongs to
  tries       int not null default 0,
  next_at     timestamptz,                          -- when it is read (again); null: not waiting
  read_at     timestamptz,
  ack_at      timestamptz,                          -- when it was decided that its sender is told; null: not told
  ack_next    timestamptz,                          -- when that is tried (again); null: done, or never
  settled_at  timestamptz,
  settled_by  uuid,
  outcome     text constraint mail_outcome check (outcome in ('case', 'no-request', 'spam')),
  why         bytea,                                -- the member of staff's reason, sealed like the mail
  erased_at   timestamptz,                          -- with its case
  constraint mail_erased check (erased_at is null or (sealed is null and skeleton is null and why is null and message_tag is null
                                                     and sender_tag is null and inbound is null)),
  constraint mail_settled check ((state = 'settled') = (settled_at is not null and settled_by is not null and outcome is not null))
);
create index mail_due on mail (next_at) where next_at is not null;
create index mail_ack_due on mail (ack_next) where ack_next is not null;
create index mail_sender on mail (sender_tag, ack_at) where ack_at is not null;
create index mail_open on mail (received_at, id) where state in ('triage', 'threaded', 'quarantine');
create index mail_all on mail (received_at, id);
create index mail_message on mail (message_tag) where message_tag is not null;
create index mail_case on mail (case_id) where case_id is not null;
comment on table mail is 'Every mail that arrived: what it was taken for, and what became of it. Personal values are sealed.';

create table mail_part (
  mail         uuid not null references mail,
  n            int not null constraint mail_part_n check (n >= 0),
  unit         uuid not null,                       -- whose key it is under: parts of an inner mail share that of the inner mail
  kind         text not null,
  bytes        bigint not null,
  digest       bytea not null constraint mail_part_digest check (octet_length(digest) = 32),
  object       uuid,                                -- the file; null when it is destroyed
  as_sent      uuid,                                -- the same as it stood in the mail, encoded; inner parts have none
  destroyed_at timestamptz,
  destroyed_by uuid,
  destroyed_why bytea,                              -- the reason, sealed like the mail
  primary key (mail, n),
  constraint mail_part_destroyed check ((destroyed_at is null) = (destroyed_by is null) and (destroyed_at is null) = (destroyed_why is null))
);
create index mail_part_unit on mail_part (unit);
comment on table mail_part is 'The files of a mail. Destroyed: the row stays, with its hash, who and when.';
