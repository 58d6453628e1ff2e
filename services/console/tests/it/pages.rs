//! What every page has: headers, languages, a token in every form.

use crate::desk::{Browser, Desk};
use contracts::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    for path in ["/cases", "/incidents", "/bank", "/staff", "/nowhere", "/cases/not-a-case", "/sign-in", "/link/x"] {
        let page = browser.get(path).await;
        let header = |name: &str| page.headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"), "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert!(!page.body.contains("<script") && !page.body.contains(" style="), "{path}");
    }
    assert_eq!(browser.get("/nowhere").await.status, 404);
    assert_eq!(browser.get(&format!("/cases/{}", Uuid::now_v7())).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_or_done_without_session_and_token() {
    let desk = Desk::start(&[]).await;
    let stranger = Browser::new(&desk.base);
    let entry = format!("/register/{}", Uuid::now_v7());
    for path in [
        "/cases",
        "/tasks",
        "/incidents",
        "/bank",
        "/recipients",
        "/gate",
        "/gate/filings",
        "/parked",
        "/staff",
        &entry,
    ] {
        let page = stranger.get(path).await;
        assert_eq!((page.status, page.location()), (303, "/sign-in"), "{path}");
    }
    let case = Uuid::now_v7();
    let staff = desk.signed_in().await;
    let csrf = staff.get("/cases").await.csrf();
    let others = desk_token();
    for path in [
        format!("/cases/{case}/order/withdraw"),
        format!("/cases/{case}/show"),
        "/cases/search".into(),
        format!("/cases/{case}/evidence"),
        format!("/register/{case}/withdraw-stop"),
        format!("/gate/reviews/{case}/show"),
        format!("/gate/reviews/{case}/same"),
        "/gate/filings".into(),
        "/recipients".into(),
        "/parked/intake/drop".into(),
        "/staff".into(),
        "/sign-out".into(),
    ] {
        assert_eq!(stranger.post(&path, &[("csrf", &csrf)]).await.location(), "/sign-in", "{path}");
        assert_eq!(staff.post(&path, &[]).await.status, 403, "{path}: no token");
        assert_eq!(staff.post(&path, &[("csrf", &others)]).await.status, 403, "{path}: another session's token");
        let elsewhere = staff.post_from(&path, &[("csrf", &csrf)], "cross-site").await;
        assert_eq!(elsewhere.status, 403, "{path}: from another site");
        elsewhere.has("Nothing was done");
    }
    let upload = staff.upload("/bank/import", &[("csrf", &others), ("profile", "zengin-01-a")], b"x").await;
    assert_eq!(upload.status, 403);
    assert_eq!(staff.get("/cases").await.status, 200, "nobody was signed out");
}

fn desk_token() -> String {
    console::session::Token::random().csrf()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_languages_and_a_choice_that_is_kept() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    browser.get("/cases").await.has("<html lang=\"en\">");
    let chosen = browser.get("/cases?lang=ja").await;
    chosen.has("<html lang=\"ja\">");
    chosen.has("案件一覧");
    browser.get("/bank").await.has("入出金明細");
    browser.get("/bank?lang=xx").await.has("入出金明細");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_too_large_or_no_form_is_refused() {
    let desk = Desk::start(&[("console.body_max", "2000")]).await;
    let browser = desk.signed_in().await;
    let large = "x".repeat(3_000);
    assert!(matches!(browser.post("/cases/search", &[("term", &large)]).await.status, 400 | 413));
    let https = Desk::start(&[("console.base_url", "https://console.example")]).await;
    let page = Browser::new(&https.base).get("/sign-in").await;
    let cookie = page.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-madoguchi-visit=") && cookie.contains("; Secure"), "{cookie}");
    assert!(page.headers.contains_key("strict-transport-security"));
}
