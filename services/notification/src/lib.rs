//! notification: tells people (通知) that there is something to see, and never what.
//!
//! [`message`] is the machine, [`texts`] and [`mail`] compose, [`transport`] sends; the rest is shell. See README.md.

pub mod acknowledgement;
pub mod alert;
pub mod mail;
pub mod message;
pub mod react;
pub mod send;
pub mod setting;
pub mod store;
pub mod texts;
pub mod transport;

use anyhow::Context;
use chassis::{Home, Runtime, Started};
use contracts::{
    Service,
    alert::SendAlert,
    correspondence::{AcknowledgeMail, NoticeOwner, WhoseNotice},
};
use privacy::ServiceKey;
use std::sync::Arc;
use tokio::sync::Notify;

/// The machines' tables.
pub const MACHINES: &[&str] = &["notice"];

/// The service's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Connects, hears, sends. Returns when it is ready.
///
/// # Errors
/// A setting, a key or a connection is not to be had; the error names it.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let setting = rt.section::<setting::Setting>("notification")?.checked()?;
    let key = ServiceKey::load_or_create(rt.keys_dir(), Service::Notification.token()).context("`house.keys_dir`")?;
    let bus = rt.bus(Service::Notification).await?;
    let store = store::Store::new(bus.db().clone());
    let (wake, transport) = (Arc::new(Notify::new()), Arc::new(setting.transport));
    let home = Home::with_rows(&bus, Arc::new(store::NoticeRows { wake: wake.clone() }));

    let alerts = Arc::new(alert::Alerts {
        key: key.clone(),
        transport: transport.clone(),
        from: setting.from.clone(),
        officer: setting.officer,
        partner_url: setting.partner_url,
        console_url: setting.console_url,
    });
    bus.answer::<SendAlert, _, _>(move |alert| {
        let alerts = alerts.clone();
        async move { Ok(alerts.send(alert).await) }
    });

    let acknowledgements = Arc::new(acknowledgement::Acknowledgements {
        key: key.clone(),
        transport: transport.clone(),
        from: setting.from.clone(),
        link: setting.status_url.trim_end_matches("/status").to_owned(),
    });
    bus.answer::<AcknowledgeMail, _, _>(move |asked| {
        let acknowledgements = acknowledgements.clone();
        async move { Ok(acknowledgements.send(asked).await) }
    });
    let owners = store.clone();
    bus.answer::<WhoseNotice, _, _>(move |asked| {
        let owners = owners.clone();
        async move { Ok(NoticeOwner { case: owners.owner(&asked.notices).await? }) }
    });

    let react = react::React {
        home: home.clone(),
        store: store.clone(),
        transport: transport.clone(),
        plan: setting.plan,
        clock: rt.clock(),
        wake: wake.clone(),
    };
    let sender = send::Sender {
        bus: bus.clone(),
        home: home.clone(),
        store,
        key,
        transport,
        from: setting.from,
        status_url: setting.status_url,
        at_once: setting.at_once,
        wake,
    };
    bus.spawn("sender", Arc::new(sender).run());
    bus.run(Arc::new(react), vec![Arc::new(home)]).await?;
    Ok(Started::default())
}
