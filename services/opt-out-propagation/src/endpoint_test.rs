//! 試験通知: a webhook endpoint is used only after a test event was delivered to it and answered with a signed report.
//!
//! A new endpoint is not `enabled`, so the engine leaves it alone; this task sends the test event over the very transport
//! that instructions would take (guard, signatures, mutual TLS, tokens) until its answer is in. The answer is verified as
//! every report is, kept, and puts the endpoint into use. Staff can have the test repeated at any time; an endpoint in use
//! stays in use meanwhile.

use crate::{
    books,
    delivery::{Outcome, backoff},
    engine::News,
    person::Register,
    settings::Settings,
    transport::{Address, Opens, Parcel, Sent},
};
use chassis::{Bus, DbError, telemetry};
use contracts::{
    Code, IdentifiersAs, InstructionId, RecipientId, RecipientKind, SignaturesAs, Timestamp, Uuid,
    endpoint_test::{TestEvent, TestView},
    forms::Whom,
    recipient::{Report, ReportAnswer},
    register::Contract,
};
use futures::future::join_all;
use jiff_sqlx::ToSqlx;
use privacy_seal::{Personal, PublicKey};
use recipient_kit::{digest_of, test_event};
use sqlx::{PgConnection, PgPool};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tracing::Instrument;

/// Tests made, and tests sent, in one round.
const ROUND: i64 = 16;
/// After so many tries staff have a task.
const TASK_AT: i32 = 8;
/// After so many it is not tried any more, until staff have it repeated.
const TRIES_MAX: i32 = 1000;
/// Task: the endpoint does not answer its test.
pub const SILENT: &str = "endpoint-silent";

/// Sends test events and takes their answers.
pub struct EndpointTests {
    /// The bus.
    pub bus: Arc<Bus>,
    /// Makes transports.
    pub opens: Arc<dyn Opens>,
    /// Makes keyed hashes.
    pub register: Arc<Register>,
    /// Pauses.
    pub settings: Settings,
    /// Wakes the deliveries: an endpoint came into use.
    pub deliveries: Arc<News>,
    /// Wakes this task: there is an endpoint to test.
    pub wake: Arc<Notify>,
}

struct Due {
    id: Uuid,
    recipient: RecipientId,
    url: Option<Vec<u8>>,
    signatures: SignaturesAs,
    body: Vec<u8>,
    tries: i32,
}

impl EndpointTests {
    /// Until the process stops.
    pub async fn run(self: Arc<Self>) {
        let stop = self.bus.stopping();
        while !stop.is_asked() {
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "endpoints cannot be tested; the next round tries again");
            }
            tokio::select! {
                _ = stop.pause(self.settings.poll()) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// One round: tests for endpoints without one, then everything that is due.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn round(&self) -> Result<(), DbError> {
        self.make().await?;
        let due = self.claim().await?;
        join_all(due.into_iter().map(|due| self.send(due))).await.into_iter().collect()
    }

    async fn make(&self) -> Result<(), DbError> {
        let untested: Vec<TestedRow> = sqlx::query_as(
            "select e.id, r.id, e.transport, r.kind, r.sealing_key, c.terms from endpoint e join recipient r on r.id = e.recipient
               left join contract_version c on c.recipient = r.id and c.ended_at is null
              where e.transport = 'webhook' and not e.tested
                and e.version = (select max(version) from endpoint x where x.recipient = e.recipient)
                and not exists (select from endpoint_test t where t.endpoint = e.id)
              order by e.id limit $1",
        )
        .bind(ROUND)
        .fetch_all(self.bus.db().pool())
        .await?;
        for tested in untested.into_iter().filter_map(Tested::of) {
            let at = self.bus.clock().now();
            let Some(event) = tested.event(&self.register, at) else {
                tracing::error!(recipient = %tested.recipient, "no test event can be made; is its sealing key one?");
                continue;
            };
            self.bus
                .db()
                .write(move |tx| Box::pin(async move { insert(tx, tested.endpoint, &event, at).await }))
                .await?;
        }
        Ok(())
    }

