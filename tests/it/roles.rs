//! Role isolation, with the real schemas of the house: every service logs in as itself and fails on everybody else's
//! tables, and what was written down cannot be changed.

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeSet;
use testkit::House;

async fn house() -> House {
    House::start(&launcher::schemas(), launcher::KEY_SCHEMAS).await
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|d| d.code()).map(|c| c.into_owned()).unwrap_or_else(|| error.to_string())
}

/// (schema, table) of every table of the house.
async fn tables(db: &mut PgConnection) -> Vec<(String, String)> {
    let found: Vec<(String, String)> = sqlx::query_as(
        "select schemaname::text, tablename::text from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1, 2",
    )
    .fetch_all(db)
    .await
    .unwrap();
    assert!(found.len() > 60, "{found:?}");
    found
}

/// What a role may do outside its own schema, and why. Everything else is closed.
fn declared(role: &str, schema: &str, table: &str) -> bool {
    match (role, schema) {
        // Which life of the database it is.
        (_, "house") => table == "epoch",
        // Intake takes from the in-tray and fills the out-tray: the one exception to "no grants across".
        ("intake", "door") => true,
        // Which recipients have a NATS account.
        ("steward", "optout") => table == "recipient",
        _ => role == schema,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_fails_on_everybody_elses_tables() {
    let house = house().await;
    let tables = tables(&mut house.admin().await).await;
    let mut roles: Vec<&str> = launcher::schemas().iter().map(|s| s.name).collect();
    roles.push("steward");
    let mut findings = vec![];
    for role in &roles {
        let db = house.runtime(&[("house.connections", "1")]).db(role).await.unwrap();
        for (schema, table) in &tables {
            for sql in [
                format!("select 1 from {schema}.{table} limit 1"),
                format!("delete from {schema}.{table}"),
                format!("truncate {schema}.{table}"),
            ] {
                #[allow(clippy::disallowed_methods)] // rolled back at once: nothing is written
                let mut tx = db.pool().begin().await.unwrap();
                let said =
                    sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *tx).await.map(drop).map_err(|e| code(&e));
                tx.rollback().await.unwrap();
                let closed = said == Err("42501".to_owned());
                if !closed && (!declared(role, schema, table) || sql.starts_with("truncate")) {
                    findings.push(format!("{role}: {sql}: {said:?}"));
                }
            }
        }
        db.close().await;
    }
    assert!(findings.is_empty(), "\n  {}", findings.join("\n  "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_makes_tables_or_changes_what_was_written_down() {
    let house = house().await;
    for schema in launcher::schemas() {
        let db = house.runtime(&[("house.connections", "1")]).db(schema.name).await.unwrap();
        let mut forbidden = vec![
            "create table stowaway (n int)".to_owned(),
            "create schema stowaway".into(),
            "create role stowaway".into(),
            "alter role current_user superuser".into(),
        ];
        if schema.bus {
            forbidden.extend(
                [
                    "update history set cause = cause",
                    "update _sqlx_migrations set version = version",
                    "alter table history disable trigger all",
                    "drop table inbox",
                ]
                .map(String::from),
            );
        }
        for sql in forbidden {
            #[allow(clippy::disallowed_methods)] // rolled back at once: nothing is written
            let mut tx = db.pool().begin().await.unwrap();
            let said = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut *tx).await;
            tx.rollback().await.unwrap();
            let said = said.map_err(|e| code(&e));
            assert_eq!(said.map(drop), Err("42501".to_owned()), "{}: {sql}", schema.name);
        }
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_apart_and_each_service_sees_its_own() {
    let house = house().await;
    let mut admin = house.keys_admin().await;
    let tables: Vec<(String, String)> =
        sqlx::query_as("select schemaname::text, tablename::text from pg_tables where schemaname not in ('pg_catalog', 'information_schema')").fetch_all(&mut admin).await.unwrap();
    let schemas: BTreeSet<&str> = tables.iter().map(|t| t.0.as_str()).collect();
    assert_eq!(schemas, launcher::KEY_SCHEMAS.iter().copied().collect());
    let rt = house.runtime(&[]);
    for role in launcher::schemas().iter().map(|s| s.name).chain(["steward"]) {
        let connected = PgConnection::connect(&rt.keys_url(role).unwrap()).await;
        if !launcher::KEY_SCHEMAS.contains(&role) {
            assert_eq!(
                connected.map(drop).map_err(|e| code(&e)),
                Err("42501".to_owned()),
                "{role} has no business in the key database"
            );
            continue;
        }
        let mut db = connected.unwrap();
        for (schema, table) in &tables {
            let said = sqlx::raw_sql(AssertSqlSafe(format!("select 1 from {schema}.{table}")))
                .execute(&mut db)
                .await
                .map(drop)
                .map_err(|e| code(&e));
            assert_eq!(
                said.is_ok(),
                schema == role && !table.starts_with("_sqlx"),
                "{role} on {schema}.{table}: {said:?}"
            );
        }
    }
}
