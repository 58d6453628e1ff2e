//! `madoguchi recipient`: recipients' life from a terminal. It sends the very requests that the console sends, as the user
//! `console`, each with who and why, and prints what the service answers.

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use chassis::{Clock, Runtime, config::Settings, objects::Objects};
use clap::{Args, Subcommand};
use contracts::{
    Code, ContractItem, Date, Diligence, IdentifiersAs, RecipientId, RecipientKind, Representation, Scope, Sealed,
    SignaturesAs, StaffId, Timestamp, Transport, Uuid,
    alert::SetContact,
    books::{BooksReply, ReplayRecipient, ShowBooks},
    endpoint_test::TestEndpoint,
    forms::Forms,
    register::{
        Certification, Contract, RecipientReply, RemoveRecipient, ResumeRecipient, RotateKeys, ShowRecipient,
        SuspendRecipient,
    },
    request::{ListRecipients, NatsKey, RecipientRow, RegisterRecipient, Request, StaffCommand, StaffReply},
};
use privacy_seal::{PublicKey, seal_to};
use std::{path::PathBuf, time::Duration};

/// How long an answer is waited for.
const WITHIN: Duration = Duration::from_secs(10);

/// What every order carries.
#[derive(Clone, Debug, Args)]
pub struct By {
    /// The member of staff who orders it: the id that the console shows under Staff.
    #[arg(long)]
    staff: Uuid,
    /// Why, in words; sealed before it leaves this process.
    #[arg(long)]
    why: String,
    /// A configuration file on top of the defaults.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
}

