//! Given, when, then: the order of the steps, kind by kind.

use super::*;
use DecisionOutcome::{Full, Refused};
use contracts::opt_out::{AnswerPart, StopAnswer};

#[test]
fn a_disclosure_asks_for_identity_and_fee_side_by_side_and_then_for_the_answer() {
    for first_paid in [true, false] {
        let mut story = Story::of(Kind::Disclosure);
        assert_eq!(story.new_words(), ["CaseOpened", "VerifyIdentity", "RequestFee", "CaseProgressed"]);
        assert_eq!(story.status(), "verifying");
        let (one, two) = if first_paid { (fee_paid(1, 5), confirmed(6)) } else { (confirmed(5), fee_paid(1, 6)) };
        let mut story = story.hears(fee_requested(1, 1)).hears(one);
        assert_eq!(story.status(), if first_paid { "verifying" } else { "awaiting-fee" });
        assert!(!story.new_words().contains(&"PrepareAnswer"));
        let mut story = story.hears(two);
        assert_eq!(story.new_words(), ["PrepareAnswer", "CaseProgressed"]);
        let mut story = story.hears(decided(Full, 9));
        assert_eq!(story.new_words(), ["CaseEnded", "CaseProgressed"]);
        assert_eq!(story.status(), "decided");
    }
}

#[test]
fn kinds_without_fee_ask_for_the_answer_when_identity_is_proved() {
    for kind in [Kind::Correction, Kind::Suspension] {
        let mut story = Story::of(kind);
        assert_eq!(story.new_words(), ["CaseOpened", "VerifyIdentity", "CaseProgressed"], "{kind}");
        let mut story = story.hears(confirmed(3));
        assert_eq!(story.new_words(), ["PrepareAnswer", "CaseProgressed"], "{kind}");
        assert_eq!(story.status(), "answering");
    }
}

#[test]
fn complaints_and_consultations_go_straight_to_the_answer() {
    for kind in [Kind::Complaint, Kind::Consultation] {
        let mut story = Story::of(kind);
        assert_eq!(story.new_words(), ["CaseOpened", "PrepareAnswer", "CaseProgressed"], "{kind}");
        assert_eq!(story.hears(decided(Full, 4)).status(), "decided");
    }
}

#[test]
fn a_stop_blocks_at_once_becomes_final_on_confirmation_and_ends_with_the_last_report() {
    let mut story = Story::of(Kind::ProvisionStop);
    assert_eq!(story.new_words(), ["CaseOpened", "PlaceBlock", "VerifyIdentity", "CaseProgressed"]);
    let mut story = story.hears(placed(1, 1)).hears(confirmed(5));
    assert_eq!(story.new_words(), ["EnterStop", "CaseProgressed"]);
    let asked = story.history.iter().find(|event| matches!(event, Event::AskedToStop { .. })).unwrap();
    let Some(Message::EnterStop(stop)) = Case::announce(id().0, &story.state, asked).pop() else {
        panic!("no command")
    };
    assert_eq!((stop.measure, stop.scope, stop.entry), (contracts::Measure::Stop, Scope::Anonymised, entry(1)));
    assert_eq!(story.status(), "propagating");
    assert_eq!(story.feed(&Input::Fact(stop_entered(1, 6))), Verdict::Already, "it holds since the provisional block");
    let story = story.hears(fanned_out(1, 6)).hears(settled(1, 0, 7)).hears(settled(1, 1, 8));
    assert_eq!(story.status(), "propagating", "only the register says when all is done");
    let mut story = story.hears(stop_confirmed(1, 8));
    assert_eq!(story.new_words(), ["CaseEnded", "CaseProgressed"]);
    assert_eq!(story.status(), "stopped");
}

#[test]
fn a_deletion_goes_the_way_of_a_stop_with_erasure_and_is_then_decided() {
    let story = Story::of(Kind::Deletion).hears(confirmed(5));
    assert!(story.said.iter().any(|m| matches!(m, Message::EnterStop(s) if s.measure == contracts::Measure::Erase)));
    let mut story = story.hears(stop_confirmed(1, 9));
    story.new_words();
    assert_eq!(story.status(), "answering");
    assert_eq!(story.hears(decided(Full, 10)).status(), "decided");
}

#[test]
fn a_stop_that_does_not_say_which_track_is_for_both() {
    let filed = Input::Filed { request: Request { scope: None, ..request(Kind::ProvisionStop) } };
    let story = Story::default().then(filed);
    assert!(story.said.iter().any(|m| matches!(m, Message::PlaceBlock(b) if b.scope == Scope::Both)));
}

