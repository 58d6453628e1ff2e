//! Recipients as processes of their own, several in each, so that they can be killed: journals survive, memory does not.

use super::{
    child::Child,
    contractors::{prepared, registered_over_nats},
    desk::Desk,
};
use console::By;
use contracts::{Code, InstructionId, RecipientId, Transport};
use launcher::story::Contractor;
use opt_out_propagation::WebhookKeys;
use recipient_kit::{
    apply,
    journal::{Journal, Line},
    run::{self, Running},
    webhook::{self, Verifier},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};
use testkit::eventually;
use tokio::net::TcpListener;

/// What the process is told of one recipient.
#[derive(Serialize, Deserialize)]
struct Setup {
    id: RecipientId,
    label: String,
    folder: PathBuf,
    way: Way,
}

#[derive(Serialize, Deserialize)]
enum Way {
    Nats { url: String, creds: String, account: String },
    Webhook { listen: String, desk: String, secret: String, public: String },
}

/// One recipient as the test sees it: by its own books.
pub struct Recipient {
    /// Who.
    pub id: RecipientId,
    folder: PathBuf,
}

impl Recipient {
    /// How often each instruction stands in its journal; whatever was addressed to somebody else is the test's failure.
    pub fn journal(&self) -> HashMap<InstructionId, u32> {
        let (_, lines) = Journal::open(&self.folder.join("journal.ndjson")).unwrap();
        let mut taken = HashMap::new();
        for line in lines {
            if let Line::Taken { bytes } = line {
                let instruction = apply::parse(&bytes.0).unwrap();
                assert_eq!(instruction.data.audience, self.id, "a body at the wrong recipient");
                *taken.entry(instruction.id).or_default() += 1;
            }
        }
        taken
    }
}

/// `number` recipients, every other one over NATS, registered and at work in `processes` processes.
pub async fn at_work(desk: &Desk, number: usize, processes: usize) -> (Vec<Recipient>, Vec<Child>) {
    let mut setups: Vec<Vec<Setup>> = (0..processes).map(|_| vec![]).collect();
    let mut recipients = vec![];
    for n in 0..number {
        let setup = registered(desk, n).await;
        recipients.push(Recipient { id: setup.id, folder: setup.folder.clone() });
        setups[n % processes].push(setup);
    }
    let mut children = vec![];
    for (n, group) in setups.iter().enumerate() {
        let file = desk.house.folder().join(format!("recipients-{n}.json"));
        std::fs::write(&file, serde_json::to_vec(group).unwrap()).unwrap();
        let log = desk.house.folder().join("log").join(format!("recipients-{n}.log"));
        children.push(Child::start(&["recipients", file.to_str().unwrap()], &[], &log));
    }
    for child in &children {
        eventually("recipients are at work", || async {
            if child.lines().iter().any(|l| l["message"] == "ready") { Ok(()) } else { Err(child.output()) }
        })
        .await;
    }
    (recipients, children)
}

async fn registered(desk: &Desk, n: usize) -> Setup {
    let label: &'static str = Box::leak(format!("recipient-{n}").into_boxed_str());
    let (contractor, folder) = prepared(desk, label);
    let way = if n.is_multiple_of(2) {
        let (creds, account) = registered_over_nats(desk, &contractor, &folder).await;
        Way::Nats { url: desk.house.nats.url(), creds, account }
    } else {
        let listen = format!("127.0.0.1:{}", super::child::fixed_port());
        let by = By::new(desk.staff, "a contractor of ours");
        let url = format!("http://{listen}/madoguchi");
        let new = contractor.registration(Transport::Webhook, Some(url), None);
        desk.obeyed("a recipient is registered", || desk.commands.register_recipient(by, new.clone())).await;
        let keys = WebhookKeys::load_or_create(&desk.house.secrets().keys()).unwrap().hand_over(contractor.id);
        Way::Webhook { listen, desk: desk.partner_url.clone(), secret: keys.secret.to_string(), public: keys.public }
    };
    Setup { id: contractor.id, label: label.to_owned(), folder, way }
}

/// What such a process does until it is killed: says `ready` once all are connected, and `refused` should one of them refuse
/// anything or have a report refused.
pub async fn work(file: &Path) {
    let setups: Vec<Setup> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut running = vec![];
    for setup in setups {
        let contractor = Contractor::open(&setup.folder, setup.id, setup.label.parse::<Code>().unwrap()).unwrap();
        let works = contractor.works.clone();
        running.push(start(&setup.way, &contractor).await);
        tokio::spawn(async move {
            let counts = works.until(|c| c.refused + c.reports_refused > 0).await;
            println!("{}", serde_json::json!({ "message": "refused", "counts": format!("{counts:?}") }));
        });
    }
    println!("{}", serde_json::json!({ "message": "ready" }));
    std::future::pending::<()>().await;
}

async fn start(way: &Way, contractor: &Contractor) -> Running {
    match way {
        Way::Nats { url, creds, account } => {
            eventually("the recipient connects", || async {
                let running = run::over_nats(contractor.works.clone(), url, creds, account).await;
                running.map_err(|e| e.to_string())
            })
            .await
        }
        Way::Webhook { listen, desk, secret, public } => {
            let verifier = Verifier {
                secrets: vec![webhook::Secret::parse(secret).unwrap()],
                keys: vec![webhook::parse_public(public).unwrap()],
            };
            let listener = eventually("the endpoint listens", || async {
                TcpListener::bind(listen).await.map_err(|e| e.to_string())
            })
            .await;
            run::over_webhook(contractor.works.clone(), listener, desk, verifier).unwrap()
        }
    }
}
