//! The other ways through the house: not paid, taken back, something missing, erasure at the contractors, no identity
//! needed, and not the person.

use super::{
    contractors::{connected, over_nats, prepared, registered_over_nats},
    desk::Desk,
    mails,
    people::{self, Person, asked_fee, bring, confirm, decide, opt_out_until_confirmed, pay, transactions},
    reckoning::{self, Told},
};
use console::By;
use contracts::{Code, DecisionOutcome, EndedAs, Measure, Step, request::StaffReply};
use jiff::civil::date;
use launcher::story;
use serde_json::json;

/// Due after twenty bank days, expired by the bank's books, taken up again, paid, decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_disclosure_lapses_and_can_be_revived() {
    let desk = Desk::held("2026-11-24T10:00:00+09:00".parse().unwrap()).await;
    let (person, bank) = (Person::number(1), transactions());
    let filed = desk.file(&story::disclosure_to(&person.json())).await;
    let fee = asked_fee(&desk, &filed).await;
    assert_eq!(fee.due_on, date(2026, 12, 22));
    confirm(&desk, &filed).await;
    desk.until(&filed, "it waits for the fee", |s| s.step == Step::AwaitingFee).await;

    desk.clock().set("2026-12-25T10:00:00+09:00".parse().unwrap());
    bring(&desk, &bank, date(2026, 12, 23), &[]).await;
    assert_eq!(
        desk.public.status(&filed.receipt).await.unwrap().step,
        Step::AwaitingFee,
        "a transfer of the last evening may still be booked"
    );
    bring(&desk, &bank, date(2026, 12, 24), &[]).await;
    let lapsed = desk.until(&filed, "it lapses", |s| s.step == Step::Ended).await;
    assert_eq!(lapsed.ended_as, Some(EndedAs::Lapsed));

    let by = By::new(desk.staff, "was in hospital");
    desk.obeyed("it is revived", || desk.commands.revive(by, filed.case)).await;
    let again =
        desk.until(&filed, "a new reference", |s| s.fee.as_ref().is_some_and(|f| f.reference != fee.reference)).await;
    assert_eq!((again.step, again.ended_as), (Step::AwaitingFee, None), "the identity stands");
    pay(&desk, &bank, &again.fee.unwrap()).await;
    decide(&desk, &filed, DecisionOutcome::Full, "appi-33-2", None).await;
    desk.until(&filed, "the end", |s| s.ended_as == Some(EndedAs::Decided)).await;
    // Received, fee, lapsed, fee again, paid, ended.
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 6).await;
    reckoning::holds(&desk, Told { fees: 1, notices: 6, instructions: 0, revived: true }).await;
}

/// 取下げ before identity is proved: the provisional block goes, nobody is told anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_lifts_the_provisional_block() {
    let desk = Desk::open().await;
    let contractor = over_nats(&desk, "core-data").await;
    let person = Person::number(2);
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    assert_eq!(desk.public.withdraw(&filed.receipt).await.unwrap(), 202);
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!((end.ended_as, end.blocked_since), (Some(EndedAs::Withdrawn), None));
    assert_eq!(desk.public.withdraw(&filed.receipt).await.unwrap(), 409, "nothing is left to withdraw");
    reckoning::holds(&desk, Told { notices: 2, ..Told::default() }).await;
    assert_eq!(desk.count("select count(*) from optout.register_entry where blocked_since is not null").await, 0);
    let by = By::new(desk.staff, "came to the counter after all");
    let late = desk.commands.confirm_identity(by, filed.case, vec![Code::of("drivers-licence")]).await.unwrap();
    assert!(matches!(late, contracts::request::StaffReply::Refused { .. }), "{late:?}");
    assert_eq!(contractor.running.contractor.counts().taken, 0);
}

