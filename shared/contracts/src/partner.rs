//! What a recipient (通知先) builds against: OpenAPI 3.1 of the partner API, AsyncAPI 3.0 of its NATS account, JSON Schemas;
//! made from the types, written down by `cargo xtask contracts`, served by the partner API, compared by a test.

use crate::{
    endpoint_test::TestEvent,
    partner_gate,
    recipient::{INSTRUCTION_TYPE, Instruction, REPORT_CONTENT_TYPE, ReportAnswer, ReportClaims, SignedReport},
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// What the identifiers that an instruction holds sealed look like when they are opened (the recipient kit's `Identifiers`).
fn identifiers() -> Value {
    json!({
        "type": "object",
        "description": "本人の特定事項: whom an instruction is about, after opening `data.person`.",
        "required": ["kana", "birth-date"],
        "properties": {
            "kana": { "type": "string", "description": "氏名の振り仮名, in katakana." },
            "birth-date": { "type": "string", "format": "date", "description": "生年月日." },
            "name": { "type": "string", "description": "氏名 as stated, where it was stated." },
            "sex": { "enum": ["male", "female", "other"], "description": "性別, where it was stated." },
            "hospitals": { "type": "array", "maxItems": 200, "items": { "type": "string" }, "description": "The hospitals that the person named; none: every hospital." },
        },
    })
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings.with(|s| s.definitions_path = "/components/schemas".into()).into_generator()
}

/// Every type of the family, and the rest of what the documents speak of.
fn components(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    schemas.subschema_for::<Instruction>();
    schemas.subschema_for::<TestEvent>();
    schemas.subschema_for::<SignedReport>();
    schemas.subschema_for::<ReportClaims>();
    schemas.subschema_for::<ReportAnswer>();
    let mut all = schemas.take_definitions(true);
    let text = json!({ "type": "string" });
    let cursor = json!({ "type": "string", "pattern": "^-?[0-9]+\\.[0-9]+$", "description": "`<epoch>.<position>`" });
    let digest = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    let books = json!({
        "type": "object",
        "description": "What stands: count and digest over one line per entry in the order of their ids, `<entry> <version> <measure> <scope>` and a line feed.",
        "required": ["cursor", "entries", "digest"],
        "properties": { "cursor": cursor, "entries": { "type": "integer", "minimum": 0 }, "digest": digest },
    });
    for (name, schema) in [
        ("Identifiers", identifiers()),
        ("Books", books),
        (
            "Acknowledged",
            json!({
                "type": "object",
                "required": ["cursor"],
                "properties": { "cursor": cursor, "agrees": { "type": "boolean" }, "books": { "$ref": "#/components/schemas/Books" }, "replay": { "type": "string", "description": "When the books differ: path and query from which everything after the last agreed position comes again. If it does not help, fetch the snapshot." } },
            }),
        ),
        (
            "Problem",
            json!({
                "type": "object",
                "description": "RFC 9457.",
                "required": ["type", "title", "status"],
                "properties": { "type": text, "title": text, "status": { "type": "integer" }, "detail": text, "result": text, "reason": text },
            }),
        ),
    ] {
        all.insert(name.into(), schema);
    }
    all
}

fn problem(what: &str) -> Value {
    json!({ "description": what, "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } })
}

fn query(name: &str, what: &str, schema: Value, required: bool) -> Value {
    json!({ "name": name, "in": "query", "required": required, "description": what, "schema": schema })
}

/// The answers that every signed request may get.
fn signed(good: Value, conflict: &str) -> Value {
    json!({
        "200": good,
        "400": problem("The query cannot be read."),
        "401": problem("Not signed by a registered recipient, or the clock differs by more than 300 s (`reason`)."),
        "409": problem(conflict),
        "503": problem("Ask again later."),
    })
}

fn batch(what: &str) -> Value {
    json!({
        "description": what,
        "headers": {
            "madoguchi-cursor": { "description": "Where this page ends.", "schema": { "type": "string" } },
            "madoguchi-last": { "description": "The last position issued to you.", "schema": { "type": "string" } },
            "madoguchi-next": { "description": "Snapshot: path and query of the next page; absent on the last.", "schema": { "type": "string" } },
        },
        "content": { "application/cloudevents-batch+json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Instruction" } } } },
    })
}

