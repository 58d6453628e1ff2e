//! A recipient that really does it: receives, verifies, opens, writes down, applies, reports. Used by the demo, the tests
//! and the benchmark; a template for a contractor's own system.
//!
//! Order, and why: look (pure) → open → journal, synced → ledger → acknowledge → report. A crash at any point leaves either
//! nothing (it comes again) or a line in the journal (the report is sent after the restart). Reports are signed once and
//! journalled, so a repeat has the same bytes and gets the first answer.

use crate::{
    apply::{self, Ledger, Refused, Taken},
    digest_of, identifiers,
    identifiers::Identifiers,
    journal::{Journal, Line},
    keys::RecipientKeys,
    report,
    send::SendsReports,
    test_event,
};
use contracts::{
    Code, Date, InstructionId, Measure, RecipientId, ReportOutcome, Sealed,
    forms::{KeyedHash, KeyedHashes, Whom},
    recipient::{Erasure, Instruction, Report, ReportAnswer, ReportStage, SignedReport},
};
use jiff::Timestamp;
use privacy_seal::{Personal, Purpose};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// What happened so far; [`ExampleContractor::until`] waits for a condition on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions taken, each once.
    pub taken: u64,
    /// Of these: applied (not stale).
    pub applied: u64,
    /// Repeats.
    pub repeats: u64,
    /// Attempts seen twice on the wire.
    pub replays: u64,
    /// Not taken: for somebody else, contradicting, not to be opened.
    pub refused: u64,
    /// Reports that the desk accepted.
    pub accepted: u64,
    /// Reports that the desk refused.
    pub reports_refused: u64,
    /// Reports that are not answered yet.
    pub open: u64,
}

/// Why an instruction was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Never applied.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Sealed to another key, or for another instruction.
    #[error("the identifiers do not open with this recipient's key; tell the desk the key in use")]
    CannotOpen,
    /// The journal refuses: the instruction must come again.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

struct Inner {
    ledger: Ledger,
    journal: Journal,
    /// Reports to send, in order per instruction.
    open: BTreeMap<InstructionId, VecDeque<SignedReport>>,
    /// Which of them answer a test event; not in the journal.
    tests: BTreeSet<InstructionId>,
    /// Who is stopped, by kana and date of birth: what this recipient asks before it uses a row.
    stopped: HashMap<(String, Date), Measure>,
    /// The same of people who are known by keyed hashes only.
    hashed: HashMap<KeyedHash, Measure>,
}

/// Whom an instruction is about, as far as this recipient can tell.
enum Known {
    /// Everybody: there is no person in it.
    Everybody,
    /// A person, by name.
    Person(Personal<Identifiers>),
    /// A person, by the rules of the gate.
    Hashes(KeyedHashes),
}

/// The example.
pub struct ExampleContractor {
    me: RecipientId,
    keys: RecipientKeys,
    outcome: ReportOutcome,
    inner: Mutex<Inner>,
    counts: watch::Sender<Counts>,
    work: Notify,
}

impl ExampleContractor {
    /// Opens the journal, or none (memory only), and stands where it was before. `outcome` is what it will report; a
    /// stale instruction is always reported as applied.
    ///
    /// # Errors
    /// The journal cannot be read, or holds what this recipient cannot have taken.
    pub fn open(
        me: RecipientId,
        keys: RecipientKeys,
        journal: Option<&Path>,
        outcome: ReportOutcome,
    ) -> io::Result<Arc<Self>> {
        let (journal, lines) = match journal {
            Some(path) => Journal::open(path)?,
            None => (Journal::none(), Vec::new()),
        };
        let inner = Inner {
            ledger: Ledger::new(me),
            journal,
            open: BTreeMap::new(),
            tests: BTreeSet::new(),
            stopped: HashMap::new(),
            hashed: HashMap::new(),
        };
        let this = Self {
            me,
            keys,
            outcome,
            inner: Mutex::new(inner),
            counts: watch::Sender::new(Counts::default()),
            work: Notify::new(),
        };
        for line in lines {
            this.replay(line)?;
        }
        Ok(Arc::new(this))
    }

    fn replay(&self, line: Line) -> io::Result<()> {
        let damaged = |_| io::Error::new(io::ErrorKind::InvalidData, "the journal is not of this recipient");
        let mut inner = self.lock();
        match line {
            Line::Taken { bytes } => {
                let instruction = apply::parse(&bytes.0).map_err(|e| damaged(e.to_string()))?;
                let person = self.person_in(&instruction).map_err(|e| damaged(e.to_string()))?;
                let taken = inner.ledger.take(&instruction).map_err(|e| damaged(e.to_string()))?;
                self.note(&mut inner, taken, &instruction, person);
            }
            Line::Signed { instruction, report } => {
                inner.open.entry(instruction).or_default().push_back(report);
                self.counts.send_modify(|c| c.open += 1);
            }
            Line::Answered { instruction } => {
                pop(&mut inner, instruction);
                self.counts.send_modify(|c| c.open -= 1);
            }
        }
        Ok(())
    }

