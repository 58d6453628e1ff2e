//! Every reason, and that nothing but reference and amount together makes a match.

use super::*;
use crate::zengin::{
    self, Layout, Profile,
    sample::{SampleLine, account, file},
};
use contracts::Uuid;
use jiff::civil::date;
use proptest::prelude::*;

const DAY: Date = date(2026, 11, 20);
const DUE: Date = date(2026, 12, 18);

fn reference(n: u128) -> PaymentReference {
    reference::from_random(n.to_be_bytes())
}

fn charge(n: u128, standing: Standing) -> (PaymentReference, ChargeView) {
    let view = ChargeView { charge: ChargeId(Uuid::from_u128(n)), amount: Yen(4_000), due_on: DUE, standing };
    (reference(n), view)
}

fn charges() -> Charges {
    [
        charge(1, Standing::Requested),
        charge(2, Standing::Requested),
        charge(3, Standing::Paid),
        charge(4, Standing::Expired),
        charge(5, Standing::Cancelled),
    ]
    .into()
}

fn id(n: u128) -> ChargeId {
    ChargeId(Uuid::from_u128(n))
}

fn read(lines: &[SampleLine]) -> Vec<Line> {
    let layout = if lines.iter().any(|l| l.direction == Direction::Out || l.transaction != 11) {
        Layout::Transactions
    } else {
        Layout::DepositsA
    };
    let bytes = file(layout, &account(), date(2026, 12, 30), 1_000_000, lines);
    zengin::parse(&bytes, &Profile::of(layout), date(2026, 12, 30)).unwrap().groups.remove(0).lines
}

fn one(line: SampleLine) -> Match {
    match_lines(&read(&[line]), &charges())[0]
}

fn deposit(amount: i64, code: &str, name: &str) -> SampleLine {
    SampleLine::deposit(DAY, amount, code, name)
}

fn text(n: u128) -> String {
    reference(n).as_str().to_owned()
}

#[test]
fn a_reference_with_the_exact_amount_is_certain_wherever_it_stands() {
    for line in [
        deposit(4_000, &text(1), "ﾔﾏﾀﾞ ﾀﾛｳ"),
        deposit(4_000, "", &format!("{} ﾔﾏﾀﾞ ﾀﾛｳ", text(1))),
        deposit(4_000, "", &format!("{}ﾔﾏﾀﾞ ﾀﾛｳ", text(1))),
        deposit(4_000, &text(1), &format!("{}ﾔﾏﾀﾞ", text(1))),
        // Senders put numbers of their own into the code field.
        deposit(4_000, "70000000", &format!("{}ﾔﾏﾀﾞ", text(1))),
        deposit(4_000, "1234567890", &format!("{}ﾔﾏﾀﾞ", text(1))),
        deposit(4_000, &text(999), &format!("{}ﾔﾏﾀﾞ", text(1))),
    ] {
        assert_eq!(one(line.clone()), Match::Certain(id(1)), "{line:?}");
    }
    // Value day in time, although the charge has expired meanwhile.
    assert_eq!(one(deposit(4_000, &text(4), "A")), Match::Certain(id(4)));
}

