//! What a member of staff orders about an entry of the register, an instruction or a task. Each order has who and why; what
//! needs two different people is proposed by the first order and done by the second.

mod freeze;
mod preview;
mod scan;
mod show;
mod standing;

use crate::{
    entry::{self, Entry, Ground},
    instruction::{self, Instruction},
    person::Register,
};
use chassis::{Bus, Cause, DbError, HandleError, Home, Machine, Reaction, StaffReason, Verdict};
use contracts::{
    ChangeId, Code, Measure, ReportOutcome, Timestamp, Uuid,
    duty::AttestErasure,
    recipient::{Report, ReportStage},
    register::{
        AttestReport, ChangeScope, CloseTask, ConfirmMatch, CorrectIdentifiers, FoundAt, HospitalReceived, WithdrawStop,
    },
    request::{StaffCommand, StaffReply},
};
use custody::{Custody, orders::alone};
use jiff_sqlx::ToSqlx;
use recipient_kit::{digest_of, erasure};
use std::sync::Arc;
use tokio::sync::Notify;

/// Takes them.
pub struct Orders {
    /// The bus.
    pub bus: Arc<Bus>,
    /// Opens reasons.
    pub custody: Custody,
    /// Identifiers.
    pub register: Arc<Register>,
    /// Entries.
    pub entries: Home<Entry>,
    /// Instructions.
    pub instructions: Home<Instruction>,
    /// Wakes the fan-out.
    pub fan_out: Arc<Notify>,
    /// What the statute's words are in time.
    pub periods: crate::propagation::Periods,
}

/// How often what two people attested may be amended by two people.
const AMENDMENTS_MAX: u32 = 1000;

/// What two people said so far.
enum Two {
    /// One of them.
    First,
    /// Both, and the same.
    Both,
    /// Refused.
    No(Code),
}

fn refused(reason: Code) -> Result<StaffReply, HandleError> {
    Ok(StaffReply::Refused { reason, at: None })
}

fn why_row<T>(command: &StaffCommand<T>, at: Timestamp) -> StaffReason {
    StaffReason { cause: command.token, staff: command.staff, unit: None, sealed: command.why.0.clone(), at }
}

impl Orders {
    fn now(&self) -> Timestamp {
        self.bus.clock().now()
    }

    /// What an entry would say to an input, if it is a refusal: asked before anything is written for it.
    async fn entry_refuses(&self, id: Uuid, input: &entry::Input) -> Result<Option<Code>, HandleError> {
        let state = self.entries.read(id).await?.map(|(_, state)| state).unwrap_or_default();
        Ok(match Entry::decide(&state, input) {
            Verdict::Refused(why) => Some(why.into()),
            Verdict::TooEarly => Some(Code::of("stop-is-not-final")),
            Verdict::Events(_) | Verdict::Already => None,
        })
    }

    async fn instruction_refuses(&self, id: Uuid, input: &instruction::Input) -> Result<Option<Code>, HandleError> {
        let state = self.instructions.read(id).await?.map(|(_, state)| state).unwrap_or_default();
        Ok(match Instruction::decide(&state, input) {
            Verdict::Refused(why) => Some(why.into()),
            Verdict::TooEarly => Some(Code::of("no-such-instruction")),
            Verdict::Events(_) | Verdict::Already => None,
        })
    }

