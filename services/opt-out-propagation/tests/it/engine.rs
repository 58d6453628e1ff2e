//! B9, B10: an outcome is recorded once and only by the holder of the lease; a killed process loses nothing.

use crate::desk::{Desk, insert_recipient};
use async_trait::async_trait;
use contracts::Uuid;
use opt_out_propagation::{
    delivery::Outcome,
    engine::{self, Engine, Fresh, Lease, News, Record, UNRECORDED_MAX},
    fanout::{FanOut, Pass},
    transport::{Address, Opens, Parcel, Sent, Transport},
};
use recipient_kit::RecipientKeys;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

const LEASE: Duration = Duration::from_secs(60);

async fn expire(desk: &Desk) {
    desk.bus
        .db()
        .write(|tx| {
            Box::pin(async move {
                sqlx::query("update endpoint set lease_until = now() - interval '1 second'").execute(tx).await?;
                Ok(())
            })
        })
        .await
        .unwrap();
}

fn record(lease: &Arc<Lease>, position: i64) -> Record {
    Record {
        lease: lease.clone(),
        position,
        low: position,
        outcome: "ok",
        status: Some(204),
        ms: 1,
        again: None,
        place: None,
    }
}

#[tokio::test]
async fn a_stale_holder_records_nothing_and_loses_its_lease() {
    let desk = Desk::quiet().await;
    let db = desk.bus.db();
    insert_recipient(&desk, "contractor", &RecipientKeys::random().unwrap()).await;
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    let first = engine::take(db, one, 0, LEASE).await.unwrap().remove(0);
    assert!(engine::take(db, two, 0, LEASE).await.unwrap().is_empty(), "leased is leased");
    assert_eq!(engine::renew(db, one, vec![first.id], LEASE).await.unwrap().len(), 1);
    let old = Arc::new(Lease::new(&first, Instant::now() + LEASE));
    assert_eq!(engine::record(db, vec![record(&old, 1), record(&old, 2)]).await.unwrap(), 0);
    // The holder is paused beyond its lease; another takes over.
    expire(&desk).await;
    let second = engine::take(db, two, 0, LEASE).await.unwrap().remove(0);
    assert_eq!((second.fence, second.cursor), (first.fence + 1, 2));
    assert!(engine::renew(db, one, vec![first.id], LEASE).await.unwrap().is_empty(), "absent = lost");
    let new = Arc::new(Lease::new(&second, Instant::now() + LEASE));
    // Alone, and mixed with the holder's in one batch.
    assert_eq!(engine::record(db, vec![record(&old, 3)]).await.unwrap(), 1);
    assert_eq!(desk.count("select cursor from endpoint").await, 2);
    assert_eq!(engine::record(db, vec![record(&old, 3), record(&new, 3), record(&old, 4)]).await.unwrap(), 2);
    assert!(old.is_lost() && !new.is_lost() && !old.is_good(Instant::now()));
    assert_eq!(desk.count("select count(*) from attempt where outcome = 'ok' and position = 3").await, 1);
    assert_eq!(desk.count("select count(*) from attempt where position = 4").await, 0);
    assert_eq!(desk.count("select cursor from endpoint").await, 3);
}

#[tokio::test]
async fn replicas_share_the_endpoints() {
    let desk = Desk::quiet().await;
    let db = desk.bus.db();
    for n in 0..5 {
        insert_recipient(&desk, &format!("contractor-{n}"), &RecipientKeys::random().unwrap()).await;
    }
    let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(engine::take(db, one, 0, LEASE).await.unwrap().len(), 5, "alone it takes all");
    assert_eq!(engine::take(db, one, 5, LEASE).await.unwrap().len(), 0);
    engine::release(db, one).await.unwrap();
    // `two` is alive with one of them: `one` takes half, rounded up.
    let mut held = engine::take(db, two, 4, LEASE).await.unwrap();
    assert_eq!(held.len(), 1);
    held.extend(engine::take(db, one, 0, LEASE).await.unwrap());
    assert_eq!(held.len(), 4);
    held.extend(engine::take(db, two, 1, LEASE).await.unwrap());
    assert_eq!(held.len(), 5);
}

/// Where everything arrives, and what it counted.
#[derive(Default)]
struct Sink {
    got: Mutex<HashMap<Uuid, u32>>,
    arrived: Notify,
}

struct ToSink(Arc<Sink>);

#[async_trait]
impl Transport for ToSink {
    async fn send(&self, parcel: &Parcel) -> Sent {
        *self.0.got.lock().unwrap().entry(parcel.instruction).or_default() += 1;
        self.0.arrived.notify_one();
        // The answer takes a moment, so that there is something in flight when the process is killed.
        tokio::task::yield_now().await;
        Outcome::Ok.into()
    }
}

