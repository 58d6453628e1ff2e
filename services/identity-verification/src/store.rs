//! The rows that go with a verification's state. The reasons of orders are kept by the house's own means (`custody`).

use crate::verification::{Event, Verification};
use chassis::{Rows, Step, reason};
use futures::future::BoxFuture;
use sqlx::PgConnection;

/// What goes with a verification's state: an erased one has no reasons any more (their key is destroyed before).
#[derive(Debug)]
pub struct VerificationRows;

impl Rows<Verification> for VerificationRows {
    fn write<'c>(
        &'c self,
        tx: &'c mut PgConnection,
        step: &'c Step<Verification>,
    ) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if step.events.iter().any(|e| matches!(e, Event::Erased { .. })) {
                reason::end_with(tx, step.id).await?;
            }
            Ok(())
        })
    }
}
