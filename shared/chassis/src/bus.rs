//! One service on the bus: its database, its NATS connection, and the loops that carry messages between them.

use crate::{
    cause::Heard,
    checkpoint,
    clock::Clock,
    consumer,
    db::Db,
    home::{HandleError, Wakes},
    outcome::Reaction,
    peers, relay, sealer,
    stop::Stop,
    telemetry, worker,
};
use async_trait::async_trait;
use contracts::{Service, request::Request};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore, watch};

/// How long an asker waits for a reply.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// Requests answered at the same time, per subject.
const ANSWERS_AT_ONCE: usize = 16;
/// How long a start waits for NATS to know what is answered here; the server may be away just then.
const ANSWERING_WITHIN: Duration = Duration::from_secs(5);
/// The largest request and reply, in bytes.
pub const REQUEST_MAX: usize = 256 * 1024;

/// What a service does with what it hears: its `react.rs`.
#[async_trait]
pub trait Hears: Send + Sync {
    /// One message. Whatever it returns but an error has an inbox row when it is acknowledged.
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError>;
}

/// Times and sizes of the bus, from configuration, so that tests heal in a fraction of a second.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BusSettings {
    /// First pause before an unheard message is asked for, in milliseconds; doubles with each try.
    pub repeat_base_ms: u64,
    /// The longest such pause, in milliseconds.
    pub repeat_cap_ms: u64,
    /// First pause of a message that is too early, in milliseconds; doubles with each try.
    pub later_base_ms: u64,
    /// The longest such pause, in milliseconds.
    pub later_cap_ms: u64,
    /// How often loops look without being woken, in milliseconds.
    pub poll_ms: u64,
    /// Messages in work at the same time; half as many more of what recipients did.
    pub lanes: usize,
    /// Messages waiting per lane.
    pub lane_depth: usize,
}

/// Why a request got no reply.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers, or not in time.
    #[error("nobody answered {0}")]
    Away(String),
    /// The reply does not decode.
    #[error("the reply to {0} does not decode")]
    Garbled(String),
    /// Over [`REQUEST_MAX`].
    #[error("the request {0} is over {REQUEST_MAX} bytes")]
    TooLarge(String),
}

/// One service on the bus.
pub struct Bus {
    service: Service,
    db: Db,
    nats: async_nats::Client,
    clock: Clock,
    epoch: i32,
    settings: BusSettings,
    stop: Stop,
    relay_wake: Arc<Notify>,
    key_folder: OnceLock<PathBuf>,
    log_key: OnceLock<evidence::Signer>,
    /// Subjects to be answered that the server does not know of yet.
    unsubscribed: watch::Sender<usize>,
}

