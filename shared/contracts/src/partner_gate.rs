//! The gate (照合) in the OpenAPI document of the partner API: may I use these people? By hand, since what it asks and answers
//! are the types of the crate `gate`; tests send its examples to the service and compare its paths with the router.

use serde_json::{Map, Value, json};

fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn words(words: &[&str], what: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": what })
}

fn flow() -> Value {
    words(
        &["hospital-supply", "from-creator", "to-creator", "build", "linking", "use"],
        "How the data flow: from a hospital (Act art. 52, 57; the filings are checked too), from or to another certified creator (art. 27, 38), for a new build, for linking (art. 31), or any other use.",
    )
}

fn track() -> Value {
    words(&["anonymised", "pseudonymised", "both"], "For which track.")
}

fn code(what: &str) -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$", "description": what })
}

fn day(what: &str) -> Value {
    json!({ "type": "string", "format": "date", "description": what })
}

fn digest(what: &str) -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": what })
}

fn question() -> Value {
    let row = json!({
        "type": "object",
        "description": "One person. Members as in the table of /gate, or their usual Japanese names; what is absent or blank is not asked by.",
        "properties": {
            "kana": { "type": "string" }, "name": { "type": "string" }, "birth-date": { "type": "string" },
            "sex": { "type": ["string", "integer"] }, "supplier": { "type": "string" },
            "patient-number": { "type": ["string", "integer"] }, "insurer": { "type": ["string", "integer"] },
            "symbol": { "type": "string" }, "number": { "type": ["string", "integer"] }, "branch": { "type": ["string", "integer"] },
            "notified-on": { "type": "string" },
        },
    });
    json!({
        "type": "object",
        "required": ["flow", "track", "rows"],
        "properties": {
            "flow": flow(),
            "track": track(),
            "supplier": code("From whom; needed with `hospital-supply`."),
            "notified_through": day("The hospital states that everybody was notified on this day or before; needed with `hospital-supply`."),
            "acquired": code("取得の経緯 (Act art. 55(1)(ii))."),
            "rows_say_when": { "type": "boolean", "description": "Each row says in `notified-on` when its person was notified." },
            "rows": { "type": "array", "minItems": 1, "maxItems": 100, "items": row },
        },
        "examples": [{
            "flow": "build",
            "track": "both",
            "rows": [
                { "kana": "ヤマダ ハナコ", "birth-date": "昭和55年2月29日", "sex": "女" },
                { "kana": "スズキ タロウ", "birth-date": "1975-05-05", "sex": 1 },
            ],
        }],
    })
}

fn as_of() -> Value {
    json!({
        "type": "object",
        "description": "As of which position of which life of the register.",
        "required": ["epoch", "position"],
        "properties": { "epoch": { "type": "integer" }, "position": { "type": "integer" } },
    })
}

fn answers() -> Value {
    let answer = json!({
        "type": "object",
        "required": ["answer"],
        "properties": {
            "answer": words(&["no-match", "exact", "possible", "bad", "not-notified", "notice-period-running"], "Only `no-match` may be used."),
            "why": { "type": "string", "description": "What is wrong with a bad row." },
            "entry": { "type": "string", "format": "uuid", "description": "The entry as you alone know it." },
            "key": code("The key that was found."),
        },
    });
    json!({
        "type": "object",
        "required": ["as_of", "rules", "ground", "answers"],
        "properties": {
            "as_of": refer("GateAsOf"),
            "rules": code("The version of the key rules."),
            "ground": { "type": "object", "description": "With `hospital-supply`: the filings that it rests on, for the receipt record of Act art. 55." },
            "answers": { "type": "array", "maxItems": 100, "items": answer },
        },
        "examples": [{
            "as_of": { "epoch": 1, "position": 4711 },
            "rules": "2026-04-01",
            "ground": {},
            "answers": [{ "answer": "exact", "entry": "5b2d3f6e-6a52-5a1f-9d3e-0f4a7c1b2d3e", "key": "kana-birth-sex" }, { "answer": "no-match" }],
        }],
    })
}

