//! The duties about a stop: consent, the document of Act art. 53 on paper, the letter; and what waits or is overdue.

use super::{access::look_over, chrome::Chrome, words::Words};
use crate::journey::desk::Filed;
use serde_json::json;

const WHY: &str = "交付の求めがあったため";

async fn day(chrome: &Chrome, css: &str, day: &str) {
    // A date field takes keys in the browser's own order; its value is always the ISO day.
    let set = "document.querySelector(arguments[0]).value = arguments[1]; return true";
    chrome.script(set, vec![json!(css), json!(day)]).await;
}

async fn open_all(chrome: &Chrome) {
    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true); return true", vec![]).await;
}

/// From the case to the printed page.
pub async fn are_done(chrome: &Chrome, w: &Words, base: &str, filed: &Filed) {
    chrome.goto(&format!("{base}/cases/{}", filed.case)).await;
    chrome.press("a[href^='/duties/']").await;
    let duties = chrome.url().await;
    assert_eq!(chrome.text("h1").await, w.t("duties.title"));
    open_all(chrome).await;
    look_over(chrome, w.lang).await;
    assert!(chrome.main().await.contains(w.t("work-order.no-consent")), "{}", chrome.main().await);

    day(chrome, "#said", "2026-01-05").await;
    chrome.fill("#text", "consent-2026-04").await;
    chrome.fill("#why-consent", WHY).await;
    chrome.press("form[action$='/consent'] button.main").await;
    assert!(chrome.main().await.contains(w.t("status.recorded")), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;

    chrome.goto(&duties).await;
    assert!(chrome.main().await.contains(w.t("work-order.to-be-brought")), "{}", chrome.main().await);
    open_all(chrome).await;
    chrome.fill("input[id^='why-issue-']", WHY).await;
    chrome.press("form[action$='/issue'] button.main").await;
    assert!(chrome.main().await.contains(w.t("status.issued")), "{}", chrome.main().await);
    chrome.goto(&duties).await;
    open_all(chrome).await;
    look_over(chrome, w.lang).await;
    chrome.fill("input[id^='why-print-']", WHY).await;
    chrome.press("form:has(input[value='stop-document']) button").await;
    assert_eq!(chrome.text("h1").await, "医療情報の提供停止に係る書面");
    assert_eq!(chrome.texts("tr").await.len(), 6, "six items");
    let lines = "return getComputedStyle(document.querySelector('td')).borderTopStyle";
    assert_eq!(chrome.script(lines, vec![]).await, json!("solid"), "its style sheet is taken");

    chrome.goto(&duties).await;
    chrome.fill("#why-letter", WHY).await;
    chrome.press("section[aria-labelledby='h-letters'] button.main").await;
    assert_eq!(chrome.text("h1").await, "提供停止のお知らせ");

    chrome.goto(&format!("{base}/duties")).await;
    assert_eq!(chrome.text("h1").await, w.t("duties.waiting"));
    look_over(chrome, w.lang).await;
}
