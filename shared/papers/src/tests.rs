use super::*;
use contracts::Timestamp;
use letter::Block;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn stop_document() -> StopDocument {
    StopDocument {
        hospital: "みどり病院 <本院>".into(),
        track: Scope::Pseudonymised,
        requester: Requester { name: "山田 春子".into(), address: Some("東京都文京区1".into()) },
        desk_received_on: date("2026-11-20"),
        hospital_received_on: None,
        stopped_on: None,
        blocked_on: date("2026-11-21"),
        issued_on: date("2026-11-23"),
    }
}

fn desk() -> Option<Sender> {
    Some(Sender {
        name: "架空認定事業者 窓口".into(), lines: vec!["〒100-0000 東京都千代田区0-0".into()]
    })
}

fn letter_of(paper: &Paper) -> Letter {
    paper.letter(date("2026-11-24"), desk())
}

/// Title and text, in their order.
fn words(paper: &Paper) -> String {
    let letter = letter_of(paper);
    format!("{} {:?} {:?}", letter.title, letter.from, letter.blocks)
}

fn facts(letter: &Letter) -> usize {
    letter.blocks.iter().map(|block| if let Block::Facts(facts) = block { facts.len() } else { 0 }).sum()
}

fn notice(scope: Scope, told: Vec<Told>) -> Paper {
    Paper::StopNotice(StopNotice { scope, blocked_on: date("2026-11-21"), told })
}

#[test]
fn rules_51_given_a_document_then_it_has_six_items_and_its_track_has_its_article() {
    let paper = Paper::StopDocument(stop_document());
    assert_eq!(facts(&letter_of(&paper)), 6);
    let text = words(&paper);
    for words in [
        "仮名加工医療情報",
        "山田 春子",
        "2026年11月20日（窓口）",
        "第58条において準用する同法第53条第1項",
        "2026年11月23日",
    ] {
        assert!(text.contains(words), "{words}");
    }
    assert!(text.contains("2026年11月21日（認定事業者が受領を停止した日）") && text.contains("医療機関では未受領"));
    assert!(text.contains("みどり病院 <本院>"), "it is the hospital's");
    let confirmed = StopDocument {
        track: Scope::Anonymised,
        hospital_received_on: Some(date("2026-11-22")),
        stopped_on: Some(date("2026-11-22")),
        ..stop_document()
    };
    let text = words(&Paper::StopDocument(confirmed));
    assert!(text.contains("2026年11月22日（医療機関）") && text.contains("\"2026年11月22日\""));
    assert!(text.contains("法律第53条第1項") && !text.contains("第58条"));
}

#[test]
fn row_3_given_a_stop_of_one_track_then_the_letter_says_so_and_how_to_stop_the_other() {
    let text = words(&notice(Scope::Anonymised, vec![]));
    assert!(text.contains("停止したのは一方だけです") && text.contains("Only one of two is stopped"));
    assert!(text.contains("仮名加工医療情報の作成のための提供は停止していません"));
    assert!(!words(&notice(Scope::Both, vec![])).contains("一方だけ"));
}

#[test]
fn row_46_given_no_consent_then_the_letter_shows_the_way_to_the_hospital() {
    let told = |hospital: &str, told| Told { hospital: hospital.into(), told, received_at: None };
    let text = words(&notice(Scope::Both, vec![told("あかね病院", false), told("みどり病院", true)]));
    let japanese = text.split("Language").next().unwrap();
    let (before, after) = japanese.split_once("お伝えしていない医療機関").unwrap();
    assert!(before.contains("みどり病院") && !before.contains("あかね病院") && after.contains("あかね病院"));
    assert!(after.contains("直接お申し出いただけます"));
}

#[test]
fn row_9_the_answer_to_who_disagrees_names_nobody() {
    let text = words(&Paper::DisagreementLetter(Disagreement { received_on: date("2026-11-20") }));
    assert!(text.contains("法第52条第1項") && text.contains("cannot lift a stop") && !text.contains("山田"));
}

#[test]
fn every_paper_is_printed_and_reads_back_as_it_was_sealed() {
    let order = WorkOrder {
        document: stop_document(),
        patient: "山田 太郎".into(),
        kana: "ヤマダ タロウ".into(),
        birth_date: date("1950-03-01"),
    };
    let at: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
    let told = vec![
        Told { hospital: "みどり病院".into(), told: true, received_at: Some(at) },
        Told { hospital: "架空大学医学部附属病院".into(), told: true, received_at: None },
        Told { hospital: "あかね病院".into(), told: false, received_at: None },
    ];
    for paper in [
        Paper::StopDocument(stop_document()),
        Paper::WorkOrder(order),
        notice(Scope::Anonymised, told),
        Paper::DisagreementLetter(Disagreement { received_on: date("2026-11-20") }),
    ] {
        let sealed = serde_json::to_vec(&paper).unwrap();
        assert!(serde_json::from_slice::<Paper>(&sealed).unwrap() == paper);
        let made = letter::make(&letter_of(&paper)).unwrap();
        assert_eq!((made.pages, made.replaced.len()), (1, 0), "{}", paper.word());
        assert_eq!(letter::make(&letter_of(&paper)).unwrap().pdf, made.pdf, "the same bytes");
        // For a person to look at.
        if let Some(folder) = std::env::var_os("MADOGUCHI_PICTURES") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{}.pdf", paper.word())), made.pdf).unwrap();
        }
    }
}
