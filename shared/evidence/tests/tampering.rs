//! What a file proves, and that it stops to when anything in it is changed: by somebody without the key (the file's signature
//! breaks), and by somebody with it (the proofs, the recipients' signatures and the story break).

mod sample;

use evidence::{
    Evidence, Failure, Signer,
    file::{B64, Copy, File, Hex},
    verify,
};
use sample::{Sample, TOLD, house};
use serde_json::json;

fn checked(file: &File) -> Result<Vec<String>, Failure> {
    verify(&file.to_bytes(), Some(&house().verifier())).map(|account| account.lines)
}

/// Signed again by the house itself: what follows is not found by its signature.
fn resigned(sample: &Sample, change: impl FnOnce(&mut Evidence)) -> Failure {
    let mut evidence = sample.evidence();
    change(&mut evidence);
    checked(&evidence.sign(&house(), sample.sealed.clone())).unwrap_err()
}

#[test]
fn a_whole_file_verifies_and_tells_the_story_in_order() {
    let lines = checked(&Sample::new().file()).unwrap();
    let text = lines.join("\n");
    let mut from = 0;
    for part in [
        "the request arrived",
        "BLOCK",
        "identity is confirmed",
        "STOP",
        "INSTRUCTED",
        "2 instruction(s) are issued",
        "core-data (contractor): RECEIVED",
        "core-data (contractor): REPORTED: applied",
        "CONFIRMED: all 2 recipient(s) have reported",
        "the case ended: stopped",
        "analysis (contractor): applied; position 1, 1 attempt(s), 2 signed report(s)",
    ] {
        let at = text[from..].find(part).unwrap_or_else(|| panic!("{part} is not there, or too early:\n{text}"));
        from += at;
    }
}

#[test]
fn without_a_key_the_file_says_whose_it_is_and_with_another_it_fails() {
    let bytes = Sample::new().file().to_bytes();
    let account = verify(&bytes, None).unwrap();
    assert_eq!((account.signed_by, account.pinned), (house().verifier(), false));
    let other = Signer::new(evidence::file::HOUSE_KEY, &[7; 32]).unwrap().verifier();
    assert_eq!(verify(&bytes, Some(&other)).unwrap_err().place, "signatures");
}

/// Without the house's key: each kind of byte of the outer document, one flipped at a time.
#[test]
fn any_byte_of_the_outer_file_flipped_is_found_and_named() {
    let file = Sample::new().file();
    for at in (0..file.payload.0.len()).step_by(7) {
        let mut bad = file.clone();
        bad.payload.0[at] ^= 1;
        let place = checked(&bad).unwrap_err().place;
        assert!(["signatures", "payload", "house_key"].contains(&place.as_str()), "byte {at}: {place}");
    }
    for at in 0..64 {
        let mut bad = file.clone();
        bad.signatures[0].sig.0[at] ^= 1;
        assert_eq!(checked(&bad).unwrap_err().place, "signatures");
    }
    for digest in file.sealed.keys() {
        let mut bad = file.clone();
        bad.sealed.get_mut(digest).unwrap().0[0] ^= 1;
        assert_eq!(checked(&bad).unwrap_err().place, format!("sealed[{digest}]"));
    }
    let mut bad = file.clone();
    bad.sealed.insert(Hex::of(b"foreign"), B64(b"foreign".to_vec()));
    assert_eq!(checked(&bad).unwrap_err().place, format!("sealed[{}]", Hex::of(b"foreign")));
    let mut bad = file.clone();
    bad.payload_type.push('x');
    assert_eq!(checked(&bad).unwrap_err().place, "payloadType");
    let mut bad = file;
    bad.signatures.clear();
    assert_eq!(checked(&bad).unwrap_err().place, "signatures");
    assert_eq!(verify(b"{}", None).unwrap_err().place, "file");
}

#[test]
fn sealed_parts_can_be_taken_out_one_by_one_or_all() {
    let file = Sample::new().file();
    assert_eq!(file.sealed.len(), 4);
    for digest in file.sealed.keys() {
        let mut less = file.clone();
        less.sealed.remove(digest);
        assert!(checked(&less).unwrap().last().unwrap().starts_with("1 sealed part(s) were taken out"));
    }
    let mut none = file;
    none.sealed.clear();
    assert!(checked(&none).unwrap().last().unwrap().starts_with("4 sealed part(s) were taken out"));
    assert!(!String::from_utf8(none.to_bytes()).unwrap().contains("\"sealed\""), "the section itself may go");
}

