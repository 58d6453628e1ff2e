//! Orders about entries of the register and about the gate, and the questions whose answers their pages show.

use super::{By, CommandError, Commands};
use contracts::{
    CaseId, Code, EntryId, RecipientId, Scope, Service, Timestamp, Uuid,
    gate::{DecideReview, GateIncidentList, KeepFiling, ListGateIncidents, ListReviews, ReviewList},
    gate_desk::{FilingList, GateRunList, ListFilings, ListGateRuns},
    register::{ChangeScope, CorrectIdentifiers, FoundAt, HospitalReceived, ResumeUse, SuspendUse, WithdrawStop},
    request::StaffReply,
    standing::{PreviewStop, StopPreview},
};
use privacy_seal::seal_to;

/// On what a change of an entry stands: the case in which it was asked for, its legal basis, its arrival at the desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The case.
    pub case: CaseId,
    /// The basis.
    pub basis: Code,
    /// Its arrival.
    pub received_at: Timestamp,
}

impl Commands {
    /// 事前確認: whom a change would go to. Changes nothing.
    pub async fn preview(&self, question: &PreviewStop) -> Result<StopPreview, CommandError> {
        self.ask(question).await
    }

    /// 停止範囲の変更.
    pub async fn change_scope(
        &self,
        by: By<'_>,
        entry: EntryId,
        on: Ground,
        scope: Scope,
    ) -> Result<StaffReply, CommandError> {
        let Ground { case, basis, received_at } = on;
        self.order("order change-scope", by, ChangeScope { entry, case, scope, basis, received_at }).await
    }

    /// 識別事項の訂正: as they stand in that case.
    pub async fn correct_identifiers(
        &self,
        by: By<'_>,
        entry: EntryId,
        on: Ground,
    ) -> Result<StaffReply, CommandError> {
        let Ground { case, basis, received_at } = on;
        self.order("order correct-identifiers", by, CorrectIdentifiers { entry, case, basis, received_at }).await
    }

    /// 停止の撤回: recorded; the block holds.
    pub async fn withdraw_stop(&self, by: By<'_>, entry: EntryId, on: Ground) -> Result<StaffReply, CommandError> {
        let Ground { case, basis, received_at } = on;
        self.order("order withdraw-stop", by, WithdrawStop { entry, case, basis, received_at }).await
    }

    /// 利用の一時停止: current builds leave the person's data alone.
    pub async fn suspend_use(&self, by: By<'_>, entry: EntryId, on: Ground) -> Result<StaffReply, CommandError> {
        let Ground { case, basis, received_at } = on;
        self.order("order suspend-use", by, SuspendUse { entry, case, basis, received_at }).await
    }

    /// 一時停止の解除. The stop stands.
    pub async fn resume_use(&self, by: By<'_>, entry: EntryId, on: Ground) -> Result<StaffReply, CommandError> {
        let Ground { case, basis, received_at } = on;
        self.order("order resume-use", by, ResumeUse { entry, case, basis, received_at }).await
    }

    /// A hospital has the stop, since when.
    pub async fn hospital_received(
        &self,
        by: By<'_>,
        entry: EntryId,
        supplier: u16,
        at: Timestamp,
    ) -> Result<StaffReply, CommandError> {
        self.order("order hospital-received", by, HospitalReceived { entry, supplier, at }).await
    }

    /// A search ticket showed that a recipient has the person's data.
    pub async fn found_at(
        &self,
        by: By<'_>,
        entry: EntryId,
        recipient: RecipientId,
    ) -> Result<StaffReply, CommandError> {
        self.order("order found-at", by, FoundAt { entry, recipient }).await
    }

    /// Possible matches that wait for two people.
    pub async fn reviews(&self) -> Result<ReviewList, CommandError> {
        self.ask(&ListReviews {}).await
    }

    /// One of two people says whether it is the same person.
    pub async fn decide_review(&self, by: By<'_>, review: Uuid, same: bool) -> Result<StaffReply, CommandError> {
        self.order("order decide-review", by, DecideReview { review, same }).await
    }

    /// Records that arrived although they are blocked.
    pub async fn gate_incidents(&self) -> Result<GateIncidentList, CommandError> {
        self.ask(&ListGateIncidents {}).await
    }

    /// What was checked.
    pub async fn gate_runs(&self) -> Result<GateRunList, CommandError> {
        self.ask(&ListGateRuns {}).await
    }

    /// What hospitals have filed.
    pub async fn filings(&self) -> Result<FilingList, CommandError> {
        self.ask(&ListFilings {}).await
    }

    /// 届出の記録. `filing` is the JSON of `gate::filing::Filing`; it names a hospital and travels sealed.
    pub async fn keep_filing(&self, by: By<'_>, filing: &serde_json::Value) -> Result<StaffReply, CommandError> {
        let key = self.key(Service::OptOut)?;
        let filing = seal_to(&key, by.token.as_bytes(), filing.to_string().as_bytes())?;
        self.order("order keep-filing", by, KeepFiling { filing }).await
    }
}