#[test]
fn everything_else_waits_for_a_person() {
    let wrong_digit = {
        let mut digits = text(1).into_bytes();
        digits[4] = b'0' + (digits[4] - b'0' + 1) % 10;
        String::from_utf8(digits).unwrap()
    };
    let late =
        SampleLine { booked_on: date(2026, 12, 21), value_on: date(2026, 12, 21), ..deposit(4_000, &text(4), "A") };
    for (line, reason, about) in [
        (deposit(4_000, "", "ﾔﾏﾀﾞ ﾀﾛｳ"), Reason::NoReference, None),
        (deposit(4_000, "", &format!("ﾔﾏﾀﾞ {}", text(1))), Reason::NoReference, None),
        (deposit(4_000, "", &format!("{}1ﾔﾏﾀﾞ", text(1))), Reason::NoReference, None),
        (deposit(4_000, "", &format!("{wrong_digit}ﾔﾏﾀﾞ")), Reason::CheckDigit, None),
        (deposit(4_000, &wrong_digit, "ﾔﾏﾀﾞ"), Reason::NoReference, None),
        (deposit(4_000, &text(999), "ﾔﾏﾀﾞ"), Reason::Unknown, None),
        (deposit(4_000, &text(1), &format!("{}ﾔﾏﾀﾞ", text(2))), Reason::TwoReferences, None),
        (deposit(3_890, &text(1), "A"), Reason::Short, Some(id(1))),
        (deposit(4_001, &text(1), "A"), Reason::Over, Some(id(1))),
        (deposit(8_000, &text(1), "A"), Reason::Over, Some(id(1))),
        (deposit(0, &text(1), "A"), Reason::NoAmount, Some(id(1))),
        (deposit(4_000, &text(3), "A"), Reason::AlreadyPaid, Some(id(3))),
        (deposit(4_000, &text(5), "A"), Reason::Cancelled, Some(id(5))),
        (late, Reason::Expired, Some(id(4))),
        (SampleLine { uncleared: 1, ..deposit(4_000, &text(1), "A") }, Reason::Uncleared, Some(id(1))),
        (SampleLine { cancelled: true, ..deposit(4_000, &text(1), "A") }, Reason::Cancellation, Some(id(1))),
        (SampleLine { direction: Direction::Out, ..deposit(4_000, &text(1), "A") }, Reason::Outgoing, Some(id(1))),
        (SampleLine { transaction: 19, ..deposit(4_000, &text(1), "A") }, Reason::Correction, Some(id(1))),
    ] {
        assert_eq!(one(line.clone()), Match::Exception(reason, about), "{line:?}");
    }
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
}

#[test]
fn a_charge_is_paid_once_and_a_taken_back_line_pays_nothing() {
    let pay = || deposit(4_000, &text(1), "A");
    let verdicts = |lines: &[SampleLine]| match_lines(&read(lines), &charges());
    assert_eq!(verdicts(&[pay(), pay()]), [Match::Certain(id(1)), Match::Exception(Reason::AlreadyPaid, Some(id(1)))]);
    let back = SampleLine { cancelled: true, ..pay() };
    assert_eq!(
        verdicts(&[pay(), back.clone()]),
        [Match::Exception(Reason::TakenBack, Some(id(1))), Match::Exception(Reason::Cancellation, Some(id(1)))]
    );
    // Paid, taken back, paid again: one of the two stands.
    assert_eq!(verdicts(&[pay(), back, pay()])[2], Match::Certain(id(1)));
}

proptest! {
    /// Any names and amounts: a match needs the charge's own reference and its own amount, and no charge is paid twice.
    #[test]
    fn no_match_without_reference_and_amount(
        lines in proptest::collection::vec((0u128..8, 3_999i64..4_002, 0u8..4, "[0-9A-Zｱ-ﾝ ]{0,20}"), 0..20),
    ) {
        let made: Vec<SampleLine> = lines.iter().map(|(n, amount, place, name)| {
            let (code, name) = match place {
                0 => (String::new(), name.clone()),
                1 => (text(*n), name.clone()),
                2 => (String::new(), format!("{} {name}", text(*n))),
                _ => (text(*n), format!("{} {name}", text(*n + 1))),
            };
            deposit(*amount, &code, &name)
        }).collect();
        let verdicts = match_lines(&read(&made), &charges());
        prop_assert_eq!(verdicts.len(), made.len());
        let mut paid = Vec::new();
        for (verdict, line) in verdicts.iter().zip(&made) {
            if let Match::Certain(charge) = verdict {
                let n = charge.0.as_u128();
                prop_assert!(line.code == text(n) || line.remitter.starts_with(&text(n)));
                prop_assert_eq!(line.amount, 4_000);
                prop_assert!(!paid.contains(charge));
                paid.push(*charge);
            }
        }
    }
}
