//! Orders about recipients, their tasks, and entries of the register.

use super::{By, CommandError, Commands, limited};
use contracts::{
    EntryId, InstructionId, RecipientId, ReportOutcome, Sealed, Service, Timestamp, Transport, Uuid,
    alert::SetContact,
    books::ReplayRecipient,
    endpoint_test::TestEndpoint,
    register::{
        AttestReport, Certification, Certify, ChangeEndpoint, CloseTask, ConfirmMatch, Contract, EndCertification,
        EntryReply, ListTasks, RecipientReply, RemoveRecipient, ResumeRecipient, RotateKeys, SetContract, ShowEntry,
        ShowRecipient, SuspendRecipient, TaskList,
    },
    request::{NatsKey, StaffReply},
};

impl Commands {
    /// Everything about one recipient.
    pub async fn recipient(&self, recipient: RecipientId) -> Result<RecipientReply, CommandError> {
        self.ask(&ShowRecipient { recipient }).await
    }

    /// What waits for a member of staff.
    pub async fn tasks(&self) -> Result<TaskList, CommandError> {
        self.ask(&ListTasks {}).await
    }

    /// Everything about one entry but the person.
    pub async fn entry(&self, entry: EntryId) -> Result<EntryReply, CommandError> {
        self.ask(&ShowEntry { entry }).await
    }

    /// 契約の版の発効.
    pub async fn set_contract(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        contract: Contract,
    ) -> Result<StaffReply, CommandError> {
        self.order("order set-contract", by, SetContract { recipient, contract }).await
    }

    /// 認定の記録.
    pub async fn certify(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        certification: Certification,
    ) -> Result<StaffReply, CommandError> {
        self.order("order certify", by, Certify { recipient, certification }).await
    }

    /// 認定の失効.
    pub async fn end_certification(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        on: contracts::Date,
    ) -> Result<StaffReply, CommandError> {
        self.order("order end-certification", by, EndCertification { recipient, on }).await
    }

    /// New keys; what is not given stays.
    pub async fn rotate_keys(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        report_key: Option<Vec<u8>>,
        sealing_key: Option<[u8; 32]>,
        overlap_until: Timestamp,
    ) -> Result<StaffReply, CommandError> {
        let report_key = report_key.map(Sealed);
        let sealing_key = sealing_key.map(|key| Sealed(key.to_vec()));
        self.order("order rotate-keys", by, RotateKeys { recipient, report_key, sealing_key, overlap_until }).await
    }

    /// Another endpoint; what the old one owes is issued anew.
    pub async fn change_endpoint(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        transport: Transport,
        url: Option<&str>,
        nats: Option<(NatsKey, NatsKey)>,
    ) -> Result<StaffReply, CommandError> {
        let url = match url {
            Some(url) => Some(self.seal(Service::OptOut, recipient.0.as_bytes(), limited("url", url)?)?),
            None => None,
        };
        let (nats_user, nats_account) = nats.unzip();
        let order = ChangeEndpoint { recipient, transport, url, nats_user, nats_account };
        self.order("order change-endpoint", by, order).await
    }

    /// Deliveries are parked; deadlines run on.
    pub async fn suspend(&self, by: By<'_>, recipient: RecipientId) -> Result<StaffReply, CommandError> {
        self.order("order suspend-recipient", by, SuspendRecipient { recipient }).await
    }

    /// Deliveries go on.
    pub async fn resume(&self, by: By<'_>, recipient: RecipientId) -> Result<StaffReply, CommandError> {
        self.order("order resume-recipient", by, ResumeRecipient { recipient }).await
    }

    /// 連絡先: where reminders go; none takes it away. The mailbox is sealed before it leaves the process.
    pub async fn set_contact(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        mailbox: Option<&str>,
    ) -> Result<StaffReply, CommandError> {
        let contact = match mailbox {
            Some(mailbox) => Some(self.seal(Service::OptOut, recipient.0.as_bytes(), limited("contact", mailbox)?)?),
            None => None,
        };
        self.order("order set-contact", by, SetContact { recipient, contact }).await
    }

    /// 試験通知のやり直し.
    pub async fn test_endpoint(&self, by: By<'_>, recipient: RecipientId) -> Result<StaffReply, CommandError> {
        self.order("order test-endpoint", by, TestEndpoint { recipient }).await
    }

    /// 再送の提供: everything after the last position at which the books agreed.
    pub async fn replay(&self, by: By<'_>, recipient: RecipientId) -> Result<StaffReply, CommandError> {
        self.order("order replay-recipient", by, ReplayRecipient { recipient }).await
    }

    /// No new instructions.
    pub async fn remove(&self, by: By<'_>, recipient: RecipientId) -> Result<StaffReply, CommandError> {
        self.order("order remove-recipient", by, RemoveRecipient { recipient }).await
    }

    /// A report is accepted, or sent back.
    pub async fn close_task(&self, by: By<'_>, task: Uuid, accept: bool) -> Result<StaffReply, CommandError> {
        self.order("order close-task", by, CloseTask { task, accept }).await
    }

    /// 書面の報告の確認: the second of two people completes it.
    pub async fn attest_report(
        &self,
        by: By<'_>,
        instruction: InstructionId,
        outcome: ReportOutcome,
        ground: Option<contracts::Code>,
    ) -> Result<StaffReply, CommandError> {
        self.order("order attest-report", by, AttestReport { instruction, outcome, ground }).await
    }

    /// 二人による照合の確認: the second of two people releases the erasure.
    pub async fn confirm_match(&self, by: By<'_>, entry: EntryId) -> Result<StaffReply, CommandError> {
        self.order("order confirm-match", by, ConfirmMatch { entry }).await
    }
}