#[test]
fn a_rejected_identity_ends_the_case_and_takes_a_provisional_block_back() {
    let mut story = Story::of(Kind::ProvisionStop).hears(placed(1, 1));
    story.new_words();
    let mut story = story.hears(rejected(4));
    assert_eq!(story.new_words(), ["LiftProvisionalBlock", "CaseEnded", "CaseProgressed"]);
    assert_eq!(story.status(), "not-confirmed");
    assert_eq!(story.feed(&Input::Fact(lifted(1, 5))), Verdict::Already);
    let mut story = Story::of(Kind::Disclosure);
    story.new_words();
    assert_eq!(story.hears(rejected(4)).new_words(), ["CaseEnded", "CaseProgressed"], "nothing to lift");
}

#[test]
fn a_withdrawal_lifts_a_provisional_block_and_never_a_final_one() {
    let mut story = Story::of(Kind::ProvisionStop);
    story.new_words();
    let mut story = story.then(withdraw(2));
    assert_eq!(story.new_words(), ["LiftProvisionalBlock", "CaseEnded", "CaseProgressed"]);
    assert_eq!(story.status(), "withdrawn");
    assert_eq!(story.feed(&withdraw(3)), Verdict::Already);

    for kind in [Kind::ProvisionStop, Kind::Deletion] {
        let mut story = Story::of(kind).hears(confirmed(5));
        assert_eq!(story.refuses(withdraw(6)), Refusal::StopStands, "{kind}");
        let mut story = story.hears(stop_confirmed(1, 9));
        assert_eq!(story.refuses(withdraw(10)), Refusal::StopStands, "{kind}");
    }
}

#[test]
fn a_withdrawal_ends_any_other_open_case_and_what_comes_later_starts_nothing() {
    let stories = [
        Story::of(Kind::Disclosure),
        Story::of(Kind::Disclosure).hears(confirmed(3)),
        Story::of(Kind::Correction).hears(deficient(3, "no-photo")),
        Story::of(Kind::Complaint),
    ];
    for story in stories {
        let mut story = story.then(withdraw(5));
        assert_eq!(story.status(), "withdrawn");
        story.new_words();
        for fact in [confirmed(6), fee_paid(1, 7), decided(Full, 8)] {
            story.feed(&Input::Fact(fact));
        }
        assert_eq!(story.new_words(), [""; 0]);
        assert_eq!(story.status(), "withdrawn");
        assert_eq!(story.refuses(revive(9)), Refusal::NotLapsed);
    }
}

#[test]
fn an_unpaid_case_lapses_and_a_revival_asks_again_under_another_name() {
    let mut story = Story::of(Kind::Disclosure).hears(confirmed(3)).hears(fee_requested(1, 3)).hears(expired(1, 700));
    assert_eq!(story.status(), "lapsed");
    story.new_words();
    let mut story = story.then(revive(800));
    assert_eq!(story.new_words(), ["RequestFee", "CaseProgressed"], "identity is proved already");
    assert!(story.history.contains(&Event::AskedForFee { charge: charge(2) }));
    assert_eq!(story.status(), "awaiting-fee");
    assert_eq!(stage(&story.state, Calendar::embedded()).unwrap().since, hours(800), "not since the first round");
    assert_eq!(story.feed(&Input::Fact(expired(1, 700))), Verdict::Already, "the old charge is of no consequence");
    let story = story.hears(fee_paid(2, 900));
    assert_eq!(story.status(), "answering");
}

#[test]
fn who_pays_by_the_reference_of_an_earlier_round_has_paid() {
    let story = Story::of(Kind::Disclosure).hears(confirmed(3)).hears(expired(1, 700)).then(revive(800));
    let mut story = story.hears(fee_paid(1, 801));
    assert_eq!(story.status(), "answering");
    assert_eq!(story.refuses(Input::Fact(fee_paid(2, 802))), Refusal::PaidTwice);
}

#[test]
fn an_accepted_late_payment_takes_a_lapsed_case_up_again() {
    let mut story = Story::of(Kind::Disclosure).hears(confirmed(3)).hears(expired(1, 700));
    story.new_words();
    let mut story = story.hears(fee_paid(1, 701));
    assert_eq!(story.new_words(), ["PrepareAnswer", "CaseProgressed"]);
    assert_eq!(story.status(), "answering");
}

