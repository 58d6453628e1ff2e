//! 通知先: registering one, and finding one by what it shows. What happens to it later is in `recipients/life.rs`, what is shown
//! of it in `recipients/show.rs`.

mod books;
mod life;
pub(crate) use life::erase_everything;
mod show;

use crate::{address, engine::News, fanout::in_force, person::Register, propagation, transport::webhook::WebhookKeys};
use chassis::{Bus, DbError, HandleError, StaffReason};
use contracts::{
    Code, RecipientId, RecipientKind, Timestamp, Transport, Uuid,
    register::{Certification, Contract},
    request::{NatsKey, RegisterRecipient, StaffCommand, StaffReply},
};
use custody::Custody;
use futures::future::BoxFuture;
use jiff_sqlx::ToSqlx;
use privacy_seal::{PublicKey, Purpose};
use recipient_kit::{ReportKey, key_id};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use tokio::sync::Notify;

/// The most recipients.
const RECIPIENTS_MAX: i64 = 2000;

/// Takes orders about recipients.
pub struct Recipients {
    /// The bus.
    pub bus: Arc<Bus>,
    /// Opens a webhook's URL and an organisation's name.
    pub register: Arc<Register>,
    /// Opens reasons.
    pub custody: Custody,
    /// What the statute's words are in time.
    pub periods: propagation::Periods,
    /// Private addresses are allowed.
    pub allow_private: bool,
    /// Webhook endpoints are tested before they are used.
    pub test_endpoints: bool,
    /// Wakes the tests of endpoints.
    pub tests: Arc<Notify>,
    /// Wakes the deliveries.
    pub deliveries: Arc<News>,
    /// Wakes the fan-out.
    pub fan_out: Arc<Notify>,
    /// Shows what each recipient verifies with.
    pub keys: WebhookKeys,
}

/// A recipient as it is found by what it shows.
#[derive(Clone, Debug)]
pub struct Found {
    /// Who.
    pub recipient: RecipientId,
    /// The keys that verify its reports.
    pub keys: Vec<ReportKey>,
}

/// Where a recipient is reached, looked at.
struct Reached {
    transport: Transport,
    account: Option<String>,
    user: Option<String>,
    url: Option<Vec<u8>>,
    /// It may be used at once.
    tested: bool,
}

