//! The service on a real PostgreSQL and a real nats-server: the case's messages and the staff's orders in, the decision out.

use async_nats::jetstream;
use chassis::{Clock, Machine, Runtime, Schema, machine::fold};
use contracts::{
    Capacity, CaseId, Code, DecisionOutcome, Envelope, Kind, Message, MessageId, Sealed, StaffId, Timestamp, Uuid,
    envelope::Origin,
    fulfilment::PrepareAnswer,
    intake::CaseErased,
    request::{Decide, StaffCommand, StaffReply},
};
use custody::Custody;
use fulfilment::{
    MACHINES, MIGRATOR,
    answer::{Answer, Event, State},
    retention, start,
    store::Store,
};
use privacy::{FileMasterKey, Limits, Purpose, RecordClass, Vault, VaultError};
use privacy_seal::{PublicKeys, seal_to};
use sqlx::PgPool;
use std::sync::Arc;
use testkit::{House, eventually};

const NOW: &str = "2026-06-10T10:00:00+09:00";
/// Words that may stand nowhere but in sealed bytes.
const MARKER: &str = "山田標識のため";

struct Desk {
    _house: House,
    rt: Runtime,
    intake: async_nats::Client,
    console: async_nats::Client,
    admin: PgPool,
    vault: Vault,
}

impl Desk {
    async fn open() -> Self {
        let schema = Schema { name: "fulfilment", machines: MACHINES, bus: true, migrator: &MIGRATOR };
        let house = House::held(&[schema], &["fulfilment"], now()).await;
        let rt = house.runtime(&[("fulfilment.keep_years", "3")]);
        start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        let (intake, console) = (rt.nats("intake").await.unwrap(), rt.nats("console").await.unwrap());
        let admin = PgPool::connect(&house.admin_url()).await.unwrap();
        let master = Arc::new(FileMasterKey::load_or_create(&rt.keys_dir().join("master.key")).unwrap());
        let url = rt.keys_url("fulfilment").unwrap();
        let vault =
            Vault::connect(&url, "fulfilment", master, Limits { cached: 0, ..Limits::default() }).await.unwrap();
        Self { _house: house, rt, intake, console, admin, vault }
    }

    async fn say(&self, case: CaseId, message: Message, seq: i64) {
        let (subject, entry) = (case.0, message.entry());
        let origin = Origin {
            id: MessageId::new(),
            subject,
            correlation: subject,
            causation: subject,
            seq,
            time: now(),
            traceparent: None,
        };
        let bytes = Envelope::new(&message, origin).to_bytes();
        let stream = jetstream::new(self.intake.clone());
        stream.publish(entry.subject(subject), bytes.into()).await.unwrap().await.unwrap();
    }
    async fn prepared(&self, kind: Kind) -> CaseId {
        let case = CaseId::new();
        let (track, capacity) = (kind.track(), Capacity::Person);
        self.say(case, PrepareAnswer { case, kind, track, capacity, received_at: now() }.into(), 16).await;
        self.is(case, "open").await;
        case
    }

    fn seal(&self, aad: Uuid, words: &str) -> Sealed {
        let key = PublicKeys::load(self.rt.keys_dir()).unwrap().get("fulfilment").unwrap();
        seal_to(&key, aad.as_bytes(), words.as_bytes()).unwrap()
    }
    async fn decide(
        &self,
        token: Uuid,
        case: CaseId,
        outcome: DecisionOutcome,
        ground: &str,
        reasons: Option<&str>,
    ) -> StaffReply {
        let reasons = reasons.map(|words| self.seal(case.0, words));
        let order = Decide { case, outcome, ground: ground.parse().unwrap(), reasons, complaint: None };
        let why = self.seal(token, MARKER);
        let command = StaffCommand { token, staff: StaffId(Uuid::from_u128(7)), why, traceparent: None, order };
        let body = serde_json::to_vec(&command).unwrap();
        let reply = self.console.request("req.fulfilment.decide", body.into()).await.unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }

