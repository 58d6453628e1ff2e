//! The whole house for one test, with servers, secrets and a mail folder of its own: in this process, or every service as
//! a process.

use super::child::{Child, fixed_port};
use chassis::{Bus, Clock, Db, Runtime};
use console::{Commands, command::CommandError};
use contracts::{CaseId, Code, Service, StaffId, Timestamp, desk::StatusView, request::StaffReply};
use futures::future::try_join_all;
use launcher::{KEY_SCHEMAS, NAMES, schemas, start_service, story};
use serde_json::Value;
use servers::{DataDir, PgOptions, Postgres, quiet};
use sqlx::{Connection, PgConnection};
use std::{path::PathBuf, sync::Arc};
use steward::provision::{Databases, databases};
use testkit::{House, eventually};
use tokio::sync::Mutex;

/// The link in every mail.
pub const STATUS_PAGE: &str = "http://desk.test/status";

/// How a desk is set up.
#[derive(Default)]
pub struct Plan {
    /// The clock stands still here; in this process only.
    pub at: Option<Timestamp>,
    /// Every service is a process that can be killed.
    pub apart: bool,
    /// A PostgreSQL of its own, which can be stopped.
    pub own_postgres: bool,
    /// More settings.
    pub settings: Vec<(&'static str, String)>,
    /// More environment of the processes.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// A running desk. Ends with the value.
pub struct Desk {
    /// Servers, clock, secrets.
    pub house: House,
    /// What a service in this process runs with.
    pub rt: Runtime,
    /// The public face.
    pub public: story::Desk,
    /// Where it listens.
    pub public_url: String,
    /// Where recipients report.
    pub partner_url: String,
    /// The staff's orders.
    pub commands: Commands,
    /// The console's connection.
    pub bus: Arc<Bus>,
    /// The console's read model.
    pub console: Db,
    /// Who orders.
    pub staff: StaffId,
    /// The services, where they are processes.
    pub children: Mutex<Vec<Child>>,
    /// Its own PostgreSQL, where it has one.
    pub postgres: Option<Postgres>,
    /// The data as the owner sees it.
    pub admin_url: String,
    /// The keys as the owner sees them.
    pub keys_url: String,
}

/// What a person was given, and what staff call it.
#[derive(Clone, Debug)]
pub struct Filed {
    /// Number and code.
    pub receipt: story::Receipt,
    /// The case.
    pub case: CaseId,
}

impl Desk {
    /// Everything in this process, the system's clock.
    pub async fn open() -> Self {
        Self::with(Plan::default()).await
    }
    /// Everything in this process, the clock in the test's hand.
    pub async fn held(at: Timestamp) -> Self {
        Self::with(Plan { at: Some(at), ..Plan::default() }).await
    }
    /// Every service a process.
    pub async fn apart() -> Self {
        Self::with(Plan { apart: true, ..Plan::default() }).await
    }

    /// As planned; ready when it returns.
    pub async fn with(plan: Plan) -> Self {
        let house = match (plan.own_postgres, plan.at) {
            // The steward of such a house looks at the own PostgreSQL and is started below.
            (true, _) => House::start(&[], &[]).await,
            (false, None) => House::start(&schemas(), KEY_SCHEMAS).await,
            (false, Some(at)) => House::held(&schemas(), KEY_SCHEMAS, at).await,
        };
        let mut settings = settings(&house);
        settings.extend(plan.settings.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        let (admin_url, keys_url, postgres) = if plan.own_postgres {
            let (own, at) = own_postgres(&house).await;
            settings.push(("house.database_url".into(), at.template(&at.data).unwrap()));
            settings.push(("house.keys_url".into(), at.template(&at.keys).unwrap()));
            (at.admin(&at.data).unwrap(), at.admin(&at.keys).unwrap(), Some(own))
        } else {
            (house.admin_url(), keys_url(&house), None)
        };
        let borrowed: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let rt = house.runtime(&borrowed);
        if plan.own_postgres {
            start_service("steward", rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        }
        let (children, public_url, partner_url) = if plan.apart {
            house.steward_elsewhere();
            let children = processes(&house, &settings, &plan.environment).await;
            let at = |key: &str| format!("http://{}", settings.iter().find(|(k, _)| k == key).unwrap().1);
            (children, at("door.listen"), at("optout.partner_listen"))
        } else {
            let (public, partner) = in_this_process(&rt).await;
            (vec![], public, partner)
        };
        // A runtime of its own: the test's connections are not what the services' readiness is about.
        let mine = house.runtime(&borrowed);
        let bus = mine.bus(Service::Console).await.unwrap();
        let commands = Commands::new(bus.clone(), mine.keys_dir(), mine.objects().unwrap());
        let console = mine.db("console").await.unwrap();
        let public = story::Desk::new(&public_url).unwrap();
        let (staff, children) = (StaffId::new(), Mutex::new(children));
        Self {
            house,
            rt,
            public,
            public_url,
            partner_url,
            commands,
            bus,
            console,
            staff,
            children,
            postgres,
            admin_url,
            keys_url,
        }
    }

    /// The data's database as its owner, where a test may have taken PostgreSQL away: what flows meanwhile asks again.
    pub async fn reach(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.admin_url).await
    }
    /// The data's database as its owner, where PostgreSQL is there.
    pub async fn admin(&self) -> PgConnection {
        self.reach().await.unwrap()
    }
    /// One figure.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.unwrap()
    }
    /// Where mails become files.
    pub fn mail_folder(&self) -> PathBuf {
        self.house.folder().join("mail")
    }
    /// The clock.
    pub fn clock(&self) -> Clock {
        self.house.clock.clone()
    }
    /// Today in Japan.
    pub fn today(&self) -> jiff::civil::Date {
        calendar::jst_date(self.clock().now())
    }

    /// Files; sent again with the same key until it is accepted, as the API says.
    pub async fn file(&self, body: &Value) -> Filed {
        let key = contracts::Uuid::now_v7().to_string();
        let receipt = eventually("the filing is accepted", || async {
            let filed = self.public.file(&key, body).await;
            filed.map_err(|e| e.to_string())
        })
        .await;
        let number = receipt.receipt_number.clone();
        let case = eventually("the case is there", || async {
            let mut db = PgConnection::connect(&self.admin_url).await.map_err(|e| e.to_string())?;
            let found: Option<contracts::Uuid> =
                sqlx::query_scalar("select case_id from intake.receipt where receipt_number = $1")
                    .bind(&number)
                    .fetch_optional(&mut db)
                    .await
                    .map_err(|e| e.to_string())?;
            found.map(CaseId).ok_or("no receipt".to_owned())
        })
        .await;
        Filed { receipt, case }
    }

    /// Waits until the status page says so.
    pub async fn until(&self, filed: &Filed, what: &str, wanted: impl Fn(&StatusView) -> bool) -> StatusView {
        eventually(what, || async {
            match self.public.status(&filed.receipt).await {
                Ok(view) if wanted(&view) => Ok(view),
                Ok(view) => Err(format!("{view:?}")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
    }

    /// Gives an order until it is obeyed; the caller's order has one token, so it is obeyed once. What is too early is
    /// tried again, any other refusal is the test's failure.
    pub async fn obeyed<F, Fut>(&self, what: &str, order: F) -> Code
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<StaffReply, CommandError>>,
    {
        let reply = eventually(what, || async {
            match order().await {
                Ok(StaffReply::Refused { reason, .. }) if ["too-early", "waiting"].contains(&reason.as_str()) => {
                    Err(reason.to_string())
                }
                Ok(reply) => Ok(reply),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        match reply {
            StaffReply::Done { status, .. } => status,
            StaffReply::Refused { reason, at } => panic!("{what}: refused: {reason} {at:?}"),
        }
    }

    /// The process of one service.
    pub async fn kill_and_start_again(&self, name: &str) {
        let mut children = self.children.lock().await;
        let child = children.iter_mut().find(|c| c.arguments.last().is_some_and(|a| a == name)).unwrap();
        child.kill();
        child.start_again();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.rt.stopping().ask();
    }
}

/// Pauses that heal in a fraction of a second, and listeners that stay where they are over restarts.
fn settings(house: &House) -> Vec<(String, String)> {
    let listen = || format!("127.0.0.1:{}", fixed_port());
    [
        ("door.listen", listen()),
        ("console.listen", listen()),
        ("optout.partner_listen", listen()),
        ("optout.allow_private_endpoints", "true".into()),
        ("optout.poll_ms", "50".into()),
        ("optout.retry_base_ms", "100".into()),
        ("optout.retry_cap_ms", "500".into()),
        ("optout.send_ms", "1000".into()),
        ("optout.lease_ms", "2000".into()),
        ("optout.remind_seconds", "3".into()),
        ("notification.outbox_dir", house.folder().join("mail").display().to_string()),
        ("notification.status_url", STATUS_PAGE.into()),
        ("notification.smtp_timeout_s", "1".into()),
        ("notification.lease_s", "11".into()),
        ("notification.backoff_s", "1".into()),
        ("notification.backoff_cap_s", "2".into()),
        ("intake.poll_ms", "50".into()),
        ("payment.settle_seconds", "1".into()),
        ("house.connections", "4".into()),
        ("steward.every_seconds", "1".into()),
        ("bus.repeat_base_ms", "100".into()),
        ("bus.repeat_cap_ms", "1000".into()),
        ("bus.later_base_ms", "50".into()),
        ("bus.later_cap_ms", "500".into()),
        ("bus.poll_ms", "50".into()),
    ]
    .map(|(k, v)| (k.to_owned(), v))
    .into()
}

/// The key database stands beside the data's, under the same name with another letter.
fn keys_url(house: &House) -> String {
    let (admin_url, role) = (house.admin_url(), house.runtime(&[]).keys_url("intake").unwrap());
    let database = |url: &str| url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    admin_url.replace(&format!("/{}?", database(&admin_url)), &format!("/{}?", database(&role)))
}

async fn own_postgres(house: &House) -> (Postgres, Databases) {
    let dir = DataDir::open(&house.folder().join("own-postgres"), &quiet).await.unwrap();
    let postgres = Postgres::start(testkit::binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
    let at = Databases { admin_url: postgres.superuser_url("postgres"), data: "data".into(), keys: "keys".into() };
    databases(&at, house.secrets(), &schemas(), KEY_SCHEMAS, false, &|_| {}).await.unwrap_or_else(|e| panic!("{e:#}"));
    (postgres, at)
}

/// All services but the steward, which the house has; where the public desk and the partner API listen.
async fn in_this_process(rt: &Runtime) -> (String, String) {
    let others = NAMES.iter().filter(|n| **n != "steward");
    let started =
        try_join_all(others.map(|name| start_service(name, rt.clone()))).await.unwrap_or_else(|e| panic!("{e:#}"));
    let listens: Vec<_> = started.into_iter().flat_map(|s| s.listens).collect();
    let at = |name: &str| format!("http://{}", listens.iter().find(|(n, _)| *n == name).unwrap().1);
    (at("desk"), at("partner"))
}

/// The environment of a process of this house.
pub fn environment(house: &House, settings: &[(String, String)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = house.environment();
    all.extend(
        settings
            .iter()
            .map(|(key, value)| (format!("MADOGUCHI__{}", key.to_uppercase().replace('.', "__")), value.clone())),
    );
    all.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    all
}

async fn processes(house: &House, settings: &[(String, String)], more: &[(&str, &str)]) -> Vec<Child> {
    let children: Vec<Child> = NAMES
        .iter()
        .map(|name| {
            let mut environment = environment(house, settings, more);
            environment.push(("MADOGUCHI__OPS__LISTEN".into(), format!("127.0.0.1:{}", fixed_port())));
            Child::start(&["serve", name], &environment, &house.folder().join("log").join(format!("{name}.log")))
        })
        .collect();
    for child in &children {
        eventually(&format!("{:?} is ready", child.arguments), || async {
            if child.lines().iter().any(|l| l["message"] == "ready") { Ok(()) } else { Err(child.output()) }
        })
        .await;
    }
    children
}
