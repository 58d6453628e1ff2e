-- Who saw what of whom, for which purpose, by which article: committed before the value leaves. Nobody changes it.
create table audit (
  id      uuid primary key,
  at      timestamptz not null,
  what    text not null constraint audit_what check (what in ('disclose', 'search')),
  case_id uuid,                                    -- null: a search
  asker   text not null,
  purpose text not null,
  article text not null,
  fields  text[] not null,
  cause   uuid,                                    -- the message or staff command because of which it was asked
  staff   uuid,
  result  text not null constraint audit_result check (result in ('granted', 'forbidden'))
);
create index audit_case on audit (case_id, at) where case_id is not null;
create index audit_staff on audit (staff, at) where staff is not null;
comment on table audit is 'Every disclosure and every search, written before it is answered. Codes only, no value.';

-- Staff orders with their reasons, sealed under the key of the case. The reason ends with the case, the order stays.
create table staff_order (
  token   uuid primary key,                        -- the form's token: the cause in the history
  case_id uuid not null,
  verb    text not null,
  staff   uuid not null,
  why     bytea,                                   -- null: erased
  at      timestamptz not null
);
create index staff_order_case on staff_order (case_id, at);
comment on table staff_order is 'Who ordered what, and why (sealed). Written before the order is obeyed.';

create function keep_audit() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger audit_kept before update or delete on audit for each row execute function keep_audit();
create trigger audit_not_emptied before truncate on audit for each statement execute function keep_audit();

-- Erasures that are ordered: the key is in another database, so its destruction is a due row and not part of the step.
create table erasure (
  case_id    uuid primary key,
  ordered_at timestamptz not null,
  next_at    timestamptz not null,
  tries      int not null default 0,
  done_at    timestamptz
);
create index erasure_due on erasure (next_at) where done_at is null;
comment on table erasure is 'Keys to destroy; done when the key database says so.';
