//! Orders about the book of arrivals, and requests that staff file in a person's name.

use super::{By, CommandError, Commands, TRIES};
use contracts::{
    CaseId, Sealed, Service,
    arrival::{FileRequest, FiledFrom, HandOverSlip, LogArrival, SettleArrival, Written},
    request::StaffReply,
};
use privacy_seal::seal_to;
use serde_json::Value;

impl Commands {
    /// 受付簿への記載. `said` is what somebody wrote or said, as the form has it; it is sealed here into `order.particulars`.
    ///
    /// # Errors
    /// Intake does not answer, or nothing can be sealed to it.
    pub async fn log_arrival(&self, by: By<'_>, mut order: LogArrival, said: &Value) -> Result<Written, CommandError> {
        order.particulars = self.sealed(&by, said)?;
        self.send("order log-arrival", by, order, TRIES).await
    }

    /// 処理: what became of an arrival.
    ///
    /// # Errors
    /// As [`Commands::log_arrival`].
    pub async fn settle_arrival(&self, by: By<'_>, order: SettleArrival) -> Result<StaffReply, CommandError> {
        self.order("order settle-arrival", by, order).await
    }

    /// 代理入力.
    ///
    /// # Errors
    /// As [`Commands::log_arrival`].
    pub async fn file_request(&self, by: By<'_>, from: FiledFrom, draft: &Value) -> Result<Written, CommandError> {
        let draft = self.sealed(&by, draft)?;
        self.send("order file", by, FileRequest { from, draft }, TRIES).await
    }

    /// 交付済み: the slip went out, and the desk forgets the access code.
    ///
    /// # Errors
    /// As [`Commands::log_arrival`].
    pub async fn hand_over_slip(&self, by: By<'_>, case: CaseId) -> Result<StaffReply, CommandError> {
        self.order("order hand-over-slip", by, HandOverSlip { case }).await
    }

    fn sealed(&self, by: &By<'_>, said: &Value) -> Result<Sealed, CommandError> {
        let plain = privacy_seal::Zeroizing::new(said.to_string());
        Ok(seal_to(&self.key(Service::Intake)?, by.token.as_bytes(), plain.as_bytes())?)
    }
}
