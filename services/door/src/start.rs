//! Starting the door: secret, keys, texts, tray, listener. What is missing is said with its key and remedy.

use crate::{
    clients::KnownClients,
    config::DoorConfig,
    door::Door,
    limit::{Budgets, Rate},
    mail::MailSlot,
    published::Posted,
    routes,
    texts::AllTexts,
    tray,
};
use anyhow::Context;
use chassis::{Db, Runtime, Started, Stop, http};
use filing::ages::Ages;
use privacy_seal::{DoorSecret, PublicKey, public_key::DESK};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, Semaphore};

/// Schema, role, NATS user and configuration section.
const DOOR: &str = "door";
/// The hint to intake that something lies in the tray: core NATS, no content, may be lost.
const FILED: &str = "door.filed";
/// Between two hints.
const HINT_PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for the desk's public key at a first start, when intake makes it.
const KEY_WAIT: Duration = Duration::from_secs(20);

/// Starts the door; ready when this returns.
///
/// # Errors
/// Configuration, key folder, database or port; each names its key and the remedy.
pub async fn start(rt: Runtime) -> anyhow::Result<Started> {
    let config: DoorConfig = rt.section(DOOR)?;
    config.check().map_err(anyhow::Error::msg)?;
    let ages: Ages = rt.section("filing")?;
    ages.check().map_err(anyhow::Error::msg)?;
    let stop = rt.stopping();
    let db = rt.db(DOOR).await?;
    let secret = DoorSecret::load_or_create(&rt.keys_dir().join(&config.secret_file)).context("[door] secret_file")?;
    let desk = desk_key(rt.keys_dir(), &stop).await?;
    let texts =
        if config.texts.as_os_str().is_empty() { AllTexts::built_in()? } else { AllTexts::load(&config.texts)? };
    let posted = Posted::open(&config.published, calendar::jst_date(rt.clock().now())).context("[door] published")?;
    let (listener, address) = http::listen(&config.listen.to_string(), "door.listen").await?;
    let base_url = if config.public_url.is_empty() { format!("http://{address}") } else { config.public_url.clone() };

    let filed = Arc::new(Notify::new());
    let hint = filed.clone();
    let (slot, task) = tray::tray(db.clone(), desk, config.queue, Box::new(move |_| hint.notify_one()));
    stop.spawn("door: tray", task);
    stop.spawn("door: hint", hints(rt.clone(), filed));
    stop.spawn("door: sweep", sweep(db.clone(), rt.clone(), config.idempotency_days));

    let now = Instant::now();
    let misses = Mutex::new(Budgets::new(config.each(), config.all(), now));
    // All together are limited by the queue of the tray.
    let filings = Mutex::new(Budgets::new(config.filings(), Rate::ENDLESS, now));
    let mails = MailSlot {
        inbound: rt.inbound()?,
        desk,
        clients: KnownClients::of(rt.keys_dir())?,
        rate: Mutex::new(Budgets::new(config.mails(), Rate::ENDLESS, now)),
        at_once: Arc::new(Semaphore::new(config.mails_at_once)),
    };
    let clock = rt.clock();
    let door =
        Arc::new(Door { db, slot, secret, texts, posted, misses, filings, mails, config, ages, clock, base_url });
    http::serve(&stop, listener, routes::router(door));
    Ok(Started { listens: vec![("desk", address)] })
}

/// The key that hatches are sealed to. At the very first start of everything at once, intake may be a moment behind.
async fn desk_key(folder: &Path, stop: &Stop) -> anyhow::Result<PublicKey> {
    let path = folder.join(format!("{DESK}.pub"));
    let until = Instant::now() + KEY_WAIT;
    while !path.try_exists().unwrap_or(false) && Instant::now() < until {
        if stop.pause(Duration::from_millis(100)).await {
            anyhow::bail!("stopped while waiting for {}", path.display());
        }
    }
    PublicKey::load(&path).with_context(|| {
        format!("`house.keys_dir`: the public key of intake, {}, is needed to seal filings; intake makes it at its first start", path.display())
    })
}

/// Tells intake, as often as there is something and NATS is there. Intake looks by itself as well: this saves a second.
async fn hints(rt: Runtime, filed: Arc<Notify>) {
    let stop = rt.stopping();
    let client = match chassis::nats::connect(rt.house(), DOOR).await {
        Ok(client) => client,
        Err(error) => {
            tracing::warn!(%error, "no hints to intake: it will find filings by looking");
            return;
        }
    };
    loop {
        tokio::select! {
            () = stop.asked() => break,
            () = filed.notified() => {}
        }
        // While NATS is away the client's queue fills up; a hint that waits is worth nothing.
        let _ = tokio::time::timeout(Duration::from_millis(200), client.publish(FILED, "".into())).await;
        // One hint is as good as a hundred.
        if stop.pause(HINT_PAUSE).await {
            break;
        }
    }
    let _ = tokio::time::timeout(Duration::from_secs(1), client.flush()).await;
}

/// Forgets accepted keys that nobody repeats any more.
async fn sweep(db: Db, rt: Runtime, days: u32) {
    let stop = rt.stopping();
    while !stop.pause(Duration::from_secs(3600)).await {
        let before = rt.clock().now() - jiff::SignedDuration::from_hours(i64::from(days) * 24);
        let gone = db.write(move |tx| Box::pin(forget(tx, before))).await;
        match gone {
            Ok(rows) => tracing::debug!(rows, "idempotency rows ended"),
            Err(error) => tracing::warn!(%error, "idempotency rows could not be ended"),
        }
    }
}

async fn forget(tx: &mut sqlx::PgConnection, before: contracts::Timestamp) -> Result<u64, chassis::DbError> {
    let before = jiff_sqlx::ToSqlx::to_sqlx(before);
    let done = sqlx::query("delete from idempotency where received_at < $1").bind(before).execute(tx).await?;
    Ok(done.rows_affected())
}