    /// Takes an instruction's bytes. Blocks on the journal's disk: from async code use [`Self::take_blocking`].
    ///
    /// # Errors
    /// See [`TakeError`].
    pub fn take(&self, bytes: &[u8], now: Timestamp) -> Result<Taken, TakeError> {
        let taken = self.try_take(bytes, now);
        match &taken {
            Ok(Taken::Repeat) => self.counts.send_modify(|c| c.repeats += 1),
            Ok(_) => {}
            Err(TakeError::Journal(_)) => {}
            Err(error) => {
                tracing::warn!(reason = %error, "an instruction was refused");
                self.counts.send_modify(|c| c.refused += 1);
            }
        }
        taken
    }

    fn try_take(&self, bytes: &[u8], now: Timestamp) -> Result<Taken, TakeError> {
        let instruction = match apply::parse(bytes) {
            Ok(instruction) => instruction,
            Err(refused) => return self.tested(bytes, now).unwrap_or(Err(refused.into())),
        };
        let mut inner = self.lock();
        let taken = inner.ledger.look(&instruction)?;
        if taken == Taken::Repeat {
            return Ok(taken);
        }
        let person = self.person_in(&instruction)?;
        let outcome = if taken == Taken::Stale { ReportOutcome::Applied } else { self.outcome };
        let reports = [ReportStage::Received, ReportStage::Reported { outcome, ground: ground(outcome) }]
            .map(|stage| self.report(&instruction, bytes, stage, now));
        let mut lines = vec![Line::Taken { bytes: Sealed(bytes.to_vec()) }];
        lines.extend(reports.iter().map(|r| Line::Signed { instruction: instruction.id, report: r.clone() }));
        inner.journal.append(&lines).map_err(TakeError::Journal)?;
        inner.ledger.take(&instruction)?;
        inner.open.insert(instruction.id, reports.into());
        self.note(&mut inner, taken, &instruction, person);
        self.counts.send_modify(|c| c.open += 2);
        self.work.notify_one();
        Ok(taken)
    }

    /// 試験通知: nothing is applied and nothing counted; the report shows that this recipient verified and opened it. `None`: it
    /// is no test event.
    fn tested(&self, bytes: &[u8], now: Timestamp) -> Option<Result<Taken, TakeError>> {
        let test = test_event::parse(bytes)?;
        let opens = || {
            test_event::look(self.me, &test)?;
            self.known(test.id, &test.data.person)
        };
        if let Err(error) = opens() {
            return Some(Err(error));
        }
        let report = Report {
            instruction: test.id,
            recipient: self.me,
            digest: digest_of(bytes),
            stage: ReportStage::Received,
            time: now,
            book_entry: None,
            erasures: vec![],
        };
        let mut inner = self.lock();
        if inner.tests.insert(test.id) {
            inner.open.insert(test.id, [report::sign(&report, &self.keys.signing)].into());
            self.work.notify_one();
        }
        Some(Ok(Taken::Stale))
    }

