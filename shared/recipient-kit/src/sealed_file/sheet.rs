//! 台紙 (CSV): the same instructions as a sheet for people, and what they wrote into it. Pure.
//!
//! The sheet goes out as UTF-8 with a byte order mark, so that spreadsheets read it right; it is taken back as UTF-8 or as
//! Shift_JIS (windows-31j). A cell that a spreadsheet would take for a formula gets an apostrophe before it. Columns are
//! found by the word at the end of their heading, in any order; others are not looked at. One row per instruction; for
//! each further system a further row with the same number. A row that cannot be read is named with its line and column,
//! and its instruction is not taken; the others are.

use crate::identifiers::Identifiers;
use contracts::{
    Code, Date, InstructionId, Measure, ReportOutcome, Scope, Timestamp,
    recipient::{ERASURES_MAX, Erasure},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write};

/// The largest sheet, in bytes.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most rows.
pub const ROWS_MAX: usize = 10_000;

macro_rules! columns {
    ($($name:ident = $code:literal $japanese:literal,)*) => {
        /// A column.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the heading says it")]
        pub enum Column { $($name,)* }
        impl Column {
            /// In the order of the sheet.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// The word at the end of its heading.
            pub const fn code(self) -> Code {
                match self { $(Self::$name => Code::of($code),)* }
            }
            /// The whole heading.
            pub const fn heading(self) -> &'static str {
                match self { $(Self::$name => concat!($japanese, " ", $code),)* }
            }
        }
    };
}

columns! {
    Instruction = "instruction" "指示番号",
    Position = "position" "通番",
    Measure = "measure" "措置の内容",
    Scope = "scope" "範囲",
    Due = "due" "報告期限",
    Kana = "kana" "氏名カナ",
    BirthDate = "birth-date" "生年月日",
    Name = "name" "氏名",
    Sex = "sex" "性別",
    Hospitals = "hospitals" "医療機関",
    Outcome = "outcome" "結果",
    Ground = "ground" "理由",
    Date = "date" "実施日",
    System = "system" "システム",
    Method = "method" "方法",
    Items = "items" "項目",
    BackupsUntil = "backups-until" "控えの保持期限",
    Kept = "kept" "保持した項目",
    BookEntry = "book-entry" "帳簿番号",
}

/// One instruction on its way onto the sheet.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The instruction.
    pub instruction: InstructionId,
    /// 通番.
    pub position: i64,
    /// What to do.
    pub measure: Measure,
    /// For which track.
    pub scope: Scope,
    /// The report is due.
    pub due: Timestamp,
    /// Whom it is about; none: it has keyed hashes, which stand in the other file.
    pub person: Option<&'a Identifiers>,
}

/// Nothing that a spreadsheet would compute.
fn harmless(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn words(measure: Measure) -> &'static str {
    match measure {
        Measure::Stop => "停止 stop",
        Measure::Erase => "消去 erase",
        Measure::Correct => "訂正 correct",
        Measure::Suspend => "一時停止 suspend",
        Measure::Resume => "一時停止の解除 resume",
    }
}

/// What a cell says about the person.
fn named(person: &Identifiers, column: Column) -> String {
    match column {
        Column::Kana => person.kana.clone(),
        Column::BirthDate => person.birth_date.to_string(),
        Column::Name => person.name.clone().unwrap_or_default(),
        Column::Sex => person.sex.map_or(String::new(), |sex| format!("{sex:?}").to_lowercase()),
        Column::Hospitals => person.hospitals.join(" / "),
        _ => String::new(),
    }
}

/// The sheet, with the columns that are to be filled in empty. Times are those of Japan.
pub fn write(rows: &[Row<'_>]) -> String {
    let heading: Vec<&str> = Column::ALL.iter().map(|c| c.heading()).collect();
    let mut out = format!("\u{feff}{}\r\n", heading.join(","));
    for row in rows {
        let japan = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        let cells = Column::ALL.iter().map(|column| match column {
            Column::Instruction => row.instruction.to_string(),
            Column::Position => row.position.to_string(),
            Column::Measure => words(row.measure).to_owned(),
            Column::Scope => row.scope.to_string(),
            Column::Due => row.due.to_zoned(japan.clone()).date().to_string(),
            column => row.person.map_or(String::new(), |person| named(person, *column)),
        });
        let cells: Vec<String> = cells.map(|cell| harmless(&cell)).collect();
        // Writing into a String cannot fail.
        let _ = write!(out, "{}\r\n", cells.join(","));
    }
    out
}

/// What a sheet (or a line of NDJSON) says about one instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Its first line in the file.
    #[serde(default)]
    pub line: u32,
    /// The instruction.
    pub instruction: InstructionId,
    /// What became of it.
    pub outcome: ReportOutcome,
    /// Why, where the outcome needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<Code>,
    /// The recipient's book entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_entry: Option<Code>,
    /// What was erased, system by system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erasures: Vec<Erasure>,
}

