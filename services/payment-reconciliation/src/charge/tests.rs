//! Every state × every input, and any order.

use super::*;
use crate::reference;
use chassis::machine::fold;
use jiff::civil::date;
use proptest::prelude::*;

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}
fn case() -> CaseId {
    CaseId(uuid(1))
}
fn line(n: u128) -> BankLineId {
    BankLineId(uuid(100 + n))
}
fn at(day: i8) -> Timestamp {
    calendar::start_of(date(2026, 11, day))
}
fn ask() -> Ask {
    Ask {
        case: case(),
        amount: Yen(4_000),
        reference: reference::from_random([7; 16]),
        due_on: date(2026, 12, 18),
        settled_on: date(2026, 12, 21),
        ordered: 10,
    }
}
fn paid_on(day: Date) -> Input {
    Input::Match { line: line(1), amount: Yen(4_000), paid_on: day, at: at(20) }
}
fn ended(ended_as: EndedAs) -> Input {
    Input::CaseEnded { case: case(), ended_as, ended: 25, at: at(25) }
}

fn states() -> Vec<(&'static str, State)> {
    let ask = ask();
    vec![
        ("unknown", State::Unknown),
        ("closed", State::Closed { case: case(), ended: 12 }),
        ("requested", State::Requested { ask: ask.clone() }),
        ("paid", State::Paid { ask: ask.clone(), line: line(1), paid_on: date(2026, 11, 20) }),
        ("earned", State::Earned { ask: ask.clone(), line: line(1) }),
        ("expired", State::Expired { ask: ask.clone() }),
        ("cancelled", State::Cancelled { ask }),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    vec![
        ("ask", Input::Ask { ask: ask(), at: at(11) }),
        ("ask for more", Input::Ask { ask: Ask { amount: Yen(5_000), ..ask() }, at: at(11) }),
        ("ask by another case", Input::Ask { ask: Ask { case: CaseId(uuid(2)), ..ask() }, at: at(11) }),
        ("ask after the end", Input::Ask { ask: Ask { ordered: 13, ..ask() }, at: at(13) }),
        ("ask for nothing", Input::AskForNothing),
        ("decided", ended(EndedAs::Decided)),
        ("withdrawn", ended(EndedAs::Withdrawn)),
        (
            "ended in an earlier round",
            Input::CaseEnded { case: case(), ended_as: EndedAs::Decided, ended: 9, at: at(9) },
        ),
        (
            "another case ended",
            Input::CaseEnded { case: CaseId(uuid(2)), ended_as: EndedAs::Decided, ended: 25, at: at(25) },
        ),
        ("match in time", paid_on(date(2026, 12, 18))),
        ("match late", paid_on(date(2026, 12, 19))),
        ("match short", Input::Match { line: line(1), amount: Yen(3_999), paid_on: date(2026, 11, 20), at: at(20) }),
        (
            "match by another line",
            Input::Match { line: line(2), amount: Yen(4_000), paid_on: date(2026, 11, 20), at: at(20) },
        ),
        ("taken back", Input::TakeBack { line: line(1) }),
        ("another line taken back", Input::TakeBack { line: line(2) }),
        ("covered too short", Input::Covered { through: date(2026, 12, 20), at: at(30) }),
        ("covered", Input::Covered { through: date(2026, 12, 21), at: at(30) }),
        ("clock", Input::Clock),
    ]
}

/// `=` already, the status after events, or the refusal's code.
fn shown(state: &State, input: &Input) -> String {
    match Charge::decide(state, input) {
        Verdict::Already => "=".into(),
        Verdict::TooEarly => "too early".into(),
        Verdict::Refused(why) => format!("!{}", Code::from(why).as_str()),
        Verdict::Events(events) => Charge::status(&fold::<Charge>(state.clone(), &events)).as_str().to_owned(),
    }
}

#[test]
fn every_input_has_a_verdict_in_every_state() {
    // unknown, closed, requested, paid, earned, expired, cancelled
    #[rustfmt::skip]
    let table: &[(&str, [&str; 7])] = &[
        ("ask", ["requested", "=", "=", "=", "=", "=", "="]),
        ("ask for more", ["requested", "=", "!charge-of-another-demand", "!charge-of-another-demand", "!charge-of-another-demand", "!charge-of-another-demand", "!charge-of-another-demand"]),
        ("ask by another case", ["requested", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case"]),
        ("ask after the end", ["requested", "requested", "=", "=", "=", "=", "="]),
        ("ask for nothing", ["!no-fee-for-kind"; 7]),
        ("decided", ["closed", "=", "cancelled", "earned", "=", "cancelled", "="]),
        ("withdrawn", ["closed", "=", "cancelled", "=", "=", "cancelled", "="]),
        ("ended in an earlier round", ["closed", "=", "=", "=", "=", "=", "="]),
        ("another case ended", ["closed", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case", "!charge-of-another-case"]),
        ("match in time", ["!charge-unknown", "!charge-unknown", "paid", "=", "=", "paid", "!charge-cancelled"]),
        ("match late", ["!charge-unknown", "!charge-unknown", "paid", "=", "=", "!charge-expired", "!charge-cancelled"]),
        ("match short", ["!charge-unknown", "!charge-unknown", "!amount-differs", "=", "=", "!amount-differs", "!charge-cancelled"]),
        ("match by another line", ["!charge-unknown", "!charge-unknown", "paid", "!already-paid", "!already-paid", "paid", "!charge-cancelled"]),
        ("taken back", ["!charge-unknown", "!charge-unknown", "=", "requested", "!charge-earned", "=", "="]),
        ("another line taken back", ["!charge-unknown", "!charge-unknown", "=", "!paid-by-another-line", "!paid-by-another-line", "=", "="]),
        ("covered too short", ["=", "=", "=", "=", "=", "=", "="]),
        ("covered", ["=", "=", "expired", "=", "=", "=", "="]),
        ("clock", ["="; 7]),
    ];
    let inputs = inputs();
    assert_eq!(table.len(), inputs.len());
    for ((name, expected), (input_name, input)) in table.iter().zip(&inputs) {
        assert_eq!(name, input_name);
        for ((state_name, state), expected) in states().iter().zip(expected) {
            assert_eq!(&shown(state, input), expected, "{name} in {state_name}");
        }
    }
}

#[test]
fn what_the_house_is_told() {
    let id = uuid(9);
    let mut state = State::Unknown;
    let mut said = Vec::new();
    let wanted = ["ask", "covered", "match in time", "decided"];
    for (_, input) in inputs().into_iter().filter(|(name, _)| wanted.contains(name)) {
        if let Verdict::Events(events) = Charge::decide(&state, &input) {
            for event in &events {
                state = Charge::evolve(state, event);
                said.extend(Charge::announce(id, &state, event).into_iter().map(|m| m.entry().name));
                assert_eq!(Charge::correlation(id, &state), case().0);
            }
        }
    }
    // In the order of `inputs`: asked, decided (cancels), so nothing is paid.
    assert_eq!(said, ["FeeRequested"]);
    let told = |state: State, event: Event| {
        let after = Charge::evolve(state, &event);
        Charge::announce(id, &after, &event)
    };
    let requested = State::Requested { ask: ask() };
    let paid = told(requested.clone(), Event::Paid { line: line(1), paid_on: date(2026, 11, 20), at: at(20) });
    let expected = FeePaid {
        case: case(),
        charge: ChargeId(id),
        amount: Yen(4_000),
        paid_on: date(2026, 11, 20),
        line: line(1),
        at: at(20),
    };
    assert_eq!(paid, [expected.into()]);
    let expired = told(requested.clone(), Event::Expired { at: at(30) });
    assert_eq!(expired, [ChargeExpired { case: case(), charge: ChargeId(id), at: at(30) }.into()]);
    assert_eq!(told(requested, Event::Cancelled { at: at(30) }), []);
}

proptest! {
    /// Any inputs in any order: events follow from the state, the fold gives the same state, a repeat changes nothing,
    /// and a charge is paid at most once at a time.
    #[test]
    fn any_order_is_safe(order in proptest::collection::vec(0usize..18, 0..40)) {
        let inputs = inputs();
        let mut state = State::default();
        let mut history: Vec<Event> = Vec::new();
        for i in order {
            if let Verdict::Events(events) = Charge::decide(&state, &inputs[i].1) {
                prop_assert!(!events.is_empty());
                state = fold::<Charge>(state, &events);
                history.extend(events);
                prop_assert!(!matches!(Charge::decide(&state, &inputs[i].1), Verdict::Events(_)), "{} twice", inputs[i].0);
            }
            prop_assert_eq!(Charge::wake(&state), None);
        }
        prop_assert_eq!(&fold::<Charge>(State::default(), &history), &state);
        let held = history.iter().fold(0i32, |n, e| n + match e { Event::Paid { .. } => 1, Event::TakenBack { .. } => -1, _ => 0 });
        prop_assert!((0..=1).contains(&held));
        prop_assert_eq!(held == 1, matches!(state, State::Paid { .. } | State::Earned { .. }));
        let json = serde_json::to_value(&state).unwrap();
        prop_assert_eq!(serde_json::from_value::<State>(json).unwrap(), state);
    }
}
