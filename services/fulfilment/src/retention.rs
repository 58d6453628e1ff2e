//! The end of records: when their time is over, the key is destroyed and then the rows go.

use crate::store::Store;
use chassis::{Clock, Stop};
use custody::{Custody, CustodyError};
use privacy::RecordClass;
use std::time::Duration;

/// How often.
const EVERY: Duration = Duration::from_secs(3_600);

/// Until the process stops. The first time is right at the start: a desk that was away ends what became due meanwhile.
pub async fn run(custody: Custody, store: Store, clock: Clock, stop: Stop) {
    loop {
        if let Err(error) = end_records(&custody, &store, &clock).await {
            tracing::warn!(%error, "records were not ended; the next round tries again");
        }
        if stop.pause(EVERY).await {
            return;
        }
    }
}

/// Ends the records whose time is over; how many cases.
///
/// # Errors
/// One of the databases did not answer; what was begun is taken up again by the next call.
pub async fn end_records(custody: &Custody, store: &Store, clock: &Clock) -> Result<usize, CustodyError> {
    let mut ended = 0;
    loop {
        let over = store.over(clock.now()).await?;
        if over.is_empty() {
            return Ok(ended);
        }
        for case in &over {
            // The key first: rows without a key are unreadable, also in every backup.
            custody.erase(*case, RecordClass::StatutoryRecord).await?;
            store.drop_case(*case).await?;
        }
        ended += over.len();
    }
}
