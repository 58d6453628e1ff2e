//! The life of the database: a restore opens a new one, so that positions and checkpoints of two lives never mix.

use sqlx::PgConnection;

/// The schema `house`: one row per life. Read by every service, written by `migrate`, `restore` and the steward.
pub const SCHEMA: &str = "
create schema if not exists house;
create table if not exists house.epoch (
    number            int primary key check (number > 0),
    system_identifier bigint not null,
    timeline          int not null,
    why               text not null,
    since             timestamptz not null default now()
);
";

/// Opens a new epoch when the cluster or its timeline is not the one of the last row; the epoch in force.
pub async fn check(db: &mut PgConnection) -> Result<i32, sqlx::Error> {
    // One at a time: two processes that start together must not open two.
    sqlx::query("select pg_advisory_lock(hashtext('house.epoch'))").execute(&mut *db).await?;
    let result = look(db).await;
    sqlx::query("select pg_advisory_unlock(hashtext('house.epoch'))").execute(&mut *db).await?;
    result
}

async fn look(db: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let (system, timeline): (i64, i32) = sqlx::query_as(
        "select (select system_identifier from pg_control_system()), (select timeline_id from pg_control_checkpoint())",
    )
    .fetch_one(&mut *db)
    .await?;
    let last: Option<(i32, i64, i32)> =
        sqlx::query_as("select number, system_identifier, timeline from house.epoch order by number desc limit 1")
            .fetch_optional(&mut *db)
            .await?;
    match last {
        Some((number, s, t)) if s == system && t == timeline => Ok(number),
        Some((number, ..)) => {
            open(db, number + 1, system, timeline, "another cluster or timeline").await?;
            tracing::warn!(
                epoch = number + 1,
                "this database is not the one that last ran: a new epoch is opened, everything kept is asked again"
            );
            Ok(number + 1)
        }
        None => {
            open(db, 1, system, timeline, "first start").await?;
            Ok(1)
        }
    }
}

async fn open(db: &mut PgConnection, number: i32, system: i64, timeline: i32, why: &str) -> Result<(), sqlx::Error> {
    sqlx::query("insert into house.epoch (number, system_identifier, timeline, why) values ($1, $2, $3, $4)")
        .bind(number)
        .bind(system)
        .bind(timeline)
        .bind(why)
        .execute(db)
        .await
        .map(drop)
}
