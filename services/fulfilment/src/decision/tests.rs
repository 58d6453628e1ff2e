//! Every ground is usable for its kinds and outcomes and for no others; refusals give nothing away.

use super::*;
use DecisionOutcome::{DoesNotExist, Full, Partial, Redirected, Refused};
use jiff::civil::date;

const ON: Date = date(2026, 6, 1);

fn check(kind: Kind, outcome: DecisionOutcome, ground: &str) -> Result<&'static Ground, NotAllowed> {
    let ground: Code = ground.parse().unwrap();
    let decision = Decision {
        kind,
        capacity: Capacity::Person,
        outcome,
        ground: &ground,
        with_reasons: true,
        with_record: kind == Kind::Complaint,
    };
    Grounds::embedded().check(&decision, ON)
}

#[test]
fn a_ground_holds_for_its_kinds_and_outcomes_and_for_no_other() {
    for ground in Grounds::embedded().iter() {
        for kind in Kind::ALL {
            for outcome in DecisionOutcome::ALL {
                let listed = ground.kinds.contains(kind) && ground.outcomes.contains(outcome);
                let verdict = check(*kind, *outcome, ground.code.as_str());
                assert_eq!(verdict.is_ok(), listed, "{} {kind} {outcome}", ground.code);
                if !listed {
                    assert_eq!(verdict.unwrap_err(), NotAllowed::UnknownGround);
                }
            }
        }
    }
}

/// The answers that the law names, one by one, so that losing a ground from the list is noticed.
#[test]
fn the_grounds_of_the_law_are_there() {
    for (kind, outcome, ground) in [
        (Kind::Disclosure, Full, "appi-33-2"),
        (Kind::Disclosure, Refused, "appi-33-2-1"),
        (Kind::Disclosure, Partial, "appi-33-2-2"),
        (Kind::Disclosure, Refused, "appi-33-2-3"),
        (Kind::Disclosure, DoesNotExist, "appi-33-3"),
        (Kind::ThirdPartyRecords, Full, "appi-33-5"),
        (Kind::ThirdPartyRecords, DoesNotExist, "appi-order-11"),
        (Kind::Correction, Full, "appi-34-2"),
        (Kind::Correction, Refused, "appi-34-1-fact"),
        (Kind::Correction, Redirected, "appi-34-2-other-law"),
        (Kind::Suspension, Full, "appi-35-2"),
        (Kind::Suspension, Full, "appi-35-4"),
        (Kind::Suspension, Full, "appi-35-6"),
        (Kind::Suspension, Refused, "appi-35-5-no-ground"),
        (Kind::PurposeNotice, Full, "appi-32-2"),
        (Kind::PurposeNotice, Refused, "appi-32-2-1"),
        (Kind::ProvisionStop, Full, "act-56-1"),
        (Kind::ProvisionStop, Redirected, "act-rules-47"),
        (Kind::Deletion, Partial, "act-rules-records"),
        (Kind::Complaint, Full, "act-29"),
        (Kind::Consultation, Full, "act-rules-5-8"),
    ] {
        assert!(check(kind, outcome, ground).is_ok(), "{kind} {outcome} {ground}");
    }
    for kind in Kind::ALL {
        assert!(check(*kind, Redirected, "desk-other-counter").is_ok(), "{kind}");
    }
}

#[test]
fn a_made_up_ground_and_a_ground_of_another_kind_refuse_nothing() {
    assert_eq!(check(Kind::Disclosure, Refused, "appi-99").unwrap_err(), NotAllowed::UnknownGround);
    assert_eq!(check(Kind::Disclosure, Refused, "appi-34-1-fact").unwrap_err(), NotAllowed::UnknownGround);
    assert_eq!(check(Kind::Disclosure, Refused, "appi-33-2").unwrap_err(), NotAllowed::UnknownGround);
    for ground in Grounds::embedded().iter() {
        for kind in [Kind::ProvisionStop, Kind::Deletion] {
            assert!(check(kind, Refused, ground.code.as_str()).is_err(), "a stop refused by {}", ground.code);
        }
    }
}

#[test]
fn a_ground_holds_from_its_first_day() {
    let ground = Code::of("appi-33-2");
    let decision = Decision {
        kind: Kind::Disclosure,
        capacity: Capacity::Person,
        outcome: Full,
        ground: &ground,
        with_reasons: false,
        with_record: false,
    };
    assert!(Grounds::embedded().check(&decision, date(2024, 4, 1)).is_ok());
    assert_eq!(Grounds::embedded().check(&decision, date(2024, 3, 31)).unwrap_err(), NotAllowed::UnknownGround);
}

