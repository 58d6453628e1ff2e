//! The pages at the root say what is so.

use super::{between, read, root};
use std::fmt::Write;

const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "services/README.md",
    "shared/README.md",
    "infra/README.md",
    "infra/postgres/README.md",
];

#[test]
fn readme_shows_the_flow_table() {
    let mut table = String::from("| message | subject | said by | heard by |\n|---|---|---|---|\n");
    for entry in contracts::FLOW {
        let hearers: Vec<_> = entry.hearers.iter().map(|h| h.token()).collect();
        writeln!(
            table,
            "| {} | `{}` | {} | {} |",
            entry.name,
            entry.template(),
            entry.speaker.token(),
            hearers.join(", ")
        )
        .unwrap();
    }
    let readme = read("README.md");
    let shown = between(&readme, "compared by a test -->\n", "<!-- end of flow -->").next().unwrap_or_default();
    assert_eq!(shown, table, "run `cargo xtask flow` and put its output between the marks in README.md");
}

#[test]
fn every_link_leads_somewhere() {
    for page in PAGES {
        let folder = root(page).parent().unwrap().to_owned();
        let text = read(page);
        for target in between(&text, "](", ")").filter(|t| !t.contains("://")) {
            let file = target.split('#').next().unwrap_or_default();
            assert!(file.is_empty() || folder.join(file).exists(), "{page} links to {target}, which does not exist");
        }
    }
}

#[test]
fn every_test_that_architecture_names_exists() {
    let page = read("ARCHITECTURE.md");
    let mut seen = 0;
    for link in page.split("[`").skip(1) {
        let Some((name, rest)) = link.split_once("`](") else { continue };
        let Some((file, _)) = rest.split_once(')') else { continue };
        seen += 1;
        assert!(
            read(file).contains(&format!("fn {name}(")),
            "ARCHITECTURE.md names `{name}` in {file}: it is not there"
        );
    }
    assert!(seen > 40, "the tables were not read");
}

#[test]
fn every_invariant_has_a_test() {
    let page = read("ARCHITECTURE.md");
    let table = page.split("## Invariants").nth(1).and_then(|t| t.split("## Decisions").next()).unwrap_or_default();
    let rows: Vec<&str> = table.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| # ")).collect();
    for row in &rows {
        assert!(row.contains("](") && row.contains(".rs)"), "no test: {row}");
    }
    for number in 1..=14 {
        let name = format!("B{number}");
        assert!(
            rows.iter().any(|r| r.split('|').nth(1).is_some_and(|n| n.split(',').any(|n| n.trim() == name))),
            "{name} is missing"
        );
    }
}
