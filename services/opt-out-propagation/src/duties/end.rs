//! 認定の失効 of the operator itself (Act art. 12(2), 16(2)): whom it reaches, and the two different people whom it takes.
//!
//! The one that was certified erases the medical data that it manages, and that includes what it entrusted. So it reaches its own
//! core zone and every contractor and sub-contractor. Hospitals hold data of their own; another certified operator and a user have
//! what they received under certifications of their own (Act art. 27, 41), and nobody may tell them to erase by this article.

use super::{Duties, refused};
use crate::recipients;
use chassis::{DbError, HandleError};
use contracts::{
    Code, Date, RecipientId, RecipientKind, StaffId, Timestamp, Uuid,
    duty::{EndOperator, EndOperatorPreview, EndOperatorRow, EndOperatorSaid, PreviewEndOperator},
    register::Contract,
    request::{StaffCommand, StaffReply},
};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

/// How long a proposal waits for the second person.
const PROPOSED: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Why a recipient is not told to erase everything; `None`: it is. Pure.
pub fn not_told(kind: RecipientKind, told_already: bool) -> Option<Code> {
    match kind {
        RecipientKind::CoreZone | RecipientKind::Contractor | RecipientKind::SubContractor => {
            told_already.then(|| Code::of("told-already"))
        }
        RecipientKind::Hospital => Some(Code::of("holds-data-of-its-own")),
        RecipientKind::CertifiedOperator | RecipientKind::User => Some(Code::of("not-in-the-operators-hands")),
    }
}

/// The kinds that it reaches, as they stand in tables.
fn reached() -> Vec<&'static str> {
    RecipientKind::ALL.iter().filter(|kind| not_told(**kind, false).is_none()).map(|kind| kind.as_str()).collect()
}

/// What an order of one member of staff comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first word.
    Propose,
    /// The second word on this proposal, by its first order: it goes out.
    Goes(Uuid),
    /// It is not taken, for this reason.
    No(Code),
}

/// A word that stands: its first order, and what was said.
pub type Said = (Uuid, EndOperatorSaid);

/// Two different people and one day. Pure.
pub fn verdict(said: &[Said], staff: StaffId, on: Date, now: Timestamp) -> Verdict {
    if said.iter().any(|(_, s)| s.second.is_some()) {
        return Verdict::No(Code::of("operator-ended-already"));
    }
    let fresh = |s: &EndOperatorSaid| now.duration_since(s.first.1) < PROPOSED;
    let mut waiting = said.iter().filter(|(_, s)| fresh(s) && s.on == on);
    match waiting.clone().find(|(_, s)| s.first.0 != staff) {
        Some((first, _)) => Verdict::Goes(*first),
        None if waiting.next().is_some() => Verdict::No(Code::of("second-person-needed")),
        // Somebody else proposed another day: to propose it silently a second time would hide the disagreement.
        None if said.iter().any(|(_, s)| fresh(s) && s.first.0 != staff) => {
            Verdict::No(Code::of("first-person-said-otherwise"))
        }
        None => Verdict::Propose,
    }
}

type Time = jiff_sqlx::Timestamp;

