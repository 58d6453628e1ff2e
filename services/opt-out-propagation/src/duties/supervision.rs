//! 監督: proofs of certification, audits, measures that were mended, erasures that users reported; and what is overdue.

use super::{Duties, recipient_exists, refused};
use chassis::{DbError, HandleError};
use contracts::{
    Code, Date, RecipientId, RecipientKind, Timestamp, Uuid,
    duty::{Act, ListOverdue, OverdueList, ShowSupervision, Supervise, Supervision},
    register::Contract,
    request::{StaffCommand, StaffReply},
};
use jiff_sqlx::ToSqlx;
use std::collections::BTreeSet;

/// What the desk knows of a recipient when it looks what is overdue.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// What it is.
    pub kind: RecipientKind,
    /// Since which day it is one.
    pub since: Date,
    /// The last day of its contract, where it has an end.
    pub until: Option<Date>,
    /// Acts, the oldest first.
    pub acts: &'a [(Timestamp, Act)],
}

/// Findings of audits that nobody confirmed as mended since. Pure.
pub fn open_findings(acts: &[(Timestamp, Act)]) -> BTreeSet<Code> {
    let mut open = BTreeSet::new();
    for (_, act) in acts {
        match act {
            Act::Audit { findings, .. } => open.extend(findings.iter().filter(|f| f.as_str() != "nothing").cloned()),
            Act::MeasuresConfirmed { findings, .. } => open.retain(|f| !findings.contains(f)),
            Act::Proof { .. } | Act::Erased { .. } => {}
        }
    }
    open
}

/// What is overdue, and since which day. Pure.
///
/// * `audit`: the next one, as the last audit said (Rules art. 21; users: Rules art. 37).
/// * `measures`: findings of an audit that nobody confirmed as mended before the next one is due.
/// * `proof`: a contractor's or operator's certification is not shown by a paper.
/// * `erasure-report`: a user's contract has ended, and no report of what it erased is there (Rules art. 43(1)(ii)).
pub fn overdue(seen: &Seen<'_>, today: Date) -> Vec<(Code, Date)> {
    let mut overdue = Vec::new();
    let (mut next, mut proof, mut erased) = (None, false, None);
    for (_, act) in seen.acts {
        match act {
            Act::Proof { .. } => proof = true,
            Act::Audit { next_due, .. } => next = Some(*next_due),
            Act::Erased { on, .. } => erased = erased.max(Some(*on)),
            Act::MeasuresConfirmed { .. } => {}
        }
    }
    if let Some(due) = next.filter(|due| *due < today) {
        overdue.push((Code::of("audit"), due));
        if !open_findings(seen.acts).is_empty() {
            overdue.push((Code::of("measures"), due));
        }
    }
    let certified = matches!(
        seen.kind,
        RecipientKind::Contractor
            | RecipientKind::SubContractor
            | RecipientKind::CertifiedOperator
            | RecipientKind::User
    );
    if certified && !proof {
        overdue.push((Code::of("proof"), seen.since));
    }
    // What it said before the end was not all.
    let ended = seen.until.filter(|until| seen.kind == RecipientKind::User && *until < today);
    if let Some(ended) = ended.filter(|ended| erased.is_none_or(|on| on < *ended)) {
        overdue.push((Code::of("erasure-report"), ended));
    }
    overdue
}

type Time = jiff_sqlx::Timestamp;
type Row = (Uuid, String, Time, Option<serde_json::Value>);

