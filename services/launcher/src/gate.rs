//! `gate`: snapshots for places without a network, and the check on them. The check needs no server, no configuration and no
//! network: a snapshot, a key file, a file in and a file out.
//!
//! Its status says what may be done: 0 all rows were judged; 3 some rows could not be read, they are in the report and not
//! in the output; 4 do not use: the snapshot is old, behind or not genuine; 5 the file may not be received or has no columns
//! to check by; 1 anything else. The output has its name only when it is whole.

use anyhow::{Context, ensure};
use chassis::{Clock, Runtime, config::Settings as Configuration};
use clap::{Args, Subcommand, ValueEnum};
use contracts::{Code, Date, RecipientId, Scope};
use gate::{
    AsOf, Ask, Filter, Flow, Format, Index, Mode, Part, Settings,
    filing::{self, Delivery, Ground, Statement},
    filter::{Encoding, Judge},
    run::{self, Ended, RunError},
    snapshot::{self, DoNotUse, KeyFile, Manifest},
};
use serde_json::json;
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The largest key file.
const KEY_FILE_MAX: u64 = 4096;
/// How often progress is said.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// What `gate` can do.
#[derive(Debug, Subcommand)]
pub enum GateStep {
    /// Writes a signed snapshot of every standing entry: for a contractor, or for the operator's own core zone.
    Snapshot {
        /// Where to.
        #[arg(long)]
        out: PathBuf,
        /// For this recipient; without it for the core zone.
        #[arg(long)]
        recipient: Option<RecipientId>,
        /// A configuration file on top of the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Prints the key file of a user of the gate, to be handed over by a person: it holds a secret.
    Key {
        /// Of this recipient; without it of the core zone.
        #[arg(long)]
        recipient: Option<RecipientId>,
        /// The key folder (`house.keys_dir`).
        #[arg(long)]
        keys: PathBuf,
    },
    /// Checks a file against a snapshot, offline.
    Check(Box<CheckArgs>),
}

/// How a file is checked.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The snapshot.
    #[arg(long)]
    snapshot: PathBuf,
    /// The key file that was handed over.
    #[arg(long)]
    key: PathBuf,
    /// The snapshot must be as of this position or later: `epoch.position`, or `position` in its own epoch.
    #[arg(long)]
    require_position: Option<String>,
    /// What becomes of rows that may not be used.
    #[arg(long, value_enum, default_value = "remove")]
    mode: HowMode,
    /// What the file is; by default what its name ends with.
    #[arg(long, value_enum)]
    format: Option<HowFormat>,
    /// How a CSV file is encoded.
    #[arg(long, value_enum, default_value = "utf8")]
    encoding: HowEncoding,
    /// A column's own name: `kana=患者カナ`. May be given several times.
    #[arg(long = "column", value_parser = column)]
    columns: Vec<(Part, String)>,
    /// How the data flow: hospital-supply, from-creator, to-creator, build, linking or use.
    #[arg(long)]
    flow: Flow,
    /// For which track: anonymised, pseudonymised or both.
    #[arg(long)]
    track: Scope,
    /// The hospital that supplies, by its code.
    #[arg(long)]
    supplier: Option<Code>,
    /// The hospital states that everybody in the file was notified through this day.
    #[arg(long)]
    notified_through: Option<Date>,
    /// 取得の経緯, as a code.
    #[arg(long)]
    acquired: Option<Code>,
    /// Each row says in its column `notified-on` when its person was notified.
    #[arg(long)]
    rows_say_when: bool,
    /// Every row that does not pass, one JSON object per line. By default the output's name and `.report.ndjson`.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Threads that judge.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// The file.
    input: PathBuf,
    /// What may be used of it.
    output: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HowMode {
    Remove,
    Mark,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HowFormat {
    Csv,
    Ndjson,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum HowEncoding {
    Utf8,
    ShiftJis,
}

fn column(text: &str) -> Result<(Part, String), String> {
    let (part, name) = text.split_once('=').ok_or("write part=name, for example kana=患者カナ")?;
    let known = Part::ALL.iter().find(|p| p.as_str() == part);
    let words = || Part::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", ");
    Ok((*known.ok_or_else(|| format!("`{part}` is no part: use one of {}", words()))?, name.to_owned()))
}

/// How a check ended that was no error of the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Status {
    Judged = 0,
    SomeBad = 3,
    DoNotUse = 4,
    Refused = 5,
}

pub(crate) async fn run(step: GateStep) -> anyhow::Result<()> {
    match step {
        GateStep::Snapshot { out, recipient, config } => make(&out, recipient, config.as_deref()).await,
        GateStep::Key { recipient, keys } => {
            let keys = opt_out_propagation::gate::GateKeys::load_or_create(&keys)?;
            println!("{}", serde_json::to_string_pretty(&keys.hand_over(recipient))?);
            Ok(())
        }
        GateStep::Check(args) => {
            let now = Clock::system().now();
            match tokio::task::spawn_blocking(move || check(&args, now)).await?? {
                Status::Judged => Ok(()),
                #[allow(clippy::disallowed_methods)]
                // a command of its own: nothing runs that would have to end in order
                status => std::process::exit(status as i32),
            }
        }
    }
}

async fn make(out: &Path, recipient: Option<RecipientId>, config: Option<&Path>) -> anyhow::Result<()> {
    let rt = Runtime::new(Configuration::load(config, &[])?, Clock::system())?;
    let part = part_of(out);
    let mut file = BufWriter::new(File::create(&part).with_context(|| format!("--out {}", part.display()))?);
    let manifest = opt_out_propagation::gate::snapshot::from_outside(&rt, recipient, &mut file).await?;
    keep(file, &part, out)?;
    println!(
        "{}",
        json!({ "user": manifest.user, "as_of": manifest.as_of, "records": manifest.records, "made_at": manifest.made_at,
                "expires_at": manifest.expires_at, "rules": manifest.rules.version, "sha256": manifest.sha256 })
    );
    Ok(())
}

/// The name under which a file is written until it is whole.
fn part_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn keep(file: BufWriter<File>, part: &Path, out: &Path) -> anyhow::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(part, out).with_context(|| format!("giving {} its name", out.display()))
}