    /// Takes what is due, each for this process only: a process that dies with it is replaced when the time is over.
    async fn claim(&self) -> Result<Vec<Due>, DbError> {
        let held = self.settings.send().as_secs_f64() + 5.0;
        self.bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    type Row = (Uuid, Uuid, Option<Vec<u8>>, Vec<u8>, i32, Option<String>);
                    let rows: Vec<Row> = sqlx::query_as(
                        "update endpoint_test t set tries = t.tries + 1, due_at = now() + make_interval(secs => $2)
                           from endpoint e
                          where e.id = t.endpoint and t.id in (
                            select id from endpoint_test where answered_at is null and due_at <= now()
                             order by due_at limit $1 for update skip locked)
                         returning t.id, t.recipient, e.url, t.body, t.tries,
                           (select c.terms #>> '{forms,signatures}' from contract_version c where c.recipient = t.recipient and c.ended_at is null)",
                    )
                    .bind(ROUND)
                    .bind(held)
                    .fetch_all(tx)
                    .await?;
                    let due = |(id, recipient, url, body, tries, signatures): Row| Due {
                        id,
                        recipient: RecipientId(recipient),
                        url,
                        signatures: signatures.and_then(|word| word.parse().ok()).unwrap_or_default(),
                        body,
                        tries,
                    };
                    Ok(rows.into_iter().map(due).collect())
                })
            })
            .await
    }

    async fn send(&self, due: Due) -> Result<(), DbError> {
        let Due { id, recipient, url, signatures, body, tries } = due;
        let span = telemetry::linked_root_span("send test event", self.bus.service(), None);
        let sent = match self.opens.open(&Address { recipient, transport: "webhook".to_owned(), url, signatures }) {
            Ok(transport) => transport.send(&Parcel { instruction: id, recipient, body }).instrument(span).await,
            Err(reason) => {
                tracing::error!(%recipient, reason, "an endpoint cannot be tested");
                Sent::from(Outcome::Failed(crate::delivery::Why::Connection))
            }
        };
        telemetry::count("madoguchi.endpoint_tests", sent.outcome.word());
        let pause = backoff(self.settings.pace(), tries.try_into().unwrap_or(1), sent.outcome, rand::random());
        // What was taken is waited for a little longer: the answer comes by another way.
        let pause = if sent.outcome == Outcome::Ok { pause * 4 } else { pause };
        let (now, due) = (self.bus.clock().now(), tries >= TASK_AT);
        self.bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    note(tx, id, sent, pause, tries).await?;
                    if due {
                        let limit = jiff::SignedDuration::from_hours(24);
                        let until = now.checked_add(limit).unwrap_or(Timestamp::MAX);
                        books::open(tx, recipient, SILENT, now, until).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The answer to a test event, if that is what a verified report is about. Bytes of another digest or another
    /// recipient's are no answer.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn answered(&self, report: &Report, bytes: &[u8]) -> Result<Option<ReportAnswer>, DbError> {
        let (test, recipient, at) = (report.instruction.0, report.recipient, self.bus.clock().now());
        let (digest, bytes) = (report.digest, bytes.to_vec());
        let known = self.bus.db().write(move |tx| {
            Box::pin(async move {
                let endpoint: Option<Uuid> = sqlx::query_scalar(
                    "update endpoint_test set answered_at = coalesce(answered_at, $4), report = coalesce(report, $5)
                      where id = $1 and recipient = $2 and digest = $3 returning endpoint",
                )
                .bind(test)
                .bind(recipient.0)
                .bind(digest.0.as_slice())
                .bind(at.to_sqlx())
                .bind(bytes)
                .fetch_optional(&mut *tx)
                .await?;
                let Some(endpoint) = endpoint else { return Ok(false) };
                into_use(tx, endpoint).await?;
                books::close(tx, recipient, Some(SILENT), test, at).await?;
                Ok(true)
            })
        });
        if !known.await? {
            return Ok(None);
        }
        telemetry::count("madoguchi.endpoint_tests", "answered");
        self.deliveries.ring();
        Ok(Some(ReportAnswer::Accepted { instruction: report.instruction }))
    }
}

/// The newest endpoint of a recipient that is not suspended takes deliveries from now on.
async fn into_use(tx: &mut PgConnection, endpoint: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "update endpoint e set tested = true,
                enabled = e.enabled or (r.status <> 'suspended'
                  and e.version = (select max(version) from endpoint x where x.recipient = e.recipient))
           from recipient r where e.id = $1 and r.id = e.recipient and not e.tested",
    )
    .bind(endpoint)
    .execute(tx)
    .await?;
    Ok(())
}

async fn note(tx: &mut PgConnection, id: Uuid, sent: Sent, pause: Duration, tries: i32) -> Result<(), DbError> {
    sqlx::query(
        "update endpoint_test set outcome = $2, status = $3,
                due_at = case when $5 then 'infinity' else now() + make_interval(secs => $4) end
          where id = $1 and answered_at is null and due_at < 'infinity'",
    )
    .bind(id)
    .bind(sent.outcome.word())
    .bind(sent.status.map(i32::from))
    .bind(pause.as_secs_f64())
    .bind(tries >= TRIES_MAX)
    .execute(tx)
    .await?;
    Ok(())
}

