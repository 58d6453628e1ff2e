//! FHIR R4 (4.0.1) `Consent`: an instruction's data in the words of HL7, by contract. The envelope, the bytes' digest, the
//! signatures and the reports are those of every instruction.
//!
//! | instruction | Consent | why so |
//! |---|---|---|
//! | `entry`, `entry_version` | `id`, `meta.versionId` | one resource per entry, in versions: what FHIR means by both |
//! | any measure | `status` = `active`, `provision.type` = `deny` | whatever the measure is, the person is stopped; a withdrawal or a `resume` lifts no stop, so nothing is ever `inactive` |
//! | – | `scope` = `patient-privacy`, `category` = `research` | the person denies the use of records (privacy); `research` as scope is taking part in a protocol |
//! | – | `provision.purpose` = `HRESCH` | what is denied is research and development under the Act; treatment is not |
//! | `audience` | `provision.actor` (`IRCP`, information recipient) | who is denied; by logical reference, an id that only the recipient knows |
//! | `person` | extensions of `patient` | a name, a birth date or a chart number in `Patient` would stand in the clear; the reference is logical, by the entry |
//! | `measure`, `scope`, `epoch`, `position`, `erase` | one extension `instruction` | R4 has no word for them: `action` knows collect, access, use, disclose, correct, and no erasing |
//!
//! `scope` (匿名, 仮名) narrows, yet is no modifier extension: a program that knows FHIR only reads the whole denial and stops more,
//! never less. Extension addresses are names; nothing is fetched from them.

use crate::{
    Code, Date, RecipientId, Sealed,
    forms::{KeyHash, KeyedHash, KeyedHashes, Whom},
    recipient::{EraseTerms, InstructionFields, Keep},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::borrow::Cow;

/// `meta`, measure, scope, epoch, position, what an erasure reaches.
pub const INSTRUCTION: &str = "https://madoguchi.example/fhir/StructureDefinition/stop-instruction";
/// Identifiers, sealed.
pub const SEALED: &str = "https://madoguchi.example/fhir/StructureDefinition/sealed-identifiers";
/// Keyed hashes.
pub const HASHED: &str = "https://madoguchi.example/fhir/StructureDefinition/keyed-hashes";
/// 次世代医療基盤法.
const ACT: &str = "https://laws.e-gov.go.jp/law/429AC0000000028";
const URN: &str = "urn:ietf:rfc:3986";

/// The resource, exactly as [`write`] writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Consent(pub Value);

impl JsonSchema for Consent {
    fn schema_name() -> Cow<'static, str> {
        "FhirConsent".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "By contract instead: a FHIR R4 Consent (deny); its JSON Schema is HL7's. What stands where is on the page of formats.",
            "required": ["resourceType", "id", "meta", "extension", "status", "scope", "category", "patient", "policy", "provision"],
            "properties": {
                "resourceType": { "const": "Consent" },
                "status": { "const": "active" },
                "provision": { "type": "object", "required": ["type", "actor", "purpose"], "properties": { "type": { "const": "deny" } } },
            },
        })
    }
}

/// Why a resource is no instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Consent as this desk writes it: status active, provision deny, one extension for the instruction and one for the patient"
)]
pub struct NotAConsent;

fn coded(system: &str, code: &str) -> Value {
    json!({ "coding": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code }] })
}

fn named(id: impl std::fmt::Display) -> Value {
    json!({ "system": URN, "value": format!("urn:uuid:{id}") })
}

fn erase(terms: &EraseTerms) -> Value {
    let mut parts = vec![json!({ "url": "everything", "valueBoolean": terms.everything })];
    parts.extend(terms.classes.iter().map(|class| json!({ "url": "class", "valueCode": class })));
    parts.extend(terms.keep.iter().map(|keep| {
        let mut kept = vec![
            json!({ "url": "class", "valueCode": keep.class }),
            json!({ "url": "article", "valueCode": keep.article }),
        ];
        kept.extend(keep.until.map(|until| json!({ "url": "until", "valueDate": until })));
        json!({ "url": "keep", "extension": kept })
    }));
    json!({ "url": "erase", "extension": parts })
}

fn sealed(fields: &InstructionFields) -> Option<Value> {
    let (person, sealed_to) = (fields.person.as_ref()?, fields.sealed_to.as_ref()?);
    Some(json!({ "url": SEALED, "extension": [
        { "url": "person", "valueBase64Binary": person },
        { "url": "sealed-to", "valueCode": sealed_to },
    ] }))
}

fn hashed(hashes: &KeyedHashes) -> Value {
    let mut parts = vec![json!({ "url": "rules", "valueCode": hashes.rules })];
    parts.extend(hashes.keys.iter().map(|key| {
        json!({ "url": "key", "extension": [
            { "url": "rule", "valueCode": key.rule },
            { "url": "hash", "valueString": key.hash },
        ] })
    }));
    parts.extend(hashes.suppliers.iter().map(|tag| json!({ "url": "supplier", "valueString": tag })));
    json!({ "url": HASHED, "extension": parts })
}

