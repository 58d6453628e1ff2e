//! What a member of staff orders, on its way to the service that obeys: the pages and the launcher's demo both send
//! through here, so the demo shows what a person would do.
//!
//! Every order carries who, why and a token. The why and every other free text is sealed to the answering service before
//! it leaves this process; what the seal is bound to (its additional data):
//!
//! | what | sealed to | additional data |
//! |---|---|---|
//! | `why` of any order | the answering service | the token's 16 bytes |
//! | `reasons` of a decision, the record of a complaint | fulfilment | the case id's 16 bytes |
//! | a bank file | payment | `payment.bank-file ` and the object id's 16 bytes |
//! | a webhook's address, an organisation's name | optout | the recipient id's 16 bytes |
//! | a filing | optout | the token's 16 bytes |
//! | what an arrival says, a request that staff file | intake | the token's 16 bytes |
//! | a search term | intake | the member of staff's id, 16 bytes |

pub mod arrivals;
pub mod duties;
pub mod files;
mod mails;
mod recipients;
pub mod register;

use chassis::{
    AskError, Bus,
    objects::Objects,
    telemetry::{current_traceparent, linked_root_span},
};
use contracts::{
    CaseId, Code, DecisionOutcome, Digest, ObjectId, PersonField, RecipientId, RecipientKind, Sealed, Service, StaffId,
    Transport, Uuid,
    register::{Certification, Contract},
    request::{
        AskForCompletion, ConfirmIdentity, Decide, EraseCase, FoundCases, History, HistoryReply, ImportStatement,
        ListRecipients, NatsKey, Parked, ParkedChoice, ParkedReply, RecipientList, RegisterRecipient, RejectIdentity,
        Request, Revive, SearchCases, StaffCommand, StaffReply, Withdraw,
    },
};
use privacy_seal::{KeyFileError, PublicKey, SealError, seal_to};
use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use std::{future::Future, path::PathBuf, sync::Arc};
use tracing::Instrument;

/// The longest "why" and the longest reasons, in characters.
pub const WORDS_MAX: usize = 2_000;
/// The largest bank file, in bytes (a type-03 file of a busy day has well under one).
pub const STATEMENT_MAX: usize = 10 * 1024 * 1024;
/// How often an order that got no reply is sent again. The token makes that harmless: it is obeyed once.
const TRIES: u32 = 3;
/// The same for a file, whose reading may take longer than one reply waits for.
const FILE_TRIES: u32 = 8;

/// Why there is no reply. What the service did is not known then; the same token may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nobody answers.
    #[error("the service {} does not answer; nothing is known to be done; try again", .0.token())]
    Away(Service),
    /// The steward does not answer, or refuses the key.
    #[error(
        "the steward does not answer or refuses the user's public key; nothing was registered; check the key, then try again"
    )]
    Steward,
    /// The reply is from another version of the program.
    #[error("the reply of the service {} cannot be read: is it of the same version?", .0.token())]
    Garbled(Service),
    /// A text over its limit.
    #[error("`{field}`: {max} characters at most, and not empty")]
    Words {
        /// The field.
        field: &'static str,
        /// The limit.
        max: usize,
    },
    /// An empty file or one over its limit.
    #[error("`file`: 1 to {STATEMENT_MAX} bytes; ask the bank for the file of a shorter period")]
    FileSize,
    /// The service's public key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// It cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The object store does not take the file.
    #[error("the object store: {0}")]
    Objects(#[from] std::io::Error),
}

/// Who orders, why, and the token that makes a repeat harmless.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub staff: StaffId,
    /// Why, in words; 1 to [`WORDS_MAX`] characters. Sealed before it leaves the process.
    pub why: &'a str,
    /// The form's token.
    pub token: Uuid,
}

impl<'a> By<'a> {
    /// A new order with a token of its own.
    pub fn new(staff: StaffId, why: &'a str) -> Self {
        Self { staff, why, token: Uuid::now_v7() }
    }
}

/// Who answers [`Admit`]: the steward, which is no service of the flow table.
pub const ADMIT: &str = "req.steward.admit";

/// Asks for a recipient's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admit {
    /// The recipient.
    pub recipient: Uuid,
    /// Its own user public key (`U…`).
    pub user: String,
}

/// The steward's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// The account (`A…`).
    pub account: String,
    /// The JWT that the recipient puts beside its seed.
    pub user_jwt: String,
}

