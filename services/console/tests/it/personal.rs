//! Personal values: the audit row first, sealed on the wire, on no page but the one that was asked for.

use crate::{desk::Desk, orders::other_end, story};
use contracts::{
    CaseId, PersonField, Service, Uuid,
    request::{Disclose, DisclosedReply, FoundCases, Request, SearchCases},
};
use privacy::Purpose;
use testkit::eventually;

const NAME: &str = "見本 花子";

async fn heard(desk: &Desk, browser: &crate::desk::Browser) -> CaseId {
    let case = CaseId(Uuid::now_v7());
    for (seq, machine, message) in story::disclosure(case) {
        desk.say(seq, machine, &message).await;
    }
    eventually("the case is there", || async {
        let page = browser.get(&format!("/cases/{case}")).await;
        if page.status == 200 { Ok(()) } else { Err(page.status) }
    })
    .await;
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_shown_only_when_asked_for_and_that_is_written_down_first() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    let case = heard(&desk, &browser).await;
    let csrf = browser.get(&format!("/cases/{case}")).await.csrf();
    let show = format!("/cases/{case}/show");

    // Intake does not answer: the look is written down all the same, because it was written first.
    let away = browser.post(&show, &[("csrf", &csrf)]).await;
    assert_eq!(away.status, 503);
    away.has("The service &#34;Intake&#34; does not answer");
    assert_eq!(desk.one::<i64>("select count(*) from console.view_audit").await, 1);

    let values = serde_json::json!({"name": NAME, "telephone": "0120-000-000"});
    let public = desk.key(Service::Console).public();
    let sealed = privacy::seal_to(&public, case.0.as_bytes(), values.to_string().as_bytes()).unwrap();
    let wrong_place = privacy::seal_to(&public, b"elsewhere", values.to_string().as_bytes()).unwrap();
    let replies =
        [DisclosedReply::Values { sealed }, DisclosedReply::Erased, DisclosedReply::Values { sealed: wrong_place }];
    let replies = replies.iter().map(|r| serde_json::to_vec(r).unwrap()).collect();
    let mut asked = other_end(&desk, Service::Intake, Disclose::ENTRY.subject(), replies).await;
    let page = browser.post(&show, &[("csrf", &csrf)]).await;
    assert_eq!(page.status, 200);
    page.has(NAME);
    assert_eq!(page.headers["cache-control"], "no-store");
    let question: Disclose = serde_json::from_slice(&asked.recv().await.unwrap()).unwrap();
    let cause: Uuid = desk.one("select id from console.view_audit order by at desc, id desc limit 1").await;
    assert_eq!((question.asker.as_str(), question.cause), ("console", cause));
    assert!(question.staff.is_some());

    browser.post(&show, &[("csrf", &csrf)]).await.has("was erased");
    assert_eq!(browser.post(&show, &[("csrf", &csrf)]).await.status, 503, "sealed for another place");
    assert!(!browser.get(&format!("/cases/{case}")).await.body.contains(NAME));

    let refused = sqlx::query("update console.view_audit set staff = gen_random_uuid()")
        .execute(&mut desk.house.admin().await)
        .await;
    assert!(refused.unwrap_err().to_string().contains("insert only"));
    let refused = sqlx::query("delete from console.view_audit").execute(&mut desk.house.admin().await).await;
    assert!(refused.unwrap_err().to_string().contains("insert only"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_by_name_crosses_the_bus_sealed_and_leaves_no_term_behind() {
    let desk = Desk::start(&[]).await;
    let intake = desk.key(Service::Intake);
    let browser = desk.signed_in().await;
    let case = heard(&desk, &browser).await;
    let csrf = browser.get("/cases").await.csrf();
    let found = [FoundCases { cases: vec![case] }, FoundCases { cases: vec![] }];
    let replies = found.iter().map(|r| serde_json::to_vec(r).unwrap()).collect();
    let mut asked = other_end(&desk, Service::Intake, SearchCases::ENTRY.subject(), replies).await;
    let form = [("csrf", csrf.as_str()), ("field", "name"), ("term", NAME)];
    let page = browser.post("/cases/search", &form).await;
    page.has(&story::number(7).to_string());
    assert!(!page.body.contains(NAME));
    browser.post("/cases/search", &form).await.has("No case matches");

    let question: SearchCases = serde_json::from_slice(&asked.recv().await.unwrap()).unwrap();
    assert_eq!(question.field, PersonField::Name);
    let term = intake.open(question.staff.0.as_bytes(), &question.term.0).unwrap();
    assert_eq!(term.disclose(Purpose::FindPerson), NAME.as_bytes());
    assert_eq!(desk.one::<i64>("select count(*) from console.view_audit where purpose = 'search'").await, 2);
    // Not every field may be searched by.
    assert_eq!(browser.post("/cases/search", &[("csrf", &csrf), ("field", "words"), ("term", "x")]).await.status, 422);

    let all: String = desk
        .one("select coalesce(string_agg(t::text, ' '), '') from (select to_jsonb(a) t from console.view_audit a union all select to_jsonb(c) from console.case_view c) x")
        .await;
    assert!(!all.contains(NAME));
}
