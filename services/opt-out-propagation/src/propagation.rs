//! Who must be told of a change, and what exactly. Pure.

use contracts::{
    ChangeId, Code, Date, Diligence, EntryId, InstructionId, Measure, RecipientId, RecipientKind, Representation,
    Scope, Timestamp, Transport, Uuid,
    forms::{Forms, Whom},
    recipient::{BODY_MAX, EraseTerms, Instruction, InstructionData, InstructionSource, InstructionType},
    register::{Certification, Contract},
};
use jiff::SignedDuration;
use serde::Deserialize;
use std::collections::BTreeSet;

/// A recipient as the fan-out sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub recipient: RecipientId,
    /// What it is.
    pub kind: RecipientKind,
    /// How it is reached.
    pub transport: Transport,
    /// Its relation to the desk is in force: neither removed nor without certification.
    pub in_force: bool,
    /// Its newest endpoint; deliveries are frozen to it.
    pub endpoint: Uuid,
    /// X25519 public key that identifiers are sealed to.
    pub sealing_key: [u8; 32],
    /// 認定.
    pub certification: Option<Certification>,
    /// The contract in force; instructions are frozen to its version.
    pub contract: Option<(i32, Contract)>,
}

impl Candidate {
    /// The forms that its contract chose.
    pub fn forms(&self) -> Forms {
        self.contract.as_ref().map(|(_, contract)| contract.forms).unwrap_or_default()
    }
}

/// What a change is about, as far as it decides who is told.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Which tracks; none: whichever.
    pub scope: Option<Scope>,
    /// Hospitals and operators that are shown to have this person: named by it, or found by a search ticket.
    pub shown: BTreeSet<RecipientId>,
    /// It is about current builds: only who builds is told.
    pub builds: bool,
    /// They may be told: the requester consented, or needs not (APPI art. 27(1); contractors may always).
    pub may_tell: bool,
}

/// Whether a recipient builds from what the operator collected: the core zone, and who works for the operator. Hospitals
/// supply; another operator has its own builds and is told of the stop.
pub const fn builds(kind: RecipientKind) -> bool {
    matches!(kind, RecipientKind::CoreZone | RecipientKind::Contractor | RecipientKind::SubContractor)
}

/// Whether a measure is about current builds.
pub const fn is_about_builds(measure: Measure) -> bool {
    matches!(measure, Measure::Suspend | Measure::Resume)
}

/// The day of an instant in Japan, where contracts and certifications have their days.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))).date()
}

/// Whether something for one of the tracks concerns somebody who works on the other.
const fn overlap(a: Scope, b: Scope) -> bool {
    matches!(
        (a, b),
        (Scope::Both, _)
            | (_, Scope::Both)
            | (Scope::Anonymised, Scope::Anonymised)
            | (Scope::Pseudonymised, Scope::Pseudonymised)
    )
}

fn certified(c: &Candidate, today: Date, missing: &mut Vec<Code>) {
    match &c.certification {
        None => missing.push(Code::of("certification")),
        Some(certification) if certification.until.is_some_and(|until| until < today) => {
            missing.push(Code::of("certification-expired"));
        }
        Some(_) => {}
    }
}

fn contracted(c: &Candidate, today: Date, missing: &mut Vec<Code>) {
    match &c.contract {
        None => missing.push(Code::of("contract")),
        Some((_, contract)) if contract.from > today => missing.push(Code::of("contract-not-yet")),
        Some((_, contract)) if contract.until.is_some_and(|until| until < today) => {
            missing.push(Code::of("contract-ended"));
        }
        Some((_, contract)) => {
            if let Some(item) = contract.missing() {
                missing.push(item.code());
            }
        }
    }
}

