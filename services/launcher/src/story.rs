//! What people and machines outside do, for the demo, the journeys and the benchmarks: file at the public desk, read the
//! status, run a contractor, write a bank file. It uses only what anybody outside could use, and the console's commands.

use crate::Up;
use anyhow::{Context, ensure};
use console::command::{By, Commands};
use contracts::{
    CaseId, Code, ContractItem, Diligence, RecipientId, RecipientKind, Scope, StaffId, Transport,
    desk::StatusView,
    register::{Certification, Contract},
    request::{NatsKey, StaffReply},
};
use opt_out_propagation::WebhookKeys;
use recipient_kit::{
    ExampleContractor, RecipientKeys,
    run::Running,
    webhook::{self, Verifier},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// The longest that a step of the story may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the public desk.
#[derive(Clone)]
pub struct Desk {
    http: reqwest::Client,
    url: String,
}

/// What filing gives.
#[derive(Clone, Debug, Deserialize)]
pub struct Receipt {
    /// What the person reads to the counter.
    pub receipt_number: String,
    /// Opens the status page together with it.
    pub access_code: String,
}

impl Desk {
    /// At `http://host:port`.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned() })
    }

    /// Files a request; the body as [`opt_out_of`] and [`disclosure_to`] make it.
    pub async fn file(&self, idempotency_key: &str, body: &Value) -> anyhow::Result<Receipt> {
        let response = self
            .http
            .post(format!("{}/api/v1/requests", self.url))
            .header("Idempotency-Key", idempotency_key)
            .header("Content-Type", "application/json")
            .body(body.to_string())
            .send()
            .await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status == 201, "filing: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// The status as the person sees it.
    pub async fn status(&self, receipt: &Receipt) -> anyhow::Result<StatusView> {
        let response = self
            .http
            .get(format!("{}/api/v1/requests/{}", self.url, receipt.receipt_number))
            .bearer_auth(&receipt.access_code)
            .send()
            .await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status == 200, "status: {status} {text}");
        serde_json::from_str(&text).context("the status is not a StatusView")
    }

    /// Withdraws.
    pub async fn withdraw(&self, receipt: &Receipt) -> anyhow::Result<u16> {
        let response = self
            .http
            .post(format!("{}/api/v1/requests/{}/withdrawal", self.url, receipt.receipt_number))
            .bearer_auth(&receipt.access_code)
            .send()
            .await?;
        Ok(response.status().as_u16())
    }

    /// Asks again until the status is as wanted; gives up after a minute with what it saw last.
    pub async fn until(
        &self,
        receipt: &Receipt,
        what: &str,
        wanted: impl Fn(&StatusView) -> bool,
    ) -> anyhow::Result<StatusView> {
        let begun = Instant::now();
        loop {
            let seen = self.status(receipt).await;
            match seen {
                Ok(view) if wanted(&view) => return Ok(view),
                seen => ensure!(
                    begun.elapsed() < PATIENCE,
                    "{what}: did not happen within {} s; last seen: {seen:?}",
                    PATIENCE.as_secs()
                ),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// An invented person. The names are those of no real one.
pub fn person(name: &str, kana: &str, birth_date: &str, mail: &str) -> Value {
    json!({ "name": name, "kana": kana, "birth_date": birth_date, "sex": "female", "address": "東京都文京区本駒込2-28-16", "mail": mail, "telephone": "03-0000-0000" })
}

/// 提供停止, both tracks, one hospital.
pub fn opt_out_of(person: &Value) -> Value {
    json!({ "kind": "provision-stop", "capacity": "person", "scope": "both", "language": "ja", "person": person, "hospitals": ["架空総合病院"] })
}

/// 開示.
pub fn disclosure_to(person: &Value) -> Value {
    json!({ "kind": "disclosure", "capacity": "person", "language": "en", "person": person, "words": "All records of 2024, please." })
}

/// An invented certification, for both tracks.
pub fn certification() -> Certification {
    let on = jiff::civil::date(2025, 4, 1);
    Certification {
        number: Code::of("example-12"),
        on,
        scope: Scope::Both,
        until: None,
        parent: None,
        permitted_on: None,
    }
}

/// An invented contract with its seven items (Rules art. 20(1)).
pub fn contract() -> Contract {
    Contract {
        scope: Scope::Both,
        from: jiff::civil::date(2025, 4, 1),
        until: None,
        stop: Diligence::Promptly,
        erase: Diligence::WithoutDelay,
        items: ContractItem::ALL.iter().map(|item| (*item, Code::of("article-3"))).collect(),
        forms: Default::default(),
    }
}

/// A contractor before it is registered: its keys, and its NATS user.
pub struct Contractor {
    folder: PathBuf,
    /// Its id.
    pub id: RecipientId,
    /// Its short name.
    pub label: Code,
    /// Its keys.
    pub keys: RecipientKeys,
    /// The contractor.
    pub works: Arc<ExampleContractor>,
}

impl Contractor {
    /// With keys and a journal in a folder; the same folder gives the same contractor.
    pub fn open(folder: &Path, id: RecipientId, label: Code) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let keys = RecipientKeys::load_or_create(folder)?;
        let works = ExampleContractor::open(
            id,
            keys.clone(),
            Some(&folder.join("journal.ndjson")),
            contracts::ReportOutcome::Applied,
        )?;
        Ok(Self { folder: folder.to_owned(), id, label, keys, works })
    }

    /// What the desk is told of it.
    pub fn registration(
        &self,
        transport: Transport,
        url: Option<String>,
        nats: Option<(NatsKey, NatsKey)>,
    ) -> console::command::NewRecipient {
        let (nats_user, nats_account) = nats.unzip();
        console::command::NewRecipient {
            recipient: self.id,
            label: self.label.clone(),
            kind: RecipientKind::Contractor,
            transport,
            url,
            nats_user,
            nats_account,
            report_key: self.keys.report_public(),
            sealing_key: *self.keys.sealing_public().as_bytes(),
            organisation: None,
            certification: Some(certification()),
            contract: Some(contract()),
        }
    }
}

/// What a recipient connects to NATS with.
pub struct NatsAccess {
    /// The text of its `.creds` file.
    pub creds: String,
    /// Its account (`A…`).
    pub account: String,
}

/// A contractor over NATS joins: it is admitted, connects and pulls.
pub async fn join_over_nats(
    up: &Up,
    commands: &Commands,
    staff: StaffId,
    contractor: &Contractor,
) -> anyhow::Result<Running> {
    let access = admitted_over_nats(up, commands, staff, contractor).await?;
    let begun = Instant::now();
    loop {
        // Its account is known to the server once the steward has passed by.
        let NatsAccess { creds, account } = &access;
        match recipient_kit::run::over_nats(contractor.works.clone(), &up.place.nats_url, creds, account).await {
            Ok(running) => return Ok(running),
            Err(e) => ensure!(begun.elapsed() < PATIENCE, "the contractor cannot connect: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The contractor makes a user key, the steward admits it, staff register it.
pub async fn admitted_over_nats(
    up: &Up,
    commands: &Commands,
    staff: StaffId,
    contractor: &Contractor,
) -> anyhow::Result<NatsAccess> {
    let seed_file = contractor.folder.join("nats-user.secret");
    let user = nats_auth::RootSecret::load_or_create(&seed_file)?.user_for("recipient");
    let ask = steward::Admit { recipient: contractor.id.0, user: user.public_key() };
    let admitted: steward::Admitted = up.console_bus().await?.ask_at(steward::ADMIT.to_owned(), &ask).await?;
    let key = |text: &str| NatsKey::new(text).context("not a public nkey");
    let new = contractor.registration(Transport::Nats, None, Some((key(&ask.user)?, key(&admitted.account)?)));
    done(commands.register_recipient(By::new(staff, "example contractor"), new).await?)?;
    let seed = user.seed().context("the user's seed")?;
    let creds = nats_auth::format_creds(&admitted.user_jwt, &seed);
    Ok(NatsAccess { creds, account: admitted.account })
}

/// A contractor behind a webhook joins: it listens, staff register its address, it trusts the desk's published key.
pub async fn join_by_webhook(
    up: &Up,
    commands: &Commands,
    staff: StaffId,
    contractor: &Contractor,
) -> anyhow::Result<Running> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/madoguchi", listener.local_addr()?);
    done(
        commands
            .register_recipient(
                By::new(staff, "example contractor"),
                contractor.registration(Transport::Webhook, Some(url), None),
            )
            .await?,
    )?;
    // A person hands the two keys over; see `madoguchi webhook-keys`.
    let keys = WebhookKeys::load_or_create(&up.place.secrets.keys())?.hand_over(contractor.id);
    let secret = webhook::Secret::parse(&keys.secret).context("the webhook secret")?;
    let verifier = Verifier {
        secrets: vec![secret],
        keys: vec![webhook::parse_public(&keys.public).context("the webhook public key")?],
    };
    Ok(recipient_kit::run::over_webhook(contractor.works.clone(), listener, &up.addresses.partner, verifier)?)
}

/// Staff confirm an identity by a driver's licence.
pub async fn confirm(commands: &Commands, staff: StaffId, case: CaseId) -> anyhow::Result<()> {
    done(
        commands
            .confirm_identity(
                By::new(staff, "the papers show the same person"),
                case,
                vec![Code::of("drivers-licence")],
            )
            .await?,
    )
}

/// A staff command must have been obeyed.
pub fn done(reply: StaffReply) -> anyhow::Result<()> {
    match reply {
        StaffReply::Done { .. } => Ok(()),
        StaffReply::Refused { reason, at } => anyhow::bail!("refused: {reason} {at:?}"),
    }
}

/// 振込入金通知 (Zengin type 01, format A) with one transfer: records of 200 bytes, as a bank writes them.
pub fn bank_file(reference: &str, amount: i64, on: jiff::civil::Date) -> Vec<u8> {
    // Reiwa 1 is 2019; the record has no era.
    let wareki = format!("{:02}{:02}{:02}", on.year() - 2018, on.month(), on.day());
    let header = format!(
        "1010{wareki}{wareki}{wareki}0001{:<15}001{:<15}1{:07}{:<40}{:<93}",
        "MADOGUCHI BK", "HONTEN", 1234567, "MADOGUCHI", ""
    );
    let name = format!("{reference} YAMADA HANAKO");
    let data = format!(
        "2{:6}{wareki}{wareki}{amount:010}{:010}{:10}{name:<48}{:<15}{:<15} {:<20}{:<52}",
        "000001", 0, "", "KAKU BK", "HONTEN", "", ""
    );
    let trailer = format!("8{:06}{amount:012}{:06}{:012}{:<163}", 1, 0, 0, "");
    let end = format!("9{:<199}", "");
    [header, data, trailer, end].map(|r| r + "\r\n").concat().into_bytes()
}

/// The case behind a receipt: what a member of staff reads off the list.
pub async fn case_of(db: &chassis::Db, receipt: &Receipt) -> anyhow::Result<CaseId> {
    let begun = Instant::now();
    loop {
        let found: Option<uuid::Uuid> = sqlx::query_scalar("select id from case_view where receipt_number = $1")
            .bind(&receipt.receipt_number)
            .fetch_optional(db.pool())
            .await?;
        match found {
            Some(case) => return Ok(CaseId(case)),
            None => {
                ensure!(begun.elapsed() < PATIENCE, "the case of {} never came to the console", receipt.receipt_number)
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_the_bank_file_has_two_hundred_bytes() {
        let file = bank_file("1234567890", 4_000, jiff::civil::date(2026, 11, 20));
        let lines: Vec<&[u8]> = file.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
        assert_eq!(lines.len(), 4);
        for line in lines {
            assert_eq!(line.len(), 201, "{}", String::from_utf8_lossy(line));
        }
    }
}
