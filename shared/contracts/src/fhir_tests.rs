use super::*;
use crate::{
    InstructionId, Measure, Representation, Scope,
    recipient::{Instruction, InstructionData},
};
use uuid::Uuid;

fn by_seal() -> InstructionFields {
    InstructionFields {
        audience: RecipientId(Uuid::from_u128(1)),
        epoch: 2,
        position: 3_000_000_000,
        entry: Uuid::from_u128(3),
        entry_version: 4,
        measure: Measure::Stop,
        scope: Scope::Both,
        person: Some(Sealed(vec![1, 2, 3])),
        sealed_to: Some(Code::of("0011223344556677")),
        hashes: None,
        erase: None,
    }
}

fn by_hash() -> InstructionFields {
    let keys = vec![KeyedHash { rule: Code::of("kana-birth"), hash: KeyHash([7; 16]) }];
    let hashes =
        KeyedHashes { rules: Code::of("2026-04-01"), keys, suppliers: vec![KeyHash([8; 16]), KeyHash([9; 16])] };
    InstructionFields { person: None, sealed_to: None, hashes: Some(hashes), ..by_seal() }
}

fn erasing() -> InstructionFields {
    let keep = |until| Keep { class: Code::of("book"), article: Code::of("rules-46"), until };
    let erase = EraseTerms {
        everything: false,
        classes: vec![Code::of("diagnoses"), Code::of("images")],
        keep: vec![keep(None), keep(Some(Date::constant(2029, 11, 21)))],
    };
    InstructionFields { measure: Measure::Erase, erase: Some(erase), ..by_seal() }
}

fn everything() -> Vec<InstructionFields> {
    let all = Measure::ALL.iter().flat_map(|measure| {
        Scope::ALL.iter().map(move |scope| InstructionFields { measure: *measure, scope: *scope, ..by_hash() })
    });
    [by_seal(), by_hash(), erasing()].into_iter().chain(all).collect()
}

/// Against HL7's own schema of R4.
#[test]
fn every_instruction_is_a_valid_r4_consent_that_denies() {
    let schema: Value = serde_json::from_str(include_str!("../fhir/consent.r4.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for fields in everything() {
        let Consent(consent) = write(&fields);
        let wrong: Vec<String> = schema.iter_errors(&consent).map(|e| e.to_string()).collect();
        assert_eq!(wrong, [] as [&str; 0], "{consent:#}");
        assert_eq!((consent["status"].as_str(), consent["provision"]["type"].as_str()), (Some("active"), Some("deny")));
    }
    // The schema can say no.
    let Consent(mut consent) = write(&by_seal());
    consent["provision"]["type"] = json!("forbid");
    assert!(!schema.is_valid(&consent));
    let Consent(mut consent) = write(&by_seal());
    consent["patient"]["name"] = json!("見本 花子");
    assert!(!schema.is_valid(&consent));
}

#[test]
fn what_is_written_is_read_back_and_nothing_else() {
    for fields in everything() {
        assert_eq!(read(&write(&fields)), Ok(fields));
    }
    let changed = |pointer: &str, to: Value| {
        let Consent(mut consent) = write(&erasing());
        *consent.pointer_mut(pointer).unwrap() = to;
        read(&Consent(consent))
    };
    for (pointer, to) in [
        ("/status", json!("inactive")),
        ("/provision/type", json!("permit")),
        ("/provision/purpose/0/code", json!("TREAT")),
        ("/patient/identifier/value", json!("urn:uuid:00000000-0000-0000-0000-000000000009")),
        ("/extension/0/extension/1/valueDecimal", json!("7")),
        ("/extension/0/extension/4/extension/0/valueBoolean", json!("no")),
        ("/id", json!("x")),
    ] {
        assert_eq!(changed(pointer, to), Err(NotAConsent), "{pointer}");
    }
    let Consent(mut more) = write(&by_seal());
    more["text"] = json!({ "status": "generated" });
    assert_eq!(read(&Consent(more)), Err(NotAConsent));
}

/// One type in the program, two in the wire: the content type says which, and must not contradict.
#[test]
fn an_instruction_travels_in_either_representation() {
    for (representation, kind) in
        [(Representation::CloudEvents, "application/json"), (Representation::FhirConsent, "application/fhir+json")]
    {
        let instruction = Instruction {
            specversion: Default::default(),
            id: InstructionId(Uuid::from_u128(9)),
            source: Default::default(),
            message_type: Default::default(),
            subject: RecipientId(Uuid::from_u128(1)),
            time: "2026-11-22T00:00:00Z".parse().unwrap(),
            expirytime: "2026-12-06T00:00:00Z".parse().unwrap(),
            datacontenttype: representation.into(),
            data: InstructionData { representation, ..by_seal().try_into().unwrap() },
        };
        let json = serde_json::to_value(&instruction).unwrap();
        assert_eq!(json["datacontenttype"], kind);
        assert_eq!(json["data"]["resourceType"] == "Consent", representation == Representation::FhirConsent);
        assert_eq!(serde_json::from_value::<Instruction>(json.clone()).unwrap(), instruction);
        let mut other = json;
        other["datacontenttype"] = json!("text/plain");
        assert!(serde_json::from_value::<Instruction>(other).is_err());
    }
}
