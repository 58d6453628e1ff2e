//! Input that is wrong: a clear problem document or message that names the field, nothing half-written, nothing personal.

use super::{desk::Desk, people::Person};
use console::By;
use contracts::{Code, request::StaffReply};
use launcher::story;
use serde_json::{Value, json};

/// Posts and gives status and problem.
async fn post(desk: &Desk, key: &str, body: String) -> (u16, Value) {
    let http = reqwest::Client::new();
    let request = http
        .post(format!("{}/api/v1/requests", desk.public_url))
        .header("Idempotency-Key", key)
        .header("Content-Type", "application/json");
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").unwrap().to_str().unwrap().to_owned();
    assert!(status < 300 || kind.starts_with("application/problem+json"), "{status} {kind}");
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_filing_is_a_problem_document_and_leaves_nothing_behind() {
    let desk = Desk::open().await;
    let good = story::opt_out_of(&Person::number(1).json());
    let with = |at: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(at).unwrap() = value;
        body.to_string()
    };
    let wrong = [
        ("{\"kind\": \"provision-st".to_owned(), 400, ""),
        (with("/kind", json!("erasure")), 422, "/kind"),
        (with("/person/birth_date", json!("1981-02-29")), 422, "/person/birth_date"),
        (with("/person/birth_date", json!("2999-01-01")), 422, "/person/birth_date"),
        (with("/person/sex", json!("none of your words")), 422, "/person/sex"),
        (with("/capacity", json!(7)), 422, "/capacity"),
        (format!("{{\"words\": \"{}\"}}", "あ".repeat(40_000)), 413, ""),
    ];
    for (n, (body, expected, field)) in wrong.into_iter().enumerate() {
        let (status, problem) = post(&desk, &format!("wrong-{n}"), body).await;
        assert_eq!(status, expected, "{problem}");
        let text = problem.to_string();
        assert!(text.contains(field), "{field} is not named: {text}");
        for personal in ["見本", "ミホン", "mail.example", "本駒込", "1981", "none of your words"] {
            assert!(!text.contains(personal), "{personal} stands in {text}");
        }
    }
    let (status, _) = post(&desk, "one", good.to_string()).await;
    assert_eq!(status, 201);
    let (status, problem) = post(&desk, "one", with("/scope", json!("anonymised"))).await;
    assert_eq!(status, 409, "the key was used for another body: {problem}");
    super::reckoning::quiet(&desk.admin_url).await;
    assert_eq!(desk.count("select count(*) from intake.cases").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_code_and_an_unknown_number_are_the_same_miss() {
    let desk = Desk::open().await;
    let filed = desk.file(&story::opt_out_of(&Person::number(2).json())).await;
    desk.until(&filed, "the page", |_| true).await;
    let other = story::Receipt { access_code: another_code(&filed.receipt.access_code), ..filed.receipt.clone() };
    let unknown = story::Receipt {
        receipt_number: contracts::ReceiptNumber::from_random([9; 16]).to_string(),
        ..filed.receipt.clone()
    };
    let mut said = vec![];
    for receipt in [&other, &unknown] {
        let response = reqwest::Client::new()
            .get(format!("{}/api/v1/requests/{}", desk.public_url, receipt.receipt_number))
            .bearer_auth(&receipt.access_code)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 404);
        said.push(response.text().await.unwrap().replace(&receipt.receipt_number, "…"));
    }
    assert_eq!(said[0], said[1]);
}

/// Another code of the right form: a fresh one of somebody else.
fn another_code(not: &str) -> String {
    let code = privacy_seal::AccessCode::random().unwrap().show(privacy_seal::Purpose::ShowToPerson);
    assert_ne!(code.as_str(), not);
    code.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_bank_file_is_refused_with_its_place_and_books_nothing() {
    let desk = Desk::open().await;
    let account = payment_reconciliation::zengin::sample::account();
    let line = payment_reconciliation::zengin::sample::SampleLine::deposit(desk.today(), 4_000, "", "ﾐﾎﾝ");
    let good = payment_reconciliation::zengin::sample::file(
        payment_reconciliation::zengin::Layout::DepositsA,
        &account,
        desk.today(),
        0,
        &[line],
    );
    let mut damaged = good.clone();
    damaged[202 + 19] = b'x';
    let by = || By::new(desk.staff, "bank file of the day");
    for (bytes, profile, reason, place) in [
        (damaged, "zengin-01-a", "not-digits", Some("record-2-column-20-amount")),
        (b"garbage".to_vec(), "zengin-01-a", "record-length", None),
        (good.clone(), "no-such-profile", "profile-unknown", None),
    ] {
        match desk.commands.import_statement(by(), bytes, Code::of(profile)).await.unwrap() {
            StaffReply::Refused { reason: found, at } => {
                assert_eq!(found.as_str(), reason);
                assert!(place.is_none() || at.as_ref().map(Code::as_str) == place, "{at:?}");
            }
            done => panic!("{done:?}"),
        }
    }
    assert!(
        desk.commands
            .import_statement(by(), vec![], Code::of("zengin-01-a"))
            .await
            .unwrap_err()
            .to_string()
            .contains("`file`")
    );
    for table in [
        "select count(*) from payment.bank_file",
        "select count(*) from payment.bank_line",
        "select count(*) from payment.ledger_entry",
    ] {
        assert_eq!(desk.count(table).await, 0, "{table}");
    }
}
