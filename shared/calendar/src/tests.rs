//! The vectors of law-and-domain.md section 5 and of duties 43, 89 and 90, and official lists of past years.

use super::*;
use jiff::civil::date;

fn cal() -> &'static Calendar {
    Calendar::embedded()
}

/// All holidays of a year as "MM-DD", substitutes with `s`, days between with `b`.
fn list(year: i16) -> Vec<String> {
    let mut day = date(year, 1, 1);
    let mut found = Vec::new();
    while day.year() == year {
        if let Some(h) = cal().holiday(day) {
            let mark = match h.kind {
                HolidayKind::National => "",
                HolidayKind::Substitute => "s",
                HolidayKind::Between => "b",
            };
            found.push(format!("{:02}-{:02}{mark}", day.month(), day.day()));
        }
        day = day.tomorrow().unwrap();
    }
    found
}

#[test]
fn holidays_are_those_of_the_official_lists() {
    // Cabinet Office, 国民の祝日について (cao.go.jp), years as published.
    for (year, days) in [
        (
            2019,
            "01-01 01-14 02-11 03-21 04-29 04-30b 05-01 05-02b 05-03 05-04 05-05 05-06s 07-15 08-11 08-12s 09-16 09-23 10-14 10-22 11-03 11-04s 11-23",
        ),
        (
            2020,
            "01-01 01-13 02-11 02-23 02-24s 03-20 04-29 05-03 05-04 05-05 05-06s 07-23 07-24 08-10 09-21 09-22 11-03 11-23",
        ),
        (
            2021,
            "01-01 01-11 02-11 02-23 03-20 04-29 05-03 05-04 05-05 07-22 07-23 08-08 08-09s 09-20 09-23 11-03 11-23",
        ),
        (
            2024,
            "01-01 01-08 02-11 02-12s 02-23 03-20 04-29 05-03 05-04 05-05 05-06s 07-15 08-11 08-12s 09-16 09-22 09-23s 10-14 11-03 11-04s 11-23",
        ),
        (
            2025,
            "01-01 01-13 02-11 02-23 02-24s 03-20 04-29 05-03 05-04 05-05 05-06s 07-21 08-11 09-15 09-23 10-13 11-03 11-23 11-24s",
        ),
        (
            2026,
            "01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06s 07-20 08-11 09-21 09-22b 09-23 10-12 11-03 11-23",
        ),
        (
            2027,
            "01-01 01-11 02-11 02-23 03-21 03-22s 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
        ),
    ] {
        assert_eq!(list(year).join(" "), days, "{year}");
    }
    assert!(list(2028).iter().all(|d| d.len() == 5), "2028 has no substitute and no day between: {:?}", list(2028));
    assert_eq!(cal().holiday(date(2026, 9, 22)).unwrap().name, "国民の休日");
    assert_eq!(cal().holiday(date(2028, 3, 20)).unwrap().name, "春分の日");
    assert_eq!(cal().holiday(date(2028, 9, 22)).unwrap().name, "秋分の日");
}

/// Printed by jpholiday 1.0.3 (MIT), an implementation that shares nothing with ours.
#[test]
fn holidays_agree_with_an_independent_implementation() {
    for row in [
        "2016 01-01 01-11 02-11 03-20 03-21 04-29 05-03 05-04 05-05 07-18 08-11 09-19 09-22 10-10 11-03 11-23 12-23",
        "2017 01-01 01-02 01-09 02-11 03-20 04-29 05-03 05-04 05-05 07-17 08-11 09-18 09-23 10-09 11-03 11-23 12-23",
        "2018 01-01 01-08 02-11 02-12 03-21 04-29 04-30 05-03 05-04 05-05 07-16 08-11 09-17 09-23 09-24 10-08 11-03 11-23 12-23 12-24",
        "2019 01-01 01-14 02-11 03-21 04-29 04-30 05-01 05-02 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-23 10-14 10-22 11-03 11-04 11-23",
        "2020 01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-23 07-24 08-10 09-21 09-22 11-03 11-23",
        "2021 01-01 01-11 02-11 02-23 03-20 04-29 05-03 05-04 05-05 07-22 07-23 08-08 08-09 09-20 09-23 11-03 11-23",
        "2022 01-01 01-10 02-11 02-23 03-21 04-29 05-03 05-04 05-05 07-18 08-11 09-19 09-23 10-10 11-03 11-23",
        "2023 01-01 01-02 01-09 02-11 02-23 03-21 04-29 05-03 05-04 05-05 07-17 08-11 09-18 09-23 10-09 11-03 11-23",
        "2024 01-01 01-08 02-11 02-12 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-22 09-23 10-14 11-03 11-04 11-23",
        "2025 01-01 01-13 02-11 02-23 02-24 03-20 04-29 05-03 05-04 05-05 05-06 07-21 08-11 09-15 09-23 10-13 11-03 11-23 11-24",
        "2026 01-01 01-12 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-20 08-11 09-21 09-22 09-23 10-12 11-03 11-23",
        "2027 01-01 01-11 02-11 02-23 03-21 03-22 04-29 05-03 05-04 05-05 07-19 08-11 09-20 09-23 10-11 11-03 11-23",
        "2028 01-01 01-10 02-11 02-23 03-20 04-29 05-03 05-04 05-05 07-17 08-11 09-18 09-22 10-09 11-03 11-23",
        "2029 01-01 01-08 02-11 02-12 02-23 03-20 04-29 04-30 05-03 05-04 05-05 07-16 08-11 09-17 09-23 09-24 10-08 11-03 11-23",
        "2030 01-01 01-14 02-11 02-23 03-20 04-29 05-03 05-04 05-05 05-06 07-15 08-11 08-12 09-16 09-23 10-14 11-03 11-04 11-23",
    ] {
        let (year, days) = row.split_once(' ').unwrap();
        let ours = list(year.parse().unwrap()).join(" ").replace(['s', 'b'], "");
        assert_eq!(ours, days, "{year}");
    }
}

