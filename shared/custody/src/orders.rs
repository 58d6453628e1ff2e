//! Orders of the staff, each with who and why.
//!
//! The reason comes sealed to the service. It is opened, sealed again under the key of the case (so that it ends with the
//! case), and written down before the order is tried: no order ever stands without its reason. That of a refused order is
//! dropped again: nothing was done, so nothing is kept.

use crate::Custody;
use chassis::{Cause, DbError, HandleError, Home, Machine, Outcome, StaffReason, reason};
use contracts::{
    Code, Timestamp, Uuid,
    request::{StaffCommand, StaffReply},
};
use futures::future::BoxFuture;
use privacy::{Personal, Purpose, RecordClass, VaultError};
use sqlx::PgConnection;

/// Words that come sealed with an order: how they are called, how long they may be.
#[derive(Debug)]
pub struct Words {
    /// The field of the form.
    pub field: Code,
    /// The most characters.
    pub most: usize,
    /// The refusal when there are none.
    pub missing: Code,
    /// The refusal when there are more than [`Words::most`].
    pub too_long: Code,
    /// The refusal when they do not open or are no text.
    pub unreadable: Code,
}

/// Why a member of staff orders something.
pub const WHY: Words = Words {
    field: Code::of("why"),
    most: 2_000,
    missing: Code::of("why-missing"),
    too_long: Code::of("why-too-long"),
    unreadable: Code::of("why-unreadable"),
};

impl Custody {
    /// Opens words that are sealed to this service. `aad` binds them to their order or case, so that they cannot be moved
    /// to another.
    ///
    /// # Errors
    /// What the member of staff is answered.
    pub fn words(&self, words: &Words, aad: &[u8], sealed: &[u8]) -> Result<Personal<String>, StaffReply> {
        let no = |reason: &Code| StaffReply::Refused { reason: reason.clone(), at: Some(words.field.clone()) };
        let opened = self.key().open(aad, sealed).map_err(|_| no(&words.unreadable))?;
        let text = opened.text().map_err(|_| no(&words.unreadable))?;
        match text.disclose(Purpose::SealForOwner).trim().chars().count() {
            0 => Err(no(&words.missing)),
            n if n > words.most => Err(no(&words.too_long)),
            _ => Ok(text),
        }
    }

    /// Opens why; the order's token is its additional data.
    ///
    /// # Errors
    /// As [`Custody::words`].
    pub fn why<T>(&self, command: &StaffCommand<T>) -> Result<Personal<String>, StaffReply> {
        self.words(&WHY, command.token.as_bytes(), &command.why.0)
    }

    /// The reason of an order as a row to keep: sealed under the key of the unit (the case) that the order is about.
    /// `Err` inside: what the member of staff is answered.
    ///
    /// # Errors
    /// The key database did not answer: nothing was done, the console tries again.
    pub async fn reason<T>(
        &self,
        command: &StaffCommand<T>,
        unit: Uuid,
        class: RecordClass,
        at: Timestamp,
    ) -> Result<Result<StaffReason, StaffReply>, HandleError> {
        let why = match self.why(command) {
            Ok(why) => why,
            Err(reply) => return Ok(Err(reply)),
        };
        let plain = why.disclose(Purpose::SealForOwner).as_bytes();
        match self.vault().seal(unit, class, &self.reason_place(), plain).await {
            Ok(sealed) => {
                Ok(Ok(StaffReason { cause: command.token, staff: command.staff, unit: Some(unit), sealed, at }))
            }
            Err(VaultError::Erased { .. }) => {
                Ok(Err(StaffReply::Refused { reason: const { Code::of("case-erased") }, at: None }))
            }
            Err(error) => Err(HandleError::Unavailable(error.to_string())),
        }
    }

    /// The place that a sealed reason is bound to: `<schema>.staff_reason.sealed`.
    pub fn reason_place(&self) -> Vec<u8> {
        format!("{}.staff_reason.sealed", self.0.token).into_bytes()
    }

    /// Keeps the reason, feeds the machine, and drops the reason again when the order was refused. `beside` writes what
    /// else is kept with the reason, in its transaction; it has to go with the reason's row (`on delete cascade`). Without
    /// any: [`alone`]. A repeat of the same form gets the first answer.
    ///
    /// # Errors
    /// A database did not answer: the console tries again, and the token sees to it that nothing is done twice.
    pub async fn carry_out<M: Machine>(
        &self,
        home: &Home<M>,
        machine: Uuid,
        reason: StaffReason,
        input: M::Input,
        beside: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<(), DbError>> + Send + 'static,
    ) -> Result<StaffReply, HandleError> {
        let token = reason.cause;
        let kept = self
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    let kept = reason.keep(tx).await?;
                    if kept {
                        beside(tx).await?;
                    }
                    Ok(kept)
                })
            })
            .await?;
        let outcome = home.handle(machine, Cause::Person(token), input).await?;
        if kept && !matches!(outcome, Outcome::Done { .. } | Outcome::Already { .. } | Outcome::Seen { .. }) {
            self.db().write(move |tx| Box::pin(async move { Ok(reason::take_back(tx, token).await?) })).await?;
        }
        Ok(outcome.reply(machine))
    }
}

/// Nothing beside the reason.
pub fn alone(_: &mut PgConnection) -> BoxFuture<'_, Result<(), DbError>> {
    Box::pin(async { Ok(()) })
}
