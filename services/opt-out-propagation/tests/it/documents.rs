//! The OpenAPI document against the service: every route is in it, everything in it is there, and its examples are answered as
//! it says.

use crate::gate::{asker, serving, stopped};
use contracts::partner;
use serde_json::Value;
use std::collections::BTreeSet;

/// The routes of a router's source: method and path, `/partner/v1` only.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for rest in source.split(".route(\"/partner/v1/").skip(1) {
        let (path, rest) = rest.split_once('"').unwrap();
        let handlers = rest.split_once("\n").map_or(rest, |(line, _)| line);
        for method in ["get", "post", "put", "delete"] {
            if handlers.contains(&format!("{method}(")) {
                found.insert((method.to_owned(), format!("/partner/v1/{path}")));
            }
        }
    }
    found
}

fn documented() -> BTreeSet<(String, String)> {
    let document = partner::openapi();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, methods): (&String, &Value)| {
        let path = path.clone();
        methods.as_object().unwrap().keys().map(move |m| (m.clone(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods).collect()
}

/// Every route is written down, and nothing is written down that is not routed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_of_the_partner_router_is_in_the_document_and_the_other_way_round() {
    let mut written = BTreeSet::new();
    let gate = include_str!("../../src/gate/http.rs");
    for source in [include_str!("../../src/partner.rs"), gate, include_str!("../../src/duties/incident.rs")] {
        written.extend(routes(source));
    }
    assert!(written.len() > 10, "{written:?}");
    assert_eq!(written, documented(), "routes on the left, /openapi.json on the right");

    // And the running service has them: whatever it answers, it knows the path and the method.
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    let http = reqwest::Client::new();
    for (method, path) in documented() {
        let url = format!("{}{}", who.base, path.replace("{run}", "0199a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b"));
        let asked = if method == "get" { http.get(&url) } else { http.post(&url) };
        let answered = asked.send().await.unwrap();
        let (status, body) = (answered.status().as_u16(), answered.text().await.unwrap());
        assert!(status != 405 && !body.contains("What there is stands in /openapi.json"), "{method} {path}: {body}");
    }
    let unknown = http.get(format!("{}/partner/v1/gates", who.base)).send().await.unwrap();
    assert!(unknown.text().await.unwrap().contains("What there is stands in /openapi.json"), "the check can fail");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn members(value: &Value) -> BTreeSet<&String> {
    value.as_object().unwrap().keys().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_gate_are_answered_as_the_document_says() {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    stopped(&desk).await;
    let document: Value = reqwest::get(format!("{}/openapi.json", who.base)).await.unwrap().json().await.unwrap();
    assert_eq!(document, partner::openapi());
    let schema = |name: &str| document["components"]["schemas"][name].clone();

    let (status, answered) = who.check(schema("GateQuestion")["examples"][0].clone()).await;
    let example = schema("GateAnswers")["examples"][0].clone();
    assert_eq!((status, members(&answered)), (200, members(&example)), "{answered}");
    for (got, said) in answered["answers"].as_array().unwrap().iter().zip(example["answers"].as_array().unwrap()) {
        assert_eq!((members(got), &got["answer"]), (members(said), &said["answer"]));
    }

    let file = &document["paths"]["/partner/v1/gate/file"]["post"]["requestBody"]["content"];
    for (kind, name) in [("text/csv", "csv"), ("application/x-ndjson", "ndjson")] {
        let text = file[kind]["examples"][name]["value"].as_str().unwrap().to_owned();
        let answered = who.post("/partner/v1/gate/file?flow=build&track=both&mode=remove", kind, text.clone()).await;
        assert_eq!(answered.status().as_u16(), 200, "{kind}");
        let run = answered.headers()["madoguchi-gate-run"].to_str().unwrap().to_owned();
        assert!(answered.headers().contains_key("madoguchi-as-of"));
        let left = answered.text().await.unwrap();
        assert!(!left.contains("ヤマダ") && left.contains("スズキ"), "{kind}: {left}");
        let shown: Value = who.get(&format!("/partner/v1/gate/runs/{run}")).await.json().await.unwrap();
        assert_eq!(members(&shown), members(&schema("GateRun")["properties"]), "{kind}");
        assert_eq!(shown["outcome"], "complete");
        let report = who.get(&format!("/partner/v1/gate/runs/{run}/report")).await.text().await.unwrap();
        assert_eq!(report.lines().count(), 1, "{report}");
    }

    let incident = schema("GateIncident")["examples"][0].to_string();
    let raised = who.post("/partner/v1/gate/incidents", "application/json", incident).await;
    assert_eq!(raised.status().as_u16(), 200);
    assert!(raised.json::<Value>().await.unwrap()["incident"].is_string());
    for page in ["/gate?lang=ja", "/gate?lang=en", "/gate-rules.json", "/gate-vectors.json"] {
        let answered = reqwest::get(format!("{}{page}", who.base)).await.unwrap();
        assert_eq!(answered.status().as_u16(), 200, "{page}");
    }
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