/// With the house's key: a house that lies is found by its own logs and by the recipients' signatures.
#[test]
fn a_house_that_signs_changed_evidence_is_found_out() {
    type Change = fn(&mut Evidence);
    let table: &[(&str, &str, Change)] = &[
        ("events[0] (intake case 1)", "the log has", |e| e.events[0].event.0[30] ^= 1),
        ("events[0] (intake case 2)", "complete", |e| e.events.swap(0, 1)),
        ("events[0] (intake case 1)", "the log has", |e| e.events[0].salt.0[0] ^= 1),
        ("events[0] (intake case 1)", "the log has", |e| e.events[0].leaf += 1),
        ("events[0] (intake case 1)", "the log has", |e| e.events[0].proof[1].0[0] ^= 1),
        ("events[0] (intake case 1)", "list of hashes", |e| e.events[0].proof[0].0.truncate(31)),
        ("events[2] (intake case 3)", "complete", |e| drop(e.events.remove(1))),
        ("log of intake, checkpoint", "does not verify", |e| {
            e.logs[0].checkpoint = e.logs[0].checkpoint.replace("\n8\n", "\n9\n");
        }),
        ("log of intake, key", "not a verifier key", |e| e.logs[0].key.replace_range(20..21, "!")),
        ("log of payment, key", "another log", |e| e.logs[0].service = "payment".into()),
        ("log of intake, consistency", "appended", |e| e.logs[0].earlier.as_mut().unwrap().proof[0].0[0] ^= 1),
        ("log of intake, earlier checkpoint", "does not verify", |e| {
            let earlier = e.logs[0].earlier.as_mut().unwrap();
            earlier.checkpoint = earlier.checkpoint.replace("\n5\n", "\n4\n");
        }),
        ("events[0] (intake case 1)", "no checkpoint", |e| drop(e.logs.remove(0))),
        ("instructions[0], delivery", "another digest", |e| {
            e.instructions[0].delivery.as_mut().unwrap().tail.0[0] ^= 1
        }),
        ("instructions[0], reports[0]", "does not verify", |e| e.instructions[0].reports[0].bytes.0[120] ^= 1),
        ("instructions[0], reports[0]", "key", |e| e.recipients[0].report_keys.clear()),
        ("instructions[0], reports[0]", "another instruction", |e| {
            let foreign = e.instructions[1].reports[0].clone();
            e.recipients[0].report_keys = e.recipients[1].report_keys.clone();
            e.instructions[0].reports[0] = foreign;
        }),
        ("instructions[0], delivery", "another digest", |e| {
            e.instructions[0].delivery.as_mut().unwrap().digest = Hex::of(b"other")
        }),
        ("instructions[0]", "its recipient", |e| drop(e.recipients.remove(0))),
        ("instructions[1]", "outcome", |e| e.instructions[1].outcome = Some("no-data-held".into())),
        ("format", "version", |e| e.format = "madoguchi-evidence/2".into()),
    ];
    let sample = Sample::new();
    for (place, why, change) in table {
        let failure = resigned(&sample, change);
        let fits = failure.place.starts_with(place) && failure.why.contains(why);
        assert!(fits, "expected {place}: {why}; found {failure}");
    }
    let one = resigned(&sample, |e| e.instructions[0].reports.truncate(1));
    assert!(one.place.contains("optout instruction 3") && one.why.contains("not in the file"), "{one}");
    let mut evidence = sample.evidence();
    evidence.instructions.remove(0);
    let gone = checked(&evidence.sign(&house(), [])).unwrap_err();
    assert!(gone.why.contains("missing from the file"), "{gone}");
}

