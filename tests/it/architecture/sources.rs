//! What must not stand in a source file.

use super::source::{Source, end_of_braces, sources, words};

/// No function is longer.
const FUNCTION_LINES_MAX: usize = 70;

/// Complains with every finding at once.
fn none(what: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

/// The files that decide and compute: no I/O, no clock, no randomness. By their names; the console's pages are pages
/// whatever they are called, and a machine's tables (`rows`, `store`) are shells.
fn pure_files() -> Vec<Source> {
    const WHOLE: [&str; 19] = [
        "clocks",
        "request",
        "status",
        "verification",
        "documents",
        "fee",
        "reference",
        "kana",
        "ledger",
        "propagation",
        "delivery",
        "receipt",
        "message",
        "answer",
        "ticket",
        "merkle",
        "machine",
        "decide",
        "evolve",
    ];
    const BEGIN: [&str; 7] = ["case", "matching", "zengin", "charge", "entry", "instruction", "decision"];
    let mut files: Vec<Source> = sources(&["services"])
        .into_iter()
        .filter(|s| {
            !s.path.contains("/pages/")
                && !s.path.starts_with("services/console/")
                && !s.path.starts_with("services/launcher/")
        })
        .filter(|s| {
            WHOLE.contains(&s.stem()) || BEGIN.iter().any(|b| s.stem().starts_with(b)) || s.path.contains("/src/case/")
        })
        .collect();
    files.extend(sources(&["shared/calendar/src", "shared/contracts/src", "shared/evidence/src"]));
    files.extend(sources(&["shared/chassis/src"]).into_iter().filter(|s| ["machine", "merkle"].contains(&s.stem())));
    files
}

#[test]
fn files_that_decide_touch_nothing() {
    let files = pure_files();
    for known in [
        "shared/chassis/src/merkle.rs",
        "shared/contracts/src/flow.rs",
        "services/intake/src/case.rs",
        "services/payment-reconciliation/src/charge.rs",
    ] {
        assert!(files.iter().any(|f| f.path == known), "{known} is on the list");
    }
    const CRATES: [&str; 8] = ["sqlx", "async_nats", "axum", "tokio", "rand", "getrandom", "reqwest", "futures"];
    const STD: [&str; 5] = ["fs", "net", "thread", "process", "env"];
    let mut findings = vec![];
    for file in &files {
        for (at, word) in words(&file.code) {
            let after = file.code[at + word.len()..].trim_start();
            let before = file.code[..at].trim_end();
            let is_path = after.starts_with("::") || before.ends_with("use");
            if CRATES.contains(&word) && is_path {
                findings.push(format!("{}:{} {word}", file.path, file.line(at)));
            }
            if word == "std" && is_path {
                // `std::fs::…` and `use std::{fs, …};`
                let statement = &after[..after.find([';', '(', ')', '=']).unwrap_or(after.len())];
                let first = words(statement).next().map(|w| w.1).unwrap_or_default();
                let of_group: Vec<&str> = if statement.starts_with("::{") {
                    statement
                        .split([',', '{'])
                        .map(|p| p.trim().split([':', '}', ' ']).next().unwrap_or_default())
                        .collect()
                } else {
                    vec![first]
                };
                findings.extend(
                    STD.iter()
                        .filter(|s| of_group.contains(s))
                        .map(|s| format!("{}:{} std::{s}", file.path, file.line(at))),
                );
            }
            // Ids are made in shells. `contracts` only offers the making.
            // An instant that comes in as an input is pure; asking for one is not.
            let makes = ["now_v7", "new_v4", "SystemTime", "elapsed"].contains(&word)
                || word == "now" && before.ends_with("::");
            if makes && !file.path.ends_with("contracts/src/id.rs") {
                findings.push(format!("{}:{} {word}", file.path, file.line(at)));
            }
        }
    }
    none("files marked pure reach outside", findings);
}

#[test]
fn raw_sql_stands_in_four_places_only() {
    let allowed = [
        "shared/chassis/src/",
        "services/steward/src/provision.rs",
        "shared/testkit/src/",
        "shared/privacy/src/vault/schema.rs",
    ];
    let findings = sources(&["services", "shared", "infra"])
        .into_iter()
        .filter(|s| !allowed.iter().any(|a| s.path.starts_with(a)))
        .flat_map(|s| {
            words(&s.code)
                .filter(|(_, w)| *w == "AssertSqlSafe")
                .map(|(at, _)| format!("{}:{}", s.path, s.line(at)))
                .collect::<Vec<_>>()
        })
        .collect();
    none("AssertSqlSafe outside chassis, provisioning, testkit and the key schema", findings);
}

/// A heuristic: a statement of ours ends with a semicolon; one that writes must not name a pool. Writes go through
/// `Db::write`, whose closure gets a connection.
#[test]
fn nobody_writes_through_the_bare_pool() {
    let mut findings = vec![];
    for file in sources(&["services", "shared/privacy/src", "shared/recipient-kit/src", "shared/chassis/src"]) {
        let mut at = 0;
        for (statement, code) in split_alike(&file.code_and_strings, &file.code) {
            let runs_on_pool =
                [".execute(", ".fetch_one(", ".fetch_optional(", ".fetch_all(", ".fetch("].iter().any(|call| {
                    code.match_indices(call).any(|(i, _)| {
                        let argument = &code[i + call.len()..];
                        let end = argument.find([';', '?', '\n']).unwrap_or(argument.len());
                        words(&argument[..end]).any(|(_, w)| w == "pool")
                    })
                });
            let lower = statement.to_lowercase();
            let writes = ["\"insert ", "\"update ", "\"delete ", "\"truncate ", "\"with told", "\"merge "]
                .iter()
                .any(|w| lower.contains(w));
            let executes = code.contains(".execute(") && !lower.contains("\"select 1\"");
            if runs_on_pool && (writes || executes) {
                findings.push(format!("{}:{}", file.path, file.line(at + code.len() - code.trim_start().len())));
            }
            at += code.len() + 1;
        }
    }
    none("a write through the bare pool (use Db::write)", findings);
}

/// Both texts cut alike: at the semicolons of the second, and where its functions end.
fn split_alike<'a>(text: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut cuts: Vec<usize> = code.match_indices(';').map(|(i, _)| i).collect();
    cuts.extend(["\n}\n", "\n    }\n"].iter().flat_map(|end| code.match_indices(end).map(|(i, e)| i + e.len() - 1)));
    cuts.sort_unstable();
    cuts.push(code.len());
    let mut from = 0;
    cuts.into_iter()
        .map(|cut| {
            let range = from..cut;
            from = cut + 1;
            (text.get(range.clone()).unwrap_or_default(), code.get(range).unwrap_or_default())
        })
        .collect()
}

