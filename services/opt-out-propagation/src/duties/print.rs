//! Documents are made, kept sealed, and printed: whoever prints is written down first.

use super::{Duties, NO_ENTRY, hospital, refused};
use crate::retention::Record;
use chassis::{AskError, DbError, HandleError, StaffReason};
use contracts::{
    CaseId, Code, Date, DisclosePurpose, EntryId, PersonField, Scope, Timestamp, Uuid,
    duty::{ConsentTo, HandOver, IssueStopDocument, Print, Printed},
    request::{Disclose, DisclosedReply, StaffCommand, StaffReply},
};
use jiff_sqlx::ToSqlx;
use papers::{Disagreement, Paper, Requester, StopDocument, StopNotice, Told, WorkOrder};
use privacy::{Personal, PublicKey, Purpose, RecordClass, seal_json};
use serde::Deserialize;

/// Names table and column in what is sealed.
const PLACE: &[u8] = b"optout.stop_document.body";

type Time = jiff_sqlx::Timestamp;

/// What a document is made of, but for the names.
struct Ground {
    entry: Uuid,
    case: CaseId,
    hospital: i16,
    track: Scope,
    desk_received_at: Timestamp,
    hospital_received_at: Option<Timestamp>,
    stopped_on: Option<Date>,
    blocked_since: Timestamp,
}

/// What intake hands over.
#[derive(Deserialize)]
struct Names {
    name: Option<String>,
    address: Option<String>,
    representative: Option<Representative>,
}

#[derive(Deserialize)]
struct Representative {
    name: String,
    #[serde(default)]
    address: String,
}

impl Duties {
    async fn ground(&self, work_order: Uuid) -> Result<Option<Ground>, DbError> {
        type Row = (Uuid, Uuid, i16, String, Time, Option<Time>, Option<String>, Time);
        let row: Option<Row> = sqlx::query_as(
            "select w.entry, e.\"case\", h.n, w.track, w.desk_received_at, h.received_at, w.stopped_on::text, e.blocked_since
               from work_order w join entry_hospital h using (entry, tag) join register_entry e using (entry)
              where w.id = $1 and e.blocked_since is not null",
        )
        .bind(work_order)
        .fetch_optional(self.pool())
        .await?;
        Ok(row.and_then(|(entry, case, hospital, track, desk, received, stopped_on, blocked)| {
            Some(Ground {
                entry,
                case: CaseId(case),
                hospital,
                track: track.parse().ok()?,
                desk_received_at: desk.to_jiff(),
                hospital_received_at: received.map(|t| t.to_jiff()),
                stopped_on: stopped_on.and_then(|d| d.parse().ok()),
                blocked_since: blocked.to_jiff(),
            })
        }))
    }

    /// Who asked: whoever acts for the person, else the person. `Err(reason)`: not now, or not any more.
    async fn requester(&self, case: CaseId, cause: Uuid) -> Result<Personal<Requester>, Code> {
        let asked = Disclose {
            case,
            asker: Code::of("optout"),
            purpose: DisclosePurpose::PrepareAnswer,
            fields: vec![PersonField::Name, PersonField::Address, PersonField::Representative],
            cause,
            staff: None,
        };
        let sealed = match self.recipients.bus.ask(&asked).await {
            Ok(DisclosedReply::Values { sealed }) => sealed,
            Ok(DisclosedReply::Erased) => return Err(Code::of("case-erased")),
            Ok(DisclosedReply::Unknown) => return Err(Code::of("case-unknown-yet")),
            Ok(DisclosedReply::Forbidden) => return Err(Code::of("disclose-forbidden")),
            Err(AskError::Away(_)) => return Err(Code::of("intake-away")),
            Err(AskError::Garbled(_) | AskError::TooLarge(_)) => return Err(Code::of("disclose-garbled")),
        };
        let opened =
            self.recipients.register.open(case.0.as_bytes(), &sealed.0).ok_or(Code::of("sealed-to-another-key"))?;
        opened
            .try_map(|bytes| {
                let names: Names = serde_json::from_slice(bytes).map_err(|_| ())?;
                let (name, address) = match names.representative {
                    Some(r) => (r.name, Some(r.address)),
                    None => (names.name.ok_or(())?, names.address),
                };
                Ok::<_, ()>(Requester { name, address: address.filter(|a| !a.trim().is_empty()) })
            })
            .map_err(|()| Code::of("disclose-garbled"))
    }

