//! From an understood file to the rows and inputs that it becomes: keys of lines, what is new, what matches. No I/O.
//!
//! Bank lines have no id of their own, and two equal payments on one day are real. So a line is known by a key over all
//! that the bank says of it, and by how many lines with that key came before it: where files overlap, only the missing
//! occurrences are taken (a union of multisets, not a sum).

use crate::{
    ledger::{Entry, LedgerError},
    matching::{self, Charges, Match, Reason},
    statement::{Input, Waiting},
    zengin::{Account, Direction, Layout, Line, Sort, Statement},
};
use contracts::{BankLineId, ChargeId, StatementId, Timestamp, Uuid, payment::PaymentReference};
use hmac::{Hmac, Mac};
use jiff::civil::Date;
use privacy_seal::{Purpose, Zeroizing};
use sha2::Sha256;
use std::collections::{HashMap, HashSet};

/// The key of the digests by which lines are compared; of this service alone.
pub type LineKey = Zeroizing<[u8; 32]>;

/// The key of one line within an account, and how many equal ones came before it in its group.
pub type Seen = (Uuid, Vec<u8>, i32);

/// The account's row, always the same for the same account.
pub fn account_id(account: &Account) -> Uuid {
    let text = format!("{}-{}-{}-{}", account.bank, account.branch, account.kind, account.number);
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}

/// Which of the two families books an account.
pub fn source(layout: Layout) -> &'static str {
    match layout {
        Layout::DepositsA | Layout::DepositsB => "01",
        Layout::Transactions => "03",
    }
}

/// A line with everything that identifies it.
#[derive(Debug, Clone)]
pub struct Keyed {
    /// Derived from statement and record number.
    pub id: BankLineId,
    /// The account's row.
    pub account: Uuid,
    /// Keyed digest of all that the bank says of it.
    pub key: Vec<u8>,
    /// How many with the same key came before it in its group.
    pub occurrence: i32,
    /// Keyed digest of account, party and amount: what a cancellation and its original have in common.
    pub party: Vec<u8>,
    /// The line.
    pub line: Line,
}

/// All lines of a file with their keys.
pub fn keyed(statement: StatementId, file: &Statement, key: &LineKey, with_inquiry: bool) -> Vec<Keyed> {
    let mut all = Vec::with_capacity(file.line_count());
    for group in &file.groups {
        let account = account_id(&group.account);
        let mut before: HashMap<Vec<u8>, i32> = HashMap::new();
        for line in &group.lines {
            let digest = line_digest(key, account, line, with_inquiry);
            let occurrence = before.entry(digest.clone()).or_default();
            all.push(Keyed {
                id: BankLineId::derived(statement.0, &format!("record-{}", line.record)),
                account,
                key: digest,
                occurrence: *occurrence,
                party: digest_of(key, "party", &[account.as_bytes(), party(line), &line.amount.0.to_be_bytes()]),
                line: line.clone(),
            });
            *occurrence += 1;
        }
    }
    all
}

fn party(line: &Line) -> &[u8] {
    line.party.disclose(Purpose::MatchPayment)
}

fn line_digest(key: &LineKey, account: Uuid, line: &Line, with_inquiry: bool) -> Vec<u8> {
    let inquiry = line.inquiry.as_deref().filter(|_| with_inquiry).unwrap_or_default();
    let facts = format!(
        "{} {} {:?} {:?} {} {inquiry}",
        line.booked_on, line.value_on, line.direction, line.sort, line.amount.0
    );
    let texts = [&line.edi, &line.summary].map(|t| t.disclose(Purpose::MatchPayment).as_bytes());
    digest_of(key, "line", &[account.as_bytes(), facts.as_bytes(), party(line), texts[0], texts[1]])
}

/// Every part goes in with its length, so that no two lists of parts look the same.
fn digest_of(key: &LineKey, about: &str, parts: &[&[u8]]) -> Vec<u8> {
    // A key of any length is good for HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(&**key).expect("HMAC takes keys of any length");
    mac.update(about.as_bytes());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes()[..16].to_vec()
}

/// The lines that no earlier file held.
pub fn fresh(all: Vec<Keyed>, seen: &HashSet<Seen>) -> Vec<Keyed> {
    all.into_iter().filter(|k| !seen.contains(&(k.account, k.key.clone(), k.occurrence))).collect()
}

/// The references that these lines name, each once.
pub fn references(lines: &[Keyed]) -> Vec<PaymentReference> {
    let all: HashSet<PaymentReference> = lines.iter().flat_map(|k| matching::references(&k.line).0).collect();
    all.into_iter().collect()
}

