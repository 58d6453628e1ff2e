use super::*;
use crate::{
    identifiers::{self, Identifiers},
    sealed_file::sheet::Answer,
};
use contracts::{
    InstructionId, Measure, ReportOutcome, Scope,
    recipient::{Instruction, InstructionData, InstructionSource, InstructionType, ReportStage},
};
use privacy_seal::Personal;

const ME: RecipientId = RecipientId(Uuid::from_u128(1));

fn id(n: i64) -> InstructionId {
    InstructionId(Uuid::from_u128(n as u128))
}
fn keys() -> RecipientKeys {
    RecipientKeys::from_secrets(&[1; 32], &[2; 32])
}
fn desk() -> ReportSigner {
    ReportSigner::ed25519(&[9; 32])
}
fn body(position: i64, measure: Measure) -> Vec<u8> {
    let person = Identifiers {
        kana: "=ヤマダ,ハナコ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: Some("山田 \"花子\"".into()),
        sex: None,
        hospitals: vec!["みどり病院".into()],
    };
    let instruction = Instruction {
        specversion: Default::default(),
        id: id(position),
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: ME,
        time: "2026-11-22T00:00:00Z".parse().unwrap(),
        expirytime: "2026-11-29T20:00:00Z".parse().unwrap(),
        datacontenttype: Default::default(),
        data: InstructionData {
            representation: Default::default(),
            audience: ME,
            epoch: 1,
            position,
            entry: Uuid::from_u128(100 + position as u128),
            entry_version: 1,
            measure,
            scope: Scope::Both,
            person: identifiers::sealed(&keys().sealing_public(), id(position), &Personal::new(person)).unwrap(),
            erase: None,
        },
    };
    serde_json::to_vec(&instruction).unwrap()
}
fn manifest(first: i64, last: i64) -> Manifest {
    Manifest {
        recipient: ME,
        export: Uuid::from_u128(50),
        epoch: 1,
        made_at: "2026-11-22T01:00:00Z".parse().unwrap(),
        first,
        last,
        issued: last,
        contents: Digest([0; 32]),
    }
}
fn bodies(positions: impl IntoIterator<Item = i64>) -> Vec<Vec<u8>> {
    positions.into_iter().map(|n| body(n, if n % 2 == 0 { Measure::Erase } else { Measure::Stop })).collect()
}
fn file(first: i64, last: i64) -> (Vec<u8>, Vec<Vec<u8>>) {
    let bodies = bodies(first..=last);
    (pack(manifest(first, last), &bodies, &keys().sealing_public(), &desk()).unwrap(), bodies)
}
fn opened(file: &[u8]) -> Result<Opened, FileError> {
    open(file, ME, &keys(), &[desk().public()])
}

#[test]
fn given_a_file_when_opened_then_the_bytes_are_those_that_went_in() {
    let (file, bodies) = file(3, 7);
    let opened = opened(&file).unwrap();
    assert_eq!(opened.bodies, bodies);
    assert_eq!((opened.manifest.first, opened.manifest.last), (3, 7));
    let clear = String::from_utf8_lossy(&file);
    assert!(clear.starts_with(MAGIC) && !clear.contains("instruction"), "nothing but the head is in the clear");
}

#[test]
fn given_another_reader_key_desk_or_byte_when_opened_then_nothing_is_believed() {
    let (good, _) = file(1, 2);
    let other = RecipientKeys::from_secrets(&[3; 32], &[4; 32]);
    let desk_key = [desk().public()];
    assert_eq!(open(&good, RecipientId(Uuid::from_u128(2)), &keys(), &desk_key), Err(FileError::NotForMe));
    assert_eq!(open(&good, ME, &other, &desk_key), Err(FileError::OtherKey(keys().sealing_id())));
    let stranger = [ReportSigner::ed25519(&[8; 32]).public()];
    assert_eq!(open(&good, ME, &keys(), &stranger), Err(FileError::NotSigned(Code::of("unknown-key"))));
    // A head that names another key, or another byte anywhere: it does not open.
    for at in (0..good.len()).step_by(37).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(opened(&bad).is_err(), "byte {at}");
    }
    assert_eq!(opened(b""), Err(FileError::Form));
    assert_eq!(opened(&good[..MAGIC.len() + 3]), Err(FileError::Form));
}

#[test]
fn given_a_gap_a_stranger_or_too_much_when_packed_then_it_is_refused() {
    let pack = |manifest, bodies: &[Vec<u8>]| super::pack(manifest, bodies, &keys().sealing_public(), &desk()).err();
    let positions = Some(FileError::Contents { line: 0, why: Code::of("positions") });
    assert_eq!(pack(manifest(1, 3), &bodies([1, 2])), positions, "one is missing at the end");
    assert_eq!(pack(manifest(1, 3), &bodies([1, 3])), Some(FileError::Contents { line: 2, why: Code::of("position") }));
    assert_eq!(pack(manifest(1, 0), &[]), positions, "an empty file says nothing");
    let foreign = Manifest { recipient: RecipientId(Uuid::from_u128(2)), ..manifest(1, 1) };
    assert_eq!(pack(foreign, &bodies([1])), Some(FileError::Contents { line: 1, why: Code::of("not-for-me") }));
    assert_eq!(pack(manifest(1, 3000), &vec![vec![b'x'; 10]; INSTRUCTIONS_MAX + 1]), Some(FileError::TooLarge));
}

