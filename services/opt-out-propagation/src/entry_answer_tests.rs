//! The three-part answer counts recipients, not reports.

use super::*;
use crate::entry::Erasure;
use contracts::{CaseId, Scope, Timestamp, Uuid};

#[derive(Clone, Copy)]
enum On {
    Stop,
    Correction,
    Erasure,
    Freeze,
}
use On::{Correction, Freeze, Stop};
use ReportOutcome::{Applied, CannotIdentify, Exempt, NoDataHeld, Unreachable};

/// Reports in the order in which they came: by whom (0: not kept), on what.
fn stopped(reports: &[(u128, On, ReportOutcome)]) -> State {
    let mut progress = Progress::default();
    for (n, (who, on, outcome)) in reports.iter().enumerate() {
        // Ids tell nothing of the order.
        let id = InstructionId(Uuid::from_u128(1000 - n as u128));
        let at: Timestamp = Timestamp::from_second(n as i64 * 86_400).unwrap();
        let recipient = (*who != 0).then(|| RecipientId(Uuid::from_u128(*who)));
        let day = Some(crate::propagation::day_of(at));
        progress.settled.insert(id, Done { outcome: *outcome, round: 0, on: day, recipient, at: Some(at) });
        match on {
            Stop => false,
            Correction => progress.correcting.insert(id),
            On::Erasure => progress.erasing.insert(id),
            Freeze => progress.passing.insert(id),
        };
    }
    State::Stopped {
        case: CaseId(Uuid::from_u128(1)),
        scope: Scope::Both,
        measure: Measure::Stop,
        effective_at: Timestamp::UNIX_EPOCH,
        erasure: Erasure::NotAsked,
        withdrawn_at: None,
        progress,
    }
}

/// Stopped, erased, could not; and how many recipients the parts with days name.
fn said(reports: &[(u128, On, ReportOutcome)]) -> (u32, u32, Vec<(ReportOutcome, u32)>, u32) {
    let answer = stopped(reports).answer();
    let named = answer.parts.iter().map(|part| part.recipients).sum();
    (answer.stopped, answer.erased, answer.unreachable, named)
}

#[test]
fn a_recipient_counts_once_whatever_came_after_its_stop() {
    let told = [(1, Stop, Applied), (2, Stop, NoDataHeld)];
    assert_eq!(said(&told), (2, 0, vec![], 2));
    let other_tracks = [(1, Stop, Applied), (2, Stop, Applied)];
    assert_eq!(said(&[told, other_tracks].concat()), (2, 0, vec![], 2));
    let corrected = [(1, Correction, Applied), (2, Correction, Applied), (1, Freeze, Applied), (2, Freeze, Exempt)];
    assert_eq!(said(&[&told[..], &corrected].concat()), (2, 0, vec![], 2));
}

#[test]
fn the_latest_report_of_a_recipient_stands() {
    assert_eq!(said(&[(1, Stop, Unreachable), (1, Stop, Applied)]), (1, 0, vec![], 1));
    assert_eq!(said(&[(1, Stop, Applied), (1, Stop, Exempt)]), (0, 0, vec![(Exempt, 1)], 1));
    let parts = stopped(&[(1, Stop, Applied), (1, Stop, Applied)]).answer().parts;
    assert_eq!(parts[0].first_on, crate::propagation::day_of(Timestamp::from_second(86_400).unwrap()));
}

#[test]
fn corrected_identifiers_help_to_find_and_undo_nothing() {
    assert_eq!(said(&[(1, Stop, CannotIdentify), (1, Correction, Applied)]), (1, 0, vec![], 1));
    assert_eq!(said(&[(1, Stop, Applied), (1, Correction, CannotIdentify)]), (1, 0, vec![], 1));
    assert_eq!(said(&[(1, Stop, Exempt), (1, Correction, Unreachable)]), (0, 0, vec![(Exempt, 1)], 1));
    // Told of the correction only, because it was found later.
    assert_eq!(said(&[(1, Correction, Applied)]), (1, 0, vec![], 1));
}

#[test]
fn to_stop_and_to_erase_are_two_parts_of_the_answer() {
    assert_eq!(said(&[(1, Stop, Applied), (1, On::Erasure, Applied)]), (1, 1, vec![], 2));
    assert_eq!(said(&[(1, Stop, Applied), (1, On::Erasure, Exempt)]), (1, 0, vec![(Exempt, 1)], 2));
    // The same recipient, that could do neither, or found out that it has nothing: once.
    assert_eq!(said(&[(1, Stop, Unreachable), (1, On::Erasure, Exempt)]), (0, 0, vec![(Exempt, 1)], 1));
    assert_eq!(said(&[(1, Stop, Applied), (1, On::Erasure, NoDataHeld)]), (1, 0, vec![], 1));
    assert_eq!(said(&[(1, Stop, Unreachable), (1, On::Erasure, NoDataHeld)]), (1, 0, vec![], 1));
}

#[test]
fn what_settled_before_recipients_were_kept_counts_by_instruction() {
    assert_eq!(said(&[(0, Stop, Applied), (0, Stop, NoDataHeld)]), (2, 0, vec![], 2));
}