/// The snapshot, if it may be used now. Time is an input.
fn opened(
    args: &CheckArgs,
    keys: &KeyFile,
    now: contracts::Timestamp,
) -> Result<(Manifest, Index, gate::GateKey), DoNotUse> {
    let (key, verify) = keys.keys().ok_or(DoNotUse::Form("the key file is damaged"))?;
    let mut from = BufReader::new(File::open(&args.snapshot)?);
    let (manifest, index) = snapshot::read(&mut from, &verify, &keys.user)?;
    let need = match args.require_position.as_deref() {
        None => None,
        Some(text) => {
            Some(position(text, manifest.as_of.epoch).ok_or(DoNotUse::Form("--require-position is no position"))?)
        }
    };
    manifest.usable(now, need)?;
    Ok((manifest, index, key))
}

fn position(text: &str, epoch: i32) -> Option<AsOf> {
    match text.split_once('.') {
        None => Some(AsOf { epoch, position: text.parse().ok()? }),
        Some((epoch, position)) => Some(AsOf { epoch: epoch.parse().ok()?, position: position.parse().ok()? }),
    }
}

fn key_file(path: &Path) -> anyhow::Result<KeyFile> {
    let mut text = String::new();
    let file = File::open(path).with_context(|| format!("--key {}", path.display()))?;
    file.take(KEY_FILE_MAX).read_to_string(&mut text)?;
    serde_json::from_str(&text)
        .with_context(|| format!("--key {}: not a key file of `madoguchi gate key`", path.display()))
}

fn settings(args: &CheckArgs) -> anyhow::Result<Settings> {
    let format = match (args.format, args.input.extension().and_then(|e| e.to_str())) {
        (Some(HowFormat::Csv), _) | (None, Some("csv" | "CSV")) => Format::Csv,
        (Some(HowFormat::Ndjson), _) | (None, Some("ndjson" | "jsonl")) => Format::Ndjson,
        _ => anyhow::bail!("--format: say csv or ndjson; the file's name does not"),
    };
    let mode = match args.mode {
        HowMode::Remove => Mode::Remove,
        HowMode::Mark => Mode::Mark,
    };
    let encoding = match args.encoding {
        HowEncoding::Utf8 => Encoding::Utf8,
        HowEncoding::ShiftJis => Encoding::ShiftJis,
    };
    Ok(Settings { encoding, columns: args.columns.clone(), ..Settings::new(format, mode) })
}