#[test]
fn a_missed_completion_lapses_lifts_the_block_and_a_revival_begins_a_new_round() {
    let story = Story::of(Kind::ProvisionStop).hears(placed(1, 1)).hears(deficient(4, "no-photo"));
    assert_eq!(story.status(), "completing");
    let wake = Case::wake(&story.state).unwrap();
    let mut story = story;
    assert_eq!(story.feed(&Input::Clock { now: wake - jiff::SignedDuration::from_secs(1) }), Verdict::Already);
    story.new_words();
    let mut story = story.then(Input::Clock { now: wake });
    assert_eq!(story.status(), "lapsed");
    assert_eq!(story.new_words(), ["LiftProvisionalBlock", "CaseEnded", "CaseProgressed"]);
    assert_eq!(Case::wake(&story.state), None);
    let mut story = story.then(revive(24 * 60));
    assert_eq!(story.new_words(), ["PlaceBlock", "VerifyIdentity", "CaseProgressed"]);
    assert!(story.history.contains(&Event::AskedToBlock { entry: entry(2) }));
    assert_eq!(story.feed(&Input::Fact(lifted(1, 24 * 60))), Verdict::Already);
    assert_eq!(story.feed(&Input::Fact(deficient(4, "no-photo"))), Verdict::Already, "of the round before");
    let mut story = story.hears(confirmed(24 * 61));
    assert_eq!(story.new_words(), ["EnterStop", "CaseProgressed"]);
}

#[test]
fn a_confirmation_that_crossed_the_lapse_is_kept_for_the_revival() {
    let story = Story::of(Kind::ProvisionStop).hears(deficient(4, "no-photo"));
    let wake = Case::wake(&story.state).unwrap();
    let story = story.then(Input::Clock { now: wake }).hears(confirmed(24 * 40));
    assert_eq!(story.status(), "lapsed");
    let mut story = story;
    story.new_words();
    let mut story = story.then(revive(24 * 50));
    assert_eq!(story.new_words(), ["PlaceBlock", "EnterStop", "CaseProgressed"]);
    assert_eq!(story.status(), "propagating");
}

#[test]
fn a_case_can_be_revived_only_so_often() {
    let mut story = Story::of(Kind::Disclosure).hears(confirmed(1));
    for round in 1..=2u8 {
        story = story.hears(expired(round, 100 * i64::from(round))).then(revive(100 * i64::from(round) + 1));
    }
    let mut story = story.hears(expired(3, 300));
    assert_eq!(story.refuses(revive(301)), Refusal::RevivedTooOften);
}

#[test]
fn only_an_ended_case_is_erased_and_the_house_is_told_after_the_deed() {
    let mut story = Story::of(Kind::Complaint);
    assert_eq!(story.refuses(erase(1)), Refusal::NotEnded);
    let mut story = story.hears(decided(Full, 2));
    story.new_words();
    let mut story = story.then(erase(3));
    assert_eq!((story.new_words(), story.status().as_str()), (vec![], "erasing"));
    assert!(story.state.file().is_none(), "neither code key nor receipt number remain");
    assert_eq!(story.feed(&erase(4)), Verdict::Already);
    let mut story = story.then(Input::KeyDestroyed { at: hours(5) });
    assert_eq!((story.new_words(), story.status().as_str()), (vec!["CaseErased"], "erased"));
    assert_eq!(story.feed(&Input::Fact(decided(Refused, 9))), Verdict::Already, "a late word finds nobody");
    assert_eq!(story.refuses(revive(9)), Refusal::Erased);
}

#[test]
fn contradictions_are_for_a_person_to_look_at() {
    let mut story = Story::of(Kind::Disclosure).hears(confirmed(1));
    assert_eq!(story.refuses(Input::Fact(rejected(2))), Refusal::IdentityContradicted);
    let alien = Fact::FeePaid(FeePaid { charge: ChargeId(Uuid::from_u128(1)), ..paid_fact() });
    assert_eq!(story.refuses(Input::Fact(alien)), Refusal::UnknownCharge);
    let mut story = story.hears(fee_paid(1, 3));
    let other = Fact::FeePaid(FeePaid { amount: Yen(1), ..paid_fact() });
    assert_eq!(story.refuses(Input::Fact(other)), Refusal::ChargeContradicted);
    let mut story = story.hears(decided(Full, 4));
    assert_eq!(story.feed(&Input::Fact(decided(Full, 4))), Verdict::Already);
    assert_eq!(story.refuses(Input::Fact(decided(Refused, 5))), Refusal::DecisionStands);
    let mut other = request(Kind::Disclosure);
    other.receipt_number = ReceiptNumber::from_random([5; 16]);
    assert_eq!(story.refuses(Input::Filed { request: other }), Refusal::CaseExists);
    let mut complaint = Story::of(Kind::Complaint);
    assert_eq!(complaint.refuses(Input::Fact(confirmed(1))), Refusal::IdentityNotAsked);
    assert_eq!(complaint.refuses(Input::Fact(placed(1, 1))), Refusal::UnknownEntry);
    let mut stop = Story::of(Kind::ProvisionStop).hears(confirmed(1));
    assert_eq!(stop.refuses(Input::Fact(lifted(1, 1))), Refusal::LiftNotAsked);
}

