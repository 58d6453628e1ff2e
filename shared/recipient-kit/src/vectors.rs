//! The published test vectors (`fixtures/vectors.json`): what every library must get the same of. Invented people, keys
//! that are no secrets.
//!
//! The first test verifies every line of the file with this crate; the developer pages show the file, and the examples in
//! Python and Node verify it with theirs. `cargo test -p recipient-kit -- --ignored write` writes it anew.

use crate::{
    Identifiers, Ledger, RecipientKeys, ReportSigner, Sex, apply, digest_of, identifiers, pull, report,
    webhook::{self, Headers, Secret, Signer, Verifier},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use contracts::{
    InstructionId, Measure, RecipientId, ReportOutcome, Scope,
    forms::Whom,
    recipient::{Instruction, InstructionData, InstructionSource, InstructionType, Report, ReportStage},
};
use ed25519_dalek::SigningKey;
use privacy_seal::{Personal, Purpose};
use serde_json::{Value, json};
use uuid::Uuid;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vectors.json");
const ME: RecipientId = RecipientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const ID: InstructionId = InstructionId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
const ENTRY: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003);
const AT: u64 = 1_795_309_200;
const PATH: &str = "/partner/v1/instructions?after=1.7&wait=20";

fn keys() -> RecipientKeys {
    RecipientKeys::from_secrets(&[1; 32], &[2; 32])
}
fn signers() -> [(&'static str, ReportSigner); 2] {
    [("EdDSA", ReportSigner::ed25519(&[1; 32])), ("ES256", ReportSigner::p256(&[1; 32]).unwrap())]
}
fn webhook_keys() -> (Secret, SigningKey) {
    (Secret::from_bytes(&[9; 32]).unwrap(), SigningKey::from_bytes(&[8; 32]))
}
fn person() -> Identifiers {
    Identifiers {
        kana: "ミホン ハナコ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: Some("見本 花子".into()),
        sex: Some(Sex::Female),
        hospitals: vec!["見本総合病院".into()],
    }
}
fn report_of(instruction: &[u8]) -> Report {
    Report {
        instruction: ID,
        recipient: ME,
        digest: digest_of(instruction),
        stage: ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None },
        time: "2026-11-22T01:02:03Z".parse().unwrap(),
        book_entry: None,
        erasures: vec![],
    }
}

/// The gate's key of the recipient in the vectors.
const GATE_KEY: [u8; 32] = [3; 32];

/// The same person for a recipient that has keyed hashes by contract: values as they are folded, each rule with its parts,
/// and the instruction.
fn keyed_hashes() -> Value {
    let (key, rules) = (gate::GateKey::new(&GATE_KEY), gate::Rules::built_in());
    let mut folded = gate::Person::new();
    let said = person();
    for (part, value) in [
        (gate::Part::Kana, said.kana.as_str()),
        (gate::Part::Name, said.name.as_deref().unwrap_or_default()),
        (gate::Part::BirthDate, &said.birth_date.to_string()),
        (gate::Part::Sex, "female"),
    ] {
        folded.set(part, value).unwrap();
    }
    let hospital = gate::person::supplier(&said.hospitals[0]).unwrap();
    let hashes = gate::keyed::of_entry(&key, &rules, &folded, &[gate::key::supplier_digest(&hospital)]);
    let keys = hashes.keys.iter().map(|key| {
        let rule = rules.keys.iter().find(|rule| rule.word == key.rule).unwrap();
        json!({ "rule": key.rule, "means": rule.means, "parts": rule.parts, "hash": key.hash })
    });
    let values = [gate::Part::Kana, gate::Part::Name, gate::Part::BirthDate, gate::Part::Sex];
    let mut parts = serde_json::Map::new();
    for part in values {
        parts.insert(part.as_str().to_owned(), json!(folded.get(part)));
    }
    json!({
        "gate_key": STANDARD.encode(GATE_KEY),
        "rules": rules.version,
        "folded": parts,
        "keys": keys.collect::<Vec<_>>(),
        "supplier": { "folded": hospital, "tag": hashes.suppliers[0] },
        "instruction": serde_json::to_string(&instruction(Whom::Hashed(hashes))).unwrap(),
    })
}

