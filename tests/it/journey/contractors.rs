//! Those who are told of a stop: example contractors with keys, journals and credentials of their own.

use super::desk::Desk;
use console::By;
use contracts::{
    Code, InstructionId, Measure, RecipientId, Transport,
    recipient::{Report, ReportAnswer, ReportStage},
    request::NatsKey,
};
use launcher::story::Contractor;
use opt_out_propagation::WebhookKeys;
use recipient_kit::{
    apply, digest_of,
    http::HttpDesk,
    journal::{Journal, Line},
    report,
    run::{self, Running},
    send::SendsReports,
    webhook::{self, Verifier},
};
use std::{collections::HashMap, net::SocketAddr, path::PathBuf};
use testkit::eventually;
use tokio::net::TcpListener;

/// A contractor at work.
pub struct Joined {
    /// The contractor.
    pub running: Running,
    folder: PathBuf,
}

impl Joined {
    /// How often each instruction stands in its journal: what it did, by its own books.
    pub fn journal(&self) -> HashMap<InstructionId, u32> {
        let (_, lines) = Journal::open(&self.folder.join("journal.ndjson")).unwrap();
        let mut taken = HashMap::new();
        for line in lines {
            if let Line::Taken { bytes } = line {
                *taken.entry(apply::parse(&bytes.0).unwrap().id).or_default() += 1;
            }
        }
        taken
    }

    /// It has taken so many instructions, and every report was accepted: where two are about one entry and go out together: which comes first is not promised, and the older one of
    /// them is reported and changes nothing when it comes second.
    pub async fn has_taken(&self, instructions: u64) {
        let counts = self.running.contractor.until(|c| c.taken >= instructions && c.open == 0).await;
        assert_eq!((counts.taken, counts.refused, counts.reports_refused), (instructions, 0, 0), "{counts:?}");
        assert_eq!(self.running.contractor.ledger().gaps(), vec![], "positions are missing");
    }
    /// It has applied so many instructions, each once, and every report was accepted.
    pub async fn has_applied(&self, instructions: u64) {
        let counts = self.running.contractor.until(|c| c.applied >= instructions && c.open == 0).await;
        assert_eq!(
            (counts.applied, counts.taken, counts.refused, counts.reports_refused),
            (instructions, instructions, 0, 0),
            "{counts:?}"
        );
        let journal = self.journal();
        assert_eq!(journal.len() as u64, instructions);
        assert!(journal.values().all(|n| *n == 1), "an instruction was applied twice: {journal:?}");
        assert_eq!(self.running.contractor.ledger().gaps(), vec![], "positions are missing");
    }
}

/// A contractor with its keys, before it is registered.
pub fn prepared(desk: &Desk, label: &'static str) -> (Contractor, PathBuf) {
    let folder = desk.house.folder().join("contractors").join(label);
    (Contractor::open(&folder, RecipientId::new(), Code::of(label)).unwrap(), folder)
}

/// Registers one that is reached over NATS; it does not connect. Gives its credentials and its account.
pub async fn registered_over_nats(desk: &Desk, contractor: &Contractor, folder: &std::path::Path) -> (String, String) {
    let user = nats_auth::RootSecret::load_or_create(&folder.join("nats-user.secret")).unwrap().user_for("recipient");
    let key = NatsKey::new(&user.public_key()).unwrap();
    let admitted = eventually("the steward admits it", || async {
        let admitted = desk.commands.admit(contractor.id, &key).await;
        admitted.map_err(|e| e.to_string())
    })
    .await;
    let account = NatsKey::new(&admitted.account).unwrap();
    let by = By::new(desk.staff, "a contractor of ours");
    let new = contractor.registration(Transport::Nats, None, Some((key, account)));
    desk.obeyed("a recipient is registered", || desk.commands.register_recipient(by, new.clone())).await;
    (nats_auth::format_creds(&admitted.user_jwt, &user.seed().unwrap()), admitted.account)
}

