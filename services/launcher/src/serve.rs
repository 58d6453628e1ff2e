//! `serve <service|all>`: services against servers that the configuration names. In production every service is a process
//! of its own; `up` runs them all in one, and even then they talk over NATS only and keep their own pool and schema.

use crate::{NAMES, houses::start_service, signals};
use anyhow::Context;
use chassis::{
    Clock, Runtime,
    config::Settings,
    health,
    telemetry::{self, LogFormat, Telemetry},
};
use futures::future::try_join_all;
use serde::Deserialize;
use std::{net::SocketAddr, path::Path, time::Duration};

/// How long what is in work may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// `[ops]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpsSettings {
    listen: String,
    log: LogFormat,
}

/// Running services.
pub(crate) struct Services {
    /// What they run with.
    pub(crate) runtime: Runtime,
    /// Their listeners, `ops` among them.
    pub(crate) listens: Vec<(&'static str, SocketAddr)>,
    telemetry: Telemetry,
}

impl Services {
    /// Starts the named services: the steward first, because the others look up what it makes.
    pub(crate) async fn start(names: &[&str], settings: Settings, process: &'static str) -> anyhow::Result<Self> {
        let ops: OpsSettings = settings.section("ops")?;
        let telemetry = telemetry::init(process, ops.log)?;
        let runtime = Runtime::new(settings, Clock::system())?;
        let mut listens = vec![];
        let (first, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|n| **n == "steward");
        for group in [first, others] {
            let started = try_join_all(group.iter().map(|name| {
                let rt = runtime.clone();
                async move { start_service(name, rt).await.with_context(|| format!("starting {name}")) }
            }));
            listens.extend(started.await?.into_iter().flat_map(|s| s.listens));
        }
        let ops =
            health::serve(&runtime.stopping(), &ops.listen, runtime.health().clone(), Some(telemetry.clone())).await?;
        listens.push(("ops", ops));
        Ok(Self { runtime, listens, telemetry })
    }

    /// The address of a listener.
    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.listens.iter().find(|(n, _)| *n == name).map(|(_, a)| *a)
    }

    /// Stops taking work, ends what is in work, hands telemetry over.
    pub(crate) async fn stop(self) {
        if !self.runtime.stopping().stop(STOP_WITHIN).await {
            tracing::warn!(
                "some work did not end within {} s; it is taken up again at the next start",
                STOP_WITHIN.as_secs()
            );
        }
        self.telemetry.shutdown().await;
    }
}

pub(crate) async fn run(service: &str, config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config, &[])?;
    let process = NAMES.iter().find(|n| **n == service).copied();
    let services = match (service, process) {
        ("all", _) => Services::start(NAMES, settings, "madoguchi").await?,
        (_, Some(name)) => Services::start(&[name], settings, name).await?,
        _ => anyhow::bail!("there is no service `{service}`: use one of {}, or all", NAMES.join(", ")),
    };
    let listens: Vec<String> = services.listens.iter().map(|(n, a)| format!("{n}={a}")).collect();
    tracing::info!(service, listens = listens.join(" "), "ready");
    signals::wait(&services.runtime.stopping()).await;
    services.stop().await;
    Ok(())
}
