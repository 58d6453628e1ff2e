//! Payment reconciliation (消込): what a request costs, which bank line pays it, and the books.
//!
//! See README.md of this folder for what the service owns, obeys and states. The pure parts:
//!
//! - [`fee`]: the dated fee table; [`reference`]: the number that the payer gives; [`charge`]: the life of a charge.
//! - [`zengin`]: bank files to lines; [`kana`]: names as banks write them; [`profile`]: which layout a file has.
//! - [`import`]: what a file adds to what is known; [`statement`]: the file as a machine.
//! - [`matching`]: which line certainly pays which charge; [`ledger`]: every yen twice.
//!
//! The shell: [`react`] hears, [`desk`] answers staff, [`store`] asks, [`books`] writes the rows that go with a step.

pub mod books;
pub mod charge;
pub mod desk;
pub mod fee;
pub mod import;
pub mod kana;
pub mod ledger;
pub mod matching;
pub mod profile;
pub mod react;
pub mod reference;
pub mod statement;
pub mod store;
pub mod zengin;

#[cfg(test)]
mod samples;

use anyhow::Context;
use calendar::Calendar;
use chassis::{Home, Runtime, Schema, Started};
use contracts::{
    Service,
    request::{ImportStatement, StaffCommand},
};
use custody::Custody;
use serde::Deserialize;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Its tables besides the bus's, from number 0100.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The tables of its machines.
pub const MACHINES: &[&str] = &["charge", "statement"];

/// What the service needs in the database.
pub fn schema() -> Schema<'static> {
    Schema { name: Service::Payment.token(), machines: MACHINES, bus: true, migrator: &MIGRATOR }
}

/// `[payment]` of the configuration. Empty paths: the file that is built into the program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentSettings {
    /// Of the shape of `infra/config/fees.toml`.
    pub fees_file: PathBuf,
    /// Of the shape of `infra/config/bank.toml`.
    pub bank_file: PathBuf,
    /// Of the shape of `infra/config/calendar.toml`.
    pub calendar_file: PathBuf,
    /// How often what a crash left half-way is taken up again, in seconds.
    pub settle_seconds: u64,
}

const FEES: &str = include_str!("../../../infra/config/fees.toml");
const BANK: &str = include_str!("../../../infra/config/bank.toml");
const CALENDAR: &str = include_str!("../../../infra/config/calendar.toml");

/// Reads a file of configuration and parses it; every error names the setting, the file and the key.
fn load<T, E: std::error::Error + Send + Sync + 'static>(
    setting: &str,
    path: &PathBuf,
    built_in: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> anyhow::Result<Arc<T>> {
    let named = || format!("`payment.{setting}`: {}", path.display());
    let text = match path.as_os_str().is_empty() {
        true => built_in.to_owned(),
        false => std::fs::read_to_string(path).with_context(named)?,
    };
    parse(&text).map(Arc::new).with_context(named)
}

/// Starts the service; it ends when the runtime is asked to stop.
pub async fn start(runtime: Runtime) -> anyhow::Result<Started> {
    let token = Service::Payment.token();
    let settings: PaymentSettings = runtime.section(token)?;
    anyhow::ensure!((1..=3_600).contains(&settings.settle_seconds), "`payment.settle_seconds`: 1 to 3600");
    let fees = load("fees_file", &settings.fees_file, FEES, fee::Fees::parse)?;
    let profiles = load("bank_file", &settings.bank_file, BANK, profile::Profiles::parse)?;
    let calendar = load("calendar_file", &settings.calendar_file, CALENDAR, Calendar::parse)?;

    let keys = runtime.keys_dir();
    let line_key = privacy_seal::keyfile::load_or_create_secret(&keys.join("payment.lines"))?;

    let bus = runtime.bus(Service::Payment).await?;
    let custody = Custody::open(&runtime, &bus).await?;
    let charges = Home::with_rows(&bus, Arc::new(books::ChargeRows));
    let under_way = Arc::new(books::UnderWay::default());
    let statements = Home::with_rows(&bus, Arc::new(books::StatementRows(under_way.clone())));
    let (db, clock) = (bus.db().clone(), bus.clock().clone());
    let react = react::React { db: db.clone(), clock: clock.clone(), charges: charges.clone(), fees, calendar };
    let desk = Arc::new(desk::Desk {
        db,
        clock,
        charges: charges.clone(),
        statements: statements.clone(),
        under_way,
        objects: runtime.objects()?,
        key: custody.key().clone(),
        line_key,
        vault: custody.vault().clone(),
        profiles,
    });
    let importing = desk.clone();
    bus.answer::<StaffCommand<ImportStatement>, _, _>(move |command| {
        let desk = importing.clone();
        async move { desk.import(command).await }
    });
    let (stop, pause) = (bus.stopping(), Duration::from_secs(settings.settle_seconds));
    bus.spawn("settle", async move {
        loop {
            // What an import decided and a crash left undone.
            if let Err(error) = desk.settle(None).await {
                tracing::warn!(%error, "settling what is certain did not work; it is tried again");
            }
            if stop.pause(pause).await {
                return;
            }
        }
    });
    let db = bus.db().clone();
    custody.tend(&bus, move |statements| {
        let db = db.clone();
        async move { store::imported(db.pool(), &statements).await }
    });
    bus.run(Arc::new(react), vec![Arc::new(charges), Arc::new(statements)]).await?;
    Ok(Started::default())
}
