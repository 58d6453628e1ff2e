//! Running a program to its end, with a time limit and bounded output.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::process::LOOK_EVERY;
use crate::{Error, spawn};

/// Lines and bytes of a log that go into an error.
const TAIL_LINES: usize = 15;
const TAIL_BYTES: u64 = 8 * 1024;

/// Runs a program; `Ok(output)` (standard output and error together, its last 8 KiB) when it ends with status 0.
pub(crate) async fn run(what: &str, mut command: Command, limit: Duration) -> Result<String, Error> {
    let failed = |reason: String| Error::Run { what: what.to_owned(), reason };
    // A file and not a pipe: nobody has to read along, and the program cannot block on us.
    let mut output = tempfile::tempfile().map_err(|e| failed(format!("no temporary file for its output: {e}")))?;
    let copy = |file: &File| file.try_clone().map_err(|e| failed(format!("no file for its output: {e}")));
    command.stdin(Stdio::null()).stdout(copy(&output)?).stderr(copy(&output)?);
    let mut child = spawn::spawn(command, Signal::KILL).map_err(|e| failed(format!("cannot be started: {e}")))?;
    let end = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < end => sleep(LOOK_EVERY).await,
            Ok(None) => break Err(format!("not done after {} seconds", limit.as_secs())),
            Err(error) => break Err(format!("cannot be waited for: {error}")),
        }
    };
    let text = tail(&mut output);
    match status {
        Ok(status) if status.success() => Ok(text),
        Ok(status) => Err(failed(format!("{status}\n{text}"))),
        Err(reason) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(failed(format!("{reason}\n{text}")))
        }
    }
}

/// The last lines of a file.
pub(crate) fn tail(file: &mut File) -> String {
    let length = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).is_ok() {
        let _ = file.take(TAIL_BYTES).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_and_failure_are_told() {
        let limit = Duration::from_secs(60);
        assert_eq!(run("echo", shell("echo one; echo two >&2"), limit).await.unwrap(), "one\ntwo");
        let error = run("broken", shell("echo why; exit 3"), limit).await.unwrap_err().to_string();
        assert!(error.starts_with("broken: ") && error.contains("why"), "{error}");
        assert!(run("nothing", Command::new("/nonexistent/x"), limit).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let error = run("hang", shell("echo $$; exec sleep 600"), Duration::from_millis(300)).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("not done after"), "{text}");
        let pid = text.lines().last().unwrap().parse().unwrap();
        assert_eq!(crate::process::look(pid), None);
    }
}