fn check(args: &CheckArgs, now: contracts::Timestamp) -> anyhow::Result<Status> {
    ensure!(args.input != args.output, "the output must be another file than the input");
    let settings = settings(args)?;
    let keys = key_file(&args.key)?;
    let (manifest, index, key) = match opened(args, &keys, now) {
        Ok(opened) => opened,
        Err(why) => {
            eprintln!("do not use: {why}");
            println!("{}", json!({ "answer": "do-not-use", "why": why.to_string() }));
            return Ok(Status::DoNotUse);
        }
    };
    let delivery = Delivery {
        flow: args.flow,
        track: args.track,
        supplier: args.supplier.clone(),
        statement: args
            .notified_through
            .map(|day| Statement { notified_through: day, acquired: args.acquired.clone() }),
        rows_say_when: args.rows_say_when,
    };
    let today = opt_out_propagation::propagation::day_of(now);
    let (ground, terms) = match filing::admit(&manifest.filings, &delivery, today) {
        Ok(admitted) => admitted,
        Err(why) => {
            eprintln!("may not be received: {}", why.as_str());
            println!("{}", json!({ "answer": "may-not-be-received", "why": why.as_str(), "as_of": manifest.as_of }));
            return Ok(Status::Refused);
        }
    };
    let of = manifest.filings.iter().filter(|f| Some(&f.supplier) == args.supplier.as_ref());
    let called = args.supplier.iter().map(Code::as_str).chain(of.map(|f| f.called.as_str()));
    let ask = Ask::new(args.track, &key, called);
    let judge = Judge { rules: &manifest.rules, key: &key, index: &index, ask, terms };
    let filter = Filter { settings: &settings, judge };
    match through(args, &filter)? {
        Ok(ended) => Ok(said(args, &manifest, &ground, &ended)),
        Err(why) => {
            eprintln!("the file cannot be checked: {why}");
            println!("{}", json!({ "answer": "file-refused", "why": why, "as_of": manifest.as_of }));
            Ok(Status::Refused)
        }
    }
}

/// Takes the file through. `Err(why)` inside: it is refused before its first row.
fn through(args: &CheckArgs, filter: &Filter<'_>) -> anyhow::Result<Result<Ended, String>> {
    let mut input = File::open(&args.input).with_context(|| format!("{}", args.input.display()))?;
    let size = input.metadata().map_or(0, |m| m.len());
    let report = args.report.clone().unwrap_or_else(|| {
        let mut name = args.output.as_os_str().to_owned();
        name.push(".report.ndjson");
        name.into()
    });
    let (part, report_part) = (part_of(&args.output), part_of(&report));
    let create = |path: &Path| File::create(path).with_context(|| format!("{}", path.display()));
    let (mut out, mut lines) = (BufWriter::new(create(&part)?), BufWriter::new(create(&report_part)?));
    let mut last = Instant::now();
    let ended = run::run(
        filter,
        args.threads,
        &mut input,
        &mut out,
        &mut |finding| writeln!(lines, "{}", finding.report(filter.judge.rules)),
        &mut |counts, bytes| {
            if last.elapsed() >= SAID_EVERY {
                last = Instant::now();
                eprintln!("{} rows, {} % of the file", counts.rows, (bytes * 100).checked_div(size).unwrap_or(0));
            }
        },
    );
    match ended {
        Ok(ended) => {
            keep(lines, &report_part, &report)?;
            keep(out, &part, &args.output)?;
            Ok(Ok(ended))
        }
        Err(error) => {
            drop((out, lines));
            for path in [&part, &report_part] {
                std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
            }
            match error {
                RunError::Refused(why) => Ok(Err(why.to_string())),
                RunError::Io(error) => Err(error.into()),
            }
        }
    }
}

/// The result, enough to write the receipt record of Act art. 55 without another source.
fn said(args: &CheckArgs, manifest: &Manifest, ground: &Ground, ended: &Ended) -> Status {
    let hex = |bytes: [u8; 32]| contracts::Digest(bytes).to_string();
    println!(
        "{}",
        json!({
            "answer": "checked", "flow": args.flow, "track": args.track, "as_of": manifest.as_of,
            "rules": manifest.rules.version, "ground": ground, "counts": ended.counts,
            "sha256_in": hex(ended.sha256_in), "sha256_out": hex(ended.sha256_out),
        })
    );
    if ended.counts.bad > 0 { Status::SomeBad } else { Status::Judged }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
