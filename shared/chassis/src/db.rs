//! PostgreSQL, with the two rules that keep acknowledged writes: no pool without the ROLLBACK hook, no write that a
//! caller's disconnect can cancel.
//!
//! sqlx 0.9.0 hands out a connection that is still inside a transaction when a future was dropped while `begin` waited:
//! the next borrower's plain write returns Ok and is rolled back later (transact-rs/sqlx 4385). The hook ends such a
//! transaction; [`Db::write`] runs every writing transaction in a task of its own.

use futures::future::BoxFuture;
use sqlx::{
    Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{str::FromStr, time::Duration};

/// A pool for one role and its schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: PgPool,
    options: PgConnectOptions,
}

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// PostgreSQL or sqlx said so.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The writing task panicked; the transaction was rolled back.
    #[error("database: the writing task panicked")]
    Panicked,
}

impl DbError {
    /// The violated constraint's name, if it was one.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(sqlx::Error::Database(e)) => e.constraint(),
            _ => None,
        }
    }
    /// Another writer was there first: decide again.
    pub fn is_conflict(&self) -> bool {
        // unique_violation, serialization_failure, deadlock_detected
        matches!(self, Self::Sql(sqlx::Error::Database(e)) if matches!(e.code().as_deref(), Some("23505" | "40001" | "40P01")))
    }
}

impl Db {
    /// Opens a pool of at most `connections` for `url`, with `schema` as search path.
    pub async fn connect(url: &str, schema: &str, connections: u32) -> Result<Self, DbError> {
        let options = PgConnectOptions::from_str(url)?.options([
            ("search_path", schema),
            ("statement_timeout", "15s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "30s"),
            ("timezone", "UTC"),
        ]);
        let options = options.application_name(&format!("madoguchi-{schema}"));
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(Duration::from_secs(60))
            .after_release(|c, _| {
                Box::pin(async move {
                    // BEGIN first: a lone ROLLBACK writes a warning into the server's log whenever there is nothing to roll back.
                    c.execute("BEGIN; ROLLBACK").await?;
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await?;
        Ok(Self { pool, options })
    }

    /// For reads. A write through it is refused by the architecture test.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection of its own, outside the pool, for the few loops that own one (relay, sealer, fan-out, recorder).
    pub async fn own_connection(&self) -> Result<PgConnection, DbError> {
        Ok(PgConnection::connect_with(&self.options).await?)
    }

    /// Begins, runs `work`, commits; in a task of its own, so that it ends whatever becomes of the caller.
    pub async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, DbError>> + Send + 'static,
    {
        let pool = self.pool.clone();
        let task = tokio::spawn(tracing::Instrument::in_current_span(async move {
            #[allow(clippy::disallowed_methods)] // the task of its own that the ban asks for
            let mut tx = pool.begin().await?;
            let value = work(&mut tx).await?;
            tx.commit().await?;
            Ok(value)
        }));
        task.await.unwrap_or(Err(DbError::Panicked))
    }

    /// Closes the pool.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
