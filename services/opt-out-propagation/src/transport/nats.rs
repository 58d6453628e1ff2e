//! By NATS: into the recipients' stream under the recipient's own subject; its durable holds it until it is acknowledged.
//!
//! No `Nats-Msg-Id`: after a purge the server would swallow the repeat. The PubAck says that the stream has it, nothing
//! more; the stream is watched ([`watch`]) and what it lost is said again.

use super::{Parcel, Sent, Transport};
use crate::delivery::{Outcome, Why};
use crate::engine::News;
use async_nats::{HeaderMap, jetstream};
use async_trait::async_trait;
use chassis::{Bus, DbError, telemetry};
use contracts::RecipientId;
use futures::StreamExt;
use std::{sync::Arc, time::Duration};

/// The recipients' stream.
pub const STREAM: &str = "OPTOUT";
/// How long a PubAck is waited for.
const ACK: Duration = Duration::from_secs(5);

/// Into the stream, for one recipient.
pub struct NatsTransport {
    context: jetstream::Context,
    subject: String,
}

impl NatsTransport {
    /// For a recipient: `optout.c.<recipient>`.
    pub fn new(bus: &Bus, recipient: RecipientId) -> Self {
        Self { context: jetstream::new(bus.nats().clone()), subject: format!("optout.c.{recipient}") }
    }
}

#[async_trait]
impl Transport for NatsTransport {
    async fn send(&self, parcel: &Parcel) -> Sent {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", contracts::envelope::CONTENT_TYPE);
        headers.insert("Nats-Expected-Stream", STREAM);
        let publish = async {
            let ack =
                self.context.publish_with_headers(self.subject.clone(), headers, parcel.body.clone().into()).await;
            ack.ok()?.await.ok()
        };
        match tokio::time::timeout(ACK, publish).await {
            Ok(Some(ack)) if ack.stream == STREAM => Outcome::Ok.into(),
            Ok(_) => Outcome::Failed(Why::NotStored).into(),
            Err(_) => Outcome::Failed(Why::Timeout).into(),
        }
    }
}

/// Looks whether the stream is the one that was seen last: every `every`, and at once when the steward says that it made
/// something. A stream made anew is empty: everything not received is said again.
pub async fn watch(bus: Arc<Bus>, every: Duration, deliveries: Arc<News>) {
    let stop = bus.stopping();
    let mut hello = bus.nats().subscribe("bus.hello.*").await.ok();
    loop {
        match look(&bus).await {
            Ok(0) => {}
            Ok(again) => {
                telemetry::add("madoguchi.delivery.stream_made_anew", again, "nats");
                tracing::warn!(again, "the recipients' stream was made anew; what was not received is said again");
                deliveries.ring();
            }
            Err(error) => tracing::debug!(%error, "the recipients' stream cannot be looked at"),
        }
        let said = async {
            match &mut hello {
                Some(messages) => messages.next().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            stopping = stop.pause(every) => if stopping { return },
            still = said => if !still { hello = None },
        }
    }
}

/// One look; how many deliveries are to be said again.
///
/// # Errors
/// The stream is not there (yet), or the database does not answer.
pub async fn look(bus: &Bus) -> anyhow::Result<u64> {
    let context = jetstream::new(bus.nats().clone());
    let stream = context.get_stream(STREAM).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let born = stream.cached_info().created.to_string();
    Ok(stream_is(bus, born).await?)
}

/// Notes the stream's birth; another one than was known makes retry rows for everything that nobody signed for.
///
/// # Errors
/// The database did not do it.
pub async fn stream_is(bus: &Bus, born: String) -> Result<u64, DbError> {
    let known: Option<String> = sqlx::query_scalar("select born from stream where name = $1")
        .bind(STREAM)
        .fetch_optional(bus.db().pool())
        .await?;
    if known.as_deref() == Some(&born) {
        return Ok(0);
    }
    bus.db()
        .write(move |tx| {
            Box::pin(async move {
                let noted = sqlx::query(
                    "insert into stream (name, born) values ($1, $2)
                     on conflict (name) do update set born = excluded.born where stream.born <> excluded.born",
                )
                .bind(STREAM)
                .bind(born)
                .execute(&mut *tx)
                .await?;
                if noted.rows_affected() == 0 {
                    return Ok(0);
                }
                let again = sqlx::query(
                    "insert into retry (endpoint, position, tries, next_at)
                     select o.endpoint, o.position, 0, now() from owed o join endpoint e on e.id = o.endpoint
                      where o.received_at is null
                        and (e.transport = 'nats' or exists (select from endpoint v where v.id = e.via and v.transport = 'nats'))
                        and exists (select from attempt a where a.endpoint = o.endpoint and a.position = o.position)
                     on conflict (endpoint, position) do update set next_at = now() where not retry.parked",
                )
                .execute(&mut *tx)
                .await?;
                Ok(again.rows_affected())
            })
        })
        .await
}
