//! When a desk is idle: every message that was said stands in its hearers' inboxes, and none of them waits there.

use anyhow::{Context, ensure};
use contracts::Service;
use launcher::Up;
use sqlx::{Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

/// How long a desk may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);
/// Counts messages that a hearer has not got or has not done, over all pairs of schemas.
const ON_THE_WAY: &str = "
create function pg_temp.on_the_way(services text[]) returns bigint language plpgsql as $$
declare speaker text; hearer text; n bigint; total bigint := 0;
begin
  foreach hearer in array services loop
    execute format('select count(*) from %I.inbox where state = %L', hearer, 'later') into n;
    total := total + n;
    foreach speaker in array services loop
      if speaker <> hearer then
        execute format('select count(*) from %I.outbox o where %L = any (o.unheard)
          and not exists (select from %I.inbox i where i.id = o.id)', speaker, hearer, hearer) into n;
        total := total + n;
      end if;
    end loop;
  end loop;
  return total;
end $$";

/// Looks at all services' tables at once; a service's own role may not.
pub struct Quiet(PgConnection);

impl Quiet {
    /// Connects as the administrator.
    pub async fn of(up: &Up) -> anyhow::Result<Self> {
        let url = up.place.databases.admin(&up.place.databases.data).context("the data's database")?;
        let mut db = PgConnection::connect(&url).await?;
        db.execute(ON_THE_WAY).await?;
        Ok(Self(db))
    }

    /// Ends when nothing is on its way.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let services: Vec<&str> = Service::ALL.iter().map(|service| service.token()).collect();
        let begun = Instant::now();
        loop {
            let open: i64 =
                sqlx::query_scalar("select pg_temp.on_the_way($1)").bind(&services).fetch_one(&mut self.0).await?;
            if open == 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "{open} messages are still on their way");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
