//! Orders about duties towards persons and hospitals, and pages for paper.

use super::{By, CommandError, Commands};
use contracts::{
    EntryId, Service,
    duty::{
        BasedOnLawList, ComplaintList, DutiesReply, ListBasedOnLaw, ListComplaints, ListOverdue,
        ListProcessorIncidents, OverdueList, Print, Printed, ProcessorIncidentList, ShowDuties,
    },
    request::{Request, StaffCommand, StaffReply},
};

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

    /// A page for paper, sealed to this console.
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
}
