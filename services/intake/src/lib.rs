//! 受付: cases, clocks, persons, and `case`, the process manager of the house. See README.md.
//!
//! Pure: [`case`], [`clocks`], [`status`], [`person::table`]. Shell: everything else; this file is wiring only.

pub mod arrival;
pub mod case;
pub mod clocks;
pub mod config;
pub mod filing;
pub mod mail;
pub mod person;
pub mod react;
pub mod requests;
pub mod rows;
pub mod status;
pub mod store;
pub mod tray;
mod upkeep;

use anyhow::Context;
use case::Case;
use chassis::{Home, Runtime, Started, machine::Machine};
use config::Settings;
use contracts::Service;
use custody::Custody;
use mail::reader::Mails;
use person::Persons;
use privacy::BlindIndex;
use std::{sync::Arc, time::Duration};

/// Whose process it is.
pub const SERVICE: Service = Service::Intake;
/// Its own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
/// Its machines' tables.
pub const MACHINES: &[&str] = &[Case::KIND];

/// Starts everything and returns when it is ready.
///
/// # Errors
/// A setting, a key, the database, the key database or NATS; the text names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let settings = rt.section::<Settings>("intake")?.check()?;
    let ages: ::filing::ages::Ages = rt.section("filing")?;
    ages.check().map_err(anyhow::Error::msg)?;
    let bus = rt.bus(SERVICE).await?;
    let persons = persons(&rt, bus.clone()).await?;
    let home = Home::<Case>::with_rows(&bus, Arc::new(rows::CaseRows));
    // One configuration file for all services: what our mails come from is said once.
    let from: Option<String> = rt.section("notification.from").ok();
    let from = from.unwrap_or_default();
    let mails = Mails::new(bus.clone(), persons.clone(), rt.inbound()?, &settings.mail, &from)
        .context("`intake.mail.reader`: this program's own path")?;
    requests::answer(&bus, &home, &persons);
    mail::desk::answer(&bus, &persons, &mails);
    arrival::desk::answer(&bus, &home, &persons, settings.clone(), ages);
    bus.run(Arc::new(react::React::new(home.clone())), vec![Arc::new(home.clone())]).await?;
    let poll = Duration::from_millis(settings.poll_ms);
    bus.spawn("intake: erasures", persons.clone().erase_due(home.clone(), poll));
    bus.spawn("intake: upkeep", upkeep::run(bus.clone()));
    let db = bus.db().clone();
    persons.custody().tend(&bus, move |cases| {
        let db = db.clone();
        async move { store::with_sealed_rows(&db, cases).await }
    });
    bus.spawn("intake: mails", mails.clone().run(poll));
    bus.spawn("intake: sealed files of nobody", mails.clone().sweep());
    bus.spawn("intake: in-tray", filing::Taker::new(bus.clone(), home, persons, settings, mails).run());
    Ok(Started::default())
}

/// The persons of a process: its keys and its key database.
///
/// # Errors
/// A key file or the key database; the text names it.
pub async fn persons(rt: &Runtime, bus: Arc<chassis::Bus>) -> anyhow::Result<Persons> {
    let custody = Custody::open(rt, &bus).await?;
    let index = BlindIndex::load_or_create(rt.keys_dir(), SERVICE.token()).context("`house.keys_dir`")?;
    Ok(Persons::new(bus, custody, index, rt.keys_dir().to_owned(), rt.objects()?))
}
