//! B13: personal data is nowhere but where it is sealed or sent to. Both journeys run with a person whose every detail is
//! a marker; then every NATS message, every file of the house (streams, objects, logs, secrets), every span and every
//! column of every table is searched for all of them, in every coding that something could have put them into.
//!
//! The one exception: the address in the `To` of a mail. A planted marker shows that the search finds what is there.

use crate::journey::{
    contractors::{by_webhook, over_nats},
    desk::{Desk, Plan},
    people::{bring, confirm, decide, deposits},
    reckoning::{self, Told},
};
use async_nats::ConnectOptions;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use contracts::{DecisionOutcome, EndedAs, Step, Timestamp};
use futures::StreamExt;
use nats_auth::{House as Accounts, Permissions, RootSecret};
use payment_reconciliation::zengin::sample::SampleLine;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use testkit::eventually;

/// What belongs to the person and to nobody else. The last two: the payer's name as the bank writes it, and the words of
/// staff about the person.
const MARKERS: &[&str] = &[
    "山田標識",
    "ヤマダヒョウシキ",
    "marker-yamada@hyoushiki.example",
    "080-5550-1357",
    "標識県標識市一丁目",
    "標識の言葉をすべて",
    "標識総合病院",
    "1958-07-19",
    "ﾋﾖｳｼｷﾔﾏﾀﾞ",
    "標識と職員が書いた",
];
const MAIL: &str = MARKERS[2];

/// Every form in which a marker may lie somewhere.
struct Needles(Vec<Vec<u8>>);

impl Needles {
    fn new() -> Self {
        let mut all: Vec<Vec<u8>> = vec![];
        for marker in MARKERS {
            let bytes = marker.as_bytes();
            all.push(bytes.to_vec());
            all.push(hex(bytes).into_bytes());
            all.push(hex(bytes).to_uppercase().into_bytes());
            for shift in 0..3 {
                // Of a longer text in base64 only the middle is known: what depends on the neighbours is cut off.
                let shifted = [&vec![0; shift][..], bytes].concat();
                let known = (shifted.len() * 8 / 6).saturating_sub(1);
                for coded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
                    all.push(coded.as_bytes()[(shift * 8).div_ceil(6)..known].to_vec());
                }
            }
            let percent: String = bytes.iter().map(|b| format!("%{b:02X}")).collect();
            let quoted: String = bytes.iter().map(|b| format!("={b:02X}")).collect();
            let escaped: String = marker.encode_utf16().map(|u| format!("\\u{u:04x}")).collect();
            let wide: Vec<u8> = marker.encode_utf16().flat_map(u16::to_le_bytes).collect();
            all.extend([percent.into_bytes(), quoted.into_bytes(), escaped.into_bytes(), wide]);
            // Half-width kana are one byte each in the bank's files.
            let bank: Option<Vec<u8>> =
                marker.chars().map(|c| u8::try_from((c as u32).checked_sub(0xFEC0)?).ok()).collect();
            all.extend(bank.into_iter().flat_map(|b| [hex(&b).into_bytes(), b]));
        }
        all.sort_unstable();
        all.dedup();
        assert!(all.iter().all(|n| n.len() >= 8), "a needle that is found by chance");
        Self(all)
    }

    /// The first one that is there.
    fn found_in(&self, hay: &[u8]) -> Option<String> {
        // Search by the first byte: there are about a hundred needles and many megabytes.
        let mut by_first: [Vec<&[u8]>; 256] = std::array::from_fn(|_| vec![]);
        for needle in &self.0 {
            by_first[usize::from(needle[0])].push(needle);
        }
        let at = |n: usize| by_first[usize::from(hay[n])].iter().find(|needle| hay[n..].starts_with(needle));
        (0..hay.len()).find_map(at).map(|needle| String::from_utf8_lossy(needle).into_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The places where a marker was found, each with the form that it had.
type Finds = Vec<String>;

/// Subject, and subject, headers and payload as bytes.
type Overheard = Vec<(String, Vec<u8>)>;

/// Listens to everything that is said in the house's account, replies to questions among it.
struct Spy(Arc<Mutex<Overheard>>, async_nats::Client);

impl Spy {
    async fn listen(desk: &Desk) -> Self {
        let accounts = Accounts::new(RootSecret::load_or_create(&desk.house.secrets().root()).unwrap());
        let anything = Permissions::new().publish([">"]).subscribe([">"]);
        let creds = accounts.service_creds("spy", anything, Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
        let client = ConnectOptions::with_credentials(&creds)
            .unwrap()
            .custom_inbox_prefix("_INBOX_spy")
            .connect(desk.house.nats.url())
            .await
            .unwrap();
        let mut said = client.subscribe(">").await.unwrap();
        client.flush().await.unwrap();
        let heard = Arc::new(Mutex::new(vec![]));
        let into = heard.clone();
        tokio::spawn(async move {
            while let Some(message) = said.next().await {
                let headers = message.headers.map(|h| format!("{h:?}")).unwrap_or_default();
                let bytes = [message.subject.as_bytes(), b"\n", headers.as_bytes(), b"\n", &message.payload].concat();
                into.lock().unwrap().push((message.subject.to_string(), bytes));
            }
        });
        Self(heard, client)
    }
    fn search(&self, needles: &Needles) -> Finds {
        let heard = self.0.lock().unwrap();
        assert!(heard.len() > 50, "{} messages: the spy hears little", heard.len());
        for needed in ["evt.", "cmd.", "req.intake.disclose", "_INBOX"] {
            assert!(heard.iter().any(|(subject, _)| subject.starts_with(needed)), "the spy does not hear {needed}");
        }
        heard
            .iter()
            .filter_map(|(subject, bytes)| needles.found_in(bytes).map(|f| format!("message {subject}: {f}")))
            .collect()
    }
}

/// Every column of every table of both databases as text; bytes are hexadecimal in it.
async fn search_tables(desk: &Desk, needles: &Needles) -> Finds {
    let mut finds = vec![];
    let mut tables_seen = 0;
    for url in [&desk.admin_url, &desk.keys_url] {
        let mut db = PgConnection::connect(url).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', table_schema, table_name) from information_schema.tables where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        tables_seen += tables.len();
        for table in tables {
            let rows: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(format!("select t::text from {table} t")))
                .fetch_all(&mut db)
                .await
                .unwrap();
            finds.extend(
                rows.iter()
                    .flatten()
                    .filter_map(|row| needles.found_in(row.as_bytes()).map(|f| format!("table {table}: {f}"))),
            );
        }
    }
    assert!(tables_seen > 60, "{tables_seen} tables");
    finds
}

/// Every file of the house but the mails.
fn search_files(folder: &Path, needles: &Needles, finds: &mut Finds) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            search_files(&path, needles, finds);
        } else if path.extension().is_some_and(|e| e == "eml") {
            search_mail(&path, needles, finds);
        } else if let Ok(bytes) = std::fs::read(&path)
            && let Some(found) = needles.found_in(&bytes)
        {
            finds.push(format!("file {}: {found}", path.display()));
        }
    }
}

