//! The key database of a service, taken back to how it was: what a restore from its own, older backup does.

use crate::House;
use sqlx::{AssertSqlSafe, Executor};

/// How the keys of one service were.
#[derive(Debug)]
pub struct KeyBackup {
    schema: &'static str,
}

impl KeyBackup {
    /// Takes one, as the database's owner.
    pub async fn take(house: &House, schema: &'static str) -> Self {
        let sql = format!("create table {schema}.backup as table {schema}.wrapped_key");
        house.keys_admin().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        Self { schema }
    }

    /// Puts it back. The trigger that keeps tombstones from everybody is no part of a restore, which fills an empty table.
    pub async fn restore(&self, house: &House) {
        let keys = format!("{}.wrapped_key", self.schema);
        let sql = format!(
            "begin;
             alter table {keys} disable trigger tombstone_stays;
             delete from {keys};
             insert into {keys} select * from {}.backup;
             alter table {keys} enable trigger tombstone_stays;
             commit",
            self.schema
        );
        house.keys_admin().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
}
