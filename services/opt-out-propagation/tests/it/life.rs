//! 通知先の一生: keys and endpoints that change, suspension, removal, late registration, contracts, tasks, two people.

use crate::desk::{Desk, contract, insert_recipient, refused};
use chassis::{Cause, Home};
use contracts::{
    CaseId, Code, Digest, EntryId, InstructionId, Measure, RecipientId, RecipientKind, ReportOutcome, Scope, Sealed,
    StaffId, Timestamp, Transport, Uuid,
    duty::{ConsentTo, RecordConsent},
    recipient::ReportStage,
    register::{
        AttestReport, Certification, Certify, ChangeEndpoint, ChangeScope, CloseTask, ConfirmMatch, EntryDetail,
        EntryReply, FoundAt, HospitalReceived, ListTasks, RecipientReply, RecipientView, RemoveRecipient,
        ResumeRecipient, ResumeUse, RotateKeys, ScanReturn, SetContract, ShowEntry, ShowRecipient, SuspendRecipient,
        SuspendUse, TaskRow, WithdrawStop,
    },
    request::StaffReply,
};
use opt_out_propagation::{
    entry,
    fanout::Pass,
    instruction::{self, Instruction},
    recipients::{By, find},
    rows::InstructionRows,
};
use recipient_kit::RecipientKeys;
use std::sync::Arc;

pub(crate) fn ok(reply: &StaffReply) {
    assert!(matches!(reply, StaffReply::Done { .. }), "{reply:?}");
}

pub(crate) fn no(reply: &StaffReply, why: &str) {
    assert_eq!(refused(reply).map(Code::as_str), Some(why));
}

impl Desk {
    /// A recipient that fetches: nothing is sent, everything stands in the ledger.
    pub(crate) async fn fetches(&self, label: &str) -> (RecipientId, RecipientKeys) {
        let keys = RecipientKeys::random().unwrap();
        let mut order = self.by_webhook(label, &keys, "http://127.0.0.1:9/");
        (order.transport, order.url) = (Transport::Pull, None);
        ok(&self.register(order.clone()).await);
        (order.recipient, keys)
    }
    pub(crate) async fn view(&self, recipient: RecipientId) -> RecipientView {
        match self.ask(&ShowRecipient { recipient }).await {
            RecipientReply::Found(view) => *view,
            RecipientReply::Unknown => panic!("unknown"),
        }
    }
    pub(crate) async fn detail(&self, entry: EntryId) -> EntryDetail {
        match self.ask(&ShowEntry { entry }).await {
            EntryReply::Found(detail) => *detail,
            EntryReply::Unknown => panic!("unknown"),
        }
    }
    /// The requester consents to having others told.
    pub(crate) async fn consents(&self, entry: EntryId) {
        let (to, text) = (ConsentTo::TellOthers, Code::of("consent-2026-04"));
        let order = RecordConsent { entry, to, given: true, at: Timestamp::now(), text };
        ok(&self.order(StaffId::new(), order).await);
    }
    async fn standing(&self) -> Vec<EntryId> {
        let entries = sqlx::query_scalar("select entry from register_entry order by entry");
        let entries: Vec<Uuid> = entries.fetch_all(self.bus.db().pool()).await.unwrap();
        entries.into_iter().map(EntryId).collect()
    }
    pub(crate) async fn tasks(&self) -> Vec<TaskRow> {
        self.ask(&ListTasks {}).await.tasks
    }
    pub(crate) async fn owed(&self, recipient: RecipientId, how_many: usize) -> Vec<InstructionId> {
        testkit::eventually("what is owed", || async {
            let owed: Vec<InstructionId> = self.view(recipient).await.owed.iter().map(|o| o.0).collect();
            if owed.len() == how_many { Ok(owed) } else { Err(owed.len()) }
        })
        .await
    }
    pub(crate) async fn reports(&self, instruction: InstructionId, outcome: ReportOutcome) {
        let home: Home<Instruction> = Home::with_rows(&self.bus, Arc::new(InstructionRows));
        let ground = outcome.needs_ground().then(|| Code::of("act-19-2"));
        let stage = ReportStage::Reported { outcome, ground };
        let input = instruction::Input::ReportVerified { stage, report: Digest([1; 32]), at: Timestamp::now() };
        assert!(home.handle(instruction.0, Cause::Person(Uuid::now_v7()), input).await.unwrap().is_done());
    }
    pub(crate) async fn erasure(&self, kana: &str) -> EntryId {
        let (case, entry) = (CaseId::new(), EntryId::new());
        self.enter(case, entry, kana, Measure::Erase).await;
        entry
    }
    /// The entry that an instruction is about.
    async fn view_of(&self, instruction: InstructionId) -> EntryId {
        let entry = sqlx::query_scalar("select entry from issued where instruction = $1").bind(instruction.0);
        EntryId(entry.fetch_one(self.bus.db().pool()).await.unwrap())
    }
    async fn gaps(&self) -> i64 {
        self.count(
            "select count(*) from (select max(position) m, count(*) n from delivery group by recipient) x where m <> n",
        )
        .await
    }
}