/// The address may stand in `To`, once, and nothing anywhere else.
fn search_mail(path: &Path, needles: &Needles, finds: &mut Finds) {
    let mail = crate::journey::mails::Mail::read(&std::fs::read(path).unwrap());
    assert_eq!(mail.header("to"), MAIL);
    let others: String = mail.headers.iter().filter(|(k, _)| k != "to").map(|(k, v)| format!("{k}: {v}\n")).collect();
    if let Some(found) = needles.found_in(others.as_bytes()).or(needles.found_in(mail.body.as_bytes())) {
        finds.push(format!("mail {}: {found}", path.display()));
    }
}

fn person() -> Value {
    json!({ "name": MARKERS[0], "kana": MARKERS[1], "birth_date": MARKERS[7], "sex": "female", "address": MARKERS[4], "mail": MAIL, "telephone": MARKERS[3] })
}

/// Both journeys of the marked person: everything that staff and bank write about the person is marked too.
async fn journeys(desk: &Desk) {
    let stop = json!({ "kind": "provision-stop", "capacity": "person", "scope": "both", "language": "ja", "person": person(), "hospitals": [MARKERS[6]], "words": MARKERS[5] });
    let stop = desk.file(&stop).await;
    desk.until(&stop, "the provisional block", |s| s.blocked_since.is_some()).await;
    confirm(desk, &stop).await;
    let asked = desk.file(&json!({ "kind": "disclosure", "capacity": "person", "language": "ja", "person": person(), "words": MARKERS[5] })).await;
    confirm(desk, &asked).await;
    let fee = crate::journey::people::asked_fee(desk, &asked).await;
    let line =
        SampleLine::deposit(desk.today(), fee.amount.0, "", &format!("{}{}", fee.reference.as_str(), MARKERS[8]));
    bring(desk, &deposits(), desk.today(), &[line]).await;
    decide(desk, &asked, DecisionOutcome::Refused, "appi-33-2-1", Some(MARKERS[9])).await;
    desk.until(&asked, "the decision", |s| s.step == Step::Ended).await;
    desk.until(&stop, "the stop", |s| s.ended_as == Some(EndedAs::Stopped)).await;
    // Staff look for the person, and at the person.
    let found = desk.commands.search(desk.staff, contracts::PersonField::Name, MARKERS[0]).await.unwrap();
    assert_eq!(found.cases.len(), 2);
}

