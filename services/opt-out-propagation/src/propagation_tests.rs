use super::*;
use contracts::ContractItem;

const TODAY: Date = Date::constant(2026, 11, 22);

fn id(n: u128) -> RecipientId {
    RecipientId(Uuid::from_u128(n))
}
fn certification() -> Certification {
    Certification {
        number: Code::of("k-12"),
        on: Date::constant(2025, 4, 1),
        scope: Scope::Both,
        until: None,
        parent: None,
        permitted_on: None,
    }
}
fn contract() -> Contract {
    Contract {
        scope: Scope::Both,
        from: Date::constant(2025, 4, 1),
        until: None,
        stop: Diligence::Promptly,
        erase: Diligence::WithoutDelay,
        forms: Forms::default(),
        items: ContractItem::ALL.iter().map(|item| (*item, Code::of("article-3"))).collect(),
    }
}
fn candidate(n: u128, kind: RecipientKind) -> Candidate {
    Candidate {
        recipient: id(n),
        kind,
        transport: if kind == RecipientKind::CoreZone { Transport::SealedFile } else { Transport::Webhook },
        in_force: true,
        endpoint: Uuid::from_u128(100 + n),
        sealing_key: [n as u8; 32],
        certification: Some(certification()),
        contract: Some((1, contract())),
    }
}
fn both(shown: &[u128]) -> About {
    About { scope: Some(Scope::Both), shown: shown.iter().map(|n| id(*n)).collect(), builds: false, may_tell: true }
}
fn why(c: &Candidate, about: &About) -> String {
    why_not(std::slice::from_ref(c), c, about, TODAY).map_or("told".into(), |w| w.to_string())
}

/// A contractor 1, its sub-contractor 2, the core zone 3, a hospital 4, an operator 5, a user 6.
fn everybody() -> Vec<Candidate> {
    let mut sub = candidate(2, RecipientKind::SubContractor);
    sub.certification = Some(Certification { parent: Some(id(1)), permitted_on: Some(TODAY), ..certification() });
    vec![
        candidate(6, RecipientKind::User),
        candidate(5, RecipientKind::CertifiedOperator),
        candidate(4, RecipientKind::Hospital),
        candidate(3, RecipientKind::CoreZone),
        sub,
        candidate(1, RecipientKind::Contractor),
    ]
}
fn told_of(about: &About) -> Vec<u128> {
    told(&everybody(), about, TODAY).iter().map(|c| c.recipient.0.as_u128()).collect()
}

#[test]
fn contractors_are_told_always_hospitals_and_operators_of_their_own_users_of_nobody() {
    assert_eq!(told_of(&both(&[])), [1, 2, 3]);
    assert_eq!(told_of(&both(&[4])), [1, 2, 3, 4], "named by the person");
    assert_eq!(told_of(&both(&[4, 5, 6])), [1, 2, 3, 4, 5], "a user never");
    assert!(told(&[], &both(&[]), TODAY).is_empty());
}

/// Row 24, M5.
#[test]
fn given_something_missing_when_an_instruction_is_due_then_nothing_is_sent_and_it_is_named() {
    let good = candidate(1, RecipientKind::Contractor);
    assert_eq!(why(&good, &both(&[])), "told");
    assert_eq!(why(&Candidate { certification: None, ..good.clone() }, &both(&[])), "certification");
    assert_eq!(why(&Candidate { contract: None, ..good.clone() }, &both(&[])), "contract");
    assert_eq!(why(&Candidate { in_force: false, ..good.clone() }, &both(&[])), "not-in-force");
    let expired = Certification { until: Some(Date::constant(2026, 11, 21)), ..certification() };
    assert_eq!(why(&Candidate { certification: Some(expired), ..good.clone() }, &both(&[])), "certification-expired");
    let ended = Contract { until: Some(Date::constant(2026, 11, 21)), ..contract() };
    assert_eq!(why(&Candidate { contract: Some((2, ended)), ..good.clone() }, &both(&[])), "contract-ended");
    let later = Contract { from: Date::constant(2026, 11, 23), ..contract() };
    assert_eq!(why(&Candidate { contract: Some((2, later)), ..good }, &both(&[])), "contract-not-yet");
    let zone = Candidate { transport: Transport::Nats, ..candidate(3, RecipientKind::CoreZone) };
    assert_eq!(why(&zone, &both(&[])), "core-zone-has-no-network");

    let all = everybody();
    let sub = |change: fn(&mut Certification)| {
        let mut c = all[4].clone();
        change(c.certification.as_mut().unwrap());
        why_not(&all, &c, &both(&[]), TODAY).map(|w| w.to_string())
    };
    assert_eq!(sub(|_| {}), None);
    assert_eq!(sub(|c| c.permitted_on = None).as_deref(), Some("permission"));
    assert_eq!(sub(|c| c.parent = None).as_deref(), Some("parent"));
    assert_eq!(sub(|c| c.parent = Some(id(4))).as_deref(), Some("parent-not-in-force"), "a hospital entrusts nothing");
    assert_eq!(sub(|c| c.parent = Some(id(2))).as_deref(), Some("parent-not-in-force"), "nobody is above itself");
}

/// Row 25.
#[test]
fn given_a_contract_without_one_of_the_seven_items_then_the_item_is_named() {
    for item in ContractItem::ALL {
        let mut lacking = contract();
        lacking.items.retain(|(i, _)| i != item);
        assert_eq!(lacking.missing(), Some(*item));
        let c = Candidate { contract: Some((1, lacking)), ..candidate(1, RecipientKind::Contractor) };
        assert_eq!(why(&c, &both(&[])), item.as_str());
    }
    assert_eq!(contract().missing(), None);
}

