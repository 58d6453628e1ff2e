//! Who looked at personal values: the row is written, and committed, before the values are asked for.

use chassis::{Db, DbError};
use contracts::{CaseId, PersonField, StaffId, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;

/// Writes one look (or search) down; its id is the cause that intake's own audit names.
pub async fn looked(
    db: &Db,
    staff: StaffId,
    case: Option<CaseId>,
    purpose: &'static str,
    fields: &[PersonField],
    at: Timestamp,
) -> Result<Uuid, DbError> {
    let id = Uuid::now_v7();
    let fields: Vec<&'static str> = fields.iter().map(|f| f.as_str()).collect();
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into view_audit (id, staff, case_id, purpose, fields, at) values ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id)
            .bind(staff.0)
            .bind(case.map(|c| c.0))
            .bind(purpose)
            .bind(fields)
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(id)
        })
    })
    .await
}