/// A recipient to be put on the list.
#[derive(Clone, Debug)]
pub struct NewRecipient {
    /// Its id; from the form's token, so that a repeat is the same recipient.
    pub recipient: RecipientId,
    /// Its short name on pages.
    pub label: Code,
    /// What it is.
    pub kind: RecipientKind,
    /// How it is reached.
    pub transport: Transport,
    /// Webhook: where to POST.
    pub url: Option<String>,
    /// NATS: the recipient's own user public key.
    pub nats_user: Option<NatsKey>,
    /// NATS: the account derived for it.
    pub nats_account: Option<NatsKey>,
    /// Public key of its reports: Ed25519 (32 bytes) or P-256 (33 or 65).
    pub report_key: Vec<u8>,
    /// X25519 public key that identifiers are sealed to.
    pub sealing_key: [u8; 32],
    /// What people call it; a hospital or operator is told of those who named it.
    pub organisation: Option<String>,
    /// 認定, and the place in the tiers.
    pub certification: Option<Certification>,
    /// 契約.
    pub contract: Option<Contract>,
}

/// The console's mouth: sends orders and questions over NATS as the user `console`. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    bus: Arc<Bus>,
    keys: Arc<PathBuf>,
    objects: Objects,
}

impl Commands {
    /// Over the console's bus, the folder with the services' public keys, and the object store.
    pub fn new(bus: Arc<Bus>, keys: impl Into<PathBuf>, objects: Objects) -> Self {
        Self { bus, keys: Arc::new(keys.into()), objects }
    }

    /// 本人確認: the papers prove it.
    pub async fn confirm_identity(
        &self,
        by: By<'_>,
        case: CaseId,
        papers: Vec<Code>,
    ) -> Result<StaffReply, CommandError> {
        self.order("order confirm-identity", by, ConfirmIdentity { case, papers }).await
    }

    /// 補正依頼: papers are missing.
    pub async fn ask_for_completion(
        &self,
        by: By<'_>,
        case: CaseId,
        reasons: Vec<Code>,
    ) -> Result<StaffReply, CommandError> {
        self.order("order ask-for-completion", by, AskForCompletion { case, reasons }).await
    }

    /// 確認不能: not the person, or nobody who may act.
    pub async fn reject_identity(
        &self,
        by: By<'_>,
        case: CaseId,
        reasons: Vec<Code>,
    ) -> Result<StaffReply, CommandError> {
        self.order("order reject-identity", by, RejectIdentity { case, reasons }).await
    }

    /// 決定. `reasons` are words for the person (APPI art. 36); with a complaint goes its record.
    pub async fn decide(
        &self,
        by: By<'_>,
        case: CaseId,
        outcome: DecisionOutcome,
        ground: Code,
        reasons: Option<&str>,
        complaint: Option<&ComplaintRecord>,
    ) -> Result<StaffReply, CommandError> {
        let reasons = match reasons {
            Some(words) => Some(self.seal(Service::Fulfilment, case.0.as_bytes(), limited("reasons", words)?)?),
            None => None,
        };
        let complaint = match complaint {
            Some(record) => Some(self.seal(Service::Fulfilment, case.0.as_bytes(), &record.json()?)?),
            None => None,
        };
        self.order("order decide", by, Decide { case, outcome, ground, reasons, complaint }).await
    }

    /// 取下げ on the person's behalf.
    pub async fn withdraw(&self, by: By<'_>, case: CaseId) -> Result<StaffReply, CommandError> {
        self.order("order withdraw", by, Withdraw { case }).await
    }

    /// 失効の取消し: takes a lapsed case up again.
    pub async fn revive(&self, by: By<'_>, case: CaseId) -> Result<StaffReply, CommandError> {
        self.order("order revive", by, Revive { case }).await
    }

    /// 消去: destroys the key of an ended case's personal part.
    pub async fn erase(&self, by: By<'_>, case: CaseId) -> Result<StaffReply, CommandError> {
        self.order("order erase", by, EraseCase { case }).await
    }

    /// Takes a bank file in: sealed to payment, into the object store, then the order with id and digest. A refused file
    /// is removed again; one that got no reply stays, because payment may be reading it.
    pub async fn import_statement(
        &self,
        by: By<'_>,
        bytes: Vec<u8>,
        profile: Code,
    ) -> Result<StaffReply, CommandError> {
        // The same form sent twice is the same object.
        let file = ObjectId::derived(by.token, "statement");
        let aad = privacy_seal::aad::bank_file(file);
        let digest = self.put_sealed(Service::Payment, by, file, aad, bytes, STATEMENT_MAX).await?;
        let order = ImportStatement { file, digest, profile };
        let reply = self.send("order import-statement", by, order, FILE_TRIES).await;
        if matches!(reply, Ok(StaffReply::Refused { .. })) {
            self.objects.remove(file).await?;
        }
        reply
    }

