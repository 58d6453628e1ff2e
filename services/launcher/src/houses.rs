//! The services of the house in one list: what each needs in the database, and how it starts.

use chassis::{Runtime, Schema, Started};

/// The names that `serve` takes.
pub const NAMES: &[&str] = &[
    "steward",
    "intake",
    "identity-verification",
    "payment-reconciliation",
    "fulfilment",
    "opt-out-propagation",
    "notification",
    "console",
    "door",
];

/// Services with keys of their own in the key database.
pub const KEY_SCHEMAS: &[&str] = &["intake", "identity", "payment", "fulfilment", "optout", "notification"];

/// What every service needs in the database. The door comes first: intake has rights in its schema.
pub fn schemas() -> Vec<Schema<'static>> {
    let bus = |name, machines, migrator| Schema { name, machines, bus: true, migrator };
    vec![
        Schema { name: "door", machines: &[], bus: false, migrator: &door::MIGRATOR },
        bus("intake", intake::MACHINES, &intake::MIGRATOR),
        bus("identity", identity_verification::MACHINES, &identity_verification::MIGRATOR),
        bus("payment", payment_reconciliation::MACHINES, &payment_reconciliation::MIGRATOR),
        bus("fulfilment", fulfilment::MACHINES, &fulfilment::MIGRATOR),
        bus("optout", opt_out_propagation::MACHINES, &opt_out_propagation::MIGRATOR),
        bus("notification", notification::MACHINES, &notification::MIGRATOR),
        bus("console", &[], &console::MIGRATOR),
    ]
}

/// Starts one service; returns when it is ready.
pub async fn start_service(name: &str, rt: Runtime) -> anyhow::Result<Started> {
    match name {
        "steward" => steward::start(rt).await,
        "intake" => intake::start(rt).await,
        "identity-verification" => identity_verification::start(rt).await,
        "payment-reconciliation" => payment_reconciliation::start(rt).await,
        "fulfilment" => fulfilment::start(rt).await,
        "opt-out-propagation" => opt_out_propagation::start(rt).await,
        "notification" => notification::start(rt).await,
        "console" => {
            let exporter = crate::evidence::Exporter(rt.clone());
            console::start_with(rt, Some(std::sync::Arc::new(exporter))).await
        }
        "door" => door::start(rt).await,
        other => anyhow::bail!("there is no service `{other}`: use one of {}, or all", NAMES.join(", ")),
    }
}