    async fn feed_entry<T>(
        &self,
        command: &StaffCommand<T>,
        id: Uuid,
        input: entry::Input,
    ) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(command) {
            return Ok(reply);
        }
        let reason = why_row(command, self.now());
        let reply = self.custody.carry_out(&self.entries, id, reason, input, alone).await?;
        self.fan_out.notify_one();
        Ok(reply)
    }

    /// One of two different people says something; the database refuses the same one twice.
    async fn two<T>(
        &self,
        command: &StaffCommand<T>,
        subject: Uuid,
        kind: &'static str,
        words: String,
    ) -> Result<Two, HandleError> {
        let (why, staff, at) = (why_row(command, self.now()), command.staff.0, self.now());
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                type Row = (String, Uuid, Option<Uuid>);
                let first = sqlx::query(
                    "insert into two_people (subject, kind, words, first, first_at) values ($1, $2, $3, $4, $5) on conflict do nothing",
                )
                .bind(subject)
                .bind(kind)
                .bind(&words)
                .bind(staff)
                .bind(at.to_sqlx())
                .execute(&mut *tx)
                .await?;
                if first.rows_affected() == 1 {
                    why.keep(tx).await?;
                    return Ok(Two::First);
                }
                let (said, first, second): Row = sqlx::query_as(
                    "select words, first, second from two_people where subject = $1 and kind = $2 for update",
                )
                .bind(subject)
                .bind(kind)
                .fetch_one(&mut *tx)
                .await?;
                if second.is_some() {
                    return Ok(if said == words { Two::Both } else { Two::No(Code::of("two-people-said-otherwise")) });
                }
                if first == staff {
                    // Said again, perhaps better.
                    sqlx::query("update two_people set words = $3 where subject = $1 and kind = $2")
                        .bind(subject)
                        .bind(kind)
                        .bind(&words)
                        .execute(&mut *tx)
                        .await?;
                    return Ok(if said == words { Two::No(Code::of("second-person-needed")) } else { Two::First });
                }
                if said != words {
                    return Ok(Two::No(Code::of("first-person-said-otherwise")));
                }
                sqlx::query("update two_people set second = $3, second_at = $4 where subject = $1 and kind = $2")
                    .bind(subject)
                    .bind(kind)
                    .bind(staff)
                    .bind(at.to_sqlx())
                    .execute(&mut *tx)
                    .await?;
                why.keep(tx).await?;
                Ok(Two::Both)
            })
        });
        Ok(write.await?)
    }

    /// `req.optout.confirm-match`: the second of two different people releases the erasure.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn confirm_match(&self, command: StaffCommand<ConfirmMatch>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let id = command.order.entry.0;
        let input = entry::Input::MatchConfirmed { change: ChangeId::derived(id, "erase"), at: self.now() };
        if let Some(reason) = self.entry_refuses(id, &input).await? {
            return refused(reason);
        }
        match self.two(&command, id, "match", "this-person".into()).await? {
            Two::No(reason) => refused(reason),
            Two::First => {
                Ok(StaffReply::Done { machine: id, status: Code::of("awaits-second-person"), figures: vec![] })
            }
            Two::Both => {
                let outcome = self.entries.handle(id, Cause::Person(command.token), input).await?;
                self.fan_out.notify_one();
                Ok(outcome.reply(id))
            }
        }
    }

    /// `req.optout.attest-report`: what two different people read on a paper counts as a report.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn attest(&self, command: StaffCommand<AttestReport>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let AttestReport { instruction, outcome, ground } = command.order.clone();
        if matches!(outcome, ReportOutcome::Applied | ReportOutcome::PartlyApplied)
            && self.measure_of(instruction.0).await? == Some(Measure::Erase)
        {
            // A paper that says that something was erased says what, when, how and what stayed, too.
            return refused(Code::of("erasure-needs-its-particulars"));
        }
        let words = format!("{outcome} {}", ground.as_ref().map_or("", Code::as_str));
        self.attest_words(&command, words).await
    }

    /// The same with everything that both have to have read: a line of a sheet says more than outcome and ground. The reason
    /// was looked at.
    pub(crate) async fn attest_words(
        &self,
        command: &StaffCommand<AttestReport>,
        words: String,
    ) -> Result<StaffReply, HandleError> {
        let AttestReport { instruction, outcome, ground } = command.order.clone();
        let report = digest_of(words.as_bytes());
        let input = instruction::Input::Attested { outcome, ground, report, at: self.now() };
        if let Some(reason) = self.instruction_refuses(instruction.0, &input).await? {
            return refused(reason);
        }
        let subject = self.attest_subject(instruction.0, &words).await?;
        match self.two(command, subject, "attest", words).await? {
            Two::No(reason) => refused(reason),
            Two::First => Ok(StaffReply::Done {
                machine: instruction.0,
                status: Code::of("awaits-second-person"),
                figures: vec![],
            }),
            Two::Both => {
                let cause = Cause::Person(command.token);
                Ok(self.instructions.handle(instruction.0, cause, input).await?.reply(instruction.0))
            }
        }
    }

    /// What two people said stays; an amendment of it, or the same again after another report, is said anew by two.
    async fn attest_subject(&self, instruction: Uuid, words: &str) -> Result<Uuid, DbError> {
        let mut subject = instruction;
        for n in 1..=AMENDMENTS_MAX {
            let said: Option<(String, bool, bool)> = sqlx::query_as(
                "select t.words, t.second is not null, coalesce(i.reported_at > t.second_at, false)
                   from two_people t left join issued i on i.instruction = $2 where t.subject = $1 and t.kind = 'attest'",
            )
            .bind(subject)
            .bind(instruction)
            .fetch_optional(self.bus.db().pool())
            .await?;
            match said {
                Some((said, true, newer)) if newer || said != words => {
                    subject = Uuid::new_v5(&instruction, format!("amendment {n}").as_bytes());
                }
                Some(_) | None => break,
            }
        }
        Ok(subject)
    }

    /// What an instruction says that is to be done.
    async fn measure_of(&self, instruction: Uuid) -> Result<Option<Measure>, DbError> {
        let word: Option<String> = sqlx::query_scalar("select measure from issued where instruction = $1")
            .bind(instruction)
            .fetch_optional(self.bus.db().pool())
            .await?;
        Ok(word.and_then(|word| word.parse().ok()))
    }

    /// `req.optout.attest-erasure`: what two different people read on a paper about an erasure, held to the same as a signed report.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn attest_erasure(&self, command: StaffCommand<AttestErasure>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let AttestErasure { instruction, outcome, book_entry, erasures } = command.order.clone();
        let find = "select recipient, digest, body from delivery where instruction = $1";
        let row: Option<(Uuid, Vec<u8>, Vec<u8>)> =
            sqlx::query_as(find).bind(instruction.0).fetch_optional(self.bus.db().pool()).await?;
        let Some((recipient, digest, body)) = row else { return refused(Code::of("no-such-instruction")) };
        let (Ok(told), Ok(digest)) = (recipient_kit::apply::parse(&body), digest.try_into()) else {
            return refused(Code::of("no-such-instruction"));
        };
        let report = Report {
            instruction,
            recipient: contracts::RecipientId(recipient),
            digest: contracts::Digest(digest),
            stage: ReportStage::Reported { outcome, ground: None },
            // The words that both gave are the same, whenever each gave them.
            time: Timestamp::UNIX_EPOCH,
            book_entry: Some(book_entry),
            erasures,
        };
        if let Err(why) = erasure::enough(&report, told.data.measure, told.data.erase.as_ref()) {
            return refused(why.code());
        }
        let words = digest_of(&serde_json::to_vec(&report).unwrap_or_default());
        let input = instruction::Input::Attested { outcome, ground: None, report: words, at: self.now() };
        if let Some(reason) = self.instruction_refuses(instruction.0, &input).await? {
            return refused(reason);
        }
        let done = |status| Ok(StaffReply::Done { machine: instruction.0, status: Code::of(status), figures: vec![] });
        match self.two(&command, instruction.0, "attest", words.to_string()).await? {
            Two::No(reason) => refused(reason),
            Two::First => done("awaits-second-person"),
            Two::Both => {
                self.keep_attested(&report, command.token).await?;
                let cause = Cause::Person(command.token);
                Ok(self.instructions.handle(instruction.0, cause, input).await?.reply(instruction.0))
            }
        }
    }

    /// What the paper said, beside the signed reports: not signed by the recipient, and it says so.
    async fn keep_attested(&self, report: &Report, cause: Uuid) -> Result<(), DbError> {
        let (recipient, instruction, at) = (report.recipient.0, report.instruction.0, self.now());
        let body = serde_json::to_vec(report).unwrap_or_default();
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into attested_erasure (cause, recipient, instruction, body, at) values ($1, $2, $3, $4, $5)
                     on conflict (cause) do nothing",
                )
                .bind(cause)
                .bind(recipient)
                .bind(instruction)
                .bind(body)
                .bind(at.to_sqlx())
                .execute(tx)
                .await?;
                Ok(())
            })
        });
        write.await
    }

    /// `req.optout.close-task`.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn close_task(&self, command: StaffCommand<CloseTask>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let (id, accept, at) = (command.order.task, command.order.accept, self.now());
        let row: Option<(Option<Uuid>, bool, String)> =
            sqlx::query_as("select instruction, closed_at is null, kind from task where id = $1")
                .bind(id)
                .fetch_optional(self.bus.db().pool())
                .await?;
        let row = match row {
            // Nobody but the recipient's report ends it; that its order is on its way changes nothing.
            Some((_, true, kind)) if kind == "erase-all" => return refused(Code::of("awaits-its-report")),
            // Seen, and the recipient was spoken to: the instruction stays open until a report says enough.
            Some((_, open, kind)) if kind == "erasure" => Some((None, open)),
            row => row.map(|(instruction, open, _)| (instruction, open)),
        };
        match row {
            None => refused(Code::of("no-such-task")),
            Some((Some(instruction), _)) => {
                let input = instruction::Input::Dealt { accept, at };
                let reason = why_row(&command, at);
                self.custody.carry_out(&self.instructions, instruction, reason, input, alone).await
            }
            Some((None, true)) if !accept => refused(Code::of("nothing-to-send-back")),
            Some((None, _)) => {
                let (why, cause) = (why_row(&command, at), command.token);
                let write = self.bus.db().write(move |tx| {
                    Box::pin(async move {
                        let closed = sqlx::query(
                            "update task set closed_at = $2, cause = $3 where id = $1 and closed_at is null",
                        )
                        .bind(id)
                        .bind(at.to_sqlx())
                        .bind(cause)
                        .execute(&mut *tx)
                        .await?;
                        if closed.rows_affected() == 1 {
                            why.keep(tx).await?;
                        }
                        Ok(())
                    })
                });
                write.await?;
                Ok(StaffReply::Done { machine: id, status: Code::of("closed"), figures: vec![] })
            }
        }
    }

    /// `req.optout.change-scope`.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn change_scope(&self, command: StaffCommand<ChangeScope>) -> Result<StaffReply, HandleError> {
        let ChangeScope { entry, case, scope, basis, received_at } = command.order.clone();
        let (change, at) = (ChangeId::derived(command.token, "scope"), self.now());
        let input = entry::Input::ChangeScope { ground: Ground { case, basis, received_at }, scope, change, at };
        self.feed_entry(&command, entry.0, input).await
    }

    /// `req.optout.withdraw-stop`: recorded; the block holds.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn withdraw(&self, command: StaffCommand<WithdrawStop>) -> Result<StaffReply, HandleError> {
        let WithdrawStop { entry, case, basis, received_at } = command.order.clone();
        let input = entry::Input::Withdraw { ground: Ground { case, basis, received_at }, at: self.now() };
        self.feed_entry(&command, entry.0, input).await
    }

    /// `req.optout.correct-identifiers`: asks intake for them as they stand in that case, and gives the entry a new index.
    ///
    /// # Errors
    /// A database or intake did not answer.
    pub async fn correct(&self, command: StaffCommand<CorrectIdentifiers>) -> Result<StaffReply, HandleError> {
        let CorrectIdentifiers { entry, case, basis, received_at } = command.order.clone();
        let (change, at) = (ChangeId::derived(command.token, "correct"), self.now());
        let input = entry::Input::CorrectIdentifiers { ground: Ground { case, basis, received_at }, change, at };
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        if let Some(reason) = self.entry_refuses(entry.0, &input).await? {
            return refused(reason);
        }
        // The index first: a correction that nobody can find corrects nothing.
        match self.register.enter(case, entry, command.token).await? {
            Ok(()) => self.feed_entry(&command, entry.0, input).await,
            Err(Reaction::Later(reason) | Reaction::Park(reason)) => refused(reason),
            Err(Reaction::Handled | Reaction::Ignored) => refused(Code::of("identifiers-unreadable")),
        }
    }

    /// `req.optout.hospital-received`.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn hospital_received(&self, command: StaffCommand<HospitalReceived>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let HospitalReceived { entry, supplier, at } = command.order.clone();
        if at > self.now() {
            return refused(Code::of("date-in-the-future"));
        }
        let why = why_row(&command, self.now());
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                let noted = sqlx::query(
                    "update entry_hospital set received_at = coalesce(received_at, $3) where entry = $1 and n = $2",
                )
                .bind(entry.0)
                .bind(i32::from(supplier))
                .bind(at.to_sqlx())
                .execute(&mut *tx)
                .await?;
                if noted.rows_affected() == 1 {
                    why.keep(tx).await?;
                }
                Ok(noted.rows_affected() == 1)
            })
        });
        if !write.await? {
            return refused(Code::of("no-such-hospital"));
        }
        Ok(StaffReply::Done { machine: entry.0, status: Code::of("hospital-has-it"), figures: vec![] })
    }

    /// `req.optout.found-at`: a search ticket showed that a recipient has the person's data. It is told too.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn found_at(&self, command: StaffCommand<FoundAt>) -> Result<StaffReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(reply);
        }
        let (FoundAt { entry, recipient }, why, at) =
            (command.order.clone(), why_row(&command, self.now()), self.now());
        let write =
            self.bus.db().write(move |tx| Box::pin(async move { found(tx, entry.0, recipient.0, &why, at).await }));
        if let Some(reason) = write.await? {
            return refused(reason);
        }
        self.fan_out.notify_one();
        Ok(StaffReply::Done { machine: entry.0, status: Code::of("told-too"), figures: vec![] })
    }
}

