//! 報告 coming in, by whatever transport: verify, keep the bytes, feed the instruction, answer.
//!
//! The cause of what follows is a hash of recipient, instruction, stage and bytes: a repeat finds its row and gets the same
//! answer. What does not verify moves nothing, is answered with its reason, and is stated as a fact, once per bytes and at
//! most so many a minute per recipient: nobody may fill our history by sending rubbish.

use crate::{
    endpoint_test::EndpointTests,
    instruction::{Input, Instruction},
    receipt::{self, Issued},
    recipients::{self, By, Found},
    refusal::{Refusal, Refused},
    tiers,
};
use chassis::{Bus, Cause, DbError, HandleError, Home, Outcome, telemetry};
use contracts::{
    Code, Digest, Measure, RecipientId, Timestamp, Uuid,
    recipient::{EraseTerms, Report, ReportAnswer},
};
use futures::StreamExt;
use jiff_sqlx::ToSqlx;
use recipient_kit::{carried::Carried, digest_of, erasure, report};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tracing::Instrument;

#[path = "reports_carried.rs"]
mod carried;

/// Reports looked at at the same time.
const AT_ONCE: usize = 32;
/// Facts about refused reports per recipient and minute.
const REFUSALS_A_MINUTE: u32 = 30;

/// What is known of an instruction that a report speaks of.
struct Known {
    issued: Issued,
    /// The terms of an erasure.
    terms: Option<EraseTerms>,
    /// The contractor above that it went to, if to one.
    via: Option<RecipientId>,
    /// The recipient has sub-contractors.
    leads: bool,
}

/// Who brought a report.
#[derive(Clone, Copy, Debug)]
pub enum Brought<'a> {
    /// A NATS account: the server vouches for it.
    ByAccount(&'a str),
    /// HTTP: only the signature says who.
    BySignature,
    /// A report file that this recipient signed.
    ByFile(RecipientId),
}

/// Takes reports.
pub struct Reports {
    bus: Arc<Bus>,
    instructions: Home<Instruction>,
    refusals: Home<Refusal>,
    /// Recipient → (minute, facts in it).
    rate: Mutex<HashMap<RecipientId, (i64, u32)>>,
    tests: Option<Arc<EndpointTests>>,
}

impl Reports {
    /// Puts the parts together.
    pub fn new(bus: Arc<Bus>, instructions: Home<Instruction>, refusals: Home<Refusal>) -> Self {
        Self { bus, instructions, refusals, rate: Mutex::default(), tests: None }
    }

    /// Answers to test events are taken too.
    pub fn with_tests(self, tests: Arc<EndpointTests>) -> Self {
        Self { tests: Some(tests), ..self }
    }

    /// One report, one answer.
    pub async fn take(&self, bytes: &[u8], brought: Brought<'_>) -> ReportAnswer {
        // A new stimulus from outside: a trace of its own, linked to the instruction's.
        let span = telemetry::linked_root_span("report", self.bus.service(), self.trace_of(bytes).await.as_deref());
        match self.try_take(bytes, brought).instrument(span).await {
            Ok(answer) => answer,
            Err(error) => {
                telemetry::count("madoguchi.reports", "unavailable");
                tracing::error!(%error, "a report could not be looked at");
                ReportAnswer::Unavailable
            }
        }
    }

    /// The trace in which the instruction that a report speaks of was issued; whether the report is believed comes later.
    async fn trace_of(&self, bytes: &[u8]) -> Option<String> {
        let report = report::unverified(bytes)?;
        sqlx::query_scalar("select trace from delivery where instruction = $1")
            .bind(report.instruction.0)
            .fetch_optional(self.bus.db().pool())
            .await
            .ok()
            .flatten()
            .flatten()
    }

    async fn try_take(&self, bytes: &[u8], brought: Brought<'_>) -> Result<ReportAnswer, HandleError> {
        let pool = self.bus.db().pool();
        if let Some(carried) = Carried::read(bytes) {
            return self.carried(bytes, carried, brought).await;
        }
        let claimed = report::claimed_key(bytes);
        let from: Option<Found> = match (&brought, &claimed) {
            (Brought::ByAccount(account), _) => recipients::find(pool, By::Account(account)).await?,
            (Brought::ByFile(recipient), _) => recipients::find(pool, By::Id(*recipient)).await?,
            (Brought::BySignature, Ok(key)) => recipients::find(pool, By::Key(key)).await?,
            (Brought::BySignature, Err(_)) => None,
        };
        let Some(from) = from else {
            // Nobody we know: an answer, and no fact about anybody.
            telemetry::count("madoguchi.reports", "stranger");
            let reason = claimed.err().map_or(Code::of("unknown-key"), |e| e.code());
            return Ok(ReportAnswer::Refused { reason });
        };
        let report = match receipt::authentic(bytes, from.recipient, &from.keys) {
            Ok(report) => report,
            Err(refused) => return self.refuse(bytes, from.recipient, refused.code()).await,
        };
        self.fitting(bytes, report, from.recipient, None).await
    }

