//! Duties towards persons, hospitals and processors: each row as `duties.md` describes its test.

use crate::{
    desk::{Desk, contract},
    gate::Asker,
    life::{no, ok},
};
use chassis::{Cause, Home};
use contracts::{
    Capacity, CaseId, ChangeId, Code, EntryId, IncidentItem, Measure, RecipientId, RecipientKind, ReportOutcome, Scope,
    Sealed, StaffId, Timestamp, Transport, Uuid,
    duty::*,
    recipient::{Erasure, Instruction as Body, Report, ReportStage},
    register::{AttestReport, ChangeScope, CloseTask, ConfirmMatch, EndCertification, FoundAt},
    request::{Disclose, DisclosedReply, StaffCommand, StaffReply},
};
use futures::StreamExt;
use opt_out_propagation::{
    duties::Duties,
    entry,
    instruction::{self, Instruction},
    recipients::Recipients,
    rows::InstructionRows,
};
use papers::Paper;
use privacy::{Personal, PublicKey, Purpose, ServiceKey};
use recipient_kit::{Identifiers, RecipientKeys, digest_of, report};
use serde_json::{Value, json};
use std::sync::Arc;

fn hours(n: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(n)
}

/// Intake's answers about a case: the patient, and the daughter who acts.
async fn intake(desk: &Desk) {
    let creds = std::fs::read_to_string(desk.house.secrets().creds().join("intake.creds")).unwrap();
    let options = async_nats::ConnectOptions::with_credentials(&creds).unwrap();
    let client = options.custom_inbox_prefix("_INBOX_intake").connect(desk.house.nats.url()).await.unwrap();
    let key = PublicKey::load(&desk.rt.keys_dir().join("optout.pub")).unwrap();
    let mut asked = client.queue_subscribe("req.intake.disclose", "intake".into()).await.unwrap();
    client.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            let ask: Disclose = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(ask.purpose.as_str(), "prepare-answer");
            let values = json!({ "name": "山田 太郎", "address": "東京都港区9",
                "representative": { "name": "山田 春子", "address": "東京都文京区1" } });
            let sealed = privacy::seal_to(&key, ask.case.0.as_bytes(), values.to_string().as_bytes()).unwrap();
            let reply = serde_json::to_vec(&DisclosedReply::Values { sealed }).unwrap();
            client.publish(message.reply.unwrap(), reply.into()).await.unwrap();
        }
    });
}

async fn stop_at(desk: &Desk, hospitals: &[&str], scope: Scope) -> (CaseId, EntryId) {
    let (case, entry, at) = (CaseId::new(), EntryId::new(), desk.bus.clock().now());
    let person = Identifiers {
        kana: "ヤマダ タロウ".into(),
        birth_date: "1940-03-03".parse().unwrap(),
        name: Some("山田 太郎".into()),
        sex: None,
        hospitals: hospitals.iter().map(|h| (*h).to_owned()).collect(),
    };
    desk.register.keep(case, entry, &Personal::new(person)).await.unwrap().unwrap();
    let change = ChangeId::derived(entry.0, "stop");
    let input = entry::Input::EnterStop { case, scope, measure: Measure::Stop, received_at: at, change, at };
    assert!(desk.entries.handle(entry.0, Cause::Person(Uuid::now_v7()), input).await.unwrap().is_done());
    (case, entry)
}

impl Desk {
    async fn duties(&self, entry: EntryId) -> EntryDuties {
        match self.ask(&ShowDuties { entry }).await {
            DutiesReply::Found(duties) => *duties,
            DutiesReply::Unknown => panic!("unknown"),
        }
    }

    /// Prints as the console does; what the letter says, or why there is none.
    async fn print(&self, what: Print) -> Result<String, String> {
        let key = ServiceKey::load_or_create(self.rt.keys_dir(), "console").unwrap();
        let token = Uuid::now_v7();
        let why = self.sealed(token, "交付のため");
        let order = StaffCommand { token, staff: StaffId::new(), why, traceparent: None, order: what };
        match self.ask(&order).await {
            Printed::Values { sealed } => {
                let paper: Personal<Paper> = key.open(token.as_bytes(), &sealed.0).unwrap().json().unwrap();
                let letter = paper.disclose(Purpose::ShowToStaff).letter(calendar_day(Timestamp::now()), None);
                Ok(format!("{:?} {:?}", letter.from, letter.blocks))
            }
            Printed::Refused { reason } => Err(reason.to_string()),
        }
    }

