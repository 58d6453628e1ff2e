//! 振込入金通知, type 01 (AP-I-12 §1), formats A and B.

use super::{
    Direction, Group, Layout, Line, Problem, Sort, Warning, ZenginError,
    day::Window,
    field::{Field, Record, field},
    layout::Open,
};
use contracts::payment::Yen;
use privacy_seal::Personal;

const KIND: Field = field("account-kind", "預金種目", 60, 1);
const NUMBER: Field = field("account-number", "口座番号", 61, 7);

const INQUIRY: Field = field("inquiry", "照会番号", 2, 6);
const BOOKED_ON: Field = field("booked-on", "勘定日", 8, 6);
const VALUE_ON: Field = field("value-on", "起算日", 14, 6);
const AMOUNT: Field = field("amount", "金額", 20, 10);
const UNCLEARED: Field = field("uncleared", "うち他店券金額", 30, 10);
const REMITTER_CODE: Field = field("remitter-code", "振込依頼人コード", 40, 10);
const REMITTER: Field = field("remitter", "振込依頼人名", 50, 48);
const SENDING_BANK: Field = field("sending-bank", "仕向銀行名", 98, 15);
const SENDING_BRANCH: Field = field("sending-branch", "仕向店名", 113, 15);
const CANCELLED: Field = field("cancelled", "取消区分", 128, 1);
const EDI_A: Field = field("edi", "EDI情報", 129, 20);
const AMOUNT_2: Field = field("amount-2", "金額（2）", 129, 12);
const UNCLEARED_2: Field = field("uncleared-2", "うち他店券金額（2）", 141, 12);
const EDI_B: Field = field("edi", "EDI情報", 153, 20);
const PARTY: Field = field("party", "振込依頼人", 40, 88);
/// Spaces (ダミー) in A, the last digits of うち他店券金額(2) in B: the one place that always tells them apart.
const TELLTALE: Field = field("variant", "フォーマットA・B", 149, 4);

const COUNT: Field = field("count", "振込合計件数", 2, 6);
const SUM: Field = field("sum", "振込合計金額", 8, 12);
const CANCELLED_COUNT: Field = field("cancelled-count", "取消合計件数", 20, 6);
const CANCELLED_SUM: Field = field("cancelled-sum", "取消合計金額", 26, 12);

/// Account kind, number; type 01 has no balances.
pub(crate) fn account(record: &Record) -> Result<(u8, String, Option<i64>), ZenginError> {
    let kind = record.one_of(KIND, b"124").map_err(|_| record.wrong(KIND, Problem::AccountKind))?;
    Ok((kind, record.digits(NUMBER)?.to_owned(), None))
}

/// Says so when the records are plainly of the other format. Never decides which one it is: the profile does.
pub(crate) fn contradict(records: &[Record], layout: Layout) -> Result<(), ZenginError> {
    let digits = |r: &Record| r.raw(TELLTALE).iter().all(u8::is_ascii_digit);
    let data = || records.iter().filter(|r| r.kind() == b'2');
    let contradicted = match layout {
        Layout::Transactions => false,
        Layout::DepositsA => data().all(digits),
        Layout::DepositsB => !data().any(digits),
    };
    match data().next() {
        Some(first) if contradicted => Err(first.wrong(TELLTALE, Problem::OtherVariant)),
        _ => Ok(()),
    }
}

pub(crate) fn line(
    record: &Record,
    layout: Layout,
    group: &Open,
    days: &Window,
    warnings: &mut Vec<Warning>,
) -> Result<Line, ZenginError> {
    let (amount, uncleared, edi) = match layout {
        Layout::DepositsB => {
            let (amount, uncleared) = amounts_b(record)?;
            (amount, uncleared, EDI_B)
        }
        _ => (record.yen(AMOUNT)?, record.yen(UNCLEARED)?, EDI_A),
    };
    if uncleared > amount {
        return Err(record.wrong(UNCLEARED, Problem::UnclearedOver));
    }
    let cancelled = record.one_of(CANCELLED, b" 01")? == b'1';
    Ok(Line {
        record: record.number,
        inquiry: record.digits_if(INQUIRY)?,
        booked_on: group.booking_day(record, BOOKED_ON, days)?,
        value_on: days.day(record, VALUE_ON)?,
        direction: Direction::In,
        amount,
        uncleared,
        sort: if cancelled { Sort::Cancellation } else { Sort::Ordinary },
        transaction: None,
        remitter_code: record.digits_if(REMITTER_CODE)?,
        remitter: record.text(REMITTER, warnings),
        sending_bank: record.text(SENDING_BANK, warnings),
        sending_branch: record.text(SENDING_BRANCH, warnings),
        edi: record.text(edi, warnings),
        summary: Default::default(),
        party: Personal::new(record.raw(PARTY).to_vec()),
    })
}

/// Format B: amount (1) is all zeros when amount (2) is used.
fn amounts_b(record: &Record) -> Result<(Yen, Yen), ZenginError> {
    let (one, two) = (record.yen(AMOUNT)?, record.yen(AMOUNT_2)?);
    let (uncleared_1, uncleared_2) = (record.yen(UNCLEARED)?, record.yen(UNCLEARED_2)?);
    match (one.0, two.0) {
        (0, _) if uncleared_1.0 == 0 => Ok((two, uncleared_2)),
        (_, 0) if uncleared_2.0 == 0 => Ok((one, uncleared_1)),
        _ => Err(record.wrong(AMOUNT_2, Problem::TwoAmounts)),
    }
}

/// The trailer. Banks differ on whether 振込合計 counts cancelled rows too: either is accepted, neither-fits is refused.
pub(crate) fn close(record: &Record, group: Open) -> Result<Group, ZenginError> {
    let total = |cancelled: Option<bool>| {
        let wanted = |l: &&Line| cancelled.is_none_or(|c| c == (l.sort == Sort::Cancellation));
        let lines = group.lines.iter().filter(wanted);
        lines.fold((0i64, 0i64), |(n, sum), l| (n + 1, sum + l.amount.0))
    };
    let stated = (record.number(COUNT)?, record.number(SUM)?);
    let (all, standing, cancelled) = (total(None), total(Some(false)), total(Some(true)));
    if stated != all && stated != standing {
        let count_fits = stated.0 == all.0 || stated.0 == standing.0;
        return Err(match count_fits {
            true => record.wrong(SUM, Problem::SumMismatch),
            false => record.wrong(COUNT, Problem::CountMismatch),
        });
    }
    if record.number_if(CANCELLED_COUNT)?.is_some_and(|n| n != cancelled.0) {
        return Err(record.wrong(CANCELLED_COUNT, Problem::CountMismatch));
    }
    if record.number_if(CANCELLED_SUM)?.is_some_and(|sum| sum != cancelled.1) {
        return Err(record.wrong(CANCELLED_SUM, Problem::SumMismatch));
    }
    Ok(group.into())
}

#[cfg(test)]
pub(crate) const FIELDS: &[Field] = &[
    KIND,
    NUMBER,
    INQUIRY,
    BOOKED_ON,
    VALUE_ON,
    AMOUNT,
    UNCLEARED,
    REMITTER_CODE,
    REMITTER,
    SENDING_BANK,
    SENDING_BRANCH,
    CANCELLED,
    EDI_A,
    AMOUNT_2,
    UNCLEARED_2,
    EDI_B,
    TELLTALE,
    COUNT,
    SUM,
    CANCELLED_COUNT,
    CANCELLED_SUM,
];
