//! 日次照合: a recipient's books beside ours, once a day, whatever its transport.
//!
//! A recipient sends count and digest of what stands by its books as of a position ([`crate::feed::acknowledge`]); both sides
//! are kept. Where they agree the position is remembered; where they do not, staff have a task and the recipient is offered
//! everything after the last position at which both agreed. Who has not compared for some days is a task too
//! ([`watch`]). Both tasks end by themselves when the books agree. [`stage`] says how far a new recipient is.

use crate::feed::{Books, Cursor};
use chassis::{Bus, DbError, telemetry};
use contracts::{Digest, RecipientId, Timestamp, Uuid};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};
use std::{sync::Arc, time::Duration};

/// The watch looks every so many polls: half a minute.
pub const POLLS: u32 = 30;
/// Comparisons of one recipient that are kept of a day; more are answered and not kept.
const KEPT_A_DAY: i64 = 100;
/// 直ちに: the task of books that differ is due after this.
const DIFFER_DUE: SignedDuration = SignedDuration::from_hours(24);
/// Task: the books differ.
pub const DIFFER: &str = "books-differ";
/// Task: nothing was compared for days.
pub const LATE: &str = "books-late";

/// What a recipient says of its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theirs {
    /// Over one line per entry.
    pub digest: Digest,
    /// How many entries; older recipients send the digest only.
    pub entries: Option<u64>,
}

impl Theirs {
    /// Whether they are the same as ours.
    pub fn agrees(&self, ours: &Books) -> bool {
        self.digest == ours.digest && self.entries.is_none_or(|entries| entries == ours.entries)
    }
}

/// One comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Whose books.
    pub recipient: RecipientId,
    /// As of which position.
    pub upto: Cursor,
    /// What it says.
    pub theirs: Theirs,
    /// What we have.
    pub ours: Books,
    /// Whether that is the same.
    pub agrees: bool,
    /// When.
    pub at: Timestamp,
}

impl Comparison {
    /// Keeps it, moves the agreed position, opens or ends the tasks; in the transaction of the acknowledgement.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn keep(&self, tx: &mut PgConnection) -> Result<(), DbError> {
        let id = Uuid::now_v7();
        sqlx::query(
            "insert into reconcile (id, recipient, epoch, position, at, their_entries, their_digest, our_entries, our_digest, agrees)
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
              where (select count(*) from reconcile where recipient = $2 and at > $11) < $12",
        )
        .bind(id)
        .bind(self.recipient.0)
        .bind(self.upto.epoch)
        .bind(self.upto.position)
        .bind(self.at.to_sqlx())
        .bind(self.theirs.entries.map(|n| i64::try_from(n).unwrap_or(i64::MAX)))
        .bind(self.theirs.digest.0.as_slice())
        .bind(i64::try_from(self.ours.entries).unwrap_or(i64::MAX))
        .bind(self.ours.digest.0.as_slice())
        .bind(self.agrees)
        .bind(later(self.at, SignedDuration::from_hours(-24)).to_sqlx())
        .bind(KEPT_A_DAY)
        .execute(&mut *tx)
        .await?;
        sqlx::query("update pull set agrees = $2, compared_at = $3 where recipient = $1")
            .bind(self.recipient.0)
            .bind(self.agrees)
            .bind(self.at.to_sqlx())
            .execute(&mut *tx)
            .await?;
        if !self.agrees {
            close(tx, self.recipient, Some(LATE), id, self.at).await?;
            return open(tx, self.recipient, DIFFER, self.at, later(self.at, DIFFER_DUE)).await;
        }
        sqlx::query(
            "update pull set agreed_epoch = $2, agreed_at = $4,
                    agreed_position = case when agreed_epoch = $2 then greatest(agreed_position, $3) else $3 end
              where recipient = $1",
        )
        .bind(self.recipient.0)
        .bind(self.upto.epoch)
        .bind(self.upto.position)
        .bind(self.at.to_sqlx())
        .execute(&mut *tx)
        .await?;
        close(tx, self.recipient, None, id, self.at).await
    }

    /// Counts and logs it.
    pub fn count(&self) {
        if self.agrees {
            telemetry::count("madoguchi.books", "agree");
        } else {
            telemetry::count("madoguchi.books", "differ");
            tracing::warn!(recipient = %self.recipient, "a recipient's books differ from the register");
        }
    }
}

