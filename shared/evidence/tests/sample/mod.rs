//! An invented case, as a house would have it: an opt-out to two contractors, proved in two logs with strangers' leaves.

use contracts::recipient::REPORT_TYP;
use ed25519_dalek::SigningKey;
use evidence::{
    Evidence, Signer,
    checkpoint::{self, Checkpoint},
    file::{self, Attempt, B64, Copy, Delivery, Document, Earlier, Event, Hex, Instruction, Log, Recipient, Report},
    tree::{Collector, commitment},
};
use serde_json::{Value, json};

pub const CASE: &str = "01900000-0000-7000-8000-0000000000c1";
pub const ENTRY: &str = "01900000-0000-7000-8000-0000000000e1";
pub const CHANGE: &str = "01900000-0000-7000-8000-0000000000f1";
pub const TOLD: [(&str, &str, &str); 2] = [
    ("01900000-0000-7000-8000-0000000000a1", "01900000-0000-7000-8000-0000000000b1", "core-data"),
    ("01900000-0000-7000-8000-0000000000a2", "01900000-0000-7000-8000-0000000000b2", "analysis"),
];

pub fn house() -> Signer {
    Signer::new(file::HOUSE_KEY, &[42; 32]).unwrap()
}

/// The second, third … of the day.
fn at(second: u32) -> jiff::Timestamp {
    format!("2026-11-22T01:00:{second:02}Z").parse().unwrap()
}

fn jws(payload: &Value, key: &SigningKey) -> Vec<u8> {
    jws::sign(REPORT_TYP, payload.to_string().as_bytes(), &jws::ReportSigner::Ed25519(key.clone())).into_bytes()
}

