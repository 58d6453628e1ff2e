//! 事前確認 (dry run): whom a stop, or a change of one, would go to. Asked before it is ordered; the answer is made by the
//! same pure functions as the fan-out's, from the same rows, and nothing is written.

use super::Orders;
use crate::{
    fanout::in_force,
    propagation::{self, About, Candidate, Periods},
};
use chassis::{DbError, HandleError};
use contracts::{
    Code, Measure, RecipientId, Scope, Timestamp, Uuid,
    standing::{PreviewNotTold, PreviewStop, PreviewTold, StopPreview},
};
use sqlx::PgConnection;
use std::collections::{BTreeSet, HashMap};

/// What the page needs to know of a recipient besides the candidate.
type Labels = HashMap<Uuid, (Code, bool)>;

/// Who would be told of what at `now`, and who would not and why; each in the order of their labels. Pure.
pub fn preview(
    all: &[Candidate],
    labels: &Labels,
    about: &About,
    measure: Measure,
    periods: &Periods,
    now: Timestamp,
) -> (Vec<PreviewTold>, Vec<PreviewNotTold>) {
    let today = propagation::day_of(now);
    let (mut told, mut not_told) = (vec![], vec![]);
    for c in all {
        let Some((label, suspended)) = labels.get(&c.recipient.0).cloned() else { continue };
        match propagation::why_not(all, c, about, today) {
            Some(why) => not_told.push(PreviewNotTold { label, kind: c.kind, why }),
            None => {
                let due = periods.deadline(c.contract.as_ref().map(|(_, contract)| contract), measure, now);
                told.push(PreviewTold { label, kind: c.kind, transport: c.transport, due, suspended });
            }
        }
    }
    told.sort_by(|a, b| a.label.cmp(&b.label));
    not_told.sort_by(|a, b| a.label.cmp(&b.label));
    (told, not_told)
}

/// What the register knows of the entry by now.
struct Known {
    scope: Option<Scope>,
    identified: bool,
    hospitals: (u16, u16),
    shown: BTreeSet<RecipientId>,
}

async fn known(db: &mut PgConnection, entry: Option<Uuid>) -> Result<Known, DbError> {
    let row: Option<(Option<String>, bool)> =
        sqlx::query_as("select scope, person is not null from register_entry where entry = $1")
            .bind(entry)
            .fetch_optional(&mut *db)
            .await?;
    let (scope, identified) = row.unwrap_or_default();
    let (named, found): (i64, i64) = sqlx::query_as(
        "select count(*), count(*) filter (where exists (select from recipient_name n where n.tag = h.tag))
           from entry_hospital h where h.entry = $1",
    )
    .bind(entry)
    .fetch_one(&mut *db)
    .await?;
    let shown: Vec<Uuid> = sqlx::query_scalar(
        "select n.recipient from entry_hospital h join recipient_name n using (tag) where h.entry = $1
         union select recipient from shown where entry = $1",
    )
    .bind(entry)
    .fetch_all(db)
    .await?;
    let count = |n: i64| u16::try_from(n).unwrap_or(u16::MAX);
    Ok(Known {
        scope: scope.and_then(|word| word.parse().ok()),
        identified,
        hospitals: (count(named), count(found)),
        shown: shown.into_iter().map(RecipientId).collect(),
    })
}

impl Orders {
    /// `req.optout.preview`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn preview(&self, asked: PreviewStop) -> Result<StopPreview, HandleError> {
        let mut db = self.bus.db().pool().acquire().await?;
        let all = in_force(&mut db).await?;
        let rows: Vec<(Uuid, String, bool)> =
            sqlx::query_as("select id, label, status = 'suspended' from recipient").fetch_all(&mut *db).await?;
        let labels: Labels =
            rows.into_iter().filter_map(|(id, label, late)| Some((id, (label.parse().ok()?, late)))).collect();
        let known = known(&mut db, asked.entry.map(|entry| entry.0)).await?;
        let scope = asked.scope.or(known.scope).unwrap_or(Scope::Both);
        let about = About {
            scope: (!asked.everybody).then_some(scope),
            shown: known.shown,
            builds: propagation::is_about_builds(asked.measure),
            may_tell: self.may_tell(&mut db, asked.entry.map(|entry| entry.0)).await?,
        };
        let (told, not_told) = preview(&all, &labels, &about, asked.measure, &self.periods, self.now());
        Ok(StopPreview { scope, identified: known.identified, suppliers: known.hospitals, told, not_told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Diligence, RecipientKind, Transport, register::Contract};
    use jiff::SignedDuration;

    fn hospital(n: u128) -> Candidate {
        Candidate {
            recipient: RecipientId(Uuid::from_u128(n)),
            kind: RecipientKind::Hospital,
            transport: Transport::Pull,
            in_force: true,
            endpoint: Uuid::from_u128(n),
            sealing_key: [9; 32],
            certification: None,
            contract: None,
        }
    }

    #[test]
    fn told_and_not_told_are_those_of_the_fan_out_with_their_deadlines() {
        let mut own = hospital(1);
        own.contract = Some((
            1,
            Contract {
                scope: Scope::Anonymised,
                from: "2020-01-01".parse().unwrap(),
                until: None,
                stop: Diligence::Immediately,
                erase: Diligence::Promptly,
                items: vec![],
                forms: Default::default(),
            },
        ));
        let all = [own, hospital(2), hospital(3)];
        let labels: Labels = [(1, "b-own"), (2, "a-other")]
            .into_iter()
            .map(|(n, label)| (Uuid::from_u128(n), (Code::of(label), n == 1)))
            .collect();
        let hours = SignedDuration::from_hours;
        let periods = Periods { immediately: hours(1), promptly: hours(2), without_delay: hours(3) };
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let mut about = About {
            scope: Some(Scope::Anonymised),
            shown: [RecipientId(Uuid::from_u128(1))].into(),
            may_tell: true,
            builds: false,
        };
        let (told, not_told) = preview(&all, &labels, &about, Measure::Stop, &periods, now);
        assert_eq!(told.iter().map(|t| (t.label.as_str(), t.suspended)).collect::<Vec<_>>(), [("b-own", true)]);
        assert_eq!(told[0].due, "2026-11-22T01:00:00Z".parse().unwrap());
        assert_eq!(
            not_told.iter().map(|n| (n.label.as_str(), n.why.as_str())).collect::<Vec<_>>(),
            [("a-other", "not-shown-to-be-its-own")],
            "and one without a label is on no page"
        );
        let (told, _) = preview(&all, &labels, &about, Measure::Erase, &periods, now);
        assert_eq!(told[0].due, "2026-11-22T02:00:00Z".parse().unwrap());
        about.scope = Some(Scope::Pseudonymised);
        let (told, not_told) = preview(&all, &labels, &about, Measure::Stop, &periods, now);
        assert!(told.is_empty() && not_told[1].why.as_str() == "works-on-the-other-track");
    }
}
