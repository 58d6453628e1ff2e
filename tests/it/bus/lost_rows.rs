//! Restores: a hearer or a speaker that lost rows.

use super::world::{Desk, Hearer, Ledger, Speaker, house};
use contracts::Uuid;
use testkit::{House, eventually};

async fn forget_everything_heard(house: &House) {
    let sql =
        "truncate identity.inbox, identity.history, identity.leaf, identity.tally, identity.outbox, identity.peer";
    sqlx::raw_sql(sql).execute(&mut house.admin().await).await.unwrap();
}

/// Nobody says that the hearer was restored, and nothing is said to it any more: its hello makes the speaker ask for what
/// was confirmed last (the probe).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_that_lost_its_rows_is_told_everything_again() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 6, 10).await;
    ledger.settled(&house).await;
    hearer.stop().await;
    forget_everything_heard(&house).await;
    let _hearer = Hearer::start(&house).await;
    ledger.settled(&house).await;
}

/// It lost them while it ran: the next message makes the speaker ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_under_a_running_hearer() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let _hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 6, 10).await;
    ledger.settled(&house).await;
    forget_everything_heard(&house).await;
    ledger.say(&speaker, 1, 1).await;
    ledger.settled(&house).await;
}

/// The speaker was restarted in between and remembers no confirmations: it looks the last ones up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_a_speaker_that_was_restarted() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 6, 10).await;
    ledger.settled(&house).await;
    hearer.stop().await;
    speaker.stop().await;
    forget_everything_heard(&house).await;
    let _hearer = Hearer::start(&house).await;
    let _speaker = Speaker::start(&house).await;
    ledger.settled(&house).await;
}

