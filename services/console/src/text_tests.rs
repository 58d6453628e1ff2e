use super::*;
use std::{collections::BTreeSet, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn keys(texts: &Texts) -> BTreeSet<&String> {
    texts.words.keys().collect()
}

/// Every file under a folder with one of these endings.
fn files(folder: &Path, ending: &str, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, out);
        } else if path.to_string_lossy().ends_with(ending) {
            out.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn both_languages_say_the_same_things() {
    assert_eq!(keys(&JA), keys(&EN));
    assert!(JA.words.len() > 600);
    assert_eq!(JA.words.len(), JA.order.len(), "a line of the file that the order does not see");
    for (key, text) in JA.words.iter().chain(&EN.words) {
        assert!(!text.trim().is_empty(), "{key} is empty");
    }
    for key in ["error.sign-in-limited", "answer.away-text", "answer.words"] {
        for place in ["{time}", "{service}", "{max}"] {
            assert_eq!(JA.t(key).contains(place), EN.t(key).contains(place), "{key}: {place}");
        }
    }
}

#[test]
fn every_key_that_a_page_uses_has_words() {
    let mut sources = Vec::new();
    files(&root().join("templates"), ".html", &mut sources);
    files(&root().join("src/page"), ".rs", &mut sources);
    let mut seen = 0;
    for source in &sources {
        for rest in source.split("t(\"").skip(1) {
            let key = rest.split('"').next().unwrap();
            let (group, _) = key.split_once('.').unwrap_or((key, ""));
            // `.get("…")`, `ident("…")` and routes are not texts.
            if key.contains('.') && !key.contains('/') && JA.words.keys().any(|k| k.starts_with(&format!("{group}."))) {
                assert!(JA.words.contains_key(key), "no words for `{key}`");
                seen += 1;
            }
        }
    }
    assert!(seen > 150, "the test found {seen} keys only");
}

#[test]
fn every_word_of_the_closed_lists_has_words() {
    fn all(group: &str, words: &[&str]) {
        for word in words {
            assert!(JA.words.contains_key(&format!("{group}.{word}")), "{group}.{word}");
        }
    }
    macro_rules! lists {
        ($($group:literal $list:ident),*) => { $(all($group, &contracts::$list::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>());)* };
    }
    lists!("kind" Kind, "track" Track, "capacity" Capacity, "channel" Channel, "language" Language, "step" Step,
        "ended" EndedAs, "scope" Scope, "outcome" DecisionOutcome, "outcome" ReportOutcome, "transport" Transport,
        "recipient-kind" RecipientKind, "incident-item" IncidentItem, "mail-state" MailState,
        "mail-outcome" MailOutcome, "postal-class" PostalClass, "arrival-state" ArrivalState,
        "arrival-outcome" ArrivalOutcome, "person" PersonField, "standing" Standing, "sent-by" NoticeChannel);
    all("field-error", filing::request::CODES);
    let heard: Vec<_> = contracts::flow::heard_by(contracts::Service::Console).map(|e| e.word).collect();
    all("fact", &heard);
    all("service", &contracts::Service::ALL.iter().map(|s| s.token()).collect::<Vec<_>>());
}

/// The forms offer what the services know: their configuration is read here, and nothing is invented.
#[test]
fn forms_offer_the_codes_that_the_services_know() {
    let read =
        |path: &str| -> toml::Table { toml::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap() };
    let codes = |table: &toml::Table, list: &str| -> BTreeSet<String> {
        table[list].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap().to_owned()).collect()
    };
    let offered = |group: &str| -> BTreeSet<String> { EN.group(group).into_iter().map(|(code, _)| code).collect() };

    let matrix = read("../identity-verification/src/matrix.toml");
    assert_eq!(offered("paper"), codes(&matrix, "paper"));
    let needs: BTreeSet<String> = matrix["paper"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| p["counts-as"].as_array().unwrap())
        .map(|n| n.as_str().unwrap().to_owned())
        .collect();
    assert!(offered("need").is_superset(&needs), "{:?}", needs.difference(&offered("need")));
    let rules: BTreeSet<String> = codes(&matrix, "person").union(&codes(&matrix, "capacity")).cloned().collect();
    assert_eq!(offered("rule"), rules);
    assert_eq!(EN.word("rule", "parent-by-two-plain"), "Parent / two papers without a photograph");
    assert_eq!(offered("ground"), codes(&read("../fulfilment/src/grounds.toml"), "ground"));
    let profiles = read("../../infra/config/bank.toml");
    let profiles: BTreeSet<String> = profiles["profile"].as_table().unwrap().keys().cloned().collect();
    assert_eq!(offered("profile"), profiles);
}

#[test]
fn refusals_are_sentences_and_unknown_codes_stand_as_they_are() {
    let code = |text: &str| text.parse::<Code>().unwrap();
    assert_eq!(EN.refusal(&code("missing-photo-id")), "These papers are missing: An identity paper with a photograph");
    assert_eq!(
        EN.refusal(&code("not-accepted-health-insurance-card")),
        "Not accepted on the day of arrival: Health insurance card (until 1 December 2025)"
    );
    assert_eq!(EN.refusal(&code("brand-new-reason")), "brand-new-reason");
    assert_eq!(JA.word("kind", "brand-new"), "brand-new");
}

#[test]
fn places_in_a_file() {
    let code = |text: &str| text.parse::<Code>().unwrap();
    assert_eq!(place(&code("record-3-column-20-amount")), Some((3, Some(20), Some("amount"))));
    assert_eq!(place(&code("line-3-column-20-record-kind")), Some((3, Some(20), Some("record-kind"))));
    assert_eq!(place(&code("line-7")), Some((7, None, None)));
    assert_eq!(place(&code("line-x")), None);
    assert_eq!(place(&code("why")), None);
}

#[test]
fn the_browser_language_is_only_a_wish() {
    assert_eq!(Lang::preferred("en-US,en;q=0.9,ja;q=0.8"), Lang::En);
    assert_eq!(Lang::preferred("fr, ja"), Lang::Ja);
    assert_eq!(Lang::preferred(""), Lang::Ja);
    assert_eq!(Lang::preferred("日本語, en"), Lang::En);
}
