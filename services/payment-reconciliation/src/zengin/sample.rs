//! Makes Zengin files: what a bank would send for given lines. For the demonstration, the journeys and tests.
//!
//! Only the dates and texts of the formats can be written; a text that cannot becomes spaces and question marks.

use super::{Account, Direction, Layout, RECORD};
use calendar::{Era, EraDate};
use jiff::civil::Date;

/// A line to be written. Start from [`SampleLine::deposit`].
#[derive(Debug, Clone)]
pub struct SampleLine {
    /// 勘定日
    pub booked_on: Date,
    /// 起算日
    pub value_on: Date,
    /// In or out (03 only; 01 is always in).
    pub direction: Direction,
    /// Yen.
    pub amount: i64,
    /// うち他店券金額
    pub uncleared: i64,
    /// 振込依頼人コード, at most ten digits, or empty.
    pub code: String,
    /// 振込依頼人名 in half-width characters.
    pub remitter: String,
    /// 取消区分 1 (01 only).
    pub cancelled: bool,
    /// 取引区分 (03 only).
    pub transaction: u8,
}

impl SampleLine {
    /// An ordinary transfer that came in on this day.
    pub fn deposit(on: Date, amount: i64, code: &str, remitter: &str) -> Self {
        Self {
            booked_on: on,
            value_on: on,
            direction: Direction::In,
            amount,
            uncleared: 0,
            code: code.to_owned(),
            remitter: remitter.to_owned(),
            cancelled: false,
            transaction: 11,
        }
    }
}

/// An account that needs no configuration: 0009 / 227 / ordinary / 1234567.
pub fn account() -> Account {
    Account { bank: "0009".into(), branch: "227".into(), kind: 1, number: "1234567".into() }
}

/// A file of the layout for one account, CRLF after each record; header dates span the lines (or `made_on`).
pub fn file(layout: Layout, account: &Account, made_on: Date, opening: i64, lines: &[SampleLine]) -> Vec<u8> {
    let records = match layout {
        Layout::Transactions => transactions(account, made_on, opening, lines),
        _ => deposits(layout, account, made_on, lines),
    };
    records.iter().flat_map(|r| r.iter().copied().chain(*b"\r\n")).collect()
}

/// The records of the file, for those who want to put them together otherwise.
pub type Records = Vec<[u8; RECORD]>;

fn deposits(layout: Layout, account: &Account, made_on: Date, lines: &[SampleLine]) -> Records {
    let mut records = vec![header("01", account, made_on, lines, |r| {
        put(r, 60, &account.kind.to_string());
        number(r, 61, 7, account.number.parse().unwrap_or(0));
        put(r, 68, "ﾏﾄﾞｸﾞﾁ");
    })];
    for (line, i) in lines.iter().zip(1..) {
        let mut r = [b' '; RECORD];
        let (one, two) = if layout == Layout::DepositsB { (0, line.amount) } else { (line.amount, 0) };
        let (cheque_1, cheque_2) = if layout == Layout::DepositsB { (0, line.uncleared) } else { (line.uncleared, 0) };
        put(&mut r, 1, "2");
        number(&mut r, 2, 6, i);
        day(&mut r, 8, line.booked_on);
        day(&mut r, 14, line.value_on);
        number(&mut r, 20, 10, one);
        number(&mut r, 30, 10, cheque_1);
        number(&mut r, 40, 10, line.code.parse().unwrap_or(0));
        put_within(&mut r, 50, 48, &line.remitter);
        put(&mut r, 98, "ﾊﾟｲｾﾂﾄ");
        put(&mut r, 113, "ﾎﾝﾃﾝ");
        put(&mut r, 128, if line.cancelled { "1" } else { " " });
        if layout == Layout::DepositsB {
            number(&mut r, 129, 12, two);
            number(&mut r, 141, 12, cheque_2);
        }
        records.push(r);
    }
    let total = |cancelled: bool| {
        let lines = lines.iter().filter(|l| l.cancelled == cancelled);
        lines.fold((0, 0), |(n, sum), l| (n + 1, sum + l.amount))
    };
    let ((count, sum), (cancelled, cancelled_sum)) = (total(false), total(true));
    let mut trailer = [b' '; RECORD];
    put(&mut trailer, 1, "8");
    number(&mut trailer, 2, 6, count);
    number(&mut trailer, 8, 12, sum);
    number(&mut trailer, 20, 6, cancelled);
    number(&mut trailer, 26, 12, cancelled_sum);
    records.push(trailer);
    records.push(end());
    records
}

