//! The gate as its users meet it: files in, answers out; snapshots that are tampered with or old; the duties' rows.

use contracts::{Code, Scope, Timestamp};
use ed25519_dalek::SigningKey;
use gate::{
    Answer, AsOf, Ask, Bad, Filter, Finding, Format, GateKey, Index, MasterKey, Mode, Part, Person, Rules, Settings,
    Word,
    filing::{Filing, Terms, Unfiled},
    filter::{Encoding, FileRefused, Judge},
    index::Standing,
    judge,
    key::{self, supplier_digest},
    person::supplier,
    run::{self, RunError},
    snapshot::{self, DoNotUse, KeyFile, Manifest},
};
use proptest::prelude::*;
use uuid::Uuid;

const ENTRY: Uuid = Uuid::from_u128(0xe);

fn person(values: &[(Part, &str)]) -> Person {
    let mut person = Person::new();
    for (part, value) in values {
        person.set(*part, value).unwrap();
    }
    person
}

fn hanako() -> Vec<(Part, &'static str)> {
    vec![
        (Part::Kana, "ヤマダ　ハナコ"),
        (Part::Name, "山田 花子"),
        (Part::BirthDate, "1980-02-29"),
        (Part::Sex, "female"),
    ]
}

fn standing(values: &[(Part, &str)], scope: Scope, suppliers: Option<&[&str]>, insurance: bool) -> Standing {
    Standing {
        entry: ENTRY,
        scope,
        suppliers: suppliers.map(|list| list.iter().map(|s| supplier_digest(&supplier(s).unwrap())).collect()),
        keys: key::digests(&Rules::built_in(), &person(values), insurance),
    }
}

fn index_of(all: &[Standing], insurance: bool) -> (GateKey, Index) {
    let (key, mut records) = (GateKey::new(&[9; 32]), vec![]);
    for one in all {
        one.records(&key, &Rules::built_in(), insurance, &mut records);
    }
    (key, Index::new(records))
}

fn ask_of(stands: &Standing, track: Scope, from: &[&str], row: &[(Part, &str)]) -> Result<Answer, Bad> {
    let (key, index) = index_of(std::slice::from_ref(stands), true);
    judge(&Rules::built_in(), &key, &index, &Ask::new(track, &key, from.iter().copied()), &person(row))
}

fn word(answer: Result<Answer, Bad>) -> &'static str {
    match answer {
        Ok(Answer::NoMatch) => "no-match",
        Ok(Answer::Possible { .. }) => "possible",
        Ok(Answer::Exact { .. }) => "exact",
        Ok(Answer::BasedOnLaw { .. }) => "based-on-law",
        Err(bad) => bad.code(),
    }
}

#[test]
fn row_4_given_an_entry_that_passes_based_on_law_then_its_sure_rows_do_and_every_other_stop_holds() {
    let other = Standing { entry: Uuid::from_u128(0xf), ..standing(&hanako(), Scope::Both, None, false) };
    let stands = standing(&hanako(), Scope::Both, None, false);
    let judged = |all: &[Standing], row: &[(Part, &str)]| {
        let (key, index) = index_of(all, true);
        let lawful = vec![(ENTRY, Code::of("pmd-act-68-2-5"))];
        let ask = Ask { lawful, ..Ask::new(Scope::Both, &key, []) };
        judge(&Rules::built_in(), &key, &index, &ask, &person(row))
    };
    assert_eq!(word(judged(std::slice::from_ref(&stands), &hanako())), "based-on-law");
    assert!(judged(std::slice::from_ref(&stands), &hanako()).unwrap().passes());
    // Who may be that person waits for two people as ever.
    let unsure = [(Part::Kana, "ヤマダハナコ"), (Part::BirthDate, "1980-02-29")];
    assert_eq!(word(judged(std::slice::from_ref(&stands), &unsure)), "possible");
    for all in [[stands.clone(), other.clone()], [other, stands]] {
        assert_eq!(word(judged(&all, &hanako())), "exact", "another entry of the same person");
    }
}

