//! What staff are shown: an entry with the stages of its instructions, whom a change would go to, and the gate's pages.

use crate::{
    desk::Desk,
    gate::{asker, serving, stopped},
};
use chassis::{Cause, Home};
use contracts::{
    Code, Digest, EntryId, InstructionId, Measure, RecipientKind, ReportOutcome, Scope, Sealed, Service, StaffId,
    Timestamp, Transport, Uuid,
    gate::ListReviews,
    gate_desk::{ListFilings, ListGateRuns, ReviewReply, ShowReview},
    recipient::ReportStage,
    register::{AttestReport, EntryReply, ListTasks, ShowEntry},
    request::{ListRecipients, StaffReply},
    standing::{EntryStanding, PreviewStop, StopPreview},
};
use opt_out_propagation::{
    instruction::{self, Instruction},
    rows::InstructionRows,
};
use privacy::{Purpose, ServiceKey};
use recipient_kit::RecipientKeys;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

async fn standing(desk: &Desk, entry: EntryId) -> EntryStanding {
    match desk.ask(&ShowEntry { entry }).await {
        EntryReply::Found(detail) => detail.standing.unwrap(),
        EntryReply::Unknown => panic!("unknown"),
    }
}

async fn says(desk: &Desk, instruction: InstructionId, stage: ReportStage) {
    let home: Home<Instruction> = Home::with_rows(&desk.bus, Arc::new(InstructionRows));
    let input = instruction::Input::ReportVerified { stage, report: Digest([1; 32]), at: Timestamp::now() };
    assert!(home.handle(instruction.0, Cause::Person(Uuid::now_v7()), input).await.unwrap().is_done());
}

