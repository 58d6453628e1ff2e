use super::*;
use proptest::prelude::*;

const RULES: Rules =
    Rules { age_of_majority: 18, oldest: 130, own_request_age: 15, own_stop_age: 16, joint_authority: true };

fn today() -> Date {
    jiff::civil::date(2026, 11, 22)
}

fn draft(kind: &str) -> Draft {
    Draft {
        kind: kind.to_owned(),
        person: PartyDraft {
            name: "標識 花子".to_owned(),
            kana: "ひょうしき はなこ".to_owned(),
            birth_date: "1980-04-01".to_owned(),
            sex: "female".to_owned(),
            address: "東京都文京区本駒込一丁目2番3号".to_owned(),
            ..PartyDraft::default()
        },
        words: "見たい".to_owned(),
        ..Draft::default()
    }
}

fn agent() -> PartyDraft {
    PartyDraft { name: "標識 太郎".to_owned(), address: "東京都".to_owned(), ..PartyDraft::default() }
}

/// (pointer, code) of all that is wrong.
fn wrong(draft: &Draft) -> Vec<(String, &'static str)> {
    match check(draft, today(), RULES) {
        Ok(_) => Vec::new(),
        Err(errors) => {
            assert!(errors.iter().all(|e| CODES.contains(&e.code)));
            errors.into_iter().map(|e| (e.pointer.into_owned(), e.code)).collect()
        }
    }
}

fn only(draft: &Draft, pointer: &str, code: &str) {
    assert_eq!(
        wrong(draft),
        [(pointer.to_owned(), code)].map(|(p, c)| (p, CODES.iter().copied().find(|k| *k == c).unwrap()))
    );
}

