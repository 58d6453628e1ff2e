//! The access code (照会用暗証): what opens a person's own letterbox, together with the receipt number.
//!
//! 16 characters of Crockford's base 32 hold 80 random bits, so no slow hash and no stored verifier is needed: the code is
//! the seed of a key pair ([`crate::CodeKey`]), and only the public half is kept. The code itself is stored nowhere. A
//! repeated POST with the same `Idempotency-Key` gets the same code because it is derived, not drawn.

use crate::keyfile::{self, KeyFileError, Secret};
use crate::personal::Purpose;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{fmt, path::Path, str::FromStr};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Crockford's alphabet: no I, L, O (read as 1, 1, 0) and no U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code.
pub const LENGTH: usize = 16;
/// A typed code with all its hyphens and spaces is not longer than this, in characters.
const TYPED_MAX: usize = 64;

/// An access code: 80 bits. Has no `Display`; [`AccessCode::show`] is the way out.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct AccessCode([u8; 10]);

/// Why a text is no access code. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACode {
    /// Not 16 characters.
    #[error(
        "access code: 16 letters and digits are needed, {0} were typed; it stands on the confirmation of your filing"
    )]
    Length(usize),
    /// A character that no code has.
    #[error("access code: character {0} is none that a code can have (letters and digits, no U)")]
    Character(usize),
}

impl AccessCode {
    /// The code of a filing: the same for the same input, unguessable without the door's secret.
    ///
    /// `request_digest` is the SHA-256 of the request's body. It belongs in here: idempotency keys are chosen by clients
    /// and may be guessable, and somebody who repeats another's key with another body must not be shown another's code.
    /// `receipt` is the receipt number in its text form.
    pub fn derive(secret: &DoorSecret, idempotency_key: &str, request_digest: &[u8], receipt: &str) -> Self {
        let full = secret.derive("access code", &[idempotency_key.as_bytes(), request_digest, receipt.as_bytes()]);
        let mut code = [0; 10];
        code.copy_from_slice(&full[..10]);
        Self(code)
    }

    /// A code drawn by lot: a second code for a download by another channel, a new code for one that was lost.
    ///
    /// # Errors
    /// The operating system has no random bytes.
    pub fn random() -> Result<Self, std::io::Error> {
        let bytes = keyfile::random()?;
        let mut code = [0; 10];
        code.copy_from_slice(&bytes[..10]);
        Ok(Self(code))
    }

    /// The code in four groups of four (`0000-0000-0000-0000`), for the person's eyes.
    pub fn show(&self, _purpose: Purpose) -> Zeroizing<String> {
        let mut bits = [0; 16];
        bits[6..].copy_from_slice(&self.0);
        let mut n = u128::from_be_bytes(bits);
        let mut out = [b'-'; LENGTH + 3];
        for at in (0..out.len()).rev().filter(|at| at % 5 != 4) {
            out[at] = ALPHABET[(n & 31) as usize];
            n >>= 5;
        }
        n.zeroize();
        Zeroizing::new(out.iter().map(|b| char::from(*b)).collect())
    }

    /// The 80 bits, for deriving the key.
    pub(crate) const fn bits(&self) -> &[u8; 10] {
        &self.0
    }
}

/// As typed by a person: any case, hyphens and spaces anywhere, full-width characters, O for 0, I and L for 1.
impl FromStr for AccessCode {
    type Err = NotACode;
    fn from_str(typed: &str) -> Result<Self, NotACode> {
        let mut n = 0u128;
        let mut count = 0usize;
        for (at, c) in typed.chars().take(TYPED_MAX).enumerate() {
            let Some(plain) = narrow(c) else { continue };
            let value = ALPHABET.iter().position(|a| char::from(*a) == plain).ok_or(NotACode::Character(at + 1))?;
            count += 1;
            if count <= LENGTH {
                n = n << 5 | value as u128;
            }
        }
        if count != LENGTH || typed.chars().nth(TYPED_MAX).is_some() {
            return Err(NotACode::Length(count));
        }
        let mut code = [0; 10];
        code.copy_from_slice(&n.to_be_bytes()[6..]);
        n.zeroize();
        Ok(Self(code))
    }
}

/// The character that is meant, or `None` for one that only separates.
fn narrow(c: char) -> Option<char> {
    let half = match c {
        // Full-width forms U+FF01 to U+FF5E are ASCII shifted by 0xFEE0.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ => c,
    };
    match half.to_ascii_uppercase() {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        // Hyphens as keyboards and input methods make them, the long vowel mark among them.
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{ff70}' => None,
        other if other.is_whitespace() => None,
        other => Some(other),
    }
}

impl PartialEq for AccessCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for AccessCode {}

