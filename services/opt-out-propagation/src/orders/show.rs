//! 登録の内容: what is shown of an entry. Everything but the person.

use super::Orders;
use crate::{
    duties::hospital,
    fanout::in_force,
    propagation::{self, About},
};
use chassis::{DbError, HandleError};
use contracts::{
    CaseId, Code, RecipientId, Scope, StaffId, Uuid,
    duty::ConsentTo,
    register::{EntryChange, EntryDetail, EntryReply, RecipientAnswer, ShowEntry},
};
use sqlx::{PgConnection, PgPool};

type Time = jiff_sqlx::Timestamp;

impl Orders {
    /// `req.optout.entry`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn show(&self, asked: ShowEntry) -> Result<EntryReply, HandleError> {
        let (id, pool) = (asked.entry.0, self.bus.db().pool());
        type Row = (Option<String>, Option<Time>, Option<Time>, Option<Time>);
        let row: Option<Row> = sqlx::query_as(
            "select scope, blocked_since, final_since, withdrawn_at from register_entry where entry = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await?;
        let Some((scope, blocked_since, final_since, withdrawn_at)) = row else { return Ok(EntryReply::Unknown) };
        let scope: Option<Scope> = scope.and_then(|word| word.parse().ok());
        let two: Option<(Uuid, Option<Uuid>)> =
            sqlx::query_as("select first, second from two_people where subject = $1 and kind = 'match'")
                .bind(id)
                .fetch_optional(pool)
                .await?;
        let changes = changes(pool, id).await?;
        let frozen = |kind: &str| matches!(kind, "use-suspended" | "use-resumed" | "erasure-released");
        let newest = changes.iter().rev().find(|change| frozen(change.kind.as_str()));
        Ok(EntryReply::Found(Box::new(EntryDetail {
            suspended_since: newest.filter(|c| c.kind.as_str() == "use-suspended").map(|c| c.effective_at),
            scope,
            blocked_since: blocked_since.map(|t| t.to_jiff()),
            final_since: final_since.map(|t| t.to_jiff()),
            withdrawn_at: withdrawn_at.map(|t| t.to_jiff()),
            changes,
            suppliers: suppliers(pool, id).await?,
            answers: answers(pool, id).await?,
            not_told: if final_since.is_some() { self.not_told(id, scope).await? } else { vec![] },
            match_first: two.map(|(first, _)| StaffId(first)),
            match_confirmed: two.is_some_and(|(_, second)| second.is_some()),
            standing: self.standing(id).await?,
        })))
    }

    /// Whether hospitals and other operators may be told of an entry: by consent, or because none is needed today.
    pub(super) async fn may_tell(&self, db: &mut PgConnection, entry: Option<Uuid>) -> Result<bool, DbError> {
        let consent = match entry {
            Some(entry) => hospital::consent(db, entry, ConsentTo::TellOthers).await?,
            None => None,
        };
        let today = propagation::day_of(self.bus.clock().now());
        Ok(consent.is_some() || !self.register.retention().needs_consent(today))
    }

    /// Who is not told of it, and why (row 24: staff see why). What hospitals do not have is none of their business.
    async fn not_told(&self, entry: Uuid, scope: Option<Scope>) -> Result<Vec<(Code, Code)>, DbError> {
        let pool = self.bus.db().pool();
        let mut db = pool.acquire().await?;
        let all = in_force(&mut db).await?;
        let shown: Vec<Uuid> = sqlx::query_scalar(
            "select n.recipient from entry_hospital h join recipient_name n using (tag) where h.entry = $1
             union select recipient from shown where entry = $1",
        )
        .bind(entry)
        .fetch_all(&mut *db)
        .await?;
        let labels: Vec<(Uuid, String)> = sqlx::query_as("select id, label from recipient").fetch_all(&mut *db).await?;
        let today = propagation::day_of(self.bus.clock().now());
        let may_tell = self.may_tell(&mut db, Some(entry)).await?;
        let about = About { scope, shown: shown.into_iter().map(RecipientId).collect(), builds: false, may_tell };
        let mut not_told = Vec::new();
        for c in &all {
            let label = labels.iter().find(|(id, _)| *id == c.recipient.0).and_then(|(_, label)| label.parse().ok());
            if let (Some(label), Some(why)) = (label, propagation::why_not(&all, c, &about, today)) {
                not_told.push((label, why));
            }
        }
        Ok(not_told)
    }
}

async fn changes(pool: &PgPool, entry: Uuid) -> Result<Vec<EntryChange>, DbError> {
    type Row = (i64, String, Uuid, String, Option<String>, Time, Time);
    let rows: Vec<Row> = sqlx::query_as(
        "select version, kind, \"case\", basis, scope, received_at, effective_at from register_change
          where entry = $1 order by version limit 1000",
    )
    .bind(entry)
    .fetch_all(pool)
    .await?;
    let row = |(version, kind, case, basis, scope, received_at, effective_at): Row| {
        Some(EntryChange {
            version,
            kind: kind.parse().ok()?,
            case: CaseId(case),
            basis: basis.parse().ok()?,
            scope: scope.and_then(|word| word.parse().ok()),
            received_at: received_at.to_jiff(),
            effective_at: effective_at.to_jiff(),
        })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

async fn suppliers(
    pool: &PgPool,
    entry: Uuid,
) -> Result<Vec<(Option<RecipientId>, Option<contracts::Timestamp>)>, DbError> {
    let rows: Vec<(Option<Uuid>, Option<Time>)> = sqlx::query_as(
        "select (select n.recipient from recipient_name n where n.tag = h.tag order by 1 limit 1), h.received_at
           from entry_hospital h where h.entry = $1 order by h.n limit 100",
    )
    .bind(entry)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|(recipient, at)| (recipient.map(RecipientId), at.map(|t| t.to_jiff()))).collect())
}

/// 三つの回答: stopped from, erased from, not reachable and why; what was replaced is told by what took its place.
async fn answers(pool: &PgPool, entry: Uuid) -> Result<Vec<RecipientAnswer>, DbError> {
    type Row =
        (String, String, Option<String>, Option<String>, Option<Time>, Option<Time>, Option<String>, Time, Vec<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "select r.label, i.measure, i.outcome, i.ground, i.reported_at, i.confirmed_at, i.confirmed_by, i.due,
                array(select b.label from issued t join recipient b on b.id = t.recipient
                       where b.parent = i.recipient and t.change = i.change and t.confirmed_at is null
                         and t.replaced_by is null and i.confirmed_at is null order by b.label limit 100)
           from issued i join recipient r on r.id = i.recipient where i.entry = $1 and i.replaced_by is null
          order by i.issued_at, r.label, i.measure limit 2000",
    )
    .bind(entry)
    .fetch_all(pool)
    .await?;
    let row = |(label, measure, outcome, ground, reported_at, confirmed_at, by, due, below): Row| {
        Some(RecipientAnswer {
            label: label.parse().ok()?,
            measure: measure.parse().ok()?,
            outcome: outcome.and_then(|word| word.parse().ok()),
            ground: ground.and_then(|code| code.parse().ok()),
            reported_at: reported_at.map(|t| t.to_jiff()),
            confirmed: confirmed_at.map(|t| t.to_jiff()).zip(by.and_then(|word| word.parse().ok())),
            due: due.to_jiff(),
            waits_for: below.into_iter().filter_map(|label| label.parse().ok()).collect(),
        })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}
