use super::*;
use contracts::Uuid;

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";

fn id(text: &str) -> InstructionId {
    text.parse().unwrap()
}
fn bad(sheet: &Sheet) -> Vec<(u32, &str, &str)> {
    sheet.bad.iter().map(|b| (b.line, b.column.as_str(), b.why.as_str())).collect()
}

#[test]
fn a_sheet_that_was_written_is_read_and_nobody_has_answered_yet() {
    let person = Identifiers {
        kana: "+ヤマダ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: Some("=HYPERLINK(\"http://x\")".into()),
        sex: Some(crate::Sex::Female),
        hospitals: vec!["@病院".into(), "第二\n病院".into()],
    };
    let row = |instruction| Row {
        instruction,
        position: 4,
        measure: Measure::Suspend,
        scope: Scope::Both,
        due: "2026-11-29T20:00:00Z".parse().unwrap(),
        person: Some(&person),
    };
    let text = write(&[row(id(A)), row(InstructionId(Uuid::from_u128(11)))]);
    assert!(
        text.contains("'+ヤマダ") && text.contains("\"'=HYPERLINK(\"\"http://x\"\")\"") && text.contains(",female,")
    );
    assert!(text.contains("\"'@病院 / 第二\n病院\""), "{text}");
    for cell in records(&text).iter().flat_map(|(_, fields)| fields.iter().flatten()) {
        assert!(!cell.starts_with(['=', '+', '-', '@']), "a formula: {cell}");
    }
    let sheet = read(text.as_bytes()).unwrap();
    assert_eq!((sheet.empty, sheet.answers.len(), sheet.bad.len()), (2, 0, 0));
    // Filled in by a spreadsheet: the columns moved, the dates changed their form, in Shift_JIS.
    let text = format!(
        "結果 outcome,氏名カナ kana,指示番号 instruction,実施日 date,システム system,方法 method,項目 items,控えの保持期限 backups-until,帳簿番号 book-entry,メモ\r\n\
         措置済み,ヤマダ,{A},2026/11/5,dwh,overwritten,claims;labs,2027/1/31,2026-17,済\r\n\
         ,,{A},2026-11-06,archive,medium-destroyed,all,なし,,\r\n\
         該当データなし,スズキ,{B},,,,,,,\r\n"
    );
    let (sjis, _, lossy) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lossy);
    for bytes in [text.as_bytes(), &sjis] {
        let sheet = read(bytes).unwrap();
        assert_eq!(bad(&sheet), []);
        assert_eq!(sheet.answers.len(), 2);
        let first = &sheet.answers[0];
        assert_eq!((first.line, first.instruction, first.outcome), (2, id(A), ReportOutcome::Applied));
        assert_eq!(first.book_entry, Some(Code::of("2026-17")));
        let systems: Vec<_> = first.erasures.iter().map(|e| (e.system.as_str(), e.on.to_string())).collect();
        assert_eq!(systems, [("dwh", "2026-11-05".to_owned()), ("archive", "2026-11-06".to_owned())]);
        assert_eq!(first.erasures[0].items, [Code::of("claims"), Code::of("labs")]);
        assert_eq!(sheet.answers[1].outcome, ReportOutcome::NoDataHeld);
    }
}

#[test]
fn every_bad_cell_is_named_and_the_good_rows_are_taken() {
    let text = format!(
        "instruction,outcome,ground,date,system,method,items,book-entry\n\
         {A},done,,,,,,\n\
         x,applied,,,,,,\n\
         ,applied,,,,,,\n\
         {B},applied,,,,,,\n\
         00000000-0000-0000-0000-00000000000c,exempt,,,,,,\n\
         00000000-0000-0000-0000-00000000000d,applied,,30.11.2026,dwh,,Über,\n\
         00000000-0000-0000-0000-00000000000e,,because-so,,,,,\n\
         \"{A}\"x,applied,,,,,,\n\
         00000000-0000-0000-0000-00000000000f,applied,,,,,,\n\
         00000000-0000-0000-0000-00000000000f,exempt,act-56-law,,,,,\n"
    );
    let sheet = read(text.as_bytes()).unwrap();
    assert_eq!(
        bad(&sheet),
        [
            (2, "outcome", "not-a-word-of-the-list"),
            (3, "instruction", "not-an-instruction"),
            (4, "instruction", "missing"),
            (6, "ground", "missing"),
            (7, "date", "not-a-date"),
            (7, "items", "not-a-code"),
            (7, "method", "missing"),
            (7, "backups-until", "missing"),
            (8, "outcome", "missing"),
            (9, "instruction", "quotes"),
            (11, "outcome", "differs"),
            (11, "ground", "differs"),
        ]
    );
    assert_eq!(sheet.answers.iter().map(|a| a.instruction).collect::<Vec<_>>(), [id(B)]);
    assert_eq!(read(b"a,b\n1,2\n"), Err(NotASheet::NoColumn(Code::of("instruction"))));
    assert_eq!(read(&vec![b'x'; BYTES_MAX + 1]), Err(NotASheet::TooLarge));
    assert_eq!(read("instruction,outcome\n\n".repeat(ROWS_MAX).as_bytes()), Err(NotASheet::TooLarge));
}
