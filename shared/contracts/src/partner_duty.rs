//! The part of the partner API's OpenAPI that is about duties: incidents, and erasures by users of pseudonymised data. Their words
//! are free text, so their types are not of this crate; the shapes stand here.

use crate::{IncidentItem, recipient::ToldStep};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

fn signed(what: &str, body: Value) -> Value {
    let refused = |what: &str| json!({ "description": what, "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    json!({
        "security": [{ "request": [], "time": [], "proof": [] }],
        "parameters": [{
            "name": "digest", "in": "query", "required": true, "description": "SHA-256 of the body, so that it is signed too.",
            "schema": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
        }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": {
            "200": { "description": what, "content": { "application/json": { "schema": { "type": "object" } } } },
            "401": refused("Not signed by a registered recipient."),
            "422": refused("`malformed`, `wrong-digest`, `times-contradict`, `item-of-another-kind`, `item-empty-or-too-long`, `not-a-user`, `not-in-force`."),
            "503": refused("Send the same bytes again later."),
        },
    })
}

/// Puts them beside the other paths.
pub(crate) fn beside(mut paths: Value) -> Value {
    let mut schemas: SchemaGenerator =
        SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true).into_generator();
    let code = json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$" });
    let words: Vec<&str> = IncidentItem::ALL.iter().map(|item| item.as_str()).collect();
    let notice = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["number", "known_at", "items"],
        "properties": {
            "number": code,
            "known_at": { "type": "string", "format": "date-time" },
            "told": { "type": "array", "maxItems": 10, "items": schemas.subschema_for::<ToldStep>() },
            "items": {
                "type": "object",
                "description": "What is known so far, in words that name nobody. Users of pseudonymised data: `scale` instead of `persons`, no `dealing-with-persons`.",
                "propertyNames": { "enum": words },
                "additionalProperties": { "type": "string", "minLength": 1, "maxLength": 5000 },
            },
        },
    });
    let erased = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["on", "items", "book_entry"],
        "properties": {
            "on": { "type": "string", "format": "date" },
            "items": { "type": "array", "minItems": 1, "maxItems": 64, "items": code },
            "book_entry": code,
        },
    });
    let all = [
        (
            "/partner/v1/incident-notices",
            "incidentNotice",
            "漏えい等の通知 (Rules arts. 44, 45): the same `number` again amends.",
            "The desk's incident, and what is not stated yet.",
            notice,
        ),
        ("/partner/v1/erasures", "userErasure", "利用事業者の消去の報告 (Rules art. 43(1)(ii)).", "Recorded.", erased),
    ];
    for (path, id, summary, what, body) in all {
        let mut post = signed(what, body);
        (post["operationId"], post["summary"]) = (id.into(), summary.into());
        paths[path] = json!({ "post": post });
    }
    paths
}
