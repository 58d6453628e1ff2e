//! Checks a file from end to end, offline, and gives an account of it. The first thing that fails is named.

use crate::{
    checkpoint::Checkpoint,
    file::{Copy, Event, Evidence, FILE_MAX, FORMAT, File, Hex, Instruction, Log, PAYLOAD_TYPE, pae},
    note::VerifierKey,
    report::{self, Claims},
    story,
    tree::{self, Hash},
    words,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

/// The first thing that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where: `events[3] (optout entry 2)`.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

impl Failure {
    pub(crate) fn new(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), why: why.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl std::error::Error for Failure {}

/// What a file that verifies says.
#[derive(Clone, Debug)]
pub struct Account {
    /// The key that signed it; believe it only if its owner gave it to you by another way.
    pub signed_by: VerifierKey,
    /// The key was given by the caller, not by the file.
    pub pinned: bool,
    /// Line by line, in plain English.
    pub lines: Vec<String>,
}

/// An event that is proved, and what it says.
pub(crate) struct Proved<'e> {
    /// As it stands in the file.
    pub event: &'e Event,
    /// Its name.
    pub name: String,
    /// Its JSON.
    pub json: Value,
    /// How a failure names it.
    pub place: String,
}

/// Reads a file and verifies everything in it: its signature, with `key` if one is given; the logs' checkpoints; every
/// event's inclusion; the sealed parts that are there; every delivery and report; and that the events tell one story.
///
/// # Errors
/// The first thing that fails.
pub fn verify(bytes: &[u8], key: Option<&VerifierKey>) -> Result<Account, Failure> {
    let (file, evidence, signed_by) = open(bytes, key)?;
    let logs = logs(&evidence)?;
    let proved = events(&evidence, &logs)?;
    let removed = sealed(&file, &evidence)?;
    let reports = instructions(&file, &evidence)?;
    story::holds(&evidence, &proved, &reports)?;
    let lines = account(&evidence, &logs, &proved, &reports, removed);
    Ok(Account { signed_by, pinned: key.is_some(), lines })
}

fn open(bytes: &[u8], key: Option<&VerifierKey>) -> Result<(File, Evidence, VerifierKey), Failure> {
    let fail = |place: &str, why: &str| Failure::new(place, why);
    if bytes.len() > FILE_MAX {
        return Err(fail("file", "larger than 256 MB"));
    }
    let file: File = serde_json::from_slice(bytes).map_err(|e| fail("file", &format!("not an evidence file: {e}")))?;
    if file.payload_type != PAYLOAD_TYPE {
        return Err(fail("payloadType", "not an evidence file of version 1"));
    }
    // The claimed key is read before anything is believed: with it the signature is checked, and then the rest counts.
    let evidence: Evidence = serde_json::from_slice(&file.payload.0)
        .map_err(|e| fail("payload", &format!("does not read as evidence: {e}")))?;
    let claimed: VerifierKey = evidence.house_key.parse().map_err(|e| fail("house_key", &format!("{e}")))?;
    let signed_by = key.cloned().unwrap_or(claimed);
    let keyid = hex::encode(signed_by.id());
    let signature = file.signatures.iter().find(|s| s.keyid == keyid).ok_or_else(|| {
        fail(
            "signatures",
            &format!("none by the key {signed_by}; the file says that it is signed by {}", evidence.house_key),
        )
    })?;
    if !signed_by.verifies(&pae(PAYLOAD_TYPE, &file.payload.0), &signature.sig.0) {
        return Err(fail("signatures", "the file's signature does not verify: the file was changed after it was made"));
    }
    if evidence.format != FORMAT {
        return Err(fail("format", "another version than madoguchi-evidence/1"));
    }
    Ok((file, evidence, signed_by))
}

fn hashes(place: &str, proof: &[crate::file::B64]) -> Result<Vec<Hash>, Failure> {
    let hash = |b: &crate::file::B64| <Hash>::try_from(b.0.as_slice());
    proof
        .iter()
        .map(hash)
        .collect::<Result<_, _>>()
        .map_err(|_| Failure::new(place, "the proof is not a list of hashes"))
}

fn log(log: &Log) -> Result<Checkpoint, Failure> {
    let place = format!("log of {}", log.service);
    let fail = |what: &str, why: &dyn fmt::Display| Failure::new(format!("{place}, {what}"), why.to_string());
    let key: VerifierKey = log.key.parse().map_err(|e| fail("key", &e))?;
    if key.name().strip_prefix("madoguchi/").and_then(|n| n.split_once('/')).map(|n| n.0) != Some(&log.service) {
        return Err(fail("key", &"the key is named after another log"));
    }
    let now = Checkpoint::open(&log.checkpoint, &key).map_err(|e| fail("checkpoint", &e))?;
    if let Some(earlier) = &log.earlier {
        let then = Checkpoint::open(&earlier.checkpoint, &key).map_err(|e| fail("earlier checkpoint", &e))?;
        let proof = hashes(&format!("{place}, consistency"), &earlier.proof)?;
        if !tree::is_consistent((then.size, &then.root), (now.size, &now.root), &proof) {
            return Err(fail("consistency", &"the log was not only appended to since the earlier checkpoint"));
        }
    }
    Ok(now)
}

fn logs(evidence: &Evidence) -> Result<BTreeMap<&str, Checkpoint>, Failure> {
    let mut all = BTreeMap::new();
    for one in &evidence.logs {
        if all.insert(one.service.as_str(), log(one)?).is_some() {
            return Err(Failure::new(format!("log of {}", one.service), "is there twice"));
        }
    }
    Ok(all)
}

fn prove<'e>(at: usize, event: &'e Event, logs: &BTreeMap<&str, Checkpoint>) -> Result<Proved<'e>, Failure> {
    let place = format!("events[{at}] ({} {} {})", event.service, event.machine, event.version);
    let checkpoint = logs
        .get(event.service.as_str())
        .ok_or_else(|| Failure::new(&*place, "there is no checkpoint of its log in the file"))?;
    let leaf = tree::leaf(&tree::commitment(&event.salt.0, &event.event.0));
    let proof = hashes(&place, &event.proof)?;
    if !tree::is_included(&leaf, event.leaf, checkpoint.size, &proof, &checkpoint.root) {
        return Err(Failure::new(place, "its bytes are not what the log has at that number"));
    }
    let json: Value = serde_json::from_slice(&event.event.0).map_err(|_| Failure::new(&*place, "is no JSON"))?;
    let name = json["event"].as_str().unwrap_or("noted").to_owned();
    Ok(Proved { event, name, json, place })
}

