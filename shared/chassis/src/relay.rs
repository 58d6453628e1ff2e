//! Says what the outbox holds, then asks, then says again where it is missing (bus.md 2.3).
//!
//! Relay and reconciler are this one loop. A row stays open until every hearer says from its own inbox that it has it;
//! a PubAck proves nothing, streams are never compared, no schema is crossed. Any number of replicas may run it: a claim
//! pushes the row's time forward, and saying twice is harmless.

use crate::{bus::Bus, telemetry};
use async_nats::{HeaderMap, jetstream};
use contracts::{
    Code, MessageId, Uuid,
    envelope::CONTENT_TYPE,
    flow::{Queue, said_by},
    request::{Heard, HeardReply, Told, ToldReply},
};
use futures::{StreamExt, stream};
use sqlx::{Connection, Executor, PgConnection};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Rows claimed at once.
const CLAIM: i64 = 256;
/// Messages published at the same time.
const SAY_AT_ONCE: usize = 32;
/// Ids confirmed last that a hearer is asked about as well.
const PROBES: usize = 8;
/// How old such an id may be, in hours: the rows of what ended long ago may be gone at the hearer by right.
const PROBE_HOURS: i64 = 24;

type Row = (Uuid, String, Vec<u8>, Vec<String>, i32);

pub(crate) async fn start(bus: &Arc<Bus>) -> Result<(), sqlx::Error> {
    let hearers = said_by(bus.service()).flat_map(|e| e.hearers).filter(|h| **h != bus.service());
    let unchecked = hearers.map(|h| h.token().to_owned()).collect();
    let greeted = Arc::new(Mutex::new(BTreeSet::new()));
    let (this, greeted_by) = (bus.clone(), greeted.clone());
    let repeat_now = Arc::new(AtomicBool::new(false));
    let asked = repeat_now.clone();
    bus.spawn("relay", async move {
        let mut relay = Relay {
            greeted: greeted_by,
            context: jetstream::new(this.nats().clone()),
            bus: this,
            connection: None,
            probes: BTreeMap::new(),
            unchecked,
            check_at: Instant::now(),
            repeat_at: Instant::now(),
            repeat_now: asked,
            taken_back: BTreeMap::new(),
        };
        relay.run().await;
    });
    let this = bus.clone();
    bus.spawn("hello", async move { listen_for_hello(this, greeted, repeat_now).await });
    Ok(())
}

struct Relay {
    bus: Arc<Bus>,
    context: jetstream::Context,
    /// A connection of its own: nothing cancels it, and its claims need not be synchronous.
    connection: Option<PgConnection>,
    /// What each hearer confirmed last.
    probes: BTreeMap<String, VecDeque<Uuid>>,
    /// Hearers that were not yet asked what they know beyond what was compared ([`Relay::checked`]); those that said hello are asked once more: a
    /// hearer that was restored must be noticed although nothing is open for it.
    unchecked: BTreeSet<String>,
    /// Who said hello since the last pass.
    greeted: Arc<Mutex<BTreeSet<String>>>,
    /// When those are asked again.
    check_at: Instant,
    /// When what was said before is looked at again. A wake is about what is new; asking for the rest at each would ask
    /// every hearer about a row or two at a time.
    repeat_at: Instant,
    /// A hello made what was said before due at once.
    repeat_now: Arc<AtomicBool>,
    /// The newest message of a lost life that each hearer has handed back.
    taken_back: BTreeMap<String, Uuid>,
}

