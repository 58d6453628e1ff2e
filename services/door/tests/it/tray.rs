use crate::desk::{Desk, a_stop};
use futures::StreamExt;
use sqlx::{Connection, PgConnection};
use std::str::FromStr;

/// The role of the door, straight to the database.
async fn as_door(desk: &Desk) -> PgConnection {
    let url = desk.house.runtime(&[]).database_url("door").unwrap();
    let options = sqlx::postgres::PgConnectOptions::from_str(&url).unwrap().options([("search_path", "door")]);
    PgConnection::connect_with(&options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_can_put_in_and_not_take_out() {
    let desk = Desk::start(&[]).await;
    desk.file("k", &a_stop()).await;
    let mut door = as_door(&desk).await;
    for forbidden in [
        "select sealed from filing",
        "select hatch from filing",
        "update filing set state = 'parked'",
        "delete from filing",
        "select sealed from hatch",
        "delete from hatch",
        "insert into letterbox (code_key, kind, body, version) values ('\\x00', 'status', '\\x00', 1)",
        "update letterbox set version = 1",
        "update idempotency set kind = null",
        "select * from intake.outbox",
        "create table t (a int)",
    ] {
        let error = sqlx::query(forbidden).execute(&mut door).await.expect_err(forbidden);
        assert_eq!(error.as_database_error().and_then(|e| e.code()).as_deref(), Some("42501"), "{forbidden}: {error}");
    }
    let waiting: i64 =
        sqlx::query_scalar("select count(id) from filing where state = 'waiting'").fetch_one(&mut door).await.unwrap();
    assert_eq!(waiting, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_nothing_is_accepted_and_afterwards_it_is() {
    let desk = Desk::start(&[]).await;
    let mut admin = desk.admin().await;
    desk.file("k-0", &a_stop()).await;
    sqlx::query("revoke insert on door.filing from door").execute(&mut admin).await.unwrap();
    let refused = desk.file("k-1", &a_stop()).await;
    assert_eq!((refused.status, refused.problem()), (503, "away".to_owned()));
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(desk.count("idempotency").await, 1, "nothing half-written");
    sqlx::query("grant insert on door.filing to door").execute(&mut admin).await.unwrap();
    assert_eq!(desk.file("k-1", &a_stop()).await.status, 201);
    assert_eq!(desk.open().await.len(), 2, "each filing's hatch is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_is_replaced_unseen() {
    let desk = Desk::start(&[]).await;
    desk.file("k-0", &a_stop()).await;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'door' and datname = current_database()")
        .execute(&mut desk.admin().await)
        .await
        .unwrap();
    let answer = desk.file("k-1", &a_stop()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(desk.open().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_counter_says_so_before_it_accepts() {
    let desk = Desk::start(&[("door.queue", "1")]).await;
    let mut admin = desk.admin().await;
    let mut lock = admin.begin().await.unwrap();
    sqlx::query("lock table door.filing in exclusive mode").execute(&mut *lock).await.unwrap();
    // The first is in flight and stuck, the second waits, the third finds no room: so refusals come before the lock goes.
    let post = |n: usize| {
        let desk = &desk;
        async move { desk.file(&format!("k-{n}"), &a_stop()).await }
    };
    let mut posts: futures::stream::FuturesUnordered<_> = (0..12).map(post).collect();
    let mut answers = vec![posts.next().await.unwrap()];
    lock.commit().await.unwrap();
    while let Some(answer) = posts.next().await {
        answers.push(answer);
    }
    let full: Vec<_> = answers.iter().filter(|a| a.status == 503 && a.problem() == "full").collect();
    assert!(!full.is_empty());
    for answer in full {
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    let accepted = answers.iter().filter(|a| a.status == 201).count();
    assert!(accepted >= 1);
    assert_eq!(desk.count("filing").await, accepted as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_is_told_when_something_was_filed() {
    let desk = Desk::start(&[]).await;
    let rt = desk.house.runtime(&[]);
    let intake = chassis::nats::connect(rt.house(), "intake").await.unwrap();
    let mut hints = intake.subscribe("door.filed").await.unwrap();
    intake.flush().await.unwrap();
    // The door connects to NATS by itself after it is ready, and a hint may be lost: so one filing after another.
    let mut n = 0;
    loop {
        n += 1;
        assert!(n < 200, "no hint");
        assert_eq!(desk.file(&format!("k-{n}"), &a_stop()).await.status, 201);
        let hint = tokio::time::timeout(std::time::Duration::from_millis(300), hints.next()).await;
        if let Ok(hint) = hint {
            assert!(hint.unwrap().payload.is_empty(), "a hint has no content");
            break;
        }
    }
}
