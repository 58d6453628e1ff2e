//! 試験通知: the event that tries a webhook endpoint before it is used, about an invented person.
//!
//! It travels as an instruction does (the same signature, the same limits) and is answered as one: by a signed report with
//! stage `received` over the digest of its bytes. It has no position and stands in nobody's books.

use crate::{
    Code, InstructionId, RecipientId, Sealed,
    envelope::{DataContentType, SpecVersion},
    forms::{KeyedHashes, NotWhom, Whom},
    recipient::InstructionSource,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The CloudEvents type of a test event.
pub const TEST_TYPE: &str = "jp.madoguchi.recipient.test.v1";

/// One test event (structured CloudEvent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestEvent {
    /// Always `1.0`.
    pub specversion: SpecVersion,
    /// What the report names as its `instruction`.
    pub id: InstructionId,
    /// Who tests.
    pub source: InstructionSource,
    /// Always `jp.madoguchi.recipient.test.v1`.
    #[serde(rename = "type")]
    pub message_type: TestType,
    /// Whom it is for; anybody else must refuse it.
    pub subject: RecipientId,
    /// When it was made.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: DataContentType,
    /// What is to be opened, or matched.
    #[schemars(with = "TestFields")]
    pub data: TestData,
}

/// The fixed type of test events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TestType {
    /// Version 1.
    #[default]
    #[serde(rename = "jp.madoguchi.recipient.test.v1")]
    V1,
}

/// What is to be opened, or matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TestFields", into = "TestFields")]
pub struct TestData {
    /// Whom it is for, inside what is signed.
    pub audience: RecipientId,
    /// An invented person, in the form that the contract says.
    pub person: Whom,
}

/// What is to be opened, or matched, as it stands in the document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TestData", extend("oneOf" = [{ "required": ["person", "sealed_to"] }, { "required": ["hashes"] }]))]
pub struct TestFields {
    /// Whom it is for, inside what is signed.
    pub audience: RecipientId,
    /// An invented person's identifiers (見本), sealed as in an instruction; the additional data is the event's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Sealed>,
    /// The id of the sealing key in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<Code>,
    /// By contract, instead of both: the invented person's keyed hashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<KeyedHashes>,
}

impl TryFrom<TestFields> for TestData {
    type Error = NotWhom;
    fn try_from(f: TestFields) -> Result<Self, NotWhom> {
        Ok(Self { audience: f.audience, person: Whom::of((f.person, f.sealed_to, f.hashes))? })
    }
}

impl From<TestData> for TestFields {
    fn from(d: TestData) -> Self {
        let (person, sealed_to, hashes) = d.person.fields();
        Self { audience: d.audience, person, sealed_to, hashes }
    }
}

/// 試験通知のやり直し: another test event to the webhook endpoint in force; deliveries go on meanwhile if it is in use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TestEndpoint {
    /// Whose.
    pub recipient: RecipientId,
}

/// How the newest test of an endpoint stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestView {
    /// Whether the endpoint is used for instructions.
    pub in_use: bool,
    /// When the test event was made.
    pub made_at: Timestamp,
    /// How often it was sent.
    pub tries: u32,
    /// What came of the last try (`ok`, `timeout`, `status` …); none: not sent yet.
    #[serde(default)]
    pub outcome: Option<Code>,
    /// When the signed answer came.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
}
