//! What came back: signed reports, each by its own signature on the very way of every other transport; or a sheet, which
//! counts line by line when two different people have brought the same.

use super::{Files, away, reason_of};
use crate::{
    recipients::{self, By},
    reports::Brought,
};
use chassis::{HandleError, StaffReason, telemetry};
use contracts::{
    Code, InstructionId, RecipientId, Uuid,
    carried::{FileForm, FileLine, ImportFile, ImportReply},
    recipient::ReportAnswer,
    register::AttestReport,
    request::{StaffCommand, StaffReply},
};
use jiff_sqlx::ToSqlx;
use privacy_seal::{Personal, Purpose, aad, seal_to};
use recipient_kit::{
    apply, digest_of, report,
    sealed_file::{
        open_reports,
        sheet::{self, Answer, Column},
    },
};

const UNAVAILABLE: Code = Code::of("unavailable");

/// What a file came to, before it is kept.
struct Read {
    whole: bool,
    empty: u32,
    lines: Vec<FileLine>,
}

impl Files {
    /// `req.optout.import-file`. The same order again gets the first answer; the same file again, as each of its lines.
    ///
    /// # Errors
    /// The database or the object store did not answer: nothing is lost, the order is given again.
    pub async fn import(&self, command: StaffCommand<ImportFile>) -> Result<ImportReply, HandleError> {
        let why = match self.custody.why(&command) {
            Ok(why) => why,
            Err(reply) => return Ok(ImportReply::Refused { reason: reason_of(reply) }),
        };
        let known: Option<serde_json::Value> = sqlx::query_scalar("select answer from file_import where id = $1")
            .bind(command.token)
            .fetch_optional(self.bus.db().pool())
            .await?;
        if let Some(answer) = known.and_then(|json| serde_json::from_value(json).ok()) {
            return Ok(answer);
        }
        let plain = match self.fetch(&command.order).await? {
            Ok(plain) => plain,
            Err(reason) => return Ok(ImportReply::Refused { reason }),
        };
        let bytes = plain.disclose(Purpose::InstructRecipient);
        let read = match command.order.form {
            FileForm::Reports => self.reports(command.order.recipient, bytes).await?,
            FileForm::Sheet => self.sheet(&command, &why, bytes).await?,
        };
        let read = match read {
            Ok(read) => read,
            Err(reason) => return Ok(ImportReply::Refused { reason }),
        };
        let again = read.lines.iter().any(|line| line.word == UNAVAILABLE);
        let Read { whole, empty, lines } = read;
        let reply = ImportReply::Imported { import: command.token, whole, empty, lines };
        // What could not be looked at now is looked at when the order is given again.
        if !again {
            self.note(&command, &reply).await?;
            let _ = self.objects.remove(command.order.object).await;
        }
        telemetry::count("madoguchi.files", command.order.form.as_str());
        Ok(reply)
    }

