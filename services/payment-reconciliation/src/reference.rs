//! 振込番号: the digits that the payer puts before the name, and the only thing by which a payment is matched by itself.
//!
//! Ten digits: nine from random bytes, the first not zero (a leading zero is lost on the way through some banks), and a
//! check digit by H. M. Damm's quasigroup of order 10 (dissertation, Marburg 2004), which catches every wrong digit and
//! every swap of neighbours. Not guessable: it says nothing about the case; never reused: unique in the database.

use contracts::payment::PaymentReference;

/// Digits of a reference.
pub const LENGTH: usize = 10;

/// Damm's weakly totally anti-symmetric quasigroup of order 10; the diagonal is zero.
const QUASIGROUP: [[u8; 10]; 10] = [
    [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
    [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
    [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
    [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
    [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
    [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
    [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
    [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
    [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
    [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
];

/// The Damm digit of ASCII digits: 0 for digits that end with their own check digit.
fn damm(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |row, d| QUASIGROUP[usize::from(row)][usize::from((d - b'0') % 10)])
}

/// A new reference from random bytes; the caller supplies the randomness and sees to uniqueness.
pub fn from_random(random: [u8; 16]) -> PaymentReference {
    // 900,000,000 values from 128 bits: the bias is below 2^-98.
    let number = u128::from_be_bytes(random) % 900_000_000 + 100_000_000;
    let body = number.to_string();
    let check = damm(body.as_bytes());
    // Ten digits always make a reference; were it not so, nine still would, and would fail the check when it comes back.
    PaymentReference::new(&format!("{body}{check}")).unwrap_or_else(|| unreachable!("ten digits"))
}

/// Why digits are no reference of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAReference {
    /// Not ten digits with a first digit from 1 to 9.
    #[error("a payment reference has ten digits and does not begin with 0")]
    Form,
    /// The check digit does not fit.
    #[error("the payment reference has a wrong digit or two digits swapped: compare it with the notice")]
    Check,
}

/// Reads a reference as digits.
pub fn parse(digits: &str) -> Result<PaymentReference, NotAReference> {
    let bytes = digits.as_bytes();
    if bytes.len() != LENGTH || bytes[0] == b'0' || !bytes.iter().all(u8::is_ascii_digit) {
        return Err(NotAReference::Form);
    }
    if damm(bytes) != 0 {
        return Err(NotAReference::Check);
    }
    PaymentReference::new(digits).ok_or(NotAReference::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// References spread over the whole range, the ends included.
    fn some() -> impl Iterator<Item = String> {
        (0..2_000u128).map(|i| from_random((i * 449_999 + i * i * 7).to_be_bytes()).as_str().to_owned())
    }

    #[test]
    fn damms_own_example() {
        // 572 has the check digit 4 in Damm's dissertation.
        assert_eq!(damm(b"572"), 4);
        assert_eq!(damm(b"5724"), 0);
    }

    #[test]
    fn the_quasigroup_has_the_properties_that_the_error_classes_need() {
        let q = |a: usize, b: usize| usize::from(QUASIGROUP[a][b]);
        for c in 0..10 {
            assert_eq!(q(c, c), 0, "the diagonal makes the check digit its own inverse");
            for x in 0..10 {
                for y in (0..10).filter(|y| *y != x) {
                    assert_ne!(q(c, x), q(c, y), "each row is a permutation: every wrong digit shows");
                    assert_ne!(q(x, c), q(y, c), "each column too: no later digit can hide it");
                    assert_ne!(q(q(c, x), y), q(q(c, y), x), "every swap of neighbours shows");
                }
            }
        }
    }

    #[test]
    fn every_wrong_digit_is_caught() {
        for reference in some() {
            assert!(parse(&reference).is_ok(), "{reference}");
            for place in 0..LENGTH {
                for digit in (b'0'..=b'9').filter(|d| *d != reference.as_bytes()[place]) {
                    let mut slip = reference.clone().into_bytes();
                    slip[place] = digit;
                    assert!(parse(std::str::from_utf8(&slip).unwrap()).is_err(), "{reference} {slip:?}");
                }
            }
        }
    }

    #[test]
    fn every_swap_of_neighbours_is_caught() {
        for reference in some() {
            for place in 1..LENGTH {
                let mut slip = reference.clone().into_bytes();
                slip.swap(place - 1, place);
                if slip != reference.as_bytes() {
                    assert!(parse(std::str::from_utf8(&slip).unwrap()).is_err(), "{reference} {slip:?}");
                }
            }
        }
    }

    #[test]
    fn forms() {
        for bad in ["", "123", "0123456789", "12345678901", "12345abcde", "１２３４５６７８９０", "123456789 "]
        {
            assert_eq!(parse(bad), Err(NotAReference::Form), "{bad}");
        }
        assert!(from_random([0; 16]).as_str().starts_with("100000000"));
        assert_eq!(from_random([0xFF; 16]).as_str().len(), LENGTH);
    }
}