#[test]
fn exact_possible_and_no_match_are_different_answers() {
    let stands = standing(&hanako(), Scope::Both, None, false);
    let of = |row: &[(Part, &str)]| word(ask_of(&stands, Scope::Both, &[], row));
    assert_eq!(of(&[(Part::Kana, "ﾔﾏﾀﾞﾊﾅｺ"), (Part::BirthDate, "昭和55年2月29日"), (Part::Sex, "2")]), "exact");
    // Sex differs or is missing; another reading of the same name; no date of birth.
    assert_eq!(of(&[(Part::Kana, "ヤマダハナコ"), (Part::BirthDate, "1980-02-29"), (Part::Sex, "1")]), "possible");
    assert_eq!(of(&[(Part::Kana, "ヤマダハナコ"), (Part::BirthDate, "1980-02-29")]), "possible");
    assert_eq!(of(&[(Part::Name, "山田花子"), (Part::BirthDate, "19800229"), (Part::Sex, "2")]), "possible");
    assert_eq!(of(&[(Part::Kana, "ヤマダハナコ")]), "possible");
    assert_eq!(of(&[(Part::Name, "山田花子")]), "possible");
    // A namesake with another date of birth is another person.
    assert_eq!(of(&[(Part::Kana, "ヤマダハナコ"), (Part::BirthDate, "1980-02-28"), (Part::Sex, "2")]), "no-match");
    assert_eq!(of(&[(Part::Sex, "2"), (Part::BirthDate, "1980-02-29")]), "no-key");
}

#[test]
fn a_name_without_a_reading_is_asked_by_the_name() {
    let foreign = [(Part::Kana, "MARY ANN"), (Part::BirthDate, "1990-01-02"), (Part::Sex, "female")];
    let stands = standing(&foreign, Scope::Both, None, false);
    let of = |row: &[(Part, &str)]| word(ask_of(&stands, Scope::Both, &[], row));
    assert_eq!(of(&[(Part::Name, "Mary-Ann"), (Part::BirthDate, "1990/01/02"), (Part::Sex, "F")]), "exact");
    assert_eq!(of(&[(Part::Name, "Mary Ann"), (Part::BirthDate, "1990-01-02")]), "possible");
}

#[test]
fn row_3_given_a_stop_for_one_track_when_a_feed_of_the_other_comes_then_the_row_passes() {
    use Scope::{Anonymised, Both, Pseudonymised};
    for (stopped, asked, wanted) in [
        (Anonymised, Anonymised, "exact"),
        (Anonymised, Pseudonymised, "no-match"),
        (Anonymised, Both, "exact"),
        (Pseudonymised, Anonymised, "no-match"),
        (Pseudonymised, Pseudonymised, "exact"),
        (Pseudonymised, Both, "exact"),
        (Both, Anonymised, "exact"),
        (Both, Pseudonymised, "exact"),
        (Both, Both, "exact"),
    ] {
        let stands = standing(&hanako(), stopped, None, false);
        assert_eq!(word(ask_of(&stands, asked, &[], &hanako())), wanted, "{stopped} {asked}");
    }
}

#[test]
fn an_entry_for_some_hospitals_blocks_rows_from_those_only() {
    let stands = standing(&hanako(), Scope::Both, Some(&["みどり病院", "0110113719"]), false);
    let of = |from: &[&str], row: &[(Part, &str)]| word(ask_of(&stands, Scope::Both, from, row));
    assert_eq!(of(&["みどり 病院"], &hanako()), "exact");
    assert_eq!(of(&["９９", "０１１０１１３７１９"], &hanako()), "exact");
    assert_eq!(of(&["あおば病院"], &hanako()), "no-match");
    // From whom it is, nobody says: two people look.
    assert_eq!(of(&[], &hanako()), "possible");
    let mut row = hanako();
    row.push((Part::Supplier, "みどり病院"));
    assert_eq!(of(&[], &row), "exact");
}

