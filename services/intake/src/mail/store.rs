//! Every SQL statement about mails.

use chassis::{Db, DbError};
use contracts::{
    CaseId, Code, Digest, MailId, MailState, ObjectId, StaffId, Timestamp, Uuid, correspondence::MAILS_PAGE,
};
use jiff_sqlx::ToSqlx;
use privacy::BlindTag;
use privacy_seal::ArrivedMail;
use sqlx::{FromRow, PgConnection};

/// A mail that has arrived: its row, in the transaction that takes the filing away. Brought again, it changes nothing.
pub async fn arrived(tx: &mut PgConnection, id: Uuid, mail: &ArrivedMail, sealed: &[u8]) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "insert into mail (id, received_at, client, digest, bytes, inbound, sealed, next_at) values ($1, $2, $3, $4, $5, $6, $7, now())
         on conflict (id) do nothing",
    )
    .bind(id)
    .bind(mail.received_at.to_sqlx())
    .bind(mail.client.as_str())
    .bind(mail.digest.as_slice())
    .bind(i64::try_from(mail.bytes).unwrap_or(i64::MAX))
    .bind(mail.object.0)
    .bind(sealed)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A mail to be read.
#[derive(FromRow)]
pub struct Due {
    /// Its id.
    pub id: Uuid,
    /// The file as it came.
    pub inbound: Uuid,
    /// SHA-256 of its bytes.
    pub digest: Vec<u8>,
    /// What is known of it.
    pub sealed: Vec<u8>,
}

/// Claims mails to be read, by pushing their time forward: after a crash they are read again.
pub async fn claim(db: &Db, most: i64) -> Result<Vec<Due>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let rows = sqlx::query_as(
                "update mail set tries = tries + 1, next_at = now() + least(interval '20 s' * 2 ^ least(tries, 10), interval '1 h')
                  where id in (select id from mail where next_at <= now() and inbound is not null and sealed is not null
                                order by next_at limit $1 for update skip locked)
                 returning id, inbound, digest, sealed",
            )
            .bind(most)
            .fetch_all(tx)
            .await?;
            Ok(rows)
        })
    })
    .await
}

/// A mail taken into parts.
pub struct Taken {
    /// Which.
    pub id: Uuid,
    /// Where it stands.
    pub state: MailState,
    /// Why there.
    pub reason: Option<Code>,
    /// The mail without its files.
    pub skeleton: ObjectId,
    /// All that is known, sealed.
    pub sealed: Vec<u8>,
    /// By Message-ID.
    pub message_tag: Option<BlindTag>,
    /// By sender.
    pub sender_tag: Option<BlindTag>,
    /// The first mail with this Message-ID.
    pub same_as: Option<Uuid>,
    /// The case that it belongs to.
    pub case: Option<CaseId>,
    /// Its files.
    pub parts: Vec<PartRow>,
    /// Its sender is told that it arrived, unless he was told within the hour.
    pub acknowledge: bool,
    /// When.
    pub at: Timestamp,
}

/// A file of a mail.
pub struct PartRow {
    /// Whose key it is under.
    pub unit: Uuid,
    /// What it is.
    pub kind: &'static str,
    /// In bytes.
    pub bytes: i64,
    /// SHA-256.
    pub digest: Digest,
    /// The file.
    pub object: ObjectId,
    /// As it stood in the mail.
    pub as_sent: Option<ObjectId>,
}

/// What became of writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// Written.
    Yes,
    /// Another process was faster.
    Elsewhere,
    /// Another mail with its Message-ID was written meanwhile: it is to be filed anew, now.
    Again,
}

