//! The door must not be able to open what was sealed to a service. That is an absence, and an absence needs a test.

use std::{collections::BTreeMap, fs, path::Path};

/// The sources up to their unit tests, by file name.
fn sources() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), code)
        })
        .collect()
}

fn files_with(sources: &BTreeMap<String, String>, word: &str) -> Vec<String> {
    sources.iter().filter(|(_, code)| code.contains(word)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn the_only_public_way_to_open_needs_an_access_code() {
    let sources = sources();
    assert!(sources.len() >= 8, "the sources are found");
    assert_eq!(files_with(&sources, "single_shot_open"), ["seal.rs"]);
    assert!(sources["seal.rs"].contains("pub(crate) fn open("), "and that one is for this crate only");
    assert_eq!(files_with(&sources, "pub fn open"), ["code_key.rs"]);
    assert!(files_with(&sources, "decrypt").is_empty(), "what a hatch sealed is opened by the desk only");
    assert!(files_with(&sources, "setup_receiver").is_empty());
}

#[test]
fn no_secret_key_can_be_named_outside() {
    let sources = sources();
    for (file, code) in &sources {
        for line in code.lines().filter(|line| line.trim_start().starts_with("pub ")) {
            assert!(!line.contains("PrivateKey") && !line.contains("Kem"), "{file}: {line}");
        }
    }
    let made_from = |word: &str| sources["code_key.rs"].matches(word).count();
    assert_eq!(made_from("-> Self"), 1, "a code key is made in one way");
    assert_eq!(made_from("pub fn derive(code: &AccessCode"), 1, "which takes an access code");
}
