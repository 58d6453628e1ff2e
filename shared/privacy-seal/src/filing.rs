//! 申出: what the door seals and the desk opens. The one document with everything that the person wrote.
//!
//! It has no `Debug` that shows anything and is never a message: it lies sealed in `door.filing` until intake takes it.

use contracts::{Capacity, CaseId, Channel, Code, Kind, Language, ObjectId, ReceiptNumber, Scope, Standing, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};

/// What came through the door.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "filing", rename_all = "kebab-case")]
pub enum Filing {
    /// A new request.
    Request(Box<NewRequest>),
    /// 取下げ: the person takes the request back, with receipt number and access code.
    Withdrawal {
        /// Which request.
        receipt_number: ReceiptNumber,
        /// The public half of the code that opened it: intake compares it with the one it stored.
        code_key: [u8; 32],
        /// When.
        received_at: Timestamp,
    },
    /// 来信: a mail. Its bytes lie in a sealed file of their own; nobody has looked into them yet.
    Mail(Box<ArrivedMail>),
}

/// 来信: where the bytes of a mail are, and what is known of how it came.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ArrivedMail {
    /// The sealed file ([`crate::segments`]), as it came.
    pub object: ObjectId,
    /// SHA-256 of the bytes as they came.
    pub digest: [u8; 32],
    /// How many they are.
    pub bytes: u64,
    /// Which of our own systems brought it.
    pub client: Code,
    /// Arrival at the desk.
    pub received_at: Timestamp,
    /// What the mail server knows and the mail does not say.
    #[serde(default, skip_serializing_if = "Envelope::is_empty")]
    pub envelope: Envelope,
    /// The trace that it arrived in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The SMTP envelope (RFC 5321), as far as the server told us. Empty = not told.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// `MAIL FROM`; `<>` = a bounce or another automatic mail.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// `RCPT TO`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// The address of the server that handed it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_address: Option<IpAddr>,
    /// What that server called itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub helo: String,
}

impl Envelope {
    /// Nothing was told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for Filing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filing([personal])")
    }
}

/// 請求: one request of one kind for one person.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRequest {
    /// The case that intake opens for it; made by the door, so that a repeat is the same case.
    pub case: CaseId,
    /// What the person reads to the counter.
    pub receipt_number: ReceiptNumber,
    /// The public half of the access code (see [`crate::code`]): status letters are sealed to it.
    pub code_key: [u8; 32],
    /// What is asked.
    pub kind: Kind,
    /// In what role the party acts.
    pub capacity: Capacity,
    /// Which tracks (stops only).
    pub scope: Option<Scope>,
    /// The door.
    pub channel: Channel,
    /// The person's language.
    pub language: Language,
    /// Arrival at the desk.
    pub received_at: Timestamp,
    /// The trace that the filing arrived in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// 本人: whom the data is about.
    pub person: PersonalDetails,
    /// Who acts for the person; absent when the person acts alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<PersonalDetails>,
    /// The request in the person's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub words: String,
    /// The hospitals that the person named, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hospitals: Vec<String>,
    /// What else helps to judge, to find and to reach.
    #[serde(default, skip_serializing_if = "Circumstances::is_empty")]
    pub circumstances: Circumstances,
}

/// 事情: all of it may be left out, and filings from before it existed have none.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Circumstances {
    /// 資格の事情: what the party said about the capacity, and what the door noticed for the staff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<Standing>,
    /// Which power or act covers the request, or why the other parent does not take part.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub power: String,
    /// 旧氏名, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<String>,
    /// 以前の住所, as written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_addresses: Vec<String>,
    /// 受診歴: only of hospitals with more than a name; the names all stand in [`NewRequest::hospitals`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<Visit>,
    /// 合理的配慮 that the person asks for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accommodation: String,
    /// 連絡の配慮: who must not learn of it, and how contact may be made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub safe_contact: String,
}

impl Circumstances {
    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// 受診歴: one hospital and what is known of the time there.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// 医療機関, as written.
    pub hospital: String,
    /// 受診した時期, as written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub period: String,
    /// 診察券番号.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patient_number: String,
}

/// 氏名等. Stored as written (NFC only): 﨑 and 崎 are different names.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonalDetails {
    /// 氏名.
    pub name: String,
    /// 氏名の振り仮名, katakana.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kana: String,
    /// 生年月日.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<contracts::Date>,
    /// 性別: `male`, `female`, `other`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sex: String,
    /// 住所.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// 電子メールアドレス.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mail: String,
    /// 電話番号.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub telephone: String,
}