#[test]
fn the_hospitals_own_number_finds_the_person_there_only() {
    let mut values = hanako();
    values.extend([(Part::Supplier, "0110113719"), (Part::PatientNumber, "000123")]);
    let stands = standing(&values, Scope::Both, None, false);
    let of = |supplier: &str, number: &str| {
        word(ask_of(&stands, Scope::Both, &[], &[(Part::Supplier, supplier), (Part::PatientNumber, number)]))
    };
    assert_eq!(
        (of("0110113719", "123"), of("0110113719", "124"), of("9999999999", "123")),
        ("exact", "no-match", "no-match")
    );
}

#[test]
fn row_68_given_no_permission_when_a_snapshot_is_made_then_no_insurance_key_is_in_it_and_names_still_answer() {
    let mut values = hanako();
    values.extend([(Part::Insurer, "33120015"), (Part::Symbol, "12"), (Part::Number, "3456"), (Part::Branch, "01")]);
    let stands = standing(&values, Scope::Both, None, true);
    let rules = Rules::built_in();
    let numbers = [(Part::Insurer, "33120015"), (Part::Symbol, "12"), (Part::Number, "3456"), (Part::Branch, "1")];
    for permitted in [true, false] {
        let (key, index) = index_of(std::slice::from_ref(&stands), permitted);
        let insured = index.records().iter().filter(|r| rules.keys[usize::from(r.rule)].insurance).count();
        assert_eq!(insured, if permitted { 2 } else { 0 });
        let ask = Ask::new(Scope::Both, &key, []);
        let by_number = word(judge(&rules, &key, &index, &ask, &person(&numbers)));
        assert_eq!(by_number, if permitted { "exact" } else { "no-match" });
        assert_eq!(word(judge(&rules, &key, &index, &ask, &person(&hanako()))), "exact");
    }
    // The household's number without the branch is not the person.
    assert_eq!(word(ask_of(&stands, Scope::Both, &[], &numbers[..3])), "possible");
    assert!(key::digests(&rules, &person(&values), false).iter().all(|(n, _)| !rules.keys[usize::from(*n)].insurance));
}

/// Runs a file; what came out, and the findings as report lines.
fn file(
    settings: &Settings,
    terms: Option<Terms>,
    bytes: &[u8],
) -> Result<(String, Vec<Finding>, run::Ended), RunError> {
    let (key, index) = index_of(&[standing(&hanako(), Scope::Both, None, false)], false);
    let rules = Rules::built_in();
    let ask = Ask::new(Scope::Both, &key, []);
    let filter = Filter { settings, judge: Judge { rules: &rules, key: &key, index: &index, ask, terms } };
    let (mut out, mut findings) = (vec![], vec![]);
    let mut keep = |f: &Finding| {
        findings.push(f.clone());
        Ok(())
    };
    let ended = run::run(&filter, 2, &mut &bytes[..], &mut out, &mut keep, &mut |_, _| {})?;
    Ok((String::from_utf8_lossy(&out).into_owned(), findings, ended))
}

const CSV: &str = "\u{feff}ID,カナ氏名,生年月日,性別,患者番号\r\n\
1,ヤマダ ハナコ,1980-02-29,女,17\r\n\
2,\"スズキ, イチロウ\",1975-05-05,1,18\r\n\
3,ヤマダハナコ,1980-02-29,,19\r\n\
4,サトウ,1980-13-01,1,20\r\n\
5,タナカ,1980-01-01,1\r\n\
6,タナカ,1980-01-01,1,123456789018\r\n\
\r\n\
7,\"タカハシ\",1990-01-01,2,21";

fn lines(findings: &[Finding]) -> Vec<(u64, &'static str, Option<&'static str>)> {
    let why = |w: Word| if let Word::Bad(bad) = w { Some(bad.code()) } else { None };
    findings.iter().map(|f| (f.line, f.word.as_str(), why(f.word))).collect()
}

