//! 日次照合: a recipient's books beside the desk's, once a day, whatever its transport. Where they differ it takes in again
//! what came after the last agreed position, then the snapshot: everything it has already is a repeat and changes nothing.

use crate::{
    apply::Ledger,
    example::ExampleContractor,
    http::{Compared, HttpDesk, PullError},
};
use std::{sync::Arc, time::Duration};

/// How often a recipient compares.
pub const DAILY: Duration = Duration::from_secs(24 * 3600);
/// After the desk was away.
const AGAIN: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Books {
    /// Nothing to compare yet, or a position is missing that is still on its way.
    NotYet,
    /// They are the same.
    Agree,
    /// They were not, and are now.
    Mended,
    /// They differ, also after everything was taken in again: call the desk.
    Differ,
}

/// Whether there is something that can be compared: everything up to a position, and nothing beyond it.
pub fn comparable(ledger: &Ledger) -> bool {
    ledger.epoch().is_some() && ledger.cursor().is_some() && ledger.gaps().is_empty()
}

/// Compares once; mends what differs.
///
/// # Errors
/// The desk is away or refuses.
pub async fn reconcile(contractor: &Arc<ExampleContractor>, desk: &HttpDesk) -> Result<Books, PullError> {
    let (keys, me) = (contractor.keys(), contractor.me());
    let ledger = contractor.ledger();
    if !comparable(&ledger) {
        return Ok(Books::NotYet);
    }
    let Compared::Differ { replay } = desk.compare(keys, me, &ledger).await? else { return Ok(Books::Agree) };
    let mut after = replay.split_once("after=").map(|(_, cursor)| cursor.to_owned());
    while let Some(cursor) = after {
        let (bodies, next) = desk.page(keys, me, &cursor).await?;
        take_in(contractor, &bodies).await?;
        after = (!bodies.is_empty()).then_some(next);
    }
    if again(contractor, desk).await? {
        return Ok(Books::Mended);
    }
    let (bodies, _) = desk.snapshot(keys, me).await?;
    take_in(contractor, &bodies).await?;
    Ok(if again(contractor, desk).await? { Books::Mended } else { Books::Differ })
}

async fn again(contractor: &Arc<ExampleContractor>, desk: &HttpDesk) -> Result<bool, PullError> {
    let ledger = contractor.ledger();
    Ok(comparable(&ledger) && desk.compare(contractor.keys(), contractor.me(), &ledger).await? == Compared::Agree)
}

/// What cannot be taken (for somebody else, sealed to a key that is gone) is counted and logged by the contractor.
async fn take_in(contractor: &Arc<ExampleContractor>, bodies: &[Vec<u8>]) -> Result<(), PullError> {
    for body in bodies {
        if let Err(crate::example::TakeError::Journal(_)) = contractor.take_blocking(body.clone()).await {
            return Err(PullError::Away);
        }
    }
    Ok(())
}

/// Compares as soon as there is something to compare, then `every` so often; ends when the task is dropped.
pub async fn keep(contractor: Arc<ExampleContractor>, desk: Arc<HttpDesk>, every: Duration) {
    contractor.until(|counts| counts.taken > 0).await;
    loop {
        let pause = match reconcile(&contractor, &desk).await {
            Ok(Books::Agree | Books::Mended) => every,
            Ok(Books::NotYet) => AGAIN.min(every),
            Ok(Books::Differ) => {
                tracing::error!("the books differ from the desk's; call the desk");
                every
            }
            Err(error) => {
                tracing::warn!(%error, "the books could not be compared");
                AGAIN.min(every)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// One page of the pull feed, taken in and acknowledged by position: for recipients that ask instead of being told. Waits at
/// most `wait` seconds (20) for something to be in it; how many bodies there were.
///
/// # Errors
/// The desk is away or refuses, or nothing can be written down.
pub async fn pull(contractor: &Arc<ExampleContractor>, desk: &HttpDesk, wait: u64) -> Result<usize, PullError> {
    let (keys, me) = (contractor.keys(), contractor.me());
    let (bodies, cursor) = desk.next(keys, me, wait).await?;
    if !bodies.is_empty() {
        take_in(contractor, &bodies).await?;
        desk.acknowledge(keys, me, &cursor, None).await?;
    }
    Ok(bodies.len())
}
