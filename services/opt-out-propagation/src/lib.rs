//! 停止登録簿と通知先: the register of stops, and its way to every recipient. See the README.
//!
//! Pure: [`entry`], [`instruction`], [`change`], [`refusal`], [`propagation`], [`delivery`], [`receipt`], [`guard`], [`address`]. Shells:
//! [`react`] (what is heard), [`person`] (identifiers), [`rows`] (own rows), [`fanout`], [`engine`] with [`transport`]
//! (deliveries), [`endpoint_test`], [`reports`] and [`partner`] (reports in), [`books`], [`alerts`], [`recipients`].

pub mod address;
pub mod alerts;
mod answers;
pub mod books;
pub mod change;
pub mod delivery;
pub mod duties;
pub mod endpoint_test;
pub mod engine;
pub mod entry;
pub mod fanout;
pub mod feed;
pub mod files;
pub mod gate;
pub mod guard;
pub mod instruction;
pub mod orders;
pub mod pages;
pub mod partner;
pub mod person;
pub mod propagation;
pub mod react;
pub mod receipt;
pub mod recipients;
pub mod refusal;
pub mod reports;
pub mod retention;
pub mod return_form;
pub mod rows;
pub mod settings;
pub mod tiers;
pub mod transport;

pub use transport::webhook::{HandOver, WebhookKeys};

use anyhow::Context;
use chassis::{Bus, Db, DbError, Home, Runtime, Started};
use contracts::{Service, Uuid};
use custody::Custody;
use duties::Duties;
use endpoint_test::EndpointTests;
use engine::News;
use fanout::FanOut;
use files::Files;
use orders::Orders;
use person::Register;
use privacy::BlindIndex;
use react::React;
use recipients::Recipients;
use reports::Reports;
use settings::Settings;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use transport::{Opens, Transports};

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
    register.retain_by(settings.retention()?);
    let gate = gate::open(&rt, &bus, &register, &settings).await?;
    let db = bus.db().clone();
    custody.tend(&bus, move |entries| sealed(db.clone(), entries));

    let entries = Home::with_rows(&bus, Arc::new(rows::EntryRows));
    let instructions: Home<instruction::Instruction> = Home::with_rows(&bus, Arc::new(rows::InstructionRows));
    let (changes, refusals) = (Home::<change::Change>::new(&bus), Home::<refusal::Refusal>::new(&bus));
    let (fan_out, deliveries, tests) = (Arc::new(Notify::new()), Arc::<News>::default(), Arc::new(Notify::new()));

    let (orders, duties) = Desk {
        keys: &keys,
        bus: &bus,
        custody: &custody,
        register: &register,
        settings: &settings,
        entries: &entries,
        instructions: &instructions,
        fan_out: &fan_out,
        deliveries: &deliveries,
        tests: &tests,
        webhook_keys: &webhook_keys,
    }
    .open();
    let opens = deliver(&bus, &register, webhook_keys.clone(), &settings, deliveries.clone());
    let (testing, from) = (settings.clone(), register.clone());
    let tests = EndpointTests { bus: bus.clone(), opens, register: from, settings: testing, deliveries, wake: tests };
    let tests = Arc::new(tests);
    bus.spawn("tests of endpoints", tests.clone().run());

    let reports = Reports::new(bus.clone(), instructions.clone(), refusals.clone()).with_tests(tests);
    let reports = Arc::new(reports);
    let (objects, carried) = (rt.objects()?, reports.clone());
    let files = Files { bus: bus.clone(), custody, objects, keys: webhook_keys, reports: carried, orders };
    answers::files(&bus, &Arc::new(files));
    bus.spawn("reports", reports.clone().serve_nats());
    bus.spawn("alerts", alerts::run(bus.clone(), register.clone(), keys.clone(), settings.poll() * books::POLLS));
    bus.spawn("reconcile", books::watch(bus.clone(), settings.reconcile_days, settings.poll() * books::POLLS));
    let (listener, address) = chassis::http::listen(&settings.partner_listen, "optout.partner_listen").await?;
    chassis::http::serve(
        &bus.stopping(),
        listener,
        partner::router(bus.clone(), reports, settings.poll())
            .merge(gate::http::router(gate))
            .merge(duties::incident::router(duties)),
    );

    let react = React {
        entries: entries.clone(),
        instructions: instructions.clone(),
        db: bus.db().clone(),
        register,
        clock: rt.clock(),
        fan_out,
    };
    bus.run(Arc::new(react), vec![Arc::new(entries), Arc::new(instructions), Arc::new(changes), Arc::new(refusals)])
        .await?;
    Ok(Started { listens: vec![("partner", address)] })
}

