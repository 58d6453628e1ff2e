//! 照合の表示と再送: how a recipient's books stand, and the order to offer it again what it may lack.

use super::Recipients;
use crate::{
    alerts,
    books::{Facts, stage},
    endpoint_test,
};
use chassis::{DbError, HandleError};
use contracts::{
    Code, Digest, RecipientId, Timestamp, Uuid,
    alert::SetContact,
    books::{At, BooksReply, BooksView, Compared, PastDue, ReplayRecipient, ShowBooks},
    endpoint_test::TestEndpoint,
    request::{StaffCommand, StaffReply},
};
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};

/// The most that one order sends again; the rest comes with the next one, or with the snapshot.
const REPLAY_MAX: i64 = 100_000;

type Time = jiff_sqlx::Timestamp;

fn number(n: i64) -> u32 {
    n.try_into().unwrap_or(u32::MAX)
}

impl Recipients {
    /// `req.optout.books`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn books(&self, asked: ShowBooks) -> Result<BooksReply, HandleError> {
        let (id, pool, now) = (asked.recipient.0, self.bus.db().pool(), self.bus.clock().now());
        let may_be_told = match self.missing(now).await?.get(&id) {
            Some(missing) => missing.is_empty(),
            None if !exists(pool, id).await? => return Ok(BooksReply::Unknown),
            None => false,
        };
        type Row = (i32, i64, Option<bool>, Option<i32>, Option<i64>, Option<Time>);
        let pull: Option<Row> = sqlx::query_as(
            "select epoch, position, agrees, agreed_epoch, agreed_position, agreed_at from pull where recipient = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await?;
        let acknowledged = pull.map(|p| At { epoch: p.0, position: p.1 });
        let ours = acknowledged.filter(|a| a.epoch == self.bus.epoch()).map_or(0, |a| a.position);
        let (backlog, unreceived): (i64, i64) = sqlx::query_as(
            "select (select count(*) from backlog where recipient = $1),
                    (select count(*) from owed where recipient = $1 and received_at is null and position > $2)",
        )
        .bind(id)
        .bind(ours)
        .fetch_one(pool)
        .await?;
        let unsigned = |n: i64| n.try_into().unwrap_or(0);
        let facts = Facts {
            may_be_told,
            backlog: unsigned(backlog),
            unreceived: unsigned(unreceived),
            agrees: pull.and_then(|p| p.2),
        };
        let agreed = pull.and_then(|(_, _, _, epoch, position, at)| {
            Some((At { epoch: epoch?, position: position? }, at?.to_jiff()))
        });
        Ok(BooksReply::Found(Box::new(BooksView {
            stage: Code::of(stage(&facts).as_str()),
            backlog: number(backlog),
            acknowledged,
            agreed,
            compared: compared(pool, id).await?,
            endpoint_test: endpoint_test::view(pool, asked.recipient).await?,
            past_due: past_due(pool, asked.recipient, now).await?,
        })))
    }

    /// `req.optout.replay-recipient`: everything after the last agreed position goes to the endpoint in force again; who
    /// pulls is set back to it.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn replay(&self, command: StaffCommand<ReplayRecipient>) -> Result<StaffReply, HandleError> {
        let (recipient, epoch) = (command.order.recipient, self.bus.epoch());
        self.ordered(&command, recipient.0, "offered-again", move |tx, _| {
            Box::pin(async move {
                if !exists(&mut *tx, recipient.0).await? {
                    return Ok(Some(Code::of("no-such-recipient")));
                }
                again(tx, recipient, epoch).await?;
                Ok(None)
            })
        })
        .await
    }
}

impl Recipients {
    /// `req.optout.test-endpoint`: another test event to the webhook endpoint in force.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn test_endpoint(&self, command: StaffCommand<TestEndpoint>) -> Result<StaffReply, HandleError> {
        let (recipient, register) = (command.order.recipient, self.register.clone());
        let reply = self
            .ordered(&command, recipient.0, "tested-again", move |tx, at| {
                Box::pin(async move { endpoint_test::repeat(tx, &register, recipient, at).await })
            })
            .await;
        self.tests.notify_one();
        reply
    }
}

