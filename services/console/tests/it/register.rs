//! The register's pages: an entry as it stands, orders about it, and the look at who will be told before anything is sent.

use crate::{
    desk::{Browser, Desk},
    orders::other_end,
    story,
};
use contracts::{
    CaseId, Code, EntryId, InstructionId, Measure, RecipientId, RecipientKind, ReportOutcome, Scope, Service, StaffId,
    Transport, Uuid,
    register::{
        AttestReport, ChangeScope, ConfirmMatch, EntryChange, EntryDetail, EntryReply, RecipientAnswer, ShowEntry,
    },
    request::{ConfirmIdentity, Request, StaffCommand, StaffReply},
    standing::{EntryStanding, InstructionStanding, PreviewNotTold, PreviewStop, PreviewTold, StopPreview},
};
use serde::Serialize;
use testkit::eventually;

const WHY: &str = "asked by letter";

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn done(machine: Uuid, status: &'static str) -> Vec<u8> {
    json(&StaffReply::Done { machine, status: Code::of(status), figures: vec![] })
}

fn preview(labels: &[&'static str]) -> StopPreview {
    StopPreview {
        scope: Scope::Both,
        identified: true,
        suppliers: (2, 1),
        told: labels
            .iter()
            .map(|label| PreviewTold {
                label: Code::of(label),
                kind: RecipientKind::Contractor,
                transport: Transport::Nats,
                due: story::at(60),
                suspended: false,
            })
            .collect(),
        not_told: vec![PreviewNotTold {
            label: Code::of("some-hospital"),
            kind: RecipientKind::Hospital,
            why: Code::of("not-shown-to-be-its-own"),
        }],
    }
}

/// An entry with two confirmed reports, one that waits for staff, and one past due; an erasure waits for a second person.
fn detail(case: CaseId, version: i64, first: StaffId) -> EntryDetail {
    let one = |label: &'static str, n: u128| InstructionStanding {
        instruction: InstructionId(Uuid::from_u128(n)),
        recipient: RecipientId(Uuid::from_u128(n)),
        label: Code::of(label),
        measure: Measure::Stop,
        scope: Scope::Both,
        issued_at: story::at(0),
        due: story::at(60 * 24),
        received_at: None,
        acted_at: None,
        reported: None,
        confirmed: None,
        replaced_by: None,
        task: false,
        attested: None,
        counts: None,
    };
    let mut applied = one("did-it", 1);
    applied.received_at = Some(story::at(1));
    applied.acted_at = Some(story::at(2));
    applied.reported = Some((ReportOutcome::Applied, None, story::at(3)));
    applied.confirmed = Some((story::at(4), Code::of("automatic")));
    applied.counts = Some(Measure::Stop);
    let mut unable = one("cannot", 2);
    unable.reported = Some((ReportOutcome::Unreachable, Some(Code::of("act-19-2")), story::at(3)));
    unable.task = true;
    let mut never = one("never", 4);
    never.reported = unable.reported.clone();
    never.confirmed = Some((story::at(4), Code::of("staff")));
    never.counts = Some(Measure::Stop);
    EntryDetail {
        suspended_since: None,
        scope: Some(Scope::Both),
        blocked_since: Some(story::at(0)),
        final_since: Some(story::at(3)),
        withdrawn_at: None,
        changes: vec![EntryChange {
            version,
            kind: Code::of("stopped"),
            case,
            basis: Code::of("act-52-1-and-57-1"),
            scope: Some(Scope::Both),
            received_at: story::at(0),
            effective_at: story::at(0),
        }],
        suppliers: vec![(None, None), (Some(RecipientId(Uuid::from_u128(1))), Some(story::at(9)))],
        answers: vec![RecipientAnswer {
            label: Code::of("a-carrier"),
            measure: Measure::Stop,
            outcome: None,
            ground: None,
            reported_at: None,
            confirmed: None,
            due: story::at(0),
            waits_for: vec![Code::of("a-sub")],
        }],
        not_told: vec![(Code::of("a-user"), Code::of("users-learn-of-nobody"))],
        match_first: Some(first),
        match_confirmed: false,
        standing: Some(EntryStanding {
            status: Code::of("stopped"),
            case,
            measure: Some(Measure::Erase),
            erasure: Code::of("waits"),
            instructions: vec![applied, unable, one("late", 3), never],
        }),
    }
}