    /// [`Self::take`] on a thread that may block.
    ///
    /// # Errors
    /// See [`TakeError`].
    pub async fn take_blocking(self: &Arc<Self>, bytes: Vec<u8>) -> Result<Taken, TakeError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.take(&bytes, crate::http::now()))
            .await
            .unwrap_or_else(|e| Err(TakeError::Journal(io::Error::other(e))))
    }

    /// Everything of everybody: there is no person in it.
    fn person_in(&self, instruction: &Instruction) -> Result<Known, TakeError> {
        let everything = instruction.data.erase.as_ref().is_some_and(|terms| terms.everything);
        if everything { Ok(Known::Everybody) } else { self.known(instruction.id, &instruction.data.person) }
    }

    /// Hashes under whatever gate key cannot be looked at; sealed to another key can.
    fn known(&self, id: InstructionId, person: &Whom) -> Result<Known, TakeError> {
        match person {
            Whom::Hashed(hashes) if hashes.keys.is_empty() => Err(TakeError::CannotOpen),
            Whom::Hashed(hashes) => Ok(Known::Hashes(hashes.clone())),
            Whom::Sealed { sealed_to, .. } if *sealed_to != self.keys.sealing_id() => Err(TakeError::CannotOpen),
            Whom::Sealed { .. } => {
                identifiers::open(&self.keys, id, person).map(Known::Person).map_err(|_| TakeError::CannotOpen)
            }
        }
    }

    fn report(&self, instruction: &Instruction, bytes: &[u8], stage: ReportStage, at: Timestamp) -> SignedReport {
        let erased = instruction.data.measure == Measure::Erase && matches!(stage, ReportStage::Reported { .. });
        let report = Report {
            instruction: instruction.id,
            recipient: self.me,
            digest: digest_of(bytes),
            stage,
            time: at,
            // Its own book (帳簿): the position is as good a number as any.
            book_entry: erased.then(|| format!("book-{}", instruction.data.position).parse().ok()).flatten(),
            erasures: erased.then(|| erasure(at, instruction)).into_iter().collect(),
        };
        report::sign(&report, &self.keys.signing)
    }

    fn note(&self, inner: &mut Inner, taken: Taken, instruction: &Instruction, person: Known) {
        // To resume lifts the freeze of current builds and no stop.
        let measure = match instruction.data.measure {
            Measure::Resume => Measure::Stop,
            measure => measure,
        };
        match person {
            Known::Person(person) if taken == Taken::New => {
                let person = person.disclose(Purpose::InstructRecipient);
                inner.stopped.insert((person.kana.clone(), person.birth_date), measure);
            }
            Known::Hashes(hashes) if taken == Taken::New => {
                inner.hashed.extend(hashes.keys.into_iter().map(|key| (key, measure)));
            }
            Known::Person(_) | Known::Hashes(_) | Known::Everybody => {}
        }
        self.counts.send_modify(|c| {
            c.taken += 1;
            c.applied += u64::from(taken == Taken::New);
        });
    }

    /// Sends what is open, one after the other, until each is answered; waits for more. Ends when the task is dropped.
    pub async fn run_reports(self: Arc<Self>, desk: Arc<dyn SendsReports>) {
        let mut pause = Duration::from_millis(50);
        loop {
            let next = self.lock().open.iter().find_map(|(i, q)| q.front().map(|r| (*i, r.clone())));
            let Some((instruction, signed)) = next else {
                self.work.notified().await;
                continue;
            };
            match desk.send(&signed).await {
                Ok(ReportAnswer::Unavailable) | Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
                Ok(answer) => {
                    pause = Duration::from_millis(50);
                    self.answered(instruction, &answer);
                }
            }
        }
    }

    fn answered(&self, instruction: InstructionId, answer: &ReportAnswer) {
        let mut inner = self.lock();
        if inner.tests.remove(&instruction) {
            return pop(&mut inner, instruction);
        }
        // A disk that refuses costs one repeated report after a restart, which gets the same answer.
        if let Err(error) = inner.journal.append(&[Line::Answered { instruction }]) {
            tracing::warn!(%error, "the journal cannot be written");
        }
        pop(&mut inner, instruction);
        drop(inner);
        self.counts.send_modify(|c| {
            c.open -= 1;
            match answer {
                ReportAnswer::Accepted { .. } => c.accepted += 1,
                ReportAnswer::Refused { .. } => c.reports_refused += 1,
                ReportAnswer::Unavailable => {}
            }
        });
        if let ReportAnswer::Refused { reason } = answer {
            tracing::error!(%reason, "the desk refused a report");
        }
    }

    /// Counts now.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }
    /// Waits until the counts fulfil a condition.
    pub async fn until(&self, mut condition: impl FnMut(&Counts) -> bool) -> Counts {
        let mut changes = self.counts.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        changes.wait_for(|c| condition(c)).await.map(|c| *c).unwrap_or_default()
    }
    /// May this recipient use the data of this person? `Some(measure)`: no.
    pub fn stopped(&self, kana: &str, birth_date: Date) -> Option<Measure> {
        self.lock().stopped.get(&(kana.to_owned(), birth_date)).copied()
    }
    /// The same for a row by its keyed hashes (the crate `gate`, `keyed::of_row`): by which rule it is stopped, and how. What the
    /// rule means, exact or possible, the gate's rules say.
    pub fn stopped_by(&self, row: &[KeyedHash]) -> Option<(Code, Measure)> {
        let inner = self.lock();
        row.iter().find_map(|key| Some((key.rule.clone(), *inner.hashed.get(key)?)))
    }
    /// The ledger as it stands.
    pub fn ledger(&self) -> Ledger {
        self.lock().ledger.clone()
    }
    /// Who it is.
    pub const fn me(&self) -> RecipientId {
        self.me
    }
    /// Its keys.
    pub const fn keys(&self) -> &RecipientKeys {
        &self.keys
    }
    pub(crate) fn count_replay(&self) {
        self.counts.send_modify(|c| c.replays += 1);
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while holding it leaves at worst an instruction that is not in the ledger and comes again.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pop(inner: &mut Inner, instruction: InstructionId) {
    if let Some(queue) = inner.open.get_mut(&instruction) {
        queue.pop_front();
        if queue.is_empty() {
            inner.open.remove(&instruction);
        }
    }
}

/// The example holds everything in one system and overwrites it; it has no backups and none of the records that must stay.
fn erasure(at: Timestamp, instruction: &Instruction) -> Erasure {
    let classes = instruction.data.erase.as_ref().map(|terms| terms.classes.clone());
    Erasure {
        system: Code::of("example"),
        on: at.to_zoned(jiff::tz::TimeZone::UTC).date(),
        method: Code::of("overwritten"),
        items: classes.unwrap_or_else(|| vec![Code::of("all")]),
        backups_until: None,
        no_backups: true,
        kept: vec![crate::erasure::NONE_HELD],
    }
}

/// An exemption needs its ground; the example's is the one that the law names for receiving (Act art. 56, proviso).
fn ground(outcome: ReportOutcome) -> Option<Code> {
    (outcome == ReportOutcome::Exempt).then(|| Code::of("act-56-law"))
}

#[cfg(test)]
#[path = "example_tests.rs"]
mod tests;
