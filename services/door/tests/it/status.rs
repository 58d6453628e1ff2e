use crate::desk::{Desk, a_stop};
use contracts::{EndedAs, ReceiptNumber, Step, desk::StatusView};
use privacy_seal::{CodeKey, filing::Filing, seal_to};
use serde_json::Value;

fn given(receipt: &Value) -> (String, String) {
    let text = |field: &str| receipt[field].as_str().unwrap().to_owned();
    (text("receipt_number"), text("access_code"))
}

/// Writes a letter as intake does.
async fn write_letter(desk: &Desk, number: &str, code: &str, version: i64, change: impl FnOnce(&mut StatusView)) {
    let mut view: StatusView = serde_json::from_value(desk.status("10.9.9.9", number, code).await.json()).unwrap();
    change(&mut view);
    let key = CodeKey::derive(&code.parse().unwrap(), number).public();
    let aad = privacy_seal::aad::letter("status", key.as_bytes());
    let body = seal_to(&key, &aad, &serde_json::to_vec(&view).unwrap()).unwrap().0;
    sqlx::query(
        "insert into door.letterbox (code_key, kind, body, version) values ($1, 'status', $2, $3)
         on conflict (code_key, kind) do update set body = excluded.body, version = excluded.version",
    )
    .bind(key.as_bytes().as_slice())
    .bind(body)
    .bind(version)
    .execute(&mut desk.admin().await)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_there_from_the_first_moment_and_then_what_intake_wrote() {
    let desk = Desk::start(&[]).await;
    let (number, code) = given(&desk.file("k", &a_stop()).await.json());
    let first = desk.status("10.0.0.1", &number, &code).await;
    assert_eq!((first.status, first.json()["step"].as_str().unwrap()), (200, "received"));

    write_letter(&desk, &number, &code, 3, |view| view.step = Step::Verifying).await;
    for (number, code) in
        [(number.clone(), code.clone()), (number.to_lowercase().replace('-', ""), code.to_lowercase().replace('-', ""))]
    {
        let answer = desk.status("10.0.0.1", &number, &code).await;
        assert_eq!((answer.status, answer.json()["step"].as_str().unwrap()), (200, "verifying"));
    }
    let url = format!("{}/api/v1/requests/{number}", desk.base);
    let header = crate::desk::Answer::of(desk.http.get(url).header("Access-Code", &code)).await;
    assert_eq!(header.status, 200);

    // The case is erased: the filing went long ago, and now the letters. It is not "received" again.
    for gone in ["delete from door.filing", "delete from door.letterbox"] {
        sqlx::query(gone).execute(&mut desk.admin().await).await.unwrap();
    }
    assert_eq!(desk.status("10.0.0.1", &number, &code).await.problem(), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_and_an_unknown_number_are_one_miss() {
    let desk = Desk::start(&[]).await;
    let (number, code) = given(&desk.file("k", &a_stop()).await.json());
    let unknown = ReceiptNumber::from_random([7; 16]).to_string();
    let wrong_code = desk.status("10.0.0.1", &number, "0000-0000-0000-0000").await;
    let wrong_number = desk.status("10.0.0.1", &unknown, &code).await;
    assert_eq!((wrong_code.status, wrong_code.problem()), (404, "not-found".to_owned()));
    assert_eq!((wrong_code.status, &wrong_code.text), (wrong_number.status, &wrong_number.text));

    assert_eq!(desk.status("10.0.0.1", "M-0000", &code).await.problem(), "bad-number");
    assert_eq!(desk.status("10.0.0.1", &number, "short").await.problem(), "bad-code");
    let without = crate::desk::Answer::of(desk.http.get(format!("{}/api/v1/requests/{number}", desk.base))).await;
    assert_eq!((without.status, without.problem()), (401, "no-code".to_owned()));
    assert!(without.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_are_limited_for_who_sends_them() {
    let desk = Desk::start(&[("door.misses_each", "3"), ("door.misses_each_every_s", "3600")]).await;
    let (number, code) = given(&desk.file("k", &a_stop()).await.json());
    for _ in 0..3 {
        assert_eq!(desk.status("10.0.0.1", &number, "0000-0000-0000-0000").await.status, 404);
    }
    let limited = desk.status("10.0.0.1", &number, &code).await;
    assert_eq!((limited.status, limited.problem()), (429, "too-many-tries".to_owned()));
    let wait: u64 = limited.header("retry-after").parse().unwrap();
    assert!((3000..=3600).contains(&wait), "{wait}");
    assert_eq!(desk.status("9.9.9.9, 10.0.0.1", &number, &code).await.status, 429, "a claimed address does not help");
    assert_eq!(desk.status("10.0.0.2", &number, &code).await.status, 200, "others are not slowed down");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_taken_back_once_per_state() {
    let desk = Desk::start(&[]).await;
    let (number, code) = given(&desk.file("k", &a_stop()).await.json());
    let first = desk.withdraw(&number, &code).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(desk.withdraw(&number, &code).await.text, first.text, "pressing twice is one withdrawal");
    let opened = desk.open().await;
    assert_eq!(opened.len(), 2);
    let Filing::Withdrawal { receipt_number, code_key, received_at } = &opened[1].1 else { panic!("a withdrawal") };
    assert_eq!(receipt_number.to_string(), number);
    assert_eq!(code_key, CodeKey::derive(&code.parse().unwrap(), &number).public().as_bytes());
    assert_eq!(first.json()["received_at"], received_at.to_string());

    write_letter(&desk, &number, &code, 5, |view| (view.step, view.ended_as) = (Step::Ended, Some(EndedAs::Withdrawn)))
        .await;
    assert_eq!(desk.withdraw(&number, &code).await.problem(), "over");
    // Revived by the staff: it can be withdrawn again.
    write_letter(&desk, &number, &code, 6, |view| (view.step, view.ended_as) = (Step::Verifying, None)).await;
    assert_eq!(desk.withdraw(&number, &code).await.status, 202);
    assert_eq!(desk.open().await.len(), 3);
    assert_eq!(desk.withdraw(&number, "0000-0000-0000-0000").await.problem(), "not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_moved_to_another_row_is_not_shown() {
    let desk = Desk::start(&[]).await;
    let (number, code) = given(&desk.file("k", &a_stop()).await.json());
    write_letter(&desk, &number, &code, 1, |_| {}).await;
    let moved = "update door.letterbox set body = set_byte(body, 40, get_byte(body, 40) # 1)";
    sqlx::query(moved).execute(&mut desk.admin().await).await.unwrap();
    let answer = desk.status("10.0.0.1", &number, &code).await;
    assert_eq!((answer.status, answer.problem()), (503, "away".to_owned()));
}