    /// Holds an authentic report against the ledger. `carrier`: who carried it, the outermost.
    async fn fitting(
        &self,
        bytes: &[u8],
        report: Report,
        by: RecipientId,
        carrier: Option<RecipientId>,
    ) -> Result<ReportAnswer, HandleError> {
        let found = self.issued(&report).await?;
        if found.is_none()
            && let Some(tests) = &self.tests
            && let Some(answer) = tests.answered(&report, bytes).await?
        {
            return Ok(answer);
        }
        let measure = found.as_ref().map_or(Measure::Stop, |known| known.issued.measure);
        let terms = found.as_ref().and_then(|known| known.terms.as_ref());
        // The terms first: what claims too much is worse than what says too little.
        let enough = erasure::enough(&report, measure, terms).map_err(receipt::Refused::from);
        let (via, leads) = found.as_ref().map_or((None, false), |known| (known.via, known.leads));
        let fits = match receipt::fits(&report, found.map(|known| known.issued)) {
            Ok(()) | Err(receipt::Refused::ErasureIncomplete) => enough,
            Err(refused) => Err(refused),
        };
        match fits {
            // Act art. 24: what was handed on by the contractor above comes back through it.
            Ok(()) if via.is_some_and(|via| carrier != Some(via)) => {
                self.refuse(bytes, by, Code::of("comes-through-the-parent")).await
            }
            Ok(()) => self.accept(bytes, report, leads).await,
            Err(refused) => {
                if matches!(refused, receipt::Refused::ErasureIncomplete | receipt::Refused::KeptErased) {
                    // It says something, if not enough: kept, the instruction stays open, and a person looks.
                    let at = self.bus.clock().now();
                    self.keep(cause(&report, bytes), &report, bytes, at).await?;
                    self.to_staff(&report, refused.code(), at).await?;
                }
                self.refuse(bytes, by, refused.code()).await
            }
        }
    }

