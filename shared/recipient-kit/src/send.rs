//! How a report gets to the desk: the one thing that differs between the transports.

use async_trait::async_trait;
use contracts::recipient::{ReportAnswer, SignedReport};

/// The desk could not be reached, or could not look at it now: send the same bytes again later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the desk does not answer; the report is sent again")]
pub struct Away;

/// Sends reports.
#[async_trait]
pub trait SendsReports: Send + Sync + 'static {
    /// One report, one answer. A repeat of the same bytes gets the first answer.
    async fn send(&self, report: &SignedReport) -> Result<ReportAnswer, Away>;
}
