//! The service with the real intake on a real PostgreSQL and a real nats-server: facts in, mails out.

use crate::host::{Host, Play};
use async_nats::jetstream;
use chassis::{Home, Machine, Runtime, Schema, machine::fold};
use contracts::{
    Capacity, CaseId, Channel, Code, Envelope, Kind, Language, Message, MessageId, NoticeChannel, ReceiptNumber,
    Service, Timestamp, Uuid,
    envelope::Origin,
    identity::IdentityDeficient,
    intake::{CaseErased, CaseOpened},
};
use jiff::{Span, ToSpan};
use jiff_sqlx::ToSqlx;
use notification::{
    MACHINES, MIGRATOR,
    message::{Event, NoticeMachine, Plan, State},
    react::React,
    start,
    store::{NoticeRows, Store},
    transport::Transport,
};
use privacy::ServiceKey;
use privacy_seal::{
    AccessCode, CodeKey, HatchBox,
    filing::{Circumstances, Filing, NewRequest, PersonalDetails},
};
use sqlx::PgPool;
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};
use testkit::{House, eventually};
use tokio::sync::Notify;

static DOOR: sqlx::migrate::Migrator = sqlx::migrate!("../door/migrations");

const NOW: &str = "2026-06-01T10:00:00+09:00";
const MAIL: &str = "marker@example.test";
/// What must not be in a mail: nothing of the person and nothing of the request.
const MARKERS: &[&str] = &["山田標識", "ヤマダヒョウシキ", "標識市架空町", "09000000001", "開示", "disclosure"];

const INTAKE: &[(&str, &str)] = &[
    ("intake.poll_ms", "50"),
    ("intake.batch", "50"),
    ("intake.at_once", "4"),
    ("intake.park_after_hours", "24"),
    ("intake.completion_grace_days", "5"),
    ("intake.revivals_max", "3"),
    ("intake.service_days.disclosure", "20"),
    ("intake.service_days.third_party_records", "20"),
    ("intake.service_days.correction", "20"),
    ("intake.service_days.suspension", "20"),
    ("intake.service_days.purpose_notice", "10"),
    ("intake.service_days.provision_stop", "10"),
    ("intake.service_days.deletion", "20"),
    ("intake.service_days.complaint", "10"),
    ("intake.service_days.consultation", "5"),
];

struct Desk {
    house: House,
    intake: Option<Runtime>,
    admin: PgPool,
    hatches: Mutex<HatchBox>,
}

impl Desk {
    async fn open() -> Self {
        let schemas = [
            Schema { name: "intake", machines: intake::MACHINES, bus: true, migrator: &intake::MIGRATOR },
            Schema { name: "door", machines: &[], bus: false, migrator: &DOOR },
            Schema { name: "notification", machines: MACHINES, bus: true, migrator: &MIGRATOR },
        ];
        let house = House::held(&schemas, &["intake"], now()).await;
        let admin = PgPool::connect(&house.admin_url()).await.unwrap();
        let key = ServiceKey::load_or_create(house.runtime(&[]).keys_dir(), "intake").unwrap();
        // Intake seals addresses to this key: it must be there before intake reads the folder.
        ServiceKey::load_or_create(house.runtime(&[]).keys_dir(), "notification").unwrap();
        Self { house, intake: None, admin, hatches: Mutex::new(HatchBox::new(key.public())) }
    }
    async fn with_intake() -> Self {
        let mut desk = Self::open().await;
        desk.start_intake().await;
        desk
    }
    async fn start_intake(&mut self) {
        let rt = self.house.runtime(INTAKE);
        intake::start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        self.intake = Some(rt);
    }

    fn runtime(&self, smtp_url: &str, outbox: &str) -> Runtime {
        self.house.runtime(&[
            ("notification.status_url", "https://desk.example/status"),
            ("notification.from", "desk@example.jp"),
            ("notification.smtp_url", smtp_url),
            ("notification.outbox_dir", outbox),
            ("notification.smtp_timeout_s", "5"),
            ("notification.attempts_max", "5"),
            ("notification.lease_s", "60"),
            ("notification.backoff_s", "30"),
            ("notification.backoff_cap_s", "300"),
            ("notification.give_up_s", "86400"),
            ("notification.at_once", "2"),
        ])
    }
    async fn notify_by(&self, smtp_url: &str) -> Runtime {
        let rt = self.runtime(smtp_url, "");
        start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        rt
    }

    fn tick(&self, by: Span) {
        self.house.clock.set(self.house.clock.now().checked_add(by).unwrap());
    }

