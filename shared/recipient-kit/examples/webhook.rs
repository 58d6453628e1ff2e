//! A recipient (通知先) in Rust behind a webhook: verifies, opens, applies, reports, and compares its books with the desk's.
//!
//! ```sh
//! cargo run -p recipient-kit --example webhook
//! ```
//!
//! The settings are those of the examples in the other languages, from the environment: `MADOGUCHI_RECIPIENT`,
//! `MADOGUCHI_REPORT_KEY` and `MADOGUCHI_SEALING_KEY` (32 secret bytes in base64 each), `MADOGUCHI_BOOKS` (the journal's file),
//! `MADOGUCHI_WEBHOOK_SECRET` and `MADOGUCHI_WEBHOOK_PUBLIC` (several with spaces between while one is changed),
//! `MADOGUCHI_DESK` (the partner API), `MADOGUCHI_LISTEN` (`127.0.0.1:8080`; the desk posts to `/madoguchi` there),
//! `MADOGUCHI_RECONCILE_SECONDS` (a day if it is not set).

use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::ReportOutcome;
use recipient_kit::{
    ExampleContractor, RecipientKeys, books,
    http::HttpDesk,
    run::{self, Running},
    webhook::{Secret, Verifier, parse_public},
};
use std::{error::Error, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

/// 32 secret bytes.
fn secret(text: &str) -> Result<[u8; 32], Failure> {
    STANDARD.decode(text)?.try_into().map_err(|_| "a key has 32 bytes".into())
}

/// Receives until what it gives back is dropped. `setting` reads one setting by its name.
///
/// # Errors
/// A setting is missing or makes no sense, the journal is not this recipient's, or nothing can listen there.
pub async fn receive(setting: impl Fn(&str) -> Option<String>) -> Result<Running, Failure> {
    let need = |name: &str| setting(name).ok_or_else(|| Failure::from(format!("set {name}")));
    let words = |name: &str| -> Vec<String> {
        setting(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let report = secret(&need("MADOGUCHI_REPORT_KEY")?)?;
    let keys = RecipientKeys::from_secrets(&report, &secret(&need("MADOGUCHI_SEALING_KEY")?)?);
    let verifier = Verifier {
        secrets: words("MADOGUCHI_WEBHOOK_SECRET").iter().map(|text| Secret::parse(text)).collect::<Result<_, _>>()?,
        keys: words("MADOGUCHI_WEBHOOK_PUBLIC").iter().map(|text| parse_public(text)).collect::<Result<_, _>>()?,
    };
    // Everything is journalled before it is answered with 204. Your own system asks `contractor.stopped(kana, birth_date)`, or
    // with keyed hashes by contract `contractor.stopped_by(&hashes)`, before it uses a row.
    let journal = need("MADOGUCHI_BOOKS")?;
    let me = need("MADOGUCHI_RECIPIENT")?.parse()?;
    let contractor = ExampleContractor::open(me, keys, Some(Path::new(&journal)), ReportOutcome::Applied)?;
    let desk = need("MADOGUCHI_DESK")?;
    let listen = setting("MADOGUCHI_LISTEN").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let every =
        setting("MADOGUCHI_RECONCILE_SECONDS").map_or(Ok(books::DAILY), |s| s.parse().map(Duration::from_secs))?;
    tokio::spawn(books::keep(contractor.clone(), Arc::new(HttpDesk::new(&desk)?), every));
    Ok(run::over_webhook(contractor, TcpListener::bind(listen).await?, &desk, verifier)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let running = receive(|name| std::env::var(name).ok()).await?;
    if let Some(address) = running.address {
        println!("listening on {address}");
    }
    std::future::pending().await
}