/// An order that was looked at.
struct Checked {
    id: RecipientId,
    label: Code,
    kind: RecipientKind,
    reached: Reached,
    /// 32 bytes of Ed25519 or 33 of P-256.
    report_key: Vec<u8>,
    sealing_key: [u8; 32],
    name: Option<Vec<u8>>,
    certification: Option<Certification>,
    contract: Option<Contract>,
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
        let id = checked.id.0;
        self.ordered(&command, id, "registered", move |tx, at| Box::pin(async move { write(tx, &checked, at).await }))
            .await
    }

    /// One order of the staff about recipients: its reason, then what it does, under the fan-out's lock, all in one
    /// transaction. `Some(reason)` refuses, and then nothing is kept. The same order again is done already.
    pub(crate) async fn ordered<T: Sync>(
        &self,
        command: &StaffCommand<T>,
        machine: Uuid,
        status: &'static str,
        what: impl for<'c> FnOnce(&'c mut PgConnection, Timestamp) -> BoxFuture<'c, Result<Option<Code>, DbError>>
        + Send
        + 'static,
    ) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(command) {
            return Ok(reply);
        }
        let (cause, at) = (command.token, self.bus.clock().now());
        let why = StaffReason { cause, staff: command.staff, unit: None, sealed: command.why.0.clone(), at };
        let written = self
            .bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("select from one where job = 'fan-out' for update").fetch_one(&mut *tx).await?;
                    sqlx::query("savepoint ordered").execute(&mut *tx).await?;
                    if !why.keep(tx).await? {
                        return Ok(None);
                    }
                    let refused = what(tx, at).await?;
                    if refused.is_some() {
                        sqlx::query("rollback to savepoint ordered").execute(tx).await?;
                    }
                    Ok(refused)
                })
            })
            .await;
        match written {
            Ok(Some(reason)) => Ok(StaffReply::Refused { reason, at: None }),
            Ok(None) => {
                self.deliveries.ring();
                self.fan_out.notify_one();
                self.tests.notify_one();
                // A hint to the steward that there may be an account to make; it looks every ten seconds anyway.
                let hello = format!("bus.hello.{}", self.bus.service().token());
                let _ = self.bus.nats().publish(hello, Vec::new().into()).await;
                Ok(StaffReply::Done { machine, status: Code::of(status), figures: vec![] })
            }
            // Label, account and key are unique: somebody else has this one.
            Err(error) => match taken(&error) {
                Some(reason) => Ok(StaffReply::Refused { reason, at: None }),
                None => Err(error.into()),
            },
        }
    }

    fn check(&self, order: &RegisterRecipient) -> Result<Checked, Code> {
        if order.kind == RecipientKind::CoreZone && order.transport != Transport::SealedFile {
            // Rules art. 6(iv): no network to the core zone. Files are carried to it.
            return Err(Code::of("core-zone-has-no-network"));
        }
        if order.transport == Transport::ThroughParent && order.kind != RecipientKind::SubContractor {
            return Err(Code::of("only-sub-contractors-have-one-above"));
        }
        let report_key = report_key(&order.report_key.0)?;
        let sealing_key = sealing_key(&order.sealing_key.0)?;
        let reached =
            self.reached(order.recipient, order.transport, &order.url, &order.nats_user, &order.nats_account)?;
        let name = match &order.organisation {
            None => None,
            Some(sealed) => {
                let opened = self.register.open(order.recipient.0.as_bytes(), &sealed.0).and_then(|p| p.text().ok());
                let tag = opened.and_then(|name| self.register.organisation_tag(&name));
                Some(tag.ok_or(Code::of("organisation-unreadable"))?)
            }
        };
        activation(order.contract.as_ref())?;
        Ok(Checked {
            id: order.recipient,
            label: order.label.clone(),
            kind: order.kind,
            reached,
            report_key,
            sealing_key,
            name,
            certification: order.certification.clone(),
            contract: order.contract.clone(),
        })
    }

    fn reached(
        &self,
        recipient: RecipientId,
        transport: Transport,
        url: &Option<contracts::Sealed>,
        nats_user: &Option<NatsKey>,
        nats_account: &Option<NatsKey>,
    ) -> Result<Reached, Code> {
        let key = |k: &Option<NatsKey>, first: char| {
            k.as_ref().map(|k| k.as_str().to_owned()).filter(|k| k.starts_with(first))
        };
        let tested = transport != Transport::Webhook || !self.test_endpoints;
        let mut reached = Reached { transport, account: None, user: None, url: None, tested };
        match transport {
            Transport::Nats => {
                reached.account = Some(key(nats_account, 'A').ok_or(Code::of("nats-account-missing"))?);
                reached.user = key(nats_user, 'U');
            }
            Transport::Webhook => {
                let sealed = url.as_ref().ok_or(Code::of("url-missing"))?;
                let opened = self.register.open(recipient.0.as_bytes(), &sealed.0).and_then(|p| p.text().ok());
                let opened = opened.ok_or(Code::of("url-unreadable"))?;
                address::read(opened.disclose(Purpose::InstructRecipient), self.allow_private)?;
                reached.url = Some(sealed.0.clone());
            }
            Transport::Pull | Transport::SealedFile | Transport::ThroughParent => {}
            // No letter goes out of this house yet.
            Transport::Letter => return Err(Code::of("no-letter-engine-yet")),
        }
        Ok(reached)
    }
}

fn report_key(bytes: &[u8]) -> Result<Vec<u8>, Code> {
    let key = ReportKey::from_bytes(bytes).map_err(|_| Code::of("report-key-is-no-ed25519-or-p256-key"))?;
    Ok(key.to_bytes())
}

fn sealing_key(bytes: &[u8]) -> Result<[u8; 32], Code> {
    let key = PublicKey::from_bytes(bytes).map_err(|_| Code::of("sealing-key-is-no-x25519-key"))?;
    Ok(*key.as_bytes())
}

/// A contract without one of its seven items is not activated; the refusal names the item (Rules art. 20(1)).
fn activation(contract: Option<&Contract>) -> Result<(), Code> {
    use contracts::ContractItem as Item;
    Err(match contract.and_then(Contract::missing) {
        None => return Ok(()),
        Some(Item::Scope) => Code::of("contract-lacks-scope"),
        Some(Item::Procedure) => Code::of("contract-lacks-procedure"),
        Some(Item::RightToCheck) => Code::of("contract-lacks-right-to-check"),
        Some(Item::Instructions) => Code::of("contract-lacks-instructions"),
        Some(Item::RightToCheckMeasures) => Code::of("contract-lacks-right-to-check-measures"),
        Some(Item::Reports) => Code::of("contract-lacks-reports"),
        Some(Item::Other) => Code::of("contract-lacks-other"),
    })
}

