use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

#[test]
fn a_token_survives_its_text_and_shows_nothing() {
    let token = Token::random();
    assert_eq!(Token::parse(&token.text()), Some(token.clone()));
    assert_eq!(format!("{token:?}"), "[token]");
    assert_ne!(token.hash(), Token::random().hash());
    assert!(!token.text().contains(&token.csrf()) && token.csrf() != token.text());
    for bad in ["", "AAAA", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), &"é".repeat(43)] {
        assert_eq!(Token::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_form_carries_its_own_sessions_token_and_no_other() {
    let (mine, other) = (Token::random(), Token::random());
    assert!(mine.signed(&mine.csrf()));
    assert!(!mine.signed(&other.csrf()));
    assert!(!mine.signed(&mine.text()) && !mine.signed("") && !mine.signed(&mine.csrf()[..42]));
}

#[test]
fn a_session_ends_when_idle_and_ends_anyway() {
    let idle = SignedDuration::from_mins(30);
    assert!(is_good(at(0), at(43_200), at(1_799), idle));
    assert!(!is_good(at(0), at(43_200), at(1_800), idle), "idle for half an hour");
    assert!(!is_good(at(43_199), at(43_200), at(43_200), idle), "twelve hours, however busy");
    assert!(!is_stale(at(0), at(59)) && is_stale(at(0), at(60)));
}

#[test]
fn attempts_are_counted_and_a_window_ends() {
    let limit = Limit { most: 3, window: SignedDuration::from_mins(15) };
    let mut tally = None;
    for second in 0..3 {
        tally = Some(limit.attempt(tally, at(second)).unwrap());
    }
    assert_eq!(limit.attempt(tally, at(10)), Err(at(900)));
    // Refused attempts do not make the wait longer.
    assert_eq!(limit.attempt(tally, at(899)), Err(at(900)));
    assert_eq!(limit.attempt(tally, at(900)), Ok(Tally { since: at(900), count: 1 }));
}

proptest! {
    /// Whatever the times, no window has more attempts than the limit.
    #[test]
    fn a_window_never_has_more_than_the_limit(most in 1..5i32, gaps in prop::collection::vec(0..400i64, 1..80)) {
        let limit = Limit { most, window: SignedDuration::from_secs(900) };
        let (mut tally, mut now, mut in_window) = (None, 0, 0);
        for gap in gaps {
            now += gap;
            if let Ok(next) = limit.attempt(tally, at(now)) {
                in_window = if tally.is_some_and(|t: Tally| t.since == next.since) { in_window + 1 } else { 1 };
                prop_assert!(in_window <= most && next.count == in_window);
                tally = Some(next);
            }
        }
    }
}

#[test]
fn keys_of_the_limits() {
    assert_eq!(login_key(" Admin "), login_key("admin"));
    assert_ne!(login_key("admin"), login_key("admin2"));
    let address = |text: &str| address_key(text.parse().unwrap());
    assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"), "one network of 64 bits");
    assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
    assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
}

#[test]
fn passwords_and_logins() {
    assert_eq!(check_password("hanako", "short"), Err(BadPassword::Short));
    assert_eq!(check_password("hanako", &"x".repeat(257)), Err(BadPassword::Long));
    assert_eq!(check_password("hanako", "aaaaaaaaaaaaaaaa"), Err(BadPassword::Simple));
    assert_eq!(check_password("hanako", "Hanako-hanako-1"), Err(BadPassword::Simple));
    assert_eq!(check_password("hanako", "三角の窓口で静かに待つ人"), Ok(()), "twelve characters of any kind");
    for good in ["admin", "a", "yamada.hanako", "0-9_x"] {
        assert!(is_login(good), "{good}");
    }
    for bad in ["", "Admin", ".a", "a b", "あ", &"a".repeat(65)] {
        assert!(!is_login(bad), "{bad}");
    }
}