    /// A file for a service: sealed to it, into the object store. The digest of its plain bytes.
    async fn put_sealed(
        &self,
        service: Service,
        by: By<'_>,
        object: ObjectId,
        aad: Vec<u8>,
        bytes: Vec<u8>,
        max: usize,
    ) -> Result<Digest, CommandError> {
        if bytes.is_empty() || bytes.len() > max {
            return Err(CommandError::FileSize);
        }
        limited("why", by.why)?;
        let key = self.key(service)?;
        let sealing = tokio::task::spawn_blocking(move || {
            let plain = privacy_seal::Zeroizing::new(bytes);
            let digest = Digest(sha2::Sha256::digest(&*plain).into());
            seal_to(&key, &aad, &plain).map(|sealed| (digest, sealed))
        });
        let (digest, sealed) = sealing.await.map_err(|_| std::io::Error::other("sealing the file panicked"))??;
        self.objects.put(object, sealed.0).await?;
        Ok(digest)
    }

    /// Puts a recipient on the list of those who must be told of a stop.
    pub async fn register_recipient(&self, by: By<'_>, new: NewRecipient) -> Result<StaffReply, CommandError> {
        let url = match &new.url {
            Some(url) => Some(self.seal(Service::OptOut, new.recipient.0.as_bytes(), limited("url", url)?)?),
            None => None,
        };
        let organisation = match &new.organisation {
            Some(name) => {
                Some(self.seal(Service::OptOut, new.recipient.0.as_bytes(), limited("organisation", name)?)?)
            }
            None => None,
        };
        let order = RegisterRecipient {
            recipient: new.recipient,
            label: new.label,
            kind: new.kind,
            transport: new.transport,
            url,
            nats_user: new.nats_user,
            nats_account: new.nats_account,
            // Public keys: plain bytes in the carrier for bytes.
            report_key: Sealed(new.report_key),
            sealing_key: Sealed(new.sealing_key.to_vec()),
            organisation,
            certification: new.certification,
            contract: new.contract,
        };
        self.order("order register-recipient", by, order).await
    }

    /// Asks the steward for a recipient's NATS account and for the JWT that belongs beside its user's seed. Derived, so
    /// asking twice gives the same account; nothing in it is secret.
    pub async fn admit(&self, recipient: RecipientId, user: &NatsKey) -> Result<Admitted, CommandError> {
        let question = Admit { recipient: recipient.0, user: user.as_str().to_owned() };
        self.bus.ask_at(ADMIT.to_owned(), &question).await.map_err(|_| CommandError::Steward)
    }

    /// The recipients.
    pub async fn recipients(&self) -> Result<RecipientList, CommandError> {
        self.bus.ask(&ListRecipients {}).await.map_err(|e| failed(e, Service::OptOut))
    }

    /// Finds cases by a personal value. The caller writes the audit row first.
    pub async fn search(&self, staff: StaffId, field: PersonField, term: &str) -> Result<FoundCases, CommandError> {
        let term = self.seal(Service::Intake, staff.0.as_bytes(), limited("term", term)?)?;
        self.bus.ask(&SearchCases { field, term, staff }).await.map_err(|e| failed(e, Service::Intake))
    }

    /// What happened to one machine of a service.
    pub async fn history(&self, service: Service, machine: Uuid) -> Result<HistoryReply, CommandError> {
        let subject = format!("req.{}.history", service.token());
        self.bus.ask_at(subject, &History { machine }).await.map_err(|e| failed(e, service))
    }

    /// What waits for a person in a service.
    pub async fn parked(&self, service: Service) -> Result<ParkedReply, CommandError> {
        let subject = format!("req.{}.parked", service.token());
        self.bus.ask_at(subject, &Parked {}).await.map_err(|e| failed(e, service))
    }

    /// Lets a parked message try again.
    pub async fn retry_parked(&self, by: By<'_>, service: Service, id: Uuid) -> Result<StaffReply, CommandError> {
        self.choose(by, service, "retry", id).await
    }

