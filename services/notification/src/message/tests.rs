//! Given, when, then; a verdict for every input in every state; folding; every notice comes to an end.

use super::*;
use chassis::machine::fold;
use contracts::{CaseId, Language, MessageId, ReceiptNumber};
use jiff::{ToSpan, civil::date, tz::TimeZone};
use proptest::prelude::*;

const ID: Uuid = Uuid::from_u128(1);

fn at(seconds: i64) -> Timestamp {
    let start = date(2026, 6, 1).at(9, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
    start.checked_add(seconds.seconds()).unwrap()
}
fn notice() -> Notice {
    Notice {
        case: CaseId(Uuid::from_u128(2)),
        fact: MessageId(Uuid::from_u128(3)),
        text: Text::Received,
        language: Language::Ja,
        receipt_number: ReceiptNumber::from_random([9; 16]),
        since: at(0),
        plan: Plan { attempts_max: 3, lease_s: 60, backoff_s: 30, backoff_cap_s: 300, give_up_s: 3600 },
    }
}
fn tell() -> Input {
    Input::Tell(notice())
}
fn delivered(attempt: u8, s: i64) -> Input {
    Input::Delivered { attempt, at: at(s) }
}
fn failed(attempt: u8, s: i64) -> Input {
    Input::Failed { attempt, reason: Code::of("smtp-4xx"), at: at(s) }
}
fn refused(attempt: u8, s: i64) -> Input {
    Input::Refused { attempt, reason: Code::of("smtp-5xx"), at: at(s) }
}
fn no_address(attempt: u8, s: i64) -> Input {
    Input::NoAddress { attempt, at: at(s) }
}
fn postponed(attempt: u8, s: i64) -> Input {
    Input::Postponed { attempt, reason: Code::of("intake-away"), at: at(s) }
}
fn clock(s: i64) -> Input {
    Input::Clock { now: at(s) }
}
fn erase() -> Input {
    Input::CaseErased { at: at(9999) }
}
fn given(inputs: &[Input]) -> State {
    inputs.iter().fold(State::None, |state, input| match NoticeMachine::decide(&state, input) {
        Verdict::Events(events) => fold::<NoticeMachine>(state, &events),
        _ => state,
    })
}
fn when(state: &State, input: &Input) -> (State, Vec<Message>) {
    let Verdict::Events(events) = NoticeMachine::decide(state, input) else { panic!("no events") };
    let mut after = state.clone();
    let mut said = Vec::new();
    for event in &events {
        after = NoticeMachine::evolve(after, event);
        said.extend(NoticeMachine::announce(ID, &after, event));
    }
    (after, said)
}

#[test]
fn a_fact_is_sent_at_once_and_told_once() {
    let (state, said) = when(&State::None, &tell());
    assert!(matches!(state, State::Sending { attempt: 1, lease_until, .. } if lease_until == at(60)));
    assert!(said.is_empty());
    assert_eq!(NoticeMachine::decide(&state, &tell()), Verdict::Already);
    let (state, said) = when(&state, &delivered(1, 2));
    let fact = NoticeSent {
        case: notice().case,
        notice: NoticeId(ID),
        text: Code::of("received"),
        channel: NoticeChannel::Mail,
        at: at(2),
    };
    assert_eq!(said, vec![fact.into()]);
    assert_eq!(NoticeMachine::decide(&state, &delivered(1, 3)), Verdict::Already);
    assert_eq!(NoticeMachine::decide(&state, &clock(9999)), Verdict::Already);
    assert_eq!(NoticeMachine::correlation(ID, &state), notice().case.0);
}

#[test]
fn somebody_without_an_address_reads_it_on_the_status_page() {
    let (state, said) = when(&given(&[tell()]), &no_address(1, 1));
    assert!(matches!(state, State::OnStatusPage { .. }));
    assert!(matches!(&said[..], [Message::NoticeSent(NoticeSent { channel: NoticeChannel::StatusPage, .. })]));
}

#[test]
fn failures_that_may_pass_are_tried_again_with_growing_pauses_and_then_given_up() {
    let state = given(&[tell(), failed(1, 1)]);
    assert_eq!(NoticeMachine::wake(&state), Some(at(31)));
    assert_eq!(NoticeMachine::decide(&state, &clock(30)), Verdict::Already);
    let state = given(&[tell(), failed(1, 1), clock(31), failed(2, 32)]);
    assert_eq!(NoticeMachine::wake(&state), Some(at(92)));
    let (state, said) = when(&given(&[tell(), failed(1, 1), clock(31), failed(2, 32), clock(92)]), &failed(3, 93));
    assert!(matches!(&state, State::Failed { reason, .. } if *reason == Code::of("smtp-4xx")));
    let fact = NoticeFailed {
        case: notice().case,
        notice: NoticeId(ID),
        text: Code::of("received"),
        reason: Code::of("smtp-4xx"),
        at: at(93),
    };
    assert_eq!(said, vec![fact.into()]);
}

#[test]
fn what_the_host_refuses_for_good_is_given_up_at_once() {
    let (state, said) = when(&given(&[tell()]), &refused(1, 1));
    assert!(matches!(state, State::Failed { .. }));
    assert!(matches!(&said[..], [Message::NoticeFailed(_)]));
}

/// The rule for unknown outcomes, see the module's text.
#[test]
fn an_attempt_that_nobody_came_back_from_is_made_again() {
    let state = given(&[tell(), clock(60)]);
    assert!(matches!(state, State::Sending { attempt: 2, lease_until, .. } if lease_until == at(120)));
    // The first shell lives after all, and says no: the second attempt is under way, so that does not count.
    assert_eq!(NoticeMachine::decide(&state, &failed(1, 61)), Verdict::Already);
    assert_eq!(NoticeMachine::decide(&state, &refused(1, 61)), Verdict::Already);
    // It says yes: that counts.
    let (state, _) = when(&state, &delivered(1, 61));
    assert!(matches!(state, State::Sent { .. }));
    let (state, _) = when(&given(&[tell(), clock(60), clock(120)]), &clock(180));
    assert!(matches!(&state, State::Failed { reason, .. } if *reason == OUTCOME_UNKNOWN));
    // Even then a late yes is the truth.
    assert!(matches!(when(&state, &delivered(3, 181)).0, State::Sent { .. }));
}

#[test]
fn an_address_that_cannot_be_had_costs_no_attempt_but_ends_with_the_time() {
    let mut state = given(&[tell()]);
    let mut now = 0;
    let mut rounds = 0;
    while let State::Sending { attempt, .. } = state {
        assert_eq!(attempt, 1);
        state = when(&state, &postponed(1, now)).0;
        if let Some(next) = NoticeMachine::wake(&state) {
            now = next.as_second() - at(0).as_second();
            state = when(&state, &clock(now)).0;
        }
        rounds += 1;
    }
    assert!(rounds > 10, "{rounds}");
    assert!(matches!(&state, State::Failed { reason, .. } if *reason == Code::of("intake-away")));
    // A desk that slept through the time gives up on waking.
    let state = given(&[tell(), failed(1, 1)]);
    assert!(matches!(when(&state, &clock(3600)).0, State::Failed { reason, .. } if reason == OUT_OF_TIME));
}

#[test]
fn an_erased_notice_is_never_sent_and_keeps_only_the_date() {
    let state = given(&[tell(), failed(1, 1), erase()]);
    assert_eq!(serde_json::to_value(&state).unwrap(), serde_json::json!({"status": "erased", "at": at(9999)}));
    for input in [tell(), clock(99999), delivered(1, 1), failed(1, 1), erase()] {
        assert_eq!(NoticeMachine::decide(&state, &input), Verdict::Already);
    }
}

/// One row per state, one column per input: E events, A already, T too early, R refused.
#[test]
fn there_is_a_verdict_for_every_input_in_every_state() {
    let states = [
        given(&[]),
        given(&[tell()]),
        given(&[tell(), failed(1, 1)]),
        given(&[tell(), delivered(1, 1)]),
        given(&[tell(), no_address(1, 1)]),
        given(&[tell(), refused(1, 1)]),
        given(&[tell(), erase()]),
    ];
    let inputs = [
        tell(),
        delivered(1, 2),
        no_address(1, 2),
        postponed(1, 2),
        failed(1, 2),
        refused(1, 2),
        refused(7, 2),
        erase(),
        clock(2),
        clock(100),
    ];
    let letter = |s: &State, i: &Input| match NoticeMachine::decide(s, i) {
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
            "ERRRRRRAAA", // none
            "AEEEEEAEAE", // sending
            "AEAAAAAEAE", // due
            "AAAAAAAEAA", // sent
            "AAAAAAAEAA", // on the status page
            "AEAAAAAEAA", // failed
            "AAAAAAAAAA", // erased
        ]
    );
}

