use super::*;
use chassis::fold;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}
const CASE: CaseId = CaseId(Uuid::from_u128(1));
const CHANGE: ChangeId = ChangeId(Uuid::from_u128(2));
const ID: Uuid = Uuid::from_u128(3);

fn instructions(of: impl IntoIterator<Item = u128>) -> BTreeSet<InstructionId> {
    of.into_iter().map(|n| InstructionId(Uuid::from_u128(n))).collect()
}
fn place() -> Input {
    Input::PlaceBlock { case: CASE, scope: Scope::Both, received_at: at(0), at: at(1) }
}
fn stop() -> Input {
    Input::EnterStop {
        case: CASE,
        scope: Scope::Both,
        measure: Measure::Stop,
        received_at: at(0),
        change: CHANGE,
        at: at(5),
    }
}
fn lift() -> Input {
    Input::LiftProvisionalBlock { at: at(3) }
}
fn fanned(of: impl IntoIterator<Item = u128>) -> Input {
    Input::FannedOut { change: CHANGE, instructions: instructions(of), at: at(6) }
}
fn settled(n: u128) -> Input {
    Input::InstructionSettled { instruction: InstructionId(Uuid::from_u128(n)), at: at(7) }
}

/// The state after inputs, each of which must have a verdict; what was said on the way.
fn given(inputs: &[Input]) -> (State, Vec<Message>) {
    let mut state = State::default();
    let mut said = Vec::new();
    for input in inputs {
        if let Verdict::Events(events) = Entry::decide(&state, input) {
            assert!(!events.is_empty());
            for event in events {
                state = Entry::evolve(state, &event);
                said.extend(Entry::announce(ID, &state, &event));
            }
        }
    }
    (state, said)
}
fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(|m| m.entry().name).collect()
}

#[test]
fn given_a_provisional_block_when_identity_is_proved_then_it_is_final_since_the_block() {
    let (state, said) = given(&[place(), stop()]);
    assert_eq!(state.blocks(), Some((Scope::Both, at(1))));
    assert_eq!(names(&said), ["BlockPlaced", "BlockPlaced", "StopEntered"]);
    let Message::BlockPlaced(first) = &said[0] else { panic!() };
    let Message::BlockPlaced(second) = &said[1] else { panic!() };
    let Message::StopEntered(entered) = &said[2] else { panic!() };
    assert_eq!((first.provisional, second.provisional), (true, false));
    assert_eq!((entered.effective_at, entered.at), (at(1), at(5)));
}

#[test]
fn given_no_block_before_when_a_stop_is_entered_then_it_blocks_from_then() {
    let (state, _) = given(&[stop()]);
    assert_eq!(state.blocks(), Some((Scope::Both, at(5))));
}

#[test]
fn given_a_block_when_lifted_then_it_blocks_no_more_and_can_come_back() {
    let (state, said) = given(&[place(), lift()]);
    assert_eq!((state.blocks(), Entry::status(&state)), (None, Code::of("lifted")));
    assert_eq!(names(&said), ["BlockPlaced", "BlockLifted"]);
    assert_eq!(given(&[place(), lift(), place()]).0.blocks(), Some((Scope::Both, at(1))));
    assert!(matches!(given(&[place(), lift(), stop()]).0, State::Stopped { .. }));
}

#[test]
fn given_a_final_stop_when_anything_at_all_happens_then_it_is_never_lifted() {
    let stopped = given(&[place(), stop()]).0;
    let confirmed = given(&[place(), stop(), fanned([])]).0;
    for start in [stopped, confirmed] {
        for input in all_inputs() {
            let mut state = start.clone();
            if let Verdict::Events(events) = Entry::decide(&state, &input) {
                state = fold::<Entry>(state, &events);
            }
            assert!(state.blocks().is_some(), "{input:?}");
        }
    }
}

#[test]
fn given_two_recipients_when_both_report_then_it_is_confirmed_in_any_order() {
    for order in [
        vec![place(), stop(), fanned([10, 11]), settled(10), settled(11)],
        vec![stop(), settled(11), fanned([10, 11]), settled(10)],
        vec![stop(), settled(11), settled(10), fanned([10, 11])],
        vec![stop(), settled(11), settled(11), settled(10), settled(10), fanned([10, 11]), fanned([10, 11])],
    ] {
        let (state, said) = given(&order);
        assert!(matches!(state, State::Confirmed { recipients: 2, .. }), "{order:?}");
        assert_eq!(said.iter().filter(|m| m.entry().name == "StopConfirmed").count(), 1);
    }
    let (open, _) = given(&[stop(), fanned([10, 11]), settled(10), settled(99)]);
    assert!(matches!(open, State::Stopped { expected: Some(2), .. }));
}

