//! 通知先: registering one, listing them, and finding one by what it shows.

use crate::{guard, person::Register};
use chassis::{Bus, DbError, HandleError, StaffReason};
use contracts::{
    Code, RecipientId, RecipientKind, Timestamp, Transport, Uuid,
    request::{ListRecipients, RecipientList, RecipientRow, RegisterRecipient, StaffCommand, StaffReply},
};
use ed25519_dalek::VerifyingKey;
use jiff_sqlx::ToSqlx;
use privacy_seal::{PublicKey, Purpose};
use recipient_kit::key_id;
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use tokio::sync::Notify;

/// The most recipients.
const RECIPIENTS_MAX: i64 = 2000;

/// Takes orders about recipients.
pub struct Recipients {
    /// The bus.
    pub bus: Arc<Bus>,
    /// Opens a webhook's URL.
    pub register: Arc<Register>,
    /// Private addresses are allowed.
    pub allow_private: bool,
    /// Wakes the deliveries.
    pub deliveries: Arc<Notify>,
}

/// A recipient as it is found by what it shows.
#[derive(Clone, Debug)]
pub struct Found {
    /// Who.
    pub recipient: RecipientId,
    /// The keys that verify its reports.
    pub keys: Vec<VerifyingKey>,
}

/// An order that was looked at.
struct Checked {
    id: RecipientId,
    label: Code,
    kind: RecipientKind,
    transport: Transport,
    account: Option<String>,
    user: Option<String>,
    url: Option<Vec<u8>>,
    report_key: [u8; 32],
    sealing_key: [u8; 32],
}

impl Recipients {
    /// `req.optout.register-recipient`. The same again is done already and takes up again what was parked.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn register(&self, command: StaffCommand<RegisterRecipient>) -> Result<StaffReply, HandleError> {
        let checked = match self.check(&command.order) {
            Ok(checked) => checked,
            Err(reason) => return Ok(StaffReply::Refused { reason, at: None }),
        };
        let (id, at) = (checked.id, self.bus.clock().now());
        let (cause, staff, sealed) = (command.token, command.staff, command.why.0);
        let reason = StaffReason { cause, staff, unit: None, sealed, at };
        let written = self
            .bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    let refused = write(tx, &checked, at).await?;
                    if refused.is_none() {
                        reason.keep(tx).await?;
                    }
                    Ok(refused)
                })
            })
            .await;
        match written {
            Ok(Some(reason)) => Ok(StaffReply::Refused { reason, at: None }),
            Ok(None) => {
                self.deliveries.notify_one();
                // A hint to the steward that there is an account to make; it looks every ten seconds anyway.
                let hello = format!("bus.hello.{}", self.bus.service().token());
                let _ = self.bus.nats().publish(hello, Vec::new().into()).await;
                Ok(StaffReply::Done { machine: id.0, status: Code::of("registered"), figures: vec![] })
            }
            // Label, account and key are unique: somebody else has this one.
            Err(error) => match taken(&error) {
                Some(reason) => Ok(StaffReply::Refused { reason, at: None }),
                None => Err(error.into()),
            },
        }
    }

    fn check(&self, order: &RegisterRecipient) -> Result<Checked, Code> {
        if order.kind == RecipientKind::CoreZone {
            // Rules art. 6(iv): no network to the core zone. It gets signed snapshots by hand.
            return Err(Code::of("core-zone-has-no-network"));
        }
        let report_key: [u8; 32] =
            order.report_key.0.as_slice().try_into().map_err(|_| Code::of("report-key-is-no-ed25519-key"))?;
        match VerifyingKey::from_bytes(&report_key) {
            Ok(key) if !key.is_weak() => {}
            _ => return Err(Code::of("report-key-is-no-ed25519-key")),
        }
        let sealing_key =
            PublicKey::from_bytes(&order.sealing_key.0).map_err(|_| Code::of("sealing-key-is-no-x25519-key"))?;
        let key = |k: &Option<contracts::request::NatsKey>, first: char| {
            k.as_ref().map(|k| k.as_str().to_owned()).filter(|k| k.starts_with(first))
        };
        let (mut account, mut user, mut url) = (None, None, None);
        match order.transport {
            Transport::Nats => {
                account = Some(key(&order.nats_account, 'A').ok_or(Code::of("nats-account-missing"))?);
                user = key(&order.nats_user, 'U');
            }
            Transport::Webhook => {
                let sealed = order.url.as_ref().ok_or(Code::of("url-missing"))?;
                let aad = order.recipient.0;
                let opened = self.register.open(aad.as_bytes(), &sealed.0).and_then(|p| p.text().ok());
                let opened = opened.ok_or(Code::of("url-unreadable"))?;
                guard::url(opened.disclose(Purpose::InstructRecipient), self.allow_private)
                    .map_err(|_| Code::of("url-not-allowed"))?;
                url = Some(sealed.0.clone());
            }
        }
        Ok(Checked {
            id: order.recipient,
            label: order.label.clone(),
            kind: order.kind,
            transport: order.transport,
            account,
            user,
            url,
            report_key,
            sealing_key: *sealing_key.as_bytes(),
        })
    }

    /// `req.optout.recipients`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self, _: ListRecipients) -> Result<RecipientList, HandleError> {
        type Row = (Uuid, String, String, String, i64, i64, Option<jiff_sqlx::Timestamp>);
        let rows: Vec<Row> = sqlx::query_as(
            "select r.id, r.label, r.kind, r.transport, r.last, count(o.instruction), min(o.issued_at)
               from recipient r left join owed o on o.recipient = r.id group by r.id order by r.label limit $1",
        )
        .bind(RECIPIENTS_MAX)
        .fetch_all(self.bus.db().pool())
        .await?;
        let recipients = rows
            .into_iter()
            .filter_map(|(id, label, kind, transport, last, open, oldest)| {
                Some(RecipientRow {
                    recipient: RecipientId(id),
                    label: label.parse().ok()?,
                    kind: kind.parse().ok()?,
                    transport: transport.parse().ok()?,
                    last,
                    open: open.try_into().unwrap_or(u32::MAX),
                    oldest_open: oldest.map(|t| t.to_jiff()),
                })
            })
            .collect();
        Ok(RecipientList { recipients })
    }
}