/// A cell that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadCell {
    /// The line in the file, from 1.
    pub line: u32,
    /// The column's word.
    pub column: Code,
    /// Why: `missing`, `not-a-word-of-the-list`, `not-a-code`, `not-a-date`, `not-an-instruction`, `differs`, `quotes`,
    /// `too-many`.
    pub why: Code,
    /// The instruction, where it is known.
    pub instruction: Option<InstructionId>,
}

/// A sheet that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// In the order of the file.
    pub answers: Vec<Answer>,
    /// Every cell that cannot be read; what it belongs to is not among the answers.
    pub bad: Vec<BadCell>,
    /// Rows that nobody filled in.
    pub empty: u32,
}

/// Why a sheet is none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASheet {
    /// Over the limits.
    #[error("the sheet is over {BYTES_MAX} bytes or {ROWS_MAX} rows; divide it")]
    TooLarge,
    /// A column is missing.
    #[error("the sheet has no column `{0}`; its first line must be the heading as it was sent")]
    NoColumn(Code),
}

impl NotASheet {
    /// The reason as a code.
    pub const fn code(&self) -> Code {
        match self {
            Self::TooLarge => Code::of("file-too-large"),
            Self::NoColumn(_) => Code::of("column-missing"),
        }
    }
}

/// UTF-8 if it is, else what Japanese spreadsheets write.
fn decoded(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::SHIFT_JIS.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Records with the lines where they begin; `None` for one whose quotes do not fit.
fn records(text: &str) -> Vec<(u32, Option<Vec<String>>)> {
    let (mut all, mut fields, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut begins, mut quoted, mut good) = (1u32, 1u32, false, true);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted => {
                quoted = false;
                good &= matches!(chars.peek(), None | Some(',' | '\r' | '\n'));
            }
            '"' if cell.is_empty() => quoted = true,
            '"' => good = false,
            ',' if !quoted => fields.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                fields.push(std::mem::take(&mut cell));
                let fields = std::mem::take(&mut fields);
                all.push((begins, good.then_some(fields)));
                line += 1;
                (begins, good) = (line, true);
            }
            '\r' if !quoted => {}
            c => {
                line += u32::from(c == '\n');
                cell.push(c);
            }
        }
    }
    if !cell.is_empty() || !fields.is_empty() || quoted {
        fields.push(cell);
        all.push((begins, (good && !quoted).then_some(fields)));
    }
    all
}

/// The cells of one row by column.
struct Cells<'a> {
    line: u32,
    at: &'a BTreeMap<Column, usize>,
    fields: &'a [String],
    instruction: Option<InstructionId>,
    bad: Vec<BadCell>,
}

impl Cells<'_> {
    fn text(&self, column: Column) -> &str {
        let cell = self.at.get(&column).and_then(|at| self.fields.get(*at)).map_or("", String::as_str);
        cell.trim_matches(|c: char| c.is_whitespace() || c == '\'')
    }
    fn wrong(&mut self, column: Column, why: Code) {
        self.bad.push(BadCell { line: self.line, column: column.code(), why, instruction: self.instruction });
    }
    fn read<T>(&mut self, column: Column, why: Code, how: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let read = how(text);
        if read.is_none() {
            self.wrong(column, why);
        }
        read
    }
    fn code(&mut self, column: Column) -> Option<Code> {
        self.read(column, Code::of("not-a-code"), |text| text.to_lowercase().parse().ok())
    }
    fn date(&mut self, column: Column) -> Option<Date> {
        self.read(column, Code::of("not-a-date"), date)
    }
    fn codes(&mut self, column: Column) -> Vec<Code> {
        let read = self.read(column, Code::of("not-a-code"), |text| {
            let parts = text.split([' ', ';', '、', '　', '/']).filter(|part| !part.is_empty());
            parts.map(|part| part.to_lowercase().parse().ok()).collect::<Option<Vec<Code>>>()
        });
        let codes = read.unwrap_or_default();
        if codes.len() > ERASURES_MAX {
            self.wrong(column, Code::of("too-many"));
        }
        codes
    }
    fn is_blank(&self) -> bool {
        const ANSWERS: [Column; 9] = [
            Column::Outcome,
            Column::Ground,
            Column::Date,
            Column::System,
            Column::Method,
            Column::Items,
            Column::BackupsUntil,
            Column::Kept,
            Column::BookEntry,
        ];
        ANSWERS.iter().all(|column| self.text(*column).is_empty())
    }
    /// What was erased in the system of this row.
    fn erasure(&mut self) -> Option<Erasure> {
        let (system, on, method) = (self.code(Column::System), self.date(Column::Date), self.code(Column::Method));
        let (items, kept) = (self.codes(Column::Items), self.codes(Column::Kept));
        // A day, or that no backup holds it.
        let no_backups = matches!(self.text(Column::BackupsUntil), "none" | "なし");
        let backups_until = if no_backups { None } else { self.date(Column::BackupsUntil) };
        if system.is_none()
            && method.is_none()
            && items.is_empty()
            && kept.is_empty()
            && backups_until.is_none()
            && !no_backups
        {
            // A date alone is when it was done; what stands about an erasure begins with its system.
            return None;
        }
        for (column, there) in [
            (Column::System, system.is_some()),
            (Column::Date, on.is_some()),
            (Column::Method, method.is_some()),
            (Column::Items, !items.is_empty()),
            (Column::BackupsUntil, no_backups || backups_until.is_some()),
        ] {
            if !there && self.bad.iter().all(|bad| bad.column != column.code()) {
                self.wrong(column, Code::of("missing"));
            }
        }
        Some(Erasure { system: system?, on: on?, method: method?, items, backups_until, no_backups, kept })
    }
}

