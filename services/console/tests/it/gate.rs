//! The gate's pages: possible matches with both people's values on one page only, filings, checks; and the tasks.

use crate::{desk::Desk, orders::other_end, story};
use contracts::{
    Code, EntryId, RecipientId, RecipientKind, Scope, Service, Transport, Uuid,
    gate::{
        DecideReview, GateIncident, GateIncidentList, KeepFiling, ListGateIncidents, ListReviews, ReviewList, ReviewRow,
    },
    gate_desk::{
        FilingList, FilingRow, GateRunList, GateRunRow, ListFilings, ListGateRuns, ReviewDetail, ReviewReply,
        ShowReview,
    },
    register::{ListTasks, TaskList, TaskRow},
    request::{ListRecipients, RecipientList, RecipientRow, Request, StaffCommand, StaffReply},
};
use privacy::Purpose;
use serde::Serialize;

const NAME: &str = "山田華子";
const WHY: &str = "the addresses are the same";

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn row(review: Uuid) -> ReviewRow {
    ReviewRow {
        review,
        entry: EntryId::new(),
        key: Code::of("kana-birth"),
        flow: Code::of("build"),
        asker: Code::of("fulfilment"),
        since: story::at(0),
        looked: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_possible_match_is_shown_after_it_was_written_down_who_looks_and_two_people_decide() {
    let desk = Desk::start(&[]).await;
    let optout = desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let review = Uuid::now_v7();
    let list = ReviewList { reviews: vec![row(review)] };
    let incident = GateIncident {
        article: None,
        incident: Uuid::now_v7(),
        flow: Code::of("hospital-supply"),
        supplier: Some(Code::of("1312345678")),
        file: Code::of("file-7"),
        line: 42,
        entry: Some(EntryId::new()),
        asker: Code::of("intake"),
        at: story::at(1),
    };
    other_end(&desk, Service::OptOut, ListReviews::ENTRY.subject(), vec![json(&list)]).await;
    let incidents = GateIncidentList { incidents: vec![incident] };
    other_end(&desk, Service::OptOut, ListGateIncidents::ENTRY.subject(), vec![json(&incidents)]).await;
    let page = browser.get("/gate").await;
    for text in ["kana and date of birth", "Fulfilment", "supply by a hospital", "1312345678", "file-7", "42"] {
        page.has(text);
    }
    assert!(!page.body.contains(NAME));
    let csrf = page.csrf();
    let show = format!("/gate/reviews/{review}/show");
    // The look is written down although nobody answers: it was written first.
    assert_eq!(browser.post(&show, &[("csrf", &csrf)]).await.status, 503);
    assert_eq!(desk.one::<i64>("select count(*) from console.view_audit where purpose = 'gate-review'").await, 1);

    let public = desk.key(Service::Console).public();
    let seal =
        |aad: &[u8], values: serde_json::Value| privacy::seal_to(&public, aad, values.to_string().as_bytes()).unwrap();
    let found = serde_json::json!({"kana": "ヤマダハナコ", "name": NAME, "birth-date": "1980-02-29"});
    let stopped = serde_json::json!({"kana": "ヤマダハナコ", "name": "山田花子", "birth-date": "1980-02-29",
        "folded": {"kana": "ヤマダハナコ", "name": "山田花子", "birth-date": "1980-02-29"}});
    let detail = |aad: &[u8]| {
        let (found, stopped) = (seal(aad, found.clone()), seal(aad, stopped.clone()));
        ReviewReply::Found(Box::new(ReviewDetail { row: row(review), first: None, found, stopped }))
    };
    let replies = [detail(review.as_bytes()), detail(b"elsewhere"), ReviewReply::Unknown, ReviewReply::Unreadable];
    let mut asked =
        other_end(&desk, Service::OptOut, ShowReview::ENTRY.subject(), replies.iter().map(json).collect()).await;
    let page = browser.post(&show, &[("csrf", &csrf)]).await;
    assert_eq!((page.status, page.headers["cache-control"].to_str().unwrap()), (200, "no-store"));
    for text in [NAME, "山田花子", "differs", "1980-02-29", "It is the same person"] {
        page.has(text);
    }
    let question: ShowReview = serde_json::from_slice(&asked.recv().await.unwrap()).unwrap();
    let cause: Uuid = desk.one("select id from console.view_audit order by at desc, id desc limit 1").await;
    assert_eq!((question.review, question.cause), (review, cause));
    assert_eq!(browser.post(&show, &[("csrf", &csrf)]).await.status, 503, "sealed for another place");
    assert_eq!(browser.post(&show, &[("csrf", &csrf)]).await.status, 404, "decided meanwhile");
    assert_eq!(browser.post(&show, &[("csrf", &csrf)]).await.status, 503, "its key is gone");

    let subject = <StaffCommand<DecideReview> as Request>::ENTRY.subject();
    let done = StaffReply::Done { machine: review, status: Code::of("waits-for-another-person"), figures: vec![] };
    let refused = StaffReply::Refused { reason: Code::of("needs-another-person"), at: None };
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![json(&done), json(&refused)]).await;
    let token = page.hidden("token");
    let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY)];
    browser.post(&format!("/gate/reviews/{review}/other"), &form).await.has("Another person has to say the same.");
    let bytes = sent.recv().await.unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("addresses"), "the why crosses NATS sealed only");
    let order: StaffCommand<DecideReview> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((order.order.review, order.order.same), (review, false));
    let why = optout.open(order.token.as_bytes(), &order.why.0).unwrap();
    assert_eq!(why.disclose(Purpose::ShowToStaff), WHY.as_bytes());
    let again = browser.post(&format!("/gate/reviews/{review}/same"), &form).await;
    assert_eq!(again.status, 422);
    again.has("You have said it already");
    assert_eq!(browser.post(&format!("/gate/reviews/{review}/perhaps"), &form).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn filings_go_out_sealed_and_checks_are_shown_with_their_counts() {
    let desk = Desk::start(&[]).await;
    let optout = desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let filing = FilingRow {
        supplier: Code::of("1312345678"),
        track: Scope::Anonymised,
        number: Code::of("h-12"),
        filed_on: "2026-04-01".parse().unwrap(),
        published_on: None,
        starts_on: "2026-05-01".parse().unwrap(),
        notice_days: 30,
        ended_on: None,
        at: story::at(0),
    };
    let list = FilingList { filings: vec![filing] };
    other_end(&desk, Service::OptOut, ListFilings::ENTRY.subject(), vec![json(&list)]).await;
    let page = browser.get("/gate/filings").await;
    page.has("h-12");
    page.has("not published");
    let (csrf, token) = (page.csrf(), page.hidden("token"));
    let mut form = vec![("csrf", csrf.as_str()), ("token", &token), ("why", WHY), ("called", "架空総合病院")];
    form.extend([("supplier", "1312345678"), ("track", "anonymised"), ("number", "h-13")]);
    form.extend([("filed_on", "2026-06-01"), ("starts_on", "2026-07-01"), ("notice_days", "30")]);
    let subject = <StaffCommand<KeepFiling> as Request>::ENTRY.subject();
    let done = StaffReply::Done { machine: Uuid::now_v7(), status: Code::of("filed"), figures: vec![] };
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![json(&done)]).await;
    browser.post("/gate/filings", &form).await.has("The filing is recorded.");
    let bytes = sent.recv().await.unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("架空"), "the hospital's name crosses NATS sealed only");
    let order: StaffCommand<KeepFiling> = serde_json::from_slice(&bytes).unwrap();
    let opened = optout.open(order.token.as_bytes(), &order.order.filing.0).unwrap();
    let opened: serde_json::Value = serde_json::from_slice(opened.disclose(Purpose::EnterRegister)).unwrap();
    assert_eq!((&opened["called"], &opened["filed_on"]), (&"架空総合病院".into(), &"2026-06-01".into()));
    form.retain(|(name, _)| *name != "filed_on");
    let refused = browser.post("/gate/filings", &form).await;
    assert_eq!(refused.status, 422);
    refused.has("Fill in the day of the filing.");

    let run = GateRunRow {
        run: Uuid::now_v7(),
        asker: Code::of("intake"),
        flow: Code::of("hospital-supply"),
        track: Scope::Anonymised,
        supplier: Some(Code::of("1312345678")),
        begun_at: story::at(0),
        ended_at: Some(story::at(1)),
        position: 77,
        outcome: Some(Code::of("complete")),
        counts: Some([1000, 998, 1, 1, 0, 0]),
        findings: vec![(42, Code::of("exact"), Some(EntryId::new()))],
    };
    other_end(&desk, Service::OptOut, ListGateRuns::ENTRY.subject(), vec![json(&GateRunList { runs: vec![run] })])
        .await;
    let page = browser.get("/gate/runs").await;
    for text in ["complete", "rows <b>1000</b>", "stopped <b>1</b>", "Line 42: stopped", "Intake", "77"] {
        page.has(text);
    }
    assert!(!page.body.contains("bad <b>"), "what is nought is left out");
    browser.get("/gate/runs").await.has("does not answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_stand_in_a_list_of_their_own_and_the_alarm_on_the_front_page() {
    let desk = Desk::held(&[]).await;
    let browser = desk.signed_in().await;
    let recipient = RecipientId::new();
    let late = RecipientRow {
        recipient,
        label: Code::of("b"),
        kind: RecipientKind::Contractor,
        transport: Transport::Pull,
        last: 9,
        open: 5,
        oldest_open: Some(story::at(0)),
        status: Code::of("active"),
        overdue: 4,
        missing: vec![],
    };
    let list = json(&RecipientList { recipients: vec![late] });
    other_end(&desk, Service::OptOut, ListRecipients::ENTRY.subject(), vec![list; 2]).await;
    let entry = EntryId::new();
    let task = |kind: &'static str, due: i64| TaskRow {
        task: Uuid::now_v7(),
        kind: Code::of(kind),
        recipient,
        label: Code::of("b"),
        instruction: None,
        entry: Some(entry),
        outcome: Some(contracts::ReportOutcome::CannotIdentify),
        ground: None,
        since: story::at(0),
        due: story::at(due),
    };
    let tasks = TaskList { tasks: vec![task("report", -1), task("erase-all", 60)] };
    other_end(&desk, Service::OptOut, ListTasks::ENTRY.subject(), vec![json(&tasks)]).await;
    other_end(
        &desk,
        Service::OptOut,
        ListReviews::ENTRY.subject(),
        vec![json(&ReviewList { reviews: vec![row(entry.0)] })],
    )
    .await;
    let front = browser.get("/cases").await;
    front.has(&format!("<a href=\"/recipients/{recipient}\">b has 4 past due.</a>"));
    let page = browser.get("/tasks").await;
    for text in ["b has 4 past due.", "Cannot identify", "everything is to be erased", "1 possible matches wait"] {
        page.has(text);
    }
    page.has(&format!("/register/{entry}"));
    assert_eq!(page.body.matches("class=\"late\">past due").count(), 1, "one is late, one is not");
    assert!(page.body.find("a report that does not close").unwrap() < page.body.find("everything is to").unwrap());
    browser.get("/tasks").await.has("does not answer");
}