/// Connects a registered contractor; its account is known to the server once the steward has passed by.
pub async fn connected(desk: &Desk, contractor: &Contractor, folder: PathBuf, creds: &str, account: &str) -> Joined {
    let running = eventually("the contractor connects", || async {
        let running = run::over_nats(contractor.works.clone(), &desk.house.nats.url(), creds, account).await;
        running.map_err(|e| e.to_string())
    })
    .await;
    Joined { running, folder }
}

/// One over NATS, with an account and credentials of its own.
pub async fn over_nats(desk: &Desk, label: &'static str) -> Joined {
    let (contractor, folder) = prepared(desk, label);
    let (creds, account) = registered_over_nats(desk, &contractor, &folder).await;
    connected(desk, &contractor, folder, &creds, &account).await
}

/// One behind a webhook.
pub async fn by_webhook(desk: &Desk, label: &'static str) -> Joined {
    by_webhook_behind(desk, label, |address| async move { address }).await
}

/// The same, with something in front of its endpoint: `front` is given the contractor's address and gives its own.
pub async fn by_webhook_behind<F, Fut>(desk: &Desk, label: &'static str, front: F) -> Joined
where
    F: FnOnce(SocketAddr) -> Fut,
    Fut: Future<Output = SocketAddr>,
{
    let (contractor, folder) = prepared(desk, label);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/madoguchi", front(listener.local_addr().unwrap()).await);
    let by = By::new(desk.staff, "a contractor of ours");
    let new = contractor.registration(Transport::Webhook, Some(url), None);
    desk.obeyed("a recipient is registered", || desk.commands.register_recipient(by, new.clone())).await;
    // A person hands the two keys over; see `madoguchi webhook-keys`.
    let keys = WebhookKeys::load_or_create(&desk.house.secrets().keys()).unwrap().hand_over(contractor.id);
    let verifier = Verifier {
        secrets: vec![webhook::Secret::parse(&keys.secret).unwrap()],
        keys: vec![webhook::parse_public(&keys.public).unwrap()],
    };
    let running = run::over_webhook(contractor.works.clone(), listener, &desk.partner_url, verifier).unwrap();
    Joined { running, folder }
}

/// One that fetches: the test has its keys, and reports what it likes.
pub async fn pulls(desk: &Desk, label: &'static str) -> Contractor {
    let (contractor, _) = prepared(desk, label);
    let by = By::new(desk.staff, "a contractor of ours");
    let new = contractor.registration(Transport::Pull, None, None);
    desk.obeyed("a recipient is registered", || desk.commands.register_recipient(by, new.clone())).await;
    contractor
}

/// A signed report about the last instruction it fetched.
pub async fn says(desk: &Desk, who: &Contractor, stage: ReportStage) {
    says_of(desk, who, |_| true, stage).await;
}

/// A signed report about the last instruction of this measure that it fetched.
pub async fn says_to(desk: &Desk, who: &Contractor, measure: Measure, stage: ReportStage) {
    says_of(desk, who, |asked| asked == measure, stage).await;
}

async fn says_of(desk: &Desk, who: &Contractor, is_meant: impl Fn(Measure) -> bool, stage: ReportStage) {
    let http = HttpDesk::new(&desk.partner_url).unwrap();
    let (body, instruction) = eventually("the feed has it", || async {
        let (bodies, _) = http.page(&who.keys, who.id, "0.0").await.map_err(|e| format!("{e:?}"))?;
        let found = bodies.into_iter().rev().find_map(|body| {
            let parsed = apply::parse(&body).unwrap();
            is_meant(parsed.data.measure).then_some((body, parsed.id))
        });
        found.ok_or("not yet".to_owned())
    })
    .await;
    let said = Report {
        instruction,
        recipient: who.id,
        digest: digest_of(&body),
        stage,
        time: desk.clock().now(),
        book_entry: None,
        erasures: vec![],
    };
    let answer = http.send(&report::sign(&said, &who.keys.signing)).await.unwrap();
    assert!(matches!(answer, ReportAnswer::Accepted { .. }), "{answer:?}");
}