/// Proved and signed, and yet no story: each order that cannot be.
#[test]
fn events_that_tell_no_story_are_refused() {
    let fails = |change: &dyn Fn(&mut Sample)| {
        let mut sample = Sample::new();
        change(&mut sample);
        checked(&sample.file()).unwrap_err()
    };
    let versions = |s: &mut Sample| {
        let mut next = std::collections::BTreeMap::new();
        for (machine, id, version, ..) in &mut s.optout {
            let n = next.entry((*machine, id.clone())).or_insert(0);
            *n += 1;
            *version = *n;
        }
    };
    let failure = fails(&|s| {
        // The confirmation before the last report.
        let confirmed = s.optout.pop().unwrap();
        s.optout.insert(9, confirmed);
        versions(s);
    });
    assert!(failure.why.contains("confirmed before"), "{failure}");
    let failure = fails(&|s| {
        s.optout.remove(1);
        versions(s);
    });
    assert!(failure.why.contains("before there was a final stop"), "{failure}");
    let failure = fails(&|s| {
        let stop = s.optout.remove(1);
        s.optout.insert(3, stop);
    });
    assert!(failure.why.contains("issued before the stop"), "{failure}");
    let failure =
        fails(&|s| s.optout.last_mut().unwrap().4 = json!({"event": "block-lifted", "at": "2026-11-22T01:00:11Z"}));
    assert!(failure.why.contains("never lifted"), "{failure}");
    let failure = fails(&|s| s.intake[0].4["request"]["case"] = json!(TOLD[0].0));
    assert!(failure.why.contains("opening of this case"), "{failure}");
    let failure = fails(&|s| s.intake[0].4["request"]["received_at"] = json!("2026-11-23T01:00:00Z"));
    assert!(failure.why.contains("older than the request"), "{failure}");
    for (field, value) in [("outcome", json!("no-data-held")), ("report", json!(Hex::of(b"other")))] {
        let failure = fails(&|s| {
            let reported = s.optout.iter_mut().find(|e| e.4["event"] == "reported").unwrap();
            reported.4[field] = value.clone();
        });
        assert!(failure.why.contains("signed report"), "{failure}");
    }
    let failure = fails(&|s| {
        let settled = s.optout.iter_mut().find(|e| e.4["event"] == "settled").unwrap();
        settled.4["outcome"] = json!("no-data-held");
    });
    assert!(failure.why.contains("settled otherwise"), "{failure}");
}

/// Nobody signed a paper: the file says so.
#[test]
fn what_two_members_of_staff_attest_is_told_as_that() {
    let mut sample = Sample::new();
    for event in sample.optout.iter_mut().filter(|e| e.1 == TOLD[0].0) {
        if event.4["event"] == "settled" {
            event.4["by"] = json!("attested");
        } else if event.4["report"].is_string() {
            event.4["report"] = json!(Hex::of(b"the words of both"));
        }
    }
    sample.instructions[0].reports.clear();
    let lines = checked(&sample.file()).unwrap().join("\n");
    assert!(
        lines
            .contains("core-data (contractor): CONFIRMED: applied, attested by two members of staff; nobody signed it")
    );
}

#[test]
fn a_persons_copy_verifies_with_what_it_has() {
    let sample = Sample::new();
    let mut evidence = sample.evidence();
    evidence.copy = Copy::Person;
    evidence.events.retain(|e| evidence::person::may_show(&serde_json::from_slice(&e.event.0).unwrap()));
    evidence.documents.clear();
    for (n, one) in evidence.instructions.iter_mut().enumerate() {
        for event in evidence.events.iter_mut().filter(|e| e.id == one.id) {
            event.id = format!("instruction-{n}");
        }
        (one.id, one.recipient, one.delivery) = (format!("instruction-{n}"), format!("recipient-{n}"), None);
        one.reports.clear();
        (evidence.recipients[n].id, evidence.recipients[n].report_keys) = (format!("recipient-{n}"), vec![]);
    }
    let file = evidence.sign(&house(), []);
    let lines = checked(&file).unwrap().join("\n");
    assert!(lines.contains("the person's copy") && lines.contains("analysis (contractor): applied"), "{lines}");
    let text = String::from_utf8(file.payload.0).unwrap();
    for (instruction, recipient, _) in TOLD {
        assert!(!text.contains(instruction) && !text.contains(recipient));
    }
    evidence.instructions[0].outcome = Some("no-data-held".into());
    assert_eq!(
        checked(&evidence.sign(&house(), [])).unwrap_err().place,
        "instructions[0]",
        "the outcome is proved too"
    );
}
