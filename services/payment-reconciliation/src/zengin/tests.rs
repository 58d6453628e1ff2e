//! The published samples, files of our own making, and every way a file can be wrong.

use super::{
    field::field,
    sample::{SampleLine, account, file},
    *,
};
use crate::samples;
use jiff::civil::date;
use privacy_seal::Purpose;
use proptest::prelude::*;
use serde_json::Value;

const ARRIVAL: Date = date(2024, 4, 30);

fn read(bytes: &[u8], layout: Layout) -> Result<Statement, ZenginError> {
    parse(bytes, &Profile::of(layout), ARRIVAL)
}

fn shown(text: &PayerText) -> &str {
    text.disclose(Purpose::MatchPayment)
}

/// Compares the lines with the published expectations; names of the JSON's fields are that project's.
fn compare(statement: &Statement, expected: &Value) {
    let group = &statement.groups[0];
    let rows = expected["rows"].as_array().unwrap();
    assert_eq!(group.lines.len(), rows.len());
    for (line, row) in group.lines.iter().zip(rows) {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let zeros = |digits: &Option<String>| digits.as_deref().unwrap_or_default().trim_start_matches('0').to_owned();
        let era = |d: Date| format!("{:02}{:02}{:02}", d.year() - 2018, d.month(), d.day());
        assert_eq!(line.amount.0, row["amount"].as_i64().unwrap());
        assert_eq!(zeros(&line.inquiry), text("inq"));
        assert_eq!(zeros(&line.remitter_code), text("rcode"));
        assert_eq!(shown(&line.remitter), text("rname"));
        assert_eq!(shown(&line.sending_bank), text("obank"));
        assert_eq!(shown(&line.sending_branch), text("obr"));
        assert_eq!(shown(&line.edi), text("edi"));
        assert_eq!(shown(&line.summary), text("summary"));
        assert_eq!(era(line.booked_on), text("val"));
        assert_eq!(era(line.value_on), row.get("start").or(row.get("pay")).and_then(Value::as_str).unwrap());
        if let Some(direction) = row.get("io").and_then(Value::as_str) {
            assert_eq!(line.direction, if direction == "1" { Direction::In } else { Direction::Out });
            assert_eq!(line.transaction.unwrap().to_string(), text("tx"));
            assert_eq!(line.uncleared.0.to_string(), text("bill"));
        }
    }
    let sum = |d: Direction| group.lines.iter().filter(|l| l.direction == d).map(|l| l.amount.0).sum::<i64>();
    if let Some(total) = expected["total"].as_i64() {
        assert_eq!(sum(Direction::In), total);
    } else {
        assert_eq!(group.opening, expected["opening"].as_i64());
        assert_eq!(group.closing, expected["closing"].as_i64());
        assert_eq!(
            (sum(Direction::In), sum(Direction::Out)),
            (expected["ia"].as_i64().unwrap(), expected["oa"].as_i64().unwrap())
        );
    }
}

#[test]
fn the_published_samples_come_out_as_published() {
    for (name, layout) in [
        ("niwa_01_formatA", Layout::DepositsA),
        ("niwa_01_formatB", Layout::DepositsB),
        ("niwa_03_liquid", Layout::Transactions),
    ] {
        let Some(bytes) = samples::read(&format!("{name}.txt")) else { return };
        let expected = serde_json::from_slice(&samples::read(&format!("{name}.expected.json")).unwrap()).unwrap();
        let statement = read(&bytes, layout).unwrap_or_else(|e| panic!("{name}: {e}"));
        compare(&statement, &expected);
        assert_eq!(statement.warnings, [], "{name}");
        assert_eq!(statement.groups[0].account, account(), "{name}");
    }
}