/// Writes what was made of a mail. Of two with one Message-ID that are read at the same time, the second is filed anew.
pub async fn taken(db: &Db, mail: Taken) -> Result<Took, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            if let (Some(tag), None) = (mail.message_tag, mail.same_as) {
                lock(tx, tag).await?;
                let find = "select exists (select from mail where message_tag = $1 and id <> $2)";
                if sqlx::query_scalar(find).bind(tag.0.as_slice()).bind(mail.id).fetch_one(&mut *tx).await? {
                    sqlx::query("update mail set next_at = now() where id = $1 and inbound is not null")
                        .bind(mail.id)
                        .execute(tx)
                        .await?;
                    return Ok(Took::Again);
                }
            }
            let done = sqlx::query(
                "update mail set state = $2, reason = $3, skeleton = $4, sealed = $5, message_tag = $6, sender_tag = $7, same_as = $8,
                        case_id = (select case_id from person where case_id = $9 and sealed is not null), read_at = $10, inbound = null, next_at = null
                  where id = $1 and inbound is not null",
            )
            .bind(mail.id)
            .bind(mail.state.as_str())
            .bind(mail.reason.as_ref().map(Code::as_str))
            .bind(mail.skeleton.0)
            .bind(mail.sealed)
            .bind(mail.message_tag.map(|t| t.0.to_vec()))
            .bind(mail.sender_tag.map(|t| t.0.to_vec()))
            .bind(mail.same_as)
            .bind(mail.case.map(|c| c.0))
            .bind(mail.at.to_sqlx())
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(Took::Elsewhere);
            }
            if let (true, Some(sender)) = (mail.acknowledge, mail.sender_tag) {
                acknowledge(tx, mail.id, sender, mail.at).await?;
            }
            for (n, part) in (0i32..).zip(mail.parts) {
                sqlx::query(
                    "insert into mail_part (mail, n, unit, kind, bytes, digest, object, as_sent)
                     values ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(mail.id)
                .bind(n)
                .bind(part.unit)
                .bind(part.kind)
                .bind(part.bytes)
                .bind(part.digest.0.to_vec())
                .bind(part.object.0)
                .bind(part.as_sent.map(|o| o.0))
                .execute(&mut *tx)
                .await?;
            }
            Ok(Took::Yes)
        })
    })
    .await
}

/// Until the transaction ends, nobody else decides about mails with this tag.
async fn lock(tx: &mut PgConnection, tag: BlindTag) -> Result<(), sqlx::Error> {
    let lock = "select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))";
    sqlx::query(lock).bind(tag.0.as_slice()).execute(tx).await.map(drop)
}

/// Once an hour for each sender, however many of his mails are read at the same time.
async fn acknowledge(tx: &mut PgConnection, mail: Uuid, sender: BlindTag, at: Timestamp) -> Result<(), sqlx::Error> {
    lock(tx, sender).await?;
    sqlx::query(
        "update mail set ack_at = $3, ack_next = $3 where id = $1 and not exists (select from mail other
            where other.sender_tag = $2 and other.ack_at > $3 - interval '1 hour')",
    )
    .bind(mail)
    .bind(sender.0.as_slice())
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// A mail whose sender is to be told.
#[derive(FromRow)]
pub struct AckDue {
    /// The mail.
    pub id: Uuid,
    /// What is known of it.
    pub sealed: Vec<u8>,
    /// Arrival.
    pub received_at: jiff_sqlx::Timestamp,
}

/// Claims acknowledgements by pushing their time forward. After a day nobody is told any more: it would only confuse.
pub async fn claim_acknowledgements(db: &Db, now: Timestamp, most: i64) -> Result<Vec<AckDue>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let rows = sqlx::query_as(
                "update mail set ack_next = case when ack_at > $1 - interval '1 day' then $1 + interval '1 minute' end
                  where id in (select id from mail where ack_next <= $1 and sealed is not null order by ack_next limit $2
                                for update skip locked)
                 returning id, sealed, received_at",
            )
            .bind(now.to_sqlx())
            .bind(most)
            .fetch_all(tx)
            .await?;
            Ok(rows)
        })
    })
    .await
}

/// The sender was told, or never will be.
pub async fn acknowledged(db: &Db, mail: Uuid) -> Result<(), DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            sqlx::query("update mail set ack_next = null where id = $1").bind(mail).execute(tx).await?;
            Ok(())
        })
    })
    .await
}

/// The first mail with a Message-ID, and what is known of it; `None` when there is no other.
pub async fn first_with(db: &Db, tag: BlindTag, but: Uuid) -> Result<Option<(Uuid, Option<Vec<u8>>)>, DbError> {
    let find = "select id, sealed from mail where message_tag = $1 and id <> $2 and same_as is null order by received_at, id limit 1";
    Ok(sqlx::query_as(find).bind(tag.0.as_slice()).bind(but).fetch_optional(db.pool()).await?)
}