/// What to do with a recipient.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Puts a recipient on the list of those who are told of stops.
    Add(Box<New>),
    /// Gives it other keys; the old report key verifies for a while.
    Rotate {
        /// The recipient.
        recipient: Uuid,
        /// New report key: Ed25519 or P-256, base64.
        #[arg(long)]
        report_key: Option<String>,
        /// New sealing key: X25519, base64.
        #[arg(long)]
        sealing_key: Option<String>,
        /// For how many days reports with the old key are taken.
        #[arg(long, default_value_t = 14)]
        overlap_days: u16,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Parks its deliveries; deadlines run on. `--resume` lets them go on.
    Suspend {
        /// The recipient.
        recipient: Uuid,
        /// Takes the suspension back.
        #[arg(long)]
        resume: bool,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// No new instructions; what is owed stays owed until it is reported or attested.
    Remove {
        /// The recipient.
        recipient: Uuid,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Files for recipients in closed networks (封緘ファイル): one out, one back.
    File {
        /// Which way.
        #[command(subcommand)]
        step: crate::carried::Step,
    },
    /// Where reminders and escalations about it go; without `--mail` nowhere any more.
    Contact {
        /// The recipient.
        recipient: Uuid,
        /// The mailbox of its contact.
        #[arg(long)]
        mail: Option<String>,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Sends its webhook endpoint another test event.
    Test {
        /// The recipient.
        recipient: Uuid,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Offers it again everything after the last position at which its books and ours agreed.
    Replay {
        /// The recipient.
        recipient: Uuid,
        /// Who and why.
        #[command(flatten)]
        by: By,
    },
    /// Shows all recipients, or everything about one.
    Show {
        /// The recipient.
        recipient: Option<Uuid>,
        /// A configuration file on top of the defaults.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

/// A new recipient.
#[derive(Debug, Args)]
pub struct New {
    /// Its short name: lower-case letters, digits, hyphens.
    label: Code,
    /// core-zone, contractor, sub-contractor, hospital, certified-operator, user.
    #[arg(long, default_value = "contractor")]
    kind: RecipientKind,
    /// nats, webhook, pull, sealed-file, through-parent (sub-contractors: the contractor above hands it on).
    #[arg(long)]
    transport: Transport,
    /// Webhook: where to POST.
    #[arg(long)]
    url: Option<String>,
    /// Webhook: what it wants besides.
    #[command(flatten)]
    wants: crate::webhook_options::Wants,
    /// NATS: its own user public key (`U…`).
    #[arg(long)]
    nats_user: Option<String>,
    /// Report key: Ed25519 or P-256, base64.
    #[arg(long)]
    report_key: String,
    /// Sealing key: X25519, base64.
    #[arg(long)]
    sealing_key: String,
    /// Hospitals and other operators: what people call it.
    #[arg(long)]
    organisation: Option<String>,
    /// 認定番号, as a code.
    #[arg(long, requires = "certified_on")]
    certification: Option<Code>,
    /// 認定の年月日.
    #[arg(long)]
    certified_on: Option<Date>,
    /// Sub-contractors: the contractor above.
    #[arg(long)]
    parent: Option<Uuid>,
    /// Sub-contractors: when the sub-entrusting was permitted.
    #[arg(long)]
    permitted_on: Option<Date>,
    /// The contract is in force from this day.
    #[arg(long)]
    contract_from: Option<Date>,
    /// anonymised, pseudonymised, both.
    #[arg(long, default_value = "both")]
    scope: Scope,
    /// Until when a stop is reported: immediately, promptly, without-delay.
    #[arg(long, default_value = "without-delay")]
    stop: Diligence,
    /// The same of an erasure.
    #[arg(long, default_value = "without-delay")]
    erase: Diligence,
    /// Where in the contract each of the seven items stands, `scope=article-3`; once per item.
    #[arg(long = "item", value_parser = item)]
    items: Vec<(ContractItem, Code)>,
    /// How the contract has instructions name the person: sealed, keyed-hashes (by the gate's rules, under its gate key:
    /// `madoguchi gate key`).
    #[arg(long, default_value = "sealed")]
    identifiers: IdentifiersAs,
    /// How the contract has instructions written: cloudevents, fhir-consent (FHIR R4, in the same envelope).
    #[arg(long, default_value = "cloudevents")]
    representation: Representation,
    /// What the contract has webhooks signed with: both (HMAC and Ed25519), hmac.
    #[arg(long, default_value = "both")]
    signatures: SignaturesAs,
    /// Who and why.
    #[command(flatten)]
    by: By,
}

fn item(text: &str) -> Result<(ContractItem, Code), String> {
    let (item, place) = text.split_once('=').ok_or("use item=place, as scope=article-3")?;
    Ok((item.parse().map_err(|e| format!("{e}"))?, place.parse().map_err(|e| format!("{e}"))?))
}

/// The way to the service.
pub(crate) struct Desk {
    nats: async_nats::Client,
    pub(crate) key: PublicKey,
    /// Where files lie.
    pub(crate) objects: Objects,
}

impl Desk {
    pub(crate) async fn open(config: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let rt = Runtime::new(Settings::load(config, &[])?, Clock::system())?;
        let key = PublicKey::load(&rt.keys_dir().join("optout.pub")).context("`house.keys_dir`: optout.pub")?;
        let objects = rt.objects().context("`house.objects_dir`")?;
        Ok(Self { nats: rt.nats("console").await.context("`house.nats_url`: as the user console")?, key, objects })
    }

    pub(crate) async fn ask<R: Request>(&self, request: &R) -> anyhow::Result<R::Reply> {
        self.ask_within(request, WITHIN).await
    }

    pub(crate) async fn ask_within<R: Request>(&self, request: &R, within: Duration) -> anyhow::Result<R::Reply> {
        let (subject, bytes) = (R::ENTRY.subject(), serde_json::to_vec(request)?);
        let question = async_nats::Request::new().payload(bytes.into()).timeout(Some(within));
        let reply = tokio::time::timeout(within, self.nats.send_request(subject.clone(), question))
            .await
            .with_context(|| format!("{subject}: no answer within {} s", within.as_secs()))?
            .with_context(|| format!("{subject}: is the desk running?"))?;
        serde_json::from_slice(&reply.payload).with_context(|| format!("{subject}: an answer of another version"))
    }

    async fn order<T>(&self, by: &By, order: T) -> anyhow::Result<()>
    where
        StaffCommand<T>: Request<Reply = StaffReply>,
    {
        match self.ask(&self.command(by, order)?).await? {
            StaffReply::Done { machine, status, .. } => println!("{machine} {status}"),
            StaffReply::Refused { reason, .. } => bail!("refused: {reason}"),
        }
        Ok(())
    }

    /// The order with who and why.
    pub(crate) fn command<T>(&self, by: &By, order: T) -> anyhow::Result<StaffCommand<T>> {
        ensure!(!by.why.trim().is_empty(), "`--why` must say why");
        let token = Uuid::now_v7();
        let why = self.seal(token, &by.why)?;
        Ok(StaffCommand { token, staff: StaffId(by.staff), why, traceparent: None, order })
    }

    fn seal(&self, aad: Uuid, text: &str) -> anyhow::Result<Sealed> {
        Ok(seal_to(&self.key, aad.as_bytes(), text.as_bytes())?)
    }

    async fn add(&self, new: New) -> anyhow::Result<()> {
        let recipient = RecipientId::new();
        let (mut account, mut user) = (None, None);
        if let Some(text) = &new.nats_user {
            user = Some(NatsKey::new(text).context("`--nats-user`: 56 characters that begin with U")?);
            let question = console::command::Admit { recipient: recipient.0, user: text.clone() };
            let reply = self.nats.request(console::command::ADMIT, serde_json::to_vec(&question)?.into()).await?;
            let admitted: console::command::Admitted =
                serde_json::from_slice(&reply.payload).context("the steward refuses the user's public key")?;
            account = NatsKey::new(&admitted.account);
            println!("{}", admitted.user_jwt);
        }
        let sealed = |text: &Option<String>| text.as_ref().map(|text| self.seal(recipient.0, text)).transpose();
        let certification = new.certification.zip(new.certified_on).map(|(number, on)| Certification {
            number,
            on,
            scope: new.scope,
            until: None,
            parent: new.parent.map(RecipientId),
            permitted_on: new.permitted_on,
        });
        let contract = new.contract_from.map(|from| Contract {
            scope: new.scope,
            from,
            until: None,
            stop: new.stop,
            erase: new.erase,
            items: new.items,
            forms: Forms {
                identifiers: new.identifiers,
                representation: new.representation,
                signatures: new.signatures,
            },
        });
        let order = RegisterRecipient {
            recipient,
            label: new.label,
            kind: new.kind,
            transport: new.transport,
            url: sealed(&new.wants.address(new.url.as_deref())?)?,
            nats_user: user,
            nats_account: account,
            report_key: key("--report-key", &new.report_key)?,
            sealing_key: key("--sealing-key", &new.sealing_key)?,
            organisation: sealed(&new.organisation)?,
            certification,
            contract,
        };
        self.order(&new.by, order).await
    }

    async fn show(&self, recipient: Option<RecipientId>) -> anyhow::Result<()> {
        let Some(recipient) = recipient else {
            for row in self.ask(&ListRecipients {}).await?.recipients {
                println!("{}", line(&row));
            }
            return Ok(());
        };
        match self.ask(&ShowRecipient { recipient }).await? {
            RecipientReply::Unknown => bail!("there is no such recipient"),
            RecipientReply::Found(view) => println!("{}", serde_json::to_string_pretty(&view)?),
        }
        // How its books stand beside ours, and how far its onboarding is.
        if let BooksReply::Found(books) = self.ask(&ShowBooks { recipient }).await? {
            println!("{}", serde_json::to_string_pretty(&books)?);
        }
        Ok(())
    }
}

/// One recipient in one line.
fn line(row: &RecipientRow) -> String {
    let lacks: Vec<&str> = row.missing.iter().map(Code::as_str).collect();
    let mut line = format!(
        "{} {} {} {} {} last {} open {}",
        row.recipient, row.label, row.kind, row.transport, row.status, row.last, row.open
    );
    if row.overdue > 0 {
        line += &format!(", {} past due", row.overdue);
    }
    if !lacks.is_empty() {
        line += &format!(", lacks {}", lacks.join(", "));
    }
    line
}

fn key(flag: &str, text: &str) -> anyhow::Result<Sealed> {
    Ok(Sealed(STANDARD.decode(text).with_context(|| format!("`{flag}`: not base64"))?))
}

/// Does it.
///
/// # Errors
/// What is wrong with the flags, who does not answer, or why the order was refused.
pub(crate) async fn run(step: Step) -> anyhow::Result<()> {
    match step {
        Step::Add(new) => Desk::open(new.by.config.as_deref()).await?.add(*new).await,
        Step::Rotate { recipient, report_key, sealing_key, overlap_days, by } => {
            let overlap = jiff::SignedDuration::from_hours(24 * i64::from(overlap_days));
            let order = RotateKeys {
                recipient: RecipientId(recipient),
                report_key: report_key.map(|text| key("--report-key", &text)).transpose()?,
                sealing_key: sealing_key.map(|text| key("--sealing-key", &text)).transpose()?,
                overlap_until: Clock::system().now().checked_add(overlap).unwrap_or(Timestamp::MAX),
            };
            Desk::open(by.config.as_deref()).await?.order(&by, order).await
        }
        Step::Suspend { recipient, resume, by } => {
            let (desk, recipient) = (Desk::open(by.config.as_deref()).await?, RecipientId(recipient));
            if resume {
                desk.order(&by, ResumeRecipient { recipient }).await
            } else {
                desk.order(&by, SuspendRecipient { recipient }).await
            }
        }
        Step::Remove { recipient, by } => {
            let order = RemoveRecipient { recipient: RecipientId(recipient) };
            Desk::open(by.config.as_deref()).await?.order(&by, order).await
        }
        Step::File { step } => crate::carried::run(step).await,
        Step::Contact { recipient, mail, by } => {
            let desk = Desk::open(by.config.as_deref()).await?;
            let contact = mail.map(|mail| desk.seal(recipient, mail.trim())).transpose()?;
            desk.order(&by, SetContact { recipient: RecipientId(recipient), contact }).await
        }
        Step::Test { recipient, by } => {
            let order = TestEndpoint { recipient: RecipientId(recipient) };
            Desk::open(by.config.as_deref()).await?.order(&by, order).await
        }
        Step::Replay { recipient, by } => {
            let order = ReplayRecipient { recipient: RecipientId(recipient) };
            Desk::open(by.config.as_deref()).await?.order(&by, order).await
        }
        Step::Show { recipient, config } => Desk::open(config.as_deref()).await?.show(recipient.map(RecipientId)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_named_with_its_place() {
        assert_eq!(item("reports=article-7"), Ok((ContractItem::Reports, Code::of("article-7"))));
        assert!(item("reports").is_err() && item("report=article-7").is_err() && item("reports=Article 7").is_err());
    }

    #[test]
    fn a_line_says_what_is_past_due_and_what_is_missing() {
        let row = RecipientRow {
            recipient: RecipientId(Uuid::from_u128(1)),
            label: Code::of("b"),
            kind: RecipientKind::Contractor,
            transport: Transport::Nats,
            last: 9,
            open: 5,
            oldest_open: None,
            status: Code::of("active"),
            overdue: 4,
            missing: vec![Code::of("contract")],
        };
        assert!(line(&row).ends_with("b contractor nats active last 9 open 5, 4 past due, lacks contract"));
    }
}
