//! A mail in the console, with the mouse: found in the list, opened, a file of it destroyed, settled as belonging to a case.

use super::{access::look_over, chrome::Chrome, console::sets_a_password, words::Words};
use crate::journey::{
    desk::Desk,
    incoming::{bring, mail_host},
    people::Person,
};
use launcher::story;
use serde_json::json;
use testkit::eventually;

const DONE: &str = ".answer.done[role=status]";

/// From the list and back.
pub async fn from_the_list_to_a_settled_mail(chrome: &Chrome, desk: &Desk) {
    let filed = desk.file(&story::disclosure_to(&Person::number(1).json())).await;
    let key = mail_host(desk);
    let mail = "From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <yamada@example.test>\r\nTo: desk@desk.test\r\nSubject: =?utf-8?B?6ZaL56S644Gu44GK6aGY44GE?=\r\n\
        Message-ID: <1@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
        <p>お世話になっております。<script>document.title = 'gone'</script></p>\r\n--b\r\nContent-Type: application/pdf; name=paper.png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--b--\r\n";
    assert_eq!(bring(desk, &key, mail.to_owned()).await, 202);
    assert_eq!(bring(desk, &key, "no header\r\n".to_owned()).await, 202);

    let w = Words::of_the_console("ja");
    let base = sets_a_password(chrome, desk, &w).await;
    eventually("both are read", || async {
        chrome.goto(&format!("{base}/mails")).await;
        let rows = chrome.texts("tbody tr").await;
        if rows.len() == 2 { Ok(()) } else { Err(rows) }
    })
    .await;
    for lang in ["en", "ja"] {
        chrome.goto(&format!("{base}/mails?lang={lang}")).await;
        look_over(chrome, lang).await;
    }
    assert!(chrome.main().await.contains(w.t("mail-reason.not-a-mail")), "{}", chrome.main().await);

    let open = "tbody tr:nth-child(1) button";
    chrome.press(open).await;
    let main = chrome.main().await;
    for text in ["山田 <yamada@example.test>", "開示のお願い", "お世話になっております。", "paper.png"]
    {
        assert!(main.contains(text), "{text}: {main}");
    }
    for doubt in ["html-only", "other-kind"] {
        assert!(main.contains(w.t(&format!("mail-doubt.{doubt}"))), "{doubt}: {main}");
    }
    look_over(chrome, w.lang).await;

    chrome.script("document.querySelectorAll('details').forEach(d => d.open = true)", vec![]).await;
    let why = "個人番号が見える";
    chrome.fill("form[action$='/destroy'] [name=why]", why).await;
    chrome.click("form[action$='/destroy'] [name=sure]").await;
    chrome.press("form[action$='/destroy'] button.danger").await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    look_over(chrome, w.lang).await;

    chrome.goto(&format!("{base}/mails")).await;
    chrome.press(open).await;
    assert!(chrome.main().await.contains(w.t("mails.destroyed")), "{}", chrome.main().await);
    settles(chrome, "M-0000-0000-0001", "受付番号が違う").await;
    assert!(!chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.goto(&format!("{base}/mails")).await;
    chrome.press(open).await;
    settles(chrome, &filed.receipt.receipt_number, why).await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.goto(&format!("{base}/mails?state=settled")).await;
    assert!(chrome.main().await.contains(&filed.receipt.receipt_number), "{}", chrome.main().await);
}

async fn settles(chrome: &Chrome, number: &str, why: &str) {
    chrome.click("form[action$='/settle'] input[value=case]").await;
    chrome.script("document.querySelector('#number').value = arguments[0]", vec![json!(number)]).await;
    chrome.fill("form[action$='/settle'] [name=why]", why).await;
    chrome.press("form[action$='/settle'] button.main").await;
}