#[test]
fn the_equinox_table_has_no_slip() {
    for year in 2016..=2040 {
        let [spring, autumn] = holidays::computed_equinoxes(year);
        assert_eq!(cal().holiday(date(year, 3, spring)).map(|h| h.name), Some("春分の日"), "{year}");
        assert_eq!(cal().holiday(date(year, 9, autumn)).map(|h| h.name), Some("秋分の日"), "{year}");
    }
    assert!(cal().holiday(Date::MIN).is_none());
    assert!(cal().holiday(Date::MAX).is_none());
}

#[test]
fn open_days_of_office_bank_and_authority() {
    // Monday 2026-12-28: open for all. 29 and 30: banks only.
    for (day, office, bank) in [
        (date(2026, 12, 28), true, true),
        (date(2026, 12, 29), false, true),
        (date(2026, 12, 30), false, true),
        (date(2026, 12, 31), false, false),
        (date(2027, 1, 3), false, false),
        (date(2027, 1, 4), true, true),
        (date(2026, 9, 22), false, false),
        (date(2026, 11, 21), false, false),
    ] {
        assert_eq!(cal().is_open(Schedule::Office, day), office, "{day}");
        assert_eq!(cal().is_open(Schedule::Authority, day), office, "{day}");
        assert_eq!(cal().is_open(Schedule::Bank, day), bank, "{day}");
    }
    assert_eq!(cal().add_open_days(Schedule::Bank, date(2026, 12, 30), 1), date(2027, 1, 4));
    assert_eq!(cal().add_open_days(Schedule::Office, date(2026, 9, 18), 1), date(2026, 9, 24));
    assert_eq!(cal().add_open_days(Schedule::Office, date(2026, 9, 19), 0), date(2026, 9, 19));
    assert_eq!(cal().open_days_between(Schedule::Office, date(2026, 9, 18), date(2026, 9, 25)), 2);
    assert_eq!(cal().open_days_between(Schedule::Office, date(2026, 9, 25), date(2026, 9, 18)), 0);
    assert_eq!(cal().open_on_or_after(Schedule::Office, Date::MAX), Date::MAX);
}

#[test]
fn office_hours_and_the_service_day() {
    let at = |s: &str| s.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        cal().office_hours(date(2026, 11, 24)),
        Some((at("2026-11-24T09:30:00+09:00"), at("2026-11-24T17:30:00+09:00")))
    );
    assert_eq!(cal().office_hours(date(2026, 11, 23)), None);
    // Duty 90: a mail at 23:50 on a Saturday arrives on that Saturday; the service clock starts on the next open day,
    // which after Labour Thanksgiving Day on Monday is Tuesday.
    let mail = at("2026-11-21T23:50:00+09:00");
    assert_eq!(jst_date(mail), date(2026, 11, 21));
    assert_eq!(cal().service_day(mail), date(2026, 11, 24));
    assert_eq!(cal().service_day(at("2026-11-24T17:29:59+09:00")), date(2026, 11, 24));
    assert_eq!(cal().service_day(at("2026-11-24T17:30:00+09:00")), date(2026, 11, 25));
    assert_eq!(cal().service_day(at("2026-11-24T00:00:00+09:00")), date(2026, 11, 24));
    assert_eq!(jst_date(at("2026-11-22T15:00:00Z")), date(2026, 11, 23));
    assert_eq!(end_of(date(2026, 6, 15)), at("2026-06-16T00:00:00+09:00"));
    assert_eq!(end_of(Date::MAX), jiff::Timestamp::MAX);
}

