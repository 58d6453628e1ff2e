//! Given, when, then; a verdict for every input in every state; folding; order.

use super::*;
use calendar::{end_of, start_of};
use chassis::machine::fold;
use contracts::{Capacity, Channel, Kind, Track};
use jiff::{ToSpan, civil::date};
use proptest::prelude::*;

const STAFF: StaffId = StaffId(Uuid::from_u128(7));
const CASE: Uuid = Uuid::from_u128(1);

fn day(n: i64) -> Timestamp {
    start_of(date(2026, 6, 1)).saturating_add((n * 24).hours()).unwrap()
}
fn ask() -> Ask {
    Ask {
        kind: Kind::Disclosure,
        track: Track::Appi,
        capacity: Capacity::Person,
        channel: Channel::Web,
        received_at: day(0),
    }
}
fn words(words: &str) -> Vec<Code> {
    words.split_whitespace().map(|w| w.parse().unwrap()).collect()
}
fn verify(seq: i64) -> Input {
    Input::Verify { ask: ask(), seq }
}
fn confirm_with(papers: &str) -> Input {
    Input::Confirm { papers: words(papers), by: STAFF, at: day(2) }
}
fn complete(reasons: &str) -> Input {
    Input::AskForCompletion { reasons: words(reasons), by: STAFF, at: day(2), due_at: day(16) }
}
fn reject() -> Input {
    Input::Reject { reasons: words("not-the-person"), by: STAFF, at: day(3) }
}
fn end(seq: i64) -> Input {
    Input::CaseEnded { at: day(20), seq }
}
fn erase() -> Input {
    Input::CaseErased { at: day(30) }
}

