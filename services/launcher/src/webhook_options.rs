//! What a webhook wants besides its URL: a client certificate, a pinned authority, OAuth 2.0 client credentials. With any of
//! them the address that is sealed is a JSON document instead of the URL (see opt-out propagation's `address`).

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The options.
#[derive(Debug, Default, Args)]
pub struct Wants {
    /// Mutual TLS: PEM file of the client certificate, its chain after it.
    #[arg(long, requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Mutual TLS: PEM file of its private key.
    #[arg(long, requires = "client_certificate")]
    client_key: Option<PathBuf>,
    /// PEM file of the only authorities that the server's certificate may come from.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// OAuth 2.0: the token endpoint.
    #[arg(long, requires_all = ["client_id", "client_secret_file"])]
    token_url: Option<String>,
    /// OAuth 2.0: the client's id.
    #[arg(long, requires = "token_url")]
    client_id: Option<String>,
    /// OAuth 2.0: a file with the client's secret, so that it stands on no command line.
    #[arg(long, requires = "token_url")]
    client_secret_file: Option<PathBuf>,
    /// OAuth 2.0: the scope, where the token endpoint wants one.
    #[arg(long, requires = "token_url")]
    token_scope: Option<String>,
}

fn read(flag: &str, path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("`{flag}` {}", path.display()))
}

impl Wants {
    /// What is sealed as the address: the URL as it is, or the document.
    pub(crate) fn address(&self, url: Option<&str>) -> anyhow::Result<Option<String>> {
        let mut document = Map::new();
        if let Some((certificate, key)) = self.client_certificate.as_deref().zip(self.client_key.as_deref()) {
            let certificate = read("--client-certificate", certificate)?;
            document.insert("client".into(), json!({ "certificate": certificate, "key": read("--client-key", key)? }));
        }
        if let Some(ca) = &self.ca {
            document.insert("ca".into(), Value::String(read("--ca", ca)?));
        }
        if let Some(token_url) = &self.token_url {
            let file = self.client_secret_file.as_deref().context("`--client-secret-file` is needed")?;
            let secret = read("--client-secret-file", file)?;
            let mut oauth =
                json!({ "token_url": token_url, "client_id": self.client_id, "client_secret": secret.trim() });
            if let Some(scope) = &self.token_scope {
                oauth["scope"] = json!(scope);
            }
            document.insert("oauth".into(), oauth);
        }
        if document.is_empty() {
            return Ok(url.map(str::to_owned));
        }
        ensure!(url.is_some(), "`--url` is needed: the other options say how to get there");
        document.insert("url".into(), json!(url));
        Ok(Some(Value::Object(document).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_options_it_is_the_url_and_with_them_a_document() {
        let url = Some("https://contractor.example/hook");
        assert_eq!(Wants::default().address(url).unwrap().as_deref(), url);
        assert_eq!(Wants::default().address(None).unwrap(), None);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let wants = Wants {
            client_certificate: file("c", "C"),
            client_key: file("k", "K"),
            ca: file("a", "A"),
            token_url: Some("https://login.example/token".into()),
            client_id: Some("desk".into()),
            client_secret_file: file("s", "secret\n"),
            token_scope: None,
        };
        assert!(wants.address(None).is_err());
        let document: Value = serde_json::from_str(&wants.address(url).unwrap().unwrap()).unwrap();
        assert_eq!(
            document,
            json!({ "url": url, "ca": "A", "client": { "certificate": "C", "key": "K" },
                    "oauth": { "token_url": "https://login.example/token", "client_id": "desk", "client_secret": "secret" } })
        );
        let gone = Wants { ca: Some(folder.path().join("gone")), ..Wants::default() };
        assert!(format!("{:#}", gone.address(url).unwrap_err()).contains("--ca"));
    }
}