/// Registering after stops stand: in bounded batches, gapless, each once; hospitals of their own only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_that_comes_later_is_told_of_everything_that_stands() {
    let desk = Desk::serving().await;
    for n in 0..5 {
        let entry = desk.stop(&format!("ヤマダ ハナコ{}", "ア".repeat(n))).await;
        desk.confirmed(entry).await;
    }
    let (late, _) = desk.fetches("late").await;
    desk.owed(late, 5).await;
    assert_eq!(desk.gaps().await, 0);
    assert_eq!(desk.view(late).await.row.last, 5);
    // Then live.
    desk.stop("スズキ").await;
    desk.owed(late, 6).await;
    assert_eq!(desk.count("select count(*) from backlog").await, 0);
    assert_eq!(desk.count("select count(*) - count(distinct (recipient, entry)) from issued").await, 0);
    // A hospital: those who named it (every invented person names みどり病院), spelled as people do; another is told nothing.
    let keys = RecipientKeys::random().unwrap();
    let mut hospital = desk.by_webhook("midori", &keys, "http://127.0.0.1:9/");
    (hospital.kind, hospital.transport, hospital.url) = (RecipientKind::Hospital, Transport::Pull, None);
    hospital.organisation = Some(desk.sealed(hospital.recipient.0, "みどり病院"));
    ok(&desk.register(hospital.clone()).await);
    // Nobody consented: nobody is told of.
    for entry in desk.standing().await {
        assert_eq!(desk.detail(entry).await.not_told, [(Code::of("midori"), Code::of("no-consent-to-tell"))]);
        desk.consents(entry).await;
    }
    desk.owed(hospital.recipient, 6).await;
    let keys = RecipientKeys::random().unwrap();
    let mut other = desk.by_webhook("akane", &keys, "http://127.0.0.1:9/");
    (other.kind, other.transport, other.url) = (RecipientKind::Hospital, Transport::Pull, None);
    other.organisation = Some(desk.sealed(other.recipient.0, "あかね病院"));
    ok(&desk.register(other.clone()).await);
    let entry = desk.stop("タナカ").await;
    desk.consents(entry).await;
    desk.owed(hospital.recipient, 7).await;
    assert_eq!(desk.view(other.recipient).await.row.last, 0, "not shown to be its own");
    let not_told = desk.detail(entry).await.not_told;
    assert_eq!(not_told, [(Code::of("akane"), Code::of("not-shown-to-be-its-own"))]);
    // Found by a ticket later.
    let found = FoundAt { entry, recipient: other.recipient };
    ok(&desk.order(StaffId::new(), found).await);
    desk.owed(other.recipient, 1).await;
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// Rows 24, 25, M5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_certification_or_contract_nothing_is_sent_and_staff_see_why() {
    let desk = Desk::serving().await;
    let staff = StaffId::new();
    let keys = RecipientKeys::random().unwrap();
    let mut order = desk.by_webhook("bare", &keys, "http://127.0.0.1:9/");
    (order.transport, order.url, order.certification, order.contract) = (Transport::Pull, None, None, None);
    let mut lacking = contract();
    lacking.items.retain(|(item, _)| item.as_str() != "reports");
    no(
        &desk
            .register(contracts::request::RegisterRecipient { contract: Some(lacking.clone()), ..order.clone() })
            .await,
        "contract-lacks-reports",
    );
    ok(&desk.register(order.clone()).await);
    let entry = desk.stop("ヤマダ").await;
    desk.confirmed(entry).await;
    let view = desk.view(order.recipient).await;
    assert_eq!(view.row.missing, [Code::of("certification"), Code::of("contract")]);
    assert_eq!((view.row.last, view.row.open), (0, 0), "nothing is sent");
    assert_eq!(desk.detail(entry).await.not_told, [(Code::of("bare"), Code::of("certification"))]);
    let tag = desk.register.gate_tag("ヤマダ", "1980-02-29").unwrap();
    assert!(opt_out_propagation::person::is_blocked(desk.bus.db().pool(), &[tag], Scope::Both).await.unwrap());

    let recipient = order.recipient;
    no(&desk.order(staff, SetContract { recipient, contract: lacking }).await, "contract-lacks-reports");
    ok(&desk.order(staff, SetContract { recipient, contract: contract() }).await);
    let mut certification = crate::desk::certification();
    certification.parent = Some(recipient);
    no(&desk.order(staff, Certify { recipient, certification: certification.clone() }).await, "tiers-turn-in-a-circle");
    let certification = Certification { parent: None, ..certification };
    ok(&desk.order(staff, Certify { recipient, certification }).await);
    // Complete: now it is told of what stands.
    desk.owed(recipient, 1).await;
    assert!(desk.view(recipient).await.row.missing.is_empty());
    // A new version takes the old one's place; the instruction keeps its own.
    ok(&desk.order(staff, SetContract { recipient, contract: contract() }).await);
    assert_eq!(desk.view(recipient).await.contract.unwrap().0, 2);
    assert_eq!(desk.count("select count(*) from issued where contract = 1").await, 1);

    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_change_with_an_overlap_and_new_instructions_are_sealed_to_the_new_one() {
    let desk = Desk::serving().await;
    let (recipient, old) = desk.fetches("contractor").await;
    let (_, others) = desk.fetches("another").await;
    let new = RecipientKeys::random().unwrap();
    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    let rotate = |report: Vec<u8>, until| RotateKeys {
        recipient,
        report_key: Some(Sealed(report)),
        sealing_key: Some(Sealed(new.sealing_public().as_bytes().to_vec())),
        overlap_until: until,
    };
    let staff = StaffId::new();
    no(&desk.order(staff, rotate(others.report_public(), until)).await, "report-key-taken");
    let too_long = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24 * 91)).unwrap();
    no(&desk.order(staff, rotate(new.report_public(), too_long)).await, "overlap-too-long");
    ok(&desk.order(staff, rotate(new.report_public(), until)).await);
    let ids = |keys: &RecipientKeys| recipient_kit::key_id(&keys.report_public());
    for keys in [&old, &new] {
        let found = find(desk.bus.db().pool(), By::Key(&ids(keys))).await.unwrap().expect("both verify");
        assert_eq!((found.recipient, found.keys.len()), (recipient, 2));
    }
    desk.stop("ヤマダ").await;
    desk.owed(recipient, 1).await;
    let body: Vec<u8> = sqlx::query_scalar("select body from delivery where recipient = $1")
        .bind(recipient.0)
        .fetch_one(desk.bus.db().pool())
        .await
        .unwrap();
    let instruction = recipient_kit::apply::parse(&body).unwrap();
    let open = |keys| recipient_kit::identifiers::open(keys, instruction.id, &instruction.data.person).is_ok();
    assert!(open(&new) && !open(&old));
    // Once more, and the overlap is over at once: what was compromised verifies nothing.
    let third = RecipientKeys::random().unwrap();
    ok(&desk.order(staff, rotate(third.report_public(), Timestamp::now())).await);
    assert!(find(desk.bus.db().pool(), By::Key(&ids(&new))).await.unwrap().is_none());
    assert!(find(desk.bus.db().pool(), By::Key(&ids(&old))).await.unwrap().is_some(), "until its own date");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_endpoint_cancels_what_was_owed_and_issues_it_anew() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook("moving", &keys, "http://127.0.0.1:9/");
    ok(&desk.register(order.clone()).await);
    let recipient = order.recipient;
    desk.stop("ヤマダ").await;
    desk.stop("スズキ").await;
    let old = desk.owed(recipient, 2).await;
    let first = desk.view_of(old[0]).await;
    desk.reports(old[0], ReportOutcome::Applied).await;
    desk.confirmed(first).await;
    let change =
        ChangeEndpoint { recipient, transport: Transport::Letter, url: None, nats_user: None, nats_account: None };
    no(&desk.order(StaffId::new(), change.clone()).await, "no-letter-engine-yet");
    ok(&desk.order(StaffId::new(), ChangeEndpoint { transport: Transport::Pull, ..change }).await);
    let new = testkit::eventually("issued anew", || async {
        let owed: Vec<_> = desk.view(recipient).await.owed.iter().map(|o| o.0).collect();
        if owed.len() == 1 && owed != [old[1]] { Ok(owed[0]) } else { Err(owed) }
    })
    .await;
    assert_eq!(desk.view(recipient).await.row.last, 3, "what was settled is not issued again");
    assert_eq!(desk.gaps().await, 0);
    assert_eq!(desk.count("select count(*) from reissue where done_at is not null and new is not null").await, 1);
    let home: Home<Instruction> = Home::with_rows(&desk.bus, Arc::new(InstructionRows));
    let (_, state) = home.read(old[1].0).await.unwrap().unwrap();
    assert!(matches!(state, instruction::State::Replaced { by, .. } if by == new), "{state:?}");
    assert_eq!(
        desk.count("select count(*) from delivery d join endpoint e on e.id = d.endpoint where d.position = 3 and e.version = 2")
            .await,
        1
    );
    let enabled = desk.view(recipient).await.endpoints;
    assert_eq!(enabled, [(2, Transport::Pull, false), (1, Transport::Webhook, false)]);
    // The entry follows: it is confirmed with the report on the new one.
    let entry = desk.view_of(new).await;
    desk.reports(new, ReportOutcome::NoDataHeld).await;
    assert_eq!(desk.confirmed(entry).await, 1);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_recipient_keeps_everything_and_a_removed_one_gets_nothing_new() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook("sleeping", &keys, "http://127.0.0.1:9/");
    ok(&desk.register(order.clone()).await);
    let (recipient, staff) = (order.recipient, StaffId::new());
    no(&desk.order(staff, ResumeRecipient { recipient }).await, "recipient-is-active");
    ok(&desk.order(staff, SuspendRecipient { recipient }).await);
    no(&desk.order(staff, SuspendRecipient { recipient }).await, "recipient-is-suspended");
    desk.stop("ヤマダ").await;
    desk.owed(recipient, 1).await;
    // Nobody delivers: the endpoint is not to be leased.
    assert!(
        opt_out_propagation::engine::take(desk.bus.db(), Uuid::now_v7(), 0, std::time::Duration::from_secs(1))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(desk.count("select count(*) from attempt").await, 0, "parked, not dropped");
    ok(&desk.order(staff, ResumeRecipient { recipient }).await);
    testkit::eventually("it is tried", || async {
        let tried = desk.count("select count(*) from attempt").await;
        if tried > 0 { Ok(()) } else { Err(tried) }
    })
    .await;
    ok(&desk.order(staff, RemoveRecipient { recipient }).await);
    no(&desk.order(staff, RemoveRecipient { recipient }).await, "no-such-recipient-in-force");
    let entry = desk.stop("スズキ").await;
    assert_eq!(desk.confirmed(entry).await, 0, "no new instruction");
    let view = desk.view(recipient).await;
    assert_eq!((view.row.last, view.row.open, view.row.status.as_str()), (1, 1, "removed"));
    // What it owes is attested by two people: not by one, not with other words, not by the first again. The return form of a
    // letter is scanned in the same way.
    let form = opt_out_propagation::return_form::code_of(view.owed[0].0);
    let scan = |code| ScanReturn { code, outcome: ReportOutcome::Applied, ground: None };
    no(&desk.order(staff, scan(Code::of("r0193-0000"))).await, "return-code-misread");
    let attest = |outcome| AttestReport { instruction: view.owed[0].0, outcome, ground: None };
    ok(&desk.order(staff, attest(ReportOutcome::Applied)).await);
    no(&desk.order(staff, attest(ReportOutcome::Applied)).await, "second-person-needed");
    no(&desk.order(StaffId::new(), attest(ReportOutcome::NoDataHeld)).await, "first-person-said-otherwise");
    assert_eq!(desk.view(recipient).await.row.open, 1);
    ok(&desk.order(StaffId::new(), scan(form)).await);
    desk.owed(recipient, 0).await;
    assert_eq!(desk.count("select count(*) from issued where confirmed_by = 'attested'").await, 1);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// Rows 14 and 26: what does not close waits for staff; an erasure waits for two people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_two_people_and_a_report_that_says_why_not_for_staff() {
    let desk = Desk::serving().await;
    let (recipient, _) = desk.fetches("contractor").await;
    let entry = desk.erasure("ヤマダ").await;
    // The order of the trade: stop, freeze of current builds, erase.
    let stop = desk.owed(recipient, 2).await;
    let measures: Vec<Measure> = desk.view(recipient).await.owed.iter().map(|o| o.1).collect();
    assert_eq!(measures, [Measure::Stop, Measure::Suspend], "the stop does not wait, nor the freeze");
    desk.reports(stop[0], ReportOutcome::Applied).await;
    desk.reports(stop[1], ReportOutcome::Applied).await;
    desk.owed(recipient, 0).await;
    let (one, two) = (StaffId::new(), StaffId::new());
    let other = desk.stop("スズキ").await;
    let stop_of_other = desk.owed(recipient, 1).await;
    desk.reports(stop_of_other[0], ReportOutcome::Applied).await;
    no(&desk.order(one, ConfirmMatch { entry: other }).await, "no-erasure-asked");
    ok(&desk.order(one, ConfirmMatch { entry }).await);
    no(&desk.order(one, ConfirmMatch { entry }).await, "second-person-needed");
    // Nor by a program: the table itself refuses.
    let same = desk
        .bus
        .db()
        .write(|tx| {
            Box::pin(
                async move { Ok(sqlx::query("update two_people set second = first").execute(tx).await.map(drop)?) },
            )
        })
        .await
        .unwrap_err();
    assert_eq!(same.constraint(), Some("two_people_are_two"));
    assert_eq!(desk.count("select count(*) from issued where measure = 'erase'").await, 0);
    ok(&desk.order(two, ConfirmMatch { entry }).await);
    let erase = desk.owed(recipient, 1).await;
    assert_eq!(desk.view(recipient).await.owed[0].1, Measure::Erase);
    assert!(desk.detail(entry).await.match_confirmed);
    // Not reachable, and why: it waits for staff, then the answer to the person says it.
    desk.reports(erase[0], ReportOutcome::Unreachable).await;
    let task = testkit::eventually("a task", || async {
        let tasks = desk.tasks().await;
        if tasks.len() == 1 { Ok(tasks[0].clone()) } else { Err(tasks.len()) }
    })
    .await;
    assert_eq!((task.kind.as_str(), task.outcome), ("report", Some(ReportOutcome::Unreachable)));
    assert_eq!(task.ground, Some(Code::of("act-19-2")));
    assert_eq!(desk.view(recipient).await.row.open, 1, "owed until it is dealt with");
    ok(&desk.order(one, CloseTask { task: task.task, accept: false }).await);
    assert!(desk.tasks().await.is_empty());
    desk.reports(erase[0], ReportOutcome::Unreachable).await;
    ok(&desk.order(one, CloseTask { task: task.task, accept: true }).await);
    assert_eq!(desk.confirmed(entry).await, 1);
    let said: String = sqlx::query_scalar(
        "select convert_from(body, 'UTF8')::json -> 'data' ->> 'answer' from outbox
          where machine = $1 and subject like 'evt.optout.stop-confirmed.%'",
    )
    .bind(entry.0)
    .fetch_one(desk.bus.db().pool())
    .await
    .unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let today = opt_out_propagation::propagation::day_of(desk.bus.clock().now());
    let part = |measure: &str, outcome: &str| serde_json::json!({"measure": measure, "outcome": outcome, "recipients": 1, "first_on": today, "last_on": today});
    let mut unreachable = part("erase", "unreachable");
    unreachable["ground"] = "act-19-2".into();
    assert_eq!(
        said,
        serde_json::json!({"stopped": 1, "erased": 0, "unreachable": [["unreachable", 1]], "parts": [part("stop", "applied"), unreachable]})
    );
    let detail = desk.detail(entry).await;
    let answers: Vec<_> =
        detail.answers.iter().map(|a| (a.measure, a.outcome, a.confirmed.clone().unwrap().1)).collect();
    assert_eq!(
        answers,
        [
            (Measure::Stop, Some(ReportOutcome::Applied), Code::of("automatic")),
            (Measure::Suspend, Some(ReportOutcome::Applied), Code::of("automatic")),
            (Measure::Erase, Some(ReportOutcome::Unreachable), Code::of("staff"))
        ]
    );
    let kinds: Vec<_> = detail.changes.iter().map(|c| c.kind.as_str().to_owned()).collect();
    assert_eq!(kinds, ["stopped", "use-suspended", "erasure-released"]);
    assert_eq!(detail.suspended_since, None, "what is erased need not be frozen");
    // An amended report opens it again.
    desk.reports(stop[0], ReportOutcome::CannotIdentify).await;
    testkit::eventually("open again", || async {
        match desk.entries.read(entry.0).await.unwrap() {
            Some((_, entry::State::Stopped { progress, .. })) if progress.open.contains(&stop[0]) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    desk.owed(recipient, 1).await;
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// Rows 3, 7, 9: changes with a case of their own; the block holds, the hospital's date stands apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_changes_with_a_case_of_its_own_and_is_never_lifted() {
    let desk = Desk::serving().await;
    let (recipient, _) = desk.fetches("contractor").await;
    let entry = desk.stop("ヤマダ").await;
    desk.owed(recipient, 1).await;
    let (staff, case, received_at) = (StaffId::new(), CaseId::new(), Timestamp::now());
    let basis = Code::of("act-52-1");
    ok(&desk.order(staff, WithdrawStop { entry, case, basis: basis.clone(), received_at }).await);
    let scope = Scope::Anonymised;
    ok(&desk.order(staff, ChangeScope { entry, case, scope, basis, received_at }).await);
    desk.owed(recipient, 2).await;
    let detail = desk.detail(entry).await;
    assert!(detail.withdrawn_at.is_some() && detail.blocked_since.is_some() && detail.final_since.is_some());
    assert_eq!(detail.scope, Some(Scope::Anonymised));
    let kinds: Vec<_> = detail.changes.iter().map(|c| (c.kind.as_str().to_owned(), c.case == case)).collect();
    assert_eq!(
        kinds,
        [("stopped".to_owned(), false), ("withdrawn".to_owned(), true), ("scope-changed".to_owned(), true)]
    );
    let blocked = |track| {
        let tag = desk.register.gate_tag("ヤマダ", "1980-02-29").unwrap();
        let pool = desk.bus.db().pool().clone();
        async move { opt_out_propagation::person::is_blocked(&pool, &[tag], track).await.unwrap() }
    };
    assert!(blocked(Scope::Anonymised).await && !blocked(Scope::Pseudonymised).await);
    // The hospital's own date.
    assert_eq!(detail.suppliers, [(None, None)], "one hospital was named, and does not have it yet");
    no(&desk.order(staff, HospitalReceived { entry, supplier: 2, at: received_at }).await, "no-such-hospital");
    ok(&desk.order(staff, HospitalReceived { entry, supplier: 1, at: received_at }).await);
    assert!(desk.detail(entry).await.suppliers[0].1.is_some());
    no(
        &desk.order(staff, ChangeScope { entry: EntryId::new(), case, scope, basis: Code::of("x"), received_at }).await,
        "too-early",
    );
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// The batched birth writes what one by one writes.
#[tokio::test]
async fn a_batch_of_births_writes_every_history_leaf_and_message() {
    let desk = Desk::quiet().await;
    for n in 0..3 {
        insert_recipient(&desk, &format!("contractor-{n}"), &RecipientKeys::random().unwrap()).await;
    }
    for _ in 0..4 {
        desk.stop("ヤマダ").await;
    }
    assert_eq!(desk.fan_out().pass().await.unwrap(), Pass::Done(4));
    assert_eq!(desk.count("select count(*) from instruction where version = 1 and wake_at is not null").await, 12);
    assert_eq!(
        desk.count("select count(*) from history h join instruction i on i.id = h.machine where h.version = 1").await,
        12
    );
    assert_eq!(desk.count("select count(*) from leaf l join instruction i on i.id = l.machine").await, 12);
    let said = "select count(*) from outbox where subject like 'evt.optout.change-fanned-out.%'
                   and json_array_length(convert_from(body, 'UTF8')::json -> 'data' -> 'issued') = 3";
    assert_eq!(desk.count(said).await, 4, "one fact per change says all its instructions");
    let bad = "select count(*) from history h join leaf l using (machine, version) where sha256(h.salt || convert_to(h.event::text, 'UTF8')) <> l.hash";
    assert_eq!(desk.count(bad).await, 0, "every leaf is the hash of its history");
}

/// 利用停止: current builds are frozen and go on with a case, a basis and dates; who builds nothing is not told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_of_current_builds_is_ordered_fanned_out_and_taken_back_and_the_stop_stands() {
    let desk = Desk::serving().await;
    let (builder, keys) = desk.fetches("builder").await;
    let mut hospital = desk.by_webhook("midori", &RecipientKeys::random().unwrap(), "http://127.0.0.1:9/");
    (hospital.kind, hospital.transport, hospital.url) = (RecipientKind::Hospital, Transport::Pull, None);
    hospital.organisation = Some(desk.sealed(hospital.recipient.0, "みどり病院"));
    ok(&desk.register(hospital.clone()).await);
    let entry = desk.stop("ヤマダ").await;
    let stop = desk.owed(builder, 1).await;
    desk.consents(entry).await;
    desk.owed(hospital.recipient, 1).await;
    let (staff, case, received_at) = (StaffId::new(), CaseId::new(), Timestamp::now());
    let suspend = || SuspendUse { entry, case, basis: Code::of("appi-35-5"), received_at };
    let resume = || ResumeUse { entry, case, basis: Code::of("appi-35-5"), received_at };
    no(&desk.order(staff, SuspendUse { entry: EntryId::new(), ..suspend() }).await, "too-early");
    ok(&desk.order(staff, suspend()).await);
    ok(&desk.order(staff, suspend()).await);
    let owed = desk.owed(builder, 2).await;
    assert_eq!(desk.view(builder).await.owed[1].1, Measure::Suspend);
    let detail = desk.detail(entry).await;
    let last = detail.changes.last().unwrap();
    assert_eq!((last.kind.as_str(), last.case, last.basis.as_str()), ("use-suspended", case, "appi-35-5"));
    assert_eq!(last.received_at.as_microsecond(), received_at.as_microsecond());
    assert!(detail.suspended_since.is_some() && detail.blocked_since.is_some());
    // A builder that comes later is told of the freeze at once: it says the stop too. A hospital of the stop only.
    let (late, _) = desk.fetches("late").await;
    desk.owed(late, 1).await;
    assert_eq!(desk.view(late).await.owed[0].1, Measure::Suspend);
    let mut second = desk.by_webhook("midori-2", &RecipientKeys::random().unwrap(), "http://127.0.0.1:9/");
    (second.kind, second.transport, second.url) = (RecipientKind::Hospital, Transport::Pull, None);
    second.organisation = Some(desk.sealed(second.recipient.0, "みどり病院"));
    ok(&desk.register(second.clone()).await);
    desk.owed(second.recipient, 1).await;
    assert_eq!(desk.view(second.recipient).await.owed[0].1, Measure::Stop);
    desk.reports(stop[0], ReportOutcome::Applied).await;
    desk.reports(owed[1], ReportOutcome::Applied).await;
    ok(&desk.order(staff, resume()).await);
    let thaw = desk.owed(builder, 1).await;
    assert_eq!(desk.view(builder).await.owed[0].1, Measure::Resume);
    assert_eq!(desk.view(hospital.recipient).await.row.last, 1, "a hospital builds nothing");
    assert_eq!(desk.view(second.recipient).await.row.last, 1);
    desk.reports(thaw[0], ReportOutcome::Applied).await;
    let detail = desk.detail(entry).await;
    assert!(detail.suspended_since.is_none() && detail.blocked_since.is_some() && detail.final_since.is_some());
    let kinds: Vec<_> = detail.changes.iter().map(|c| c.kind.as_str().to_owned()).collect();
    assert_eq!(kinds, ["stopped", "use-suspended", "use-resumed"]);
    // The bytes say it, and the recipient's own ledger follows.
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar("select body from delivery where recipient = $1 order by position")
        .bind(builder.0)
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    let mut ledger = recipient_kit::Ledger::new(builder);
    let mut frozen = vec![];
    for body in &bodies {
        let instruction = recipient_kit::apply::parse(body).unwrap();
        assert_eq!(ledger.take(&instruction), Ok(recipient_kit::Taken::New));
        assert!(recipient_kit::identifiers::open(&keys, instruction.id, &instruction.data.person).is_ok());
        frozen.push(ledger.is_frozen(instruction.data.entry));
    }
    assert_eq!((frozen, ledger.entries()), (vec![false, true, false], 1));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
