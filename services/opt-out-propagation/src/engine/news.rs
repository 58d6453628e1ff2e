//! What was just issued, handed from the fan-out to the deliveries of the same process: it need not be read back. The database stays
//! the truth: whatever is not handed over, is too much, or leaves a gap, is read there.

use contracts::Uuid;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// The most bodies that wait to be handed over; those beyond it are read from the database.
const HANDED_MAX: usize = 4096;

/// A delivery that was issued and committed a moment ago.
#[derive(Debug)]
pub struct Fresh {
    /// To which endpoint.
    pub endpoint: Uuid,
    /// 通番: of its recipient.
    pub position: i64,
    /// The instruction.
    pub instruction: Uuid,
    /// The bytes.
    pub body: Vec<u8>,
    /// The trace in which its change was made final.
    pub trace: Option<String>,
}

/// A bell, and what came with it.
#[derive(Debug, Default)]
pub struct News {
    bell: Notify,
    issued: Mutex<Issued>,
}

#[derive(Debug, Default)]
pub(super) struct Issued {
    /// What is handed over.
    pub fresh: Vec<Fresh>,
    /// Not everything that is new is among them.
    pub more: bool,
    /// Endpoints are to be looked after.
    pub changed: bool,
}

impl News {
    /// Something else is new: an endpoint, what it is sent with, or something to send that is not at hand.
    pub fn ring(&self) {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).changed = true;
        self.bell.notify_one();
    }
    /// These were issued, in the order of their positions.
    pub fn issued(&self, mut fresh: Vec<Fresh>) {
        let mut waiting = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HANDED_MAX.saturating_sub(waiting.fresh.len());
        if fresh.len() > room {
            chassis::telemetry::add("madoguchi.delivery.read_back", (fresh.len() - room) as u64, "too-many");
            fresh.truncate(room);
            waiting.more = true;
        }
        waiting.fresh.append(&mut fresh);
        drop(waiting);
        self.bell.notify_one();
    }
    /// Until the bell rings.
    pub(super) async fn heard(&self) {
        self.bell.notified().await;
    }
    /// What came with it.
    pub(super) fn take(&self) -> Issued {
        std::mem::take(&mut *self.issued.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