/// An endpoint that is tested: endpoint, recipient, transport, kind, sealing key, contract.
type TestedRow = (Uuid, Uuid, String, String, Vec<u8>, Option<serde_json::Value>);

/// An endpoint that is tested, and how its recipient is told of people.
struct Tested {
    endpoint: Uuid,
    recipient: RecipientId,
    transport: String,
    kind: RecipientKind,
    key: Vec<u8>,
    identifiers: IdentifiersAs,
}

impl Tested {
    fn of((endpoint, recipient, transport, kind, key, terms): TestedRow) -> Option<Self> {
        let contract: Option<Contract> = terms.and_then(|terms| serde_json::from_value(terms).ok());
        let identifiers = contract.map(|c| c.forms.identifiers).unwrap_or_default();
        let (recipient, kind) = (RecipientId(recipient), kind.parse().ok()?);
        Some(Self { endpoint, recipient, transport, kind, key, identifiers })
    }

    /// The event, about an invented person in the form that the contract says. Keys were looked at when they were registered.
    fn event(&self, register: &Register, at: Timestamp) -> Option<TestEvent> {
        let id = InstructionId(Uuid::now_v7());
        if self.identifiers == IdentifiersAs::KeyedHashes {
            let person = Personal::new(test_event::invented());
            let hashes = register.hashes(self.recipient, self.kind, Some(&person), &[])?;
            return Some(test_event::about(Whom::Hashed(hashes), id, self.recipient, at));
        }
        test_event::make(id, self.recipient, &PublicKey::from_bytes(&self.key).ok()?, at).ok()
    }
}

/// A test of an endpoint, in place of those before it.
async fn insert(tx: &mut PgConnection, endpoint: Uuid, event: &TestEvent, at: Timestamp) -> Result<(), DbError> {
    let (id, recipient) = (event.id, event.subject);
    let body = serde_json::to_vec(event).unwrap_or_default();
    sqlx::query("update endpoint_test set due_at = 'infinity' where endpoint = $1 and answered_at is null")
        .bind(endpoint)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into endpoint_test (id, endpoint, recipient, body, digest, made_at, due_at) values ($1, $2, $3, $4, $5, $6, now())",
    )
    .bind(id.0)
    .bind(endpoint)
    .bind(recipient.0)
    .bind(&body)
    .bind(digest_of(&body).0.as_slice())
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// Staff have the newest webhook endpoint tested again. `Some(reason)`: refused.
///
/// # Errors
/// The database did not do it.
pub(crate) async fn repeat(
    tx: &mut PgConnection,
    register: &Register,
    recipient: RecipientId,
    at: Timestamp,
) -> Result<Option<Code>, DbError> {
    let newest: Option<TestedRow> = sqlx::query_as(
        "select e.id, r.id, e.transport, r.kind, r.sealing_key, c.terms from endpoint e join recipient r on r.id = e.recipient
           left join contract_version c on c.recipient = r.id and c.ended_at is null
          where r.id = $1 order by e.version desc limit 1",
    )
    .bind(recipient.0)
    .fetch_optional(&mut *tx)
    .await?;
    match newest.and_then(Tested::of) {
        None => Ok(Some(Code::of("no-such-recipient"))),
        Some(tested) if tested.transport == "webhook" => {
            let Some(event) = tested.event(register, at) else { return Ok(Some(Code::of("no-test-event"))) };
            insert(tx, tested.endpoint, &event, at).await?;
            Ok(None)
        }
        Some(_) => Ok(Some(Code::of("no-webhook-endpoint"))),
    }
}

/// How the newest test of the endpoint in force stands.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn view(pool: &PgPool, recipient: RecipientId) -> Result<Option<TestView>, DbError> {
    type Row = (bool, jiff_sqlx::Timestamp, i32, Option<String>, Option<jiff_sqlx::Timestamp>);
    let row: Option<Row> = sqlx::query_as(
        "select e.tested, t.made_at, t.tries, t.outcome, t.answered_at
           from endpoint_test t join endpoint e on e.id = t.endpoint
          where t.recipient = $1 and e.version = (select max(version) from endpoint where recipient = $1)
          order by t.made_at desc, t.id desc limit 1",
    )
    .bind(recipient.0)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|(in_use, made_at, tries, outcome, answered_at)| TestView {
        in_use,
        made_at: made_at.to_jiff(),
        tries: tries.try_into().unwrap_or(0),
        outcome: outcome.and_then(|word| word.parse().ok()),
        answered_at: answered_at.map(|t| t.to_jiff()),
    }))
}
