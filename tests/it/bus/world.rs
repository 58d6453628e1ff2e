//! A house with two services: the asker speaks (as intake), the tally hears (as identity). The real schemas' names, NATS
//! users, durables and permissions; only the machines are toys.

use super::toy::{Asker, Say, Tally, number_of, route};
use async_nats::{Client, ConnectOptions, jetstream};
use async_trait::async_trait;
use chassis::{Bus, Cause, HandleError, Heard, Hears, Home, Reaction, Runtime, Schema};
use contracts::{
    Code, Envelope, Kind, Message, MessageId, Service, StaffId, Timestamp, Uuid,
    envelope::Origin,
    request::{ParkedChoice, ParkedReply, StaffCommand, StaffReply},
};
use futures::StreamExt;
use nats_auth::{House as Accounts, Permissions, RootSecret};
use sqlx::{
    PgConnection, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testkit::{House, eventually};

static NONE: LazyLock<Migrator> = LazyLock::new(|| Migrator::with_migrations(vec![]));
/// What the steward looks at; with it the testkit starts a steward.
static REGISTER: LazyLock<Migrator> = LazyLock::new(|| {
    let sql = "create table recipient (id uuid primary key, nats_account text)";
    Migrator::with_migrations(vec![Migration::new(
        100,
        "recipients".into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    )])
});

/// The schemas of the toy house.
pub fn schemas() -> [Schema<'static>; 3] {
    [
        Schema { name: "intake", machines: &["asker"], bus: true, migrator: &NONE },
        Schema { name: "identity", machines: &["tally"], bus: true, migrator: &NONE },
        Schema { name: "optout", machines: &[], bus: false, migrator: &REGISTER },
    ]
}

/// A toy house with a steward.
pub async fn house() -> House {
    House::start(&schemas(), &[]).await
}

/// What the toy hearer does with a message that is not for its machine.
#[derive(Default)]
pub struct Tricks {
    /// `Consultation` waits while this is set: a neighbour is away.
    pub neighbour_away: AtomicBool,
}

struct HearsTally {
    home: Home<Tally>,
    tricks: Arc<Tricks>,
}

#[async_trait]
impl Hears for HearsTally {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        let Message::VerifyIdentity(v) = &heard.message else { return Ok(Reaction::Ignored) };
        let input = match (route(v), v.kind) {
            (Some(input), _) => input,
            (None, Kind::Complaint) => panic!("a bug of the toy"),
            (None, Kind::PurposeNotice) => return Ok(Reaction::Ignored),
            (None, Kind::Consultation) if self.tricks.neighbour_away.load(Ordering::SeqCst) => {
                return Ok(Reaction::Later(Code::of("neighbour-away")));
            }
            (None, Kind::Consultation) => super::toy::In::Add(number_of(v)),
            (None, _) => return Ok(Reaction::Park(Code::of("not-by-machine"))),
        };
        Ok(self.home.handle(v.case.0, Cause::Message(heard.clone()), input).await?.into())
    }
}

/// The asker hears nothing.
struct Deaf;

#[async_trait]
impl Hears for Deaf {
    async fn hear(&self, _: Arc<Heard>) -> Result<Reaction, HandleError> {
        Ok(Reaction::Ignored)
    }
}

/// The speaking service, running.
pub struct Speaker {
    pub rt: Runtime,
    pub bus: Arc<Bus>,
    pub home: Home<Asker>,
}

impl Speaker {
    pub async fn start(house: &House) -> Self {
        Self::start_with(house.runtime(&[])).await
    }
    pub async fn start_with(rt: Runtime) -> Self {
        let bus = rt.bus(Service::Intake).await.unwrap();
        let home = Home::<Asker>::new(&bus);
        bus.run(Arc::new(Deaf), vec![Arc::new(home.clone())]).await.unwrap();
        Self { rt, bus, home }
    }
    /// One message, committed.
    pub async fn say(&self, machine: Uuid, kind: Kind, number: u32) {
        let outcome = self.home.handle(machine, Cause::Person(Uuid::now_v7()), Say(kind, number)).await.unwrap();
        assert!(outcome.is_done());
    }
    /// Stops it in order.
    pub async fn stop(self) {
        assert!(self.rt.stopping().stop(Duration::from_secs(20)).await, "the speaker did not stop in time");
        self.bus.db().close().await;
    }
}

