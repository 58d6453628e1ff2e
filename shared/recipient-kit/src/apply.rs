//! The ledger of a recipient: what to do with an instruction that arrives. Pure: no clock, no file, no network.
//!
//! The desk says an instruction at least once, by one or several transports, in no promised order. So a recipient
//!
//! * refuses what is not for it (`audience` inside the signed bytes),
//! * knows repeats by the instruction's id (and refuses two instructions at one position),
//! * applies per register entry the greatest version only; a lower one is reported and changes nothing,
//! * stops the person whatever the measure is: `suspend` freezes current builds besides, until `resume` or `erase`; `resume`
//!   lets builds go on without the person and lifts no stop,
//! * sees gaps: positions are 1, 2, 3 … per recipient, so a missing one is known to be missing and can be asked for,
//! * notices that the desk was restored from a backup: a new `epoch`. It keeps everything that it stopped, and asks for the
//!   snapshot before it trusts positions again.

use contracts::{
    Code, Digest, InstructionId, Measure, RecipientId, Scope,
    recipient::{BODY_MAX, Instruction},
};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The most positions beyond a gap that are remembered; more than this and the snapshot has to be fetched.
pub const BEYOND_MAX: usize = 100_000;

/// What stands for one register entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The version applied.
    pub version: i64,
    /// 停止 or 消去.
    pub measure: Measure,
    /// Which tracks.
    pub scope: Scope,
}

/// What an instruction was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Apply it.
    New,
    /// A version lower than the one applied: nothing to do, but report it as applied. Never an erasure.
    Stale,
    /// Seen before: send the same reports again.
    Repeat,
}

/// Why an instruction was not taken. Never applied; tell the desk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an instruction.
    #[error("not an instruction of at most {BODY_MAX} bytes")]
    Malformed,
    /// For somebody else.
    #[error("the instruction is for another recipient; report it to the desk at once")]
    NotForMe,
    /// Subject and audience, or id and data, contradict each other.
    #[error("the instruction contradicts itself")]
    Contradiction,
    /// Another instruction has this position already.
    #[error("position {0} is taken by another instruction")]
    PositionTaken(i64),
    /// Of a life of the desk's ledger that is over.
    #[error("epoch {got} is over, epoch {now} is in force")]
    OldEpoch {
        /// The instruction's.
        got: i32,
        /// Ours.
        now: i32,
    },
    /// Too many beyond a gap.
    #[error("more than {BEYOND_MAX} positions beyond a gap; fetch the snapshot")]
    TooFarAhead,
}

impl Refused {
    /// The reason as a code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Malformed => Code::of("malformed"),
            Self::NotForMe => Code::of("not-for-me"),
            Self::Contradiction => Code::of("contradiction"),
            Self::PositionTaken(_) => Code::of("position-taken"),
            Self::OldEpoch { .. } => Code::of("old-epoch"),
            Self::TooFarAhead => Code::of("too-far-ahead"),
        }
    }
}

/// Reads an instruction's bytes.
///
/// # Errors
/// [`Refused::Malformed`].
pub fn parse(bytes: &[u8]) -> Result<Instruction, Refused> {
    if bytes.len() > BODY_MAX {
        return Err(Refused::Malformed);
    }
    serde_json::from_slice(bytes).map_err(|_| Refused::Malformed)
}

/// One line of what is compared: `<entry> <version> <measure> <scope>\n`.
pub fn line(entry: Uuid, standing: &Standing) -> String {
    format!("{entry} {} {} {}\n", standing.version, standing.measure.as_str(), standing.scope.as_str())
}

/// A recipient's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    me: RecipientId,
    epoch: Option<i32>,
    /// Every position up to here is taken; `None` after a change of epoch, until the snapshot is in.
    complete: Option<i64>,
    /// Positions up to here came with a snapshot, not one by one.
    base: i64,
    beyond: BTreeMap<i64, InstructionId>,
    seen: BTreeSet<InstructionId>,
    entries: BTreeMap<Uuid, Standing>,
    /// The newest version that froze current builds, let them go on, or erased; and whether they are frozen.
    freezes: BTreeMap<Uuid, (i64, bool)>,
}

impl Ledger {
    /// An empty ledger.
    pub const fn new(me: RecipientId) -> Self {
        Self {
            me,
            epoch: None,
            complete: Some(0),
            base: 0,
            beyond: BTreeMap::new(),
            seen: BTreeSet::new(),
            entries: BTreeMap::new(),
            freezes: BTreeMap::new(),
        }
    }