#[test]
fn given_a_csv_when_rows_are_removed_then_what_remains_is_byte_for_byte_and_every_other_row_is_reported() {
    let (out, findings, ended) = file(&Settings::new(Format::Csv, Mode::Remove), None, CSV.as_bytes()).unwrap();
    assert_eq!(
        out,
        "\u{feff}ID,カナ氏名,生年月日,性別,患者番号\r\n2,\"スズキ, イチロウ\",1975-05-05,1,18\r\n7,\"タカハシ\",1990-01-01,2,21\n"
    );
    let expected = [
        (2, "exact", None),
        (4, "possible", None),
        (5, "bad", Some("birth-date")),
        (6, "bad", Some("number-of-fields")),
        (7, "bad", Some("forbidden-number")),
    ];
    assert_eq!(lines(&findings), expected);
    assert_eq!((ended.counts.rows, ended.counts.no_match, ended.bytes_in), (7, 2, CSV.len() as u64));
    assert_eq!(findings[0].entry, Some(ENTRY));
    let report = findings[0].report(&Rules::built_in());
    assert_eq!(report, format!(r#"{{"answer":"exact","entry":"{ENTRY}","key":"kana-birth-sex","line":2}}"#));
    assert!(!findings.iter().any(|f| f.report(&Rules::built_in()).contains("ヤマダ")), "no value in a report");
}

#[test]
fn given_a_csv_when_rows_are_marked_then_each_readable_row_says_what_the_gate_says() {
    let (out, ..) = file(&Settings::new(Format::Csv, Mode::Mark), None, CSV.as_bytes()).unwrap();
    let marks: Vec<&str> = out.lines().map(|l| l.rsplit(',').next().unwrap()).collect();
    assert_eq!(marks, ["gate", "exact", "no-match", "possible", "bad", "bad", "no-match"]);
}

#[test]
fn given_shift_jis_then_it_is_read_as_it_was_said_and_written_as_it_was() {
    let text = "カナ,生年月日,性別\nヤマダハナコ,1980-02-29,女\nソ表,1980-02-29,男\n";
    let bytes = encoding_rs::SHIFT_JIS.encode(text).0.into_owned();
    let settings = Settings { encoding: Encoding::ShiftJis, ..Settings::new(Format::Csv, Mode::Remove) };
    let (_, findings, ended) = file(&settings, None, &bytes).unwrap();
    assert_eq!(lines(&findings), [(2, "exact", None)]);
    assert_eq!(ended.counts.no_match, 1);
    let wrong = file(&Settings::new(Format::Csv, Mode::Remove), None, &bytes);
    assert!(matches!(wrong, Err(RunError::Refused(FileRefused::Header("encoding")))), "{wrong:?}");
}

#[test]
fn given_ndjson_then_it_is_the_same_gate() {
    let rows = "{\"kana\":\"やまだ はなこ\",\"birth-date\":\"1980-02-29\",\"sex\":\"female\"}\n\
        {\"kana\":\"スズキ\",\"birth-date\":\"1975-05-05\",\"sex\":1,\"more\":{\"x\":1}}\nnonsense\n";
    let (out, findings, _) = file(&Settings::new(Format::Ndjson, Mode::Remove), None, rows.as_bytes()).unwrap();
    assert_eq!(out, format!("{}\n", rows.lines().nth(1).unwrap()));
    assert_eq!(lines(&findings), [(1, "exact", None), (3, "bad", Some("no-json-object"))]);
    let (out, ..) = file(&Settings::new(Format::Ndjson, Mode::Mark), None, rows.as_bytes()).unwrap();
    assert!(out.lines().next().unwrap().ends_with(",\"gate\":\"exact\"}") && out.lines().count() == 2, "{out}");
}

#[test]
fn m13_given_a_column_of_my_numbers_then_the_file_is_refused_before_its_first_row() {
    let refused = |header: &str, own: Vec<(Part, String)>| {
        let settings = Settings { columns: own, ..Settings::new(Format::Csv, Mode::Mark) };
        match file(&settings, None, header.as_bytes()) {
            Err(RunError::Refused(why)) => why,
            other => panic!("{header}: {other:?}"),
        }
    };
    assert_eq!(refused("kana,birth-date,マイナンバー\n", vec![]), FileRefused::ForbiddenColumn(3));
    assert_eq!(refused("kana,住民票コード\n", vec![]), FileRefused::ForbiddenColumn(2));
    assert_eq!(refused("kana,フリガナ\n", vec![]), FileRefused::ColumnTwice(Part::Kana));
    assert_eq!(refused("kana,gate\n", vec![]), FileRefused::MarkedAlready);
    assert_eq!(refused("sex,birth-date\n", vec![]), FileRefused::NoKeyColumns);
    assert_eq!(refused("kana\n", vec![(Part::BirthDate, "born".into())]), FileRefused::ColumnMissing(Part::BirthDate));
    assert_eq!(refused("", vec![]), FileRefused::Header("empty"));
}

#[test]
fn m1_given_rows_that_say_when_people_were_notified_then_each_has_an_answer_of_its_own_and_stopped_stays_stopped() {
    let terms = Terms { notified_through: "2026-03-31".parse().unwrap(), over_if_by: "2026-03-15".parse().unwrap() };
    let text = "kana,birth-date,sex,通知日\nヤマダハナコ,1980-02-29,2,\nア,1980-01-01,1,2026-03-01\n\
        イ,1980-01-01,1,2026-03-20\nウ,1980-01-01,1,2026-04-01\nエ,1980-01-01,1,\n";
    let (out, findings, ended) = file(&Settings::new(Format::Csv, Mode::Remove), Some(terms), text.as_bytes()).unwrap();
    assert_eq!(
        lines(&findings),
        [(2, "exact", None), (4, "notice-period-running", None), (5, "not-notified", None), (6, "not-notified", None)]
    );
    assert_eq!((out.lines().count(), ended.counts.unfiled), (2, 3));
    assert_eq!(findings[1].word, Word::Unfiled(Unfiled::NoticePeriodRunning));
}

#[test]
fn given_a_large_file_then_memory_is_bounded_by_chunks_and_order_is_kept() {
    let mut text = String::from("id,kana,birth-date,sex\n");
    for n in 0..30_000 {
        let row = if n % 1000 == 0 { "ヤマダハナコ,1980-02-29,2" } else { "スズキイチロウ,1975-05-05,1" };
        text.push_str(&format!("{n},{row}\n"));
    }
    let (out, findings, ended) = file(&Settings::new(Format::Csv, Mode::Remove), None, text.as_bytes()).unwrap();
    assert_eq!((ended.counts.exact, ended.counts.no_match, findings.len()), (30, 29_970, 30));
    let ids: Vec<u32> = out.lines().skip(1).map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() == 29_970);
    assert!(findings.is_sorted_by_key(|f| f.line));
}

struct Full;
impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("no space"))
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn given_a_full_disk_then_it_ends_and_says_so() {
    let mut text = String::from("kana,birth-date,sex\n");
    text.push_str(&"スズキイチロウ,1975-05-05,1\n".repeat(200_000));
    let (key, index) = index_of(&[], false);
    let (rules, settings) = (Rules::built_in(), Settings::new(Format::Csv, Mode::Remove));
    let ask = Ask::new(Scope::Both, &key, []);
    let filter =
        Filter { settings: &settings, judge: Judge { rules: &rules, key: &key, index: &index, ask, terms: None } };
    let ended = run::run(&filter, 2, &mut text.as_bytes(), &mut Full, &mut |_| Ok(()), &mut |_, _| {});
    assert!(matches!(ended, Err(RunError::Io(_))), "{ended:?}");
}