impl Recipients {
    /// `req.optout.set-contact`: where reminders and escalations go; kept as it came, sealed.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn set_contact(&self, command: StaffCommand<SetContact>) -> Result<StaffReply, HandleError> {
        let SetContact { recipient, contact } = command.order.clone();
        let readable = |s: &contracts::Sealed| {
            self.register.open(recipient.0.as_bytes(), &s.0).and_then(|p| p.text().ok()).is_some()
        };
        if !contact.as_ref().is_none_or(readable) {
            return Ok(StaffReply::Refused { reason: Code::of("contact-unreadable"), at: None });
        }
        let (cause, set) = (command.token, contact.is_some());
        self.ordered(&command, recipient.0, "contact-set", move |tx, at| {
            Box::pin(async move {
                if !exists(&mut *tx, recipient.0).await? {
                    return Ok(Some(Code::of("no-such-recipient")));
                }
                sqlx::query(
                    "insert into contact (recipient, sealed, set_at) values ($1, $2, $3)
                     on conflict (recipient) do update set sealed = excluded.sealed, set_at = excluded.set_at",
                )
                .bind(recipient.0)
                .bind(contact.map(|s| s.0))
                .bind(at.to_sqlx())
                .execute(&mut *tx)
                .await?;
                alerts::test(tx, recipient, cause, set, at).await?;
                Ok(None)
            })
        })
        .await
    }
}

async fn exists<'e>(db: impl sqlx::PgExecutor<'e>, id: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from recipient where id = $1)").bind(id).fetch_one(db).await?)
}

async fn again(tx: &mut PgConnection, recipient: RecipientId, epoch: i32) -> Result<(), DbError> {
    let agreed: Option<i64> =
        sqlx::query_scalar("select agreed_position from pull where recipient = $1 and agreed_epoch = $2")
            .bind(recipient.0)
            .bind(epoch)
            .fetch_optional(&mut *tx)
            .await?;
    let agreed = agreed.unwrap_or(0);
    sqlx::query("update pull set position = least(position, $3) where recipient = $1 and epoch = $2")
        .bind(recipient.0)
        .bind(epoch)
        .bind(agreed)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into retry (endpoint, position, tries, next_at)
         select d.endpoint, d.position, 0, now() from delivery d join endpoint e on e.id = d.endpoint
          where d.recipient = $1 and d.epoch = $2 and d.position > $3 and e.enabled and e.transport in ('nats', 'webhook')
          order by d.position limit $4
         on conflict (endpoint, position) do update set next_at = now(), parked = false",
    )
    .bind(recipient.0)
    .bind(epoch)
    .bind(agreed)
    .bind(REPLAY_MAX)
    .execute(tx)
    .await?;
    Ok(())
}

async fn compared(pool: &PgPool, recipient: Uuid) -> Result<Vec<Compared>, DbError> {
    type Row = (Time, i32, i64, Option<i64>, Vec<u8>, i64, Vec<u8>, bool);
    let rows: Vec<Row> = sqlx::query_as(
        "select at, epoch, position, their_entries, their_digest, our_entries, our_digest, agrees
           from reconcile where recipient = $1 order by at desc, id desc limit 30",
    )
    .bind(recipient)
    .fetch_all(pool)
    .await?;
    let row = |(at, epoch, position, theirs, their_digest, ours, our_digest, agrees): Row| {
        Some(Compared {
            at: at.to_jiff(),
            as_of: At { epoch, position },
            their_entries: theirs.map(|n| n.try_into().unwrap_or(0)),
            their_digest: Digest(their_digest.try_into().ok()?),
            our_entries: ours.try_into().unwrap_or(0),
            our_digest: Digest(our_digest.try_into().ok()?),
            agrees,
        })
    };
    Ok(rows.into_iter().filter_map(row).collect())
}

/// What of one recipient is past due, by the stage that is missing.
pub(crate) async fn past_due(pool: &PgPool, recipient: RecipientId, now: Timestamp) -> Result<PastDue, DbError> {
    let (unreceived, unreported, unconfirmed): (i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where o.received_at is null),
                count(*) filter (where o.received_at is not null and i.reported_at is null),
                count(*) filter (where i.reported_at is not null)
           from owed o join issued i using (instruction) where o.recipient = $1 and i.due <= $2",
    )
    .bind(recipient.0)
    .bind(now.to_sqlx())
    .fetch_one(pool)
    .await?;
    Ok(PastDue { unreceived: number(unreceived), unreported: number(unreported), unconfirmed: number(unconfirmed) })
}
