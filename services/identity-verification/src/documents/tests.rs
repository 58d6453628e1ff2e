//! Every rule of the matrix: papers that suffice by it, and the same papers less one, which do not.

use super::*;
use jiff::civil::date;
use proptest::prelude::*;

const ON: Date = date(2026, 6, 1);

fn codes(words: &str) -> Vec<Code> {
    words.split_whitespace().map(|w| w.parse().unwrap()).collect()
}

fn judge(papers: &str, capacity: Capacity, track: Track, on: Date) -> Judgement {
    Matrix::embedded().suffices(&codes(papers), capacity, track, on)
}

fn missing(words: &str) -> Judgement {
    Judgement::Missing { codes: codes(words), not_accepted: vec![] }
}

/// Papers, capacity, track, and the rule by which they suffice.
const CASES: &[(&str, Capacity, Track, &str)] = &[
    ("drivers-licence", Capacity::Person, Track::Appi, "self-by-one-photo"),
    ("drivers-licence", Capacity::Person, Track::Act, "self-by-one-photo"),
    ("eligibility-certificate care-insurance-card", Capacity::Person, Track::Appi, "self-by-two-plain"),
    ("eligibility-certificate residence-record", Capacity::Person, Track::Act, "self-by-plain-and-residence"),
    ("passport-without-address residence-record", Capacity::Person, Track::Appi, "self-by-passport-and-residence"),
    ("bar-card power-of-attorney principals-seal-certificate", Capacity::Agent, Track::Appi, "agent-seal-by-bar-card"),
    ("my-number-card family-register", Capacity::Parent, Track::Appi, "parent-by-one-photo"),
    ("my-number-card residence-record-with-relation", Capacity::Parent, Track::Act, "parent-by-one-photo"),
    ("residence-card family-register", Capacity::MinorsGuardian, Track::Appi, "minors-guardian-register-by-one-photo"),
    ("residence-card court-certificate", Capacity::MinorsGuardian, Track::Appi, "minors-guardian-court-by-one-photo"),
    (
        "residence-card guardianship-certificate",
        Capacity::MinorsGuardian,
        Track::Act,
        "minors-guardian-certificate-by-one-photo",
    ),
    ("drivers-licence guardianship-certificate", Capacity::AdultsGuardian, Track::Appi, "adults-guardian-by-one-photo"),
    (
        "drivers-licence guardianship-certificate list-of-powers",
        Capacity::Curator,
        Track::Appi,
        "curator-powers-by-one-photo",
    ),
    (
        "drivers-licence guardianship-certificate power-of-attorney",
        Capacity::Curator,
        Track::Appi,
        "curator-mandate-by-one-photo",
    ),
    (
        "drivers-licence guardianship-certificate list-of-powers",
        Capacity::Assistant,
        Track::Act,
        "assistant-powers-by-one-photo",
    ),
    (
        "drivers-licence guardianship-certificate power-of-attorney",
        Capacity::Assistant,
        Track::Act,
        "assistant-mandate-by-one-photo",
    ),
    (
        "drivers-licence supervised-guardianship-certificate",
        Capacity::VoluntaryGuardian,
        Track::Appi,
        "voluntary-guardian-by-one-photo",
    ),
    (
        "drivers-licence power-of-attorney principals-seal-certificate",
        Capacity::Agent,
        Track::Act,
        "agent-seal-by-one-photo",
    ),
    ("drivers-licence power-of-attorney principals-id-copy", Capacity::Agent, Track::Appi, "agent-copy-by-one-photo"),
    ("drivers-licence death-and-relation-register", Capacity::Bereaved, Track::Act, "bereaved-by-one-photo"),
    (
        "drivers-licence death-register common-law-residence-record",
        Capacity::Bereaved,
        Track::Act,
        "bereaved-common-law-by-one-photo",
    ),
];

#[test]
fn every_rule_of_the_matrix_is_satisfied_by_its_papers_and_by_no_fewer() {
    let mut proved = BTreeSet::new();
    for (papers, capacity, track, rule) in CASES {
        let code: Code = rule.parse().unwrap();
        assert_eq!(judge(papers, *capacity, *track, ON), Judgement::Sufficient { rule: code }, "{papers}");
        let all = codes(papers);
        for left_out in 0..all.len() {
            let mut fewer = all.clone();
            fewer.remove(left_out);
            let verdict = Matrix::embedded().suffices(&fewer, *capacity, *track, ON);
            assert!(matches!(verdict, Judgement::Missing { .. }), "{papers} without {left_out}: {verdict:?}");
        }
        let (c, p) = rule.split_once("-by-").unwrap();
        proved.insert(("capacity", c.to_owned()));
        proved.insert(("person", p.to_owned()));
    }
    let file = &Matrix::embedded().0;
    let rules = file.person.iter().map(|r| ("person", r.code.to_string()));
    for rule in rules.chain(file.capacity.iter().map(|r| ("capacity", r.code.to_string()))) {
        assert!(proved.contains(&rule), "{rule:?} has no test");
    }
}

