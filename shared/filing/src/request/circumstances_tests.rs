use super::super::{PartyDraft, Request, Rules, check};
use super::*;
use contracts::Date;

fn today() -> Date {
    jiff::civil::date(2026, 11, 22)
}

fn rules() -> Rules {
    crate::ages::Ages::default().rules(today())
}

/// What the guided form sends for somebody born on a day, and whoever acts for them.
fn guided(kind: &str, capacity: &str, birth_date: &str) -> Draft {
    let party = |name: &str| PartyDraft {
        name: name.to_owned(),
        kana: "ヒョウシキ".to_owned(),
        birth_date: birth_date.to_owned(),
        address: "東京都".to_owned(),
        ..PartyDraft::default()
    };
    Draft {
        kind: kind.to_owned(),
        capacity: capacity.to_owned(),
        person: party("標識 花子"),
        representative: (capacity != "person")
            .then(|| PartyDraft { birth_date: String::new(), ..party("標識 太郎") }),
        words: "w".to_owned(),
        guided: true,
        ..Draft::default()
    }
}

fn taken(draft: &Draft) -> Request {
    match check(draft, today(), rules()) {
        Ok(request) => request,
        Err(errors) => panic!("{errors:?}"),
    }
}

fn wrong(draft: &Draft) -> Vec<String> {
    let errors = check(draft, today(), rules()).err().unwrap_or_default();
    errors.iter().map(|e| format!("{} {}", e.pointer, e.code)).collect()
}

/// Duties row 70: a parent is asked about the other one, or says why not.
#[test]
fn a_parent_says_how_it_stands_with_the_other_one() {
    let mut draft = guided("disclosure", "parent", "2016-04-01");
    assert_eq!(wrong(&draft), ["/standing/other_parent required"]);
    for word in ["other-parent-agrees", "sole-authority"] {
        draft.standing.other_parent = word.to_owned();
        assert_eq!(taken(&draft).circumstances.standing[0].as_str(), word);
    }
    for word in ["other-parent-unreachable", "other-parent-disagrees"] {
        draft.standing.other_parent = word.to_owned();
        draft.standing.reason = String::new();
        assert_eq!(wrong(&draft), ["/standing/reason required"], "{word}");
        draft.standing.reason = "標識の事情".to_owned();
        assert_eq!(taken(&draft).circumstances.power, "標識の事情");
    }
    draft.standing.other_parent = "spouse".to_owned();
    assert_eq!(wrong(&draft), ["/standing/other_parent unknown-word"]);
    // Before joint authority of the unmarried, nobody is asked.
    let before = Rules { joint_authority: false, ..rules() };
    assert!(check(&guided("disclosure", "parent", "2016-04-01"), today(), before).is_ok());
}

/// Duties row 2: the six relations, a common-law spouse; a niece is told of a consultation.
#[test]
fn the_bereaved_say_which_of_the_six_relations() {
    let mut draft = guided("provision-stop", "bereaved", "1930-04-01");
    assert_eq!(wrong(&draft), ["/standing/relation required"]);
    for relation in RELATIONS {
        draft.standing.relation = relation.as_str().to_owned();
        assert_eq!(taken(&draft).circumstances.standing, [*relation]);
    }
    draft.standing.relation = NO_RELATION.to_owned();
    assert_eq!(wrong(&draft), ["/standing/relation relation-not-listed"]);
}

/// Duties row 72: in which acts they represent, is asked; and what an agent may receive.
#[test]
fn curators_name_their_power_and_agents_what_they_may_receive() {
    for capacity in ["curator", "assistant"] {
        let mut draft = guided("correction", capacity, "1980-04-01");
        assert_eq!(wrong(&draft), ["/standing/power required"], "{capacity}");
        draft.standing.power = "標識の権限".to_owned();
        assert_eq!(taken(&draft).circumstances.power, "標識の権限");
    }
    let mut draft = guided("disclosure", "agent", "1980-04-01");
    assert_eq!(wrong(&draft), ["/standing/agent required", "/standing/receipt required"]);
    draft.standing.agent = "lawyer".to_owned();
    draft.standing.receipt = "receipt-not-included".to_owned();
    assert_eq!(taken(&draft).circumstances.standing, [Standing::Lawyer, Standing::ReceiptNotIncluded]);
    for capacity in ["person", "adults-guardian", "voluntary-guardian"] {
        let draft = guided("disclosure", capacity, "1980-04-01");
        assert!(taken(&draft).circumstances.is_empty(), "{capacity} is asked for nothing more");
    }
}

