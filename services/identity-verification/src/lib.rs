//! identity-verification: is this the person, or somebody who may act for them? (本人確認)
//!
//! [`verification`] is the machine, [`documents`] the dated matrix of papers; the rest is shell. See README.md.

pub mod documents;
pub mod react;
pub mod setting;
pub mod staff;
pub mod store;
pub mod verification;

use chassis::{Home, Runtime, Started, reason};
use contracts::{
    Service,
    request::{AskForCompletion, ConfirmIdentity, RejectIdentity, StaffCommand},
};
use custody::Custody;
use std::sync::Arc;

/// The machines' tables.
pub const MACHINES: &[&str] = &["verification"];

/// No tables of its own: the machine's, and the reasons of orders, which every service keeps alike.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

/// Connects, answers, hears. Returns when it is ready.
///
/// # Errors
/// A setting, a key or a connection is not to be had; the error names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let setting = rt.section::<setting::Setting>("identity")?.checked()?;
    let bus = rt.bus(Service::Identity).await?;
    let custody = Custody::open(&rt, &bus).await?;
    let home = Home::with_rows(&bus, Arc::new(store::VerificationRows));

    let desk = staff::Desk {
        home: home.clone(),
        custody: custody.clone(),
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
    let db = bus.db().clone();
    custody.tend(&bus, move |cases| {
        let db = db.clone();
        async move { Ok(reason::sealed_under(db.pool(), &cases).await?) }
    });
    bus.run(Arc::new(react::React { home: home.clone(), custody }), vec![Arc::new(home)]).await?;
    Ok(Started::default())
}
