//! A lease on one endpoint, as its holder sees it.

use super::store::Taken;
use contracts::{RecipientId, Uuid};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Deliveries of one endpoint that are sent and not yet recorded: what a killed process may send twice, at the most.
pub const UNRECORDED_MAX: usize = 32;

/// A place among the unrecorded; free again when the outcome is recorded.
pub type Place = Arc<OwnedSemaphorePermit>;

/// Held by one process; good until a moment of its own monotonic clock.
#[derive(Debug)]
pub struct Lease {
    /// The endpoint.
    pub endpoint: Uuid,
    /// Whose it is.
    pub recipient: RecipientId,
    /// Counts the takings; outcomes are recorded under the fence in force only.
    pub fence: i64,
    good_until: Mutex<Instant>,
    lost: CancellationToken,
    places: Arc<Semaphore>,
}

impl Lease {
    /// Just taken.
    pub fn new(row: &Taken, good_until: Instant) -> Self {
        Self {
            endpoint: row.id,
            recipient: row.recipient,
            fence: row.fence,
            good_until: Mutex::new(good_until),
            lost: CancellationToken::new(),
            places: Arc::new(Semaphore::new(UNRECORDED_MAX)),
        }
    }
    /// Whether something may be sent now.
    pub fn is_good(&self, now: Instant) -> bool {
        !self.lost.is_cancelled() && now < *self.good_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A renewal that began before `until − good_for` succeeded.
    pub fn extend(&self, until: Instant) {
        *self.good_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
    /// Somebody else has it: the task ends.
    pub fn lose(&self) {
        self.lost.cancel();
    }
    /// Ends when it is lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
    /// Whether it is.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }
    /// A place for one more, if there is one.
    pub fn place(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(Arc::new)
    }
    /// Ends when there is a place.
    pub async fn has_place(&self) {
        // Never closed.
        drop(self.places.acquire().await);
    }
}
