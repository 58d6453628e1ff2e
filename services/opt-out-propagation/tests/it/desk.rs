//! A house with this service in it, and hands to feed it.

use chassis::{Bus, Cause, Home, Runtime, Schema};
use contracts::{
    CaseId, ChangeId, Code, ContractItem, Diligence, EntryId, Measure, RecipientId, RecipientKind, Scope, Sealed,
    Service, StaffId, Timestamp, Transport, Uuid,
    register::{Certification, Contract},
    request::{ListRecipients, NatsKey, RecipientRow, RegisterRecipient, Request, StaffCommand, StaffReply},
};
use opt_out_propagation::{
    WebhookKeys,
    entry::{self, Entry},
    fanout::FanOut,
    person::Register,
    propagation::Periods,
    rows::{EntryRows, InstructionRows},
};
use privacy::{BlindIndex, FileMasterKey, Limits, Personal, PublicKey, ServiceKey, Vault};
use recipient_kit::{
    Identifiers, RecipientKeys,
    webhook::{Secret, Verifier, parse_public},
};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};
use testkit::House;
use tokio::sync::Notify;

pub struct Desk {
    pub house: House,
    pub rt: Runtime,
    pub bus: Arc<Bus>,
    pub register: Arc<Register>,
    pub entries: Home<Entry>,
    pub partner: Option<SocketAddr>,
    console: async_nats::Client,
}

/// Settings under which tests heal in a fraction of a second.
const QUICK: &[(&str, &str)] = &[
    ("optout.partner_listen", "127.0.0.1:0"),
    ("optout.allow_private_endpoints", "true"),
    ("optout.send_ms", "1000"),
    ("optout.retry_base_ms", "20"),
    ("optout.retry_cap_ms", "200"),
    ("optout.lease_ms", "2000"),
    ("optout.poll_ms", "20"),
    ("optout.remind_seconds", "1"),
    // Most endpoints here are sockets that report nothing.
    ("optout.test_endpoints", "false"),
];

impl Desk {
    /// With the service running.
    pub async fn serving() -> Self {
        Self::serving_with(&[]).await
    }

    /// The same with other settings.
    pub async fn serving_with(more: &[(&str, &str)]) -> Self {
        let mut desk = Self::quiet().await;
        if !more.is_empty() {
            desk.rt = desk.house.runtime(&[QUICK, more].concat());
        }
        let started = opt_out_propagation::start(desk.rt.clone()).await.unwrap();
        desk.partner = started.listens.iter().find(|(word, _)| *word == "partner").map(|(_, at)| *at);
        desk
    }

    /// Database and keys only; the test runs the parts itself.
    pub async fn quiet() -> Self {
        let schemas = [
            Schema {
                name: "optout",
                machines: opt_out_propagation::MACHINES,
                bus: true,
                migrator: &opt_out_propagation::MIGRATOR,
            },
            Schema {
                name: "notification",
                machines: notification::MACHINES,
                bus: true,
                migrator: &notification::MIGRATOR,
            },
        ];
        let house = House::start(&schemas, &["optout"]).await;
        let rt = house.runtime(QUICK);
        let bus = rt.bus(Service::OptOut).await.unwrap();
        let register = Arc::new(open_register(&rt, &bus).await);
        let entries = Home::with_rows(&bus, Arc::new(EntryRows));
        let creds = std::fs::read_to_string(house.secrets().creds().join("console.creds")).unwrap();
        let options = async_nats::ConnectOptions::with_credentials(&creds).unwrap();
        let console = options.custom_inbox_prefix("_INBOX_console").connect(house.nats.url()).await.unwrap();
        Self { house, rt, bus, register, entries, partner: None, console }
    }

    pub fn fan_out(&self) -> FanOut {
        FanOut {
            bus: self.bus.clone(),
            register: self.register.clone(),
            instructions: Home::with_rows(&self.bus, Arc::new(InstructionRows)),
            periods: periods(),
            remind_seconds: 60,
            sample_percent: 0,
            wake: Arc::new(Notify::new()),
            deliveries: Arc::default(),
        }
    }

    pub async fn ask<R: Request>(&self, request: &R) -> R::Reply {
        let bytes = serde_json::to_vec(request).unwrap();
        testkit::eventually("the service answers", || async {
            let asked = self.console.request(R::ENTRY.subject(), bytes.clone().into()).await;
            serde_json::from_slice(&asked.map_err(|e| e.to_string())?.payload).map_err(|e| e.to_string())
        })
        .await
    }