fn manifest() -> Manifest {
    Manifest {
        format: 1,
        user: Code::of("core-zone"),
        as_of: AsOf { epoch: 2, position: 41 },
        made_at: "2026-11-22T00:00:00Z".parse().unwrap(),
        expires_at: "2026-11-23T00:00:00Z".parse().unwrap(),
        rules: Rules::built_in(),
        insurance: false,
        filings: vec![Filing {
            supplier: Code::of("0110113719"),
            called: "みどり病院".into(),
            track: Scope::Anonymised,
            number: Code::of("filing-17"),
            filed_on: "2026-01-10".parse().unwrap(),
            published_on: None,
            items: vec![],
            starts_on: "2026-04-01".parse().unwrap(),
            notice_days: 30,
            stops_received_by: vec![],
            ended_on: None,
        }],
        records: 0,
        sha256: String::new(),
    }
}

fn made() -> (Vec<u8>, SigningKey, KeyFile) {
    let master = MasterKey::new([5; 32].into());
    let (signing, key) = (SigningKey::from_bytes(&master.of_signing()), master.of_core_zone());
    let keys = KeyFile::new(Code::of("core-zone"), &key, &signing);
    let mut records = vec![];
    standing(&hanako(), Scope::Both, None, false).records(
        &keys.keys().unwrap().0,
        &Rules::built_in(),
        false,
        &mut records,
    );
    let mut bytes = vec![];
    snapshot::write(&mut bytes, manifest(), records, &signing).unwrap();
    (bytes, signing, keys)
}