/// After identity is proved a stop is never lifted (Act art. 52(1)): the withdrawal moves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_after_the_final_stop_changes_nothing() {
    let desk = Desk::open().await;
    // Registered, and away: the stop waits for its report.
    let (contractor, folder) = prepared(&desk, "core-data");
    let (creds, account) = registered_over_nats(&desk, &contractor, &folder).await;
    let person = Person::number(3);
    let filed = opt_out_until_confirmed(&desk, &person).await;
    desk.until(&filed, "the contractor is instructed", |s| s.recipients.is_some_and(|r| r.instructed == 1)).await;
    assert_eq!(desk.public.withdraw(&filed.receipt).await.unwrap(), 202);
    testkit::eventually("the withdrawal was looked at", || async {
        let waiting = desk.count("select count(*) from door.filing").await;
        if waiting == 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    let by = By::new(desk.staff, "the person asks by telephone");
    let refused = desk.commands.withdraw(by, filed.case).await.unwrap();
    assert!(
        matches!(&refused, contracts::request::StaffReply::Refused { reason, .. } if reason.as_str() == "stop-stands"),
        "{refused:?}"
    );
    assert_eq!(desk.public.status(&filed.receipt).await.unwrap().step, Step::Propagating);

    let contractor = connected(&desk, &contractor, folder, &creds, &account).await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    contractor.has_applied(1).await;
    reckoning::holds(&desk, Told::of(1, 0)).await;
}

/// 補正: what is missing is named on the page, and the case goes on when it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_told_and_mended() {
    let desk = Desk::open().await;
    let contractor = over_nats(&desk, "core-data").await;
    let person = Person::number(4);
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    let by = By::new(desk.staff, "the copy cannot be read");
    desk.obeyed("completion is asked for", || {
        desk.commands.ask_for_completion(by, filed.case, vec![Code::of("photo-id")])
    })
    .await;
    let deficient = desk.until(&filed, "what is missing", |s| s.step == Step::Completing).await;
    assert_eq!(deficient.missing.iter().map(Code::as_str).collect::<Vec<_>>(), ["photo-id"]);
    assert!(deficient.blocked_since.is_some(), "the block holds while it is mended");
    confirm(&desk, &filed).await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!((end.ended_as, end.missing), (Some(EndedAs::Stopped), vec![]));
    contractor.has_applied(1).await;
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 4).await;
    reckoning::holds(&desk, Told { notices: 4, ..Told::of(1, 0) }).await;
}

/// 消去: the contractors erase and report, then the desk decides about its own part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_is_instructed_reported_and_decided() {
    let desk = Desk::open().await;
    let contractor = over_nats(&desk, "core-data").await;
    let person = Person::number(5);
    let mut body = story::opt_out_of(&person.json());
    body["kind"] = "deletion".into();
    body.as_object_mut().unwrap().remove("scope");
    let filed = desk.file(&body).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    confirm(&desk, &filed).await;
    contractor.has_taken(2).await;
    // The stop went out at once, and with it the freeze of current builds; the erasure goes when two people have confirmed
    // that what was found is this person's.
    let stopped = || contractor.running.contractor.stopped(&person.kana, person.birth_date);
    assert_eq!(stopped(), Some(Measure::Suspend));
    let entry = contracts::EntryId::derived(filed.case.0, "entry");
    for (staff, status) in [(desk.staff, "awaits-second-person"), (contracts::StaffId::new(), "stopped")] {
        let by = console::command::By::new(staff, "name, date of birth and patient number agree");
        let said = desk.obeyed("the match", || desk.commands.confirm_match(by, entry)).await;
        assert_eq!(said.as_str(), status);
    }
    contractor.has_taken(3).await;
    decide(&desk, &filed, DecisionOutcome::Full, "act-20", None).await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Decided));
    let entries: Vec<_> = contractor.running.contractor.stopped(&person.kana, person.birth_date).into_iter().collect();
    assert_eq!(entries, [Measure::Erase]);
    reckoning::holds(&desk, Told { instructions: 3, ..Told::of(1, 0) }).await;
}