    /// One task per instruction; closed by a report that says all, or by a member of staff.
    async fn to_staff(&self, report: &Report, reason: Code, at: Timestamp) -> Result<(), DbError> {
        let (instruction, outcome) = (report.instruction.0, report.stage.word());
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into task (id, kind, recipient, instruction, entry, outcome, ground, since, due)
                     select $2, 'erasure', recipient, $1, entry, $3, $4, $5, due from issued where instruction = $1
                     on conflict (id) do update set outcome = excluded.outcome, ground = excluded.ground,
                       since = excluded.since, closed_at = null, cause = null",
                )
                .bind(instruction)
                .bind(Uuid::new_v5(&instruction, b"erasure"))
                .bind(outcome)
                .bind(reason.as_str())
                .bind(at.to_sqlx())
                .execute(tx)
                .await?;
                Ok(())
            })
        });
        write.await
    }

    async fn issued(&self, report: &Report) -> Result<Option<Known>, DbError> {
        type Row = (Uuid, Vec<u8>, Vec<u8>, Option<Uuid>, bool);
        let row: Option<Row> = sqlx::query_as(
            "select d.recipient, d.digest, d.body, (select v.recipient from endpoint v where v.id = e.via),
                    exists (select from recipient s where s.parent = d.recipient)
               from delivery d join endpoint e on e.id = d.endpoint where d.instruction = $1",
        )
        .bind(report.instruction.0)
        .fetch_optional(self.bus.db().pool())
        .await?;
        Ok(row.and_then(|(recipient, digest, body, via, leads)| {
            // The bytes are ours: they always can be read.
            let data = recipient_kit::apply::parse(&body).ok()?.data;
            let (recipient, digest) = (RecipientId(recipient), Digest(digest.try_into().ok()?));
            let issued = Issued { recipient, digest, measure: data.measure };
            Some(Known { issued, terms: data.erase, via: via.map(RecipientId), leads })
        }))
    }

    async fn accept(&self, bytes: &[u8], report: Report, leads: bool) -> Result<ReportAnswer, HandleError> {
        let (cause, at) = (cause(&report, bytes), self.bus.clock().now());
        self.keep(cause, &report, bytes, at).await?;
        let outcome = self.feed(cause, &report, digest_of(bytes), leads, at).await?;
        match outcome {
            Outcome::Done { .. } | Outcome::Already { .. } | Outcome::Seen { .. } => {
                telemetry::count("madoguchi.reports", "accepted");
                Ok(ReportAnswer::Accepted { instruction: report.instruction })
            }
            Outcome::Refused(why) => self.refuse(bytes, report.recipient, why.into()).await,
            // An instruction whose delivery exists has its machine: both were born in one transaction.
            Outcome::TooEarly => self.refuse(bytes, report.recipient, Code::of("unknown-instruction")).await,
            Outcome::Later | Outcome::Parked | Outcome::Behind => Ok(ReportAnswer::Unavailable),
        }
    }

    /// Feeds the instruction. One of a contractor does not close before those of its sub-contractors: what is open below is
    /// looked at before, and again after, since the last of them may close at the same moment.
    async fn feed(
        &self,
        cause: Uuid,
        report: &Report,
        digest: Digest,
        leads: bool,
        at: Timestamp,
    ) -> Result<Outcome<Instruction>, HandleError> {
        let (id, pool, stage) = (report.instruction, self.bus.db().pool(), report.stage.clone());
        if !leads || tiers::open_below(pool, id).await?.is_empty() {
            let input = Input::ReportVerified { stage, report: digest, at };
            return self.instructions.handle(id.0, Cause::Person(cause), input).await;
        }
        let input = Input::ReportVerifiedAbove { stage, report: digest, at };
        let outcome = self.instructions.handle(id.0, Cause::Person(cause), input).await?;
        if tiers::open_below(pool, id).await?.is_empty() {
            let cause = Cause::Person(Uuid::new_v5(&cause, b"below"));
            self.instructions.handle(id.0, cause, Input::BelowSettled { at }).await?;
        }
        Ok(outcome)
    }

    /// The raw bytes, before anything moves: evidence that can be shown to others.
    async fn keep(&self, cause: Uuid, report: &Report, bytes: &[u8], at: Timestamp) -> Result<(), DbError> {
        let (recipient, instruction, body) = (report.recipient.0, report.instruction.0, bytes.to_vec());
        let stage = report.stage.word();
        self.bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into report (cause, recipient, instruction, stage, body, at) values ($1, $2, $3, $4, $5, $6)
                         on conflict (cause) do nothing",
                    )
                    .bind(cause)
                    .bind(recipient)
                    .bind(instruction)
                    .bind(stage)
                    .bind(body)
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn refuse(&self, bytes: &[u8], recipient: RecipientId, reason: Code) -> Result<ReportAnswer, HandleError> {
        let at = self.bus.clock().now();
        telemetry::count("madoguchi.reports", "refused");
        tracing::warn!(%recipient, %reason, "a report was refused");
        if self.may_state(recipient, at) {
            let id = Uuid::new_v5(&recipient.0, &digest_of(bytes).0);
            let refused = Refused { recipient, reason: reason.clone(), at };
            self.refusals.handle(id, Cause::Person(id), Some(refused)).await?;
        }
        Ok(ReportAnswer::Refused { reason })
    }

    fn may_state(&self, recipient: RecipientId, at: Timestamp) -> bool {
        let minute = at.as_second() / 60;
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, count) = rate.entry(recipient).or_insert((minute, 0));
        if *current != minute {
            (*current, *count) = (minute, 0);
        }
        *count += 1;
        *count <= REFUSALS_A_MINUTE
    }

    /// Answers `report.<account>.v1` until the process stops. Token 2 is put there by the server itself
    /// (`account_token_position`), so it says who it is.
    pub async fn serve_nats(self: Arc<Self>) {
        let stop = self.bus.stopping();
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let subscribed = self.bus.nats().queue_subscribe("report.*.v1", "optout".into()).await;
            if let Ok(mut requests) = subscribed {
                let _ = self.bus.nats().flush().await;
                loop {
                    let next = tokio::select! { n = requests.next() => n, () = stop.asked() => return };
                    let Some(message) = next else { break };
                    let Ok(permit) = at_once.clone().acquire_owned().await else { return };
                    let this = self.clone();
                    tokio::spawn(async move {
                        this.answer_one(message).await;
                        drop(permit);
                    });
                }
            }
            if stop.pause(Duration::from_millis(500)).await {
                return;
            }
        }
    }

    async fn answer_one(&self, message: async_nats::Message) {
        let Some(reply) = message.reply.clone() else { return };
        let account = message.subject.split('.').nth(1).unwrap_or_default();
        let answer = self.take(&message.payload, Brought::ByAccount(account)).await;
        let bytes = serde_json::to_vec(&answer).unwrap_or_default();
        if self.bus.nats().publish(reply, bytes.into()).await.is_err() {
            // It is sent again and gets the same answer.
            tracing::warn!("an answer to a report could not be sent");
        }
    }
}

/// The same report, the same cause, for ever.
fn cause(report: &Report, bytes: &[u8]) -> Uuid {
    let hash = Sha256::new()
        .chain_update(b"madoguchi report v1")
        .chain_update(report.recipient.0)
        .chain_update(report.instruction.0)
        .chain_update(report.stage.word())
        .chain_update(b"\0")
        .chain_update(bytes)
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}
