//! `webhooks`: a backlog of final stops goes to 10, 100 and 1,000 webhook endpoints, in full: fan-out, identifiers sealed to
//! each recipient, both signatures, outcomes recorded. Saturated, with sink, PostgreSQL and service on the same cores; then
//! one endpoint of ten is sick in three ways, and the others are looked at.

use crate::{
    cpu,
    report::{self, percentile},
    sink::Sink,
    tables::Tables,
};
use anyhow::{Context, ensure};
use chassis::{Cause, Clock, Home, Runtime};
use console::command::By;
use contracts::{
    CaseId, ChangeId, Code, EntryId, Measure, RecipientId, Scope, Service, StaffId, Transport, Uuid, forms::Forms,
    register::Contract,
};
use launcher::{Up, story};
use opt_out_propagation::{
    entry::{self, Entry},
    gate,
    person::Register,
    rows::EntryRows,
};
use privacy::{BlindIndex, Personal};
use recipient_kit::Identifiers;
use serde_json::{Map, Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Endpoints of each run.
const ENDPOINTS: [usize; 3] = [10, 100, 1_000];
/// What is wrong with the sick one: the path of the sink.
const SICKNESSES: [&str; 3] = ["hang", "drip", "endless"];
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What one run showed.
struct Measured {
    per_second: f64,
    cpu_us: f64,
    service_us: f64,
    postgres_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Measured {
    fn json(&self) -> Value {
        json!({ "deliveries_per_second": self.per_second, "cpu_us_per_delivery": self.cpu_us, "service_us": self.service_us, "postgres_us": self.postgres_us, "gap_p50_ms": self.p50_ms, "gap_p99_ms": self.p99_ms })
    }
}

/// `only`: that many endpoints and nothing else, for a quick look.
pub async fn run(deliveries: usize, forms: Forms, only: Option<usize>) -> anyhow::Result<()> {
    let (mut figures, mut limit, mut ratio) = (Map::new(), Map::new(), Map::new());
    let bare = bare_posts(deliveries).await?;
    // `--plain` is measured against other servers' own figures, in full against what a stop needs.
    let (rate, cpu) = if forms == Forms::default() { (5_000, 300) } else { (10_000, 160) };
    limit.insert("bare_posts_per_second".into(), json!(bare));
    limit.insert("deliveries_per_second".into(), json!(rate));
    limit.insert("cpu_us_per_delivery".into(), json!(cpu));
    for endpoints in only.map_or(ENDPOINTS.to_vec(), |only| vec![only]) {
        let paths = vec!["ok"; endpoints];
        let measured = one(&paths, deliveries.div_ceil(endpoints), forms).await?;
        eprintln!("{endpoints} endpoints: {:.0} deliveries/s, {:.0} µs each", measured.per_second, measured.cpu_us);
        ratio.insert(endpoints.to_string(), json!(measured.per_second / bare));
        figures.insert(endpoints.to_string(), measured.json());
    }
    if only.is_some() {
        report::print("webhooks", Value::Object(figures), Value::Object(limit), Value::Object(ratio), 0);
        return Ok(());
    }
    // Ten that are well: nine of them get nine tenths of it, and that is what they are to keep when the tenth falls sick.
    let healthy = one(&["ok"; 10], deliveries / 10, forms).await?;
    figures.insert("healthy".into(), healthy.json());
    for sickness in SICKNESSES {
        let mut paths = vec!["ok"; 9];
        paths.push(sickness);
        let measured = one(&paths, deliveries / 10, forms).await?;
        let kept = measured.per_second / (healthy.per_second * 0.9);
        eprintln!("one of ten is sick ({sickness}): the others keep {:.0} %", kept * 100.0);
        ratio.insert(format!("sick_{sickness}"), json!(kept));
        ratio.insert(format!("sick_{sickness}_p99"), json!(measured.p99_ms / healthy.p99_ms));
        figures.insert(format!("sick_{sickness}"), measured.json());
    }
    report::print("webhooks", Value::Object(figures), Value::Object(limit), Value::Object(ratio), 0);
    Ok(())
}

/// `changes` stops to as many endpoints as there are paths. Counted is what arrives at paths named `ok`.
async fn one(paths: &[&str], changes: usize, forms: Forms) -> anyhow::Result<Measured> {
    let sink = Sink::start().await?;
    let (folder, up) = house().await?;
    register(&up, folder.path(), paths, &sink, forms).await?;
    // The backlog is made while nobody works it off.
    let up = up.only(&["steward"]).await?;
    backlog(&up, changes).await?;
    let wanted = changes * paths.iter().filter(|p| **p == "ok").count();
    let (before, tables) = (cpu::Spent::now(&up).await?, Tables::now(&up).await?);
    let up = up.only(&["steward", "opt-out-propagation"]).await?;
    sink.until(wanted, PATIENCE).await?;
    let spent = cpu::Spent::now(&up).await?.since(&before);
    let seen = sink.seen().await?;
    Tables::now(&up).await?.print_since(&tables, wanted);
    up.stop().await?;
    let each = |seconds: f64| seconds * 1e6 / wanted as f64;
    let gaps = seen.gaps_ms();
    Ok(Measured {
        per_second: wanted as f64 / seen.seconds(),
        cpu_us: each(spent.service + spent.postgres),
        service_us: each(spent.service),
        postgres_us: each(spent.postgres),
        p50_ms: percentile(&gaps, 0.5),
        p99_ms: percentile(&gaps, 0.99),
    })
}

/// A house in a folder of its own, whose webhooks may go to the sink.
pub async fn house() -> anyhow::Result<(TempDir, Up)> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let settings = [("ops.log", "off"), ("optout.allow_private_endpoints", "true"), ("optout.test_endpoints", "false")];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let up = Up::start(&args, folder.path(), &settings, &|_| ()).await?;
    Ok((folder, up))
}

/// Registers an endpoint for each path.
pub async fn register(
    up: &Up,
    folder: &Path,
    paths: &[&str],
    sink: &Sink,
    forms: Forms,
) -> anyhow::Result<Vec<RecipientId>> {
    let (commands, staff) = (up.commands().await?, StaffId::new());
    let mut recipients = vec![];
    for (n, path) in paths.iter().enumerate() {
        let label: Code = format!("endpoint-{n}").parse().context("a label")?;
        let contractor = story::Contractor::open(&folder.join(label.as_str()), RecipientId::new(), label)?;
        let mut new = contractor.registration(Transport::Webhook, Some(sink.url(path, n)), None);
        new.contract = Some(Contract { forms, ..story::contract() });
        story::done(commands.register_recipient(By::new(staff, "benchmark"), new).await?)?;
        recipients.push(contractor.id);
    }
    Ok(recipients)
}

/// Final stops that wait for their fan-out, entered as the service enters them.
pub async fn backlog(up: &Up, changes: usize) -> anyhow::Result<Vec<(CaseId, EntryId)>> {
    let mut made = Vec::with_capacity(changes);
    let rt = Runtime::new(up.place.settings.clone(), Clock::system())?;
    let bus = rt.bus(Service::OptOut).await?;
    let custody = custody::Custody::open(&rt, &bus).await?;
    let index = BlindIndex::load_or_create(rt.keys_dir(), Service::OptOut.token())?;
    let register = Arc::new(Register::new(bus.clone(), custody.key().clone(), custody.vault().clone(), index));
    // Each entry with its keys for the gate, as a house makes them that is open.
    gate::open(&rt, &bus, &register, &rt.section("optout")?).await?;
    let entries = Home::<Entry>::with_rows(&bus, Arc::new(EntryRows));
    for n in 0..changes {
        let (case, entry) = (CaseId::new(), EntryId::new());
        let person = Personal::new(Identifiers {
            kana: format!("ミホン {}", "アイウエオカキクケコ".chars().nth(n % 10).unwrap_or('ア')),
            birth_date: "1980-02-29".parse()?,
            name: Some("見本 花子".into()),
            sex: None,
            hospitals: vec!["架空総合病院".into()],
        });
        register.keep(case, entry, &person).await?.map_err(|_| anyhow::anyhow!("the entry's key is gone"))?;
        let at = bus.clock().now();
        let input = entry::Input::EnterStop {
            case,
            scope: Scope::Both,
            measure: Measure::Stop,
            received_at: at,
            change: ChangeId::derived(entry.0, "stop"),
            at,
        };
        let outcome = entries.handle(entry.0, Cause::Person(Uuid::now_v7()), input).await?;
        ensure!(outcome.is_done(), "a stop could not be entered");
        made.push((case, entry));
    }
    rt.stopping().stop(Duration::from_secs(5)).await;
    Ok(made)
}

/// The limit: the same bytes posted by a bare loop over eighty kept connections, nothing signed, nothing written down.
async fn bare_posts(posts: usize) -> anyhow::Result<f64> {
    let sink = Sink::start().await?;
    let body = bytes::Bytes::from(vec![b'x'; 1024]);
    let mut tasks = vec![];
    for n in 0..80 {
        let mut client = sink.connect().await?;
        let (body, path) = (body.clone(), sink.path("ok", n));
        tasks.push(tokio::spawn(async move {
            for _ in 0..posts.div_ceil(80) {
                client.post(&path, body.clone()).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let seen = sink.seen().await?;
    Ok(seen.count() as f64 / seen.seconds())
}