/// The last position of this life at which both agreed; 0: none.
///
/// # Errors
/// The database does not answer.
pub async fn agreed(pool: &PgPool, recipient: RecipientId, epoch: i32) -> Result<i64, DbError> {
    let found: Option<i64> =
        sqlx::query_scalar("select agreed_position from pull where recipient = $1 and agreed_epoch = $2")
            .bind(recipient.0)
            .bind(epoch)
            .fetch_optional(pool)
            .await?;
    Ok(found.unwrap_or(0))
}

/// One open task per recipient and subject; one that a person closed is open again.
pub(crate) async fn open(
    tx: &mut PgConnection,
    recipient: RecipientId,
    about: &'static str,
    since: Timestamp,
    due: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into task (id, kind, about, recipient, since, due) values ($1, 'report', $2, $3, $4, $5)
         on conflict (id) do update set since = excluded.since, due = excluded.due, closed_at = null, cause = null
          where task.closed_at is not null",
    )
    .bind(task_id(recipient, about))
    .bind(about)
    .bind(recipient.0)
    .bind(since.to_sqlx())
    .bind(due.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// Ended by a comparison: it is the cause, not an order.
pub(crate) async fn close(
    tx: &mut PgConnection,
    recipient: RecipientId,
    about: Option<&'static str>,
    by: Uuid,
    at: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "update task set closed_at = $3, cause = $4
          where recipient = $1 and closed_at is null and (about = $2 or $2 is null and about in ('books-differ', 'books-late'))",
    )
    .bind(recipient.0)
    .bind(about)
    .bind(at.to_sqlx())
    .bind(by)
    .execute(tx)
    .await?;
    Ok(())
}

/// The task of a recipient about its books.
pub fn task_id(recipient: RecipientId, about: &str) -> Uuid {
    Uuid::new_v5(&recipient.0, about.as_bytes())
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() { Timestamp::MIN } else { Timestamp::MAX })
}

/// What is known of a recipient that should compare its books.
#[derive(Clone, Copy, Debug)]
pub struct Quiet {
    /// The last comparison, or the first instruction when there is none.
    pub since: Timestamp,
    /// The task is open, or was closed then.
    pub task: Option<Option<Timestamp>>,
}

/// Whether a task is to be opened now: nothing was compared for `days` days, and no person looked at that since. Pure.
pub fn is_late(quiet: &Quiet, now: Timestamp, days: u32) -> bool {
    let limit = SignedDuration::from_hours(24 * i64::from(days));
    let over = |since| later(since, limit) <= now;
    over(quiet.since)
        && match quiet.task {
            None => true,
            Some(None) => false,
            Some(Some(closed_at)) => over(closed_at),
        }
}

/// Looks for recipients that do not compare, until the process stops.
pub async fn watch(bus: Arc<Bus>, days: u32, every: Duration) {
    let stop = bus.stopping();
    loop {
        if let Err(error) = look(&bus, days).await {
            tracing::warn!(%error, "whether recipients compare their books cannot be looked at");
        }
        if stop.pause(every).await {
            return;
        }
    }
}

/// One look; how many tasks were opened.
///
/// # Errors
/// The database does not answer.
pub async fn look(bus: &Bus, days: u32) -> Result<usize, DbError> {
    type Time = jiff_sqlx::Timestamp;
    let rows: Vec<(Uuid, Time, bool, Option<Time>)> = sqlx::query_as(
        "select r.id, coalesce(p.compared_at, i.issued_at, r.registered_at), t.id is not null, t.closed_at
           from recipient r
           left join delivery d on d.recipient = r.id and d.position = 1
           left join issued i on i.instruction = d.instruction
           left join pull p on p.recipient = r.id
           left join task t on t.recipient = r.id and t.about = 'books-late'
          where r.in_force and r.status = 'active' and r.last > 0 and r.transport in ('nats', 'webhook', 'pull')
          order by r.id limit 2000",
    )
    .fetch_all(bus.db().pool())
    .await?;
    let now = bus.clock().now();
    let mut late = Vec::new();
    for (id, since, has_task, closed_at) in rows {
        let task = has_task.then(|| closed_at.map(|t| t.to_jiff()));
        let since = since.to_jiff();
        if is_late(&Quiet { since, task }, now, days) {
            late.push((RecipientId(id), since));
        }
    }
    let opened = late.len();
    if opened > 0 {
        telemetry::add("madoguchi.books", opened as u64, "late");
        tracing::warn!(opened, "recipients did not compare their books for {days} days");
        let due = later(now, DIFFER_DUE);
        let write = bus.db().write(move |tx| {
            Box::pin(async move {
                for (recipient, since) in late {
                    open(&mut *tx, recipient, LATE, since, due).await?;
                }
                Ok(())
            })
        });
        write.await?;
    }
    Ok(opened)
}

