//! What a person asks for, as it came, and whether the counter can take it. Pure: the day is an input.
//!
//! Everything that is wrong is said at once, each with the field and a code whose words (and remedy) are in `texts/`. No
//! error quotes a value. [`crate::draft`] makes the [`Draft`] from JSON or from the form.

use crate::{
    text::{self, BadText},
    wish,
};
use calendar::EraError;
use contracts::{Capacity, Date, Kind, Language, Scope, Track};
use privacy_seal::filing::{Circumstances, PersonalDetails};
use std::{borrow::Cow, str::FromStr};

mod circumstances;

pub use circumstances::{AGENTS, HospitalDraft, NO_RELATION, OTHER_PARENT, RECEIPT, RELATIONS, StandingDraft};

pub mod max;

/// What one party wrote about itself. Empty = not given.
#[derive(Clone, Default)]
pub struct PartyDraft {
    /// 氏名.
    pub name: String,
    /// 氏名の振り仮名.
    pub kana: String,
    /// 生年月日.
    pub birth_date: String,
    /// 性別.
    pub sex: String,
    /// 住所.
    pub address: String,
    /// 電子メールアドレス.
    pub mail: String,
    /// 電話番号.
    pub telephone: String,
}

impl PartyDraft {
    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        let Self { name, kana, birth_date, sex, address, mail, telephone } = self;
        [name, kana, birth_date, sex, address, mail, telephone].iter().all(|field| field.trim().is_empty())
    }
}

/// A request as it came: every value as text. Empty = not given. Has no `Debug`: it is personal from end to end.
#[derive(Clone, Default)]
pub struct Draft {
    /// 請求の種類.
    pub kind: String,
    /// 資格.
    pub capacity: String,
    /// 停止の範囲.
    pub scope: String,
    /// `ja` or `en`; empty = `ja`.
    pub language: String,
    /// 本人.
    pub person: PartyDraft,
    /// 代理人・遺族.
    pub representative: Option<PartyDraft>,
    /// The request in the person's own words.
    pub words: String,
    /// Hospitals.
    pub hospitals: Vec<HospitalDraft>,
    /// 資格の事情.
    pub standing: StandingDraft,
    /// 旧氏名.
    pub former_names: Vec<String>,
    /// 以前の住所.
    pub former_addresses: Vec<String>,
    /// 合理的配慮.
    pub accommodation: String,
    /// 連絡の配慮.
    pub safe_contact: String,
    /// Asked by the guided form: what the capacity needs may not be left open.
    pub guided: bool,
    /// Read in やさしい日本語.
    pub easy: bool,
}

/// A request that the counter takes.
#[derive(Clone, PartialEq)]
pub struct Request {
    /// 請求の種類.
    pub kind: Kind,
    /// 資格.
    pub capacity: Capacity,
    /// 停止の範囲: on stops, and only there.
    pub scope: Option<Scope>,
    /// The language that the person wants to be told in.
    pub language: Language,
    /// 本人.
    pub person: PersonalDetails,
    /// 代理人・遺族: there if and only if the capacity is another than `Person`.
    pub representative: Option<PersonalDetails>,
    /// The request in the person's own words.
    pub words: String,
    /// Hospitals as written.
    pub hospitals: Vec<String>,
    /// 事情.
    pub circumstances: Circumstances,
}

/// One thing that is wrong. Holds no value that the person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where: an RFC 6901 pointer into the JSON document; empty for the whole.
    pub pointer: Cow<'static, str>,
    /// What: key `error.<code>` of the texts.
    pub code: &'static str,
    /// What stands for `{…}` in the text: a limit or the list of words that may stand there.
    pub fill: Option<String>,
}

impl FieldError {
    /// Without a limit or list.
    pub fn new(pointer: impl Into<Cow<'static, str>>, code: &'static str) -> Self {
        Self { pointer: pointer.into(), code, fill: None }
    }
    /// With one.
    pub fn with(pointer: impl Into<Cow<'static, str>>, code: &'static str, fill: impl ToString) -> Self {
        Self { pointer: pointer.into(), code, fill: Some(fill.to_string()) }
    }
}

/// What the law of the day says and may change: configuration, not constants (law-and-domain.md 1, pending reform).
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// 成年 (Civil Code art. 4), in years.
    pub age_of_majority: i16,
    /// From this age on the young are asked themselves, in years: disclosure and the like.
    pub own_request_age: i16,
    /// The same for stops of provision and erasures.
    pub own_stop_age: i16,
    /// 共同親権 (Civil Code art. 824-2): a parent is asked about the other one.
    pub joint_authority: bool,
    /// Nobody is older, in years: a birth date before that is a slip.
    pub oldest: i16,
}

