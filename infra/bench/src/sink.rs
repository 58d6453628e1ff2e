//! Where webhooks arrive: a process of its own, so that its work is not counted as the service's. It answers at once, never,
//! a byte at a time or without end, as its path says, and notes when what arrived.

use anyhow::{Context, ensure};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{any, get},
};
use chassis::Clock;
use contracts::Uuid;
use futures::stream;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Between two bytes of a slow answer.
const DRIP: Duration = Duration::from_secs(1);

/// When each delivery arrived, in seconds since the first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen(Vec<f64>);

impl Seen {
    pub fn count(&self) -> usize {
        self.0.len()
    }
    /// From the first to the last.
    pub fn seconds(&self) -> f64 {
        self.0.last().copied().unwrap_or_default().max(f64::EPSILON)
    }
    /// Pauses between one arrival and the next, sorted.
    pub fn gaps_ms(&self) -> Vec<f64> {
        let mut gaps: Vec<f64> = self.0.windows(2).map(|w| (w[1] - w[0]) * 1e3).collect();
        gaps.sort_by(f64::total_cmp);
        gaps
    }
}

/// A running sink.
pub struct Sink {
    process: Child,
    address: SocketAddr,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sink {
    pub async fn start() -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?).arg("sink").stdout(Stdio::piped()).spawn()?;
        let output = tokio::process::ChildStdout::from_std(process.stdout.take().context("no output")?)?;
        let line = BufReader::new(output).lines().next_line().await?.context("the sink said nothing")?;
        Ok(Self { process, address: line.parse()? })
    }
    pub fn path(&self, kind: &str, n: usize) -> String {
        format!("/{kind}/{n}")
    }
    pub fn url(&self, kind: &str, n: usize) -> String {
        format!("http://{}{}", self.address, self.path(kind, n))
    }
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Client(sender))
    }
    pub async fn seen(&self) -> anyhow::Result<Seen> {
        Ok(serde_json::from_slice(&self.connect().await?.get("/seen").await?)?)
    }
    /// When each message arrived first, by its id, in seconds of the wall clock.
    pub async fn by_id(&self) -> anyhow::Result<HashMap<Uuid, f64>> {
        Ok(serde_json::from_slice(&self.connect().await?.get("/by-id").await?)?)
    }
    /// Waits until so many arrived.
    pub async fn until(&self, wanted: usize, patience: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut client = self.connect().await?;
        loop {
            let count: usize = String::from_utf8(client.get("/count").await?)?.parse()?;
            if count >= wanted {
                return Ok(());
            }
            ensure!(begun.elapsed() < patience, "{count} of {wanted} deliveries arrived");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One kept connection.
pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        self.send(Request::get(path).header("Host", "sink").body(Full::default())?).await
    }
    pub async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<()> {
        self.send(Request::post(path).header("Host", "sink").body(Full::new(body))?).await.map(drop)
    }
    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Vec<u8>> {
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        ensure!(response.status().is_success(), "the sink answered {}", response.status());
        Ok(response.into_body().collect().await?.to_bytes().to_vec())
    }
}

/// When what arrived, and by its id, where it has one, when on the wall clock, in seconds.
#[derive(Default)]
struct Book {
    at: Vec<Instant>,
    by_id: HashMap<Uuid, f64>,
}

type Arrivals = Arc<Mutex<Book>>;

/// The sink's own process: says its address and serves until it is killed.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let arrivals = Arrivals::default();
    let router = Router::new()
        .route("/ok/{n}", any(ok))
        .route("/hang/{n}", any(|_: Bytes| std::future::pending::<StatusCode>()))
        .route("/drip/{n}", any(|_: Bytes| async { endless(DRIP) }))
        .route("/endless/{n}", any(|_: Bytes| async { endless(Duration::ZERO) }))
        .route("/count", get(|State(a): State<Arrivals>| async move { lock(&a).at.len().to_string() }))
        .route("/seen", get(seen))
        .route("/by-id", get(by_id))
        .with_state(arrivals);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

fn lock(arrivals: &Arrivals) -> std::sync::MutexGuard<'_, Book> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ok(State(arrivals): State<Arrivals>, headers: HeaderMap, _: Bytes) -> StatusCode {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let mut book = lock(&arrivals);
    book.at.push(Instant::now());
    if let Some(id) = id {
        book.by_id.entry(id).or_insert_with(wall_seconds);
    }
    StatusCode::NO_CONTENT
}

/// The wall clock that both processes read, in seconds.
pub fn wall_seconds() -> f64 {
    Clock::system().now().as_nanosecond() as f64 / 1e9
}

async fn by_id(State(arrivals): State<Arrivals>) -> String {
    serde_json::to_string(&lock(&arrivals).by_id).unwrap_or_default()
}

async fn seen(State(arrivals): State<Arrivals>) -> String {
    let arrivals = &lock(&arrivals).at;
    let first = arrivals.first().copied().unwrap_or_else(Instant::now);
    let since: Vec<f64> = arrivals.iter().map(|at| at.duration_since(first).as_secs_f64()).collect();
    serde_json::to_string(&Seen(since)).unwrap_or_default()
}

/// A good status, and a body that never ends.
fn endless(pause: Duration) -> Response {
    let body = stream::unfold((), move |()| async move {
        let piece = if pause.is_zero() { Bytes::from_static(&[b'x'; 16 * 1024]) } else { Bytes::from_static(b"x") };
        tokio::time::sleep(pause).await;
        Some((Ok::<_, std::io::Error>(piece), ()))
    });
    Response::new(Body::from_stream(body))
}
