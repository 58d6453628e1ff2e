//! What a run did to the tables: rows inserted, changed and deleted, and how often a table was looked at.

use anyhow::Context;
use launcher::Up;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;

/// Counts of one table: inserts, updates (of these in place), deletes, scans of the whole, scans by an index.
type Counts = [i64; 6];

/// All tables at one moment, and commits.
pub struct Tables {
    counts: BTreeMap<String, Counts>,
    commits: i64,
}

impl Tables {
    /// As they are counted now; what the last second did may be missing.
    pub async fn now(up: &Up) -> anyhow::Result<Self> {
        let url = up.place.databases.admin(&up.place.databases.data).context("the data's database")?;
        let mut db = PgConnection::connect(&url).await?;
        type Row = (String, i64, i64, i64, i64, i64, i64);
        let rows: Vec<Row> = sqlx::query_as(
            "select schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, seq_scan, coalesce(idx_scan, 0)
               from pg_stat_user_tables",
        )
        .fetch_all(&mut db)
        .await?;
        let commits = sqlx::query_scalar("select xact_commit from pg_stat_database where datname = current_database()")
            .fetch_one(&mut db)
            .await?;
        let counts = rows.into_iter().map(|(name, i, u, h, d, s, x)| (name, [i, u, h, d, s, x])).collect();
        Ok(Self { counts, commits })
    }

    /// To stderr: everything that happened at least once in twenty units of work.
    pub fn print_since(&self, before: &Self, units: usize) {
        let each = |n: i64| n as f64 / units as f64;
        eprintln!("  per delivery: {:.2} commits", each(self.commits - before.commits));
        for (name, now) in &self.counts {
            let was = before.counts.get(name).copied().unwrap_or_default();
            let [i, u, h, d, s, x] = std::array::from_fn(|n| each(now[n] - was[n]));
            if i + u + d + s + x >= 0.05 {
                eprintln!(
                    "  {name}: {i:.2} inserts, {u:.2} updates ({h:.2} in place), {d:.2} deletes, {s:.2} + {x:.2} scans"
                );
            }
        }
    }
}
