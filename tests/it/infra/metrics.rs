//! Dashboards and alerts ask for metrics that somebody gives: the sources, or the collector's configuration.

use super::{between, files, members, read, words, yaml};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the NATS exporter gives with `-jsz all` (its release notes list them).
const NATS: &[&str] = &[
    "jetstream_consumer_num_pending",
    "jetstream_consumer_num_ack_pending",
    "jetstream_server_total_message_bytes",
    "jetstream_server_max_storage",
];

/// OpenTelemetry's units as Prometheus writes them.
fn unit(unit: &str) -> &str {
    match unit {
        "" | "1" => "",
        "s" => "_seconds",
        "d" => "_days",
        "By" => "_bytes",
        other => panic!("how does Prometheus write the unit `{other}`?"),
    }
}

fn histogram(name: &str) -> [String; 3] {
    ["bucket", "sum", "count"].map(|part| format!("{name}_{part}"))
}

/// `telemetry::count("madoguchi.parked", …)` and its like, as /metrics shows them.
fn given_by_the_sources() -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    for path in files("shared", ".rs").into_iter().chain(files("services", ".rs")) {
        let text = std::fs::read_to_string(path).unwrap();
        for call in ["count(", "add(", "level(", "seconds("] {
            for rest in text.split(&format!("telemetry::{call}")).skip(1) {
                let Some(name) = rest
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|r| r.split_once('"'))
                    .map(|(n, _)| n.replace('.', "_"))
                else {
                    continue;
                };
                match call {
                    "count(" | "add(" => given.extend([format!("{name}_total")]),
                    "level(" => given.extend([name]),
                    _ => given.extend(histogram(&format!("{name}_seconds"))),
                }
            }
        }
    }
    assert!(given.contains("madoguchi_parked_total"), "the sources were not read");
    given
}

/// The metrics of infra/otel/collector.yaml, as its Prometheus exporter writes them.
fn given_by_the_collector() -> BTreeSet<String> {
    let collector = yaml("infra/otel/collector.yaml");
    let mut given: BTreeSet<String> = ["httpcheck_status".to_owned()].into();
    for query in collector["receivers"]["sqlquery"]["queries"].as_array().into_iter().flatten() {
        for metric in query["metrics"].as_array().into_iter().flatten() {
            let name = metric["metric_name"].as_str().unwrap().replace('.', "_");
            given.insert(format!("{name}{}", unit(metric["unit"].as_str().unwrap_or_default())));
        }
    }
    let spans = &collector["connectors"]["spanmetrics"];
    let namespace = spans["namespace"].as_str().unwrap().replace('.', "_");
    given.insert(format!("{namespace}_calls_total"));
    given.extend(histogram(&format!("{namespace}_duration{}", unit(spans["histogram"]["unit"].as_str().unwrap()))));
    let disk = &collector["receivers"]["hostmetrics"]["scrapers"]["filesystem"]["metrics"];
    for (name, setting) in members(disk).filter(|(_, s)| s["enabled"] == true) {
        assert!(!setting.is_null());
        given.insert(format!("{}_ratio", name.replace('.', "_")));
    }
    given
}

/// The metric names in a PromQL expression: what is left when strings, label matchers, grouping labels, functions, words of
/// the language and numbers are taken away.
fn asked_for(expression: &str) -> BTreeSet<String> {
    let mut plain = String::new();
    let (mut depth, mut quoted) = (0, false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            _ if quoted || depth > 0 => {}
            c => plain.push(c),
        }
    }
    for grouping in ["by", "without"] {
        while let Some(at) = plain.find(&format!("{grouping} (")) {
            let end = plain[at..].find(')').map_or(plain.len(), |e| at + e + 1);
            plain.replace_range(at..end, " ");
        }
    }
    let mut names = BTreeSet::new();
    let mut rest = plain.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let tail = &rest[at..];
        let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(tail.len());
        let (name, after) = tail.split_at(end);
        let number = at > 0 && rest.as_bytes()[at - 1].is_ascii_digit();
        let is_word = ["and", "or", "unless", "bool", "on", "ignoring"].contains(&name);
        if !number && !is_word && !after.trim_start().starts_with('(') {
            names.insert(name.to_owned());
        }
        rest = after;
    }
    names
}

