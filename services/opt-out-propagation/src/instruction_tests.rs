use super::*;
use chassis::fold;
use proptest::prelude::*;

const ID: Uuid = Uuid::from_u128(3);
const START: i64 = 1_800_000_000;
const DAYS: i64 = 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}
fn terms() -> Terms {
    Terms {
        case: CaseId(Uuid::from_u128(1)),
        entry: EntryId(Uuid::from_u128(2)),
        recipient: RecipientId(Uuid::from_u128(4)),
        position: 7,
        issued_at: at(0),
        deadline: at(10 * DAYS),
        remind_seconds: 60,
        measure: Measure::Stop,
        drawn: false,
        reissued: false,
        everything: false,
    }
}
fn drawn() -> Input {
    Input::Issue(Terms { drawn: true, ..terms() })
}
fn received(second: i64) -> Input {
    Input::ReportVerified { stage: ReportStage::Received, report: Digest([1; 32]), at: at(second) }
}
fn reported(outcome: ReportOutcome, second: i64) -> Input {
    let ground = outcome.needs_ground().then(|| Code::of("act-56-law"));
    Input::ReportVerified { stage: ReportStage::Reported { outcome, ground }, report: Digest([2; 32]), at: at(second) }
}
fn acted(second: i64) -> Input {
    Input::ReportVerified { stage: ReportStage::Acted, report: Digest([3; 32]), at: at(second) }
}
fn dealt(accept: bool) -> Input {
    Input::Dealt { accept, at: at(20) }
}
fn attested(outcome: ReportOutcome) -> Input {
    Input::Attested { outcome, ground: None, report: Digest([4; 32]), at: at(21) }
}
fn replace() -> Input {
    Input::Replace { by: InstructionId(Uuid::from_u128(99)), at: at(22) }
}
fn given(inputs: &[Input]) -> (State, Vec<Message>) {
    let (mut state, mut said) = (State::default(), Vec::new());
    for input in inputs {
        if let Verdict::Events(events) = Instruction::decide(&state, input) {
            for event in events {
                state = Instruction::evolve(state, &event);
                said.extend(Instruction::announce(ID, &state, &event));
            }
        }
    }
    (state, said)
}
fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(|m| m.entry().name).collect()
}

#[test]
fn what_takes_the_place_of_another_says_so_by_itself_what_a_fan_out_issues_is_in_the_fact_of_the_change() {
    assert_eq!(names(&given(&[Input::Issue(terms())]).1), [""; 0]);
    let (_, said) = given(&[Input::Issue(Terms { reissued: true, ..terms() })]);
    assert_eq!(names(&said), ["InstructionIssued"]);
}

#[test]
fn given_an_instruction_when_received_and_reported_then_it_is_settled() {
    let (state, said) = given(&[Input::Issue(terms()), received(1), reported(ReportOutcome::Applied, 2)]);
    assert!(matches!(state, State::Settled { outcome: ReportOutcome::Applied, .. }));
    assert_eq!(names(&said), ["InstructionReceived", "InstructionSettled"]);
    assert_eq!(Instruction::wake(&state), None);
}

#[test]
fn given_the_final_report_first_then_receipt_is_implied_and_the_late_one_is_already_true() {
    let (state, said) = given(&[Input::Issue(terms()), reported(ReportOutcome::NoDataHeld, 2)]);
    assert_eq!(names(&said), ["InstructionReceived", "InstructionSettled"]);
    assert_eq!(Instruction::decide(&state, &received(3)), Verdict::Already);
    assert_eq!(Instruction::decide(&state, &acted(3)), Verdict::Already);
    assert_eq!(Instruction::decide(&state, &reported(ReportOutcome::NoDataHeld, 4)), Verdict::Already);
}

#[test]
fn the_stages_are_issued_received_acted_reported_confirmed() {
    let inputs = [Input::Issue(terms()), received(1), acted(2), reported(ReportOutcome::PartlyApplied, 3), dealt(true)];
    let words: Vec<String> = (1..=5).map(|n| Instruction::status(&given(&inputs[..n]).0).as_str().to_owned()).collect();
    assert_eq!(words, ["issued", "received", "acted", "reported", "confirmed"]);
}