    /// Files a request as the door does.
    async fn file(&self, someone: &Someone) {
        let filing = Filing::Request(Box::new(someone.request(self.house.clock.now())));
        let id = Uuid::now_v7();
        let plain = serde_json::to_vec(&filing).unwrap();
        let (sealed, hatch) = self.hatches.lock().unwrap().seal(Instant::now(), Uuid::now_v7, id, &plain).unwrap();
        if let Some(row) = hatch {
            let insert = "insert into door.hatch (id, sealed) values ($1, $2)";
            sqlx::query(insert).bind(row.id).bind(row.sealed).execute(&self.admin).await.unwrap();
        }
        sqlx::query("insert into door.filing (id, hatch, sealed, received_at) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(sealed.hatch)
            .bind(sealed.bytes)
            .bind(self.house.clock.now().to_sqlx())
            .execute(&self.admin)
            .await
            .unwrap();
    }

    /// Speaks as another service; the bytes, to be said again.
    async fn say(&self, user: &str, case: CaseId, message: impl Into<Message>, again: usize) -> MessageId {
        let message = message.into();
        let (id, entry) = (MessageId::new(), message.entry());
        let origin = Origin {
            id,
            subject: case.0,
            correlation: case.0,
            causation: case.0,
            seq: 1600,
            time: now(),
            traceparent: None,
        };
        let bytes = Envelope::new(&message, origin).to_bytes();
        let stream = jetstream::new(self.house.runtime(&[]).nats(user).await.unwrap());
        for _ in 0..=again {
            stream.publish(entry.subject(case.0), bytes.clone().into()).await.unwrap().await.unwrap();
        }
        id
    }

    async fn states(&self) -> Vec<State> {
        let rows: Vec<serde_json::Value> = sqlx::query_scalar("select state from notification.notice order by id")
            .fetch_all(&self.admin)
            .await
            .unwrap();
        rows.into_iter().map(|s| serde_json::from_value(s).unwrap()).collect()
    }
    /// Waits until the notices stand so, in any order.
    async fn are(&self, expected: &[&str]) {
        let mut expected: Vec<String> = expected.iter().map(|s| (*s).to_owned()).collect();
        expected.sort();
        eventually(&expected.join(" "), || async {
            let mut now: Vec<String> =
                self.states().await.iter().map(|s| NoticeMachine::status(s).to_string()).collect();
            now.sort();
            if now == expected { Ok(()) } else { Err(now) }
        })
        .await;
    }
    async fn said(&self) -> Vec<Message> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar("select body from notification.outbox order by id")
            .fetch_all(&self.admin)
            .await
            .unwrap();
        rows.iter().map(|b| Envelope::decode(b).unwrap().1).collect()
    }
    /// Everything in the service's schema, as text.
    async fn everything(&self) -> String {
        let tables: Vec<String> =
            sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'notification'")
                .fetch_all(&self.admin)
                .await
                .unwrap();
        let mut all = String::new();
        for table in tables {
            let sql = sqlx::AssertSqlSafe(format!("select t::text from notification.{table} t"));
            let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.admin).await.unwrap();
            all.push_str(&rows.join("\n"));
        }
        all
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

struct Someone {
    case: CaseId,
    receipt_number: ReceiptNumber,
    mail: &'static str,
}

impl Someone {
    fn with(mail: &'static str) -> Self {
        Self { case: CaseId::new(), receipt_number: ReceiptNumber::from_random(*Uuid::new_v4().as_bytes()), mail }
    }
    fn request(&self, received_at: Timestamp) -> NewRequest {
        let key = CodeKey::derive(&AccessCode::random().unwrap(), &self.receipt_number.to_string());
        NewRequest {
            case: self.case,
            receipt_number: self.receipt_number,
            code_key: *key.public().as_bytes(),
            kind: Kind::Disclosure,
            capacity: Capacity::Person,
            scope: None,
            channel: Channel::Api,
            language: Language::En,
            received_at,
            traceparent: None,
            person: PersonalDetails {
                name: "山田標識".into(),
                kana: "ヤマダヒョウシキ".into(),
                birth_date: Some("1980-04-05".parse().unwrap()),
                sex: "female".into(),
                address: "標識市架空町1-2-3".into(),
                mail: self.mail.into(),
                telephone: "09000000001".into(),
            },
            representative: None,
            words: "山田標識の記録".into(),
            hospitals: vec![],
            circumstances: Circumstances::default(),
        }
    }
    /// Intake's fact, where intake itself is away.
    fn opened(&self) -> CaseOpened {
        CaseOpened {
            case: self.case,
            receipt_number: self.receipt_number,
            kind: Kind::Disclosure,
            track: Kind::Disclosure.track(),
            capacity: Capacity::Person,
            channel: Channel::Api,
            language: Language::En,
            received_at: now(),
        }
    }
    fn deficient(&self) -> IdentityDeficient {
        IdentityDeficient { case: self.case, at: now(), reasons: vec![Code::of("photo-id")], due_at: now() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_gets_one_mail_per_fact_however_often_it_is_said_and_the_host_is_busy_at_first() {
    let desk = Desk::with_intake().await;
    let host = Host::start(&[Play::AtRcpt("450 4.2.1 busy\r\n"), Play::Take, Play::HangUpAfterData, Play::Take]).await;
    desk.notify_by(&host.url).await;
    let someone = Someone::with(MAIL);
    desk.file(&someone).await;
    desk.are(&["due"]).await;
    desk.tick(30.seconds());
    desk.are(&["sent"]).await;

    // A second fact, said three times; the line goes dead after the data, so it is sent again with the same Message-ID.
    desk.say("identity", someone.case, someone.deficient(), 2).await;
    desk.are(&["sent", "due"]).await;
    desk.tick(30.seconds());
    desk.are(&["sent", "sent"]).await;

    let seen = host.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1], seen[2], "the repeat is the same mail");
    for mail in &seen {
        assert!(
            mail.contains(&someone.receipt_number.to_string()) && mail.contains("https://desk.example/status"),
            "{mail}"
        );
        assert!(mail.contains(&format!("To: {MAIL}")));
        for marker in MARKERS {
            assert!(!mail.contains(marker), "{marker} in {mail}");
        }
    }
    let said = desk.said().await;
    assert_eq!(said.len(), 2);
    assert!(
        said.iter()
            .all(|m| matches!(m, Message::NoticeSent(n) if n.channel == NoticeChannel::Mail && n.case == someone.case))
    );
    // No personal data rests here.
    let everything = desk.everything().await;
    assert!(everything.contains(&someone.receipt_number.to_string()));
    for marker in MARKERS.iter().take(4).chain([&MAIL]) {
        assert!(!everything.contains(marker), "{marker} in the schema");
    }
    let rows: Vec<(Uuid, serde_json::Value)> =
        sqlx::query_as("select machine, event::jsonb from notification.history order by machine, version")
            .fetch_all(&desk.admin)
            .await
            .unwrap();
    let mut machines: std::collections::BTreeMap<Uuid, Vec<Event>> = std::collections::BTreeMap::new();
    for (machine, event) in rows {
        machines.entry(machine).or_default().push(serde_json::from_value(event).unwrap());
    }
    let folded: Vec<State> = machines.values().map(|events| fold::<NoticeMachine>(State::None, events)).collect();
    assert_eq!(folded, desk.states().await, "folding the history gives the rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_without_a_mail_address_reads_it_on_the_status_page_and_a_refused_one_is_for_staff() {
    let desk = Desk::with_intake().await;
    let host = Host::start(&[Play::AtRcpt("550 5.1.1 no such user\r\n")]).await;
    desk.notify_by(&host.url).await;
    desk.file(&Someone::with("")).await;
    desk.are(&["on-status-page"]).await;
    desk.file(&Someone::with(MAIL)).await;
    desk.are(&["on-status-page", "failed"]).await;
    let said = desk.said().await;
    assert!(matches!(&said[0], Message::NoticeSent(n) if n.channel == NoticeChannel::StatusPage));
    assert!(matches!(&said[1], Message::NoticeFailed(n) if n.reason == Code::of("smtp-550")));
    assert!(host.seen().is_empty());
}

/// No order is promised, and intake may be away: a fact waits for the opening of its case, a notice for the address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_that_overtakes_the_opening_waits_and_an_absent_intake_costs_no_attempt() {
    let mut desk = Desk::open().await;
    let host = Host::start(&[Play::Take, Play::Take, Play::Take]).await;
    desk.notify_by(&host.url).await;
    let someone = Someone::with(MAIL);
    desk.say("identity", someone.case, someone.deficient(), 0).await;
    eventually("the fact waits", || async {
        let states: Vec<String> =
            sqlx::query_scalar("select state from notification.inbox").fetch_all(&desk.admin).await.unwrap();
        if states == ["later"] { Ok(()) } else { Err(states) }
    })
    .await;
    assert!(desk.states().await.is_empty());
    desk.say("intake", someone.case, someone.opened(), 0).await;
    desk.are(&["due", "due"]).await;
    assert!(
        desk.states()
            .await
            .iter()
            .all(|s| matches!(s, State::Due { attempts: 0, reason: Some(r), .. } if *r == Code::of("intake-away")))
    );
    desk.start_intake().await;
    desk.file(&someone).await;
    // Intake states the opening itself now: a fact of its own, told at once.
    desk.are(&["sent", "due", "due"]).await;
    desk.tick(300.seconds());
    desk.are(&["sent", "sent", "sent"]).await;
    assert!(desk.states().await.iter().all(|s| matches!(s, State::Sent { attempts: 1, .. })));
}

/// What dies between the commit and the outcome is healed: an attempt that nobody took is taken, one that somebody took
/// and did not come back from is made again when its lease is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_died_is_found_by_the_lease() {
    let desk = Desk::with_intake().await;
    // A process that hears and dies before it sends.
    let dying = desk.runtime("smtp://127.0.0.1:9", "");
    let bus = dying.bus(Service::Notification).await.unwrap();
    let wake = Arc::new(Notify::new());
    let home = Home::with_rows(&bus, Arc::new(NoticeRows { wake: wake.clone() }));
    let react = React {
        home: home.clone(),
        store: Store::new(bus.db().clone()),
        transport: Arc::new(Transport::smtp("smtp://127.0.0.1:9", std::time::Duration::from_secs(3)).unwrap()),
        plan: Plan { attempts_max: 5, lease_s: 60, backoff_s: 30, backoff_cap_s: 300, give_up_s: 86_400 },
        clock: desk.house.clock.clone(),
        wake,
    };
    bus.run(Arc::new(react), vec![]).await.unwrap();
    desk.file(&Someone::with(MAIL)).await;
    desk.are(&["sending"]).await;
    desk.file(&Someone::with(MAIL)).await;
    desk.are(&["sending", "sending"]).await;
    assert!(dying.stopping().stop(std::time::Duration::from_secs(20)).await);
    // One of the two had been taken by it.
    sqlx::query("update notification.dispatch set taken = true where notice = (select min(notice::text)::uuid from notification.dispatch)")
        .execute(&desk.admin)
        .await
        .unwrap();