/// What a recipient lacks before it may get anything about a person; empty: nothing.
///
/// * Users of pseudonymised data (利用事業者) may not identify anybody (Act art. 42(2)): no personal identifier ever goes
///   to one.
/// * The core zone has no network to the outside (Rules art. 6(iv)): sealed files only.
/// * A contractor has a certification and a contract with its seven items (Act art. 24(1), Rules art. 20(1)); a
///   sub-contractor also a contractor above it that has the same, and the operator's permission (Act art. 24(2)).
pub fn missing(all: &[Candidate], c: &Candidate, today: Date) -> Vec<Code> {
    let mut missing = Vec::new();
    if !c.in_force {
        missing.push(Code::of("not-in-force"));
    }
    match c.kind {
        RecipientKind::User => missing.push(Code::of("users-learn-of-nobody")),
        RecipientKind::CoreZone if c.transport != Transport::SealedFile => {
            missing.push(Code::of("core-zone-has-no-network"));
        }
        RecipientKind::Contractor | RecipientKind::SubContractor => {
            certified(c, today, &mut missing);
            contracted(c, today, &mut missing);
        }
        RecipientKind::CoreZone | RecipientKind::Hospital | RecipientKind::CertifiedOperator => {}
    }
    if c.kind == RecipientKind::SubContractor {
        let parent = c.certification.as_ref().and_then(|c| c.parent);
        // A chain of tiers is finite: a recipient is never above itself (it is registered after the one above).
        match parent.map(|id| all.iter().find(|p| p.recipient == id && p.recipient != c.recipient)) {
            None => missing.push(Code::of("parent")),
            Some(above) => {
                let stands = above.is_some_and(|p| {
                    matches!(p.kind, RecipientKind::Contractor | RecipientKind::SubContractor)
                        && p.in_force
                        && p.certification.is_some()
                        && p.contract.is_some()
                });
                if !stands {
                    missing.push(Code::of("parent-not-in-force"));
                }
            }
        }
        if c.certification.as_ref().is_none_or(|c| c.permitted_on.is_none()) {
            missing.push(Code::of("permission"));
        }
    }
    missing
}

/// Why a recipient is not told of a change; `None`: it is.
///
/// A hospital or another operator is told only about people shown to be its own; contractors always.
pub fn why_not(all: &[Candidate], c: &Candidate, about: &About, today: Date) -> Option<Code> {
    if let Some(first) = missing(all, c, today).into_iter().next() {
        return Some(first);
    }
    if about.builds && !builds(c.kind) {
        return Some(Code::of("builds-nothing"));
    }
    if matches!(c.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator)
        && !about.shown.contains(&c.recipient)
    {
        return Some(Code::of("not-shown-to-be-its-own"));
    }
    if matches!(c.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator) && !about.may_tell {
        return Some(Code::of("no-consent-to-tell"));
    }
    let works_on = [c.contract.as_ref().map(|(_, c)| c.scope), c.certification.as_ref().map(|c| c.scope)];
    let other = |works: Scope| about.scope.is_some_and(|scope| !overlap(scope, works));
    works_on.into_iter().flatten().any(other).then_some(Code::of("works-on-the-other-track"))
}

/// The recipients that get an instruction, in the order of their ids.
pub fn told<'a>(all: &'a [Candidate], about: &About, today: Date) -> Vec<&'a Candidate> {
    let mut told: Vec<_> = all.iter().filter(|c| why_not(all, c, about, today).is_none()).collect();
    told.sort_by_key(|c| c.recipient);
    told
}

/// What the statute's words are in time; configuration.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    /// 直ちに.
    pub immediately: SignedDuration,
    /// 速やかに.
    pub promptly: SignedDuration,
    /// 遅滞なく; also for recipients without a contract.
    pub without_delay: SignedDuration,
}

impl Periods {
    /// When a report is due: what the contract says for the measure, counted from the issue.
    pub fn deadline(&self, contract: Option<&Contract>, measure: Measure, issued_at: Timestamp) -> Timestamp {
        let word =
            contract.map_or(Diligence::WithoutDelay, |c| if measure == Measure::Erase { c.erase } else { c.stop });
        let period = match word {
            Diligence::Immediately => self.immediately,
            Diligence::Promptly => self.promptly,
            Diligence::WithoutDelay => self.without_delay,
        };
        issued_at.checked_add(period).unwrap_or(Timestamp::MAX)
    }
}

