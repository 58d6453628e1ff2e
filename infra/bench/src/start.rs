//! `start`: built binary to ready, and how much memory it holds when idle.

use crate::report;
use anyhow::{Context, ensure};
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

struct Desk(Child);

impl Drop for Desk {
    fn drop(&mut self) {
        // SIGTERM to this one process; it stops its servers itself.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

async fn start(data: &Path, ready: &Path) -> anyhow::Result<(Desk, f64)> {
    let _ = std::fs::remove_file(ready);
    let begun = Instant::now();
    let child = Command::new(std::env::current_exe()?)
        .args(["desk", "--port", "0", "--data"])
        .arg(data)
        .arg("--ready-file")
        .arg(ready)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut desk = Desk(child);
    while !ready.exists() {
        ensure!(desk.0.try_wait()?.is_none(), "the desk ended before it was ready");
        ensure!(begun.elapsed() < Duration::from_secs(120), "the desk was not ready within two minutes");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((desk, begun.elapsed().as_secs_f64()))
}

fn resident_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no figure")?.parse()?;
    Ok(kib / 1024.0)
}

pub async fn run() -> anyhow::Result<()> {
    // Fetching the servers is not what is measured.
    servers::Binaries::resolve(servers::Mode::Fetch, &|t| eprintln!("{t}")).await?;
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let (data, ready) = (folder.path().join("data"), folder.path().join("ready.json"));
    let (desk, without_data) = start(&data, &ready).await?;
    drop(desk);
    let mut with_data = vec![];
    let mut resident = 0.0;
    for _ in 0..5 {
        let (desk, seconds) = start(&data, &ready).await?;
        with_data.push(seconds);
        tokio::time::sleep(Duration::from_secs(5)).await;
        resident = resident_mib(desk.0.id())?;
    }
    with_data.sort_by(f64::total_cmp);
    let median = report::percentile(&with_data, 0.5);
    report::print(
        "start",
        json!({ "seconds_without_data": without_data, "seconds_with_data_median": median, "seconds_with_data_max": with_data.last(), "resident_mib_idle": resident }),
        json!({ "seconds_without_data": 10.0, "seconds_with_data": 3.0, "resident_mib_idle": 80.0 }),
        json!({ "without_data": without_data / 10.0, "with_data": median / 3.0, "resident": resident / 80.0 }),
        0,
    );
    Ok(())
}
