//! What the person's own copy may show: events that consist of known, harmless fields only. Whatever a program adds later
//! stays out until it is put on the list here. Leaves are salted, so what is left out says nothing and the rest verifies.

use serde_json::Value;

/// Fields that say nothing about anybody but the person and the desk. Not on it: ids of recipients, instructions and
/// members of staff, positions, endpoints, keys of others.
const SHOWN: [&str; 62] = [
    "amount",
    "answer",
    "ask",
    "at",
    "attempt",
    "basis",
    "capacity",
    "case",
    "change",
    "channel",
    "charge",
    "code_key",
    "completion_grace_days",
    "due_at",
    "due_on",
    "edition",
    "effective_at",
    "ended_as",
    "entry",
    "erased",
    "event",
    "first_on",
    "from",
    "ground",
    "kind",
    "language",
    "lapse_at",
    "last_on",
    "measure",
    "notice",
    "outcome",
    "parts",
    "plan",
    "quote",
    "reason",
    "reasons",
    "receipt_number",
    "received_at",
    "recipients",
    "reference",
    "reopens",
    "report",
    "request",
    "revivals_max",
    "rung",
    "scope",
    "seq",
    "service_days",
    "since",
    "step",
    "stopped",
    "suit_from",
    "template",
    "terms",
    "to",
    "topic",
    "track",
    "unreachable",
    "until",
    "waits",
    "what",
    "with_reasons",
];

/// Whether the person's copy has this event.
pub fn may_show(event: &Value) -> bool {
    match event {
        Value::Object(fields) => fields.iter().all(|(name, value)| match (name.as_str(), value) {
            // A count of them, never a list.
            ("recipients", value) => value.is_number(),
            // A word, never who.
            ("by", value) => ["automatic", "staff", "attested"].iter().any(|word| value == word),
            (name, value) => SHOWN.binary_search(&name).is_ok() && may_show(value),
        }),
        Value::Array(values) => values.iter().all(may_show),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(SHOWN.is_sorted());
    }

    #[test]
    fn what_names_others_or_is_unknown_stays_out() {
        for shown in [
            json!({"event": "stop-entered", "case": "c", "scope": "both", "change": "x", "at": "t"}),
            json!({"event": "confirmed", "recipients": 2, "at": "t"}),
            json!({"event": "settled", "outcome": "applied", "by": "automatic", "at": "t"}),
            json!({"event": "stop-confirmed", "recipients": 2, "at": "t", "answer": {"stopped": 1, "erased": 0,
                "unreachable": [["unreachable", 1]], "parts": [{"measure": "stop", "outcome": "applied", "recipients": 1,
                "first_on": "d", "last_on": "d"}]}}),
        ] {
            assert!(may_show(&shown), "{shown}");
        }
        for hidden in [
            json!({"event": "issued", "terms": {"recipient": "r", "position": 1}}),
            json!({"event": "fanned-out", "instructions": ["i"], "at": "t"}),
            json!({"event": "instruction-settled", "instruction": "i", "at": "t"}),
            json!({"event": "decided", "by": "0193", "at": "t"}),
            json!({"event": "replaced", "by": "0193", "at": "t"}),
            json!({"event": "confirmed", "recipients": ["r1", "r2"], "at": "t"}),
            json!({"event": "confirmed", "at": [{"url": "https://elsewhere.example"}]}),
        ] {
            assert!(!may_show(&hidden), "{hidden}");
        }
    }
}
