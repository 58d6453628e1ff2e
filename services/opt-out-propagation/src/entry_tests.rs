use super::*;
use chassis::fold;
use contracts::opt_out::AnswerPart;
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
fn instruction(n: u128) -> InstructionId {
    InstructionId(Uuid::from_u128(n))
}
fn reported(n: u128, outcome: ReportOutcome, round: u32) -> Input {
    // Of a recipient of its own: who counts once is the matter of `entry_answer_tests.rs`.
    let recipient = RecipientId(Uuid::from_u128(n));
    Input::InstructionSettled { instruction: instruction(n), recipient, outcome, round, ground: None, at: at(7) }
}
fn settled(n: u128) -> Input {
    reported(n, ReportOutcome::Applied, 0)
}
fn reopened(n: u128, round: u32) -> Input {
    Input::InstructionReopened { instruction: instruction(n), round, at: at(8) }
}
fn replaced(old: u128, by: u128) -> Input {
    Input::InstructionReplaced { old: instruction(old), by: instruction(by), at: at(8) }
}
const ERASE: ChangeId = ChangeId(Uuid::from_u128(4));
const OTHER: ChangeId = ChangeId(Uuid::from_u128(5));
fn erase() -> Input {
    let Input::EnterStop { case, scope, received_at, change, at, .. } = stop() else { panic!() };
    Input::EnterStop { case, scope, measure: Measure::Erase, received_at, change, at }
}
fn matched() -> Input {
    Input::MatchConfirmed { change: ERASE, at: at(9) }
}
fn ground() -> Ground {
    Ground { case: CaseId(Uuid::from_u128(50)), basis: Code::of("act-52-1"), received_at: at(9) }
}
fn narrower() -> Input {
    Input::ChangeScope { ground: ground(), scope: Scope::Anonymised, change: OTHER, at: at(10) }
}
fn corrected() -> Input {
    Input::CorrectIdentifiers { ground: ground(), change: OTHER, at: at(10) }
}
fn withdrawn() -> Input {
    Input::Withdraw { ground: ground(), at: at(10) }
}
const FREEZE: ChangeId = ChangeId(Uuid::from_u128(6));
const THAW: ChangeId = ChangeId(Uuid::from_u128(7));
fn freeze() -> Input {
    Input::SuspendUse { ground: ground(), change: FREEZE, at: at(10) }
}
fn thaw() -> Input {
    Input::ResumeUse { ground: ground(), change: THAW, at: at(12) }
}
/// The freeze that an erasure orders by itself was fanned out.
fn frozen(of: impl IntoIterator<Item = u128>) -> Input {
    fanned_of(decide::freeze_of(CHANGE), of)
}
fn fanned_of(change: ChangeId, of: impl IntoIterator<Item = u128>) -> Input {
    Input::FannedOut { change, instructions: instructions(of), at: at(11) }
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
    assert_eq!(open.progress().unwrap().open, instructions([11]));
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

/// Row 14: an erasure waits for the match that two people confirmed; the stop does not wait for it.
#[test]
fn given_an_erasure_when_the_stop_is_reported_then_it_still_waits_for_its_match() {
    let (state, said) = given(&[erase(), fanned([10]), settled(10)]);
    assert!(matches!(state, State::Stopped { erasure: Erasure::Waits, .. }), "{state:?}");
    assert!(!names(&said).contains(&"StopConfirmed"));
    for order in [
        vec![
            erase(),
            fanned([10]),
            settled(10),
            frozen([15]),
            settled(15),
            matched(),
            fanned_of(ERASE, [20]),
            settled(20),
        ],
        vec![
            erase(),
            matched(),
            fanned_of(ERASE, [20]),
            settled(20),
            fanned([10]),
            settled(10),
            settled(15),
            frozen([15]),
        ],
        vec![
            erase(),
            matched(),
            settled(20),
            settled(15),
            settled(10),
            frozen([15]),
            fanned([10]),
            fanned_of(ERASE, [20]),
        ],
    ] {
        let (state, said) = given(&order);
        assert!(matches!(state, State::Confirmed { recipients: 1, .. }), "{order:?}");
        let Some(Message::StopConfirmed(confirmed)) = said.last() else { panic!() };
        let answer = confirmed.answer.clone().unwrap();
        assert_eq!((answer.stopped, answer.erased, answer.unreachable.len()), (1, 1, 0));
    }
    assert_eq!(Entry::decide(&given(&[stop()]).0, &matched()), Verdict::Refused(Refusal::NoErasureAsked));
}

#[test]
fn given_reports_that_say_why_not_then_the_answer_says_it_by_number() {
    let order = [
        stop(),
        fanned([10, 11, 12]),
        settled(10),
        reported(11, ReportOutcome::Unreachable, 0),
        reported(12, ReportOutcome::NoDataHeld, 0),
    ];
    let (state, _) = given(&order);
    let answer = state.answer();
    assert_eq!((answer.stopped, answer.unreachable), (2, vec![(ReportOutcome::Unreachable, 1)]));
}

/// 三つの回答: who did the same stands together, with the days and why not.
#[test]
fn the_answer_says_on_which_days_and_why_not_and_never_who() {
    let on = |n: u128, outcome, why: Option<&'static str>, days: i64| Input::InstructionSettled {
        instruction: instruction(n),
        recipient: RecipientId(Uuid::from_u128(n)),
        outcome,
        round: 0,
        ground: why.map(Code::of),
        at: at(days * 86_400),
    };
    let why = Some("act-19-2");
    let (state, said) = given(&[
        erase(),
        fanned([10, 11, 12]),
        frozen([15]),
        on(15, ReportOutcome::Applied, None, 5),
        on(10, ReportOutcome::Applied, None, 1),
        on(11, ReportOutcome::Applied, None, 3),
        on(12, ReportOutcome::Unreachable, why, 2),
        matched(),
        fanned_of(ERASE, [20]),
        on(20, ReportOutcome::Applied, None, 4),
    ]);
    let day = |n: i64| crate::propagation::day_of(at(n * 86_400));
    let part = |measure, outcome, why: Option<&'static str>, recipients, first: i64, last: i64| AnswerPart {
        measure,
        outcome,
        ground: why.map(Code::of),
        recipients,
        first_on: day(first),
        last_on: day(last),
    };
    let mut parts = state.answer().parts;
    parts.sort_by_key(|p| (p.first_on, p.outcome));
    let expected = [
        part(Measure::Stop, ReportOutcome::Applied, None, 2, 1, 3),
        part(Measure::Stop, ReportOutcome::Unreachable, why, 1, 2, 2),
        part(Measure::Erase, ReportOutcome::Applied, None, 1, 4, 4),
    ];
    assert_eq!(parts, expected);
    let Some(Message::StopConfirmed(confirmed)) = said.last() else { panic!() };
    assert_eq!(confirmed.answer.clone().unwrap().parts.len(), 3);
}

