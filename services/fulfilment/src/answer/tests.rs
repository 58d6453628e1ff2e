//! Given, when, then; a verdict for every input in every state; folding; order.

use super::*;
use chassis::machine::fold;
use jiff::{ToSpan, civil::date};
use proptest::prelude::*;

const STAFF: StaffId = StaffId(Uuid::from_u128(7));
const CASE: Uuid = Uuid::from_u128(1);

fn day(n: i64) -> Timestamp {
    calendar::start_of(date(2026, 6, 1)).saturating_add((n * 24).hours()).unwrap()
}
fn ask(kind: Kind) -> Ask {
    Ask { kind, track: kind.track(), capacity: Capacity::Person, received_at: day(0) }
}
fn prepare(seq: i64) -> Input {
    Input::Prepare { ask: ask(Kind::Disclosure), seq }
}
fn decide(outcome: DecisionOutcome, ground: &str, with_reasons: bool) -> Input {
    let with_record = ground == "act-29";
    Input::Decide { outcome, ground: ground.parse().unwrap(), with_reasons, with_record, by: STAFF, at: day(5) }
}
fn full() -> Input {
    decide(DecisionOutcome::Full, "appi-33-2", false)
}
fn end(seq: i64) -> Input {
    Input::CaseEnded { at: day(20), seq }
}
fn erase() -> Input {
    Input::CaseErased { at: day(30) }
}
fn given(inputs: &[Input]) -> State {
    inputs.iter().fold(State::None, |state, input| match Answer::decide(&state, input) {
        Verdict::Events(events) => fold::<Answer>(state, &events),
        _ => state,
    })
}
fn refused(state: &State, input: &Input) -> String {
    match Answer::decide(state, input) {
        Verdict::Refused(why) => Code::from(why).to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_disclosure_is_decided_with_its_article() {
    let state = given(&[prepare(16)]);
    let Verdict::Events(events) = Answer::decide(&state, &full()) else { panic!("no events") };
    let after = fold::<Answer>(state, &events);
    let said: Vec<Message> = events.iter().flat_map(|e| Answer::announce(CASE, &after, e)).collect();
    let fact = DecisionMade {
        case: CaseId(CASE),
        outcome: DecisionOutcome::Full,
        ground: Code::of("appi-33-2"),
        by: STAFF,
        at: day(5),
    };
    assert_eq!(said, vec![fact.into()]);
    assert_eq!(Answer::status(&after), Code::of("decided"));
}

#[test]
fn refusing_takes_an_allowed_ground_and_reasons_in_words() {
    let state = given(&[prepare(16)]);
    assert_eq!(refused(&state, &decide(DecisionOutcome::Refused, "because", true)), "unknown-ground");
    assert_eq!(refused(&state, &decide(DecisionOutcome::Refused, "appi-33-2", true)), "unknown-ground");
    assert_eq!(refused(&state, &decide(DecisionOutcome::Refused, "appi-33-2-1", false)), "reasons-missing");
    let state = given(&[prepare(16), decide(DecisionOutcome::Refused, "appi-33-2-1", true)]);
    assert!(matches!(state, State::Decided { outcome: DecisionOutcome::Refused, .. }));
}

#[test]
fn a_decision_is_made_once() {
    let state = given(&[prepare(16), full()]);
    assert_eq!(Answer::decide(&state, &full()), Verdict::Already);
    assert_eq!(refused(&state, &decide(DecisionOutcome::DoesNotExist, "appi-33-3", false)), "already-decided");
}

#[test]
fn nobody_forces_a_release_to_relatives_of_the_dead() {
    let widow = Ask { capacity: Capacity::Bereaved, ..ask(Kind::Disclosure) };
    let state = given(&[Input::Prepare { ask: widow, seq: 16 }]);
    assert_eq!(refused(&state, &full()), "capacity-has-no-right");
}

#[test]
fn what_the_case_says_is_ordered_by_its_sequence_not_by_arrival() {
    assert!(matches!(given(&[end(48), prepare(16)]), State::Closed { last: 48, .. }));
    assert_eq!(given(&[prepare(16), end(48), prepare(64)]), given(&[prepare(16), prepare(64), end(48)]));
    assert_eq!(refused(&given(&[prepare(16), end(48)]), &full()), "case-ended");
}

/// One row per state, one column per input: E events, A already, T too early, R refused.
#[test]
fn there_is_a_verdict_for_every_input_in_every_state() {
    let states = [
        given(&[]),
        given(&[prepare(16)]),
        given(&[prepare(16), full()]),
        given(&[prepare(16), end(32)]),
        given(&[prepare(16), erase()]),
    ];
    let inputs = [
        prepare(16),
        prepare(64),
        full(),
        decide(DecisionOutcome::Refused, "appi-33-2-3", true),
        decide(DecisionOutcome::Refused, "nothing", true),
        end(8),
        end(80),
        erase(),
        Input::Clock { now: day(40) },
    ];
    let letter = |s: &State, i: &Input| match Answer::decide(s, i) {
        Verdict::Events(e) => {
            assert!(!e.is_empty());
            'E'
        }
        Verdict::Already => 'A',
        Verdict::TooEarly => 'T',
        Verdict::Refused(_) => 'R',
    };
    let table: Vec<String> = states.iter().map(|s| inputs.iter().map(|i| letter(s, i)).collect()).collect();
    assert_eq!(
        table,
        [
            "EETTTEEEA", // none
            "AEEERAEEA", // open
            "AEARRAEEA", // decided
            "AERRRAEEA", // closed
            "AARRRAAAA", // erased
        ]
    );
}

fn input() -> impl Strategy<Value = Input> {
    let seq = (0i64..6).prop_map(|n| n * 16);
    prop_oneof![
        seq.clone().prop_map(prepare),
        Just(full()),
        any::<bool>().prop_map(|r| decide(DecisionOutcome::Refused, "appi-33-2-2", r)),
        seq.prop_map(end),
        (0u8..20).prop_map(|n| if n == 0 { erase() } else { Input::Clock { now: day(i64::from(n)) } }),
    ]
}

proptest! {
    /// Folding the history gives the row, through JSON; a repeat is never news.
    #[test]
    fn history_is_the_row(inputs in prop::collection::vec(input(), 0..40)) {
        let (mut state, mut history) = (State::None, Vec::new());
        for input in &inputs {
            if let Verdict::Events(events) = Answer::decide(&state, input) {
                prop_assert!(!events.is_empty());
                state = fold::<Answer>(state, &events);
                history.extend(events.iter().map(|e| serde_json::to_string(e).unwrap()));
                prop_assert_eq!(Answer::decide(&state, input), Verdict::Already);
            }
        }
        let events: Vec<Event> = history.iter().map(|e| serde_json::from_str(e).unwrap()).collect();
        prop_assert_eq!(&fold::<Answer>(State::None, &events), &state);
        let row = serde_json::to_value(&state).unwrap();
        prop_assert_eq!(serde_json::from_value::<State>(row).unwrap(), state);
    }

    #[test]
    fn order_of_the_case_s_messages_does_not_matter(seqs in Just(vec![16i64, 32, 48, 64, 80]).prop_shuffle()) {
        let say = |seq: &i64| if seq % 32 == 16 { prepare(*seq) } else { end(*seq) };
        let shuffled: Vec<Input> = seqs.iter().map(say).collect();
        prop_assert_eq!(given(&shuffled), State::Open { ask: ask(Kind::Disclosure), last: 80 });
    }
}