/// Every code that a [`FieldError`] can have; a test looks for its words in each language.
pub const CODES: &[&str] = &[
    "required",
    "too-long",
    "too-many",
    "control-character",
    "unreadable-character",
    "unknown-word",
    "kana-only",
    "date-form",
    "no-such-day",
    "outside-era",
    "lunar-date",
    "date-future",
    "date-too-early",
    "mail-form",
    "telephone-form",
    "capacity-and-representative",
    "bereaved-act-only",
    "bereaved-not-desk",
    "capacity-of-age",
    "relation-not-listed",
    "scope-stops-only",
    "words-required",
    "not-text",
    "not-object",
    "not-list",
    "unknown-field",
    "not-json",
];

/// Decides whether the counter can take a request filed on `today` (in Japan).
///
/// # Errors
/// All that is wrong, in the order of the fields.
pub fn check(draft: &Draft, today: Date, rules: Rules) -> Result<Request, Vec<FieldError>> {
    let mut check = Check { errors: Vec::new(), today, rules };
    let kind = check.word::<Kind>("/kind", &draft.kind, || words(Kind::ALL, Kind::as_str), None);
    let kind = kind.map(|kind| wish::without_ground(kind, &draft.words));
    let capacity = check.word::<Capacity>(
        "/capacity",
        &draft.capacity,
        || words(Capacity::ALL, Capacity::as_str),
        Some(Capacity::Person),
    );
    let language = check.word::<Language>(
        "/language",
        &draft.language,
        || words(Language::ALL, Language::as_str),
        Some(Language::Ja),
    );
    let scope = check.scope(&draft.scope, kind);
    let person = check.party("/person", &draft.person, Need::of_person(kind));
    let representative = check.representative(draft.representative.as_ref(), capacity);
    check.fits_together(kind, capacity, &person);
    let words = check.words(&draft.words, kind);
    let (hospitals, circumstances) = check.circumstances(draft, kind, capacity, &person);
    match (kind, capacity, language) {
        (Some(kind), Some(capacity), Some(language)) if check.errors.is_empty() => {
            Ok(Request { kind, capacity, scope, language, person, representative, words, hospitals, circumstances })
        }
        _ => Err(check.errors),
    }
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> String {
    all.iter().map(|w| word(*w)).collect::<Vec<_>>().join(", ")
}

/// Which details of a party cannot be done without.
#[derive(Clone, Copy)]
struct Need {
    /// Reading and birth date: with the name and the sex the keys by which data are found (Rules art. 28).
    search_keys: bool,
    /// Where papers are compared with and answers go to.
    address: bool,
}

impl Need {
    fn of_person(kind: Option<Kind>) -> Self {
        let identity = kind.is_none_or(Kind::needs_identity);
        Self { search_keys: identity, address: identity }
    }
    const REPRESENTATIVE: Self = Self { search_keys: false, address: true };
}

struct Check {
    errors: Vec<FieldError>,
    today: Date,
    rules: Rules,
}

impl Check {
    fn wrong(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    /// A word of a closed list.
    fn word<T: FromStr>(
        &mut self,
        at: &'static str,
        value: &str,
        known: impl Fn() -> String,
        absent: Option<T>,
    ) -> Option<T> {
        match value {
            "" if absent.is_some() => absent,
            "" => {
                self.wrong(FieldError::new(at, "required"));
                None
            }
            word => {
                let found = word.parse().ok();
                if found.is_none() {
                    self.wrong(FieldError::with(at, "unknown-word", known()));
                }
                found
            }
        }
    }

    /// A text of at most `max` characters in the kept form.
    fn text(&mut self, at: Cow<'static, str>, value: &str, max: usize, required: bool, lines: bool) -> String {
        // Counted before the work: composing a long text costs more than counting it.
        if value.chars().nth(max * 2).is_some() {
            self.wrong(FieldError::with(at, "too-long", max));
            return String::new();
        }
        match text::clean(value, lines) {
            Err(BadText::Control) => self.wrong(FieldError::new(at, "control-character")),
            Err(BadText::Unreadable) => self.wrong(FieldError::new(at, "unreadable-character")),
            Ok(kept) if kept.chars().nth(max).is_some() => self.wrong(FieldError::with(at, "too-long", max)),
            Ok(kept) if kept.is_empty() && required => self.wrong(FieldError::new(at, "required")),
            Ok(kept) => return kept,
        }
        String::new()
    }

    /// As [`Check::text`], then through `form`, which gives the kept form or refuses with `code`.
    fn formed(
        &mut self,
        at: Cow<'static, str>,
        value: &str,
        max: usize,
        code: &'static str,
        form: impl Fn(&str) -> Option<String>,
    ) -> String {
        let kept = self.text(at.clone(), value, max, false, false);
        if kept.is_empty() {
            return kept;
        }
        form(&kept).unwrap_or_else(|| {
            self.wrong(FieldError::new(at, code));
            String::new()
        })
    }

    fn scope(&mut self, value: &str, kind: Option<Kind>) -> Option<Scope> {
        if value.is_empty() {
            return (kind == Some(Kind::ProvisionStop)).then_some(Scope::Both);
        }
        if kind.is_some_and(|kind| kind != Kind::ProvisionStop) {
            self.wrong(FieldError::new("/scope", "scope-stops-only"));
            return None;
        }
        self.word::<Scope>("/scope", value, || words(Scope::ALL, Scope::as_str), None)
    }

    fn party(&mut self, root: &'static str, draft: &PartyDraft, need: Need) -> PersonalDetails {
        let at = |field: &str| Cow::Owned(format!("{root}/{field}"));
        let name = self.text(at("name"), &draft.name, max::NAME, true, false);
        let kana = self.formed(at("kana"), &draft.kana, max::NAME, "kana-only", text::katakana);
        if need.search_keys && draft.kana.trim().is_empty() && !text::is_latin(&name) {
            self.wrong(FieldError::new(at("kana"), "required"));
        }
        let birth_date = self.birth_date(at("birth_date"), &draft.birth_date, need.search_keys);
        let sex = match draft.sex.as_str() {
            known @ ("" | "male" | "female" | "other") => known.to_owned(),
            _ => {
                self.wrong(FieldError::with(at("sex"), "unknown-word", "male, female, other"));
                String::new()
            }
        };
        let address = self.text(at("address"), &draft.address, max::ADDRESS, need.address, false);
        let mail = self.formed(at("mail"), &draft.mail, max::MAIL, "mail-form", |mail| {
            text::is_mail(mail).then(|| mail.to_owned())
        });
        let telephone =
            self.formed(at("telephone"), &draft.telephone, max::TELEPHONE, "telephone-form", text::telephone);
        PersonalDetails { name, kana, birth_date, sex, address, mail, telephone }
    }

    fn birth_date(&mut self, at: Cow<'static, str>, value: &str, required: bool) -> Option<Date> {
        if value.trim().is_empty() {
            if required {
                self.wrong(FieldError::new(at, "required"));
            }
            return None;
        }
        let code = match calendar::parse_date(value) {
            Ok(day) if day > self.today => "date-future",
            Ok(day) if years_after(day, self.rules.oldest).is_some_and(|last| last < self.today) => "date-too-early",
            Ok(day) => return Some(day),
            Err(EraError::Form) => "date-form",
            Err(EraError::NoSuchDay) => "no-such-day",
            Err(EraError::OutsideEra(_)) => "outside-era",
            Err(EraError::Lunar) => "lunar-date",
        };
        self.wrong(FieldError::new(at, code));
        None
    }

    fn representative(&mut self, draft: Option<&PartyDraft>, capacity: Option<Capacity>) -> Option<PersonalDetails> {
        match (draft, capacity) {
            (Some(draft), Some(Capacity::Person)) if !draft.is_empty() => {
                self.wrong(FieldError::new("/capacity", "capacity-and-representative"));
                None
            }
            (_, Some(Capacity::Person)) | (None, None) => None,
            (Some(draft), _) => Some(self.party("/representative", draft, Need::REPRESENTATIVE)),
            (None, Some(_)) => Some(self.party("/representative", &PartyDraft::default(), Need::REPRESENTATIVE)),
        }
    }

    fn fits_together(&mut self, kind: Option<Kind>, capacity: Option<Capacity>, person: &PersonalDetails) {
        match (kind.map(Kind::track), capacity) {
            // APPI art. 2(1): the living only. Order art. 11 gives the bereaved the stop.
            (Some(Track::Appi), Some(Capacity::Bereaved)) => {
                self.wrong(FieldError::new("/capacity", "bereaved-act-only"));
            }
            (Some(Track::Desk), Some(Capacity::Bereaved)) => {
                self.wrong(FieldError::new("/capacity", "bereaved-not-desk"));
            }
            _ => {}
        }
        let of_age = || {
            let birth = person.birth_date?;
            Some(years_after(birth, self.rules.age_of_majority)? <= self.today)
        };
        if matches!(capacity, Some(Capacity::Parent | Capacity::MinorsGuardian)) && of_age() == Some(true) {
            self.wrong(FieldError::new("/capacity", "capacity-of-age"));
        }
    }

    fn words(&mut self, value: &str, kind: Option<Kind>) -> String {
        let words = self.text(Cow::Borrowed("/words"), value, max::WORDS, false, true);
        // Nothing can be corrected (APPI art. 34), examined or answered without them.
        let needed = matches!(kind, Some(Kind::Correction | Kind::Complaint | Kind::Consultation));
        if needed && value.trim().is_empty() {
            self.wrong(FieldError::new("/words", "words-required"));
        }
        words
    }
}

/// The day on which that many years are over; `None` beyond the calendar.
fn years_after(day: Date, years: i16) -> Option<Date> {
    day.checked_add(jiff::Span::new().years(years)).ok()
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
