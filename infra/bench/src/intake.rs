//! `intake`: durable accepts per second over HTTP with 1, 8 and 32 clients, beside the rate at which the same PostgreSQL
//! commits a bare insert of the same bytes from as many connections. The same driver on both sides.
//!
//! Measured twice: the door alone, as in production where it is a machine of its own, and the whole house in one process,
//! where the cases behind the filings are made at the same time on the same cores. The ratio is that of the door alone; the
//! whole house stands beside it. Then the rate at which the cases are made.

use crate::report::{self, percentile};
use anyhow::ensure;
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use hyper_util::rt::TokioIo;
use launcher::{Up, story};
use serde_json::{Map, Value, json};
use sqlx::{Connection, PgConnection};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

const CLIENTS: [usize; 3] = [1, 8, 32];

struct Measured {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Measured {
    fn json(&self, rate: &str) -> Value {
        json!({ rate: self.per_second, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms })
    }
}

/// Runs `clients` loops for a time; each makes its own worker and repeats it one after the other.
async fn drive<F, Fut, W, WFut>(clients: usize, time: Duration, make: F) -> anyhow::Result<Measured>
where
    F: Fn() -> Fut,
    Fut: Future<Output = anyhow::Result<W>>,
    W: FnMut() -> WFut + Send + 'static,
    WFut: Future<Output = anyhow::Result<()>> + Send,
{
    let mut tasks = vec![];
    let mut workers = vec![];
    for _ in 0..clients {
        workers.push(make().await?);
    }
    let begun = Instant::now();
    for mut work in workers {
        tasks.push(tokio::spawn(async move {
            let mut times = vec![];
            while begun.elapsed() < time {
                let at = Instant::now();
                work().await?;
                times.push(at.elapsed().as_secs_f64() * 1000.0);
            }
            anyhow::Ok(times)
        }));
    }
    let mut all = vec![];
    for task in tasks {
        all.extend(task.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    all.sort_by(f64::total_cmp);
    Ok(Measured {
        per_second: all.len() as f64 / seconds,
        p50_ms: percentile(&all, 0.5),
        p99_ms: percentile(&all, 0.99),
    })
}

pub async fn run(seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let quiet =
        [("ops.log".to_owned(), "off".to_owned()), ("door.filings_per_minute".to_owned(), "100000000".to_owned())];
    let up = Up::start(&args, folder.path(), &quiet, &|t| eprintln!("{t}")).await?;
    let person = story::person("見本 花子", "ミホン ハナコ", "1980-02-29", "sample@mail.example");
    let body = story::opt_out_of(&person);
    let admin = up.place.databases.admin(&up.place.databases.data)?;
    let mut db = PgConnection::connect(&admin).await?;
    sqlx::raw_sql("create table if not exists public.bare (id uuid primary key, body bytea not null)")
        .execute(&mut db)
        .await?;

    let (mut figures, mut limit, mut ratio) = (Map::new(), Map::new(), Map::new());
    let filed = Arc::new(AtomicU64::new(0));
    let time = Duration::from_secs(seconds);
    let up = up.only(&["door"]).await?;
    // What an accept stores is what the bare insert stores: the sealed filing.
    let mut first = accept(&up.addresses.desk, &body, filed.clone()).await?;
    first().await?;
    let bytes: i32 =
        sqlx::query_scalar("select octet_length(sealed) from door.filing limit 1").fetch_one(&mut db).await?;
    let bytes = usize::try_from(bytes)?;
    for clients in CLIENTS {
        let bare = drive(clients, time, || bare_insert(&admin, bytes)).await?;
        let accepts = drive(clients, time, || accept(&up.addresses.desk, &body, filed.clone())).await?;
        eprintln!("{clients} clients: {:.0} accepts/s, {:.0} bare inserts/s", accepts.per_second, bare.per_second);
        figures.insert(clients.to_string(), accepts.json("accepts_per_second"));
        limit.insert(clients.to_string(), bare.json("inserts_per_second"));
        ratio.insert(clients.to_string(), json!(accepts.per_second / bare.per_second));
    }
    let up = up.only(launcher::NAMES).await?;
    figures.insert("drain_cases_per_second".into(), json!(drain(&mut db, filed.load(Ordering::Relaxed)).await?));
    for clients in CLIENTS {
        let accepts = drive(clients, time, || accept(&up.addresses.desk, &body, filed.clone())).await?;
        eprintln!("{clients} clients, whole house: {:.0} accepts/s", accepts.per_second);
        figures.insert(format!("{clients}_whole_house"), accepts.json("accepts_per_second"));
    }
    figures.insert("stored_bytes".into(), json!(bytes));
    report::print("intake", Value::Object(figures), Value::Object(limit), Value::Object(ratio), 0);
    up.stop().await
}

/// One connection, one row per statement, committed before it returns.
async fn bare_insert(
    url: &str,
    bytes: usize,
) -> anyhow::Result<impl FnMut() -> futures::future::BoxFuture<'static, anyhow::Result<()>> + Send + 'static> {
    let db = Arc::new(tokio::sync::Mutex::new(PgConnection::connect(url).await?));
    let body: Arc<[u8]> = std::iter::repeat_with(rand::random).take(bytes).collect::<Vec<u8>>().into();
    Ok(move || {
        let (db, body) = (db.clone(), body.clone());
        Box::pin(async move {
            let mut db = db.lock().await;
            sqlx::query("insert into public.bare (id, body) values ($1, $2)")
                .bind(uuid::Uuid::now_v7())
                .bind(&*body)
                .execute(&mut *db)
                .await?;
            Ok(())
        }) as futures::future::BoxFuture<'static, anyhow::Result<()>>
    })
}

/// One client with a connection that stays open; no more of a client than HTTP needs, as the other side has no more of a
/// driver than SQL needs.
async fn accept(
    desk: &str,
    body: &Value,
    filed: Arc<AtomicU64>,
) -> anyhow::Result<impl FnMut() -> futures::future::BoxFuture<'static, anyhow::Result<()>> + Send + 'static> {
    let address = desk.trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (sender, body) = (Arc::new(tokio::sync::Mutex::new(sender)), Bytes::from(body.to_string()));
    Ok(move || {
        let (sender, body, filed, address) = (sender.clone(), body.clone(), filed.clone(), address.clone());
        Box::pin(async move {
            let request = Request::post("/api/v1/requests")
                .header("Host", &address)
                .header("Idempotency-Key", uuid::Uuid::now_v7().to_string())
                .header("Content-Type", "application/json")
                .body(Full::new(body))?;
            let mut sender = sender.lock().await;
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let answer = response.into_body().collect().await?.to_bytes();
            ensure!(status == 201, "filing: {status} {}", String::from_utf8_lossy(&answer));
            filed.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }) as futures::future::BoxFuture<'static, anyhow::Result<()>>
    })
}

/// How fast the cases behind the filings are made once the door is quiet: the rate over ten seconds or until none waits.
async fn drain(db: &mut PgConnection, filed: u64) -> anyhow::Result<f64> {
    let count = "select count(*) from intake.cases";
    let first: i64 = sqlx::query_scalar(count).fetch_one(&mut *db).await?;
    ensure!(filed > 0, "nothing was filed");
    let begun = Instant::now();
    let mut last = first;
    while begun.elapsed() < Duration::from_secs(10) && (last as u64) < filed {
        tokio::time::sleep(Duration::from_millis(200)).await;
        last = sqlx::query_scalar(count).fetch_one(&mut *db).await?;
    }
    Ok((last - first) as f64 / begun.elapsed().as_secs_f64())
}
