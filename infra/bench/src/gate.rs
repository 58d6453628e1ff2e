//! `gate`: 1,500,000 people from CSV against 100,000 standing entries through an offline snapshot, beside the same file parsed
//! and written without a check. Seconds from opening the snapshot to the last byte, and the peak of resident memory in them.
//! Then single checks over HTTP on an idle desk.

use crate::report::{self, percentile};
use anyhow::{Context, ensure};
use contracts::{Code, Scope, StaffId, Uuid};
use gate::{
    AsOf, Ask, Filter, Format, GateKey, MasterKey, Mode, Part, Person, Rules, Settings,
    filter::Judge,
    index::Standing,
    key, run,
    snapshot::{self, KeyFile, Manifest},
    split::Splitter,
};
use launcher::{
    Up,
    story::{self, Contractor},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    path::Path,
    time::Instant,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One of so many people is stopped (law-and-domain.md section 4: 0.1 %).
const STOPPED_OF: usize = 1000;
/// Single checks.
const CHECKS: usize = 1000;

const SYLLABLES: [&str; 20] = [
    "ア", "イ", "カ", "キ", "コ", "サ", "シ", "タ", "ツ", "ナ", "ノ", "ハ", "フ", "マ", "ミ", "ヤ", "ヨ", "ラ", "リ",
    "ダ",
];

/// A person made of a number: kana, name, birth date, sex. Different numbers are different people.
fn person(n: usize) -> (String, String, String, &'static str) {
    let mut rest = n;
    let mut kana = String::new();
    for at in 0..8 {
        kana.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest = rest / SYLLABLES.len() + if at == 4 { n } else { 0 };
        if at == 3 {
            kana.push('　');
        }
    }
    let date = format!("{:04}-{:02}-{:02}", 1930 + n % 90, 1 + n / 90 % 12, 1 + n / 1080 % 28);
    (kana, format!("見本 {n}"), date, if n.is_multiple_of(2) { "女" } else { "男" })
}

pub async fn run(rows: usize, entries: usize) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let at = folder.path().to_owned();
    let (figures, limit, ratio) = tokio::task::spawn_blocking(move || offline(&at, rows, entries)).await??;
    let (mut figures, mut limit) = (figures, limit);
    let times = over_http(&folder.path().join("desk")).await?;
    let p99 = percentile(&times, 0.99);
    figures["http_check"] =
        json!({ "checks": times.len(), "p50_ms": percentile(&times, 0.5), "p99_ms": p99, "max_ms": times.last() });
    limit["http_check_p99_ms"] = json!(5.0);
    report::print("gate", figures, limit, json!({ "file": ratio, "http_check_p99": p99 / 5.0 }), 0);
    Ok(())
}

fn offline(folder: &Path, rows: usize, entries: usize) -> anyhow::Result<(Value, Value, Value)> {
    let keys = make(folder, rows, entries)?;
    let bytes = std::fs::metadata(folder.join("in.csv"))?.len();
    // Once without measuring: both sides find the file in the page cache.
    let bare_of = || bare(&folder.join("in.csv"), &folder.join("bare.csv"));
    bare_of()?;
    let begun = Instant::now();
    let bare_rows = bare_of()?;
    let bare_seconds = begun.elapsed().as_secs_f64();

    // What was needed to make the files is no longer held; the peak counts from here.
    std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak of resident memory")?;
    let begun = Instant::now();
    let (counts, opened_seconds) = checked(folder, &keys)?;
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_mib()?;
    ensure!(counts.rows == rows as u64 && bare_rows == rows as u64 + 1, "rows were lost: {counts:?}");
    let wanted = rows.div_ceil(STOPPED_OF) as u64;
    ensure!(counts.exact == wanted, "{} of {wanted} stopped people were found", counts.exact);
    eprintln!(
        "{rows} rows in {seconds:.2} s ({opened_seconds:.2} s to open), {peak:.0} MiB; without a check {bare_seconds:.2} s"
    );
    let figures = json!({
        "rows": rows, "entries": entries, "bytes": bytes, "seconds": seconds, "open_seconds": opened_seconds,
        "rows_per_second": rows as f64 / seconds, "peak_rss_mib": peak, "counts": counts,
    });
    let limit = json!({
        "seconds": 10.0, "peak_rss_mib": 300.0, "without_check_seconds": bare_seconds,
        "without_check_rows_per_second": rows as f64 / bare_seconds,
    });
    Ok((figures, limit, json!({ "seconds": seconds / 10.0, "rate_of_without_check": bare_seconds / seconds })))
}

