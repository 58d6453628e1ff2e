//! AsyncAPI 3 and JSON Schemas, generated from the table and the payload types; `cargo xtask contracts` writes them down
//! and a test compares.

use crate::{
    Envelope, FLOW,
    flow::Family,
    recipient::{Instruction, REPORT_CONTENT_TYPE, ReportAnswer, ReportClaims, SignedReport},
    request::REQUESTS,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

fn generator() -> SchemaGenerator {
    SchemaSettings::draft07().with(|s| s.definitions_path = "/components/schemas".into()).into_generator()
}

/// The AsyncAPI 3.0 document of the house.
pub fn document() -> Value {
    let mut schemas = generator();
    let envelope = schemas.subschema_for::<Envelope>();
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for entry in FLOW {
        let payload = (entry.schema)(&mut schemas);
        messages.insert(
            entry.name.into(),
            json!({
                "name": entry.message_type(),
                "contentType": crate::envelope::CONTENT_TYPE,
                "payload": { "allOf": [envelope, { "type": "object", "properties": { "type": { "const": entry.message_type() }, "data": payload } }] },
            }),
        );
        channels.insert(
            entry.name.into(),
            json!({
                "address": entry.template(),
                "parameters": { "id": { "description": "The machine that speaks; opaque." } },
                "messages": { entry.name: { "$ref": format!("#/components/messages/{}", entry.name) } },
                "x-stream": "BUS",
            }),
        );
        let channel = json!({ "$ref": format!("#/channels/{}", entry.name) });
        operations.insert(
            format!("{}-says-{}", entry.speaker.token(), entry.word),
            json!({ "action": "send", "channel": channel, "x-service": entry.speaker.crate_name(), "x-family": family(entry.family) }),
        );
        for hearer in entry.hearers {
            operations.insert(
                format!("{}-hears-{}-{}", hearer.token(), entry.at.token(), entry.word),
                json!({ "action": "receive", "channel": channel, "x-service": hearer.crate_name(), "x-durable": hearer.token() }),
            );
        }
    }
    recipients(&mut schemas, &mut channels, &mut operations, &mut messages);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Madoguchi",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
            "description": "Every message of the house. Facts and commands are for its own services; the last three channels are the recipients' family, in the recipient's own NATS account. Hearers take each message at least once and in any order.",
        },
        "defaultContentType": crate::envelope::CONTENT_TYPE,
        "servers": { "nats": { "host": "localhost:4222", "protocol": "nats", "description": "nats-server 2.10.23 or newer, operator mode, JetStream with sync_interval always." } },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas.take_definitions(true) },
        "x-requests": REQUESTS.iter().map(|r| json!({ "subject": r.subject(), "askers": r.askers.iter().map(|a| a.token()).collect::<Vec<_>>() })).collect::<Vec<_>>(),
    })
}

fn family(family: Family) -> &'static str {
    match family {
        Family::Fact => "fact",
        Family::Command => "command",
    }
}

fn recipients(
    schemas: &mut SchemaGenerator,
    channels: &mut Map<String, Value>,
    operations: &mut Map<String, Value>,
    messages: &mut Map<String, Value>,
) {
    let mut message = |name: &str, payload: Value, content: &str| {
        messages.insert(name.into(), json!({ "name": name, "contentType": content, "payload": payload }));
    };
    message("Instruction", json!(schemas.subschema_for::<Instruction>()), crate::envelope::CONTENT_TYPE);
    message("SignedReport", json!(schemas.subschema_for::<SignedReport>()), REPORT_CONTENT_TYPE);
    // What the signature is around.
    schemas.subschema_for::<ReportClaims>();
    message("ReportAnswer", json!(schemas.subschema_for::<ReportAnswer>()), "application/json");
    let refer = |name: &str| json!({ name: { "$ref": format!("#/components/messages/{name}") } });
    channels.insert(
        "Instruction".into(),
        json!({ "address": "optout.c.{recipient}", "parameters": { "recipient": { "description": "The recipient's id." } }, "messages": refer("Instruction"), "x-stream": "OPTOUT", "description": "Pulled from the durable named by the recipient's account." }),
    );
    channels.insert(
        "SignedReport".into(),
        json!({ "address": "report.{account}.v1", "parameters": { "account": { "description": "The recipient's account public key; the server checks it." } }, "messages": refer("SignedReport") }),
    );
    channels.insert(
        "ReportAnswer".into(),
        json!({ "address": null, "messages": refer("ReportAnswer"), "description": "The reply." }),
    );
    operations.insert("optout-instructs".into(), json!({ "action": "send", "channel": { "$ref": "#/channels/Instruction" }, "x-service": "opt-out-propagation" }));
    operations.insert(
        "optout-takes-reports".into(),
        json!({ "action": "receive", "channel": { "$ref": "#/channels/SignedReport" }, "reply": { "channel": { "$ref": "#/channels/ReportAnswer" } }, "x-service": "opt-out-propagation" }),
    );
}

/// The document as it stands in the repository: stable, indented, with a last newline.
pub fn text() -> String {
    format!("{:#}\n", document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_document_is_that_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/asyncapi.json");
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == text(), "asyncapi.json is not that of the code: run `cargo xtask contracts`");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut open = vec![&document];
        let mut seen = 0;
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap_or(reference);
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                        seen += 1;
                    }
                    open.extend(map.values());
                }
                Value::Array(list) => open.extend(list),
                _ => {}
            }
        }
        assert!(seen > 100, "{seen} references");
    }
}
