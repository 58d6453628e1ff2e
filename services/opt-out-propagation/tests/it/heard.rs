//! From a command on the bus to the register: identifiers are asked for, sealed, and found again.

use crate::desk::Desk;
use async_nats::{Client, jetstream};
use contracts::{
    CaseId, Code, EntryId, Envelope, Measure, Message, MessageId, PersonField, Scope, Timestamp, Uuid,
    envelope::Origin,
    opt_out::{EnterStop, LiftProvisionalBlock, PlaceBlock},
    request::{Disclose, DisclosedReply},
};
use futures::StreamExt;
use privacy::PublicKey;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Intake's place on the wire: its own NATS user, so that permissions are tested too.
async fn as_intake(desk: &Desk) -> Client {
    let creds = std::fs::read_to_string(desk.house.secrets().creds().join("intake.creds")).unwrap();
    let options = async_nats::ConnectOptions::with_credentials(&creds).unwrap();
    options.custom_inbox_prefix("_INBOX_intake").connect(desk.house.nats.url()).await.unwrap()
}

/// What intake answers: the contract's reply, sealed to the asker; `Unknown` the first `unknown` times.
async fn answer(desk: &Desk, client: &Client, json: serde_json::Value, unknown: usize) -> Arc<AtomicUsize> {
    let key = PublicKey::load(&desk.rt.keys_dir().join("optout.pub")).unwrap();
    let mut asked = client.queue_subscribe("req.intake.disclose", "intake".into()).await.unwrap();
    client.flush().await.unwrap();
    let (client, count) = (client.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            let ask: Disclose = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!((ask.asker, ask.purpose.as_str()), (Code::of("optout"), "enter-register"));
            assert!(!ask.fields.contains(&PersonField::Address), "no more than is needed");
            let reply = if counted.fetch_add(1, Ordering::SeqCst) < unknown {
                DisclosedReply::Unknown
            } else {
                let sealed = privacy::seal_to(&key, ask.case.0.as_bytes(), json.to_string().as_bytes()).unwrap();
                DisclosedReply::Values { sealed }
            };
            client.publish(message.reply.unwrap(), serde_json::to_vec(&reply).unwrap().into()).await.unwrap();
        }
    });
    count
}

async fn say(client: &Client, case: CaseId, seq: i64, message: Message) {
    let origin = Origin {
        id: MessageId::new(),
        subject: case.0,
        correlation: case.0,
        causation: Uuid::now_v7(),
        seq,
        time: Timestamp::now(),
        traceparent: None,
    };
    let (subject, bytes) = (message.entry().subject(case.0), Envelope::new(&message, origin).to_bytes());
    let context = jetstream::new(client.clone());
    testkit::eventually("the stream takes it", || async {
        let ack = context.publish(subject.clone(), bytes.clone().into()).await.map_err(|e| e.to_string())?;
        ack.await.map(drop).map_err(|e| e.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provisional_block_holds_at_once_is_lifted_and_a_final_one_stays() {
    let desk = Desk::serving().await;
    let client = as_intake(&desk).await;
    let person = serde_json::json!({"name": "鈴木 一郎", "kana": "スズキ イチロウ", "birth-date": "1975-05-05", "sex": "male", "hospitals": []});
    let asked = answer(&desk, &client, person, 1).await;
    let blocked = || async {
        let tag = desk.register.gate_tag("スズキ　イチロウ", "1975-05-05").unwrap();
        opt_out_propagation::person::is_blocked(desk.bus.db().pool(), &[tag], Scope::Pseudonymised).await.unwrap()
    };
    let until = async |wanted: bool| {
        testkit::eventually("the gate", || async { if blocked().await == wanted { Ok(()) } else { Err(!wanted) } })
            .await;
    };
    let (case, entry, received_at) = (CaseId::new(), EntryId::new(), Timestamp::now());
    assert!(!blocked().await);
    let scope = Scope::Both;
    // The lifting overtakes the block: it waits. And intake does not know its own case yet, the first time.
    say(&client, case, 32, Message::LiftProvisionalBlock(LiftProvisionalBlock { case, entry })).await;
    say(&client, case, 16, Message::PlaceBlock(PlaceBlock { case, entry, scope, received_at })).await;
    testkit::eventually("placed and lifted", || async {
        let said = desk.said().await;
        if said.get("block-lifted") == Some(&1) { Ok(()) } else { Err(said) }
    })
    .await;
    until(false).await;
    assert!(asked.load(Ordering::SeqCst) >= 2, "asked again after `Unknown`");
    // The case was revived and identity proved.
    let measure = Measure::Stop;
    say(&client, case, 48, Message::EnterStop(EnterStop { case, entry, scope, measure, received_at })).await;
    until(true).await;
    assert_eq!(desk.confirmed(entry).await, 0, "no recipients: complete as soon as it stands");
    say(&client, case, 64, Message::LiftProvisionalBlock(LiftProvisionalBlock { case, entry })).await;
    testkit::eventually("the last lifting was heard", || async {
        let done = desk.count("select count(*) from inbox where state = 'done' and seq = 64").await;
        if done == 1 { Ok(()) } else { Err(done) }
    })
    .await;
    assert!(blocked().await, "a final stop is never lifted");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_without_kana_or_date_is_parked_for_staff() {
    let desk = Desk::serving().await;
    let client = as_intake(&desk).await;
    answer(&desk, &client, serde_json::json!({"name": "鈴木 一郎"}), 0).await;
    let (case, entry) = (CaseId::new(), EntryId::new());
    let block = PlaceBlock { case, entry, scope: Scope::Both, received_at: Timestamp::now() };
    say(&client, case, 16, Message::PlaceBlock(block)).await;
    let note: String = testkit::eventually("parked", || async {
        sqlx::query_scalar("select note from inbox where state = 'parked'").fetch_one(desk.bus.db().pool()).await
    })
    .await;
    assert_eq!(note, "identifiers-unreadable");
    assert!(desk.entries.read(entry.0).await.unwrap().is_none());
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
