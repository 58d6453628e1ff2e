//! Do the events tell one story? Request, block, stop, instructions, reports, confirmation: in this order, and each thing
//! that is said to have happened is shown. The order is the log's own; clocks are compared only across logs, and with room.

use crate::{
    file::{Copy, Evidence, Hex},
    verify::{Failure, Proved, Reports},
};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How far the clocks of two services may be apart, in seconds.
const SKEW: i64 = 300;

struct Story<'s, 'e> {
    evidence: &'e Evidence,
    /// Per machine (kind and id) in the register's log, its events.
    register: BTreeMap<(&'e str, &'e str), Vec<&'s Proved<'e>>>,
    reports: &'s Reports<'e>,
}

/// Whether the story holds.
///
/// # Errors
/// The first thing that does not fit, by its place.
pub(crate) fn holds(evidence: &Evidence, proved: &[Proved], reports: &Reports) -> Result<(), Failure> {
    let received = begins(evidence, proved)?;
    let mut register: BTreeMap<(&str, &str), Vec<&Proved>> = BTreeMap::new();
    for one in proved.iter().filter(|p| p.event.service == "optout") {
        register.entry((&one.event.machine, &one.event.id)).or_default().push(one);
    }
    let story = Story { evidence, register, reports };
    for ((machine, _), events) in &story.register {
        match *machine {
            "entry" => story.entry(events, received)?,
            "instruction" => story.instruction(events)?,
            _ => {}
        }
    }
    for (at, one) in evidence.instructions.iter().enumerate() {
        let events = story.register.get(&("instruction", one.id.as_str())).map_or(&[][..], Vec::as_slice);
        if outcome(events.iter().map(|e| &e.json)) != one.outcome {
            return Err(Failure::new(format!("instructions[{at}]"), "its outcome is not what its proved events say"));
        }
    }
    Ok(())
}

/// The case begins with its request; when that arrived.
fn begins(evidence: &Evidence, proved: &[Proved]) -> Result<Option<Timestamp>, Failure> {
    let opened = proved.iter().find(|p| p.event.machine == "case" && p.event.version == 1);
    let Some(opened) = opened else {
        return match evidence.copy {
            Copy::Full => Err(Failure::new("events", "the request is missing: the case's first event")),
            Copy::Person => Ok(None),
        };
    };
    let request = &opened.json["request"];
    let case = evidence.case.to_string();
    if opened.name != "opened" || request["case"] != case.as_str() || opened.event.id != case {
        return Err(Failure::new(&*opened.place, "is not the opening of this case"));
    }
    Ok(request["received_at"].as_str().and_then(|t| t.parse().ok()))
}

/// What an instruction ended with, by its events: the last word that was settled, unless a later report opened it again.
pub fn outcome<'v>(events: impl Iterator<Item = &'v Value>) -> Option<String> {
    events.fold(None, |last, event| match event["event"].as_str() {
        Some("settled") => event["outcome"].as_str().map(str::to_owned),
        Some("reported") if event["reopens"] == true => None,
        _ => last,
    })
}

fn time(one: &Proved, field: &str) -> Option<Timestamp> {
    one.json[field].as_str().and_then(|t| t.parse().ok())
}

impl Story<'_, '_> {
    fn full(&self) -> bool {
        self.evidence.copy == Copy::Full
    }

    /// The leaf of an instruction's event with this name; `None` when there is none.
    fn leaf_of(&self, instruction: &str, name: &str) -> Option<u64> {
        let events = self.register.get(&("instruction", instruction))?;
        events.iter().find(|e| e.name == name).map(|e| e.event.leaf)
    }

