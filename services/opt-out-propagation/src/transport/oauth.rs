//! OAuth 2.0 client credentials (RFC 6749 section 4.4): one token per endpoint, kept until shortly before it ends.
//!
//! The token endpoint is asked by the same guarded client as the webhook: no redirect, no forbidden address, bounded answer
//! and time. Many deliveries at once ask once; a token that the webhook refuses is asked for anew once.

use crate::address::Credentials;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use base64::{Engine, engine::general_purpose::STANDARD};
use recipient_kit::client::{Client, NoAnswer};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// The most of a token endpoint's answer that is read, in bytes.
const ANSWER_MAX: usize = 16 * 1024;
/// A token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(30);
/// How long a token is used when the answer does not say until when it is good, and the longest in any case.
const UNSAID: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The endpoint did not answer in time, or not at all.
    Away(NoAnswer),
    /// It refused the client, or gave no bearer token.
    Refused,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Zeroizing<String>,
    token_type: String,
    expires_in: Option<u64>,
}

struct Token {
    header: HeaderValue,
    good_until: Instant,
}

/// Gives tokens for one endpoint.
pub struct Tokens {
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
    token: Mutex<Option<Token>>,
}

/// `application/x-www-form-urlencoded`, as RFC 6749 appendix B wants it also for the parts of Basic.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Tokens {
    /// For credentials that were looked at.
    ///
    /// # Errors
    /// The token URL is no URI.
    pub fn new(client: Client, credentials: &Credentials) -> Result<Self, &'static str> {
        let uri = credentials.token_url.as_str().parse().map_err(|_| "the token URL is not allowed")?;
        let pair =
            Zeroizing::new(format!("{}:{}", encoded(&credentials.client_id), encoded(&credentials.client_secret)));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
        let mut basic = HeaderValue::from_str(&basic).map_err(|_| "the client credentials are not allowed")?;
        basic.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", basic);
        headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert("accept", HeaderValue::from_static("application/json"));
        let scope = credentials.scope.as_deref().map(|s| format!("&scope={}", encoded(s))).unwrap_or_default();
        let body = Zeroizing::new(format!("grant_type=client_credentials{scope}").into_bytes());
        Ok(Self { client, uri, headers, body, token: Mutex::new(None) })
    }

    /// The `Authorization` header. `refused`: the one that the webhook answered with 401; another one is asked for, once.
    ///
    /// # Errors
    /// See [`NoToken`].
    pub async fn header(&self, refused: Option<&HeaderValue>) -> Result<HeaderValue, NoToken> {
        // Held while asking: everybody else waits for the same answer.
        let mut token = self.token.lock().await;
        let good = token.as_ref().filter(|t| Instant::now() < t.good_until && Some(&t.header) != refused);
        if let Some(good) = good {
            return Ok(good.header.clone());
        }
        *token = None;
        let fresh = self.fetch().await?;
        let header = fresh.header.clone();
        *token = Some(fresh);
        Ok(header)
    }

    async fn fetch(&self) -> Result<Token, NoToken> {
        let asked = Instant::now();
        let fetched =
            self.client.fetch(Method::POST, &self.uri, self.headers.clone(), self.body.to_vec(), ANSWER_MAX).await;
        let (status, _, body) = fetched.map_err(NoToken::Away)?;
        let body = Zeroizing::new(body);
        if !status.is_success() {
            return Err(if status.is_server_error() { NoToken::Away(NoAnswer::Connection) } else { NoToken::Refused });
        }
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| NoToken::Refused)?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(NoToken::Refused);
        }
        let bearer = Zeroizing::new(format!("Bearer {}", *answer.access_token));
        let mut header = HeaderValue::from_str(&bearer).map_err(|_| NoToken::Refused)?;
        header.set_sensitive(true);
        Ok(Token { header, good_until: asked + life(answer.expires_in) })
    }
}

/// How long a token is used: until [`MARGIN`] before its end; one with less than that serves what waits for it now.
fn life(expires_in: Option<u64>) -> Duration {
    expires_in.map_or(UNSAID, Duration::from_secs).min(LONGEST).saturating_sub(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        for (wanted, said) in [(270, None), (3570, Some(3600)), (0, Some(10)), (86_370, Some(u64::MAX))] {
            assert_eq!(life(said), Duration::from_secs(wanted), "{said:?}");
        }
        assert_eq!(encoded("a b&c=é"), "a+b%26c%3D%C3%A9");
    }
}
