//! Attachments: what they are by their content, and names that are safe to show.

use crate::view::Doubt;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fmt, ops::Range};

/// The most characters of a file name.
pub const NAME_MAX: usize = 200;

/// What a file is, by its first bytes and never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// JPEG, PNG, GIF, WebP, HEIC, TIFF, BMP.
    Image,
    /// PDF.
    Pdf,
    /// Text.
    Text,
    /// A document of an office program.
    Office,
    /// ZIP, 7z, RAR, …
    Archive,
    /// A program or a script.
    Executable,
    /// A mail.
    Mail,
    /// `winmail.dat`.
    Tnef,
    /// Something else.
    Other,
}

impl FileKind {
    /// The word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Pdf => "pdf",
            Self::Text => "text",
            Self::Office => "office",
            Self::Archive => "archive",
            Self::Executable => "executable",
            Self::Mail => "mail",
            Self::Tnef => "tnef",
            Self::Other => "other",
        }
    }
}

/// A file in a mail.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// Cleaned of paths and of what misleads; empty = none was given.
    pub name: String,
    /// The content type that the mail says.
    pub declared: String,
    /// What it is.
    pub kind: FileKind,
    /// The media type by content; empty = not known.
    pub media_type: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// In how many inner mails it lies; 0 = in the mail itself.
    pub depth: usize,
    /// Where the part lies in the mail, still encoded; for what lies in the mail itself.
    pub place: Option<Range<usize>>,
    /// The file.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment([personal], {:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(from)?).map_err(|_| serde::de::Error::custom("not base64"))
}

impl Attachment {
    pub(crate) fn new(name: &str, declared: &str, bytes: &[u8], depth: usize, place: Option<Range<usize>>) -> Self {
        let (kind, media_type) = kind(bytes, declared);
        Self {
            name: safe_name(name),
            declared: declared.to_owned(),
            kind,
            media_type: media_type.to_owned(),
            sha256: hex::encode(Sha256::digest(bytes)),
            depth,
            place,
            bytes: bytes.to_vec(),
        }
    }

    pub(crate) fn doubts(&self, into: &mut BTreeSet<Doubt>) {
        match self.kind {
            FileKind::Archive => into.insert(Doubt::Archive),
            FileKind::Executable => into.insert(Doubt::Executable),
            FileKind::Tnef => into.insert(Doubt::Tnef),
            _ => false,
        };
        let says = self.declared.split('/').next().unwrap_or_default();
        let is = self.media_type.split('/').next().unwrap_or_default();
        let said_more = !matches!(self.declared.as_str(), "" | "application/octet-stream");
        if said_more && !is.is_empty() && (says == "image") != (is == "image") {
            into.insert(Doubt::OtherKind);
        }
    }
}

fn kind(bytes: &[u8], declared: &str) -> (FileKind, &'static str) {
    use infer::MatcherType as M;
    if bytes.starts_with(&[0x78, 0x9f, 0x3e, 0x22]) {
        return (FileKind::Tnef, "application/ms-tnef");
    }
    // Old office documents are compound files; which, only their inside says.
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        return (FileKind::Office, "application/x-ole-storage");
    }
    let found = infer::get(bytes);
    let media = found.as_ref().map_or("", infer::Type::mime_type);
    let kind = match found.as_ref().map(infer::Type::matcher_type) {
        _ if media == "application/pdf" => FileKind::Pdf,
        _ if bytes.starts_with(b"#!") => FileKind::Executable,
        Some(M::Image) => FileKind::Image,
        Some(M::Doc) => FileKind::Office,
        Some(M::Archive) => FileKind::Archive,
        Some(M::App) => FileKind::Executable,
        Some(M::Text) => FileKind::Text,
        _ if declared == "message/rfc822" => FileKind::Mail,
        None if !bytes.contains(&0) && declared.starts_with("text/") => FileKind::Text,
        _ => FileKind::Other,
    };
    (kind, media)
}

/// The last part of a path, without control characters and without those that turn the direction of writing.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let misleads = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    last.chars().filter(|c| !misleads(c)).take(NAME_MAX).collect::<String>().trim_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mislead_nobody() {
        assert_eq!(safe_name("C:\\Users\\x\\委任状.pdf"), "委任状.pdf");
        assert_eq!(safe_name("../../etc/passwd"), "passwd");
        assert_eq!(safe_name("photo\u{202e}gpj.exe\r\n"), "photogpj.exe");
        assert_eq!(safe_name(&"長".repeat(500)).chars().count(), NAME_MAX);
        assert_eq!(safe_name(".. "), "");
    }

    #[test]
    fn a_file_is_what_its_bytes_are() {
        let of = |bytes: &[u8], declared: &str| {
            let file = Attachment::new("x", declared, bytes, 0, None);
            let mut doubts = BTreeSet::new();
            file.doubts(&mut doubts);
            (file.kind, doubts.into_iter().collect::<Vec<_>>())
        };
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(of(png, "image/png"), (FileKind::Image, vec![]));
        assert_eq!(of(png, "application/pdf"), (FileKind::Image, vec![Doubt::OtherKind]));
        assert_eq!(of(b"%PDF-1.7\n", "application/octet-stream"), (FileKind::Pdf, vec![]));
        assert_eq!(of(b"PK\x03\x04\x14\0", "image/jpeg"), (FileKind::Archive, vec![Doubt::Archive, Doubt::OtherKind]));
        assert_eq!(of(b"MZ\x90\0", "application/pdf").0, FileKind::Executable);
        assert_eq!(of(b"#!/bin/sh\n", "text/plain").0, FileKind::Executable);
        assert_eq!(of(b"hello", "text/plain"), (FileKind::Text, vec![]));
        assert_eq!(of(&[0x78, 0x9f, 0x3e, 0x22, 0, 0], "application/ms-tnef"), (FileKind::Tnef, vec![Doubt::Tnef]));
    }
}
