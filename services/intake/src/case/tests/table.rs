//! Every input in every state has a verdict, and the verdict is written here.

use super::*;

/// A state of every status, with the words that lead there.
pub fn states() -> Vec<(&'static str, Story)> {
    let lapse = |story: Story| {
        let now = Case::wake(&story.state).unwrap();
        story.then(Input::Clock { now })
    };
    vec![
        ("absent", Story::default()),
        ("disclosure-verifying", Story::of(Kind::Disclosure)),
        ("disclosure-completing", Story::of(Kind::Disclosure).hears(deficient(10, "no-photo"))),
        ("disclosure-awaiting-fee", Story::of(Kind::Disclosure).hears(confirmed(11))),
        ("disclosure-answering", Story::of(Kind::Disclosure).hears(confirmed(11)).hears(fee_paid(1, 12))),
        (
            "disclosure-decided",
            Story::of(Kind::Disclosure)
                .hears(confirmed(11))
                .hears(fee_paid(1, 12))
                .hears(decided(DecisionOutcome::Full, 13)),
        ),
        ("disclosure-unpaid", Story::of(Kind::Disclosure).hears(confirmed(11)).hears(expired(1, 20))),
        ("disclosure-withdrawn", Story::of(Kind::Disclosure).then(withdraw(15))),
        ("disclosure-rejected", Story::of(Kind::Disclosure).hears(rejected(11))),
        ("stop-verifying", Story::of(Kind::ProvisionStop)),
        ("stop-completing", Story::of(Kind::ProvisionStop).hears(deficient(10, "no-photo"))),
        ("stop-propagating", Story::of(Kind::ProvisionStop).hears(confirmed(11))),
        ("stop-stopped", Story::of(Kind::ProvisionStop).hears(confirmed(11)).hears(stop_confirmed(1, 30))),
        ("stop-lapsed", lapse(Story::of(Kind::ProvisionStop).hears(deficient(10, "no-photo")))),
        ("complaint-answering", Story::of(Kind::Complaint)),
        ("erasing", Story::of(Kind::Disclosure).then(withdraw(15)).then(erase(16))),
        (
            "erased",
            Story::of(Kind::Disclosure).then(withdraw(15)).then(erase(16)).then(Input::KeyDestroyed { at: hours(17) }),
        ),
    ]
}

/// One of every input, for the present round.
pub fn inputs() -> Vec<(&'static str, Input)> {
    let fact = |f| Input::Fact(f);
    vec![
        ("filed", filed(Kind::Disclosure)),
        ("withdraw", withdraw(40)),
        ("revive", revive(24 * 40)),
        ("erase", erase(24 * 41)),
        ("key-destroyed", Input::KeyDestroyed { at: hours(24 * 42) }),
        ("clock-now", clock(11)),
        ("clock-late", clock(24 * 39)),
        ("confirmed", fact(confirmed(11))),
        ("deficient", fact(deficient(10, "no-photo"))),
        ("rejected", fact(rejected(11))),
        ("fee-requested", fact(fee_requested(1, 2))),
        ("fee-paid", fact(fee_paid(1, 12))),
        ("charge-expired", fact(expired(1, 20))),
        ("decided", fact(decided(DecisionOutcome::Full, 13))),
        ("block-placed", fact(placed(1, 1))),
        ("block-lifted", fact(lifted(1, 16))),
        ("stop-entered", fact(stop_entered(1, 12))),
        ("fanned-out", fact(fanned_out(1, 12))),
        ("settled", fact(settled(1, 0, 20))),
        ("stop-confirmed", fact(stop_confirmed(1, 30))),
    ]
}

fn word(verdict: &Verdict<Event, Refusal>) -> String {
    match verdict {
        Verdict::Events(events) => {
            let kind = |e: &Event| serde_json::to_value(e).unwrap()["event"].as_str().unwrap().to_owned();
            format!("+ {}", events.iter().map(kind).collect::<Vec<_>>().join(" "))
        }
        Verdict::Already => "already".into(),
        Verdict::TooEarly => "too-early".into(),
        Verdict::Refused(why) => format!("refused {}", Code::from(*why)),
    }
}

#[test]
fn every_input_in_every_state_has_the_verdict_that_is_written_down() {
    let mut table = String::new();
    for (state, story) in states() {
        for (input, what) in inputs() {
            let verdict = Case::decide(&story.state, &what);
            table.push_str(&format!("{state} · {input} · {}\n", word(&verdict)));
        }
    }
    let written = include_str!("verdicts.txt");
    let wrong: Vec<String> = table
        .lines()
        .zip(written.lines().chain(std::iter::repeat("")))
        .filter(|(now, then)| now != then)
        .map(|(now, then)| format!("is      {now}\nwritten {then}"))
        .collect();
    assert!(
        wrong.is_empty() && table.lines().count() == written.lines().count(),
        "{}\n\nall:\n{table}",
        wrong.join("\n")
    );
}

#[test]
fn the_states_reach_every_status_and_the_diagram_shows_them_all() {
    let reached: std::collections::BTreeSet<String> = states().iter().map(|(_, s)| s.status()).collect();
    let listed: std::collections::BTreeSet<String> = STATUSES.iter().map(|s| (*s).to_owned()).collect();
    assert_eq!(reached, listed);
    let readme = include_str!("../../../README.md");
    let diagram = readme.split("```mermaid").nth(1).and_then(|rest| rest.split("```").next()).expect("a diagram");
    let mut drawn = std::collections::BTreeSet::new();
    for line in diagram.lines().map(str::trim).filter(|l| l.contains("-->")) {
        let (from, rest) = line.split_once("-->").unwrap();
        let to = rest.split(':').next().unwrap();
        drawn.extend([from, to].into_iter().map(str::trim).filter(|s| *s != "[*]").map(|s| s.replace('_', "-")));
    }
    assert_eq!(drawn, listed);
}

#[test]
fn every_arrow_that_is_walked_is_drawn() {
    let readme = include_str!("../../../README.md");
    for (name, story) in states() {
        for (input, what) in inputs() {
            let mut walk = Story { state: story.state.clone(), ..Story::default() };
            let from = walk.status();
            walk.feed(&what);
            let arrow = format!("{} --> {}", from.replace('-', "_"), walk.status().replace('-', "_"));
            assert!(from == walk.status() || readme.contains(&arrow), "{name} · {input}: README lacks `{arrow}`");
        }
    }
}

#[test]
fn nothing_moves_a_machine_to_wake_in_the_past() {
    for (name, story) in states() {
        for n in 0..60 {
            let now = hours(n * 24);
            let mut walk = Story { state: story.state.clone(), ..Story::default() };
            walk.feed(&Input::Clock { now });
            assert!(Case::wake(&walk.state).is_none_or(|w| w > now), "{name} on day {n}");
        }
    }
}