/// Writes the CSV file and the snapshot.
fn make(folder: &Path, rows: usize, entries: usize) -> anyhow::Result<KeyFile> {
    let master = MasterKey::new([5; 32].into());
    let signing = ed25519_dalek::SigningKey::from_bytes(&master.of_signing());
    let keys = KeyFile::new(Code::of("core-zone"), &master.of_core_zone(), &signing);
    let (key, rules) = (GateKey::new(&master.of_core_zone()), Rules::built_in());
    let mut records = vec![];
    let stopped = rows.div_ceil(STOPPED_OF);
    for n in 0..entries {
        // Some are in the file, the others stopped elsewhere.
        let (kana, name, date, sex) = person(if n < stopped { n * STOPPED_OF } else { rows + n });
        let mut who = Person::new();
        for (part, value) in
            [(Part::Kana, kana.as_str()), (Part::Name, &name), (Part::BirthDate, &date), (Part::Sex, sex)]
        {
            who.set(part, value).map_err(|bad| anyhow::anyhow!("{}", bad.code()))?;
        }
        let digests = key::digests(&rules, &who, false);
        let entry = Uuid::from_u128(n as u128 + 1);
        Standing { entry, scope: Scope::Both, suppliers: None, keys: digests }.records(
            &key,
            &rules,
            false,
            &mut records,
        );
    }
    let made_at: contracts::Timestamp = "2026-11-22T00:00:00Z".parse()?;
    let manifest = Manifest {
        format: 1,
        user: keys.user.clone(),
        as_of: AsOf { epoch: 1, position: entries as i64 },
        made_at,
        expires_at: "2026-11-23T00:00:00Z".parse()?,
        rules,
        insurance: false,
        filings: vec![],
        records: 0,
        sha256: String::new(),
    };
    let mut out = BufWriter::new(File::create(folder.join("snapshot"))?);
    snapshot::write(&mut out, manifest, records, &signing)?;
    let mut csv = BufWriter::new(File::create(folder.join("in.csv"))?);
    writeln!(csv, "患者番号,カナ氏名,漢字氏名,生年月日,性別,病名")?;
    for n in 0..rows {
        let (kana, name, date, sex) = person(n);
        writeln!(csv, "{n:08},{kana},{name},{date},{sex},\"見本, 二型\"")?;
    }
    csv.flush()?;
    Ok(keys)
}

/// The limit: the same parser, and the same bytes written.
fn bare(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let (mut from, mut to) = (File::open(from)?, BufWriter::new(File::create(to)?));
    let mut splitter = Some(Splitter::new(Format::Csv, 64 * 1024));
    let (mut buffer, mut fields, mut rows) = (vec![0; 64 * 1024], vec![], 0);
    while let Some(cut) = &mut splitter {
        let n = from.read(&mut buffer)?;
        let chunk = if n == 0 {
            splitter.take().and_then(Splitter::finish)
        } else {
            cut.feed(&buffer[..n]);
            cut.take(256 * 1024)
        };
        for (chunk, row) in chunk.iter().flat_map(|c| c.rows.iter().map(move |r| (c, r))) {
            let record = &chunk.bytes[row.start..row.end];
            gate::csv::fields(record, &mut fields).map_err(|bad| anyhow::anyhow!("{}", bad.code()))?;
            to.write_all(record)?;
            rows += 1;
        }
    }
    to.flush()?;
    Ok(rows)
}

fn checked(folder: &Path, keys: &KeyFile) -> anyhow::Result<(gate::Counts, f64)> {
    let begun = Instant::now();
    let (key, verify) = keys.keys().context("the keys")?;
    let mut file = BufReader::new(File::open(folder.join("snapshot"))?);
    let (manifest, index) = snapshot::read(&mut file, &verify, &keys.user)?;
    let opened = begun.elapsed().as_secs_f64();
    let settings = Settings::new(Format::Csv, Mode::Remove);
    let ask = Ask::new(Scope::Both, &key, []);
    let judge = Judge { rules: &manifest.rules, key: &key, index: &index, ask, terms: None };
    let mut input = File::open(folder.join("in.csv"))?;
    let mut out = BufWriter::new(File::create(folder.join("out.csv"))?);
    let filter = Filter { settings: &settings, judge };
    let ended = run::run(&filter, 2, &mut input, &mut out, &mut |_| Ok(()), &mut |_, _| {})?;
    Ok((ended.counts, opened))
}

fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Milliseconds of single checks, one after the other on one connection, sorted.
async fn over_http(folder: &Path) -> anyhow::Result<Vec<f64>> {
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let up = Up::start(&args, folder, &[("ops.log".to_owned(), "off".to_owned())], &|t| eprintln!("{t}")).await?;
    let commands = up.commands().await?;
    let id = contracts::RecipientId::new();
    let contractor = Contractor::open(&folder.join("contractor"), id, Code::of("bench-contractor"))?;
    let running = story::join_over_nats(&up, &commands, StaffId::new(), &contractor).await?;
    let partner = up.addresses.partner.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&partner).await?;
    stream.set_nodelay(true)?;
    let mut times = vec![];
    for n in 0..CHECKS {
        let (kana, _, date, sex) = person(n);
        let row = json!({ "kana": kana, "birth-date": date, "sex": sex });
        let body = json!({ "flow": "use", "track": "both", "rows": [row] }).to_string();
        let path = format!("/partner/v1/gate/check?digest={}", contracts::Digest(Sha256::digest(&body).into()));
        #[allow(clippy::disallowed_methods)] // the contractor's own clock
        let now = contracts::Timestamp::now().as_second().try_into()?;
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {partner}\r\ncontent-type: application/json\r\n");
        for (name, value) in recipient_kit::pull::sign(&contractor.keys.signing, id, now, "POST", &path) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let begun = Instant::now();
        stream.write_all(head.as_bytes()).await?;
        answered(&mut stream).await?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    drop(running);
    up.stop().await?;
    Ok(times)
}

/// Reads one answer with a content length to its end.
async fn answered(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut got = vec![];
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await?;
        ensure!(n > 0, "the desk closed the connection");
        got.extend_from_slice(&piece[..n]);
        let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
        ensure!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).context("no content-length")?;
        if got.len() >= end + 4 + length.parse::<usize>()? {
            return Ok(());
        }
    }
}
