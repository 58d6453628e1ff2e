//! The recipient's side of sealed files, on a machine without a network: what came in, what is missing, what was reported.
//!
//! A folder holds a journal (`journal.ndjson`, synced): every instruction as received, with the identifiers sealed in it,
//! and every report that was signed.

use super::{Opened, sheet};
use crate::{
    apply::{self, Ledger, Refused, Taken},
    identifiers::{self, Identifiers},
    journal::{Journal, Line},
    keys::RecipientKeys,
    report::{self, digest_of},
};
use contracts::{
    Code, Digest, InstructionId, RecipientId, Sealed, Timestamp,
    forms::{KeyedHashes, Whom},
    recipient::{Instruction, Report, ReportStage, SignedReport},
};
use privacy_seal::{Personal, Purpose};
use serde_json::json;
use sheet::{Answer, BadCell, Column};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// One instruction of a file that was taken in.
#[derive(Debug)]
pub struct Shown {
    /// The instruction.
    pub instruction: Instruction,
    /// What it was, or why it was not taken.
    pub taken: Result<Taken, Refused>,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Whom it is about; absent when it cannot be opened with the key at hand, or has keyed hashes.
    pub person: Option<Personal<Identifiers>>,
}

/// A recipient's folder.
pub struct Folder {
    me: RecipientId,
    journal: Journal,
    ledger: Ledger,
    /// What was received: digest, and the instruction.
    held: BTreeMap<InstructionId, (Digest, Instruction)>,
    signed: BTreeSet<InstructionId>,
}

impl Folder {
    /// Opens or makes a folder, and reads its journal.
    ///
    /// # Errors
    /// The disk, or a damaged journal: restore it from its backup.
    pub fn open(path: &Path, me: RecipientId) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let (journal, lines) = Journal::open(&path.join("journal.ndjson"))?;
        let (held, signed) = (BTreeMap::new(), BTreeSet::new());
        let mut folder = Self { me, journal, ledger: Ledger::new(me), held, signed };
        for line in lines {
            match line {
                Line::Taken { bytes } => {
                    let damaged = |why: Refused| io::Error::new(io::ErrorKind::InvalidData, why);
                    let instruction = apply::parse(&bytes.0).map_err(damaged)?;
                    folder.ledger.take(&instruction).map_err(damaged)?;
                    folder.held.insert(instruction.id, (digest_of(&bytes.0), instruction));
                }
                Line::Signed { instruction, .. } => {
                    folder.signed.insert(instruction);
                }
                Line::Answered { .. } => {}
            }
        }
        Ok(folder)
    }

    /// Takes a file in: journal first, then the ledger. What was taken before is shown again.
    ///
    /// # Errors
    /// The disk refuses; nothing was taken then.
    pub fn take(&mut self, file: &Opened, keys: &RecipientKeys) -> io::Result<Vec<Shown>> {
        let mut ledger = self.ledger.clone();
        let (mut lines, mut shown) = (Vec::new(), Vec::with_capacity(file.bodies.len()));
        for body in &file.bodies {
            // `open` has read every one of them.
            let Ok(instruction) = apply::parse(body) else { continue };
            let taken = ledger.take(&instruction);
            if matches!(taken, Ok(Taken::New | Taken::Stale)) {
                lines.push(Line::Taken { bytes: Sealed(body.clone()) });
            }
            let person = identifiers::open(keys, instruction.id, &instruction.data.person).ok();
            shown.push(Shown { digest: digest_of(body), instruction, taken, person });
        }
        self.journal.append(&lines)?;
        self.ledger = ledger;
        for one in shown.iter().filter(|one| one.taken.is_ok()) {
            self.held.insert(one.instruction.id, (one.digest, one.instruction.clone()));
        }
        Ok(shown)
    }

    /// Positions that are known to be missing, both ends included: the desk is asked for a file of them.
    pub fn missing(&self) -> Vec<(i64, i64)> {
        self.ledger.gaps()
    }
    /// The ledger.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Signs reports: the outcome of each answer, and 受領 for everything else that was never reported. All or nothing.
    ///
    /// # Errors
    /// `Err` inside: every answer that cannot be reported, with line and column. Outside: the disk.
    pub fn report(
        &mut self,
        answers: &[Answer],
        keys: &RecipientKeys,
        now: Timestamp,
    ) -> io::Result<Result<Vec<SignedReport>, Vec<BadCell>>> {
        let (mut reports, mut bad) = (BTreeMap::new(), Vec::new());
        for answer in answers {
            let mut wrong = |column: Column, why| {
                let (line, instruction) = (answer.line, Some(answer.instruction));
                bad.push(BadCell { line, column: column.code(), why, instruction });
            };
            let Some((digest, instruction)) = self.held.get(&answer.instruction) else {
                wrong(Column::Instruction, Code::of("not-received"));
                continue;
            };
            let stage = ReportStage::Reported { outcome: answer.outcome, ground: answer.ground.clone() };
            let report = Report {
                instruction: answer.instruction,
                recipient: self.me,
                digest: *digest,
                stage,
                time: now,
                book_entry: answer.book_entry.clone(),
                erasures: answer.erasures.clone(),
            };
            if answer.outcome.needs_ground() && answer.ground.is_none() {
                wrong(Column::Ground, Code::of("missing"));
            } else if !report::is_complete(&report, instruction.data.measure) {
                let column = if answer.erasures.is_empty() { Column::System } else { Column::BookEntry };
                wrong(column, Code::of("erasure-incomplete"));
            } else {
                reports.insert(answer.instruction, report);
            }
        }
        if !bad.is_empty() {
            return Ok(Err(bad));
        }
        for (id, (digest, _)) in self.held.iter().filter(|(id, _)| !self.signed.contains(id)) {
            reports.entry(*id).or_insert_with(|| Report {
                instruction: *id,
                recipient: self.me,
                digest: *digest,
                stage: ReportStage::Received,
                time: now,
                book_entry: None,
                erasures: vec![],
            });
        }
        let signed: Vec<_> = reports.values().map(|r| (r.instruction, report::sign(r, &keys.signing))).collect();
        let lines: Vec<_> =
            signed.iter().map(|(id, report)| Line::Signed { instruction: *id, report: report.clone() }).collect();
        self.journal.append(&lines)?;
        self.signed.extend(signed.iter().map(|(id, _)| *id));
        Ok(Ok(signed.into_iter().map(|(_, report)| report).collect()))
    }
}