/// A recipient of a kind; by file or pull, so that nothing is sent.
async fn joins(desk: &Desk, label: &str, kind: RecipientKind, organisation: Option<&str>) {
    let keys = RecipientKeys::random().unwrap();
    let mut order = desk.by_webhook(label, &keys, "http://127.0.0.1:9/");
    (order.kind, order.transport, order.url) = (kind, Transport::Pull, None);
    if kind != RecipientKind::Contractor {
        (order.certification, order.contract) = (None, None);
    }
    order.organisation = organisation.map(|name| desk.sealed(order.recipient.0, name));
    let done = desk.register(order).await;
    assert!(matches!(done, StaffReply::Done { .. }), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_shows_every_instruction_with_the_time_of_each_stage() {
    let desk = Desk::serving().await;
    for label in ["one", "two"] {
        joins(&desk, label, RecipientKind::Contractor, None).await;
    }
    let entry = desk.stop("ヤマダ").await;
    let fresh = testkit::eventually("two instructions", || async {
        let standing = standing(&desk, entry).await;
        if standing.instructions.len() == 2 { Ok(standing) } else { Err(standing.instructions.len()) }
    })
    .await;
    assert_eq!((fresh.status.as_str(), fresh.erasure.as_str()), ("stopped", "not-asked"));
    assert_eq!(fresh.measure, Some(Measure::Stop));
    let [one, two] = &fresh.instructions[..] else { panic!() };
    let now = desk.bus.clock().now();
    assert_eq!((one.label.as_str(), one.stage(now), one.scope), ("one", "issued", Scope::Both));
    says(&desk, one.instruction, ReportStage::Received).await;
    says(&desk, one.instruction, ReportStage::Acted).await;
    let said = |n: usize| {
        let desk = &desk;
        async move { standing(desk, entry).await.instructions[n].clone() }
    };
    let acting = said(0).await;
    assert_eq!(acting.stage(now), "acted");
    assert!(acting.received_at.unwrap() <= acting.acted_at.unwrap());
    says(&desk, one.instruction, ReportStage::Reported { outcome: ReportOutcome::CannotIdentify, ground: None }).await;
    let waits = said(0).await;
    assert_eq!((waits.stage(now), waits.task), ("reported", true));
    assert_eq!(waits.reported.unwrap().0, ReportOutcome::CannotIdentify);
    assert_eq!(desk.ask(&ListTasks {}).await.tasks.len(), 1);

    // A paper that one person has read, and then another.
    let (first, second) = (StaffId::new(), StaffId::new());
    let paper = AttestReport { instruction: two.instruction, outcome: ReportOutcome::Applied, ground: None };
    desk.order(first, paper.clone()).await;
    assert_eq!(said(1).await.attested, Some((first, Code::of("applied"))));
    desk.order(second, paper).await;
    let settled = said(1).await;
    assert_eq!((settled.stage(now), settled.attested), ("settled", None));
    assert_eq!(settled.confirmed.unwrap().1.as_str(), "attested");
    assert!(matches!(desk.ask(&ShowEntry { entry: EntryId::new() }).await, EntryReply::Unknown));
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}

/// What is shown before a stop is ordered is what happens when it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_names_those_who_are_told_and_why_others_are_not_and_changes_nothing() {
    let desk = Desk::serving().await;
    joins(&desk, "a-contractor", RecipientKind::Contractor, None).await;
    joins(&desk, "b-user", RecipientKind::User, None).await;
    joins(&desk, "c-hospital", RecipientKind::Hospital, Some("みどり病院")).await;
    joins(&desk, "d-hospital", RecipientKind::Hospital, Some("あかね病院")).await;
    let preview = |entry, scope| {
        let desk = &desk;
        async move { desk.ask(&PreviewStop { entry, scope, measure: Measure::Stop, everybody: false }).await }
    };
    let told = |view: &StopPreview| view.told.iter().map(|t| t.label.to_string()).collect::<Vec<_>>();
    let not =
        |view: &StopPreview| view.not_told.iter().map(|n| (n.label.to_string(), n.why.to_string())).collect::<Vec<_>>();
    let unknown = preview(None, None).await;
    assert_eq!((unknown.scope, unknown.identified, unknown.suppliers), (Scope::Both, false, (0, 0)));
    assert_eq!(told(&unknown), ["a-contractor"], "which hospitals are told is not known yet");

    let entry = desk.stop("ヤマダ").await;
    let silent = preview(Some(entry), None).await;
    assert_eq!(told(&silent), ["a-contractor"], "hospitals are told with consent only");
    desk.consents(entry).await;
    let view = preview(Some(entry), None).await;
    assert_eq!((view.identified, view.suppliers), (true, (1, 1)));
    assert_eq!(told(&view), ["a-contractor", "c-hospital"]);
    let own = "not-shown-to-be-its-own".to_owned();
    assert_eq!(not(&view), [("b-user".into(), "users-learn-of-nobody".into()), ("d-hospital".into(), own)]);
    assert!(view.told[0].due > desk.bus.clock().now());

    let really = testkit::eventually("the fan-out", || async {
        let standing = standing(&desk, entry).await;
        let mut labels: Vec<String> = standing.instructions.iter().map(|i| i.label.to_string()).collect();
        labels.sort();
        if labels.len() == 2 { Ok(labels) } else { Err(labels) }
    })
    .await;
    assert_eq!(really, told(&view), "those who were shown are those who are told");
    // One fan-out or two: consent may come before or after the first.
    let unheard = "select count(*) from outbox o where subject like 'evt.optout.change-fanned-out.%'
        and not exists (select from inbox i where i.id = o.id and i.state = 'done')";
    testkit::eventually("the entry knows of its instructions", || async {
        let open = desk.count(unheard).await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    let before = desk.count("select count(*) from history").await;
    preview(Some(entry), Some(Scope::Anonymised)).await;
    assert_eq!(desk.count("select count(*) from history").await, before, "a look changes nothing");
    assert_eq!(desk.ask(&ListRecipients {}).await.recipients.len(), 4);
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_possible_match_is_given_to_the_console_only_sealed_until_it_is_decided() {
    let desk = serving().await;
    // The console's key: its secret half is made here as the console makes it.
    let console = ServiceKey::load_or_create(desk.rt.keys_dir(), Service::Console.token()).unwrap();
    let who = asker(&desk, "one").await;
    let entry = stopped(&desk).await;
    let row = json!({ "kana": "ヤマダハナコ", "birth-date": "1980-02-29", "name": "山田華子" });
    who.check(json!({ "flow": "build", "track": "both", "rows": [row] })).await;
    let review = desk.ask(&ListReviews {}).await.reviews[0].review;
    let ask = ShowReview { review, staff: StaffId::new(), cause: Uuid::now_v7() };
    let ReviewReply::Found(detail) = desk.ask(&ask).await else { panic!() };
    assert_eq!((detail.row.entry, detail.row.key.as_str(), detail.first), (entry, "kana-birth", None));
    let open = |sealed: &Sealed, aad: Uuid| console.open(aad.as_bytes(), &sealed.0);
    assert!(open(&detail.found, Uuid::now_v7()).is_err(), "bound to the review");
    let values = |sealed: &Sealed| -> Value {
        serde_json::from_slice(open(sealed, review).unwrap().disclose(Purpose::ShowToStaff)).unwrap()
    };
    assert_eq!(values(&detail.found)["name"], "山田華子");
    assert_eq!(values(&detail.stopped)["kana"], "ヤマダ　ハナコ");
    assert_eq!(values(&detail.stopped)["folded"]["kana"], values(&detail.found)["kana"], "a blank is no difference");
    assert_eq!(values(&detail.stopped)["folded"]["name"], "山田花子");
    let bytes = serde_json::to_vec(&detail).unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("山田"), "no value crosses the bus in the clear");
    let unknown = ShowReview { review: Uuid::now_v7(), ..ask };
    assert!(matches!(desk.ask(&unknown).await, ReviewReply::Unknown));

    who.post(
        "/partner/v1/gate/file?flow=build&track=both&mode=remove",
        "text/csv",
        "カナ氏名,生年月日,性別\nヤマダハナコ,1980-02-29,2\n",
    )
    .await
    .text()
    .await
    .unwrap();
    let run = testkit::eventually("the run is complete", || async {
        let runs = desk.ask(&ListGateRuns {}).await.runs;
        runs.iter().find(|r| r.counts == Some([1, 0, 1, 0, 0, 0])).cloned().ok_or(runs)
    })
    .await;
    assert_eq!((run.outcome.unwrap().as_str(), run.flow.as_str()), ("complete", "build"));
    assert_eq!(run.findings, [(2, Code::of("exact"), Some(entry))]);
    assert!(desk.ask(&ListFilings {}).await.filings.is_empty());
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}
