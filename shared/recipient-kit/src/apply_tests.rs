use super::*;
use contracts::{
    Representation, Sealed,
    forms::Whom,
    recipient::{InstructionContentType, InstructionData, InstructionSource, InstructionType},
};
use proptest::prelude::*;

const ME: RecipientId = RecipientId(Uuid::from_u128(1));

fn instruction(epoch: i32, position: i64, entry: u128, version: i64) -> Instruction {
    Instruction {
        specversion: Default::default(),
        id: InstructionId(Uuid::from_u128((epoch as u128) << 96 | (position as u128) << 32 | 7)),
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: ME,
        time: "2026-11-22T00:00:00Z".parse().unwrap(),
        expirytime: "2026-11-29T00:00:00Z".parse().unwrap(),
        datacontenttype: Default::default(),
        data: InstructionData {
            representation: Default::default(),
            audience: ME,
            epoch,
            position,
            entry: Uuid::from_u128(entry),
            entry_version: version,
            measure: Measure::Stop,
            scope: Scope::Both,
            person: Whom::Sealed { person: Sealed(vec![1]), sealed_to: Code::of("0011223344556677") },
            erase: None,
        },
    }
}

#[test]
fn a_repeat_a_stale_version_and_a_gap_are_seen() {
    let mut ledger = Ledger::new(ME);
    assert_eq!(ledger.take(&instruction(1, 1, 10, 1)), Ok(Taken::New));
    assert_eq!(ledger.take(&instruction(1, 1, 10, 1)), Ok(Taken::Repeat));
    assert_eq!(ledger.take(&instruction(1, 4, 10, 3)), Ok(Taken::New));
    assert_eq!(ledger.gaps(), [(2, 3)]);
    assert_eq!(ledger.cursor().as_deref(), Some("1.1"));
    assert_eq!(ledger.take(&instruction(1, 2, 10, 2)), Ok(Taken::Stale), "version 3 stands already");
    assert_eq!(ledger.standing(Uuid::from_u128(10)).unwrap().version, 3);
    assert_eq!(ledger.take(&instruction(1, 3, 11, 1)), Ok(Taken::New));
    assert_eq!((ledger.gaps(), ledger.cursor().as_deref()), (vec![], Some("1.4")));
}

#[test]
fn what_is_not_for_me_or_contradicts_itself_changes_nothing() {
    let mut ledger = Ledger::new(ME);
    ledger.take(&instruction(1, 1, 10, 1)).unwrap();
    let before = ledger.clone();
    let mut other = instruction(1, 2, 10, 2);
    other.data.audience = RecipientId(Uuid::from_u128(2));
    assert_eq!(ledger.take(&other), Err(Refused::Contradiction));
    other.subject = other.data.audience;
    assert_eq!(ledger.take(&other), Err(Refused::NotForMe));
    let mut second = instruction(1, 1, 10, 2);
    second.id = InstructionId(Uuid::from_u128(99));
    assert_eq!(ledger.take(&second), Err(Refused::PositionTaken(1)));
    assert_eq!(ledger.take(&instruction(1, 0, 10, 2)), Err(Refused::Malformed));
    assert_eq!(ledger.take(&instruction(1, 2, 10, 0)), Err(Refused::Malformed));
    assert_eq!(ledger, before);
    assert_eq!(parse(b"{}"), Err(Refused::Malformed));
    assert_eq!(parse(&vec![b'1'; BODY_MAX + 1]), Err(Refused::Malformed));
    let bytes = serde_json::to_vec(&instruction(1, 2, 3, 4)).unwrap();
    assert_eq!(parse(&bytes), Ok(instruction(1, 2, 3, 4)));
}

#[test]
fn a_restored_desk_is_noticed_and_nothing_that_was_stopped_is_released() {
    let mut ledger = Ledger::new(ME);
    for position in 1..=5 {
        ledger.take(&instruction(1, position, position as u128, 1)).unwrap();
    }
    // The desk came back from a backup in which we were at 3: position 4 is another instruction now.
    assert_eq!(ledger.take(&instruction(2, 4, 40, 1)), Ok(Taken::New));
    assert_eq!(ledger.cursor(), None, "positions are not trusted before the snapshot");
    assert_eq!(ledger.entries(), 6);
    assert_eq!(
        ledger.take(&instruction(1, 6, 6, 1)),
        Err(Refused::OldEpoch { got: 1, now: 2 }),
        "nothing of the lost life is applied any more"
    );
    ledger.resume(2, 3);
    assert_eq!(ledger.cursor().as_deref(), Some("2.4"));
    ledger.resume(1, 9);
    assert_eq!(ledger.cursor().as_deref(), Some("2.4"));
}