/// A row as staff see it.
#[derive(FromRow)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// Where it stands.
    pub state: String,
    /// Why there.
    pub reason: Option<String>,
    /// Arrival.
    pub received_at: jiff_sqlx::Timestamp,
    /// Who brought it.
    pub client: String,
    /// SHA-256.
    pub digest: Vec<u8>,
    /// As it came.
    pub bytes: i64,
    /// All that is known, sealed.
    pub sealed: Option<Vec<u8>>,
    /// The first with its Message-ID.
    pub same_as: Option<Uuid>,
    /// Its case.
    pub case_id: Option<Uuid>,
    /// What a person made of it.
    pub outcome: Option<String>,
    /// How many files.
    pub files: i64,
}

macro_rules! rows {
    ($which:literal) => {
        concat!(
            "select m.id, m.state, m.reason, m.received_at, m.client, m.digest, m.bytes, m.sealed, m.same_as, m.case_id, m.outcome,
                    (select count(*) from mail_part p where p.mail = m.id) as files from mail m ",
            $which
        )
    };
}

/// A page, the oldest first; `None` = what a person has to look at. One more than a page tells that there are more.
pub async fn page(db: &Db, state: Option<MailState>, after: Option<(Timestamp, MailId)>) -> Result<Vec<Row>, DbError> {
    let (at, id) = after.map_or((Timestamp::UNIX_EPOCH, Uuid::nil()), |(at, mail)| (at, mail.0));
    let most = i64::try_from(MAILS_PAGE + 1).unwrap_or(i64::MAX);
    let find = match state {
        // The words stand here and not in a list that is bound, so that the partial index serves.
        None => sqlx::query_as(rows!(
            "where m.state in ('triage', 'threaded', 'quarantine') and (m.received_at, m.id) > ($1, $2)
              order by m.received_at, m.id limit $3"
        )),
        Some(_) => sqlx::query_as(rows!(
            "where (m.received_at, m.id) > ($1, $2) and m.state = $4 order by m.received_at, m.id limit $3"
        )),
    };
    let find = find.bind(at.to_sqlx()).bind(id).bind(most);
    let find = match state {
        None => find,
        Some(state) => find.bind(state.as_str()),
    };
    Ok(find.fetch_all(db.pool()).await?)
}

/// How many are in each state.
pub async fn counts(db: &Db) -> Result<Vec<(String, i64)>, DbError> {
    Ok(sqlx::query_as("select state, count(*) from mail group by state order by state").fetch_all(db.pool()).await?)
}

/// What waits in one state.
pub struct Waiting {
    /// Which.
    pub state: &'static str,
    /// How many.
    pub mails: i64,
    /// Since when the oldest has waited, in seconds; 0 = none.
    pub oldest_seconds: f64,
}

/// What waits to be read, and what waits for a person. A state in which nothing waits is said as 0.
pub async fn waiting(db: &Db) -> Result<Vec<Waiting>, DbError> {
    let rows: Vec<(String, i64, f64)> = sqlx::query_as(
        "select state, count(*), coalesce(extract(epoch from now() - min(received_at)), 0)::float8 from mail
          where state in ('arrived', 'triage', 'threaded', 'quarantine') group by state",
    )
    .fetch_all(db.pool())
    .await?;
    let of = |state: &'static str| {
        let found = rows.iter().find(|row| row.0 == state);
        Waiting { state, mails: found.map_or(0, |row| row.1), oldest_seconds: found.map_or(0.0, |row| row.2) }
    };
    Ok(["arrived", "triage", "threaded", "quarantine"].map(of).into())
}

/// One mail.
pub async fn one(db: &Db, mail: MailId) -> Result<Option<Row>, DbError> {
    Ok(sqlx::query_as(rows!("where m.id = $1")).bind(mail.0).fetch_optional(db.pool()).await?)
}

/// A file as staff see it.
#[derive(FromRow)]
pub struct File {
    /// Its number.
    pub n: i32,
    /// Whose key.
    pub unit: Uuid,
    /// What it is.
    pub kind: String,
    /// In bytes.
    pub bytes: i64,
    /// SHA-256.
    pub digest: Vec<u8>,
    /// When it was destroyed.
    pub destroyed_at: Option<jiff_sqlx::Timestamp>,
    /// By whom.
    pub destroyed_by: Option<Uuid>,
}

