//! 消去: destroying the key of a case (復元不可能な手段, Rules art. 6(iii)ニ; duties row 15).
//!
//! The step that orders it takes the rows away in its own transaction ([`crate::rows`]) and leaves a due row. The key is
//! in another database, so its destruction follows: at once, or by the loop below after a crash. Only then is the house
//! told. Other classes of the same case (statutory records, the register) have keys of their own and stay readable.

use super::{Persons, unavailable};
use crate::{
    arrival,
    case::{Case, Input},
    mail, store,
};
use chassis::{Cause, HandleError, Home, Outcome, telemetry};
use contracts::{CaseId, Uuid};
use privacy::RecordClass;
use std::time::Duration;

/// Erasures looked at in one pass.
const BATCH: i64 = 50;

impl Persons {
    /// Destroys the key and says so to the case. Repeating it is harmless.
    ///
    /// # Errors
    /// The key database or the database is away: the due row stays.
    pub async fn destroy(&self, home: &Home<Case>, case: CaseId) -> Result<Outcome<Case>, HandleError> {
        self.destroy_correspondence(case).await?;
        let erasure = self.custody().erase(case.0, RecordClass::Case).await.map_err(unavailable)?;
        let done = Uuid::new_v5(&case.0, b"key destroyed");
        home.handle(case.0, Cause::Person(done), Input::KeyDestroyed { at: erasure.at }).await
    }

    /// What people wrote about the case goes with it: the keys of its mails, of their files and of its
    /// arrivals, then the rows and the bytes.
    async fn destroy_correspondence(&self, case: CaseId) -> Result<(), HandleError> {
        let db = self.bus.db();
        self.parts.end(&mail::store::units_of(db, case).await?).await?;
        self.parts.remove(mail::store::erase_of(db, case, self.bus.clock().now()).await?).await;
        self.parts.end(&arrival::store::units_of(db, case).await?).await?;
        arrival::store::erase_of(db, case, self.bus.clock().now()).await?;
        Ok(())
    }

    /// Carries out what was ordered and not done, until the process stops.
    pub async fn erase_due(self, home: Home<Case>, poll: Duration) {
        let stop = self.bus.stopping();
        while !stop.pause(poll).await {
            if let Err(error) = self.erase_once(&home).await {
                tracing::error!(%error, "an ordered erasure could not be carried out; it is tried again");
            }
        }
    }

    /// One pass; how many were due.
    ///
    /// # Errors
    /// As [`Persons::destroy`].
    pub async fn erase_once(&self, home: &Home<Case>) -> Result<usize, HandleError> {
        let due = store::claim_erasures(self.bus.db(), self.bus.clock().now(), BATCH).await?;
        for case in &due {
            telemetry::count("madoguchi.erasures.repeated", "case");
            self.destroy(home, CaseId(*case)).await?;
        }
        Ok(due.len())
    }
}
