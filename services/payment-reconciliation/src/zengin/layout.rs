//! The order of records that both types share: (header, data …, trailer) once per account, then one end record.

use super::{
    Account, Group, Layout, Line, Problem, Warning, ZenginError,
    day::Window,
    deposit,
    field::{Field, RECORD_KIND, Record, field},
    transactions,
};
use jiff::civil::Date;

const TYPE: Field = field("type", "種別コード", 2, 2);
const CODE: Field = field("code", "コード区分", 4, 1);
const MADE_ON: Field = field("made-on", "作成日", 5, 6);
const FROM: Field = field("from", "勘定日（自）", 11, 6);
const TO: Field = field("to", "勘定日（至）", 17, 6);
const BANK: Field = field("bank", "銀行コード", 23, 4);
const BRANCH: Field = field("branch", "支店コード", 42, 3);

/// What differs between the types.
pub(crate) struct Open {
    pub account: Account,
    pub made_on: Date,
    pub from: Date,
    pub to: Date,
    pub opening: Option<i64>,
    pub lines: Vec<Line>,
}

impl Open {
    /// A booking day must lie in the period that the header states.
    pub fn booking_day(&self, record: &Record, f: Field, days: &Window) -> Result<Date, ZenginError> {
        let day = days.day(record, f)?;
        if (self.from..=self.to).contains(&day) { Ok(day) } else { Err(record.wrong(f, Problem::DayOutOfRange)) }
    }
}

/// All groups of a file.
pub(crate) fn walk(
    records: &[Record],
    layout: Layout,
    days: &Window,
) -> Result<(Vec<Group>, Vec<Warning>), ZenginError> {
    // The type stands in the first header: a wrong profile must be named as such, not as a damaged field.
    if let Some(first) = records.first().filter(|r| r.kind() == b'1') {
        check_type(first, layout)?;
        deposit::contradict(records, layout)?;
    }
    let mut groups = Vec::new();
    let mut warnings = Vec::new();
    let mut open: Option<Open> = None;
    let mut ended = false;
    for record in records {
        open = match (record.kind(), open.take()) {
            _ if ended => return Err(record.wrong(RECORD_KIND, Problem::OutOfOrder)),
            (b'1', None) => Some(header(record, layout, days)?),
            (b'2', Some(mut group)) => {
                let line = match layout {
                    Layout::DepositsA | Layout::DepositsB => {
                        deposit::line(record, layout, &group, days, &mut warnings)?
                    }
                    Layout::Transactions => transactions::line(record, &group, days, &mut warnings)?,
                };
                group.lines.push(line);
                Some(group)
            }
            (b'8', Some(group)) => {
                groups.push(match layout {
                    Layout::DepositsA | Layout::DepositsB => deposit::close(record, group)?,
                    Layout::Transactions => transactions::close(record, group)?,
                });
                None
            }
            (b'9', None) if !groups.is_empty() => {
                if layout == Layout::Transactions {
                    transactions::end(record, records.len(), groups.len())?;
                }
                ended = true;
                None
            }
            _ => return Err(record.wrong(RECORD_KIND, Problem::OutOfOrder)),
        };
    }
    if ended { Ok((groups, warnings)) } else { Err(ZenginError::file(Problem::NoEnd)) }
}

fn check_type(record: &Record, layout: Layout) -> Result<(), ZenginError> {
    let expected: &[u8] = if layout == Layout::Transactions { b"03" } else { b"01" };
    if record.raw(TYPE) == expected { Ok(()) } else { Err(record.wrong(TYPE, Problem::OtherType)) }
}

fn header(record: &Record, layout: Layout, days: &Window) -> Result<Open, ZenginError> {
    check_type(record, layout)?;
    if record.raw(CODE) == b"1" {
        return Err(record.wrong(CODE, Problem::Ebcdic));
    }
    record.one_of(CODE, b"0")?;
    let (kind, number, opening) = match layout {
        Layout::Transactions => transactions::account(record)?,
        Layout::DepositsA | Layout::DepositsB => deposit::account(record)?,
    };
    let (from, to) = (days.day(record, FROM)?, days.day(record, TO)?);
    if to < from {
        return Err(record.wrong(TO, Problem::DayOutOfRange));
    }
    Ok(Open {
        account: Account {
            bank: record.digits(BANK)?.to_owned(),
            branch: record.digits(BRANCH)?.to_owned(),
            kind: kind - b'0',
            number,
        },
        made_on: days.day(record, MADE_ON)?,
        from,
        to,
        opening,
        lines: Vec::new(),
    })
}

impl From<Open> for Group {
    fn from(open: Open) -> Self {
        let Open { account, made_on, from, to, opening, lines } = open;
        Group { account, made_on, from, to, opening, closing: None, lines }
    }
}