fn input() -> impl Strategy<Value = Input> {
    (0u8..9, 1u8..5, 0i64..4000).prop_map(|(which, attempt, s)| match which {
        0 => tell(),
        1 => delivered(attempt, s),
        2 => no_address(attempt, s),
        3 => postponed(attempt, s),
        4 => failed(attempt, s),
        5 => refused(attempt, s),
        6 if s < 400 => erase(),
        _ => clock(s),
    })
}

proptest! {
    /// Folding the history gives the row, through JSON; an answered wake-up lies in the future; attempts never pass the limit.
    #[test]
    fn history_is_the_row(mut inputs in prop::collection::vec(input(), 0..40)) {
        inputs.insert(0, tell());
        let (mut state, mut history, mut sent, mut now) = (State::None, Vec::new(), 0, at(0));
        for input in &inputs {
            // Time does not run backwards for one machine.
            if let Input::Clock { now: n } = input {
                if *n < now { continue }
                now = *n;
            }
            if let Verdict::Events(events) = NoticeMachine::decide(&state, input) {
                prop_assert!(!events.is_empty());
                for event in &events {
                    state = NoticeMachine::evolve(state, event);
                    sent += NoticeMachine::announce(ID, &state, event).iter().filter(|m| matches!(m, Message::NoticeSent(_))).count();
                }
                history.extend(events.iter().map(|e| serde_json::to_string(e).unwrap()));
            }
            if let Input::Clock { now } = input {
                prop_assert!(NoticeMachine::wake(&state).is_none_or(|w| w > *now));
            }
            if let State::Sending { attempt, .. } = &state {
                prop_assert!(*attempt <= notice().plan.attempts_max);
            }
        }
        prop_assert!(sent <= 1, "said to be sent {} times", sent);
        let events: Vec<Event> = history.iter().map(|e| serde_json::from_str(e).unwrap()).collect();
        prop_assert_eq!(&fold::<NoticeMachine>(State::None, &events), &state);
        let row = serde_json::to_value(&state).unwrap();
        prop_assert_eq!(serde_json::from_value::<State>(row).unwrap(), state);
    }

    /// Whatever the mail host does, following the wake-ups ends in a state that asks for no more.
    #[test]
    fn every_notice_comes_to_an_end(answers in prop::collection::vec(0u8..4, 200)) {
        let mut state = given(&[tell()]);
        for answer in answers {
            let Some(wake) = NoticeMachine::wake(&state) else { break };
            let s = wake.as_second() - at(0).as_second();
            if let State::Sending { attempt, .. } = &state {
                let (attempt, before) = (*attempt, s - 1);
                let input = match answer {
                    0 => postponed(attempt, before),
                    1 => failed(attempt, before),
                    _ => clock(s),
                };
                state = given_from(state, &input);
            } else {
                state = given_from(state, &clock(s));
            }
        }
        prop_assert_eq!(NoticeMachine::wake(&state), None);
        let ended = matches!(state, State::Failed { .. });
        prop_assert!(ended);
    }
}

fn given_from(state: State, input: &Input) -> State {
    match NoticeMachine::decide(&state, input) {
        Verdict::Events(events) => fold::<NoticeMachine>(state, &events),
        _ => state,
    }
}
