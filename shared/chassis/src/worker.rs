//! Takes up again what waits: inbox rows whose time has come, and machines that want to be woken.

use crate::{
    bus::{Bus, Hears},
    consumer,
    home::{HandleError, Wakes},
    telemetry,
};
use futures::StreamExt;
use std::{sync::Arc, time::Duration};

/// Rows claimed at once.
const CLAIM: i64 = 20;

pub(crate) fn start(bus: &Arc<Bus>, hears: Arc<dyn Hears>) {
    let this = bus.clone();
    bus.spawn("inbox worker", async move {
        let stop = this.stopping();
        loop {
            if let Err(error) = free_orphans(&this).await {
                tracing::warn!(%error, "what stands behind nothing could not be freed");
            }
            match claim(&this).await {
                Ok(rows) if !rows.is_empty() => {
                    let full = rows.len() as i64 == CLAIM;
                    let work = futures::stream::iter(rows).for_each_concurrent(4, |body| {
                        let (bus, hears) = (this.clone(), hears.clone());
                        async move {
                            if let Err(error) = consumer::hear_bytes(&bus, &hears, &body).await {
                                tracing::warn!(%error, "a waiting message could not be taken up; its time comes again");
                            }
                        }
                    });
                    work.await;
                    if full && !stop.is_asked() {
                        continue;
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "waiting messages could not be claimed"),
            }
            if stop.pause(Duration::from_millis(this.settings().poll_ms)).await {
                return;
            }
        }
    });
}

/// A message that was told to stand behind a parked one while a person took that one away stands behind nothing, and
/// nothing would wake it.
async fn free_orphans(bus: &Bus) -> Result<(), HandleError> {
    const ORPHANS: &str = "select b.id from inbox b where b.state = 'behind' and not exists (select 1 from inbox p
         where p.lane = b.lane and p.source = b.source and p.seq < b.seq and p.state = 'parked') limit 256";
    let orphans: Vec<uuid::Uuid> = sqlx::query_scalar(ORPHANS).fetch_all(bus.db().pool()).await?;
    if orphans.is_empty() {
        return Ok(());
    }
    let freed = bus.db().write(move |tx| {
        Box::pin(async move {
            sqlx::query("update inbox set state = 'later', due_at = now() where id = any ($1) and state = 'behind'")
                .bind(orphans)
                .execute(tx)
                .await?;
            Ok(())
        })
    });
    Ok(freed.await?)
}

/// Claim = push the time forward: a crash costs a delay, never a loss.
async fn claim(bus: &Bus) -> Result<Vec<Vec<u8>>, HandleError> {
    let (base, cap) = (bus.settings().later_base_ms as f64 / 1000.0, bus.settings().later_cap_ms as f64 / 1000.0);
    let rows: Vec<(Option<Vec<u8>>,)> = bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                let rows = sqlx::query_as(
                    "update inbox set tries = tries + 1,
                            due_at = now() + make_interval(secs => least($1 * 2 ^ least(tries, 16), $2) * (0.75 + random() / 2))
                      where id in (select id from inbox where state = 'later' and due_at <= now() order by due_at limit $3 for update skip locked)
                     returning body",
                )
                .bind(base)
                .bind(cap)
                .bind(CLAIM)
                .fetch_all(tx)
                .await?;
                Ok(rows)
            })
        })
        .await?;
    Ok(rows.into_iter().filter_map(|(body,)| body).collect())
}

/// Feeds the clock to a home's machines: every poll, and whenever a held clock is set.
pub(crate) fn start_wakes(bus: &Arc<Bus>, home: Arc<dyn Wakes>) {
    let this = bus.clone();
    bus.spawn("wake-ups", async move {
        let stop = this.stopping();
        loop {
            match home.wake_due().await {
                Ok(100) => continue,
                Ok(0) => {}
                Ok(n) => telemetry::add("madoguchi.wakeups", n as u64, home.kind()),
                Err(error) => tracing::warn!(%error, kind = home.kind(), "wake-ups could not be looked up"),
            }
            let changed = this.clock().changed();
            let pause = Duration::from_millis(this.settings().poll_ms);
            let stopping = tokio::select! { s = stop.pause(pause) => s, () = changed => stop.is_asked() };
            if stopping {
                return;
            }
        }
    });
}
