//! Overlapping files, cancellations, and what is booked.

use super::*;
use crate::{
    ledger,
    matching::{ChargeView, Standing},
    reference, statement,
    zengin::{
        self, Profile,
        sample::{self, SampleLine},
    },
};
use contracts::{Digest, payment::Yen};
use jiff::civil::date;
use proptest::prelude::*;

fn key() -> LineKey {
    Zeroizing::new([9; 32])
}

fn statement_id(n: u8) -> StatementId {
    statement::id_of(&Digest([n; 32]))
}

fn read(lines: &[SampleLine]) -> Statement {
    let bytes = sample::file(Layout::DepositsA, &sample::account(), date(2026, 11, 21), 0, lines);
    zengin::parse(&bytes, &Profile::of(Layout::DepositsA), date(2026, 11, 22)).unwrap()
}

fn deposit(day: i8, amount: i64, name: &str) -> SampleLine {
    SampleLine::deposit(date(2026, 11, day), amount, "", name)
}

/// Takes files one after the other as the store does.
#[derive(Default)]
struct Store(HashSet<Seen>);

impl Store {
    fn take(&mut self, n: u8, lines: &[SampleLine]) -> Vec<Keyed> {
        let new = fresh(keyed(statement_id(n), &read(lines), &key(), false), &self.0);
        self.0.extend(new.iter().map(|k| (k.account, k.key.clone(), k.occurrence)));
        new
    }
}

#[test]
fn two_equal_payments_are_two_and_the_same_payment_in_two_files_is_one() {
    let pay = || deposit(10, 4_000, "ﾔﾏﾀﾞ");
    let mut store = Store::default();
    assert_eq!(store.take(1, &[pay(), pay()]).len(), 2);
    assert_eq!(store.take(2, &[pay(), pay()]).len(), 0);
    assert_eq!(store.take(3, &[deposit(9, 1, "A"), pay(), pay(), pay()]).len(), 2);
    assert_eq!(store.take(4, &[pay()]).len(), 0);
    // Another day, amount or name is another payment.
    assert_eq!(
        store.take(5, &[deposit(11, 4_000, "ﾔﾏﾀﾞ"), deposit(10, 4_001, "ﾔﾏﾀﾞ"), deposit(10, 4_000, "ﾔﾏﾀ")]).len(),
        3
    );
}

proptest! {
    /// Any order of any overlapping files gives each line as often as the file that has it most often.
    #[test]
    fn overlaps_are_a_union_of_multisets(files in proptest::collection::vec(proptest::collection::vec(0usize..4, 0..6), 1..6)) {
        let line = |n: &usize| deposit(10, 1_000 + *n as i64, "A");
        let mut store = Store::default();
        for (file, n) in files.iter().zip(0u8..) {
            store.take(n, &file.iter().map(line).collect::<Vec<_>>());
        }
        for n in 0..4 {
            let most = files.iter().map(|f| f.iter().filter(|m| **m == n).count()).max().unwrap_or(0);
            let digest = keyed(statement_id(99), &read(&[line(&n)]), &key(), false)[0].key.clone();
            let have = store.0.iter().filter(|(_, k, _)| *k == digest).count();
            prop_assert_eq!(have, most);
        }
    }
}

fn charges() -> (PaymentReference, Charges) {
    let reference = reference::from_random([3; 16]);
    let view = ChargeView {
        charge: ChargeId(Uuid::from_u128(5)),
        amount: Yen(4_000),
        due_on: date(2026, 12, 18),
        standing: Standing::Requested,
    };
    (reference.clone(), [(reference, view)].into())
}

#[test]
fn every_line_is_booked_to_suspense_first_and_a_match_is_counted() {
    let (reference, charges) = charges();
    let file = read(&[
        SampleLine::deposit(date(2026, 11, 20), 4_000, reference.as_str(), "ﾔﾏﾀﾞ"),
        deposit(20, 120_000, "ｶ)ｻｸﾗ"),
        deposit(20, 0, "ｾﾞﾛ"),
    ]);
    let all = keyed(statement_id(1), &file, &key(), true);
    assert_eq!(references(&all), [reference]);
    let plan = Plan::new(all, &charges, &[]).unwrap();
    let entries: Vec<_> = plan.lines.iter().map(|p| p.entry.as_ref().map(|e| e.postings()[0])).collect();
    let bank = |amount| Some(ledger::Posting { account: ledger::Account::Bank, charge: None, amount });
    assert_eq!(entries, [bank(4_000), bank(120_000), None]);
    assert_eq!(
        plan.certain().map(|(c, k)| (c, k.line.record)).collect::<Vec<_>>(),
        [(ChargeId(Uuid::from_u128(5)), 2)]
    );
    match plan.input(3, Timestamp::UNIX_EPOCH) {
        Input::Import { lines: 3, fresh: 3, matched: 1, waiting, .. } => {
            let reasons: Vec<_> = waiting.iter().map(|w| w.reason.as_str().to_owned()).collect();
            assert_eq!(reasons, ["no-reference", "no-amount"]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancellation_reverses_its_original_wherever_it_is() {
    let (reference, charges) = charges();
    let pay = SampleLine::deposit(date(2026, 11, 20), 4_000, reference.as_str(), "ﾔﾏﾀﾞ");
    let back = SampleLine { cancelled: true, ..pay.clone() };
    // In the same file.
    let both = keyed(statement_id(1), &read(&[pay.clone(), back.clone()]), &key(), false);
    let (original, party) = (both[0].id, both[0].party.clone());
    let plan = Plan::new(both, &charges, &[]).unwrap();
    assert_eq!(plan.lines[1].takes_back, Some(original));
    let first = plan.lines[0].entry.as_ref().unwrap();
    assert_eq!(plan.lines[1].entry.as_ref().unwrap().reverses(), Some(first.id()));
    assert_eq!((plan.taken_back.len(), plan.certain().count()), (0, 0));
    // In a later file: the charge that it had paid is owed again.
    let charge = ChargeId(Uuid::from_u128(5));
    let later = || keyed(statement_id(2), &read(std::slice::from_ref(&back)), &key(), false);
    let known = [Original { line: original, party, charge: Some(charge) }];
    let plan = Plan::new(later(), &charges, &known).unwrap();
    assert_eq!(plan.taken_back, [(charge, original)]);
    assert_eq!(plan.lines[0].entry.as_ref().unwrap().reverses(), Some(first.id()));
    // Nobody knows the original: the money has left the bank all the same.
    let plan = Plan::new(later(), &charges, &[]).unwrap();
    assert_eq!(plan.lines[0].takes_back, None);
    assert_eq!(plan.lines[0].entry.as_ref().unwrap().postings()[0].account, ledger::Account::Suspense);
}

#[test]
fn a_file_made_today_does_not_cover_today() {
    assert_eq!(covered_through(date(2026, 11, 20), date(2026, 11, 20)), date(2026, 11, 19));
    assert_eq!(covered_through(date(2026, 11, 20), date(2026, 11, 24)), date(2026, 11, 20));
}

#[test]
fn the_account_number_of_both_types_is_the_same_account() {
    let of = |layout| {
        let bytes = sample::file(layout, &sample::account(), date(2026, 11, 21), 0, &[]);
        account_id(&zengin::parse(&bytes, &Profile::of(layout), date(2026, 11, 22)).unwrap().groups[0].account)
    };
    assert_eq!(of(Layout::DepositsA), of(Layout::Transactions));
}
