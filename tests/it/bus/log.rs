//! B12: the log is append-only, every leaf has one number without a gap, and the root is the RFC 9162 root, with three
//! sealers at once and steps that commit late or not at all.

use super::{handle::home, toy::In, world::house};
use chassis::{
    Cause, Clock,
    merkle::{self, Hash, Tree},
    sealer,
};
use contracts::Uuid;
use sqlx::Connection;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b12_three_sealers_make_one_log() {
    let house = house().await;
    let (db, home) = home(&house, "8", Clock::system()).await;
    // A step that takes its leaf's id early and commits last.
    let mut late = db.own_connection().await.unwrap();
    let mut tx = late.begin().await.unwrap();
    let unsettled = Uuid::now_v7();
    sqlx::query("insert into leaf (machine, version, hash) values ($1, 1, '\\x11')")
        .bind(unsettled)
        .execute(&mut *tx)
        .await
        .unwrap();

    let writers = (0..6u32).map(|w| {
        let home = home.clone();
        async move {
            let id = Uuid::now_v7();
            for n in 0..40 {
                home.handle(id, Cause::Person(Uuid::now_v7()), In::Add(100 * w + n)).await.unwrap();
            }
        }
    });
    let sealers = (0..3).map(|_| async {
        let mut own = db.own_connection().await.unwrap();
        for _ in 0..60 {
            match sealer::seal(&mut own).await {
                Ok(0) => tokio::task::yield_now().await,
                Ok(_) => {}
                Err(e) => panic!("{e}"),
            }
        }
    });
    tokio::join!(futures::future::join_all(writers), futures::future::join_all(sealers));
    // One that never commits leaves a hole in the ids and none in the numbers.
    let mut lost = db.own_connection().await.unwrap();
    let mut never = lost.begin().await.unwrap();
    sqlx::query("insert into leaf (machine, version, hash) values ($1, 2, '\\x22')")
        .bind(unsettled)
        .execute(&mut *never)
        .await
        .unwrap();
    never.rollback().await.unwrap();
    while sealer::seal(&mut lost).await.unwrap() > 0 {}
    let before: i64 = sqlx::query_scalar("select size from log").fetch_one(&mut lost).await.unwrap();
    assert_eq!(before, 240, "what has not committed has no number");
    tx.commit().await.unwrap();
    assert_eq!(sealer::seal(&mut lost).await.unwrap(), 1, "what commits late is taken next");

    let leaves: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("select number, hash from leaf order by number").fetch_all(&mut lost).await.unwrap();
    assert_eq!(leaves.iter().map(|l| l.0).collect::<Vec<_>>(), (0..241).collect::<Vec<_>>());
    let mut tree = Tree::default();
    for (_, hash) in &leaves {
        tree.push(merkle::leaf(hash));
    }
    let (size, peaks, root): (i64, Vec<Vec<u8>>, Vec<u8>) =
        sqlx::query_as("select size, peaks, root from log").fetch_one(&mut lost).await.unwrap();
    assert_eq!((size as u64, root), (tree.size, tree.root().to_vec()));
    assert_eq!(peaks, tree.peaks.iter().map(|p: &Hash| p.to_vec()).collect::<Vec<_>>());
    // A number is given once: neither the service nor its owner changes it.
    let mut admin = house.admin().await;
    let again = sqlx::query("update identity.leaf set number = number + 1000 where number = 240")
        .execute(&mut admin)
        .await
        .unwrap_err();
    assert_eq!(again.as_database_error().and_then(|d| d.code()).as_deref(), Some("23514"));
}