#[test]
fn given_no_recipients_when_fanned_out_then_it_is_confirmed_at_once() {
    let (state, said) = given(&[stop(), fanned([])]);
    assert!(matches!(state, State::Confirmed { recipients: 0, .. }));
    assert_eq!(names(&said).last(), Some(&"StopConfirmed"));
}

#[test]
fn given_a_stop_when_another_with_other_terms_comes_then_a_person_must_look() {
    let state = given(&[stop()]).0;
    assert_eq!(Entry::decide(&state, &stop()), Verdict::Already);
    let Input::EnterStop { case, scope, received_at, change, at, .. } = stop() else { panic!() };
    let erase = Input::EnterStop { case, scope, measure: Measure::Erase, received_at, change, at };
    assert_eq!(Entry::decide(&state, &erase), Verdict::Refused(Refusal::OtherTermsStand));
    let other = CaseId(Uuid::from_u128(77));
    let foreign = Input::EnterStop { case: other, scope, measure: Measure::Stop, received_at, change, at };
    assert_eq!(Entry::decide(&state, &foreign), Verdict::Refused(Refusal::OtherCase));
}

fn all_inputs() -> Vec<Input> {
    vec![place(), stop(), lift(), fanned([10, 11]), settled(10), Input::Clock]
}

/// B4: one verdict for every input in every state; the table is the specification.
#[test]
fn every_input_has_its_verdict_in_every_state() {
    let states = [
        ("absent", State::default()),
        ("blocked", given(&[place()]).0),
        ("lifted", given(&[place(), lift()]).0),
        ("stopped", given(&[stop()]).0),
        ("fanned out", given(&[stop(), fanned([10, 11])]).0),
        ("confirmed", given(&[stop(), fanned([])]).0),
    ];
    // place, stop, lift, fanned out, settled, clock: E events, A already, T too early, R refused.
    let table = ["EETTTA", "AEETTA", "EEATTA", "AAAEEA", "AAAAEA", "AAAAAA"];
    for ((name, state), row) in states.iter().zip(table) {
        let verdicts: String = all_inputs()
            .iter()
            .map(|input| match Entry::decide(state, input) {
                Verdict::Events(events) => {
                    assert_ne!(fold::<Entry>(state.clone(), &events), *state, "events without effect");
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
        Just(place()),
        Just(stop()),
        Just(lift()),
        Just(fanned([10, 11, 12])),
        (9..14u128).prop_map(settled),
        Just(Input::Clock)
    ]
}

proptest! {
    /// B1: folding the history gives the state, also through its stored form.
    #[test]
    fn the_history_folds_to_the_state(inputs in prop::collection::vec(any_input(), 0..40)) {
        let mut state = State::default();
        let mut history = Vec::new();
        for input in &inputs {
            if let Verdict::Events(events) = Entry::decide(&state, input) {
                state = fold::<Entry>(state, &events);
                history.extend(events);
            }
        }
        let stored: Vec<Event> =
            history.iter().map(|e| serde_json::from_str(&serde_json::to_string(e).unwrap()).unwrap()).collect();
        prop_assert_eq!(fold::<Entry>(State::default(), &stored), state.clone());
        let back: State = serde_json::from_value(serde_json::to_value(&state).unwrap()).unwrap();
        prop_assert_eq!(back, state);
    }

    /// B4: with the inbox's rules (too early is tried again) any order of the same messages ends confirmed.
    #[test]
    fn any_order_ends_in_the_same_state(order in Just(vec![place(), stop(), fanned([10, 11]), settled(10), settled(11)]).prop_shuffle()) {
        let mut state = State::default();
        let mut waiting = order;
        let mut said = 0;
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|input| match Entry::decide(&state, input) {
                Verdict::Events(events) => {
                    for event in events {
                        state = Entry::evolve(state.clone(), &event);
                        said += Entry::announce(ID, &state, &event).iter().filter(|m| m.entry().name == "StopConfirmed").count();
                    }
                    false
                }
                Verdict::Already => false,
                Verdict::TooEarly => true,
                Verdict::Refused(_) => panic!("refused"),
            });
            prop_assert!(waiting.len() < before, "no progress");
        }
        let confirmed = matches!(state, State::Confirmed { recipients: 2, .. });
        prop_assert!(confirmed);
        prop_assert_eq!(said, 1);
    }
}