fn ends(event: Date, counting: Counting, span: Span) -> Date {
    last_day(event, &Rule::new("test", counting, span), cal())
}

#[test]
fn duty_89_the_two_kinds_of_three_years() {
    let made = date(2026, 6, 10);
    assert_eq!(last_day(made, &rules::SUPPLY_RECORD, cal()), date(2029, 6, 10));
    assert_eq!(last_day(made, &rules::SUPPLY_RECORD_BATCH, cal()), date(2029, 6, 9));
    assert_eq!(last_day(made, &rules::APPI_RECORD_BATCH, cal()), date(2029, 6, 9));
    for (name, rule) in rules::ALL {
        assert!(!rule.article.is_empty(), "{name} names its article");
    }
}

#[test]
fn months_go_by_the_calendar() {
    use Counting::{From, Including};
    for (event, counting, span, end) in [
        // Art. 143(2): no corresponding day, so the last day of the month.
        (date(2026, 8, 30), From, Span::Months(1), date(2026, 9, 30)),
        (date(2026, 1, 31), Including, Span::Months(1), date(2026, 2, 28)),
        (date(2026, 1, 30), From, Span::Months(1), date(2026, 2, 28)),
        (date(2028, 1, 30), From, Span::Months(1), date(2028, 2, 29)),
        (date(2026, 3, 31), From, Span::Months(1), date(2026, 4, 30)),
        // 29 February as the event, as the first day, and as the end.
        (date(2028, 2, 29), From, Span::Years(1), date(2029, 2, 28)),
        (date(2028, 2, 28), From, Span::Years(1), date(2029, 2, 28)),
        (date(2028, 2, 29), Including, Span::Years(3), date(2031, 2, 28)),
        (date(2028, 2, 29), Including, Span::Years(4), date(2032, 2, 28)),
        (date(2028, 2, 29), From, Span::Years(3), date(2031, 2, 28)),
        (date(2027, 2, 28), From, Span::Years(1), date(2028, 2, 29)),
        // Days and weeks.
        (date(2026, 6, 1), From, Span::Weeks(2), date(2026, 6, 15)),
        (date(2026, 6, 1), Including, Span::Weeks(2), date(2026, 6, 14)),
        (date(2026, 6, 1), From, Span::Days(30), date(2026, 7, 1)),
        (date(2026, 6, 1), Including, Span::Days(30), date(2026, 6, 30)),
        (date(2026, 6, 1), From, Span::Days(0), date(2026, 6, 1)),
        (Date::MAX, From, Span::Years(65_535), date(9999, 12, 30)),
    ] {
        assert_eq!(ends(event, counting, span), end, "{event} {counting:?} {span:?}");
    }
}

#[test]
fn a_closed_last_day_moves_only_where_the_rule_says_so() {
    let rule = Rule::new("test", Counting::From, Span::Days(1));
    let friday = date(2026, 9, 18);
    assert_eq!(last_day(friday, &rule, cal()), date(2026, 9, 19));
    assert_eq!(last_day(friday, &rule.or_next_open(Schedule::Bank), cal()), date(2026, 9, 24));
    // 30 days from 2026-11-30 end on 12-29: the authorities are closed until 01-03.
    assert_eq!(last_day(date(2026, 11, 30), &rules::INCIDENT_REPORT, cal()), date(2027, 1, 4));
}

#[test]
fn duty_43_the_suit_clock() {
    let arrival = date(2026, 6, 1);
    assert_eq!(suit_opens_on(arrival, None, cal()), date(2026, 6, 16));
    assert_eq!(suit_opens_on(arrival, Some(date(2026, 6, 5)), cal()), date(2026, 6, 5));
    assert_eq!(suit_opens_on(arrival, Some(date(2026, 7, 5)), cal()), date(2026, 6, 16));
    // Duty 90: arrival late on a Saturday counts from Sunday, office hours or not.
    assert_eq!(suit_opens_on(date(2026, 11, 21), None, cal()), date(2026, 12, 6));
}

