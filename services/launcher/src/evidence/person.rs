//! The person's own copy: what it may show, with names of the file's own for recipients and instructions.

use evidence::{
    Evidence,
    file::{Copy, Event},
    person::may_show,
};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves out what the person may not be told about others; everything left is proved as before.
pub(crate) fn copy_of(mut full: Evidence) -> Evidence {
    let names = |ids: &mut dyn Iterator<Item = String>, word: &str| -> BTreeMap<String, String> {
        ids.zip(1..).map(|(id, n): (String, u32)| (id, format!("{word}-{n}"))).collect()
    };
    let recipients = names(&mut full.recipients.iter().map(|r| r.id.clone()), "recipient");
    let instructions = names(&mut full.instructions.iter().map(|i| i.id.clone()), "instruction");
    let shown = |event: &Event| serde_json::from_slice(&event.event.0).is_ok_and(|json| may_show(&json));
    full.events.retain(shown);
    for event in full.events.iter_mut().filter(|e| e.machine == "instruction") {
        event.id = instructions.get(&event.id).cloned().unwrap_or_default();
    }
    for recipient in &mut full.recipients {
        recipient.id = recipients.get(&recipient.id).cloned().unwrap_or_default();
        recipient.report_keys.clear();
    }
    for one in &mut full.instructions {
        one.id = instructions.get(&one.id).cloned().unwrap_or_default();
        one.recipient = recipients.get(&one.recipient).cloned().unwrap_or_default();
        one.delivery = None;
        one.reports.clear();
    }
    let logs: BTreeSet<&str> = full.events.iter().map(|e| e.service.as_str()).collect();
    full.logs.retain(|log| logs.contains(log.service.as_str()));
    full.documents.clear();
    full.copy = Copy::Person;
    full
}
