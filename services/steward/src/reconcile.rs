//! Compares and mends.

use crate::{ADMIT, Admit, Admitted, RECIPIENTS_CHANGED, StewardSettings, desired};
use anyhow::{Context, bail};
use async_nats::jetstream::{self, consumer::pull, stream};
use chassis::{Clock, Db, Runtime, Stop, telemetry};
use contracts::{Service, flow::Queue};
use futures::StreamExt;
use nats_auth::{House, Revocations};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

/// nats-server 2.10.20 to 2.10.22 lost streams when killed (nats-server 6888).
const OLDEST: (u64, u64, u64) = (2, 10, 23);
/// The most recipients that are looked at.
const RECIPIENTS_MAX: i64 = 2_000;

pub(crate) struct Steward {
    settings: StewardSettings,
    house: Arc<House>,
    clock: Clock,
    db: Db,
    desk: async_nats::Client,
    context: jetstream::Context,
    system: async_nats::Client,
    monitor: String,
    epoch: i32,
    /// Accounts that this process pushed: the resolver keeps them, so once is enough per process.
    pushed: Mutex<HashSet<String>>,
    now: Notify,
}

impl Steward {
    pub(crate) async fn connect(rt: &Runtime, settings: StewardSettings, house: Arc<House>) -> anyhow::Result<Self> {
        let db = rt.db("steward").await?;
        let mut own = db.own_connection().await?;
        let epoch = crate::epoch::check(&mut own).await.context("house.epoch; run `madoguchi migrate` first")?;
        let creds = std::fs::read_to_string(&settings.system_creds_file).context("`steward.system_creds_file`")?;
        let system = async_nats::ConnectOptions::with_credentials(&creds)
            .context("`steward.system_creds_file`")?
            .name("madoguchi steward, system")
            .custom_inbox_prefix("_INBOX_system")
            .retry_on_initial_connect()
            .connect(&rt.house().nats_url)
            .await
            .context("connecting to NATS as the system user (`steward.system_creds_file`)")?;
        // DESK itself may not be known to the server yet: push it before its users connect.
        push(&system, &house.desk_account_jwt(rt.clock().now())).await.context("making the account DESK")?;
        let desk = rt.nats("steward").await?;
        let context = jetstream::new(desk.clone());
        let monitor = rt.house().nats_monitor_url.clone();
        Ok(Self {
            settings,
            house,
            clock: rt.clock(),
            db,
            desk,
            context,
            system,
            monitor,
            epoch,
            pushed: Mutex::default(),
            now: Notify::new(),
        })
    }

    /// One comparison from beginning to end.
    pub(crate) async fn pass(&self) -> anyhow::Result<()> {
        self.refuse_unfit_server().await?;
        let mut made = false;
        for config in desired::streams(&self.settings, self.epoch) {
            made |= self.stream(config).await?;
        }
        for service in Service::ALL {
            for queue in Queue::of(*service) {
                made |= self.durable(desired::BUS, desired::service_durable(*service, queue, self.epoch)).await?;
            }
        }
        made |= self.recipients().await?;
        if made {
            telemetry::count("madoguchi.steward.mended", "pass");
            // A hint to every relay: what is missing is due now.
            let _ = self.desk.publish("bus.hello.all", "".into()).await;
        }
        Ok(())
    }

    async fn refuse_unfit_server(&self) -> anyhow::Result<()> {
        let version = self.desk.server_info().version;
        let mut parts = version.split(['.', '-']).map(|p| p.parse::<u64>().unwrap_or(0));
        let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if found < OLDEST && self.desk.connection_state() == async_nats::connection::State::Connected {
            bail!("nats-server {version} is too old: 2.10.23 or newer is needed (older ones lost streams when killed)");
        }
        chassis::nats::syncs_always(&self.monitor).await.map_err(|why| anyhow::anyhow!(why))
    }

