//! A member of staff at the console, and the person who looks at the status page meanwhile.

use super::{
    access::{look_over, tab_to},
    chrome::Chrome,
    duties, public,
    words::Words,
};
use crate::journey::{
    desk::{Desk, Filed},
    people::Person,
};
use contracts::{EndedAs, Step};
use launcher::story;
use testkit::eventually;

const PASSWORD: &str = "three silver lanterns";
pub const SEND: &str = "main form button.main";
const CONFIRM: &str = "form[action$='/order/confirm-identity']";

/// The whole way, looking every page over.
pub async fn from_the_link_to_a_confirmed_identity(chrome: &Chrome, desk: &Desk) {
    let person = Person::number(7);
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the papers are waited for", |s| s.step == Step::Verifying).await;
    let person_window = the_person_looks(chrome, desk, &filed).await;

    let w = Words::of_the_console("ja");
    let base = sets_a_password(chrome, desk, &w).await;
    signs_out_and_in(chrome, &w).await;
    opens_the_case(chrome, &w, &base, &filed).await;
    looks_at_the_values(chrome, &w, &person).await;
    // The rest in English: the page stays the same one.
    chrome.press(".tools a[hreflang=en]").await;
    let w = Words::of_the_console("en");
    look_over(chrome, w.lang).await;
    confirms(chrome, &w).await;

    let console = chrome.look_at(person_window).await;
    public::until(chrome, Words::of_the_desk("ja").t("step.ended")).await;
    assert_eq!(desk.public.status(&filed.receipt).await.unwrap().ended_as, Some(EndedAs::Stopped));
    chrome.look_at(console).await;
    eventually("the console knows of it", || async {
        chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
        if chrome.has("h1 .step.ended").await { Ok(()) } else { Err(chrome.main().await) }
    })
    .await;
    assert!(
        chrome.texts(".figures dd").await.iter().any(|dd| dd.starts_with(w.t("identity.confirmed"))),
        "{}",
        chrome.main().await
    );
    assert!(!chrome.has(CONFIRM).await, "what is confirmed is not confirmed again");
    look_over(chrome, w.lang).await;
    the_other_pages(chrome, &w, &base, &filed).await;
    duties::are_done(chrome, &w, desk, &base, &filed).await;
}

/// In a window of their own, which is given back.
async fn the_person_looks(chrome: &Chrome, desk: &Desk, filed: &Filed) -> fantoccini::wd::WindowHandle {
    let staff = chrome.second_window().await;
    chrome.goto(&format!("{}/status", desk.public_url)).await;
    public::ask(chrome, &filed.receipt.receipt_number, &filed.receipt.access_code).await;
    public::until(chrome, Words::of_the_desk("ja").t("step.verifying")).await;
    chrome.look_at(staff).await
}

/// The console's address.
pub async fn sets_a_password(chrome: &Chrome, desk: &Desk, w: &Words) -> String {
    let settings: serde_json::Value = desk.rt.section("console").unwrap();
    let base = format!("http://{}", settings["listen"].as_str().unwrap());
    let link = console::first_sign_in_link(&desk.console, &base, &desk.clock()).await.unwrap().unwrap();
    chrome.goto(&link).await;
    look_over(chrome, w.lang).await;
    chrome.fill("#password", PASSWORD).await;
    chrome.fill("#again", "three silver lanternz").await;
    chrome.press(SEND).await;
    assert_eq!(chrome.text("[role=alert]").await, w.t("error.password-differs"));
    look_over(chrome, w.lang).await;
    chrome.fill("#password", PASSWORD).await;
    chrome.fill("#again", PASSWORD).await;
    tab_to(chrome, SEND).await;
    chrome.enter().await;
    assert_eq!(chrome.text("h1").await, w.t("cases.title"), "{}", chrome.main().await);
    assert_eq!(chrome.url().await, format!("{base}/cases"), "the link is not left in the address");

    chrome.goto(&link).await;
    assert!(chrome.main().await.contains(w.t("error.link-bad")), "once");
    look_over(chrome, w.lang).await;
    chrome.goto(&format!("{base}/cases")).await;
    base
}