#[test]
fn samples_with_and_without_line_ends_are_the_same() {
    let Some(lines) = samples::read("kotoba_01_formatA.txt") else { return };
    let arrival = date(2024, 5, 1);
    let profile = Profile::of(Layout::DepositsA);
    let one = parse(&lines, &profile, arrival).unwrap();
    let two = parse(&samples::read("kotoba_01_formatA_noeol.txt").unwrap(), &profile, arrival).unwrap();
    assert_eq!(one, two);
    assert_eq!(one.groups[0].lines[0].remitter_code.as_deref(), Some("1234567890"));
    let mixed = samples::read("zengin4j_fuzz_mixed_separator.bin").unwrap();
    assert_eq!(parse(&mixed, &profile, arrival).unwrap_err().problem, Problem::MixedSeparators);
}

fn three() -> Vec<SampleLine> {
    vec![
        SampleLine::deposit(date(2024, 4, 15), 4_000, "1234567890", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        SampleLine::deposit(date(2024, 4, 15), 4_000, "", "1234567890ｽｽﾞｷ"),
        SampleLine::deposit(date(2024, 4, 16), 120_000, "", "ｶ)ｻｸﾗ"),
    ]
}

fn good(layout: Layout) -> Vec<u8> {
    file(layout, &account(), date(2024, 4, 16), 1_000_000, &three())
}

const LAYOUTS: [Layout; 3] = [Layout::DepositsA, Layout::DepositsB, Layout::Transactions];

#[test]
fn our_own_files_are_read_in_every_framing() {
    for layout in LAYOUTS {
        let crlf = good(layout);
        let expected = read(&crlf, layout).unwrap();
        assert_eq!(expected.line_count(), 3);
        assert_eq!(expected.groups[0].lines[1].remitter_code, None);
        let bare: Vec<u8> = crlf.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        let joined = |end: &[u8]| bare.chunks(RECORD).collect::<Vec<_>>().join(end);
        for end in [&b""[..], b"\r\n", b"\n", b"\r"] {
            let open = joined(end);
            let closed = [open.as_slice(), end].concat();
            for bytes in [open, closed] {
                assert_eq!(read(&bytes, layout).as_ref(), Ok(&expected), "{end:?}");
                assert_eq!(
                    read(&[bytes.as_slice(), b"\x1A"].concat(), layout).as_ref(),
                    Ok(&expected),
                    "{end:?} and 0x1A"
                );
            }
        }
        let one_other = [&crlf[..400], b"\n", &crlf[402..]].concat();
        assert_ne!(one_other.len(), crlf.len());
        let error = read(&[&crlf[..402], &crlf[402..602], b"\n", &crlf[604..]].concat(), layout).unwrap_err();
        assert_eq!(error.problem, Problem::MixedSeparators);
    }
}

#[test]
fn other_encodings_are_refused_by_name() {
    let crlf = good(Layout::DepositsA);
    let utf8 = encoding_rs::SHIFT_JIS.decode_without_bom_handling(&crlf).0.into_owned();
    let utf16: Vec<u8> = utf8.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, problem) in [
        (Vec::new(), Problem::Empty),
        (vec![0x1A; 3], Problem::Empty),
        (utf8.clone().into_bytes(), Problem::Unicode),
        ([b"\xEF\xBB\xBF", utf8.as_bytes()].concat(), Problem::Unicode),
        ([&[0xEF, 0xBB, 0xBF][..], &crlf].concat(), Problem::Unicode),
        (utf16.clone(), Problem::Unicode),
        ([&[0xFF, 0xFE][..], &utf16].concat(), Problem::Unicode),
        (vec![0xF1; 400], Problem::Ebcdic),
        (b"<?xml version=\"1.0\"?>".to_vec(), Problem::NotFixed),
        (b"\"2024/4/1\",\"x\"".to_vec(), Problem::NotFixed),
        (vec![b' '; MAX_BYTES + 1], Problem::TooLarge),
        (vec![b'1'; 199], Problem::RecordLength),
    ] {
        assert_eq!(read(&bytes, Layout::DepositsA).unwrap_err().problem, problem);
    }
    let declared = edit(&crlf, 0, 4, "1");
    assert_eq!(read(&declared, Layout::DepositsA).unwrap_err().problem, Problem::Ebcdic);
    // Pairs of kana that happen to be valid UTF-8 are no reason to refuse.
    let kana = file(
        Layout::DepositsA,
        &account(),
        date(2024, 4, 16),
        0,
        &[SampleLine::deposit(date(2024, 4, 15), 1, "", "ﾃｱ")],
    );
    assert!(read(&kana, Layout::DepositsA).is_ok());
}

