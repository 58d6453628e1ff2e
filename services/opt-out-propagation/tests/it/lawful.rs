//! Rows 3 and 4: a stop of one track, and the one way past a block.

use crate::{
    desk::{Desk, refused},
    gate::{asker, file_for, hanako, row, serving, use_of, words},
};
use contracts::{
    CaseId, ChangeId, Code, EntryId, Measure, Scope, StaffId, Timestamp, Uuid,
    duty::{ListBasedOnLaw, PassBasedOnLaw},
    gate::ListGateIncidents,
    request::StaffReply,
};
use opt_out_propagation::entry;
use privacy::Personal;
use serde_json::{Value, json};

const FILE: &str = "id,カナ,生年月日,性別\r\n1,ｽｽﾞｷ,1975-05-05,1\r\n2,ヤマダハナコ,1980-02-29,2\r\n";

/// A final stop of one or both tracks.
async fn stopped(desk: &Desk, scope: Scope) -> EntryId {
    let (case, entry, at) = (CaseId::new(), EntryId::new(), desk.bus.clock().now());
    desk.register.keep(case, entry, &Personal::new(hanako(&[]))).await.unwrap().unwrap();
    let change = ChangeId::derived(entry.0, "stop");
    let input = entry::Input::EnterStop { case, scope, measure: Measure::Stop, received_at: at, change, at };
    let done = desk.entries.handle(entry.0, chassis::Cause::Person(Uuid::now_v7()), input).await.unwrap();
    assert!(done.is_done(), "{done:?}");
    entry
}

fn path(track: &str, mode: &str) -> String {
    format!(
        "/partner/v1/gate/file?flow=hospital-supply&track={track}&mode={mode}&supplier=0110113719&notified_through=2020-05-01"
    )
}

