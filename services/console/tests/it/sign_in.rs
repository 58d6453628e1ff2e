//! Signing in: the first link, passwords, limits, sessions that end, accounts.

use crate::desk::{Browser, Desk, PASSWORD};
use jiff::SignedDuration;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_link_makes_the_administrator_once() {
    let desk = Desk::start(&[]).await;
    let replaced = desk.link().await.unwrap();
    let link = desk.link().await.unwrap();
    assert_ne!(replaced, link);
    let path = link.strip_prefix(&desk.base).unwrap();
    let browser = Browser::new(&desk.base);

    assert_eq!(
        browser.get(replaced.strip_prefix(&desk.base).unwrap()).await.status,
        410,
        "a new link replaces the one before"
    );
    let page = browser.get(path).await;
    page.has("value=\"admin\"");
    let csrf = page.csrf();
    let post = |csrf: String, password: &'static str, again: &'static str| {
        let browser = &browser;
        async move { browser.post(path, &[("csrf", &csrf), ("password", password), ("again", again)]).await }
    };
    assert_eq!(post("x".into(), PASSWORD, PASSWORD).await.status, 403, "another form's token");
    let short = post(csrf.clone(), "short", "short").await;
    assert_eq!(short.status, 422);
    short.has("12 characters");
    post(csrf.clone(), PASSWORD, "three silver lanternz").await.has("differ");
    let done = post(csrf.clone(), PASSWORD, PASSWORD).await;
    assert_eq!((done.status, done.location()), (303, "/cases"));
    let cookie = done.headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("madoguchi-session=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );

    assert_eq!(browser.get("/cases").await.status, 200);
    assert_eq!(post(csrf, PASSWORD, PASSWORD).await.status, 410, "a link is used once");
    assert_eq!(desk.link().await, None, "somebody has a password now");

    let stored: String = desk.one("select password_hash from console.staff").await;
    assert!(stored.starts_with("$argon2id$"));
    let session = browser.cookie("madoguchi-session").unwrap();
    let hashes: Vec<u8> = desk.one("select token_hash from console.session").await;
    assert_ne!(hashes, session.as_bytes(), "the token itself is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_sign_out_and_the_end_of_sessions() {
    let desk = Desk::held(&[]).await;
    let first = desk.signed_in().await;
    let page = first.get("/cases").await;
    let out = first.post("/sign-out", &[("csrf", &page.csrf())]).await;
    assert_eq!(out.location(), "/sign-in?out");
    assert_eq!(first.get("/cases").await.location(), "/sign-in");

    let browser = Browser::new(&desk.base);
    let sign_in = || async {
        let form = browser.get("/sign-in").await;
        browser.post("/sign-in", &[("csrf", &form.csrf()), ("login", " Admin "), ("password", PASSWORD)]).await
    };
    assert_eq!(sign_in().await.location(), "/cases");
    // Half an hour less a second, again and again: busy, so not idle; but twelve hours are the end.
    let begun = desk.clock().now();
    for n in 1..=24 {
        desk.clock().set(begun + SignedDuration::from_secs(1_799) * n);
        assert_eq!(browser.get("/cases").await.status, 200, "{n}");
    }
    desk.clock().set(begun + SignedDuration::from_hours(12));
    let ended = browser.get("/cases").await;
    assert_eq!(ended.location(), "/sign-in?ended");
    browser.get("/sign-in?ended").await.has("signed out because");

    assert_eq!(sign_in().await.location(), "/cases");
    desk.clock().set(desk.clock().now() + SignedDuration::from_mins(30));
    assert_eq!(browser.get("/cases").await.location(), "/sign-in?ended", "idle");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_limited_per_login_and_per_address() {
    let desk = Desk::held(&[("console.attempts_per_login", "3"), ("console.attempts_per_address", "8")]).await;
    desk.signed_in().await;
    let browser = Browser::new(&desk.base);
    let csrf = browser.get("/sign-in").await.csrf();
    let attempt = |login: &'static str, password: &'static str| {
        let (browser, csrf) = (&browser, &csrf);
        async move { browser.post("/sign-in", &[("csrf", csrf), ("login", login), ("password", password)]).await }
    };
    for login in ["admin", "admin", "admin"] {
        let wrong = attempt(login, "not the password").await;
        assert_eq!(wrong.status, 422);
        wrong.has("Login or password is wrong");
    }
    assert_eq!(attempt("admin", PASSWORD).await.status, 429, "also with the right password");
    // An unknown login is answered like a known one.
    attempt("nobody", "not the password").await.has("Login or password is wrong");
    for _ in 0..3 {
        attempt("somebody-else", "not the password").await;
    }
    let limited = attempt("third-person", "not the password").await;
    assert_eq!(limited.status, 429, "nine attempts from one address");
    limited.has("09:15");

    desk.clock().set(desk.clock().now() + SignedDuration::from_mins(15));
    assert_eq!(attempt("admin", PASSWORD).await.status, 303);
    let kept: Option<String> =
        desk.one("select string_agg(encode(key, 'escape'), ' ') from console.sign_in_failure").await;
    assert!(!kept.unwrap_or_default().contains("admin"), "only hashes of what was typed are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_add_people_and_nobody_else_does() {
    let desk = Desk::start(&[]).await;
    let admin = desk.signed_in().await;
    let csrf = admin.get("/staff").await.csrf();
    let add = [("csrf", csrf.as_str()), ("login", "hanako"), ("display", "見本 花子")];
    let added = admin.post("/staff", &add).await;
    added.has("見本 花子");
    let link = added.body.split("readonly value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(admin.post("/staff", &add).await.status, 422, "the login is taken");
    assert_eq!(admin.post("/staff", &[("csrf", &csrf), ("login", "Bad Login"), ("display", "x")]).await.status, 422);

    let hanako = Browser::new(&desk.base);
    let path = link.strip_prefix(&desk.base).unwrap();
    let form = hanako.get(path).await;
    let set = [("csrf", form.csrf()), ("password", PASSWORD.into()), ("again", PASSWORD.into())];
    let set: Vec<(&str, &str)> = set.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(hanako.post(path, &set).await.status, 303);
    let page = hanako.get("/cases").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("href=\"/staff\""));
    assert_eq!(hanako.get("/staff").await.status, 403);
    assert_eq!(hanako.post("/staff", &[("csrf", &page.csrf()), ("login", "eve"), ("display", "x")]).await.status, 403);

    // Disabled: the session that is open ends too. The last administrator stays.
    let id: uuid::Uuid = desk.one("select id from console.staff where login = 'hanako'").await;
    assert_eq!(admin.post(&format!("/staff/{id}/disable"), &[("csrf", &csrf)]).await.status, 303);
    assert_eq!(hanako.get("/cases").await.location(), "/sign-in?ended");
    let me: uuid::Uuid = desk.one("select id from console.staff where login = 'admin'").await;
    assert_eq!(admin.post(&format!("/staff/{me}/disable"), &[("csrf", &csrf)]).await.status, 422);
    assert_eq!(admin.get("/cases").await.status, 200);
}
