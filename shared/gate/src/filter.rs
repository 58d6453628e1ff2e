//! [`Filter`]: what becomes of a file's records. Pure: bytes in, bytes and findings out.

use crate::{
    csv::{self, Field},
    filing::{Terms, Unfiled},
    forbidden::is_forbidden_column,
    index::Look,
    judge::{Answer, Ask, judge},
    key::{GateKey, WIDTH, row_digest},
    ndjson::{self, Names},
    part::{Bad, Part},
    person::Person,
    rules::Rules,
    split::Chunk,
};
use contracts::Code;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

/// The column or member that says what the gate said.
pub const MARK: &str = "gate";
/// The most columns of a file.
const COLUMNS_MAX: usize = 2_000;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma separated, the first line names the columns.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

/// How a CSV file is encoded; NDJSON is always UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// Shift_JIS as hospitals' systems write it (Windows code page 932).
    ShiftJis,
}

/// What becomes of rows that may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They are left out: what remains may be used.
    Remove,
    /// Every row that can be read stays and says in one more column what the gate says.
    Mark,
}

/// How a file is read and written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it is.
    pub format: Format,
    /// How it is encoded.
    pub encoding: Encoding,
    /// What becomes of rows.
    pub mode: Mode,
    /// The file's own names of columns; for other parts the built-in names.
    pub columns: Vec<(Part, String)>,
    /// The longest record, in bytes.
    pub record_max: usize,
}

impl Settings {
    /// The usual limits.
    pub const fn new(format: Format, mode: Mode) -> Self {
        Self { format, encoding: Encoding::Utf8, mode, columns: Vec::new(), record_max: 64 * 1024 }
    }
}

/// With what rows are judged.
pub struct Judge<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// The user's key.
    pub key: &'a GateKey,
    /// Standing entries.
    pub index: &'a dyn Look,
    /// The question.
    pub ask: Ask,
    /// What rows say of notices is held against this.
    pub terms: Option<Terms>,
}

/// What the gate says about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// May be used.
    NoMatch,
    /// Stopped.
    Exact,
    /// Held back until two people have looked.
    Possible,
    /// Cannot be read or judged.
    Bad(Bad),
    /// Never notified: the second block.
    Unfiled(Unfiled),
    /// Stopped, and passes based on law: two people said by which article.
    BasedOnLaw,
}

impl Word {
    /// Whether the row may be used.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::NoMatch | Self::BasedOnLaw)
    }
    /// The word in marks and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoMatch => "no-match",
            Self::Exact => "exact",
            Self::Possible => "possible",
            Self::Bad(_) => "bad",
            Self::Unfiled(why) => why.as_str(),
            Self::BasedOnLaw => "based-on-law",
        }
    }
}

/// A row that does not pass, or passes based on law; and why. Never holds a value of it, but for [`Finding::person`].
#[derive(Clone, Debug)]
pub struct Finding {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// What the gate says.
    pub word: Word,
    /// The entry, as the asker knows it.
    pub entry: Option<Uuid>,
    /// The number of the key that was found.
    pub rule: Option<u8>,
    /// The article by which it passes all the same.
    pub article: Option<Code>,
    /// A possible match: the row's tag, by which the same row is known again.
    pub row: Option<[u8; WIDTH]>,
    /// A possible match: the folded values, for the two people who look. To be sealed at once.
    pub person: Option<Person>,
}

impl Finding {
    /// One line of the report (NDJSON).
    pub fn report(&self, rules: &Rules) -> String {
        let mut line = serde_json::json!({ "line": self.line, "answer": self.word.as_str() });
        if let Word::Bad(bad) = self.word {
            line["why"] = bad.code().into();
        }
        if let Some(article) = &self.article {
            line["article"] = article.as_str().into();
        }
        if let Some(entry) = self.entry {
            line["entry"] = entry.to_string().into();
        }
        if let Some(rule) = self.rule.and_then(|n| rules.keys.get(usize::from(n))) {
            line["key"] = rule.word.as_str().into();
        }
        line.to_string()
    }
}

/// How many rows of each answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub rows: u64,
    /// May be used.
    pub no_match: u64,
    /// Stopped.
    pub exact: u64,
    /// Held back.
    pub possible: u64,
    /// Cannot be read or judged.
    pub bad: u64,
    /// Never notified, or the period runs.
    pub unfiled: u64,
    /// Stopped, and passed based on law.
    #[serde(default)]
    pub based_on_law: u64,
}

