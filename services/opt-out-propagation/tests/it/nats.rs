//! Over NATS with the recipient's own account: from a final stop to the confirmed one, through a wiped stream.

use crate::desk::{Desk, refused};
use async_nats::jetstream;
use contracts::{ReportOutcome, Timestamp, envelope::TraceParent, recipient::ReportAnswer};
use recipient_kit::{ExampleContractor, RecipientKeys, nats::NatsReports, report, run, send::SendsReports};
use tracing::Instrument;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_goes_to_the_contractor_and_its_reports_come_back() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let (order, creds, account) = desk.by_nats("nichii-data-centre", &keys);
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let contractor = ExampleContractor::open(order.recipient, keys.clone(), None, ReportOutcome::Applied).unwrap();
    let url = desk.house.nats.url();
    // The steward makes the account first.
    let running = testkit::eventually("the contractor's account stands", || async {
        run::over_nats(contractor.clone(), &url, &creds, &account).await.map_err(|e| e.to_string())
    })
    .await;
    let entry = desk.stop("ヤマダ ハナコ").await;
    assert_eq!(desk.confirmed(entry).await, 1);
    let counts = running.contractor.until(|c| c.accepted == 2).await;
    assert_eq!((counts.taken, counts.refused, counts.reports_refused), (1, 0, 0));
    assert!(running.contractor.stopped("ヤマダ ハナコ", "1980-02-29".parse().unwrap()).is_some());
    let said = desk.said().await;
    for (word, n) in [
        ("block-placed", 1),
        ("stop-entered", 1),
        ("instruction-received", 1),
        ("instruction-settled", 1),
        ("change-fanned-out", 1),
        ("stop-confirmed", 1),
    ] {
        assert_eq!(said.get(word), Some(&n), "{word}: {said:?}");
    }
    // No identifier is in anything that is kept or said in the clear.
    for sql in [
        "select count(*) from delivery where position('ヤマダ'::bytea in body) > 0",
        "select count(*) from outbox where position('ヤマダ'::bytea in body) > 0",
        "select count(*) from history where event::text like '%ヤマダ%' or event::text like '%1980-02-29%'",
    ] {
        assert_eq!(desk.count(sql).await, 0, "{sql}");
    }

    // A forged report by the right account is refused and stated.
    let client = recipient_kit::nats::connect(&url, &creds, &account).await.unwrap();
    let reports = NatsReports::new(client, &account);
    let forged = report::sign(
        &contracts::recipient::Report {
            instruction: contracts::InstructionId::new(),
            recipient: order.recipient,
            digest: contracts::Digest([0; 32]),
            stage: contracts::recipient::ReportStage::Received,
            time: Timestamp::now(),
            book_entry: None,
            erasures: vec![],
        },
        &keys.signing,
    );
    let ReportAnswer::Refused { reason } = reports.send(&forged).await.unwrap() else { panic!() };
    assert_eq!(reason.as_str(), "unknown-instruction");
    assert_eq!(desk.said().await["report-refused"], 1);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wiped_stream_lost_is_said_again() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let (order, creds, account) = desk.by_nats("contractor", &keys);
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    for _ in 0..5 {
        desk.stop("ヤマダ").await;
    }
    testkit::eventually("all are in the stream", || async {
        let ok = desk.count("select count(distinct position) from attempt where outcome = 'ok'").await;
        if ok == 5 { Ok(()) } else { Err(ok) }
    })
    .await;
    // Nobody has pulled yet. The stream goes, with its durables; the steward makes it anew, empty.
    let creds_of_steward = std::fs::read_to_string(desk.house.secrets().creds().join("steward.creds")).unwrap();
    let options = async_nats::ConnectOptions::with_credentials(&creds_of_steward).unwrap();
    let steward = options.custom_inbox_prefix("_INBOX_steward").connect(desk.house.nats.url()).await.unwrap();
    jetstream::new(steward).delete_stream("OPTOUT").await.unwrap();
    let contractor = ExampleContractor::open(order.recipient, keys, None, ReportOutcome::NoDataHeld).unwrap();
    let url = desk.house.nats.url();
    let running = testkit::eventually("the contractor's account stands", || async {
        run::over_nats(contractor.clone(), &url, &creds, &account).await.map_err(|e| e.to_string())
    })
    .await;
    let counts = running.contractor.until(|c| c.taken == 5 && c.accepted == 10).await;
    assert_eq!(counts.reports_refused, 0);
    assert_eq!(running.contractor.ledger().complete(), Some(5));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// A report begins a trace of its own, linked to that in which the instruction was issued.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_linked_to_the_trace_of_its_instruction() {
    testkit::spans();
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let (order, creds, account) = desk.by_nats("nichii-data-centre", &keys);
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let contractor = ExampleContractor::open(order.recipient, keys, None, ReportOutcome::Applied).unwrap();
    let running = testkit::eventually("the contractor's account stands", || async {
        run::over_nats(contractor.clone(), &desk.house.nats.url(), &creds, &account).await.map_err(|e| e.to_string())
    })
    .await;
    desk.stop("ヤマダ ハナコ").instrument(tracing::info_span!(parent: None, "stimulus")).await;
    running.contractor.until(|c| c.accepted == 2).await;
    let issued: Option<String> =
        sqlx::query_scalar("select trace from delivery").fetch_one(desk.bus.db().pool()).await.unwrap();
    let issued = TraceParent::parse(&issued.expect("the instruction was issued in a trace")).unwrap();
    testkit::eventually("both reports are linked", || async {
        let linked = |span: &testkit::CapturedSpan| {
            let to = |link: &opentelemetry::trace::Link| link.span_context.trace_id().to_string() == issued.trace_id();
            span.name == "report" && span.links.iter().any(to)
        };
        let linked = testkit::spans().iter().filter(|span| linked(span)).count();
        if linked == 2 { Ok(()) } else { Err(linked) }
    })
    .await;
}
