//! By webhook: a signed POST (Standard Webhooks 1.0.0), guarded.
//!
//! The client follows no redirect and dials no address that may not be reached (see `recipient_kit::client` and
//! [`guard`]). One client per endpoint keeps its connections; one total time covers name, connection, TLS, request and
//! headers.

use super::{
    Parcel, Sent, Transport,
    oauth::{NoToken, Tokens},
};
use crate::{
    address,
    delivery::{Outcome, Why, of_status, retry_after},
    guard,
};
use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use chassis::Clock;
use contracts::{RecipientId, SignaturesAs};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, Mac};
use hyper::body::Incoming;
use privacy_seal::{
    KeyFileError, Personal, Purpose,
    keyfile::{self, Secret as Root},
};
use recipient_kit::{
    ReportSigner,
    client::{self, Client, MayReach, NoAnswer},
    webhook::{self, Secret, Signer},
};
use sha2::Sha256;
use std::{path::Path, time::Duration};
use zeroize::Zeroizing;

/// The most of an answer that is read, in bytes: enough to keep the connection for the next one.
pub const ANSWER_MAX: usize = 64 * 1024;
/// How long the rest of an answer is read, once its status is known.
const DRAIN: Duration = Duration::from_millis(500);

/// The secret that every webhook key is derived from: one file beside the other keys.
#[derive(Clone)]
pub struct WebhookKeys(Root);

/// What a recipient needs to verify our webhooks; handed over to it by a person.
pub struct HandOver {
    /// `whsec_…`
    pub secret: Zeroizing<String>,
    /// `whpk_…`
    pub public: String,
}

impl WebhookKeys {
    /// Reads `optout.webhook` of the key folder, or makes it (mode 0600).
    ///
    /// # Errors
    /// The file cannot be read or made, or is readable by others.
    pub fn load_or_create(keys: &Path) -> Result<Self, KeyFileError> {
        keyfile::load_or_create_secret(&keys.join("optout.webhook")).map(Self)
    }

    fn derive(&self, what: &str, recipient: RecipientId) -> Zeroizing<[u8; 32]> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(what.as_bytes());
        mac.update(recipient.0.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn parts(&self, recipient: RecipientId) -> (Secret, SigningKey) {
        let secret = self.derive("webhook secret v1", recipient);
        #[expect(clippy::expect_used, reason = "32 bytes are within 24 and 64")]
        let secret = Secret::from_bytes(&*secret).expect("32 bytes are a webhook secret");
        (secret, SigningKey::from_bytes(&self.derive("webhook signing v1", recipient)))
    }

    /// What signs for a recipient: keys of its own, none shared between two.
    pub fn signer(&self, recipient: RecipientId) -> Signer {
        let (secret, key) = self.parts(recipient);
        Signer::new(secret, &key)
    }

    /// The same, as its contract says.
    pub fn signer_as(&self, recipient: RecipientId, signatures: SignaturesAs) -> Signer {
        match signatures {
            SignaturesAs::Both => self.signer(recipient),
            SignaturesAs::Hmac => Signer::hmac(self.parts(recipient).0),
        }
    }

    /// What signs the files that are carried to a recipient: the same key as its webhooks, so there is one to hand over. A
    /// compact JWS has one dot before its signature and what a webhook signs has two: neither is ever the other.
    pub fn file_signer(&self, recipient: RecipientId) -> ReportSigner {
        ReportSigner::Ed25519(self.parts(recipient).1)
    }

    /// What the recipient verifies with.
    pub fn hand_over(&self, recipient: RecipientId) -> HandOver {
        let (secret, key) = self.parts(recipient);
        HandOver { secret: secret.show(), public: webhook::show_public(&key.verifying_key()) }
    }
}

/// One endpoint.
pub struct Webhook {
    client: Client,
    uri: Uri,
    signer: Signer,
    clock: Clock,
    tokens: Option<Tokens>,
    limit: Duration,
}

fn no_answer(why: NoAnswer) -> Sent {
    match why {
        NoAnswer::Timeout => Outcome::Failed(Why::Timeout).into(),
        NoAnswer::Forbidden => Outcome::Parked(Why::ForbiddenAddress).into(),
        NoAnswer::Connection | NoAnswer::TooLarge => Outcome::Failed(Why::Connection).into(),
    }
}

fn no_token(why: NoToken) -> Sent {
    match why {
        NoToken::Away(why) => no_answer(why),
        NoToken::Refused => Outcome::Failed(Why::NoToken).into(),
    }
}

impl Webhook {
    /// For a URL that was opened.
    ///
    /// # Errors
    /// The URL is not allowed, or no client can be made.
    pub fn new(
        url: &Personal<String>,
        signer: Signer,
        clock: Clock,
        limit: Duration,
        allow_private: bool,
    ) -> Result<Self, &'static str> {
        let text = url.disclose(Purpose::InstructRecipient);
        let address = address::read(text, allow_private).map_err(|_| "the address is not allowed")?;
        let uri = address.url.as_str().parse().map_err(|_| "the URL is not allowed")?;
        let may_reach: MayReach = if allow_private {
            |address| guard::may_reach(address, true)
        } else {
            |address| guard::may_reach(address, false)
        };
        let client = Client::with_tls(limit, may_reach, &address.tls).map_err(|_| "no HTTP client can be made")?;
        let tokens = match &address.oauth {
            None => None,
            // The client certificate and the pin are the webhook's: the token endpoint is another server.
            Some(credentials) => {
                let client = Client::new(limit, may_reach).map_err(|_| "no HTTP client can be made")?;
                Some(Tokens::new(client, credentials)?)
            }
        };
        Ok(Self { client, uri, signer, clock, tokens, limit })
    }