/// The file with other bytes at record (from 0) and column (from 1).
fn edit(crlf: &[u8], record: usize, column: usize, bytes: &str) -> Vec<u8> {
    let at = record * (RECORD + 2) + column - 1;
    let mut out = crlf.to_vec();
    out[at..at + bytes.len()].copy_from_slice(bytes.as_bytes());
    out
}

#[test]
fn every_error_names_record_column_and_field() {
    use Layout::{DepositsA as A, DepositsB as B, Transactions as T};
    for (layout, record, column, bytes, problem, place) in [
        (A, 0, 2, "03", Problem::OtherType, "record-1-column-2-type"),
        (T, 0, 2, "01", Problem::OtherType, "record-1-column-2-type"),
        (A, 0, 60, "6", Problem::AccountKind, "record-1-column-60-account-kind"),
        (T, 0, 63, "5", Problem::AccountKind, "record-1-column-63-account-kind"),
        (A, 0, 61, "12x", Problem::NotDigits, "record-1-column-61-account-number"),
        (A, 0, 11, "999999", Problem::NoSuchDay, "record-1-column-11-from"),
        (A, 0, 17, "060414", Problem::DayOutOfRange, "record-1-column-17-to"),
        (A, 1, 8, "060417", Problem::DayOutOfRange, "record-2-column-8-booked-on"),
        (A, 1, 14, "070415", Problem::DayOutOfWindow, "record-2-column-14-value-on"),
        (A, 1, 14, "060230", Problem::NoSuchDay, "record-2-column-14-value-on"),
        (A, 1, 20, "          ", Problem::Blank, "record-2-column-20-amount"),
        (A, 1, 20, "0000004,00", Problem::NotDigits, "record-2-column-20-amount"),
        (A, 1, 20, "0000004001", Problem::SumMismatch, "record-5-column-8-sum"),
        (A, 1, 30, "0000004001", Problem::UnclearedOver, "record-2-column-30-uncleared"),
        (A, 1, 128, "2", Problem::UnknownValue, "record-2-column-128-cancelled"),
        (A, 1, 1, "3", Problem::OutOfOrder, "record-2-column-1-record-kind"),
        (A, 4, 2, "000004", Problem::CountMismatch, "record-5-column-2-count"),
        (A, 4, 20, "000001", Problem::CountMismatch, "record-5-column-20-cancelled-count"),
        (A, 4, 26, "000000000001", Problem::SumMismatch, "record-5-column-26-cancelled-sum"),
        (A, 4, 1, "9", Problem::OutOfOrder, "record-5-column-1-record-kind"),
        (B, 1, 129, "            ", Problem::Blank, "record-2-column-129-amount-2"),
        (B, 1, 20, "0000004000", Problem::TwoAmounts, "record-2-column-129-amount-2"),
        (T, 1, 22, "3", Problem::UnknownValue, "record-2-column-22-direction"),
        (T, 1, 23, "17", Problem::UnknownValue, "record-2-column-23-transaction"),
        (T, 1, 25, "            ", Problem::Blank, "record-2-column-25-amount"),
        (T, 4, 2, "000002", Problem::CountMismatch, "record-5-column-2-count-in"),
        (T, 4, 8, "0000000128001", Problem::SumMismatch, "record-5-column-8-sum-in"),
        (T, 4, 27, "0000000000001", Problem::SumMismatch, "record-5-column-27-sum-out"),
        (T, 4, 41, "00000001128001", Problem::BalanceMismatch, "record-5-column-41-closing"),
        (T, 4, 55, "0000004", Problem::CountMismatch, "record-5-column-55-lines"),
        (T, 5, 2, "0000000009", Problem::CountMismatch, "record-6-column-2-records"),
        (T, 5, 12, "00002", Problem::CountMismatch, "record-6-column-12-accounts"),
    ] {
        let error = read(&edit(&good(layout), record, column, bytes), layout).unwrap_err();
        assert_eq!(error.problem, problem, "{error}");
        assert_eq!(error.place.map(|p| p.code().as_str().to_owned()).as_deref(), Some(place), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("record {}", record + 1)) || text.contains("record 5"), "{text}");
        assert!(!text.contains("4000") && !text.contains("ﾔﾏﾀﾞ"), "nothing of the file is quoted: {text}");
    }
}