impl Counts {
    /// Adds one row.
    pub const fn count(&mut self, word: Word) {
        self.rows += 1;
        match word {
            Word::NoMatch => self.no_match += 1,
            Word::Exact => self.exact += 1,
            Word::Possible => self.possible += 1,
            Word::Bad(_) => self.bad += 1,
            Word::Unfiled(_) => self.unfiled += 1,
            Word::BasedOnLaw => self.based_on_law += 1,
        }
    }
    /// Adds another chunk's.
    pub const fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.no_match += other.no_match;
        self.exact += other.exact;
        self.possible += other.possible;
        self.bad += other.bad;
        self.unfiled += other.unfiled;
        self.based_on_law += other.based_on_law;
    }
}

/// Why a whole file is refused before its first row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRefused {
    /// The first line cannot be read.
    #[error("the first line cannot be read ({0}); it must name the columns, in the encoding that was said")]
    Header(&'static str),
    /// A column holds numbers that nobody may ask for.
    #[error("a column holds My Number or resident record codes (column {0}); have the file made again without it")]
    ForbiddenColumn(usize),
    /// A part has two columns.
    #[error("two columns are `{0}`; name the one that counts")]
    ColumnTwice(Part),
    /// A column that was named is not there.
    #[error("the column named for `{0}` is not there")]
    ColumnMissing(Part),
    /// The mark would stand there twice.
    #[error("there is a column `gate` already; rename it")]
    MarkedAlready,
    /// No key can be made of these columns.
    #[error("none of the rules' keys can be made of these columns; name them, for example kana=カナ氏名")]
    NoKeyColumns,
}

/// Where the parts stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    columns: Vec<(usize, Part)>,
    width: usize,
}

impl Plan {
    /// Whether a column holds this part. NDJSON has no plan: rows say.
    pub fn has(&self, part: Part) -> bool {
        self.columns.iter().any(|(_, p)| *p == part)
    }
}

/// What became of a chunk.
#[derive(Debug, Default)]
pub struct Done {
    /// Rows to write.
    pub out: Vec<u8>,
    /// Rows that do not pass.
    pub findings: Vec<Finding>,
    /// How many of each.
    pub counts: Counts,
}

/// Takes the first line of a CSV file: the plan, and the line to write.
///
/// # Errors
/// See [`FileRefused`].
pub fn header(settings: &Settings, rules: &Rules, line: &[u8]) -> Result<(Plan, Vec<u8>), FileRefused> {
    let mut fields = vec![];
    csv::fields(line, &mut fields).map_err(|bad| FileRefused::Header(bad.code()))?;
    if fields.len() > COLUMNS_MAX {
        return Err(FileRefused::Header(Bad::Fields.code()));
    }
    let mut plan = Plan { columns: vec![], width: fields.len() };
    for (n, field) in fields.iter().enumerate() {
        let raw = field.of(line);
        let name = text(settings.encoding, &raw).map_err(|bad| FileRefused::Header(bad.code()))?;
        let name = name.trim_start_matches('\u{feff}').trim();
        if is_forbidden_column(name) {
            return Err(FileRefused::ForbiddenColumn(n + 1));
        }
        if settings.mode == Mode::Mark && name == MARK {
            return Err(FileRefused::MarkedAlready);
        }
        let own = settings.columns.iter().find(|(_, own)| own == name).map(|(part, _)| *part);
        let built_in = || Part::of_column(name).filter(|p| !settings.columns.iter().any(|(part, _)| part == p));
        let Some(part) = own.or_else(built_in) else { continue };
        if plan.has(part) {
            return Err(FileRefused::ColumnTwice(part));
        }
        plan.columns.push((n, part));
    }
    if let Some((part, _)) = settings.columns.iter().find(|(part, _)| !plan.has(*part)) {
        return Err(FileRefused::ColumnMissing(*part));
    }
    // A reading that is none counts as a name, so a column of readings serves both.
    let has = |part: &Part| plan.has(*part) || *part == Part::Symbol || (*part == Part::Name && plan.has(Part::Kana));
    let usable = |rule: &crate::rules::KeyRule| {
        rule.parts.iter().all(|p| has(p) || *p == Part::Supplier) && !rule.row_without.iter().any(|p| plan.has(*p))
    };
    if !rules.keys.iter().any(usable) {
        return Err(FileRefused::NoKeyColumns);
    }
    let mut out = csv::body(line).to_vec();
    if settings.mode == Mode::Mark {
        out.extend_from_slice(b",gate");
    }
    out.extend_from_slice(if csv::line_end(line).is_empty() { b"\n" } else { csv::line_end(line) });
    Ok((plan, out))
}

fn text(encoding: Encoding, raw: &[u8]) -> Result<Cow<'_, str>, Bad> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| Bad::Encoding),
        Encoding::ShiftJis => {
            encoding_rs::SHIFT_JIS.decode_without_bom_handling_and_without_replacement(raw).ok_or(Bad::Encoding)
        }
    }
}