/// Everything in this process, where the spans are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_file_span_or_row_holds_anything_of_a_person() {
    testkit::spans();
    let needles = Needles::new();
    let desk = Desk::open().await;
    let spy = Spy::listen(&desk).await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    journeys(&desk).await;
    for contractor in &contractors {
        contractor.has_applied(1).await;
    }
    reckoning::holds(&desk, Told::of(1, 1)).await;

    let mut finds = spy.search(&needles);
    finds.extend(search_tables(&desk, &needles).await);
    search_files(desk.house.folder(), &needles, &mut finds);
    let spans = testkit::spans();
    assert!(spans.len() > 100, "{} spans", spans.len());
    finds.extend(
        spans
            .iter()
            .filter_map(|s| needles.found_in(format!("{s:?}").as_bytes()).map(|f| format!("span {}: {f}", s.name))),
    );
    assert_eq!(finds, Finds::new());

    the_search_finds_what_is_planted(&desk, &spy, &needles).await;
}

/// The control: one marker in each place, and each is found.
async fn the_search_finds_what_is_planted(desk: &Desk, spy: &Spy, needles: &Needles) {
    let mut db = desk.admin().await;
    sqlx::raw_sql("create table public.planted (words bytea)").execute(&mut db).await.unwrap();
    sqlx::query("insert into public.planted values ($1)").bind(MARKERS[0].as_bytes()).execute(&mut db).await.unwrap();
    assert_eq!(search_tables(desk, needles).await.len(), 1);

    let js = async_nats::jetstream::new(spy.1.clone());
    let stream = async_nats::jetstream::stream::Config {
        name: "PLANTED".into(),
        subjects: vec!["planted.>".into()],
        max_bytes: 1_000_000,
        ..Default::default()
    };
    js.create_stream(stream).await.unwrap();
    js.publish("planted.word", format!("{{\"name\":\"{}\"}}", MARKERS[0]).into()).await.unwrap().await.unwrap();
    eventually("the spy hears it", || async {
        let finds = spy.search(needles);
        if finds.len() == 1 { Ok(()) } else { Err(finds) }
    })
    .await;
    let object = contracts::ObjectId::new();
    desk.rt.objects().unwrap().put(object, MARKERS[3].into()).await.unwrap();
    let mut finds = vec![];
    search_files(desk.house.folder(), needles, &mut finds);
    assert!(finds.iter().any(|f| f.contains("jetstream")), "the stream's file: {finds:?}");
    assert!(finds.iter().any(|f| f.contains("objects")), "the object's file: {finds:?}");

    drop(tracing::info_span!("planted", note = MARKERS[1]).entered());
    assert!(
        testkit::spans().iter().any(|s| s.name == "planted" && needles.found_in(format!("{s:?}").as_bytes()).is_some()),
        "the span"
    );
    for coded in [
        format!("…{}…", STANDARD_NO_PAD.encode(format!("x{}y", MARKERS[2]))),
        format!("%E5%B1%B1{}", hex(MARKERS[0].as_bytes())),
    ] {
        assert!(needles.found_in(coded.as_bytes()).is_some(), "{coded}");
    }
}

/// Every service as a process that logs all it can: their output is searched, and all files once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_line_of_any_log_holds_anything_of_a_person() {
    let needles = Needles::new();
    let environment = vec![("MADOGUCHI_LOG", "debug,hyper=info,h2=info")];
    let desk = Desk::with(Plan { apart: true, environment, ..Plan::default() }).await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    journeys(&desk).await;
    for contractor in &contractors {
        contractor.has_applied(1).await;
    }
    reckoning::holds(&desk, Told::of(1, 1)).await;
    let mut lines = 0;
    for child in desk.children.lock().await.iter() {
        lines += child.lines().len();
        assert_eq!(needles.found_in(child.output().as_bytes()), None, "{:?}", child.arguments);
    }
    assert!(lines > 200, "{lines} lines: they say little");
    let mut finds = vec![];
    search_files(desk.house.folder(), &needles, &mut finds);
    assert_eq!(finds, Finds::new());
    // The control.
    let log = desk.house.folder().join("log/intake.log");
    let planted = [std::fs::read(&log).unwrap(), format!("{{\"message\":\"{}\"}}\n", MARKERS[4]).into_bytes()].concat();
    std::fs::write(&log, planted).unwrap();
    search_files(desk.house.folder(), &needles, &mut finds);
    assert_eq!(finds.len(), 1, "{finds:?}");
}
