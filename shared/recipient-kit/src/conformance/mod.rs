//! `madoguchi recipient-kit`: does a contractor's endpoint do what it has to? A sandbox desk with invented people plays
//! everything that happens sooner or later, and looks at the answers and at the signed reports that come back.
//!
//! It needs no desk, no contract and no real person: the contractor sets the sandbox's keys ([`Settings`]) in its own test
//! system, says its public keys and the URL of its webhook, and sends its reports to where the sandbox listens.

mod broker;
mod cases;
mod feed;
mod queue;
mod sandbox;

pub use broker::Broker;
pub use feed::Feed;
pub use queue::Queue;
pub use sandbox::{Ear, RECIPIENT, Sandbox, Settings, router};

use crate::ReportKey;
use axum::http::Uri;
use base64::{Engine, engine::general_purpose::STANDARD};
use privacy_seal::PublicKey;
use serde::Serialize;
use std::{sync::Arc, time::Duration};

/// What a contractor under test says of itself.
#[derive(Clone, Debug)]
pub struct Contractor {
    /// Its webhook.
    pub url: Uri,
    /// Public key of its reports.
    pub report_key: ReportKey,
    /// Public key that identifiers are sealed to.
    pub sealing_key: PublicKey,
    /// The longest that a report may take.
    pub patience: Duration,
}

impl Contractor {
    /// From what stands on a command line; keys in base64.
    ///
    /// # Errors
    /// The text names the option and what it has to be.
    pub fn parse(url: &str, report_key: &str, sealing_key: &str, patience: Duration) -> Result<Self, String> {
        let decode = |name: &str, text: &str| STANDARD.decode(text).map_err(|_| format!("`{name}`: not base64"));
        let report_key = ReportKey::from_bytes(&decode("--report-key", report_key)?);
        let sealing_key = PublicKey::from_bytes(&decode("--sealing-key", sealing_key)?);
        let url: Uri = url.parse().map_err(|_| "`--url`: not a URL".to_owned())?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err("`--url`: use http:// or https:// and a host".to_owned());
        }
        Ok(Self {
            url,
            report_key: report_key.map_err(|e| format!("`--report-key`: {e}"))?,
            sealing_key: sealing_key.map_err(|_| "`--sealing-key`: 32 bytes of an X25519 key".to_owned())?,
            patience,
        })
    }
}

/// Serves the sandbox's ear, and its pull feed where there is one, until the task is dropped.
///
/// # Errors
/// The listener broke.
pub async fn serve(listener: tokio::net::TcpListener, ear: Arc<Ear>, feed: Option<Arc<Feed>>) -> std::io::Result<()> {
    let router = router(ear);
    axum::serve(
        listener,
        match feed {
            Some(feed) => router.merge(feed.router()),
            None => router,
        },
    )
    .await
}

/// What one case showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The case.
    pub case: &'static str,
    /// What is asked of the contractor.
    pub wanted: &'static str,
    /// Whether it does so.
    pub passed: bool,
    /// What was seen instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// The conformance report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conformance {
    /// Every case passed.
    pub passed: bool,
    /// Of which version of the kit.
    pub kit: &'static str,
    /// Case by case.
    pub cases: Vec<Shown>,
}

impl Conformance {
    /// As a table for people.
    pub fn table(&self) -> String {
        let wide = self.cases.iter().map(|c| c.case.len()).max().unwrap_or(0);
        let mut out = String::new();
        for c in &self.cases {
            let word = if c.passed { "passed" } else { "FAILED" };
            out.push_str(&format!("{word}  {:wide$}  {}\n", c.case, c.wanted));
            if let Some(seen) = &c.seen {
                out.push_str(&format!("        {:wide$}  seen: {seen}\n", ""));
            }
        }
        let failed = self.cases.iter().filter(|c| !c.passed).count();
        out.push_str(&match failed {
            0 => format!("all {} cases passed\n", self.cases.len()),
            n => format!("{n} of {} cases failed\n", self.cases.len()),
        });
        out
    }
}

/// Plays every case, one after the other. A case that fails does not stop the next.
pub async fn run(sandbox: &mut Sandbox) -> Conformance {
    let mut shown = Vec::new();
    let cases = if sandbox.is_queued() { queue::QUEUED } else { cases::CASES };
    for case in cases {
        let seen = (case.play)(sandbox).await.err();
        shown.push(Shown { case: case.name, wanted: case.wanted, passed: seen.is_none(), seen });
    }
    let passed = shown.iter().all(|c| c.passed);
    Conformance { passed, kit: env!("CARGO_PKG_VERSION"), cases: shown }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
