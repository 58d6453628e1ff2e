//! B4 and B5: too early never blocks; a parked message blocks only its own lane, and there only the same speaker's later
//! messages; clock and people pass. Driven by hand: `take_up` is what the inbox worker does, without its pauses.

use super::{
    handle::home,
    toy::{In, Tally, TallyState, route},
    world::{heard, heard_as, house, inbox_state},
};
use chassis::{Cause, Clock, Db, Heard, Home, Outcome};
use contracts::{CaseId, Code, Kind, Message, Service, StaffId, Timestamp, Uuid, identity::IdentityConfirmed};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::sync::Arc;
use testkit::House;

fn noon() -> Timestamp {
    "2026-11-22T03:00:00Z".parse().unwrap()
}

/// Feeds a message made by hand.
async fn feed(home: &Home<Tally>, heard: &Arc<Heard>) -> Outcome<Tally> {
    let input = match &heard.message {
        Message::VerifyIdentity(v) => route(v).unwrap(),
        // Another speaker's message, for lanes: it adds a number of its own.
        Message::IdentityConfirmed(_) => In::Add(900),
        other => panic!("{other:?}"),
    };
    home.handle(heard.envelope.subject, Cause::Message(heard.clone()), input).await.unwrap()
}

/// Takes up what waits in the inbox until nothing moves any more.
async fn take_up(db: &Db, home: &Home<Tally>) {
    loop {
        // Once in `later`, again in `later` afterwards: it did not move.
        let waiting: Vec<(Uuid, Vec<u8>)> =
            sqlx::query_as("select id, body from inbox where state = 'later' and due_at <= now() order by due_at, seq")
                .fetch_all(db.pool())
                .await
                .unwrap();
        if waiting.is_empty() {
            return;
        }
        for (_, body) in waiting {
            let heard = chassis::inbox::decode(Service::Identity, &body).unwrap();
            feed(home, &Arc::new(heard)).await;
        }
    }
}

async fn state(house: &House, heard: &Arc<Heard>) -> String {
    inbox_state(&mut house.admin().await, heard.envelope.id.0).await.unwrap().0
}

async fn tally(home: &Home<Tally>, id: Uuid) -> TallyState {
    home.read(id).await.unwrap().map(|(_, s)| s).unwrap_or_default()
}