    async fn state(&self, case: CaseId) -> Option<State> {
        let row: Option<serde_json::Value> = sqlx::query_scalar("select state from fulfilment.answer where id = $1")
            .bind(case.0)
            .fetch_optional(&self.admin)
            .await
            .unwrap();
        row.map(|state| serde_json::from_value(state).unwrap())
    }
    async fn is(&self, case: CaseId, status: &str) {
        eventually(status, || async {
            let now = self.state(case).await.map(|s| Answer::status(&s).to_string());
            if now.as_deref() == Some(status) { Ok(()) } else { Err(now) }
        })
        .await;
    }
    async fn records(&self) -> Vec<(Uuid, Vec<u8>, Vec<u8>)> {
        let find = "select cause, w.sealed, a.sealed from fulfilment.staff_reason w join fulfilment.answer_record a using (cause)";
        sqlx::query_as(find).fetch_all(&self.admin).await.unwrap()
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}
fn refused(reason: &'static str, at: Option<&'static str>) -> StaffReply {
    StaffReply::Refused { reason: Code::of(reason), at: at.map(Code::of) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_takes_a_ground_and_reasons_and_its_record_outlives_the_erasure_by_three_years() {
    let desk = Desk::open().await;
    let case = desk.prepared(Kind::Disclosure).await;
    let outcome = DecisionOutcome::Refused;
    let token = Uuid::now_v7;
    assert_eq!(desk.decide(token(), case, outcome, "because", Some(MARKER)).await, refused("unknown-ground", None));
    assert_eq!(desk.decide(token(), case, outcome, "appi-33-2-1", None).await, refused("reasons-missing", None));
    let blank = desk.decide(token(), case, outcome, "appi-33-2-1", Some(" ")).await;
    assert_eq!(blank, refused("reasons-missing", Some("reasons")));
    assert!(desk.records().await.is_empty(), "refused orders leave nothing behind");

    let form = token();
    let done = StaffReply::Done { machine: case.0, status: Code::of("decided"), figures: vec![] };
    assert_eq!(desk.decide(form, case, outcome, "appi-33-2-1", Some(MARKER)).await, done);
    assert_eq!(desk.decide(form, case, outcome, "appi-33-2-1", Some(MARKER)).await, done, "the same form again");
    let other = desk.decide(token(), case, DecisionOutcome::Full, "appi-33-2", None).await;
    assert_eq!(other, refused("already-decided", None));

    let records = desk.records().await;
    let [(cause, why, answer)] = &records[..] else { panic!("{} records", records.len()) };
    assert_eq!(*cause, form);
    let open = async |place: &[u8], sealed: &[u8]| {
        assert!(!String::from_utf8_lossy(sealed).contains("山田"));
        desk.vault.open(case.0, RecordClass::StatutoryRecord, place, sealed).await.map(|o| o.text().unwrap())
    };
    let opened = open(b"fulfilment.staff_reason.sealed", why).await.unwrap();
    assert_eq!(opened.disclose(Purpose::ShowToStaff), MARKER);
    let opened = open(b"fulfilment.answer_record.sealed", answer).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(opened.disclose(Purpose::ShowToStaff)).unwrap();
    assert_eq!(told["reasons"], MARKER);
    assert_eq!(told["ground"], "appi-33-2-1");

    // The fact is out, once, and the history folds to the row.
    let said: Vec<Vec<u8>> =
        sqlx::query_scalar("select body from fulfilment.outbox").fetch_all(&desk.admin).await.unwrap();
    let said: Vec<Message> = said.iter().map(|b| Envelope::decode(b).unwrap().1).collect();
    assert!(matches!(&said[..], [Message::DecisionMade(m)] if m.ground == Code::of("appi-33-2-1") && m.case == case));
    let rows: Vec<serde_json::Value> =
        sqlx::query_scalar("select event::jsonb from fulfilment.history where machine = $1 order by version")
            .bind(case.0)
            .fetch_all(&desk.admin)
            .await
            .unwrap();
    let events: Vec<Event> = rows.into_iter().map(|e| serde_json::from_value(e).unwrap()).collect();
    assert_eq!(Some(fold::<Answer>(State::None, &events)), desk.state(case).await);

    // Erasing the case does not reach the record; the end of its time does.
    desk.say(case, CaseErased { case, at: now() }.into(), 80).await;
    desk.is(case, "erased").await;
    let bus = desk.rt.bus(contracts::Service::Fulfilment).await.unwrap();
    let (custody, store) = (Custody::open(&desk.rt, &bus).await.unwrap(), Store::new(bus.db().clone()));
    let at = |text: &str| Clock::held(text.parse().unwrap());
    assert_eq!(retention::end_records(&custody, &store, &at("2029-06-10T23:59:59+09:00")).await.unwrap(), 0);
    assert!(open(b"fulfilment.staff_reason.sealed", why).await.is_ok());
    assert_eq!(retention::end_records(&custody, &store, &at("2029-06-11T00:00:00+09:00")).await.unwrap(), 1);
    assert!(desk.records().await.is_empty());
    assert!(matches!(open(b"fulfilment.staff_reason.sealed", why).await, Err(VaultError::Erased { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_before_the_command_is_too_early_and_words_moved_from_another_case_do_not_open() {
    let desk = Desk::open().await;
    let early = desk.decide(Uuid::now_v7(), CaseId::new(), DecisionOutcome::Full, "appi-33-2", None).await;
    assert_eq!(early, refused("too-early", None));
    let case = desk.prepared(Kind::Complaint).await;
    let (token, other) = (Uuid::now_v7(), CaseId::new());
    let reasons = Some(desk.seal(other.0, MARKER));
    let order = Decide { case, outcome: DecisionOutcome::Full, ground: Code::of("act-29"), reasons, complaint: None };
    let why = desk.seal(token, MARKER);
    let command = StaffCommand { token, staff: StaffId(Uuid::from_u128(7)), why, traceparent: None, order };
    let body = serde_json::to_vec(&command).unwrap();
    let reply = desk.console.request("req.fulfilment.decide", body.into()).await.unwrap();
    let reply: StaffReply = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(reply, refused("reasons-unreadable", Some("reasons")));
    assert!(matches!(desk.state(case).await, Some(State::Open { .. })));
}

/// Duties row 51: a complaint without a cause is not closed, and stays on the list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complaint_is_not_closed_without_its_record() {
    let desk = Desk::open().await;
    let case = desk.prepared(Kind::Complaint).await;
    let close = |complaint: Option<&str>| {
        let (desk, token) = (&desk, Uuid::now_v7());
        let complaint = complaint.map(|json| desk.seal(case.0, json));
        let order =
            Decide { case, outcome: DecisionOutcome::Full, ground: Code::of("act-29"), reasons: None, complaint };
        let why = desk.seal(token, MARKER);
        let command = StaffCommand { token, staff: StaffId(Uuid::from_u128(7)), why, traceparent: None, order };
        async move {
            let body = serde_json::to_vec(&command).unwrap();
            let reply = desk.console.request("req.fulfilment.decide", body.into()).await.unwrap();
            serde_json::from_slice::<StaffReply>(&reply.payload).unwrap()
        }
    };
    assert_eq!(close(None).await, refused("complaint-record-missing", None));
    let no_cause = close(Some(r#"{"content":"標識","cause":" ","measures":"m"}"#)).await;
    assert_eq!(no_cause, refused("complaint-record-incomplete", Some("cause")));
    assert_eq!(close(Some("{}")).await, refused("complaint-record-unreadable", Some("complaint")));
    assert!(matches!(desk.state(case).await, Some(State::Open { .. })), "it stays on the list");
    let done = close(Some(r#"{"content":"標識の苦情","cause":"標識の原因","measures":"標識の改善"}"#)).await;
    assert!(matches!(done, StaffReply::Done { .. }), "{done:?}");
    let kept: (Vec<u8>, i64) = sqlx::query_as(
        "select sealed, extract(epoch from keep_until - at)::int8 from fulfilment.answer_record where case_id = $1",
    )
    .bind(case.0)
    .fetch_one(&desk.admin)
    .await
    .unwrap();
    assert!(kept.1 >= 3 * 365 * 86_400, "three years (Rules art. 25)");
    assert!(!String::from_utf8_lossy(&kept.0).contains("標識"), "sealed");
    let disclosure = desk.prepared(Kind::Disclosure).await;
    let token = Uuid::now_v7();
    let complaint = Some(desk.seal(disclosure.0, r#"{"content":"a","cause":"b","measures":"c"}"#));
    let (outcome, ground) = (DecisionOutcome::Full, Code::of("appi-33-2"));
    let order = Decide { case: disclosure, outcome, ground, reasons: None, complaint };
    let why = desk.seal(token, MARKER);
    let command = StaffCommand { token, staff: StaffId(Uuid::from_u128(7)), why, traceparent: None, order };
    let body = serde_json::to_vec(&command).unwrap();
    let reply = desk.console.request("req.fulfilment.decide", body.into()).await.unwrap();
    let reply: StaffReply = serde_json::from_slice(&reply.payload).unwrap();
    assert_eq!(reply, refused("not-a-complaint", None));
}