#[test]
fn a_snapshot_answers_offline_and_holds_no_value() {
    let (bytes, _, keys) = made();
    let (key, verify) = keys.keys().unwrap();
    let (manifest, index) = snapshot::read(&mut &bytes[..], &verify, &keys.user).unwrap();
    assert_eq!((manifest.as_of, manifest.records), (AsOf { epoch: 2, position: 41 }, 5));
    let ask = Ask::new(Scope::Both, &key, []);
    assert_eq!(word(judge(&manifest.rules, &key, &index, &ask, &person(&hanako()))), "exact");
    for value in ["ヤマダ", "山田", "1980-02-29"] {
        assert!(!bytes.windows(value.len()).any(|w| w == value.as_bytes()), "{value}");
    }
}

#[test]
fn a_snapshot_that_was_tampered_with_is_not_used() {
    let (bytes, _, keys) = made();
    let (_, verify) = keys.keys().unwrap();
    let read = |bytes: &[u8], user: &str| snapshot::read(&mut &bytes[..], &verify, &user.parse().unwrap()).map(drop);
    read(&bytes, "core-zone").unwrap();
    // Every single byte counts.
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert!(read(&bad, "core-zone").is_err(), "byte {at}");
    }
    for cut in 0..bytes.len() {
        assert!(read(&bytes[..cut], "core-zone").is_err(), "cut at {cut}");
    }
    assert!(matches!(read(&[&bytes[..], b"x"].concat(), "core-zone"), Err(DoNotUse::Form("bytes after its end"))));
    assert!(matches!(read(&bytes, "somebody"), Err(DoNotUse::OtherUser(_))));
    let stranger = SigningKey::from_bytes(&[1; 32]).verifying_key();
    assert!(matches!(snapshot::read(&mut &bytes[..], &stranger, &keys.user), Err(DoNotUse::Signature)));
}

