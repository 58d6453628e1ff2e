//! The receipt number: what the person reads to the counter. Not guessable, and a slip of the pen is caught.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr};

/// 受付番号: `M-XXXX-XXXX-XXXX`: eleven random characters (54 bits) of an alphabet of 31, and one check character.
///
/// The check is a weighted sum modulo the prime 31 with weights 1 to 11: it catches every wrong character and every swap
/// of neighbours. The alphabet is Crockford's base 32 without Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptNumber([u8; 11]);

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKMNPQRSTVWXY";

/// Why a text is no receipt number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotAReceiptNumber {
    /// Wrong length or a character that never occurs.
    #[error("a receipt number looks like M-XXXX-XXXX-XXXX: twelve letters and digits after the M")]
    Form,
    /// The check character does not fit.
    #[error("the receipt number has a slip in it: compare it with your confirmation, character by character")]
    Check,
}

impl ReceiptNumber {
    /// From random bytes; the caller supplies the randomness. Eleven values of 0 to 30 from 128 bits (bias below 2^-70).
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut n = u128::from_be_bytes(random);
        Self(std::array::from_fn(|_| {
            let value = (n % 31) as u8;
            n /= 31;
            value
        }))
    }

    fn check(&self) -> u8 {
        (self.0.iter().zip(1u32..).map(|(v, w)| u32::from(*v) * w).sum::<u32>() % 31) as u8
    }

    fn text(&self) -> [u8; 16] {
        let mut out = *b"M-0000-0000-0000";
        let places = (2..16).filter(|i| *i != 6 && *i != 11);
        for (place, value) in places.zip(self.0.iter().copied().chain([self.check()])) {
            out[place] = ALPHABET[value as usize];
        }
        out
    }
}

impl fmt::Display for ReceiptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}
impl fmt::Debug for ReceiptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ReceiptNumber {
    type Err = NotAReceiptNumber;

    /// Forgiving: any case, hyphens and spaces anywhere, full-width characters, O for 0, I and L for 1.
    fn from_str(s: &str) -> Result<Self, NotAReceiptNumber> {
        if s.len() > 128 {
            return Err(NotAReceiptNumber::Form);
        }
        let mut values = Vec::with_capacity(13);
        for c in s.chars() {
            let c = match c {
                '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
                c => c,
            };
            match c.to_ascii_uppercase() {
                '-' | ' ' | '\u{3000}' | '‐' | '−' | 'ー' | '–' => {}
                'O' => values.push(b'0'),
                'I' | 'L' => values.push(b'1'),
                c if c.is_ascii_alphanumeric() => values.push(c as u8),
                _ => return Err(NotAReceiptNumber::Form),
            }
        }
        let digits = match values.as_slice() {
            [b'M', rest @ ..] if rest.len() == 12 => rest,
            rest if rest.len() == 12 => rest,
            _ => return Err(NotAReceiptNumber::Form),
        };
        let value = |b: &u8| ALPHABET.iter().position(|a| a == b).map(|v| v as u8).ok_or(NotAReceiptNumber::Form);
        let mut number = Self([0; 11]);
        for (v, b) in number.0.iter_mut().zip(digits) {
            *v = value(b)?;
        }
        if value(&digits[11])? == number.check() { Ok(number) } else { Err(NotAReceiptNumber::Check) }
    }
}
impl Serialize for ReceiptNumber {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for ReceiptNumber {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
impl JsonSchema for ReceiptNumber {
    fn schema_name() -> Cow<'static, str> {
        "ReceiptNumber".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^M-[0-9A-HJKMNP-TV-Y]{4}-[0-9A-HJKMNP-TV-Y]{4}-[0-9A-HJKMNP-TV-Y]{4}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(seed: u8) -> ReceiptNumber {
        ReceiptNumber::from_random(std::array::from_fn(|i| seed.wrapping_mul(37).wrapping_add(i as u8 * 11)))
    }

    #[test]
    fn people_write_it_in_many_ways() {
        let n = number(3);
        let text = n.to_string();
        let wide: String = text.chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap()).collect();
        for way in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', ""),
            text.replace('-', " "),
            text[2..].to_owned(),
            wide,
        ] {
            assert_eq!(way.parse::<ReceiptNumber>(), Ok(n), "{way}");
        }
        assert_eq!("".parse::<ReceiptNumber>(), Err(NotAReceiptNumber::Form));
        assert_eq!("M-山田".parse::<ReceiptNumber>(), Err(NotAReceiptNumber::Form));
    }

    #[test]
    fn every_wrong_character_and_every_swap_of_neighbours_is_caught() {
        for seed in 0..40 {
            let text = number(seed).to_string();
            let places: Vec<usize> = (2..16).filter(|i| *i != 6 && *i != 11).collect();
            for &p in &places {
                for other in ALPHABET.iter().filter(|o| **o != text.as_bytes()[p]) {
                    let mut slip = text.clone().into_bytes();
                    slip[p] = *other;
                    let slip = String::from_utf8(slip).unwrap();
                    assert_eq!(slip.parse::<ReceiptNumber>(), Err(NotAReceiptNumber::Check), "{text} {slip}");
                }
            }
            for pair in places[..11].windows(2) {
                let mut slip = text.clone().into_bytes();
                slip.swap(pair[0], pair[1]);
                let slip = String::from_utf8(slip).unwrap();
                if slip != text {
                    assert_eq!(slip.parse::<ReceiptNumber>(), Err(NotAReceiptNumber::Check), "{text} {slip}");
                }
            }
        }
    }
}
