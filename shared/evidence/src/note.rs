//! Signed notes (C2SP `signed-note`): a text, a blank line, and lines that sign it. Ed25519 only (signature type 1).
//!
//! A verifier key is written `<name>+<id in hexadecimal>+<base64 of 01 ‖ key>`; its id is the first four bytes of
//! SHA-256(name ‖ 0A ‖ 01 ‖ key). A name is not empty and has neither white space nor a plus.

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The signature type of Ed25519.
const ED25519: u8 = 1;
/// The most bytes of a note.
const NOTE_MAX: usize = 64 * 1024;
/// The most signature lines.
const SIGNATURES_MAX: usize = 100;
/// How a signature line begins: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// Why a note was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// No note at all.
    #[error("not a signed note: text, a blank line, and signature lines (C2SP signed-note)")]
    Form,
    /// Nobody that is asked for signed it.
    #[error("no signature by the key that was asked for")]
    UnknownKey,
    /// Somebody else did, or about another text.
    #[error("the signature does not verify")]
    BadSignature,
}

/// Why a text is no verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier key: <name>+<8 hexadecimal digits>+<base64 of 01 and 32 bytes of an Ed25519 key>")]
pub struct NotAKey;

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// A key that notes are verified with.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// From its parts.
    ///
    /// # Errors
    /// No name of a key, or no key.
    pub fn new(name: &str, key: &[u8; 32]) -> Result<Self, NotAKey> {
        let key = VerifyingKey::from_bytes(key).map_err(|_| NotAKey)?;
        if is_name(name) && !key.is_weak() { Ok(Self { name: name.to_owned(), key }) } else { Err(NotAKey) }
    }
    /// Whose.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Its 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
    /// The four bytes that a signature line names it by.
    pub fn id(&self) -> [u8; 4] {
        let hash =
            Sha256::new().chain_update(&self.name).chain_update([b'\n', ED25519]).chain_update(self.bytes()).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }
    /// Whether 64 bytes are its signature over these.
    pub fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(bytes, &s).is_ok())
    }

    /// The text of a note that this key signed.
    ///
    /// # Errors
    /// See [`NoteError`].
    pub fn open<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        let (text, lines) = split(note)?;
        let mut known = None;
        for line in lines.lines() {
            let (name, signature) = signature_line(line)?;
            if known.is_none() && name == self.name && signature[..4] == self.id() {
                known = Some(signature);
            }
        }
        let signature = known.ok_or(NoteError::UnknownKey)?;
        if self.verifies(text.as_bytes(), &signature[4..]) { Ok(text) } else { Err(NoteError::BadSignature) }
    }
}

/// Text and signature lines: the blank line between them is the last one.
fn split(note: &str) -> Result<(&str, &str), NoteError> {
    let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, lines) = (&note[..=at], &note[at + 2..]);
    let is_text = text.len() > 1 && !text.bytes().any(|b| b < 0x20 && b != b'\n');
    let is_signed = lines.ends_with('\n') && (1..=SIGNATURES_MAX).contains(&lines.lines().count());
    if note.len() <= NOTE_MAX && is_text && is_signed { Ok((text, lines)) } else { Err(NoteError::Form) }
}

fn signature_line(line: &str) -> Result<(&str, Vec<u8>), NoteError> {
    let (name, signature) = line.strip_prefix(DASH).and_then(|l| l.split_once(' ')).ok_or(NoteError::Form)?;
    let signature = STANDARD.decode(signature).map_err(|_| NoteError::Form)?;
    // Others' signatures may be of other types and lengths.
    if is_name(name) && signature.len() > 4 { Ok((name, signature)) } else { Err(NoteError::Form) }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[ED25519][..], self.bytes()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NotAKey);
        };
        let bytes = STANDARD.decode(key).map_err(|_| NotAKey)?;
        let (kind, key) = bytes.split_first().ok_or(NotAKey)?;
        let this = Self::new(name, key.try_into().map_err(|_| NotAKey)?)?;
        if *kind == ED25519 && hex::encode(this.id()) == id { Ok(this) } else { Err(NotAKey) }
    }
}

/// A key that signs notes under a name. Its secret is overwritten when dropped.
#[derive(Clone)]
pub struct Signer {
    name: String,
    key: SigningKey,
}

impl Signer {
    /// From its 32 secret bytes.
    ///
    /// # Errors
    /// No name of a key.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, NotAKey> {
        let key = SigningKey::from_bytes(secret);
        if is_name(name) { Ok(Self { name: name.to_owned(), key }) } else { Err(NotAKey) }
    }
    /// The half for everybody.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key: self.key.verifying_key() }
    }
    /// 64 bytes over these.
    pub fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
    /// The note; `text` ends with a line break.
    pub fn sign(&self, text: &str) -> String {
        let line = [&self.verifier().id()[..], &self.sign_bytes(text.as_bytes())].concat();
        format!("{text}\n{DASH}{} {}\n", self.name, STANDARD.encode(line))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[secret key {}]", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the reference implementation (golang.org/x/mod/sumdb/note).
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str =
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn the_note_of_the_reference_implementation_verifies_and_is_signed_alike() {
        let key: VerifierKey = KEY.parse().unwrap();
        assert_eq!((key.name(), hex::encode(key.id()).as_str()), ("PeterNeumann", "c74f20a3"));
        assert_eq!(key.to_string(), KEY);
        let note = format!("{TEXT}\n{LINE}");
        assert_eq!(key.open(&note), Ok(TEXT));
        let secret: [u8; 32] = STANDARD.decode(SECRET).unwrap()[1..].try_into().unwrap();
        let signer = Signer::new("PeterNeumann", &secret).unwrap();
        assert_eq!(signer.verifier(), key);
        assert_eq!(signer.sign(TEXT), note);
    }

    #[test]
    fn a_second_signature_by_somebody_else_changes_nothing_and_everything_else_is_refused() {
        let key: VerifierKey = KEY.parse().unwrap();
        let note = format!("{TEXT}\n{LINE}");
        let other = Signer::new("somebody", &[7; 32]).unwrap();
        let theirs = other.sign(TEXT).rsplit_once("\n\n").unwrap().1.to_owned();
        assert_eq!(key.open(&format!("{TEXT}\n{theirs}{LINE}")), Ok(TEXT));
        assert_eq!(other.verifier().open(&format!("{TEXT}\n{theirs}{LINE}")), Ok(TEXT));
        assert_eq!(other.verifier().open(&note), Err(NoteError::UnknownKey));
        assert_eq!(key.open(&note.replace("problem is", "problem was")), Err(NoteError::BadSignature));
        for bad in ["", "\n\n", TEXT, &format!("{TEXT}\n"), &format!("{TEXT}{LINE}"), note.trim_end()] {
            assert_eq!(key.open(bad), Err(NoteError::Form), "{bad}");
        }
        assert_eq!(key.open(&note.replace('\u{2014}', "-")), Err(NoteError::Form));
        for bad in ["", "a+b", &KEY.replace("c74f20a3", "c74f20a4"), &KEY.replace("Peter", "Paul"), &KEY[..60]] {
            assert_eq!(bad.parse::<VerifierKey>(), Err(NotAKey), "{bad}");
        }
        assert!(Signer::new("two words", &[1; 32]).is_err() && Signer::new("a+b", &[1; 32]).is_err());
    }
}
