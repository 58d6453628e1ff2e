//! 開示: fee, identity and decision, told through the status page; money booked to the yen.

use super::{
    desk::Desk,
    mails,
    people::{self, Person, asked_fee, confirm, decide, deposits, pay, transactions},
    reckoning::{self, Told},
};
use contracts::{DecisionOutcome, EndedAs, Step};
use launcher::story;
use std::collections::BTreeMap;

async fn balances(desk: &Desk) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select account, sum(amount)::bigint from payment.ledger_posting group by account having sum(amount) <> 0",
    )
    .fetch_all(&mut desk.admin().await)
    .await
    .unwrap();
    rows.into_iter().collect()
}

fn books(pairs: [(&str, i64); 2]) -> BTreeMap<String, i64> {
    pairs.into_iter().map(|(a, n)| (a.to_owned(), n)).collect()
}

/// 振込入金通知 (type 01) and 入出金取引明細 (type 03), each of an account of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_disclosure_is_decided_and_told() {
    let desk = Desk::open().await;
    for (n, bank) in [(1, deposits()), (2, transactions())] {
        let person = Person::number(n);
        let filed = people::disclosure(&desk, &person, &bank).await;
        let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
        let decision = end.decision.unwrap();
        assert_eq!((decision.outcome, decision.ground.as_str()), (DecisionOutcome::Full, "appi-33-2"));
        assert_eq!(end.fee.map(|f| (f.amount.0, f.paid)), Some((4_000, true)));
        // Received today: a suit is open after two weeks, unless it is refused (duty row 43).
        assert!(end.suit_from.unwrap() > desk.today());
        mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 4).await;
        let view: serde_json::Value = sqlx::query_scalar("select view from case_view where id = $1")
            .bind(filed.case.0)
            .fetch_one(desk.console.pool())
            .await
            .unwrap();
        assert_eq!(view["decision"]["value"]["outcome"], "full");
        assert_eq!(view["ended"]["value"]["ended_as"], "decided");
    }
    reckoning::holds(&desk, Told::of(0, 2)).await;
    assert_eq!(
        balances(&desk).await,
        books([("bank", 8_000), ("fee-income", -8_000)]),
        "performed: the advance is income"
    );
}

/// 不開示: reasons are sealed, the mail tells nothing, and the suit is open at once (APPI art. 36, 39(1)).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_its_ground_and_opens_the_suit_at_once() {
    let desk = Desk::open().await;
    let person = Person::number(4);
    let filed = desk.file(&story::disclosure_to(&person.json())).await;
    let fee = asked_fee(&desk, &filed).await;
    pay(&desk, &deposits(), &fee).await;
    confirm(&desk, &filed).await;
    decide(
        &desk,
        &filed,
        DecisionOutcome::Refused,
        "appi-33-2-1",
        Some("他の方の権利利益を害するおそれがあるためです。"),
    )
    .await;
    let end = desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Decided));
    assert_eq!(end.decision.as_ref().map(|d| d.outcome), Some(DecisionOutcome::Refused));
    assert_eq!(end.suit_from, Some(calendar::jst_date(end.decision.unwrap().at)));
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 4).await;
    reckoning::holds(&desk, Told::of(0, 1)).await;
    let words: i64 = desk
        .count("select count(*) from fulfilment.answer_record where encode(sealed, 'escape') like '%権利利益%'")
        .await;
    assert_eq!(words, 0, "the reasons lie sealed");
}

/// Money that nobody can place waits for a person, and nobody is told that it came.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_without_a_reference_moves_no_case() {
    let desk = Desk::open().await;
    let filed = desk.file(&story::disclosure_to(&Person::number(5).json())).await;
    let fee = asked_fee(&desk, &filed).await;
    confirm(&desk, &filed).await;
    let on = desk.today();
    let stranger = payment_reconciliation::zengin::sample::SampleLine::deposit(on, 4_000, "", "ﾀﾅｶ ｲﾁﾛｳ");
    people::bring(&desk, &deposits(), on, &[stranger]).await;
    desk.until(&filed, "it waits for the fee", |s| {
        s.step == Step::AwaitingFee && s.fee.as_ref().is_some_and(|f| !f.paid)
    })
    .await;
    assert_eq!(balances(&desk).await, books([("bank", 4_000), ("suspense", -4_000)]));
    pay(&desk, &deposits(), &fee).await;
    decide(&desk, &filed, DecisionOutcome::DoesNotExist, "appi-33-3", Some("該当する記録がないためです。")).await;
    desk.until(&filed, "the end", |s| s.ended_as == Some(EndedAs::Decided)).await;
    reckoning::holds(&desk, Told::of(0, 1)).await;
    let waiting = desk.count("select count(*) from console.incident_view where word = 'line-unmatched'").await;
    assert_eq!(waiting, 1, "staff are told");
}