/// What a person's retry does to the rows (the request itself is tested with a running service).
async fn retry(db: &Db, heard: &Arc<Heard>) {
    let (id, lane) = (heard.envelope.id.0, heard.envelope.subject);
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "update inbox set state = 'later', due_at = now() where id = $1 or lane = $2 and state = 'behind'",
            )
            .bind(id)
            .bind(lane)
            .execute(tx)
            .await?;
            Ok(())
        })
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_any_order_ends_in_the_same_state() {
    let house = house().await;
    let (db, home) = home(&house, "4", Clock::held(noon())).await;
    let mut ends = vec![];
    for seed in 0..12 {
        let id = Uuid::now_v7();
        let mut messages: Vec<_> =
            [Kind::Suspension, Kind::Disclosure, Kind::Suspension, Kind::Deletion, Kind::Suspension, Kind::Disclosure]
                .into_iter()
                .zip(1u32..)
                .map(|(kind, n)| heard(id, kind, n, 16 * i64::from(n)))
                .collect();
        messages.extend(messages.clone());
        messages.shuffle(&mut StdRng::seed_from_u64(seed));
        for message in &messages {
            feed(&home, message).await;
            if seed % 2 == 0 {
                take_up(&db, &home).await;
            }
        }
        take_up(&db, &home).await;
        ends.push(tally(&home, id).await);
    }
    assert_eq!(ends[0].numbers, [1, 2, 3, 5, 6].into());
    assert!(ends.iter().all(|e| *e == ends[0]), "{ends:?}");
    let waiting: i64 =
        sqlx::query_scalar("select count(*) from inbox where state <> 'done'").fetch_one(db.pool()).await.unwrap();
    assert_eq!(waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_early_waits_blocks_nothing_and_heals_with_the_next_event() {
    let house = house().await;
    let (db, home) = home(&house, "4", Clock::held(noon())).await;
    let id = Uuid::now_v7();
    let (gated, add, open) =
        (heard(id, Kind::Suspension, 1, 16), heard(id, Kind::Disclosure, 2, 32), heard(id, Kind::Deletion, 3, 48));
    assert!(matches!(feed(&home, &gated).await, Outcome::Later));
    assert!(home.read(id).await.unwrap().is_none(), "a message that is too early makes no machine");
    assert!(matches!(feed(&home, &gated).await, Outcome::Later), "a repeat changes nothing");
    assert!(feed(&home, &add).await.is_done(), "what waits because it is too early blocks nothing");
    assert!(feed(&home, &open).await.is_done());
    take_up(&db, &home).await;
    assert_eq!(state(&house, &gated).await, "done");
    assert_eq!(tally(&home, id).await.numbers, [1, 2].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_early_for_a_day_is_parked_for_a_person() {
    let house = house().await;
    let (_, home) = home(&house, "4", Clock::held(noon())).await;
    let gated = heard(Uuid::now_v7(), Kind::Suspension, 1, 16);
    assert!(matches!(feed(&home, &gated).await, Outcome::Later));
    let mut admin = house.admin().await;
    sqlx::query("update identity.inbox set heard_at = now() - interval '23 hours 50 minutes'")
        .execute(&mut admin)
        .await
        .unwrap();
    assert!(matches!(feed(&home, &gated).await, Outcome::Later));
    sqlx::query("update identity.inbox set heard_at = now() - interval '24 hours 1 minute'")
        .execute(&mut admin)
        .await
        .unwrap();
    assert!(matches!(feed(&home, &gated).await, Outcome::Parked));
    assert_eq!(
        inbox_state(&mut admin, gated.envelope.id.0).await.unwrap(),
        ("parked".into(), Some("too-early-for-a-day".into()))
    );
}

/// The parked one first, then what comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b5_a_parked_message_blocks_only_the_same_speakers_later_messages() {
    let house = house().await;
    let clock = Clock::held(noon());
    let (db, home) = home(&house, "4", clock.clone()).await;
    let (id, other_lane) = (Uuid::now_v7(), Uuid::now_v7());
    let before = heard(id, Kind::Disclosure, 1, 16);
    let poison = heard(id, Kind::Correction, 2, 32);
    let (after, later) = (heard(id, Kind::Disclosure, 3, 48), heard(id, Kind::Disclosure, 4, 64));
    assert!(matches!(feed(&home, &poison).await, Outcome::Parked));
    assert!(matches!(feed(&home, &after).await, Outcome::Behind));
    assert!(matches!(feed(&home, &later).await, Outcome::Behind));
    assert!(feed(&home, &before).await.is_done(), "what was said before it is not blocked");
    assert!(feed(&home, &heard(other_lane, Kind::Disclosure, 9, 999)).await.is_done(), "another lane is not blocked");
    let confirmed = IdentityConfirmed { case: CaseId(id), at: noon(), by: StaffId::new(), rule: Code::of("papers") };
    assert!(feed(&home, &heard_as(confirmed.into(), id, 999)).await.is_done(), "another speaker is not blocked");
    assert!(
        home.handle(id, Cause::Person(Uuid::now_v7()), In::WakeAt(noon() + jiff::SignedDuration::from_hours(1)))
            .await
            .unwrap()
            .is_done(),
        "people are not blocked"
    );
    clock.set(noon() + jiff::SignedDuration::from_hours(2));
    assert!(home.handle(id, Cause::Clock, In::Clock(clock.now())).await.unwrap().is_done(), "the clock is not blocked");

    // All these events woke what was behind; it looked, and is behind again.
    take_up(&db, &home).await;
    assert_eq!(
        (state(&house, &poison).await, state(&house, &after).await, state(&house, &later).await),
        ("parked".into(), "behind".into(), "behind".into())
    );

    // Retried without a cure it is parked again, and nothing slips past it for good.
    retry(&db, &poison).await;
    take_up(&db, &home).await;
    assert_eq!(state(&house, &poison).await, "parked");

    home.handle(id, Cause::Person(Uuid::now_v7()), In::Mend).await.unwrap();
    retry(&db, &poison).await;
    take_up(&db, &home).await;
    assert_eq!(tally(&home, id).await.numbers, [1, 2, 3, 4, 900].into());
    assert_eq!(
        (state(&house, &poison).await, state(&house, &after).await, state(&house, &later).await),
        ("done".into(), "done".into(), "done".into())
    );
}

/// The other order: what comes after it was heard before it, one of it too early.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b5_a_parked_message_that_comes_last() {
    let house = house().await;
    let (db, home) = home(&house, "4", Clock::held(noon())).await;
    let id = Uuid::now_v7();
    let (poison, after, gated) =
        (heard(id, Kind::Correction, 2, 32), heard(id, Kind::Disclosure, 3, 48), heard(id, Kind::Suspension, 4, 64));
    assert!(feed(&home, &after).await.is_done());
    assert!(matches!(feed(&home, &gated).await, Outcome::Later));
    assert!(matches!(feed(&home, &poison).await, Outcome::Parked));
    home.handle(id, Cause::Person(Uuid::now_v7()), In::Open).await.unwrap();
    take_up(&db, &home).await;
    assert_eq!(state(&house, &gated).await, "behind", "its time has come, but it stands behind the parked one now");
    home.handle(id, Cause::Person(Uuid::now_v7()), In::Mend).await.unwrap();
    retry(&db, &poison).await;
    take_up(&db, &home).await;
    assert_eq!(tally(&home, id).await.numbers, [2, 3, 4].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b5_a_parked_message_that_turns_out_already_true_frees_what_waits_behind_it() {
    let house = house().await;
    let (db, home) = home(&house, "4", Clock::held(noon())).await;
    let id = Uuid::now_v7();
    let (poison, after) = (heard(id, Kind::Correction, 2, 32), heard(id, Kind::Disclosure, 3, 48));
    feed(&home, &poison).await;
    assert!(matches!(feed(&home, &after).await, Outcome::Behind));
    // A person did by hand what the message asked for; then the same message comes once more.
    home.handle(id, Cause::Person(Uuid::now_v7()), In::Add(2)).await.unwrap();
    take_up(&db, &home).await;
    assert_eq!(state(&house, &after).await, "behind");
    assert!(matches!(feed(&home, &poison).await, Outcome::Already { .. }));
    take_up(&db, &home).await;
    assert_eq!((state(&house, &poison).await, state(&house, &after).await), ("done".into(), "done".into()));
    assert_eq!(tally(&home, id).await.numbers, [2, 3].into());
}
