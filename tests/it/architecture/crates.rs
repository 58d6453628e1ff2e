//! Who may depend on whom, from `cargo metadata` and the lock file.

use super::source::root;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::{
    collections::{BTreeSet, HashMap},
    sync::OnceLock,
};

fn metadata() -> &'static Metadata {
    static METADATA: OnceLock<Metadata> = OnceLock::new();
    METADATA.get_or_init(|| {
        // This platform only: others' crates are neither here nor of interest.
        let rustc = std::process::Command::new("rustc").arg("-vV").output().expect("rustc -vV").stdout;
        let host = String::from_utf8(rustc)
            .unwrap()
            .lines()
            .find_map(|l| l.strip_prefix("host: ").map(str::to_owned))
            .expect("the host's triple");
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--filter-platform".to_owned(), host])
            .exec()
            .expect("cargo metadata")
    })
}

/// The folder of a package of ours: `services/door`.
fn folder(package: &Package) -> String {
    package.manifest_path.parent().unwrap().strip_prefix(root().to_str().unwrap()).unwrap().to_string()
}

fn ours() -> HashMap<&'static str, &'static Package> {
    metadata().workspace_packages().into_iter().map(|p| (p.name.as_str(), p)).collect()
}

/// Dependencies of ours on ours: (from, to, only for tests).
fn edges() -> Vec<(&'static Package, &'static Package, bool)> {
    let ours = ours();
    let mut edges = vec![];
    for package in ours.values() {
        for dependency in &package.dependencies {
            if let Some(to) = ours.get(dependency.name.as_str()) {
                edges.push((*package, *to, dependency.kind == DependencyKind::Development));
            }
        }
    }
    assert!(edges.len() > 20);
    edges
}

#[test]
fn services_depend_on_shared_crates_only_and_nobody_on_a_service() {
    let mut findings = vec![];
    for (from, to, for_tests) in edges() {
        if !folder(to).starts_with("services/") {
            continue;
        }
        let allowed = match from.name.as_str() {
            "launcher" | "bench" | "tests" | "xtask" => true,
            // It makes a house as `madoguchi migrate` does.
            "testkit" => to.name.as_str() == "steward",
            // A service's own tests may run a real neighbour; its product may not know one.
            _ => for_tests,
        };
        if !allowed {
            findings.push(format!("{} -> {}", from.name, to.name));
        }
    }
    assert!(findings.is_empty(), "{findings:?}");
    for (from, to, for_tests) in edges() {
        let shared_on_more = folder(from).starts_with("shared/")
            && !folder(to).starts_with("shared/")
            && from.name.as_str() != "testkit";
        assert!(!shared_on_more, "{} -> {}", from.name, to.name);
        let testkit_in_product =
            to.name.as_str() == "testkit" && !for_tests && !["bench", "tests"].contains(&from.name.as_str());
        assert!(!testkit_in_product, "{} needs testkit outside its tests", from.name);
    }
}

/// Everything that a crate of ours needs to run (not to be tested).
fn reach(name: &str) -> BTreeSet<String> {
    let resolve = metadata().resolve.as_ref().unwrap();
    let nodes: HashMap<&PackageId, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: HashMap<&PackageId, &str> = metadata().packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![&ours()[name].id];
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let runs = dependency.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
            if runs && seen.insert(names[&dependency.pkg].to_owned()) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen
}

#[test]
fn the_door_cannot_open_what_it_seals() {
    let door = reach("door");
    assert!(door.contains("privacy-seal") && door.contains("sqlx"), "the graph is read");
    assert!(!door.contains("privacy"), "the door reaches the crate that opens");
}

#[test]
fn contracts_hold_neither_personal_data_nor_input_and_output() {
    let contracts = reach("contracts");
    assert!(contracts.contains("serde") && contracts.contains("jiff"), "the graph is read");
    for forbidden in [
        "privacy",
        "privacy-seal",
        "chassis",
        "tokio",
        "async-trait",
        "futures",
        "futures-core",
        "async-nats",
        "sqlx",
        "axum",
        "reqwest",
        "hyper",
    ] {
        assert!(!contracts.contains(forbidden), "contracts reaches {forbidden}");
    }
    for pure in ["calendar", "contracts", "evidence", "fold", "gate", "jws", "privacy-seal"] {
        assert!(!reach(pure).contains("tokio"), "{pure} reaches tokio");
    }
}

/// Two copies compile, and silently lose the trace context (or the types) between them.
#[test]
fn one_version_of_what_must_not_be_twice() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for name in [
        "opentelemetry",
        "opentelemetry_sdk",
        "tracing",
        "tracing-core",
        "tracing-opentelemetry",
        "sqlx",
        "sqlx-core",
        "async-nats",
        "tokio",
        "axum",
        "jiff",
        "uuid",
        "nkeys",
        "prometheus",
    ] {
        let copies = lock.lines().filter(|l| *l == format!("name = \"{name}\"")).count();
        assert_eq!(copies, 1, "{name} in Cargo.lock");
    }
    for name in ["openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "TLS is aws-lc: {name} came in");
    }
    // The lock file names it as somebody's choice that nobody takes; it is taken by a feature of that name.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(!manifest.contains("\"ring\"") && !manifest.contains("rustls-ring"), "TLS is aws-lc: ring came in");
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    let mut findings = vec![];
    for package in ours().values() {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        if !text.contains("[lints]\nworkspace = true") {
            findings.push(format!("{}: no [lints] workspace = true", package.name));
        }
        let mut section = String::new();
        for line in text.lines() {
            if line.starts_with('[') {
                section = line.to_owned();
            } else if section.contains("dependencies")
                && line.contains('=')
                && !line.contains("workspace = true")
                && !line.contains(".workspace")
                && !line.starts_with('#')
            {
                findings.push(format!("{}: {line}", package.name));
            }
        }
    }
    assert!(findings.is_empty(), "not from the one version table:\n  {}", findings.join("\n  "));
}
