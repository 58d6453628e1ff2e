//! The words of the pages, Japanese and English, and the words of the house's codes. A code without words is shown as it is.

use contracts::Code;
use std::{collections::BTreeMap, sync::LazyLock};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 日本語.
    Ja,
    /// English.
    En,
}

impl Lang {
    /// By its tag.
    pub fn parse(tag: &str) -> Option<Self> {
        match tag {
            "ja" => Some(Self::Ja),
            "en" => Some(Self::En),
            _ => None,
        }
    }
    /// The tag, for `lang` and the cookie.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
    /// The first of `Accept-Language` that there are pages in; Japanese otherwise.
    pub fn preferred(header: &str) -> Self {
        header.split(',').filter_map(|part| Self::parse(part.trim().get(..2)?)).next().unwrap_or(Self::Ja)
    }
    /// Its words.
    pub fn texts(self) -> &'static Texts {
        match self {
            Self::Ja => &JA,
            Self::En => &EN,
        }
    }
}

/// All words of one language: `group.key` to text.
#[derive(Debug)]
pub struct Texts {
    words: BTreeMap<String, String>,
    /// Every key, in the order of the file: lists on pages have the order that an editor gave them.
    order: Vec<String>,
}

static JA: LazyLock<Texts> = LazyLock::new(|| Texts::read(include_str!("../texts/ja.toml")));
static EN: LazyLock<Texts> = LazyLock::new(|| Texts::read(include_str!("../texts/en.toml")));

impl Texts {
    fn read(toml: &str) -> Self {
        // The files are part of the program; a test reads them.
        let groups: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(toml).unwrap_or_default();
        let flat = |(group, words): (String, BTreeMap<String, String>)| {
            words.into_iter().map(move |(key, text)| (format!("{group}.{key}"), text))
        };
        let mut group = "";
        let mut order = Vec::new();
        for line in toml.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                group = name;
            } else if let Some((key, _)) = line.split_once(" = ") {
                order.push(format!("{group}.{}", key.trim_matches('"')));
            }
        }
        Self { words: groups.into_iter().flat_map(flat).collect(), order }
    }

    /// The text of a key; the key itself where there is none.
    pub fn t<'a>(&'a self, key: &'a str) -> &'a str {
        self.words.get(key).map_or(key, String::as_str)
    }

    /// The words of a code. A rule of the document matrix has two parts: `<capacity rule>-by-<person rule>`.
    pub fn word(&self, group: &str, code: &str) -> String {
        match (self.words.get(&format!("{group}.{code}")), code.split_once("-by-")) {
            (Some(words), _) => words.clone(),
            (None, Some((capacity, person))) if group == "rule" => {
                format!("{} / {}", self.word(group, capacity), self.word(group, person))
            }
            (None, _) => code.to_owned(),
        }
    }

    /// The codes of a group with their words, in the order of the file.
    pub fn group(&self, group: &str) -> Vec<(String, String)> {
        let prefix = format!("{group}.");
        let own = self.order.iter().filter_map(|key| key.strip_prefix(&prefix));
        own.map(|code| (code.to_owned(), self.word(group, code))).collect()
    }

    /// Why an order was refused, in words. Codes of two parts (`missing-photo-id`) name a paper.
    pub fn refusal(&self, code: &Code) -> String {
        let code = code.as_str();
        if let Some(words) = self.words.get(&format!("refusal.{code}")) {
            return words.clone();
        }
        for prefix in ["missing-", "not-accepted-"] {
            if let Some(rest) = code.strip_prefix(prefix) {
                let what = match self.word("need", rest) {
                    w if w == rest => self.word("paper", rest),
                    w => w,
                };
                return format!("{} {what}", self.word("refusal", prefix));
            }
        }
        code.to_owned()
    }
}

/// Where in a file: `record-3-column-20-amount` (or `line-…`) is record 3, column 20, field `amount`.
pub fn place(at: &Code) -> Option<(u32, Option<u32>, Option<&str>)> {
    let rest = at.as_str().strip_prefix("record-").or_else(|| at.as_str().strip_prefix("line-"))?;
    let (line, rest) = rest.split_once('-').unwrap_or((rest, ""));
    let line = line.parse().ok()?;
    let Some(rest) = rest.strip_prefix("column-") else {
        return Some((line, None, Some(rest).filter(|r| !r.is_empty())));
    };
    let (column, field) = rest.split_once('-').unwrap_or((rest, ""));
    Some((line, Some(column.parse().ok()?), Some(field).filter(|f| !f.is_empty())))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
