//! The book of arrivals, and requests that staff file from it.

use super::{person::ask, *};
use contracts::{
    ArrivalId, ArrivalOutcome, ArrivalState, Channel, Code, MailId, MailOutcome, PostalClass, Sealed, StaffId,
    arrival::{
        ArrivalReply, Fault, FileRequest, FiledFrom, HandOverSlip, ListArrivals, LogArrival, Pointer, SettleArrival,
        ShowArrival, ShowSlip, SlipReply, Written,
    },
    correspondence::SettleMail,
    request::{EraseCase, Request, StaffCommand, StaffReply, Withdraw},
};
use privacy::{Personal, seal_to};
use serde_json::{Value, json};

impl Desk {
    /// An order with something sealed in it.
    fn sealed_order<T>(&self, said: &Value, order: impl Fn(Sealed) -> T) -> StaffCommand<T> {
        let token = Uuid::now_v7();
        let key = ServiceKey::load_or_create(self.rt.keys_dir(), "intake").unwrap().public();
        let seal = |text: &str| seal_to(&key, token.as_bytes(), text.as_bytes()).unwrap();
        let order = order(seal(&said.to_string()));
        StaffCommand { token, staff: StaffId::new(), why: seal("山田標識から"), traceparent: None, order }
    }
    fn letter(&self, said: &Value) -> StaffCommand<LogArrival> {
        let arrived_at = self.house.clock.now() - jiff::SignedDuration::from_hours(24);
        self.sealed_order(said, |particulars| LogArrival {
            channel: Channel::Post,
            arrived_at,
            postal_class: Some(PostalClass::SimplyRegistered),
            postmarked_on: None,
            cash: false,
            particulars,
        })
    }
    async fn logged(&self, said: &Value) -> ArrivalId {
        let Written::Done { id } = ask(self, "console", &self.letter(said)).await else { panic!("not written") };
        ArrivalId(id)
    }
    fn filing(&self, from: FiledFrom, draft: &Value) -> StaffCommand<FileRequest> {
        self.sealed_order(draft, |draft| FileRequest { from, draft })
    }
    async fn arrival(&self, id: ArrivalId) -> (contracts::arrival::ArrivalRow, Option<Value>) {
        let asked = ShowArrival { id, staff: StaffId::new(), cause: Uuid::now_v7() };
        let ArrivalReply::Found { row, particulars } = ask(self, "console", &asked).await else { panic!("unknown") };
        (*row, particulars.map(|sealed| self.opened(id.0, &sealed)))
    }
    fn opened(&self, aad: Uuid, sealed: &Sealed) -> Value {
        let console = ServiceKey::load_or_create(self.rt.keys_dir(), "console").unwrap();
        let opened: Personal<Value> = console.open(aad.as_bytes(), &sealed.0).unwrap().json().unwrap();
        opened.disclose(Purpose::ShowToStaff).clone()
    }
    async fn slip(&self, case: CaseId) -> SlipReply {
        ask(self, "console", &ShowSlip { case, staff: StaffId::new(), cause: Uuid::now_v7() }).await
    }
    async fn settled(&self, id: ArrivalId, outcome: ArrivalOutcome, case: Option<CaseId>) -> String {
        let order = self.sealed_order(&json!({}), |_| SettleArrival { id, outcome, case });
        word(&ask(self, "console", &order).await)
    }
}

fn word(reply: &StaffReply) -> String {
    match reply {
        StaffReply::Done { status, .. } => status.to_string(),
        StaffReply::Refused { reason, .. } => reason.to_string(),
    }
}