proptest! {
    /// Any order and any repetition ends in the same ledger, complete, with the greatest version of each entry.
    #[test]
    fn order_does_not_matter(order in Just((1..=20i64).collect::<Vec<_>>()).prop_shuffle(), again in prop::collection::vec(1..=20i64, 0..20)) {
        let of = |p: i64| instruction(1, p, (p % 4) as u128, p);
        let mut ledger = Ledger::new(ME);
        for position in order.iter().chain(&again) {
            ledger.take(&of(*position)).unwrap();
        }
        prop_assert_eq!(ledger.complete(), Some(20));
        prop_assert!(ledger.gaps().is_empty());
        for entry in 0..4u128 {
            let greatest = (1..=20i64).filter(|p| (p % 4) as u128 == entry).max().unwrap();
            prop_assert_eq!(ledger.standing(Uuid::from_u128(entry)).unwrap().version, greatest);
        }
    }

    /// At every moment: complete + gaps + beyond = what was taken.
    #[test]
    fn gaps_are_exactly_what_is_missing(taken in prop::collection::btree_set(1..60i64, 0..30)) {
        let mut ledger = Ledger::new(ME);
        for position in &taken {
            ledger.take(&instruction(1, *position, 1, *position)).unwrap();
        }
        let missing: BTreeSet<i64> = ledger.gaps().iter().flat_map(|(a, b)| *a..=*b).collect();
        let greatest = taken.last().copied().unwrap_or(0);
        prop_assert_eq!(missing, (1..=greatest).filter(|p| !taken.contains(p)).collect::<BTreeSet<_>>());
    }
}

/// Suspend freezes current builds until resume or erase, in whatever order things come; the stop stands all along.
#[test]
fn a_freeze_stands_until_it_is_resumed_or_erased_and_a_stop_for_ever() {
    let (entry, of) = (Uuid::from_u128(10), |position, version, measure| {
        let mut one = instruction(1, position, 10, version);
        one.data.measure = measure;
        one
    });
    let all = [(1, 1, Measure::Stop), (2, 2, Measure::Suspend), (3, 3, Measure::Correct), (4, 4, Measure::Resume)];
    let mut ledger = Ledger::new(ME);
    let mut frozen = Vec::new();
    for (position, version, measure) in all {
        assert_eq!(ledger.take(&of(position, version, measure)), Ok(Taken::New));
        frozen.push(ledger.is_frozen(entry));
    }
    assert_eq!(frozen, [false, true, true, false]);
    assert!(ledger.standing(entry).is_some(), "resume lifts no stop");
    // Late, after a later change of the entry: still to be applied; but not after what ended it.
    let mut late = Ledger::new(ME);
    late.take(&of(3, 3, Measure::Correct)).unwrap();
    assert_eq!(late.take(&of(2, 2, Measure::Suspend)), Ok(Taken::New));
    assert!(late.is_frozen(entry) && late.standing(entry).unwrap().version == 3);
    late.take(&of(5, 5, Measure::Erase)).unwrap();
    assert_eq!(late.take(&of(4, 4, Measure::Resume)), Ok(Taken::Stale));
    assert!(!late.is_frozen(entry));
    let mut in_order = ledger;
    in_order.take(&of(5, 5, Measure::Erase)).unwrap();
    late.take(&of(1, 1, Measure::Stop)).unwrap();
    assert_eq!(
        (late.digest(), late.complete()),
        (in_order.digest(), in_order.complete()),
        "in any order the same stands"
    );
}

/// A change of tracks that overtakes an erasure takes its place in what stands, not in what is to be done.
#[test]
fn an_erasure_is_carried_out_whatever_came_before_it() {
    let of = |position, version, measure| {
        let mut one = instruction(1, position, 10, version);
        one.data.measure = measure;
        one
    };
    let mut ledger = Ledger::new(ME);
    assert_eq!(ledger.take(&of(3, 3, Measure::Stop)), Ok(Taken::New));
    assert_eq!(ledger.take(&of(2, 2, Measure::Erase)), Ok(Taken::New), "it came late and is not stale");
    assert_eq!(ledger.take(&of(2, 2, Measure::Erase)), Ok(Taken::Repeat), "and carried out once");
    assert_eq!(ledger.take(&of(1, 1, Measure::Stop)), Ok(Taken::Stale));
    assert_eq!(ledger.standing(Uuid::from_u128(10)).unwrap().version, 3, "what stands is the newest");
}

/// By contract the same instruction is a FHIR R4 Consent: the ledger takes either, and neither with the other's content type.
#[test]
fn a_consent_is_an_instruction_like_every_other() {
    let mut consent = instruction(1, 1, 1, 1);
    (consent.data.representation, consent.datacontenttype) =
        (Representation::FhirConsent, InstructionContentType::Fhir);
    let bytes = serde_json::to_vec(&consent).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("\"resourceType\":\"Consent\""));
    assert_eq!(parse(&bytes), Ok(consent.clone()));
    let mut ledger = Ledger::new(ME);
    assert_eq!(ledger.take(&consent), Ok(Taken::New));
    assert_eq!(ledger.take(&consent), Ok(Taken::Repeat));
    let mut contradicts = instruction(2, 2, 1, 1);
    contradicts.datacontenttype = InstructionContentType::Fhir;
    assert_eq!(ledger.take(&contradicts), Err(Refused::Contradiction));
}
