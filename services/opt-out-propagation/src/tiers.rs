//! 再委託 (Act art. 24), tier by tier: through whom instructions travel, who waits for whom, and what stands above and below.

use chassis::DbError;
use contracts::{Code, InstructionId, RecipientId, Uuid};
use sqlx::{PgConnection, PgPool};

/// The contractor above a recipient.
///
/// # Errors
/// The database does not answer.
pub async fn above(pool: &PgPool, recipient: RecipientId) -> Result<Option<RecipientId>, DbError> {
    let above: Option<Option<Uuid>> =
        sqlx::query_scalar("select parent from recipient where id = $1").bind(recipient.0).fetch_optional(pool).await?;
    Ok(above.flatten().map(RecipientId))
}

/// Whether a recipient's instructions travel to this carrier.
///
/// # Errors
/// The database does not answer.
pub async fn carries(pool: &PgPool, carrier: RecipientId, recipient: RecipientId) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (
           select from (select via from endpoint where recipient = $2 order by version desc limit 1) e
             join endpoint v on v.id = e.via where v.recipient = $1)",
    )
    .bind(carrier.0)
    .bind(recipient.0)
    .fetch_one(pool)
    .await?)
}

/// The endpoint that carries for a recipient whose instructions travel to the one above: the endpoint of the first above
/// that is reached by itself, and whether the desk sends there. `None`: nobody is above.
pub(crate) async fn carrier(tx: &mut PgConnection, recipient: Uuid) -> Result<Option<(Uuid, bool)>, DbError> {
    Ok(sqlx::query_as(
        "select v.id, v.transport in ('nats', 'webhook') from recipient r
           join lateral (select coalesce(via, id) as id from endpoint where recipient = r.parent order by version desc limit 1) p on true
           join endpoint v on v.id = p.id where r.id = $1",
    )
    .bind(recipient)
    .fetch_optional(tx)
    .await?)
}

/// Who travels through a recipient, the nearest tier first.
pub(crate) async fn through(tx: &mut PgConnection, recipient: Uuid) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive below as (
           select id, 1 as tier from recipient where parent = $1 and transport = 'through-parent'
           union select r.id, b.tier + 1 from recipient r join below b on r.parent = b.id
            where r.transport = 'through-parent' and b.tier < 10)
         select id from below order by tier, id",
    )
    .bind(recipient)
    .fetch_all(tx)
    .await?)
}

/// Sub-contractors whose instruction of the same change is not confirmed yet: a contractor's own does not close before
/// theirs.
///
/// # Errors
/// The database does not answer.
pub async fn open_below(pool: &PgPool, instruction: InstructionId) -> Result<Vec<Code>, DbError> {
    let labels: Vec<String> = sqlx::query_scalar(
        "select r.label from issued mine join recipient r on r.parent = mine.recipient
           join issued theirs on theirs.recipient = r.id and theirs.entry = mine.entry and theirs.change = mine.change
          where mine.instruction = $1 and theirs.confirmed_at is null and theirs.replaced_by is null
          order by r.label limit 100",
    )
    .bind(instruction.0)
    .fetch_all(pool)
    .await?;
    Ok(labels.into_iter().filter_map(|label| label.parse().ok()).collect())
}

/// The instruction of the contractor above about the same change.
///
/// # Errors
/// The database does not answer.
pub async fn same_above(pool: &PgPool, instruction: InstructionId) -> Result<Option<InstructionId>, DbError> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "select above.instruction from issued mine join recipient r on r.id = mine.recipient
           join issued above on above.recipient = r.parent and above.entry = mine.entry and above.change = mine.change
            and above.replaced_by is null
          where mine.instruction = $1",
    )
    .bind(instruction.0)
    .fetch_optional(pool)
    .await?;
    Ok(found.map(InstructionId))
}
