//! A bank file: sealed to payment before it leaves, and refused with its place.

use crate::{desk::Desk, orders::other_end};
use contracts::{
    Code, Service, Uuid,
    request::{ImportStatement, Request, StaffCommand, StaffReply},
};
use privacy::Purpose;
use sha2::Digest;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_sealed_into_the_object_store_and_figures_or_the_place_come_back() {
    let desk = Desk::start(&[]).await;
    let key = desk.key(Service::Payment);
    let browser = desk.signed_in().await;
    let page = browser.get("/bank").await;
    let file: Vec<u8> = b"1 not a real header but a marker PAYER-NAME\r\n".repeat(200);
    let imported = StaffReply::Done {
        machine: Uuid::nil(),
        status: Code::of("imported"),
        figures: vec![(Code::of("lines"), 3), (Code::of("matched"), 2), (Code::of("brand-new"), 7)],
    };
    let bad = StaffReply::Refused { reason: Code::of("not-digits"), at: Some(Code::of("record-3-column-20-amount")) };
    let replies = [&imported, &bad].map(|r| serde_json::to_vec(r).unwrap()).to_vec();
    let subject = <StaffCommand<ImportStatement> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::Payment, subject, replies).await;

    let (csrf, token) = (page.csrf(), page.hidden("token"));
    let form = [("csrf", csrf.as_str()), ("token", &token), ("profile", "zengin-01-a"), ("why", "file of the day")];
    let answer = browser.upload("/bank/import", &form, &file).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.has("The file was taken in.");
    answer.has("<dt>Matched</dt><dd>2</dd>");
    answer.has("<dt>brand-new</dt><dd>7</dd>");

    let order: StaffCommand<ImportStatement> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!(order.order.digest.0, <[u8; 32]>::from(sha2::Sha256::digest(&file)));
    let objects = desk.rt.objects().unwrap();
    let sealed = objects.get(order.order.file).await.unwrap();
    assert!(!sealed.windows(10).any(|w| w == b"PAYER-NAME"));
    let aad = [b"payment.bank-file ".as_slice(), order.order.file.0.as_bytes()].concat();
    assert_eq!(key.open(&aad, &sealed).unwrap().disclose(Purpose::MatchPayment), &file);

    let token = Uuid::now_v7().to_string();
    let form = [("csrf", csrf.as_str()), ("token", &token), ("profile", "zengin-01-a"), ("why", "file of the day")];
    let answer = browser.upload("/bank/import", &form, &file).await;
    assert_eq!(answer.status, 422);
    answer.has("Only digits may stand here.");
    answer.has("record 3, column 20, field amount");
    let order: StaffCommand<ImportStatement> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert!(objects.get(order.order.file).await.is_err(), "a refused file is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_taken_is_refused_here() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::Payment);
    let browser = desk.signed_in().await;
    let csrf = browser.get("/bank").await.csrf();
    let token = Uuid::now_v7().to_string();
    let form = [("csrf", csrf.as_str()), ("token", &token), ("profile", "zengin-03"), ("why", "x")];
    browser.upload("/bank/import", &form, b"").await.has("Choose a file");
    let over = vec![b'1'; 10 * 1024 * 1024 + 1];
    let answer = browser.upload("/bank/import", &form, &over).await;
    assert_eq!(answer.status, 413);
    let no_why: Vec<_> = form.iter().copied().filter(|(n, _)| *n != "why").collect();
    assert_eq!(browser.upload("/bank/import", &no_why, b"1").await.status, 422);
    let no_profile: Vec<_> = form.iter().copied().filter(|(n, _)| *n != "profile").collect();
    browser.upload("/bank/import", &no_profile, b"1").await.has("Choose account and layout");
}
