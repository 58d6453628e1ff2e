//! Operator mode on a real nats-server: one account per recipient, and what one recipient can do to another (nothing).

#![allow(clippy::disallowed_methods)] // nats-server judges JWTs by the machine's own clock

mod support;

use std::time::Duration;

use async_nats::jetstream::{self, consumer};
use async_nats::{Client, ConnectOptions, Event};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use nats_auth::{
    AccountClaims, AccountLimits, House, Import, OPTOUT_STREAM, Permissions, Revocations, RootSecret, decode,
    recipient_inbox_prefix, recipient_report_prefix, same_claims, service_inbox_prefix,
};
use serde_json::Value;
use servers::{DataDir, Nats, NatsJwt, NatsOptions, quiet};
use support::{binaries, folder};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

struct Desk {
    house: House,
    nats: Nats,
    system: Client,
    desk: Client,
    _home: TempDir,
}

struct Recipient {
    id: Uuid,
    account: String,
    user: String,
    creds: String,
}

async fn connect(url: &str, creds: &str, inbox: &str) -> (Client, UnboundedReceiver<Event>) {
    let (client, events) = try_connect(url, creds, inbox).await;
    (client.unwrap(), events)
}

async fn try_connect(
    url: &str,
    creds: &str,
    inbox: &str,
) -> (Result<Client, async_nats::ConnectError>, UnboundedReceiver<Event>) {
    let (heard, events) = unbounded_channel();
    let options = ConnectOptions::with_credentials(creds)
        .unwrap()
        .custom_inbox_prefix(inbox)
        .request_timeout(Some(Duration::from_secs(10)))
        .event_callback(move |event| {
            let _ = heard.send(event);
            async {}
        });
    (options.connect(url).await, events)
}

impl Desk {
    async fn open() -> Self {
        Self::open_with("").await
    }

    /// With further lines in the server's configuration.
    async fn open_with(extra: &str) -> Self {
        let house = House::new(RootSecret::random().unwrap());
        let home = folder();
        let dir = DataDir::open(home.path(), &quiet).await.unwrap();
        let mut options = NatsOptions::operator_mode(NatsJwt::of(&house, Timestamp::now()));
        options.extra = extra.to_owned();
        let nats = Nats::start(&binaries().await, &dir, options, &quiet).await.unwrap();
        let now = Timestamp::now();
        let permissions = Permissions::new()
            .publish(["$JS.API.>", "optout.>"])
            .subscribe(["report.>"])
            .respond(nats_auth::Responses { max: 1, ttl: Duration::from_secs(60) });
        let steward = house.service_creds("steward", permissions, now).unwrap();
        let (desk, _) = connect(&nats.url(), &steward, &service_inbox_prefix("steward")).await;
        let (system, _) = connect(&nats.url(), &house.system_creds(now), &service_inbox_prefix("system")).await;
        let config = jetstream::stream::Config {
            name: OPTOUT_STREAM.to_owned(),
            subjects: vec!["optout.to.*".to_owned()],
            ..Default::default()
        };
        jetstream::new(desk.clone()).create_stream(config).await.unwrap();
        Self { house, nats, system, desk, _home: home }
    }

