use super::*;
use crate::request;
use contracts::{Capacity, DecisionOutcome, EndedAs, Kind, Scope, Step, Track};
use std::collections::BTreeSet;

fn both() -> [Texts; 2] {
    let AllTexts { ja, en, easy: _ } = AllTexts::built_in().unwrap();
    [ja, en]
}

#[test]
fn every_code_has_its_words_in_both_languages() {
    let mut keys: BTreeSet<String> = crate::request::CODES.iter().map(|c| format!("error.{c}")).collect();
    keys.extend(Kind::ALL.iter().map(|w| format!("kind.{w}")));
    keys.extend(Capacity::ALL.iter().map(|w| format!("capacity.{w}")));
    keys.extend(Scope::ALL.iter().map(|w| format!("scope.{w}")));
    keys.extend(Step::ALL.iter().flat_map(|w| [format!("step.{w}"), format!("step-hint.{w}")]));
    keys.extend(DecisionOutcome::ALL.iter().map(|w| format!("outcome.{w}")));
    keys.extend(EndedAs::ALL.iter().map(|w| format!("ended.{w}")));
    for wish in crate::wish::Wish::ALL {
        let parts = ["ask", "title", "better"].iter();
        keys.extend(parts.map(|part| format!("wish.{}.{part}", wish.as_str())));
    }
    for list in [request::RELATIONS, request::OTHER_PARENT, request::AGENTS, request::RECEIPT] {
        keys.extend(list.iter().map(|w| format!("standing.{w}")));
    }
    keys.extend(crate::published::Item::ALL.iter().map(|item| format!("published-item.{}", item.as_str())));
    keys.insert(format!("standing.{}", request::NO_RELATION));
    keys.extend(Track::ALL.iter().map(|w| format!("track.{w}")));
    for kind in Kind::ALL {
        let parts = ["title", "lead", "fee", "time", "start", "papers", "next"].iter();
        keys.extend(parts.map(|part| format!("kind-page.{kind}.{part}")));
    }
    for code in crate::problem::CODES {
        keys.extend([format!("problem.{code}.title"), format!("problem.{code}.detail")]);
    }
    for texts in both() {
        for key in &keys {
            assert!(texts.has(key), "{}: {key}", texts.set.as_str());
        }
    }
}

/// Keys stand in templates and sources as `t("a.b")`, `list("a.b")`, `fill("a.b", …)`.
#[test]
fn every_key_that_is_used_has_its_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["templates", "src", "src/pages"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let Ok(source) = std::fs::read_to_string(&path) else { continue };
            for call in [".t(\"", ".list(\"", ".fill(\"", ".two(\""] {
                for rest in source.split(call).skip(1) {
                    let key = rest.split('"').next().unwrap();
                    seen += 1;
                    for texts in both() {
                        assert!(texts.has(key), "{}: {key} in {}", texts.set.as_str(), path.display());
                    }
                }
            }
        }
    }
    assert!(seen > 60, "{seen}");
}

/// Who cannot read kanji can read every word of the pages, and finds phrases apart.
#[test]
fn easy_words_have_a_reading_for_every_kanji_and_spaces_between_phrases() {
    let easy: toml::Table = include_str!("../texts/ja-easy.toml").parse().unwrap();
    let mut texts = Texts { set: WordSet::Easy, words: HashMap::new(), lists: HashMap::new() };
    texts.flatten("", easy);
    let all = texts.words.iter().chain(texts.lists.iter().flat_map(|(key, list)| list.iter().map(move |t| (key, t))));
    let mut seen = 0;
    for (key, text) in all {
        seen += 1;
        let mut outside = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            outside.push_str(before);
            let (mark, after) = after.split_once('}').unwrap_or_else(|| panic!("{key}: an open brace"));
            if let Some((word, reading)) = mark.split_once('|') {
                assert!(word.chars().any(|c| ('一'..='鿿').contains(&c)), "{key}: {word} needs no reading");
                assert!(reading.chars().all(|c| ('ぁ'..='ー').contains(&c)), "{key}: {reading}");
                outside.push('x');
            }
            rest = after;
        }
        outside.push_str(rest);
        assert!(!outside.chars().any(|c| ('一'..='鿿').contains(&c)), "{key}: no reading in {text}");
        let phrase = outside.split([' ', '。', '、', '(', ')', ':', '「', '」', '・']).map(|p| p.chars().count()).max();
        assert!(phrase < Some(22), "{key}: a phrase without a space: {text}");
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn days_times_and_amounts() {
    let [ja, en] = both();
    let at: Timestamp = "2026-03-31T15:05:00Z".parse().unwrap();
    assert_eq!(ja.instant(at), "2026年4月1日 00:05");
    assert_eq!(en.instant(at), "1 April 2026, 00:05 (Japan time)");
    assert_eq!(
        (ja.yen(4000), en.yen(1_234_567), ja.yen(50)),
        ("4,000円".into(), "1,234,567 yen".into(), "50円".into())
    );
}

#[test]
fn articles_are_written_as_the_law_is_cited() {
    let [ja, en] = both();
    for (code, cited) in [
        ("appi-33-2-1", "個人情報保護法33条2項1号"),
        ("act-20", "次世代医療基盤法20条"),
        ("act-rules-25", "次世代医療基盤法施行規則25条"),
        ("appi-order-11", "個人情報保護法施行令11条"),
        ("none", "none"),
        ("appi-33-2-1-4", "appi-33-2-1-4"),
        ("appi", "appi"),
    ] {
        assert_eq!(ja.article(code), cited);
    }
    assert_eq!(en.article("appi-33-3"), "Act on the Protection of Personal Information, art. 33(3)");
}

#[test]
fn the_language_is_the_one_with_the_greater_weight() {
    for (header, language) in [
        (None, Language::Ja),
        (Some(""), Language::Ja),
        (Some("en"), Language::En),
        (Some("en-GB,en;q=0.8,ja;q=0.5"), Language::En),
        (Some("ja,en-US;q=0.9"), Language::Ja),
        (Some("fr, en;q=0.1"), Language::En),
        (Some("fr"), Language::Ja),
        (Some("en;q=x"), Language::Ja),
        (Some("eng"), Language::Ja),
    ] {
        assert_eq!(accepted(header), language, "{header:?}");
    }
}