fn run() -> Value {
    json!({
        "type": "object",
        "required": ["run", "flow", "track", "as_of"],
        "properties": {
            "run": { "type": "string", "format": "uuid" },
            "flow": flow(),
            "track": track(),
            "supplier": { "type": ["string", "null"] },
            "as_of": refer("GateAsOf"),
            "ground": { "type": "object" },
            "outcome": { "type": ["string", "null"], "description": "`complete`: what was written may be used. null: it still runs, or its process died." },
            "counts": { "type": ["object", "null"], "description": "rows, no_match, exact, possible, bad, unfiled." },
            "sha256_in": { "type": ["string", "null"], "description": "Of the file as it came." },
            "sha256_out": { "type": ["string", "null"], "description": "Of the file as it was answered: compare it before you use it." },
        },
    })
}

fn incident() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["flow", "file", "line"],
        "properties": {
            "flow": flow(),
            "supplier": code("Who supplied."),
            "file": code("Your code for the file."),
            "line": { "type": "integer", "minimum": 1 },
            "entry": { "type": "string", "format": "uuid", "description": "As the gate named it to you, if it did." },
        },
        "examples": [{ "flow": "hospital-supply", "supplier": "1312345678", "file": "delivery-2026-11-22", "line": 17 }],
    })
}

/// The schemas that the paths speak of.
pub(crate) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("GateQuestion", question()),
        ("GateAsOf", as_of()),
        ("GateAnswers", answers()),
        ("GateRun", run()),
        ("GateIncident", incident()),
    ]
}

fn parameter(name: &str, required: bool, schema: Value) -> Value {
    let what = schema["description"].clone();
    json!({ "name": name, "in": "query", "required": required, "description": what, "schema": schema })
}

fn of_body() -> Value {
    parameter("digest", true, digest("SHA-256 of the body: it is signed with the query."))
}

fn run_in_path() -> Value {
    json!({ "name": "run", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } })
}

fn problem(what: &str) -> Value {
    json!({ "description": what, "content": { "application/problem+json": { "schema": refer("Problem") } } })
}

/// The answers that every request of the gate may get, with those of its own.
fn responses(good: Value, more: &[(&str, &str)]) -> Value {
    let mut all = json!({
        "200": good,
        "400": problem("The query or the body cannot be read, or `wrong-digest`."),
        "401": problem("Not signed by a registered recipient, or the clock differs by more than 300 s (`reason`)."),
        "403": problem("`not-for-you`: the gate is for certified contractors in force."),
        "503": problem("`do-not-use`: the register does not answer, so nothing may be used. Ask again later."),
    });
    for (status, what) in more {
        all[*status] = problem(what);
    }
    all
}

fn content(kind: &str, schema: Value, what: &str) -> Value {
    json!({ "description": what, "content": { kind: { "schema": schema } } })
}

const UNFILED: &str = "`may-not-be-received` (Act art. 56(i)): `reason` is supplier-missing, not-filed, not-started, supply-ended, not-notified or notice-period-running.";

fn check() -> Value {
    json!({ "post": {
        "operationId": "gateCheck",
        "summary": "照合: may I use these people? At most 100. What finds nothing leaves nothing here.",
        "parameters": [of_body()],
        "requestBody": { "required": true, "content": { "application/json": { "schema": refer("GateQuestion") } } },
        "responses": responses(content("application/json", refer("GateAnswers"), "One answer per row, in order."), &[("422", UNFILED)]),
    } })
}

