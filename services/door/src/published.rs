//! 常時掲載: what the operator keeps knowable to everybody (個人情報保護法32条1項, 施行令10条): who it is, what the data are for, how
//! to ask, what it costs, how the data are kept safe, where to complain. Dated versions, none of which ever changes: any day's
//! version can be shown again.
//!
//! A file with `[[version]]` (the built-in `published.toml` is an example of its shape), read again when it changes, so that a
//! new version needs no restart. One that lacks an item is refused, naming it, and the last good one stays.

use contracts::{Date, Language};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// Bytes of the file.
const FILE_MAX: u64 = 1024 * 1024;
/// Versions in it.
const VERSIONS_MAX: usize = 1_000;
/// Paragraphs of one item in one language.
const PARAGRAPHS_MAX: usize = 60;
/// Characters of a paragraph.
const PARAGRAPH_MAX: usize = 2_000;

/// What a version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// 氏名又は名称、住所、代表者の氏名 (32条1項1号).
    Operator,
    /// 全ての保有個人データの利用目的 (32条1項2号).
    Purposes,
    /// 開示等の請求等の手続 (32条1項3号).
    Requests,
    /// Papers by capacity: part of the procedure.
    Papers,
    /// 手数料の額 (32条1項3号, 38条2項).
    Fees,
    /// When somebody is there.
    Hours,
    /// 安全管理のために講じた措置 (施行令10条1号).
    Security,
    /// 苦情の申出先 (施行令10条2号).
    Complaints,
    /// 認定個人情報保護団体の名称及び苦情の解決の申出先 (施行令10条3号): of those who belong to one.
    AccreditedBody,
}

impl Item {
    /// In the order in which they are shown.
    pub const ALL: &[Self] = &[
        Self::Operator,
        Self::Purposes,
        Self::Requests,
        Self::Papers,
        Self::Fees,
        Self::Hours,
        Self::Security,
        Self::Complaints,
        Self::AccreditedBody,
    ];

    /// The key in the file, and the id on the page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Purposes => "purposes",
            Self::Requests => "requests",
            Self::Papers => "papers",
            Self::Fees => "fees",
            Self::Hours => "hours",
            Self::Security => "security",
            Self::Complaints => "complaints",
            Self::AccreditedBody => "accredited-body",
        }
    }
    /// What the law wants of everybody. Only a member of an accredited body has one to name.
    const fn is_needed(self) -> bool {
        !matches!(self, Self::AccreditedBody)
    }
}

/// Why a file cannot be published. Names the version and the item.
#[derive(Debug, thiserror::Error)]
pub enum BadPublished {
    /// The operating system refused.
    #[error("published page {0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// Too large.
    #[error("published page {0}: over 1 MiB; split off versions that nobody may ask for any more")]
    Large(PathBuf),
    /// Not TOML of this shape.
    #[error("published page: {0}")]
    Form(String),
    /// No version at all, or too many.
    #[error("published page: it needs 1 to {VERSIONS_MAX} `[[version]]`, and has {0}")]
    Versions(usize),
    /// Versions follow each other.
    #[error(
        "published page: the version from {0} does not begin after the one before it; put versions in the order of their days"
    )]
    Order(Date),
    /// 32条1項: what must be said is not said.
    #[error(
        "published page: the version from {from} lacks `{item}`; write it in `ja` and `en`, at least one paragraph each"
    )]
    Lacks {
        /// First day of the version.
        from: Date,
        /// What is missing: an item, or `change`.
        item: &'static str,
    },
    /// A key that is no item.
    #[error(
        "published page: the version from {0} has `{1}`, which is no item; the items are operator, purposes, requests, papers, fees, hours, security, complaints, accredited-body"
    )]
    Unknown(Date, String),
    /// Over a limit.
    #[error(
        "published page: `{item}` of the version from {from} is too long; at most {PARAGRAPHS_MAX} paragraphs of {PARAGRAPH_MAX} characters"
    )]
    Long {
        /// First day of the version.
        from: Date,
        /// Which item.
        item: &'static str,
    },
    /// 掲載の経過 would be rewritten: a version that has begun to hold is not as it was.
    #[error(
        "published page: the version from {0} was changed or removed; what has held stays as it was: put it back and add a new version (a slip of the pen is mended by a restart)"
    )]
    Changed(Date),
    /// Nothing is posted today.
    #[error("published page: its first version holds from {0} only; 個人情報保護法32条1項 wants one that holds today")]
    NoneYet(Date),
}

/// The paragraphs in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    ja: Vec<String>,
    en: Vec<String>,
}

impl Words {
    const fn of(&self, language: Language) -> &Vec<String> {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
    fn are_said(&self) -> bool {
        [&self.ja, &self.en].iter().all(|words| !words.is_empty() && words.iter().all(|p| !p.trim().is_empty()))
    }
    fn are_short(&self) -> bool {
        let short = |words: &Vec<String>| {
            words.len() <= PARAGRAPHS_MAX && words.iter().all(|p| p.chars().count() <= PARAGRAPH_MAX)
        };
        short(&self.ja) && short(&self.en)
    }
}

/// What is said from one day on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Version {
    /// The first day, in Japan.
    pub from: Date,
    #[serde(flatten)]
    items: BTreeMap<String, Words>,
}

