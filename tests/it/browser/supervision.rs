//! Supervision of one recipient, with the mouse: an audit and what it found, mended findings, an incident by telephone, a complaint
//! passed on and answered; and the operator's own end, which one person alone cannot bring about.

use super::{access::look_over, chrome::Chrome, words::Words};
use crate::journey::desk::Filed;
use serde_json::json;

const WHY: &str = "監査の報告書による";
const DONE: &str = ".answer.done[role=status]";

/// Opens every part that is folded away and fills in fields; the value of a date field is always the ISO day.
async fn fill(chrome: &Chrome, form: &str, fields: &[(&str, &str)]) {
    let set = "document.querySelectorAll('details').forEach(d => d.open = true);
        for (const [css, value] of arguments[0]) document.querySelector(css).value = value";
    let css: Vec<_> =
        fields.iter().map(|(name, value)| (format!("form[action$='/{form}'] [name='{name}']"), *value)).collect();
    chrome.script(set, vec![json!(css)]).await;
}

async fn sends(chrome: &Chrome, w: &Words, page: &str, form: &str, fields: &[(&str, &str)]) {
    chrome.goto(page).await;
    fill(chrome, form, &[fields, &[("why", WHY)]].concat()).await;
    chrome.press(&format!("form[action$='/{form}'] button.main")).await;
    assert!(chrome.has(DONE).await, "{form}: {}", chrome.main().await);
    look_over(chrome, w.lang).await;
}

/// From the recipient's page and back.
pub async fn of_a_recipient(chrome: &Chrome, w: &Words, base: &str, recipient: &str, filed: &Filed) {
    let page = format!("{base}/recipients/{recipient}/supervision");
    chrome.goto(&format!("{base}/recipients/{recipient}")).await;
    chrome.press("a[href$='/supervision']").await;
    assert!(chrome.text("h1").await.starts_with(w.t("supervision.title")));
    assert!(chrome.main().await.contains(w.t("overdue.proof")), "{}", chrome.main().await);
    let digest = "ab".repeat(32);
    sends(chrome, w, &page, "proof", &[("paper", "certificate-2026"), ("digest", &digest)]).await;
    let audit = [("on", "2026-01-05"), ("by", "inspector-a"), ("findings", "camera door"), ("next_due", "2026-01-06")];
    sends(chrome, w, &page, "audit", &audit).await;
    chrome.goto(&page).await;
    assert!(chrome.main().await.contains(w.t("overdue.measures")), "{}", chrome.main().await);
    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
    for finding in ["camera", "door"] {
        chrome.click(&format!("form[action$='/measures'] input[value='{finding}']")).await;
    }
    fill(chrome, "measures", &[("on", "2026-01-06"), ("why", WHY)]).await;
    chrome.press("form[action$='/measures'] button.main").await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.goto(&page).await;
    assert!(!chrome.has("form[action$='/measures']").await, "nothing is left to be mended");

    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
    chrome.click("form[action$='/incident'] input[value='summary']").await;
    let incident = [("number", "i-7"), ("known", "2026-01-05"), ("statement", "端末を紛失"), ("why", WHY)];
    fill(chrome, "incident", &incident).await;
    chrome.press("form[action$='/incident'] button.main").await;
    assert!(chrome.main().await.contains(w.t("status.incident-open")), "{}", chrome.main().await);

    sends(chrome, w, &page, "forward-complaint", &[("case", &filed.case.to_string())]).await;
    sends(chrome, w, &page, "answer-complaint", &[("cause", "手順の誤り"), ("measures", "教育")]).await;
    chrome.goto(&page).await;
    let main = chrome.main().await;
    assert!(main.contains("i-7") && main.contains(w.t("complaint-lacks.person-told")), "{main}");
    assert!(!main.contains("端末を紛失"), "what is sealed is not shown");
    for lang in ["ja", "en"] {
        chrome.goto(&format!("{page}?lang={lang}")).await;
        chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
        look_over(chrome, lang).await;
    }
    chrome.goto(&format!("{page}?lang={}", w.lang)).await;
}

/// The first of two: shown whom it would reach, refused a second time.
pub async fn of_the_operators_own_end(chrome: &Chrome, w: &Words, base: &str) {
    chrome.goto(&format!("{base}/recipients")).await;
    chrome.press("a[href='/operator/end']").await;
    assert_eq!(chrome.text("h1").await, w.t("operator-end.title"));
    for (lang, again) in [("ja", false), ("en", false), (w.lang, true)] {
        chrome.goto(&format!("{base}/operator/end?lang={lang}")).await;
        look_over(chrome, lang).await;
        if again {
            for answer in [DONE, ".answer.refused"] {
                chrome.goto(&format!("{base}/operator/end")).await;
                chrome.click("form[action='/operator/end'] input[name=sure]").await;
                let set = "document.querySelector('#end-on').value = '2026-01-05'";
                chrome.script(set, vec![]).await;
                chrome.fill("#why-end", WHY).await;
                chrome.press("form[action='/operator/end'] button.danger").await;
                assert!(chrome.has(answer).await, "{answer}: {}", chrome.main().await);
                look_over(chrome, w.lang).await;
            }
        }
    }
    chrome.goto(&format!("{base}/operator/end")).await;
    assert!(chrome.main().await.contains(w.t("operator-end.proposed")), "{}", chrome.main().await);
}
