//! The NATS connection of a service, and the two things that readiness asks of the server.

use crate::{bus::Bus, consumer::STREAM, runtime::HouseSettings};
use anyhow::Context;
use async_nats::{
    ConnectOptions,
    jetstream::{self, consumer::pull},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The most of a monitoring page that is read, in bytes.
const PAGE_MAX: u64 = 1024 * 1024;

/// Connects as a user of the house: own credentials, own inbox prefix (others may not listen there).
pub async fn connect(house: &HouseSettings, user: &str) -> anyhow::Result<async_nats::Client> {
    anyhow::ensure!(
        !house.nats_url.is_empty(),
        "`house.nats_url` is not set: give the address of nats-server 2.10.23 or newer"
    );
    let creds = house.creds_dir.join(format!("{user}.creds"));
    let text = tokio::fs::read_to_string(&creds).await.with_context(|| {
        format!("`house.creds_dir`: cannot read {}; run `madoguchi migrate` first", creds.display())
    })?;
    let name = format!("madoguchi {user}");
    let options = ConnectOptions::with_credentials(&text)
        .with_context(|| format!("{} holds no NATS credentials", creds.display()))?
        .name(&name)
        .custom_inbox_prefix(format!("_INBOX_{user}"))
        .connection_timeout(Duration::from_secs(5))
        .ping_interval(Duration::from_secs(10))
        .client_capacity(1024)
        .subscription_capacity(4096)
        .read_buffer_capacity(16 * 1024)
        .max_reconnects(None)
        .reconnect_delay_callback(|tries| {
            Duration::from_millis((50u64 << tries.min(6)).min(2_000)).mul_f64(rand::random_range(0.75..1.25))
        })
        .retry_on_initial_connect()
        .event_callback(|event| async move { tracing::debug!(%event, "nats") });
    options.connect(&house.nats_url).await.with_context(|| format!("connecting to NATS as `{user}` (`house.nats_url`)"))
}

/// JetStream must sync every write: with the default it lost everything at a power cut (Jepsen 2.12.1; nats-server 7564).
pub async fn syncs_always(monitor: &str) -> Result<(), String> {
    if monitor.is_empty() {
        return Err("`house.nats_monitor_url` is not set: it cannot be seen that JetStream syncs always".into());
    }
    let page = get(monitor, "/varz")
        .await
        .map_err(|e| format!("`house.nats_monitor_url`: {monitor}/varz does not answer: {e}"))?;
    let varz: serde_json::Value = serde_json::from_slice(&page).map_err(|_| format!("{monitor}/varz is no JSON"))?;
    match varz["jetstream"]["config"]["sync_always"].as_bool() {
        Some(true) => healthy(monitor).await,
        _ => {
            Err("JetStream does not sync always: set `sync_interval: always` in the jetstream block of nats-server"
                .into())
        }
    }
}

/// Plain `/healthz`: after a full disk it says 503 until the server is restarted, while `?js-enabled-only=true` says 200.
async fn healthy(monitor: &str) -> Result<(), String> {
    match get(monitor, "/healthz").await {
        Ok(page) if String::from_utf8_lossy(&page).contains("\"ok\"") => Ok(()),
        _ => {
            Err("nats-server says of itself that it is not healthy (a full disk stops JetStream until it is restarted)"
                .into())
        }
    }
}

/// One GET over HTTP/1.0, bounded in time and bytes. The body only.
async fn get(monitor: &str, path: &str) -> std::io::Result<Vec<u8>> {
    let host = monitor.trim_start_matches("http://").trim_end_matches('/');
    let work = async {
        let mut stream = TcpStream::connect(host).await?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).await?;
        let mut page = Vec::new();
        stream.take(PAGE_MAX).read_to_end(&mut page).await?;
        let body = page.windows(4).position(|w| w == b"\r\n\r\n").map_or(page.len(), |at| at + 4);
        Ok(page.split_off(body))
    };
    tokio::time::timeout(Duration::from_secs(2), work)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

/// The service's durable stands in the stream, in this epoch.
pub async fn durable_stands(bus: &Bus) -> Result<(), String> {
    let context = jetstream::new(bus.nats().clone());
    let durable = bus.service().token();
    match context.get_consumer_from_stream::<pull::Config, _, _>(durable, STREAM).await {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the durable `{durable}` is not in stream {STREAM} (yet): the steward makes it")),
    }
}