impl Bus {
    /// Puts the parts together; [`crate::runtime::Runtime::bus`] is the way to get one.
    pub fn new(
        service: Service,
        db: Db,
        nats: async_nats::Client,
        clock: Clock,
        epoch: i32,
        settings: BusSettings,
        stop: Stop,
    ) -> Arc<Self> {
        let unsubscribed = watch::Sender::new(0);
        Arc::new(Self {
            service,
            db,
            nats,
            clock,
            epoch,
            settings,
            stop,
            relay_wake: Arc::default(),
            key_folder: OnceLock::new(),
            log_key: OnceLock::new(),
            unsubscribed,
        })
    }
    /// Whose it is.
    pub fn service(&self) -> Service {
        self.service
    }
    /// Its database.
    pub fn db(&self) -> &Db {
        &self.db
    }
    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
    /// Its NATS connection.
    pub fn nats(&self) -> &async_nats::Client {
        &self.nats
    }
    /// The life of the database.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }
    /// Times and sizes.
    pub fn settings(&self) -> &BusSettings {
        &self.settings
    }
    /// Ends when the process is stopping.
    pub fn stopping(&self) -> Stop {
        self.stop.clone()
    }
    /// Where the key is that signs checkpoints of the log, made when the service runs. The first one counts.
    pub fn keep_log_key_in(&self, folder: PathBuf) {
        let _ = self.key_folder.set(folder);
    }
    /// The key that signs checkpoints of the log, where there is one.
    pub fn log_key(&self) -> Option<&evidence::Signer> {
        self.log_key.get()
    }
    /// Wakes the relay after a commit.
    pub fn relay_wake(&self) -> Arc<Notify> {
        self.relay_wake.clone()
    }
    /// A tracked background task.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, name: &'static str, task: F) {
        self.stop.spawn(name, task);
    }

    /// Asks another service and waits at most two seconds.
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, AskError> {
        let subject = R::ENTRY.subject();
        let body = serde_json::to_vec(request).unwrap_or_default();
        let reply = self.ask_raw(&subject, body).await?;
        serde_json::from_slice(&reply).map_err(|_| AskError::Garbled(subject))
    }

    /// The same for a subject that is not in the table of requests (the verbs that every service answers).
    pub async fn ask_at<Q: serde::Serialize, A: DeserializeOwned>(
        &self,
        subject: String,
        request: &Q,
    ) -> Result<A, AskError> {
        let reply = self.ask_raw(&subject, serde_json::to_vec(request).unwrap_or_default()).await?;
        serde_json::from_slice(&reply).map_err(|_| AskError::Garbled(subject))
    }

    async fn ask_raw(&self, subject: &str, body: Vec<u8>) -> Result<bytes::Bytes, AskError> {
        if body.len() > REQUEST_MAX {
            return Err(AskError::TooLarge(subject.to_owned()));
        }
        let headers = telemetry::nats_headers();
        let asked = self.nats.request_with_headers(subject.to_owned(), headers, body.into());
        match tokio::time::timeout(ASK_TIMEOUT, asked).await {
            Ok(Ok(message)) if message.status.is_none() && !message.payload.is_empty() => Ok(message.payload),
            _ => {
                telemetry::count("madoguchi.ask.unanswered", subject);
                Err(AskError::Away(subject.to_owned()))
            }
        }
    }

    /// Answers a request of the table, in a queue group, until the process stops. An error is no reply: the asker tries
    /// again.
    pub fn answer<R, F, Fut>(self: &Arc<Self>, handler: F)
    where
        R: Request,
        F: Fn(R) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Reply, HandleError>> + Send + 'static,
    {
        assert_eq!(R::ENTRY.at, self.service, "{} is not answered here", R::ENTRY.subject());
        self.answer_at(R::ENTRY.subject(), handler);
    }

    /// The same for any subject of this service.
    pub fn answer_at<Q, A, F, Fut>(self: &Arc<Self>, subject: String, handler: F)
    where
        Q: DeserializeOwned + Send + 'static,
        A: serde::Serialize + Send + 'static,
        F: Fn(Q) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, HandleError>> + Send + 'static,
    {
        let (this, handler) = (self.clone(), Arc::new(handler));
        self.unsubscribed.send_modify(|n| *n += 1);
        self.spawn("answer", async move {
            let at_once = Arc::new(Semaphore::new(ANSWERS_AT_ONCE));
            let mut first = true;
            while let Some(mut requests) = this.subscribe(&subject).await {
                if std::mem::take(&mut first) {
                    this.unsubscribed.send_modify(|n| *n -= 1);
                }
                loop {
                    let next = tokio::select! { n = requests.next() => n, () = this.stop.asked() => return };
                    let Some(message) = next else { break };
                    let Ok(permit) = at_once.clone().acquire_owned().await else { return };
                    let (nats, handler, subject) = (this.nats.clone(), handler.clone(), subject.clone());
                    tokio::spawn(async move {
                        answer_one(nats, message, &subject, handler.as_ref()).await;
                        drop(permit);
                    });
                }
            }
        });
    }

    async fn subscribe(&self, subject: &str) -> Option<async_nats::Subscriber> {
        loop {
            match self.nats.queue_subscribe(subject.to_owned(), self.service.token().to_owned()).await {
                Ok(s) => {
                    // Known at the server before it is counted as answered.
                    let _ = self.nats.flush().await;
                    return Some(s);
                }
                Err(error) => tracing::warn!(subject, %error, "cannot subscribe"),
            }
            if self.stop.pause(Duration::from_millis(500)).await {
                return None;
            }
        }
    }

    /// Starts everything that carries messages. Returns when the loops run and the server knows of every subject answered
    /// here, so that a request to a service that is ready finds it; the loops end with [`Bus::stopping`].
    pub async fn run(self: &Arc<Self>, hears: Arc<dyn Hears>, homes: Vec<Arc<dyn Wakes>>) -> anyhow::Result<()> {
        peers::answer(self);
        consumer::start(self, hears.clone());
        worker::start(self, hears);
        relay::start(self).await?;
        if let Some(folder) = self.key_folder.get() {
            let _ = self.log_key.set(checkpoint::key(folder, self.service, self.epoch)?);
        }
        sealer::start(self);
        for home in homes {
            worker::start_wakes(self, home);
        }
        let mut unsubscribed = self.unsubscribed.subscribe();
        if tokio::time::timeout(ANSWERING_WITHIN, unsubscribed.wait_for(|n| *n == 0)).await.is_err() {
            tracing::warn!("not every request can be answered yet: NATS does not take subscriptions");
        }
        Ok(())
    }
}

async fn answer_one<Q, A, F, Fut>(nats: async_nats::Client, message: async_nats::Message, subject: &str, handler: &F)
where
    Q: DeserializeOwned,
    A: serde::Serialize,
    F: Fn(Q) -> Fut,
    Fut: Future<Output = Result<A, HandleError>>,
{
    let Some(reply_to) = message.reply.clone() else { return };
    let Ok(question) = (if message.payload.len() > REQUEST_MAX {
        Err(())
    } else {
        serde_json::from_slice::<Q>(&message.payload).map_err(|_| ())
    }) else {
        tracing::warn!(subject, bytes = message.payload.len(), "a request that does not decode");
        telemetry::count("madoguchi.answer.malformed", subject);
        let _ = nats.publish(reply_to, r#"{"result":"refused","reason":"malformed-request"}"#.into()).await;
        return;
    };
    let span = telemetry::answer_span(subject, message.headers.as_ref());
    match tracing::Instrument::instrument(handler(question), span).await {
        Ok(answer) => {
            let body = serde_json::to_vec(&answer).unwrap_or_default();
            let _ = nats.publish(reply_to, body.into()).await;
        }
        Err(error) => {
            tracing::error!(subject, %error, "a request could not be answered");
            telemetry::count("madoguchi.answer.failed", subject);
        }
    }
}