    /// As the console orders it.
    pub async fn register(&self, order: RegisterRecipient) -> StaffReply {
        self.order(StaffId::new(), order).await
    }

    /// Any order, as a member of staff gives it.
    pub async fn order<T>(&self, staff: StaffId, order: T) -> StaffReply
    where
        StaffCommand<T>: Request<Reply = StaffReply>,
    {
        let token = Uuid::now_v7();
        self.ask(&StaffCommand { token, staff, why: self.sealed(token, "試験のため"), traceparent: None, order }).await
    }

    /// Sealed to the service, as the console seals.
    pub fn sealed(&self, aad: Uuid, text: &str) -> Sealed {
        let service = PublicKey::load(&self.rt.keys_dir().join("optout.pub")).unwrap();
        privacy::seal_to(&service, aad.as_bytes(), text.as_bytes()).unwrap()
    }

    pub async fn recipients(&self) -> Vec<RecipientRow> {
        self.ask(&ListRecipients {}).await.recipients
    }

    pub fn by_webhook(&self, label: &str, keys: &RecipientKeys, url: &str) -> RegisterRecipient {
        let recipient = RecipientId::new();
        let service = PublicKey::load(&self.rt.keys_dir().join("optout.pub")).unwrap();
        RegisterRecipient {
            recipient,
            label: label.parse().unwrap(),
            kind: RecipientKind::Contractor,
            transport: Transport::Webhook,
            url: Some(privacy::seal_to(&service, recipient.0.as_bytes(), url.as_bytes()).unwrap()),
            nats_user: None,
            nats_account: None,
            report_key: Sealed(keys.report_public().to_vec()),
            sealing_key: Sealed(keys.sealing_public().as_bytes().to_vec()),
            organisation: None,
            certification: Some(certification()),
            contract: Some(contract()),
        }
    }

    /// The order, and what the contractor connects with: credentials and account.
    pub fn by_nats(&self, label: &str, keys: &RecipientKeys) -> (RegisterRecipient, String, String) {
        let accounts =
            nats_auth::House::new(nats_auth::RootSecret::load_or_create(&self.house.secrets().root()).unwrap());
        let recipient = RecipientId::new();
        let (user, creds) = accounts.recipient_creds(recipient.0, Timestamp::now()).unwrap();
        let account = accounts.recipient_account(recipient.0);
        let order = RegisterRecipient {
            recipient,
            label: label.parse().unwrap(),
            kind: RecipientKind::Contractor,
            transport: Transport::Nats,
            url: None,
            nats_user: NatsKey::new(&user),
            nats_account: NatsKey::new(&account),
            report_key: Sealed(keys.report_public().to_vec()),
            sealing_key: Sealed(keys.sealing_public().as_bytes().to_vec()),
            organisation: None,
            certification: Some(certification()),
            contract: Some(contract()),
        };
        (order, creds, account)
    }

    /// What a recipient verifies webhooks with.
    pub fn verifier(&self, recipient: RecipientId) -> Verifier {
        let over = WebhookKeys::load_or_create(self.rt.keys_dir()).unwrap().hand_over(recipient);
        Verifier {
            secrets: vec![Secret::parse(&over.secret).unwrap()],
            keys: vec![parse_public(&over.public).unwrap()],
        }
    }

    /// Enters a final stop for a person.
    pub async fn stop(&self, kana: &str) -> EntryId {
        let (case, entry) = (CaseId::new(), EntryId::new());
        self.enter(case, entry, kana, Measure::Stop).await;
        entry
    }

    /// Enters a final stop, with the wish to erase or without.
    pub async fn enter(&self, case: CaseId, entry: EntryId, kana: &str, measure: Measure) {
        let person = Personal::new(Identifiers {
            kana: kana.to_owned(),
            birth_date: "1980-02-29".parse().unwrap(),
            name: Some("山田 花子".into()),
            sex: None,
            hospitals: vec!["みどり病院".into()],
        });
        self.register.keep(case, entry, &person).await.unwrap().unwrap();
        self.enter_kept(case, entry, measure).await;
    }

    /// The same for a person who is kept already.
    pub async fn enter_kept(&self, case: CaseId, entry: EntryId, measure: Measure) {
        let at = self.bus.clock().now();
        let input = entry::Input::EnterStop {
            case,
            scope: Scope::Both,
            measure,
            received_at: at,
            change: ChangeId::derived(entry.0, "stop"),
            at,
        };
        let outcome = self.entries.handle(entry.0, Cause::Person(Uuid::now_v7()), input).await.unwrap();
        assert!(outcome.is_done(), "{outcome:?}");
    }