async fn found(
    tx: &mut sqlx::PgConnection,
    entry: Uuid,
    recipient: Uuid,
    why: &StaffReason,
    at: Timestamp,
) -> Result<Option<Code>, DbError> {
    // Under the fan-out's lock: a change of the entry is fanned out before this or after it.
    sqlx::query("select from one where job = 'fan-out' for update").fetch_one(&mut *tx).await?;
    let is_final: Option<bool> =
        sqlx::query_scalar("select final_since is not null from register_entry where entry = $1")
            .bind(entry)
            .fetch_optional(&mut *tx)
            .await?;
    let kind: Option<String> =
        sqlx::query_scalar("select kind from recipient where id = $1").bind(recipient).fetch_optional(&mut *tx).await?;
    match (is_final, kind.as_deref()) {
        (Some(true), Some("user")) => return Ok(Some(Code::of("users-learn-of-nobody"))),
        (Some(true), Some(_)) => {}
        (_, None) => return Ok(Some(Code::of("no-such-recipient"))),
        (_, Some(_)) => return Ok(Some(Code::of("stop-is-not-final"))),
    }
    why.keep(tx).await?;
    sqlx::query("insert into shown (entry, recipient, at) values ($1, $2, $3) on conflict do nothing")
        .bind(entry)
        .bind(recipient)
        .bind(at.to_sqlx())
        .execute(&mut *tx)
        .await?;
    sqlx::query("insert into backlog (recipient, entry) values ($1, $2) on conflict do nothing")
        .bind(recipient)
        .bind(entry)
        .execute(tx)
        .await?;
    Ok(None)
}
