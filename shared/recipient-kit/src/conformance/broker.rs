//! The sandbox on NATS: a stream, the contractor's durable, and the answers to its reports, on a nats-server with JetStream
//! that the contractor runs for its tests.

use super::{
    queue::Queue,
    sandbox::{Ear, RECIPIENT, hear},
};
use async_nats::{Client, ConnectOptions, jetstream};
use async_trait::async_trait;
use axum::{extract::State, http::StatusCode};
use contracts::recipient::ReportAnswer;
use futures::StreamExt;
use std::{sync::Arc, time::Duration};

/// The stream of instructions, as the desk names it.
const STREAM: &str = "OPTOUT";
/// The largest answer to a report.
const ANSWER_MAX: usize = 64 * 1024;

/// The sandbox's side of the server.
pub struct Broker {
    context: jetstream::Context,
    account: String,
    client: Client,
}

impl Broker {
    /// Makes the stream and the durable anew. `account` is the contractor's: also the name of its durable.
    ///
    /// # Errors
    /// The text says what the server would not do.
    pub async fn open(url: &str, account: &str) -> Result<Self, String> {
        if account.is_empty() || account.len() > 56 || !account.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err("`--account`: letters and digits, at most 56".to_owned());
        }
        let client = ConnectOptions::new().connection_timeout(Duration::from_secs(5)).connect(url).await;
        let client = client.map_err(|e| format!("`--nats` {url}: {e}"))?;
        let context = jetstream::new(client.clone());
        let _ = context.delete_stream(STREAM).await;
        let stream = context
            .create_stream(jetstream::stream::Config {
                name: STREAM.to_owned(),
                subjects: vec!["optout.c.*".to_owned()],
                ..Default::default()
            })
            .await
            .map_err(|e| format!("the stream {STREAM}: {e}"))?;
        let durable = jetstream::consumer::pull::Config {
            durable_name: Some(account.to_owned()),
            filter_subject: format!("optout.c.{RECIPIENT}"),
            ack_policy: jetstream::consumer::AckPolicy::Explicit,
            ack_wait: Duration::from_secs(30),
            ..Default::default()
        };
        stream.create_consumer(durable).await.map_err(|e| format!("the durable {account}: {e}"))?;
        Ok(Self { context, account: account.to_owned(), client })
    }

    /// Answers `report.<account>.v1` until the task is dropped.
    ///
    /// # Errors
    /// The server does not let it listen, or the connection broke.
    pub async fn serve(&self, ear: Arc<Ear>) -> Result<(), String> {
        let subject = format!("report.{}.v1", self.account);
        let mut reports = self.client.subscribe(subject).await.map_err(|e| e.to_string())?;
        while let Some(message) = reports.next().await {
            let Some(reply) = message.reply.clone() else { continue };
            let response = hear(State(ear.clone()), message.payload).await;
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), ANSWER_MAX).await.map_err(|e| e.to_string())?;
            let body = if status == StatusCode::SERVICE_UNAVAILABLE {
                serde_json::to_vec(&ReportAnswer::Unavailable).unwrap_or_default().into()
            } else {
                body
            };
            self.client.publish(reply, body).await.map_err(|e| e.to_string())?;
        }
        Err("the connection to the server ended".to_owned())
    }
}

#[async_trait]
impl Queue for Broker {
    async fn put(&self, body: Vec<u8>) -> Result<(), String> {
        let sent = self.context.publish(format!("optout.c.{RECIPIENT}"), body.into()).await;
        sent.map_err(|e| e.to_string())?.await.map_err(|e| e.to_string())?;
        Ok(())
    }
    async fn open(&self) -> Result<u64, String> {
        let consumer: jetstream::consumer::PullConsumer = self
            .context
            .get_consumer_from_stream(self.account.as_str(), STREAM)
            .await
            .map_err(|e| format!("the durable {}: {e}", self.account))?;
        let info = consumer.cached_info();
        Ok(info.num_pending + info.num_ack_pending as u64)
    }
}