    async fn compose(&self, g: &Ground, cause: Uuid) -> Result<Result<Personal<StopDocument>, Code>, HandleError> {
        let requester = match self.requester(g.case, cause).await {
            Ok(requester) => requester,
            Err(reason) => return Ok(Err(reason)),
        };
        let person = match self.recipients.register.person(EntryId(g.entry)).await {
            Ok(person) => person,
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let n = usize::try_from(g.hospital).unwrap_or(0).saturating_sub(1);
        let named = person.disclose(Purpose::AnswerRequest).hospitals.get(n).cloned();
        let Some(hospital) = named else { return Ok(Err(Code::of("no-such-hospital"))) };
        let on = calendar::jst_date;
        let issued_on = self.today();
        Ok(Ok(requester.map(|requester| StopDocument {
            hospital,
            track: g.track,
            requester: requester.clone(),
            desk_received_on: on(g.desk_received_at),
            hospital_received_on: g.hospital_received_at.map(on),
            stopped_on: g.stopped_on,
            blocked_on: on(g.blocked_since),
            issued_on,
        })))
    }

    /// `req.optout.issue-stop-document`: one work order, one document; kept sealed under a key of its own.
    ///
    /// # Errors
    /// A database did not do it.
    pub async fn issue(&self, command: StaffCommand<IssueStopDocument>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.recipients.custody.why(&command) {
            return Ok(reply);
        }
        let (IssueStopDocument { work_order, how }, id) = (command.order.clone(), command.token);
        let Some(ground) = self.ground(work_order).await? else { return refused(Code::of("no-such-work-order")) };
        let document = match self.compose(&ground, id).await? {
            Ok(document) => document,
            Err(reason) => return refused(reason),
        };
        let json = Personal::new(serde_json::to_vec(document.disclose(Purpose::AnswerRequest)).unwrap_or_default());
        let vault = self.recipients.custody.vault();
        let sealed = vault.seal(id, RecordClass::Register, PLACE, json.disclose(Purpose::AnswerRequest)).await;
        let sealed = sealed.map_err(|e| HandleError::Unavailable(e.to_string()))?;
        let issued_on = self.today();
        let kept = self.recipients.register.retention().kept_until(Record::StopDocument, issued_on, self.calendar());
        let orders = &self.recipients;
        orders
            .ordered(&command, id, "issued", move |tx, at| {
                Box::pin(async move {
                    // Paper is the default; an electronic record needs what was said before (Act art. 53(2)).
                    let consent = hospital::consent(tx, ground.entry, ConsentTo::ElectronicDocument).await?;
                    if how == HandOver::Electronic && consent.is_none() {
                        return Ok(Some(Code::of("no-consent-to-electronic-record")));
                    }
                    sqlx::query(
                        "insert into stop_document (id, work_order, how, issued_on, kept_until, body, cause, at)
                         values ($1, $2, $3, $4::text::date, $5::text::date, $6, $1, $7)",
                    )
                    .bind(id)
                    .bind(work_order)
                    .bind(how.as_str())
                    .bind(issued_on.to_string())
                    .bind(kept.to_string())
                    .bind(sealed)
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(None)
                })
            })
            .await
    }

    /// `req.optout.print`: the values of a paper, sealed to the console, which makes the letter. Who prints and why is written down
    /// before anything is opened.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn print(&self, command: StaffCommand<Print>) -> Result<Printed, HandleError> {
        let no = |reason| Ok(Printed::Refused { reason });
        match self.recipients.custody.why(&command) {
            Ok(_) => {}
            Err(StaffReply::Refused { reason, .. }) => return no(reason),
            Err(StaffReply::Done { .. }) => return no(Code::of("why-unreadable")),
        }
        let (cause, at) = (command.token, self.now());
        let why = StaffReason { cause, staff: command.staff, unit: None, sealed: command.why.0.clone(), at };
        let kept = self.recipients.bus.db().write(move |tx| Box::pin(async move { Ok(why.keep(tx).await.map(drop)?) }));
        kept.await?;
        let paper = match command.order {
            Print::StopDocument { document } => self.document(document).await?,
            Print::WorkOrder { work_order } => self.work_order(work_order, cause).await?,
            Print::StopNotice { entry } => self.notice(entry).await?,
            Print::DisagreementLetter { entry } => self.letter(entry).await?,
        };
        let paper = match paper {
            Ok(paper) => paper,
            Err(reason) => return no(reason),
        };
        let unavailable = |e: String| HandleError::Unavailable(e);
        let console = PublicKey::load(&self.keys.join("console.pub")).map_err(|e| unavailable(e.to_string()))?;
        let sealed = seal_json(&console, cause.as_bytes(), &paper).map_err(|e| unavailable(e.to_string()))?;
        Ok(Printed::Values { sealed })
    }