/// Amendments: the settled count follows.
#[test]
fn given_an_amended_report_then_it_is_open_again_until_its_new_round_settles() {
    let complete = [stop(), fanned([10]), settled(10)];
    let (state, _) = given(&[&complete[..], &[reopened(10, 1)]].concat());
    assert!(matches!(&state, State::Stopped { progress, .. } if progress.open == instructions([10])), "{state:?}");
    // What was said of the round before comes late, or again.
    assert_eq!(Entry::decide(&state, &settled(10)), Verdict::Already);
    assert_eq!(Entry::decide(&state, &reopened(10, 1)), Verdict::Already);
    let again = reported(10, ReportOutcome::Exempt, 1);
    let (state, _) = given(&[&complete[..], &[reopened(10, 1), again.clone()]].concat());
    assert!(matches!(state, State::Confirmed { .. }), "{state:?}");
    assert_eq!(state.answer().unreachable, [(ReportOutcome::Exempt, 1)]);
    // In any order.
    let (state, _) = given(&[stop(), reopened(10, 1), settled(10), again, fanned([10])]);
    assert!(matches!(state, State::Confirmed { .. }), "{state:?}");
}

#[test]
fn given_a_replaced_instruction_then_the_new_one_is_waited_for_whatever_was_heard_first() {
    for order in [
        vec![stop(), fanned([10, 11]), settled(11), replaced(10, 20), settled(20)],
        vec![stop(), replaced(10, 20), fanned([10, 11]), settled(11), settled(20)],
        vec![stop(), settled(20), fanned([10, 11]), settled(11), replaced(10, 20)],
        vec![stop(), replaced(20, 30), replaced(10, 20), settled(30), settled(11), fanned([10, 11])],
    ] {
        let (state, said) = given(&order);
        assert!(matches!(state, State::Confirmed { recipients: 2, .. }), "{order:?} {state:?}");
        assert_eq!(names(&said).iter().filter(|n| **n == "StopConfirmed").count(), 1);
    }
}

/// Row 9, row 3: changes have their own case, and the block holds.
#[test]
fn given_a_final_stop_when_it_is_changed_or_withdrawn_then_the_block_holds_with_its_date() {
    for start in [vec![place(), stop()], vec![place(), stop(), fanned([])]] {
        let then = |input: Input| given(&[&start[..], &[input]].concat()).0;
        assert_eq!(then(narrower()).blocks(), Some((Scope::Anonymised, at(1))));
        assert_eq!(then(corrected()).blocks(), Some((Scope::Both, at(1))));
        let withdrawn = then(withdrawn());
        assert_eq!(withdrawn.blocks(), Some((Scope::Both, at(1))));
        assert!(matches!(
            withdrawn,
            State::Stopped { withdrawn_at: Some(_), .. } | State::Confirmed { withdrawn_at: Some(_), .. }
        ));
        let changed = then(narrower());
        assert!(matches!(&changed, State::Stopped { progress, .. } if progress.awaiting.contains(&OTHER)));
    }
    let (state, said) = given(&[stop(), fanned([10]), settled(10), narrower(), fanned_of(OTHER, [12]), settled(12)]);
    assert!(matches!(state, State::Confirmed { scope: Scope::Anonymised, .. }));
    assert_eq!(names(&said).iter().filter(|n| **n == "StopConfirmed").count(), 2);
    assert_eq!(Entry::decide(&given(&[place()]).0, &narrower()), Verdict::Refused(Refusal::NotFinal));
}

