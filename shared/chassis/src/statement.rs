//! The two statements of `handle` (bus.md 2.1), per machine table. One round trip each.

use crate::{cause::Cause, db::DbError, home::HandleError, machine::Machine};
use contracts::{Service, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};
use std::sync::Arc;

/// How long a message may be too early before it is parked for a person, in hours.
const TOO_EARLY_HOURS: i32 = 24;

/// The statements for one kind of machine.
#[derive(Clone, Debug)]
pub struct Statements {
    lock: Arc<str>,
    write: Arc<str>,
    read: Arc<str>,
    due: Arc<str>,
}

/// What LOCK found. `seen` may be stale when the lock was waited for; WRITE decides.
pub struct Lock {
    /// 0 when there is no machine yet.
    pub version: i64,
    state: Option<serde_json::Value>,
    seen: Option<String>,
    /// The stored answer of an order that was obeyed before.
    pub answer: Option<Vec<u8>>,
    /// A parked message of the same speaker stands before this one.
    pub blocked: bool,
    /// The message has waited for longer than 24 hours.
    overdue: bool,
}

impl Lock {
    /// Done with, or dropped by a person.
    pub fn is_seen(&self) -> bool {
        matches!(self.seen.as_deref(), Some("done" | "dropped"))
    }
    /// The state, or the default of a machine that is not yet.
    pub fn state<M: Machine>(&self) -> Result<M::State, HandleError> {
        match &self.state {
            None => Ok(M::State::default()),
            Some(json) => serde_json::from_value(json.clone())
                .map_err(|_| HandleError::Stored { kind: M::KIND, version: self.version }),
        }
    }
}

/// What WRITE writes.
#[derive(Debug, Default)]
pub struct Written {
    /// The inbox row's state.
    pub state: &'static str,
    /// Why it waits.
    pub note: Option<String>,
    /// Seconds until a waiting row is tried again; 0 for the others.
    pub due_in: f64,
    /// The answer to a person.
    pub answer: Option<Vec<u8>>,
    /// Why, as history keeps it.
    pub why: Option<Uuid>,
    /// The machine's new version; the old one when nothing happened.
    pub version: i64,
    /// When.
    pub at: Option<Timestamp>,
    /// The machine's new state.
    pub state_json: serde_json::Value,
    /// Its next wake-up.
    pub wake: Option<Timestamp>,
    /// One per event: the JSON text, its salt, its leaf.
    pub events: Vec<String>,
    /// See `events`.
    pub salts: Vec<Vec<u8>>,
    /// See `events`.
    pub leaves: Vec<Vec<u8>>,
    ids: Vec<Uuid>,
    seqs: Vec<i64>,
    subjects: Vec<String>,
    bodies: Vec<Vec<u8>>,
    hearers: Vec<String>,
}

impl Written {
    /// A step with events.
    pub fn step(version: i64, at: Timestamp) -> Self {
        Self { state: "done", version, at: Some(at), ..Self::default() }
    }
    /// Heard without an event.
    pub fn heard(answer: Option<Vec<u8>>) -> Self {
        Self { state: "done", answer, ..Self::default() }
    }
    /// Parked, or behind a parked one.
    pub fn waiting(state: &'static str, note: &str) -> Self {
        Self { state, note: Some(note.to_owned()), ..Self::default() }
    }
    /// Too early: tried again when anything happens in its lane, and by and by; parked after a day.
    pub fn too_early(lock: &Lock) -> Self {
        if lock.overdue {
            Self::waiting("parked", "too-early-for-a-day")
        } else {
            Self { due_in: 1.0, ..Self::waiting("later", "too-early") }
        }
    }
    /// Adds an outbox row.
    pub fn say(&mut self, id: Uuid, seq: i64, subject: String, body: Vec<u8>, hearers: &[Service]) {
        self.ids.push(id);
        self.seqs.push(seq);
        self.subjects.push(subject);
        self.bodies.push(body);
        // `unnest` would flatten an array of arrays.
        self.hearers.push(hearers.iter().map(|h| h.token()).collect::<Vec<_>>().join(","));
    }
}

/// What [`Statements::write_many`] writes, column by column.
#[derive(Debug, Default)]
pub struct Many {
    machines: Vec<Uuid>,
    versions: Vec<i64>,
    states: Vec<String>,
    wakes: Vec<Option<jiff_sqlx::Timestamp>>,
    of: Vec<Uuid>,
    facts: Vec<i64>,
    causes: Vec<Uuid>,
    events: Vec<String>,
    salts: Vec<Vec<u8>>,
    leaves: Vec<Vec<u8>>,
    ids: Vec<Uuid>,
    speakers: Vec<Uuid>,
    seqs: Vec<i64>,
    subjects: Vec<String>,
    bodies: Vec<Vec<u8>>,
    hearers: Vec<String>,
}

