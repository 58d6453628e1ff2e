//! 契約で選ぶ形式: what a recipient can have otherwise by its contract, and whom an instruction is about in each form.
//!
//! The choice is a term of a version of the contract. Bodies are written by the version in force when the instruction is
//! issued, and stay as they were written; signatures belong to each attempt and follow the version in force then.

use crate::{Code, IdentifiersAs, Representation, Sealed, SignaturesAs};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt, str::FromStr};

/// The forms of one contract; what is not said is as it always was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forms {
    /// How an instruction names the person.
    #[serde(default)]
    pub identifiers: IdentifiersAs,
    /// How the data of an instruction is written.
    #[serde(default)]
    pub representation: Representation,
    /// What a webhook is signed with.
    #[serde(default)]
    pub signatures: SignaturesAs,
}

impl Forms {
    /// Nothing was chosen.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Bytes of a keyed hash: as wide as a key in the gate's index.
pub const KEY_HASH: usize = 16;

/// 鍵付きハッシュ: the first 16 bytes of HMAC-SHA-256 under the recipient's own gate key, as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; KEY_HASH]);

/// Why a text is no [`KeyHash`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a keyed hash: use 32 lower-case hexadecimal digits")]
pub struct NotAKeyHash;

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
/// By it whoever has the key can ask for a person: no log shows it.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[keyed hash]")
    }
}
impl FromStr for KeyHash {
    type Err = NotAKeyHash;
    fn from_str(s: &str) -> Result<Self, NotAKeyHash> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(NotAKeyHash),
        };
        let text: &[u8; 2 * KEY_HASH] = s.as_bytes().try_into().map_err(|_| NotAKeyHash)?;
        let mut out = [0; KEY_HASH];
        for (o, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
            *o = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(out))
    }
}
impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
impl JsonSchema for KeyHash {
    fn schema_name() -> Cow<'static, str> {
        "KeyHash".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{32}$",
            "description": "The first 16 bytes of HMAC-SHA-256 under your gate key over the digest of folded values; the gate's README defines both.",
        })
    }
}

/// One key of a person: by which rule of the gate, and its keyed hash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyedHash {
    /// The rule's word (`kana-birth-sex`).
    pub rule: Code,
    /// The hash.
    pub hash: KeyHash,
}

/// The most keys of one person, and the most ways in which hospitals are called.
pub const KEYED_MAX: usize = 32;
/// The most tags of hospitals.
pub const SUPPLIERS_MAX: usize = 512;

/// 本人の鍵付きハッシュ: whom an instruction is about, for a recipient that holds keyed hashes only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyedHashes {
    /// The version of the gate's rules that they were made by.
    pub rules: Code,
    /// One per rule that the person's values fill; none with `erase.everything` only.
    #[schemars(length(max = 32))]
    pub keys: Vec<KeyedHash>,
    /// Tags of the hospitals that the person named, each in every way in which it is called (HMAC over the gate's digest of a
    /// supplier); none: every hospital.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub suppliers: Vec<KeyHash>,
}

/// Whom it is about, in the form that the contract says.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    /// Identifiers, sealed.
    Sealed {
        /// Sealed to the recipient's X25519 key, bound to the instruction's id.
        person: Sealed,
        /// The id of that key.
        sealed_to: Code,
    },
    /// Keyed hashes; nothing to open.
    Hashed(KeyedHashes),
}

/// [`Whom`] as its fields stand in a document.
pub(crate) type WhomFields = (Option<Sealed>, Option<Code>, Option<KeyedHashes>);

/// Why fields say nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhom {
    /// Neither form, or both.
    #[error("either `person` and `sealed_to`, or `hashes`")]
    Form,
    /// Lists are bounded.
    #[error("at most {KEYED_MAX} `keys` and {SUPPLIERS_MAX} `suppliers`")]
    TooMuch,
}

impl Whom {
    pub(crate) fn of((person, sealed_to, hashes): WhomFields) -> Result<Self, NotWhom> {
        match (person, sealed_to, hashes) {
            (Some(person), Some(sealed_to), None) => Ok(Self::Sealed { person, sealed_to }),
            (None, None, Some(hashes)) if hashes.keys.len() > KEYED_MAX || hashes.suppliers.len() > SUPPLIERS_MAX => {
                Err(NotWhom::TooMuch)
            }
            (None, None, Some(hashes)) => Ok(Self::Hashed(hashes)),
            _ => Err(NotWhom::Form),
        }
    }

    pub(crate) fn fields(self) -> WhomFields {
        match self {
            Self::Sealed { person, sealed_to } => (Some(person), Some(sealed_to), None),
            Self::Hashed(hashes) => (None, None, Some(hashes)),
        }
    }

    /// The sealed part, where there is one.
    pub const fn sealed(&self) -> Option<&Sealed> {
        match self {
            Self::Sealed { person, .. } => Some(person),
            Self::Hashed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contract_that_chooses_nothing_reads_as_it_always_did() {
        assert_eq!(serde_json::from_value::<Forms>(json!({})).unwrap(), Forms::default());
        let chosen: Forms = serde_json::from_value(json!({"identifiers": "keyed-hashes"})).unwrap();
        assert!(!chosen.is_usual() && chosen.signatures == SignaturesAs::Both);
        assert!(serde_json::from_value::<Forms>(json!({"identifiers": "plain"})).is_err());
    }

    #[test]
    fn a_person_is_said_in_one_form_exactly() {
        let hashes = |n: usize| KeyedHashes {
            rules: Code::of("2026-04-01"),
            keys: vec![KeyedHash { rule: Code::of("kana-birth"), hash: KeyHash([7; 16]) }; n],
            suppliers: vec![],
        };
        let (sealed, to) = (Sealed(vec![1]), Code::of("0011223344556677"));
        assert!(Whom::of((Some(sealed.clone()), Some(to.clone()), None)).unwrap().sealed().is_some());
        assert!(Whom::of((None, None, Some(hashes(1)))).unwrap().sealed().is_none());
        assert_eq!(Whom::of((Some(sealed.clone()), Some(to), Some(hashes(1)))), Err(NotWhom::Form));
        assert_eq!(Whom::of((Some(sealed), None, None)), Err(NotWhom::Form));
        assert_eq!(Whom::of((None, None, None)), Err(NotWhom::Form));
        assert_eq!(Whom::of((None, None, Some(hashes(33)))), Err(NotWhom::TooMuch));
    }

    #[test]
    fn a_hash_has_one_way_of_being_written_and_is_not_shown() {
        let text = "ffa87c2c143af51f8ca468dff1649d7d";
        let hash: KeyHash = text.parse().unwrap();
        assert_eq!((hash.to_string(), format!("{hash:?}")), (text.to_owned(), "[keyed hash]".to_owned()));
        assert!("FFA87C2C143AF51F8CA468DFF1649D7D".parse::<KeyHash>().is_err());
        assert!("ffa8".parse::<KeyHash>().is_err());
    }
}
