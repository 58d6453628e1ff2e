//! TLS of the client: aws-lc-rs, TLS 1.2 and 1.3, the roots compiled in, or a pinned authority in their place; a client certificate
//! where the other side wants one (mutual TLS). Nothing process-wide.

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{io, sync::Arc};

/// The most certificates in one chain or one pin.
const CHAIN_MAX: usize = 10;

/// What is asked for beyond the defaults.
#[derive(Default)]
pub struct Tls {
    roots: Option<Vec<CertificateDer<'static>>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// Why a PEM text cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTls {
    /// The client certificate or its key.
    #[error("client certificate: a PEM chain of at most {CHAIN_MAX} certificates and its PEM private key are needed")]
    Client,
    /// The authority.
    #[error("pinned authority: 1 to {CHAIN_MAX} PEM certificates are needed")]
    Authority,
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).take(CHAIN_MAX + 1).collect();
    chain.ok().filter(|chain| (1..=CHAIN_MAX).contains(&chain.len()))
}

impl Tls {
    /// From PEM texts: certificate chain and key of the client, and the authorities that the server's certificate must come
    /// from (instead of the roots compiled in).
    ///
    /// # Errors
    /// See [`NotTls`]; also when the key is not that of the certificate.
    pub fn from_pem(client: Option<(&str, &str)>, authority: Option<&str>) -> Result<Self, NotTls> {
        let roots = authority.map(|pem| certificates(pem).ok_or(NotTls::Authority)).transpose()?;
        let client = match client {
            None => None,
            Some((chain, key)) => {
                let chain = certificates(chain).ok_or(NotTls::Client)?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| NotTls::Client)?;
                Some((chain, key))
            }
        };
        let mentioned = client.is_some();
        let tls = Self { roots, client };
        // A key of another certificate, or an authority that is none, is found here and not at the first delivery.
        match tls.config() {
            Ok(_) => Ok(tls),
            Err(_) if mentioned => Err(NotTls::Client),
            Err(_) => Err(NotTls::Authority),
        }
    }

    pub(crate) fn config(&self) -> io::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.roots {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pinned) => {
                for one in pinned {
                    roots.add(one.clone()).map_err(io::Error::other)?;
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        match &self.client {
            None => Ok(config.with_no_client_auth()),
            Some((chain, key)) => {
                config.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(io::Error::other)
            }
        }
    }
}