/// Feeds inputs; those that are refused or too early change nothing.
fn given(inputs: &[Input]) -> State {
    inputs.iter().fold(State::None, |state, input| match Verification::decide(&state, input) {
        Verdict::Events(events) => fold::<Verification>(state, &events),
        _ => state,
    })
}
fn when(state: &State, input: &Input) -> (State, Vec<Message>) {
    let Verdict::Events(events) = Verification::decide(state, input) else {
        panic!("no events: {:?}", Verification::decide(state, input))
    };
    let after = fold::<Verification>(state.clone(), &events);
    let said = events.iter().flat_map(|e| Verification::announce(CASE, &after, e)).collect();
    (after, said)
}
fn refused(state: &State, input: &Input) -> String {
    match Verification::decide(state, input) {
        Verdict::Refused(why) => Code::from(why).to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_licence_confirms_the_person_and_the_fact_names_the_rule() {
    let (state, said) = when(&given(&[verify(16)]), &confirm_with("drivers-licence"));
    let rule = Code::of("self-by-one-photo");
    assert_eq!(state, State::Confirmed { last: 16, rule: rule.clone(), by: STAFF, at: day(2) });
    assert_eq!(said, vec![IdentityConfirmed { case: CaseId(CASE), at: day(2), by: STAFF, rule }.into()]);
}

#[test]
fn insufficient_papers_are_refused_by_the_name_of_what_is_missing() {
    let state = given(&[verify(16)]);
    assert_eq!(refused(&state, &confirm_with("eligibility-certificate")), "missing-photo-id");
    assert_eq!(refused(&state, &confirm_with("library-card")), "unknown-paper");
    assert_eq!(refused(&state, &confirm_with("")), "papers-1-to-10");
    assert_eq!(refused(&state, &confirm_with(&"drivers-licence ".repeat(11))), "papers-1-to-10");
    assert_eq!(
        refused(&state, &confirm_with("health-insurance-card care-insurance-card")),
        "not-accepted-health-insurance-card"
    );
    let widow = Ask { capacity: Capacity::Bereaved, ..ask() };
    let state = given(&[Input::Verify { ask: widow, seq: 16 }]);
    assert_eq!(refused(&state, &confirm_with("drivers-licence")), "capacity-not-on-this-track");
}

#[test]
fn every_paper_and_every_need_can_be_named_in_a_refusal() {
    for paper in Matrix::embedded().papers() {
        for code in [Refusal::NotAccepted(paper.clone()), Refusal::Missing(vec![paper.clone()])] {
            assert!(Code::from(code).as_str().ends_with(paper.as_str()));
        }
    }
}

#[test]
fn a_deficiency_is_announced_mended_and_confirmed() {
    let (state, said) = when(&given(&[verify(16)]), &complete("photo-id"));
    let fact = IdentityDeficient { case: CaseId(CASE), at: day(2), reasons: words("photo-id"), due_at: day(16) };
    assert_eq!(said, vec![fact.into()]);
    assert_eq!(Verification::wake(&state), Some(day(16)));
    let (state, _) = when(&state, &confirm_with("drivers-licence"));
    assert_eq!(Verification::status(&state), Code::of("confirmed"));
}

#[test]
fn the_time_for_mending_runs_out_once_and_late_papers_still_count() {
    let state = given(&[verify(16), complete("photo-id")]);
    assert_eq!(Verification::decide(&state, &Input::Clock { now: day(15) }), Verdict::Already);
    let (state, said) = when(&state, &Input::Clock { now: day(16) });
    assert_eq!((Verification::wake(&state), said), (None, vec![]));
    assert_eq!(Verification::status(&state), Code::of("deficient-overdue"));
    assert_eq!(Verification::decide(&state, &Input::Clock { now: day(17) }), Verdict::Already);
    let (state, _) = when(&state, &confirm_with("my-number-card"));
    assert_eq!(Verification::status(&state), Code::of("confirmed"));
}

#[test]
fn completion_can_be_asked_for_ten_times() {
    let mut inputs = vec![verify(16)];
    inputs.extend(std::iter::repeat_n(complete("photo-id"), 10));
    let state = given(&inputs);
    assert!(matches!(state, State::Deficient { asks: 10, .. }));
    assert_eq!(refused(&state, &complete("photo-id")), "too-many-completions");
    assert_eq!(refused(&given(&[verify(16)]), &complete("")), "reasons-1-to-20");
    assert_eq!(refused(&given(&[verify(16)]), &complete(&"photo-id ".repeat(21))), "reasons-1-to-20");
}

#[test]
fn a_rejection_stands_and_is_announced() {
    let (state, said) = when(&given(&[verify(16)]), &reject());
    let fact = IdentityRejected { case: CaseId(CASE), at: day(3), reasons: words("not-the-person") };
    assert_eq!(said, vec![fact.into()]);
    assert_eq!(Verification::decide(&state, &reject()), Verdict::Already);
    assert_eq!(refused(&state, &confirm_with("drivers-licence")), "already-rejected");
    assert_eq!(refused(&given(&[verify(16), confirm_with("drivers-licence")]), &reject()), "already-confirmed");
}

/// The bus promises no order: the end may overtake the command, and the revival may overtake the end.
#[test]
fn a_late_command_does_not_open_what_ended_and_a_late_end_does_not_close_what_was_revived() {
    let ended_first = given(&[end(48), verify(16)]);
    assert!(matches!(ended_first, State::Closed { last: 48, .. }));
    let revived_first = given(&[verify(16), verify(64), end(48)]);
    assert!(matches!(revived_first, State::Pending { last: 64, .. }));
    let in_order = given(&[verify(16), end(48), verify(64)]);
    assert_eq!(revived_first, in_order);
    assert_eq!(refused(&ended_first, &confirm_with("drivers-licence")), "case-ended");
}

#[test]
fn an_erased_verification_stays_erased() {
    let state = given(&[verify(16), erase()]);
    for input in [verify(99), end(99), erase(), Input::Clock { now: day(99) }] {
        assert_eq!(Verification::decide(&state, &input), Verdict::Already);
    }
    assert_eq!(refused(&state, &confirm_with("drivers-licence")), "case-erased");
    // Whatever the last input was, nothing of the papers stays in the row.
    assert_eq!(serde_json::to_value(&state).unwrap(), serde_json::json!({"status": "erased", "at": day(30)}));
}

/// One row per state, one column per input: E events, A already, T too early, R refused.
#[test]
fn there_is_a_verdict_for_every_input_in_every_state() {
    let states = [
        given(&[]),
        given(&[verify(16)]),
        given(&[verify(16), complete("photo-id")]),
        given(&[verify(16), complete("photo-id"), Input::Clock { now: day(20) }]),
        given(&[verify(16), confirm_with("drivers-licence")]),
        given(&[verify(16), reject()]),
        given(&[verify(16), end(32)]),
        given(&[verify(16), erase()]),
    ];
    let inputs = [
        verify(16),
        verify(64),
        confirm_with("drivers-licence"),
        confirm_with("care-insurance-card"),
        complete("photo-id"),
        reject(),
        end(8),
        end(80),
        erase(),
        Input::Clock { now: day(40) },
    ];
    let table: Vec<String> = states
        .iter()
        .map(|s| {
            let letter = |i| match Verification::decide(s, i) {
                Verdict::Events(e) => {
                    assert!(!e.is_empty());
                    'E'
                }
                Verdict::Already => 'A',
                Verdict::TooEarly => 'T',
                Verdict::Refused(_) => 'R',
            };
            inputs.iter().map(letter).collect()
        })
        .collect();
    assert_eq!(
        table,
        [
            "EETTTTEEEA", // none
            "AEEREEAEEA", // pending
            "AEEREEAEEE", // deficient
            "AEEREEAEEA", // deficient, overdue
            "AEAARRAEEA", // confirmed
            "AERRRAAEEA", // rejected
            "AERRRRAEEA", // closed
            "AARRRRAAAA", // erased
        ]
    );
}

#[test]
fn the_time_for_mending_ends_with_an_open_day_in_japan() {
    // Fourteen days after Monday 2026-06-01 is Monday the 15th; after Saturday the 6th it is Saturday the 20th, so Monday.
    assert_eq!(completion_due(day(0), 14), end_of(date(2026, 6, 15)));
    assert_eq!(completion_due(day(5), 14), end_of(date(2026, 6, 22)));
}

fn input() -> impl Strategy<Value = Input> {
    let seq = (0i64..6).prop_map(|n| n * 16);
    prop_oneof![
        seq.clone().prop_map(verify),
        prop::sample::select(vec!["drivers-licence", "care-insurance-card", ""]).prop_map(confirm_with),
        prop::sample::select(vec!["photo-id", ""]).prop_map(complete),
        Just(reject()),
        seq.prop_map(end),
        (0u8..30).prop_map(|n| if n == 0 { erase() } else { Input::Clock { now: day(i64::from(n)) } }),
    ]
}

proptest! {
    /// Folding the history gives the row, through JSON; a wake-up that was answered lies in the future; a repeat is never news.
    #[test]
    fn history_is_the_row(inputs in prop::collection::vec(input(), 0..40)) {
        let (mut state, mut history) = (State::None, Vec::new());
        for input in &inputs {
            if let Verdict::Events(events) = Verification::decide(&state, input) {
                prop_assert!(!events.is_empty());
                state = fold::<Verification>(state, &events);
                history.extend(events.iter().map(|e| serde_json::to_string(e).unwrap()));
                if let Input::Verify { .. } | Input::CaseEnded { .. } | Input::CaseErased { .. } = input {
                    prop_assert_eq!(Verification::decide(&state, input), Verdict::Already);
                }
            }
            if let Input::Clock { now } = input {
                prop_assert!(Verification::wake(&state).is_none_or(|w| w > *now));
            }
        }
        let events: Vec<Event> = history.iter().map(|e| serde_json::from_str(e).unwrap()).collect();
        prop_assert_eq!(&fold::<Verification>(State::None, &events), &state);
        let row = serde_json::to_value(&state).unwrap();
        prop_assert_eq!(serde_json::from_value::<State>(row).unwrap(), state);
    }

    /// What the case says may come in any order: the end is the same.
    #[test]
    fn order_of_the_case_s_messages_does_not_matter(seqs in Just(vec![16i64, 32, 48, 64, 80]).prop_shuffle()) {
        let say = |seq: &i64| if seq % 32 == 16 { verify(*seq) } else { end(*seq) };
        let shuffled: Vec<Input> = seqs.iter().map(say).collect();
        prop_assert_eq!(given(&shuffled), State::Pending { ask: ask(), last: 80 });
    }
}
