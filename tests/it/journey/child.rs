//! A process of the house: this test binary started again as `madoguchi …`, so that it can be killed like one.
//!
//! `processes::child` is the test that becomes the program; without the variable below it returns at once.

use clap::Parser;
use rustix::process::{Pid, Signal};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};
use testkit::eventually;

/// The command line of the child, as JSON.
const ARGUMENTS: &str = "MADOGUCHI_TEST_CHILD";
/// The test that the child runs.
const TEST: &str = "processes::child";
/// What the house promises for a stop in order, and a little for a busy machine.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Becomes the program where the variable is set; the end of the process is the test's end.
pub fn become_the_program() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    // The harness has begun a line.
    println!();
    // Killed with the test that started it; the parent may have died before this line.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    assert_ne!(rustix::process::getppid(), Pid::from_raw(1), "the test is gone");
    let arguments: Vec<String> = serde_json::from_str(&arguments).unwrap();
    if let [what, file] = arguments.as_slice()
        && what == "recipients"
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(super::recipients::work(Path::new(file)));
    }
    let cli = launcher::Cli::try_parse_from(std::iter::once("madoguchi".to_owned()).chain(arguments)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .unwrap();
    if let Err(error) = runtime.block_on(launcher::run(cli)) {
        panic!("madoguchi: {error:#}");
    }
}

/// A running process. Killed when dropped.
pub struct Child {
    /// Its command line.
    pub arguments: Vec<String>,
    /// What it printed, and what its predecessors with the same name printed.
    pub log: PathBuf,
    process: std::process::Child,
    environment: Vec<(String, String)>,
}

impl Child {
    /// Starts `madoguchi <arguments>` with more environment; its output goes to the end of a file.
    pub fn start(arguments: &[&str], environment: &[(String, String)], log: &Path) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let process = spawn(&arguments, environment, log);
        Self { arguments, log: log.to_owned(), process, environment: environment.to_vec() }
    }
    /// SIGKILL, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    /// The same process again.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.arguments, &self.environment, &self.log);
    }
    /// SIGTERM; the status that it ended with, in time.
    pub async fn stop(&mut self) -> ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
        let asked = Instant::now();
        let status = self.ended().await;
        assert!(
            asked.elapsed() < STOP_WITHIN + Duration::from_secs(5),
            "{:?} took {:?} to stop",
            self.arguments,
            asked.elapsed()
        );
        status
    }
    /// Waits until it ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let (name, process) = (format!("{:?} ends", self.arguments), std::sync::Mutex::new(&mut self.process));
        eventually(&name, || async { process.lock().unwrap().try_wait().unwrap().ok_or("it runs") }).await
    }
    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
    /// All that it printed.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
    /// Its log lines. The last one only if it is written to its end: the process goes on writing.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let output = self.output();
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        whole
            .lines()
            .filter(|l| l.starts_with('{'))
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("not JSON: {e}: {l}")))
            .collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(arguments: &[String], environment: &[(String, String)], log: &Path) -> std::process::Child {
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let open = || -> File { OpenOptions::new().create(true).append(true).open(log).unwrap() };
    // What was cut off by a kill must not swallow the next line.
    open().write_all(b"\n").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", TEST, "--nocapture", "--test-threads", "1"])
        .env(ARGUMENTS, serde_json::to_string(arguments).unwrap())
        .envs(environment.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(open())
        .stderr(open())
        .spawn()
        .unwrap()
}

/// A port that stays the same over restarts: below those that the kernel gives to outgoing connections.
pub fn fixed_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 16_000).unwrap();
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::SeqCst) % 4_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
