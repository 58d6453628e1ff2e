//! What staff record and see: filings of hospitals, and records that arrived although they are blocked.

use super::desk::Desk;
use chassis::{DbError, HandleError, StaffReason};
use contracts::{
    Code, EntryId, Scope, Uuid,
    gate::{GateIncident, GateIncidentList, KeepFiling},
    request::{StaffCommand, StaffReply},
};
use gate::{Flow, filing::Filing};
use jiff_sqlx::ToSqlx;
use privacy_seal::Purpose;

/// The most filings; a change is a new one.
const FILINGS_MAX: i64 = 10_000;

/// `req.optout.keep-filing`.
///
/// # Errors
/// The database did not do it.
pub async fn keep_filing(desk: &Desk, command: StaffCommand<KeepFiling>) -> Result<StaffReply, HandleError> {
    let refused = |reason| Ok(StaffReply::Refused { reason, at: None });
    let opened = desk.register.open(command.token.as_bytes(), &command.order.filing.0);
    let Some(opened) = opened else { return refused(Code::of("sealed-to-another-key")) };
    let Ok(filing) = serde_json::from_slice::<Filing>(opened.disclose(Purpose::EnterRegister)) else {
        return refused(Code::of("filing-malformed"));
    };
    if filing.track == Scope::Both {
        return refused(Code::of("one-filing-per-track"));
    }
    if filing.called.trim().is_empty() || filing.called.chars().count() > 200 || filing.items.len() > 100 {
        return refused(Code::of("filing-malformed"));
    }
    let published_early = filing.published_on.is_some_and(|day| day < filing.filed_on);
    if published_early || filing.ended_on.is_some_and(|day| day < filing.starts_on) {
        return refused(Code::of("filing-days-contradict"));
    }
    let at = desk.bus.clock().now();
    let cause = command.token;
    let reason = StaffReason { cause, staff: command.staff, unit: None, sealed: command.why.0, at };
    let done = desk.bus.db().write(move |tx| {
        Box::pin(async move {
            let count: i64 = sqlx::query_scalar("select count(*) from gate_filing").fetch_one(&mut *tx).await?;
            if count >= FILINGS_MAX {
                return Ok(false);
            }
            sqlx::query(
                "insert into gate_filing (supplier, track, filed_on, number, filing, cause, at)
                 values ($1, $2, $3::text::date, $4, $5, $6, $7) on conflict do nothing",
            )
            .bind(filing.supplier.as_str())
            .bind(filing.track.as_str())
            .bind(filing.filed_on.to_string())
            .bind(filing.number.as_str())
            .bind(sqlx::types::Json(&filing))
            .bind(cause)
            .bind(at.to_sqlx())
            .execute(&mut *tx)
            .await?;
            reason.keep(tx).await?;
            Ok(true)
        })
    });
    if done.await? {
        Ok(StaffReply::Done { machine: cause, status: Code::of("filed"), figures: vec![] })
    } else {
        refused(Code::of("too-many-filings"))
    }
}

/// A receiver found a record that should not have come.
#[derive(Clone, Debug)]
pub struct Raised {
    /// Who found it.
    pub asker: Code,
    /// How the data flowed.
    pub flow: Flow,
    /// Who supplied.
    pub supplier: Option<Code>,
    /// Its name for the file.
    pub file: Code,
    /// The line.
    pub line: i64,
    /// Our entry.
    pub entry: Option<EntryId>,
}

/// Raises an incident; the same again is the same incident.
///
/// # Errors
/// The database's.
pub async fn raise(desk: &Desk, raised: Raised) -> Result<Uuid, DbError> {
    let (id, at) = (Uuid::now_v7(), desk.bus.clock().now());
    chassis::telemetry::count("madoguchi.gate.incidents", raised.flow.as_str());
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                let id = sqlx::query_scalar(
                    "insert into gate_incident (id, asker, flow, supplier, file, line, entry, raised_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8)
                     on conflict (asker, file, line) do update set line = excluded.line returning id",
                )
                .bind(id)
                .bind(raised.asker.as_str())
                .bind(raised.flow.as_str())
                .bind(raised.supplier.as_ref().map(Code::as_str))
                .bind(raised.file.as_str())
                .bind(raised.line)
                .bind(raised.entry.map(|e| e.0))
                .bind(at.to_sqlx())
                .fetch_one(tx)
                .await?;
                Ok(id)
            })
        })
        .await
}

/// Our entry, by the name under which the asker knows it.
///
/// # Errors
/// The database's.
pub async fn entry_of(desk: &Desk, asker: &Code, known: Uuid) -> Result<Option<EntryId>, DbError> {
    let entries: Vec<Uuid> = sqlx::query_scalar("select entry from gate_entry").fetch_all(desk.bus.db().pool()).await?;
    Ok(entries.into_iter().find(|e| super::runs::known_to(asker, *e) == known).map(EntryId))
}

/// `req.optout.gate-incidents`.
///
/// # Errors
/// The database does not answer.
pub async fn incidents(desk: &Desk) -> Result<GateIncidentList, HandleError> {
    type Row = (Uuid, String, Option<String>, String, i64, Option<Uuid>, String, jiff_sqlx::Timestamp, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select id, flow, supplier, file, line, entry, asker, raised_at, article from gate_incident order by raised_at desc, line limit 200",
    )
    .fetch_all(desk.bus.db().pool())
    .await
    .map_err(DbError::from)?;
    let incidents = rows.into_iter().filter_map(|(incident, flow, supplier, file, line, entry, asker, at, article)| {
        Some(GateIncident {
            incident,
            flow: flow.parse().ok()?,
            supplier: supplier.and_then(|s| s.parse().ok()),
            file: file.parse().ok()?,
            line,
            entry: entry.map(EntryId),
            asker: asker.parse().ok()?,
            at: at.to_jiff(),
            article: article.and_then(|a| a.parse().ok()),
        })
    });
    Ok(GateIncidentList { incidents: incidents.collect() })
}