#[test]
fn given_reports_when_packed_then_each_line_counts_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = Folder::open(folder.path(), ME).unwrap();
    mine.take(&opened(&file(1, 3).0).unwrap(), &keys()).unwrap();
    let now = "2026-11-23T00:00:00Z".parse().unwrap();
    let reports = mine.report(&[], &keys(), now).unwrap().unwrap();
    assert_eq!(reports.len(), 3);
    let back = pack_reports(ME, Some(Uuid::from_u128(50)), now, &reports, &keys().signing).unwrap();
    let mine = [keys().signing.public()];
    let read = open_reports(&back, ME, &mine).unwrap();
    assert!(read.whole);
    assert_eq!(read.lines.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(read.lines[0].1, reports[0].as_str().as_bytes());
    // A damaged line costs that line: the others are there, and that it is not whole is said.
    let text = String::from_utf8(back.clone()).unwrap();
    let damaged = text.replace(reports[1].as_str(), "rubbish").replace('\n', "\r\n");
    let read = open_reports(damaged.as_bytes(), ME, &mine).unwrap();
    assert!(!read.whole && read.lines.len() == 3);
    assert_eq!(read.lines[2].1, reports[2].as_str().as_bytes());
    let stranger = [ReportSigner::ed25519(&[8; 32]).public()];
    assert!(matches!(open_reports(&back, ME, &stranger), Err(FileError::NotSigned(_))));
    assert_eq!(open_reports(&back, RecipientId(Uuid::from_u128(2)), &mine), Err(FileError::NotForMe));
}

#[test]
fn given_files_out_of_order_when_taken_then_what_is_missing_is_known_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = Folder::open(folder.path(), ME).unwrap();
    mine.take(&opened(&file(1, 2).0).unwrap(), &keys()).unwrap();
    let shown = mine.take(&opened(&file(5, 6).0).unwrap(), &keys()).unwrap();
    assert!(shown.iter().all(|one| one.taken == Ok(crate::Taken::New)), "a stop is applied whatever is missing");
    assert_eq!(mine.missing(), [(3, 4)]);
    drop(mine);
    let mut mine = Folder::open(folder.path(), ME).unwrap();
    assert_eq!(mine.missing(), [(3, 4)]);
    // The desk gives a file again: what is in it twice is a repeat.
    let shown = mine.take(&opened(&file(2, 4).0).unwrap(), &keys()).unwrap();
    let taken: Vec<_> = shown.into_iter().map(|one| one.taken.unwrap()).collect();
    assert_eq!(taken, [crate::Taken::Repeat, crate::Taken::New, crate::Taken::New]);
    assert!(mine.missing().is_empty());
}

#[test]
fn given_a_sheet_when_filled_in_then_it_becomes_signed_reports_or_every_bad_cell_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut mine = Folder::open(folder.path(), ME).unwrap();
    let shown = mine.take(&opened(&file(1, 2).0).unwrap(), &keys()).unwrap();
    let ndjson: Vec<serde_json::Value> =
        folder::ndjson(&shown).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(ndjson[0]["person"]["birth-date"], "1980-02-29");
    assert_eq!((ndjson[1]["measure"].as_str(), ndjson[1]["taken"].as_str()), (Some("erase"), Some("new")));
    let sheet = folder::sheet_of(&shown);
    assert!(sheet.starts_with('\u{feff}') && sheet.contains("\"'=ヤマダ,ハナコ\"") && sheet.contains("2026-11-30"));
    let now = "2026-11-23T00:00:00Z".parse().unwrap();
    let answer = |n, outcome| Answer {
        line: n as u32 + 1,
        instruction: id(n),
        outcome,
        ground: None,
        book_entry: None,
        erasures: vec![],
    };
    let bad = mine
        .report(
            &[answer(2, ReportOutcome::Applied), answer(1, ReportOutcome::Exempt), answer(9, ReportOutcome::Applied)],
            &keys(),
            now,
        )
        .unwrap()
        .unwrap_err();
    let bad: Vec<_> = bad.iter().map(|b| (b.line, b.column.as_str(), b.why.as_str())).collect();
    assert_eq!(
        bad,
        [(3, "system", "erasure-incomplete"), (2, "ground", "missing"), (10, "instruction", "not-received")]
    );
    let reports = mine.report(&[answer(1, ReportOutcome::Applied)], &keys(), now).unwrap().unwrap();
    let stages: Vec<_> = reports
        .iter()
        .map(|r| crate::report::verify(r.as_str().as_bytes(), &[keys().signing.public()]).unwrap())
        .map(|r| (r.instruction, r.stage))
        .collect();
    let applied = ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None };
    assert_eq!(stages, [(id(1), applied), (id(2), ReportStage::Received)]);
    // What was signed for once is not signed for again unless there is something to say.
    assert_eq!(mine.report(&[], &keys(), now).unwrap().unwrap().len(), 0);
}
