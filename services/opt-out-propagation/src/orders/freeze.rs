//! 利用停止 and its end: orders that freeze current builds, and let them go on. They lift no stop.

use super::Orders;
use crate::entry::{Ground, Input};
use chassis::HandleError;
use contracts::{
    ChangeId,
    register::{ResumeUse, SuspendUse},
    request::{StaffCommand, StaffReply},
};

impl Orders {
    /// `req.optout.suspend-use`.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn suspend_use(&self, command: StaffCommand<SuspendUse>) -> Result<StaffReply, HandleError> {
        let SuspendUse { entry, case, basis, received_at } = command.order.clone();
        let (change, at) = (ChangeId::derived(command.token, "suspend-use"), self.now());
        let input = Input::SuspendUse { ground: Ground { case, basis, received_at }, change, at };
        self.feed_entry(&command, entry.0, input).await
    }

    /// `req.optout.resume-use`.
    ///
    /// # Errors
    /// A database did not answer.
    pub async fn resume_use(&self, command: StaffCommand<ResumeUse>) -> Result<StaffReply, HandleError> {
        let ResumeUse { entry, case, basis, received_at } = command.order.clone();
        let (change, at) = (ChangeId::derived(command.token, "resume-use"), self.now());
        let input = Input::ResumeUse { ground: Ground { case, basis, received_at }, change, at };
        self.feed_entry(&command, entry.0, input).await
    }
}
