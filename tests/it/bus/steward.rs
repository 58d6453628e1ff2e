//! The steward: makes and mends streams and durables, and refuses a server that could lose what it acknowledged.

use super::world::{house, jetstream_of, vandal};
use async_nats::jetstream::{
    consumer::{AckPolicy, pull},
    stream::{DiscardPolicy, RetentionPolicy, StorageType},
};
use contracts::{Service, flow::Queue};
use std::time::Duration;
use testkit::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_and_durables_stand_as_they_must() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    let stream = js.get_stream("BUS").await.unwrap();
    let config = &stream.cached_info().config;
    assert_eq!(config.subjects, ["evt.>", "cmd.>"]);
    assert_eq!(
        (config.storage, config.retention, config.discard),
        (StorageType::File, RetentionPolicy::Limits, DiscardPolicy::Old)
    );
    assert!(config.duplicate_window <= Duration::from_millis(100), "a repeat must never be swallowed as a duplicate");
    assert_eq!(config.metadata.get("madoguchi.epoch").map(String::as_str), Some("1"));
    for (service, queue) in queues() {
        let name = queue.durable(service);
        let durable = stream.get_consumer::<pull::Config>(&name).await.unwrap();
        let config = &durable.cached_info().config;
        assert_eq!(config.max_deliver, -1, "{name}: delivery is never given up; parking is PostgreSQL's");
        assert_eq!(config.ack_policy, AckPolicy::Explicit);
        assert!(config.max_ack_pending > 0 && config.max_ack_pending <= 1024, "bounded");
        assert!(!config.memory_storage);
        assert_eq!(config.durable_name.as_ref(), Some(&name));
        let mut filters = config.filter_subjects.clone();
        filters.extend((!config.filter_subject.is_empty()).then(|| config.filter_subject.clone()));
        filters.sort();
        let mut wanted: Vec<String> = queue.heard_by(service).map(|e| format!("{}.*", e.subject_prefix())).collect();
        wanted.sort();
        assert_eq!(filters, wanted, "{name} hears what the flow table says");
    }
}

/// Every durable of the house.
fn queues() -> impl Iterator<Item = (Service, Queue)> {
    Service::ALL.iter().flat_map(|service| Queue::of(*service).map(|queue| (*service, queue)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_or_changed_is_mended() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    let stream = js.get_stream("BUS").await.unwrap();
    let good = stream.cached_info().config.clone();

    let mut bad = good.clone();
    bad.max_age = Duration::from_secs(60);
    bad.subjects.push("stowaway.>".into());
    js.update_stream(bad).await.unwrap();
    eventually("the stream's settings are mended", || async {
        let now = js.get_stream("BUS").await.map_err(|e| e.to_string())?.cached_info().config.clone();
        if (now.max_age, &now.subjects) == (good.max_age, &good.subjects) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;

    let mut durable = stream.get_consumer::<pull::Config>("identity").await.unwrap().cached_info().config.clone();
    durable.max_deliver = 3;
    durable.max_ack_pending = 1;
    let changed: pull::Config =
        async_nats::jetstream::consumer::FromConsumer::try_from_consumer_config(durable).unwrap();
    stream.create_consumer(changed).await.unwrap();
    stream.delete_consumer("payment").await.unwrap();
    eventually("the durables are mended", || async {
        let identity = stream.get_consumer::<pull::Config>("identity").await.map_err(|e| e.to_string())?;
        stream.get_consumer::<pull::Config>("payment").await.map_err(|e| e.to_string())?;
        let config = &identity.cached_info().config;
        if (config.max_deliver, config.max_ack_pending) == (-1, 256) { Ok(()) } else { Err(format!("{config:?}")) }
    })
    .await;

    js.delete_stream("BUS").await.unwrap();
    js.delete_stream("OPTOUT").await.unwrap();
    eventually("streams and durables are made anew", || async {
        js.get_stream("OPTOUT").await.map_err(|e| e.to_string())?;
        let stream = js.get_stream("BUS").await.map_err(|e| e.to_string())?;
        for (service, queue) in queues() {
            stream.get_consumer::<pull::Config>(&queue.durable(service)).await.map_err(|e| e.to_string())?;
        }
        Ok::<_, String>(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_replaces_the_streams() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    js.publish("evt.intake.case-opened.v1.x", "of the lost life".into()).await.unwrap().await.unwrap();
    let mut admin = house.admin().await;
    sqlx::query("insert into house.epoch select number + 1, system_identifier, timeline, 'a test' from house.epoch")
        .execute(&mut admin)
        .await
        .unwrap();
    // A steward of the new life.
    let rt = house.runtime(&[]);
    steward::start(rt.clone()).await.unwrap();
    let stream = js.get_stream("BUS").await.unwrap();
    assert_eq!(stream.cached_info().config.metadata.get("madoguchi.epoch").map(String::as_str), Some("2"));
    assert_eq!(stream.cached_info().state.messages, 0, "no message of the lost life survives");
    rt.stopping().stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_sync_always_is_refused() {
    use servers::{DataDir, Nats, NatsOptions, quiet};
    let house = house().await;
    let dir = DataDir::open(&house.folder().join("lazy-nats"), &quiet).await.unwrap();
    let lazy =
        Nats::start(testkit::binaries().await, &dir, NatsOptions { sync_always: false, ..NatsOptions::open() }, &quiet)
            .await
            .unwrap();
    let monitor = lazy.monitor_url();
    let rt = house.runtime(&[("house.nats_monitor_url", &monitor)]);
    let refused = format!("{:#}", steward::start(rt.clone()).await.unwrap_err());
    assert!(refused.contains("sync_interval: always"), "{refused}");
    // A service is not ready there either, and says the same.
    rt.nats("identity").await.unwrap();
    eventually("readiness says why", || async {
        let readiness = rt.health().readiness().await;
        assert!(!readiness.ready);
        let said = readiness.checks["identity: nats"].clone();
        if said.contains("sync_interval: always") { Ok(()) } else { Err(said) }
    })
    .await;
    // Without a monitor it cannot be seen, so it is refused too.
    let blind = house.runtime(&[("house.nats_monitor_url", "")]);
    let refused = format!("{:#}", steward::start(blind).await.unwrap_err());
    assert!(refused.contains("house.nats_monitor_url"), "{refused}");
    rt.stopping().ask();
}
