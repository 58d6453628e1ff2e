//! 消込: which line certainly pays which charge. Pure; everything else is an exception that waits for a person.
//!
//! Nearly every charge is the same 4,000 yen, so an amount says nothing and names collide: only the reference decides,
//! and only together with the exact amount. The reference stands in 振込依頼人コード or at the front of 振込依頼人名. Ties are
//! never broken by age: a second payment of a paid charge is an exception.

use crate::{
    kana, reference,
    zengin::{Direction, Line, Sort},
};
use contracts::{
    ChargeId, Code,
    payment::{PaymentReference, Yen},
};
use jiff::civil::Date;
use privacy_seal::Purpose;
use std::collections::HashMap;

/// How a charge stands when a statement comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Asked for and not paid.
    Requested,
    /// Paid already.
    Paid,
    /// The time ran out; a payment whose value day was in time still counts.
    Expired,
    /// The case ended.
    Cancelled,
}

/// What matching needs to know of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChargeView {
    /// Which.
    pub charge: ChargeId,
    /// How much is owed.
    pub amount: Yen,
    /// The last day to pay.
    pub due_on: Date,
    /// How it stands.
    pub standing: Standing,
}

/// The charges that any line of the file may be about, by reference.
pub type Charges = HashMap<PaymentReference, ChargeView>;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $code:literal,)*) => {
        /// 例外: why a line waits for a person.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }
        impl Reason {
            /// All of them, for the words on pages.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];
            /// As it stands in messages and tables.
            pub const fn code(self) -> Code {
                match self { $(Reason::$name => const { Code::of($code) },)* }
            }
        }
    };
}

reasons! {
    /// 出金: money left the account.
    Outgoing "outgoing",
    /// The amount is zero.
    NoAmount "no-amount",
    /// 取消: this line takes an earlier one back.
    Cancellation "cancellation",
    /// This line is taken back by another of the same file.
    TakenBack "taken-back",
    /// 訂正: the bank corrects an earlier line.
    Correction "correction",
    /// うち他店券: a cheque that has not cleared.
    Uncleared "uncleared-cheque",
    /// Neither the code nor the front of the name has ten digits.
    NoReference "no-reference",
    /// Ten digits that were a reference if one digit were another.
    CheckDigit "reference-check-digit",
    /// A well-formed reference that was never given out.
    Unknown "reference-unknown",
    /// The code names one charge and the name another.
    TwoReferences "two-references",
    /// Less than is owed; bank fees deducted, perhaps.
    Short "amount-short",
    /// More than is owed.
    Over "amount-over",
    /// The charge was paid before.
    AlreadyPaid "already-paid",
    /// The charge expired before this payment's value day.
    Expired "charge-expired",
    /// The charge was cancelled.
    Cancelled "charge-cancelled",
}

/// What is to be done with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It pays this charge, in full and without doubt.
    Certain(ChargeId),
    /// It waits in suspense, with the charge that it seems to be about where there is one.
    Exception(Reason, Option<ChargeId>),
}

/// References that a line may carry: the code field and the digits at the front of the name.
///
/// Well-formed ones only; the flag says whether ten digits stood there that fail their check digit.
pub fn references(line: &Line) -> (Vec<PaymentReference>, bool) {
    let (leading, _) = kana::leading_digits(line.remitter.disclose(Purpose::MatchPayment));
    let mut found = Vec::new();
    let mut slip = false;
    for digits in [line.remitter_code.as_deref().unwrap_or_default(), &leading] {
        match reference::parse(digits) {
            Ok(reference) if !found.contains(&reference) => found.push(reference),
            Ok(_) => {}
            // Senders fill the code field with numbers of their own: only the front of the name is meant for us.
            Err(reference::NotAReference::Check) if digits == leading => slip = true,
            Err(_) => {}
        }
    }
    (found, slip)
}

/// A verdict for every line, in order. `charges` must hold every charge that [`references`] of these lines name.
pub fn match_lines(lines: &[Line], charges: &Charges) -> Vec<Match> {
    let mut taken_back = take_back(lines);
    let mut paid_here: Vec<ChargeId> = Vec::new();
    lines
        .iter()
        .map(|line| {
            let verdict = match_line(line, charges, &mut taken_back);
            match verdict {
                Match::Certain(charge) if paid_here.contains(&charge) => {
                    Match::Exception(Reason::AlreadyPaid, Some(charge))
                }
                Match::Certain(charge) => {
                    paid_here.push(charge);
                    verdict
                }
                Match::Exception(..) => verdict,
            }
        })
        .collect()
}

/// How many lines with this party and amount the file takes back again.
type TakenBack<'a> = HashMap<(&'a [u8], i64), usize>;

fn take_back(lines: &[Line]) -> TakenBack<'_> {
    let mut taken = TakenBack::new();
    for line in lines.iter().filter(|l| l.sort == Sort::Cancellation) {
        *taken.entry(party(line)).or_default() += 1;
    }
    taken
}

fn party(line: &Line) -> (&[u8], i64) {
    (line.party.disclose(Purpose::MatchPayment).as_slice(), line.amount.0)
}

fn match_line<'a>(line: &'a Line, charges: &Charges, taken_back: &mut TakenBack<'a>) -> Match {
    let (found, slip) = references(line);
    let known: Vec<&ChargeView> = found.iter().filter_map(|r| charges.get(r)).collect();
    let about = if let [charge] = known.as_slice() { Some(charge.charge) } else { None };
    let waits = |reason| Match::Exception(reason, about);
    match line.sort {
        Sort::Cancellation => return waits(Reason::Cancellation),
        Sort::Correction => return waits(Reason::Correction),
        Sort::Ordinary => {}
    }
    if line.direction == Direction::Out {
        return waits(Reason::Outgoing);
    }
    if line.amount.0 <= 0 {
        return waits(Reason::NoAmount);
    }
    if let Some(left) = taken_back.get_mut(&party(line)).filter(|left| **left > 0) {
        *left -= 1;
        return waits(Reason::TakenBack);
    }
    if line.uncleared.0 > 0 {
        return waits(Reason::Uncleared);
    }
    match known.as_slice() {
        [charge] => match against(line, charge) {
            None => Match::Certain(charge.charge),
            Some(reason) => waits(reason),
        },
        [] if !found.is_empty() => waits(Reason::Unknown),
        [] if slip => waits(Reason::CheckDigit),
        [] => waits(Reason::NoReference),
        _ => waits(Reason::TwoReferences),
    }
}

/// Why this line does not pay this charge, if it does not.
fn against(line: &Line, charge: &ChargeView) -> Option<Reason> {
    match charge.standing {
        Standing::Paid => Some(Reason::AlreadyPaid),
        Standing::Cancelled => Some(Reason::Cancelled),
        Standing::Expired if line.paid_on() > charge.due_on => Some(Reason::Expired),
        Standing::Requested | Standing::Expired if line.amount < charge.amount => Some(Reason::Short),
        Standing::Requested | Standing::Expired if line.amount > charge.amount => Some(Reason::Over),
        Standing::Requested | Standing::Expired => None,
    }
}

#[cfg(test)]
mod tests;