    /// An order with words sealed to its own token.
    async fn with_words<T>(&self, text: &str, order: impl FnOnce(Sealed) -> T) -> StaffReply
    where
        StaffCommand<T>: contracts::request::Request<Reply = StaffReply>,
    {
        let token = Uuid::now_v7();
        let order = order(self.sealed(token, text));
        let why = self.sealed(token, "試験のため");
        self.ask(&StaffCommand { token, staff: StaffId::new(), why, traceparent: None, order }).await
    }

    async fn registered(&self, label: &str, kind: RecipientKind, organisation: Option<&str>) -> Asker {
        let keys = RecipientKeys::random().unwrap();
        let mut order = self.by_webhook(label, &keys, "http://127.0.0.1:9/");
        (order.kind, order.transport, order.url) = (kind, Transport::Pull, None);
        order.organisation = organisation.map(|name| self.sealed(order.recipient.0, name));
        ok(&self.register(order.clone()).await);
        Asker::of(self, order.recipient, keys)
    }

    /// The duties without the service: its own sweep would come first.
    async fn own_duties(&self) -> Arc<Duties> {
        let recipients = Recipients {
            bus: self.bus.clone(),
            register: self.register.clone(),
            custody: custody::Custody::open(&self.rt, &self.bus).await.unwrap(),
            periods: crate::desk::periods(),
            allow_private: true,
            test_endpoints: false,
            tests: Arc::default(),
            deliveries: Arc::default(),
            fan_out: Arc::default(),
            keys: opt_out_propagation::WebhookKeys::load_or_create(self.rt.keys_dir()).unwrap(),
        };
        Arc::new(Duties { recipients: Arc::new(recipients), keys: self.rt.keys_dir().to_owned() })
    }

    /// What was issued last to a recipient.
    async fn last_body(&self, to: RecipientId) -> (Body, Vec<u8>) {
        let find = "select body from delivery where recipient = $1 order by position desc limit 1";
        let body: Vec<u8> = sqlx::query_scalar(find).bind(to.0).fetch_one(self.bus.db().pool()).await.unwrap();
        (recipient_kit::apply::parse(&body).unwrap(), body)
    }
}