fn json_of(name: &str, what: &str) -> Value {
    json!({ "description": what, "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } } })
}

fn checkpoint() -> Value {
    json!({ "get": {
        "operationId": "checkpoint",
        "summary": "How the desk's log stands: a C2SP signed note, for anybody who wants to keep it.",
        "security": [],
        "responses": {
            "200": { "description": "Origin, size, root, signature.", "content": { "text/plain": { "schema": { "type": "string" } } } },
            "404": problem("The log is empty."),
            "503": problem("Ask again later."),
        },
    } })
}

fn paths() -> Value {
    let cursor = || json!({ "type": "string" });
    let restored = "The cursor is of another life of the ledger: the desk was restored. Fetch the snapshot.";
    let security = json!([{ "request": [], "time": [], "proof": [] }]);
    let mut all = json!({
        "/partner/v1/reports": { "post": {
            "operationId": "report",
            "summary": "報告: hands in one signed report. The same bytes again get the same answer.",
            "security": [],
            "requestBody": { "required": true, "content": { REPORT_CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/SignedReport" } } } },
            "responses": {
                "200": json_of("ReportAnswer", "Taken."),
                "400": problem("`malformed`."),
                "401": problem("`unknown-key`, `wrong-algorithm`, `bad-signature`."),
                "403": problem("`not-yours`: raised to staff."),
                "404": problem("`unknown-instruction`."),
                "409": problem("`wrong-digest`, or it contradicts what is on record."),
                "413": problem("Over 64 KiB."),
                "422": problem("`erasure-incomplete`, `kept-record-erased`: kept; the instruction stays open."),
                "503": problem("Send the same bytes again later."),
            },
        } },
        "/partner/v1/instructions": { "get": {
            "operationId": "pull",
            "summary": "通番の順に: at most 500 instructions, the very bytes of the other transports.",
            "security": security,
            "parameters": [
                query("of", "A sub-contractor whose instructions travel through you: its feed instead of yours.", json!({ "type": "string", "format": "uuid" }), false),
                query("after", "From any position, as often as you like; absent: after the one acknowledged last.", cursor(), false),
                query("wait", "Seconds to wait for the first one.", json!({ "type": "integer", "minimum": 0, "maximum": 20 }), false),
            ],
            "responses": signed(batch("A page; empty when there is nothing new."), restored),
        } },
        "/partner/v1/acknowledgements": { "post": {
            "operationId": "acknowledge",
            "summary": "Everything up to a cursor is written down. Ends nothing: only a report does.",
            "security": security,
            "parameters": [
                query("of", "A sub-contractor whose instructions travel through you.", json!({ "type": "string", "format": "uuid" }), false),
                query("cursor", "As `madoguchi-cursor` said.", cursor(), true),
                query("digest", "Of what stands by your books; once a day.", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }), false),
                query("entries", "With the digest: how many entries stand by your books.", json!({ "type": "integer", "minimum": 0 }), false),
            ],
            "responses": signed(json_of("Acknowledged", "Where you stand; whether the books agree."), "Of another life, or never issued."),
        } },
        "/partner/v1/snapshot": { "get": {
            "operationId": "snapshot",
            "summary": "The newest instruction of every entry, in pages.",
            "security": security,
            "parameters": [
                query("at", "As of which cursor; absent: now.", cursor(), false),
                query("from", "After which entry; as `madoguchi-next` said.", json!({ "type": "string", "format": "uuid" }), false),
            ],
            "responses": signed(batch("A page, in the order of the entries."), restored),
        } },
        "/partner/v1/digest": { "get": {
            "operationId": "digest",
            "summary": "Count and digest of what stands, as of a cursor.",
            "security": security,
            "parameters": [query("at", "As of which cursor; absent: now.", cursor(), false)],
            "responses": signed(json_of("Books", "To compare with your own."), restored),
        } },
        "/partner/v1/checkpoint": checkpoint(),
    });
    if let Some(all) = all.as_object_mut() {
        all.extend(partner_gate::paths(&security));
    }
    all
}

/// OpenAPI 3.1 of the partner API and of the webhook that a recipient offers.
pub fn openapi() -> Value {
    let mut schemas = generator(SchemaSettings::draft2020_12());
    let mut schemas = components(&mut schemas);
    schemas.extend(partner_gate::schemas().into_iter().map(|(name, schema)| (name.to_owned(), schema)));
    let header =
        |name: &str, what: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": what });
    let webhook_headers = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        .map(|name| json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" } }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Madoguchi partner API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "For recipients of stop instructions (通知先). A report proves itself by its JWS; every other request is signed with the report key.",
        },
        "servers": [{ "url": "/" }],
        "paths": crate::partner_duty::beside(paths()),
        "webhooks": { "instruction": { "post": {
            "operationId": "instruction",
            "summary": "指示: Standard Webhooks 1.0.0, `v1` and `v1a` side by side.",
            "security": [],
            "parameters": webhook_headers,
            "requestBody": { "required": true, "content": { crate::envelope::CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Instruction" } } } },
            "responses": {
                "204": { "description": "Written down; ends nothing." },
                "401": { "description": "Not believed." },
                "422": { "description": "Not for you, or not to be opened." },
                "503": { "description": "Send it again." },
            },
        } }, "test": { "post": {
            "operationId": "test",
            "summary": "試験通知: tries the endpoint before it is used. Verify it as an instruction, open it, and answer with a signed report of stage `received`; until then no instruction comes.",
            "security": [],
            "parameters": webhook_headers,
            "requestBody": { "required": true, "content": { crate::envelope::CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/TestEvent" } } } },
            "responses": {
                "204": { "description": "Verified and opened; the report follows." },
                "401": { "description": "Not believed." },
                "422": { "description": "Not for you, or not to be opened." },
            },
        } } },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "request": header("madoguchi-recipient", "Your id."),
                "time": header("madoguchi-timestamp", "Unix seconds; within 300 s of the desk's clock."),
                "proof": header("madoguchi-signature", "`<key id>,<base64 of 64 bytes>` over `madoguchi-request-v1`, recipient, timestamp, method, path with query, with line feeds between."),
            },
        },
    })
}

/// AsyncAPI 3.0 of a recipient's NATS account.
pub fn asyncapi() -> Value {
    let mut schemas = generator(SchemaSettings::draft07());
    let all = components(&mut schemas);
    let message = |name: &str, content: &str| json!({ "name": name, "contentType": content, "payload": { "$ref": format!("#/components/schemas/{name}") } });
    let refer = |name: &str| json!({ name: { "$ref": format!("#/components/messages/{name}") } });
    let account = json!({ "account": { "description": "Your account's public key (A…); the server puts it there." } });
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Madoguchi, a recipient's account",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0" },
            "description": "Pull the durable that has the name of your account from stream OPTOUT, acknowledge after writing, report by request. Your inbox prefix is _INBOX_<account>. Everything may come twice and in any order.",
        },
        "defaultContentType": crate::envelope::CONTENT_TYPE,
        "servers": { "desk": { "host": "desk.example:4222", "protocol": "nats", "description": "The desk tells its address with your credentials." } },
        "channels": {
            "Instruction": { "address": "$JS.API.CONSUMER.MSG.NEXT.OPTOUT.{account}", "parameters": account, "messages": refer("Instruction"), "x-type": INSTRUCTION_TYPE },
            "SignedReport": { "address": "report.{account}.v1", "parameters": account, "messages": refer("SignedReport") },
            "ReportAnswer": { "address": null, "messages": refer("ReportAnswer"), "description": "The reply." },
        },
        "operations": {
            "pull": { "action": "receive", "channel": { "$ref": "#/channels/Instruction" } },
            "report": { "action": "send", "channel": { "$ref": "#/channels/SignedReport" }, "reply": { "channel": { "$ref": "#/channels/ReportAnswer" } } },
        },
        "components": {
            "messages": {
                "Instruction": message("Instruction", crate::envelope::CONTENT_TYPE),
                "SignedReport": message("SignedReport", REPORT_CONTENT_TYPE),
                "ReportAnswer": message("ReportAnswer", "application/json"),
            },
            "schemas": all,
        },
    })
}

