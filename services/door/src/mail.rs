//! 来信: mails that the organisation's own mail host brings (`POST /api/v1/mail`): sealed while they arrive, filed, and answered
//! when both are on disk. The door does not look into them; whoever wrote one is no client of ours.
//!
//! The sealed file is written first, then the filing that names it. A crash between the two leaves a file that nobody knows;
//! intake sweeps it. Where it is not known whether the filing was committed, the file stays.

use crate::{
    api::{Shared, language},
    clients::{Client, ClientScope, KnownClients},
    door::{Door, not_put, plain, spend},
    limit::Budgets,
    problem::{Problem, ProblemDocument},
    tray::{Entry, NotPut, Put},
};
use axum::{
    Json,
    body::{Body, BodyDataStream},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chassis::{objects::Objects, telemetry};
use contracts::{ObjectId, Timestamp};
use futures::StreamExt;
use privacy_seal::{
    PublicKey, SegmentSealer,
    filing::{ArrivedMail, Envelope, Filing},
    segments::SEALED_SEGMENT,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use utoipa::ToSchema;
use uuid::Uuid;

/// The largest mail, in bytes.
pub const MAIL_MAX: u64 = 25 * 1024 * 1024;
/// The longest value of an envelope header.
const ENVELOPE_MAX: usize = 1_000;

/// Where mails go in.
pub struct MailSlot {
    /// Sealed files.
    pub inbound: Objects,
    /// Whom they are sealed to.
    pub desk: PublicKey,
    /// Who may bring them.
    pub clients: KnownClients,
    /// How many each has brought.
    pub rate: Mutex<Budgets<u64>>,
    /// On their way in.
    pub at_once: Arc<Semaphore>,
}

/// The answer to a mail.
#[derive(Serialize, ToSchema)]
#[schema(as = ArrivedMail)]
pub struct ArrivedDocument {
    /// What staff find it by.
    #[schema(value_type = String)]
    mail: Uuid,
    /// Arrival at the desk.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

/// Brings a mail, as it came over SMTP.
///
/// It is accepted when 202 arrives: it is on disk then, and whatever it is, staff will see it. Repeat it after anything else: a
/// mail that was brought twice is one.
#[utoipa::path(post, path = "/api/v1/mail", tag = "mail", operation_id = "bringMail",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Without it, the mail's own SHA-256 is its key."),
        ("Envelope-From" = Option<String>, Header, description = "`MAIL FROM`, as the server had it; `<>` for a bounce."),
        ("Envelope-To" = Option<String>, Header, description = "`RCPT TO`."),
        ("Client-Address" = Option<String>, Header, description = "The address of the server that handed it over."),
        ("Helo" = Option<String>, Header, description = "What that server called itself."),
        ("Accept-Language" = Option<String>, Header, description = "Language of problem documents: ja (default) or en."),
    ),
    request_body(content = String, content_type = "message/rfc822", description = "The mail, at most 25 MiB."),
    security(("client_key" = [])),
    responses(
        (status = 202, description = "Accepted and stored durably.", body = ArrivedDocument),
        (status = 400, description = "Empty, broken off, or a header of the envelope that is none.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No key of a client.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "This client may not bring mails.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "The key was used for another mail.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "Over 25 MiB.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not message/rfc822.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too many mails; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
        (status = 503, description = "Not accepted; see Retry-After.", body = ProblemDocument, content_type = "application/problem+json", headers(("Retry-After" = u64, description = "Seconds."))),
    ))]
pub async fn take(State(door): Shared, headers: HeaderMap, body: Body) -> Response {
    let mut body = body.into_data_stream();
    match try_take(&door, &headers, &mut body).await {
        Ok(document) => (StatusCode::ACCEPTED, Json(document)).into_response(),
        Err(problem) => {
            // Who answers and closes while the client still writes resets the connection, and the answer is lost with it.
            while let Some(Ok(_)) = body.next().await {}
            telemetry::count("madoguchi.door.mails", problem.code);
            problem.respond(&door.texts, language(&headers))
        }
    }
}

async fn try_take(door: &Door, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<ArrivedDocument, Problem> {
    let client = allowed(door, headers)?;
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(_) => Some(crate::api::idempotency_key(headers)?),
    };
    let envelope = envelope(headers)?;
    let _place = place(&door.mails)?;
    let object = ObjectId::new();
    let (digest, bytes) = seal(&door.mails, object, body).await?;
    let received_at = door.clock.now();
    // A mail has no person yet, so it has no code; what a repeat must bring again are its bytes.
    let key = key.as_ref().map_or(digest.as_slice(), |key| key.as_str().as_bytes());
    let id = crate::derive::id(&door.secret, "mail", &[key]);
    let arrived = ArrivedMail {
        object,
        digest,
        bytes,
        client: client.name,
        received_at,
        envelope,
        traceparent: telemetry::current_traceparent().map(|trace| trace.as_str().to_owned()),
    };
    let entry = Entry {
        id,
        plain: plain(&Filing::Mail(Box::new(arrived))),
        body_mac: *door.secret.derive("mail body", &[key, &digest]),
        code_key: [0; 32],
        kind: None,
        received_at,
    };
    match door.slot.put(entry).await {
        Ok(Put::New) => {
            telemetry::count("madoguchi.door.mails", "taken");
            Ok(ArrivedDocument { mail: id, received_at })
        }
        Ok(Put::Repeat { received_at }) => {
            forget(&door.mails, object).await;
            telemetry::count("madoguchi.door.mails", "repeated");
            Ok(ArrivedDocument { mail: id, received_at })
        }
        Ok(Put::Different) => {
            forget(&door.mails, object).await;
            Err(Problem::new(StatusCode::CONFLICT, "key-reused"))
        }
        Err(NotPut::Full) => {
            forget(&door.mails, object).await;
            Err(not_put(NotPut::Full))
        }
        // Perhaps the filing was committed, and then it names this file.
        Err(NotPut::Away) => Err(Problem::away()),
    }
}

fn allowed(door: &Door, headers: &HeaderMap) -> Result<Client, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(' '));
    let key = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map_or("", |(_, key)| key.trim());
    let client = door.mails.clients.who(key).ok_or(Problem::new(StatusCode::UNAUTHORIZED, "no-client-key"))?;
    if !client.scopes.contains(&ClientScope::Mail) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not-for-this-client"));
    }
    let name = Sha256::digest(client.name.as_str());
    let name = u64::from_be_bytes(std::array::from_fn(|n| name[n]));
    spend(&door.mails.rate, name)
        .map_err(|wait| Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-mails").after(wait))?;
    let media = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("message/rfc822") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "mail-media-type"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAIL_MAX) { Err(too_large()) } else { Ok(client) }
}