/// What the database answers to a statement of the service's own role: the constraint that refuses.
async fn sql(desk: &Desk, statement: &'static str) -> String {
    match sqlx::query(statement).execute(desk.bus.db().pool()).await {
        Ok(done) => format!("{} rows", done.rows_affected()),
        Err(sqlx::Error::Database(error)) => error.constraint().unwrap_or(error.message()).to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_4_given_a_blocked_row_when_somebody_lets_it_pass_then_the_only_way_asks_for_the_article_and_two_people() {
    let desk = serving().await;
    let (who, other) = (asker(&desk, "one").await, asker(&desk, "two").await);
    let entry = stopped(&desk, Scope::Both).await;
    assert_eq!(refused(&file_for(&desk, Scope::Anonymised).await), None);
    let send = |text: &'static str, mode: &'static str| {
        let who = &who;
        async move {
            let answered = who.post(&path("anonymised", mode), "text/csv", text).await;
            assert_eq!(answered.status().as_u16(), 200);
            let run: Uuid = answered.headers()["madoguchi-gate-run"].to_str().unwrap().parse().unwrap();
            (run, answered.text().await.unwrap())
        }
    };
    let (run, out) = send(FILE, "remove").await;
    assert!(!out.contains("ヤマダ"), "{out}");

    let until = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
    let order = PassBasedOnLaw { run, entry, article: Code::of("pmd-act-68-2-5"), until };
    let (one, two) = (StaffId::new(), StaffId::new());
    let say = |staff: StaffId, order: PassBasedOnLaw| {
        let desk = &desk;
        async move {
            match desk.order(staff, order).await {
                StaffReply::Done { status, .. } => status.to_string(),
                StaffReply::Refused { reason, .. } => reason.to_string(),
            }
        }
    };
    let long = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24 * 31)).unwrap();
    assert_eq!(say(one, PassBasedOnLaw { until: long, ..order.clone() }).await, "at-most-30-days");
    let nobody = PassBasedOnLaw { entry: EntryId::new(), ..order.clone() };
    assert_eq!(say(one, nobody).await, "no-such-row-in-this-file");
    assert_eq!(say(one, order.clone()).await, "awaits-second-person");
    assert!(!send(FILE, "remove").await.1.contains("ヤマダ"), "one person lets nobody pass");
    assert_eq!(say(one, order.clone()).await, "second-person-needed");
    let second = "update gate_based_on_law set second = first, second_staff = first_staff, second_at = now()";
    assert_eq!(sql(&desk, second).await, "based_on_law_two_people");
    let forged =
        "update gate_based_on_law set second = gen_random_uuid(), second_staff = gen_random_uuid(), second_at = now()";
    assert_eq!(sql(&desk, forged).await, "based_on_law_orders");
    let otherwise = PassBasedOnLaw { article: Code::of("other-act-1"), ..order.clone() };
    assert_eq!(say(two, otherwise).await, "first-person-said-otherwise");
    assert_eq!(say(two, order.clone()).await, "passes-based-on-law");

    // It passes, with an answer of its own, in the report, the run and the list.
    let (passed, out) = send(FILE, "remove").await;
    assert_eq!(out, FILE);
    let shown: Value = who.get(&format!("/partner/v1/gate/runs/{passed}")).await.json().await.unwrap();
    let counts = &shown["counts"];
    assert_eq!((&counts["no_match"], &counts["exact"], &counts["based_on_law"]), (&json!(1), &json!(0), &json!(1)));
    let report = who.get(&format!("/partner/v1/gate/runs/{passed}/report?after=0")).await.text().await.unwrap();
    let line: Value = serde_json::from_str(report.lines().next().unwrap()).unwrap();
    assert_eq!((&line["answer"], &line["article"]), (&json!("based-on-law"), &json!("pmd-act-68-2-5")));
    let incidents = desk.ask(&ListGateIncidents {}).await.incidents;
    let of = |run: Uuid| incidents.iter().find(|i| i.file.as_str() == run.to_string()).unwrap();
    assert_eq!((of(run).article.clone(), of(passed).article.clone()), (None, Some(Code::of("pmd-act-68-2-5"))));
    let (_, marked) = send(FILE, "mark").await;
    assert!(marked.lines().last().unwrap().ends_with(",based-on-law"), "{marked}");
    let listed = desk.ask(&ListBasedOnLaw {}).await.rows;
    assert_eq!((listed.len(), listed[0].first.0, listed[0].second.map(|s| s.0)), (1, one, Some(two)));

    // This file, this asker, this entry: nothing else.
    let (_, out) = send("id,カナ,生年月日,性別\r\n2,ヤマダハナコ,1980-02-29,2\r\n", "remove").await;
    assert!(!out.contains("ヤマダ"));
    let out = other.post(&path("anonymised", "remove"), "text/csv", FILE).await.text().await.unwrap();
    assert!(!out.contains("ヤマダ"));
    assert_eq!(words(&who.check(use_of(&[row()])).await.1), ["exact"]);
    // Nor is there another way for a program with the service's own role.
    for (statement, refuses) in [
        ("update register_entry set blocked_since = null", "a_final_stop_stays"),
        ("update register_entry set scope = 'pseudonymised'", "a_final_stop_stays"),
        ("delete from register_entry", "a_final_stop_stays"),
        ("delete from gate_entry", "a_final_stop_stays"),
        ("update gate_entry set entry = gen_random_uuid()", "a_final_stop_stays"),
        ("update gate_position set position = 0", "the_gate_goes_on"),
        ("update gate_based_on_law set until = until + interval '1 day'", "based_on_law_stays"),
        ("update gate_based_on_law set sha256 = sha256(sha256)", "based_on_law_stays"),
        ("delete from gate_based_on_law", "based_on_law_stays"),
        ("update gate_finding set answer = 'no-match'", "gate_finding_article"),
    ] {
        assert_eq!(sql(&desk, statement).await, refuses, "{statement}");
    }
    assert_eq!(words(&who.check(use_of(&[row()])).await.1), ["exact"]);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
