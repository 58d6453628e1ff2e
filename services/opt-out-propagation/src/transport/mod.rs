//! How one body gets to one recipient: the only thing in which transports differ.

pub mod nats;
pub mod oauth;
pub mod webhook;

use crate::{delivery::Outcome, person::Register, settings::Settings};
use async_trait::async_trait;
use chassis::Bus;
use contracts::{RecipientId, SignaturesAs, Uuid};
use std::sync::Arc;

/// One body on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The instruction: the message's id, the same for every attempt.
    pub instruction: Uuid,
    /// To whom.
    pub recipient: RecipientId,
    /// The bytes.
    pub body: Vec<u8>,
}

/// What became of it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// What it means.
    pub outcome: Outcome,
    /// HTTP's status, where there is one.
    pub status: Option<u16>,
}

impl From<Outcome> for Sent {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, status: None }
    }
}

/// Sends. Bounded in time and bytes by itself.
#[async_trait]
pub trait Transport: Send + Sync {
    /// One attempt.
    async fn send(&self, parcel: &Parcel) -> Sent;
}

/// An endpoint as its row says.
#[derive(Clone, Debug)]
pub struct Address {
    /// Whose it is; what goes there may be for one whose instructions this one carries.
    pub recipient: RecipientId,
    /// `nats` or `webhook`.
    pub transport: String,
    /// The sealed URL of a webhook.
    pub url: Option<Vec<u8>>,
    /// What its contract has webhooks signed with.
    pub signatures: SignaturesAs,
}

/// Makes transports for endpoints.
pub trait Opens: Send + Sync {
    /// `Err`: the address cannot be used; the endpoint waits, the reason is written down.
    fn open(&self, address: &Address) -> Result<Arc<dyn Transport>, &'static str>;
}

/// The transports of this house.
pub struct Transports {
    /// NATS and the clock.
    pub bus: Arc<Bus>,
    /// Opens URLs.
    pub register: Arc<Register>,
    /// Signs webhooks.
    pub keys: webhook::WebhookKeys,
    /// Limits.
    pub settings: Settings,
}

impl Opens for Transports {
    fn open(&self, address: &Address) -> Result<Arc<dyn Transport>, &'static str> {
        if address.transport == "nats" {
            return Ok(Arc::new(nats::NatsTransport::new(&self.bus, address.recipient)));
        }
        let sealed = address.url.as_deref().ok_or("the endpoint has no URL")?;
        let opened = self.register.open(address.recipient.0.as_bytes(), sealed).ok_or("the URL cannot be opened")?;
        let text = opened.text().map_err(|_| "the URL is no text")?;
        let signer = self.keys.signer_as(address.recipient, address.signatures);
        let clock = self.bus.clock().clone();
        webhook::Webhook::new(&text, signer, clock, self.settings.send(), self.settings.allow_private_endpoints)
            .map(|w| Arc::new(w) as Arc<dyn Transport>)
    }
}