fn file() -> Value {
    let text = json!({ "type": "string" });
    let body = json!({
        "text/csv": { "schema": text, "examples": { "csv": { "value": "カナ氏名,生年月日,性別\nヤマダ ハナコ,1980-02-29,2\nスズキ タロウ,1975-05-05,1\n" } } },
        "application/x-ndjson": { "schema": text, "examples": { "ndjson": { "value": "{\"kana\":\"ヤマダ ハナコ\",\"birth-date\":\"1980-02-29\",\"sex\":2}\n{\"kana\":\"スズキ タロウ\",\"birth-date\":\"1975-05-05\",\"sex\":1}\n" } } },
    });
    let answered = json!({
        "description": "The rows that may be used, byte for byte (`remove`), or every row with one more column or member `gate` (`mark`). It begins before its end is read: use it only when the run is `complete` and `sha256_out` fits; otherwise the connection breaks.",
        "headers": {
            "madoguchi-gate-run": { "description": "The run.", "schema": { "type": "string", "format": "uuid" } },
            "madoguchi-as-of": { "description": "`<epoch>.<position>`", "schema": text },
        },
        "content": { "text/csv": { "schema": text }, "application/x-ndjson": { "schema": text } },
    });
    json!({ "post": {
        "operationId": "gateFile",
        "summary": "A file of any size, streamed: CSV (UTF-8 or Shift_JIS) or NDJSON.",
        "parameters": [
            parameter("flow", true, flow()),
            parameter("track", true, track()),
            parameter("mode", true, words(&["remove", "mark"], "What becomes of rows that may not be used.")),
            parameter("encoding", false, words(&["utf8", "shift-jis"], "Of a CSV file.")),
            parameter("supplier", false, code("From whom; needed with `hospital-supply`.")),
            parameter("notified_through", false, day("The hospital states that everybody was notified on this day or before.")),
            parameter("acquired", false, code("取得の経緯 (Act art. 55(1)(ii)).")),
            parameter("rows_say_when", false, json!({ "type": "boolean", "description": "Each row says in `notified-on` when its person was notified." })),
            of_body(),
        ],
        "requestBody": { "required": true, "content": body },
        "responses": responses(answered, &[
            ("413", "Over the limit of the desk (4 GiB)."),
            ("415", "Neither CSV nor NDJSON."),
            ("422", "`file-refused`: the first line cannot be used; or `may-not-be-received` (Act art. 56(i)) with its `reason`."),
        ]),
    } })
}

/// The paths. `security`: signed as the pull feed.
pub(crate) fn paths(security: &Value) -> Map<String, Value> {
    let snapshot = json!({
        "description": "Keys under your own gate key, signed; valid for 24 h. Its form is on /gate.",
        "content": { "application/vnd.madoguchi.gate-snapshot": { "schema": { "type": "string", "contentEncoding": "binary" } } },
    });
    let report = content(
        "application/x-ndjson",
        json!({ "type": "string" }),
        "At most 10,000 lines like `{\"line\":17,\"answer\":\"exact\",\"entry\":\"…\",\"key\":\"kana-birth-sex\"}`; never a value.",
    );
    let raised = json!({ "type": "object", "required": ["incident"], "properties": { "incident": { "type": "string", "format": "uuid" } } });
    let after = json!({ "type": "integer", "minimum": 0, "description": "After which line." });
    let all = json!({
        "/partner/v1/gate/check": check(),
        "/partner/v1/gate/file": file(),
        "/partner/v1/gate/runs/{run}": { "get": {
            "operationId": "gateRun",
            "summary": "What came of a file.",
            "parameters": [run_in_path()],
            "responses": responses(content("application/json", refer("GateRun"), "Counts, ground, digests, as of when."), &[("404", "No such run of yours.")]),
        } },
        "/partner/v1/gate/runs/{run}/report": { "get": {
            "operationId": "gateReport",
            "summary": "Every row that did not pass, with its line.",
            "parameters": [run_in_path(), parameter("after", false, after)],
            "responses": responses(report, &[]),
        } },
        "/partner/v1/gate/snapshot": { "get": {
            "operationId": "gateSnapshot",
            "summary": "The register for the offline gate (`madoguchi gate check`).",
            "responses": responses(snapshot, &[]),
        } },
        "/partner/v1/gate/incidents": { "post": {
            "operationId": "gateIncident",
            "summary": "A record arrived although it is blocked (Act art. 56): raised to the desk's staff. The same again is the same incident.",
            "parameters": [of_body()],
            "requestBody": { "required": true, "content": { "application/json": { "schema": refer("GateIncident") } } },
            "responses": responses(content("application/json", raised, "Raised."), &[("404", "No entry is known to you by this name.")]),
        } },
    });
    let Value::Object(mut all) = all else { return Map::new() };
    for path in all.values_mut() {
        for operation in path.as_object_mut().into_iter().flat_map(|methods| methods.values_mut()) {
            operation["security"] = security.clone();
        }
    }
    all
}