/// `2026-11-22`, and what spreadsheets make of it: `2026/11/22`, `2026/1/2`.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.split(['-', '/']).map(str::parse::<i16>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()
}

fn outcome(text: &str) -> Option<ReportOutcome> {
    Some(match text {
        "措置済み" => ReportOutcome::Applied,
        "該当データなし" => ReportOutcome::NoDataHeld,
        "一部措置" => ReportOutcome::PartlyApplied,
        "適用除外" => ReportOutcome::Exempt,
        "特定不能" => ReportOutcome::CannotIdentify,
        "到達不能" => ReportOutcome::Unreachable,
        word => word.to_lowercase().parse().ok()?,
    })
}

/// Reads a sheet that came back.
///
/// # Errors
/// It is over the limits, or has no heading.
pub fn read(bytes: &[u8]) -> Result<Sheet, NotASheet> {
    if bytes.len() > BYTES_MAX {
        return Err(NotASheet::TooLarge);
    }
    let text = decoded(bytes);
    let records = records(&text);
    if records.len() > ROWS_MAX + 1 {
        return Err(NotASheet::TooLarge);
    }
    let mut records = records.into_iter();
    let heading = records.next().and_then(|(_, fields)| fields).unwrap_or_default();
    let mut at = BTreeMap::new();
    for (n, cell) in heading.iter().enumerate() {
        let word = cell.split_whitespace().next_back().unwrap_or_default().to_lowercase();
        if let Some(column) = Column::ALL.iter().find(|c| c.code().as_str() == word) {
            at.entry(*column).or_insert(n);
        }
    }
    for column in [Column::Instruction, Column::Outcome] {
        if !at.contains_key(&column) {
            return Err(NotASheet::NoColumn(column.code()));
        }
    }
    let mut sheet = Sheet::default();
    for (line, fields) in records {
        row(&mut sheet, &at, line, fields);
    }
    // What has a bad cell anywhere is not taken: half an answer is none.
    let Sheet { answers, bad, .. } = &mut sheet;
    answers.retain(|answer| bad.iter().all(|cell| cell.instruction != Some(answer.instruction)));
    Ok(sheet)
}

fn row(sheet: &mut Sheet, at: &BTreeMap<Column, usize>, line: u32, fields: Option<Vec<String>>) {
    let Some(fields) = fields else {
        let (column, why) = (Column::Instruction.code(), Code::of("quotes"));
        return sheet.bad.push(BadCell { line, column, why, instruction: None });
    };
    if fields.iter().all(|cell| cell.trim().is_empty()) {
        return;
    }
    let mut cells = Cells { line, at, fields: &fields, instruction: None, bad: vec![] };
    if cells.is_blank() {
        sheet.empty += 1;
        return;
    }
    cells.instruction = cells.read(Column::Instruction, Code::of("not-an-instruction"), |text| text.parse().ok());
    if cells.instruction.is_none() && cells.bad.is_empty() {
        cells.wrong(Column::Instruction, Code::of("missing"));
    }
    let said = cells.read(Column::Outcome, Code::of("not-a-word-of-the-list"), outcome);
    let (ground, book_entry, erasure) = (cells.code(Column::Ground), cells.code(Column::BookEntry), cells.erasure());
    let before = sheet.answers.iter_mut().find(|answer| Some(answer.instruction) == cells.instruction);
    match (before, said) {
        (Some(answer), said) => {
            if said.is_some_and(|said| said != answer.outcome) {
                cells.wrong(Column::Outcome, Code::of("differs"));
            }
            if ground.is_some() && ground != answer.ground {
                cells.wrong(Column::Ground, Code::of("differs"));
            }
            if answer.erasures.len() >= ERASURES_MAX {
                cells.wrong(Column::System, Code::of("too-many"));
            }
            answer.erasures.extend(erasure);
            answer.book_entry = answer.book_entry.take().or(book_entry);
        }
        (None, Some(outcome)) => {
            if outcome.needs_ground() && ground.is_none() && cells.bad.iter().all(|b| b.column.as_str() != "ground") {
                cells.wrong(Column::Ground, Code::of("missing"));
            }
            if let Some(instruction) = cells.instruction {
                let erasures = erasure.into_iter().collect();
                sheet.answers.push(Answer { line, instruction, outcome, ground, book_entry, erasures });
            }
        }
        (None, None) => {
            if cells.bad.iter().all(|b| b.column.as_str() != "outcome") {
                cells.wrong(Column::Outcome, Code::of("missing"));
            }
        }
    }
    sheet.bad.append(&mut cells.bad);
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