    /// Drops a parked message for good; what waited behind it moves on.
    pub async fn drop_parked(&self, by: By<'_>, service: Service, id: Uuid) -> Result<StaffReply, CommandError> {
        self.choose(by, service, "drop", id).await
    }

    async fn choose(
        &self,
        by: By<'_>,
        service: Service,
        verb: &'static str,
        id: Uuid,
    ) -> Result<StaffReply, CommandError> {
        let command = self.command(by, service, ParkedChoice { id })?;
        let subject = format!("req.{}.{verb}", service.token());
        repeat(TRIES, service, || self.bus.ask_at(subject.clone(), &command)).await
    }

    /// Asks any request of the table (disclosure).
    pub async fn ask<R: Request>(&self, request: &R) -> Result<R::Reply, CommandError> {
        self.bus.ask(request).await.map_err(|e| failed(e, R::ENTRY.at))
    }

    async fn order<T>(&self, name: &'static str, by: By<'_>, order: T) -> Result<StaffReply, CommandError>
    where
        StaffCommand<T>: Request<Reply = StaffReply>,
    {
        self.send(name, by, order, TRIES).await
    }

    /// A new trace per order: a person is a stimulus from outside.
    async fn send<T>(
        &self,
        name: &'static str,
        by: By<'_>,
        order: T,
        tries: u32,
    ) -> Result<<StaffCommand<T> as Request>::Reply, CommandError>
    where
        StaffCommand<T>: Request,
    {
        let service = <StaffCommand<T> as Request>::ENTRY.at;
        let span = linked_root_span(name, Service::Console, None);
        async {
            let command = self.command(by, service, order)?;
            repeat(tries, service, || self.bus.ask(&command)).await
        }
        .instrument(span)
        .await
    }

    fn command<T>(&self, by: By<'_>, service: Service, order: T) -> Result<StaffCommand<T>, CommandError> {
        let why = self.seal(service, by.token.as_bytes(), limited("why", by.why)?)?;
        Ok(StaffCommand { token: by.token, staff: by.staff, why, traceparent: current_traceparent(), order })
    }

    fn key(&self, service: Service) -> Result<PublicKey, KeyFileError> {
        // Read anew each time: 45 bytes, and a key that its service made again must not be sealed past.
        PublicKey::load(&self.keys.join(format!("{}.pub", service.token())))
    }

    fn seal(&self, service: Service, aad: &[u8], words: &str) -> Result<Sealed, CommandError> {
        Ok(seal_to(&self.key(service)?, aad, words.as_bytes())?)
    }
}

/// Sends the same command again while nobody answers.
async fn repeat<A, F, Fut>(tries: u32, service: Service, ask: F) -> Result<A, CommandError>
where
    A: Serialize,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<A, AskError>>,
{
    let mut left = tries;
    loop {
        left -= 1;
        match ask().await {
            Ok(reply) => return Ok(reply),
            Err(AskError::Away(_)) if left > 0 => {
                // A missing responder is said at once: without a pause all tries would be over in a millisecond.
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(error) => return Err(failed(error, service)),
        }
    }
}

fn failed(error: AskError, service: Service) -> CommandError {
    match error {
        AskError::Away(_) => CommandError::Away(service),
        AskError::Garbled(_) => CommandError::Garbled(service),
        AskError::TooLarge(_) => CommandError::Words { field: "why", max: WORDS_MAX },
    }
}

/// 苦情処理記録 (Rules art. 25).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComplaintRecord {
    /// 苦情の内容.
    pub content: String,
    /// 原因.
    pub cause: String,
    /// 措置及び改善.
    pub measures: String,
}

impl ComplaintRecord {
    fn json(&self) -> Result<String, CommandError> {
        let Self { content, cause, measures } = self;
        let part = |field, words: &str| limited(field, words).map(str::to_owned);
        let (content, cause) = (part("content", content)?, part("cause", cause)?);
        let measures = part("measures", measures)?;
        Ok(serde_json::json!({ "content": content, "cause": cause, "measures": measures }).to_string())
    }
}

fn limited<'a>(field: &'static str, words: &'a str) -> Result<&'a str, CommandError> {
    within(field, words, WORDS_MAX)
}

fn within<'a>(field: &'static str, words: &'a str, max: usize) -> Result<&'a str, CommandError> {
    let words = words.trim();
    if words.is_empty() || words.chars().count() > max {
        return Err(CommandError::Words { field, max });
    }
    Ok(words)
}
