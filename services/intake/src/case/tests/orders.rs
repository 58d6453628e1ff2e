//! The bus promises no order: any order of hearing ends in the same state, and the history tells how it came.

use super::{table::inputs, *};
use proptest::prelude::*;

/// What the other services state in one life of a case: consistent with each other, in any order.
fn lives() -> Vec<(Kind, Vec<Fact>)> {
    use DecisionOutcome::{Full, Refused};
    vec![
        (
            Kind::Disclosure,
            vec![
                deficient(5, "too-old"),
                deficient(30, "no-photo"),
                confirmed(50),
                fee_requested(1, 2),
                fee_paid(1, 60),
                decided(Refused, 90),
            ],
        ),
        (Kind::ThirdPartyRecords, vec![confirmed(5), fee_requested(1, 1), fee_paid(1, 2), decided(Full, 9)]),
        (Kind::PurposeNotice, vec![deficient(5, "no-photo"), fee_requested(1, 2), confirmed(9), expired(1, 700)]),
        (Kind::Disclosure, vec![rejected(9), fee_requested(1, 2), expired(1, 700)]),
        (
            Kind::Disclosure,
            vec![fee_requested(1, 2), expired(1, 700), fee_paid(1, 701), confirmed(8), decided(Full, 800)],
        ),
        (Kind::Correction, vec![deficient(5, "no-photo"), confirmed(9), decided(Full, 10)]),
        (
            Kind::ProvisionStop,
            vec![
                placed(1, 1),
                deficient(2, "no-photo"),
                confirmed(5),
                stop_entered(1, 6),
                fanned_out(1, 7),
                settled(1, 0, 8),
                settled(1, 1, 9),
                stop_confirmed(1, 9),
            ],
        ),
        (
            Kind::Deletion,
            vec![
                placed(1, 1),
                confirmed(5),
                stop_entered(1, 6),
                fanned_out(1, 7),
                settled(1, 0, 8),
                settled(1, 1, 9),
                stop_confirmed(1, 9),
                decided(Full, 20),
            ],
        ),
        (Kind::ProvisionStop, vec![placed(1, 1), deficient(3, "no-photo"), rejected(4), lifted(1, 5)]),
        (Kind::Complaint, vec![decided(Full, 4)]),
        // Three letters and no answer yet; a letter that crossed the confirmation.
        (Kind::Correction, vec![deficient(5, "too-old"), deficient(30, "no-photo"), deficient(60, "blurred")]),
        (Kind::Suspension, vec![deficient(12, "no-photo"), confirmed(9), deficient(2, "too-old")]),
        (Kind::Suspension, vec![deficient(12, "no-photo"), confirmed(9)]),
    ]
}

/// Delivers as the bus does: what is too early comes again after something happened; each message works once.
fn deliver(inputs: Vec<Input>) -> Story {
    let mut story = Story::default();
    let mut waiting = inputs;
    loop {
        let mut later = Vec::new();
        let before = waiting.len();
        for input in waiting {
            match story.feed(&input) {
                Verdict::TooEarly => later.push(input),
                Verdict::Refused(why) => panic!("{input:?} in {}: refused {why:?}", story.status()),
                Verdict::Events(_) | Verdict::Already => {}
            }
        }
        if later.is_empty() {
            return story;
        }
        assert!(later.len() < before, "for ever too early in {}: {later:?}", story.status());
        waiting = later;
    }
}

/// The commands that were given, whatever was said in between.
fn commands(story: &Story) -> Vec<String> {
    let of = |m: &Message| (m.entry().family == contracts::Family::Command).then(|| format!("{m:?}"));
    let mut all: Vec<String> = story.said.iter().filter_map(of).collect();
    all.sort();
    all
}

fn a_life_in_any_order() -> impl Strategy<Value = (Kind, Vec<Fact>, Vec<Input>)> {
    let lives = lives();
    (0..lives.len()).prop_flat_map(move |n| {
        let (kind, facts) = lives[n].clone();
        let all: Vec<Input> = std::iter::once(filed(kind)).chain(facts.iter().cloned().map(Input::Fact)).collect();
        (Just(kind), Just(facts), Just(all).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_hearing_ends_in_the_same_state((kind, facts, shuffled) in a_life_in_any_order()) {
        let straight = deliver(std::iter::once(filed(kind)).chain(facts.into_iter().map(Input::Fact)).collect());
        let mixed = deliver(shuffled);
        prop_assert_eq!(&mixed.state, &straight.state);
        prop_assert_eq!(commands(&mixed), commands(&straight));
    }

    #[test]
    fn folding_the_history_gives_the_state_and_it_survives_its_json(
        kind in prop::sample::select(Kind::ALL.to_vec()),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut story = Story::of(kind);
        for pick in picks {
            let (_, input) = pick.get(&inputs()).clone();
            story.feed(&input);
            prop_assert_eq!(&chassis::machine::fold::<Case>(State::Absent, &story.history), &story.state);
        }
        let json = serde_json::to_string(&story.state).unwrap();
        prop_assert_eq!(&serde_json::from_str::<State>(&json).unwrap(), &story.state);
        let events = serde_json::to_string(&story.history).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<Event>>(&events).unwrap(), &story.history);
        prop_assert!(story.history.len() < 200);
    }

    /// A second time is a repeat, except for reports, which are counted and which the bus lets through once only.
    #[test]
    fn what_was_heard_is_already_so((_, _, shuffled) in a_life_in_any_order()) {
        let mut story = deliver(shuffled.clone());
        for input in shuffled {
            if !matches!(input, Input::Fact(Fact::InstructionSettled(_))) {
                prop_assert_eq!(story.feed(&input), Verdict::Already, "{:?}", input);
            }
        }
    }

    /// Whatever happens, a final stop is never lifted and an answer is asked for once.
    #[test]
    fn a_final_stop_is_never_lifted(
        kind in prop::sample::select(vec![Kind::ProvisionStop, Kind::Deletion]),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut story = Story::of(kind);
        for pick in picks {
            story.feed(&pick.get(&inputs()).1.clone());
        }
        let mut stops = std::collections::BTreeSet::new();
        let mut answers = 0;
        for message in &story.said {
            match message {
                Message::EnterStop(stop) => prop_assert!(stops.insert(stop.entry), "one stop per entry"),
                Message::LiftProvisionalBlock(lift) => prop_assert!(!stops.contains(&lift.entry)),
                Message::PrepareAnswer(_) => answers += 1,
                _ => {}
            }
        }
        prop_assert!(answers <= 1);
    }
}
