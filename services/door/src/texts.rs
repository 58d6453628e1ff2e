//! The words on the pages and in the problems, Japanese and English: data (`texts/*.toml`), dated, replaceable by the
//! operator's own folder. Flat keys joined with dots; lists keep their order.
//!
//! A key that is missing shows itself as the key; a test looks for every key that templates and code use, in both.

use contracts::{Language, Timestamp};
use std::{borrow::Borrow, collections::HashMap, path::Path};

/// The words of one language.
pub struct Texts {
    /// Which.
    pub language: Language,
    words: HashMap<String, String>,
    lists: HashMap<String, Vec<String>>,
}

/// Both languages.
pub struct AllTexts {
    ja: Texts,
    en: Texts,
}

/// Why texts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTexts {
    /// The file is absent or cannot be read.
    #[error("texts {0}: {1}")]
    Io(String, std::io::Error),
    /// Not TOML.
    #[error("texts {0}: {1}")]
    Form(String, toml::de::Error),
    /// One language has a key that the other lacks.
    #[error("texts {0}: no `{1}`, which the other language has")]
    Missing(&'static str, String),
}

impl AllTexts {
    /// The built-in ones.
    ///
    /// # Errors
    /// Never for the files of this crate: a test reads them.
    pub fn built_in() -> Result<Self, BadTexts> {
        Self::of(("ja.toml", include_str!("../texts/ja.toml")), ("en.toml", include_str!("../texts/en.toml")))
    }

