//! The out-tray: finding a person's letter by receipt number and access code, and opening it while the person is there.
//!
//! The row is found by the public half of the code's key pair, so a wrong code and an unknown receipt number are the same
//! miss, found by the same work: one derivation, one query.

use crate::derive;
use chassis::db::Db;
use contracts::{Kind, ReceiptNumber, Step, Timestamp, desk::StatusView};
use jiff_sqlx::Timestamp as SqlTimestamp;
use privacy_seal::{AccessCode, CodeKey, DoorSecret, Purpose};
use uuid::Uuid;

/// What lies under a code.
pub struct Found {
    /// How the request stands.
    pub view: StatusView,
    /// The letter's version; 0 before intake has written one.
    pub version: i64,
    /// The key that opened it.
    pub key: CodeKey,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// Wrong code, or unknown receipt number: nobody can say which.
    #[error("no letter under this code")]
    Miss,
    /// The database is away.
    #[error("the out-tray cannot be read: {0}")]
    Away(#[from] sqlx::Error),
    /// A letter is there and cannot be read: sealed by another version, or for another place.
    #[error("a letter cannot be opened")]
    Unreadable,
}

type Row = (Option<Vec<u8>>, Option<i64>, Option<String>, Option<SqlTimestamp>);

/// The status letter; before intake has written one, what the door itself knows of the filing. Intake takes the filing away
/// in the transaction that writes the first letter, and all letters when the case is erased: neither means a miss.
///
/// # Errors
/// As [`NotFound`].
pub async fn find(db: &Db, receipt_number: ReceiptNumber, code: &AccessCode) -> Result<Found, NotFound> {
    let key = CodeKey::derive(code, &receipt_number.to_string());
    let public = key.public();
    let (body, version, kind, received_at): Row = sqlx::query_as(
        "select l.body, l.version, i.kind, i.received_at from (values (1)) as one (one)
         left join letterbox l on l.code_key = $1 and l.kind = 'status'
         left join (idempotency i join filing f on f.id = i.id) on i.code_key = $1 and i.kind is not null
         limit 1",
    )
    .bind(public.as_bytes().as_slice())
    .fetch_one(db.pool())
    .await?;
    if let (Some(body), Some(version)) = (body, version) {
        let opened = key
            .open(&privacy_seal::aad::letter("status", public.as_bytes()), &body)
            .map_err(|_| NotFound::Unreadable)?;
        let view = opened.json::<StatusView>().map_err(|_| NotFound::Unreadable)?;
        return Ok(Found { view: view.disclose(Purpose::ShowToPerson).clone(), version, key });
    }
    let kind: Option<Kind> = kind.and_then(|kind| kind.parse().ok());
    match (kind, received_at) {
        (Some(kind), Some(at)) => Ok(Found { view: received(receipt_number, kind, at.to_jiff()), version: 0, key }),
        _ => Err(NotFound::Miss),
    }
}

/// How a request stands between the commit of the filing and intake's first letter.
fn received(receipt_number: ReceiptNumber, kind: Kind, at: Timestamp) -> StatusView {
    StatusView {
        receipt_number,
        kind,
        received_at: at,
        step: Step::Received,
        since: at,
        fee: None,
        missing: Vec::new(),
        blocked_since: None,
        recipients: None,
        answer: Vec::new(),
        decision: None,
        suit_from: None,
        ended_as: None,
    }
}

impl Found {
    /// Id and digest of a withdrawal of this request as it stands.
    pub fn withdrawal(&self, secret: &DoorSecret) -> (Uuid, [u8; 32]) {
        derive::withdrawal(secret, &self.key.public(), self.version)
    }
    /// Nothing is left to withdraw.
    pub fn is_over(&self) -> bool {
        self.view.step == Step::Ended
    }
}
