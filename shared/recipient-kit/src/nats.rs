//! A recipient on NATS: pulls its own durable, acknowledges after it has written, reports by request.
//!
//! It may do exactly this and nothing else: ask `MSG.NEXT` and `INFO` of the durable that has the name of its account,
//! acknowledge its messages, and ask `report.<account>.v1`. Its inbox prefix is `_INBOX_<account>`, because with a shared
//! prefix anybody in an account could read another's pulls.

use crate::{
    example::{ExampleContractor, TakeError},
    send::{Away, SendsReports},
};
use async_nats::{
    Client, ConnectOptions,
    jetstream::{self, AckKind, consumer::PullConsumer},
};
use async_trait::async_trait;
use contracts::recipient::{ReportAnswer, SignedReport};
use futures::StreamExt;
use std::{sync::Arc, time::Duration};

/// The stream of instructions.
pub const STREAM: &str = "OPTOUT";
/// How long one pull waits; the server forgets an idle way back after two minutes.
const EXPIRES: Duration = Duration::from_secs(30);
/// How long a report waits for its answer.
const ANSWER: Duration = Duration::from_secs(5);
/// First and longest pause before looking the durable up again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Connects with the text of a `.creds` file. `account` is the recipient's account (`A…`).
///
/// # Errors
/// The credentials are none, or the server is not there or refuses them.
pub async fn connect(url: &str, creds: &str, account: &str) -> Result<Client, async_nats::Error> {
    Ok(ConnectOptions::with_credentials(creds)?
        .name("recipient")
        .custom_inbox_prefix(format!("_INBOX_{account}"))
        .connection_timeout(Duration::from_secs(5))
        .connect(url)
        .await?)
}

/// The way of reports over NATS.
pub struct NatsReports {
    client: Client,
    subject: String,
}

impl NatsReports {
    /// For the recipient whose account this is.
    pub fn new(client: Client, account: &str) -> Self {
        Self { client, subject: format!("report.{account}.v1") }
    }
}

#[async_trait]
impl SendsReports for NatsReports {
    async fn send(&self, signed: &SignedReport) -> Result<ReportAnswer, Away> {
        let request = self.client.request(self.subject.clone(), signed.as_str().as_bytes().to_vec().into());
        let message = tokio::time::timeout(ANSWER, request).await.map_err(|_| Away)?.map_err(|_| Away)?;
        serde_json::from_slice(&message.payload).map_err(|_| Away)
    }
}

/// Pulls and takes for ever; ends when the task is dropped. What cannot be written down is not acknowledged and comes
/// again; what is not for us is terminated and counted.
pub async fn pull(client: Client, account: String, contractor: Arc<ExampleContractor>) {
    let context = jetstream::new(client);
    let mut pause = PAUSE.0;
    loop {
        // The durable belongs to the desk's steward and may be away for a moment (a stream made anew).
        let found = context.get_consumer_from_stream::<_, _, _>(account.as_str(), STREAM).await;
        if let Ok(consumer) = found {
            pause = PAUSE.0;
            drain(&consumer, &contractor).await;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Until the stream of messages ends or fails; the caller looks the durable up again.
async fn drain(consumer: &PullConsumer, contractor: &Arc<ExampleContractor>) {
    let stream = consumer.stream().max_messages_per_batch(64).expires(EXPIRES).heartbeat(EXPIRES / 3).messages().await;
    let Ok(mut messages) = stream else { return };
    while let Some(Ok(message)) = messages.next().await {
        let taken = contractor.take_blocking(message.payload.to_vec()).await;
        let acknowledged = match taken {
            Ok(_) => message.double_ack().await,
            Err(TakeError::Refused(_) | TakeError::CannotOpen) => message.ack_with(AckKind::Term).await,
            Err(TakeError::Journal(_)) => message.ack_with(AckKind::Nak(Some(Duration::from_secs(1)))).await,
        };
        if acknowledged.is_err() {
            // It comes again and is a repeat then.
            tracing::warn!("an acknowledgement did not get through");
        }
    }
}
