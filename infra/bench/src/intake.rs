//! `intake`: durable accepts per second over HTTP with 1, 8 and 32 clients, beside the rate at which the same PostgreSQL
//! commits a bare insert of the same bytes from as many connections. The same driver on both sides.

use crate::report::{self, percentile};
use anyhow::ensure;
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

const CLIENTS: [usize; 3] = [1, 8, 32];

struct Measured {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
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
    let bytes = body.to_string().len();
    let admin = up.place.databases.admin(&up.place.databases.data)?;
    let mut db = PgConnection::connect(&admin).await?;
    sqlx::raw_sql("create table if not exists public.bare (id uuid primary key, body bytea not null)")
        .execute(&mut db)
        .await?;

    let (mut figures, mut limit, mut ratio) = (Map::new(), Map::new(), Map::new());
    let filed = Arc::new(AtomicU64::new(0));
    for clients in CLIENTS {
        let time = Duration::from_secs(seconds);
        let bare = drive(clients, time, || bare_insert(&admin, bytes)).await?;
        let accepts = drive(clients, time, || accept(&up.addresses.desk, &body, filed.clone())).await?;
        let name = clients.to_string();
        eprintln!("{clients} clients: {:.0} accepts/s, {:.0} bare inserts/s", accepts.per_second, bare.per_second);
        figures.insert(
            name.clone(),
            json!({ "accepts_per_second": accepts.per_second, "p50_ms": accepts.p50_ms, "p99_ms": accepts.p99_ms }),
        );
        limit.insert(
            name.clone(),
            json!({ "inserts_per_second": bare.per_second, "p50_ms": bare.p50_ms, "p99_ms": bare.p99_ms }),
        );
        ratio.insert(name, json!(accepts.per_second / bare.per_second));
    }
    figures.insert("drain_cases_per_second".into(), json!(drain(&mut db, filed.load(Ordering::Relaxed)).await?));
    figures.insert("body_bytes".into(), json!(bytes));
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

/// One client with a connection that stays open.
async fn accept(
    desk: &str,
    body: &Value,
    filed: Arc<AtomicU64>,
) -> anyhow::Result<impl FnMut() -> futures::future::BoxFuture<'static, anyhow::Result<()>> + Send + 'static> {
    let (desk, body) = (story::Desk::new(desk)?, Arc::new(body.clone()));
    Ok(move || {
        let (desk, body, filed) = (desk.clone(), body.clone(), filed.clone());
        Box::pin(async move {
            desk.file(&uuid::Uuid::now_v7().to_string(), &body).await?;
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
