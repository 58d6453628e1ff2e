//! 複式簿記: every yen twice. An entry is a list of postings that sum to zero; nothing is ever changed or deleted, and a
//! mistake is undone by the reversing entry (取消仕訳) alone. The database holds the same rules as constraints.
//!
//! Every bank line is booked to suspense (仮受金) when it arrives, before anybody knows what it is; an allocation (充当) moves
//! it to the advances received (前受金) of a charge; when the case is decided, the advance becomes income (手数料収入).

use contracts::{ChargeId, payment::Yen};
use uuid::Uuid;

macro_rules! accounts {
    ($($(#[$doc:meta])* $name:ident $code:literal $ja:literal,)*) => {
        /// 勘定科目
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Account { $($(#[$doc])* $name,)* }
        impl Account {
            /// The chart of accounts.
            pub const ALL: &[Account] = &[$(Account::$name,)*];
            /// As it stands in the table.
            pub const fn code(self) -> &'static str {
                match self { $(Account::$name => $code,)* }
            }
            /// As it stands in the books.
            pub const fn ja(self) -> &'static str {
                match self { $(Account::$name => $ja,)* }
            }
            /// By its code.
            pub fn by_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|a| a.code() == code)
            }
        }
    };
}

accounts! {
    /// Money at the bank.
    Bank "bank" "普通預金",
    /// Lines that nobody has placed yet.
    Suspense "suspense" "仮受金",
    /// Fees received and not yet earned, per charge.
    Advance "advance" "前受金",
    /// Earned fees.
    FeeIncome "fee-income" "手数料収入",
    /// What was paid too much and is owed back.
    Refundable "refundable" "預り金",
    /// Refunds approved and not yet gone.
    RefundPayable "refund-payable" "未払金（返金）",
    /// Fees of the bank.
    BankFees "bank-fees" "支払手数料",
    /// Cash from registered mail.
    Cash "cash" "現金",
    /// Cash on its way to the bank.
    CashInTransit "cash-in-transit" "現金預入中",
    /// Differences of a count.
    CashOverShort "cash-over-short" "現金過不足",
}

/// One side of an entry. Debits (借方) are positive, credits (貸方) negative, in yen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// The charge, on [`Account::Advance`] only.
    pub charge: Option<ChargeId>,
    /// Not zero.
    pub amount: i64,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A bank line came in or went out.
    Line,
    /// 充当
    Allocation,
    /// The fee is earned.
    Earning,
    /// 取消仕訳
    Reversal,
}

impl EntryKind {
    /// As it stands in the table.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Allocation => "allocation",
            Self::Earning => "earning",
            Self::Reversal => "reversal",
        }
    }
}

/// 仕訳. Made by the constructors here only, so that its postings always sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    id: Uuid,
    kind: EntryKind,
    reverses: Option<Uuid>,
    postings: Vec<Posting>,
}

/// Why an entry cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Zero or negative.
    #[error("amount: an entry needs an amount of at least 1 yen")]
    Amount,
    /// A reversal of a reversal would hide what happened.
    #[error("reverses: a reversing entry is not reversed; make the entry anew")]
    ReversesReversal,
}

impl Entry {
    fn two(id: Uuid, kind: EntryKind, amount: Yen, debit: Leg, credit: Leg) -> Result<Self, LedgerError> {
        if amount.0 <= 0 {
            return Err(LedgerError::Amount);
        }
        let posting = |(account, charge): Leg, amount| Posting { account, charge, amount };
        Ok(Self { id, kind, reverses: None, postings: vec![posting(debit, amount.0), posting(credit, -amount.0)] })
    }

    /// A bank line, booked to suspense: 普通預金 / 仮受金, or the reverse for money that left.
    ///
    /// The id is derived from the line, so that a line can be booked once only.
    pub fn line(line: Uuid, incoming: bool, amount: Yen) -> Result<Self, LedgerError> {
        let (bank, suspense) = ((Account::Bank, None), (Account::Suspense, None));
        let (debit, credit) = if incoming { (bank, suspense) } else { (suspense, bank) };
        Self::two(id_of(line, "line"), EntryKind::Line, amount, debit, credit)
    }

    /// 充当: 仮受金 / 前受金 of this charge.
    ///
    /// `round` counts the allocations of this line: after a reversal it may be allocated again.
    pub fn allocation(line: Uuid, round: u32, charge: ChargeId, amount: Yen) -> Result<Self, LedgerError> {
        let advance = (Account::Advance, Some(charge));
        let id = id_of(line, &format!("allocation-{round}"));
        Self::two(id, EntryKind::Allocation, amount, (Account::Suspense, None), advance)
    }

    /// The fee is earned: 前受金 of this charge / 手数料収入.
    pub fn earning(charge: ChargeId, amount: Yen) -> Result<Self, LedgerError> {
        let advance = (Account::Advance, Some(charge));
        Self::two(id_of(charge.0, "earning"), EntryKind::Earning, amount, advance, (Account::FeeIncome, None))
    }

    /// 取消仕訳: the same postings with the signs turned.
    pub fn reversal(of: &Entry) -> Result<Self, LedgerError> {
        if of.kind == EntryKind::Reversal {
            return Err(LedgerError::ReversesReversal);
        }
        let postings = of.postings.iter().map(|p| Posting { amount: -p.amount, ..*p }).collect();
        Ok(Self { id: id_of(of.id, "reversal"), kind: EntryKind::Reversal, reverses: Some(of.id), postings })
    }