    /// The operator's own.
    ///
    /// # Errors
    /// A file is absent, not TOML, or lacks a key that the built-in one has.
    pub fn load(folder: &Path) -> Result<Self, BadTexts> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|e| BadTexts::Io(path.display().to_string(), e))
        };
        let (ja, en) = (read("ja.toml")?, read("en.toml")?);
        let own = Self::of(("ja.toml", &ja), ("en.toml", &en))?;
        let built_in = Self::built_in()?;
        built_in.ja.missing_in(&own.ja, "ja.toml")?;
        Ok(own)
    }

    fn of(ja: (&str, &str), en: (&str, &str)) -> Result<Self, BadTexts> {
        let ja = Texts::parse(Language::Ja, ja.0, ja.1)?;
        let en = Texts::parse(Language::En, en.0, en.1)?;
        ja.missing_in(&en, "en.toml")?;
        en.missing_in(&ja, "ja.toml")?;
        Ok(Self { ja, en })
    }

    /// The words of a language.
    pub const fn of_language(&self, language: Language) -> &Texts {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

impl Texts {
    fn parse(language: Language, name: &str, text: &str) -> Result<Self, BadTexts> {
        let table: toml::Table = text.parse().map_err(|e| BadTexts::Form(name.to_owned(), e))?;
        let mut texts = Self { language, words: HashMap::new(), lists: HashMap::new() };
        texts.flatten("", table);
        Ok(texts)
    }

    fn flatten(&mut self, root: &str, table: toml::Table) {
        for (key, value) in table {
            let key = if root.is_empty() { key } else { format!("{root}.{key}") };
            match value {
                toml::Value::Table(inner) => self.flatten(&key, inner),
                toml::Value::Array(items) => {
                    let items = items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
                    self.lists.insert(key, items);
                }
                toml::Value::String(text) => {
                    self.words.insert(key, text);
                }
                other => {
                    self.words.insert(key, other.to_string());
                }
            }
        }
    }

    fn missing_in(&self, other: &Self, name: &'static str) -> Result<(), BadTexts> {
        let absent = |key: &&String| !other.words.contains_key(*key) && !other.lists.contains_key(*key);
        match self.words.keys().chain(self.lists.keys()).find(absent) {
            Some(key) => Err(BadTexts::Missing(name, key.clone())),
            None => Ok(()),
        }
    }

    /// The text of a key.
    pub fn t<'a>(&'a self, key: &'a str) -> &'a str {
        self.words.get(key).map_or(key, String::as_str)
    }
    /// The text of a key made of two parts: `kind`, `disclosure` → `kind.disclosure`.
    pub fn of(&self, group: &str, key: &str) -> &str {
        self.words.get(&format!("{group}.{key}")).map_or("", String::as_str)
    }
    /// What the page of a kind says: `title`, `lead`, `fee`, `time`, `start`.
    pub fn kind(&self, kind: impl Borrow<contracts::Kind>, part: &str) -> &str {
        self.of("kind-page", &format!("{}.{part}", kind.borrow()))
    }
    /// What is said of a wish: `ask`, `title`, `better`.
    pub fn wish(&self, wish: impl Borrow<crate::wish::Wish>, part: &str) -> &str {
        self.of("wish", &format!("{}.{part}", wish.borrow().as_str()))
    }
    /// A list on the page of a kind: `papers`, `next`.
    pub fn kind_list(&self, kind: impl Borrow<contracts::Kind>, part: &str) -> &[String] {
        self.lists.get(&format!("kind-page.{}.{part}", kind.borrow())).map_or(&[], Vec::as_slice)
    }
    /// The text with `{a}` and `{b}` replaced by two numbers.
    pub fn two(&self, key: &str, a: impl Borrow<u32>, b: impl Borrow<u32>) -> String {
        self.t(key).replace("{a}", &a.borrow().to_string()).replace("{b}", &b.borrow().to_string())
    }
    /// An article: `appi-33-2-1` is 個人情報保護法33条2項1号, or Act on …, art. 33(2)(1). What is none stays as it is.
    pub fn article(&self, code: &str) -> String {
        let numbers = code.find(|c: char| c.is_ascii_digit()).unwrap_or(code.len());
        let (law, numbers) = code.split_at(numbers);
        let law = self.of("law", law.trim_end_matches('-'));
        let numbers: Vec<&str> = numbers.split('-').collect();
        let whole = numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        match (self.language, &numbers[..]) {
            _ if law.is_empty() || !whole => code.to_owned(),
            (Language::Ja, [a]) => format!("{law}{a}条"),
            (Language::Ja, [a, b]) => format!("{law}{a}条{b}項"),
            (Language::Ja, [a, b, c]) => format!("{law}{a}条{b}項{c}号"),
            (Language::En, [a, rest @ ..]) if rest.len() < 3 => {
                rest.iter().fold(format!("{law}, art. {a}"), |text, n| format!("{text}({n})"))
            }
            _ => code.to_owned(),
        }
    }
    /// Is there a text?
    pub fn has(&self, key: &str) -> bool {
        self.words.contains_key(key) || self.lists.contains_key(key)
    }
    /// The lines of a list; none if there is no such list.
    pub fn list(&self, key: &str) -> &[String] {
        self.lists.get(key).map_or(&[], Vec::as_slice)
    }
    /// The text with `{}` replaced.
    pub fn fill(&self, key: &str, value: &str) -> String {
        self.t(key).replace("{}", value)
    }

    /// A day: 2026年4月1日 or 1 April 2026.
    pub fn day(&self, day: impl Borrow<contracts::Date>) -> String {
        let day = day.borrow();
        match self.language {
            Language::Ja => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
            Language::En => day.strftime("%-d %B %Y").to_string(),
        }
    }
    /// An instant in Japan, to the minute.
    pub fn instant(&self, at: impl Borrow<Timestamp>) -> String {
        let local = at.borrow().to_zoned(calendar::jst());
        let time = local.strftime("%H:%M");
        match self.language {
            Language::Ja => format!("{} {time}", self.day(local.date())),
            Language::En => format!("{}, {time} (Japan time)", self.day(local.date())),
        }
    }
    /// An amount: 4,000円 or 4,000 yen.
    pub fn yen(&self, amount: impl Borrow<i64>) -> String {
        let amount = *amount.borrow();
        let digits = amount.unsigned_abs().to_string();
        let mut out = String::from(if amount < 0 { "-" } else { "" });
        for (at, digit) in digits.char_indices() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                out.push(',');
            }
            out.push(digit);
        }
        out + if self.language == Language::Ja { "円" } else { " yen" }
    }
}

/// Which of the two languages a client wants (RFC 9110, 12.5.4): the one with the greater weight; Japanese if it says nothing.
pub fn accepted(header: Option<&str>) -> Language {
    let weight = |language: &str| {
        let ranges = header.unwrap_or_default().split(',').take(20);
        ranges
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let tag = parts.next()?.to_ascii_lowercase();
                let fits = tag == language || tag.strip_prefix(language).is_some_and(|rest| rest.starts_with('-'));
                let q = parts.find_map(|p| p.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
                fits.then_some(q)
            })
            .fold(0.0, f32::max)
    };
    if weight("en") > weight("ja") { Language::En } else { Language::Ja }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use contracts::{Capacity, DecisionOutcome, EndedAs, Kind, Scope, Step, Track};
    use std::collections::BTreeSet;

    fn both() -> [Texts; 2] {
        let AllTexts { ja, en } = AllTexts::built_in().unwrap();
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
                assert!(texts.has(key), "{}: {key}", texts.language);
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
                            assert!(texts.has(key), "{}: {key} in {}", texts.language, path.display());
                        }
                    }
                }
            }
        }
        assert!(seen > 60, "{seen}");
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
}