impl Relay {
    async fn run(&mut self) {
        let (stop, wake) = (self.bus.stopping(), self.bus.relay_wake());
        loop {
            let stopping = stop.is_asked();
            match self.pass().await {
                // One last pass while stopping: what was just committed should not wait for the next start.
                Ok(true) if !stopping => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, service = self.bus.service().token(), "the relay lost its database; it tries again");
                    self.connection = None;
                }
            }
            if stopping {
                return;
            }
            let poll = Duration::from_millis(self.bus.settings().poll_ms);
            tokio::select! { () = wake.notified() => {}, _ = stop.pause(poll) => {} }
        }
    }

    /// Whether to go on at once.
    async fn pass(&mut self) -> Result<bool, sqlx::Error> {
        let greeted = std::mem::take(&mut *self.greeted.lock().unwrap_or_else(PoisonError::into_inner));
        if !greeted.is_empty() {
            self.unchecked.extend(greeted);
            self.check_at = Instant::now();
        }
        let asked = self.repeat_now.swap(false, Ordering::AcqRel);
        let repeat = asked || self.repeat_at <= Instant::now() || self.bus.stopping().is_asked();
        let rows = self.claim(repeat).await?;
        let (fresh, repeated): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|r| r.4 <= 1);
        self.say(&fresh).await;
        let mut by_hearer: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in repeated {
            for hearer in &row.3 {
                by_hearer.entry(hearer).or_default().push(row);
            }
        }
        let (mut asked, mut moved) = (0, 0);
        for (hearer, rows) in by_hearer {
            asked += rows.len();
            moved += self.ask(hearer, &rows).await?;
        }
        // While more is due than was claimed, the next pass goes on with it, as long as asking gets somewhere: hearers that
        // are behind are asked about one batch per look. Each claim writes its rows, and asking about a backlog over and
        // over takes from the hearers what they need to work it off.
        let full = rows.len() as i64 == CLAIM;
        let gets_somewhere = 2 * moved >= asked;
        if repeat && !(full && gets_somewhere) {
            self.repeat_at = Instant::now() + Duration::from_millis(self.bus.settings().poll_ms);
        }
        if !self.unchecked.is_empty() && self.check_at <= Instant::now() {
            self.check_at = Instant::now() + Duration::from_millis(self.bus.settings().repeat_base_ms);
            for hearer in self.unchecked.clone() {
                self.ask(&hearer, &[]).await?;
            }
        }
        Ok(full && (gets_somewhere || !fresh.is_empty()))
    }

    async fn db(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        if self.connection.is_none() {
            let mut connection =
                self.bus.db().own_connection().await.map_err(|e| sqlx::Error::Protocol(e.to_string()))?;
            // A lost claim or confirmation is asked for again: no need to wait for the disk.
            connection.execute("set synchronous_commit = off").await?;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// What is due: what was never said; with `repeat` also what was said and is not known to be heard.
    async fn claim(&mut self, repeat: bool) -> Result<Vec<Row>, sqlx::Error> {
        let settings = self.bus.settings();
        let (base, cap) = (settings.repeat_base_ms as f64 / 1000.0, settings.repeat_cap_ms as f64 / 1000.0);
        sqlx::query_as(
            "update outbox set tries = tries + 1,
                    next_at = now() + make_interval(secs => least($1 * 2 ^ least(tries, 12), $2) * (0.75 + random() / 2))
              where id in (select id from outbox where unheard <> '{}' and next_at <= now() and ((tries > 0), next_at) <= ($4, now())
                            order by (tries > 0), next_at limit $3 for update skip locked)
             returning id, subject, body, unheard, tries",
        )
        .bind(base)
        .bind(cap)
        .bind(CLAIM)
        .bind(repeat)
        .fetch_all(self.db().await?)
        .await
    }

    /// Publishes and awaits the PubAcks: an error is counted, the row is due again by itself. No `Nats-Msg-Id`: after a
    /// purge the server would swallow the repeat as a duplicate.
    async fn say(&self, rows: &[&Row]) {
        stream::iter(rows)
            .for_each_concurrent(SAY_AT_ONCE, |row| async {
                let (_, subject, body, _, _) = row;
                let mut headers = HeaderMap::new();
                headers.insert("Content-Type", CONTENT_TYPE);
                let span = telemetry::send_span(body, subject, &mut headers);
                let sent = async {
                    let ack = self.context.publish_with_headers(subject.clone(), headers, body.clone().into()).await?;
                    ack.await
                };
                match tracing::Instrument::instrument(sent, span).await {
                    Ok(_) => telemetry::count("messaging.client.sent.messages", self.bus.service().token()),
                    Err(error) => {
                        tracing::debug!(%error, "a message could not be said; it is due again by itself");
                        telemetry::count("madoguchi.relay.failed", self.bus.service().token());
                    }
                }
            })
            .await;
    }

    /// Asks one hearer about these rows: how many of them are closed now, or said again.
    async fn ask(&mut self, hearer: &str, rows: &[&Row]) -> Result<usize, sqlx::Error> {
        let probe = self.probes_of(hearer).await?;
        let question = Heard {
            from: self.me(),
            ids: rows.iter().map(|r| MessageId(r.0)).collect(),
            probe: probe.iter().map(|id| MessageId(*id)).collect(),
        };
        // No answer: its durable holds the backlog; the rows come due again.
        let Ok(reply) = self.bus.ask_at::<_, HeardReply>(format!("req.{hearer}.heard"), &question).await else {
            telemetry::count("madoguchi.relay.unanswered", hearer);
            return Ok(0);
        };
        let have: Vec<Uuid> = reply.have.iter().map(|id| id.0).collect();
        let forgot = probe.iter().any(|p| !have.contains(p));
        let epoch = self.epoch_of(hearer).await?;
        if epoch.is_some_and(|known| known != reply.epoch) || forgot {
            self.reopen(hearer).await?;
        }
        if epoch != Some(reply.epoch) {
            // Only now: if reopening had failed, the next answer must find the old epoch.
            self.keep_epoch(hearer, reply.epoch).await?;
        }
        self.close(hearer, &have).await?;
        let idle = |row: &Row| match Queue::of_subject(&row.1) {
            Queue::Steps => reply.idle,
            Queue::Bulk => reply.bulk_idle,
        };
        let missing: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|r| !have.contains(&r.0) && (idle(r) || r.4 >= 8 && (r.4 as u32).is_power_of_two()))
            .collect();
        if !missing.is_empty() {
            telemetry::add("madoguchi.relay.said_again", missing.len() as u64, hearer);
            self.say(&missing).await;
        }
        self.look_for_lost_rows(hearer, reply.newest.map(|id| id.0)).await?;
        Ok(rows.iter().filter(|r| have.contains(&r.0)).count() + missing.len())
    }

    /// Has this database lost rows that the hearer heard? Asked beyond what was compared once per hearer, and again whenever
    /// the newest that it ever heard is unknown here.
    async fn look_for_lost_rows(&mut self, hearer: &str, newest: Option<Uuid>) -> Result<(), sqlx::Error> {
        if self.unchecked.contains(hearer) {
            let checked = self.checked(hearer).await?;
            if !self.take_back(hearer, checked).await? {
                return Ok(());
            }
            self.unchecked.remove(hearer);
        }
        let Some(newest) = newest else { return Ok(()) };
        if self.taken_back.get(hearer) != Some(&newest) && !self.is_mine(newest).await? {
            if !self.take_back(hearer, None).await? {
                return Ok(());
            }
            self.taken_back.insert(hearer.to_owned(), newest);
        }
        self.keep_checked(hearer, newest).await
    }

    async fn checked(&mut self, hearer: &str) -> Result<Option<Uuid>, sqlx::Error> {
        let find = "select checked from peer where hearer = $1";
        Ok(sqlx::query_scalar(find).bind(hearer).fetch_optional(self.db().await?).await?.flatten())
    }

    async fn keep_checked(&mut self, hearer: &str, newest: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query("update peer set checked = $2 where hearer = $1 and (checked is null or checked < $2)")
            .bind(hearer)
            .bind(newest)
            .execute(self.db().await?)
            .await
            .map(drop)
    }

    fn me(&self) -> Code {
        self.bus.service().token().parse().unwrap_or(Code::of("unknown"))
    }

    async fn probes_of(&mut self, hearer: &str) -> Result<Vec<Uuid>, sqlx::Error> {
        if !self.probes.contains_key(hearer) {
            let known: Vec<Uuid> = sqlx::query_scalar(
                "select id from outbox where $1 = any (hearers) and not $1 = any (unheard) order by id desc limit 8",
            )
            .bind(hearer)
            .fetch_all(self.db().await?)
            .await?;
            self.probes.insert(hearer.to_owned(), known.into());
        }
        // The ids carry their time (UUID version 7).
        let oldest = self.bus.clock().now().as_second() - PROBE_HOURS * 3600;
        let young = |id: &Uuid| id.get_timestamp().is_some_and(|t| t.to_unix().0 as i64 >= oldest);
        Ok(self.probes.get(hearer).map(|p| p.iter().copied().filter(young).collect()).unwrap_or_default())
    }

    async fn epoch_of(&mut self, hearer: &str) -> Result<Option<i32>, sqlx::Error> {
        sqlx::query_scalar("select epoch from peer where hearer = $1")
            .bind(hearer)
            .fetch_optional(self.db().await?)
            .await
    }

    async fn keep_epoch(&mut self, hearer: &str, epoch: i32) -> Result<(), sqlx::Error> {
        sqlx::query("insert into peer (hearer, epoch) values ($1, $2) on conflict (hearer) do update set epoch = excluded.epoch")
            .bind(hearer)
            .bind(epoch)
            .execute(self.db().await?)
            .await
            .map(drop)
    }

    /// The hearer has lost rows: everything that it ever confirmed is open again.
    async fn reopen(&mut self, hearer: &str) -> Result<(), sqlx::Error> {
        tracing::warn!(
            hearer,
            service = self.bus.service().token(),
            "the hearer has lost rows; all it confirmed is asked again"
        );
        telemetry::count("madoguchi.relay.reopened", hearer);
        sqlx::query(
            "update outbox set unheard = array_append(unheard, $1), tries = 1, next_at = now()
              where $1 = any (hearers) and not $1 = any (unheard)",
        )
        .bind(hearer)
        .execute(self.db().await?)
        .await?;
        // Only now: if that had failed, the next answer must fail the probe again.
        self.probes.insert(hearer.to_owned(), VecDeque::new());
        Ok(())
    }

    async fn close(&mut self, hearer: &str, have: &[Uuid]) -> Result<(), sqlx::Error> {
        if have.is_empty() {
            return Ok(());
        }
        let closed: Vec<Uuid> = sqlx::query_scalar(
            "update outbox set unheard = array_remove(unheard, $1) where id = any ($2) and $1 = any (unheard) returning id",
        )
        .bind(hearer)
        .bind(have)
        .fetch_all(self.db().await?)
        .await?;
        let probes = self.probes.entry(hearer.to_owned()).or_default();
        probes.extend(closed);
        while probes.len() > PROBES {
            probes.pop_front();
        }
        Ok(())
    }

    async fn is_mine(&mut self, id: Uuid) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("select exists (select 1 from outbox where id = $1)")
            .bind(id)
            .fetch_one(self.db().await?)
            .await
    }

    /// I have lost rows (an older backup): what the hearer heard from me after `after` and I do not know becomes a parked
    /// row each. `false`: it did not answer to the end.
    async fn take_back(&mut self, hearer: &str, after: Option<Uuid>) -> Result<bool, sqlx::Error> {
        let mut after = after.map(MessageId);
        loop {
            let question = Told { from: self.me(), after };
            let Ok(reply) = self.bus.ask_at::<_, ToldReply>(format!("req.{hearer}.told"), &question).await else {
                return Ok(false);
            };
            let Some((last, _)) = reply.heard.last() else { return Ok(true) };
            after = Some(*last);
            let (ids, lanes): (Vec<Uuid>, Vec<Uuid>) = reply.heard.iter().map(|(id, lane)| (id.0, *lane)).unzip();
            let service = self.bus.service().token();
            let db = self.db().await?;
            let mut tx = db.begin().await?;
            // Its own id space: the message itself may be heard here too.
            let lost: Vec<(Uuid, Uuid)> = sqlx::query_as(
                "select i, l from unnest($1::uuid[], $2::uuid[]) t (i, l) where not exists (select 1 from outbox where id = i)",
            )
            .bind(&ids)
            .bind(&lanes)
            .fetch_all(&mut *tx)
            .await?;
            if !lost.is_empty() {
                tracing::error!(
                    hearer,
                    service,
                    rows = lost.len(),
                    "this service has lost rows that were heard; they are parked for a person"
                );
            }
            for (id, lane) in lost {
                let row = Uuid::new_v5(&id, b"lost row of mine");
                sqlx::query("insert into inbox (id, lane, source, seq, state, note) values ($1, $2, $3, 0, 'parked', 'lost-row-of-mine') on conflict (id) do nothing")
                    .bind(row)
                    .bind(lane)
                    .bind(hearer)
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
        }
    }
}