struct Sinks(Arc<Sink>);

impl Opens for Sinks {
    fn open(&self, _: &Address) -> Result<Arc<dyn Transport>, &'static str> {
        Ok(Arc::new(ToSink(self.0.clone())))
    }
}

/// A process of its own as far as it can be: its own runtime, pool and identity; dropped without any last word.
fn process(desk: &Desk, sink: &Arc<Sink>) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (rt, sink) = (desk.rt.clone(), sink.clone());
    runtime.spawn(async move {
        let db = rt.db("optout").await.unwrap();
        let settings: opt_out_propagation::settings::Settings = rt.section("optout").unwrap();
        let engine =
            Engine { db, settings, opens: Arc::new(Sinks(sink)), wake: Arc::default(), stop: chassis::Stop::new() };
        engine.run().await;
    });
    runtime
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_full_flow_loses_nothing_and_repeats_at_most_its_window() {
    let desk = Desk::quiet().await;
    insert_recipient(&desk, "contractor", &RecipientKeys::random().unwrap()).await;
    for _ in 0..150 {
        desk.stop("ヤマダ").await;
    }
    let fan = desk.fan_out();
    while fan.pass().await.unwrap() != Pass::Done(0) {}
    let sink = Arc::new(Sink::default());
    let mut kills = 0;
    for at in [10, 60, 110] {
        let running = process(&desk, &sink);
        loop {
            sink.arrived.notified().await;
            if sink.got.lock().unwrap().len() >= at {
                break;
            }
        }
        running.shutdown_background();
        kills += 1;
        expire(&desk).await;
    }
    let last = process(&desk, &sink);
    testkit::eventually("all is recorded", || async {
        let open = desk.count("select count(*) from delivery d where not exists (select from attempt a where a.endpoint = d.endpoint and a.position = d.position and a.outcome = 'ok')").await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    last.shutdown_background();
    let got = sink.got.lock().unwrap().clone();
    assert_eq!(got.len(), 150, "nothing is lost");
    let repeated: u32 = got.values().map(|n| n - 1).sum();
    // What was sent and not yet recorded, in flight included.
    assert!(repeated as usize <= kills * UNRECORDED_MAX, "{repeated} repeats after {kills} kills");
    let twice = desk
        .count("select count(*) from (select from attempt where outcome = 'ok' group by endpoint, position having count(*) > 1) x")
        .await;
    assert_eq!(twice, 0, "none is recorded ok twice");
}

#[tokio::test]
async fn what_was_just_issued_is_handed_over_and_what_was_not_is_read_in_its_order() {
    let desk = Desk::quiet().await;
    insert_recipient(&desk, "contractor", &RecipientKeys::random().unwrap()).await;
    let (sink, news, stop) = (Arc::new(Sink::default()), Arc::<News>::default(), chassis::Stop::new());
    let settings: opt_out_propagation::settings::Settings = desk.rt.section("optout").unwrap();
    // It never looks by itself: what arrives was handed over, or found on the way to what was.
    let settings = opt_out_propagation::settings::Settings { poll_ms: 3_600_000, ..settings };
    let (db, opens) = (desk.bus.db().clone(), Arc::new(Sinks(sink.clone())));
    let engine = Engine { db, settings, opens, wake: news.clone(), stop: stop.clone() };
    let running = tokio::spawn(engine.run());
    let here = FanOut { deliveries: news.clone(), ..desk.fan_out() };
    let elsewhere = desk.fan_out();
    let arrived = async |wanted: usize| {
        while sink.got.lock().unwrap().len() < wanted {
            sink.arrived.notified().await;
        }
    };
    desk.stop("ヤマダ").await;
    assert_eq!(here.pass().await.unwrap(), Pass::Done(1));
    arrived(1).await;
    desk.stop("タナカ").await;
    assert_eq!(elsewhere.pass().await.unwrap(), Pass::Done(1), "another process issues, and says nothing here");
    desk.stop("サトウ").await;
    assert_eq!(here.pass().await.unwrap(), Pass::Done(1));
    arrived(3).await;
    // What is known already is not sent again, and does not hold up what follows.
    type Row = (Uuid, i64, Uuid, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as("select endpoint, position, instruction, body from delivery order by position")
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    let again =
        |(endpoint, position, instruction, body): Row| Fresh { endpoint, position, instruction, body, trace: None };
    news.issued(rows.into_iter().map(again).collect());
    desk.stop("スズキ").await;
    assert_eq!(here.pass().await.unwrap(), Pass::Done(1));
    arrived(4).await;
    stop.stop(Duration::from_secs(10)).await;
    running.await.unwrap();
    assert!(sink.got.lock().unwrap().values().all(|times| *times == 1), "each is sent once");
    assert_eq!(desk.count("select cursor from endpoint").await, 4);
}
