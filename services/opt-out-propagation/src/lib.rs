//! 停止登録簿と通知先: the register of stops, and its way to every recipient. See the README.
//!
//! Pure: [`entry`], [`instruction`], [`change`], [`refusal`], [`propagation`], [`delivery`], [`receipt`], [`guard`]. Shells:
//! [`react`] (what is heard), [`person`] (identifiers), [`rows`] (own rows), [`fanout`], [`engine`] with [`transport`]
//! (deliveries), [`reports`] and [`partner`] (reports in), [`recipients`].

pub mod change;
pub mod delivery;
pub mod engine;
pub mod entry;
pub mod fanout;
pub mod guard;
pub mod instruction;
pub mod partner;
pub mod person;
pub mod propagation;
pub mod react;
pub mod receipt;
pub mod recipients;
pub mod refusal;
pub mod reports;
pub mod rows;
pub mod settings;
pub mod transport;

pub use transport::webhook::{HandOver, WebhookKeys};

use anyhow::Context;
use chassis::{Db, DbError, Home, Runtime, Started};
use contracts::{
    Service, Uuid,
    request::{ListRecipients, RegisterRecipient, StaffCommand},
};
use custody::Custody;
use fanout::FanOut;
use person::Register;
use privacy::BlindIndex;
use react::React;
use recipients::Recipients;
use reports::Reports;
use settings::Settings;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use transport::Transports;

/// The service's own migrations, from 0100 on.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
/// Its machines.
pub const MACHINES: &[&str] = &["entry", "instruction", "change", "refusal"];

/// How often the recipients' stream is looked at.
const STREAM_EVERY: Duration = Duration::from_secs(10);

/// Starts the service; returns when it listens.
///
/// # Errors
/// Configuration, database, key database, keys or listener: the error names the setting.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let settings: Settings = rt.section("optout")?;
    settings.check()?;
    let token = Service::OptOut.token();
    let keys = rt.keys_dir().to_owned();
    let index = BlindIndex::load_or_create(&keys, token).context("`house.keys_dir`")?;
    let webhook_keys = WebhookKeys::load_or_create(&keys).context("`house.keys_dir`")?;
    let bus = rt.bus(Service::OptOut).await?;
    let custody = Custody::open(&rt, &bus).await?;
    let register = Arc::new(Register::new(bus.clone(), custody.key().clone(), custody.vault().clone(), index));
    let db = bus.db().clone();
    custody.tend(&bus, move |entries| sealed(db.clone(), entries));

    let entries = Home::with_rows(&bus, Arc::new(rows::EntryRows));
    let instructions: Home<instruction::Instruction> = Home::with_rows(&bus, Arc::new(rows::InstructionRows));
    let (changes, refusals) = (Home::<change::Change>::new(&bus), Home::<refusal::Refusal>::new(&bus));
    let (fan_out, deliveries) = (Arc::new(Notify::new()), Arc::new(Notify::new()));

    let recipients = Arc::new(Recipients {
        bus: bus.clone(),
        register: register.clone(),
        allow_private: settings.allow_private_endpoints,
        deliveries: deliveries.clone(),
    });
    let listing = recipients.clone();
    bus.answer::<StaffCommand<RegisterRecipient>, _, _>(move |command| {
        let recipients = recipients.clone();
        async move { recipients.register(command).await }
    });
    bus.answer::<ListRecipients, _, _>(move |request| {
        let recipients = listing.clone();
        async move { recipients.list(request).await }
    });

    let fan = Arc::new(FanOut {
        bus: bus.clone(),
        register: register.clone(),
        report_days: settings.report_days,
        remind_seconds: settings.remind_seconds,
        wake: fan_out.clone(),
        deliveries: deliveries.clone(),
    });
    bus.spawn("fan-out", fan.run(settings.poll()));
    let opens =
        Transports { bus: bus.clone(), register: register.clone(), keys: webhook_keys, settings: settings.clone() };
    let engine = engine::Engine {
        db: bus.db().clone(),
        settings: settings.clone(),
        opens: Arc::new(opens),
        wake: deliveries.clone(),
        stop: bus.stopping(),
    };
    bus.spawn("deliveries", engine.run());
    bus.spawn("recipients' stream", transport::nats::watch(bus.clone(), STREAM_EVERY, deliveries));

    let reports = Arc::new(Reports::new(bus.clone(), instructions.clone(), refusals.clone()));
    bus.spawn("reports", reports.clone().serve_nats());
    let (listener, address) = chassis::http::listen(&settings.partner_listen, "optout.partner_listen").await?;
    chassis::http::serve(&bus.stopping(), listener, partner::router(bus.clone(), reports, settings.poll()));

    let react = React { entries: entries.clone(), register, clock: rt.clock(), fan_out };
    bus.run(Arc::new(react), vec![Arc::new(entries), Arc::new(instructions), Arc::new(changes), Arc::new(refusals)])
        .await?;
    Ok(Started { listens: vec![("partner", address)] })
}

/// Which of these entries have a personal part: their keys are in use.
async fn sealed(db: Db, entries: Vec<Uuid>) -> Result<Vec<Uuid>, DbError> {
    let find = "select entry from register_entry where entry = any($1) and person is not null";
    Ok(sqlx::query_scalar(find).bind(entries).fetch_all(db.pool()).await?)
}
