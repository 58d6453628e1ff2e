//! fulfilment: search, decision with its legal ground, answer (検索・決定・交付).
//!
//! [`answer`] is the machine, [`decision`] the dated grounds, [`ticket`] the closed lists of the search; the rest is shell.
//! See README.md.

pub mod answer;
pub mod decision;
pub mod react;
pub mod retention;
pub mod setting;
pub mod staff;
pub mod store;
pub mod ticket;

use anyhow::Context;
use chassis::{Home, Runtime, Started};
use contracts::{
    Service,
    request::{Decide, StaffCommand},
};
use privacy::{FileMasterKey, Limits, ServiceKey, Vault};
use std::sync::Arc;

/// The machines' tables.
pub const MACHINES: &[&str] = &["answer"];

/// The service's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Connects, answers, hears. Returns when it is ready.
///
/// # Errors
/// A setting, a key or a connection is not to be had; the error names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let setting = rt.section::<setting::Setting>("fulfilment")?.checked()?;
    let token = Service::Fulfilment.token();
    let master = FileMasterKey::load_or_create(&rt.keys_dir().join("master.key")).context("`house.keys_dir`")?;
    let key = Arc::new(ServiceKey::load_or_create(rt.keys_dir(), token).context("`house.keys_dir`")?);
    let vault = Vault::connect(&rt.keys_url(token)?, token, Arc::new(master), Limits::default())
        .await
        .context("`house.keys_url`: opening the key database of fulfilment")?;
    let looked_at = vault.clone();
    rt.health().add(format!("{token}: key database"), move || {
        let vault = looked_at.clone();
        async move { vault.check().await.map_err(|error| error.to_string()) }
    });
    let bus = rt.bus(Service::Fulfilment).await?;
    let store = store::Store::new(bus.db().clone());
    let home = Home::new(&bus);

    let desk = staff::Desk {
        home: home.clone(),
        store: store.clone(),
        vault: vault.clone(),
        key,
        clock: rt.clock(),
        keep_years: setting.keep_years,
    };
    bus.answer::<StaffCommand<Decide>, _, _>(move |c| {
        let desk = desk.clone();
        async move { desk.decide(c).await }
    });
    bus.spawn("retention", retention::run(vault, store, rt.clock(), rt.stopping()));
    bus.run(Arc::new(react::React { home: home.clone() }), vec![Arc::new(home)]).await?;
    Ok(Started::default())
}