    /// Derived from what it is about: the same business fact gives the same entry, which the table takes once.
    pub fn id(&self) -> Uuid {
        self.id
    }
    /// What it is about.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }
    /// The entry that this one undoes.
    pub fn reverses(&self) -> Option<Uuid> {
        self.reverses
    }
    /// Two or more; they sum to zero.
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

type Leg = (Account, Option<ChargeId>);

fn id_of(about: Uuid, what: &str) -> Uuid {
    Uuid::new_v5(&about, what.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// A book in memory with the rules of the table: an id once, a reversal once.
    #[derive(Default)]
    struct Book {
        ids: BTreeSet<Uuid>,
        reversed: BTreeSet<Uuid>,
        balances: BTreeMap<(Account, Option<Uuid>), i64>,
    }

    impl Book {
        fn post(&mut self, entry: &Entry) -> bool {
            if self.ids.contains(&entry.id()) || entry.reverses().is_some_and(|of| !self.reversed.insert(of)) {
                return false;
            }
            self.ids.insert(entry.id());
            for p in entry.postings() {
                *self.balances.entry((p.account, p.charge.map(Uuid::from))).or_default() += p.amount;
            }
            true
        }
        fn balance(&self, account: Account) -> i64 {
            self.balances.iter().filter(|((a, _), _)| *a == account).map(|(_, n)| n).sum()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Line { line: u8, incoming: bool, amount: i64 },
        Allocate { line: u8 },
        Reverse { line: u8 },
        Earn { line: u8 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u8..12, any::<bool>(), 1i64..1_000_000_000_000).prop_map(|(line, incoming, amount)| Step::Line {
                line,
                incoming,
                amount
            }),
            (0u8..12).prop_map(|line| Step::Allocate { line }),
            (0u8..12).prop_map(|line| Step::Reverse { line }),
            (0u8..12).prop_map(|line| Step::Earn { line }),
        ];
        proptest::collection::vec(step, 0..80)
    }

    fn uuid(n: u8) -> Uuid {
        Uuid::from_u128(u128::from(n) + 1)
    }

    proptest! {
        /// Whatever happens in whatever order and however often: the book balances, the bank is the sum of the lines, and
        /// what is neither allocated nor earned lies in suspense.
        #[test]
        fn the_books_balance(steps in steps()) {
            let mut book = Book::default();
            let mut lines: BTreeMap<u8, (bool, i64)> = BTreeMap::new();
            let mut held: BTreeMap<u8, (Entry, u32)> = BTreeMap::new();
            let mut rounds: BTreeMap<u8, u32> = BTreeMap::new();
            let mut earned: BTreeMap<u8, i64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Line { line, incoming, amount } => {
                        let new = book.post(&Entry::line(uuid(line), incoming, Yen(amount)).unwrap());
                        prop_assert_eq!(new, !lines.contains_key(&line), "a line is booked once");
                        lines.entry(line).or_insert((incoming, amount));
                    }
                    Step::Allocate { line } => if let Some((true, amount)) = lines.get(&line) && !held.contains_key(&line) {
                        let round = rounds.entry(line).or_default();
                        let entry = Entry::allocation(uuid(line), *round, ChargeId(uuid(100 + line)), Yen(*amount)).unwrap();
                        prop_assert!(book.post(&entry));
                        prop_assert!(!book.post(&entry), "the same allocation is taken once");
                        held.insert(line, (entry, *round));
                        *round += 1;
                    },
                    Step::Reverse { line } => if !earned.contains_key(&line) && let Some((entry, _)) = held.remove(&line) {
                        let reversal = Entry::reversal(&entry).unwrap();
                        prop_assert!(book.post(&reversal));
                        prop_assert!(!book.post(&reversal), "an entry is reversed once");
                        prop_assert_eq!(Entry::reversal(&reversal), Err(LedgerError::ReversesReversal));
                    },
                    Step::Earn { line } => if held.contains_key(&line) && !earned.contains_key(&line) {
                        let amount = lines[&line].1;
                        let entry = Entry::earning(ChargeId(uuid(100 + line)), Yen(amount)).unwrap();
                        prop_assert!(book.post(&entry));
                        earned.insert(line, amount);
                    },
                }
                prop_assert_eq!(book.balances.values().sum::<i64>(), 0);
                let bank: i64 = lines.values().map(|(incoming, n)| if *incoming { *n } else { -n }).sum();
                let allocated: i64 = held.keys().map(|line| lines[line].1).sum();
                let income: i64 = earned.values().sum();
                prop_assert_eq!(book.balance(Account::Bank), bank);
                prop_assert_eq!(book.balance(Account::Suspense), allocated - bank);
                prop_assert_eq!(book.balance(Account::Advance), income - allocated);
                prop_assert_eq!(book.balance(Account::FeeIncome), -income);
                prop_assert!(book.balances.iter().filter(|((a, _), _)| *a == Account::Advance).all(|(_, n)| *n <= 0), "no charge is overdrawn");
            }
        }
    }

    #[test]
    fn entries_need_an_amount() {
        for amount in [0, -1, i64::MIN] {
            assert_eq!(Entry::line(uuid(1), true, Yen(amount)), Err(LedgerError::Amount));
            assert_eq!(Entry::earning(ChargeId(uuid(1)), Yen(amount)), Err(LedgerError::Amount));
        }
        for account in Account::ALL {
            assert_eq!(Account::by_code(account.code()), Some(*account));
            assert!(!account.ja().is_empty());
        }
    }
}
