//! Schemas, roles and migrations: forward only, applied by `madoguchi migrate` before new code.
//!
//! Every service has a schema and a role of the same name. The owner (the migrating user) owns the tables; the role may
//! read and write them, and may not change what was written down (history, leaves, copies of tombstones). Nobody has
//! rights in another's schema.

use sqlx::{AssertSqlSafe, Connection, PgConnection, migrate::Migrator};
use std::str::FromStr;

/// The bus's own migrations, 0001 to 0099; a service's begin at 0100.
static BUS: Migrator = sqlx::migrate!("./migrations");

/// What a service needs in the database.
pub struct Schema<'a> {
    /// Schema, role and search path.
    pub name: &'a str,
    /// Its machines' tables; a service without machines (`door`) gets no bus either.
    pub machines: &'a [&'a str],
    /// Whether the bus's tables are made although there is no machine (`console`, which only hears).
    pub bus: bool,
    /// Its own migrations.
    pub migrator: &'a Migrator,
}

/// Why it could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A name that is no plain lower-case word.
    #[error("`{0}` is no schema or table name: use lower-case letters and underscores")]
    Name(String),
    /// PostgreSQL said so.
    #[error("migrating: {0}")]
    Sql(#[from] sqlx::Error),
    /// A migration failed or was changed after it had been applied.
    #[error("migrating schema `{0}`: {1}")]
    Migrate(String, sqlx::migrate::MigrateError),
}

fn word(text: &str) -> Result<&str, SchemaError> {
    let plain = !text.is_empty() && text.len() < 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { Ok(text) } else { Err(SchemaError::Name(text.to_owned())) }
}

/// Makes the role (or sets its password) as the administrator. `password` is hexadecimal, from a secret file.
pub async fn role(admin: &mut PgConnection, name: &str, password: &str) -> Result<(), SchemaError> {
    let name = word(name)?;
    if !password.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(SchemaError::Name("a password that is not letters and digits".into()));
    }
    let sql = format!(
        "do $$ begin
           perform pg_advisory_xact_lock(hashtext('madoguchi roles'));
           if not exists (select from pg_roles where rolname = '{name}') then create role {name}; end if;
           alter role {name} login password '{password}' nosuperuser nocreatedb nocreaterole;
         end $$"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await?;
    Ok(())
}

/// Makes the schema, applies the migrations that are missing, makes the machines' tables and sets the rights.
pub async fn migrate(url: &str, schema: &Schema<'_>) -> Result<(), SchemaError> {
    let name = word(schema.name)?;
    let options = sqlx::postgres::PgConnectOptions::from_str(url)?
        .options([("search_path", name), ("client_min_messages", "warning")]);
    let mut db = PgConnection::connect_with(&options).await?;
    let sql = format!(
        "create schema if not exists {name}; revoke all on schema {name} from public; grant usage on schema {name} to {name}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await?;
    let bus = if schema.bus || !schema.machines.is_empty() { BUS.migrations.as_ref() } else { &[] };
    let all = bus.iter().chain(schema.migrator.migrations.iter()).cloned().collect();
    Migrator::with_migrations(all).run(&mut db).await.map_err(|e| SchemaError::Migrate(name.to_owned(), e))?;
    for kind in schema.machines {
        let kind = word(kind)?;
        // `wake_at` is a column that the state computes, not a second queue.
        let sql = format!(
            "create table if not exists {kind} (id uuid primary key, version bigint not null, state jsonb not null, wake_at timestamptz);
             create index if not exists {kind}_wake on {kind} (wake_at) where wake_at is not null"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut db).await?;
    }
    rights(&mut db, name, !bus.is_empty()).await?;
    db.close().await?;
    Ok(())
}

async fn rights(db: &mut PgConnection, name: &str, bus: bool) -> Result<(), SchemaError> {
    // The door is the exception: its migrations grant column by column, because it must not read what it sealed.
    let sql = if bus {
        format!(
            "grant select, insert, update, delete on all tables in schema {name} to {name};
             grant usage on all sequences in schema {name} to {name};
             revoke update on history from {name};
             revoke update, delete on tombstone_copy from {name};
             revoke update, delete on checkpoint from {name};
             revoke insert, update, delete on _sqlx_migrations from {name}"
        )
    } else {
        format!("grant select on _sqlx_migrations to {name}")
    };
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}
