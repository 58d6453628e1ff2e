//! What members of staff order: confirm, ask for completion, reject. Every order says who and why.
//!
//! The reason is kept under the case's evidence key before the order is tried (`custody::orders`).

use crate::verification::{Input, Verification, completion_due};
use chassis::{Clock, HandleError, Home};
use contracts::{
    CaseId, Timestamp,
    request::{AskForCompletion, ConfirmIdentity, RejectIdentity, StaffCommand, StaffReply},
};
use custody::{Custody, orders::alone};
use privacy::RecordClass;

/// Carries out the orders.
#[derive(Clone)]
pub struct Desk {
    /// The verifications.
    pub home: Home<Verification>,
    /// The keys of the evidence, and the reasons.
    pub custody: Custody,
    /// Now.
    pub clock: Clock,
    /// 補正の期間.
    pub completion_days: u16,
}

/// An order without what belongs to its kind.
struct Order {
    case: CaseId,
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
        self.carry_out(&c, Order { case: c.order.case, at, input }).await
    }

    /// `req.identity.ask-for-completion`.
    ///
    /// # Errors
    /// As [`Desk::confirm`].
    pub async fn ask_for_completion(&self, c: StaffCommand<AskForCompletion>) -> Result<StaffReply, HandleError> {
        let at = self.clock.now();
        let due_at = completion_due(at, self.completion_days);
        let input = Input::AskForCompletion { reasons: c.order.reasons.clone(), by: c.staff, at, due_at };
        self.carry_out(&c, Order { case: c.order.case, at, input }).await
    }

    /// `req.identity.reject`.
    ///
    /// # Errors
    /// As [`Desk::confirm`].
    pub async fn reject(&self, c: StaffCommand<RejectIdentity>) -> Result<StaffReply, HandleError> {
        let at = self.clock.now();
        let input = Input::Reject { reasons: c.order.reasons.clone(), by: c.staff, at };
        self.carry_out(&c, Order { case: c.order.case, at, input }).await
    }

    async fn carry_out<T>(&self, command: &StaffCommand<T>, order: Order) -> Result<StaffReply, HandleError> {
        let Order { case, at, input } = order;
        match self.custody.reason(command, case.0, RecordClass::Evidence, at).await? {
            Ok(reason) => self.custody.carry_out(&self.home, case.0, reason, input, alone).await,
            Err(reply) => Ok(reply),
        }
    }
}