#[test]
fn no_function_is_longer_than_seventy_lines() {
    let mut findings = vec![];
    for file in sources(&["services", "shared", "infra"]) {
        for (at, word) in words(&file.code) {
            if word != "fn" {
                continue;
            }
            let rest = &file.code[at..];
            let Some(name) = words(rest).nth(1).map(|w| w.1) else { continue };
            // `fn` in a type (`fn(&T)`) has no name before its parenthesis.
            if !rest[2..].trim_start().starts_with(name) {
                continue;
            }
            let (open, semicolon) = (rest.find('{'), rest.find(';'));
            let Some(open) = open.filter(|o| semicolon.is_none_or(|s| *o < s)) else { continue };
            let lines = file.code[at..end_of_braces(&file.code, at + open)].lines().count();
            if lines > FUNCTION_LINES_MAX {
                findings.push(format!("{}:{} {name}: {lines} lines", file.path, file.line(at)));
            }
        }
    }
    none("functions over 70 lines", findings);
}

#[test]
fn nobody_prints_but_the_launcher() {
    let mut findings = vec![];
    for file in sources(&["services", "shared"]) {
        // A program's own words to whoever runs it: the launcher's, an example's.
        let programs = ["services/launcher/", "shared/testkit/", "shared/recipient-kit/examples/"];
        if programs.iter().any(|program| file.path.starts_with(program)) {
            continue;
        }
        for (at, word) in words(&file.code) {
            if ["println", "print", "eprintln", "eprint", "dbg"].contains(&word)
                && file.code[at + word.len()..].starts_with('!')
            {
                findings.push(format!("{}:{} {word}!", file.path, file.line(at)));
            }
        }
    }
    none("printing instead of tracing", findings);
}

#[test]
fn nothing_is_left_open() {
    let mut findings = vec![];
    for file in sources(&["services", "shared", "infra", "tests/it/bus"]) {
        for (at, word) in words(&file.code) {
            let after = &file.code[at + word.len()..];
            if ["todo", "unimplemented"].contains(&word) && after.starts_with('!') {
                findings.push(format!("{}:{} {word}!", file.path, file.line(at)));
            }
        }
        for (number, line) in file.text.lines().enumerate() {
            if ["TODO", "FIXME"].iter().any(|mark| line.contains(mark)) {
                findings.push(format!("{}:{} {}", file.path, number + 1, line.trim()));
            }
        }
    }
    none("left open", findings);
}