    let host = Host::start(&[Play::Take, Play::Take]).await;
    desk.notify_by(&host.url).await;
    desk.are(&["sent", "sending"]).await;
    assert_eq!(host.seen().len(), 1);
    desk.tick(60.seconds());
    desk.are(&["sent", "sent"]).await;
    let mut attempts: Vec<u8> = desk
        .states()
        .await
        .iter()
        .filter_map(|s| if let State::Sent { attempts, .. } = s { Some(*attempts) } else { None })
        .collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_ends_the_notices_removes_the_files_and_is_remembered() {
    let desk = Desk::with_intake().await;
    let outbox = desk.house.folder().join("outbox");
    let rt = desk.runtime("", outbox.to_str().unwrap());
    start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
    let files = || std::fs::read_dir(&outbox).unwrap().count();
    let (someone, other) = (Someone::with(MAIL), Someone::with(MAIL));
    desk.file(&someone).await;
    desk.file(&other).await;
    desk.are(&["sent", "sent"]).await;
    assert_eq!(files(), 2);
    desk.say("intake", someone.case, CaseErased { case: someone.case, at: now() }, 1).await;
    desk.are(&["sent", "erased"]).await;
    eventually("one file is left", || async { if files() == 1 { Ok(()) } else { Err(files()) } }).await;
    assert!(!receipt_in_case_row(&desk, &someone).await);
    // What is heard of the case afterwards is not told.
    let fact = desk.say("identity", someone.case, someone.deficient(), 0).await;
    eventually("it was heard", || async {
        let state: Option<String> = sqlx::query_scalar("select state from notification.inbox where id = $1")
            .bind(fact.0)
            .fetch_optional(&desk.admin)
            .await
            .unwrap();
        if state.as_deref() == Some("done") { Ok(()) } else { Err(state) }
    })
    .await;
    desk.are(&["sent", "erased"]).await;
}

async fn receipt_in_case_row(desk: &Desk, someone: &Someone) -> bool {
    sqlx::query_scalar("select receipt_number is not null from notification.case_language where case_id = $1")
        .bind(someone.case.0)
        .fetch_one(&desk.admin)
        .await
        .unwrap()
}