fn place(mails: &MailSlot) -> Result<OwnedSemaphorePermit, Problem> {
    let place = mails.at_once.clone().try_acquire_owned();
    place.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full").after(Duration::from_secs(2)))
}

const fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "mail-too-large")
}

/// What the server told of the envelope. Addresses are not judged here: whatever stands there is part of what arrived.
fn envelope(headers: &HeaderMap) -> Result<Envelope, Problem> {
    let bad = || Problem::new(StatusCode::BAD_REQUEST, "envelope");
    let text = |name: &str| match headers.get(name).map(|value| std::str::from_utf8(value.as_bytes())) {
        None => Ok(String::new()),
        Some(Ok(text)) if text.len() <= ENVELOPE_MAX && !text.chars().any(char::is_control) => {
            Ok(text.trim().to_owned())
        }
        Some(_) => Err(bad()),
    };
    let address = text("client-address")?;
    let client_address = if address.is_empty() { None } else { Some(address.parse().map_err(|_| bad())?) };
    Ok(Envelope { from: text("envelope-from")?, to: text("envelope-to")?, client_address, helo: text("helo")? })
}

/// Writes the sealed file while the mail arrives: its SHA-256 and how many bytes it has. One segment is in memory.
async fn seal(mails: &MailSlot, object: ObjectId, body: &mut BodyDataStream) -> Result<([u8; 32], u64), Problem> {
    let away = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a mail could not be written; its sender is told to repeat");
        Problem::away()
    };
    let (mut sealer, header) = SegmentSealer::new(&mails.desk, object.0).map_err(|e| away(&e))?;
    let mut file = mails.inbound.create(object).await.map_err(|e| away(&e))?;
    let (mut sealed, mut digest, mut bytes) = (header, Sha256::new(), 0u64);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_broken_off| Problem::new(StatusCode::BAD_REQUEST, "mail-broken"))?;
        bytes += piece.len() as u64;
        if bytes > MAIL_MAX {
            return Err(too_large());
        }
        digest.update(&piece);
        sealer.push(&piece, &mut sealed).map_err(|e| away(&e))?;
        if sealed.len() >= SEALED_SEGMENT {
            file.write(&sealed).await.map_err(|e| away(&e))?;
            sealed.clear();
        }
    }
    if bytes == 0 {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "mail-empty"));
    }
    sealer.finish(&mut sealed).map_err(|e| away(&e))?;
    file.write(&sealed).await.map_err(|e| away(&e))?;
    file.finish().await.map_err(|e| away(&e))?;
    Ok((digest.finalize().into(), bytes))
}

async fn forget(mails: &MailSlot, object: ObjectId) {
    if let Err(error) = mails.inbound.remove(object).await {
        tracing::warn!(%object, %error, "a sealed file that nobody needs stays until it is swept");
    }
}