fn taken(error: &DbError) -> Option<Code> {
    Some(match error.constraint()? {
        "recipient_label" => Code::of("label-taken"),
        "recipient_account" => Code::of("nats-account-taken"),
        "recipient_report_key_id" => Code::of("report-key-taken"),
        _ => return None,
    })
}

/// Under the fan-out's lock: a batch knows exactly who was in force. `Some(reason)`: refused.
async fn write(tx: &mut PgConnection, new: &Checked, at: Timestamp) -> Result<Option<Code>, DbError> {
    sqlx::query("select from one where job = 'fan-out' for update").fetch_one(&mut *tx).await?;
    type Row = (String, String, Option<String>, Vec<u8>, Vec<u8>, Option<Uuid>);
    let known: Option<Row> = sqlx::query_as(
        "select r.kind, r.transport, r.nats_account, r.report_key, r.sealing_key,
                (select e.id from endpoint e where e.recipient = r.id order by e.version desc limit 1)
           from recipient r where r.id = $1",
    )
    .bind(new.id.0)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some((kind, transport, account, report_key, sealing_key, endpoint)) = known {
        let same = kind == new.kind.as_str()
            && transport == new.transport.as_str()
            && account == new.account
            && report_key == new.report_key
            && sealing_key == new.sealing_key;
        if !same {
            return Ok(Some(Code::of("recipient-exists-with-other-data")));
        }
        // Somebody looked after it: what was parked is tried again now.
        sqlx::query("update retry set parked = false, next_at = now() where endpoint = $1 and parked")
            .bind(endpoint)
            .execute(&mut *tx)
            .await?;
        return Ok(None);
    }
    let count: i64 = sqlx::query_scalar("select count(*) from recipient").fetch_one(&mut *tx).await?;
    if count >= RECIPIENTS_MAX {
        return Ok(Some(Code::of("too-many-recipients")));
    }
    sqlx::query(
        "insert into recipient (id, label, kind, transport, nats_account, nats_user, report_key, report_key_id, sealing_key, registered_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(new.id.0)
    .bind(new.label.as_str())
    .bind(new.kind.as_str())
    .bind(new.transport.as_str())
    .bind(new.account.as_deref())
    .bind(new.user.as_deref())
    .bind(new.report_key.as_slice())
    .bind(key_id(&new.report_key).as_str())
    .bind(new.sealing_key.as_slice())
    .bind(at.to_sqlx())
    .execute(&mut *tx)
    .await?;
    sqlx::query("insert into endpoint (id, recipient, version, transport, url) values ($1, $2, 1, $3, $4)")
        .bind(Uuid::now_v7())
        .bind(new.id.0)
        .bind(new.transport.as_str())
        .bind(new.url.as_deref())
        .execute(&mut *tx)
        .await?;
    Ok(None)
}

/// By the account on NATS, by the id, or by the id of the key that signed.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The NATS account.
    Account(&'a str),
    /// The recipient.
    Id(RecipientId),
    /// The report key's id.
    Key(&'a Code),
}

/// Finds a recipient.
///
/// # Errors
/// The database does not answer.
pub async fn find(pool: &PgPool, by: By<'_>) -> Result<Option<Found>, DbError> {
    let (account, id, key) = match by {
        By::Account(account) => (Some(account), None, None),
        By::Id(id) => (None, Some(id.0), None),
        By::Key(key) => (None, None, Some(key.as_str())),
    };
    let row: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select id, report_key from recipient where nats_account = $1 or id = $2 or report_key_id = $3 limit 1",
    )
    .bind(account)
    .bind(id)
    .bind(key)
    .fetch_optional(pool)
    .await?;
    Ok(row.and_then(|(id, key)| {
        let key = VerifyingKey::from_bytes(key.as_slice().try_into().ok()?).ok()?;
        Some(Found { recipient: RecipientId(id), keys: vec![key] })
    }))
}