/// One JSON Schema (2020-12) that stands by itself: `Instruction`, `ReportClaims`, `SignedReport`, `ReportAnswer`,
/// `Identifiers`. `None`: there is no such.
pub fn schema(name: &str) -> Option<Value> {
    let settings = SchemaSettings::draft2020_12;
    Some(match name {
        "Instruction" => json!(settings().into_generator().into_root_schema_for::<Instruction>()),
        "TestEvent" => json!(settings().into_generator().into_root_schema_for::<TestEvent>()),
        "ReportClaims" => json!(settings().into_generator().into_root_schema_for::<ReportClaims>()),
        "SignedReport" => json!(settings().into_generator().into_root_schema_for::<SignedReport>()),
        "ReportAnswer" => json!(settings().into_generator().into_root_schema_for::<ReportAnswer>()),
        "Identifiers" => {
            let mut schema = identifiers();
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            schema["title"] = json!("Identifiers");
            schema
        }
        _ => return None,
    })
}

/// The names that [`schema`] knows.
pub const SCHEMAS: [&str; 6] =
    ["Instruction", "TestEvent", "Identifiers", "ReportClaims", "SignedReport", "ReportAnswer"];

/// Both documents as they stand in the repository: file name beside this crate's `asyncapi.json`, and text.
pub fn files() -> [(&'static str, String); 2] {
    [
        ("recipient-openapi.json", format!("{:#}\n", openapi())),
        ("recipient-asyncapi.json", format!("{:#}\n", asyncapi())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_documents_are_those_of_the_code() {
        for (name, text) in files() {
            let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
            let written = std::fs::read_to_string(path).unwrap_or_default();
            assert!(written == text, "{name} is not that of the code: run `cargo xtask contracts`");
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_nothing_of_the_house_is_in_it() {
        for document in [openapi(), asyncapi()] {
            let mut open = vec![&document];
            let mut seen = 0;
            while let Some(value) = open.pop() {
                match value {
                    Value::Object(map) => {
                        if let Some(Value::String(reference)) = map.get("$ref") {
                            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
                            seen += 1;
                        }
                        open.extend(map.values());
                    }
                    Value::Array(list) => open.extend(list),
                    _ => {}
                }
            }
            assert!(seen > 10, "{seen} references");
            let text = document.to_string();
            for word in ["CaseId", "evt.", "cmd.", "traceparent", "correlation"] {
                assert!(!text.contains(word), "{word}");
            }
        }
        assert!(SCHEMAS.iter().all(|name| schema(name).is_some()) && schema("CaseOpened").is_none());
    }
}