#[test]
fn a_snapshot_that_is_old_or_behind_answers_do_not_use() {
    let at = |now: &str, need: Option<(i32, i64)>| {
        let need = need.map(|(epoch, position)| AsOf { epoch, position });
        match manifest().usable(now.parse::<Timestamp>().unwrap(), need) {
            Ok(()) => "use",
            Err(DoNotUse::Expired(_)) => "expired",
            Err(DoNotUse::NotYet(_)) => "from the future",
            Err(DoNotUse::Behind { .. }) => "behind",
            Err(other) => panic!("{other}"),
        }
    };
    for (now, need, wanted) in [
        ("2026-11-22T12:00:00Z", None, "use"),
        ("2026-11-22T23:59:59Z", Some((2, 41)), "use"),
        ("2026-11-22T12:00:00Z", Some((2, 40)), "use"),
        ("2026-11-22T12:00:00Z", Some((2, 42)), "behind"),
        ("2026-11-22T12:00:00Z", Some((1, 1)), "behind"),
        ("2026-11-22T12:00:00Z", Some((3, 1)), "behind"),
        ("2026-11-23T00:00:00Z", None, "expired"),
        ("2026-11-23T00:00:00Z", Some((2, 42)), "expired"),
        ("2026-11-21T23:55:00Z", None, "use"),
        ("2026-11-21T23:54:59Z", None, "from the future"),
    ] {
        assert_eq!(at(now, need), wanted, "{now} {need:?}");
    }
}

/// Computed apart with another program (the README says how): a change here would make every key of a recipient useless.
#[test]
fn the_test_vectors_hold() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../fixtures/vectors.json")).unwrap();
    let bytes: [u8; 32] = hex::decode(vectors["gate_key"].as_str().unwrap()).unwrap().try_into().unwrap();
    let (key, rules) = (GateKey::new(&bytes), Rules::built_in());
    let rows = vectors["rows"].as_array().unwrap();
    assert!(rows.len() >= 4);
    for row in rows {
        let values: Vec<(Part, &str)> = row["values"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(part, v)| (serde_json::from_value(part.clone().into()).unwrap(), v.as_str().unwrap()))
            .collect();
        let made: serde_json::Map<String, serde_json::Value> = key::digests(&rules, &person(&values), true)
            .into_iter()
            .map(|(n, d)| (rules.keys[usize::from(n)].word.to_string(), hex::encode(key.tag(&d)).into()))
            .collect();
        assert_eq!(serde_json::Value::Object(made), row["keys"], "{}", row["values"]);
    }
    let supplier = &vectors["supplier"];
    let folded = gate::person::supplier(supplier["value"].as_str().unwrap()).unwrap();
    assert_eq!(hex::encode(key.tag(&supplier_digest(&folded))), supplier["key"]);
}

proptest! {
    /// However a hospital writes it, the person is found.
    #[test]
    fn ways_of_writing_one_person_are_blocked(
        gap in prop::sample::select(vec!["", " ", "　", "・"]),
        kana in prop::sample::select(vec![("ヤマダ", "ハナコ"), ("やまだ", "はなこ"), ("ﾔﾏﾀﾞ", "ﾊﾅｺ")]),
        date in prop::sample::select(vec!["1980-02-29", "1980/2/29", "19800229", "昭和55年2月29日", "S55.2.29", "１９８０年２月２９日"]),
        sex in prop::sample::select(vec!["2", "女", "F", "female", "２", "女性"]),
    ) {
        let stands = standing(&hanako(), Scope::Both, None, false);
        let kana = format!("{}{gap}{}", kana.0, kana.1);
        let row = [(Part::Kana, kana.as_str()), (Part::BirthDate, date), (Part::Sex, sex)];
        prop_assert_eq!(word(ask_of(&stands, Scope::Both, &[], &row)), "exact");
    }

    /// No bytes make it panic, and every row is counted once.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b",\"\n\r{}:".to_vec())], 0..300), csv in any::<bool>(), mark in any::<bool>()) {
        let mode = if mark { Mode::Mark } else { Mode::Remove };
        let format = if csv { Format::Csv } else { Format::Ndjson };
        let bytes = if csv { [b"kana,birth-date\n", &bytes[..]].concat() } else { bytes };
        let settings = Settings { record_max: 64, ..Settings::new(format, mode) };
        let (_, findings, ended) = file(&settings, None, &bytes).unwrap();
        let c = ended.counts;
        prop_assert_eq!(c.rows, c.no_match + c.exact + c.possible + c.bad + c.unfiled);
        prop_assert_eq!(findings.len() as u64, c.rows - c.no_match);
    }
}
