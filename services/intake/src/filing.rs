//! 受付: taking filings from the in-tray: claim, open, keep the person, open the case; the filing's row goes in the
//! transaction that makes the case. Every step can be repeated, so a crash anywhere costs a delay and nothing else.
//!
//! What cannot be opened or understood is parked with its reason and counted; nothing is ever dropped.

use crate::{
    case::{Author, Case, Input, Request},
    config::Settings,
    mail::{Known, reader::Mails},
    person::{Kept, Persons},
    store,
    tray::{self, Taken},
};
use chassis::{Bus, Cause, HandleError, Home, Outcome, telemetry};
use contracts::{Code, Service, Timestamp, Uuid};
use futures::{FutureExt, Stream, StreamExt, stream};
use jiff::SignedDuration;
use privacy::{HatchKey, Personal, PublicKey, Purpose};
use privacy_seal::filing::{ArrivedMail, Filing, NewRequest};
use std::{sync::Arc, time::Duration};
use tracing::Instrument;

/// The door's hint that something was filed; the poll is the guarantee.
const FILED: &str = "door.filed";
/// How soon a withdrawal without its request is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Takes filings.
#[derive(Clone)]
pub struct Taker {
    bus: Arc<Bus>,
    home: Home<Case>,
    persons: Persons,
    settings: Settings,
    mails: Mails,
}

/// Did the door say something since it was last asked? Takes all that it said.
fn heard_one(hints: &mut (impl Stream + Unpin)) -> bool {
    let mut heard = false;
    while let Some(Some(_)) = hints.next().now_or_never() {
        heard = true;
    }
    heard
}

/// What became of one filing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    /// Taken: the row went in the transaction of the step.
    Taken,
    /// Dealt with before, or of no consequence: the row goes.
    Gone,
    /// It waits for something.
    Later(Code),
    /// A person has to look.
    Park(Code),
}

impl Taker {
    /// Puts the parts together.
    pub const fn new(bus: Arc<Bus>, home: Home<Case>, persons: Persons, settings: Settings, mails: Mails) -> Self {
        Self { bus, home, persons, settings, mails }
    }

    /// Takes until the process stops: at every hint, and at every poll.
    pub async fn run(self) {
        let stop = self.bus.stopping();
        let poll = Duration::from_millis(self.settings.poll_ms);
        let mut hints = self.bus.nats().subscribe(FILED).await.ok();
        let mut at_once = usize::from(self.settings.at_once);
        while !stop.is_asked() {
            let full = match self.take_once(at_once).await {
                Ok(n) => n == usize::from(self.settings.batch),
                Err(error) => {
                    tracing::warn!(%error, "the in-tray cannot be emptied now; it is tried again");
                    false
                }
            };
            // The counter goes first (bus.md 5.3): as long as more comes in than is taken, one worker takes, so that people
            // are not kept waiting for the case that follows. The rest is taken when the door is quiet.
            let busy = full && hints.as_mut().is_some_and(heard_one);
            at_once = if busy { 1 } else { usize::from(self.settings.at_once) };
            if full {
                continue;
            }
            let hint = async {
                let heard = match hints.as_mut() {
                    Some(hints) => hints.next().await,
                    None => None,
                };
                // No subscription, or none any more: the poll alone.
                if heard.is_none() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                stopping = stop.pause(poll) => if stopping { return },
                () = hint => {}
            }
        }
    }

    /// Takes one batch, so many at the same time; how many filings it was.
    ///
    /// # Errors
    /// The in-tray cannot be read. What goes wrong with one filing is written down and does not keep the others waiting.
    pub async fn take_once(&self, at_once: usize) -> Result<usize, HandleError> {
        let taken = tray::claim(self.bus.db(), self.bus.clock().now(), self.settings.batch).await?;
        let n = taken.len();
        stream::iter(taken)
            .for_each_concurrent(at_once, |filing| async move {
                let id = filing.id;
                if let Err(error) = self.take(filing).await {
                    telemetry::count("madoguchi.filings.failed", "away");
                    tracing::warn!(filing = %id, %error, "a filing could not be taken now; it is tried again");
                }
            })
            .await;
        Ok(n)
    }

    async fn take(&self, taken: Taken) -> Result<(), HandleError> {
        let (id, received_at) = (taken.id, taken.received_at);
        let done = match self.open(&taken) {
            Ok(filing) => self.deal(id, filing).await?,
            Err(why) => Done::Park(why),
        };
        let db = self.bus.db();
        let now = self.bus.clock().now();
        match done {
            Done::Taken => telemetry::count("madoguchi.filings", "taken"),
            Done::Gone => {
                telemetry::count("madoguchi.filings", "gone");
                db.write(move |tx| Box::pin(async move { Ok(tray::remove(tx, id).await?) })).await?;
            }
            Done::Later(why) if now < patience_ends(received_at, self.settings.park_after_hours) => {
                tray::wait(db, id, now + AGAIN, why).await?;
            }
            Done::Later(why) | Done::Park(why) => {
                // An alarm stands on this figure: somebody is waiting for an answer to this filing.
                telemetry::count("madoguchi.filings.parked", why.as_str());
                tracing::error!(filing = %id, reason = %why, "a filing waits for a person");
                tray::park(db, id, why).await?;
            }
        }
        Ok(())
    }

