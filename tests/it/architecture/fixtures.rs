//! `shared/contracts/fixtures`: one file per message type and shape, append-only. What was once said must be readable for
//! as long as an outbox or an inbox may hold it.

use super::source::root;
use contracts::{Envelope, FLOW, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// File name to bytes. `<type>.json` is the first shape; one with more optional fields is `<type>+2.json`, and so on.
fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let folder = root().join("shared/contracts/fixtures");
    fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&p).unwrap()))
        .collect()
}

#[test]
fn every_message_has_a_fixture_that_decodes_and_encodes_to_the_same() {
    let fixtures = fixtures();
    for entry in FLOW {
        assert!(
            fixtures.contains_key(&format!("{}.json", entry.message_type())),
            "no fixture for {}",
            entry.message_type()
        );
    }
    for (name, bytes) in &fixtures {
        let (envelope, message) = Envelope::decode(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let entry = message.entry();
        assert!(
            *name == format!("{}.json", entry.message_type())
                || name.starts_with(&format!("{}+", entry.message_type())),
            "{name} holds {}",
            entry.name
        );
        let said: Value = serde_json::from_slice(bytes).unwrap();
        assert_eq!(message.data(), said["data"], "{name}: the payload");
        assert_eq!(serde_json::from_slice::<Value>(&envelope.to_bytes()).unwrap(), said, "{name}: the envelope");
        assert!(envelope.time > Timestamp::UNIX_EPOCH);
        // A version reads what a later one of the same number says: unknown fields are ignored.
        let mut newer = said.clone();
        newer["data"]["a_field_of_the_future"] = 1.into();
        newer["an_extension_of_the_future"] = "x".into();
        let read =
            Envelope::decode(&serde_json::to_vec(&newer).unwrap()).unwrap_or_else(|e| panic!("{name} with more: {e}"));
        assert_eq!(read.1, message, "{name} with more");
    }
}

/// Changing a fixture instead of adding one shows here, and in the review of this list.
#[test]
fn fixtures_are_only_added() {
    let kept = fs::read_to_string(root().join("shared/contracts/fixtures/DIGESTS")).unwrap();
    let kept: BTreeMap<&str, &str> =
        kept.lines().filter_map(|l| l.split_once("  ")).map(|(digest, name)| (name, digest)).collect();
    let mut fixtures = fixtures();
    for (name, digest) in &kept {
        let bytes = fixtures.remove(*name).unwrap_or_else(|| panic!("{name} was removed: fixtures are only added"));
        assert_eq!(
            sha256(&bytes),
            *digest,
            "{name} was changed: add `{}+2.json` instead",
            name.trim_end_matches(".json")
        );
    }
    let missing: Vec<String> = fixtures.iter().map(|(name, bytes)| format!("{}  {name}", sha256(bytes))).collect();
    assert!(missing.is_empty(), "add to shared/contracts/fixtures/DIGESTS:\n{}", missing.join("\n"));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
