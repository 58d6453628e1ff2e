//! Facts over NATS, and the clock.

use super::*;
use contracts::{
    BankLineId, ChargeId, Code, Message, MessageId, StaffId, Step,
    envelope::{Envelope, Origin},
    identity::{IdentityConfirmed, IdentityDeficient},
    payment::{FeePaid, Yen},
};

/// Says something as another service, on the real stream.
async fn say(desk: &Desk, as_service: &str, case: CaseId, seq: i64, message: Message) {
    let client = desk.rt.nats(as_service).await.unwrap();
    let origin = Origin {
        id: MessageId::new(),
        subject: case.0,
        correlation: case.0,
        causation: case.0,
        seq,
        time: desk.house.clock.now(),
        traceparent: None,
    };
    let subject = message.entry().subject(case.0);
    let bytes = Envelope::new(&message, origin).to_bytes();
    async_nats::jetstream::new(client).publish(subject, bytes.into()).await.unwrap().await.unwrap();
}

fn confirmed(case: CaseId, at: Timestamp) -> Message {
    IdentityConfirmed { case, at, by: StaffId::new(), rule: Code::of("one-photo") }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_and_fee_in_any_order_lead_to_the_answer() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    let case = someone.case;
    let now = desk.house.clock.now();
    let paid = FeePaid {
        case,
        charge: ChargeId::derived(case.0, "base"),
        amount: Yen(4000),
        paid_on: "2026-06-05".parse().unwrap(),
        line: BankLineId::new(),
        at: now,
    };
    // Heard before the case is there: too early, and not lost.
    say(&desk, "payment", case, 32, paid.into()).await;
    desk.counts("select count(*) from intake.inbox where state = 'later'", 1).await;
    desk.request_of(&someone).await;
    say(&desk, "identity", case, 32, confirmed(case, now)).await;
    desk.is(&someone, "answering").await;
    let prepare = "select count(*) from intake.outbox where subject like 'cmd.fulfilment.prepare-answer.%'";
    assert_eq!(desk.count(prepare).await, 1);
    assert_eq!(desk.page(&someone).await.unwrap().step, Step::Answering);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contradiction_is_parked_and_the_case_stays_as_it_is() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Complaint);
    desk.request_of(&someone).await;
    say(&desk, "identity", someone.case, 32, confirmed(someone.case, desk.house.clock.now())).await;
    let parked = "select count(*) from intake.inbox where state = 'parked' and note = 'identity-not-asked'";
    desk.counts(parked, 1).await;
    desk.is(&someone, "answering").await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_does_not_come_lapses_by_the_clock_and_lifts_the_block() {
    let desk = Desk::held("2026-06-01T01:00:00Z").await;
    let someone = Someone::new(Kind::ProvisionStop);
    desk.request_of(&someone).await;
    let (at, due_at) = ("2026-06-02T01:00:00Z".parse().unwrap(), "2026-06-16T14:59:59Z".parse().unwrap());
    let reasons = vec![Code::of("no-photo")];
    let case = someone.case;
    say(&desk, "identity", case, 32, IdentityDeficient { case, at, reasons, due_at }.into()).await;
    desk.is(&someone, "completing").await;
    assert_eq!(desk.page(&someone).await.unwrap().missing, [Code::of("no-photo")]);
    // The 16th and five open days: the 23rd is the last.
    desk.house.clock.set("2026-06-23T14:59:58Z".parse().unwrap());
    desk.house.clock.set("2026-06-23T15:00:00Z".parse().unwrap());
    desk.is(&someone, "lapsed").await;
    let lift = "select count(*) from intake.outbox where subject like 'cmd.optout.lift-provisional-block.%'";
    assert_eq!(desk.count(lift).await, 1);
    desk.close().await;
}
