//! `hop`: from a staff confirmation to the contractor's receipt of the instruction, on an idle desk: each journey is confirmed when
//! the one before has been reported to its end and nothing is on its way.

use crate::{
    quiet::Quiet,
    report::{self, percentile},
};
use contracts::{Code, StaffId};
use launcher::{
    Up,
    story::{self, Contractor},
};
use serde_json::json;
use std::time::Instant;

pub async fn run(journeys: usize) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let up =
        Up::start(&args, folder.path(), &[("ops.log".to_owned(), "off".to_owned())], &|t| eprintln!("{t}")).await?;
    let staff = StaffId::new();
    let desk = story::Desk::new(&up.addresses.desk)?;
    let commands = up.commands().await?;
    let contractor = Contractor::open(
        &folder.path().join("contractor"),
        contracts::RecipientId::new(),
        Code::of("bench-contractor"),
    )?;
    let running = story::join_over_nats(&up, &commands, staff, &contractor).await?;

    let mut quiet = Quiet::of(&up).await?;
    let mut times = vec![];
    for n in 0..journeys {
        let person = story::person("見本 花子", "ミホン ハナコ", "1980-02-29", "");
        let receipt = desk.file(&format!("bench-{n}"), &story::opt_out_of(&person)).await?;
        let case = story::case_of(&up.console_db().await?, &receipt).await?;
        desk.until(&receipt, "the request waits for identity", |s| s.step == contracts::Step::Verifying).await?;
        quiet.wait().await?;
        let taken = contractor.works.counts().taken;
        let begun = Instant::now();
        story::confirm(&commands, staff, case).await?;
        running.contractor.until(|c| c.taken > taken).await;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        desk.until(&receipt, "the stop is reported to its end", |s| s.step == contracts::Step::Ended).await?;
    }
    times.sort_by(f64::total_cmp);
    let p99 = percentile(&times, 0.99);
    report::print(
        "hop",
        json!({ "journeys": times.len(), "p50_ms": percentile(&times, 0.5), "p99_ms": p99, "max_ms": times.last(), "fsync_p99_ms": fsync_p99_ms(folder.path())? }),
        json!({ "p99_ms": 100.0 }),
        json!({ "p99": p99 / 100.0 }),
        0,
    );
    drop(running);
    up.stop().await
}

/// Seven fsyncs stand in a row on the way: the disk's own figure belongs beside the result.
fn fsync_p99_ms(folder: &std::path::Path) -> anyhow::Result<f64> {
    use std::io::Write;
    let mut file = std::fs::File::create(folder.join("fsync"))?;
    let mut times = vec![];
    for _ in 0..500 {
        file.write_all(&[0; 4096])?;
        let at = Instant::now();
        file.sync_data()?;
        times.push(at.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(percentile(&times, 0.99))
}
