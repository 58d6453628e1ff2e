//! The service on a real PostgreSQL and a real nats-server: the case's messages and the staff's orders in, facts out.

use async_nats::jetstream;
use chassis::{Machine, Runtime, Schema, machine::fold};
use contracts::{
    Capacity, CaseId, Channel, Code, EndedAs, Envelope, Kind, Message, MessageId, Sealed, StaffId, Timestamp, Track,
    Uuid,
    envelope::Origin,
    identity::VerifyIdentity,
    intake::{CaseEnded, CaseErased},
    request::{AskForCompletion, ConfirmIdentity, RejectIdentity, Request, StaffCommand, StaffReply},
};
use custody::Custody;
use identity_verification::{
    MACHINES, MIGRATOR, start,
    verification::{Event, State, Verification},
};
use privacy::{FileMasterKey, Limits, Purpose, RecordClass, Vault, VaultError};
use privacy_seal::{PublicKeys, seal_to};
use sqlx::PgPool;
use std::sync::Arc;
use testkit::{House, eventually};

const NOW: &str = "2026-06-01T10:00:00+09:00";
/// Words that may stand nowhere but in sealed bytes.
const MARKER: &str = "山田標識の運転免許証を確認";

struct Desk {
    house: House,
    rt: Runtime,
    intake: async_nats::Client,
    console: async_nats::Client,
    admin: PgPool,
    vault: Vault,
}

impl Desk {
    async fn open() -> Self {
        let schema = Schema { name: "identity", machines: MACHINES, bus: true, migrator: &MIGRATOR };
        let house = House::held(&[schema], &["identity"], now()).await;
        let rt = house.runtime(&[("identity.completion_days", "14")]);
        start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        let (intake, console) = (rt.nats("intake").await.unwrap(), rt.nats("console").await.unwrap());
        let admin = PgPool::connect(&house.admin_url()).await.unwrap();
        let master = Arc::new(FileMasterKey::load_or_create(&rt.keys_dir().join("master.key")).unwrap());
        let url = rt.keys_url("identity").unwrap();
        let vault = Vault::connect(&url, "identity", master, Limits { cached: 0, ..Limits::default() }).await.unwrap();
        Self { house, rt, intake, console, admin, vault }
    }

    /// Speaks as the case.
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
    async fn verify(&self, case: CaseId, seq: i64) {
        let ask = VerifyIdentity {
            case,
            kind: Kind::Disclosure,
            track: Track::Appi,
            capacity: Capacity::Person,
            channel: Channel::Web,
            received_at: now(),
        };
        self.say(case, ask.into(), seq).await;
    }

    /// Orders as the console does.
    async fn order<T: serde::Serialize>(&self, token: Uuid, why: Sealed, order: T) -> StaffReply
    where
        StaffCommand<T>: Request,
    {
        let command = StaffCommand { token, staff: StaffId(Uuid::from_u128(7)), why, traceparent: None, order };
        let subject = <StaffCommand<T> as Request>::ENTRY.subject();
        let reply = self.console.request(subject, serde_json::to_vec(&command).unwrap().into()).await.unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }
    fn why(&self, token: Uuid, words: &str) -> Sealed {
        let key = PublicKeys::load(self.rt.keys_dir()).unwrap().get("identity").unwrap();
        seal_to(&key, token.as_bytes(), words.as_bytes()).unwrap()
    }
    async fn confirm(&self, case: CaseId, token: Uuid, papers: &str) -> StaffReply {
        let papers = codes(papers);
        self.order(token, self.why(token, MARKER), ConfirmIdentity { case, papers }).await
    }

