//! Waiting to be asked to end.

use chassis::Stop;
use tokio::signal::unix::{SignalKind, signal};

/// Ends at Ctrl-C, at SIGTERM, or when a task of the process gave up.
pub(crate) async fn wait(stop: &Stop) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return stop.asked().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stop.asked() => {}
    }
}