/// A stop that waits for its identity, on the case page.
async fn a_stop(desk: &Desk, browser: &Browser) -> CaseId {
    let case = CaseId(Uuid::now_v7());
    for (seq, machine, message) in story::stop(case).into_iter().take(3) {
        desk.say(seq, machine, &message).await;
    }
    eventually("the case and its entry are there", || async {
        let page = browser.get(&format!("/cases/{case}")).await;
        if page.body.contains("/register/") { Ok(()) } else { Err(page.status) }
    })
    .await;
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_shown_with_its_stages_its_three_parts_and_its_orders() {
    let desk = Desk::held(&[]).await;
    desk.clock().set(story::at(30 * 60));
    let browser = desk.signed_in().await;
    let case = a_stop(&desk, &browser).await;
    let entry = EntryId::derived(case.0, "entry");
    let me: Uuid = desk.one("select id from console.staff where login = 'admin'").await;
    let reply = EntryReply::Found(Box::new(detail(case, 5, StaffId(me))));
    other_end(&desk, Service::OptOut, ShowEntry::ENTRY.subject(), vec![json(&reply), json(&EntryReply::Unknown)]).await;
    let page = browser.get(&format!("/register/{entry}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in [
        "Stopped, reports awaited",
        &story::number(9).to_string(),
        "Act art. 52(1) and 57(1) (both)",
        "<span class=\"stage settled\">",
        "(automatic)",
        "<span class=\"stage overdue\">",
        "30 h",
        "<li>never: Already made and unreachable (Act art. 19(2): matching is forbidden)</li>",
        // What waits for staff is no answer yet.
        "<li>cannot: Stop <span",
        "waits for you",
        "a-carrier: Stop – a-sub",
        "/duties/",
        "a-user: users learn of nobody (Act art. 42(2))",
        "does not have it yet",
        "You have confirmed it. Another person has to.",
        "No order lifts a final stop.",
    ] {
        page.has(text);
    }
    for order in [
        "confirm-match",
        "change-scope",
        "correct-identifiers",
        "withdraw-stop",
        "suspend-use",
        "hospital-received",
        "attest-report",
    ] {
        page.has(&format!("/register/{entry}/{order}"));
    }
    assert!(!page.body.contains("/found-at"), "there is no hospital to choose");
    assert_eq!(browser.get(&format!("/register/{entry}")).await.status, 404);
    assert_eq!(browser.get("/register/not-an-id").await.status, 400);
}

/// Nothing goes out before it was looked at; when the list changed meanwhile it is shown again, and a form that is older than
/// the entry's last change is not taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_scope_is_looked_at_first_and_an_old_form_is_not_taken() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let case = a_stop(&desk, &browser).await;
    let entry = EntryId::derived(case.0, "entry");
    let csrf = browser.get("/cases").await.csrf();
    let stands = json(&EntryReply::Found(Box::new(detail(case, 5, StaffId::new()))));
    other_end(&desk, Service::OptOut, ShowEntry::ENTRY.subject(), vec![stands; 5]).await;
    let answers = [preview(&["a", "b"]), preview(&["a"]), preview(&["a"])];
    let mut asked =
        other_end(&desk, Service::OptOut, PreviewStop::ENTRY.subject(), answers.iter().map(json).collect()).await;
    let subject = <StaffCommand<ChangeScope> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![done(entry.0, "stopped")]).await;

    let (number, token) = (story::number(9).to_string(), Uuid::now_v7().to_string());
    let form = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let mut all = vec![("csrf", csrf.as_str()), ("token", &token), ("why", WHY), ("scope", "anonymised")];
        all.extend([("basis", "act-52-1"), ("number", &number)]);
        all.extend(more);
        all.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    };
    let path = format!("/register/{entry}/change-scope");
    let post = |fields: Vec<(String, String)>| {
        let (browser, path) = (&browser, &path);
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            browser.post(path, &fields).await
        }
    };
    let old = post(form(&[("version", "4")])).await;
    assert_eq!(old.status, 409);
    old.has("changed after this page was opened");

    let look = post(form(&[("version", "5")])).await;
    assert_eq!(look.status, 200);
    for text in ["Nothing has been sent", "Told (2)", "some-hospital", "not shown to have this person&#39;s data"] {
        look.has(text);
    }
    let question: PreviewStop = serde_json::from_slice(&asked.recv().await.unwrap()).unwrap();
    assert_eq!((question.entry, question.scope, question.everybody), (Some(entry), Some(Scope::Anonymised), true));
    assert_eq!(look.hidden("version"), "5", "the form goes on with what it had");

    let seen = look.hidden("seen");
    let changed = post(form(&[("version", "5"), ("seen", &seen)])).await;
    changed.has("The recipients have changed since you looked");
    changed.has("Told (1)");
    assert!(sent.try_recv().is_err(), "nothing was ordered");
    let seen = changed.hidden("seen");
    let answer = post(form(&[("version", "5"), ("seen", &seen)])).await;
    answer.has("The tracks of the stop are changed.");
    let order: StaffCommand<ChangeScope> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!((order.order.case, order.order.scope), (case, Scope::Anonymised));
    assert_eq!(order.order.received_at, story::at(0), "the arrival at the desk is that of the change's case");

    let unknown = form(&[("version", "5")])
        .into_iter()
        .map(|(n, v)| if n == "number" { (n, story::number(1).to_string()) } else { (n, v) })
        .collect();
    post(unknown).await.has("the change needs a case of its own first");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirming_the_identity_of_a_stop_shows_first_who_will_be_told() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::Identity);
    let browser = desk.signed_in().await;
    let case = a_stop(&desk, &browser).await;
    let page = browser.get(&format!("/cases/{case}")).await;
    page.has("Look at who will be told");
    let subject = <StaffCommand<ConfirmIdentity> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::Identity, subject, vec![done(case.0, "confirmed"); 2]).await;
    let (csrf, token) = (page.csrf(), page.hidden("token"));
    let path = format!("/cases/{case}/order/confirm-identity");
    let form = [("csrf", csrf.as_str()), ("token", &token), ("papers", "drivers-licence"), ("why", WHY)];

    // Nobody answers: it can be said again, or gone on with by choice.
    let away = browser.post(&path, &form).await;
    assert_eq!((away.status, away.hidden("seen").as_str()), (503, "away"));
    away.has("You may go on without looking.");
    let mut asked =
        other_end(&desk, Service::OptOut, PreviewStop::ENTRY.subject(), vec![json(&preview(&["a", "b"])); 2]).await;
    let look = browser.post(&path, &form).await;
    look.has("Told (2)");
    look.has("2, of which 1 are recipients");
    let question: PreviewStop = serde_json::from_slice(&asked.recv().await.unwrap()).unwrap();
    assert_eq!(question.entry, Some(EntryId::derived(case.0, "entry")));
    assert!(sent.try_recv().is_err(), "nothing was ordered");
    let seen = look.hidden("seen");
    let mut all = form.to_vec();
    all.push(("seen", &seen));
    browser.post(&path, &all).await.has("The identity is confirmed.");
    let order: StaffCommand<ConfirmIdentity> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!(order.order.papers, [Code::of("drivers-licence")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_two_people_says_so_and_a_paper_needs_its_ground() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let csrf = browser.get("/cases").await.csrf();
    let (entry, instruction) = (Uuid::now_v7(), InstructionId::new());
    let subject = <StaffCommand<ConfirmMatch> as Request>::ENTRY.subject();
    let replies = vec![done(entry, "awaits-second-person"), done(entry, "stopped")];
    other_end(&desk, Service::OptOut, subject, replies).await;
    let token = Uuid::now_v7().to_string();
    let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY)];
    let path = format!("/register/{entry}/confirm-match");
    assert_eq!(browser.post(&path, &form).await.status, 422, "it cannot be taken back, so it needs a second sign");
    let mut sure = form.to_vec();
    sure.push(("sure", "yes"));
    browser.post(&path, &sure).await.has("A second person has to confirm it.");
    browser.post(&path, &sure).await.has("The instruction to erase goes out.");

    let subject = <StaffCommand<AttestReport> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![done(instruction.0, "awaits-second-person")]).await;
    let path = format!("/register/{entry}/attest-report");
    let id = instruction.to_string();
    let mut paper = form.to_vec();
    paper.extend([("instruction", id.as_str()), ("outcome", "exempt")]);
    let refused = browser.post(&path, &paper).await;
    assert_eq!(refused.status, 422);
    refused.has("need a ground");
    paper.push(("ground", "act-19-2"));
    browser.post(&path, &paper).await.has("A second person has to confirm it.");
    let order: StaffCommand<AttestReport> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!((order.order.instruction, order.order.outcome), (instruction, ReportOutcome::Exempt));
    assert_eq!(browser.post(&format!("/register/{entry}/lift"), &form).await.status, 404, "no order lifts a stop");
}

/// Where services run apart nobody here may read what the others keep: the page says so, and nothing is written down as taken.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_maker_of_evidence_files_the_page_says_where_they_are_made() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    let case = a_stop(&desk, &browser).await;
    let page = browser.get(&format!("/cases/{case}")).await;
    page.has("Export the person&#39;s copy");
    let csrf = page.csrf();
    let path = format!("/cases/{case}/evidence");
    let answer = browser.post(&path, &[("csrf", &csrf), ("copy", "full")]).await;
    assert_eq!(answer.status, 501);
    answer.has("madoguchi evidence export");
    assert_eq!(browser.post(&path, &[("csrf", &csrf), ("copy", "both")]).await.status, 422);
    let unknown = format!("/cases/{}/evidence", Uuid::now_v7());
    assert_eq!(browser.post(&unknown, &[("csrf", &csrf), ("copy", "full")]).await.status, 404);
    assert_eq!(desk.one::<i64>("select count(*) from console.view_audit").await, 0);
}