#[test]
fn every_paper_of_the_matrix_counts_for_something_that_a_rule_needs() {
    let file = &Matrix::embedded().0;
    let needed: BTreeSet<&Code> =
        file.person.iter().flat_map(|r| &r.needs).chain(file.capacity.iter().flat_map(|r| &r.needs)).collect();
    for paper in &file.paper {
        assert!(paper.counts_as.iter().any(|c| needed.contains(c)), "{} is good for nothing", paper.code);
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(judge("", Capacity::Person, Track::Appi, ON), missing("photo-id"));
    assert_eq!(judge("eligibility-certificate", Capacity::Person, Track::Appi, ON), missing("photo-id"));
    assert_eq!(judge("passport-without-address", Capacity::Person, Track::Appi, ON), missing("photo-id"));
    assert_eq!(judge("drivers-licence", Capacity::Parent, Track::Appi, ON), missing("family-register"));
    assert_eq!(
        judge("drivers-licence power-of-attorney", Capacity::Agent, Track::Appi, ON),
        missing("principals-seal-certificate")
    );
    assert_eq!(
        judge("", Capacity::Agent, Track::Appi, ON),
        missing("power-of-attorney principals-seal-certificate photo-id")
    );
}

#[test]
fn the_health_insurance_card_ended_on_2025_12_02() {
    let papers = "health-insurance-card care-insurance-card";
    let rule = Code::of("self-by-two-plain");
    assert_eq!(judge(papers, Capacity::Person, Track::Appi, date(2025, 12, 1)), Judgement::Sufficient { rule });
    assert_eq!(
        judge(papers, Capacity::Person, Track::Appi, date(2025, 12, 2)),
        Judgement::Missing { codes: codes("photo-id"), not_accepted: codes("health-insurance-card") }
    );
    assert!(matches!(
        judge("eligibility-certificate care-insurance-card", Capacity::Person, Track::Appi, date(2024, 12, 1)),
        Judgement::Missing { .. }
    ));
}

#[test]
fn a_new_passport_proves_no_address_and_an_old_one_does() {
    let rule = Code::of("self-by-one-photo");
    assert_eq!(judge("passport-with-address", Capacity::Person, Track::Act, ON), Judgement::Sufficient { rule });
    assert!(matches!(judge("passport-without-address", Capacity::Person, Track::Act, ON), Judgement::Missing { .. }));
}

#[test]
fn one_paper_counts_once_and_for_one_thing() {
    assert!(matches!(
        judge("eligibility-certificate eligibility-certificate", Capacity::Person, Track::Appi, ON),
        Judgement::Missing { .. }
    ));
    // The register that shows death and relation is not also the second paper that the common-law rule asks for.
    assert!(matches!(
        judge("drivers-licence common-law-residence-record", Capacity::Bereaved, Track::Act, ON),
        Judgement::Missing { .. }
    ));
}

#[test]
fn a_lawyers_card_proves_an_agent_only() {
    assert!(matches!(judge("bar-card", Capacity::Person, Track::Appi, ON), Judgement::Missing { .. }));
}

/// APPI 2条1項 protects the living; 施行令11条 gives relatives the stop under the Act, and nothing else.
#[test]
fn relatives_of_the_dead_have_no_rule_on_the_appi_track() {
    let papers = "drivers-licence death-and-relation-register";
    assert_eq!(judge(papers, Capacity::Bereaved, Track::Appi, ON), Judgement::NoRule);
    assert_eq!(judge(papers, Capacity::Person, Track::Desk, ON), Judgement::NoRule);
}

#[test]
fn an_unknown_paper_is_named() {
    assert_eq!(
        judge("drivers-licence library-card", Capacity::Person, Track::Appi, ON),
        Judgement::UnknownPaper(Code::of("library-card"))
    );
}

#[test]
fn a_matrix_with_a_slip_is_refused_with_its_place() {
    let good = "edition = \"a\"\nperson = []\n[[paper]]\ncode = \"p\"\ncounts-as = [\"x\"]\n";
    let rule = |needs: &str| {
        format!(
            "{good}[[capacity]]\ncode=\"r\"\ncapacity=\"person\"\ntracks=[\"act\"]\nneeds=[\"{needs}\"]\nfrom=\"2026-01-01\"\n"
        )
    };
    assert!(Matrix::parse(&rule("x")).is_ok());
    assert_eq!(
        Matrix::parse(&rule("y")).unwrap_err().to_string(),
        "document matrix: rule r needs y, which no paper counts as; add the paper or mend the rule"
    );
    let twice =
        format!("{good}[[paper]]\ncode = \"p\"\ncounts-as = []\n{}", "capacity = []\n".replace("capacity = []\n", ""));
    let twice = format!("capacity = []\n{twice}");
    assert!(matches!(Matrix::parse(&twice), Err(MatrixError::Twice(_))));
    assert!(matches!(Matrix::parse(&good.replace("edition", "editon")), Err(MatrixError::Form(_))));
}

fn papers() -> impl Strategy<Value = Vec<Code>> {
    let all: Vec<Code> = Matrix::embedded().papers().cloned().collect();
    prop::collection::vec(prop::sample::select(all), 0..8)
}

proptest! {
    /// More papers never hurt, and neither does their order.
    #[test]
    fn sufficiency_is_monotone(some in papers(), more in papers(), capacity in prop::sample::select(Capacity::ALL),
                               track in prop::sample::select(Track::ALL)) {
        let matrix = Matrix::embedded();
        let before = matrix.suffices(&some, capacity, track, ON);
        let mut all = more;
        all.extend(some);
        let after = matrix.suffices(&all, capacity, track, ON);
        if matches!(before, Judgement::Sufficient { .. }) {
            prop_assert!(matches!(&after, Judgement::Sufficient { .. }), "{after:?}");
        }
        all.reverse();
        prop_assert_eq!(matrix.suffices(&all, capacity, track, ON), after);
    }
}
