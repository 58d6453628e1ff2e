//! The sandbox desk: keys of its own, invented people, instructions, and an ear for reports.

use super::{Contractor, Queue};
use crate::{
    Identifiers, Sex,
    client::{Client, anywhere},
    digest_of, erasure, http, identifiers,
    keys::{KeysError, RecipientKeys},
    report,
    webhook::{self, Headers, Secret, Signer},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use contracts::{
    Code, Digest, InstructionId, Measure, RecipientId, Scope, Timestamp,
    recipient::{
        BODY_MAX, EraseTerms, Instruction, InstructionData, InstructionSource, InstructionType, Keep, Report,
        ReportAnswer, ReportStage,
    },
};
use ed25519_dalek::SigningKey;
use privacy_seal::{Personal, PublicKey, keyfile};
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use uuid::Uuid;

/// The recipient that the sandbox speaks to; of no desk.
pub const RECIPIENT: RecipientId = RecipientId(Uuid::from_u128(0x5a4d_b0c5_0000_7000_8000_0000_0000_0001));
/// The longest that an endpoint may take to answer.
const ANSWER: Duration = Duration::from_secs(15);
/// Invented people: 見本 means sample.
const PEOPLE: [(&str, &str, &str, Sex); 4] = [
    ("見本 花子", "ミホン ハナコ", "1980-02-29", Sex::Female),
    ("見本 太郎", "ミホン タロウ", "1975-07-07", Sex::Male),
    ("試験 一子", "シケン イチコ", "2001-12-31", Sex::Female),
    ("試験 次郎", "シケン ジロウ", "1948-01-01", Sex::Male),
];

/// Which of the sandbox's keys sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Those in force.
    Current,
    /// The next ones: the contractor has them already.
    Next,
    /// Both, side by side.
    Both,
    /// Keys that are over: the contractor has them no longer.
    Retired,
}

/// The sandbox's keys.
pub struct Settings {
    current: (Secret, SigningKey),
    next: (Secret, SigningKey),
    retired: (Secret, SigningKey),
}

impl Settings {
    /// Reads them from a folder, or makes them (mode 0600).
    ///
    /// # Errors
    /// A file cannot be read, made, or is readable by others.
    pub fn load_or_create(folder: &Path) -> Result<Self, KeysError> {
        std::fs::create_dir_all(folder)?;
        let pair = |name: &str| -> Result<(Secret, SigningKey), KeysError> {
            let shared = keyfile::load_or_create_secret(&folder.join(format!("{name}.secret")))?;
            let signing = keyfile::load_or_create_secret(&folder.join(format!("{name}.signing")))?;
            let shared = Secret::from_bytes(&*shared).map_err(io::Error::other)?;
            Ok((shared, SigningKey::from_bytes(&signing)))
        };
        Ok(Self { current: pair("current")?, next: pair("next")?, retired: pair("retired")? })
    }

    /// What the contractor verifies with, in the midst of a change of keys: the current ones and the next.
    pub fn verifier(&self) -> webhook::Verifier {
        let both = [&self.current, &self.next];
        webhook::Verifier {
            secrets: both.iter().map(|(secret, _)| secret.clone()).collect(),
            keys: both.iter().map(|(_, key)| key.verifying_key()).collect(),
        }
    }

    /// The lines that a contractor puts into its settings; the names are those of the examples.
    pub fn show(&self) -> String {
        let (one, two) = (&self.current, &self.next);
        format!(
            "MADOGUCHI_RECIPIENT={RECIPIENT}\nMADOGUCHI_WEBHOOK_SECRET=\"{} {}\"\nMADOGUCHI_WEBHOOK_PUBLIC=\"{} {}\"\n",
            *one.0.show(),
            *two.0.show(),
            webhook::show_public(&one.1.verifying_key()),
            webhook::show_public(&two.1.verifying_key()),
        )
    }

    fn headers(&self, sign: Sign, id: &str, at: u64, body: &[u8]) -> Headers {
        let by = |(secret, key): &(Secret, SigningKey)| Signer::new(secret.clone(), key).sign(id, at, body);
        match sign {
            Sign::Current => by(&self.current),
            Sign::Next => by(&self.next),
            Sign::Retired => by(&self.retired),
            Sign::Both => {
                let (one, two) = (by(&self.current), by(&self.next));
                Headers { signature: format!("{} {}", one.signature, two.signature), ..one }
            }
        }
    }
}

/// An instruction of the sandbox.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its id.
    pub id: InstructionId,
    /// Its bytes.
    pub body: Vec<u8>,
    /// About which entry.
    pub entry: Uuid,
}

/// What the ear has heard.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Reports that verify, with their bytes, in the order in which they came.
    pub reports: Vec<(Report, Vec<u8>)>,
    /// What came and was no good report, by its reason.
    pub faults: Vec<String>,
    /// Reports that came while the desk was away.
    pub turned_away: u64,
}

/// What a report is held against.
type Known = (Digest, Measure, Option<EraseTerms>);