/// Duty row 23: no disclosure to relatives of the dead, not even as a courtesy.
#[test]
fn relatives_of_the_dead_get_nothing_on_the_appi_track() {
    for ground in Grounds::embedded().iter() {
        for kind in Kind::ALL.iter().filter(|k| k.track() == Track::Appi) {
            for outcome in [Full, Partial] {
                let decision = Decision {
                    kind: *kind,
                    capacity: Capacity::Bereaved,
                    outcome,
                    ground: &ground.code,
                    with_reasons: true,
                    with_record: *kind == Kind::Complaint,
                };
                assert!(Grounds::embedded().check(&decision, ON).is_err(), "{kind} {outcome} {}", ground.code);
            }
        }
    }
    let stop = Code::of("act-56-1");
    let decision = Decision {
        kind: Kind::ProvisionStop,
        capacity: Capacity::Bereaved,
        outcome: Full,
        ground: &stop,
        with_reasons: false,
        with_record: false,
    };
    assert!(Grounds::embedded().check(&decision, ON).is_ok());
}

/// APPI art. 36.
#[test]
fn a_refusal_says_why_in_words() {
    let ground = Code::of("appi-33-2-1");
    let mut decision = Decision {
        kind: Kind::Disclosure,
        capacity: Capacity::Person,
        outcome: Refused,
        ground: &ground,
        with_reasons: false,
        with_record: false,
    };
    assert_eq!(Grounds::embedded().check(&decision, ON).unwrap_err(), NotAllowed::NoReasons);
    decision.with_reasons = true;
    assert!(Grounds::embedded().check(&decision, ON).is_ok());
}

/// Words that only make sense if there is a record, or that name a hospital or data.
const TELLING: &[&str] = &[
    "保有し",
    "保有する",
    "お持ち",
    "当機関にある",
    "医療機関に",
    "カルテ",
    "診療",
    "記録があり",
    "記録は",
    "存在する",
    "your record",
    "your data",
    "we hold",
    "hospital",
    "the record",
];

#[test]
fn what_a_refusal_says_never_tells_that_a_record_exists() {
    let quiet = [Refused, DoesNotExist];
    for ground in Grounds::embedded().iter() {
        for outcome in quiet.iter().filter(|o| ground.outcomes.contains(o)) {
            for (language, neutral) in [(Language::Ja, NEUTRAL_JA), (Language::En, NEUTRAL_EN)] {
                let words = ground.words(*outcome, language);
                assert!(words.ends_with(neutral), "{}: {words}", ground.code);
                let said = words.strip_suffix(neutral).unwrap().to_lowercase();
                for telling in TELLING {
                    assert!(!said.contains(telling), "{}: {telling} in {said}", ground.code);
                }
            }
        }
    }
    // The one answer that hides a record reads exactly like the one for which there is none.
    let grounds = Grounds::embedded();
    let (hidden, none) =
        (grounds.find(&Code::of("appi-order-11")).unwrap(), grounds.find(&Code::of("appi-33-3")).unwrap());
    for language in [Language::Ja, Language::En] {
        assert_eq!(hidden.words(DoesNotExist, language), none.words(DoesNotExist, language));
    }
}

#[test]
fn a_list_with_a_slip_is_refused() {
    let text = EMBEDDED;
    let twice = format!(
        "{text}\n[[ground]]\ncode=\"appi-33-2\"\narticle=\"\"\nkinds=[]\noutcomes=[]\nfrom=\"2024-04-01\"\nja=\"\"\nen=\"\"\n"
    );
    assert!(matches!(Grounds::parse(&twice), Err(GroundsError::Twice(_))));
    let refuses = text.replace(
        "outcomes = [\"redirected\"]\nfrom = \"2024-04-01\"\nja = \"次世代",
        "outcomes = [\"refused\"]\nfrom = \"2024-04-01\"\nja = \"次世代",
    );
    assert!(matches!(Grounds::parse(&refuses), Err(GroundsError::RefusesAStop(_, Kind::ProvisionStop))));
    assert!(matches!(Grounds::parse("edition=\"a\"\nground=[]"), Err(GroundsError::NoAnswer(Kind::Disclosure))));
    assert!(matches!(Grounds::parse(&text.replace("article", "artikel")), Err(GroundsError::Form(_))));
}
