//! When a desk is idle: every message that was said stands in its hearers' inboxes, and none of them waits there.

use anyhow::{Context, ensure};
use contracts::Service;
use launcher::Up;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::{Duration, Instant};

/// How long a desk may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks at all services' tables at once; a service's own role may not.
pub struct Quiet {
    db: PgConnection,
    on_the_way: String,
}

impl Quiet {
    /// Connects as the administrator.
    pub async fn of(up: &Up) -> anyhow::Result<Self> {
        let url = up.place.databases.admin(&up.place.databases.data).context("the data's database")?;
        Ok(Self { db: PgConnection::connect(&url).await?, on_the_way: on_the_way() })
    }

    /// Ends when nothing is on its way.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let open: i64 = sqlx::query_scalar(AssertSqlSafe(self.on_the_way.as_str())).fetch_one(&mut self.db).await?;
            if open == 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "{open} messages are still on their way");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Counts messages that a hearer has not got or has not done.
fn on_the_way() -> String {
    let schemas = || Service::ALL.iter().map(|s| s.token());
    let unheard = schemas().flat_map(|speaker| {
        schemas().filter(move |hearer| *hearer != speaker).map(move |hearer| {
            format!(
                "(select count(*) from {speaker}.outbox o where '{hearer}' = any (o.unheard)
                   and not exists (select 1 from {hearer}.inbox i where i.id = o.id))"
            )
        })
    });
    let waiting = schemas().map(|hearer| format!("(select count(*) from {hearer}.inbox where state = 'later')"));
    format!("select {}", unheard.chain(waiting).collect::<Vec<_>>().join(" + "))
}