/// The ear: where reports come in.
pub struct Ear {
    key: crate::ReportKey,
    away: watch::Sender<bool>,
    issued: Mutex<HashMap<InstructionId, Known>>,
    heard: watch::Sender<Heard>,
}

/// The part of the partner API that the sandbox plays: `POST /partner/v1/reports`.
pub fn router(ear: Arc<Ear>) -> Router {
    Router::new().route("/partner/v1/reports", post(hear)).layer(DefaultBodyLimit::max(BODY_MAX)).with_state(ear)
}

pub(super) async fn hear(State(ear): State<Arc<Ear>>, body: Bytes) -> Response {
    if *ear.away.borrow() {
        ear.heard.send_modify(|h| h.turned_away += 1);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let reason = match report::verify(&body, std::slice::from_ref(&ear.key)) {
        Err(error) => error.code().to_string(),
        Ok(report) => {
            let issued = ear.issued.lock().unwrap_or_else(PoisonError::into_inner).get(&report.instruction).cloned();
            match issued {
                None => "unknown-instruction".to_owned(),
                Some(_) if report.recipient != RECIPIENT => "not-yours".to_owned(),
                Some((digest, ..)) if report.digest != digest => "wrong-digest".to_owned(),
                Some((_, measure, terms)) => {
                    if let Err(why) = erasure::enough(&report, measure, terms.as_ref()) {
                        return refused(&ear, why.code().to_string());
                    }
                    let answer = ReportAnswer::Accepted { instruction: report.instruction };
                    ear.heard.send_modify(|h| h.reports.push((report, body.to_vec())));
                    return axum::Json(answer).into_response();
                }
            }
        }
    };
    refused(&ear, reason)
}

/// What a contractor of the sandbox is told to erase, and to keep.
fn erase_terms(now: Timestamp) -> EraseTerms {
    let until = (now + jiff::SignedDuration::from_hours(24 * 365 * 3)).to_zoned(jiff::tz::TimeZone::UTC).date();
    let keep = |class, article| Keep { class: Code::of(class), article: Code::of(article), until: Some(until) };
    EraseTerms {
        everything: false,
        classes: vec![Code::of("medical-data")],
        keep: vec![keep("receipt-record", "act-55-4"), keep("book", "rules-12-3")],
    }
}

fn refused(ear: &Ear, reason: String) -> Response {
    ear.heard.send_modify(|h| h.faults.push(reason.clone()));
    let refused = serde_json::json!({ "result": "refused", "reason": reason });
    (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(refused)).into_response()
}

/// The sandbox desk.
pub struct Sandbox {
    /// Under test.
    pub contractor: Contractor,
    settings: Settings,
    client: Client,
    ear: Arc<Ear>,
    epoch: i32,
    position: i64,
    queue: Option<Arc<dyn Queue>>,
}

impl Sandbox {
    /// A desk of its own, and the ear for [`router`].
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(contractor: Contractor, settings: Settings) -> io::Result<(Self, Arc<Ear>)> {
        let ear = Arc::new(Ear {
            key: contractor.report_key.clone(),
            away: watch::Sender::new(false),
            issued: Mutex::default(),
            heard: watch::Sender::new(Heard::default()),
        });
        // A life of its own for every run: positions of an earlier one are not in the way.
        let epoch = i32::try_from(http::unix_now().saturating_sub(1_700_000_000)).unwrap_or(i32::MAX);
        let client = Client::new(ANSWER, anywhere)?;
        Ok((Self { contractor, settings, client, ear: ear.clone(), epoch, position: 0, queue: None }, ear))
    }

    /// The next instruction: for this recipient, sealed to its key.
    pub fn issue(&mut self, entry: Uuid, version: i64, measure: Measure) -> Result<Issued, String> {
        let key = self.contractor.sealing_key;
        self.issue_to(entry, version, measure, RECIPIENT, &key)
    }

    /// The same, for whom and to which key the caller likes.
    pub fn issue_to(
        &mut self,
        entry: Uuid,
        version: i64,
        measure: Measure,
        audience: RecipientId,
        key: &PublicKey,
    ) -> Result<Issued, String> {
        self.position += 1;
        let id = InstructionId(Uuid::now_v7());
        let index = usize::try_from(self.position).unwrap_or(0) % PEOPLE.len();
        let (name, kana, birth_date, sex) = PEOPLE[index];
        let person = Personal::new(Identifiers {
            kana: kana.to_owned(),
            birth_date: birth_date.parse().map_err(|_| "no date".to_owned())?,
            name: Some(name.to_owned()),
            sex: Some(sex),
            hospitals: vec!["見本総合病院".to_owned()],
        });
        let now = http::now();
        let instruction = Instruction {
            specversion: Default::default(),
            id,
            source: InstructionSource::Register,
            message_type: InstructionType::V1,
            subject: audience,
            time: now,
            expirytime: now + jiff::SignedDuration::from_hours(14 * 24),
            datacontenttype: Default::default(),
            data: InstructionData {
                representation: Default::default(),
                audience,
                epoch: self.epoch,
                position: self.position,
                entry,
                entry_version: version,
                measure,
                scope: Scope::Both,
                person: identifiers::sealed(key, id, &person).map_err(|e| e.to_string())?,
                erase: (measure == Measure::Erase).then(|| erase_terms(now)),
            },
        };
        let body = serde_json::to_vec(&instruction).map_err(|e| e.to_string())?;
        let known = (digest_of(&body), measure, instruction.data.erase);
        self.ear.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(id, known);
        Ok(Issued { id, body, entry })
    }

    /// An instruction about somebody new.
    pub fn fresh(&mut self) -> Result<Issued, String> {
        self.issue(Uuid::now_v7(), 1, Measure::Stop)
    }

    /// The headers of a delivery `ago` seconds ago.
    pub fn headers(&self, sign: Sign, id: &str, ago: u64, body: &[u8]) -> HeaderMap {
        let made = self.settings.headers(sign, id, http::unix_now() - ago, body);
        let mut headers = HeaderMap::new();
        let pairs =
            [(webhook::ID, made.id), (webhook::TIMESTAMP, made.timestamp), (webhook::SIGNATURE, made.signature)];
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        headers.insert("content-type", HeaderValue::from_static(contracts::envelope::CONTENT_TYPE));
        headers
    }

    /// Posts; gives the status.
    pub async fn post(&self, headers: HeaderMap, body: Vec<u8>) -> Result<StatusCode, String> {
        let answer = self.client.fetch(Method::POST, &self.contractor.url, headers, body, BODY_MAX).await;
        answer.map(|(status, ..)| status).map_err(|error| error.to_string())
    }

    /// Delivers as the desk does.
    pub async fn deliver(&self, issued: &Issued, sign: Sign) -> Result<StatusCode, String> {
        self.post(self.headers(sign, &issued.id.to_string(), 0, &issued.body), issued.body.clone()).await
    }

    /// The contractor takes from this queue instead of being told by webhook.
    pub fn queued(self, queue: Arc<dyn Queue>) -> Self {
        Self { queue: Some(queue), ..self }
    }
    /// Whether it does.
    pub fn is_queued(&self) -> bool {
        self.queue.is_some()
    }
    /// The life of its positions.
    pub const fn epoch(&self) -> i32 {
        self.epoch
    }
    /// Puts a body into the queue.
    pub async fn put(&self, body: Vec<u8>) -> Result<(), String> {
        match &self.queue {
            Some(queue) => queue.put(body).await,
            None => Err("there is no queue".to_owned()),
        }
    }
    /// Waits until everything that was put is acknowledged.
    pub async fn nothing_open(&self) -> Result<(), String> {
        let Some(queue) = &self.queue else { return Err("there is no queue".to_owned()) };
        let done = async {
            while queue.open().await? > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        };
        match tokio::time::timeout(self.contractor.patience, done).await {
            Ok(done) => done,
            Err(_) => Err(format!("{} not acknowledged", queue.open().await?)),
        }
    }
    /// A test event, as it comes before the first instruction.
    pub fn test(&mut self) -> Result<Issued, String> {
        let id = InstructionId(Uuid::now_v7());
        let event = crate::test_event::make(id, RECIPIENT, &self.contractor.sealing_key, http::now());
        let body = serde_json::to_vec(&event.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        let known = (digest_of(&body), Measure::Stop, None);
        self.ear.issued.lock().unwrap_or_else(PoisonError::into_inner).insert(id, known);
        Ok(Issued { id, body, entry: Uuid::nil() })
    }

    /// Delivers, and wants it taken.
    pub async fn taken(&self, issued: &Issued) -> Result<(), String> {
        if self.is_queued() {
            return self.put(issued.body.clone()).await;
        }
        super::cases::is_2xx(self.deliver(issued, Sign::Current).await?)
    }

    /// Waits until the final report about each is in.
    pub async fn reported(&self, about: &[InstructionId]) -> Result<(), String> {
        let all = |heard: &Heard| {
            about.iter().all(|id| {
                let of = |(r, _): &(Report, _)| r.instruction == *id && matches!(r.stage, ReportStage::Reported { .. });
                heard.reports.iter().any(of)
            })
        };
        self.until(all).await.map_err(|heard| {
            let faults = heard.faults.join(", ");
            let faults = if faults.is_empty() { String::new() } else { format!("; refused: {faults}") };
            format!("no final report within {} s{faults}", self.contractor.patience.as_secs())
        })
    }

    /// Waits for something to be heard.
    pub async fn until(&self, wanted: impl Fn(&Heard) -> bool) -> Result<(), Heard> {
        let mut changes = self.ear.heard.subscribe();
        let waited = tokio::time::timeout(self.contractor.patience, changes.wait_for(|heard| wanted(heard))).await;
        if matches!(waited, Ok(Ok(_))) { Ok(()) } else { Err(self.heard()) }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.ear.heard.borrow().clone()
    }

    /// Answers reports with 503, or no longer.
    pub fn away(&self, away: bool) {
        self.ear.away.send_replace(away);
    }

    /// A key that is not the contractor's.
    pub fn strange_key() -> Result<PublicKey, String> {
        RecipientKeys::random().map(|keys| keys.sealing_public()).map_err(|e| e.to_string())
    }
}
