//! The steward: the only NATS user that may make streams, durables and accounts. Every ten seconds, and when asked, it
//! compares what should be (the flow table, the recipients in PostgreSQL) with what is, and mends the difference.
//!
//! Idempotent, so two are harmless. It deletes nothing but what belongs to another epoch (a former life of the database).

pub mod desired;
pub mod epoch;
pub mod permissions;
pub mod provision;
mod reconcile;

use anyhow::Context;
use chassis::{Runtime, Started};
use nats_auth::{House, Operator, RootSecret};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};
use uuid::Uuid;

/// `[steward]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StewardSettings {
    /// The house's root secret: every account key is derived from it.
    pub root_secret_file: PathBuf,
    /// An outside server's operator (or operator signing) seed; empty: derived from the root secret.
    pub operator_seed_file: PathBuf,
    /// The outside server's system account; empty: derived.
    pub system_account: String,
    /// Credentials of a user in the system account.
    pub system_creds_file: PathBuf,
    /// Copies of each stream: 1 on one server, 3 in a cluster.
    pub replicas: usize,
    /// How long the house's stream keeps a message, in hours.
    pub bus_hours: u64,
    /// The largest size of each stream, in bytes.
    pub stream_max_bytes: i64,
    /// How often it compares, in seconds.
    pub every_seconds: u64,
}

/// The house's keys and accounts as configured.
pub fn house(settings: &StewardSettings) -> anyhow::Result<House> {
    let root = RootSecret::load_or_create(&settings.root_secret_file).context("`steward.root_secret_file`")?;
    if settings.operator_seed_file.as_os_str().is_empty() {
        return Ok(House::new(root));
    }
    let seed = std::fs::read_to_string(&settings.operator_seed_file).context("`steward.operator_seed_file`")?;
    Operator::from_seed(seed.trim()).context("`steward.operator_seed_file`")?;
    House::with_operator(root, seed.trim(), &settings.system_account).context("`steward.system_account`")
}

/// `req.steward.admit`: the account of a recipient, and a user's JWT in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Admit {
    /// The recipient.
    pub recipient: Uuid,
    /// The recipient's own user public key (`U…`); it keeps the seed.
    pub user: String,
}

/// The steward's answer; nothing in it is secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Admitted {
    /// The account (`A…`), also the name of its durable.
    pub account: String,
    /// The JWT that the recipient puts beside its seed.
    pub user_jwt: String,
}

/// The subject of [`Admit`].
pub const ADMIT: &str = "req.steward.admit";

/// Said by opt-out propagation at its start and when a recipient was put on the list: a hint to look at once.
pub const RECIPIENTS_CHANGED: &str = "bus.hello.optout";

/// Starts the steward; ready when everything stands once.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let settings: StewardSettings = rt.section("steward")?;
    let house = Arc::new(house(&settings)?);
    let steward = Arc::new(reconcile::Steward::connect(&rt, settings, house).await?);
    steward.clone().answer_admit();
    steward.clone().listen_for_recipients();
    // The first comparison must succeed before the process is ready; what stands in the way is its error.
    let first = steward.pass().await;
    steward.clone().watch(rt.stopping());
    first.context("the steward's first pass")?;
    Ok(Started::default())
}