/// Row 46: without consent hospitals and operators are not told; contractors need none.
#[test]
fn given_no_consent_then_a_hospital_is_not_told_of_its_own_and_a_contractor_is() {
    let silent = |shown: &[u128]| About { may_tell: false, ..both(shown) };
    for kind in [RecipientKind::Hospital, RecipientKind::CertifiedOperator] {
        assert_eq!(why(&candidate(1, kind), &silent(&[1])), "no-consent-to-tell");
        assert_eq!(why(&candidate(1, kind), &both(&[1])), "told");
        assert_eq!(why(&candidate(1, kind), &silent(&[])), "not-shown-to-be-its-own");
    }
    assert_eq!(why(&candidate(1, RecipientKind::Contractor), &silent(&[])), "told");
}

/// Row 3.
#[test]
fn given_a_stop_of_one_track_then_who_works_on_the_other_is_not_told() {
    let about = |scope| About { scope: Some(scope), ..About::default() };
    let one = Candidate {
        contract: Some((1, Contract { scope: Scope::Anonymised, ..contract() })),
        ..candidate(1, RecipientKind::Contractor)
    };
    assert_eq!(why(&one, &about(Scope::Anonymised)), "told");
    assert_eq!(why(&one, &about(Scope::Both)), "told");
    assert_eq!(why(&one, &about(Scope::Pseudonymised)), "works-on-the-other-track");
}

#[test]
fn deadlines_are_the_contracts_words_in_configured_times() {
    let hours = SignedDuration::from_hours;
    let periods = Periods { immediately: hours(24), promptly: hours(7 * 24), without_delay: hours(14 * 24) };
    let at: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let days = |contract: Option<&Contract>, measure| {
        (periods.deadline(contract, measure, at).as_second() - at.as_second()) / 86_400
    };
    let c = contract();
    assert_eq!((days(Some(&c), Measure::Stop), days(Some(&c), Measure::Erase), days(None, Measure::Stop)), (7, 14, 14));
    let at_once = Contract { stop: Diligence::Immediately, ..c };
    assert_eq!(days(Some(&at_once), Measure::Suspend), 1);
    assert_eq!(day_of("2026-11-22T15:00:00Z".parse().unwrap()), Date::constant(2026, 11, 23), "midnight is Japan's");
}

#[test]
fn ids_are_stable_per_recipient_and_tell_nothing_across() {
    let (change, entry) = (ChangeId(Uuid::from_u128(1)), EntryId(Uuid::from_u128(2)));
    let (a, b) = (id(3), id(4));
    assert_eq!(instruction_id(change, a), instruction_id(change, a));
    assert_ne!(instruction_id(change, a), instruction_id(change, b));
    assert_ne!(entry_as_known_to(entry, a), entry_as_known_to(entry, b));
    assert_ne!(entry_as_known_to(entry, a), entry.0);
    let old = instruction_id(change, a);
    assert_ne!(replacement_id(old, Uuid::from_u128(7)), replacement_id(old, Uuid::from_u128(8)));
    assert_ne!(late_change(change, a), late_change(change, b));
}

fn whom(sealed: Vec<u8>) -> Whom {
    Whom::Sealed { person: contracts::Sealed(sealed), sealed_to: Code::of("0011223344556677") }
}

#[test]
fn a_body_says_whom_it_is_for_and_nothing_internal() {
    let words = Words {
        id: InstructionId(Uuid::from_u128(1)),
        recipient: id(2),
        epoch: 1,
        position: 7,
        entry: EntryId(Uuid::from_u128(0xeeee)),
        entry_version: 3,
        measure: Measure::Stop,
        scope: Scope::Anonymised,
        representation: Representation::CloudEvents,
        person: whom(vec![1, 2, 3]),
        erase: None,
        at: "2026-11-22T00:00:00Z".parse().unwrap(),
        deadline: "2026-11-29T00:00:00Z".parse().unwrap(),
    };
    let bytes = body(words.clone()).unwrap();
    let fhir = body(Words { representation: Representation::FhirConsent, ..words.clone() }).unwrap();
    for bytes in [&bytes, &fhir] {
        assert!(is_for(bytes, words.recipient));
        assert!(!is_for(bytes, id(3)));
    }
    assert!(!is_for(b"{}", words.recipient));
    let text = String::from_utf8(bytes).unwrap();
    assert!(!text.contains(&words.entry.to_string()) && !text.contains("traceparent"), "{text}");
    assert_eq!(body(Words { person: whom(vec![0; BODY_MAX]), ..words }), None);
}

/// Freezes of current builds go to who builds: not to hospitals, and not to operators that have builds of their own.
#[test]
fn given_a_freeze_then_only_who_builds_is_told() {
    let told = |builds| -> Vec<RecipientId> {
        let about = About { builds, ..both(&[4, 5]) };
        told(&everybody(), &about, TODAY).iter().map(|c| c.recipient).collect()
    };
    assert_eq!(told(false), [id(1), id(2), id(3), id(4), id(5)]);
    assert_eq!(told(true), [id(1), id(2), id(3)]);
    let hospital = candidate(4, RecipientKind::Hospital);
    assert_eq!(why(&hospital, &About { builds: true, ..both(&[4]) }), "builds-nothing");
    assert!(is_about_builds(Measure::Suspend) && is_about_builds(Measure::Resume) && !is_about_builds(Measure::Stop));
}