    /// `true` when something was made or changed.
    async fn stream(&self, wanted: stream::Config) -> anyhow::Result<bool> {
        let name = wanted.name.clone();
        let found = match self.context.get_stream(&name).await {
            Ok(found) => Some(found.cached_info().config.clone()),
            Err(e) if e.to_string().contains("10059") || e.to_string().contains("not found") => None,
            Err(e) => return Err(e).with_context(|| format!("looking at stream {name}")),
        };
        match found {
            None => {
                self.context.create_stream(wanted).await.with_context(|| format!("making stream {name}"))?;
                tracing::info!(stream = name, epoch = self.epoch, "made a stream");
                Ok(true)
            }
            Some(found) if found.metadata.get(desired::EPOCH) != wanted.metadata.get(desired::EPOCH) => {
                // No message of the lost life may survive: it could be newer than what the database knows.
                self.context
                    .delete_stream(&name)
                    .await
                    .with_context(|| format!("ending stream {name} of another epoch"))?;
                self.context.create_stream(wanted).await.with_context(|| format!("making stream {name}"))?;
                tracing::warn!(stream = name, epoch = self.epoch, "replaced the stream of another epoch");
                Ok(true)
            }
            Some(found) if differs(&found, &wanted) => {
                self.context.update_stream(wanted).await.with_context(|| format!("mending stream {name}"))?;
                tracing::warn!(stream = name, "mended a stream whose settings had been changed");
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    async fn durable(&self, stream: &str, wanted: pull::Config) -> anyhow::Result<bool> {
        let name = wanted.durable_name.clone().unwrap_or_default();
        let found = self
            .context
            .get_consumer_from_stream::<pull::Config, _, _>(&name, stream)
            .await
            .ok()
            .map(|c| c.cached_info().config.clone());
        if let Some(found) = found
            && found.metadata.get(desired::EPOCH) == wanted.metadata.get(desired::EPOCH)
            && found.max_deliver == wanted.max_deliver
            && found.ack_policy == wanted.ack_policy
            && found.max_ack_pending == wanted.max_ack_pending
            && same_filters(&found.filter_subjects, &found.filter_subject, &wanted)
        {
            return Ok(false);
        }
        self.context
            .create_consumer_on_stream(wanted, stream)
            .await
            .with_context(|| format!("making durable {name} on {stream}"))?;
        tracing::info!(stream, durable = name, "made or mended a durable");
        Ok(true)
    }

    async fn recipients(&self) -> anyhow::Result<bool> {
        let rows: Vec<(Uuid, Option<String>)> = sqlx::query_as(
            "select id, nats_account from optout.recipient where nats_account is not null order by id limit $1",
        )
        .bind(RECIPIENTS_MAX)
        .fetch_all(self.db.pool())
        .await
        .context("reading the recipients")?;
        let mut made = false;
        for (recipient, account) in rows {
            let derived = self.house.recipient_account(recipient);
            if account.as_deref() != Some(derived.as_str()) {
                tracing::error!(%recipient, "the recipient's account is not the one derived for it; it is not served");
                telemetry::count("madoguchi.steward.refused", "foreign-account");
                continue;
            }
            made |= self.admit_account(recipient, &derived).await?;
            made |= self.durable(desired::OPTOUT, desired::recipient_durable(&derived, recipient, self.epoch)).await?;
        }
        Ok(made)
    }

    async fn admit_account(&self, recipient: Uuid, account: &str) -> anyhow::Result<bool> {
        if self.pushed.lock().await.contains(account) {
            return Ok(false);
        }
        let jwt = self.house.recipient_account_jwt(recipient, &Revocations::default(), self.clock.now());
        push(&self.system, &jwt).await.with_context(|| format!("making the account of recipient {recipient}"))?;
        self.pushed.lock().await.insert(account.to_owned());
        Ok(true)
    }

    /// Ten seconds, or at once when somebody says hello or asks to be admitted.
    pub(crate) fn watch(self: Arc<Self>, stop: Stop) {
        let this = self.clone();
        stop.clone().spawn("steward", async move {
            let every = Duration::from_secs(this.settings.every_seconds.max(1));
            loop {
                let stopping =
                    tokio::select! { s = stop.pause(every) => s, () = this.now.notified() => stop.is_asked() };
                if stopping {
                    return;
                }
                if let Err(error) = this.pass().await {
                    telemetry::count("madoguchi.steward.failed", "pass");
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the steward could not mend everything; it tries again"
                    );
                }
            }
        });
    }

    /// `req.steward.admit`: nothing secret goes out; whether the recipient is served is decided by its row.
    pub(crate) fn answer_admit(self: Arc<Self>) {
        tokio::spawn(async move {
            let Ok(mut requests) = self.desk.queue_subscribe(ADMIT, "steward".into()).await else { return };
            while let Some(message) = requests.next().await {
                let Some(reply) = message.reply.clone() else { continue };
                let answer = serde_json::from_slice::<Admit>(&message.payload)
                    .map_err(anyhow::Error::from)
                    .and_then(|ask| self.admitted(&ask));
                let body = match answer {
                    Ok(admitted) => serde_json::to_vec(&admitted).unwrap_or_default(),
                    Err(_) => br#"{"refused":"user is not a user's public key (U...)"}"#.to_vec(),
                };
                let _ = self.desk.publish(reply, body.into()).await;
                self.now.notify_one();
            }
        });
    }

    /// A hint only: the ten seconds are the guarantee.
    pub(crate) fn listen_for_recipients(self: Arc<Self>) {
        tokio::spawn(async move {
            let Ok(mut hints) = self.desk.subscribe(RECIPIENTS_CHANGED).await else { return };
            while hints.next().await.is_some() {
                self.now.notify_one();
            }
        });
    }

    fn admitted(&self, ask: &Admit) -> anyhow::Result<Admitted> {
        let user_jwt = self.house.recipient_user_jwt(ask.recipient, &ask.user, None, self.clock.now())?;
        Ok(Admitted { account: self.house.recipient_account(ask.recipient), user_jwt })
    }
}

/// Pushes an account's JWT into the resolver of every server.
async fn push(system: &async_nats::Client, jwt: &str) -> anyhow::Result<()> {
    let asked = system.request("$SYS.REQ.CLAIMS.UPDATE", jwt.to_owned().into());
    let reply = tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .context("the server does not answer account updates")??;
    let said: serde_json::Value = serde_json::from_slice(&reply.payload).unwrap_or_default();
    match said.get("error") {
        Some(error) => bail!("nats-server refused an account: {error}"),
        None => Ok(()),
    }
}

fn differs(found: &stream::Config, wanted: &stream::Config) -> bool {
    found.subjects != wanted.subjects
        || found.retention != wanted.retention
        || found.discard != wanted.discard
        || found.storage != wanted.storage
        || found.num_replicas != wanted.num_replicas
        || found.max_age != wanted.max_age
        || found.max_bytes != wanted.max_bytes
        || found.max_message_size != wanted.max_message_size
}

fn same_filters(many: &[String], one: &str, wanted: &pull::Config) -> bool {
    let set = |many: &[String], one: &str| {
        many.iter().cloned().chain((!one.is_empty()).then(|| one.to_owned())).collect::<HashSet<_>>()
    };
    set(many, one) == set(&wanted.filter_subjects, &wanted.filter_subject)
}
