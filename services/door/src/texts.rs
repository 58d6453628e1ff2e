//! The words on the pages and in the problems, in Japanese, やさしい日本語 and English: data (`texts/*.toml`), dated, replaceable by the
//! operator's own folder. Flat keys joined with dots; lists keep their order.
//!
//! A key that is missing shows itself as the key; a test looks for every key that templates and code use, in both.

use contracts::{Language, Timestamp};
use std::{borrow::Borrow, collections::HashMap, path::Path};

/// Which words a page is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordSet {
    /// 日本語.
    Ja,
    /// やさしい日本語: short sentences, spaces between phrases, readings above the kanji.
    Easy,
    /// English.
    En,
}

impl WordSet {
    /// In the order in which they are offered.
    pub const ALL: &[Self] = &[Self::Ja, Self::Easy, Self::En];

    /// The word in addresses, and the file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::Easy => "ja-easy",
            Self::En => "en",
        }
    }
    /// The set of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|set| set.as_str() == word)
    }
    /// What it calls itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ja => "日本語",
            Self::Easy => "やさしい にほんご",
            Self::En => "English",
        }
    }
    /// The language of the page, and of what is told later.
    pub const fn language(self) -> Language {
        match self {
            Self::Ja | Self::Easy => Language::Ja,
            Self::En => Language::En,
        }
    }
}

impl From<Language> for WordSet {
    fn from(language: Language) -> Self {
        match language {
            Language::Ja => Self::Ja,
            Language::En => Self::En,
        }
    }
}

/// What stands on no page, and so has no easy words: it is shown as in Japanese.
const NOT_EASY: &[&str] = &["as_of", "error-api.", "law.", "problem."];
/// Problems that people meet on pages.
const EASY_PROBLEMS: &[&str] = &[
    "key-missing",
    "too-large",
    "not-found",
    "no-such-page",
    "method",
    "too-many-tries",
    "too-many-filings",
    "full",
    "away",
    "over",
];

/// The words of one set.
pub struct Texts {
    /// Which.
    pub set: WordSet,
    words: HashMap<String, String>,
    lists: HashMap<String, Vec<String>>,
}

/// All sets.
pub struct AllTexts {
    ja: Texts,
    easy: Texts,
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
        Self::of(
            include_str!("../texts/ja.toml"),
            include_str!("../texts/ja-easy.toml"),
            include_str!("../texts/en.toml"),
        )
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
        let own = Self::of(&read("ja.toml")?, &read("ja-easy.toml")?, &read("en.toml")?)?;
        let built_in = Self::built_in()?;
        built_in.ja.missing_in(&own.ja, "ja.toml")?;
        Ok(own)
    }

    fn of(ja: &str, easy: &str, en: &str) -> Result<Self, BadTexts> {
        let ja = Texts::parse(WordSet::Ja, "ja.toml", ja)?;
        let mut easy = Texts::parse(WordSet::Easy, "ja-easy.toml", easy)?;
        let en = Texts::parse(WordSet::En, "en.toml", en)?;
        ja.missing_in(&en, "en.toml")?;
        en.missing_in(&ja, "ja.toml")?;
        easy.missing_in(&ja, "ja.toml")?;
        easy.complete_from(&ja)?;
        Ok(Self { ja, easy, en })
    }

    /// The words of a set.
    pub const fn of_set(&self, set: WordSet) -> &Texts {
        match set {
            WordSet::Ja => &self.ja,
            WordSet::Easy => &self.easy,
            WordSet::En => &self.en,
        }
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
    fn parse(set: WordSet, name: &str, text: &str) -> Result<Self, BadTexts> {
        let table: toml::Table = text.parse().map_err(|e| BadTexts::Form(name.to_owned(), e))?;
        let mut texts = Self { set, words: HashMap::new(), lists: HashMap::new() };
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

    /// Takes over what stands on no page; the rest must be there.
    fn complete_from(&mut self, ja: &Self) -> Result<(), BadTexts> {
        let easy_problem = |key: &str| {
            let code = key.strip_prefix("problem.").and_then(|rest| rest.split('.').next());
            code.is_some_and(|code| EASY_PROBLEMS.contains(&code))
        };
        for (key, text) in &ja.words {
            let needed = easy_problem(key) || !NOT_EASY.iter().any(|root| key.starts_with(root));
            if needed && !self.words.contains_key(key) {
                return Err(BadTexts::Missing("ja-easy.toml", key.clone()));
            }
            self.words.entry(key.clone()).or_insert_with(|| text.clone());
        }
        match ja.lists.keys().find(|key| !self.lists.contains_key(*key)) {
            Some(key) => Err(BadTexts::Missing("ja-easy.toml", key.clone())),
            None => Ok(()),
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
        match (self.set.language(), &numbers[..]) {
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
        match self.set.language() {
            Language::Ja if self.set == WordSet::Easy => {
                let (year, month, day) = (day.year(), day.month(), day.day());
                format!("{year}{{年|ねん}}{month}{{月|がつ}}{day}{{日|にち}}")
            }
            Language::Ja => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
            Language::En => day.strftime("%-d %B %Y").to_string(),
        }
    }
    /// An instant in Japan, to the minute.
    pub fn instant(&self, at: impl Borrow<Timestamp>) -> String {
        let local = at.borrow().to_zoned(calendar::jst());
        let time = local.strftime("%H:%M");
        match self.set.language() {
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
        out + match self.set {
            WordSet::Ja => "円",
            WordSet::Easy => "{円|えん}",
            WordSet::En => " yen",
        }
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
#[path = "texts_tests.rs"]
mod tests;
