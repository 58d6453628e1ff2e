//! Is the process alive, is it ready, and what does it count: the operations port.

use crate::{http, stop::Stop, telemetry::Telemetry};
use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use futures::future::BoxFuture;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How long one check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// What must be true before a process is ready. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Check>>>);

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// All checks passed.
    pub ready: bool,
    /// What each check says: `ok`, or what is wrong and the remedy.
    pub checks: BTreeMap<String, String>,
}

impl Health {
    /// Adds a check; the error says what is wrong and what to do.
    pub fn add<F, Fut>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), check);
    }

    /// Asks every check.
    pub async fn readiness(&self) -> Readiness {
        let checks: Vec<(String, Check)> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(n, c)| (n.clone(), c.clone())).collect();
        let mut said = BTreeMap::new();
        let mut ready = true;
        for (name, check) in checks {
            let answer = match tokio::time::timeout(CHECK_TIMEOUT, check()).await {
                Ok(Ok(())) => "ok".to_owned(),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", CHECK_TIMEOUT.as_secs()),
            };
            ready &= answer == "ok";
            said.insert(name, answer);
        }
        Readiness { ready, checks: said }
    }
}

/// `/livez`, `/readyz`, `/metrics`. Returns the address.
pub async fn serve(
    stop: &Stop,
    address: &str,
    health: Health,
    telemetry: Option<Telemetry>,
) -> anyhow::Result<std::net::SocketAddr> {
    let (listener, local) = http::listen(address, "ops.listen").await?;
    let router =
        Router::new()
            .route("/livez", get(|| async { "alive" }))
            .route(
                "/readyz",
                get(move || {
                    let health = health.clone();
                    async move {
                        let readiness = health.readiness().await;
                        let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                        (status, Json(readiness))
                    }
                }),
            )
            .route(
                "/metrics",
                get(move || {
                    let page = telemetry.as_ref().map(Telemetry::metrics_page).unwrap_or_default();
                    async move {
                        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
                    }
                }),
            );
    http::serve(stop, listener, http::limited(router, http::HttpLimits { body_max: 1024, timeout_seconds: 20 }));
    Ok(local)
}
