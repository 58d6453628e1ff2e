-- What the telemetry collector may know of the database: counts and ages, never a row. Run as the administrator after every
-- `madoguchi migrate`; may be run again.
--
-- Functions, not views: PostgreSQL does not tie a function's text to the tables in it, so these never stand in the way of a
-- migration. They run with the rights of their owner; the role `monitor` has rights on nothing else.

create schema if not exists monitor;
revoke all on schema monitor from public;
grant usage on schema monitor to monitor;

-- Facts that a hearer has not confirmed: how many, and since when the oldest waits. A version 7 id begins with its time.
create or replace function monitor.outbox()
returns table (service text, pending bigint, repeated bigint, age_seconds double precision)
language sql stable security definer set search_path = pg_catalog as $$
    select o.service, count(*) filter (where o.id is not null), count(*) filter (where o.tries > 1),
           coalesce(extract(epoch from now() - min(to_timestamp(('x' || substr(replace(o.id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0))), 0)
      from (select 'intake' as service, id, tries from intake.outbox where unheard <> '{}'
            union all select 'identity', id, tries from identity.outbox where unheard <> '{}'
            union all select 'payment', id, tries from payment.outbox where unheard <> '{}'
            union all select 'fulfilment', id, tries from fulfilment.outbox where unheard <> '{}'
            union all select 'optout', id, tries from optout.outbox where unheard <> '{}'
            union all select 'notification', id, tries from notification.outbox where unheard <> '{}'
            -- one empty row each, so that nothing pending is said as 0 and not as silence
            union all select s, null, 0 from unnest(array['intake', 'identity', 'payment', 'fulfilment', 'optout', 'notification']) s) o
     group by o.service
$$;

-- Messages that wait: too early, parked for a person, or behind a parked one.
create or replace function monitor.inbox()
returns table (service text, state text, messages bigint, age_seconds double precision)
language sql stable security definer set search_path = pg_catalog as $$
    select s.service, w.state, count(i.heard_at), coalesce(extract(epoch from now() - min(i.heard_at)), 0)
      from unnest(array['intake', 'identity', 'payment', 'fulfilment', 'optout', 'notification', 'console']) s (service)
     cross join unnest(array['later', 'parked', 'behind']) w (state)
      left join (select 'intake' as service, state, heard_at from intake.inbox where state in ('later', 'parked', 'behind')
                 union all select 'identity', state, heard_at from identity.inbox where state in ('later', 'parked', 'behind')
                 union all select 'payment', state, heard_at from payment.inbox where state in ('later', 'parked', 'behind')
                 union all select 'fulfilment', state, heard_at from fulfilment.inbox where state in ('later', 'parked', 'behind')
                 union all select 'optout', state, heard_at from optout.inbox where state in ('later', 'parked', 'behind')
                 union all select 'notification', state, heard_at from notification.inbox where state in ('later', 'parked', 'behind')
                 union all select 'console', state, heard_at from console.inbox where state in ('later', 'parked', 'behind')) i
        on i.service = s.service and i.state = w.state
     group by s.service, w.state
$$;

-- The door's in-tray: sealed filings that intake has not taken, or could not.
create or replace function monitor.tray()
returns table (state text, filings bigint, age_seconds double precision)
language sql stable security definer set search_path = pg_catalog as $$
    select s.state, count(f.received_at), coalesce(extract(epoch from now() - min(f.received_at)), 0)
      from unnest(array['waiting', 'parked']) s (state) left join door.filing f on f.state = s.state
     group by s.state
$$;

-- Opt-out: instructions without a final report, and deliveries that wait to be tried again or for a person.
create or replace function monitor.optout()
returns table (open_instructions bigint, unreceived bigint, oldest_days double precision, retries bigint, parked bigint, unfanned bigint)
language sql stable security definer set search_path = pg_catalog as $$
    select (select count(*) from optout.owed),
           (select count(*) from optout.owed where received_at is null),
           (select coalesce(extract(epoch from now() - min(issued_at)), 0) / 86400.0 from optout.owed),
           (select count(*) from optout.retry where not parked),
           (select count(*) from optout.retry where parked),
           (select count(*) from optout.fanout where done_at is null)
$$;

-- 期限超過: instructions past their deadline, by recipient and the stage that is missing; `*` is all of them. What is not is said as 0.
create or replace function monitor.past_due()
returns table (recipient text, stage text, instructions bigint)
language sql stable security definer set search_path = pg_catalog as $$
    with due as (
        select o.recipient, case when i.reported_at is not null then 'unconfirmed'
                                 when o.received_at is not null then 'unreported' else 'unreceived' end as stage
          from optout.owed o join optout.issued i using (instruction) where i.due <= now())
    select w.label, s.stage, count(d.stage)
      from (select id, label from optout.recipient union all select null, '*') w
     cross join unnest(array['unreceived', 'unreported', 'unconfirmed']) s (stage)
      left join due d on d.stage = s.stage and (w.id is null or d.recipient = w.id)
     group by w.label, s.stage order by w.label, s.stage limit 6003
$$;

-- The server itself.
create or replace function monitor.server()
returns table (database_bytes bigint, wal_bytes bigint, connections bigint, connections_max bigint, oldest_transaction_seconds double precision)
language sql stable security definer set search_path = pg_catalog as $$
    select pg_database_size(current_database()),
           (select sum(size)::bigint from pg_ls_waldir()),
           (select count(*) from pg_stat_activity where backend_type = 'client backend'),
           current_setting('max_connections')::bigint,
           (select coalesce(max(extract(epoch from now() - xact_start)), 0) from pg_stat_activity where backend_type = 'client backend')
$$;

revoke all on all functions in schema monitor from public;
grant execute on all functions in schema monitor to monitor;