    /// What an instruction would be; changes nothing. A shell asks this first, writes its journal, then calls
    /// [`Ledger::take`].
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn look(&self, instruction: &Instruction) -> Result<Taken, Refused> {
        let data = &instruction.data;
        if instruction.subject != data.audience || instruction.datacontenttype != data.representation.into() {
            return Err(Refused::Contradiction);
        }
        if data.audience != self.me {
            return Err(Refused::NotForMe);
        }
        if data.position < 1 || data.entry_version < 1 {
            return Err(Refused::Malformed);
        }
        if self.seen.contains(&instruction.id) {
            return Ok(Taken::Repeat);
        }
        match self.epoch {
            Some(now) if data.epoch < now => return Err(Refused::OldEpoch { got: data.epoch, now }),
            Some(now) if data.epoch > now => {}
            _ => {
                let other = self.beyond.get(&data.position).is_some_and(|id| *id != instruction.id);
                if other || self.complete.is_some_and(|c| data.position <= c && data.position > self.base) {
                    return Err(Refused::PositionTaken(data.position));
                }
                if self.beyond.len() >= BEYOND_MAX {
                    return Err(Refused::TooFarAhead);
                }
            }
        }
        let stale = self.entries.get(&data.entry).is_some_and(|s| s.version >= data.entry_version);
        // A freeze of current builds stands until it is resumed or erased, whatever else was said of the entry meanwhile.
        let freezes = matches!(data.measure, Measure::Suspend | Measure::Resume)
            && self.freezes.get(&data.entry).is_none_or(|(version, _)| *version < data.entry_version);
        // Nor does what is said later, of tracks or names, take the place of an erasure: it is carried out whenever it comes.
        let acts = freezes || data.measure == Measure::Erase;
        Ok(if stale && !acts { Taken::Stale } else { Taken::New })
    }

    /// Takes it: after this it is a repeat.
    ///
    /// # Errors
    /// See [`Refused`]; nothing changed then.
    pub fn take(&mut self, instruction: &Instruction) -> Result<Taken, Refused> {
        let taken = self.look(instruction)?;
        if taken == Taken::Repeat {
            return Ok(taken);
        }
        let data = &instruction.data;
        match self.epoch {
            Some(now) if data.epoch > now => {
                self.epoch = Some(data.epoch);
                self.complete = None;
                self.base = 0;
                self.beyond.clear();
            }
            _ => self.epoch = Some(data.epoch),
        }
        self.seen.insert(instruction.id);
        if self.complete.is_none_or(|c| data.position > c) {
            self.beyond.insert(data.position, instruction.id);
        }
        self.close();
        if self.entries.get(&data.entry).is_none_or(|s| s.version < data.entry_version) {
            let standing = Standing { version: data.entry_version, measure: data.measure, scope: data.scope };
            self.entries.insert(data.entry, standing);
        }
        if matches!(data.measure, Measure::Suspend | Measure::Resume | Measure::Erase) {
            let newest = self.freezes.entry(data.entry).or_insert((0, false));
            if newest.0 < data.entry_version {
                *newest = (data.entry_version, data.measure == Measure::Suspend);
            }
        }
        Ok(taken)
    }

    /// After a snapshot was taken in: every position up to `last` of this epoch is in it.
    pub fn resume(&mut self, epoch: i32, last: i64) {
        if self.epoch.is_some_and(|now| epoch < now) {
            return;
        }
        let before = self.complete.filter(|_| self.epoch == Some(epoch));
        if self.epoch != Some(epoch) {
            self.beyond.clear();
        }
        self.epoch = Some(epoch);
        self.base = last;
        let complete = before.unwrap_or(0).max(last);
        self.complete = Some(complete);
        self.beyond = self.beyond.split_off(&(complete + 1));
        self.close();
    }

    fn close(&mut self) {
        let Some(complete) = self.complete.as_mut() else { return };
        while self.beyond.remove(&(*complete + 1)).is_some() {
            *complete += 1;
        }
    }

    /// Positions known to be missing, at most 100 ranges, both ends included.
    pub fn gaps(&self) -> Vec<(i64, i64)> {
        let Some(mut low) = self.complete else { return Vec::new() };
        let mut gaps = Vec::new();
        for position in self.beyond.keys() {
            if *position > low + 1 && gaps.len() < 100 {
                gaps.push((low + 1, position - 1));
            }
            low = *position;
        }
        gaps
    }

    /// The cursor for the pull feed (`<epoch>.<position>`): everything up to it is in. `None`: fetch the snapshot first.
    pub fn cursor(&self) -> Option<String> {
        Some(format!("{}.{}", self.epoch.unwrap_or(0), self.complete?))
    }

    /// What stands, one line per entry in the order of their ids: `<entry> <version> <measure> <scope>\n`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(|(entry, s)| line(*entry, s))
    }
    /// SHA-256 over [`Self::lines`]: compared with the desk's once a day.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        self.lines().for_each(|line| hash.update(line));
        Digest(hash.finalize().into())
    }

    /// The epoch in force.
    pub const fn epoch(&self) -> Option<i32> {
        self.epoch
    }
    /// Every position up to here is in.
    pub const fn complete(&self) -> Option<i64> {
        self.complete
    }
    /// What stands for an entry.
    pub fn standing(&self, entry: Uuid) -> Option<Standing> {
        self.entries.get(&entry).copied()
    }
    /// 利用の一時停止: whether current builds with this person are to be left alone. The stop stands with it and without it.
    pub fn is_frozen(&self, entry: Uuid) -> bool {
        self.freezes.get(&entry).is_some_and(|(_, frozen)| *frozen)
    }
    /// How many entries stand.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