fn taken(error: &DbError) -> Option<Code> {
    Some(match error.constraint()? {
        "recipient_label" => Code::of("label-taken"),
        "recipient_account" => Code::of("nats-account-taken"),
        "recipient_report_key_id" | "former_key_pkey" => Code::of("report-key-taken"),
        "contract_has_its_seven_items" => Code::of("contract-lacks-an-item"),
        _ => return None,
    })
}

/// `Some(reason)`: refused.
async fn write(tx: &mut PgConnection, new: &Checked, at: Timestamp) -> Result<Option<Code>, DbError> {
    type Row = (String, String, Option<String>, Vec<u8>, Vec<u8>);
    let known: Option<Row> =
        sqlx::query_as("select kind, transport, nats_account, report_key, sealing_key from recipient where id = $1")
            .bind(new.id.0)
            .fetch_optional(&mut *tx)
            .await?;
    if let Some((kind, transport, account, report_key, sealing_key)) = known {
        let same = kind == new.kind.as_str()
            && transport == new.reached.transport.as_str()
            && account == new.reached.account
            && report_key == new.report_key
            && sealing_key == new.sealing_key;
        if !same {
            return Ok(Some(Code::of("recipient-exists-with-other-data")));
        }
        // Somebody looked after it: what was parked is tried again now.
        sqlx::query(
            "update retry set parked = false, next_at = now() where parked and endpoint in (
               select id from endpoint where recipient = $1)",
        )
        .bind(new.id.0)
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
    .bind(new.reached.transport.as_str())
    .bind(new.reached.account.as_deref())
    .bind(new.reached.user.as_deref())
    .bind(new.report_key.as_slice())
    .bind(key_id(&new.report_key).as_str())
    .bind(new.sealing_key.as_slice())
    .bind(at.to_sqlx())
    .execute(&mut *tx)
    .await?;
    if let Some(tag) = &new.name {
        sqlx::query("insert into recipient_name (recipient, tag) values ($1, $2)")
            .bind(new.id.0)
            .bind(tag)
            .execute(&mut *tx)
            .await?;
    }
    if let Some(certification) = &new.certification
        && let Some(refused) = life::certification(tx, new.id, certification).await?
    {
        return Ok(Some(refused));
    }
    // After its place in the tiers is known: it may be reached through the one above.
    if life::endpoint(tx, new.id, &new.reached).await?.is_none() {
        return Ok(Some(Code::of("nobody-above-carries")));
    }
    if let Some(contract) = &new.contract {
        life::contract(tx, new.id, contract, at).await?;
    }
    owe_what_stands(tx, new.id, at).await?;
    Ok(None)
}

/// 登録時の追補: a recipient that may be told now is told of everything that stands and that it does not know, in batches
/// by the fan-out. One that may not (yet) is not.
async fn owe_what_stands(tx: &mut PgConnection, recipient: RecipientId, at: Timestamp) -> Result<(), DbError> {
    let all = in_force(&mut *tx).await?;
    let Some(me) = all.iter().find(|c| c.recipient == recipient) else { return Ok(()) };
    if !propagation::missing(&all, me, propagation::day_of(at)).is_empty() {
        return Ok(());
    }
    let everybody = !matches!(me.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator);
    sqlx::query(
        "insert into backlog (recipient, entry)
         select $1, f.entry from (select distinct on (entry) entry, change from fanout
                                   where $2 or measure not in ('suspend', 'resume') order by entry, version desc) f
          where not exists (select from issued i where i.recipient = $1 and i.change = f.change)
            and ($2 or exists (select from shown s where s.recipient = $1 and s.entry = f.entry)
                 or exists (select from entry_hospital h join recipient_name n using (tag) where n.recipient = $1 and h.entry = f.entry))
         on conflict do nothing",
    )
    .bind(recipient.0)
    .bind(everybody)
    .execute(tx)
    .await?;
    Ok(())
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
    // The key in force first, then those that were replaced and still verify.
    let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select r.id, k.key from recipient r
           join lateral (select report_key as key, 0 as n union all select key, 1 from former_key f where f.recipient = r.id and f.until > now()) k on true
          where r.nats_account = $1 or r.id = $2 or r.report_key_id = $3
             or exists (select from former_key f where f.recipient = r.id and f.id = $3 and f.until > now())
          order by r.id, k.n",
    )
    .bind(account)
    .bind(id)
    .bind(key)
    .fetch_all(pool)
    .await?;
    let recipient = rows.first().map(|row| RecipientId(row.0));
    let keys: Vec<ReportKey> = rows.iter().filter_map(|(_, key)| ReportKey::from_bytes(key).ok()).collect();
    Ok(recipient.map(|recipient| Found { recipient, keys }))
}