/// Besides the items: what is new in a version, for those who follow it.
const CHANGE: &str = "change";

impl Version {
    /// The paragraphs of an item; none if this version does not have it.
    pub fn item(&self, item: Item, language: Language) -> &[String] {
        self.items.get(item.as_str()).map_or(&[], |words| words.of(language))
    }
    /// What is new.
    pub fn change(&self, language: Language) -> &[String] {
        self.items.get(CHANGE).map_or(&[], |words| words.of(language))
    }

    fn check(&self) -> Result<(), BadPublished> {
        let from = self.from;
        let needed = Item::ALL.iter().filter(|item| item.is_needed()).map(|item| item.as_str()).chain([CHANGE]);
        for item in needed {
            if !self.items.contains_key(item) {
                return Err(BadPublished::Lacks { from, item });
            }
        }
        for (key, words) in &self.items {
            let known = Item::ALL.iter().map(|item| item.as_str()).chain([CHANGE]).find(|known| known == key);
            let item = known.ok_or_else(|| BadPublished::Unknown(from, key.clone()))?;
            if !words.are_said() {
                return Err(BadPublished::Lacks { from, item });
            }
            if !words.are_short() {
                return Err(BadPublished::Long { from, item });
            }
        }
        Ok(())
    }
}

/// All versions, in the order of their days.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    #[serde(default, rename = "version")]
    versions: Vec<Version>,
}

impl Published {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`BadPublished`].
    pub fn parse(text: &str) -> Result<Self, BadPublished> {
        let published: Self = toml::from_str(text).map_err(|e| BadPublished::Form(e.to_string()))?;
        let versions = &published.versions;
        if versions.is_empty() || versions.len() > VERSIONS_MAX {
            return Err(BadPublished::Versions(versions.len()));
        }
        if let Some(late) = versions.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(BadPublished::Order(late[1].from));
        }
        versions.iter().try_for_each(Version::check)?;
        Ok(published)
    }

    /// The version that held on a day, and the day on which the next one took its place.
    pub fn on(&self, day: Date) -> Option<(&Version, Option<Date>)> {
        let at = self.until(day).len().checked_sub(1)?;
        Some((&self.versions[at], self.versions.get(at + 1).map(|next| next.from)))
    }

    /// Every version that has held up to that day, the first one first.
    pub fn until(&self, day: Date) -> &[Version] {
        &self.versions[..self.versions.partition_point(|version| version.from <= day)]
    }

    /// Every version that held before is there and says what it said.
    fn keeps(self, before: &Self, today: Date) -> Result<Self, BadPublished> {
        match before.until(today).iter().find(|version| !self.versions.contains(version)) {
            Some(changed) => Err(BadPublished::Changed(changed.from)),
            None => Ok(self),
        }
    }

    /// Something is posted today.
    fn holds_on(self, today: Date) -> Result<Self, BadPublished> {
        match self.versions.first() {
            Some(first) if first.from > today => Err(BadPublished::NoneYet(first.from)),
            _ => Ok(self),
        }
    }
}

/// The page as the door asks for it: the operator's file is read again when it has changed.
pub struct Posted {
    path: Option<PathBuf>,
    read: Mutex<(Option<SystemTime>, Arc<Published>)>,
}

impl Posted {
    /// The operator's file, or the example that is built in (an empty path).
    ///
    /// # Errors
    /// As [`BadPublished`]: what lacks an item is found at the start.
    pub fn open(path: &Path, today: Date) -> Result<Self, BadPublished> {
        let path = Some(path).filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
        let (changed, published) = match &path {
            Some(path) => (changed(path), read(path, today)?),
            None => (None, Published::parse(include_str!("../published.toml"))?.holds_on(today)?),
        };
        Ok(Self { path, read: Mutex::new((changed, Arc::new(published))) })
    }

    /// The versions as they are now. A file that has become bad is said in the log and counted; what was posted stays posted.
    pub fn now(&self, today: Date) -> Arc<Published> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = &self.path else { return known.1.clone() };
        let changed = changed(path);
        if known.0 != changed {
            known.0 = changed;
            let before = known.1.clone();
            match read(path, today).and_then(|published| published.keeps(&before, today)) {
                Ok(published) => known.1 = Arc::new(published),
                Err(error) => {
                    chassis::telemetry::count("madoguchi.door.refused", "published");
                    tracing::error!(%error, "[door] published: the new file is not published; the last good one stays");
                }
            }
        }
        known.1.clone()
    }
}

fn read(path: &Path, today: Date) -> Result<Published, BadPublished> {
    let io = |e| BadPublished::Io(path.to_owned(), e);
    if std::fs::metadata(path).map_err(io)?.len() > FILE_MAX {
        return Err(BadPublished::Large(path.to_owned()));
    }
    Published::parse(&std::fs::read_to_string(path).map_err(io)?)?.holds_on(today)
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok()
}

#[cfg(test)]
#[path = "published_tests.rs"]
mod tests;