/// Judges the records of chunks.
pub struct Filter<'a> {
    /// How the file is read and written.
    pub settings: &'a Settings,
    /// With what rows are judged.
    pub judge: Judge<'a>,
}

impl Filter<'_> {
    /// Judges a chunk's records.
    pub fn chunk(&self, plan: &Plan, chunk: &Chunk) -> Done {
        let mut done = Done { out: Vec::with_capacity(chunk.bytes.len()), ..Done::default() };
        let (mut fields, mut person) = (vec![], Person::new());
        let mut names = Names::new(&self.settings.columns);
        for row in &chunk.rows {
            let record = &chunk.bytes[row.start..row.end];
            // A blank line is no row.
            if row.bad.is_none() && record.trim_ascii().is_empty() {
                continue;
            }
            person.clear();
            let read = match (row.bad, self.settings.format) {
                (Some(bad), _) => Err(bad),
                (None, Format::Csv) => self.read_csv(plan, record, &mut fields, &mut person),
                (None, Format::Ndjson) => ndjson::read(record, &mut names, &mut person),
            };
            let finding = self.finding(row.line, read, &person);
            done.counts.count(finding.word);
            self.write(record, row.bad.is_some(), finding.word, &mut done.out);
            if finding.word != Word::NoMatch {
                done.findings.push(finding);
            }
        }
        done
    }

    fn read_csv(&self, plan: &Plan, record: &[u8], fields: &mut Vec<Field>, person: &mut Person) -> Result<(), Bad> {
        csv::fields(record, fields)?;
        if fields.len() != plan.width {
            return Err(Bad::Fields);
        }
        for (column, part) in &plan.columns {
            let raw = fields[*column].of(record);
            person.set(*part, &text(self.settings.encoding, &raw)?)?;
        }
        Ok(())
    }

    fn finding(&self, line: u64, read: Result<(), Bad>, person: &Person) -> Finding {
        let judge_with = &self.judge;
        let answer =
            read.and_then(|()| judge(judge_with.rules, judge_with.key, judge_with.index, &judge_with.ask, person));
        let mut finding =
            Finding { line, word: Word::NoMatch, entry: None, rule: None, article: None, row: None, person: None };
        let unfiled = || judge_with.terms.and_then(|terms| terms.row(person.notified_on()).err());
        match answer {
            Err(bad) => finding.word = Word::Bad(bad),
            Ok(Answer::Exact { entry, rule }) => {
                (finding.word, finding.entry, finding.rule) = (Word::Exact, Some(entry), Some(rule));
            }
            Ok(Answer::Possible { entry, rule }) => {
                (finding.word, finding.entry, finding.rule) = (Word::Possible, Some(entry), Some(rule));
                finding.row = Some(judge_with.key.tag(&row_digest(person)));
                finding.person = Some(person.clone());
            }
            Ok(Answer::BasedOnLaw { entry, rule }) => {
                (finding.word, finding.entry, finding.rule) = (Word::BasedOnLaw, Some(entry), Some(rule));
                let by = judge_with.ask.lawful.iter().find(|(e, _)| *e == entry);
                finding.article = by.map(|(_, article)| article.clone());
                // It was let past the stop, not past the second block.
                if let Some(why) = unfiled() {
                    (finding.word, finding.article) = (Word::Unfiled(why), None);
                }
            }
            Ok(Answer::NoMatch) => {
                if let Some(why) = unfiled() {
                    finding.word = Word::Unfiled(why);
                }
            }
        }
        finding
    }

    fn write(&self, record: &[u8], unreadable: bool, word: Word, out: &mut Vec<u8>) {
        match self.settings.mode {
            Mode::Remove if word.passes() => {
                out.extend_from_slice(record);
                if !record.ends_with(b"\n") {
                    out.push(b'\n');
                }
            }
            Mode::Remove => {}
            // What cannot be taken apart cannot be marked either: it is in the report only.
            Mode::Mark if unreadable || matches!(word, Word::Bad(Bad::Quote | Bad::QuoteNotClosed | Bad::Json)) => {}
            Mode::Mark if self.settings.format == Format::Ndjson => {
                if !matches!(word, Word::Bad(Bad::Member | Bad::ForbiddenMember | Bad::Encoding)) {
                    ndjson::mark(record, word.as_str(), out);
                }
            }
            Mode::Mark if matches!(word, Word::Bad(Bad::Fields)) => {}
            Mode::Mark => {
                out.extend_from_slice(csv::body(record));
                out.push(b',');
                out.extend_from_slice(word.as_str().as_bytes());
                let end = csv::line_end(record);
                out.extend_from_slice(if end.is_empty() { b"\n" } else { end });
            }
        }
    }
}
