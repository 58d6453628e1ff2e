//! identity-verification: is this the person, or somebody who may act for them? (本人確認)
//!
//! [`verification`] is the machine, [`documents`] the dated matrix of papers; the rest is shell. See README.md.

pub mod documents;
pub mod react;
pub mod retention;
pub mod setting;
pub mod staff;
pub mod store;
pub mod verification;

use anyhow::Context;
use chassis::{Home, Runtime, Started};
use contracts::{
    Service,
    request::{AskForCompletion, ConfirmIdentity, RejectIdentity, StaffCommand},
};
use privacy::{FileMasterKey, Limits, ServiceKey, Vault};
use std::sync::Arc;

/// The machines' tables.
pub const MACHINES: &[&str] = &["verification"];

/// The service's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Connects, answers, hears. Returns when it is ready.
///
/// # Errors
/// A setting, a key or a connection is not to be had; the error names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let setting = rt.section::<setting::Setting>("identity")?.checked()?;
    let token = Service::Identity.token();
    let master = FileMasterKey::load_or_create(&rt.keys_dir().join("master.key")).context("`house.keys_dir`")?;
    let key = Arc::new(ServiceKey::load_or_create(rt.keys_dir(), token).context("`house.keys_dir`")?);
    let vault = Vault::connect(&rt.keys_url(token)?, token, Arc::new(master), Limits::default())
        .await
        .context("`house.keys_url`: opening the key database of identity-verification")?;
    let looked_at = vault.clone();
    rt.health().add(format!("{token}: key database"), move || {
        let vault = looked_at.clone();
        async move { vault.check().await.map_err(|error| error.to_string()) }
    });
    let bus = rt.bus(Service::Identity).await?;
    let store = store::Store::new(bus.db().clone());
    let home = Home::with_rows(&bus, Arc::new(store::VerificationRows));

    let desk = staff::Desk {
        home: home.clone(),
        store: store.clone(),
        vault: vault.clone(),
        key,
        clock: rt.clock(),
        completion_days: setting.completion_days,
    };
    let (confirms, asks, rejects) = (desk.clone(), desk.clone(), desk);
    bus.answer::<StaffCommand<ConfirmIdentity>, _, _>(move |c| {
        let desk = confirms.clone();
        async move { desk.confirm(c).await }
    });
    bus.answer::<StaffCommand<AskForCompletion>, _, _>(move |c| {
        let desk = asks.clone();
        async move { desk.ask_for_completion(c).await }
    });
    bus.answer::<StaffCommand<RejectIdentity>, _, _>(move |c| {
        let desk = rejects.clone();
        async move { desk.reject(c).await }
    });
    bus.spawn("retention", retention::run(vault.clone(), store, rt.clock(), rt.stopping()));
    bus.run(Arc::new(react::React { home: home.clone(), vault }), vec![Arc::new(home)]).await?;
    Ok(Started::default())
}