async fn signs_out_and_in(chrome: &Chrome, w: &Words) {
    chrome.press("form[action='/sign-out'] button").await;
    assert_eq!(chrome.text("[role=status]").await, w.t("sign-in.out"));
    look_over(chrome, w.lang).await;
    chrome.fill("#login", "admin").await;
    chrome.fill("#password", "not the password").await;
    chrome.press(SEND).await;
    assert_eq!(chrome.text("[role=alert]").await, w.t("error.sign-in-wrong"));
    look_over(chrome, w.lang).await;
    chrome.fill("#login", "admin").await;
    chrome.fill("#password", PASSWORD).await;
    tab_to(chrome, SEND).await;
    chrome.enter().await;
    assert_eq!(chrome.text("h1").await, w.t("cases.title"), "{}", chrome.main().await);
}

async fn opens_the_case(chrome: &Chrome, w: &Words, base: &str, filed: &Filed) {
    let row = format!("th a[href='/cases/{}']", filed.case);
    eventually("the case is on the list", || async {
        chrome.goto(&format!("{base}/cases")).await;
        if chrome.has(&format!("tr:has({row}) .step.verifying")).await { Ok(()) } else { Err(chrome.main().await) }
    })
    .await;
    assert_eq!(chrome.text(&row).await, filed.receipt.receipt_number);
    look_over(chrome, w.lang).await;
    tab_to(chrome, &row).await;
    chrome.enter().await;
    assert_eq!(chrome.text("h1 .number").await, filed.receipt.receipt_number);
    look_over(chrome, w.lang).await;
}

/// Only when asked for; the case's own page never shows them.
async fn looks_at_the_values(chrome: &Chrome, w: &Words, person: &Person) {
    let unseen = chrome.script("return document.documentElement.outerHTML", vec![]).await;
    for value in [&person.name, &person.kana, &person.mail] {
        assert!(!unseen.as_str().unwrap().contains(value.as_str()), "shown unasked");
    }
    tab_to(chrome, "form[action$='/show'] button").await;
    chrome.enter().await;
    assert_eq!(chrome.text("h1").await, w.t("personal.title"));
    let shown = chrome.texts(".person dd").await;
    for value in [&person.name, &person.kana, &person.mail] {
        assert!(shown.contains(value), "{}", chrome.main().await);
    }
    look_over(chrome, w.lang).await;
    chrome.press(".trail a").await;
}

/// Without papers, then with them.
async fn confirms(chrome: &Chrome, w: &Words) {
    let why = format!("{CONFIRM} textarea[name=why]");
    chrome.fill(&why, "the papers show the same person").await;
    chrome.press(&format!("{CONFIRM} button")).await;
    assert!(chrome.text(".answer[role=alert]").await.contains(w.t("error.papers-none")));
    look_over(chrome, w.lang).await;
    chrome.press("main p > a[href^='/cases/']").await;
    // The case runs ahead of those it asks for something: what is too early is asked again.
    eventually("the identity is confirmed", || async {
        chrome.click(&format!("{CONFIRM} input[value=drivers-licence]")).await;
        chrome.fill(&why, "the papers show the same person").await;
        tab_to(chrome, &format!("{CONFIRM} button")).await;
        chrome.enter().await;
        // Who will be told is looked at first.
        if chrome.has("input[name=seen]").await {
            look_over(chrome, w.lang).await;
            tab_to(chrome, SEND).await;
            chrome.enter().await;
        }
        if chrome.has(".answer.done[role=status]").await {
            return Ok(());
        }
        let answer = chrome.main().await;
        chrome.press("main p > a[href^='/cases/']").await;
        Err(answer)
    })
    .await;
    look_over(chrome, w.lang).await;
}

/// What the menu and the case lead to.
async fn the_other_pages(chrome: &Chrome, w: &Words, base: &str, filed: &Filed) {
    let history = format!("/cases/{}/history/intake", filed.case);
    for path in [
        history.as_str(),
        "/tasks",
        "/incidents",
        "/bank",
        "/recipients",
        "/gate",
        "/gate/runs",
        "/gate/filings",
        "/parked",
        "/staff",
        "/cases?step=any",
        "/no-such-page",
    ] {
        chrome.goto(&format!("{base}{path}")).await;
        look_over(chrome, w.lang).await;
    }
}
