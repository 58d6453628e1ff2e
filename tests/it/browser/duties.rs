//! The duties about a stop: consent, the document of Act art. 53 on paper, the letter; and what waits or is overdue.

use super::{access::look_over, chrome::Chrome, opt_out::downloaded, words::Words};
use crate::journey::desk::{Desk, Filed};
use serde_json::json;
use std::{
    io::Write,
    process::{Command, Stdio},
};

const WHY: &str = "交付の求めがあったため";

async fn day(chrome: &Chrome, css: &str, day: &str) {
    // A date field takes keys in the browser's own order; its value is always the ISO day.
    let set = "document.querySelector(arguments[0]).value = arguments[1]; return true";
    chrome.script(set, vec![json!(css), json!(day)]).await;
}

async fn open_all(chrome: &Chrome) {
    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true); return true", vec![]).await;
}

/// What stands in a PDF file, as a reader of it finds it.
#[allow(clippy::explicit_write)] // past the capture of the test harness: CI looks for it
fn says(pdf: &[u8], words: &[&str]) {
    assert!(pdf.starts_with(b"%PDF-"));
    let reader = Command::new("pdftotext")
        .args(["-enc", "UTF-8", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut reader) = reader else {
        writeln!(std::io::stdout(), "not run: install poppler-utils").unwrap();
        return;
    };
    reader.stdin.take().unwrap().write_all(pdf).unwrap();
    let text = String::from_utf8(reader.wait_with_output().unwrap().stdout).unwrap();
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for word in words {
        assert!(dense.contains(&word.replace(' ', "")), "{word} is not in\n{text}");
    }
}

/// From the case to the printed papers.
pub async fn are_done(chrome: &Chrome, w: &Words, desk: &Desk, base: &str, filed: &Filed) {
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
    let folder = desk.house.folder().join("papers");
    std::fs::create_dir_all(&folder).unwrap();
    chrome.downloads_go_to(&folder).await;
    chrome.click("form:has(input[value='stop-document']) button").await;
    // Six items (Rules art. 51), each with its label.
    let items = [
        "求めがあった旨",
        "求めを行った者",
        "求めを受けた年月日",
        "この書面について",
        "提供を停止した年月日",
        "交付の年月日",
    ];
    says(&downloaded(&folder, ".pdf").await, &[&["医療情報の提供停止に係る書面"], &items[..]].concat());

    let folder = desk.house.folder().join("letters");
    std::fs::create_dir_all(&folder).unwrap();
    chrome.downloads_go_to(&folder).await;
    chrome.fill("#why-letter", WHY).await;
    chrome.click("section[aria-labelledby='h-letters'] button.main").await;
    says(&downloaded(&folder, ".pdf").await, &["提供停止のお知らせ", "Notice of your stop"]);

    chrome.goto(&format!("{base}/duties")).await;
    assert_eq!(chrome.text("h1").await, w.t("duties.waiting"));
    look_over(chrome, w.lang).await;
}
