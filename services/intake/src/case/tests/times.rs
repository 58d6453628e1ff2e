//! The two clocks.

use super::*;
use crate::clocks;

fn told(story: &Story) -> (Step, Option<Timestamp>, Option<Timestamp>) {
    story
        .history
        .iter()
        .rev()
        .find_map(|e| match e {
            Event::Progressed { step, due_at, suit_from, .. } => Some((*step, *due_at, *suit_from)),
            _ => None,
        })
        .unwrap()
}

/// Duties row 43: arrival on 1 June, first day of suit 16 June, unchanged by fee wait or mending; a refusal sets it to now.
#[test]
fn the_suit_clock_counts_two_weeks_without_pause_on_four_kinds() {
    let opens = at("2026-06-16T00:00:00+09:00");
    let story = Story::of(Kind::Disclosure);
    assert_eq!(told(&story).2, Some(opens));
    let story = story.hears(deficient(24, "no-photo"));
    assert_eq!(told(&story), (Step::Completing, None, Some(opens)));
    let story = story.hears(confirmed(24 * 20));
    assert_eq!(told(&story), (Step::AwaitingFee, None, Some(opens)));
    let story = story.hears(fee_paid(1, 24 * 21)).hears(decided(DecisionOutcome::Refused, 24 * 22));
    assert_eq!(told(&story).2, Some(opens), "later than the two weeks: open already");

    let early = Story::of(Kind::Correction).hears(confirmed(1)).hears(decided(DecisionOutcome::Refused, 30));
    assert_eq!(told(&early).2, Some(hours(30)));
    for kind in Kind::ALL {
        assert_eq!(told(&Story::of(*kind)).2.is_some(), kind.has_suit_clock(), "{kind}");
    }
}

/// June 2026 has no holiday: 20 open days after Monday the 1st end on Monday the 29th.
#[test]
fn the_service_clock_counts_open_days_and_leaves_the_first_out() {
    let end = |text: &str| Some(at(text));
    assert_eq!(told(&Story::of(Kind::Correction)).1, end("2026-06-30T00:00:00+09:00"));
    // Duties row 90: a Saturday night counts as Monday for the counter, and as Saturday for the suit.
    let mut late = request(Kind::Correction);
    late.received_at = at("2026-06-06T23:50:00+09:00");
    let story = Story::default().then(Input::Filed { request: late });
    assert_eq!(told(&story).1, end("2026-07-07T00:00:00+09:00"));
    assert_eq!(told(&story).2, end("2026-06-21T00:00:00+09:00"));
}

#[test]
fn the_service_clock_pauses_while_something_is_missing_and_goes_on_with_what_was_left() {
    // Deficient on Wednesday the 3rd (two open days used), confirmed on Wednesday the 10th: 18 open days after that.
    let story = Story::of(Kind::Correction).hears(deficient(48, "no-photo")).hears(confirmed(24 * 9));
    assert_eq!(told(&story), (Step::Answering, Some(at("2026-07-07T00:00:00+09:00")), told(&story).2));
    // The same while the fee is awaited.
    let story = Story::of(Kind::Disclosure).hears(confirmed(48)).hears(fee_paid(1, 24 * 9));
    assert_eq!(told(&story).1, Some(at("2026-07-07T00:00:00+09:00")));
    // Paid before identity was proved: nobody waited for money.
    let story = Story::of(Kind::Disclosure).hears(fee_paid(1, 24)).hears(confirmed(24 * 9));
    assert_eq!(told(&story).1, Some(at("2026-06-30T00:00:00+09:00")));
}

#[test]
fn the_time_in_which_a_case_was_lapsed_does_not_count() {
    let story = Story::of(Kind::Correction).hears(deficient(48, "no-photo"));
    let wake = Case::wake(&story.state).unwrap();
    // Due on the 17th, three open days of grace: the 22nd is the last.
    assert_eq!(wake, at("2026-06-23T00:00:00+09:00"));
    // Revived on Wednesday 1 July with 18 open days left; Marine Day is 20 July.
    let story = story.then(Input::Clock { now: wake }).then(revive(24 * 30));
    assert_eq!(told(&story), (Step::Verifying, Some(at("2026-07-29T00:00:00+09:00")), told(&story).2));
}

#[test]
fn a_clock_that_ran_out_stays_run_out() {
    let mut short = request(Kind::Correction);
    short.terms.service_days = 1;
    let story = Story::default().then(Input::Filed { request: short });
    assert_eq!(told(&story).1, Some(at("2026-06-03T00:00:00+09:00")));
    let story = story.hears(deficient(24 * 7, "no-photo")).hears(confirmed(24 * 14));
    assert_eq!(told(&story).1, Some(at("2026-06-03T00:00:00+09:00")));
}

#[test]
fn a_deficiency_heard_after_the_confirmation_still_pauses_the_clock_that_was() {
    let early = Story::of(Kind::Correction).hears(confirmed(24 * 9));
    let late = Story::of(Kind::Correction).hears(deficient(48, "no-photo")).hears(confirmed(24 * 9));
    assert_ne!(told(&early).1, told(&late).1);
    assert_eq!(told(&early.hears(deficient(48, "no-photo"))).1, told(&late).1);
}

/// Duties row 89: both ways of counting come from the one period function, and the suit clock names its article.
#[test]
fn periods_of_law_come_from_the_calendar() {
    use calendar::{last_day, rules};
    let day = Date::constant(2026, 6, 10);
    let calendar = Calendar::embedded();
    assert_eq!(last_day(day, &rules::SUPPLY_RECORD, calendar), Date::constant(2029, 6, 10));
    assert_eq!(last_day(day, &rules::SUPPLY_RECORD_BATCH, calendar), Date::constant(2029, 6, 9));
    let story = Story::of(Kind::Disclosure);
    let file = story.state.file().unwrap();
    assert_eq!(
        clocks::suit_day(file, calendar),
        Some(calendar::over_from(Date::constant(2026, 6, 1), &rules::SUIT, calendar))
    );
}