impl Many {
    /// Adds one new machine.
    pub fn add(&mut self, machine: Uuid, w: Written) {
        self.machines.push(machine);
        self.versions.push(w.version);
        self.states.push(w.state_json.to_string());
        self.wakes.push(w.wake.map(|at| at.to_sqlx()));
        let cause = w.why.unwrap_or(machine);
        for (version, event) in (1..).zip(w.events) {
            self.of.push(machine);
            self.facts.push(version);
            self.causes.push(cause);
            self.events.push(event);
        }
        self.salts.extend(w.salts);
        self.leaves.extend(w.leaves);
        self.speakers.extend(w.ids.iter().map(|_| machine));
        self.ids.extend(w.ids);
        self.seqs.extend(w.seqs);
        self.subjects.extend(w.subjects);
        self.bodies.extend(w.bodies);
        self.hearers.extend(w.hearers);
    }
}

impl Statements {
    /// Writes new machines of one kind, all in one statement. `kind` is a constant of a `Machine`, never input.
    ///
    /// # Errors
    /// The database did not do it; also when one of them exists already.
    pub async fn write_many(
        tx: &mut PgConnection,
        kind: &'static str,
        many: Many,
        at: Timestamp,
    ) -> Result<(), DbError> {
        let sql = format!(
            "with fact as (
               insert into history (machine, version, at, cause, event, salt)
               select m, v, $1, c, e::json, s from unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::text[], $6::bytea[]) t (m, v, c, e, s)),
             leaf as (
               insert into leaf (machine, version, hash)
               select m, v, h from unnest($2::uuid[], $3::bigint[], $7::bytea[]) with ordinality t (m, v, h, n) order by n),
             said as (
               insert into outbox (id, machine, seq, subject, body, hearers, unheard)
               select i, m, q, s, b, string_to_array(h, ','), string_to_array(h, ',')
                 from unnest($8::uuid[], $9::uuid[], $10::bigint[], $11::text[], $12::bytea[], $13::text[]) t (i, m, q, s, b, h))
             insert into {kind} (id, version, state, wake_at)
             select m, v, s::jsonb, w from unnest($14::uuid[], $15::bigint[], $16::text[], $17::timestamptz[]) t (m, v, s, w)"
        );
        sqlx::query(AssertSqlSafe(sql))
            .bind(at.to_sqlx())
            .bind(&many.of)
            .bind(&many.facts)
            .bind(&many.causes)
            .bind(&many.events)
            .bind(&many.salts)
            .bind(&many.leaves)
            .bind(&many.ids)
            .bind(&many.speakers)
            .bind(&many.seqs)
            .bind(&many.subjects)
            .bind(&many.bodies)
            .bind(&many.hearers)
            .bind(&many.machines)
            .bind(&many.versions)
            .bind(&many.states)
            .bind(&many.wakes)
            .execute(tx)
            .await?;
        Ok(())
    }

    /// For one table. `kind` is a constant of a `Machine`, never input.
    pub fn of(kind: &'static str) -> Self {
        let lock = format!(
            "select coalesce(m.version, 0), m.state, i.state, i.answer,
                    exists (select 1 from inbox b where b.lane = $1 and b.source = $3 and b.seq < $4 and b.state in ('parked', 'behind')),
                    coalesce(i.heard_at < now() - make_interval(hours => {TOO_EARLY_HOURS}), false)
               from (values (1)) one
               left join lateral (select version, state from {kind} where id = $1 for update) m on true
               left join lateral (select state, answer, heard_at from inbox where id = $2) i on true"
        );
        let write = format!(
            "with told as (
               insert into inbox (id, lane, source, seq, body, answer, state, due_at, note)
               select $2, $1, $3, $4, $5, $6, $7, now() + make_interval(secs => $8), $9 where $2::uuid is not null
               on conflict (id) do update set state = excluded.state, due_at = excluded.due_at, note = excluded.note, answer = excluded.answer
                 where inbox.state in ('later', 'parked', 'behind')
               returning 1),
             fact as (
               insert into history (machine, version, at, cause, event, salt)
               select $1, $10 + n, $12, $13, e::json, s from unnest($14::text[], $15::bytea[]) with ordinality t (e, s, n)),
             leaf as (
               insert into leaf (machine, version, hash)
               select $1, $10 + n, h from unnest($16::bytea[]) with ordinality t (h, n) order by n),
             said as (
               insert into outbox (id, machine, seq, subject, body, hearers, unheard)
               select i, $1, q, s, b, string_to_array(h, ','), string_to_array(h, ',')
                 from unnest($17::uuid[], $18::bigint[], $19::text[], $20::bytea[], $21::text[]) t (i, q, s, b, h)),
             put as (
               insert into {kind} (id, version, state, wake_at) select $1, $11, $22, $23 where $11 > $10
               on conflict (id) do update set version = excluded.version, state = excluded.state, wake_at = excluded.wake_at
                 where {kind}.version = $10
               returning 1),
             woke as (
               update inbox set state = 'later', due_at = now()
                where lane = $1 and id is distinct from $2
                  and (state = 'later' and $11 > $10 or state = 'behind' and $7 = 'done' and $2 is not null))
             select (select count(*) from told), (select count(*) from put)"
        );
        Self {
            lock: lock.into(),
            write: write.into(),
            read: format!("select version, state from {kind} where id = $1").into(),
            due: format!("select id from {kind} where wake_at <= $1 and id <> all ($2) order by wake_at limit 100")
                .into(),
        }
    }

    /// Locks the machine's row and looks whether the cause is known.
    pub async fn lock(&self, tx: &mut PgConnection, id: Uuid, cause: &Cause) -> Result<Lock, DbError> {
        type Found = (i64, Option<serde_json::Value>, Option<String>, Option<Vec<u8>>, bool, bool);
        let found: Found = sqlx::query_as(AssertSqlSafe(self.lock.clone()))
            .bind(id)
            .bind(cause.token())
            .bind(cause.source())
            .bind(if cause.is_message() { cause.seq() } else { i64::MIN })
            .fetch_one(tx)
            .await?;
        let (version, state, seen, answer, blocked, overdue) = found;
        Ok(Lock { version, state, seen, answer, blocked, overdue })
    }

    /// Writes everything; how many inbox rows were told and how many machines put.
    pub async fn write(
        &self,
        tx: &mut PgConnection,
        id: Uuid,
        cause: &Cause,
        w: &Written,
        old: i64,
    ) -> Result<(i64, i64), DbError> {
        let counts = sqlx::query_as(AssertSqlSafe(self.write.clone()))
            .bind(id)
            .bind(cause.token())
            .bind(cause.source())
            .bind(cause.seq())
            .bind(cause.body())
            .bind(w.answer.as_deref())
            .bind(w.state)
            .bind(w.due_in)
            .bind(w.note.as_deref())
            .bind(old)
            .bind(if w.events.is_empty() { old } else { w.version })
            .bind(w.at.map(|at| at.to_sqlx()))
            .bind(w.why.unwrap_or_else(|| cause.id_or(id)))
            .bind(&w.events)
            .bind(&w.salts)
            .bind(&w.leaves)
            .bind(&w.ids)
            .bind(&w.seqs)
            .bind(&w.subjects)
            .bind(&w.bodies)
            .bind(&w.hearers)
            .bind(&w.state_json)
            .bind(w.wake.map(|at| at.to_sqlx()))
            .fetch_one(tx)
            .await?;
        Ok(counts)
    }

    /// The answer to an order that was obeyed: LOCK may have seen the inbox as it was before it waited for the row.
    pub async fn answered(&self, tx: &mut PgConnection, cause: &Cause) -> Result<Option<Option<Vec<u8>>>, DbError> {
        Ok(sqlx::query_scalar("select answer from inbox where id = $1 and state in ('done', 'dropped')")
            .bind(cause.token())
            .fetch_optional(tx)
            .await?)
    }

    /// Version and state.
    pub async fn read(&self, pool: &PgPool, id: Uuid) -> Result<Option<(i64, serde_json::Value)>, DbError> {
        Ok(sqlx::query_as(AssertSqlSafe(self.read.clone())).bind(id).fetch_optional(pool).await?)
    }

    /// Machines whose time has come, but for those that are left alone.
    pub async fn due(&self, pool: &PgPool, now: Timestamp, left_alone: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
        Ok(sqlx::query_scalar(AssertSqlSafe(self.due.clone()))
            .bind(now.to_sqlx())
            .bind(left_alone)
            .fetch_all(pool)
            .await?)
    }
}
