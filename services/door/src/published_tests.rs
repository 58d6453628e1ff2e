use super::*;
use jiff::civil::date;
use std::fmt::Write;

/// A version with all that is needed, less what is named.
fn version(from: &str, without: &str) -> String {
    let mut text = format!("[[version]]\nfrom = \"{from}\"\n");
    for key in Item::ALL.iter().map(|item| item.as_str()).chain([CHANGE]).filter(|key| *key != without) {
        write!(text, "[version.{key}]\nja = [\"{key} {from}\"]\nen = [\"{key} from {from}\"]\n").unwrap();
    }
    text
}

/// Duties row 29: a version that lacks one listed item is refused naming the item.
#[test]
fn what_lacks_an_item_is_not_published_and_the_item_is_named() {
    for item in Item::ALL.iter().map(|item| item.as_str()).chain([CHANGE]) {
        let published = Published::parse(&version("2026-04-01", item));
        if item == "accredited-body" {
            assert_eq!(published.unwrap().versions.len(), 1, "not everybody belongs to one");
        } else {
            let error = published.unwrap_err().to_string();
            assert!(error.contains(&format!("2026-04-01 lacks `{item}`")), "{error}");
        }
    }
    let empty = version("2026-04-01", "").replace("\"fees 2026-04-01\"", "\" \"");
    assert!(matches!(Published::parse(&empty), Err(BadPublished::Lacks { item: "fees", .. })));
    let one_language = version("2026-04-01", "").replace("[\"fees from 2026-04-01\"]", "[]");
    assert!(matches!(Published::parse(&one_language), Err(BadPublished::Lacks { item: "fees", .. })));
}

/// Duties row 29: any past day's version can be shown.
#[test]
fn every_past_day_has_the_version_that_held_then() {
    let text = version("2026-04-01", "") + &version("2026-10-01", "") + &version("2027-04-01", "");
    let published = Published::parse(&text).unwrap();
    let on = |day: Date| published.on(day).map(|(version, next)| (version.from, next));
    let (first, second, third) = (date(2026, 4, 1), date(2026, 10, 1), date(2027, 4, 1));
    assert_eq!(on(date(2026, 3, 31)), None);
    assert_eq!(on(first), Some((first, Some(second))));
    assert_eq!(on(date(2026, 9, 30)), Some((first, Some(second))));
    assert_eq!(on(second), Some((second, Some(third))));
    assert_eq!(on(date(2030, 1, 1)), Some((third, None)));
    assert_eq!(published.until(date(2026, 12, 1)).len(), 2, "what is to come is not posted yet");
    let (version, _) = published.on(second).unwrap();
    assert_eq!(version.item(Item::Fees, Language::En), ["fees from 2026-10-01"]);
    assert_eq!(version.change(Language::Ja), ["change 2026-10-01"]);
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    let good = version("2026-04-01", "");
    for (bad, named) in [
        (String::new(), "has 0"),
        ("x = 1".to_owned(), "`x`"),
        (good.clone() + &version("2026-04-01", ""), "2026-04-01 does not begin after"),
        (good.replace("[version.fees]", "[version.fee]"), "lacks `fees`"),
        (good.clone() + "[version.extra]\nja = [\"x\"]\nen = [\"x\"]\n", "`extra`, which is no item"),
        (good.replace("fees 2026", &"x".repeat(2_001)), "`fees` of the version from 2026-04-01 is too long"),
        (good.replace("from = \"2026-04-01\"", "from = \"2026-02-30\""), "from"),
    ] {
        let error = Published::parse(&bad).unwrap_err().to_string();
        assert!(error.contains(named), "{error} does not name {named}");
    }
}

#[test]
fn a_new_file_is_published_and_a_bad_one_leaves_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("published.toml");
    let today = date(2026, 5, 1);
    // Two writes within one tick of the file system's clock would not be told apart.
    let mut tick = 0;
    let mut write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        tick += 1;
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(tick);
        std::fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    write(&version("2026-06-01", ""));
    let early = Posted::open(&path, today).err().unwrap();
    assert!(matches!(early, BadPublished::NoneYet(_)), "{early}");
    write(&version("2026-04-01", ""));
    let posted = Posted::open(&path, today).unwrap();
    assert_eq!(posted.now(today).versions.len(), 1);
    write(&(version("2026-04-01", "") + &version("2026-05-01", "security")));
    assert_eq!(posted.now(today).versions.len(), 1, "the last good one stays");
    write(&(version("2026-04-01", "") + &version("2026-05-01", "")));
    assert_eq!(posted.now(today).on(today).unwrap().0.from, today);
    write(&(version("2026-04-01", "").replace("fees 2026", "Fees 2026") + &version("2026-05-01", "")));
    let first = posted.now(today).on(date(2026, 4, 1)).unwrap().0.item(Item::Fees, Language::Ja).to_owned();
    assert_eq!(first, ["fees 2026-04-01"], "what has held is not rewritten");
    write(&version("2026-05-01", ""));
    assert_eq!(posted.now(today).versions.len(), 2, "nor taken away");
    let to_come = version("2026-04-01", "") + &version("2026-05-01", "") + &version("2026-06-01", "");
    write(&to_come);
    assert_eq!(posted.now(today).versions.len(), 3);
    write(&to_come.replace("fees 2026-06-01", "Fees 2026-06-01"));
    assert_eq!(posted.now(today).until(today).len(), 2);
    let last = posted.now(date(2026, 6, 1)).on(date(2026, 6, 1)).unwrap().0.item(Item::Fees, Language::Ja).to_owned();
    assert_eq!(last, ["Fees 2026-06-01"], "what is to come may change");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(posted.now(today).versions.len(), 3, "also when the file is gone");
    assert!(matches!(Posted::open(&path, today), Err(BadPublished::Io(..))));
}

/// The example says the same fees as the configuration that they are asked by.
#[test]
fn the_example_names_the_fees_that_are_asked() {
    let fees: toml::Table = include_str!("../../../infra/config/fees.toml").parse().unwrap();
    let posted = Posted::open(Path::new(""), date(2026, 11, 1)).unwrap().now(date(2026, 11, 1));
    let newest = fees["version"].as_array().unwrap().last().unwrap();
    for (kind, yen) in newest["fees"].as_table().unwrap() {
        let yen = yen.as_integer().unwrap();
        let text = format!("{},{:03}", yen / 1000, yen % 1000);
        for language in [Language::Ja, Language::En] {
            let said = posted.on(date(2026, 11, 1)).unwrap().0.item(Item::Fees, language).concat();
            assert!(said.contains(&text), "{kind}: {text} is not in {said}");
        }
    }
}