/// An earlier line that a cancellation of this file may take back.
#[derive(Debug, Clone)]
pub struct Original {
    /// The line.
    pub line: BankLineId,
    /// Its party digest.
    pub party: Vec<u8>,
    /// The charge that it pays, where it does.
    pub charge: Option<ChargeId>,
}

/// A fresh line with its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The line.
    pub keyed: Keyed,
    /// What becomes of it.
    pub verdict: Match,
    /// The line that it takes back.
    pub takes_back: Option<BankLineId>,
    /// Its booking; none for a line of zero yen.
    pub entry: Option<Entry>,
}

/// A file, ready to be written in one transaction.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Fresh lines in file order.
    pub lines: Vec<Placed>,
    /// Charges whose payment the bank took back, with the line that had paid them.
    pub taken_back: Vec<(ChargeId, BankLineId)>,
}

impl Plan {
    /// Places the fresh lines. `originals`: earlier ordinary lines of the parties of this file's cancellations.
    pub fn new(fresh: Vec<Keyed>, charges: &Charges, originals: &[Original]) -> Result<Self, LedgerError> {
        let lines: Vec<Line> = fresh.iter().map(|k| k.line.clone()).collect();
        let verdicts = matching::match_lines(&lines, charges);
        let mut taken: HashSet<BankLineId> = HashSet::new();
        let mut taken_back = Vec::new();
        let here: Vec<(BankLineId, Vec<u8>)> = fresh
            .iter()
            .zip(&verdicts)
            .filter(|(_, v)| matches!(v, Match::Exception(Reason::TakenBack, _)))
            .map(|(k, _)| (k.id, k.party.clone()))
            .collect();
        let mut placed = Vec::with_capacity(fresh.len());
        for (keyed, verdict) in fresh.into_iter().zip(verdicts) {
            let mut takes_back = None;
            if keyed.line.sort == Sort::Cancellation {
                let in_file =
                    here.iter().find(|(id, p)| *p == keyed.party && !taken.contains(id)).map(|(id, _)| (*id, None));
                let earlier = || {
                    originals
                        .iter()
                        .find(|o| o.party == keyed.party && !taken.contains(&o.line))
                        .map(|o| (o.line, o.charge))
                };
                if let Some((line, charge)) = in_file.or_else(earlier) {
                    taken.insert(line);
                    takes_back = Some(line);
                    taken_back.extend(charge.map(|c| (c, line)));
                }
            }
            let entry = booking(&keyed, takes_back)?;
            placed.push(Placed { keyed, verdict, takes_back, entry });
        }
        Ok(Self { lines: placed, taken_back })
    }

    /// The input of the statement's machine. `lines` counts those of the whole file.
    pub fn input(&self, lines: usize, at: Timestamp) -> Input {
        let waiting: Vec<Waiting> = self
            .lines
            .iter()
            .filter_map(|p| match p.verdict {
                Match::Exception(reason, _) => {
                    Some(Waiting { line: p.keyed.id, reason: reason.code(), amount: p.keyed.line.amount })
                }
                Match::Certain(_) => None,
            })
            .collect();
        let fresh = self.lines.len() as u32;
        Input::Import { lines: lines as u32, fresh, matched: fresh - waiting.len() as u32, waiting, at }
    }

    /// Lines that pay a charge.
    pub fn certain(&self) -> impl Iterator<Item = (ChargeId, &Keyed)> {
        self.lines.iter().filter_map(|p| match p.verdict {
            Match::Certain(charge) => Some((charge, &p.keyed)),
            Match::Exception(..) => None,
        })
    }
}

/// Bank against suspense; a cancellation whose original is known is the reversing entry of that one.
fn booking(keyed: &Keyed, takes_back: Option<BankLineId>) -> Result<Option<Entry>, LedgerError> {
    let line = &keyed.line;
    if line.amount.0 == 0 {
        return Ok(None);
    }
    if let Some(original) = takes_back {
        return Entry::reversal(&Entry::line(original.0, true, line.amount)?).map(Some);
    }
    // A cancellation whose original nobody knows: the money is gone all the same.
    let incoming = line.direction == Direction::In && line.sort != Sort::Cancellation;
    Entry::line(keyed.id.0, incoming, line.amount).map(Some)
}

/// The last day of which a group surely holds all bookings: a file made on a day may miss the rest of that day.
pub fn covered_through(to: Date, made_on: Date) -> Date {
    made_on.yesterday().map_or(to, |before| before.min(to))
}

#[cfg(test)]
mod tests;