#[test]
fn eras_and_their_overlaps() {
    for (west, texts) in [
        (date(1912, 7, 30), vec!["明治45年7月30日", "大正元年7月30日"]),
        (date(1912, 7, 29), vec!["明治45年7月29日"]),
        (date(1926, 12, 25), vec!["大正15年12月25日", "昭和元年12月25日"]),
        (date(1989, 1, 7), vec!["昭和64年1月7日"]),
        (date(1989, 1, 8), vec!["平成元年1月8日"]),
        (date(2019, 4, 30), vec!["平成31年4月30日"]),
        (date(2019, 5, 1), vec!["令和元年5月1日"]),
        (date(2026, 4, 1), vec!["令和8年4月1日"]),
        (date(1872, 12, 31), vec![]),
    ] {
        let shown: Vec<String> = EraDate::all_of(west).iter().map(ToString::to_string).collect();
        assert_eq!(shown, texts);
        for text in &texts {
            assert_eq!(parse_date(text), Ok(west), "{text}");
        }
        assert_eq!(EraDate::of(west).map(|e| e.to_string()).as_deref(), texts.last().copied());
    }
    assert_eq!(Era::Showa.date(64, 2, 1), Err(EraError::OutsideEra(Era::Showa)));
    assert_eq!(parse_date("昭和64年2月1日"), Err(EraError::OutsideEra(Era::Showa)));
    assert_eq!(parse_date("平成31年5月1日"), Err(EraError::OutsideEra(Era::Heisei)));
    assert_eq!(parse_date("令和元年4月30日"), Err(EraError::OutsideEra(Era::Reiwa)));
    assert_eq!(parse_date("明治5年1月1日"), Err(EraError::Lunar));
    assert_eq!(Era::Reiwa.date(i16::MAX, 1, 1), Err(EraError::NoSuchDay));
    assert_eq!(Era::Reiwa.date(0, 5, 1), Err(EraError::NoSuchDay));
}

#[test]
fn dates_as_people_write_them() {
    let day = date(2026, 4, 1);
    for text in [
        "2026-04-01",
        "2026/4/1",
        "2026年4月1日",
        "令和8年4月1日",
        "令和８年４月１日",
        "R8.4.1",
        "r8/4/1",
        " Ｒ８．４．１ ",
        "令和 8年 4月 1日",
    ] {
        assert_eq!(parse_date(text), Ok(day), "{text}");
    }
    for text in [
        "",
        "26-04-01",
        "8.4.1",
        "2026-04",
        "2026-04-01-05",
        "明日",
        "R8年4月",
        "令和+8年4月1日",
        "２０２６",
        &"1".repeat(200),
    ] {
        assert_eq!(parse_date(text), Err(EraError::Form), "{text}");
    }
    assert_eq!(parse_date("2026-02-30"), Err(EraError::NoSuchDay));
    assert_eq!(parse_date("令和8年2月30日"), Err(EraError::NoSuchDay));
}

#[test]
fn configuration_errors_name_the_key() {
    let good = include_str!("../../../infra/config/calendar.toml");
    assert!(Calendar::parse(good).is_ok());
    for (find, replace, key) in [
        ("opens = \"09:30\"", "opens = \"half past nine\"", "office.hours[0].opens"),
        ("opens = \"09:30\"", "opens = \"18:30\"", "office.hours[0].closes"),
        ("opens = \"09:30\"", "", "opens"),
        ("opens = \"09:30\"", "opens = 930", "opens"),
        ("equinoxes_gazetted_through = 2027", "", "equinoxes_gazetted_through"),
        ("2026 = [20, 23]", "2026 = [20, 3]", "equinoxes.2026"),
        ("2026 = [20, 23]", "next = [20, 23]", "equinoxes.next"),
        ("from = \"12-31\"", "from = \"12-32\"", "bank.closed[0]"),
        ("from = \"12-31\"", "from = \"02-01\"", "bank.closed[0].to"),
        ("from = \"12-31\"", "form = \"12-31\"", "form"),
    ] {
        assert!(good.contains(find), "{find}");
        let error =
            Calendar::parse(&good.replacen(find, replace, 1)).err().unwrap_or_else(|| panic!("{replace} was accepted"));
        assert!(error.to_string().contains(key), "{key} is not in: {error}");
    }
    let more = format!("{good}\n[[office.closed]]\nfrom = \"2027-08-13\"\nto = \"2027-08-16\"\nreason = \"summer\"\n");
    let more = Calendar::parse(&more).unwrap();
    assert!(!more.is_open(Schedule::Office, date(2027, 8, 13)));
    assert!(more.is_open(Schedule::Office, date(2028, 8, 14)));
}
