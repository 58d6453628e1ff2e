//! B7, B8: positions without a gap at every moment a reader looks; every change once; nothing half-written.

use crate::desk::{Desk, insert_recipient};
use contracts::{Scope, Uuid};
use opt_out_propagation::fanout::Pass;
use privacy_seal::Purpose;
use recipient_kit::{RecipientKeys, apply, identifiers};
use sqlx::Row;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

const CHANGES: i64 = 60;

/// Four writers, connections that the server cuts at random, and a reader that follows the positions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_writers_and_cut_connections_leave_no_gap_and_nothing_twice() {
    let desk = Arc::new(Desk::quiet().await);
    let mut keys = Vec::new();
    for n in 0..3 {
        let recipient_keys = RecipientKeys::random().unwrap();
        let (recipient, _) = insert_recipient(&desk, &format!("contractor-{n}"), &recipient_keys).await;
        keys.push((recipient, recipient_keys));
    }
    let cuts = Arc::new(AtomicU32::new(0));
    let over = Arc::new(AtomicBool::new(false));

    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (desk, over) = (desk.clone(), over.clone());
        writers.spawn(async move {
            let fan = desk.fan_out();
            while !over.load(Ordering::Relaxed) {
                // An error is a connection that was cut: the whole batch was rolled back.
                if let Ok(Pass::Done(0) | Pass::Elsewhere) | Err(_) = fan.pass().await {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    let cutter = tokio::spawn({
        let (desk, over, cuts) = (desk.clone(), over.clone(), cuts.clone());
        async move {
            let mut admin = desk.house.admin().await;
            while !over.load(Ordering::Relaxed) && cuts.load(Ordering::Relaxed) < 40 {
                // Only one that is inside a batch: the transaction has to be rolled back by it.
                let cut = sqlx::query(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                      where datname = current_database() and usename = 'optout' and state <> 'idle'
                        and query like '%delivery%' limit 1",
                )
                .fetch_all(&mut admin)
                .await
                .unwrap();
                cuts.fetch_add(cut.len() as u32, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let reader = tokio::spawn({
        let (desk, over) = (desk.clone(), over.clone());
        async move {
            let mut admin = desk.house.admin().await;
            let mut looks = 0u64;
            while !over.load(Ordering::Relaxed) {
                let gaps: i64 = sqlx::query_scalar(
                    "select count(*) from (select max(position) m, count(*) n, min(position) f from optout.delivery group by recipient) x
                      where m <> n or f <> 1",
                )
                .fetch_one(&mut admin)
                .await
                .unwrap();
                assert_eq!(gaps, 0, "a reader saw a gap");
                looks += 1;
            }
            looks
        }
    });
    for n in 0..CHANGES {
        // The cutter may also hit this connection's transaction; a stop is then entered again, as a person would.
        let desk = desk.clone();
        let kana = format!("ヤマダ ハナコ{}", "ア".repeat((n % 7) as usize));
        let mut entered = false;
        while !entered {
            let (desk, kana) = (desk.clone(), kana.clone());
            entered = tokio::spawn(async move { desk.stop(&kana).await }).await.is_ok();
        }
    }
    testkit::eventually("every change is fanned out", || async {
        let mut admin = desk.house.admin().await;
        let open: i64 = sqlx::query_scalar("select count(*) from optout.fanout where done_at is null")
            .fetch_one(&mut admin)
            .await
            .unwrap();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    over.store(true, Ordering::Relaxed);
    writers.join_all().await;
    cutter.await.unwrap();
    assert!(reader.await.unwrap() > 0);

    // An entry whose stop was cut just after its commit was entered a second time under another id: count what stands.
    let changes = desk.count("select count(*) from fanout").await;
    assert!(changes >= CHANGES);
    assert_eq!(desk.count("select count(*) from delivery").await, 3 * changes);
    assert_eq!(desk.count("select count(*) from instruction").await, 3 * changes);
    assert_eq!(desk.count("select count(*) from owed").await, 3 * changes);
    assert_eq!(desk.count("select count(*) from change").await, changes);
    assert_eq!(desk.count("select count(*) from recipient where last <> (select count(*) from fanout)").await, 0);
    let said = desk.said().await;
    assert_eq!((said["change-fanned-out"], said.get("instruction-issued")), (changes, None));
    println!("{} connections were cut", cuts.load(Ordering::Relaxed));

    // Every body is for its recipient, opens with its key only, and its digest is the one on record.
    let rows = sqlx::query("select recipient, position, instruction, digest, body from delivery")
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    for row in rows {
        let (recipient, body): (Uuid, Vec<u8>) = (row.get("recipient"), row.get("body"));
        let instruction = apply::parse(&body).unwrap();
        assert_eq!((instruction.subject.0, instruction.data.position), (recipient, row.get::<i64, _>("position")));
        assert_eq!(recipient_kit::digest_of(&body).0.as_slice(), row.get::<Vec<u8>, _>("digest"));
        for (id, keys) in &keys {
            let opened = identifiers::open(keys, instruction.id, &instruction.data.person);
            assert_eq!(opened.is_ok(), id.0 == recipient);
            if let Ok(person) = opened {
                assert!(person.disclose(Purpose::InstructRecipient).kana.starts_with("ヤマダ"));
            }
        }
    }
}

#[tokio::test]
async fn the_database_itself_refuses_gaps_changes_and_lifting() {
    let desk = Desk::quiet().await;
    insert_recipient(&desk, "contractor", &RecipientKeys::random().unwrap()).await;
    let entry = desk.stop("ヤマダ").await;
    assert_eq!(desk.fan_out().pass().await.unwrap(), Pass::Done(1));
    assert_eq!(desk.fan_out().pass().await.unwrap(), Pass::Done(0));
    for (sql, constraint) in [
        (
            "insert into delivery select recipient, 3, epoch, gen_random_uuid(), endpoint, entry, digest, body from delivery",
            "positions_follow",
        ),
        (
            "insert into delivery select recipient, 2, epoch, gen_random_uuid(), gen_random_uuid(), entry, digest, body from delivery",
            "endpoint_is_its_own",
        ),
        ("update delivery set body = ''", ""),
        ("update register_entry set blocked_since = null, final_since = null", "a_final_stop_stays"),
        ("update register_entry set scope = 'anonymised'", "a_final_stop_stays"),
    ] {
        let refused = desk
            .bus
            .db()
            .write(move |tx| Box::pin(async move { Ok(sqlx::query(sql).execute(tx).await.map(drop)?) }))
            .await
            .unwrap_err();
        assert_eq!(refused.constraint().unwrap_or_default(), constraint, "{sql}: {refused}");
    }
    let _ = entry;
}

/// The block can be found by kana and date of birth, however they are spelled, and by the right track only.
#[tokio::test]
async fn the_gate_finds_the_block_at_once_and_nobody_elses() {
    let desk = Desk::quiet().await;
    desk.stop("ヤマダ ハナコ").await;
    let blocked = |kana: &'static str, date: &'static str| {
        let tag = desk.register.gate_tag(kana, date).unwrap();
        let pool = desk.bus.db().pool().clone();
        async move { opt_out_propagation::person::is_blocked(&pool, &[tag], Scope::Anonymised).await.unwrap() }
    };
    assert!(blocked("ヤマダ ハナコ", "1980-02-29").await);
    assert!(blocked("ﾔﾏﾀﾞ ﾊﾅｺ", "昭和55年2月29日").await);
    assert!(!blocked("ヤマダ ハナコ", "1980-03-01").await);
    assert!(!blocked("ヤマダ タロウ", "1980-02-29").await);
    let plain: i64 = desk
        .count("select count(*) from register_entry where position('ヤマダ'::bytea in person) > 0 or position('1980'::bytea in person) > 0")
        .await;
    assert_eq!(plain, 0, "identifiers are sealed");
}