    async fn document(&self, id: Uuid) -> Result<Result<Personal<Paper>, Code>, HandleError> {
        let body: Option<Vec<u8>> = sqlx::query_scalar("select body from stop_document where id = $1")
            .bind(id)
            .fetch_optional(self.pool())
            .await
            .map_err(DbError::from)?;
        let Some(body) = body else { return Ok(Err(Code::of("no-such-document"))) };
        let vault = self.recipients.custody.vault();
        let opened = match vault.open(id, RecordClass::Register, PLACE, &body).await {
            Ok(opened) => opened,
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let document: Result<Personal<StopDocument>, _> = opened.json();
        Ok(document.map(|d| d.map(|d| Paper::StopDocument(d.clone()))).map_err(|_| Code::of("document-unreadable")))
    }

    async fn work_order(&self, id: Uuid, cause: Uuid) -> Result<Result<Personal<Paper>, Code>, HandleError> {
        let Some(ground) = self.ground(id).await? else { return Ok(Err(Code::of("no-such-work-order"))) };
        if self.recipients.register.retention().needs_consent(self.today()) {
            let mut db = self.pool().acquire().await.map_err(DbError::from)?;
            if hospital::consent(&mut db, ground.entry, ConsentTo::TellOthers).await?.is_none() {
                return Ok(Err(Code::of("no-consent-to-tell")));
            }
        }
        let document = match self.compose(&ground, cause).await? {
            Ok(document) => document,
            Err(reason) => return Ok(Err(reason)),
        };
        let person = self.recipients.register.person(EntryId(ground.entry)).await;
        let person = person.map_err(|e| HandleError::Unavailable(e.to_string()))?;
        Ok(Ok(document.map(|document| {
            let who = person.disclose(Purpose::AnswerRequest);
            Paper::WorkOrder(WorkOrder {
                document: document.clone(),
                patient: who.name.clone().unwrap_or_else(|| who.kana.clone()),
                kana: who.kana.clone(),
                birth_date: who.birth_date,
            })
        })))
    }

    async fn notice(&self, entry: EntryId) -> Result<Result<Personal<Paper>, Code>, HandleError> {
        let row: Option<(String, Time)> = sqlx::query_as(
            "select scope, blocked_since from register_entry where entry = $1 and blocked_since is not null",
        )
        .bind(entry.0)
        .fetch_optional(self.pool())
        .await
        .map_err(DbError::from)?;
        let Some((scope, blocked)) = row else { return Ok(Err(NO_ENTRY)) };
        let Ok(scope) = scope.parse() else { return Ok(Err(NO_ENTRY)) };
        let needs = self.recipients.register.retention().needs_consent(self.today());
        let mut db = self.pool().acquire().await.map_err(DbError::from)?;
        let told = !needs || hospital::consent(&mut db, entry.0, ConsentTo::TellOthers).await?.is_some();
        let received: Vec<Option<Time>> =
            sqlx::query_scalar("select received_at from entry_hospital where entry = $1 order by n")
                .bind(entry.0)
                .fetch_all(&mut *db)
                .await
                .map_err(DbError::from)?;
        drop(db);
        let person = self.recipients.register.person(entry).await;
        let person = person.map_err(|e| HandleError::Unavailable(e.to_string()))?;
        Ok(Ok(person.map(|who| {
            let hospitals = who.hospitals.iter().enumerate().map(|(n, hospital)| {
                let received_at = received.get(n).copied().flatten().map(|t| t.to_jiff());
                Told { hospital: hospital.clone(), told: told || received_at.is_some(), received_at }
            });
            let blocked_on = calendar::jst_date(blocked.to_jiff());
            Paper::StopNotice(StopNotice { scope, blocked_on, told: hospitals.collect() })
        })))
    }

    async fn letter(&self, entry: EntryId) -> Result<Result<Personal<Paper>, Code>, HandleError> {
        let at: Option<Time> = sqlx::query_scalar(
            "select received_at from disagreement where entry = $1 order by received_at desc limit 1",
        )
        .bind(entry.0)
        .fetch_optional(self.pool())
        .await
        .map_err(DbError::from)?;
        Ok(at
            .map(|at| Disagreement { received_on: calendar::jst_date(at.to_jiff()) })
            .map(|about| Personal::new(Paper::DisagreementLetter(about)))
            .ok_or(Code::of("nobody-disagreed")))
    }
}