async fn said(tx: &mut PgConnection) -> Result<Vec<Said>, DbError> {
    type Row = (Uuid, Uuid, Time, String, Option<Uuid>, Option<Time>);
    let rows: Vec<Row> = sqlx::query_as(
        "select first, first_staff, first_at, \"on\"::text, second_staff, second_at
           from operator_end order by second_at desc nulls last, first_at desc limit 50",
    )
    .fetch_all(tx)
    .await?;
    let row = |(first, staff, at, on, second, second_at): Row| {
        let second = second.map(StaffId).zip(second_at.map(|at| at.to_jiff()));
        Some((first, EndOperatorSaid { on: on.parse().ok()?, first: (StaffId(staff), at.to_jiff()), second }))
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

impl Duties {
    /// `req.optout.preview-end-operator`: nothing is done.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn preview_end(&self, _: PreviewEndOperator) -> Result<EndOperatorPreview, HandleError> {
        type Row = (Uuid, String, String, Option<serde_json::Value>, bool);
        let mut db = self.pool().acquire().await.map_err(DbError::from)?;
        let rows: Vec<Row> = sqlx::query_as(
            "select r.id, r.label, r.kind, c.terms,
                    exists (select from task t where t.recipient = r.id and t.kind = 'erase-all' and t.closed_at is null)
               from recipient r left join contract_version c on c.recipient = r.id and c.ended_at is null
              where r.status <> 'removed' order by r.kind = any($1) desc, r.label limit 1000",
        )
        // Whoever is told stands first: hospitals may be thousands.
        .bind(reached())
        .fetch_all(&mut *db)
        .await
        .map_err(DbError::from)?;
        let row = |(id, label, kind, terms, told): Row| {
            let kind = kind.parse().ok()?;
            let contract: Option<Contract> = terms.and_then(|json| serde_json::from_value(json).ok());
            Some(EndOperatorRow {
                recipient: RecipientId(id),
                label: label.parse().ok()?,
                kind,
                scope: contract.map(|c| c.scope),
                not_told: not_told(kind, told),
            })
        };
        let said = said(&mut db).await?.into_iter().map(|(_, said)| said).collect();
        Ok(EndOperatorPreview { rows: rows.into_iter().filter_map(row).collect(), said })
    }

    /// `req.optout.end-operator`: the first person proposes; with the second one everybody who has medical data of the operator is
    /// told to erase everything.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn end_operator(&self, command: StaffCommand<EndOperator>) -> Result<StaffReply, HandleError> {
        let (on, cause, staff, periods) = (command.order.on, command.token, command.staff, self.recipients.periods);
        if on > self.today() {
            return refused(Code::of("date-in-the-future"));
        }
        let reply = self
            .recipients
            .ordered(&command, cause, "everything-goes", move |tx, at| {
                Box::pin(async move {
                    match verdict(&said(tx).await?, staff, on, at) {
                        Verdict::No(reason) => Ok(Some(reason)),
                        Verdict::Propose => propose(tx, cause, staff, on, at).await.map(|()| None),
                        Verdict::Goes(first) => {
                            goes(tx, first, cause, staff, at).await?;
                            let due = at.checked_add(periods.without_delay).unwrap_or(Timestamp::MAX);
                            everything(tx, cause, at, due).await.map(|()| None)
                        }
                    }
                })
            })
            .await?;
        // The same order again is answered as it was the first time.
        let waits: bool = sqlx::query_scalar("select exists (select from operator_end where first = $1)")
            .bind(cause)
            .fetch_one(self.pool())
            .await
            .map_err(DbError::from)?;
        Ok(match reply {
            StaffReply::Done { machine, figures, .. } if waits => {
                StaffReply::Done { machine, status: Code::of("awaits-second-person"), figures }
            }
            reply => reply,
        })
    }
}

async fn propose(tx: &mut PgConnection, cause: Uuid, staff: StaffId, on: Date, at: Timestamp) -> Result<(), DbError> {
    sqlx::query("insert into operator_end (first, first_staff, first_at, \"on\") values ($1, $2, $3, $4::text::date)")
        .bind(cause)
        .bind(staff.0)
        .bind(at.to_sqlx())
        .bind(on.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

async fn goes(tx: &mut PgConnection, first: Uuid, cause: Uuid, staff: StaffId, at: Timestamp) -> Result<(), DbError> {
    sqlx::query("update operator_end set second = $2, second_staff = $3, second_at = $4 where first = $1")
        .bind(first)
        .bind(cause)
        .bind(staff.0)
        .bind(at.to_sqlx())
        .execute(tx)
        .await?;
    Ok(())
}

async fn everything(tx: &mut PgConnection, cause: Uuid, at: Timestamp, due: Timestamp) -> Result<(), DbError> {
    let all: Vec<Uuid> = sqlx::query_scalar("select id from recipient where kind = any($1) and status <> 'removed'")
        .bind(reached())
        .fetch_all(&mut *tx)
        .await?;
    // Whoever was told already keeps the date that it was given.
    recipients::erase_everything(tx, &all, cause, at, due).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn two_different_people_and_one_day() {
        let (a, b, day) = (StaffId::new(), StaffId::new(), "2026-03-31".parse().unwrap());
        let (then, now) = (at("2026-04-01T00:00:00Z"), at("2026-04-02T00:00:00Z"));
        assert_eq!(verdict(&[], a, day, now), Verdict::Propose);
        let first = Uuid::now_v7();
        let proposed = |second| vec![(first, EndOperatorSaid { on: day, first: (a, then), second })];
        assert_eq!(verdict(&proposed(None), b, day, now), Verdict::Goes(first));
        assert_eq!(verdict(&proposed(None), a, day, now), Verdict::No(Code::of("second-person-needed")));
        let other = "2026-03-30".parse().unwrap();
        assert_eq!(verdict(&proposed(None), b, other, now), Verdict::No(Code::of("first-person-said-otherwise")));
        assert_eq!(verdict(&proposed(None), a, other, now), Verdict::Propose, "one's own slip is mended");
        assert_eq!(verdict(&proposed(None), b, day, at("2026-04-08T00:00:00Z")), Verdict::Propose, "too long ago");
        let ended = proposed(Some((b, now)));
        assert_eq!(verdict(&ended, b, day, now), Verdict::No(Code::of("operator-ended-already")));
    }

    #[test]
    fn it_reaches_what_the_operator_manages_and_nobody_else() {
        assert_eq!(reached(), ["core-zone", "contractor", "sub-contractor"]);
        assert_eq!(not_told(RecipientKind::Contractor, true), Some(Code::of("told-already")));
    }
}
