//! 入出金取引明細, type 03 (AP-I-12 §2), of ordinary, current and savings accounts.

use super::{
    Direction, Group, Line, Problem, Sort, Warning, ZenginError,
    day::Window,
    field::{Field, Record, field},
    layout::Open,
};
use privacy_seal::Personal;

const KIND: Field = field("account-kind", "預金種目", 63, 1);
const NUMBER: Field = field("account-number", "口座番号", 64, 10);
const OVERDRAWN: Field = field("overdrawn", "貸越区分", 114, 1);
const OPENING: Field = field("opening", "取引前残高", 116, 14);

const INQUIRY: Field = field("inquiry", "照会番号", 2, 8);
const BOOKED_ON: Field = field("booked-on", "勘定日", 10, 6);
const VALUE_ON: Field = field("value-on", "預入・払出日", 16, 6);
const DIRECTION: Field = field("direction", "入払区分", 22, 1);
const TRANSACTION: Field = field("transaction", "取引区分", 23, 2);
const AMOUNT: Field = field("amount", "取引金額", 25, 12);
const UNCLEARED: Field = field("uncleared", "うち他店券金額", 37, 12);
const REMITTER_CODE: Field = field("remitter-code", "振込依頼人コード", 72, 10);
const REMITTER: Field = field("remitter", "振込依頼人名", 82, 48);
const SENDING_BANK: Field = field("sending-bank", "仕向銀行名", 130, 15);
const SENDING_BRANCH: Field = field("sending-branch", "仕向店名", 145, 15);
const SUMMARY: Field = field("summary", "摘要内容", 160, 20);
const EDI: Field = field("edi", "EDI情報", 180, 20);
const PARTY: Field = field("party", "振込依頼人", 72, 88);

const COUNT_IN: Field = field("count-in", "入金件数", 2, 6);
const SUM_IN: Field = field("sum-in", "入金額合計", 8, 13);
const COUNT_OUT: Field = field("count-out", "出金件数", 21, 6);
const SUM_OUT: Field = field("sum-out", "出金額合計", 27, 13);
const CLOSING_OVERDRAWN: Field = field("overdrawn", "貸越区分", 40, 1);
const CLOSING: Field = field("closing", "取引後残高", 41, 14);
const LINES: Field = field("lines", "データ件数", 55, 7);

const RECORDS: Field = field("records", "レコード総件数", 2, 10);
const ACCOUNTS: Field = field("accounts", "口座数", 12, 5);

/// Account kind, number, opening balance.
pub(crate) fn account(record: &Record) -> Result<(u8, String, Option<i64>), ZenginError> {
    let kind = record.one_of(KIND, b"124").map_err(|_| record.wrong(KIND, Problem::AccountKind))?;
    let number = record.digits(NUMBER)?;
    // Ten digits here and seven in type 01: the same account must come out the same.
    let number = number.strip_prefix("000").unwrap_or(number).to_owned();
    Ok((kind, number, balance(record, OVERDRAWN, OPENING)?))
}

fn balance(record: &Record, overdrawn: Field, amount: Field) -> Result<Option<i64>, ZenginError> {
    let negative = record.one_of(overdrawn, b" 012")? == b'2';
    Ok(record.number_if(amount)?.map(|n| if negative { -n } else { n }))
}

pub(crate) fn line(
    record: &Record,
    group: &Open,
    days: &Window,
    warnings: &mut Vec<Warning>,
) -> Result<Line, ZenginError> {
    let direction = match record.one_of(DIRECTION, b"12")? {
        b'1' => Direction::In,
        _ => Direction::Out,
    };
    let transaction = match record.number(TRANSACTION)? {
        n @ (10..=15 | 18 | 19) => n as u8,
        _ => return Err(record.wrong(TRANSACTION, Problem::UnknownValue)),
    };
    let (amount, uncleared) = (record.yen(AMOUNT)?, record.number_if(UNCLEARED)?.unwrap_or(0));
    if uncleared > amount.0 {
        return Err(record.wrong(UNCLEARED, Problem::UnclearedOver));
    }
    Ok(Line {
        record: record.number,
        inquiry: record.digits_if(INQUIRY)?,
        booked_on: group.booking_day(record, BOOKED_ON, days)?,
        value_on: days.day(record, VALUE_ON)?,
        direction,
        amount,
        uncleared: contracts::payment::Yen(uncleared),
        sort: if transaction == 19 { Sort::Correction } else { Sort::Ordinary },
        transaction: Some(transaction),
        remitter_code: record.digits_if(REMITTER_CODE)?,
        remitter: record.text(REMITTER, warnings),
        sending_bank: record.text(SENDING_BANK, warnings),
        sending_branch: record.text(SENDING_BRANCH, warnings),
        edi: record.text(EDI, warnings),
        summary: record.text(SUMMARY, warnings),
        party: Personal::new(record.raw(PARTY).to_vec()),
    })
}

/// The trailer: counts, sums, and the balance where the bank gives both ends of it.
pub(crate) fn close(record: &Record, open: Open) -> Result<Group, ZenginError> {
    let total = |direction: Direction| {
        let lines = open.lines.iter().filter(|l| l.direction == direction);
        lines.fold((0i64, 0i64), |(n, sum), l| (n + 1, sum + l.amount.0))
    };
    let (incoming, outgoing) = (total(Direction::In), total(Direction::Out));
    for (f, stated, problem) in [
        (COUNT_IN, incoming.0, Problem::CountMismatch),
        (SUM_IN, incoming.1, Problem::SumMismatch),
        (COUNT_OUT, outgoing.0, Problem::CountMismatch),
        (SUM_OUT, outgoing.1, Problem::SumMismatch),
        (LINES, open.lines.len() as i64, Problem::CountMismatch),
    ] {
        if record.number(f)? != stated {
            return Err(record.wrong(f, problem));
        }
    }
    let closing = balance(record, CLOSING_OVERDRAWN, CLOSING)?;
    if let (Some(opening), Some(closing)) = (open.opening, closing)
        && opening + incoming.1 - outgoing.1 != closing
    {
        return Err(record.wrong(CLOSING, Problem::BalanceMismatch));
    }
    Ok(Group { closing, ..open.into() })
}

/// The end record. Some banks count it among the records and some do not.
pub(crate) fn end(record: &Record, records: usize, accounts: usize) -> Result<(), ZenginError> {
    let stated = record.number(RECORDS)?;
    if stated != records as i64 && stated != records as i64 - 1 {
        return Err(record.wrong(RECORDS, Problem::CountMismatch));
    }
    match record.number(ACCOUNTS)? == accounts as i64 {
        true => Ok(()),
        false => Err(record.wrong(ACCOUNTS, Problem::CountMismatch)),
    }
}

#[cfg(test)]
pub(crate) const FIELDS: &[Field] = &[
    KIND,
    NUMBER,
    OVERDRAWN,
    OPENING,
    INQUIRY,
    BOOKED_ON,
    VALUE_ON,
    DIRECTION,
    TRANSACTION,
    AMOUNT,
    UNCLEARED,
    REMITTER_CODE,
    REMITTER,
    SENDING_BANK,
    SENDING_BRANCH,
    SUMMARY,
    EDI,
    COUNT_IN,
    SUM_IN,
    COUNT_OUT,
    SUM_OUT,
    CLOSING_OVERDRAWN,
    CLOSING,
    LINES,
    RECORDS,
    ACCOUNTS,
];
