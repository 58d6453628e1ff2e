//! Starting processes that cannot outlive us.
//!
//! `PR_SET_PDEATHSIG` makes the kernel send a signal to the child when its parent dies, even by SIGKILL. Two traps:
//! the "parent" is the *thread* that forked, so all children are started by one thread that lives as long as the process
//! (a tokio worker may end earlier); and a change of user id clears the setting, so it is made after that, just before
//! `exec` (std runs `pre_exec` closures after setting uid and gid).

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::process::{Signal, getpid};

struct Job {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

/// Starts `command` in a process group of its own (so that Ctrl-C in a terminal reaches only us, who stop things in
/// order) and lets the kernel send `on_death` to it when we die.
pub(crate) fn spawn(mut command: Command, on_death: Signal) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    command.process_group(0);
    signal_on_death(&mut command, on_death);
    let (answer, result) = channel();
    let spawner = SPAWNER.get_or_init(|| Mutex::new(start_spawner()));
    let sent = spawner.lock().unwrap_or_else(PoisonError::into_inner).send(Job { command, answer });
    sent.map_err(|_| io::Error::other("the thread that starts processes has ended"))?;
    result.recv().map_err(|_| io::Error::other("the thread that starts processes has ended"))?
}

fn start_spawner() -> Sender<Job> {
    let (sender, jobs) = channel::<Job>();
    // If the thread cannot be made, the receiver is dropped with the closure and `spawn` says so.
    let thread = std::thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        while let Ok(mut job) = jobs.recv() {
            // A caller that has gone away drops its end; its child must then not stay.
            if let Err(unheard) = job.answer.send(job.command.spawn())
                && let Ok(mut child) = unheard.0
            {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    });
    drop(thread);
    sender
}

#[allow(unsafe_code)] // `pre_exec` is the only way to run code between fork and exec.
fn signal_on_death(command: &mut Command, signal: Signal) {
    let parent = getpid();
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // The parent may have died before the line above: then nobody will send the signal.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe things may be done. The closure makes two system calls
    // (prctl, getppid) and makes errors from plain numbers: no allocation, no lock.
    unsafe { command.pre_exec(before_exec) };
}