#[test]
fn given_an_outcome_that_does_not_close_then_it_waits_for_staff_and_stays_overdue() {
    for outcome in
        [ReportOutcome::PartlyApplied, ReportOutcome::Exempt, ReportOutcome::CannotIdentify, ReportOutcome::Unreachable]
    {
        let (state, said) = given(&[Input::Issue(terms()), reported(outcome, 1)]);
        assert_eq!(names(&said), ["InstructionReceived", "InstructionReported"], "{outcome}");
        assert_eq!(Instruction::wake(&state), Some(at(5 * DAYS)), "the ladder runs on");
        let Verdict::Events(late) = Instruction::decide(&state, &Input::Clock(at(11 * DAYS))) else { panic!() };
        let overdue: Vec<_> = late.iter().flat_map(|e| Instruction::announce(ID, &state, e)).collect();
        assert_eq!(names(&overdue), ["InstructionOverdue"]);
        let Verdict::Events(events) = Instruction::decide(&state, &dealt(true)) else { panic!() };
        assert!(matches!(&events[..], [Event::Settled { outcome: o, by: By::Staff, .. }] if *o == outcome));
        // Sent back: the recipient reports again.
        let (back, _) = given(&[Input::Issue(terms()), reported(outcome, 1), dealt(false)]);
        assert_eq!(Instruction::status(&back), Code::of("acted"));
        let Verdict::Events(events) = Instruction::decide(&back, &reported(ReportOutcome::Applied, 30)) else {
            panic!()
        };
        assert!(matches!(fold::<Instruction>(back, &events), State::Settled { by: By::Automatic, .. }));
    }
}

/// Row 26.
#[test]
fn given_a_drawn_instruction_when_it_is_reported_then_a_person_confirms_it() {
    let (state, said) = given(&[drawn(), reported(ReportOutcome::Applied, 1)]);
    assert_eq!(names(&said).last(), Some(&"InstructionReported"));
    assert_eq!(Instruction::wake(&state), None, "it waits for us, the recipient is not late");
    let (state, said) = given(&[drawn(), reported(ReportOutcome::Applied, 1), dealt(true)]);
    assert!(matches!(state, State::Settled { by: By::Staff, outcome: ReportOutcome::Applied, .. }));
    assert_eq!(names(&said).last(), Some(&"InstructionSettled"));
}

#[test]
fn given_a_later_report_then_it_amends_the_earlier_one_also_a_confirmed_one() {
    let issue = || Input::Issue(terms());
    // Partly, then the rest.
    let (state, said) =
        given(&[issue(), reported(ReportOutcome::PartlyApplied, 1), reported(ReportOutcome::Applied, 2)]);
    assert!(matches!(state, State::Settled { outcome: ReportOutcome::Applied, round: 0, .. }));
    assert_eq!(names(&said).last(), Some(&"InstructionSettled"));
    // Confirmed, then it turns out otherwise: open again, in another round, and its messages say so.
    let (state, said) = given(&[issue(), reported(ReportOutcome::Applied, 1), reported(ReportOutcome::Unreachable, 2)]);
    assert!(matches!(state, State::Reported { round: 1, .. }));
    let Some(Message::InstructionReported(open)) = said.last() else { panic!() };
    assert_eq!((open.round, open.ground.clone()), (Some(1), Some(Code::of("act-56-law"))));
    let amended = [issue(), reported(ReportOutcome::Applied, 1), reported(ReportOutcome::Unreachable, 2), dealt(true)];
    let Some(Message::InstructionSettled(closed)) = given(&amended).1.pop() else { panic!() };
    assert_eq!(closed.round, Some(1));
    // Applied, then nothing held after all: both close; no round.
    let (state, _) = given(&[issue(), reported(ReportOutcome::Applied, 1), reported(ReportOutcome::NoDataHeld, 2)]);
    assert!(matches!(state, State::Settled { outcome: ReportOutcome::NoDataHeld, round: 0, .. }));
}

#[test]
fn given_a_paper_that_two_people_attest_then_it_is_confirmed_and_says_so() {
    let (state, said) = given(&[Input::Issue(terms()), attested(ReportOutcome::Applied)]);
    assert!(matches!(state, State::Settled { by: By::Attested, .. }));
    assert_eq!(names(&said), ["InstructionReceived", "InstructionSettled"]);
    assert_eq!(
        Instruction::decide(&given(&[Input::Issue(terms())]).0, &attested(ReportOutcome::Exempt)),
        Verdict::Refused(Refusal::GroundMissing)
    );
}

#[test]
fn given_a_changed_endpoint_then_what_is_owed_is_replaced_and_what_was_reported_stays() {
    let (state, said) = given(&[Input::Issue(terms()), received(1), replace()]);
    assert!(matches!(state, State::Replaced { .. }));
    assert_eq!(names(&said).last(), Some(&"InstructionReplaced"));
    assert_eq!(Instruction::wake(&state), None);
    assert_eq!(Instruction::decide(&state, &reported(ReportOutcome::Applied, 9)), Verdict::Already);
    let (state, _) = given(&[Input::Issue(terms()), reported(ReportOutcome::Exempt, 1)]);
    assert_eq!(Instruction::decide(&state, &replace()), Verdict::Already);
}

