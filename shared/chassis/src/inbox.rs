//! Inbox rows that `handle` does not write: what is ignored, unreadable, or waits for a neighbour.

use crate::{
    bus::BusSettings,
    cause::Heard,
    db::{Db, DbError},
    home::HandleError,
    telemetry,
};
use contracts::{Code, Envelope, EnvelopeError, Service, Uuid};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use std::sync::Arc;

/// After so many panics a message waits for a person.
const PANICS_MAX: i32 = 3;

/// Reads a message and checks that it is for this service. The error is the note of the parked row.
pub fn decode(service: Service, bytes: &[u8]) -> Result<Heard, Code> {
    let (envelope, message) = Envelope::decode(bytes).map_err(|e| match e {
        EnvelopeError::TooLarge(_) => Code::of("unreadable-too-large"),
        EnvelopeError::NotAnEnvelope(..) => Code::of("unreadable-envelope"),
        EnvelopeError::UnknownType => Code::of("unreadable-type"),
        EnvelopeError::WrongSpeaker => Code::of("wrong-speaker"),
        EnvelopeError::BadPayload(_) => Code::of("unreadable-payload"),
    })?;
    if !message.entry().hearers.contains(&service) {
        return Err(Code::of("not-for-this-service"));
    }
    Ok(Heard { envelope, message, bytes: bytes.to_vec() })
}

/// Parks bytes that are no message. Its id is the hash of the bytes; when they are an envelope at all, its own id.
pub(crate) async fn park_unreadable(db: &Db, bytes: &[u8], why: &Code) -> Result<(), HandleError> {
    let hash = Sha256::digest(bytes);
    let hashed = uuid_of(&hash);
    let id = serde_json::from_slice::<Envelope>(bytes).map_or(hashed, |e| e.id.0);
    // What is far too large is not kept whole: its hash and its beginning tell what it was.
    let kept = bytes[..bytes.len().min(contracts::envelope::ENVELOPE_MAX)].to_vec();
    let why = why.to_string();
    telemetry::count("madoguchi.parked", &why);
    db.write(move |tx| {
        Box::pin(async move {
            // One that a person let try again is parked again.
            sqlx::query(
                "insert into inbox (id, lane, source, seq, body, state, note) values ($1, $1, 'unknown', 0, $2, 'parked', $3)
                 on conflict (id) do update set state = excluded.state, note = excluded.note where inbox.state in ('later', 'behind')",
            )
            .bind(id)
            .bind(kept)
            .bind(why)
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await?;
    Ok(())
}

/// A UUID made of a hash: version 8, so that it is nobody's random one.
pub fn uuid_of(hash: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Writes the row of a heard message in a given state; one that is done with is left alone.
pub(crate) async fn note(
    db: &Db,
    heard: &Arc<Heard>,
    state: &'static str,
    why: Option<&Code>,
) -> Result<(), HandleError> {
    if state == "parked" {
        telemetry::count("madoguchi.parked", why.map_or("", |w| w.as_str()));
    }
    put(db, heard, state, why.map(|w| w.to_string()), 0.0).await
}

/// Too early for the service's shell (a neighbour is away): waits, longer each time, and is parked after a day.
pub(crate) async fn later(db: &Db, heard: &Arc<Heard>, why: &Code, settings: &BusSettings) -> Result<(), HandleError> {
    put(db, heard, "later", Some(why.to_string()), settings.later_base_ms as f64 / 1000.0).await
}

/// The service's code panicked on it: again twice, then a person.
pub(crate) async fn panicked(db: &Db, heard: &Arc<Heard>) -> Result<(), HandleError> {
    telemetry::count("madoguchi.panics", heard.message.entry().name);
    put(db, heard, "later", Some("panicked".into()), 1.0).await?;
    let id = heard.envelope.id.0;
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query("update inbox set state = 'parked' where id = $1 and state = 'later' and note = 'panicked' and tries >= $2")
                .bind(id)
                .bind(PANICS_MAX - 1)
                .execute(tx)
                .await?;
            Ok(())
        })
    })
    .await?;
    Ok(())
}

async fn put(
    db: &Db,
    heard: &Arc<Heard>,
    state: &'static str,
    note: Option<String>,
    due_in: f64,
) -> Result<(), HandleError> {
    let heard = heard.clone();
    db.write(move |tx| Box::pin(async move { insert(tx, &heard, state, note.as_deref(), due_in).await })).await?;
    Ok(())
}

/// The inbox row itself, for a projection that writes it in its own transaction. How many rows were told: 0 means that
/// it was done with before.
pub async fn insert(
    tx: &mut PgConnection,
    heard: &Heard,
    state: &'static str,
    note: Option<&str>,
    due_in: f64,
) -> Result<(), DbError> {
    // Backoff of a row that waits already is the worker's business: it pushed `due_at` forward when it claimed it.
    sqlx::query(
        "insert into inbox (id, lane, source, seq, body, state, due_at, note) values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8)
         on conflict (id) do update
           set state = case when excluded.state = 'later' and inbox.heard_at < now() - interval '24 hours' then 'parked' else excluded.state end,
               note = excluded.note
           where inbox.state in ('later', 'behind', 'parked')",
    )
    .bind(heard.envelope.id.0)
    .bind(heard.envelope.subject)
    .bind(heard.envelope.speaker().map_or("unknown", |s| s.token()))
    .bind(heard.envelope.sequence.number())
    .bind(&heard.bytes)
    .bind(state)
    .bind(due_in)
    .bind(note)
    .execute(tx)
    .await?;
    Ok(())
}
