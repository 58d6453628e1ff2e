use super::*;
use proptest::prelude::*;

const PACE: Pace = Pace { base: Duration::from_secs(5), cap: Duration::from_secs(3600) };

#[test]
fn statuses_mean_what_the_specification_and_the_law_need() {
    for (status, outcome) in [
        (200, Outcome::Ok),
        (204, Outcome::Ok),
        (301, Outcome::Failed(Why::Redirect)),
        (308, Outcome::Failed(Why::Redirect)),
        (400, Outcome::Failed(Why::Status)),
        (401, Outcome::Failed(Why::Status)),
        (404, Outcome::Parked(Why::Gone)),
        (410, Outcome::Parked(Why::Gone)),
        (429, Outcome::Busy { after: Some(7) }),
        (503, Outcome::Busy { after: Some(7) }),
        (500, Outcome::Failed(Why::Status)),
        (199, Outcome::Failed(Why::Status)),
    ] {
        assert_eq!(of_status(status, Some(7)), outcome, "{status}");
    }
    assert_eq!(retry_after(Some(" 120 ")), Some(120));
    assert_eq!(retry_after(Some("Wed, 21 Oct 2026 07:28:00 GMT")), None);
    assert_eq!(retry_after(Some("-1")), None);
}

#[test]
fn pauses_double_up_to_a_cap_and_keep_what_was_asked_for() {
    let failed = Outcome::Failed(Why::Connection);
    assert_eq!(backoff(PACE, 1, failed, 0.0), Duration::from_secs(5));
    assert_eq!(backoff(PACE, 3, failed, 0.0), Duration::from_secs(20));
    assert_eq!(backoff(PACE, 3, failed, 1.0), Duration::from_secs(25));
    assert_eq!(backoff(PACE, 99, failed, 0.0), Duration::from_secs(3600));
    assert_eq!(backoff(PACE, 1, Outcome::Busy { after: Some(600) }, 0.0), Duration::from_secs(600));
    assert_eq!(backoff(PACE, 1, Outcome::Busy { after: Some(1) }, 0.0), Duration::from_secs(5));
    assert_eq!(backoff(PACE, 1, Outcome::Busy { after: Some(u64::MAX) }, 0.0), Duration::from_secs(86_400));
}

#[test]
fn the_circuit_opens_after_failures_and_lets_one_probe_through() {
    let (mut circuit, start) = (Circuit::default(), Instant::now());
    for _ in 0..FAILURES_MAX {
        assert_eq!(circuit.allows(start), usize::MAX);
        circuit.sent();
        circuit.came(Outcome::Failed(Why::Timeout), PACE, start);
    }
    assert_eq!(circuit.allows(start), 0);
    let later = start + Duration::from_secs(5);
    assert_eq!(circuit.allows(later), 1);
    circuit.sent();
    assert_eq!(circuit.allows(later), 0, "one probe at a time");
    circuit.came(Outcome::Failed(Why::Timeout), PACE, later);
    assert_eq!(circuit.allows(later + Duration::from_secs(5)), 0, "further apart");
    assert_eq!(circuit.allows(later + Duration::from_secs(10)), 1);
    circuit.sent();
    circuit.came(Outcome::Ok, PACE, later);
    assert_eq!(circuit.allows(later), usize::MAX);
}

#[test]
fn what_is_done_already_is_not_sent_again_after_a_take_over() {
    let mut window = Window::new(3, [5, 6]);
    assert!(window.reads(4));
    assert!(!window.reads(5));
    assert!(!window.reads(6));
    assert!(window.reads(9), "positions of an endpoint need not be dense");
    assert_eq!(window.finish(9), 3);
    assert_eq!(window.finish(4), 9);
    assert_eq!((window.low(), window.read(), window.room()), (9, 9, AHEAD_MAX));
}

proptest! {
    /// However outcomes come in, low is the greatest position with everything read up to it finished.
    #[test]
    fn low_is_never_ahead_of_what_is_finished(
        positions in prop::collection::btree_set(1..200i64, 1..60),
        seed in any::<u64>(),
    ) {
        let positions: Vec<i64> = positions.into_iter().collect();
        let mut window = Window::new(0, []);
        for p in &positions {
            prop_assert!(window.reads(*p));
        }
        let mut open = positions.clone();
        let mut state = seed | 1;
        while !open.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let p = open.remove((state >> 33) as usize % open.len());
            let low = window.finish(p);
            let expected = open.iter().min().map_or(*positions.last().unwrap(), |first| {
                positions.iter().copied().filter(|p| p < first).max().unwrap_or(0)
            });
            prop_assert_eq!(low, expected);
        }
        prop_assert_eq!(window.room(), AHEAD_MAX);
    }
}
