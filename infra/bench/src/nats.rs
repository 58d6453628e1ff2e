//! `nats`: a backlog of final stops to ten recipients over NATS: fan-out, sealing, and a durable publication each (the server
//! syncs every message). Beside it a bare loop that publishes bodies of the same size to the same stream, as many at a time as
//! the service has in flight; and ten recipients that pull them all, with a double acknowledgement each.

use crate::{report, webhooks::backlog};
use anyhow::{Context, ensure};
use async_nats::jetstream;
use chassis::{Bus, Clock, Runtime};
use contracts::{Code, RecipientId, Service, StaffId};
use futures::{StreamExt, future::try_join_all, stream};
use launcher::{
    Up,
    story::{self, NatsAccess},
};
use opt_out_propagation::delivery::FRESH;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const RECIPIENTS: usize = 10;
const STREAM: &str = "OPTOUT";
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run(deliveries: usize) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let up = Up::start(&args, folder.path(), &[("ops.log".to_owned(), "off".to_owned())], &|_| ()).await?;
    let (commands, staff) = (up.commands().await?, StaffId::new());
    let mut recipients = vec![];
    for n in 0..RECIPIENTS {
        let label: Code = format!("recipient-{n}").parse().context("a label")?;
        let contractor = story::Contractor::open(&folder.path().join(label.as_str()), RecipientId::new(), label)?;
        recipients.push((contractor.id, story::admitted_over_nats(&up, &commands, staff, &contractor).await?));
    }
    let up = up.only(&["steward"]).await?;
    backlog(&up, deliveries.div_ceil(RECIPIENTS)).await?;
    let wanted = (deliveries.div_ceil(RECIPIENTS) * RECIPIENTS) as u64;

    let up = up.only(&["steward", "opt-out-propagation"]).await?;
    let bus = Runtime::new(up.place.settings.clone(), Clock::system())?.bus(Service::OptOut).await?;
    let published = arrivals(&bus, wanted).await?;
    let up = up.only(&["steward"]).await?;
    let pulled =
        try_join_all(recipients.iter().map(|(_, access)| pull(&up, access, wanted / RECIPIENTS as u64))).await?;
    let pulled = wanted as f64 / pulled.into_iter().fold(0.0, f64::max);
    let bare = bare(&bus, recipients[0].0, wanted).await?;
    bus.stopping().ask();
    up.stop().await?;

    let figures = json!({ "deliveries_per_second": published, "pulls_per_second": pulled });
    let limit = json!({ "bare_publications_per_second": bare, "ratio": 0.6 });
    let ratio = json!({ "deliveries": published / bare, "pulls_of_deliveries": pulled / published });
    report::print("nats", figures, limit, ratio, 0);
    Ok(())
}

/// Messages a second, from the first in the stream to the last.
async fn arrivals(bus: &Arc<Bus>, wanted: u64) -> anyhow::Result<f64> {
    let context = jetstream::new(bus.nats().clone());
    let (begun, mut first) = (Instant::now(), None);
    loop {
        let messages = context.get_stream(STREAM).await?.cached_info().state.messages;
        if messages > 0 && first.is_none() {
            first = Some((Instant::now(), messages));
        }
        if let Some((since, already)) = first.filter(|_| messages >= wanted) {
            return Ok((messages - already) as f64 / since.elapsed().as_secs_f64());
        }
        ensure!(begun.elapsed() < PATIENCE, "{messages} of {wanted} messages arrived");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Seconds until one recipient has pulled and doubly acknowledged everything.
async fn pull(up: &Up, access: &NatsAccess, wanted: u64) -> anyhow::Result<f64> {
    let client = recipient_kit::nats::connect(&up.place.nats_url, &access.creds, &access.account)
        .await
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let context = jetstream::new(client);
    let consumer: jetstream::consumer::PullConsumer =
        context.get_consumer_from_stream(access.account.as_str(), STREAM).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let begun = Instant::now();
    let mut messages = consumer.stream().max_messages_per_batch(64).messages().await?;
    for _ in 0..wanted {
        let message = tokio::time::timeout(PATIENCE, messages.next()).await?.context("the pull ended")??;
        message.double_ack().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// The limit: bodies of the same size, as many in flight as the service has for ten recipients.
async fn bare(bus: &Arc<Bus>, to: RecipientId, messages: u64) -> anyhow::Result<f64> {
    let sizes: i64 =
        sqlx::query_scalar("select avg(octet_length(body))::bigint from delivery").fetch_one(bus.db().pool()).await?;
    let body = bytes::Bytes::from(vec![b'x'; usize::try_from(sizes)?]);
    let (context, subject) = (jetstream::new(bus.nats().clone()), format!("optout.c.{to}"));
    let begun = Instant::now();
    stream::iter(0..messages)
        .map(|_| {
            let (context, subject, body) = (context.clone(), subject.clone(), body.clone());
            async move { anyhow::Ok(context.publish(subject, body).await?.await.map(drop)?) }
        })
        .buffer_unordered(RECIPIENTS * FRESH)
        .fold(Ok(()), |all, one| async move { all.and(one) })
        .await?;
    Ok(messages as f64 / begun.elapsed().as_secs_f64())
}
