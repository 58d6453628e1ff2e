//! fulfilment: search, decision with its legal ground, answer (検索・決定・交付).
//!
//! [`answer`] is the machine, [`decision`] the dated grounds, [`ticket`] the closed lists of the search; the rest is shell.
//! See README.md.

pub mod answer;
pub mod complaint;
pub mod decision;
pub mod react;
pub mod retention;
pub mod setting;
pub mod staff;
pub mod store;
pub mod ticket;

use chassis::{Home, Runtime, Started};
use contracts::{
    Service,
    request::{Decide, StaffCommand},
};
use custody::Custody;
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
    let bus = rt.bus(Service::Fulfilment).await?;
    let custody = Custody::open(&rt, &bus).await?;
    let store = store::Store::new(bus.db().clone());
    let home = Home::new(&bus);

    let (keep_years, clock) = (setting.keep_years, rt.clock());
    let desk = staff::Desk { home: home.clone(), custody: custody.clone(), clock, keep_years };
    bus.answer::<StaffCommand<Decide>, _, _>(move |c| {
        let desk = desk.clone();
        async move { desk.decide(c).await }
    });
    let held = store.clone();
    custody.tend(&bus, move |cases| {
        let store = held.clone();
        async move { store.sealed_cases(&cases).await }
    });
    bus.spawn("retention", retention::run(custody, store, rt.clock(), rt.stopping()));
    bus.run(Arc::new(react::React { home: home.clone() }), vec![Arc::new(home)]).await?;
    Ok(Started::default())
}