#[test]
fn a_cut_file_is_refused_as_a_whole() {
    for layout in LAYOUTS {
        let crlf = good(layout);
        let records = crlf.len() / (RECORD + 2);
        for keep in 1..records {
            let error = read(&crlf[..keep * (RECORD + 2)], layout).unwrap_err();
            assert!(matches!(error.problem, Problem::NoEnd), "{keep}: {error}");
        }
        for drop in 0..records - 1 {
            let at = drop * (RECORD + 2);
            let missing = [&crlf[..at], &crlf[at + RECORD + 2..]].concat();
            assert!(read(&missing, layout).is_err(), "without record {}", drop + 1);
        }
        let twice = [crlf.as_slice(), crlf.as_slice()].concat();
        // Type 03 counts its records and notices first.
        assert!(matches!(read(&twice, layout).unwrap_err().problem, Problem::OutOfOrder | Problem::CountMismatch));
        let short = [&crlf[..250], &crlf[251..]].concat();
        let error = read(&short, layout).unwrap_err();
        assert_eq!((error.problem, error.place.unwrap().record), (Problem::RecordLength, 2));
    }
}

#[test]
fn a_control_character_is_refused_at_its_column() {
    let error = read(&edit(&good(Layout::DepositsA), 1, 60, "\0"), Layout::DepositsA).unwrap_err();
    assert_eq!((error.problem, error.place.unwrap().column), (Problem::ControlByte, 60));
    // 0x1A ends a file only at its end.
    let error = read(&edit(&good(Layout::DepositsA), 1, 60, "\x1A"), Layout::DepositsA).unwrap_err();
    assert_eq!(error.problem, Problem::ControlByte);
}

#[test]
fn the_variant_is_the_profiles_and_detection_only_contradicts_it() {
    for (made, read_as) in [(Layout::DepositsA, Layout::DepositsB), (Layout::DepositsB, Layout::DepositsA)] {
        let error = read(&good(made), read_as).unwrap_err();
        assert_eq!((error.problem, error.place.unwrap().record), (Problem::OtherVariant, 2));
    }
    // Without data records there is nothing to contradict.
    let empty = file(Layout::DepositsA, &account(), ARRIVAL, 0, &[]);
    assert_eq!(read(&empty, Layout::DepositsB).unwrap().line_count(), 0);
}

#[test]
fn groups_of_several_accounts_and_groups_without_rows() {
    let other = Account { number: "7654321".into(), ..account() };
    let one = good(Layout::Transactions);
    let two = file(Layout::Transactions, &other, date(2024, 4, 16), -500, &[]);
    let record = RECORD + 2;
    let body = |f: &[u8]| f[..f.len() - record].to_vec();
    let mut end = one[one.len() - record..].to_vec();
    end[1..16].copy_from_slice(format!("{:010}{:05}", 5 + 2 + 1, 2).as_bytes());
    let joined = [body(&one), body(&two), end.clone()].concat();
    let statement = read(&joined, Layout::Transactions).unwrap();
    assert_eq!(statement.groups.iter().map(|g| g.lines.len()).collect::<Vec<_>>(), [3, 0]);
    assert_eq!(statement.groups[1].account, other);
    assert_eq!((statement.groups[1].opening, statement.groups[1].closing), (Some(-500), Some(-500)));
    // Banks that leave the end record out of its own count.
    end[1..11].copy_from_slice(format!("{:010}", 7).as_bytes());
    assert!(read(&[body(&one), body(&two), end].concat(), Layout::Transactions).is_ok());
    for layout in LAYOUTS {
        assert_eq!(read(&file(layout, &account(), ARRIVAL, 0, &[]), layout).unwrap().line_count(), 0);
    }
}

