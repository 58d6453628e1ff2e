//! `replay`: a recipient that restored a backup asks for everything again, page after page over the pull feed, each request
//! signed. Beside it the same rows read from PostgreSQL by a bare loop in pages of the same size.

use crate::{report, webhooks::backlog};
use anyhow::{Context, ensure};
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use contracts::{Code, RecipientId, StaffId, Transport};
use launcher::{
    Up,
    story::{self, Contractor},
};
use opt_out_propagation::feed::PAGE;
use recipient_kit::{
    client::{self, Client},
    http, pull,
};
use serde::de::IgnoredAny;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

/// Rows made in one statement.
const ROWS: i64 = 50_000;
/// The most bytes of one page.
const PAGE_MAX: usize = 16 * 1024 * 1024;

pub async fn run(positions: i64) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("madoguchi-bench")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()?;
    let args = launcher::UpArgs { port: Some(0), ..Default::default() };
    let up = Up::start(&args, folder.path(), &[("ops.log".to_owned(), "off".to_owned())], &|_| ()).await?;
    let contractor = Contractor::open(&folder.path().join("one"), RecipientId::new(), Code::of("one"))?;
    let new = contractor.registration(Transport::Pull, None, None);
    let order = console::command::By::new(StaffId::new(), "benchmark");
    story::done(up.commands().await?.register_recipient(order, new).await?)?;
    // One true instruction; the others have its bytes.
    let up = up.only(&["steward"]).await?;
    backlog(&up, 1).await?;
    let up = up.only(&["steward", "opt-out-propagation"]).await?;
    let partner = up.addresses.partner.clone();
    let mut db = PgConnection::connect(&up.place.databases.admin(&up.place.databases.data)?).await?;
    // The triggers name their tables as the service does.
    sqlx::query("set search_path to optout").execute(&mut db).await?;
    fill(&mut db, &contractor, positions).await?;

    let bare = bare(&mut db, &contractor).await?;
    let begun = Instant::now();
    let (taken, bytes) = everything(&contractor, &partner).await?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(taken == positions, "{taken} of {positions} positions came");
    up.stop().await?;
    let rate = positions as f64 / seconds;
    let figures = json!({ "positions": positions, "bytes": bytes, "seconds": seconds, "positions_per_second": rate });
    let limit = json!({ "positions_per_second": 20_000, "bare_rows_per_second": bare });
    report::print("replay", figures, limit, json!({ "of_bare_rows": rate / bare, "of_wanted": rate / 20_000.0 }), 0);
    Ok(())
}

async fn fill(db: &mut PgConnection, contractor: &Contractor, positions: i64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let first: i64 = sqlx::query_scalar("select count(*) from optout.delivery").fetch_one(&mut *db).await?;
        if first == 1 {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "the first instruction was not issued");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut last = 1;
    while last < positions {
        let next = (last + ROWS).min(positions);
        sqlx::query(
            "insert into optout.delivery (recipient, position, epoch, instruction, endpoint, entry, digest, body)
             select recipient, n, epoch, gen_random_uuid(), endpoint, gen_random_uuid(), digest, body
               from optout.delivery, generate_series($1::bigint, $2::bigint) n where position = 1 and recipient = $3",
        )
        .bind(last + 1)
        .bind(next)
        .bind(contractor.id.0)
        .execute(&mut *db)
        .await?;
        last = next;
        eprintln!("{last} positions made");
    }
    sqlx::query("update optout.recipient set last = $1 where id = $2")
        .bind(positions)
        .bind(contractor.id.0)
        .execute(&mut *db)
        .await?;
    Ok(())
}

/// The limit: the rows alone.
async fn bare(db: &mut PgConnection, contractor: &Contractor) -> anyhow::Result<f64> {
    let (begun, mut after, mut rows) = (Instant::now(), 0i64, 0usize);
    loop {
        let page: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select position, body from optout.delivery where recipient = $1 and position > $2 order by position limit $3",
        )
        .bind(contractor.id.0)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *db)
        .await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        rows += page.len();
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

/// Page after page until the last; how many bodies came, and how many bytes.
async fn everything(contractor: &Contractor, partner: &str) -> anyhow::Result<(i64, usize)> {
    let client = Client::new(Duration::from_secs(60), client::anywhere)?;
    let (mut cursor, mut taken, mut bytes) = ("0.0".to_owned(), 0, 0);
    loop {
        let path = format!("/partner/v1/instructions?after={cursor}");
        let now = http::now().as_second().try_into()?;
        let mut headers = HeaderMap::new();
        for (name, value) in pull::sign(&contractor.keys.signing, contractor.id, now, "GET", &path) {
            headers.insert(name, HeaderValue::from_str(&value)?);
        }
        let uri: Uri = format!("{partner}{path}").parse()?;
        let response = client.send(Method::GET, &uri, headers, vec![]).await?;
        ensure!(response.status().is_success(), "the desk answered {}", response.status());
        let at = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (next, last) = (at(pull::CURSOR).context("no cursor")?, at(pull::LAST).context("no last position")?);
        let page = client::read(response.into_body(), PAGE_MAX).await?;
        taken += i64::try_from(serde_json::from_slice::<Vec<IgnoredAny>>(&page)?.len())?;
        bytes += page.len();
        cursor = next;
        if cursor == last {
            return Ok((taken, bytes));
        }
    }
}