fn done(reply: &StaffReply, with: &str) {
    assert!(matches!(reply, StaffReply::Done { status, .. } if status.as_str() == with), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_7_10_11_given_a_daughters_stop_at_two_hospitals_and_both_tracks_then_four_documents_name_her_with_their_dates()
 {
    let desk = Desk::serving().await;
    intake(&desk).await;
    let (_, entry) = stop_at(&desk, &["みどり病院", "あかね病院"], Scope::Both).await;
    let orders = desk.duties(entry).await.work_orders;
    assert_eq!(orders.iter().map(|o| o.supplier).collect::<Vec<_>>(), [1, 1, 2, 2]);
    assert!(orders.iter().all(|o| o.state.as_str() == "no-consent" && o.supplier_received_at.is_none()));

    // Row 7: H1 alone has confirmed; the block holds for both.
    let (staff, received_at) = (StaffId::new(), Timestamp::now());
    let stopped_on = calendar_day(received_at);
    for order in orders.iter().filter(|o| o.supplier == 1) {
        let stopped = HospitalStopped { work_order: order.work_order, received_at, stopped_on };
        ok(&desk.order(staff, stopped).await);
    }
    let shown = desk.duties(entry).await.work_orders;
    let dates: Vec<_> =
        shown.iter().map(|o| (o.supplier, o.supplier_received_at.is_some(), o.state.to_string())).collect();
    assert_eq!(dates[0], (1, true, "confirmed".to_owned()));
    assert_eq!(dates[3], (2, false, "no-consent".to_owned()), "H2 not yet");
    let tag = desk.register.gate_tag("ヤマダ タロウ", "1940-03-03").unwrap();
    assert!(opt_out_propagation::person::is_blocked(desk.bus.db().pool(), &[tag], Scope::Both).await.unwrap());

    // Row 11: paper is the default, and consent comes before.
    let issue = |n: usize, how| IssueStopDocument { work_order: orders[n].work_order, how };
    no(&desk.order(staff, issue(0, HandOver::Electronic)).await, "no-consent-to-electronic-record");
    let consent = |given, ago| RecordConsent {
        entry,
        to: ConsentTo::ElectronicDocument,
        given,
        at: Timestamp::now().checked_sub(hours(ago)).unwrap(),
        text: Code::of("electronic-2026-04"),
    };
    ok(&desk.order(staff, consent(true, 2)).await);
    ok(&desk.order(staff, issue(0, HandOver::Electronic)).await);
    ok(&desk.order(staff, consent(false, 1)).await);
    no(&desk.order(staff, issue(1, HandOver::Electronic)).await, "no-consent-to-electronic-record");
    // Row 10.
    for n in 1..4 {
        ok(&desk.order(staff, issue(n, HandOver::Paper)).await);
    }
    let shown = desk.duties(entry).await.work_orders;
    let documents: Vec<_> = shown.iter().flat_map(|o| &o.documents).collect();
    assert_eq!(documents.len(), 4);
    let today = calendar_day(Timestamp::now());
    let japanese = format!("{}年{}月{}日", today.year(), today.month(), today.day());
    for (order, (document, issued_on, _)) in shown.iter().zip(documents) {
        let page = desk.print(Print::StopDocument { document: *document }).await.unwrap();
        assert!(page.contains("山田 春子") && !page.contains("太郎"), "her, and not the patient");
        let hospital = if order.supplier == 1 { "みどり病院" } else { "あかね病院" };
        let track = if order.track == Scope::Anonymised { "匿名加工" } else { "仮名加工" };
        assert!(page.contains(hospital) && page.contains(track));
        // Received, stopped, issued.
        assert!(page.matches(&japanese).count() >= 3 && *issued_on == today, "{page}");
    }
    let sealed: Vec<Vec<u8>> =
        sqlx::query_scalar("select body from stop_document").fetch_all(desk.bus.db().pool()).await.unwrap();
    assert!(sealed.iter().all(|b| !String::from_utf8_lossy(b).contains("春子")), "the copies are sealed");
    assert_eq!(desk.print(Print::StopDocument { document: Uuid::now_v7() }).await.unwrap_err(), "no-such-document");
    assert_eq!(
        desk.print(Print::WorkOrder { work_order: orders[3].work_order }).await.unwrap_err(),
        "no-consent-to-tell"
    );
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn calendar_day(at: Timestamp) -> contracts::Date {
    opt_out_propagation::propagation::day_of(at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_45_46_47_without_consent_nobody_is_told_and_with_it_one_record_per_hospital_names_recipient_person_items_and_consent()
 {
    let desk = Desk::serving().await;
    let hospital = desk.registered("midori", RecipientKind::Hospital, Some("みどり病院")).await;
    let contractor = desk.registered("contractor", RecipientKind::Contractor, None).await;
    let (case, entry) = stop_at(&desk, &["みどり病院", "あかね病院"], Scope::Anonymised).await;
    desk.owed(contractor.me, 1).await;
    assert_eq!(desk.view(hospital.me).await.row.last, 0);
    assert_eq!(desk.detail(entry).await.not_told, [(Code::of("midori"), Code::of("no-consent-to-tell"))]);
    let letter = desk.print(Print::StopNotice { entry }).await.unwrap();
    let (_, left) = letter.split_once("お伝えしていない医療機関").unwrap();
    assert!(left.contains("みどり病院") && left.contains("あかね病院") && left.contains("直接お申し出いただけます"));
    assert!(letter.contains("停止したのは一方だけです"), "row 3: and how to stop the other");
    assert_eq!(desk.duties(entry).await.not_stopped, Some(Scope::Pseudonymised));
    let orders = desk.duties(entry).await.work_orders;
    let bring = |n: usize| BringWorkOrder { work_order: orders[n].work_order, at: Timestamp::now() };
    no(&desk.order(StaffId::new(), bring(1)).await, "no-consent-to-tell");
    assert!(desk.duties(entry).await.provisions.is_empty());

    desk.consents(entry).await;
    desk.owed(hospital.me, 1).await;
    ok(&desk.order(StaffId::new(), bring(1)).await);
    let duties = desk.duties(entry).await;
    let told: Vec<_> = duties.provisions.iter().map(|p| (p.recipient, p.supplier)).collect();
    assert_eq!(told, [(Some(hospital.me), None), (None, Some(2))]);
    assert_eq!(duties.work_orders.iter().map(|o| o.state.as_str()).collect::<Vec<_>>(), ["instructed", "brought"]);
    for p in &duties.provisions {
        assert!(p.consent.is_some() && p.items.contains(&Code::of("name")));
        let three_years = p.kept_until.since(calendar_day(p.at)).unwrap().get_days();
        assert!((1095..=1096).contains(&three_years), "{three_years}");
    }
    // Where else the person was treated, the hospital does not learn.
    let (instruction, _) = desk.last_body(hospital.me).await;
    let person = recipient_kit::identifiers::open(hospital.keys(), instruction.id, &instruction.data.person).unwrap();
    assert!(person.disclose(Purpose::InstructRecipient).hospitals.is_empty());
    // Nobody drops or rewrites the records, nor does a program.
    for statement in ["delete from provision_record", "update provision_record set items = '{}'"] {
        assert!(sqlx::query(statement).execute(desk.bus.db().pool()).await.is_err(), "{statement}");
    }

    // Row 47: handed on by another body; row 9: a relative disagrees.
    let relay = |sender| RecordRelay {
        entry,
        case,
        sender,
        acquired: Code::of("told-by-the-person"),
        basis: Code::of("appi-27-1"),
        received_at: Timestamp::now(),
    };
    ok(&desk.with_words("国立病院機構", relay).await);
    let widow = RecordDisagreement { entry, case, capacity: Capacity::Bereaved, received_at: Timestamp::now() };
    assert_eq!(desk.print(Print::DisagreementLetter { entry }).await.unwrap_err(), "nobody-disagreed");
    ok(&desk.order(StaffId::new(), widow).await);
    let letter = desk.print(Print::DisagreementLetter { entry }).await.unwrap();
    assert!(
        letter.contains("法第52条第1項") && !letter.contains("山田") && !letter.contains("病院"),
        "it names nobody"
    );
    let duties = desk.duties(entry).await;
    assert_eq!((duties.disagreements.len(), duties.relays.len()), (1, 1));
    assert!(desk.detail(entry).await.final_since.is_some(), "the entry stays");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn erasure(items: &[&'static str]) -> Erasure {
    Erasure {
        system: Code::of("warehouse"),
        on: calendar_day(Timestamp::now()),
        method: Code::of("key-destroyed"),
        items: items.iter().map(|i| Code::of(i)).collect(),
        backups_until: Some("2027-02-22".parse().unwrap()),
        no_backups: false,
        kept: vec![Code::of("receipt-record")],
    }
}

/// Reports over HTTP; the reason of the refusal, if it was one.
async fn reports(who: &Asker, body: &[u8], book_entry: Option<Code>, erasures: Vec<Erasure>) -> Option<String> {
    let report = Report {
        instruction: recipient_kit::apply::parse(body).unwrap().id,
        recipient: who.me,
        digest: digest_of(body),
        stage: ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None },
        time: Timestamp::now(),
        book_entry,
        erasures,
    };
    let signed = report::sign(&report, &who.keys().signing);
    let answered = who.bare("/partner/v1/reports", signed.as_str()).await;
    answered["reason"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_14_17_18_given_an_erasure_when_its_report_lacks_something_or_claims_too_much_then_it_stays_open_and_overdue()
 {
    let desk = Desk::serving().await;
    let who = desk.registered("contractor", RecipientKind::Contractor, None).await;
    let entry = desk.erasure("ヤマダ").await;
    // The stop, and the freeze of current builds.
    for first in desk.owed(who.me, 2).await {
        desk.reports(first, ReportOutcome::Applied).await;
    }
    for _ in 0..2 {
        ok(&desk.order(StaffId::new(), ConfirmMatch { entry }).await);
    }
    let erase = desk.owed(who.me, 1).await[0];
    // Row 17: what goes, and what stays with article and last day.
    let (told, body) = desk.last_body(who.me).await;
    let terms = told.data.erase.clone().unwrap();
    assert!(!terms.everything && terms.classes.contains(&Code::of("claim")));
    let receipts = terms.keep.iter().find(|k| k.class.as_str() == "receipt-record").unwrap();
    assert!(receipts.article.as_str() == "act-55-4" && receipts.until.is_some());

    let book = Some(Code::of("2026-17"));
    assert_eq!(reports(&who, &body, book.clone(), vec![]).await.as_deref(), Some("erasure-incomplete"));
    let no_backups_said = Erasure { backups_until: None, ..erasure(&["claim"]) };
    assert_eq!(reports(&who, &body, book.clone(), vec![no_backups_said]).await.as_deref(), Some("erasure-incomplete"));
    let everything = erasure(&["claim", "receipt-record"]);
    assert_eq!(reports(&who, &body, book.clone(), vec![everything]).await.as_deref(), Some("kept-record-erased"));
    assert_eq!(desk.count("select count(*) from report where stage = 'applied'").await, 3, "they are kept");
    let tasks = desk.tasks().await;
    assert_eq!(tasks.iter().map(|t| t.kind.as_str()).collect::<Vec<_>>(), ["erasure"]);
    assert_eq!((tasks[0].instruction, tasks[0].ground.as_ref().unwrap().as_str()), (Some(erase), "kept-record-erased"));
    ok(&desk.order(StaffId::new(), CloseTask { task: tasks[0].task, accept: true }).await);
    desk.owed(who.me, 1).await;

    // Row 14: the due time passes; it is overdue and the entry, and so the case, cannot close.
    let home: Home<Instruction> = Home::with_rows(&desk.bus, Arc::new(InstructionRows));
    let late = told.expirytime.checked_add(hours(1)).unwrap();
    let clock = instruction::Input::Clock(late);
    assert!(home.handle(erase.0, Cause::Clock, clock).await.unwrap().is_done());
    assert_eq!(desk.said().await.get("instruction-overdue"), Some(&1));
    let state = desk.entries.read(entry.0).await.unwrap().unwrap().1;
    assert!(matches!(&state, entry::State::Stopped { progress, .. } if progress.open.contains(&erase)), "{state:?}");
    // A paper is held to the same.
    let attest = |outcome| AttestReport { instruction: erase, outcome, ground: None };
    no(&desk.order(StaffId::new(), attest(ReportOutcome::Applied)).await, "erasure-needs-its-particulars");
    let paper = |items: &[&'static str]| AttestErasure {
        instruction: erase,
        outcome: ReportOutcome::Applied,
        book_entry: Code::of("2026-17"),
        erasures: vec![erasure(items)],
    };
    no(&desk.order(StaffId::new(), paper(&["book"])).await, "kept-record-erased");
    ok(&desk.order(StaffId::new(), paper(&["claim"])).await);
    desk.owed(who.me, 1).await;

    // All that it has to say: done.
    assert_eq!(reports(&who, &body, book, vec![erasure(&["claim"])]).await, None);
    desk.owed(who.me, 0).await;
    assert_eq!(desk.confirmed(entry).await, 1);
    assert!(desk.tasks().await.is_empty());
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_27_given_a_certification_that_ended_then_only_erase_all_goes_out_and_is_owed_until_its_report() {
    let desk = Desk::serving().await;
    let who = desk.registered("contractor", RecipientKind::Contractor, None).await;
    let recipient = who.me;
    let other = desk.registered("another", RecipientKind::Contractor, None).await;
    desk.stop("ヤマダ").await;
    let stop = desk.owed(recipient, 1).await;
    desk.reports(stop[0], ReportOutcome::Applied).await;
    desk.owed(recipient, 0).await;
    ok(&desk.order(StaffId::new(), EndCertification { recipient, on: "2026-01-21".parse().unwrap() }).await);
    desk.owed(recipient, 1).await;
    let entry = desk.stop("スズキ").await;
    desk.owed(other.me, 2).await;
    let view = desk.view(recipient).await;
    assert_eq!((view.row.last, view.owed[0].1), (2, Measure::Erase), "nothing new but that");
    let (told, body) = desk.last_body(recipient).await;
    assert!(told.data.erase.as_ref().unwrap().everything);
    assert!(recipient_kit::identifiers::open(who.keys(), told.id, &told.data.person).is_err(), "it is about nobody");
    // It is about no case: nobody else hears of it.
    assert_eq!(desk.count("select count(*) from outbox where machine in (select instruction from erase_all)").await, 0);
    let task = desk.tasks().await.remove(0);
    assert_eq!((task.kind.as_str(), task.instruction), ("erase-all", Some(told.id)));
    no(&desk.order(StaffId::new(), CloseTask { task: task.task, accept: true }).await, "awaits-its-report");

    assert_eq!(reports(&who, &body, None, vec![erasure(&["claim"])]).await.as_deref(), Some("erasure-incomplete"));
    desk.owed(recipient, 1).await;
    assert_eq!(reports(&who, &body, Some(Code::of("b-1")), vec![erasure(&["claim"])]).await, None);
    // A person confirms that everything is gone; then nothing is owed and no task is left.
    let sample = desk.tasks().await.into_iter().find(|t| t.kind.as_str() == "sample").unwrap();
    desk.owed(recipient, 1).await;
    ok(&desk.order(StaffId::new(), CloseTask { task: sample.task, accept: true }).await);
    desk.owed(recipient, 0).await;
    assert!(desk.tasks().await.is_empty());
    assert!(
        desk.detail(entry)
            .await
            .not_told
            .iter()
            .any(|(label, why)| label.as_str() == "contractor" && why.as_str() == "not-in-force")
    );

    // The operator's own end: everybody who has medical data.
    let end = EndOperator { on: "2026-01-22".parse().unwrap() };
    let preview = desk.ask(&PreviewEndOperator {}).await;
    let told: Vec<_> = preview.rows.iter().filter(|row| row.not_told.is_none()).map(|row| row.recipient).collect();
    assert!(told.contains(&other.me) && preview.said.is_empty(), "{preview:?}");
    let (first, second) = (StaffId::new(), StaffId::new());
    done(&desk.order(first, end.clone()).await, "awaits-second-person");
    desk.owed(other.me, 2).await;
    no(&desk.order(first, end.clone()).await, "second-person-needed");
    let slip = EndOperator { on: "2026-01-21".parse().unwrap() };
    no(&desk.order(second, slip).await, "first-person-said-otherwise");
    done(&desk.order(second, end.clone()).await, "everything-goes");
    no(&desk.order(StaffId::new(), end).await, "operator-ended-already");
    assert!(desk.ask(&PreviewEndOperator {}).await.said[0].second.is_some());
    // One who is both is refused by the database too.
    let forged = "insert into operator_end (first, first_staff, first_at, \"on\") select cause, gen_random_uuid(), now(), '2026-01-22' from staff_reason limit 1";
    let error = sqlx::query(forged).execute(desk.bus.db().pool()).await.unwrap_err().to_string();
    assert!(error.contains("those who gave the orders"), "{error}");
    desk.owed(other.me, 3).await;
    assert!(desk.last_body(other.me).await.0.data.erase.unwrap().everything);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_28_given_a_user_whose_period_ended_then_it_is_overdue_and_no_message_to_it_holds_an_identifier() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let mut order = desk.by_webhook("user", &keys, "http://127.0.0.1:9/");
    order.kind = RecipientKind::User;
    order.contract = Some(contracts::register::Contract { until: Some("2025-12-31".parse().unwrap()), ..contract() });
    ok(&desk.register(order.clone()).await);
    let user = Asker::of(&desk, order.recipient, keys);
    let contractor = desk.registered("contractor", RecipientKind::Contractor, None).await;
    // Everything that says something about a person to others.
    let entry = desk.erasure("ヤマダ").await;
    desk.owed(contractor.me, 2).await;
    for _ in 0..2 {
        ok(&desk.order(StaffId::new(), ConfirmMatch { entry }).await);
    }
    desk.owed(contractor.me, 3).await;
    let (case, received_at) = (CaseId::new(), Timestamp::now());
    let change = ChangeScope { entry, case, scope: Scope::Pseudonymised, basis: Code::of("act-57-1"), received_at };
    ok(&desk.order(StaffId::new(), change).await);
    desk.owed(contractor.me, 4).await;
    desk.consents(entry).await;
    no(&desk.order(StaffId::new(), FoundAt { entry, recipient: user.me }).await, "users-learn-of-nobody");
    for table in [
        "select count(*) from delivery d join recipient r on r.id = d.recipient where r.kind = 'user'",
        "select count(*) from issued d join recipient r on r.id = d.recipient where r.kind = 'user'",
        "select count(*) from provision_record d join recipient r on r.id = d.recipient where r.kind = 'user'",
    ] {
        assert_eq!(desk.count(table).await, 0, "{table}");
    }

    let overdue = desk.ask(&ListOverdue {}).await.rows;
    let ended = (user.me, Code::of("erasure-report"), "2025-12-31".parse().unwrap());
    assert!(overdue.contains(&ended), "{overdue:?}");
    let erased = json!({ "on": "2026-01-02", "items": ["set-17"], "book_entry": "b-9" }).to_string();
    let answered = user.post("/partner/v1/erasures", "application/json", erased.clone()).await;
    assert_eq!(answered.status().as_u16(), 200);
    let refused = contractor.post("/partner/v1/erasures", "application/json", erased).await;
    assert_eq!(refused.json::<Value>().await.unwrap()["reason"], "not-a-user");
    let paper = Act::Proof { paper: Code::of("paper-1"), digest: contracts::Digest([7; 32]) };
    ok(&desk.order(StaffId::new(), Supervise { recipient: user.me, act: paper }).await);
    let audit = |next: &str| Act::Audit {
        on: "2026-01-05".parse().unwrap(),
        by: Code::of("inspector-a"),
        findings: vec![Code::of("nothing")],
        next_due: next.parse().unwrap(),
    };
    let supervise = |act| Supervise { recipient: user.me, act };
    no(&desk.order(StaffId::new(), supervise(audit("2026-01-05"))).await, "next-audit-before-this-one");
    ok(&desk.order(StaffId::new(), supervise(audit("2099-05-01"))).await);
    let shown = desk.ask(&ShowSupervision { recipient: user.me }).await;
    assert_eq!((shown.acts.len(), shown.overdue), (3, vec![]));
    assert!(desk.ask(&ListOverdue {}).await.rows.iter().all(|(who, ..)| *who != user.me));

    // Eight items, not nine.
    let notice = |items: Value| json!({ "number": "i-1", "known_at": Timestamp::now(), "items": items }).to_string();
    let path = "/partner/v1/incident-notices";
    let nine = user.post(path, "application/json", notice(json!({ "persons": "3" }))).await;
    assert_eq!(nine.json::<Value>().await.unwrap()["reason"], "item-of-another-kind");
    let eight: Value =
        user.post(path, "application/json", notice(json!({ "scale": "1 set" }))).await.json().await.unwrap();
    assert_eq!(eight["unknown"].as_array().unwrap().len(), 7);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_54_59_a_notice_through_the_tiers_opens_our_incident_and_a_complaint_is_overdue_until_cause_and_measures()
{
    let desk = Desk::serving().await;
    let contractor = desk.registered("contractor", RecipientKind::Contractor, None).await;
    let now = Timestamp::now();
    let at = |ago: i64| now.checked_sub(hours(ago)).unwrap();
    let told = json!([{ "by": "sub-b", "to": "contractor-a", "known_at": at(20), "told_at": at(8) }]);
    let notice = json!({ "number": "inc-7", "known_at": at(6), "told": told, "items": {
        "summary": "暗号化していない媒体の紛失", "persons": "1", "cause": "調査中" } });
    let path = "/partner/v1/incident-notices";
    for _ in 0..2 {
        let answered = contractor.post(path, "application/json", notice.to_string()).await;
        assert_eq!(answered.status().as_u16(), 200, "{:?}", answered.text().await);
    }
    let incidents = desk.ask(&ListProcessorIncidents {}).await.incidents;
    assert_eq!(incidents.len(), 1, "the same again is the same");
    let one = &incidents[0];
    assert_eq!(one.known_at.as_second(), at(20).as_second(), "the sub-contractor knew first");
    assert_eq!((one.told[0].by.as_str(), one.told[0].to.as_str()), ("sub-b", "contractor-a"));
    assert_eq!((one.stated.len(), one.unknown.len()), (3, 6));
    assert!(
        one.full_due.since(calendar_day(one.known_at)).unwrap().get_days() == 29,
        "the day of knowing is the first"
    );
    let words: Vec<Vec<u8>> =
        sqlx::query_scalar("select statement from incident_notice").fetch_all(desk.bus.db().pool()).await.unwrap();
    assert!(words.iter().all(|w| !String::from_utf8_lossy(w).contains("媒体")), "sealed");
    // By telephone, later, and with a cause: it amends.
    let by_telephone = |statement| RecordIncident {
        recipient: contractor.me,
        number: Code::of("inc-7"),
        known_at: at(5),
        told: vec![],
        stated: vec![IncidentItem::Prevention],
        statement,
    };
    ok(&desk.with_words("再発防止: 媒体の廃止", by_telephone).await);
    let one = desk.ask(&ListProcessorIncidents {}).await.incidents.remove(0);
    assert_eq!((one.stated.len(), one.known_at.as_second()), (4, at(20).as_second()));
    let forged = contractor.bare(&format!("{path}?digest={}", digest_of(b"{}")), "{}").await;
    assert_eq!(forged["reason"], "malformed", "not signed");

    // Row 54.
    let forward = ForwardComplaint { case: CaseId::new(), recipient: contractor.me };
    ok(&desk.order(StaffId::new(), forward.clone()).await);
    no(&desk.order(StaffId::new(), forward).await, "forwarded-already");
    desk.bus
        .db()
        .write(|tx| {
            Box::pin(async move {
                let late = "update forwarded_complaint set due = now() - interval '1 day'";
                Ok(sqlx::query(late).execute(tx).await.map(drop)?)
            })
        })
        .await
        .unwrap();
    let open = || async { desk.ask(&ListComplaints {}).await.complaints };
    let row = open().await.remove(0);
    assert_eq!((row.overdue, row.missing.len()), (true, 3));
    let shown = async |recipient| desk.ask(&ShowSupervision { recipient }).await;
    let (own, other) = (shown(contractor.me).await, shown(RecipientId::new()).await);
    assert_eq!((own.incidents.len(), own.complaints.len()), (1, 1));
    assert_eq!((other.incidents.len(), other.complaints.len()), (0, 0), "each its own");
    let id = row.complaint;
    let told = |at| ComplaintTold { complaint: id, at };
    let cause = |cause| AnswerComplaint { complaint: id, cause: Some(cause), measures: None };
    ok(&desk.with_words("設定の誤り", cause).await);
    no(&desk.order(StaffId::new(), told(now)).await, "cause-or-measures-missing");
    assert!(open().await[0].overdue, "measures are missing");
    let measures = |measures| AnswerComplaint { complaint: id, cause: None, measures: Some(measures) };
    ok(&desk.with_words("手順の見直し", measures).await);
    let row = open().await.remove(0);
    assert_eq!((row.overdue, row.missing), (false, vec![Code::of("person-told")]));
    ok(&desk.order(StaffId::new(), told(now)).await);
    assert!(open().await.is_empty());
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_on_the_day_after_their_last_and_not_before() {
    let desk = Desk::quiet().await;
    desk.stop("ヤマダ").await;
    let runs = "insert into gate_run (id, asker, flow, track, begun_at, epoch, position, ground)
                values (gen_random_uuid(), 'fulfilment', 'use', 'both', $1::text::timestamptz, 1, 1, '{}')";
    let told = "insert into provision_record (id, entry, hospital, person, items, at, kept_until)
                select gen_random_uuid(), entry, 1, gen_random_uuid(), '{name}', now(), $1::text::date from register_entry";
    // Made on 10 June 2020: kept until the end of 10 June 2023 in Japan.
    for (sql, value) in
        [(runs, "2020-06-10T14:59:59Z"), (runs, "2020-06-10T15:00:00Z"), (told, "2023-06-10"), (told, "2099-06-11")]
    {
        let write = desk
            .bus
            .db()
            .write(move |tx| Box::pin(async move { Ok(sqlx::query(sql).bind(value).execute(tx).await.map(drop)?) }));
        write.await.unwrap();
    }
    let duties = desk.own_duties().await;
    let sweep = |day: &str| {
        let (duties, day) = (duties.clone(), day.parse().unwrap());
        async move { duties.sweep(day).await.unwrap() }
    };
    assert_eq!(sweep("2023-06-10").await, opt_out_propagation::duties::sweep::Swept::default());
    let swept = sweep("2023-06-11").await;
    assert_eq!((swept.runs, swept.provisions), (1, 1), "of 11 June in Japan is kept a day longer");
    assert_eq!(sweep("2023-06-12").await.runs, 1);
    let too_early = sqlx::query("delete from provision_record").execute(desk.bus.db().pool()).await.unwrap_err();
    assert_eq!(too_early.as_database_error().unwrap().constraint(), Some("a_kept_record_stays"));
}
