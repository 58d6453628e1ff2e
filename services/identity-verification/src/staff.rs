//! What members of staff order: confirm, ask for completion, reject. Every order says who and why.
//!
//! The reason comes sealed to this service. It is opened here, sealed again under the case's evidence key, and written down
//! before the order is tried, so that no order ever stands without its reason; that of a refused order is dropped again.

use crate::{
    store::{OrderReason, Store},
    verification::{Input, Verification, completion_due},
};
use chassis::{Cause, Clock, HandleError, Home, Outcome};
use contracts::{
    CaseId, Code, Timestamp, Uuid,
    request::{AskForCompletion, ConfirmIdentity, RejectIdentity, StaffCommand, StaffReply},
};
use privacy::{Personal, Purpose, RecordClass, ServiceKey, Vault, VaultError};
use std::sync::Arc;

/// The longest reason, in characters.
const WHY_MAX: usize = 2_000;
/// Table and column that a sealed reason belongs to.
const PLACE: &[u8] = b"identity.order_reason.sealed";

/// Carries out the orders.
#[derive(Clone)]
pub struct Desk {
    /// The verifications.
    pub home: Home<Verification>,
    /// The service's tables.
    pub store: Store,
    /// The keys of the evidence.
    pub vault: Vault,
    /// What reasons are sealed to.
    pub key: Arc<ServiceKey>,
    /// Now.
    pub clock: Clock,
    /// 補正の期間.
    pub completion_days: u16,
}

/// An order without what belongs to its kind.
struct Order {
    case: CaseId,
    token: Uuid,
    at: Timestamp,
    input: Input,
}

impl Desk {
    /// `req.identity.confirm`.
    ///
    /// # Errors
    /// Nothing was done; the console tries again.
    pub async fn confirm(&self, c: StaffCommand<ConfirmIdentity>) -> Result<StaffReply, HandleError> {
        let at = self.clock.now();
        let input = Input::Confirm { papers: c.order.papers.clone(), by: c.staff, at };
        self.carry_out(&c, Order { case: c.order.case, token: c.token, at, input }).await
    }

    /// `req.identity.ask-for-completion`.
    ///
    /// # Errors
    /// As [`Desk::confirm`].
    pub async fn ask_for_completion(&self, c: StaffCommand<AskForCompletion>) -> Result<StaffReply, HandleError> {
        let at = self.clock.now();
        let due_at = completion_due(at, self.completion_days);
        let input = Input::AskForCompletion { reasons: c.order.reasons.clone(), by: c.staff, at, due_at };
        self.carry_out(&c, Order { case: c.order.case, token: c.token, at, input }).await
    }

    /// `req.identity.reject`.
    ///
    /// # Errors
    /// As [`Desk::confirm`].
    pub async fn reject(&self, c: StaffCommand<RejectIdentity>) -> Result<StaffReply, HandleError> {
        let at = self.clock.now();
        let input = Input::Reject { reasons: c.order.reasons.clone(), by: c.staff, at };
        self.carry_out(&c, Order { case: c.order.case, token: c.token, at, input }).await
    }

    async fn carry_out<T>(&self, command: &StaffCommand<T>, order: Order) -> Result<StaffReply, HandleError> {
        let Order { case, token, at, input } = order;
        let why = match self.why(command) {
            Ok(why) => why,
            Err(reason) => return Ok(StaffReply::Refused { reason, at: Some(Code::of("why")) }),
        };
        let sealed = match self
            .vault
            .seal(case.0, RecordClass::Evidence, PLACE, why.disclose(Purpose::SealForOwner).as_bytes())
            .await
        {
            Ok(sealed) => sealed,
            Err(VaultError::Erased { .. }) => {
                return Ok(StaffReply::Refused { reason: Code::of("case-erased"), at: None });
            }
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let reason = OrderReason { cause: token, case: case.0, staff: command.staff, sealed, at };
        let kept = self.store.keep_reason(reason).await?;
        let outcome = self.home.handle(case.0, Cause::Person(token), input).await?;
        if kept && !matches!(outcome, Outcome::Done { .. } | Outcome::Already { .. } | Outcome::Seen { .. }) {
            self.store.drop_reason(token).await?;
        }
        Ok(outcome.reply(case.0))
    }

    /// Opens the reason; the token is its additional data, so that it cannot be moved to another order.
    fn why<T>(&self, command: &StaffCommand<T>) -> Result<Personal<String>, Code> {
        let opened = self.key.open(command.token.as_bytes(), &command.why.0).map_err(|_| Code::of("why-unreadable"))?;
        let text = opened.text().map_err(|_| Code::of("why-unreadable"))?;
        let length = text.disclose(Purpose::SealForOwner).trim().chars().count();
        match length {
            0 => Err(Code::of("why-missing")),
            n if n > WHY_MAX => Err(Code::of("why-over-2000-characters")),
            _ => Ok(text),
        }
    }
}