#[test]
fn given_an_outcome_without_its_ground_then_it_is_refused() {
    let state = given(&[Input::Issue(terms())]).0;
    for outcome in [ReportOutcome::Exempt, ReportOutcome::Unreachable] {
        let stage = ReportStage::Reported { outcome, ground: None };
        let input = Input::ReportVerified { stage, report: Digest([1; 32]), at: at(1) };
        assert_eq!(Instruction::decide(&state, &input), Verdict::Refused(Refusal::GroundMissing));
    }
}

#[test]
fn given_silence_then_it_is_said_again_with_growing_pauses_until_received() {
    let mut state = given(&[Input::Issue(terms())]).0;
    let mut reminded = Vec::new();
    while let Some(wake) = Instruction::wake(&state).filter(|w| *w < at(5 * DAYS)) {
        let Verdict::Events(events) = Instruction::decide(&state, &Input::Clock(wake)) else { panic!() };
        assert!(events.iter().all(|e| matches!(e, Event::Reminded { .. })), "{events:?}");
        reminded.push(wake.as_second() - START);
        state = fold::<Instruction>(state, &events);
    }
    assert_eq!(reminded[..4], [60, 180, 420, 900]);
    let pauses: Vec<_> = reminded.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(pauses.last(), Some(&(6 * 3600)), "at most six hours: {pauses:?}");
    let state = fold::<Instruction>(state, &[Event::Received { report: Digest([0; 32]), at: at(5) }]);
    assert_eq!(Instruction::wake(&state), Some(at(5 * DAYS)), "no reminder after receipt, but the ladder");
}

#[test]
fn given_no_report_then_the_ladder_climbs_and_it_is_overdue_from_the_deadline_on() {
    let (mut state, _) = given(&[Input::Issue(terms()), received(1)]);
    let mut overdue = Vec::new();
    let mut rungs = Vec::new();
    for _ in 0..8 {
        let wake = Instruction::wake(&state).unwrap();
        rungs.push((wake.as_second() - START) / DAYS);
        let Verdict::Events(events) = Instruction::decide(&state, &Input::Clock(wake)) else { panic!() };
        for event in events {
            state = Instruction::evolve(state, &event);
            let said = Instruction::announce(ID, &state, &event);
            overdue.extend(said.iter().map(|_| (wake.as_second() - START) / DAYS));
        }
    }
    assert_eq!(rungs, [5, 8, 10, 11, 13, 17, 24, 31]);
    assert_eq!(overdue, [10, 11, 13, 17, 24, 31]);
}

#[test]
fn given_a_clock_that_jumps_then_one_warning_is_given_for_the_rung_reached() {
    let (state, _) = given(&[Input::Issue(terms()), received(1)]);
    let Verdict::Events(events) = Instruction::decide(&state, &Input::Clock(at(12 * DAYS))) else { panic!() };
    assert_eq!(events, [Event::Warned { rung: 3, at: at(12 * DAYS) }]);
}

/// A contractor reports while a sub-contractor of its has not.
fn above(outcome: ReportOutcome) -> Input {
    let Input::ReportVerified { stage, report, at } = reported(outcome, 2) else { panic!() };
    Input::ReportVerifiedAbove { stage, report, at }
}
fn below() -> Input {
    Input::BelowSettled { at: at(4) }
}

/// Act art. 24: a contractor's own report does not close before those of its sub-contractors, and closes by itself then.
#[test]
fn given_a_contractor_that_is_done_when_its_sub_contractors_are_not_then_it_waits_for_them() {
    let issue = || Input::Issue(terms());
    let (state, said) = given(&[issue(), above(ReportOutcome::Applied)]);
    assert!(matches!(&state, State::Reported { report, .. } if report.below), "{state:?}");
    assert!(said.iter().all(|m| !matches!(m.entry().name, "InstructionReported" | "InstructionSettled")));
    assert_eq!(
        Instruction::decide(&state, &dealt(true)),
        Verdict::Refused(Refusal::NothingWaits),
        "staff do not close it"
    );
    assert_eq!(Instruction::wake(&state), None, "the ladders of those below run");
    let (state, said) = given(&[issue(), above(ReportOutcome::Applied), below()]);
    assert!(matches!(state, State::Settled { by: By::Automatic, .. }));
    assert_eq!(said.last().unwrap().entry().name, "InstructionSettled");
    // What waits for a person waits for a person, whoever is below.
    let (state, _) = given(&[issue(), above(ReportOutcome::PartlyApplied), below()]);
    assert!(matches!(&state, State::Reported { report, .. } if !report.below));
    // An amendment that has to wait again says that it is open again.
    let (_, said) = given(&[issue(), reported(ReportOutcome::NoDataHeld, 1), above(ReportOutcome::Applied)]);
    assert_eq!(said.last().unwrap().entry().name, "InstructionReported");
}