/// By contract there are keyed hashes instead of identifiers.
const fn hashes(instruction: &Instruction) -> Option<&KeyedHashes> {
    match &instruction.data.person {
        Whom::Hashed(hashes) => Some(hashes),
        Whom::Sealed { .. } => None,
    }
}

/// One line of NDJSON per instruction, with the identifiers in the clear.
pub fn ndjson(shown: &[Shown]) -> String {
    let mut out = String::new();
    for one in shown {
        let data = &one.instruction.data;
        let (taken, why) = match &one.taken {
            Ok(Taken::New) => ("new", None),
            Ok(Taken::Stale) => ("stale", None),
            Ok(Taken::Repeat) => ("repeat", None),
            Err(refused) => ("refused", Some(refused.code())),
        };
        let line = json!({
            "instruction": one.instruction.id, "position": data.position, "epoch": data.epoch, "entry": data.entry,
            "entry_version": data.entry_version, "measure": data.measure, "scope": data.scope,
            "issued": one.instruction.time, "due": one.instruction.expirytime, "digest": one.digest,
            "taken": taken, "why": why,
            "person": one.person.as_ref().map(|p| p.disclose(Purpose::InstructRecipient)),
            "hashes": hashes(&one.instruction),
        });
        out.push_str(&line.to_string());
        out.push('\n');
    }
    out
}

/// The sheet of what was taken and can be opened, or needs no opening.
pub fn sheet_of(shown: &[Shown]) -> String {
    let known = |one: &&Shown| one.person.is_some() || hashes(&one.instruction).is_some();
    let rows = shown.iter().filter(|one| one.taken.is_ok()).filter(known).map(|one| {
        let (instruction, data) = (&one.instruction, &one.instruction.data);
        sheet::Row {
            instruction: instruction.id,
            position: data.position,
            measure: data.measure,
            scope: data.scope,
            due: instruction.expirytime,
            person: one.person.as_ref().map(|person| person.disclose(Purpose::InstructRecipient)),
        }
    });
    sheet::write(&rows.collect::<Vec<_>>())
}
