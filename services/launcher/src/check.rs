//! `check`: is the configuration whole, and does everything answer?

use crate::{place::KeeperSettings, serve::OpsSettings};
use anyhow::Context;
use chassis::{
    Clock, Runtime,
    config::Settings,
    processors::{self, Use},
};
use contracts::Service;
use futures::future::join_all;
use std::{path::Path, time::Duration};

/// How long NATS may take to answer one user.
const NATS_WITHIN: Duration = Duration::from_secs(5);

/// Reads every section, connects as every role and user, asks every readiness check; the error lists what is wrong.
pub(crate) async fn run(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config, &[])?;
    let rt = Runtime::new(settings, Clock::system())?;
    let mut wrong = sections(&rt);
    let reached = join_all(Service::ALL.iter().map(|s| reach(&rt, s.token()))).await;
    wrong.extend(reached.into_iter().flatten());
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

/// What is wrong with the sections, each read and checked as its service does.
fn sections(rt: &Runtime) -> Vec<String> {
    let read = [
        rt.section::<chassis::bus::BusSettings>("bus").map(drop),
        rt.section::<OpsSettings>("ops").map(drop),
        rt.section::<KeeperSettings>("keeper").map(drop),
        rt.section::<steward::StewardSettings>("steward").map(drop),
        rt.section::<door::config::DoorConfig>("door").and_then(|s| {
            s.check().map_err(anyhow::Error::msg)?;
            let today = calendar::jst_date(rt.clock().now());
            door::published::Posted::open(&s.published, today).map(drop).context("[door] published")
        }),
        rt.section::<intake::config::Settings>("intake").and_then(|s| s.check()).map(drop),
        rt.section::<identity_verification::setting::Setting>("identity").and_then(|s| s.checked()).map(drop),
        rt.section::<payment_reconciliation::PaymentSettings>("payment").map(drop),
        rt.section::<fulfilment::setting::Setting>("fulfilment").and_then(|s| s.checked()).map(drop),
        rt.section::<opt_out_propagation::settings::Settings>("optout").and_then(|s| s.check()),
        rt.section::<notification::setting::Setting>("notification").and_then(|s| s.checked()).map(drop),
        rt.section::<console::Settings>("console").and_then(|s| s.check()).map(drop),
        rt.section::<processors::Register>("processors").map(drop),
    ];
    read.into_iter().filter_map(Result::err).map(|e| format!("{e:#}")).collect()
}

/// Connects as one role and one NATS user. A NATS client connects in the background, so what counts is that the server
/// answers it.
async fn reach(rt: &Runtime, role: &'static str) -> Vec<String> {
    let database = async { rt.db(role).await.map(drop).context("database") };
    let nats = async {
        let asked = async { Ok(rt.nats(role).await?.flush().await?) };
        match tokio::time::timeout(NATS_WITHIN, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                anyhow::bail!("NATS did not answer `{role}` within {} s (`house.nats_url`)", NATS_WITHIN.as_secs())
            }
        }
    };
    let (database, nats): (anyhow::Result<()>, anyhow::Result<()>) = tokio::join!(database, nats);
    [database, nats].into_iter().filter_map(Result::err).map(|e| format!("{e:#}")).collect()
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