/// The hearing service, running.
pub struct Hearer {
    pub rt: Runtime,
    pub bus: Arc<Bus>,
    pub home: Home<Tally>,
    pub tricks: Arc<Tricks>,
}

impl Hearer {
    pub async fn start(house: &House) -> Self {
        Self::start_with(house.runtime(&[])).await
    }
    pub async fn start_with(rt: Runtime) -> Self {
        let bus = rt.bus(Service::Identity).await.unwrap();
        let home = Home::<Tally>::new(&bus);
        let tricks = Arc::new(Tricks::default());
        bus.run(Arc::new(HearsTally { home: home.clone(), tricks: tricks.clone() }), vec![Arc::new(home.clone())])
            .await
            .unwrap();
        Self { rt, bus, home, tricks }
    }
    pub async fn stop(self) {
        assert!(self.rt.stopping().stop(Duration::from_secs(20)).await, "the hearer did not stop in time");
        self.bus.db().close().await;
    }
}

/// What was said, to be compared with what was heard.
#[derive(Default)]
pub struct Ledger(pub HashMap<Uuid, BTreeSet<u32>>);

impl Ledger {
    /// Says `messages` numbers about each of `machines` new machines.
    pub async fn say(&mut self, speaker: &Speaker, machines: usize, messages: u32) {
        for _ in 0..machines {
            let id = Uuid::now_v7();
            for n in 0..messages {
                speaker.say(id, Kind::Disclosure, n).await;
                self.0.entry(id).or_default().insert(n);
            }
        }
    }
    pub fn messages(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
    /// Waits until everything said was heard exactly once and every outbox row is closed.
    pub async fn settled(&self, house: &House) {
        let mut db = house.admin().await;
        self.settled_in(&mut db).await;
    }
    pub async fn settled_in(&self, db: &mut PgConnection) {
        let db = tokio::sync::Mutex::new(db);
        eventually("everything said is heard and confirmed", || async {
            let mut db = db.lock().await;
            let open: i64 = sqlx::query_scalar("select count(*) from intake.outbox where unheard <> '{}'")
                .fetch_one(&mut **db)
                .await
                .map_err(|e| e.to_string())?;
            let heard: i64 = sqlx::query_scalar("select count(*) from identity.history")
                .fetch_one(&mut **db)
                .await
                .map_err(|e| e.to_string())?;
            if open == 0 && heard == self.messages() as i64 {
                Ok(())
            } else {
                Err(format!("{open} open, {heard} of {} heard", self.messages()))
            }
        })
        .await;
        let rows: Vec<(Uuid, serde_json::Value)> =
            sqlx::query_as("select id, state from identity.tally").fetch_all(&mut **db.lock().await).await.unwrap();
        let found: HashMap<Uuid, BTreeSet<u32>> = rows
            .into_iter()
            .map(|(id, state)| (id, serde_json::from_value::<super::toy::TallyState>(state).unwrap().numbers))
            .collect();
        assert_eq!(found, self.0);
    }
}

/// A NATS user of the house's account that may do anything: to look, and to break things.
pub async fn vandal(house: &House) -> Client {
    client(house, "vandal", Permissions::new().publish([">"]).subscribe([">"])).await
}

/// A NATS user with the rights given.
pub async fn client(house: &House, name: &str, permissions: Permissions) -> Client {
    let accounts = Accounts::new(RootSecret::load_or_create(&house.secrets().root()).unwrap());
    let creds = accounts.service_creds(name, permissions, Timestamp::from_second(1_700_000_000).unwrap()).unwrap();
    ConnectOptions::with_credentials(&creds)
        .unwrap()
        .custom_inbox_prefix(format!("_INBOX_{name}"))
        .max_reconnects(None)
        .connect(house.nats.url())
        .await
        .unwrap()
}

pub fn jetstream_of(client: &Client) -> jetstream::Context {
    jetstream::new(client.clone())
}

/// Counts what is published on the subjects of the toy's command, seen as any subscriber of the account sees it.
pub struct Count(Arc<Mutex<HashMap<MessageId, u32>>>);

impl Count {
    pub async fn start(house: &House) -> Self {
        let client = vandal(house).await;
        let mut seen = client.subscribe("cmd.identity.>").await.unwrap();
        client.flush().await.unwrap();
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let mine = counts.clone();
        tokio::spawn(async move {
            while let Some(message) = seen.next().await {
                if let Ok((envelope, _)) = Envelope::decode(&message.payload) {
                    *mine.lock().unwrap().entry(envelope.id).or_default() += 1;
                }
            }
        });
        Self(counts)
    }
    /// (messages, publishes).
    pub fn so_far(&self) -> (usize, u32) {
        let counts = self.0.lock().unwrap();
        (counts.len(), counts.values().sum())
    }
}

/// A message of the speaker about a machine, made by hand.
pub fn heard(machine: Uuid, kind: Kind, number: u32, seq: i64) -> Arc<Heard> {
    heard_as(super::toy::order(machine, kind, number), machine, seq)
}

/// The same for any message.
pub fn heard_as(message: Message, machine: Uuid, seq: i64) -> Arc<Heard> {
    let origin = Origin {
        id: MessageId::new(),
        subject: machine,
        correlation: machine,
        causation: machine,
        seq,
        time: Timestamp::from_second(1_700_000_000).unwrap(),
        traceparent: None,
    };
    let envelope = Envelope::new(&message, origin);
    let bytes = envelope.to_bytes();
    Arc::new(Heard { envelope, message, bytes })
}

/// The console, as far as parked messages go.
pub struct Desk(Client);

impl Desk {
    pub async fn sit_down(house: &House) -> Self {
        Self(house.runtime(&[]).nats("console").await.unwrap())
    }
    pub async fn parked(&self) -> ParkedReply {
        serde_json::from_slice(&self.0.request("req.identity.parked", "{}".into()).await.unwrap().payload).unwrap()
    }
    pub async fn parked_at(&self, service: &str) -> ParkedReply {
        serde_json::from_slice(&self.0.request(format!("req.{service}.parked"), "{}".into()).await.unwrap().payload)
            .unwrap()
    }
    pub async fn retry(&self, id: Uuid) -> StaffReply {
        self.choose("req.identity.retry", id).await
    }
    pub async fn drop(&self, id: Uuid) -> StaffReply {
        self.choose("req.identity.drop", id).await
    }
    pub async fn choose(&self, subject: &'static str, id: Uuid) -> StaffReply {
        let command = StaffCommand {
            token: Uuid::now_v7(),
            staff: StaffId::new(),
            why: contracts::Sealed(vec![1; 40]),
            traceparent: None,
            order: ParkedChoice { id },
        };
        let reply = self.0.request(subject, serde_json::to_vec(&command).unwrap().into()).await.unwrap();
        serde_json::from_slice(&reply.payload).unwrap()
    }
}

/// The state of one inbox row of the hearer.
pub async fn inbox_state(db: &mut PgConnection, id: Uuid) -> Option<(String, Option<String>)> {
    sqlx::query_as("select state, note from identity.inbox where id = $1").bind(id).fetch_optional(db).await.unwrap()
}

/// Waits until an inbox row of the hearer has this state; its note.
pub async fn until_state(house: &House, id: Uuid, state: &str) -> Option<String> {
    let db = tokio::sync::Mutex::new(house.admin().await);
    eventually(&format!("inbox row is {state}"), || async {
        match inbox_state(&mut *db.lock().await, id).await {
            Some((found, note)) if found == state => Ok(note),
            other => Err(other),
        }
    })
    .await
}

/// The ids of the messages that the asker said about one machine, in order.
pub async fn said_ids(house: &House, machine: Uuid) -> Vec<Uuid> {
    let mut db = house.admin().await;
    sqlx::query_scalar("select id from intake.outbox where machine = $1 order by seq")
        .bind(machine)
        .fetch_all(&mut db)
        .await
        .unwrap()
}