impl Duties {
    /// `req.optout.supervise`.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn supervise(&self, command: StaffCommand<Supervise>) -> Result<StaffReply, HandleError> {
        let (Supervise { recipient, act }, cause, today) = (command.order.clone(), command.token, self.today());
        match &act {
            Act::Audit { on, .. } | Act::MeasuresConfirmed { on, .. } | Act::Erased { on, .. } if *on > today => {
                return refused(Code::of("date-in-the-future"));
            }
            Act::Audit { on, next_due, .. } if next_due <= on => {
                return refused(Code::of("next-audit-before-this-one"));
            }
            Act::Audit { findings, .. } | Act::MeasuresConfirmed { findings, .. }
                if findings.is_empty() || findings.len() > 64 =>
            {
                return refused(Code::of("findings-missing"));
            }
            Act::Erased { items, .. } if items.is_empty() || items.len() > 64 => {
                return refused(Code::of("items-missing"));
            }
            _ => {}
        }
        let orders = &self.recipients;
        orders
            .ordered(&command, recipient.0, "recorded", move |tx, at| {
                Box::pin(async move {
                    if !recipient_exists(tx, recipient.0).await? {
                        return Ok(Some(Code::of("no-such-recipient")));
                    }
                    sqlx::query("insert into supervision (cause, recipient, act, at) values ($1, $2, $3, $4)")
                        .bind(cause)
                        .bind(recipient.0)
                        .bind(sqlx::types::Json(act))
                        .bind(at.to_sqlx())
                        .execute(tx)
                        .await?;
                    Ok(None)
                })
            })
            .await
    }

    async fn rows(&self, one: Option<Uuid>) -> Result<Vec<Row>, DbError> {
        Ok(sqlx::query_as(
            "select r.id, r.kind, r.registered_at, c.terms from recipient r
               left join contract_version c on c.recipient = r.id and c.ended_at is null
              where ($1::uuid is null or r.id = $1) and r.status <> 'removed' order by r.label",
        )
        .bind(one)
        .fetch_all(self.pool())
        .await?)
    }

    async fn acts(&self, recipient: Uuid) -> Result<Vec<(Timestamp, Act)>, DbError> {
        let rows: Vec<(Time, serde_json::Value)> = sqlx::query_as(
            "select at, act from (select at, act from supervision where recipient = $1 order by at desc limit 200) x order by at",
        )
        .bind(recipient)
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().filter_map(|(at, act)| Some((at.to_jiff(), serde_json::from_value(act).ok()?))).collect())
    }

    fn overdue_of(&self, row: &Row, acts: &[(Timestamp, Act)]) -> Vec<(Code, Date)> {
        let (_, kind, since, terms) = row;
        let Ok(kind) = kind.parse() else { return vec![] };
        let contract: Option<Contract> = terms.clone().and_then(|json| serde_json::from_value(json).ok());
        let since = calendar::jst_date(since.to_jiff());
        overdue(&Seen { kind, since, until: contract.and_then(|c| c.until), acts }, self.today())
    }

    /// `req.optout.supervision`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn supervision(&self, asked: ShowSupervision) -> Result<Supervision, HandleError> {
        let id = asked.recipient.0;
        let acts = self.acts(id).await?;
        let overdue = self.rows(Some(id)).await?.first().map(|row| self.overdue_of(row, &acts)).unwrap_or_default();
        let (automatic, staff, attested, drawn, looked): (i64, i64, i64, i64, i64) = sqlx::query_as(
            "select count(*) filter (where confirmed_by = 'automatic'), count(*) filter (where confirmed_by = 'staff'),
                    count(*) filter (where confirmed_by = 'attested'),
                    (select count(*) from task where recipient = $1 and kind = 'sample'),
                    (select count(*) from task where recipient = $1 and kind = 'sample' and closed_at is not null)
               from issued where recipient = $1",
        )
        .bind(id)
        .fetch_one(self.pool())
        .await
        .map_err(DbError::from)?;
        let n = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Supervision {
            open: open_findings(&acts).into_iter().collect(),
            acts,
            overdue,
            confirmed: (n(automatic), n(staff), n(attested)),
            samples: (n(drawn), n(looked)),
            incidents: self.incidents_of(Some(id)).await?,
            complaints: self.complaints_of(Some(id)).await?,
        })
    }

    /// `req.optout.overdue`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn overdue(&self, _: ListOverdue) -> Result<OverdueList, HandleError> {
        let mut rows = Vec::new();
        for row in self.rows(None).await? {
            let acts = self.acts(row.0).await?;
            rows.extend(self.overdue_of(&row, &acts).into_iter().map(|(what, on)| (RecipientId(row.0), what, on)));
            if rows.len() >= 200 {
                break;
            }
        }
        rows.truncate(200);
        Ok(OverdueList { rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }
    fn at() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }
    fn audit(on: &str, findings: &[&'static str], next: &str) -> (Timestamp, Act) {
        let findings = findings.iter().map(|f| Code::of(f)).collect();
        (at(), Act::Audit { on: day(on), by: Code::of("inspector-a"), findings, next_due: day(next) })
    }
    fn words(kind: RecipientKind, until: Option<&str>, acts: &[(Timestamp, Act)], today: &str) -> Vec<String> {
        let seen = Seen { kind, since: day("2025-04-01"), until: until.map(day), acts };
        overdue(&seen, day(today)).into_iter().map(|(what, on)| format!("{what} {on}")).collect()
    }

    #[test]
    fn row_26_given_an_audit_when_the_next_one_is_due_then_it_is_overdue_with_what_was_not_mended() {
        let proof = (at(), Act::Proof { paper: Code::of("p-1"), digest: contracts::Digest([1; 32]) });
        let mut acts = vec![proof, audit("2025-06-01", &["access-rights", "camera"], "2026-06-01")];
        let contractor = |acts: &[_], today| words(RecipientKind::Contractor, None, acts, today);
        assert!(contractor(&acts, "2026-06-01").is_empty());
        assert_eq!(contractor(&acts, "2026-06-02"), ["audit 2026-06-01", "measures 2026-06-01"]);
        let mended = |finding| Act::MeasuresConfirmed { on: day("2025-09-01"), findings: vec![Code::of(finding)] };
        acts.extend([(at(), mended("camera")), (at(), mended("access-rights"))]);
        assert_eq!(contractor(&acts, "2026-06-02"), ["audit 2026-06-01"]);
        acts.push(audit("2026-06-02", &["nothing"], "2027-06-01"));
        assert!(contractor(&acts, "2026-06-03").is_empty());
        assert_eq!(contractor(&[], "2026-06-03"), ["proof 2025-04-01"]);
        assert!(words(RecipientKind::Hospital, None, &[], "2026-06-03").is_empty());
        acts.extend([audit("2027-06-01", &["camera", "door"], "2028-06-01"), (at(), mended("camera"))]);
        assert_eq!(open_findings(&acts).into_iter().collect::<Vec<_>>(), [Code::of("door")]);
    }

    #[test]
    fn row_28_given_a_user_whose_contract_period_ended_when_no_erasure_report_is_there_then_it_is_overdue() {
        let proof = (at(), Act::Proof { paper: Code::of("p-1"), digest: contracts::Digest([1; 32]) });
        let erased = |on: &str| {
            let items = vec![Code::of("set-17")];
            (at(), Act::Erased { on: day(on), items, book_entry: Code::of("b-1") })
        };
        let user = |acts: &[_], today| words(RecipientKind::User, Some("2026-03-31"), acts, today);
        assert!(user(std::slice::from_ref(&proof), "2026-03-31").is_empty());
        assert_eq!(user(std::slice::from_ref(&proof), "2026-04-01"), ["erasure-report 2026-03-31"]);
        assert_eq!(user(&[proof.clone(), erased("2026-02-01")], "2026-04-01"), ["erasure-report 2026-03-31"]);
        assert!(user(&[proof.clone(), erased("2026-04-01")], "2026-04-02").is_empty());
        assert!(words(RecipientKind::Contractor, Some("2026-03-31"), &[proof], "2026-04-01").is_empty());
    }
}