/// The files of a mail, in order.
pub async fn files(db: &Db, mail: MailId) -> Result<Vec<File>, DbError> {
    let find =
        "select n, unit, kind, bytes, digest, destroyed_at, destroyed_by from mail_part where mail = $1 order by n";
    Ok(sqlx::query_as(find).bind(mail.0).fetch_all(db.pool()).await?)
}

/// What a person made of a mail; `false`: it was settled before, or is not read yet.
pub async fn settle(
    db: &Db,
    mail: MailId,
    outcome: &'static str,
    case: Option<CaseId>,
    by: StaffId,
    why: Vec<u8>,
    at: Timestamp,
) -> Result<bool, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let done = sqlx::query(
                "update mail set state = 'settled', outcome = $2, case_id = coalesce($3, case_id), settled_by = $4, why = $5, settled_at = $6
                  where id = $1 and state not in ('settled', 'arrived')
                    and ($3::uuid is null or exists (select from person where case_id = $3 and sealed is not null))",
            )
            .bind(mail.0)
            .bind(outcome)
            .bind(case.map(|c| c.0))
            .bind(by.0)
            .bind(why)
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(done.rows_affected() > 0)
        })
    })
    .await
}

/// Marks every file under a key as destroyed; gives the objects that are to be removed.
pub async fn destroy(db: &Db, unit: Uuid, by: StaffId, why: Vec<u8>, at: Timestamp) -> Result<Vec<ObjectId>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let objects: Vec<(Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
                "with was as (select mail, n, object, as_sent from mail_part where unit = $1 and destroyed_at is null for update)
                 update mail_part p set object = null, as_sent = null, destroyed_at = $3, destroyed_by = $2, destroyed_why = $4
                   from was where p.mail = was.mail and p.n = was.n returning was.object, was.as_sent",
            )
            .bind(unit)
            .bind(by.0)
            .bind(at.to_sqlx())
            .bind(why)
            .fetch_all(tx)
            .await?;
            Ok(objects.into_iter().flat_map(|(a, b)| [a, b]).flatten().map(ObjectId).collect())
        })
    })
    .await
}

/// The keys of the mails of a case, and of their files.
pub async fn units_of(db: &Db, case: CaseId) -> Result<Vec<Uuid>, DbError> {
    let find = "select id from mail where case_id = $1 and erased_at is null union
        select p.unit from mail_part p join mail m on m.id = p.mail where m.case_id = $1 and m.erased_at is null and p.object is not null";
    Ok(sqlx::query_scalar(find).bind(case.0).fetch_all(db.pool()).await?)
}

/// The mails of a case whose keys are destroyed: only that they were there, and their hashes, stay. Gives the files that are to be
/// removed.
pub async fn erase_of(db: &Db, case: CaseId, at: Timestamp) -> Result<Vec<ObjectId>, DbError> {
    db.write(move |tx| {
        Box::pin(async move {
            let files: Vec<(Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
                "with was as (select p.mail, p.n, p.object, p.as_sent from mail_part p join mail m on m.id = p.mail
                    where m.case_id = $1 and p.object is not null for update of p)
                 update mail_part p set object = null, as_sent = null from was where p.mail = was.mail and p.n = was.n
                 returning was.object, was.as_sent",
            )
            .bind(case.0)
            .fetch_all(&mut *tx)
            .await?;
            let mails: Vec<(Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
                "with was as (select id, skeleton, inbound from mail where case_id = $1 and erased_at is null for update)
                 update mail m set sealed = null, skeleton = null, inbound = null, why = null, message_tag = null, sender_tag = null,
                        next_at = null, ack_next = null, erased_at = $2 from was where m.id = was.id
                 returning was.skeleton, null::uuid",
            )
            .bind(case.0)
            .bind(at.to_sqlx())
            .fetch_all(tx)
            .await?;
            Ok(files.into_iter().chain(mails).flat_map(|(a, b)| [a, b]).flatten().map(ObjectId).collect())
        })
    })
    .await
}

/// Which of these sealed files are still a mail's: the others of the inbound folder are of nobody.
pub async fn known_inbound(db: &Db, objects: Vec<Uuid>) -> Result<Vec<Uuid>, DbError> {
    let find = "select inbound from mail where inbound = any ($1)";
    Ok(sqlx::query_scalar(find).bind(objects).fetch_all(db.pool()).await?)
}

/// A digest as messages have it.
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(bytes.try_into().unwrap_or_default())
}