#[test]
fn every_kind_can_be_asked() {
    for kind in Kind::ALL {
        let request = check(&draft(kind.as_str()), today(), RULES).ok().unwrap();
        assert_eq!(request.kind, *kind);
        assert_eq!(request.capacity, Capacity::Person);
        assert_eq!(request.language, Language::Ja);
        assert_eq!(request.scope, (*kind == Kind::ProvisionStop).then_some(Scope::Both));
        assert_eq!(request.person.kana, "ヒョウシキ\u{3000}ハナコ");
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let empty = Draft::default();
    let codes = wrong(&empty);
    for pointer in ["/kind", "/person/name", "/person/kana", "/person/birth_date", "/person/address"] {
        assert!(codes.contains(&(pointer.to_owned(), "required")), "{pointer}");
    }
    let mut bad = draft("erase-me");
    bad.capacity = "friend".to_owned();
    bad.language = "fr".to_owned();
    bad.person.mail = "x".to_owned();
    bad.person.telephone = "x".to_owned();
    bad.person.sex = "x".to_owned();
    bad.hospitals = vec![HospitalDraft::named(" ")];
    let pointers: Vec<_> = wrong(&bad).into_iter().map(|(p, _)| p).collect();
    assert_eq!(
        pointers,
        ["/kind", "/capacity", "/language", "/person/sex", "/person/mail", "/person/telephone", "/hospitals/0"]
    );
}

#[test]
fn a_complaint_needs_a_name_and_words_only() {
    let mut plain = Draft { kind: "complaint".to_owned(), words: "w".to_owned(), ..Draft::default() };
    plain.person.name = "n".to_owned();
    assert_eq!(wrong(&plain), []);
    plain.words.clear();
    only(&plain, "/words", "words-required");
}

#[test]
fn words_are_needed_where_nothing_can_be_done_without() {
    for kind in Kind::ALL {
        let mut silent = draft(kind.as_str());
        silent.words.clear();
        let needed = ["correction", "complaint", "consultation"].contains(&kind.as_str());
        assert_eq!(wrong(&silent).is_empty(), !needed, "{kind}");
    }
}

/// Duties row 39: "do not use my data" without a reason is never refused for lack of a ground.
#[test]
fn a_suspension_without_a_ground_is_taken_as_a_stop_of_both_tracks() {
    let mut silent = draft("suspension");
    silent.words = " ".to_owned();
    let request = check(&silent, today(), RULES).ok().unwrap();
    assert_eq!((request.kind, request.scope), (Kind::ProvisionStop, Some(Scope::Both)));
    let reasoned = check(&draft("suspension"), today(), RULES).ok().unwrap();
    assert_eq!((reasoned.kind, reasoned.scope), (Kind::Suspension, None));
}

#[test]
fn birth_dates() {
    for (value, code) in [
        ("2026-11-23", "date-future"),
        ("1896-11-21", "date-too-early"),
        ("2025-02-29", "no-such-day"),
        ("昭和64年2月1日", "outside-era"),
        ("明治3年1月1日", "lunar-date"),
        ("80-04-01", "date-form"),
        ("yesterday", "date-form"),
        ("  ", "required"),
    ] {
        let mut d = draft("disclosure");
        d.person.birth_date = value.to_owned();
        only(&d, "/person/birth_date", code);
    }
    for (value, day) in [
        ("昭和64年1月7日", "1989-01-07"),
        ("令和元年5月1日", "2019-05-01"),
        ("2026-11-22", "2026-11-22"),
        ("1896-11-22", "1896-11-22"),
        ("２０００年２月２９日", "2000-02-29"),
    ] {
        let mut d = draft("disclosure");
        d.person.birth_date = value.to_owned();
        let request = check(&d, today(), RULES).ok().unwrap();
        assert_eq!(request.person.birth_date.unwrap().to_string(), day);
    }
}

#[test]
fn capacities_and_representatives() {
    for capacity in Capacity::ALL.iter().filter(|c| !matches!(c, Capacity::Person | Capacity::Bereaved)) {
        let mut d = draft("disclosure");
        d.person.birth_date = "2015-04-01".to_owned();
        d.capacity = capacity.as_str().to_owned();
        let codes = wrong(&d);
        assert_eq!(
            codes,
            [("/representative/name".to_owned(), "required"), ("/representative/address".to_owned(), "required")]
        );
        d.representative = Some(agent());
        assert_eq!(wrong(&d), [], "{capacity}");
    }
    let mut d = draft("disclosure");
    d.representative = Some(agent());
    only(&d, "/capacity", "capacity-and-representative");
    d.representative = Some(PartyDraft::default());
    assert_eq!(wrong(&d), [], "an empty block is no representative");
}

#[test]
fn the_bereaved_can_stop_and_delete_and_nothing_else() {
    for kind in Kind::ALL {
        let mut d = draft(kind.as_str());
        d.capacity = "bereaved".to_owned();
        d.representative = Some(agent());
        match kind.track() {
            Track::Act => assert_eq!(wrong(&d), [], "{kind}"),
            Track::Appi => only(&d, "/capacity", "bereaved-act-only"),
            Track::Desk => only(&d, "/capacity", "bereaved-not-desk"),
        }
    }
}

#[test]
fn parents_act_until_the_birthday_of_majority() {
    for (birth, of_age) in [("2008-11-22", true), ("2008-11-23", false), ("2008-02-29", true)] {
        for capacity in ["parent", "minors-guardian"] {
            let mut d = draft("disclosure");
            d.capacity = capacity.to_owned();
            d.representative = Some(agent());
            d.person.birth_date = birth.to_owned();
            if of_age {
                only(&d, "/capacity", "capacity-of-age");
            } else {
                assert_eq!(wrong(&d), []);
            }
        }
    }
}

#[test]
fn scope_belongs_to_stops() {
    for scope in Scope::ALL {
        let mut d = draft("provision-stop");
        d.scope = scope.as_str().to_owned();
        assert_eq!(check(&d, today(), RULES).ok().unwrap().scope, Some(*scope));
        d.kind = "deletion".to_owned();
        only(&d, "/scope", "scope-stops-only");
    }
    let mut d = draft("provision-stop");
    d.scope = "some".to_owned();
    only(&d, "/scope", "unknown-word");
}

#[test]
fn lengths_are_counted_in_characters_of_the_kept_form() {
    let mut d = draft("disclosure");
    d.person.name = "﨑".repeat(max::NAME);
    d.words = "か\u{3099}".repeat(max::WORDS);
    assert_eq!(wrong(&d), []);
    d.person.name.push('崎');
    only(&d, "/person/name", "too-long");
    d.person.name.truncate(3);
    d.words.push('a');
    only(&d, "/words", "too-long");
    d.words.clear();
    d.hospitals = vec![HospitalDraft::named("h".repeat(max::HOSPITAL)); max::HOSPITALS];
    assert_eq!(wrong(&d), []);
    d.hospitals.push(HospitalDraft::named("h"));
    only(&d, "/hospitals", "too-many");
}

#[test]
fn characters_that_hide_are_refused_field_by_field() {
    let mut d = draft("disclosure");
    d.person.name = "a\nb".to_owned();
    only(&d, "/person/name", "control-character");
    d = draft("disclosure");
    d.person.address = "\u{e000}".to_owned();
    only(&d, "/person/address", "unreadable-character");
    d = draft("disclosure");
    d.person.kana = "Hanako".to_owned();
    only(&d, "/person/kana", "kana-only");
}

#[test]
fn a_name_in_latin_letters_needs_no_reading() {
    let mut d = draft("disclosure");
    d.person.name = "Marker O'Neill".to_owned();
    d.person.kana.clear();
    assert_eq!(wrong(&d), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// No text makes it panic, and no error says what the person wrote.
    #[test]
    fn errors_hold_no_value(kind: String, name in "\\PC{0,90}", date: String, words: String, hospital: String) {
        let mut d = draft("disclosure");
        let marker = format!("標識{name}\u{0}");
        (d.kind, d.person.name, d.person.birth_date, d.words, d.hospitals) = (kind, marker.clone(), date, words, vec![HospitalDraft::named(hospital)]);
        if let Err(errors) = check(&d, today(), RULES) {
            let said = format!("{errors:?}");
            prop_assert!(!said.contains("標識"));
        }
    }
}
