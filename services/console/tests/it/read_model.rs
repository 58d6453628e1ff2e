//! Facts over the bus into the pages; and the rows are the same in whatever order they come.

use crate::{
    desk::{Desk, envelope},
    story,
};
use chassis::Heard;
use contracts::{CaseId, Envelope, Uuid};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use testkit::{House, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_services_say_is_on_the_pages() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    let (a, b) = (CaseId(Uuid::now_v7()), CaseId(Uuid::now_v7()));
    let mut facts = story::disclosure(a);
    facts.extend(story::stop(b));
    // The last ones first, and some of them twice.
    facts.reverse();
    facts.extend(story::disclosure(a).into_iter().take(4));
    for (seq, machine, message) in &facts {
        desk.say(*seq, *machine, message).await;
    }
    let page = eventually("the stop's page has its last fact", || async {
        let page = browser.get(&format!("/cases/{a}")).await;
        if page.status == 200 && page.body.matches("<li><p class=\"head\">").count() == 9 {
            Ok(page)
        } else {
            Err(page.body)
        }
    })
    .await;
    page.has(&story::number(7).to_string());
    page.has("Answering");
    page.has("identity confirmed");
    page.has("4,000 yen");
    page.has("1234567897");
    page.has("4bf92f3577b34da6a3ce929d0e0e4736");
    page.has("order/decide");
    assert!(!page.body.contains("order/confirm-identity"), "it is confirmed");
    assert!(!page.body.contains("order/erase"), "it has not ended");

    let page = eventually("three instructions", || async {
        let page = browser.get(&format!("/cases/{b}")).await;
        if page.body.contains("1 / 3") && page.body.contains("Overdue") { Ok(page) } else { Err(page.body) }
    })
    .await;
    page.has("Stopped, recipients instructed");
    page.has("could not be sent");

    let list = browser.get("/cases").await;
    list.has(&story::number(7).to_string());
    list.has(&story::number(9).to_string());
    let stops = browser.get("/cases?kind=provision-stop").await;
    assert!(!stops.body.contains(&story::number(7).to_string()));
    assert!(!browser.get("/cases?step=answering").await.body.contains(&story::number(9).to_string()));
    let found = browser.get(&format!("/cases?number={}", story::number(9).to_string().to_lowercase())).await;
    assert_eq!(found.location(), format!("/cases/{b}"));
    browser.get("/cases?number=M-0000-0000-0001").await.has("has a slip");

    let incidents = browser.get("/incidents").await;
    for words in ["Deposit not matched", "Report refused", "Report overdue", "Notice failed"] {
        incidents.has(words);
    }
    browser.get("/bank").await.has("<td data-label=\"Exceptions\">2</td>");

    for (seq, machine, message) in story::decided(a) {
        desk.say(seq, machine, &message).await;
    }
    eventually("it ended", || async {
        let page = browser.get(&format!("/cases/{a}")).await;
        if page.body.contains("order/erase") { Ok(()) } else { Err(page.body) }
    })
    .await;
    assert!(!browser.get("/cases").await.body.contains(&story::number(7).to_string()), "ended ones leave the list");
    browser.get("/cases?step=any").await.has(&story::number(7).to_string());
}

/// Every table of the read model as one text.
async fn rows(house: &House) -> String {
    let mut admin = house.admin().await;
    let sql = "select string_agg(t, E'\\n' order by t) from (
        select 'case ' || c::text t from console.case_view c union all select 'charge ' || c::text from console.charge_view c
        union all select 'entry ' || c::text from console.entry_view c
        union all select 'instruction ' || c::text from console.instruction_view c
        union all select 'notice ' || c::text from console.notice_view c
        union all select 'statement ' || c::text from console.statement_view c
        union all select 'incident ' || c::text from console.incident_view c
        union all select 'fact ' || c::text from console.fact_view c) all_rows";
    sqlx::query_scalar(sql).fetch_one(&mut admin).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn shuffled_and_repeated_facts_give_the_same_rows() {
    let house = House::start(&[console::schema()], &[]).await;
    let db = house.runtime(&[]).db("console").await.unwrap();
    let (a, b) = (CaseId(Uuid::from_u128(1)), CaseId(Uuid::from_u128(2)));
    let mut facts = story::disclosure(a);
    facts.extend(story::decided(a));
    facts.extend(story::stop(b));
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut first: Option<String> = None;
    for _ in 0..6 {
        let again: Vec<_> = facts.iter().take(9).cloned().collect();
        let mut order = facts.clone();
        order.extend(again);
        if first.is_some() {
            order.shuffle(&mut random);
        }
        for (seq, machine, message) in order {
            let (_, bytes) = envelope(seq, machine, &message);
            let (envelope, message) = Envelope::decode(&bytes).unwrap();
            let heard = Heard { envelope, message, bytes };
            db.write(move |tx| Box::pin(async move { console::store::take(tx, &heard).await })).await.unwrap();
        }
        let now = rows(&house).await;
        assert_eq!(*first.get_or_insert_with(|| now.clone()), now, "seed {seed}");
        let heard: i64 = sqlx::query_scalar("select count(*) from console.inbox where state = 'done'")
            .fetch_one(&mut house.admin().await)
            .await
            .unwrap();
        assert_eq!(heard as usize, facts.len(), "one inbox row per message");
        let empty = "truncate console.case_view, console.charge_view, console.entry_view, console.instruction_view,
            console.notice_view, console.statement_view, console.incident_view, console.fact_view, console.inbox";
        sqlx::query(empty).execute(&mut house.admin().await).await.unwrap();
    }
}
