//! Said and heard, two services on real servers; and what a person does with what is parked.

use super::world::{Count, Desk, Hearer, Ledger, Speaker, house, said_ids, until_state};
use chassis::Cause;
use contracts::{Code, Kind, Uuid, request::StaffReply};
use std::sync::atomic::Ordering;
use testkit::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_heard_once_and_confirmed() {
    let house = house().await;
    let count = Count::start(&house).await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 10, 12).await;
    ledger.settled(&house).await;
    let (messages, publishes) = count.so_far();
    assert_eq!(messages, ledger.messages());
    assert!(f64::from(publishes) < 1.2 * messages as f64, "{publishes} publishes for {messages} messages");
    // Ready: the server syncs always, the durables stand.
    for rt in [&speaker.rt, &hearer.rt] {
        let readiness = rt.health().readiness().await;
        assert!(readiness.ready, "{:?}", readiness.checks);
    }
    speaker.stop().await;
    hearer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_of_each_do_everything_once() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let (other_speaker, other_hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 5, 10).await;
    ledger.say(&other_speaker, 5, 10).await;
    other_hearer.stop().await;
    ledger.say(&speaker, 2, 5).await;
    ledger.settled(&house).await;
    drop((other_speaker, hearer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_a_neighbour_and_is_done_when_it_is_back() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    hearer.tricks.neighbour_away.store(true, Ordering::SeqCst);
    let id = Uuid::now_v7();
    speaker.say(id, Kind::Consultation, 7).await;
    speaker.say(id, Kind::Disclosure, 8).await;
    let waits = said_ids(&house, id).await[0];
    assert_eq!(until_state(&house, waits, "later").await.as_deref(), Some("neighbour-away"));
    eventually("it was tried again and again, and the next one passed it", || async {
        let mut db = house.admin().await;
        let tries: i32 = sqlx::query_scalar("select tries from identity.inbox where id = $1")
            .bind(waits)
            .fetch_one(&mut db)
            .await
            .unwrap();
        let numbers = hearer.home.read(id).await.unwrap().map(|(_, s)| s.numbers);
        if tries >= 3 && numbers == Some([8].into()) { Ok(()) } else { Err((tries, numbers)) }
    })
    .await;
    hearer.tricks.neighbour_away.store(false, Ordering::SeqCst);
    until_state(&house, waits, "done").await;
    assert_eq!(hearer.home.read(id).await.unwrap().unwrap().1.numbers, [7, 8].into());
    drop(speaker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_retries_and_drops_what_is_parked() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let desk = Desk::sit_down(&house).await;
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [first, second] {
        speaker.say(id, Kind::Correction, 1).await;
        until_state(&house, said_ids(&house, id).await[0], "parked").await;
        speaker.say(id, Kind::Disclosure, 2).await;
        until_state(&house, said_ids(&house, id).await[1], "behind").await;
    }
    let parked = desk.parked().await.rows;
    assert_eq!(
        parked.iter().map(|r| (r.lane, r.note.as_str(), r.behind)).collect::<Vec<_>>(),
        [(first, "broken", 1), (second, "broken", 1)]
    );

    // Mended and retried: it and what waits behind it go through.
    hearer.home.handle(first, Cause::Person(Uuid::now_v7()), super::toy::In::Mend).await.unwrap();
    assert!(matches!(desk.retry(parked[0].id).await, StaffReply::Done { machine, .. } if machine == first));
    for id in said_ids(&house, first).await {
        until_state(&house, id, "done").await;
    }
    assert_eq!(hearer.home.read(first).await.unwrap().unwrap().1.numbers, [1, 2].into());

    // Dropped: what waits behind it goes through without it.
    assert!(matches!(desk.drop(parked[1].id).await, StaffReply::Done { machine, .. } if machine == second));
    until_state(&house, said_ids(&house, second).await[1], "done").await;
    assert_eq!(hearer.home.read(second).await.unwrap().unwrap().1.numbers, [2].into());
    assert_eq!(until_state(&house, parked[1].id, "dropped").await.as_deref(), Some("broken"));

    // Neither is parked any more; who chose and why is kept.
    assert_eq!(desk.retry(parked[0].id).await, StaffReply::Refused { reason: Code::of("nothing-to-retry"), at: None });
    assert!(desk.parked().await.rows.is_empty());
    let kept: i64 = sqlx::query_scalar("select count(*) from identity.staff_reason")
        .fetch_one(&mut house.admin().await)
        .await
        .unwrap();
    assert_eq!(kept, 3);
}

/// A message that is told to stand behind a parked one while a person drops that one is left without anything before
/// it, and nobody would ever wake it but the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_behind_nothing_is_taken_up() {
    let house = house().await;
    let (speaker, hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let id = Uuid::now_v7();
    speaker.say(id, Kind::Correction, 1).await;
    let poison = said_ids(&house, id).await[0];
    until_state(&house, poison, "parked").await;
    speaker.say(id, Kind::Disclosure, 2).await;
    let after = said_ids(&house, id).await[1];
    until_state(&house, after, "behind").await;
    // What the race leaves: the one is dropped, the other did not see it.
    sqlx::query("update identity.inbox set state = 'dropped' where id = $1")
        .bind(poison)
        .execute(&mut house.admin().await)
        .await
        .unwrap();
    until_state(&house, after, "done").await;
    drop(hearer);
}
