//! The two rules of `chassis::db`: the hook on the pool, and writes in tasks of their own.

use super::world::{house, schemas};
use chassis::{Db, DbError};
use futures::poll;
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use std::{future::Future, pin::pin};
use testkit::{House, eventually};
use tokio::sync::oneshot;

async fn table(house: &House) -> PgConnection {
    assert!(schemas().iter().any(|s| s.name == "identity"));
    let mut admin = house.admin().await;
    sqlx::raw_sql("create table identity.kept (n int primary key); grant all on identity.kept to identity")
        .execute(&mut admin)
        .await
        .unwrap();
    admin
}

/// Looks at a future so many times, then drops it wherever it is: what a disconnect or a time-out does.
async fn dropped_after<F: Future>(future: F, looks: usize) {
    let mut future = pin!(future);
    for _ in 0..looks {
        if poll!(future.as_mut()).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Drops `begin` at many points, and after each writes one row; the rows that were acknowledged and are not there.
async fn acknowledged_and_lost(
    pool: &PgPool,
    outside: &mut PgConnection,
    rounds: i32,
    enough: usize,
) -> (usize, usize) {
    let (mut acknowledged, mut lost) = (0, 0);
    for n in 0..rounds {
        #[allow(clippy::disallowed_methods)] // the very thing that the ban is about
        dropped_after(pool.begin(), (n as usize * 7) % 300).await;
        if sqlx::query("insert into identity.kept values ($1)").bind(n).execute(pool).await.is_ok() {
            acknowledged += 1;
            let there: bool = sqlx::query_scalar("select exists (select 1 from identity.kept where n = $1)")
                .bind(n)
                .fetch_one(&mut *outside)
                .await
                .unwrap();
            lost += usize::from(!there);
        }
        if lost >= enough {
            break;
        }
    }
    (acknowledged, lost)
}

/// transact-rs/sqlx 4385: with the plain pool an acknowledged write is lost. When this control fails, sqlx is mended and
/// the hook may go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_without_the_hook_acknowledged_writes_are_lost() {
    let house = house().await;
    let mut outside = table(&house).await;
    let bare = PgPoolOptions::new().max_connections(1).connect(&house.admin_url()).await.unwrap();
    let (acknowledged, lost) = acknowledged_and_lost(&bare, &mut outside, 6_000, 1).await;
    assert!(lost > 0, "{acknowledged} rows were acknowledged and all of them kept: sqlx no longer needs the hook");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_hook_every_acknowledged_write_is_kept() {
    let house = house().await;
    let mut outside = table(&house).await;
    let db = Db::connect(&house.admin_url(), "identity", 1).await.unwrap();
    let (acknowledged, lost) = acknowledged_and_lost(db.pool(), &mut outside, 1_500, usize::MAX).await;
    assert_eq!((acknowledged, lost), (1_500, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ends_although_its_caller_is_gone() {
    let house = house().await;
    let outside = tokio::sync::Mutex::new(table(&house).await);
    let db = Db::connect(&house.admin_url(), "identity", 2).await.unwrap();
    let (begun, has_begun) = oneshot::channel();
    let (go, may_go) = oneshot::channel::<()>();
    let writer = db.clone();
    let caller = tokio::spawn(async move {
        writer
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("insert into kept values (1)").execute(&mut *tx).await?;
                    let _ = begun.send(());
                    let _ = may_go.await;
                    sqlx::query("insert into kept values (2)").execute(tx).await?;
                    Ok(())
                })
            })
            .await
    });
    has_begun.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go.send(()).expect("the writing task lives on without its caller");
    eventually("both rows are committed", || async {
        let rows: i64 = sqlx::query_scalar("select count(*) from identity.kept")
            .fetch_one(&mut *outside.lock().await)
            .await
            .unwrap();
        if rows == 2 { Ok(()) } else { Err(rows) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_fails_or_panics_leaves_nothing() {
    let house = house().await;
    let mut outside = table(&house).await;
    let db = Db::connect(&house.admin_url(), "identity", 1).await.unwrap();
    let failed = db
        .write(|tx| {
            Box::pin(async move {
                sqlx::query("insert into kept values (1)").execute(&mut *tx).await?;
                sqlx::query("insert into kept values (1)").execute(tx).await?;
                Ok(())
            })
        })
        .await;
    assert!(failed.unwrap_err().is_conflict());
    let panicked = db
        .write::<(), _>(|tx| {
            Box::pin(async move {
                sqlx::query("insert into kept values (2)").execute(&mut *tx).await?;
                panic!("a bug")
            })
        })
        .await;
    assert!(matches!(panicked, Err(DbError::Panicked)));
    // The one connection of the pool works on, outside any transaction.
    db.write(|tx| Box::pin(async move { Ok(sqlx::query("insert into kept values (3)").execute(tx).await.map(drop)?) }))
        .await
        .unwrap();
    let rows: Vec<i32> = sqlx::query_scalar("select n from identity.kept").fetch_all(&mut outside).await.unwrap();
    assert_eq!(rows, [3]);
}
