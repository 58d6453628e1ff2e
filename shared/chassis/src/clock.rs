//! The one clock of a process: the system's, or one that a test holds in its hand.

use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Where `now` comes from. Cheap to clone; all clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source, Arc<Notify>);

#[derive(Clone, Debug)]
enum Source {
    System,
    Held(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System, Arc::default())
    }
    /// A clock that stands still until it is set.
    pub fn held(at: Timestamp) -> Self {
        Self(Source::Held(Arc::new(Mutex::new(at))), Arc::default())
    }
    /// Now, cut to microseconds: PostgreSQL keeps no more, and a time must be the same before and after it was stored.
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            #[allow(clippy::disallowed_methods)] // the one place that may ask
            Source::System => Timestamp::now(),
            Source::Held(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
    /// Sets a held clock and wakes whoever waits for it. Does nothing to the system's clock.
    pub fn set(&self, at: Timestamp) {
        if let Source::Held(held) = &self.0 {
            *held.lock().unwrap_or_else(PoisonError::into_inner) = at;
            self.1.notify_waiters();
        }
    }
    /// Ends when a held clock was set.
    pub async fn changed(&self) {
        self.1.notified().await;
    }
}