    /// A block or stop comes after the request, instructions after the stop, the confirmation after every report.
    fn entry(&self, events: &[&Proved], received: Option<Timestamp>) -> Result<(), Failure> {
        let mut stopped: Option<u64> = None;
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for one in events {
            let fail = |why: &str| Err(Failure::new(&*one.place, why));
            match one.name.as_str() {
                "block-placed" | "stop-entered" => {
                    let at = time(one, "at");
                    if let (Some(received), Some(at)) = (received, at)
                        && at.as_second() + SKEW < received.as_second()
                        && one.json["case"] == self.evidence.case.to_string().as_str()
                    {
                        return fail("is older than the request");
                    }
                    if one.name == "stop-entered" {
                        stopped.get_or_insert(one.event.leaf);
                    }
                }
                "block-lifted" if stopped.is_some() => return fail("a final stop is never lifted"),
                "fanned-out" => {
                    if stopped.is_none() && self.full() {
                        return fail("instructions went out before there was a final stop");
                    }
                    told.extend(one.json["instructions"].as_array().into_iter().flatten().filter_map(|i| i.as_str()));
                    let missing = told.iter().find(|i| self.evidence.instructions.iter().all(|x| x.id != **i));
                    if missing.is_some() && self.full() {
                        return fail("an instruction that was issued is missing from the file");
                    }
                }
                "confirmed" => {
                    for instruction in told.iter().filter(|_| self.full()) {
                        let end = self.leaf_of(instruction, "settled");
                        match end.or_else(|| self.leaf_of(instruction, "replaced")) {
                            Some(leaf) if leaf < one.event.leaf => {}
                            _ => return fail("confirmed before every instruction was settled"),
                        }
                    }
                }
                _ => {}
            }
        }
        for (id, events) in self.register.iter().filter(|((machine, _), _)| *machine == "instruction") {
            let issued = events.iter().find(|e| e.name == "issued" && told.contains(id.1));
            if let (Some(issued), Some(stopped)) = (issued, stopped)
                && issued.event.leaf < stopped
            {
                return Err(Failure::new(&*issued.place, "was issued before the stop was final"));
            }
        }
        Ok(())
    }

    /// Nothing is received, acted on or reported without a report that says so; nothing settles without that. The one
    /// exception is said aloud: what two members of staff attest.
    fn instruction(&self, events: &[&Proved]) -> Result<(), Failure> {
        if !self.full() {
            return Ok(());
        }
        let attested = attested(events);
        let mut last = None;
        for one in events {
            let fail = |why: &str| Err(Failure::new(&*one.place, why));
            if one.event.version == 1 && one.name != "issued" {
                return fail("an instruction begins with its issue");
            }
            match one.name.as_str() {
                "settled" if last.is_none() || one.json["outcome"].as_str() != last => {
                    return fail("settled otherwise than was reported");
                }
                "reported" => last = one.json["outcome"].as_str(),
                _ => {}
            }
            let Some(digest) = one.json["report"].as_str().filter(|d| !attested.contains(d)) else { continue };
            let reports = self.reports.get(one.event.id.as_str()).map_or(&[][..], Vec::as_slice);
            let found = reports.iter().find(|(d, _)| same(d, digest)).map(|(_, claims)| claims);
            let Some(claims) = found else { return fail("the signed report that it rests on is not in the file") };
            let (stage, outcome) = (claims.stage.as_str(), claims.outcome.as_deref());
            let fits = match one.name.as_str() {
                "reported" => stage == "reported" && outcome == one.json["outcome"].as_str(),
                "acted" => stage == "acted",
                _ => true,
            };
            if !fits {
                return fail("says something else than the signed report");
            }
        }
        Ok(())
    }
}

/// The digests of what two members of staff attested, which nobody signed.
pub(crate) fn attested<'s>(events: &[&'s Proved]) -> BTreeSet<&'s str> {
    let pairs = events.windows(2);
    let of_paper = pairs.filter(|w| w[0].name == "reported" && w[1].name == "settled" && w[1].json["by"] == "attested");
    of_paper.filter_map(|w| w[0].json["report"].as_str()).collect()
}

fn same(digest: &Hex, text: &str) -> bool {
    digest.to_string() == text
}
