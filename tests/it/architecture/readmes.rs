//! Every service's README says what its rows of the flow table say.

use super::source::root;
use contracts::{
    Service,
    flow::{heard_by, said_by},
};

#[test]
fn every_service_lists_what_it_obeys_hears_and_states() {
    let mut findings = vec![];
    for service in Service::ALL {
        let path = root().join("services").join(service.crate_name()).join("README.md");
        let Ok(text) = std::fs::read_to_string(&path) else {
            findings.push(format!("services/{}/README.md is missing", service.crate_name()));
            continue;
        };
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
        // The console hears everything: its README points at the table instead of copying it.
        let by_reference = text.contains(&format!("every fact that names `{service:?}`"));
        for entry in heard_by(*service).filter(|_| !by_reference).chain(said_by(*service)) {
            if !words.contains(&entry.name) {
                findings.push(format!("services/{}/README.md does not name {}", service.crate_name(), entry.name));
            }
        }
        // Nothing that it has no part in under these heads of its table.
        for line in
            text.lines().filter(|l| ["| obeys", "| hears", "| states", "| commands"].iter().any(|h| l.starts_with(h)))
        {
            for entry in contracts::FLOW {
                let named = line.split(|c: char| !c.is_alphanumeric()).any(|w| w == entry.name);
                if named && entry.speaker != *service && !entry.hearers.contains(service) {
                    findings.push(format!("services/{}/README.md claims {}", service.crate_name(), entry.name));
                }
            }
        }
    }
    assert!(findings.is_empty(), "\n  {}", findings.join("\n  "));
}