    async fn fetch(&self, order: &ImportFile) -> Result<Result<Personal<Vec<u8>>, Code>, HandleError> {
        let sealed = match self.objects.get(order.object).await {
            Ok(sealed) => sealed,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Err(Code::of("file-not-found"))),
            Err(e) => return Err(away("the object store", &e)),
        };
        let Ok(plain) = self.custody.key().open(&aad::carried_file(order.object), &sealed) else {
            return Ok(Err(Code::of("file-not-openable")));
        };
        let same = digest_of(plain.disclose(Purpose::InstructRecipient)) == order.digest;
        Ok(if same { Ok(plain) } else { Err(Code::of("digest-mismatch")) })
    }

    async fn reports(&self, from: RecipientId, bytes: &[u8]) -> Result<Result<Read, Code>, HandleError> {
        let Some(found) = recipients::find(self.bus.db().pool(), By::Id(from)).await? else {
            return Ok(Err(Code::of("no-such-recipient")));
        };
        let file = match open_reports(bytes, from, &found.keys) {
            Ok(file) => file,
            Err(why) => return Ok(Err(why.code())),
        };
        let mut lines = Vec::with_capacity(file.lines.len());
        for (line, signed) in &file.lines {
            let about = report::unverified(signed).map(|report| report.instruction);
            let (ok, word) = match self.reports.take(signed, Brought::ByFile(from)).await {
                ReportAnswer::Accepted { .. } => (true, Code::of("accepted")),
                ReportAnswer::Refused { reason } => (false, reason),
                ReportAnswer::Unavailable => (false, UNAVAILABLE),
            };
            lines.push(FileLine { line: *line, column: None, instruction: about, ok, word });
        }
        Ok(Ok(Read { whole: file.whole, empty: 0, lines }))
    }

    async fn sheet(
        &self,
        command: &StaffCommand<ImportFile>,
        why: &Personal<String>,
        bytes: &[u8],
    ) -> Result<Result<Read, Code>, HandleError> {
        let sheet = match sheet::read(bytes) {
            Ok(sheet) => sheet,
            Err(why) => return Ok(Err(why.code())),
        };
        let bad = |bad: &sheet::BadCell| FileLine {
            line: bad.line,
            column: Some(bad.column.clone()),
            instruction: bad.instruction,
            ok: false,
            word: bad.why.clone(),
        };
        let mut lines: Vec<FileLine> = sheet.bad.iter().map(bad).collect();
        for answer in &sheet.answers {
            let (column, ok, word) = match self.line(command, why, answer).await? {
                Ok(word) => (None, true, word),
                Err((column, word)) => (column.map(Column::code), false, word),
            };
            lines.push(FileLine { line: answer.line, column, instruction: Some(answer.instruction), ok, word });
        }
        lines.sort_by_key(|line| line.line);
        Ok(Ok(Read { whole: true, empty: sheet.empty, lines }))
    }

    /// One line of a sheet: an attestation by who brought it. `Err` inside: why not, and where.
    async fn line(
        &self,
        command: &StaffCommand<ImportFile>,
        why: &Personal<String>,
        answer: &Answer,
    ) -> Result<Result<Code, (Option<Column>, Code)>, HandleError> {
        let row: Option<(Uuid, Vec<u8>)> =
            sqlx::query_as("select recipient, body from delivery where instruction = $1")
                .bind(answer.instruction.0)
                .fetch_optional(self.bus.db().pool())
                .await?;
        let Some((recipient, body)) = row else {
            return Ok(Err((Some(Column::Instruction), Code::of("unknown-instruction"))));
        };
        if recipient != command.order.recipient.0 {
            return Ok(Err((Some(Column::Instruction), Code::of("not-yours"))));
        }
        let measure = apply::parse(&body).ok().map(|instruction| instruction.data.measure);
        let shown = answer.book_entry.is_some() && !answer.erasures.is_empty();
        if measure.is_none_or(|measure| !report::shows_enough(answer.outcome, measure, shown)) {
            let column = if answer.erasures.is_empty() { Column::System } else { Column::BookEntry };
            return Ok(Err((Some(column), Code::of("erasure-incomplete"))));
        }
        let Some(order) = self.as_order(command, why, answer) else { return Ok(Err((None, UNAVAILABLE))) };
        Ok(match self.orders.attest_words(&order, words(answer)).await? {
            StaffReply::Done { status, .. } if status.as_str() == "awaits-second-person" => Ok(status),
            StaffReply::Done { .. } => Ok(Code::of("attested")),
            StaffReply::Refused { reason, .. } => Err((None, reason)),
        })
    }

    /// The order that a person would give for this line alone: with a token of its own, and the same reason.
    fn as_order(
        &self,
        command: &StaffCommand<ImportFile>,
        why: &Personal<String>,
        answer: &Answer,
    ) -> Option<StaffCommand<AttestReport>> {
        let token = Uuid::new_v5(&command.token, answer.instruction.0.as_bytes());
        let why = why.disclose(Purpose::SealForOwner).as_bytes();
        Some(StaffCommand {
            token,
            staff: command.staff,
            why: seal_to(&self.custody.key().public(), token.as_bytes(), why).ok()?,
            traceparent: command.traceparent.clone(),
            order: AttestReport {
                instruction: InstructionId(answer.instruction.0),
                outcome: answer.outcome,
                ground: answer.ground.clone(),
            },
        })
    }

    async fn note(&self, command: &StaffCommand<ImportFile>, reply: &ImportReply) -> Result<(), HandleError> {
        let (token, order, at) = (command.token, command.order.clone(), self.bus.clock().now());
        let why = StaffReason { cause: token, staff: command.staff, unit: None, sealed: command.why.0.clone(), at };
        let answer = serde_json::to_value(reply).unwrap_or_default();
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                if !why.keep(tx).await? {
                    return Ok(());
                }
                sqlx::query(
                    "insert into file_import (id, recipient, form, digest, answer, at) values ($1, $2, $3, $4, $5, $6)",
                )
                .bind(token)
                .bind(order.recipient.0)
                .bind(order.form.as_str())
                .bind(order.digest.0.as_slice())
                .bind(answer)
                .bind(at.to_sqlx())
                .execute(tx)
                .await?;
                Ok(())
            })
        });
        Ok(write.await?)
    }
}

/// What both people have to have brought: the outcome and its ground, and all that stands about an erasure.
fn words(answer: &Answer) -> String {
    let plain = format!("{} {}", answer.outcome, answer.ground.as_ref().map_or("", Code::as_str));
    if answer.book_entry.is_none() && answer.erasures.is_empty() {
        return plain;
    }
    // Codes and dates only.
    let more = serde_json::json!({ "book_entry": answer.book_entry, "erasures": answer.erasures });
    format!("{plain} {more}")
}