fn refusal(written: &Written) -> String {
    match written {
        Written::Refused { reason } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

fn said() -> Value {
    json!({ "name": "山田標識", "telephone": "09000000001", "tracking": "123-45-67890-3", "words": "標識市架空町の者です。" })
}

fn draft(kind: Kind) -> Value {
    json!({ "kind": kind, "person": { "name": "山田標識", "kana": "やまだひょうしき", "birth_date": "1980-04-05",
        "address": "標識市架空町1-2-3" } })
}

async fn desk() -> Desk {
    let desk = Desk::open().await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "console").unwrap();
    desk
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_is_written_down_sealed_shown_and_settled() {
    let desk = desk().await;
    let order = desk.letter(&said());
    for _ in 0..2 {
        let written: Written = ask(&desk, "console", &order).await;
        assert_eq!(written, Written::Done { id: order.token }, "pressed twice, it is one");
    }
    let list = ask(&desk, "console", &ListArrivals::default()).await;
    assert_eq!((list.rows.len(), list.counts), (1, vec![(ArrivalState::Open, 1)]));
    let id = ArrivalId(order.token);
    let (row, shown) = desk.arrival(id).await;
    assert_eq!(row, list.rows[0]);
    assert_eq!((row.postal_class, row.arrived_at), (Some(PostalClass::SimplyRegistered), order.order.arrived_at));
    let shown = shown.unwrap();
    assert_eq!((&shown["tracking"], &shown["name"]), (&json!("12345678903"), &json!("山田標識")));

    assert_eq!(desk.settled(id, ArrivalOutcome::Case, None).await, "case-missing");
    assert_eq!(desk.settled(id, ArrivalOutcome::Request, None).await, "request-not-filed");
    assert_eq!(desk.settled(id, ArrivalOutcome::Returned, Some(CaseId::new())).await, "case-with-other-outcome");
    assert_eq!(desk.settled(id, ArrivalOutcome::Returned, None).await, "settled");
    assert_eq!(desk.settled(id, ArrivalOutcome::Returned, None).await, "settled", "pressed twice");
    assert_eq!(desk.settled(id, ArrivalOutcome::NoRequest, None).await, "arrival-settled-otherwise");
    let (row, shown) = desk.arrival(id).await;
    assert_eq!((row.state, row.outcome), (ArrivalState::Settled, Some(ArrivalOutcome::Returned)));
    assert_eq!(shown.unwrap()["why"], json!("山田標識から"), "what was done is shown with it");
    assert_eq!(
        refusal(&ask(&desk, "console", &desk.filing(FiledFrom::Arrival(id), &draft(Kind::Disclosure))).await),
        "arrival-settled-otherwise"
    );
    let all = desk.everything().await;
    assert!(!MARKERS.iter().any(|marker| all.contains(marker)), "everything is sealed");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_names_its_places_and_leaves_nothing_behind() {
    let desk = desk().await;
    let written: Written = ask(&desk, "console", &desk.letter(&json!({ "tracking": "123-45-67890-4" }))).await;
    let slip =
        Fault { pointer: Pointer::new("/tracking").unwrap(), code: Code::of("tracking-check-digit"), fill: None };
    assert_eq!(written, Written::Wrong { faults: vec![slip] });
    let unknown: Written = ask(&desk, "console", &desk.letter(&json!({ "colour": "red" }))).await;
    assert_eq!(refusal(&unknown), "words-unreadable");
    assert_eq!(desk.count("select count(*) from intake.arrival").await, 0);

    let id = desk.logged(&said()).await;
    let mut bad = draft(Kind::Correction);
    bad["person"]["birth_date"] = json!("1980-02-30");
    let written: Written = ask(&desk, "console", &desk.filing(FiledFrom::Arrival(id), &bad)).await;
    let Written::Wrong { faults } = written else { panic!("{written:?}") };
    let faults: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.pointer.as_str(), fault.code)).collect();
    assert_eq!(faults, ["/person/birth_date no-such-day", "/words words-required"]);
    for from in [FiledFrom::Arrival(ArrivalId::new()), FiledFrom::Mail(MailId::new())] {
        let written = ask(&desk, "console", &desk.filing(from, &draft(Kind::Disclosure))).await;
        assert!(["arrival-unknown", "mail-unknown"].contains(&&*refusal(&written)));
    }
    assert_eq!(
        desk.count("select (select count(*) from intake.cases) + (select count(*) from intake.desk_filing)").await,
        0
    );
    assert_eq!(desk.arrival(id).await.0.state, ArrivalState::Open);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_becomes_a_case_whose_clocks_began_when_it_arrived_and_whose_code_is_handed_over() {
    let desk = desk().await;
    let id = desk.logged(&said()).await;
    let order = desk.filing(FiledFrom::Arrival(id), &draft(Kind::Disclosure));
    let Written::Done { id: case } = ask(&desk, "console", &order).await else { panic!("not filed") };
    let case = CaseId(case);
    assert_eq!(ask(&desk, "console", &order).await, Written::Done { id: case.0 }, "pressed twice, it is one");
    let other = desk.filing(FiledFrom::Arrival(id), &draft(Kind::Disclosure));
    assert_eq!(refusal(&ask(&desk, "console", &other).await), "filed-already", "two members of staff, one letter");
    let state = desk.state(case).await.unwrap();
    let request = &state.file().unwrap().request;
    let (row, _) = desk.arrival(id).await;
    assert_eq!((request.channel, request.received_at), (Channel::Post, row.arrived_at));
    assert_eq!((row.outcome, row.case), (Some(ArrivalOutcome::Request), Some(case)));

    // A second wish in the same letter.
    let Written::Done { id: stop } =
        ask(&desk, "console", &desk.filing(FiledFrom::Arrival(id), &draft(Kind::ProvisionStop))).await
    else {
        panic!("not filed")
    };
    assert_ne!(stop, case.0);

    let SlipReply::Found { slip } = desk.slip(case).await else { panic!("no slip") };
    let slip = desk.opened(case.0, &slip);
    assert_eq!((&slip["name"], &slip["address"]), (&json!("山田標識"), &json!("標識市架空町1-2-3")));
    let code: AccessCode = slip["access_code"].as_str().unwrap().parse().unwrap();
    let key = CodeKey::derive(&code, slip["receipt_number"].as_str().unwrap());
    assert_eq!(key.public(), request.code_key, "the code on the slip opens the status page");
    let audit = "select count(*) from intake.audit where fields @> array['name', 'address'] and staff is not null";
    assert_eq!(desk.count(audit).await, 1);

    let hand_over = desk.sealed_order(&json!({}), |_| HandOverSlip { case });
    for _ in 0..2 {
        assert_eq!(word(&ask(&desk, "console", &hand_over).await), "handed-over");
    }
    assert!(matches!(desk.slip(case).await, SlipReply::HandedOver { .. }), "the desk knows the code no more");
    assert_eq!(
        desk.count("select count(*) from intake.desk_filing where code is not null").await,
        1,
        "that of the stop"
    );
    let unknown = desk.sealed_order(&json!({}), |_| HandOverSlip { case: CaseId::new() });
    assert_eq!(word(&ask(&desk, "console", &unknown).await), "slip-none");
    let all = desk.everything().await;
    assert!(!MARKERS.iter().any(|marker| all.contains(marker)), "everything is sealed");
    desk.close().await;
}

/// Duties row 15: with the case goes what it was filed from, and its code.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_case_takes_its_arrival_and_its_code_along() {
    let desk = desk().await;
    let id = desk.logged(&said()).await;
    let order = desk.filing(FiledFrom::Arrival(id), &draft(Kind::Disclosure));
    let Written::Done { id: case } = ask(&desk, "console", &order).await else { panic!("not filed") };
    let case = CaseId(case);
    for (reply, expected) in [
        (ask(&desk, "console", &desk.sealed_order(&json!({}), |_| Withdraw { case })).await, "withdrawn"),
        (ask(&desk, "console", &desk.sealed_order(&json!({}), |_| EraseCase { case })).await, "erased"),
    ] {
        assert_eq!(word(&reply), expected);
    }
    assert!(desk.arrival(id).await.1.is_none());
    assert!(matches!(desk.slip(case).await, SlipReply::Unknown));
    for gone in [
        "select count(*) from intake.arrival where sealed is not null or why is not null or erased_at is null",
        "select count(*) from intake.desk_filing where code is not null",
    ] {
        assert_eq!(desk.count(gone).await, 0, "{gone}");
    }
    let again = desk.filing(FiledFrom::Arrival(id), &draft(Kind::Deletion));
    assert_eq!(refusal(&ask(&desk, "console", &again).await), "case-erased");
    desk.close().await;
}

/// The database failed between keeping the form and opening the case: the same form goes on, another one after a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_was_left_half_done_is_gone_on_with() {
    let desk = Desk::held("2026-06-01T03:00:00Z").await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "console").unwrap();
    let id = desk.logged(&said()).await;
    let order = desk.filing(FiledFrom::Arrival(id), &draft(Kind::Disclosure));
    let db = &desk.admin;
    let admin = |sql: &'static str| async move { sqlx::query(sql).execute(db).await.map(drop).unwrap() };
    admin("alter table intake.cases add constraint away check (false) not valid").await;
    let client = desk.rt.nats("console").await.unwrap();
    let body = serde_json::to_vec(&order).unwrap();
    let inbox = client.new_inbox();
    client.publish_with_reply(StaffCommand::<FileRequest>::ENTRY.subject(), inbox, body.into()).await.unwrap();
    desk.counts("select count(*) from intake.person", 1).await;
    admin("alter table intake.cases drop constraint away").await;

    let mut changed = draft(Kind::Disclosure);
    changed["person"]["name"] = json!("山田別標識");
    let other = desk.filing(FiledFrom::Arrival(id), &changed);
    assert_eq!(refusal(&ask(&desk, "console", &other).await), "filed-already", "somebody is at it");
    desk.house.clock.set(desk.house.clock.now() + jiff::SignedDuration::from_secs(61));
    let Written::Done { id: case } = ask(&desk, "console", &other).await else { panic!("not filed") };
    let SlipReply::Found { slip } = desk.slip(CaseId(case)).await else { panic!("no slip") };
    assert_eq!(desk.opened(case, &slip)["name"], json!("山田別標識"), "the case has what the last form said");
    assert_eq!(refusal(&ask(&desk, "console", &order).await), "filed-already", "the first form comes too late");
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_becomes_a_case() {
    let desk = desk().await;
    let mail = desk.bring(b"From: marker@example.test\r\nMessage-ID: <1@example.test>\r\n\r\nplease\r\n").await;
    desk.read(mail).await;
    let settle = desk.sealed_order(&json!({}), |_| SettleMail { id: mail, outcome: MailOutcome::Request, case: None });
    assert_eq!(word(&ask(&desk, "console", &settle).await), "request-not-filed");
    let order = desk.filing(FiledFrom::Mail(mail), &draft(Kind::Disclosure));
    let Written::Done { id: case } = ask(&desk, "console", &order).await else { panic!("not filed") };
    let row = desk.mail(mail).await.row;
    assert_eq!((row.outcome, row.case), (Some(MailOutcome::Request), Some(CaseId(case))));
    let state = desk.state(CaseId(case)).await.unwrap();
    assert_eq!(state.file().unwrap().request.channel, Channel::Mail);
    assert_eq!(state.file().unwrap().request.received_at, row.received_at);
    desk.close().await;
}

#[test]
fn the_words_of_the_table_are_those_of_the_list() {
    let sql = include_str!("../../migrations/0105_arrivals.sql");
    let words = PostalClass::ALL.iter().map(|w| w.as_str()).chain(ArrivalOutcome::ALL.iter().map(|w| w.as_str()));
    for word in words.chain(ArrivalState::ALL.iter().map(|w| w.as_str())) {
        assert!(sql.contains(&format!("'{word}'")), "{word}");
    }
    assert!(<StaffCommand<FileRequest> as Request>::ENTRY.subject() == "req.intake.file");
}