fn transactions(account: &Account, made_on: Date, opening: i64, lines: &[SampleLine]) -> Records {
    let mut records = vec![header("03", account, made_on, lines, |r| {
        put(r, 60, "000");
        put(r, 63, &account.kind.to_string());
        number(r, 64, 10, account.number.parse().unwrap_or(0));
        put(r, 74, "ﾏﾄﾞｸﾞﾁ");
        put(r, 114, if opening < 0 { "2" } else { "1" });
        number(r, 116, 14, opening.abs());
    })];
    for (line, i) in lines.iter().zip(1..) {
        let mut r = [b' '; RECORD];
        put(&mut r, 1, "2");
        number(&mut r, 2, 8, i);
        day(&mut r, 10, line.booked_on);
        day(&mut r, 16, line.value_on);
        put(&mut r, 22, if line.direction == Direction::In { "1" } else { "2" });
        number(&mut r, 23, 2, i64::from(line.transaction));
        number(&mut r, 25, 12, line.amount);
        number(&mut r, 37, 12, line.uncleared);
        put(&mut r, 69, &account.branch);
        if !line.code.is_empty() {
            number(&mut r, 72, 10, line.code.parse().unwrap_or(0));
        }
        put_within(&mut r, 82, 48, &line.remitter);
        put(&mut r, 130, "ﾊﾟｲｾﾂﾄ");
        put(&mut r, 145, "ﾎﾝﾃﾝ");
        records.push(r);
    }
    let total = |direction: Direction| {
        let lines = lines.iter().filter(|l| l.direction == direction);
        lines.fold((0, 0), |(n, sum), l| (n + 1, sum + l.amount))
    };
    let ((n_in, sum_in), (n_out, sum_out)) = (total(Direction::In), total(Direction::Out));
    let closing = opening + sum_in - sum_out;
    let mut trailer = [b' '; RECORD];
    put(&mut trailer, 1, "8");
    number(&mut trailer, 2, 6, n_in);
    number(&mut trailer, 8, 13, sum_in);
    number(&mut trailer, 21, 6, n_out);
    number(&mut trailer, 27, 13, sum_out);
    put(&mut trailer, 40, if closing < 0 { "2" } else { "1" });
    number(&mut trailer, 41, 14, closing.abs());
    number(&mut trailer, 55, 7, lines.len() as i64);
    records.push(trailer);
    let mut last = end();
    number(&mut last, 2, 10, records.len() as i64 + 1);
    number(&mut last, 12, 5, 1);
    records.push(last);
    records
}

fn header(
    kind: &str,
    account: &Account,
    made_on: Date,
    lines: &[SampleLine],
    rest: impl FnOnce(&mut [u8; RECORD]),
) -> [u8; RECORD] {
    let mut r = [b' '; RECORD];
    put(&mut r, 1, "1");
    put(&mut r, 2, kind);
    put(&mut r, 4, "0");
    day(&mut r, 5, made_on);
    day(&mut r, 11, lines.iter().map(|l| l.booked_on).min().unwrap_or(made_on));
    day(&mut r, 17, lines.iter().map(|l| l.booked_on).max().unwrap_or(made_on));
    put(&mut r, 23, &account.bank);
    put(&mut r, 27, "ﾐﾎﾝｷﾞﾝｺｳ");
    put(&mut r, 42, &account.branch);
    put(&mut r, 45, "ﾎﾝﾃﾝ");
    rest(&mut r);
    r
}

fn end() -> [u8; RECORD] {
    let mut r = [b' '; RECORD];
    put(&mut r, 1, "9");
    r
}

fn put(r: &mut [u8; RECORD], at: usize, text: &str) {
    put_within(r, at, RECORD + 1 - at, text);
}

fn put_within(r: &mut [u8; RECORD], at: usize, len: usize, text: &str) {
    let byte = |c: char| match c as u32 {
        u @ 0x20..=0x7E => u as u8,
        u @ 0xFF61..=0xFF9F => (u - 0xFF61 + 0xA1) as u8,
        _ => b'?',
    };
    for (place, c) in r[at - 1..at - 1 + len].iter_mut().zip(text.chars()) {
        *place = byte(c);
    }
}

fn number(r: &mut [u8; RECORD], at: usize, len: usize, n: i64) {
    put_within(r, at, len, &format!("{n:0len$}"));
}

fn day(r: &mut [u8; RECORD], at: usize, day: Date) {
    let year = EraDate::of(day).filter(|e| matches!(e.era, Era::Heisei | Era::Reiwa)).map_or(0, |e| e.year);
    put(r, at, &format!("{year:02}{:02}{:02}", day.month(), day.day()));
}