#[test]
fn another_system_may_leave_it_open_and_the_staff_read_that() {
    for (kind, capacity, birth, noted) in [
        ("disclosure", "parent", "2016-04-01", vec![Standing::OtherParentNotSaid]),
        ("provision-stop", "bereaved", "1930-04-01", vec![Standing::RelationNotSaid]),
        ("disclosure", "curator", "1980-04-01", vec![]),
        ("disclosure", "agent", "1980-04-01", vec![]),
    ] {
        let draft = Draft { guided: false, ..guided(kind, capacity, birth) };
        assert_eq!(taken(&draft).circumstances.standing, noted, "{capacity}");
    }
}

/// The thresholds refuse nobody; the staff are told. The day of the birthday counts as that age.
#[test]
fn the_young_are_noticed_and_never_refused() {
    for (kind, capacity, birth, noted) in [
        ("disclosure", "person", "2011-11-22", None),
        ("disclosure", "person", "2011-11-23", Some(Standing::MinorAlone)),
        ("provision-stop", "person", "2010-11-22", None),
        ("provision-stop", "person", "2010-11-23", Some(Standing::MinorAlone)),
        ("disclosure", "minors-guardian", "2011-11-22", Some(Standing::ChildToBeHeard)),
        ("disclosure", "minors-guardian", "2011-11-23", None),
        ("deletion", "minors-guardian", "2010-11-22", Some(Standing::ChildToBeHeard)),
    ] {
        let noticed = taken(&guided(kind, capacity, birth)).circumstances.standing;
        assert_eq!(noticed, noted.into_iter().collect::<Vec<_>>(), "{kind} {capacity} {birth}");
    }
}

/// APPI art. 37(2).
#[test]
fn what_helps_to_find_the_person_is_kept_as_written_within_its_limits() {
    let mut draft = guided("disclosure", "person", "1980-04-01");
    let row = |name: &str, period: &str| HospitalDraft { period: period.to_owned(), ..HospitalDraft::named(name) };
    draft.hospitals = vec![row("標識病院", ""), row("第二標識病院", "平成30年春")];
    // 﨑 with a variation selector: nothing is folded away.
    draft.former_names = vec!["山﨑\u{E0100} 花子".to_owned()];
    draft.former_addresses = vec!["標識市旧町1-2-3".to_owned()];
    draft.accommodation = "標識の配慮".to_owned();
    draft.safe_contact = "標識の連絡".to_owned();
    let request = taken(&draft);
    assert_eq!(request.hospitals, ["標識病院", "第二標識病院"]);
    let said = request.circumstances;
    assert!(said.visits.len() == 1 && said.visits[0].hospital == "第二標識病院");
    assert!(said.visits[0].period == "平成30年春" && said.visits[0].patient_number.is_empty());
    assert_eq!(said.former_names, ["山﨑\u{E0100} 花子"]);
    assert_eq!((&*said.accommodation, &*said.safe_contact), ("標識の配慮", "標識の連絡"));

    draft.hospitals[0].name = " ".to_owned();
    draft.hospitals[1].period = "x".repeat(max::PERIOD + 1);
    draft.former_names = vec!["x".to_owned(); max::FORMER + 1];
    draft.safe_contact = "x".repeat(max::CARE + 1);
    assert_eq!(
        wrong(&draft),
        ["/former_names too-many", "/safe_contact too-long", "/hospitals/0 required", "/hospitals/1/period too-long"]
    );
}