/// 苦情: no identity, no fee, no recipients; an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complaint_needs_nobodys_papers() {
    let desk = Desk::open().await;
    let body = json!({ "kind": "complaint", "language": "ja", "person": { "name": "見本 苦情", "mail": "person-0006@mail.example" }, "words": "電話がつながりません。" });
    let filed = desk.file(&body).await;
    people::answer_is_asked_for(&desk, &filed).await;
    let by = By::new(desk.staff, "without a record");
    let (outcome, ground) = (DecisionOutcome::Full, Code::of("act-29"));
    let reply = desk.commands.decide(by, filed.case, outcome, ground, None, None).await.unwrap();
    let missing = Code::of("complaint-record-missing");
    assert_eq!(reply, StaffReply::Refused { reason: missing, at: None }, "duties row 51: not without its cause");
    decide(&desk, &filed, DecisionOutcome::Full, "act-29", None).await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!((end.ended_as, end.fee, end.suit_from), (Some(EndedAs::Decided), None, None));
    assert_eq!(
        desk.count("select count(*) from identity.verification where state ->> 'status' <> 'closed'").await,
        0,
        "nobody was asked for papers"
    );
    assert_eq!(desk.count("select count(*) from payment.charge where state ->> 'status' <> 'closed'").await, 0);
    mails::are(&desk, "person-0006@mail.example", &filed.receipt.receipt_number, 2).await;
    reckoning::holds(&desk, Told { notices: 2, ..Told::default() }).await;
}

/// 確認不能: not the person. The case ends, the provisional block goes, the fee is not owed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_else_gets_nothing() {
    let desk = Desk::open().await;
    for (n, body) in
        [(7, story::opt_out_of(&Person::number(7).json())), (8, story::disclosure_to(&Person::number(8).json()))]
    {
        let filed = desk.file(&body).await;
        if n == 7 {
            desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
        } else {
            asked_fee(&desk, &filed).await;
        }
        let by = By::new(desk.staff, "the photograph shows somebody else");
        desk.obeyed("it is rejected", || desk.commands.reject_identity(by, filed.case, vec![Code::of("photo-id")]))
            .await;
        let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
        assert_eq!((end.ended_as, end.blocked_since), (Some(EndedAs::NotConfirmed), None));
    }
    // Two received, one fee, two ended.
    reckoning::holds(&desk, Told { notices: 5, ..Told::default() }).await;
    assert_eq!(
        desk.count("select count(*) from payment.charge where state ->> 'status' = 'requested'").await,
        0,
        "the fee is cancelled"
    );
    // What comes late is kept, and moves nothing.
    let reference: String =
        sqlx::query_scalar("select reference from payment.reference").fetch_one(&mut desk.admin().await).await.unwrap();
    let line = payment_reconciliation::zengin::sample::SampleLine::deposit(desk.today(), 4_000, "", &reference);
    bring(&desk, &people::deposits(), desk.today(), &[line]).await;
    reckoning::ledger_balances(&mut desk.admin().await).await;
    assert_eq!(desk.count("select count(*) from payment.outbox where subject like 'evt.payment.fee-paid.%'").await, 0);
}

/// A foreign resident's name has no reading (the form asks for none): the stop must reach the contractors all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_a_reading_is_stopped_too() {
    let desk = Desk::open().await;
    let contractor = over_nats(&desk, "core-data").await;
    let mut person = Person::number(9).json();
    person["name"] = "MIHON JANE".into();
    person.as_object_mut().unwrap().remove("kana");
    let filed = desk.file(&story::opt_out_of(&person)).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    confirm(&desk, &filed).await;
    desk.until(&filed, "the end", |s| s.ended_as == Some(EndedAs::Stopped)).await;
    contractor.has_applied(1).await;
    reckoning::holds(&desk, Told::of(1, 0)).await;
}