/// The resource of an instruction.
pub fn write(fields: &InstructionFields) -> Consent {
    let person: Vec<Value> = [sealed(fields), fields.hashes.as_ref().map(hashed)].into_iter().flatten().collect();
    let mut parts = vec![
        json!({ "url": "epoch", "valueInteger": fields.epoch }),
        json!({ "url": "position", "valueDecimal": fields.position }),
        json!({ "url": "measure", "valueCode": fields.measure }),
        json!({ "url": "scope", "valueCode": fields.scope }),
    ];
    parts.extend(fields.erase.as_ref().map(erase));
    Consent(json!({
        "resourceType": "Consent",
        "id": fields.entry,
        "meta": { "versionId": fields.entry_version.to_string() },
        "extension": [{ "url": INSTRUCTION, "extension": parts }],
        "status": "active",
        "scope": coded("consentscope", "patient-privacy"),
        "category": [coded("consentcategorycodes", "research")],
        "patient": { "extension": person, "type": "Patient", "identifier": named(fields.entry) },
        "policy": [{ "uri": ACT }],
        "provision": {
            "type": "deny",
            "actor": [{ "role": coded("v3-ParticipationType", "IRCP"), "reference": { "identifier": named(fields.audience) } }],
            "purpose": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH" }],
        },
    }))
}

/// Extensions of one name.
fn all<'a>(within: &'a Value, url: &'a str) -> impl Iterator<Item = &'a Value> {
    within["extension"].as_array().into_iter().flatten().filter(move |e| e["url"] == url)
}

/// The value of the first extension of a name.
fn value<T: DeserializeOwned>(within: &Value, url: &str, kind: &str) -> Option<T> {
    T::deserialize(&all(within, url).next()?[kind]).ok()
}

fn whom(patient: &Value) -> Option<Whom> {
    if let Some(sealed) = all(patient, SEALED).next() {
        let person: Sealed = value(sealed, "person", "valueBase64Binary")?;
        return Some(Whom::Sealed { person, sealed_to: value(sealed, "sealed-to", "valueCode")? });
    }
    let hashed = all(patient, HASHED).next()?;
    let key = |one| {
        let hash: KeyHash = value(one, "hash", "valueString")?;
        Some(KeyedHash { rule: value(one, "rule", "valueCode")?, hash })
    };
    let tag = |one: &Value| KeyHash::deserialize(&one["valueString"]).ok();
    Some(Whom::Hashed(KeyedHashes {
        rules: value(hashed, "rules", "valueCode")?,
        keys: all(hashed, "key").map(key).collect::<Option<_>>()?,
        suppliers: all(hashed, "supplier").map(tag).collect::<Option<_>>()?,
    }))
}

fn terms(erase: &Value) -> Option<EraseTerms> {
    let code = |one: &Value| Code::deserialize(&one["valueCode"]).ok();
    let keep = |one: &Value| {
        let until = match all(one, "until").next() {
            None => None,
            Some(day) => Some(Date::deserialize(&day["valueDate"]).ok()?),
        };
        Some(Keep { class: value(one, "class", "valueCode")?, article: value(one, "article", "valueCode")?, until })
    };
    Some(EraseTerms {
        everything: value(erase, "everything", "valueBoolean")?,
        classes: all(erase, "class").map(code).collect::<Option<_>>()?,
        keep: all(erase, "keep").map(keep).collect::<Option<_>>()?,
    })
}

fn fields(resource: &Value) -> Option<InstructionFields> {
    let said = all(resource, INSTRUCTION).next()?;
    let audience = resource["provision"]["actor"][0]["reference"]["identifier"]["value"].as_str()?;
    let (person, sealed_to, hashes) = whom(&resource["patient"])?.fields();
    Some(InstructionFields {
        audience: RecipientId(audience.strip_prefix("urn:uuid:")?.parse().ok()?),
        epoch: value(said, "epoch", "valueInteger")?,
        position: value(said, "position", "valueDecimal")?,
        entry: uuid::Uuid::deserialize(&resource["id"]).ok()?,
        entry_version: resource["meta"]["versionId"].as_str()?.parse().ok()?,
        measure: value(said, "measure", "valueCode")?,
        scope: value(said, "scope", "valueCode")?,
        person,
        sealed_to,
        hashes,
        erase: match all(said, "erase").next() {
            None => None,
            Some(erase) => Some(terms(erase)?),
        },
    })
}

/// Reads one back. Strictly: whatever else stands in the resource, or stands otherwise, makes it none of this desk's.
///
/// # Errors
/// [`NotAConsent`].
pub fn read(consent: &Consent) -> Result<InstructionFields, NotAConsent> {
    let fields = fields(&consent.0).ok_or(NotAConsent)?;
    if write(&fields) == *consent { Ok(fields) } else { Err(NotAConsent) }
}

#[cfg(test)]
#[path = "fhir_tests.rs"]
mod tests;
