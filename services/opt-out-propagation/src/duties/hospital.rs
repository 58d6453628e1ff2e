//! Hospitals are told with the requester's consent (APPI art. 27(1)); each has a work order per track, and its own dates beside
//! the desk's (Rules art. 47). Nothing here moves a block.

use super::{Duties, NO_ENTRY, entry_exists, refused};
use crate::retention::Record;
use chassis::{DbError, HandleError};
use contracts::{
    Code, Date, Scope, Timestamp, Uuid,
    duty::{BringWorkOrder, ConsentTo, HospitalStopped, RecordConsent, RecordDisagreement, RecordRelay},
    request::{StaffCommand, StaffReply},
};
use custody::orders::Words;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

const NO_WORK_ORDER: Code = Code::of("no-such-work-order");
const FUTURE: Code = Code::of("date-in-the-future");

/// What is told of a person by hand: what stands on the work order.
const TOLD: [&str; 4] = ["name", "kana", "birth-date", "stop"];

/// Who handed a request on.
const SENDER: Words = Words {
    field: Code::of("sender"),
    most: 200,
    missing: Code::of("sender-missing"),
    too_long: Code::of("sender-too-long"),
    unreadable: Code::of("sender-unreadable"),
};

/// The tracks of a scope.
pub fn tracks(scope: Scope) -> &'static [&'static str] {
    match scope {
        Scope::Anonymised => &["anonymised"],
        Scope::Pseudonymised => &["pseudonymised"],
        Scope::Both => &["anonymised", "pseudonymised"],
    }
}

/// A work order for each hospital that the person named, and each track: in the transaction that stops them. Those that are there
/// already stay.
///
/// # Errors
/// The database's.
pub async fn work_orders(
    tx: &mut PgConnection,
    entry: Uuid,
    scope: Scope,
    desk_received_at: Timestamp,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into work_order (id, entry, tag, track, desk_received_at, made_at)
         select gen_random_uuid(), h.entry, h.tag, t, $3, $4 from entry_hospital h, unnest($2::text[]) t where h.entry = $1
         on conflict (entry, tag, track) do nothing",
    )
    .bind(entry)
    .bind(tracks(scope))
    .bind(desk_received_at.to_sqlx())
    .bind(at.to_sqlx())
    .execute(tx)
    .await
    .map(drop)
}

/// The consent that counts, if it was given: its order.
///
/// # Errors
/// The database's.
pub async fn consent(tx: &mut PgConnection, entry: Uuid, to: ConsentTo) -> Result<Option<(Uuid, Timestamp)>, DbError> {
    let row: Option<(Uuid, bool, jiff_sqlx::Timestamp)> = sqlx::query_as(
        "select cause, given, said_at from consent where entry = $1 and what = $2 order by said_at desc, at desc limit 1",
    )
    .bind(entry)
    .bind(to.as_str())
    .fetch_optional(tx)
    .await?;
    Ok(row.filter(|(_, given, _)| *given).map(|(cause, _, at)| (cause, at.to_jiff())))
}

impl Duties {
    /// `req.optout.record-consent`. With a consent to tell others those who may be told now are told of what stands.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn record_consent(&self, command: StaffCommand<RecordConsent>) -> Result<StaffReply, HandleError> {
        let RecordConsent { entry, to, given, at: said, text } = command.order.clone();
        if said > self.now() {
            return refused(FUTURE);
        }
        let cause = command.token;
        let orders = &self.recipients;
        orders
            .ordered(&command, entry.0, "recorded", move |tx, at| {
                Box::pin(async move {
                    if !entry_exists(tx, entry.0).await? {
                        return Ok(Some(NO_ENTRY));
                    }
                    sqlx::query(
                        "insert into consent (cause, entry, what, given, said_at, text, at) values ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(cause)
                    .bind(entry.0)
                    .bind(to.as_str())
                    .bind(given)
                    .bind(said.to_sqlx())
                    .bind(text.as_str())
                    .bind(at.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
                    if given && to == ConsentTo::TellOthers {
                        tell_too(tx, entry.0).await?;
                    }
                    Ok(None)
                })
            })
            .await
    }

    /// `req.optout.bring-work-order`: handed over by a member of staff; with consent only, and recorded.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn bring(&self, command: StaffCommand<BringWorkOrder>) -> Result<StaffReply, HandleError> {
        let BringWorkOrder { work_order, at: brought } = command.order.clone();
        if brought > self.now() {
            return refused(FUTURE);
        }
        let day = calendar::jst_date(brought);
        let rules = self.recipients.register.retention();
        let (needs, kept) = (rules.needs_consent(day), rules.kept_until(Record::Provision, day, self.calendar()));
        let orders = &self.recipients;
        orders
            .ordered(&command, work_order, "brought", move |tx, _| {
                Box::pin(async move {
                    let row: Option<(Uuid, i16, Vec<u8>)> = sqlx::query_as(
                        "select w.entry, h.n, w.tag from work_order w join entry_hospital h using (entry, tag) where w.id = $1",
                    )
                    .bind(work_order)
                    .fetch_optional(&mut *tx)
                    .await?;
                    let Some((entry, hospital, tag)) = row else { return Ok(Some(NO_WORK_ORDER)) };
                    let consented = consent(tx, entry, ConsentTo::TellOthers).await?;
                    if needs && consented.is_none_or(|(_, at)| at > brought) {
                        return Ok(Some(Code::of("no-consent-to-tell")));
                    }
                    sqlx::query("update work_order set brought_at = coalesce(brought_at, $2) where id = $1")
                        .bind(work_order)
                        .bind(brought.to_sqlx())
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query(
                        "insert into provision_record (id, entry, hospital, person, items, consent, at, kept_until)
                         values (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7::text::date)",
                    )
                    .bind(entry)
                    .bind(hospital)
                    .bind(Uuid::new_v5(&entry, &tag))
                    .bind(TOLD.as_slice())
                    .bind(consented.map(|(cause, _)| cause))
                    .bind(brought.to_sqlx())
                    .bind(kept.to_string())
                    .execute(tx)
                    .await?;
                    Ok(None)
                })
            })
            .await
    }

