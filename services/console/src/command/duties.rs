//! Orders about duties towards persons and hospitals, and papers to print.

use super::{By, CommandError, Commands, WORDS_MAX, within};
use contracts::{
    CaseId, Code, EntryId, IncidentItem, RecipientId, Sealed, Service, Timestamp, Uuid,
    duty::{
        AnswerComplaint, BasedOnLawList, ComplaintList, DutiesReply, EndOperatorPreview, ListBasedOnLaw,
        ListComplaints, ListOverdue, ListProcessorIncidents, OverdueList, PreviewEndOperator, Print, Printed,
        ProcessorIncidentList, RecordIncident, RecordRelay, ShowDuties, ShowSupervision, Supervision,
    },
    recipient::ToldStep,
    request::{Request, StaffCommand, StaffReply},
};

/// The most characters of a statement about an incident: nine items in one text, where the partner API takes each by itself.
pub const STATEMENT_MAX: usize = 20_000;

/// 漏えい等の通知 that came by telephone or on paper, before its words are sealed.
#[derive(Clone, Debug)]
pub struct Incident<'a> {
    /// Who tells it.
    pub recipient: RecipientId,
    /// The recipient's own number of it.
    pub number: Code,
    /// When somebody there knew first.
    pub known_at: Timestamp,
    /// Who told whom on the way here.
    pub told: Vec<ToldStep>,
    /// Which items are stated.
    pub stated: Vec<IncidentItem>,
    /// Their words; 1 to [`STATEMENT_MAX`] characters. Sealed before they leave the process.
    pub statement: &'a str,
}

/// 取次ぎ: a request that another body handed on, before its sender is sealed.
#[derive(Clone, Debug)]
pub struct Relay<'a> {
    /// The entry.
    pub entry: EntryId,
    /// The case.
    pub case: CaseId,
    /// Who handed it on, in words.
    pub sender: &'a str,
    /// How that body came to have it.
    pub acquired: Code,
    /// The legal basis on which it was handed on.
    pub basis: Code,
    /// When.
    pub received_at: Timestamp,
}

impl Commands {
    /// What duties say about one entry.
    pub async fn duties(&self, entry: EntryId) -> Result<DutiesReply, CommandError> {
        self.ask(&ShowDuties { entry }).await
    }

    /// An order about duties.
    pub async fn duty<T>(&self, by: By<'_>, order: T) -> Result<StaffReply, CommandError>
    where
        StaffCommand<T>: Request<Reply = StaffReply>,
    {
        self.order("order duty", by, order).await
    }

    /// The values of a paper, sealed to this console.
    pub async fn print(&self, by: By<'_>, what: Print) -> Result<Printed, CommandError> {
        let command = self.command(by, Service::OptOut, what)?;
        self.ask(&command).await
    }

    /// What waits or is overdue: based on law, supervision, incidents of recipients, complaints about them.
    pub async fn waiting(
        &self,
    ) -> Result<(BasedOnLawList, OverdueList, ProcessorIncidentList, ComplaintList), CommandError> {
        Ok((
            self.ask(&ListBasedOnLaw {}).await?,
            self.ask(&ListOverdue {}).await?,
            self.ask(&ListProcessorIncidents {}).await?,
            self.ask(&ListComplaints {}).await?,
        ))
    }
    /// How one recipient is supervised.
    pub async fn supervision(&self, recipient: RecipientId) -> Result<Supervision, CommandError> {
        self.ask(&ShowSupervision { recipient }).await
    }

    /// 漏えい等の通知 by telephone or on paper.
    pub async fn record_incident(&self, by: By<'_>, incident: Incident<'_>) -> Result<StaffReply, CommandError> {
        let Incident { recipient, number, known_at, told, stated, statement } = incident;
        let statement = self.words(&by, "statement", statement, STATEMENT_MAX)?;
        self.duty(by, RecordIncident { recipient, number, known_at, told, stated, statement }).await
    }

    /// 苦情への回答: the recipient's cause, its measures, or both.
    pub async fn answer_complaint(
        &self,
        by: By<'_>,
        complaint: Uuid,
        cause: Option<&str>,
        measures: Option<&str>,
    ) -> Result<StaffReply, CommandError> {
        let sealed =
            |field, words: Option<&str>| words.map(|words| self.words(&by, field, words, WORDS_MAX)).transpose();
        let (cause, measures) = (sealed("cause", cause)?, sealed("measures", measures)?);
        self.duty(by, AnswerComplaint { complaint, cause, measures }).await
    }

    /// 取次ぎの記録.
    pub async fn record_relay(&self, by: By<'_>, relay: Relay<'_>) -> Result<StaffReply, CommandError> {
        let Relay { entry, case, sender, acquired, basis, received_at } = relay;
        let sender = self.words(&by, "sender", sender, WORDS_MAX)?;
        self.duty(by, RecordRelay { entry, case, sender, acquired, basis, received_at }).await
    }

    /// Whom the operator's own end would reach.
    pub async fn preview_end(&self) -> Result<EndOperatorPreview, CommandError> {
        self.ask(&PreviewEndOperator {}).await
    }

    /// Words of an order, bound to it.
    fn words(&self, by: &By<'_>, field: &'static str, words: &str, max: usize) -> Result<Sealed, CommandError> {
        self.seal(Service::OptOut, by.token.as_bytes(), within(field, words, max)?)
    }
}
