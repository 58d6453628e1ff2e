//! `handle` alone: B1, B2, B6, and what a person is answered.

use super::{
    toy::{Ev, In, No, Tally, TallyState},
    world::{heard, house},
};
use chassis::{Cause, Clock, Db, Home, Machine, NoRows, Outcome, Wakes, fold};
use contracts::{Code, Kind, Timestamp, Uuid, request::StaffReply};
use jiff::SignedDuration;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use testkit::House;

/// The tally's home over the service's own role, without a bus.
pub async fn home(house: &House, connections: &str, clock: Clock) -> (Db, Home<Tally>) {
    let db = house.runtime(&[("house.connections", connections)]).db("identity").await.unwrap();
    (db.clone(), Home::standing_alone(db, clock, Arc::new(NoRows), Arc::default()))
}

fn noon() -> Timestamp {
    "2026-11-22T03:00:00Z".parse().unwrap()
}

type Row = (i64, serde_json::Value, Option<jiff_sqlx::Timestamp>);

/// B1 for every machine of the schema.
async fn history_folds_to_the_row(house: &House) {
    let mut db = house.admin().await;
    let machines: Vec<Uuid> = sqlx::query_scalar("select id from identity.tally").fetch_all(&mut db).await.unwrap();
    assert!(!machines.is_empty());
    for id in machines {
        let (version, state, wake): Row =
            sqlx::query_as("select version, state, wake_at from identity.tally where id = $1")
                .bind(id)
                .fetch_one(&mut db)
                .await
                .unwrap();
        let history: Vec<(i64, serde_json::Value)> =
            sqlx::query_as("select version, event from identity.history where machine = $1 order by version")
                .bind(id)
                .fetch_all(&mut db)
                .await
                .unwrap();
        let versions: Vec<i64> = history.iter().map(|h| h.0).collect();
        assert_eq!(versions, (1..=version).collect::<Vec<_>>(), "versions without a gap");
        let events: Vec<Ev> = history.into_iter().map(|h| serde_json::from_value(h.1).unwrap()).collect();
        let folded = fold::<Tally>(TallyState::default(), &events);
        assert_eq!(folded, serde_json::from_value(state).unwrap(), "the fold of the history is the row");
        assert_eq!(Tally::wake(&folded), wake.map(|w| w.to_jiff()), "wake_at is the state's");
        let leaves: i64 = sqlx::query_scalar("select count(*) from identity.leaf where machine = $1")
            .bind(id)
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(leaves, version, "one leaf per history row");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_the_history_folds_to_the_row() {
    let house = house().await;
    let clock = Clock::held(noon());
    let (_, home) = home(&house, "4", clock.clone()).await;
    let mut rng = StdRng::seed_from_u64(11);
    let machines: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    for step in 0..240 {
        let id = machines[rng.random_range(0..machines.len())];
        let n = rng.random_range(0..30);
        let input = match rng.random_range(0..9) {
            0 => In::Open,
            1 => In::AddTwo(n, n + 100),
            2 => In::Gated(n),
            3 => In::Fragile(n),
            4 if step > 100 => In::Mend,
            5 => In::Once,
            6 => In::WakeAt(clock.now() + SignedDuration::from_mins(rng.random_range(1..600))),
            _ => In::Add(n),
        };
        let cause = if rng.random_bool(0.5) {
            Cause::Person(Uuid::now_v7())
        } else {
            Cause::Message(heard(id, Kind::Disclosure, n, 16 * step))
        };
        home.handle(id, cause, input).await.unwrap();
        if rng.random_bool(0.1) {
            clock.set(clock.now() + SignedDuration::from_hours(5));
            home.wake_due().await.unwrap();
        }
    }
    history_folds_to_the_row(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b1_nobody_writes_a_second_version_or_changes_what_was_written() {
    let house = house().await;
    let (db, home) = home(&house, "4", Clock::held(noon())).await;
    let id = Uuid::now_v7();
    home.handle(id, Cause::Person(Uuid::now_v7()), In::AddTwo(1, 2)).await.unwrap();
    let code =
        |e: sqlx::Error| e.as_database_error().and_then(|d| d.code()).map(|c| c.into_owned()).unwrap_or_default();

    // The service itself.
    let second = sqlx::query(
        "insert into history (machine, version, at, cause, event, salt) values ($1, 2, now(), $1, '{}', '\\x00')",
    )
    .bind(id);
    assert_eq!(
        code(second.execute(db.pool()).await.unwrap_err()),
        "23505",
        "the primary key refuses a second version 2"
    );
    let changed = sqlx::query("update history set event = '{}' where machine = $1").bind(id);
    assert_eq!(code(changed.execute(db.pool()).await.unwrap_err()), "42501", "the role has no right to change history");
    let leaf = sqlx::query("update leaf set hash = '\\x00' where machine = $1").bind(id);
    assert_eq!(code(leaf.execute(db.pool()).await.unwrap_err()), "23514", "the trigger refuses another hash");
    let foreign = sqlx::query("select 1 from intake.outbox");
    assert_eq!(code(foreign.execute(db.pool()).await.unwrap_err()), "42501", "another service's schema is closed");

    // Even the owner.
    let mut admin = house.admin().await;
    let changed = sqlx::query("update identity.history set event = '{}' where machine = $1").bind(id);
    assert_eq!(code(changed.execute(&mut admin).await.unwrap_err()), "23514", "the trigger refuses the owner too");
    history_folds_to_the_row(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b2_eight_consumers_and_every_message_three_times() {
    let house = house().await;
    let (_, home) = home(&house, "10", Clock::held(noon())).await;
    let machines: Vec<Uuid> = (0..12).map(|_| Uuid::now_v7()).collect();
    let messages: Vec<_> = (0..240u32)
        .map(|n| {
            (
                machines[n as usize % machines.len()],
                n,
                heard(machines[n as usize % machines.len()], Kind::Disclosure, n, 16 * i64::from(n)),
            )
        })
        .collect();
    let mut deliveries: Vec<_> = messages.iter().flat_map(|m| [m.clone(), m.clone(), m.clone()]).collect();
    deliveries.shuffle(&mut StdRng::seed_from_u64(8));
    let queue = Arc::new(Mutex::new(VecDeque::from(deliveries)));
    let consumers: Vec<_> = (0..8)
        .map(|_| {
            let (queue, home) = (queue.clone(), home.clone());
            tokio::spawn(async move {
                let (mut done, mut seen) = (0, 0);
                loop {
                    let Some((id, n, heard)) = queue.lock().unwrap().pop_front() else { return (done, seen) };
                    match home.handle(id, Cause::Message(heard), In::Add(n)).await.unwrap() {
                        Outcome::Done { .. } => done += 1,
                        Outcome::Seen { .. } => seen += 1,
                        other => panic!("{other:?}"),
                    }
                }
            })
        })
        .collect();
    let (mut done, mut seen) = (0, 0);
    for consumer in consumers {
        let (d, s) = consumer.await.unwrap();
        done += d;
        seen += s;
    }
    assert_eq!((done, seen), (messages.len(), 2 * messages.len()));
    let mut db = house.admin().await;
    let rows: (i64, i64) = sqlx::query_as(
        "select (select count(*) from identity.history), (select count(*) from identity.inbox where state = 'done')",
    )
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(rows, (messages.len() as i64, messages.len() as i64));
    history_folds_to_the_row(&house).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b6_a_wake_up_must_move_the_next_one() {
    let house = house().await;
    let clock = Clock::held(noon());
    let (_, home) = home(&house, "4", clock.clone()).await;
    let (good, stuck) = (Uuid::now_v7(), Uuid::now_v7());
    for id in [good, stuck] {
        home.handle(id, Cause::Person(Uuid::now_v7()), In::WakeAt(noon() + SignedDuration::from_hours(1)))
            .await
            .unwrap();
    }
    home.handle(stuck, Cause::Person(Uuid::now_v7()), In::Stick).await.unwrap();
    assert_eq!(home.wake_due().await.unwrap(), 0, "nobody is due yet");

    clock.set(noon() + SignedDuration::from_hours(2));
    assert!(
        home.handle(stuck, Cause::Clock, In::Clock(clock.now())).await.is_err(),
        "the assertion stops a step that would be fed for ever"
    );
    home.wake_due().await.unwrap();
    assert_eq!(home.read(stuck).await.unwrap().unwrap().1.ticks, 0, "nothing of the bad step was written");
    assert_eq!(
        home.read(good).await.unwrap().unwrap().1.ticks,
        1,
        "one that cannot be woken does not keep the others asleep"
    );

    // Thirty days of the clock: woken daily until it wants no more, and once only for each time.
    for _ in 0..30 {
        clock.set(clock.now() + SignedDuration::from_hours(24));
        home.wake_due().await.unwrap();
        home.wake_due().await.unwrap();
    }
    let (version, state) = home.read(good).await.unwrap().unwrap();
    assert_eq!((version, state.ticks, state.wake), (4, 3, None));
    history_folds_to_the_row(&house).await;
}

/// A hundred machines that cannot be woken fill the batch; the next one is woken all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_cannot_be_woken_keep_nobody_asleep() {
    let house = house().await;
    let clock = Clock::held(noon());
    let (_, home) = home(&house, "8", clock.clone()).await;
    let make = |minutes: i64, stuck: bool| {
        let home = &home;
        async move {
            let id = Uuid::now_v7();
            home.handle(id, Cause::Person(Uuid::now_v7()), In::WakeAt(noon() + SignedDuration::from_mins(minutes)))
                .await
                .unwrap();
            if stuck {
                home.handle(id, Cause::Person(Uuid::now_v7()), In::Stick).await.unwrap();
            }
            id
        }
    };
    futures::future::join_all((0..110).map(|_| make(1, true))).await;
    let good = make(2, false).await;
    clock.set(noon() + SignedDuration::from_mins(3));
    home.wake_due().await.unwrap();
    assert_eq!(home.wake_due().await.unwrap(), 1);
    assert_eq!(home.read(good).await.unwrap().unwrap().1.ticks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_token_gets_the_first_answer_again() {
    let house = house().await;
    let (_, home) = home(&house, "10", Clock::held(noon())).await;
    let (id, token) = (Uuid::now_v7(), Uuid::now_v7());
    let first = home.handle(id, Cause::Person(token), In::Once).await.unwrap();
    assert!(first.is_done());
    let answer = StaffReply::Done { machine: id, status: Code::of("once"), figures: vec![] };
    assert_eq!(first.reply(id), answer);
    // The state has moved on; the answer has not.
    let again = home.handle(id, Cause::Person(token), In::Once).await.unwrap();
    assert!(matches!(again, Outcome::Seen { .. }));
    assert_eq!(again.reply(id), answer);
    // Another person's order is another order.
    let other = home.handle(id, Cause::Person(Uuid::now_v7()), In::Once).await.unwrap();
    assert!(matches!(other, Outcome::Refused(No::Twice)));
    assert_eq!(other.reply(id), StaffReply::Refused { reason: Code::of("twice"), at: None });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_sent_eight_times_at_once_is_answered_alike() {
    let house = house().await;
    let (_, home) = home(&house, "10", Clock::held(noon())).await;
    for existing in [false, true] {
        for _ in 0..6 {
            let (id, token) = (Uuid::now_v7(), Uuid::now_v7());
            if existing {
                home.handle(id, Cause::Person(Uuid::now_v7()), In::Open).await.unwrap();
            }
            let sent = (0..8).map(|_| home.handle(id, Cause::Person(token), In::Once));
            for outcome in futures::future::join_all(sent).await {
                let answer = StaffReply::Done { machine: id, status: Code::of("once"), figures: vec![] };
                assert_eq!(outcome.unwrap().reply(id), answer, "the machine stood before: {existing}");
            }
        }
    }
}
