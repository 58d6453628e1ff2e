//! 提供停止: from the form to two contractors' systems and back to the person.

use super::{
    contractors::{by_webhook, over_nats},
    desk::Desk,
    mails,
    people::{Person, opt_out_until_confirmed},
    reckoning::{self, Told},
};
use contracts::{EndedAs, Measure, Step, desk::RecipientsView};
use launcher::story;

/// What the page shows in the clear; nobody's details are among it.
fn shows_nobody(view: &contracts::desk::StatusView, person: &Person) {
    let json = serde_json::to_string(view).unwrap();
    for word in [&person.name, &person.kana, &person.mail] {
        assert!(!json.contains(word.as_str()), "{json}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reaches_every_contractor_and_is_told_when_all_have_reported() {
    let desk = Desk::open().await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    let person = Person::number(1);
    let filed = desk.file(&story::opt_out_of(&person.json())).await;

    let provisional = desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    assert_eq!(
        (provisional.step, provisional.recipients),
        (Step::Verifying, None),
        "blocked before anybody looked at papers, and nobody is told yet"
    );
    assert_eq!(provisional.suit_from, None, "a stop has no suit clock (APPI art. 39(1))");
    assert_eq!(desk.count("select count(*) from optout.delivery").await, 0);

    super::people::confirm(&desk, &filed).await;
    let end = desk.until(&filed, "every contractor's report", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    assert_eq!(end.recipients, Some(RecipientsView { instructed: 2, reported: 2 }));
    assert_eq!(end.blocked_since, provisional.blocked_since, "the stop holds since the provisional block");
    shows_nobody(&end, &person);
    for contractor in &contractors {
        contractor.has_applied(1).await;
        assert_eq!(contractor.running.contractor.stopped(&person.kana, person.birth_date), Some(Measure::Stop));
    }
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 3).await;
    reckoning::holds(&desk, Told::of(1, 0)).await;

    let view: serde_json::Value = sqlx::query_scalar("select view from case_view where id = $1")
        .bind(filed.case.0)
        .fetch_one(desk.console.pool())
        .await
        .unwrap();
    assert_eq!(view["ended"]["value"]["ended_as"], "stopped");
    assert_eq!(view["identity"]["value"]["status"], "confirmed");
    let settled: i64 = sqlx::query_scalar("select count(*) from instruction_view where case_id = $1 and settled")
        .bind(filed.case.0)
        .fetch_one(desk.console.pool())
        .await
        .unwrap();
    assert_eq!(settled, 2);
}

/// One instruction per recipient and stop, and a recipient that comes later is told of later stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_stops_at_once_give_each_recipient_each_of_them_once() {
    let desk = Desk::open().await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    let people: Vec<Person> = (0..6).map(Person::number).collect();
    let filed = futures::future::join_all(people.iter().map(|p| opt_out_until_confirmed(&desk, p))).await;
    for filed in &filed {
        desk.until(filed, "the stop is confirmed", |s| s.ended_as == Some(EndedAs::Stopped)).await;
    }
    for contractor in &contractors {
        contractor.has_applied(6).await;
    }
    reckoning::holds(&desk, Told::of(6, 0)).await;
}

/// A stop without anybody to tell is confirmed at once: the block is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_recipients_ends_stopped() {
    let desk = Desk::open().await;
    let person = Person::number(3);
    let filed = opt_out_until_confirmed(&desk, &person).await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    reckoning::holds(&desk, Told { instructions: 0, ..Told::of(1, 0) }).await;
}