impl fmt::Debug for AccessCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[access code]")
    }
}

/// The door's secret: what a repeated POST's answer is derived from. Kept in a file, so that it survives a restart.
///
/// Who has it and an `Idempotency-Key` with its request has the code of that filing, and nothing else.
#[derive(Clone)]
pub struct DoorSecret(Secret);

impl DoorSecret {
    /// Reads the file, or makes it (mode 0600).
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        keyfile::load_or_create_secret(path).map(Self)
    }

    /// From 32 bytes at hand (tests).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// HMAC-SHA256 over `what` and the parts, each with its length before it: the receipt number, the filing id and the
    /// code of a filing are derived with another `what` each.
    pub fn derive(&self, what: &str, parts: &[&[u8]]) -> Secret {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        for part in std::iter::once(what.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for DoorSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[door secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn show(code: &AccessCode) -> String {
        code.show(Purpose::ShowToPerson).to_string()
    }

    #[test]
    fn printed_in_four_groups() {
        assert_eq!(show(&AccessCode([0; 10])), "0000-0000-0000-0000");
        assert_eq!(show(&AccessCode([0xff; 10])), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(show(&AccessCode([0, 0, 0, 0, 0, 0, 0, 0, 0, 33])), "0000-0000-0000-0011");
        assert_eq!(format!("{:?}", AccessCode([7; 10])), "[access code]");
    }

    #[test]
    fn read_as_people_type() {
        let code: AccessCode = "0123-4567-89AB-CDEF".parse().unwrap();
        for typed in [
            "0123456789abcdef",
            " o i 2 3 - 4567 89ab cdef ",
            "OL23－４５６７－８９ＡＢ－ｃｄｅｆ",
            "０１２３ー４５６７ー８９ＡＢーＣＤＥＦ",
            "ｏｌ２３　４５６７　８９ａｂ　ｃｄｅｆ",
        ] {
            assert_eq!(typed.parse::<AccessCode>().as_ref(), Ok(&code), "{typed}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
        assert_eq!("".parse::<AccessCode>(), Err(NotACode::Length(0)));
        assert_eq!("0123-4567".parse::<AccessCode>(), Err(NotACode::Length(8)));
        assert_eq!("0123-4567-89AB-CDEFG".parse::<AccessCode>(), Err(NotACode::Length(17)));
        assert_eq!("0123-4567-89AB-CDEU".parse::<AccessCode>(), Err(NotACode::Character(19)));
        assert_eq!("あ".repeat(16).parse::<AccessCode>(), Err(NotACode::Character(1)));
        assert_eq!(format!("0123456789ABCDEF{}", "-".repeat(60)).parse::<AccessCode>(), Err(NotACode::Length(16)));
        assert!("-".repeat(1_000_000).parse::<AccessCode>().is_err());
    }

    #[test]
    fn derived_the_same_again_and_otherwise_from_anything_else() {
        let secret = DoorSecret::from_bytes([7; 32]);
        let code = AccessCode::derive(&secret, "key", b"digest", "M-1");
        assert_eq!(code, AccessCode::derive(&secret, "key", b"digest", "M-1"));
        for other in [
            AccessCode::derive(&secret, "kez", b"digest", "M-1"),
            AccessCode::derive(&secret, "key", b"other", "M-1"),
            AccessCode::derive(&secret, "key", b"digest", "M-2"),
            AccessCode::derive(&secret, "keyd", b"igest", "M-1"),
            AccessCode::derive(&DoorSecret::from_bytes([8; 32]), "key", b"digest", "M-1"),
        ] {
            assert_ne!(code, other);
        }
        assert_ne!(secret.derive("a", &[b"x"]), secret.derive("b", &[b"x"]));
        assert_ne!(AccessCode::random().unwrap(), AccessCode::random().unwrap());
    }

    #[test]
    fn the_secret_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("door.secret");
        let first = DoorSecret::load_or_create(&path).unwrap().derive("a", &[]);
        assert_eq!(first, DoorSecret::load_or_create(&path).unwrap().derive("a", &[]));
    }

    proptest! {
        #[test]
        fn every_code_reads_back(bits: [u8; 10]) {
            let code = AccessCode(bits);
            let shown = show(&code);
            prop_assert_eq!(shown.len(), 19);
            prop_assert_eq!(shown.parse::<AccessCode>(), Ok(code.clone()));
            prop_assert_eq!(shown.to_lowercase().replace('0', "o").replace('1', "l").parse::<AccessCode>(), Ok(code));
        }

        #[test]
        fn no_text_makes_it_panic(typed: String) {
            let _ = typed.parse::<AccessCode>();
        }
    }
}