fn all_inputs() -> Vec<Input> {
    vec![
        Input::Issue(terms()),
        received(1),
        reported(ReportOutcome::Applied, 2),
        reported(ReportOutcome::PartlyApplied, 2),
        reported(ReportOutcome::CannotIdentify, 2),
        reported(ReportOutcome::Exempt, 2),
        acted(2),
        dealt(true),
        dealt(false),
        attested(ReportOutcome::NoDataHeld),
        replace(),
        above(ReportOutcome::Applied),
        below(),
        Input::Clock(at(1)),
        Input::Clock(at(30 * DAYS)),
    ]
}

/// B4: one verdict for every input in every state; the table is the specification.
#[test]
fn every_input_has_its_verdict_in_every_state() {
    let issue = || Input::Issue(terms());
    let states = [
        ("absent", State::default()),
        ("issued", given(&[issue()]).0),
        ("received", given(&[issue(), received(1)]).0),
        ("acted", given(&[issue(), acted(1)]).0),
        ("reported", given(&[issue(), reported(ReportOutcome::PartlyApplied, 1)]).0),
        ("drawn", given(&[drawn(), reported(ReportOutcome::Applied, 1)]).0),
        ("settled", given(&[issue(), reported(ReportOutcome::Applied, 1)]).0),
        ("replaced", given(&[issue(), replace()]).0),
        ("waits for those below", given(&[issue(), above(ReportOutcome::Applied)]).0),
    ];
    // issue, received, applied, partly, cannot identify, exempt, acted, accepted, sent back, attested, replaced, applied with
    // others open below, those below settled, clock early, clock late
    let table = [
        "ETTTTTTTTTTTTAA",
        "AEEEEEERREEEAAE",
        "AAEEEEERREEEAAE",
        "AAEEEEARREEEAAE",
        "AAEAEEAEEEAEAAE",
        "AAAEEEAEEEAAAAA",
        "AAAEEEAAREAAAAA",
        "AAAAAAARRRAAAAA",
        "AAAEEEARREAAEAA",
    ];
    for ((name, state), row) in states.iter().zip(table) {
        let verdicts: String = all_inputs()
            .iter()
            .map(|input| match Instruction::decide(state, input) {
                Verdict::Events(events) => {
                    assert_ne!(fold::<Instruction>(state.clone(), &events), *state, "events without effect");
                    'E'
                }
                Verdict::Already => 'A',
                Verdict::TooEarly => 'T',
                Verdict::Refused(_) => 'R',
            })
            .collect();
        assert_eq!(verdicts, row, "{name}");
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        Just(Input::Issue(terms())),
        Just(received(1)),
        prop::sample::select(ReportOutcome::ALL).prop_map(|o| reported(o, 2)),
        (0..40 * DAYS).prop_map(|s| Input::Clock(at(s))),
        Just(drawn()),
        Just(acted(3)),
        prop::bool::ANY.prop_map(dealt),
        Just(attested(ReportOutcome::Applied)),
        Just(replace()),
        prop::sample::select(ReportOutcome::ALL).prop_map(above),
        Just(below()),
    ]
}

proptest! {
    /// B1, and B6: after the clock was fed the next wake-up is later.
    #[test]
    fn the_history_folds_to_the_state_and_wakes_move_on(inputs in prop::collection::vec(any_input(), 0..40)) {
        let (mut state, mut history) = (State::default(), Vec::new());
        for input in &inputs {
            if let Verdict::Events(events) = Instruction::decide(&state, input) {
                state = fold::<Instruction>(state, &events);
                history.extend(events);
            }
            if let Input::Clock(now) = input {
                prop_assert!(Instruction::wake(&state).is_none_or(|w| w > *now));
                prop_assert_eq!(Instruction::decide(&state, input), Verdict::Already, "the same clock twice");
            }
        }
        let stored: Vec<Event> =
            history.iter().map(|e| serde_json::from_str(&serde_json::to_string(e).unwrap()).unwrap()).collect();
        prop_assert_eq!(fold::<Instruction>(State::default(), &stored), state.clone());
        let back: State = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        prop_assert_eq!(back, state);
    }

    /// A settled instruction is moved by an amended report or an attestation only.
    #[test]
    fn settled_is_moved_by_another_report_only(inputs in prop::collection::vec(any_input(), 0..30)) {
        let (state, _) = given(&[Input::Issue(terms()), reported(ReportOutcome::Applied, 1)]);
        let mut now = state.clone();
        for input in &inputs {
            let says_otherwise = matches!(
                input,
                Input::ReportVerified { stage: ReportStage::Reported { .. }, .. }
                    | Input::ReportVerifiedAbove { stage: ReportStage::Reported { .. }, .. }
                    | Input::Attested { .. }
            );
            if !says_otherwise && let Verdict::Events(events) = Instruction::decide(&now, input) {
                now = fold::<Instruction>(now, &events);
            }
        }
        prop_assert_eq!(now, state);
    }
}
