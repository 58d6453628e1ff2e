//! `open-loop`: orders come at a fixed pace, whether or not those before them are done, and each goes to ten webhook endpoints.
//! What is held against the limit is the time from the answer to an order until the last endpoint has its webhook; from its sending,
//! and to the answer, stand beside it. What a stop takes on a desk that is at work and not full.

use crate::{
    report::{self, percentile},
    sink::{Sink, wall_seconds},
    webhooks::{backlog, house, register},
};
use anyhow::{Context, ensure};
use chassis::Clock;
use console::command::{By, register::Ground};
use contracts::{CaseId, ChangeId, Code, EntryId, RecipientId, StaffId, forms::Forms};
use launcher::{Up, story};
use opt_out_propagation::propagation::instruction_id;
use serde_json::json;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// Endpoints.
const ENDPOINTS: usize = 10;
/// The first orders fill pools and connections and are not counted.
const WARM: usize = 200;
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// When an order was sent and when it was answered, in seconds of the wall clock; and what it changes.
struct Ordered {
    change: ChangeId,
    sent: f64,
    accepted: f64,
}

/// `rate`: deliveries a second.
pub async fn run(rate: usize, seconds: usize, forms: Forms) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let (folder, up) = house().await?;
    let recipients = register(&up, folder.path(), &["ok"; ENDPOINTS], &sink, forms).await?;
    let up = up.only(&["steward"]).await?;
    let orders = WARM + seconds * rate / ENDPOINTS;
    let entries = backlog(&up, orders).await?;
    // Their stops go out first; then each entry is ordered to be left alone by current builds.
    let up = up.only(&["steward", "opt-out-propagation"]).await?;
    sink.until(orders * ENDPOINTS, PATIENCE).await?;
    let ordered = order(&up, entries, Duration::from_secs_f64(ENDPOINTS as f64 / rate as f64)).await?;
    sink.until(2 * orders * ENDPOINTS, PATIENCE).await?;
    let arrived = sink.by_id().await?;
    up.stop().await?;
    tell(&ordered[WARM..], &recipients, &arrived, rate)
}

async fn order(up: &Up, entries: Vec<(CaseId, EntryId)>, pace: Duration) -> anyhow::Result<Vec<Ordered>> {
    let (commands, staff) = (Arc::new(up.commands().await?), StaffId::new());
    let mut clock = tokio::time::interval(pace);
    let mut asked = JoinSet::new();
    for (case, entry) in entries {
        clock.tick().await;
        let commands = commands.clone();
        asked.spawn(async move {
            let by = By::new(staff, "benchmark");
            let change = ChangeId::derived(by.token, "suspend-use");
            let ground = Ground { case, basis: Code::of("appi-35-5"), received_at: Clock::system().now() };
            let sent = wall_seconds();
            story::done(commands.suspend_use(by, entry, ground).await?)?;
            anyhow::Ok(Ordered { change, sent, accepted: wall_seconds() })
        });
    }
    let mut ordered = vec![];
    while let Some(done) = asked.join_next().await {
        ordered.push(done??);
    }
    ordered.sort_by(|a, b| a.sent.total_cmp(&b.sent));
    Ok(ordered)
}

fn tell(
    ordered: &[Ordered],
    recipients: &[RecipientId],
    arrived: &HashMap<contracts::Uuid, f64>,
    rate: usize,
) -> anyhow::Result<()> {
    let (mut accepts, mut lasts, mut from_accept) = (vec![], vec![], vec![]);
    for one in ordered {
        let times = recipients.iter().map(|to| arrived.get(&instruction_id(one.change, *to).0).copied());
        let times: Vec<f64> = times.collect::<Option<_>>().context("an instruction did not arrive")?;
        ensure!(times.len() == ENDPOINTS, "not every endpoint was told");
        let last = times.into_iter().fold(f64::MIN, f64::max);
        accepts.push((one.accepted - one.sent) * 1e3);
        lasts.push((last - one.sent) * 1e3);
        from_accept.push((last - one.accepted).max(0.0) * 1e3);
    }
    for list in [&mut accepts, &mut lasts, &mut from_accept] {
        list.sort_by(f64::total_cmp);
    }
    let both = |list: &[f64]| json!({ "p50_ms": percentile(list, 0.5), "p99_ms": percentile(list, 0.99), "max_ms": list.last() });
    let p99 = percentile(&from_accept, 0.99);
    report::print(
        "open-loop",
        json!({ "orders": ordered.len(), "deliveries_per_second": rate, "accept": both(&accepts), "sent_to_last": both(&lasts), "accept_to_last": both(&from_accept) }),
        json!({ "accept_to_last_p99_ms": 8.0 }),
        json!({ "accept_to_last_p99": p99 / 8.0 }),
        0,
    );
    Ok(())
}