/// The instruction that takes the place of one whose endpoint changed.
pub fn replacement_id(old: InstructionId, endpoint: Uuid) -> InstructionId {
    InstructionId(Uuid::new_v5(&old.0, endpoint.as_bytes()))
}

/// The change by which one recipient was told later than the others.
pub fn late_change(change: ChangeId, recipient: RecipientId) -> ChangeId {
    ChangeId(Uuid::new_v5(&change.0, [b"late".as_slice(), recipient.0.as_bytes()].concat().as_slice()))
}

/// The instruction of a change to a recipient: always the same id, so that it cannot be issued twice.
pub fn instruction_id(change: ChangeId, recipient: RecipientId) -> InstructionId {
    InstructionId(Uuid::new_v5(&change.0, recipient.0.as_bytes()))
}

/// The entry as one recipient knows it: recipients cannot compare what they hold, and our own id stays here.
pub fn entry_as_known_to(entry: EntryId, recipient: RecipientId) -> Uuid {
    Uuid::new_v5(&entry.0, recipient.0.as_bytes())
}

/// Everything that an instruction says.
#[derive(Clone, Debug)]
pub struct Words {
    /// The instruction.
    pub id: InstructionId,
    /// To whom.
    pub recipient: RecipientId,
    /// The life of the ledger.
    pub epoch: i32,
    /// 通番.
    pub position: i64,
    /// The entry.
    pub entry: EntryId,
    /// Its version.
    pub entry_version: i64,
    /// 停止 or 消去.
    pub measure: Measure,
    /// Which tracks.
    pub scope: Scope,
    /// How it is written, by the contract.
    pub representation: Representation,
    /// Whom it is about, in the form of the contract.
    pub person: Whom,
    /// What goes and what stays, where it is an erasure.
    pub erase: Option<EraseTerms>,
    /// When it is issued.
    pub at: Timestamp,
    /// The report is due.
    pub deadline: Timestamp,
}

/// The bytes that every transport carries. `None` when they are over 64 KiB (identifiers too long).
pub fn body(words: Words) -> Option<Vec<u8>> {
    let instruction = Instruction {
        specversion: Default::default(),
        id: words.id,
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: words.recipient,
        time: words.at,
        expirytime: words.deadline,
        datacontenttype: words.representation.into(),
        data: InstructionData {
            representation: words.representation,
            audience: words.recipient,
            epoch: words.epoch,
            position: words.position,
            entry: entry_as_known_to(words.entry, words.recipient),
            entry_version: words.entry_version,
            measure: words.measure,
            scope: words.scope,
            person: words.person,
            erase: words.erase,
        },
    };
    serde_json::to_vec(&instruction).ok().filter(|bytes| bytes.len() <= BODY_MAX)
}

/// What a body of our own form says of whom it is for; the rest, the sealed identifiers before all, is passed over.
#[derive(Deserialize)]
struct For {
    subject: RecipientId,
    data: Audience,
}

#[derive(Deserialize)]
struct Audience {
    audience: RecipientId,
}

/// The last look before the wire: does this body belong to this recipient? Whatever else went wrong, another's
/// instruction is not sent.
pub fn is_for(body: &[u8], recipient: RecipientId) -> bool {
    match serde_json::from_slice::<For>(body) {
        Ok(i) => i.subject == recipient && i.data.audience == recipient,
        // Another representation (FHIR) says it elsewhere: read whole.
        Err(_) => serde_json::from_slice::<Instruction>(body)
            .is_ok_and(|i| i.subject == recipient && i.data.audience == recipient),
    }
}

#[cfg(test)]
#[path = "propagation_tests.rs"]
mod tests;