/// A hearer that starts, or a steward that made something anew, says hello: what it lacks is due at once. A hint only;
/// the cap of the pause is the guarantee.
async fn listen_for_hello(bus: Arc<Bus>, greeted: Arc<Mutex<BTreeSet<String>>>, repeat_now: Arc<AtomicBool>) {
    let stop = bus.stopping();
    let is_hearer = |who: &str| said_by(bus.service()).flat_map(|e| e.hearers).any(|h| h.token() == who);
    while !stop.is_asked() {
        if let Ok(mut hellos) = bus.nats().subscribe("bus.hello.*").await {
            let me = format!("bus.hello.{}", bus.service().token());
            let _ = bus.nats().publish(me.clone(), "".into()).await;
            loop {
                let hello = tokio::select! { h = hellos.next() => h, () = stop.asked() => return };
                let Some(hello) = hello else { break };
                if hello.subject.as_str() == me {
                    continue;
                }
                let who = hello.subject.rsplit('.').next().unwrap_or_default().to_owned();
                if is_hearer(&who) {
                    greeted.lock().unwrap_or_else(PoisonError::into_inner).insert(who.clone());
                }
                let due = bus.db().write(move |tx| {
                    Box::pin(async move {
                        sqlx::query("update outbox set next_at = now() where unheard <> '{}' and ($1 = 'all' or $1 = any (unheard)) and next_at > now()")
                            .bind(who)
                            .execute(tx)
                            .await?;
                        Ok(())
                    })
                });
                if due.await.is_ok() {
                    repeat_now.store(true, Ordering::Release);
                    bus.relay_wake().notify_one();
                }
            }
        }
        if stop.pause(Duration::from_millis(500)).await {
            return;
        }
    }
}