/// The hearer's rows of a while ago are gone, its last ones are there: only the epoch tells.
async fn another_epoch(break_reopening: bool) {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 4, 10).await;
    ledger.settled(&house).await;
    ledger.say(&speaker, 1, 8).await;
    ledger.settled(&house).await;
    hearer.stop().await;
    let mut admin = house.admin().await;
    let lost: Vec<Uuid> = sqlx::query_scalar(
        "select distinct lane from identity.inbox where id in (select id from identity.inbox order by id limit 40)",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(lost.len(), 4);
    for table in ["history", "leaf"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("delete from identity.{table} where machine = any ($1)")))
            .bind(&lost)
            .execute(&mut admin)
            .await
            .unwrap();
    }
    sqlx::query("delete from identity.tally where id = any ($1)").bind(&lost).execute(&mut admin).await.unwrap();
    sqlx::query("delete from identity.inbox where lane = any ($1)").bind(&lost).execute(&mut admin).await.unwrap();
    sqlx::query("insert into house.epoch select number + 1, system_identifier, timeline, 'a test' from house.epoch")
        .execute(&mut admin)
        .await
        .unwrap();
    if break_reopening {
        // The first time that the speaker reopens what it had closed, its database fails it.
        let trap = "create sequence intake.trap; grant usage on sequence intake.trap to intake;
            create function intake.trap() returns trigger language plpgsql as $$ begin
              if cardinality(new.unheard) > cardinality(old.unheard) and nextval('intake.trap') = 1 then raise exception 'out of luck'; end if;
              return new; end $$;
            create trigger trap before update on intake.outbox for each row execute function intake.trap()";
        sqlx::raw_sql(trap).execute(&mut admin).await.unwrap();
    }
    let _hearer = Hearer::start(&house).await;
    ledger.say(&speaker, 1, 1).await;
    ledger.settled(&house).await;
    if break_reopening {
        let sprung: i64 = sqlx::query_scalar("select last_value from intake.trap").fetch_one(&mut admin).await.unwrap();
        assert!(sprung > 1, "the trap was never sprung");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_of_another_epoch_is_told_everything_again() {
    another_epoch(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_when_the_database_fails_at_that_very_moment() {
    another_epoch(true).await;
}

async fn parked_as_lost(house: &House) -> usize {
    let desk = Desk::sit_down(house).await;
    eventually("the lost rows are parked", || async {
        let rows = desk.parked_at("intake").await.rows;
        let lost = rows.iter().filter(|r| r.note.as_str() == "lost-row-of-mine").count();
        if lost > 0 { Ok(lost) } else { Err(rows) }
    })
    .await
}

/// Takes the speaker's newest rows away, as an older backup would.
async fn forget_the_last_said(house: &House, machine: Uuid) {
    let mut admin = house.admin().await;
    for table in ["outbox", "history", "leaf"] {
        sqlx::query(sqlx::AssertSqlSafe(format!("delete from intake.{table} where machine = $1")))
            .bind(machine)
            .execute(&mut admin)
            .await
            .unwrap();
    }
    sqlx::query("delete from intake.asker where id = $1").bind(machine).execute(&mut admin).await.unwrap();
    // That backup knows of no comparison with what it does not hold.
    sqlx::query("update intake.peer set checked = (select id from intake.outbox order by id desc limit 1)")
        .execute(&mut admin)
        .await
        .unwrap();
}

/// The hearers hand back what the speaker said and no longer knows, one parked row each, although the first thing that
/// the restored speaker does is to say something new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_speaker_that_lost_rows_is_handed_them_back_as_parked_rows() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 2, 5).await;
    ledger.settled(&house).await;
    let lost = Uuid::now_v7();
    for n in 0..3 {
        speaker.say(lost, contracts::Kind::Disclosure, n).await;
        ledger.0.entry(lost).or_default().insert(n);
    }
    ledger.settled(&house).await;
    speaker.stop().await;
    forget_the_last_said(&house, lost).await;
    let speaker = Speaker::start(&house).await;
    ledger.say(&speaker, 1, 1).await;
    ledger.settled(&house).await;
    assert_eq!(parked_as_lost(&house).await, 3);
    // The hearer stays as it is; the rows say which machine it is about. There is nothing to retry.
    let desk = Desk::sit_down(&house).await;
    let rows = desk.parked_at("intake").await.rows;
    assert!(rows.iter().all(|r| r.lane == lost));
    assert!(matches!(
        desk.choose("req.intake.retry", rows[0].id).await,
        contracts::request::StaffReply::Refused { .. }
    ));
    assert!(matches!(desk.choose("req.intake.drop", rows[0].id).await, contracts::request::StaffReply::Done { .. }));
    drop(hearer);
}

/// The same while it runs and says nothing: the newest message that the hearer knows is unknown to its speaker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hearer_that_was_away_hands_them_back_when_it_returns() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 1, 2).await;
    let lost = Uuid::now_v7();
    speaker.say(lost, contracts::Kind::Disclosure, 1).await;
    ledger.0.entry(lost).or_default().insert(1);
    ledger.settled(&house).await;
    hearer.stop().await;
    speaker.stop().await;
    forget_the_last_said(&house, lost).await;
    let _speaker = Speaker::start(&house).await;
    let _hearer = Hearer::start(&house).await;
    assert_eq!(parked_as_lost(&house).await, 1);
}

/// The restored speaker has spoken again and was started again before its hearer could be asked: what was compared stands in
/// the database, so the newest message that both know proves nothing about those before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_speaker_started_twice_before_its_hearer_could_be_asked_is_handed_them_back() {
    let house = house().await;
    let speaker = Speaker::start(&house).await;
    let hearer = Hearer::start(&house).await;
    let mut ledger = Ledger::default();
    ledger.say(&speaker, 1, 2).await;
    ledger.settled(&house).await;
    let lost = Uuid::now_v7();
    speaker.say(lost, contracts::Kind::Disclosure, 1).await;
    ledger.0.entry(lost).or_default().insert(1);
    ledger.settled(&house).await;
    hearer.stop().await;
    speaker.stop().await;
    forget_the_last_said(&house, lost).await;
    let speaker = Speaker::start(&house).await;
    ledger.say(&speaker, 1, 1).await;
    eventually("the new message is said", || async {
        let sql = "select count(*) from intake.outbox where tries = 0";
        let unsaid: i64 = sqlx::query_scalar(sql).fetch_one(&mut house.admin().await).await.unwrap();
        if unsaid == 0 { Ok(()) } else { Err(unsaid) }
    })
    .await;
    speaker.stop().await;
    let _hearer = Hearer::start(&house).await;
    eventually("the hearer has the new message", || async {
        let sql = "select count(*) from identity.inbox i join intake.outbox o on o.id = i.id where cardinality(o.unheard) > 0";
        let heard: i64 = sqlx::query_scalar(sql).fetch_one(&mut house.admin().await).await.unwrap();
        if heard > 0 { Ok(()) } else { Err(heard) }
    })
    .await;
    let _speaker = Speaker::start(&house).await;
    ledger.settled(&house).await;
    assert_eq!(parked_as_lost(&house).await, 1);
}
