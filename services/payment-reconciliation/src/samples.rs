//! The published bank samples, when they are on this machine (tests only): `MADOGUCHI_SAMPLES`, else beside the workspace.

use std::path::PathBuf;

/// A file of `samples/bank`; `None` when the folder is absent.
pub fn read(name: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("MADOGUCHI_SAMPLES").map(PathBuf::from);
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples"));
    let folder = root.unwrap_or_else(beside).join("bank");
    if !folder.is_dir() {
        eprintln!("not run: the bank samples are absent; set MADOGUCHI_SAMPLES to their folder");
        return None;
    }
    Some(std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name} is missing among the samples: {e}")))
}
