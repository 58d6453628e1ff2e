//! Taking filings from the in-tray.

use super::*;
use contracts::{Step, envelope::Envelope};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_filing_becomes_a_case_with_its_person_its_letter_and_its_messages() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    desk.request_of(&someone).await;
    desk.is(&someone, "verifying").await;
    desk.counts("select count(*) from door.filing", 0).await;
    let page = desk.page(&someone).await.expect("a letter in the transaction of the case");
    assert_eq!((page.step, page.kind, page.ended_as), (Step::Verifying, Kind::Disclosure, None));
    assert_eq!(page.receipt_number, someone.receipt_number);

    let said: Vec<(Vec<u8>,)> =
        sqlx::query_as("select body from intake.outbox order by seq").fetch_all(&desk.admin).await.unwrap();
    let said: Vec<&str> = said.iter().map(|(body,)| Envelope::decode(body).unwrap().1.entry().name).collect();
    assert_eq!(said, ["CaseOpened", "VerifyIdentity", "RequestFee", "CaseProgressed"]);
    // Name, kana, telephone, kana with birth date.
    assert_eq!(desk.count("select count(*) from intake.person_index").await, 4);
    assert_eq!(desk.count("select count(*) from intake.receipt").await, 1);

    let all = desk.everything().await;
    for marker in MARKERS {
        assert!(!all.contains(marker), "{marker} stands in the clear");
    }
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_again_is_the_same_case() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Complaint);
    desk.request_of(&someone).await;
    for _ in 0..3 {
        let again = Filing::Request(Box::new(someone.request(desk.house.clock.now())));
        desk.file(&again).await;
    }
    desk.counts("select count(*) from door.filing", 0).await;
    assert_eq!(desk.count("select count(*) from intake.cases").await, 1);
    assert_eq!(desk.count("select count(*) from intake.person").await, 1);
    let opened = desk.count("select count(*) from intake.history where event ->> 'event' = 'opened'").await;
    assert_eq!(opened, 1);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_or_make_sense_is_parked_and_the_others_go_on() {
    let desk = Desk::open().await;
    let good = Someone::new(Kind::Consultation);
    desk.put(b"{\"filing\":\"wish\"}").await;
    desk.put(b"\xff\xfe").await;
    let opened = desk.put(b"{}").await;
    let hatch: Uuid = sqlx::query_scalar("select id from door.hatch limit 1").fetch_one(&desk.admin).await.unwrap();
    let _ = opened;
    desk.put_sealed(Uuid::now_v7(), hatch, vec![1; 64]).await;
    desk.put_sealed(Uuid::now_v7(), Uuid::now_v7(), vec![1; 64]).await;
    let mut bad_key = Someone::new(Kind::Complaint).request(desk.house.clock.now());
    bad_key.code_key = [0; 32];
    desk.file(&Filing::Request(Box::new(bad_key))).await;
    desk.request_of(&good).await;
    desk.counts("select count(*) from door.filing where state = 'waiting'", 0).await;
    let notes: Vec<(String,)> =
        sqlx::query_as("select note from door.filing order by note").fetch_all(&desk.admin).await.unwrap();
    let notes: BTreeSet<&str> = notes.iter().map(|n| n.0.as_str()).collect();
    let expected = ["code-key-unusable", "filing-does-not-open", "filing-malformed", "hatch-missing"];
    assert_eq!(notes, BTreeSet::from(expected));
    assert_eq!(desk.count("select count(*) from door.filing where state = 'parked'").await, 6);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_case_is_parked_and_changes_nothing() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Complaint);
    desk.request_of(&someone).await;
    let before = desk.state(someone.case).await;
    let impostor = Someone { case: someone.case, ..Someone::new(Kind::Complaint) };
    desk.file(&Filing::Request(Box::new(impostor.request(desk.house.clock.now())))).await;
    desk.counts("select count(*) from door.filing where state = 'parked' and note = 'case-exists'", 1).await;
    assert_eq!(desk.state(someone.case).await, before);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_needs_the_code_of_the_request_and_may_come_first() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::ProvisionStop);
    // Before the request: it waits for it.
    let code = *someone.key.public().as_bytes();
    desk.file(&someone.withdrawal(code, desk.house.clock.now())).await;
    desk.counts("select count(*) from door.filing where note = 'receipt-unknown'", 1).await;
    desk.request_of(&someone).await;
    desk.is(&someone, "withdrawn").await;
    desk.counts("select count(*) from door.filing", 0).await;
    let page = desk.page(&someone).await.unwrap();
    assert_eq!((page.step, page.ended_as), (Step::Ended, Some(contracts::EndedAs::Withdrawn)));

    let other = Someone::new(Kind::Disclosure);
    desk.request_of(&other).await;
    desk.file(&other.withdrawal([9; 32], desk.house.clock.now())).await;
    desk.counts("select count(*) from door.filing where state = 'parked' and note = 'other-code'", 1).await;
    desk.is(&other, "verifying").await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_filings_are_taken_once_each_by_two_processes() {
    let desk = Desk::open().await;
    let second = desk.house.runtime(SETTINGS);
    intake::start(second.clone()).await.unwrap();
    let people: Vec<Someone> = Kind::ALL.iter().cycle().take(100).map(|kind| Someone::new(*kind)).collect();
    for someone in &people {
        desk.file(&Filing::Request(Box::new(someone.request(desk.house.clock.now())))).await;
    }
    desk.counts("select count(*) from intake.cases", 100).await;
    desk.counts("select count(*) from door.filing", 0).await;
    let opened = desk.count("select count(*) from intake.history where event ->> 'event' = 'opened'").await;
    assert_eq!(opened, 100);
    assert_eq!(desk.count("select count(*) from door.letterbox").await, 100);
    assert!(second.stopping().stop(std::time::Duration::from_secs(20)).await);
    desk.close().await;
}

/// The trace of the POST goes on in what the case says; a person's values are in no span.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_the_filing_goes_on_and_spans_hold_nothing_personal() {
    testkit::spans();
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    let mut request = someone.request(desk.house.clock.now());
    request.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    desk.file(&Filing::Request(Box::new(request))).await;
    desk.counts("select count(*) from intake.cases", 1).await;
    let bodies: Vec<(Vec<u8>,)> =
        sqlx::query_as("select body from intake.outbox").fetch_all(&desk.admin).await.unwrap();
    for (body,) in &bodies {
        let (envelope, _) = Envelope::decode(body).unwrap();
        assert_eq!(envelope.traceparent.unwrap().trace_id(), "0af7651916cd43dd8448eb211c80319c");
    }
    desk.close().await;
    let spans = format!("{:?}", testkit::spans());
    assert!(spans.contains("take filing"));
    for marker in MARKERS {
        assert!(!spans.contains(marker), "{marker} is in a span");
    }
}