    /// Opens with the desk's key and the hatch's. Errors say which step failed, never what was inside.
    fn open(&self, taken: &Taken) -> Result<Personal<Filing>, Code> {
        let hatch_sealed = taken.hatch_sealed.as_deref().ok_or(Code::of("hatch-missing"))?;
        let hatch = HatchKey::open_row(self.persons.key(), taken.hatch, hatch_sealed)
            .map_err(|_| Code::of("hatch-does-not-open"))?;
        let opened = hatch.open_filing(taken.id, &taken.sealed).map_err(|_| Code::of("filing-does-not-open"))?;
        opened.json().map_err(|_| Code::of("filing-malformed"))
    }

    async fn deal(&self, id: Uuid, filing: Personal<Filing>) -> Result<Done, HandleError> {
        match filing.disclose(Purpose::SealForOwner) {
            Filing::Request(request) => {
                let span = telemetry::linked_root_span("take filing", Service::Intake, None);
                telemetry::set_remote_parent(&span, request.traceparent.as_deref());
                span.record("case.id", tracing::field::display(request.case));
                self.request(id, request).instrument(span).await
            }
            Filing::Withdrawal { receipt_number, code_key, received_at } => {
                let span = telemetry::linked_root_span("take withdrawal", Service::Intake, None);
                self.withdrawal(id, receipt_number.to_string(), *code_key, *received_at).instrument(span).await
            }
            Filing::Mail(mail) => {
                let span = telemetry::linked_root_span("take mail", Service::Intake, None);
                telemetry::set_remote_parent(&span, mail.traceparent.as_deref());
                self.mail(id, mail).instrument(span).await
            }
        }
    }

    async fn request(&self, id: Uuid, request: &NewRequest) -> Result<Done, HandleError> {
        let Some(plain) = plain(request, &self.settings) else { return Ok(Done::Park(Code::of("code-key-unusable"))) };
        if self.persons.keep(request).await? == Kept::Erased {
            return Ok(Done::Gone);
        }
        let outcome = self.home.handle(request.case.0, Cause::Person(id), Input::Filed { request: plain }).await?;
        Ok(match outcome {
            Outcome::Refused(why) => Done::Park(why.into()),
            Outcome::TooEarly | Outcome::Later | Outcome::Parked | Outcome::Behind => {
                Done::Later(Code::of("too-early"))
            }
            Outcome::Done { .. } => Done::Taken,
            Outcome::Seen { .. } | Outcome::Already { .. } => Done::Gone,
        })
    }

    /// 来信: its row in place of the filing's, in one transaction. Reading it comes after.
    async fn mail(&self, id: Uuid, mail: &ArrivedMail) -> Result<Done, HandleError> {
        let known = Known { envelope: mail.envelope.clone(), mail: None, arrival: None };
        let sealed = self.mails.parts().seal(id, &known).await?;
        let mail = mail.clone();
        self.bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    crate::mail::store::arrived(tx, id, &mail, &sealed).await?;
                    Ok(tray::remove(tx, id).await?)
                })
            })
            .await?;
        Ok(Done::Taken)
    }

    /// 取下げ: only with the code that the request was filed with.
    async fn withdrawal(
        &self,
        id: Uuid,
        receipt_number: String,
        code_key: [u8; 32],
        at: Timestamp,
    ) -> Result<Done, HandleError> {
        // The door opened the status with this code, or had just taken the request itself: it will be here soon.
        let Some((case, known)) = store::case_of(self.bus.db(), receipt_number).await? else {
            return Ok(Done::Later(Code::of("receipt-unknown")));
        };
        match known {
            // Erased meanwhile: nothing is left to take back.
            None => return Ok(Done::Gone),
            Some(known) if known != code_key => return Ok(Done::Park(Code::of("other-code"))),
            Some(_) => {}
        }
        let input = Input::Withdraw { at, by: Author::Person };
        Ok(match self.home.handle(case, Cause::Person(id), input).await? {
            Outcome::Refused(why) => {
                // The status page says how the case stands, and for a stop that it cannot be lifted here.
                let why: Code = why.into();
                telemetry::count("madoguchi.withdrawals.refused", why.as_str());
                tracing::info!(case.id = %case, reason = %why, "a withdrawal came too late");
                Done::Gone
            }
            Outcome::TooEarly | Outcome::Later | Outcome::Parked | Outcome::Behind => {
                Done::Later(Code::of("too-early"))
            }
            Outcome::Done { .. } => Done::Taken,
            Outcome::Seen { .. } | Outcome::Already { .. } => Done::Gone,
        })
    }
}

/// The request without anything personal; `None` when the code's key is none that letters can be sealed to.
pub(crate) fn plain(request: &NewRequest, settings: &Settings) -> Option<Request> {
    Some(Request {
        case: request.case,
        receipt_number: request.receipt_number,
        code_key: PublicKey::from_bytes(&request.code_key).ok()?,
        kind: request.kind,
        capacity: request.capacity,
        scope: request.scope,
        channel: request.channel,
        language: request.language,
        received_at: request.received_at,
        terms: settings.terms(request.kind),
    })
}

/// Until when a filing that waits is tried again.
fn patience_ends(received_at: Timestamp, hours: u32) -> Timestamp {
    received_at.saturating_add(SignedDuration::from_hours(i64::from(hours))).unwrap_or(Timestamp::MAX)
}