#[test]
fn optional_numbers_may_be_blank_or_zero() {
    let mut a = good(Layout::DepositsA);
    for (record, column, len) in [(1, 2, 6), (1, 40, 10), (1, 128, 1), (4, 20, 18)] {
        a = edit(&a, record, column, &" ".repeat(len));
    }
    let line = &read(&a, Layout::DepositsA).unwrap().groups[0].lines[0];
    assert_eq!((line.inquiry.as_deref(), line.remitter_code.as_deref()), (None, None));
    let mut t = good(Layout::Transactions);
    for (record, column, len) in [(0, 114, 16), (1, 2, 8), (1, 37, 12), (1, 72, 10), (4, 40, 15)] {
        t = edit(&t, record, column, &" ".repeat(len));
    }
    let group = read(&t, Layout::Transactions).unwrap().groups.remove(0);
    assert_eq!((group.opening, group.closing), (None, None));
}

#[test]
fn cancelled_rows_fit_either_reading_of_the_trailer() {
    let mut lines = three();
    lines.push(SampleLine { cancelled: true, ..lines[0].clone() });
    let standing = file(Layout::DepositsA, &account(), date(2024, 4, 16), 0, &lines);
    let statement = read(&standing, Layout::DepositsA).unwrap();
    assert_eq!(statement.groups[0].lines[3].sort, Sort::Cancellation);
    let all = edit(&edit(&standing, 5, 2, "000004"), 5, 8, "000000132000");
    assert_eq!(read(&all, Layout::DepositsA), Ok(statement));
    let neither = edit(&standing, 5, 8, "000000132000");
    assert_eq!(read(&neither, Layout::DepositsA).unwrap_err().problem, Problem::SumMismatch);
}

#[test]
fn era_dates_by_the_window_of_arrival() {
    let lines = [SampleLine::deposit(date(2016, 5, 3), 1, "", "A")];
    let heisei = file(Layout::DepositsA, &account(), date(2016, 5, 3), 0, &lines);
    assert_eq!(&heisei[4..10], b"280503");
    let profile = Profile::of(Layout::DepositsA);
    let day = |bytes: &[u8], profile: &Profile, arrival| {
        parse(bytes, profile, arrival).map(|s| s.groups[0].lines[0].booked_on).map_err(|e| e.problem)
    };
    assert_eq!(day(&heisei, &profile, date(2016, 5, 4)), Ok(date(2016, 5, 3)));
    // The same digits in Reiwa 28.
    assert_eq!(day(&heisei, &profile, date(2046, 5, 4)), Ok(date(2046, 5, 3)));
    assert_eq!(day(&heisei, &profile, date(2024, 5, 4)), Err(Problem::DayOutOfWindow));
    let western = Profile { western_years: true, ..profile.clone() };
    assert_eq!(day(&heisei, &western, date(2028, 5, 4)), Ok(date(2028, 5, 3)));
    let six = good(Layout::DepositsA);
    assert_eq!(day(&six, &profile, date(2024, 4, 30)), Ok(date(2024, 4, 15)));
    // The header ends on the 16th: seven days ahead of the 9th, eight of the 8th.
    assert_eq!(day(&six, &profile, date(2024, 4, 9)), Ok(date(2024, 4, 15)));
    assert_eq!(day(&six, &profile, date(2024, 4, 8)), Err(Problem::DayOutOfWindow));
    assert_eq!(day(&six, &profile, date(2025, 9, 1)), Err(Problem::DayOutOfWindow));
    assert_eq!(day(&six, &Profile { oldest_days: 3_700, ..profile }, date(2026, 11, 22)), Ok(date(2024, 4, 15)));
}