fn paid_fact() -> FeePaid {
    match fee_paid(1, 3) {
        Fact::FeePaid(fact) => fact,
        _ => unreachable!(),
    }
}

#[test]
fn what_is_told_of_a_deficiency_is_the_newest_and_the_page_shows_it() {
    let story = Story::of(Kind::Correction).hears(deficient(5, "too-old")).hears(deficient(9, "no-photo"));
    let view = crate::status::view(&story.state, Calendar::embedded()).unwrap();
    assert_eq!(view.missing, [Code::of("no-photo")]);
    assert_eq!((view.step, view.since), (Step::Completing, hours(9)));
    let ended = crate::status::view(&story.then(withdraw(20)).state, Calendar::embedded()).unwrap();
    assert_eq!((ended.missing.len(), ended.ended_as), (0, Some(EndedAs::Withdrawn)));
}

#[test]
fn the_page_of_a_stop_counts_recipients_and_shows_no_block_that_was_lifted() {
    let page = |story: &Story| crate::status::view(&story.state, Calendar::embedded()).unwrap();
    let story = Story::of(Kind::ProvisionStop).hears(placed(1, 1));
    assert_eq!((page(&story).blocked_since, page(&story).recipients), (Some(hours(1)), None));
    let story = story.hears(confirmed(5)).hears(fanned_out(1, 6)).hears(settled(1, 0, 7));
    assert_eq!(page(&story).recipients.map(|r| (r.instructed, r.reported)), Some((2, 1)));
    let story = story.hears(stop_confirmed(1, 9));
    assert_eq!(page(&story).recipients.map(|r| (r.instructed, r.reported)), Some((2, 2)));
    let withdrawn = Story::of(Kind::ProvisionStop).hears(placed(1, 1)).then(withdraw(2));
    assert_eq!(page(&withdrawn).blocked_since, None);
}

#[test]
fn the_page_of_a_stop_shows_the_newest_answer_once_all_have_reported() {
    let page = |story: &Story| crate::status::view(&story.state, Calendar::embedded()).unwrap();
    let part = |outcome| AnswerPart {
        measure: contracts::Measure::Stop,
        outcome,
        ground: None,
        recipients: 2,
        first_on: Date::constant(2026, 6, 2),
        last_on: Date::constant(2026, 6, 3),
    };
    let answered = |hour, outcome| {
        let answer = Some(StopAnswer { stopped: 2, parts: vec![part(outcome)], ..StopAnswer::default() });
        Fact::StopConfirmed(StopConfirmed { case: id(), entry: entry(1), recipients: 2, at: hours(hour), answer })
    };
    let story = Story::of(Kind::ProvisionStop).hears(placed(1, 1)).hears(confirmed(5)).hears(fanned_out(1, 6));
    assert!(page(&story).answer.is_empty(), "before the last report a part would look like none");
    let mut story = story.hears(answered(9, ReportOutcome::Applied));
    assert_eq!(page(&story).answer, [part(ReportOutcome::Applied)]);
    story.new_words();
    // An amended report: another answer; the case ended when it ended.
    let since = page(&story).since;
    let mut story = story.hears(answered(20, ReportOutcome::Exempt));
    assert_eq!((page(&story).answer, page(&story).since), (vec![part(ReportOutcome::Exempt)], since));
    assert!(story.new_words().is_empty(), "it ends once");
    assert_eq!(story.feed(&Input::Fact(answered(20, ReportOutcome::Exempt))), Verdict::Already);
    assert_eq!(
        story.feed(&Input::Fact(answered(9, ReportOutcome::Applied))),
        Verdict::Already,
        "an older one comes late"
    );
}

#[test]
fn the_page_of_a_disclosure_shows_fee_decision_and_the_day_of_suit() {
    let page = |story: &Story| crate::status::view(&story.state, Calendar::embedded()).unwrap();
    let story = Story::of(Kind::Disclosure).hears(fee_paid(1, 5));
    assert_eq!(page(&story).fee, None, "no reference is known yet");
    let story = story.hears(fee_requested(1, 1));
    assert_eq!(page(&story).fee.map(|f| (f.amount, f.paid)), Some((Yen(4000), true)));
    assert_eq!(page(&story).suit_from, Some(Date::constant(2026, 6, 16)));
    let story = story.hears(confirmed(6)).hears(decided(Refused, 48));
    assert_eq!(page(&story).decision.map(|d| d.outcome), Some(Refused));
    assert_eq!(page(&story).suit_from, Some(Date::constant(2026, 6, 3)), "a refusal opens it at once");
}
