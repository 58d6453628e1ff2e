//! What the NATS server itself refuses a service: the permissions generated from the flow table.

use super::world::{house, vandal};
use async_nats::{Client, ConnectOptions, Event};
use futures::StreamExt;
use testkit::House;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A service's own user, and what the server complains of.
async fn user(house: &House, name: &str) -> (Client, UnboundedReceiver<String>) {
    let creds = std::fs::read_to_string(house.secrets().creds().join(format!("{name}.creds"))).unwrap();
    let (complaints, hear) = unbounded_channel();
    let client = ConnectOptions::with_credentials(&creds)
        .unwrap()
        .custom_inbox_prefix(format!("_INBOX_{name}"))
        .event_callback(move |event| {
            let complaints = complaints.clone();
            async move {
                if let Event::ServerError(error) = event {
                    let _ = complaints.send(error.to_string().to_lowercase());
                }
            }
        })
        .connect(house.nats.url())
        .await
        .unwrap();
    (client, hear)
}

const NOBODY: &str = "0193a000-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_says_only_what_the_flow_table_lets_it_say() {
    let house = house().await;
    let witness = vandal(&house).await;
    let mut seen = witness.subscribe(">").await.unwrap();
    witness.flush().await.unwrap();
    let (payment, mut complaints) = user(&house, "payment").await;
    let forbidden = [
        format!("evt.identity.identity-confirmed.v1.{NOBODY}"),
        format!("cmd.identity.verify.v1.{NOBODY}"),
        format!("evt.payment.no-such-fact.v1.{NOBODY}"),
        "req.intake.disclose".into(),
        "req.identity.confirm".into(),
        "req.payment.drop".into(),
        "bus.hello.intake".into(),
        "optout.c.anybody".into(),
        "door.filed".into(),
        "$JS.API.STREAM.CREATE.MINE".into(),
        "$JS.API.STREAM.DELETE.BUS".into(),
        "$JS.API.STREAM.PURGE.BUS".into(),
        "$JS.API.STREAM.MSG.GET.BUS".into(),
        "$JS.API.DIRECT.GET.BUS".into(),
        "$JS.API.CONSUMER.CREATE.BUS.mine".into(),
        "$JS.API.CONSUMER.DELETE.BUS.identity".into(),
        "$JS.API.CONSUMER.MSG.NEXT.BUS.identity".into(),
        "$JS.ACK.BUS.identity.1.1.1.1.0".into(),
        "$SYS.REQ.CLAIMS.UPDATE".into(),
        "_INBOX_intake.abc".into(),
    ];
    for subject in &forbidden {
        payment.publish(subject.clone(), "x".into()).await.unwrap();
        payment.flush().await.unwrap();
        let complaint = complaints.recv().await.unwrap();
        assert!(
            complaint.contains("permissions violation for publish") && complaint.contains(&subject.to_lowercase()),
            "{subject}: {complaint}"
        );
    }
    // Its own fact goes through, and nothing of the above did.
    let own = format!("evt.payment.fee-paid.v1.{NOBODY}");
    payment.publish(own.clone(), "x".into()).await.unwrap();
    payment.flush().await.unwrap();
    loop {
        let message = seen.next().await.unwrap();
        assert!(!forbidden.contains(&message.subject.to_string()), "{} went through", message.subject);
        if message.subject.as_str() == own {
            break;
        }
    }
    assert!(complaints.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_listens_only_where_it_is_spoken_to() {
    let house = house().await;
    let (identity, mut complaints) = user(&house, "identity").await;
    for subject in [
        "_INBOX_intake.>",
        "_INBOX.>",
        ">",
        "evt.>",
        "cmd.>",
        "cmd.identity.verify.v1.*",
        "req.intake.disclose",
        "req.*.heard",
        "report.*.>",
        "$JS.>",
        "$SYS.>",
    ] {
        let _subscription = identity.subscribe(subject).await.unwrap();
        identity.flush().await.unwrap();
        let complaint = complaints.recv().await.unwrap();
        assert!(
            complaint.contains("permissions violation for subscription") && complaint.contains(&subject.to_lowercase()),
            "{subject}: {complaint}"
        );
    }
    for subject in ["_INBOX_identity.>", "req.identity.confirm", "req.identity.heard", "bus.hello.*"] {
        let _subscription = identity.subscribe(subject).await.unwrap();
        identity.flush().await.unwrap();
    }
    // In order on one connection: whatever the server thinks of the above it has said before it answers this.
    identity.publish("evt.intake.case-opened.v1.x", "x".into()).await.unwrap();
    identity.flush().await.unwrap();
    assert!(complaints.recv().await.unwrap().contains("case-opened"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_door_can_only_ring_and_the_steward_neither_speaks_nor_reads() {
    let house = house().await;
    for (name, publish, subscribe) in [
        (
            "door",
            vec!["evt.intake.case-opened.v1.x", "cmd.identity.verify.v1.x", "req.intake.search", "$JS.API.INFO"],
            vec!["evt.>", "door.filed", "req.>"],
        ),
        (
            "steward",
            vec![
                "evt.intake.case-opened.v1.x",
                "cmd.identity.verify.v1.x",
                "$JS.API.CONSUMER.MSG.NEXT.BUS.intake",
                "$JS.API.STREAM.MSG.GET.BUS",
                "req.intake.disclose",
            ],
            vec!["evt.>", "cmd.>", "_INBOX_intake.>", "req.intake.*"],
        ),
    ] {
        let (client, mut complaints) = user(&house, name).await;
        for subject in publish {
            client.publish(subject, "x".into()).await.unwrap();
            client.flush().await.unwrap();
            let complaint = complaints.recv().await.unwrap();
            assert!(
                complaint.contains("publish") && complaint.contains(&subject.to_lowercase()),
                "{name} {subject}: {complaint}"
            );
        }
        for subject in subscribe {
            let _subscription = client.subscribe(subject).await.unwrap();
            client.flush().await.unwrap();
            let complaint = complaints.recv().await.unwrap();
            assert!(
                complaint.contains("subscription") && complaint.contains(&subject.to_lowercase()),
                "{name} {subject}: {complaint}"
            );
        }
    }
}
