//! What may happen to a case, and why something may not.

use super::state::Request;
use contracts::{
    Code, StaffId, Timestamp,
    fulfilment::DecisionMade,
    identity::{IdentityConfirmed, IdentityDeficient, IdentityRejected},
    opt_out::{BlockLifted, BlockPlaced, ChangeFannedOut, InstructionSettled, StopConfirmed, StopEntered},
    payment::{ChargeExpired, FeePaid, FeeRequested},
};

/// What may happen to a case.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack of `handle`
pub enum Input {
    /// 受付: a filing was taken from the in-tray.
    Filed {
        /// The request.
        request: Request,
    },
    /// 取下げ.
    Withdraw {
        /// When.
        at: Timestamp,
        /// On whose word.
        by: Author,
    },
    /// 失効の取消し.
    Revive {
        /// When.
        at: Timestamp,
        /// Who.
        by: StaffId,
    },
    /// 消去: destroy the personal part.
    Erase {
        /// When.
        at: Timestamp,
        /// Who.
        by: StaffId,
    },
    /// The key is destroyed (the shell's word after the deed).
    KeyDestroyed {
        /// When.
        at: Timestamp,
    },
    /// Time passed.
    Clock {
        /// Now.
        now: Timestamp,
    },
    /// What another service states.
    Fact(Fact),
}

/// On whose word something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Author {
    /// The person, with receipt number and access code.
    Person,
    /// A member of staff, on the person's behalf.
    Staff(StaffId),
}

/// What the case hears from the other services: their facts as they are.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // each is documented where it is defined
pub enum Fact {
    IdentityConfirmed(IdentityConfirmed),
    IdentityDeficient(IdentityDeficient),
    IdentityRejected(IdentityRejected),
    FeeRequested(FeeRequested),
    FeePaid(FeePaid),
    ChargeExpired(ChargeExpired),
    DecisionMade(DecisionMade),
    BlockPlaced(BlockPlaced),
    BlockLifted(BlockLifted),
    StopEntered(StopEntered),
    ChangeFannedOut(ChangeFannedOut),
    InstructionSettled(InstructionSettled),
    StopConfirmed(StopConfirmed),
}

/// Why not. A person is told; a message is parked for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another request was filed under this case's id.
    CaseExists,
    /// The case has ended; nothing can be taken back.
    AlreadyEnded,
    /// The stop stands: no text lets the operator lift it, supply needs the hospital's new notice (duties row 9).
    StopStands,
    /// Only a lapsed case can be revived.
    NotLapsed,
    /// It was revived as often as configuration allows; a new request is needed.
    RevivedTooOften,
    /// Only an ended case can be erased.
    NotEnded,
    /// The personal part is destroyed; nothing can be done with the case.
    Erased,
    /// Erasure was not ordered.
    ErasureNotOrdered,
    /// Identity was confirmed and rejected: the two services' words contradict each other.
    IdentityContradicted,
    /// Identity is not asked for on this kind.
    IdentityNotAsked,
    /// A charge that is none of this case's.
    UnknownCharge,
    /// Two charges of this case were paid: money has to go back.
    PaidTwice,
    /// The same charge with another amount.
    ChargeContradicted,
    /// A register entry that is none of this case's.
    UnknownEntry,
    /// The register says that the stop is final, and the case did not ask for it.
    StopNotAsked,
    /// The register says lifted, and the case did not ask for it.
    LiftNotAsked,
    /// Another decision than the one that stands.
    DecisionStands,
}

impl From<Refusal> for Code {
    fn from(why: Refusal) -> Code {
        Code::of(match why {
            Refusal::CaseExists => "case-exists",
            Refusal::AlreadyEnded => "already-ended",
            Refusal::StopStands => "stop-stands",
            Refusal::NotLapsed => "not-lapsed",
            Refusal::RevivedTooOften => "revived-too-often",
            Refusal::NotEnded => "not-ended",
            Refusal::Erased => "erased",
            Refusal::ErasureNotOrdered => "erasure-not-ordered",
            Refusal::IdentityContradicted => "identity-contradicted",
            Refusal::IdentityNotAsked => "identity-not-asked",
            Refusal::UnknownCharge => "unknown-charge",
            Refusal::PaidTwice => "paid-twice",
            Refusal::ChargeContradicted => "charge-contradicted",
            Refusal::UnknownEntry => "unknown-entry",
            Refusal::StopNotAsked => "stop-not-asked",
            Refusal::LiftNotAsked => "lift-not-asked",
            Refusal::DecisionStands => "decision-stands",
        })
    }
}