fn events<'e>(evidence: &'e Evidence, logs: &BTreeMap<&str, Checkpoint>) -> Result<Vec<Proved<'e>>, Failure> {
    let mut proved = vec![];
    let mut leaves = BTreeSet::new();
    let mut last: HashMap<(&str, &str, &str), (i64, u64)> = HashMap::new();
    for (at, event) in evidence.events.iter().enumerate() {
        let one = prove(at, event, logs)?;
        if !leaves.insert((&event.service, event.leaf)) {
            return Err(Failure::new(one.place, "another event of the file has the same number in the log"));
        }
        let machine = (event.service.as_str(), event.machine.as_str(), event.id.as_str());
        let before = last.insert(machine, (event.version, event.leaf));
        let follows = match (before, evidence.copy) {
            (None, Copy::Full) => event.version == 1,
            (Some((version, leaf)), Copy::Full) => event.version == version + 1 && event.leaf > leaf,
            // Some are left out.
            (None, Copy::Person) => event.version >= 1,
            (Some((version, leaf)), Copy::Person) => event.version > version && event.leaf > leaf,
        };
        if !follows {
            return Err(Failure::new(one.place, "its machine's events are not complete and in the log's order"));
        }
        proved.push(one);
    }
    Ok(proved)
}

/// Every sealed part that is there is what the signed part names; how many of those named were taken out.
fn sealed(file: &File, evidence: &Evidence) -> Result<usize, Failure> {
    let named: BTreeSet<Hex> = evidence
        .documents
        .iter()
        .map(|d| d.digest)
        .chain(evidence.instructions.iter().filter_map(|i| i.delivery.as_ref()).map(|d| d.identifiers))
        .collect();
    for (digest, bytes) in &file.sealed {
        let place = format!("sealed[{digest}]");
        if !named.contains(digest) {
            return Err(Failure::new(place, "nothing in the signed part names it"));
        }
        if Hex::of(&bytes.0) != *digest {
            return Err(Failure::new(place, "its bytes were changed"));
        }
    }
    Ok(named.len() - file.sealed.len())
}

/// Per instruction, its reports: the digest of each, and what it says.
pub(crate) type Reports<'e> = BTreeMap<&'e str, Vec<(Hex, Claims)>>;

fn instructions<'e>(file: &File, evidence: &'e Evidence) -> Result<Reports<'e>, Failure> {
    let mut all = BTreeMap::new();
    for (at, one) in evidence.instructions.iter().enumerate() {
        let place = format!("instructions[{at}]");
        body(file, one, &place)?;
        let reports = reports(evidence, one, &place)?;
        if all.insert(one.id.as_str(), reports).is_some() {
            return Err(Failure::new(place, "is there twice"));
        }
    }
    Ok(all)
}

