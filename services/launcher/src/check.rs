//! `check`: is the configuration whole, and does everything answer?

use anyhow::Context;
use chassis::{
    Clock, Runtime,
    config::Settings,
    processors::{self, Use},
};
use contracts::Service;
use std::path::Path;

/// Reads every section, connects as every role and user, asks every readiness check; the error lists what is wrong.
pub(crate) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config, &[])?;
    let rt = Runtime::new(settings, Clock::system())?;
    let mut wrong = vec![];
    for section in [
        "bus",
        "ops",
        "steward",
        "door",
        "intake",
        "identity",
        "payment",
        "fulfilment",
        "optout",
        "notification",
        "console",
        "processors",
    ] {
        if let Err(e) = rt.section::<serde_json::Value>(section) {
            wrong.push(format!("{e:#}"));
        }
    }
    for role in Service::ALL.iter().map(|s| s.token()) {
        if let Err(e) = rt.db(role).await.context("database") {
            wrong.push(format!("{e:#}"));
        }
        let connect = tokio::time::timeout(std::time::Duration::from_secs(5), rt.nats(role));
        match connect.await {
            Ok(Ok(client)) => drop(client.flush().await),
            Ok(Err(e)) => wrong.push(format!("{e:#}")),
            Err(_) => wrong.push(format!("NATS did not answer `{role}` within 5 s (`house.nats_url`)")),
        }
    }
    let readiness = rt.health().readiness().await;
    wrong.extend(
        readiness.checks.into_iter().filter(|(_, said)| said != "ok").map(|(name, said)| format!("{name}: {said}")),
    );
    wrong.extend(processors(&rt)?);
    if wrong.is_empty() {
        println!("The configuration is whole and everything answers.");
        return Ok(());
    }
    wrong.dedup();
    anyhow::bail!("{} thing(s) to mend:\n  {}", wrong.len(), wrong.join("\n  "))
}

/// Every address outside this machine must be in the register of processors.
fn processors(rt: &Runtime) -> anyhow::Result<Vec<String>> {
    let text = |section: &str, key: &str| -> String {
        let value = rt.section::<serde_json::Value>(section).unwrap_or_default();
        value.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
    };
    let house = rt.house();
    let uses = [
        Use { setting: "house.database_url", address: house.database_url.clone(), medical_content: true },
        Use { setting: "house.keys_url", address: house.keys_url.clone(), medical_content: false },
        Use { setting: "house.nats_url", address: house.nats_url.clone(), medical_content: false },
        Use { setting: "notification.smtp_url", address: text("notification", "smtp_url"), medical_content: false },
    ];
    let today = rt.clock().now().to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo")?).date();
    Ok(processors::findings(&rt.section("processors")?, &uses, today))
}
