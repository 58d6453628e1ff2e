//! Waiting for a condition, bounded, without a fixed pause that a slow machine would break.

use std::{
    fmt::Debug,
    future::Future,
    time::{Duration, Instant},
};

/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until `look` gives `Ok`; panics with what it saw last when it never does.
pub async fn eventually<T, E: Debug, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let begun = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > PATIENCE => panic!("{what}: never came true; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}
