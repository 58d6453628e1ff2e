//! 三つの回答: what the person is told of the recipients, by number. Pure.
//!
//! Every recipient counts once for what it was told to stop, and once for what it was told to erase: by its latest report.
//! What came later about the same stop (other tracks, corrected identifiers) takes the place of what was reported before.

use super::{Done, Progress, State};
use contracts::{
    Code, InstructionId, Measure, RecipientId, ReportOutcome,
    opt_out::{AnswerPart, StopAnswer},
};
use std::collections::BTreeMap;

/// Whose report: settled before recipients were kept, an instruction stands for itself.
type Whose = (Option<RecipientId>, Option<InstructionId>);
/// Of whom, by which instruction.
type One<'a> = (InstructionId, &'a Done);

/// One recipient's latest reports.
#[derive(Default)]
struct Latest<'a> {
    stop: Option<One<'a>>,
    correction: Option<One<'a>>,
    erasure: Option<One<'a>>,
}

impl<'a> Latest<'a> {
    /// What it is told to have done about the stop. Corrected identifiers may help to find whom it could not find before;
    /// otherwise a report on them says nothing about the stop.
    fn stopped(&self) -> Option<One<'a>> {
        match (self.stop, self.correction) {
            (Some(stop), Some(correction)) if !closes(stop) && closes(correction) => Some(correction),
            (stop, correction) => stop.or(correction),
        }
    }
    /// What counts of it, each with what it was told to do.
    fn counts(&self) -> Vec<(Measure, One<'a>)> {
        let mut counts = vec![];
        match (self.stopped(), self.erasure) {
            // Whether the stop worked is no question any more: the erasure's report says how it ended.
            (Some(stop), Some(erasure)) if !closes(stop) => counts.push((Measure::Erase, erasure)),
            // Nothing was left to erase: it stopped, and is told so once.
            (Some(stop), Some((_, done))) if done.outcome == ReportOutcome::NoDataHeld => {
                counts.push((Measure::Stop, stop));
            }
            (stop, erasure) => {
                counts.extend(stop.map(|one| (Measure::Stop, one)));
                counts.extend(erasure.map(|one| (Measure::Erase, one)));
            }
        }
        counts
    }
}

const fn closes((_, done): One<'_>) -> bool {
    done.outcome.closes_by_itself()
}

/// What counts, recipient by recipient. Freezes of builds and their end are no part of the answer.
fn counted(progress: &Progress) -> Vec<(Measure, One<'_>)> {
    let mut all: BTreeMap<Whose, Latest<'_>> = BTreeMap::new();
    for (id, done) in progress.settled.iter().filter(|(id, _)| !progress.passing.contains(id)) {
        let whose = (done.recipient, done.recipient.is_none().then_some(*id));
        let latest = all.entry(whose).or_default();
        let slot = if progress.erasing.contains(id) {
            &mut latest.erasure
        } else if progress.correcting.contains(id) {
            &mut latest.correction
        } else {
            &mut latest.stop
        };
        if slot.is_none_or(|(_, before)| before.at <= done.at) {
            *slot = Some((*id, done));
        }
    }
    all.values().flat_map(Latest::counts).collect()
}

impl State {
    /// Which instructions the answer speaks of, and as reports to which measure.
    pub fn counting(&self) -> BTreeMap<InstructionId, Measure> {
        self.progress().map(counted).into_iter().flatten().map(|(measure, (id, _))| (id, measure)).collect()
    }

    /// 三つの回答, as numbers.
    pub fn answer(&self) -> StopAnswer {
        let mut answer = StopAnswer::default();
        let mut unreachable: BTreeMap<ReportOutcome, u32> = BTreeMap::new();
        for (measure, (_, done)) in self.progress().map(counted).into_iter().flatten() {
            match done.outcome {
                ReportOutcome::Applied if measure == Measure::Erase => answer.erased += 1,
                ReportOutcome::Applied | ReportOutcome::NoDataHeld => answer.stopped += 1,
                other => *unreachable.entry(other).or_default() += 1,
            }
        }
        answer.unreachable = unreachable.into_iter().collect();
        answer.parts = self.progress().map(parts).unwrap_or_default();
        answer
    }
}

/// The same with days and grounds: who did the same stands together.
fn parts(progress: &Progress) -> Vec<AnswerPart> {
    let mut parts: BTreeMap<(Measure, ReportOutcome, Option<&Code>), AnswerPart> = BTreeMap::new();
    for (measure, (id, done)) in counted(progress) {
        // Settled before days were kept.
        let Some(on) = done.on else { continue };
        let (outcome, ground) = (done.outcome, progress.grounds.get(&id));
        let part = parts.entry((measure, outcome, ground)).or_insert_with(|| AnswerPart {
            measure,
            outcome,
            ground: ground.cloned(),
            recipients: 0,
            first_on: on,
            last_on: on,
        });
        part.recipients += 1;
        part.first_on = part.first_on.min(on);
        part.last_on = part.last_on.max(on);
    }
    // The contract allows 100; more grounds than that are told by their numbers.
    parts.into_values().take(100).collect()
}

#[cfg(test)]
#[path = "entry_answer_tests.rs"]
mod tests;