#[test]
fn stripped_spaces_are_taken_only_in_the_named_mode() {
    let stripped: Vec<u8> = good(Layout::DepositsA)
        .split(|b| *b == b'\n')
        .map(|line| line.trim_ascii_end())
        .filter(|line| !line.is_empty())
        .flat_map(|line| [line, b"\n"].concat())
        .collect();
    assert_eq!(read(&stripped, Layout::DepositsA).unwrap_err().problem, Problem::RecordLength);
    let lenient = Profile { pad_short_records: true, ..Profile::of(Layout::DepositsA) };
    assert_eq!(parse(&stripped, &lenient, ARRIVAL), read(&good(Layout::DepositsA), Layout::DepositsA));
}

#[test]
fn characters_outside_the_set_are_taken_with_a_warning() {
    let mut bytes = good(Layout::DepositsA);
    let at = (RECORD + 2) + 49;
    bytes[at..at + 4].copy_from_slice(&[0x8E, 0x52, 0x93, 0x63]);
    let statement = read(&bytes, Layout::DepositsA).unwrap();
    assert!(shown(&statement.groups[0].lines[0].remitter).starts_with("山田"));
    assert_eq!(statement.warnings[0].place.field, "remitter");
}

#[test]
fn nothing_of_a_payer_is_printed() {
    let statement = read(&good(Layout::DepositsA), Layout::DepositsA).unwrap();
    let printed = format!("{statement:?}");
    assert!(!printed.contains("ﾔﾏﾀﾞ") && !printed.contains("ｽｽﾞｷ"), "{printed}");
}

#[test]
fn fields_have_codes_and_no_code_is_twice() {
    let mut codes: Vec<_> = Problem::ALL.iter().map(|p| p.code()).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), Problem::ALL.len());
    for f in deposit::FIELDS
        .iter()
        .chain(transactions::FIELDS)
        .chain([&field("line-end", "x", 1, 1), &field("record", "x", 1, 1)])
    {
        let place = Place { record: u32::MAX, column: u16::MAX, field: f.name, ja: f.ja };
        assert!(place.code().as_str().ends_with(f.name), "{}", f.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1_500), lenient: bool) {
        for layout in LAYOUTS {
            let _ = parse(&bytes, &Profile { pad_short_records: lenient, western_years: lenient, ..Profile::of(layout) }, ARRIVAL);
        }
    }

    /// Arbitrary bytes put into a good file: either refused, or the totals still fit.
    #[test]
    fn damaged_files_never_panic_and_never_count_wrongly(at in 0usize..1_200, patch in proptest::collection::vec(any::<u8>(), 1..24), layout in 0usize..3) {
        let layout = LAYOUTS[layout];
        let mut bytes = good(layout);
        for (place, b) in bytes.iter_mut().skip(at).zip(patch) {
            *place = b;
        }
        if let Ok(statement) = read(&bytes, layout) {
            let sum: i64 = statement.groups[0].lines.iter().map(|l| l.amount.0).sum();
            prop_assert_eq!((statement.line_count(), sum), (3, 128_000));
        }
    }

    #[test]
    fn what_we_write_is_what_we_read(amounts in proptest::collection::vec((1i64..9_999_999_999, 0i8..28, any::<bool>()), 0..40), layout in 0usize..3) {
        let layout = LAYOUTS[layout];
        let lines: Vec<SampleLine> = amounts.iter().map(|(amount, d, out)| SampleLine {
            direction: if *out && layout == Layout::Transactions { Direction::Out } else { Direction::In },
            ..SampleLine::deposit(date(2024, 4, 1 + d), *amount, "1234567890", "1234567890 ﾔﾏﾀﾞ")
        }).collect();
        let statement = read(&file(layout, &account(), ARRIVAL, 10_000_000_000_000, &lines), layout).unwrap();
        for (line, made) in statement.groups[0].lines.iter().zip(&lines) {
            prop_assert_eq!((line.amount.0, line.booked_on, line.direction), (made.amount, made.booked_on, made.direction));
        }
        prop_assert_eq!(statement.line_count(), lines.len());
    }
}
