//! A fan-out of many opt-outs to many recipients, while everything dies: the register's processes, the recipients, NATS, and
//! once all of its streams. It ends with every instruction reported exactly once in effect, no body at the wrong recipient,
//! and no person needed.
//!
//! 16 opt-outs to 6 recipients as it stands; 1,000 to 50 with `MADOGUCHI_HEAVY=1`, for which `--release` is meant: on two
//! cores it takes a quarter of an hour there.

use super::{chaos::seeds, nats::vandal};
use crate::journey::{
    child::Child,
    desk::{Desk, Filed, Plan},
    people::{Person, opt_out_until_confirmed},
    recipients::{Recipient, at_work},
    reckoning::{self, Told},
};
use contracts::EndedAs;
use futures::{StreamExt, stream};
use launcher::NAMES;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use sqlx::{Connection, PgConnection};
use testkit::eventually;
use tokio::sync::Mutex;

struct Size {
    stops: usize,
    recipients: usize,
    processes: usize,
    /// Of each kind of break.
    breaks: usize,
}

fn size() -> Size {
    if std::env::var_os("MADOGUCHI_HEAVY").is_some() {
        Size { stops: 1_000, recipients: 50, processes: 10, breaks: 8 }
    } else {
        Size { stops: 16, recipients: 6, processes: 3, breaks: 1 }
    }
}

/// The heavy run looks as often as a desk does by default: what a test's haste adds is a third of both cores, as long as
/// there is work for all of them.
fn settings() -> Vec<(&'static str, String)> {
    let mut settings = vec![("door.filings_per_minute", "100000"), ("house.connections", "6")];
    if std::env::var_os("MADOGUCHI_HEAVY").is_some() {
        settings.extend([
            ("bus.poll_ms", "1000"),
            ("bus.repeat_base_ms", "2000"),
            ("bus.repeat_cap_ms", "10000"),
            ("intake.poll_ms", "1000"),
            ("optout.poll_ms", "1000"),
        ]);
    }
    settings.into_iter().map(|(key, value)| (key, value.to_owned())).collect()
}