    /// One POST; a token that is refused is asked for anew, once. All of it within the total time.
    async fn post(&self, mut headers: HeaderMap, parcel: &Parcel) -> Result<Response<Incoming>, Sent> {
        let Some(tokens) = &self.tokens else {
            return self.client.send(Method::POST, &self.uri, headers, parcel.body.clone()).await.map_err(no_answer);
        };
        let token = tokens.header(None).await.map_err(no_token)?;
        headers.insert("authorization", token.clone());
        let first = self.client.send(Method::POST, &self.uri, headers.clone(), parcel.body.clone()).await;
        match first {
            Ok(response) if response.status() == StatusCode::UNAUTHORIZED => {
                headers.insert("authorization", tokens.header(Some(&token)).await.map_err(no_token)?);
                self.client.send(Method::POST, &self.uri, headers, parcel.body.clone()).await.map_err(no_answer)
            }
            other => other.map_err(no_answer),
        }
    }

    fn headers(&self, parcel: &Parcel) -> Option<HeaderMap> {
        let now = self.clock.now().as_second().try_into().unwrap_or(0);
        let signed = self.signer.sign(&parcel.instruction.to_string(), now, &parcel.body);
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert("content-type", HeaderValue::from_static(contracts::envelope::CONTENT_TYPE));
        headers.insert("user-agent", HeaderValue::from_static("madoguchi/1"));
        headers.insert(webhook::ID, HeaderValue::from_str(&signed.id).ok()?);
        headers.insert(webhook::TIMESTAMP, HeaderValue::from_str(&signed.timestamp).ok()?);
        headers.insert(webhook::SIGNATURE, HeaderValue::from_str(&signed.signature).ok()?);
        Some(headers)
    }
}

#[async_trait]
impl Transport for Webhook {
    async fn send(&self, parcel: &Parcel) -> Sent {
        // UUID, digits and base64 are always header values.
        let Some(headers) = self.headers(parcel) else { return Outcome::Failed(Why::Connection).into() };
        let response = match tokio::time::timeout(self.limit, self.post(headers, parcel)).await {
            Ok(Ok(response)) => response,
            Ok(Err(sent)) => return sent,
            Err(_) => return Outcome::Failed(Why::Timeout).into(),
        };
        let status = response.status().as_u16();
        let after = retry_after(response.headers().get("retry-after").and_then(|v| v.to_str().ok()));
        // The status is the answer. What follows is read a little, so that the connection can be used again; a slow or
        // endless body costs its sender the connection and us nothing.
        let _ = tokio::time::timeout(DRAIN, client::read(response.into_body(), ANSWER_MAX)).await;
        Sent { outcome: of_status(status, after), status: Some(status) }
    }
}
