//! The address of a webhook as it lies sealed in `endpoint.url`: a URL, or a JSON document with the URL and how to get there.
//!
//! ```json
//! { "url": "https://…",
//!   "client": { "certificate": "-----BEGIN CERTIFICATE…", "key": "-----BEGIN PRIVATE KEY…" },
//!   "ca": "-----BEGIN CERTIFICATE…",
//!   "oauth": { "token_url": "https://…", "client_id": "…", "client_secret": "…", "scope": "…" } }
//! ```
//!
//! `client`: mutual TLS. `ca`: the only authorities that the server's certificate may come from. `oauth`: OAuth 2.0 client
//! credentials (RFC 6749 section 4.4); the token endpoint passes the same guard as the webhook. All of it is secret or may be:
//! so it is sealed as the URL is, and never shown.

use crate::guard;
use contracts::Code;
use recipient_kit::client_tls::{NotTls, Tls};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

/// The longest document, in bytes.
const DOCUMENT_MAX: usize = 32 * 1024;
/// The longest client id, secret and scope, in bytes.
const WORD_MAX: usize = 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    url: String,
    client: Option<Client>,
    ca: Option<String>,
    oauth: Option<OAuth>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    certificate: String,
    key: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OAuth {
    token_url: String,
    client_id: String,
    client_secret: Zeroizing<String>,
    scope: Option<String>,
}

/// Client credentials that were looked at. No `Debug`: the secret is in it.
pub struct Credentials {
    /// Where tokens are given.
    pub token_url: Url,
    /// Who asks.
    pub client_id: String,
    /// What it shows.
    pub client_secret: Zeroizing<String>,
    /// For what, where the other side wants to know.
    pub scope: Option<String>,
}

/// An address that was looked at.
pub struct WebhookAddress {
    /// Where to POST.
    pub url: Url,
    /// How TLS is made.
    pub tls: Tls,
    /// How tokens are had, where they are needed.
    pub oauth: Option<Credentials>,
}

/// Reads it.
///
/// # Errors
/// `address-malformed`, `url-not-allowed`, `client-certificate-unreadable`, `ca-unreadable`, `token-url-not-allowed`,
/// `client-credentials-malformed`.
pub fn read(text: &str, allow_private: bool) -> Result<WebhookAddress, Code> {
    let url = |text: &str, why| guard::url(text, allow_private).map_err(|_| Code::of(why));
    if !text.trim_start().starts_with('{') {
        return Ok(WebhookAddress { url: url(text, "url-not-allowed")?, tls: Tls::default(), oauth: None });
    }
    let malformed = || Code::of("address-malformed");
    if text.len() > DOCUMENT_MAX {
        return Err(malformed());
    }
    let document: Document = serde_json::from_str(text).map_err(|_| malformed())?;
    let client = document.client.as_ref().map(|c| (c.certificate.as_str(), c.key.as_str()));
    let tls = Tls::from_pem(client, document.ca.as_deref()).map_err(|why| match why {
        NotTls::Client => Code::of("client-certificate-unreadable"),
        NotTls::Authority => Code::of("ca-unreadable"),
    })?;
    let oauth = match document.oauth {
        None => None,
        Some(o) => {
            let word = |text: &str| (1..=WORD_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
            if !(word(&o.client_id) && word(&o.client_secret) && o.scope.as_deref().is_none_or(word)) {
                return Err(Code::of("client-credentials-malformed"));
            }
            Some(Credentials {
                token_url: url(&o.token_url, "token-url-not-allowed")?,
                client_id: o.client_id,
                client_secret: o.client_secret,
                scope: o.scope,
            })
        }
    };
    Ok(WebhookAddress { url: url(&document.url, "url-not-allowed")?, tls, oauth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CERTIFICATE: &str = include_str!("../tests/it/tls/client.pem");
    const KEY: &str = include_str!("../tests/it/tls/client.key");
    const OTHER_KEY: &str = include_str!("../tests/it/tls/server.key");
    const CA: &str = include_str!("../tests/it/tls/ca.pem");

    fn reason(text: &str) -> Option<String> {
        read(text, false).err().map(|c| c.to_string())
    }

    #[test]
    fn an_address_is_a_url_or_a_document_and_every_part_is_looked_at() {
        let base = json!({
            "url": "https://contractor.example/hook",
            "client": { "certificate": CERTIFICATE, "key": KEY },
            "ca": CA,
            "oauth": { "token_url": "https://login.example/token", "client_id": "desk", "client_secret": "s", "scope": "stops" },
        });
        assert_eq!(reason("https://contractor.example/hook"), None);
        assert_eq!(reason("http://contractor.example/hook").as_deref(), Some("url-not-allowed"));
        let whole = read(&base.to_string(), false).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(whole.oauth.map(|o| o.client_id).as_deref(), Some("desk"));
        for (wanted, pointer, value) in [
            ("url-not-allowed", "/url", json!("https://169.254.169.254/")),
            ("token-url-not-allowed", "/oauth/token_url", json!("https://10.0.0.1/token")),
            ("token-url-not-allowed", "/oauth/token_url", json!("http://login.example/token")),
            ("client-credentials-malformed", "/oauth/client_secret", json!("")),
            ("client-credentials-malformed", "/oauth/scope", json!("a\nb")),
            ("client-certificate-unreadable", "/client/certificate", json!("nonsense")),
            ("client-certificate-unreadable", "/client/key", json!(OTHER_KEY)),
            ("ca-unreadable", "/ca", json!("")),
            ("address-malformed", "/client", json!({ "certificate": CERTIFICATE })),
        ] {
            let mut changed = base.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_eq!(reason(&changed.to_string()).as_deref(), Some(wanted), "{pointer}");
        }
        assert_eq!(reason(r#"{"url":"https://a.example/","more":1}"#).as_deref(), Some("address-malformed"));
        assert_eq!(reason(&format!("{{{}", " ".repeat(DOCUMENT_MAX))).as_deref(), Some("address-malformed"));
    }
}
