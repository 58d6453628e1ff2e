//! A small HTTP/1.1 client that is bounded in everything: total time, bytes of the answer, addresses that may be dialled.
//!
//! No redirect is followed, no proxy of the environment used, no cookie kept. Addresses are looked at when they are dialled,
//! for every new connection: the resolver hands out all of a name's addresses or, if one of them may not be reached, none,
//! so that nobody can mix. TLS is ring with the roots compiled in, handed to this client: nothing process-wide.

use crate::client_tls::Tls;
use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri},
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client as Pool,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;

/// Connections kept per host.
const IDLE_MAX: usize = 10;
/// How long one is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Which addresses may be dialled.
pub type MayReach = fn(IpAddr) -> bool;

/// Every address.
pub const fn anywhere(_: IpAddr) -> bool {
    true
}

/// A name resolves to an address that may not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that may not be reached")]
struct Forbidden;

#[derive(Clone)]
struct Guarded(MayReach);

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, name: Name) -> Self::Future {
        let may_reach = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.iter().any(|a| !may_reach(a.ip())) {
                return Err(Forbidden.into());
            }
            Ok(found.into_iter())
        })
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// No connection, or it broke.
    #[error("no connection, or it broke")]
    Connection,
    /// The total time is over.
    #[error("no answer in time")]
    Timeout,
    /// An address that may not be reached.
    #[error("the address may not be reached")]
    Forbidden,
    /// The answer is larger than asked for.
    #[error("the answer is too large")]
    TooLarge,
}

/// The client; keeps its connections. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
    may_reach: MayReach,
    limit: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[HTTP client, at most {:?}]", self.limit)
    }
}

impl Client {
    /// `limit`: the longest that name, connection, TLS, request and headers may take together.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(limit: Duration, may_reach: MayReach) -> io::Result<Self> {
        Self::with_tls(limit, may_reach, &Tls::default())
    }

    /// The same with a client certificate or a pinned authority.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn with_tls(limit: Duration, may_reach: MayReach, tls: &Tls) -> io::Result<Self> {
        let tls = tls.config()?;
        let mut http = HttpConnector::new_with_resolver(Guarded(may_reach));
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(limit));
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(https);
        Ok(Self { pool, may_reach, limit })
    }

    /// Sends and gives the answer as soon as its headers are in.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub async fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, NoAnswer> {
        // Connectors skip the resolver for an address written as such.
        let literal = uri.host().map(|h| h.trim_start_matches('[').trim_end_matches(']')).and_then(|h| h.parse().ok());
        if literal.is_some_and(|address| !(self.may_reach)(address)) {
            return Err(NoAnswer::Forbidden);
        }
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        match tokio::time::timeout(self.limit, self.pool.request(request)).await {
            Err(_) => Err(NoAnswer::Timeout),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(why(&error)),
        }
    }

    /// Sends and reads the whole answer, at most `bytes` of it, within the total time.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub async fn fetch(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Vec<u8>,
        bytes: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), NoAnswer> {
        let whole = async {
            let (head, body) = self.send(method, uri, headers, body).await?.into_parts();
            let read = read(body, bytes).await?;
            Ok((head.status, head.headers, read))
        };
        tokio::time::timeout(self.limit, whole).await.unwrap_or(Err(NoAnswer::Timeout))
    }
}

/// Reads a body to its end, at most `bytes`.
///
/// # Errors
/// It is longer, or the connection broke.
pub async fn read(mut body: Incoming, bytes: usize) -> Result<Vec<u8>, NoAnswer> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| NoAnswer::Connection)?.into_data() else { continue };
        if read.len() + data.len() > bytes {
            return Err(NoAnswer::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

fn why(error: &(dyn Error + 'static)) -> NoAnswer {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if one.is::<Forbidden>() {
            return NoAnswer::Forbidden;
        }
        if one.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::TimedOut) {
            return NoAnswer::Timeout;
        }
        cause = one.source();
    }
    NoAnswer::Connection
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, routing::post};

    async fn server() -> String {
        let router = Router::new().route("/", post(|body: Bytes| async move { body }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://localhost:{port}/")
    }

    #[tokio::test]
    async fn names_that_lead_inside_are_not_dialled_and_answers_are_bounded() {
        let (url, limit) = (server().await, Duration::from_secs(30));
        let open = Client::new(limit, anywhere).unwrap();
        let shut = Client::new(limit, |address| !address.is_loopback()).unwrap();
        let uri: Uri = url.parse().unwrap();
        let ask = async |client: &Client, uri: &Uri, bytes| {
            client.fetch(Method::POST, uri, HeaderMap::new(), b"hello".to_vec(), bytes).await.map(|(_, _, body)| body)
        };
        assert_eq!(ask(&open, &uri, 5).await, Ok(b"hello".to_vec()));
        assert_eq!(ask(&open, &uri, 4).await, Err(NoAnswer::TooLarge));
        assert_eq!(ask(&shut, &uri, 5).await, Err(NoAnswer::Forbidden), "by name");
        let literal: Uri = url.replace("localhost", "127.0.0.1").parse().unwrap();
        assert_eq!(ask(&shut, &literal, 5).await, Err(NoAnswer::Forbidden), "by address");
        let nobody: Uri = "http://127.0.0.1:1/".parse().unwrap();
        assert_eq!(ask(&open, &nobody, 5).await, Err(NoAnswer::Connection));
    }

    #[tokio::test]
    async fn silence_ends() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let client = Client::new(Duration::from_millis(50), anywhere).unwrap();
        let sent = client.send(Method::POST, &uri, HeaderMap::new(), Vec::new()).await;
        assert_eq!(sent.err(), Some(NoAnswer::Timeout));
    }
}
