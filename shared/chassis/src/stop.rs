//! Stopping in order: what takes work in stops first, what is in work ends, then the connections close.

use std::{future::Future, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Asks every loop of a process to end and waits for them. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: CancellationToken,
    tasks: TaskTracker,
}

impl Stop {
    /// A new one, not asked.
    pub fn new() -> Self {
        Self::default()
    }
    /// Ends when the process is asked to stop.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }
    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }
    /// Waits, at most as long as given; `true` when the process is stopping.
    pub async fn pause(&self, at_most: Duration) -> bool {
        tokio::select! {
            () = self.asked() => true,
            () = tokio::time::sleep(at_most) => self.is_asked(),
        }
    }
    /// A tracked task; a panic in it is written down, and stops the process, because half a service is worse than none.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, name: &'static str, task: F) {
        let stop = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = tokio::spawn(task).await
                && error.is_panic()
            {
                tracing::error!(task = name, "a task panicked; the process stops");
                stop.asked.cancel();
            }
        });
    }
    /// Asks, and waits at most as long as given; `false` when tasks were still running then.
    pub async fn stop(&self, at_most: Duration) -> bool {
        self.asked.cancel();
        self.tasks.close();
        tokio::time::timeout(at_most, self.tasks.wait()).await.is_ok()
    }
    /// Asks without waiting.
    pub fn ask(&self) {
        self.asked.cancel();
    }
}