/// Section 7's order: stop, freeze of current builds, erase. The freeze is waited for, and is no part of the answer.
#[test]
fn given_an_erasure_when_it_is_entered_then_current_builds_are_frozen_until_it_goes_out() {
    let Verdict::Events(events) = Entry::decide(&State::default(), &erase()) else { panic!() };
    let changes: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::StopEntered { change, .. } => ("stop", *change),
            Event::UseSuspended { change, ground, .. } => {
                assert_eq!((ground.case, ground.basis.as_str()), (CASE, "act-20"));
                ("freeze", *change)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(changes, [("stop", CHANGE), ("freeze", decide::freeze_of(CHANGE))]);
    let frozen_at = |inputs: &[Input]| given(inputs).0.progress().unwrap().frozen_at;
    assert_eq!(frozen_at(&[erase()]), Some(at(5)));
    assert_eq!(frozen_at(&[erase(), matched()]), None, "what is erased need not be frozen");
    assert_eq!(frozen_at(&[erase(), thaw()]), None);
    assert_eq!(frozen_at(&[stop()]), None, "a stop alone freezes nothing");
    let open = given(&[erase(), fanned([10]), settled(10), matched(), fanned_of(ERASE, [20]), settled(20)]).0;
    assert!(matches!(open, State::Stopped { .. }), "the freeze has not been fanned out");
}

#[test]
fn given_a_freeze_with_a_case_of_its_own_then_it_is_waited_for_and_says_nothing_to_the_person() {
    let complete = [stop(), fanned([10]), settled(10), freeze(), fanned_of(FREEZE, [17]), settled(17)];
    let (state, _) = given(&complete);
    assert!(matches!(state, State::Confirmed { recipients: 1, .. }), "{state:?}");
    assert_eq!(state.answer().stopped, 1);
    let (state, _) = given(&[&complete[..], &[thaw(), fanned_of(THAW, [18]), replaced(18, 19)]].concat());
    let progress = state.progress().unwrap();
    assert!(progress.open.contains(&instruction(19)) && progress.passing.contains(&instruction(19)));
    assert_eq!(state.blocks(), Some((Scope::Both, at(5))), "to resume lifts no stop");
}

fn all_inputs() -> Vec<Input> {
    vec![
        place(),
        stop(),
        lift(),
        fanned([10, 11]),
        settled(10),
        matched(),
        narrower(),
        corrected(),
        withdrawn(),
        reopened(10, 1),
        replaced(10, 20),
        freeze(),
        thaw(),
        Input::Clock,
    ]
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
        ("withdrawn", given(&[stop(), fanned([]), withdrawn()]).0),
        ("erasure waits", given(&[erase(), fanned([10, 11])]).0),
        ("erasure released", given(&[erase(), fanned([10, 11]), matched()]).0),
        ("frozen", given(&[stop(), fanned([10, 11]), freeze()]).0),
        ("frozen when confirmed", given(&[stop(), fanned([]), freeze()]).0),
        ("thawed", given(&[stop(), fanned([]), freeze(), thaw()]).0),
        ("erasure waits, thawed", given(&[erase(), fanned([10, 11]), thaw()]).0),
    ];
    // place, stop, lift, fanned out, settled, match, scope, correct, withdraw, reopened, replaced, freeze, thaw, clock:
    // E events, A already, T too early, R refused.
    let table = [
        "EETTTTTTTTTTTA",
        "AEETTTRRRTTRRA",
        "EEATTTRRRTTRRA",
        "AAAEEREEEEEEAA",
        "AAAAEREEEEEEAA",
        "AAAAAREEEEAEAA",
        "AAAAAREEAEAEAA",
        "ARAAEEEEEEEAEA",
        "ARAAEAEEEEERRA",
        "AAAAEREEEEEAEA",
        "AAAAEREEEEEAEA",
        "AAAAEREEEEEEAA",
        "ARAAEEEEEEEEAA",
    ];
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
        (9..14u128, 0..3u32).prop_map(|(n, round)| reported(n, ReportOutcome::Exempt, round)),
        (9..14u128, 0..3u32).prop_map(|(n, round)| reopened(n, round)),
        (9..14u128, 20..22u128).prop_map(|(old, by)| replaced(old, by)),
        Just(erase()),
        Just(matched()),
        Just(narrower()),
        Just(corrected()),
        Just(withdrawn()),
        Just(freeze()),
        Just(thaw()),
        Just(frozen([15, 16])),
        Just(fanned_of(FREEZE, [17])),
        Just(fanned_of(ERASE, [20, 21])),
        Just(fanned_of(OTHER, [12, 22])),
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