    async fn state(&self, case: CaseId) -> Option<State> {
        let row: Option<serde_json::Value> =
            sqlx::query_scalar("select state from identity.verification where id = $1")
                .bind(case.0)
                .fetch_optional(&self.admin)
                .await
                .unwrap();
        row.map(|state| serde_json::from_value(state).unwrap())
    }
    async fn is(&self, case: CaseId, status: &str) {
        eventually(status, || async {
            let now = self.state(case).await.map(|s| Verification::status(&s).to_string());
            if now.as_deref() == Some(status) { Ok(()) } else { Err(now) }
        })
        .await;
    }
    async fn reasons(&self) -> Vec<(Uuid, Vec<u8>)> {
        sqlx::query_as("select cause, sealed from identity.staff_reason order by at, cause")
            .fetch_all(&self.admin)
            .await
            .unwrap()
    }
    async fn said(&self) -> Vec<&'static str> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("select body from identity.outbox order by seq").fetch_all(&self.admin).await.unwrap();
        rows.iter().map(|b| Envelope::decode(b).unwrap().1.entry().name).collect()
    }
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}
fn codes(words: &str) -> Vec<Code> {
    words.split_whitespace().map(|w| w.parse().unwrap()).collect()
}
fn done(case: CaseId, status: &'static str) -> StaffReply {
    StaffReply::Done { machine: case.0, status: Code::of(status), figures: vec![] }
}
fn refused(reason: &'static str) -> StaffReply {
    StaffReply::Refused { reason: Code::of(reason), at: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn papers_are_asked_for_completed_and_confirmed_and_every_order_keeps_its_reason_sealed() {
    let desk = Desk::open().await;
    let case = CaseId::new();
    assert_eq!(desk.confirm(case, Uuid::now_v7(), "drivers-licence").await, refused("too-early"));
    desk.verify(case, 16).await;
    desk.is(case, "pending").await;

    // Refused orders leave nothing behind.
    assert_eq!(desk.confirm(case, Uuid::now_v7(), "care-insurance-card").await, refused("missing-photo-id"));
    let moved = desk.why(Uuid::now_v7(), MARKER);
    let order = ConfirmIdentity { case, papers: codes("drivers-licence") };
    let at = Some(Code::of("why"));
    let reply = desk.order(Uuid::now_v7(), moved, order.clone()).await;
    assert_eq!(reply, StaffReply::Refused { reason: Code::of("why-unreadable"), at: at.clone() });
    let token = Uuid::now_v7();
    let reply = desk.order(token, desk.why(token, "  "), order).await;
    assert_eq!(reply, StaffReply::Refused { reason: Code::of("why-missing"), at });
    assert!(desk.reasons().await.is_empty());

    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let order = AskForCompletion { case, reasons: codes("photo-id") };
    assert_eq!(desk.order(first, desk.why(first, MARKER), order).await, done(case, "deficient"));
    assert_eq!(desk.confirm(case, second, "drivers-licence").await, done(case, "confirmed"));
    // The same form again: the same answer, nothing new.
    assert_eq!(desk.confirm(case, second, "drivers-licence").await, done(case, "confirmed"));
    assert_eq!(desk.said().await, ["IdentityDeficient", "IdentityConfirmed"]);

    let reasons = desk.reasons().await;
    assert_eq!(reasons.iter().map(|(cause, _)| *cause).collect::<Vec<_>>(), [first, second]);
    for (_, sealed) in &reasons {
        assert!(!String::from_utf8_lossy(sealed).contains("山田"));
        let opened =
            desk.vault.open(case.0, RecordClass::Evidence, b"identity.staff_reason.sealed", sealed).await.unwrap();
        assert_eq!(opened.text().unwrap().disclose(Purpose::ShowToStaff), MARKER);
    }
    // The history names the orders, and folding it gives the row.
    let rows: Vec<(Uuid, serde_json::Value)> =
        sqlx::query_as("select cause, event::jsonb from identity.history where machine = $1 order by version")
            .bind(case.0)
            .fetch_all(&desk.admin)
            .await
            .unwrap();
    assert_eq!(rows.iter().skip(1).map(|(cause, _)| *cause).collect::<Vec<_>>(), [first, second]);
    let events: Vec<Event> = rows.into_iter().map(|(_, e)| serde_json::from_value(e).unwrap()).collect();
    assert_eq!(Some(fold::<Verification>(State::None, &events)), desk.state(case).await);

    erased(&desk, case, &reasons[0].1).await;
}

/// Erasing the case ends the words of its orders: the rows go and the key is destroyed.
async fn erased(desk: &Desk, case: CaseId, sealed: &[u8]) {
    desk.say(case, CaseEnded { case, ended_as: EndedAs::Decided, at: now() }.into(), 64).await;
    desk.is(case, "closed").await;
    desk.say(case, CaseErased { case, at: now() }.into(), 80).await;
    desk.is(case, "erased").await;
    assert!(desk.reasons().await.is_empty());
    let opened = desk.vault.open(case.0, RecordClass::Evidence, b"identity.staff_reason.sealed", sealed).await;
    assert!(matches!(opened, Err(VaultError::Erased { .. })));
    assert_eq!(desk.confirm(case, Uuid::now_v7(), "drivers-licence").await, refused("case-erased"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_may_overtake_the_command_and_the_time_for_mending_runs_out_by_the_clock() {
    let desk = Desk::open().await;
    let (overtaken, slow) = (CaseId::new(), CaseId::new());
    desk.say(overtaken, CaseEnded { case: overtaken, ended_as: EndedAs::Withdrawn, at: now() }.into(), 32).await;
    desk.is(overtaken, "closed").await;
    desk.verify(overtaken, 16).await;
    desk.verify(slow, 16).await;
    desk.is(slow, "pending").await;
    assert_eq!(desk.confirm(overtaken, Uuid::now_v7(), "drivers-licence").await, refused("case-ended"));

    let token = Uuid::now_v7();
    let order = AskForCompletion { case: slow, reasons: codes("photo-id") };
    assert_eq!(desk.order(token, desk.why(token, "b"), order).await, done(slow, "deficient"));
    desk.house.clock.set("2026-06-15T23:59:59+09:00".parse().unwrap());
    let token = Uuid::now_v7();
    let order = AskForCompletion { case: slow, reasons: vec![] };
    assert_eq!(desk.order(token, desk.why(token, "b"), order).await, refused("reasons-1-to-20"));
    assert!(matches!(desk.state(slow).await, Some(State::Deficient { overdue: false, .. })));
    desk.house.clock.set("2026-06-16T00:00:00+09:00".parse().unwrap());
    desk.is(slow, "deficient-overdue").await;
    let token = Uuid::now_v7();
    let order = RejectIdentity { case: slow, reasons: codes("no-answer") };
    assert_eq!(desk.order(token, desk.why(token, "b"), order).await, done(slow, "rejected"));
}

/// A refused order may leave a key that seals nothing; the sweep removes it after a day, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_seal_nothing_are_swept() {
    let desk = Desk::open().await;
    let (kept, idle) = (CaseId::new(), CaseId::new());
    desk.verify(kept, 16).await;
    desk.is(kept, "pending").await;
    assert_eq!(desk.confirm(kept, Uuid::now_v7(), "my-number-card").await, done(kept, "confirmed"));
    assert_eq!(desk.confirm(idle, Uuid::now_v7(), "my-number-card").await, refused("too-early"));
    let bus = desk.rt.bus(contracts::Service::Identity).await.unwrap();
    let custody = Custody::open(&desk.rt, &bus).await.unwrap();
    let sealed = |cases: Vec<Uuid>| {
        let db = bus.db().clone();
        async move { Ok(chassis::reason::sealed_under(db.pool(), &cases).await?) }
    };
    assert_eq!(custody.sweep(desk.rt.clock().now(), &sealed).await.unwrap(), 0, "not within a day");
    let later = "2199-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(custody.sweep(later, &sealed).await.unwrap(), 1);
    assert!(desk.vault.existing_key(kept.0, RecordClass::Evidence).await.is_ok());
    assert!(matches!(desk.vault.existing_key(idle.0, RecordClass::Evidence).await, Err(VaultError::Missing(_))));
}