#[derive(Clone, Copy, Debug)]
enum Break {
    Register,
    Service,
    Recipients,
    Nats,
    Streams,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_with_everything_dying_ends_with_each_instruction_reported_once() {
    let size = size();
    // One seed: a night's run is `MADOGUCHI_HEAVY=1` with seeds of its own.
    let seed = *seeds().last().unwrap();
    println!("seed {seed}: MADOGUCHI_SEED={seed} repeats it");
    let desk = Desk::with(Plan { apart: true, settings: settings(), ..Plan::default() }).await;
    let (recipients, mut children) = at_work(&desk, size.recipients, size.processes).await;

    let stops = stream::iter((0..size.stops).map(Person::number))
        .map(|person| {
            let desk = &desk;
            async move { opt_out_until_confirmed(desk, &person).await }
        })
        .buffer_unordered(8)
        .collect::<Vec<Filed>>();
    let breaking = breaks(&desk, &mut children, &size, seed);
    let (stops, ()) = tokio::join!(stops, breaking);

    // As long as something moves, it is waited for: first the reports, then what the register's facts set in motion.
    let all = (size.stops * size.recipients) as i64;
    let db = Mutex::new(connection(&desk).await);
    let settled = "select count(*) from optout.instruction where state ->> 'status' = 'settled'";
    grows(&db, "another instruction is settled", settled, all).await;
    let confirmed = "select count(*) from intake.history where event ->> 'event' = 'ended'";
    grows(&db, "another stop is confirmed to its person", confirmed, size.stops as i64).await;
    for filed in &stops {
        desk.until(filed, "the stop is confirmed", |s| s.ended_as == Some(EndedAs::Stopped)).await;
    }
    once_in_effect(&desk, &recipients, &children, &size).await;
}

/// Waits until a figure is `all`, as long as it grows.
async fn grows(db: &Mutex<PgConnection>, what: &str, sql: &'static str, all: i64) {
    let mut seen = -1;
    while seen < all {
        seen = eventually(what, || async {
            let now = figure(db, sql).await;
            if now > seen || now == all { Ok(now) } else { Err(now) }
        })
        .await;
    }
}

/// Breaks at amounts of work done, not at times: between the first report and the last but a few.
async fn breaks(desk: &Desk, children: &mut [Child], size: &Size, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let db = Mutex::new(connection(desk).await);
    let mut kinds: Vec<Break> = [Break::Register, Break::Service, Break::Recipients, Break::Nats]
        .into_iter()
        .flat_map(|kind| std::iter::repeat_n(kind, size.breaks))
        .collect();
    kinds.shuffle(&mut random);
    // All streams go in the middle, once.
    kinds.insert(kinds.len() / 2, Break::Streams);
    let reports = 2 * size.stops * size.recipients;
    let mut moments: Vec<i64> = kinds.iter().map(|_| random.random_range(1..reports as i64 * 3 / 4)).collect();
    moments.sort_unstable();
    let others: Vec<&str> = NAMES.iter().copied().filter(|n| *n != "opt-out-propagation").collect();
    for (kind, moment) in kinds.into_iter().zip(moments) {
        let mut seen = -1;
        while seen < moment {
            seen = eventually("another report comes in", || async {
                let now = figure(&db, "select count(*) from optout.report").await;
                if now > seen || now >= moment { Ok(now) } else { Err(now) }
            })
            .await;
        }
        println!("{kind:?} after {seen} reports");
        match kind {
            Break::Register => desk.kill_and_start_again("opt-out-propagation").await,
            Break::Service => desk.kill_and_start_again(others[random.random_range(0..others.len())]).await,
            Break::Recipients => {
                let n = random.random_range(0..children.len());
                children[n].kill();
                children[n].start_again();
            }
            Break::Nats => {
                desk.house.nats.kill().await.unwrap();
                desk.house.nats.start_again().await.unwrap();
            }
            Break::Streams => {
                let js = vandal(&desk.house).await;
                for stream in ["BUS", "OPTOUT"] {
                    eventually("the stream is there, and is deleted", || async {
                        js.delete_stream(stream).await.map_err(|e| e.to_string())
                    })
                    .await;
                }
            }
        }
    }
}

/// PostgreSQL is not broken here, but its connections may be all in use for a moment.
async fn connection(desk: &Desk) -> PgConnection {
    eventually("PostgreSQL answers", || async {
        PgConnection::connect(&desk.admin_url).await.map_err(|e| e.to_string())
    })
    .await
}

async fn figure(db: &Mutex<PgConnection>, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut *db.lock().await).await.unwrap()
}

async fn once_in_effect(desk: &Desk, recipients: &[Recipient], children: &[Child], size: &Size) {
    reckoning::holds(desk, Told::of(size.stops as i64, 0)).await;
    for recipient in recipients {
        let journal = recipient.journal();
        assert_eq!(journal.len(), size.stops, "instructions of {}", recipient.id);
        assert!(journal.values().all(|n| *n == 1), "an instruction was applied twice: {journal:?}");
    }
    for child in children {
        let refused: Vec<_> = child.lines().into_iter().filter(|l| l["message"] == "refused").collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
    let db = Mutex::new(connection(desk).await);
    let all = (size.stops * size.recipients) as i64;
    for (what, sql, wanted) in [
        (
            "reports of each instruction by its own recipient, one per stage",
            "select count(*) from (select distinct r.instruction, r.stage from optout.report r join optout.issued i using (instruction, recipient)) x",
            2 * all,
        ),
        (
            "reports beyond these",
            "select count(*) - (select count(*) from (select distinct instruction, stage from optout.report) x) from optout.report",
            0,
        ),
        (
            "reports that were refused",
            "select count(*) from optout.outbox where subject like 'evt.optout.report-refused.%'",
            0,
        ),
        ("staff tasks", "select count(*) from optout.task", 0),
        ("deliveries that wait for a person", "select count(*) from optout.retry where parked", 0),
    ] {
        assert_eq!(figure(&db, sql).await, wanted, "{what}");
    }
}