#[test]
fn names_are_found_in_expressions() {
    let names = |e: &str| asked_for(e).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names("sum by (what) (rate(a_total{x=\"b\"}[5m])) / clamp_min(b_total, 0.001) > 4e9"),
        ["a_total", "b_total"]
    );
    assert_eq!(names("up{job=\"c\"} == 0 or absent(d)"), ["d", "up"]);
}

/// Every expression with the place where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut all = vec![];
    for path in files("infra/grafana/dashboards", ".json") {
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for panel in board["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place =
                    format!("{}: {}", path.file_name().unwrap().to_string_lossy(), panel["title"].as_str().unwrap());
                all.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    for (name, rule) in alerts() {
        all.push((name, rule["expr"].as_str().unwrap().to_owned()));
    }
    assert!(all.len() > 60, "dashboards and alerts were not read");
    all
}

fn alerts() -> BTreeMap<String, Value> {
    let rules = yaml("infra/prometheus/alerts.yml");
    let groups = rules["groups"].as_array().cloned().unwrap_or_default();
    groups
        .iter()
        .flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default())
        .map(|r| (r["alert"].as_str().unwrap().to_owned(), r))
        .collect()
}

#[test]
fn every_metric_that_is_looked_at_is_given_by_somebody() {
    let mut given = given_by_the_sources();
    given.extend(given_by_the_collector());
    given.extend(NATS.iter().map(|n| (*n).to_owned()));
    given.insert("up".into());
    let mut missing = BTreeMap::new();
    for (place, expression) in expressions() {
        for name in asked_for(&expression).into_iter().filter(|n| !given.contains(n)) {
            missing.entry(name).or_insert_with(Vec::new).push(place.clone());
        }
    }
    assert!(missing.is_empty(), "nobody gives: {missing:#?}");
}

#[test]
fn every_alert_says_how_urgent_it_is_and_what_to_do() {
    for (name, rule) in alerts() {
        assert!(
            ["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap_or_default()),
            "{name}: severity"
        );
        for text in ["summary", "remedy"] {
            assert!(rule["annotations"][text].as_str().is_some_and(|t| t.len() > 15), "{name}: {text}");
        }
    }
    for needed in [
        "OutboxOld",
        "Parked",
        "ConsumerLag",
        "InstructionsOverdue",
        "StewardFailed",
        "NatsUnhealthy",
        "DiskFills",
        "WalGrows",
    ] {
        assert!(alerts().contains_key(needed), "no alert {needed}");
    }
}

#[test]
fn every_process_is_scraped_and_asked_whether_it_is_ready() {
    let prometheus = yaml("infra/prometheus/prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap();
    let targets: Vec<&str> =
        jobs.iter().flat_map(|j| j["static_configs"].as_array().unwrap()).flat_map(|s| words(&s["targets"])).collect();
    let collector = yaml("infra/otel/collector.yaml");
    let asked: Vec<&str> = collector["receivers"]["httpcheck"]["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|t| t["endpoint"].as_str())
        .collect();
    for process in launcher::NAMES {
        assert!(targets.contains(&format!("{process}:8400").as_str()), "{process} is not scraped");
        assert!(
            asked.contains(&format!("http://{process}:8400/readyz").as_str()),
            "{process} is not asked whether it is ready"
        );
    }
}

/// The collector drops every attribute that it does not know: one that the code writes and nobody listed is lost to errors,
/// sampling and dashboards.
#[test]
fn every_attribute_that_the_code_writes_passes_the_collector() {
    let collector = yaml("infra/otel/collector.yaml");
    let allowed: BTreeSet<&str> = words(&collector["processors"]["redaction"]["allowed_keys"]).into_iter().collect();
    let mut seen = 0;
    for source in ["shared/chassis/src/telemetry/messaging.rs", "services/door/src/routes.rs"] {
        let text = read(source);
        for span in between(&text, "info_span!(", ");") {
            for field in
                span.split(',').filter_map(|f| f.split_once('=')).map(|(name, _)| name.trim().replace("r#", ""))
            {
                let is_name = field.contains('.') && field.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
                if is_name && !field.starts_with("otel.") {
                    seen += 1;
                    assert!(
                        allowed.contains(field.as_str()),
                        "{source}: `{field}` is dropped by infra/otel/collector.yaml"
                    );
                }
            }
        }
    }
    assert!(seen > 10, "the spans were not read");
}