/// 初期同期の段階: how far a recipient is, from snapshot over live to reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It lacks something and is told of nobody.
    Waiting,
    /// What stands is on its way to it.
    Snapshot,
    /// It has everything that stands; its books were not compared yet.
    Live,
    /// Its books and ours agreed when they were compared last.
    Reconciled,
    /// They did not.
    Differs,
}

impl Stage {
    /// The word on pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Snapshot => "snapshot",
            Self::Live => "live",
            Self::Reconciled => "reconciled",
            Self::Differs => "differs",
        }
    }
}

/// What the stage depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// It may be told.
    pub may_be_told: bool,
    /// Standing entries that it is still to be told of.
    pub backlog: u64,
    /// Instructions that it has not signed for (受領), nor acknowledged by position.
    pub unreceived: u64,
    /// What came of the last comparison.
    pub agrees: Option<bool>,
}

/// Which stage. Pure. Once its books agreed a recipient is not new any more: what is on its way then is ordinary traffic.
pub const fn stage(facts: &Facts) -> Stage {
    match facts.agrees {
        Some(true) => Stage::Reconciled,
        Some(false) => Stage::Differs,
        None if facts.backlog > 0 || (facts.may_be_told && facts.unreceived > 0) => Stage::Snapshot,
        None if !facts.may_be_told => Stage::Waiting,
        None => Stage::Live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        later(Timestamp::UNIX_EPOCH, SignedDuration::from_hours(hours))
    }

    #[test]
    fn late_is_after_the_days_and_again_when_nobody_looked_for_as_long() {
        let quiet = |since, task| Quiet { since: at(since), task };
        for (wanted, quiet, now) in [
            (false, quiet(0, None), 71),
            (true, quiet(0, None), 72),
            (false, quiet(0, Some(None)), 500),
            (false, quiet(0, Some(Some(at(80)))), 151),
            (true, quiet(0, Some(Some(at(80)))), 152),
            (false, quiet(100, Some(Some(at(80)))), 170),
        ] {
            assert_eq!(is_late(&quiet, at(now), 3), wanted, "{quiet:?} at {now}");
        }
        assert!(!is_late(&quiet(0, None), Timestamp::MIN, 3));
    }

    #[test]
    fn a_count_that_is_sent_counts() {
        let ours = Books { cursor: "1.2".into(), entries: 2, digest: Digest([1; 32]) };
        let theirs = |byte, entries| Theirs { digest: Digest([byte; 32]), entries };
        assert!(theirs(1, None).agrees(&ours) && theirs(1, Some(2)).agrees(&ours));
        assert!(!theirs(1, Some(3)).agrees(&ours) && !theirs(2, Some(2)).agrees(&ours));
    }

    #[test]
    fn a_recipient_goes_from_snapshot_over_live_to_reconciled() {
        let facts = |may_be_told, backlog, unreceived, agrees| Facts { may_be_told, backlog, unreceived, agrees };
        for (wanted, facts) in [
            (Stage::Waiting, facts(false, 0, 0, None)),
            (Stage::Snapshot, facts(true, 5, 0, None)),
            (Stage::Snapshot, facts(true, 0, 5, None)),
            (Stage::Live, facts(true, 0, 0, None)),
            (Stage::Reconciled, facts(true, 0, 3, Some(true))),
            (Stage::Differs, facts(true, 0, 0, Some(false))),
        ] {
            assert_eq!(stage(&facts), wanted, "{facts:?}");
        }
    }
}