    /// `req.optout.hospital-stopped`: the hospital's own two dates.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn hospital_stopped(&self, command: StaffCommand<HospitalStopped>) -> Result<StaffReply, HandleError> {
        let HospitalStopped { work_order, received_at, stopped_on } = command.order.clone();
        if received_at > self.now() || stopped_on > self.today() {
            return refused(FUTURE);
        }
        let orders = &self.recipients;
        orders
            .ordered(&command, work_order, "hospital-confirmed", move |tx, at| {
                Box::pin(async move { stopped(tx, work_order, received_at, stopped_on, at).await })
            })
            .await
    }

    /// `req.optout.record-disagreement` (duty 9): recorded; the entry stays.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn disagree(&self, command: StaffCommand<RecordDisagreement>) -> Result<StaffReply, HandleError> {
        let (RecordDisagreement { entry, case, capacity, received_at }, cause) = (command.order.clone(), command.token);
        if received_at > self.now() {
            return refused(FUTURE);
        }
        let orders = &self.recipients;
        orders
            .ordered(&command, entry.0, "the-stop-stays", move |tx, at| {
                Box::pin(async move {
                    if !entry_exists(tx, entry.0).await? {
                        return Ok(Some(NO_ENTRY));
                    }
                    sqlx::query(
                        "insert into disagreement (cause, entry, \"case\", capacity, received_at, at) values ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(cause)
                    .bind(entry.0)
                    .bind(case.0)
                    .bind(capacity.as_str())
                    .bind(received_at.to_sqlx())
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(None)
                })
            })
            .await
    }

    /// `req.optout.record-relay` (duty 47): sender, way of acquisition, basis; outlives the case.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn relay(&self, command: StaffCommand<RecordRelay>) -> Result<StaffReply, HandleError> {
        let (RecordRelay { entry, case, sender, acquired, basis, received_at }, cause) =
            (command.order.clone(), command.token);
        if received_at > self.now() {
            return refused(FUTURE);
        }
        if let Err(reply) = self.recipients.custody.words(&SENDER, cause.as_bytes(), &sender.0) {
            return Ok(reply);
        }
        let day = calendar::jst_date(received_at);
        let kept = self.recipients.register.retention().kept_until(Record::Relay, day, self.calendar());
        let orders = &self.recipients;
        orders
            .ordered(&command, entry.0, "recorded", move |tx, at| {
                Box::pin(async move {
                    if !entry_exists(tx, entry.0).await? {
                        return Ok(Some(NO_ENTRY));
                    }
                    sqlx::query(
                        "insert into relay_record (cause, entry, \"case\", sender, acquired, basis, received_at, kept_until, at)
                         values ($1, $2, $3, $4, $5, $6, $7, $8::text::date, $9)",
                    )
                    .bind(cause)
                    .bind(entry.0)
                    .bind(case.0)
                    .bind(sender.0)
                    .bind(acquired.as_str())
                    .bind(basis.as_str())
                    .bind(received_at.to_sqlx())
                    .bind(kept.to_string())
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(None)
                })
            })
            .await
    }
}

/// Hospitals and operators that are shown to have this person may be told from now on: of what stands.
async fn tell_too(tx: &mut PgConnection, entry: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "insert into backlog (recipient, entry)
         select r.id, $1 from recipient r
          where r.kind in ('hospital', 'certified-operator')
            and exists (select from register_entry e where e.entry = $1 and e.final_since is not null)
            and (exists (select from entry_hospital h join recipient_name n using (tag) where h.entry = $1 and n.recipient = r.id)
                 or exists (select from shown s where s.entry = $1 and s.recipient = r.id))
         on conflict do nothing",
    )
    .bind(entry)
    .execute(tx)
    .await?;
    Ok(())
}

async fn stopped(
    tx: &mut PgConnection,
    work_order: Uuid,
    received_at: Timestamp,
    on: Date,
    at: Timestamp,
) -> Result<Option<Code>, DbError> {
    let row: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "update work_order set stopped_on = $2::text::date, confirmed_at = $3 where id = $1 returning entry, tag",
    )
    .bind(work_order)
    .bind(on.to_string())
    .bind(at.to_sqlx())
    .fetch_optional(&mut *tx)
    .await?;
    let Some((entry, tag)) = row else { return Ok(Some(NO_WORK_ORDER)) };
    sqlx::query("update entry_hospital set received_at = coalesce(received_at, $3) where entry = $1 and tag = $2")
        .bind(entry)
        .bind(tag)
        .bind(received_at.to_sqlx())
        .execute(tx)
        .await?;
    Ok(None)
}
