//! Events in plain English, for the account. An event without words of its own is told by its name.

use serde_json::Value;

fn text<'v>(json: &'v Value, field: &str) -> &'v str {
    json[field].as_str().unwrap_or("?")
}

/// What happened, in a few words.
pub(crate) fn phrase(machine: &str, name: &str, json: &Value) -> String {
    let own = match (machine, name) {
        ("case", "opened") => {
            let request = &json["request"];
            format!("the request arrived ({}), received {}", text(request, "kind"), text(request, "received_at"))
        }
        ("case", "asked-to-verify") => "identity is to be verified".into(),
        ("case", "asked-to-block") => "a provisional block is asked for".into(),
        ("case", "asked-to-stop") => "the final stop is asked for".into(),
        ("case", "asked-for-fee") => "the fee is asked for".into(),
        ("case", "asked-for-answer") => "an answer is asked for".into(),
        ("case", "block-holds") => format!("the block is known to hold since {}", text(json, "since")),
        ("case", "instructed") => format!("{} recipient(s) were instructed", json["instructions"]),
        ("case", "reported") => "one more recipient is done".into(),
        ("case", "stop-confirmed") => format!("the stop is confirmed by {} recipient(s)", json["recipients"]),
        ("case" | "answer", "decided") => {
            format!("decided: {} on the ground {}", text(json, "outcome"), text(json, "ground"))
        }
        ("case", "progressed") => format!("the case now waits for: {}", text(json, "step")),
        ("case", "ended") => format!("the case ended: {}", text(json, "ended_as")),
        ("case", "erasure-ordered") => "erasure of the personal data is ordered".into(),
        ("case", "erased") => "the key of the personal data is destroyed".into(),
        ("case" | "verification", "confirmed") => "identity is confirmed".into(),
        ("verification", "asked") => "verification of identity begins".into(),
        ("entry", "block-placed") => {
            format!("BLOCK: nothing of this person may come in any more ({})", text(json, "scope"))
        }
        ("entry", "block-lifted") => "the provisional block is taken back".into(),
        ("entry", "stop-entered") => {
            let (measure, scope) = (text(json, "measure"), text(json, "scope"));
            format!("STOP: the stop is final ({measure}, {scope}), effective {}", text(json, "effective_at"))
        }
        ("entry" | "change", "fanned-out") => {
            let count = json["instructions"].as_array().map_or(0, Vec::len);
            format!("{count} instruction(s) are issued")
        }
        ("entry", "erasure-released") => "ERASURE: two people confirmed the match, the erasure may go out".into(),
        ("entry", "scope-changed") => format!("the scope of the stop is now: {}", text(json, "scope")),
        ("entry", "identifiers-corrected") => "the identifiers are corrected".into(),
        ("entry", "use-suspended") => "FREEZE: current builds are to be left alone".into(),
        ("entry", "use-resumed") => "current builds may go on without the person; the stop stands".into(),
        ("entry", "withdrawn") => "the stop is withdrawn; the block holds until there is a new notice".into(),
        ("entry", "instruction-reopened") => "an amended report: one instruction is open again".into(),
        ("entry", "instruction-replaced") => "one instruction was cancelled and issued anew".into(),
        ("entry", "instruction-settled") => "one instruction is settled".into(),
        ("entry", "confirmed") => format!("CONFIRMED: all {} recipient(s) have reported", json["recipients"]),
        ("instruction", "issued") => format!("INSTRUCTED, report due {}", text(&json["terms"], "deadline")),
        ("instruction", "received") => "RECEIVED: the recipient signed for the bytes".into(),
        ("instruction", "acted") => "ACTED: the recipient has begun".into(),
        ("instruction", "reported") => format!("REPORTED: {}", text(json, "outcome")),
        ("instruction", "sent-back") => "a member of staff sent the report back".into(),
        ("instruction", "settled") => match json["by"].as_str() {
            Some("attested") => {
                format!("CONFIRMED: {}, attested by two members of staff; nobody signed it", text(json, "outcome"))
            }
            Some("staff") => format!("CONFIRMED by a member of staff: {}", text(json, "outcome")),
            _ => format!("CONFIRMED: {}", text(json, "outcome")),
        },
        ("instruction", "replaced") => "cancelled; another instruction took its place".into(),
        ("instruction", "warned") => "the deadline comes near, or is past".into(),
        ("instruction", "reminded") => "said again: not signed for in time".into(),
        ("notice", "sent") => "the person was told by mail".into(),
        ("notice", "left-on-status-page") => "the person is told on the status page".into(),
        _ => String::new(),
    };
    if own.is_empty() { name.replace('-', " ") } else { own }
}