    /// Waits until the entry is confirmed; by how many recipients.
    pub async fn confirmed(&self, entry: EntryId) -> u32 {
        testkit::eventually("the stop is confirmed", || async {
            match self.entries.read(entry.0).await.unwrap() {
                Some((_, entry::State::Confirmed { recipients, .. })) => Ok(recipients),
                other => Err(other),
            }
        })
        .await
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(self.bus.db().pool()).await.unwrap()
    }

    /// Messages said so far, by the last word of their type.
    pub async fn said(&self) -> BTreeMap<String, i64> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select split_part(subject, '.', 3), count(*) from outbox group by 1")
                .fetch_all(self.bus.db().pool())
                .await
                .unwrap();
        rows.into_iter().collect()
    }
}

pub fn periods() -> Periods {
    let days = |n: i64| jiff::SignedDuration::from_hours(24 * n);
    Periods { immediately: days(1), promptly: days(7), without_delay: days(14) }
}

pub fn certification() -> Certification {
    Certification {
        number: Code::of("k-12"),
        on: "2025-04-01".parse().unwrap(),
        scope: Scope::Both,
        until: None,
        parent: None,
        permitted_on: None,
    }
}

pub fn contract() -> Contract {
    Contract {
        scope: Scope::Both,
        from: "2025-04-01".parse().unwrap(),
        until: None,
        stop: Diligence::Promptly,
        erase: Diligence::WithoutDelay,
        items: ContractItem::ALL.iter().map(|item| (*item, Code::of("article-3"))).collect(),
        forms: Default::default(),
    }
}

async fn open_register(rt: &Runtime, bus: &Arc<Bus>) -> Register {
    let keys = rt.keys_dir();
    let master = FileMasterKey::load_or_create(&keys.join("master.key")).unwrap();
    let url = rt.keys_url("optout").unwrap();
    let vault = Vault::connect(&url, "optout", Arc::new(master), Limits::default());
    let key = ServiceKey::load_or_create(keys, "optout").unwrap();
    let index = BlindIndex::load_or_create(keys, "optout").unwrap();
    Register::new(bus.clone(), key, vault.await.unwrap(), index)
}

/// A recipient's rows without the console, for tests of parts.
pub async fn insert_recipient(desk: &Desk, label: &str, keys: &RecipientKeys) -> (RecipientId, Uuid) {
    let (recipient, endpoint) = (RecipientId::new(), Uuid::now_v7());
    let id = recipient_kit::key_id(&keys.report_public());
    let (label, report, sealing) = (label.to_owned(), keys.report_public(), *keys.sealing_public().as_bytes());
    desk.bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "insert into recipient (id, label, kind, transport, report_key, report_key_id, sealing_key, registered_at)
                     values ($1, $2, 'contractor', 'webhook', $3, $4, $5, now())",
                )
                .bind(recipient.0)
                .bind(label)
                .bind(report.as_slice())
                .bind(id.as_str())
                .bind(sealing.as_slice())
                .execute(&mut *tx)
                .await?;
                sqlx::query("insert into endpoint (id, recipient, version, transport, url) values ($1, $2, 1, 'webhook', $3)")
                    .bind(endpoint)
                    .bind(recipient.0)
                    .bind([0u8].as_slice())
                    .execute(&mut *tx)
                    .await?;
                sqlx::query("update recipient set certification = $2 where id = $1")
                    .bind(recipient.0)
                    .bind(serde_json::to_value(certification()).unwrap())
                    .execute(&mut *tx)
                    .await?;
                let contract = contract();
                sqlx::query("insert into contract_version (recipient, version, terms, items, activated_at) values ($1, 1, $2, $3, now())")
                    .bind(recipient.0)
                    .bind(serde_json::to_value(&contract).unwrap())
                    .bind(contract.items.iter().map(|(item, _)| item.as_str()).collect::<Vec<_>>())
                    .execute(tx)
                    .await?;
                Ok(())
            })
        })
        .await
        .unwrap();
    (recipient, endpoint)
}

pub fn refused(reply: &StaffReply) -> Option<&Code> {
    match reply {
        StaffReply::Refused { reason, .. } => Some(reason),
        StaffReply::Done { .. } => None,
    }
}
