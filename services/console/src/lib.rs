//! The staff's pages (管理画面): what every service has said so far, and the orders that a member of staff gives.
//!
//! Owns accounts and sessions, and a read model made of facts; decides nothing of the trade. See README.md.

pub mod access;
pub mod accounts;
pub mod audit;
pub mod command;
pub mod config;
pub mod evidence;
mod page;
pub mod password;
pub mod personal;
pub mod projection;
mod react;
pub mod session;
pub mod store;
pub mod text;

pub use accounts::first_sign_in_link;
pub use command::{By, CommandError, Commands, ComplaintRecord, NewRecipient, register::Ground};
pub use config::Settings;

use access::Access;
use anyhow::Context;
use chassis::{Runtime, Schema, Started};
use contracts::Service;
use password::Hasher;
use privacy::ServiceKey;
use std::sync::Arc;

/// The console's own tables, from 0100 up.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
/// It has no machine.
pub const MACHINES: &[&str] = &[];

/// What it needs in the database: it has no machine, but it hears.
pub fn schema() -> Schema<'static> {
    Schema { name: Service::Console.token(), machines: MACHINES, bus: true, migrator: &MIGRATOR }
}

/// Starts hearing and serving; returns when it is ready.
///
/// # Errors
/// A setting, a connection or a key file; the error names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    start_with(rt, None).await
}

/// The same, with somebody who makes evidence files.
///
/// # Errors
/// As [`start`].
pub async fn start_with(rt: Runtime, evidence: Option<Arc<dyn evidence::Exporter>>) -> anyhow::Result<Started> {
    let settings: Settings = rt.section("console")?;
    let letters: config::Letters = rt.section("letters")?;
    letters.check()?;
    let zone = settings.check()?;
    let key = ServiceKey::load_or_create(rt.keys_dir(), Service::Console.token()).context("`house.keys_dir`")?;
    let bus = rt.bus(Service::Console).await?;
    let db = bus.db().clone();
    let commands = Commands::new(bus.clone(), rt.keys_dir(), rt.objects()?);
    let hasher = Hasher::new(settings.sign_ins_at_once);
    let access = Access::new(db.clone(), rt.clock(), hasher, settings.lifetimes(), settings.limits());
    bus.run(Arc::new(react::Projector(db.clone())), vec![]).await?;

    let (listener, local) = chassis::http::listen(&settings.listen, "console.listen").await?;
    let base_url = match settings.base_url.trim_end_matches('/') {
        "" => format!("http://{local}"),
        given => given.to_owned(),
    };
    let app = page::App(Arc::new(page::Inner {
        letters,
        db,
        clock: rt.clock(),
        access,
        commands,
        key,
        zone,
        base_url,
        evidence,
        exports: tokio::sync::Semaphore::new(1),
    }));
    chassis::http::serve(&rt.stopping(), listener, page::router(app, &settings));
    Ok(Started { listens: vec![("console", local)] })
}

/// The console's mouth for the launcher's demo: the same orders as the pages send, over a connection of its own.
///
/// # Errors
/// A connection or the object store's folder.
pub async fn commands(rt: &Runtime) -> anyhow::Result<Commands> {
    Ok(Commands::new(rt.bus(Service::Console).await?, rt.keys_dir(), rt.objects()?))
}