/// The body put together again has its digest, and says for whom it is.
fn body(file: &File, one: &Instruction, place: &str) -> Result<(), Failure> {
    let Some(delivery) = &one.delivery else { return Ok(()) };
    let Some(identifiers) = file.sealed.get(&delivery.identifiers) else { return Ok(()) };
    let body = [&delivery.head.0[..], &identifiers.0, &delivery.tail.0].concat();
    if Hex::of(&body) != delivery.digest {
        return Err(Failure::new(format!("{place}, delivery"), "the body's bytes have another digest than was sent"));
    }
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    if json["id"] != one.id.as_str() || json["subject"] != one.recipient.as_str() {
        return Err(Failure::new(
            format!("{place}, delivery"),
            "the body is another instruction's or another recipient's",
        ));
    }
    Ok(())
}

fn reports(evidence: &Evidence, one: &Instruction, place: &str) -> Result<Vec<(Hex, Claims)>, Failure> {
    let recipient = evidence.recipients.iter().find(|r| r.id == one.recipient);
    let recipient = recipient.ok_or_else(|| Failure::new(place, "its recipient is not in the file"))?;
    let mut all = vec![];
    for (n, signed) in one.reports.iter().enumerate() {
        let place = format!("{place}, reports[{n}]");
        let keys = recipient.report_keys.iter().map(|k| k.0.as_slice());
        let claims = report::verify(&signed.bytes.0, keys).map_err(|e| Failure::new(&*place, e.to_string()))?;
        let of = |id: uuid::Uuid| id.to_string();
        if of(claims.instruction) != one.id || of(claims.recipient) != one.recipient {
            return Err(Failure::new(place, "is about another instruction, or of another recipient"));
        }
        if one.delivery.as_ref().map(|d| d.digest) != Some(claims.digest) {
            return Err(Failure::new(place, "was signed over other bytes than were sent"));
        }
        all.push((Hex::of(&signed.bytes.0), claims));
    }
    Ok(all)
}

fn account(
    evidence: &Evidence,
    logs: &BTreeMap<&str, Checkpoint>,
    proved: &[Proved],
    reports: &Reports,
    removed: usize,
) -> Vec<String> {
    let copy = match evidence.copy {
        Copy::Full => "full copy",
        Copy::Person => "the person's copy",
    };
    let mut lines =
        vec![format!("Evidence of case {}, {copy}, made {} by {}", evidence.case, evidence.made_at, evidence.made_by)];
    for (service, checkpoint) in logs {
        let root = hex::encode(&checkpoint.root[..8]);
        let grew = evidence.logs.iter().any(|l| l.service == *service && l.earlier.is_some());
        let grew = if grew { ", only appended to since the checkpoint before" } else { "" };
        lines.push(format!("Log {}: {} leaves, root {root}…{grew}", checkpoint.origin, checkpoint.size));
    }
    lines.push(format!("What happened ({} events, each proved in its log):", proved.len()));
    let label = |recipient: &str| {
        evidence
            .recipients
            .iter()
            .find(|r| r.id == recipient)
            .map_or("?".to_owned(), |r| format!("{} ({})", r.label, r.kind))
    };
    for one in proved {
        let event = one.event;
        let to = evidence.instructions.iter().find(|i| event.machine == "instruction" && i.id == event.id);
        let to = to.map(|i| format!("{}: ", label(&i.recipient))).unwrap_or_default();
        let phrase = words::phrase(&event.machine, &one.name, &one.json);
        lines.push(format!("  {}  {to}{phrase}  [{} {}]", event.at, event.service, event.leaf));
    }
    if !evidence.instructions.is_empty() {
        lines.push("Who was told, and what became of it:".into());
    }
    for one in &evidence.instructions {
        let outcome = one.outcome.as_deref().unwrap_or("no final report yet");
        let mut line = format!("  {}: {outcome}", label(&one.recipient));
        if let Some(delivery) = &one.delivery {
            let signed = reports.get(one.id.as_str()).map_or(0, Vec::len);
            line += &format!(
                "; position {}, {} attempt(s), {signed} signed report(s) over {}…",
                delivery.position,
                delivery.attempts.len(),
                hex::encode(&delivery.digest.0[..8])
            );
        }
        lines.push(line);
    }
    if removed > 0 {
        lines.push(format!(
            "{removed} sealed part(s) were taken out, or are not in this copy: nothing else loses its proof."
        ));
    }
    lines
}
