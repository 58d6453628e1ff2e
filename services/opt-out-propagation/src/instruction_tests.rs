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
    }
}
fn received(second: i64) -> Input {
    Input::ReportVerified { stage: ReportStage::Received, report: Digest([1; 32]), at: at(second) }
}
fn reported(outcome: ReportOutcome, second: i64) -> Input {
    let ground = (outcome == ReportOutcome::Exempt).then(|| Code::of("act-56-law"));
    Input::ReportVerified { stage: ReportStage::Reported { outcome, ground }, report: Digest([2; 32]), at: at(second) }
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
fn given_an_instruction_when_received_and_reported_then_it_is_settled() {
    let (state, said) = given(&[Input::Issue(terms()), received(1), reported(ReportOutcome::Applied, 2)]);
    assert!(matches!(state, State::Settled { outcome: ReportOutcome::Applied, .. }));
    assert_eq!(names(&said), ["InstructionIssued", "InstructionReceived", "InstructionSettled"]);
    assert_eq!(Instruction::wake(&state), None);
}

#[test]
fn given_the_final_report_first_then_receipt_is_implied_and_the_late_one_is_already_true() {
    let (state, said) = given(&[Input::Issue(terms()), reported(ReportOutcome::NoDataHeld, 2)]);
    assert_eq!(names(&said), ["InstructionIssued", "InstructionReceived", "InstructionSettled"]);
    assert_eq!(Instruction::decide(&state, &received(3)), Verdict::Already);
    assert_eq!(Instruction::decide(&state, &reported(ReportOutcome::NoDataHeld, 4)), Verdict::Already);
    assert_eq!(
        Instruction::decide(&state, &reported(ReportOutcome::Applied, 4)),
        Verdict::Refused(Refusal::AlreadySettled)
    );
}

#[test]
fn given_a_partial_report_then_it_stays_open_and_the_ladder_runs() {
    let (state, said) = given(&[Input::Issue(terms()), reported(ReportOutcome::PartlyApplied, 1)]);
    assert_eq!(Instruction::status(&state), Code::of("partly-applied"));
    assert_eq!(names(&said), ["InstructionIssued", "InstructionReceived"]);
    assert_eq!(Instruction::wake(&state), Some(at(5 * DAYS)));
    assert_eq!(Instruction::decide(&state, &reported(ReportOutcome::PartlyApplied, 2)), Verdict::Already);
    let Verdict::Events(events) = Instruction::decide(&state, &reported(ReportOutcome::Applied, 3)) else { panic!() };
    assert!(matches!(fold::<Instruction>(state, &events), State::Settled { .. }));
}

#[test]
fn given_a_person_who_cannot_be_identified_then_it_settles_and_says_so() {
    let (_, said) = given(&[Input::Issue(terms()), reported(ReportOutcome::CannotIdentify, 1)]);
    let Some(Message::InstructionSettled(settled)) = said.last() else { panic!() };
    assert_eq!(settled.outcome, ReportOutcome::CannotIdentify);
}

#[test]
fn given_an_exemption_without_ground_then_it_is_refused() {
    let state = given(&[Input::Issue(terms())]).0;
    let stage = ReportStage::Reported { outcome: ReportOutcome::Exempt, ground: None };
    let input = Input::ReportVerified { stage, report: Digest([1; 32]), at: at(1) };
    assert_eq!(Instruction::decide(&state, &input), Verdict::Refused(Refusal::ExemptionWithoutGround));
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

fn all_inputs() -> Vec<Input> {
    vec![
        Input::Issue(terms()),
        received(1),
        reported(ReportOutcome::Applied, 2),
        reported(ReportOutcome::PartlyApplied, 2),
        reported(ReportOutcome::CannotIdentify, 2),
        reported(ReportOutcome::Exempt, 2),
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
        ("partly", given(&[issue(), reported(ReportOutcome::PartlyApplied, 1)]).0),
        ("settled", given(&[issue(), reported(ReportOutcome::Applied, 1)]).0),
    ];
    // issue, received, applied, partly, cannot identify, exempt, clock early, clock late
    let table = ["ETTTTTAA", "AEEEEEAE", "AAEEEEAE", "AAEAEEAE", "AAAARRAA"];
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

    /// A settled instruction stays settled with its outcome.
    #[test]
    fn settled_is_final(inputs in prop::collection::vec(any_input(), 0..30)) {
        let (state, _) = given(&[Input::Issue(terms()), reported(ReportOutcome::Applied, 1)]);
        let mut now = state.clone();
        for input in &inputs {
            if let Verdict::Events(events) = Instruction::decide(&now, input) {
                now = fold::<Instruction>(now, &events);
            }
        }
        prop_assert_eq!(now, state);
    }
}
