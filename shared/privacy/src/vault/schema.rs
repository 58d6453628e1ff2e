//! Making the schema of one service in the key database.

use super::VaultError;
use sqlx::{Connection, PgConnection};

static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Makes or updates a service's schema in the key database and gives its role the rights it needs and no more: it can make
/// keys, read them, turn them into tombstones and remove unused ones; a trigger keeps tombstones from everybody.
///
/// `admin_url` is that of a role that may create schemas; `role` must exist. Safe to repeat and to run from two places.
///
/// # Errors
/// The database cannot be reached, the role is unknown, or the admin role may not do it.
pub async fn migrate(admin_url: &str, schema: &str, role: &str) -> Result<(), VaultError> {
    check_name(schema)?;
    let mut connection = PgConnection::connect(admin_url).await?;
    // Names cannot be parameters of a statement: they go through settings into `format('%I')`, which quotes them.
    sqlx::query("select set_config('vault.schema', $1, false), set_config('vault.role', $2, false)")
        .bind(schema)
        .bind(role)
        .execute(&mut connection)
        .await?;
    sqlx::query(
        "do $$ begin \
         perform pg_advisory_xact_lock(hashtextextended('vault schema', 0)); \
         execute format('create schema if not exists %I', current_setting('vault.schema')); \
         end $$",
    )
    .execute(&mut connection)
    .await?;
    sqlx::query("select set_config('search_path', quote_ident($1), false)")
        .bind(schema)
        .execute(&mut connection)
        .await?;
    MIGRATOR.run(&mut connection).await.map_err(VaultError::Migration)?;
    sqlx::query(
        "do $$ declare s text := current_setting('vault.schema'); r text := current_setting('vault.role'); begin \
         perform pg_advisory_xact_lock(hashtextextended('vault schema', 0)); \
         execute format('grant usage on schema %I to %I', s, r); \
         execute format('grant select, insert, update, delete on %I.wrapped_key to %I', s, r); \
         execute format('grant select on %I.tombstone to %I', s, r); \
         end $$",
    )
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    Ok(())
}

/// A schema is named as a service's subject token: it also stands in a connection option, where nothing quotes it.
pub(super) fn check_name(schema: &str) -> Result<(), VaultError> {
    let good = (1..=63).contains(&schema.len())
        && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if good { Ok(()) } else { Err(VaultError::SchemaName) }
}