fn vectors(instruction: &str) -> Value {
    let bytes = instruction.as_bytes();
    let read = apply::parse(bytes).unwrap();
    let (secret, desk) = webhook_keys();
    let headers = Signer::new(secret.clone(), &desk).sign(&ID.to_string(), AT, bytes);
    let mut ledger = Ledger::new(ME);
    ledger.take(&read).unwrap();
    let mut reports = json!({ "payload": report_of(bytes) });
    let mut request = json!({ "recipient": ME, "timestamp": AT.to_string(), "method": "GET", "path": PATH });
    request["lines"] = json!(format!("madoguchi-request-v1\n{ME}\n{AT}\nGET\n{PATH}"));
    for (name, key) in signers() {
        let [.., (_, proof)] = pull::sign(&key, ME, AT, "GET", PATH);
        request[name] = json!(proof);
        reports[name] = json!({
            "secret": STANDARD.encode([1; 32]),
            "public": STANDARD.encode(key.public().to_bytes()),
            "kid": key.public().id(),
            "jws": report::sign(&report_of(bytes), &key),
        });
    }
    json!({
        "instruction": instruction,
        "digest": digest_of(bytes),
        "sealing": {
            "suite": "HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180: 0x0020, 0x0001, 0x0002)",
            "info": "madoguchi seal v1",
            "secret": STANDARD.encode([2; 32]),
            "public": STANDARD.encode(keys().sealing_public().as_bytes()),
            "key_id": keys().sealing_id(),
            "aad": identifiers::aad(ID).iter().map(|b| format!("{b:02x}")).collect::<String>(),
            "sealed": read.data.person.sealed(),
            "plaintext": person(),
        },
        "report": reports,
        "webhook": {
            "secret": *secret.show(),
            "public": webhook::show_public(&desk.verifying_key()),
            "webhook-id": headers.id,
            "webhook-timestamp": headers.timestamp,
            "webhook-signature": headers.signature,
        },
        "request": request,
        "keyed_hashes": keyed_hashes(),
        "standing": { "lines": ledger.lines().collect::<String>(), "digest": ledger.digest() },
    })
}

fn written() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap_or_default())
        .expect("fixtures/vectors.json: write it with `cargo test -p recipient-kit -- --ignored write`")
}

#[test]
fn the_published_vectors_are_those_of_the_code() {
    let written = written();
    let instruction = written["instruction"].as_str().unwrap();
    assert_eq!(written, vectors(instruction), "fixtures/vectors.json is not that of the code");
    let read = apply::parse(instruction.as_bytes()).unwrap();
    let opened = identifiers::open(&keys(), ID, &read.data.person).unwrap();
    assert_eq!(*opened.disclose(Purpose::InstructRecipient), person());
    for (name, key) in signers() {
        let signed = written["report"][name]["jws"].as_str().unwrap();
        assert_eq!(report::verify(signed.as_bytes(), &[key.public()]), Ok(report_of(instruction.as_bytes())));
        let proof = written["request"][name].as_str().unwrap();
        assert_eq!(pull::verify(&[key.public()], ME, &AT.to_string(), proof, AT, "GET", PATH), Ok(()));
    }
    let (secret, desk) = webhook_keys();
    let text = |name: &str| written["webhook"][name].as_str().unwrap().to_owned();
    let headers =
        Headers { id: text(webhook::ID), timestamp: text(webhook::TIMESTAMP), signature: text(webhook::SIGNATURE) };
    for verifier in [
        Verifier { secrets: vec![secret], keys: vec![] },
        Verifier { secrets: vec![], keys: vec![desk.verifying_key()] },
    ] {
        assert_eq!(verifier.verify(&headers, instruction.as_bytes(), AT, 0), Ok(AT));
    }
}

#[test]
#[ignore = "writes the published vectors anew: sealing is random, so everything about the instruction changes"]
fn write() {
    let person = identifiers::sealed(&keys().sealing_public(), ID, &Personal::new(person())).unwrap();
    let instruction = serde_json::to_string(&instruction(person)).unwrap();
    std::fs::write(FILE, format!("{:#}\n", vectors(&instruction))).unwrap();
}

#[test]
#[ignore = "writes the published vectors anew around the instruction that is published"]
fn write_the_rest() {
    let written = written();
    let instruction = written["instruction"].as_str().unwrap();
    std::fs::write(FILE, format!("{:#}\n", vectors(instruction))).unwrap();
}

fn instruction(person: Whom) -> Instruction {
    Instruction {
        specversion: Default::default(),
        id: ID,
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: ME,
        time: "2026-11-22T01:00:00Z".parse().unwrap(),
        expirytime: "2026-12-06T01:00:00Z".parse().unwrap(),
        datacontenttype: Default::default(),
        data: InstructionData {
            representation: Default::default(),
            audience: ME,
            epoch: 1,
            position: 1,
            entry: ENTRY,
            entry_version: 1,
            measure: Measure::Stop,
            scope: Scope::Both,
            person,
            erase: None,
        },
    }
}
