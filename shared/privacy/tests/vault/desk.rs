//! One private PostgreSQL, and a schema of the key database for each scenario.

use privacy::{FileMasterKey, Limits, Vault, VaultError, migrate};
use servers::Postgres;
use sqlx::{Connection, Executor, PgConnection};
use std::{sync::Arc, time::Duration};

/// The role that the service of these tests connects as.
pub const ROLE: &str = "keeper";

/// A desk with one private PostgreSQL; `schema` gives each scenario a schema of its own.
pub struct Desk {
    pub postgres: Postgres,
}

/// One schema of the key database.
pub struct Schema<'a> {
    pub desk: &'a Desk,
    pub name: &'static str,
}

impl Desk {
    pub fn admin(&self) -> String {
        self.postgres.superuser_url("postgres")
    }

    pub async fn schema(&self, name: &'static str) -> Schema<'_> {
        migrate(&self.admin(), name, ROLE).await.unwrap();
        Schema { desk: self, name }
    }
}

impl Schema<'_> {
    pub async fn connect(&self, master: u8, limits: Limits) -> Result<Vault, VaultError> {
        let url = self.desk.postgres.url("postgres", ROLE, "");
        Vault::connect(&url, self.name, Arc::new(FileMasterKey::from_bytes([master; 32])), limits).await
    }

    /// A vault as a process of the service has it.
    pub async fn vault(&self) -> Vault {
        self.connect(1, Limits::default()).await.unwrap()
    }

    /// A vault that asks the database every time.
    pub async fn forgetful(&self) -> Vault {
        self.connect(1, Limits { cached_for: Duration::ZERO, ..Limits::default() }).await.unwrap()
    }

    /// A connection of the administrator, in this schema.
    pub async fn admin(&self) -> PgConnection {
        self.connection(&self.desk.admin()).await
    }

    /// A connection with the rights of the service.
    pub async fn service(&self) -> PgConnection {
        self.connection(&self.desk.postgres.url("postgres", ROLE, "")).await
    }

    pub async fn connection(&self, url: &str) -> PgConnection {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query("select set_config('search_path', $1, false)")
            .bind(self.name)
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }
}

impl Desk {
    pub async fn postgres_admin(&self, statement: &'static str) {
        PgConnection::connect(&self.admin()).await.unwrap().execute(statement).await.unwrap();
    }
}
