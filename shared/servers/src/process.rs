//! Looking at and ending processes by id, through `/proc`.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How often a process that should end is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Start, in clock ticks since boot: with the id it names a process for ever.
    pub started: u64,
    pub parent: u32,
    pub arguments: Vec<String>,
}

/// `None` when there is no such process or it is only waiting to be collected (a zombie).
pub(crate) fn look(pid: u32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (state, parent, started) = parse_stat(&stat)?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    let raw = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = raw.split(|b| *b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    Some(Seen { started, parent, arguments })
}

/// State, parent id and start time. The command name may hold spaces and brackets, so read from the last bracket on.
fn parse_stat(stat: &str) -> Option<(char, u32, u64)> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.first()?.chars().next()?, fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// The children of a process, with their start times.
pub(crate) fn children(parent: u32) -> Vec<(u32, u64)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| look(pid).filter(|seen| seen.parent == parent).map(|seen| (pid, seen.started)))
        .collect()
}

/// True while the very process (same id, same start) lives.
pub(crate) fn lives(pid: u32, started: u64) -> bool {
    look(pid).is_some_and(|seen| seen.started == started)
}

/// Sends a signal to one process. A process that is gone is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => other,
    }
}

/// Waits until the very process has ended; false when it still lives after `limit`.
pub(crate) async fn gone(pid: u32, started: u64, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while lives(pid, started) {
        if Instant::now() >= end {
            return false;
        }
        sleep(LOOK_EVERY).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_is_read() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0";
        assert_eq!(parse_stat(stat), Some(('S', 7, 12345)));
        assert_eq!(parse_stat("42 (x"), None);
    }

    #[test]
    fn we_see_ourselves() {
        let me = look(std::process::id()).unwrap();
        assert!(lives(std::process::id(), me.started));
        assert!(!lives(std::process::id(), me.started + 1));
    }
}