/// What a test may change before it is proved and signed.
pub struct Sample {
    /// Machine, id, version, second, event; in the order of the log of each service.
    pub intake: Vec<(&'static str, String, i64, u32, Value)>,
    /// The same.
    pub optout: Vec<(&'static str, String, i64, u32, Value)>,
    /// Per recipient.
    pub instructions: Vec<Instruction>,
    /// The sealed parts.
    pub sealed: Vec<Vec<u8>>,
}

fn instruction(n: usize, sealed: &mut Vec<Vec<u8>>, outcome: &str) -> (Instruction, [Hex; 2]) {
    let (id, recipient, _) = TOLD[n];
    let person = format!("c2VhbGVkIGlkZW50aWZpZXJz{n}{n}==").replace("==", "AA");
    let body =
        json!({"specversion": "1.0", "id": id, "subject": recipient, "data": {"person": person, "measure": "stop"}});
    let body = body.to_string().into_bytes();
    let (head, identifiers, tail) = file::cut(&body);
    sealed.push(identifiers.to_vec());
    let key = SigningKey::from_bytes(&[n as u8 + 1; 32]);
    let claims = |stage: &str| {
        json!({"instruction": id, "recipient": recipient, "digest": Hex::of(&body).to_string(), "stage": stage,
               "time": "2026-11-22T01:00:30Z"})
    };
    let received = jws(&claims("received"), &key);
    let mut done = claims("reported");
    done["outcome"] = outcome.into();
    let done = jws(&done, &key);
    let delivery = Delivery {
        position: 1,
        at: at(7),
        digest: Hex::of(&body),
        head: B64(head.to_vec()),
        identifiers: Hex::of(identifiers),
        tail: B64(tail.to_vec()),
        attempts: vec![Attempt {
            at: at(8),
            transport: "webhook".into(),
            outcome: "accepted".into(),
            status: Some(204),
        }],
    };
    let digests = [Hex::of(&received), Hex::of(&done)];
    let reports = [(9, received), (10, done)].map(|(s, bytes)| Report { at: at(s), bytes: B64(bytes) }).into();
    let one = Instruction {
        id: id.into(),
        recipient: recipient.into(),
        outcome: Some(outcome.into()),
        delivery: Some(delivery),
        reports,
    };
    (one, digests)
}

impl Sample {
    /// As it happened.
    pub fn new() -> Self {
        let case = || CASE.to_owned();
        let intake = vec![
            (
                "case",
                case(),
                1,
                1,
                json!({"event": "opened", "request": {"case": CASE, "kind": "provision-stop", "received_at": at(1)}}),
            ),
            ("case", case(), 2, 1, json!({"event": "asked-to-verify"})),
            ("case", case(), 3, 5, json!({"event": "confirmed", "at": at(5)})),
            ("case", case(), 4, 12, json!({"event": "ended", "ended_as": "stopped", "at": at(12)})),
        ];
        let entry = || ENTRY.to_owned();
        let mut optout = vec![
            (
                "entry",
                entry(),
                1,
                2,
                json!({"event": "block-placed", "case": CASE, "scope": "both", "received_at": at(1), "at": at(2)}),
            ),
            (
                "entry",
                entry(),
                2,
                6,
                json!({"event": "stop-entered", "case": CASE, "scope": "both", "measure": "stop",
                "received_at": at(1), "effective_at": at(2), "change": CHANGE, "at": at(6)}),
            ),
        ];
        let (mut instructions, mut sealed) =
            (vec![], vec![b"the request, sealed".to_vec(), b"the identifiers, sealed".to_vec()]);
        let mut reports = vec![];
        for (n, (id, recipient, _)) in TOLD.iter().enumerate() {
            let (one, digests) = instruction(n, &mut sealed, "applied");
            optout.push((
                "instruction",
                (*id).into(),
                1,
                7,
                json!({"event": "issued", "terms": {"case": CASE, "entry": ENTRY,
                "recipient": recipient, "position": 1, "issued_at": at(7), "deadline": "2026-12-06T01:00:00Z"}}),
            ));
            instructions.push(one);
            reports.push(digests);
        }
        let ids: Vec<&str> = TOLD.iter().map(|t| t.0).collect();
        optout.push((
            "change",
            CHANGE.into(),
            1,
            7,
            json!({"event": "fanned-out", "case": CASE, "entry": ENTRY, "instructions": ids, "at": at(7)}),
        ));
        optout.push(("entry", entry(), 3, 8, json!({"event": "fanned-out", "instructions": ids, "at": at(8)})));
        for ((id, ..), [received, done]) in TOLD.iter().zip(&reports) {
            optout.push((
                "instruction",
                (*id).into(),
                2,
                9,
                json!({"event": "received", "report": received, "at": at(9)}),
            ));
            optout.push(("instruction", (*id).into(), 3, 10, json!({"event": "reported", "outcome": "applied", "report": done, "waits": false, "reopens": false, "at": at(10)})));
            optout.push((
                "instruction",
                (*id).into(),
                4,
                10,
                json!({"event": "settled", "outcome": "applied", "by": "automatic", "at": at(10)}),
            ));
        }
        for (version, (id, ..)) in (4..).zip(TOLD) {
            optout.push((
                "entry",
                entry(),
                version,
                11,
                json!({"event": "instruction-settled", "instruction": id, "at": at(11)}),
            ));
        }
        optout.push(("entry", entry(), 6, 11, json!({"event": "confirmed", "recipients": 2, "at": at(11)})));
        Self { intake, optout, instructions, sealed }
    }

    /// Proved in the logs and ready to be signed.
    pub fn evidence(&self) -> Evidence {
        let (mut logs, mut events) = (vec![], vec![]);
        for (service, said) in [("intake", &self.intake), ("optout", &self.optout)] {
            let (log, mut proved) = prove(service, said);
            logs.push(log);
            events.append(&mut proved);
        }
        events.sort_by_key(|e: &Event| e.at);
        let recipient = |(n, (_, id, label)): (usize, &(&str, &str, &str))| Recipient {
            id: (*id).into(),
            label: (*label).into(),
            kind: "contractor".into(),
            report_keys: vec![B64(SigningKey::from_bytes(&[n as u8 + 1; 32]).verifying_key().to_bytes().to_vec())],
        };
        let document = |what: &str, service: &str, bytes: &[u8]| Document {
            what: what.into(),
            service: service.into(),
            digest: Hex::of(bytes),
        };
        Evidence {
            format: file::FORMAT.into(),
            copy: Copy::Full,
            case: CASE.parse().unwrap(),
            made_at: at(50),
            made_by: "a test".into(),
            house_key: house().verifier().to_string(),
            logs,
            events,
            documents: vec![
                document("request", "intake", &self.sealed[0]),
                document("register-entry", "optout", &self.sealed[1]),
            ],
            recipients: TOLD.iter().enumerate().map(recipient).collect(),
            instructions: self.instructions.clone(),
        }
    }

    /// The whole file.
    pub fn file(&self) -> file::File {
        self.evidence().sign(&house(), self.sealed.clone())
    }
}

/// A log with a stranger's leaf before each of ours, and an earlier checkpoint.
fn prove(service: &str, said: &[(&'static str, String, i64, u32, Value)]) -> (Log, Vec<Event>) {
    let key = checkpoint::signer(service, 1, &[9; 32]).unwrap();
    let mut data = vec![];
    let mut events: Vec<Event> = vec![];
    for (n, (machine, id, version, second, event)) in said.iter().enumerate() {
        data.push([n as u8; 32].to_vec());
        let (salt, event) = (vec![n as u8; 16], event.to_string().into_bytes());
        let leaf = data.len() as u64;
        data.push(commitment(&salt, &event).to_vec());
        let (service, machine, id) = (service.to_owned(), (*machine).to_owned(), id.clone());
        events.push(Event {
            service,
            machine,
            id,
            version: *version,
            at: at(*second),
            salt: B64(salt),
            event: B64(event),
            leaf,
            proof: vec![],
        });
    }
    let sign = |n: usize| {
        let mut all = Collector::new(n as u64);
        data[..n].iter().for_each(|d| all.push(d));
        let root = all.finish().unwrap().root;
        Checkpoint { origin: key.verifier().name().into(), size: n as u64, root }.sign(&key)
    };
    let mut all = events.iter().fold(Collector::new(data.len() as u64).extending(5), |c, e| c.including(e.leaf));
    data.iter().for_each(|d| all.push(d));
    let proofs = all.finish().unwrap();
    let list = |proof: &[[u8; 32]]| proof.iter().map(|h| B64(h.to_vec())).collect::<Vec<_>>();
    for (event, (_, proof)) in events.iter_mut().zip(&proofs.inclusions) {
        event.proof = list(proof);
    }
    let earlier = Earlier { checkpoint: sign(5), proof: list(&proofs.consistencies[0].1) };
    let log = Log {
        service: service.into(),
        key: key.verifier().to_string(),
        checkpoint: sign(data.len()),
        earlier: Some(earlier),
    };
    (log, events)
}