/// What staff's orders and the fan-out share.
struct Desk<'a> {
    keys: &'a std::path::Path,
    bus: &'a Arc<Bus>,
    custody: &'a Custody,
    register: &'a Arc<Register>,
    settings: &'a Settings,
    entries: &'a Home<entry::Entry>,
    instructions: &'a Home<instruction::Instruction>,
    fan_out: &'a Arc<Notify>,
    deliveries: &'a Arc<News>,
    webhook_keys: &'a WebhookKeys,
    tests: &'a Arc<Notify>,
}

impl Desk<'_> {
    /// Answers the orders, and starts the fan-out.
    fn open(&self) -> (Arc<Orders>, Arc<Duties>) {
        let recipients = Arc::new(Recipients {
            bus: self.bus.clone(),
            register: self.register.clone(),
            custody: self.custody.clone(),
            periods: self.settings.periods(),
            allow_private: self.settings.allow_private_endpoints,
            test_endpoints: self.settings.test_endpoints,
            tests: self.tests.clone(),
            deliveries: self.deliveries.clone(),
            fan_out: self.fan_out.clone(),
            keys: self.webhook_keys.clone(),
        });
        answers::recipients(self.bus, &recipients);
        let duties = Arc::new(Duties { recipients, keys: self.keys.to_owned() });
        answers::duties(self.bus, &duties);
        self.bus.spawn("records", duties.clone().sweeps());
        let orders = Orders {
            bus: self.bus.clone(),
            custody: self.custody.clone(),
            register: self.register.clone(),
            entries: self.entries.clone(),
            instructions: self.instructions.clone(),
            fan_out: self.fan_out.clone(),
            periods: self.settings.periods(),
        };
        let orders = Arc::new(orders);
        answers::orders(self.bus, &orders);
        let fan = FanOut {
            bus: self.bus.clone(),
            register: self.register.clone(),
            instructions: self.instructions.clone(),
            periods: self.settings.periods(),
            remind_seconds: self.settings.remind_seconds,
            sample_percent: self.settings.sample_percent,
            wake: self.fan_out.clone(),
            deliveries: self.deliveries.clone(),
        };
        self.bus.spawn("fan-out", Arc::new(fan).run(self.settings.poll()));
        (orders, duties)
    }
}

/// Deliveries by NATS and webhook, and a look at the recipients' stream.
fn deliver(
    bus: &Arc<Bus>,
    register: &Arc<Register>,
    keys: WebhookKeys,
    settings: &Settings,
    wake: Arc<News>,
) -> Arc<dyn Opens> {
    let opens = Transports { bus: bus.clone(), register: register.clone(), keys, settings: settings.clone() };
    let opens: Arc<dyn Opens> = Arc::new(opens);
    let engine = engine::Engine {
        db: bus.db().clone(),
        settings: settings.clone(),
        opens: opens.clone(),
        wake: wake.clone(),
        stop: bus.stopping(),
    };
    bus.spawn("deliveries", engine.run());
    bus.spawn("recipients' stream", transport::nats::watch(bus.clone(), STREAM_EVERY, wake));
    opens
}

/// Which of these entries have a personal part: their keys are in use.
async fn sealed(db: Db, entries: Vec<Uuid>) -> Result<Vec<Uuid>, DbError> {
    let find = "select entry from register_entry where entry = any($1) and person is not null
                union all select id from stop_document where id = any($1)";
    Ok(sqlx::query_scalar(find).bind(entries).fetch_all(db.pool()).await?)
}