    async fn push(&self, jwt: String) -> Value {
        let answer = self.system.request("$SYS.REQ.CLAIMS.UPDATE", jwt.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }

    async fn take_in(&self, name: &str) -> Recipient {
        let id = Uuid::now_v7();
        let account = self.house.recipient_account(id);
        let now = Timestamp::now();
        let (user, creds) = self.house.recipient_creds(id, now).unwrap();
        let (early, _) = try_connect(&self.nats.url(), &creds, &recipient_inbox_prefix(&account)).await;
        assert!(early.is_err(), "an account that was never pushed is unknown");
        let answer = self.push(self.house.recipient_account_jwt(id, &Revocations::new(), now)).await;
        assert_eq!(answer["data"]["code"], 200, "{answer}");
        let jetstream = jetstream::new(self.desk.clone());
        let config = consumer::pull::Config {
            durable_name: Some(account.clone()),
            filter_subject: format!("optout.to.{account}"),
            max_deliver: -1,
            ..Default::default()
        };
        jetstream.create_consumer_on_stream(config, OPTOUT_STREAM).await.unwrap();
        for n in 0..2 {
            let body = format!("{name}-{n}");
            jetstream.publish(format!("optout.to.{account}"), body.into()).await.unwrap().await.unwrap();
        }
        Recipient { id, account, user, creds }
    }

    async fn connect(&self, recipient: &Recipient) -> (Client, UnboundedReceiver<Event>) {
        connect(&self.nats.url(), &recipient.creds, &recipient_inbox_prefix(&recipient.account)).await
    }

    async fn unacknowledged(&self, durable: &str) -> usize {
        let jetstream = jetstream::new(self.desk.clone());
        let mut consumer: consumer::PullConsumer =
            jetstream.get_consumer_from_stream(durable, OPTOUT_STREAM).await.unwrap();
        consumer.info().await.unwrap().num_ack_pending
    }
}

async fn durable(client: &Client, name: &str) -> Result<consumer::PullConsumer, jetstream::stream::ConsumerError> {
    jetstream::new(client.clone()).get_consumer_from_stream(name, OPTOUT_STREAM).await
}

async fn pull_one(consumer: &consumer::PullConsumer) -> jetstream::Message {
    let mut batch = consumer.fetch().max_messages(1).expires(Duration::from_secs(10)).messages().await.unwrap();
    batch.next().await.unwrap().unwrap()
}

/// Sends a pull for any durable by hand; the status of the answer, or of the refusal.
async fn pull_by_hand(client: &Client, name: &str) -> String {
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{OPTOUT_STREAM}.{name}");
    match client.request(subject, r#"{"batch":1,"no_wait":true}"#.into()).await {
        Ok(message) => format!("{:?} {}", message.status, String::from_utf8_lossy(&message.payload)),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_recipient_pulls_acknowledges_and_reports_its_own() {
    let desk = Desk::open().await;
    let a = desk.take_in("a").await;
    let mut reports = desk.desk.subscribe("report.*.>").await.unwrap();
    desk.desk.flush().await.unwrap();
    let (client, _) = desk.connect(&a).await;
    let consumer = durable(&client, &a.account).await.unwrap();
    let message = pull_one(&consumer).await;
    assert_eq!(message.payload, "a-0");
    assert_eq!(desk.unacknowledged(&a.account).await, 1);
    message.double_ack().await.unwrap();
    assert_eq!(desk.unacknowledged(&a.account).await, 0);

    let subject = format!("{}.received", recipient_report_prefix(&a.account));
    let answer = async {
        let report = reports.next().await.unwrap();
        assert_eq!(report.subject.as_str(), subject);
        desk.desk.publish(report.reply.unwrap(), "taken".into()).await.unwrap();
    };
    let (reply, ()) = tokio::join!(client.request(subject.clone(), "report".into()), answer);
    assert_eq!(reply.unwrap().payload, "taken");

    // A stream of messages with heartbeats, as a real recipient would use.
    let mut messages =
        consumer.stream().heartbeat(Duration::from_secs(5)).expires(Duration::from_secs(30)).messages().await.unwrap();
    assert_eq!(messages.next().await.unwrap().unwrap().payload, "a-1");
}

/// The form of acknowledgement that servers will use by default one day.
#[tokio::test]
async fn the_new_form_of_acknowledgement_works_too() {
    let desk = Desk::open_with("feature_flags { js_ack_fc_v2: true }\n").await;
    let a = desk.take_in("a").await;
    let (client, _) = desk.connect(&a).await;
    let message = pull_one(&durable(&client, &a.account).await.unwrap()).await;
    let subject = message.reply.clone().unwrap();
    assert_eq!(subject.split('.').nth(4), Some(OPTOUT_STREAM), "{subject}");
    message.double_ack().await.unwrap();
    assert_eq!(desk.unacknowledged(&a.account).await, 0);
}

#[tokio::test]
async fn a_recipient_reaches_nothing_of_another() {
    let desk = Desk::open().await;
    let (a, b) = (desk.take_in("a").await, desk.take_in("b").await);
    let (client_b, _) = desk.connect(&b).await;
    let pulled = pull_one(&durable(&client_b, &b.account).await.unwrap()).await;
    let ack_of_b = pulled.reply.clone().unwrap();

    // With the rights it was given.
    let (client_a, mut events) = desk.connect(&a).await;
    assert_eq!(pull_one(&durable(&client_a, &a.account).await.unwrap()).await.payload, "a-0");
    client_a.publish(ack_of_b.clone(), "+ACK".into()).await.unwrap();
    client_a.publish(format!("report.{}.received", b.account), "forged".into()).await.unwrap();
    client_a.publish("optout.to.x", "forged".into()).await.unwrap();
    let _foreign = client_a.subscribe(format!("_INBOX_{}.>", b.account)).await.unwrap();
    let _all = client_a.subscribe(">").await.unwrap();
    client_a.flush().await.unwrap();
    let mut violations = 0;
    while violations < 5 {
        if let Event::ServerError(error) = events.recv().await.unwrap() {
            assert!(error.to_string().to_lowercase().contains("permissions violation"), "{error}");
            violations += 1;
        }
    }
    assert_eq!(desk.unacknowledged(&b.account).await, 1, "nobody else acknowledges for b");

    // Its own messages, sent to where b listens: nobody listens there in a's account, so the server keeps the message.
    let listen = format!("_INBOX_{}.injected", b.account);
    let mut at_b = client_b.subscribe(listen.clone()).await.unwrap();
    client_b.flush().await.unwrap();
    let next = |account: &str| format!("$JS.API.CONSUMER.MSG.NEXT.{OPTOUT_STREAM}.{account}");
    client_a.publish_with_reply(next(&a.account), listen.clone(), r#"{"batch":1}"#.into()).await.unwrap();
    let next_of_a = pull_one(&durable(&client_a, &a.account).await.unwrap()).await;
    assert_eq!(next_of_a.payload, "a-1", "pulls are served in order: the one before this took nothing");
    client_b.publish_with_reply(next(&b.account), listen, r#"{"batch":1}"#.into()).await.unwrap();
    assert_eq!(at_b.next().await.unwrap().payload, "b-1", "only b's own message arrives at b");

    pulled.double_ack().await.unwrap();
    assert_eq!(desk.unacknowledged(&b.account).await, 1);
}

/// An account whose JWT (signed by our operator, by mistake) imports another recipient's subjects, with a user that may do
/// everything: what holds then is the position of the account in the exported subjects.
#[tokio::test]
async fn a_wrongly_signed_account_reaches_nothing_of_another() {
    let desk = Desk::open().await;
    let b = desk.take_in("b").await;
    let (client_b, _) = desk.connect(&b).await;
    let pulled = pull_one(&durable(&client_b, &b.account).await.unwrap()).await;

    let key = nats_auth::KeyPair::new_account();
    let evil = key.public_key();
    let exporter = desk.house.desk_account();
    let own = format!("{}.>", recipient_report_prefix(&evil));
    let claims = AccountClaims::new("evil", AccountLimits::UNLIMITED)
        .import(Import::service("next", &format!("$JS.API.CONSUMER.MSG.NEXT.OPTOUT.{}", b.account), &exporter))
        .import(Import::service("ack", &format!("$JS.ACK.OPTOUT.{}.>", b.account), &exporter))
        .import(Import::service("reports", &format!("{}.>", recipient_report_prefix(&b.account)), &exporter))
        .import(Import::service("own", &own, &exporter));
    desk.push(desk.house.operator().account_jwt(&evil, &claims, Timestamp::now()).unwrap()).await;
    let user = nats_auth::KeyPair::new_user();
    let token = nats_auth::UserClaims::new("evil", Permissions::new());
    let token = token.jwt(&user.public_key(), &key, Timestamp::now()).unwrap();
    let creds = nats_auth::format_creds(&token, &user.seed().unwrap());
    let (client, _) = connect(&desk.nats.url(), &creds, "_INBOX").await;

    let mut reports = desk.desk.subscribe("report.*.>").await.unwrap();
    desk.desk.flush().await.unwrap();
    let answer = pull_by_hand(&client, &b.account).await;
    assert!(answer.contains("no responders") || answer.contains("503"), "{answer}");
    assert!(client.request(pulled.reply.clone().unwrap(), "+ACK".into()).await.is_err());
    assert!(client.request(format!("report.{}.received", b.account), "forged".into()).await.is_err());
    assert_eq!(desk.unacknowledged(&b.account).await, 1);
    // The account as such works, and the forged report never arrived: its own is the first one.
    client.publish(format!("report.{evil}.received"), "own".into()).await.unwrap();
    let first = reports.next().await.unwrap();
    assert_eq!((first.subject.as_str(), first.payload.as_ref()), (&*format!("report.{evil}.received"), &b"own"[..]));
}

#[tokio::test]
async fn a_revoked_user_is_cut_off_at_once_and_others_are_not() {
    let desk = Desk::open().await;
    let (a, b) = (desk.take_in("a").await, desk.take_in("b").await);
    let (_client_a, mut events_a) = desk.connect(&a).await;
    let (client_b, _) = desk.connect(&b).await;
    // A user issued in the same second as the revocation is revoked too; one issued later is let in.
    let now = Timestamp::now() + SignedDuration::from_secs(1);
    let revoked = Revocations::from([(a.user.clone(), now)]);
    desk.push(desk.house.recipient_account_jwt(a.id, &revoked, now)).await;
    while !matches!(events_a.recv().await.unwrap(), Event::Disconnected) {}
    let (again, _) = try_connect(&desk.nats.url(), &a.creds, &recipient_inbox_prefix(&a.account)).await;
    assert!(again.is_err(), "a revoked user must stay out");
    assert_eq!(pull_one(&durable(&client_b, &b.account).await.unwrap()).await.payload, "b-0");

    let (_, creds) = desk.house.recipient_creds(a.id, now + SignedDuration::from_secs(1)).unwrap();
    let (client, _) = connect(&desk.nats.url(), &creds, &recipient_inbox_prefix(&a.account)).await;
    assert_eq!(pull_one(&durable(&client, &a.account).await.unwrap()).await.payload, "a-0");
}

#[tokio::test]
async fn accounts_survive_kill_9_and_can_be_looked_up() {
    let desk = Desk::open().await;
    let a = desk.take_in("a").await;
    desk.nats.kill().await.unwrap();
    desk.nats.start_again().await.unwrap();
    let (client, _) = desk.connect(&a).await;
    assert_eq!(pull_one(&durable(&client, &a.account).await.unwrap()).await.payload, "a-0");
    let now = Timestamp::now();
    let (system, _) = connect(&desk.nats.url(), &desk.house.system_creds(now), &service_inbox_prefix("system")).await;
    let subject = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP", a.account);
    let found = system.request(subject, "".into()).await.unwrap().payload;
    let found = std::str::from_utf8(&found).unwrap();
    assert_eq!(decode(found).unwrap().subject, a.account);
    let desired = desk.house.recipient_account_jwt(a.id, &Revocations::new(), now);
    assert!(same_claims(found, &desired), "nothing to push");
}

#[tokio::test]
async fn one_service_cannot_read_anothers_answers() {
    let desk = Desk::open().await;
    let now = Timestamp::now();
    let house = &desk.house;
    let creds = house.service_creds("intake", Permissions::new().publish(["req.payment.>"]), now).unwrap();
    let (client, mut events) = connect(&desk.nats.url(), &creds, &service_inbox_prefix("intake")).await;
    let _foreign = client.subscribe("_INBOX_steward.>").await.unwrap();
    client.publish("$JS.API.STREAM.DELETE.OPTOUT", "".into()).await.unwrap();
    client.flush().await.unwrap();
    let mut violations = 0;
    while violations < 2 {
        if let Event::ServerError(error) = events.recv().await.unwrap() {
            assert!(error.to_string().to_lowercase().contains("permissions violation"), "{error}");
            violations += 1;
        }
    }
    jetstream::new(desk.desk.clone()).get_stream(OPTOUT_STREAM).await.unwrap();
}
