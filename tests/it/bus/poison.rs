//! Bytes that are no message, messages that are not for us, and a service whose code panics.

use super::{
    toy::order,
    world::{Desk, Hearer, Ledger, Speaker, heard, heard_as, house, jetstream_of, said_ids, until_state, vandal},
};
use contracts::{CaseId, Code, Kind, Service, Uuid, intake::CaseErased, request::StaffReply};
use testkit::{House, eventually};

/// The parked row of these bytes: id and note.
async fn parked_with(house: &House, bytes: &[u8]) -> (Uuid, String) {
    eventually("the bytes are parked", || async {
        let mut db = house.admin().await;
        let found: Option<(Uuid, String)> =
            sqlx::query_as("select id, note from identity.inbox where state = 'parked' and body = $1")
                .bind(bytes)
                .fetch_optional(&mut db)
                .await
                .unwrap();
        found.ok_or(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_cannot_be_read_are_parked_with_their_bytes() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let js = jetstream_of(&vandal(&house).await);
    let id = Uuid::now_v7();
    let good = String::from_utf8(heard(id, Kind::Disclosure, 1, 16).bytes.clone()).unwrap();
    let not_for_us = heard_as(CaseErased { case: CaseId(id), at: jiff::Timestamp::UNIX_EPOCH }.into(), id, 16);
    assert!(not_for_us.message.entry().hearers.contains(&Service::Identity));
    let for_payment = contracts::payment::RequestFee {
        case: CaseId(id),
        charge: contracts::ChargeId(id),
        kind: Kind::Disclosure,
        received_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let poison: [(Vec<u8>, &str); 7] = [
        (b"\xff\x00 no message at all".to_vec(), "unreadable-envelope"),
        (b"{}".to_vec(), "unreadable-envelope"),
        (good.replace("\"1.0\"", "\"2.0\"").into_bytes(), "unreadable-envelope"),
        (good.replace("identity.verify.v1", "identity.verify.v9").into_bytes(), "unreadable-type"),
        (good.replace("/madoguchi/intake", "/madoguchi/console").into_bytes(), "wrong-speaker"),
        (good.replace("\"disclosure\"", "\"nonsense\"").into_bytes(), "unreadable-payload"),
        (heard_as(for_payment.into(), id, 16).bytes.clone(), "not-for-this-service"),
    ];
    for (bytes, why) in &poison {
        js.publish(format!("cmd.identity.verify.v1.{id}"), bytes.clone().into()).await.unwrap().await.unwrap();
        assert_eq!(parked_with(&house, bytes).await.1, *why);
        // The same id again must not hide behind the first one: the next of these has the id of `good`, too.
        sqlx::query("delete from identity.inbox where note = $1")
            .bind(why)
            .execute(&mut house.admin().await)
            .await
            .unwrap();
    }
    assert!(hearer.home.read(id).await.unwrap().is_none(), "none of it reached a machine");
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 2, 3).await;
    ledger.settled(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_that_is_retried_is_parked_again() {
    let house = house().await;
    let hearer = Hearer::start(&house).await;
    let js = jetstream_of(&vandal(&house).await);
    js.publish(format!("cmd.identity.verify.v1.{}", Uuid::nil()), "poison".into()).await.unwrap().await.unwrap();
    let (id, _) = parked_with(&house, b"poison").await;
    let desk = Desk::sit_down(&house).await;
    assert!(matches!(desk.retry(id).await, StaffReply::Done { .. }));
    until_state(&house, id, "parked").await;
    assert!(matches!(desk.drop(id).await, StaffReply::Done { .. }));
    until_state(&house, id, "dropped").await;
    // Said once more, it stays dropped.
    js.publish(format!("cmd.identity.verify.v1.{}", Uuid::nil()), "poison".into()).await.unwrap().await.unwrap();
    js.publish(format!("cmd.identity.verify.v1.{}", Uuid::nil()), "more poison".into()).await.unwrap().await.unwrap();
    parked_with(&house, b"more poison").await;
    until_state(&house, id, "dropped").await;
    drop(hearer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_code_panics_three_times_is_parked() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let (bad, good) = (Uuid::now_v7(), Uuid::now_v7());
    speaker.say(bad, Kind::Complaint, 1).await;
    speaker.say(good, Kind::Disclosure, 1).await;
    assert_eq!(until_state(&house, said_ids(&house, bad).await[0], "parked").await.as_deref(), Some("panicked"));
    until_state(&house, said_ids(&house, good).await[0], "done").await;
    assert!(!hearer.rt.stopping().is_asked(), "a panic takes neither the lane nor the process along");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ignored_and_what_the_service_parks_is_confirmed_too() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let id = Uuid::now_v7();
    assert!(
        super::toy::route(match &order(id, Kind::PurposeNotice, 1) {
            contracts::Message::VerifyIdentity(v) => v,
            _ => unreachable!(),
        })
        .is_none()
    );
    speaker.say(id, Kind::PurposeNotice, 1).await;
    speaker.say(id, Kind::ProvisionStop, 2).await;
    let ids = said_ids(&house, id).await;
    until_state(&house, ids[0], "done").await;
    assert_eq!(until_state(&house, ids[1], "parked").await.as_deref(), Some("not-by-machine"));
    eventually("both outbox rows are closed", || async {
        let open: i64 = sqlx::query_scalar("select count(*) from intake.outbox where unheard <> '{}'")
            .fetch_one(&mut house.admin().await)
            .await
            .unwrap();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    assert_eq!(Desk::sit_down(&house).await.parked().await.rows[0].note, Code::of("not-by-machine"));
    drop(hearer);
}
