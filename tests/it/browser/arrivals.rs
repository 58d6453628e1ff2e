//! A letter that came by post: written down, made a request of, its slip printed and handed over. And a mail that becomes a request.

use super::{access::look_over, chrome::Chrome, console::sets_a_password, words::Words};
use crate::journey::{
    desk::Desk,
    incoming::{bring, mail_host},
};
use serde_json::json;
use testkit::eventually;

const DONE: &str = ".answer.done[role=status]";
const SEND: &str = "main form button.main";

/// From the envelope to the slip.
pub async fn from_an_envelope_to_a_slip(chrome: &Chrome, desk: &Desk) {
    let w = Words::of_the_console("ja");
    let base = sets_a_password(chrome, desk, &w).await;
    logs_an_envelope(chrome, &base, &w).await;
    files_it(chrome, &w).await;
    prints_the_slip_and_hands_it_over(chrome, desk, &w).await;
    settles_a_call(chrome, &base, &w).await;
    files_a_mail(chrome, desk, &base, &w).await;
}

async fn logs_an_envelope(chrome: &Chrome, base: &str, w: &Words) {
    for lang in ["en", "ja"] {
        chrome.goto(&format!("{base}/arrivals?lang={lang}")).await;
        look_over(chrome, lang).await;
    }
    chrome.press("a[href$='channel=post']").await;
    look_over(chrome, w.lang).await;
    choose(chrome, "postal_class", "simply-registered").await;
    chrome.fill("#tracking", "123-45-67890-4").await;
    chrome.fill("#name", "見本 花子").await;
    chrome.fill("#words", "わたしの情報を見せてください。").await;
    chrome.press(SEND).await;
    look_over(chrome, w.lang).await;
    assert_eq!(chrome.text("#tracking-error").await, w.t("field-error.tracking-check-digit"));
    chrome.fill("#tracking", "123-45-67890-3").await;
    chrome.press(SEND).await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.press("main a[href='/arrivals']").await;
    chrome.press("tbody button").await;
    assert!(chrome.main().await.contains("12345678903"), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;
}

async fn files_it(chrome: &Chrome, w: &Words) {
    chrome.press("form[action$='/file'] button").await;
    let known = "return [...document.querySelectorAll('#person-name, form #words')].map(e => e.value)";
    assert_eq!(chrome.script(known, vec![]).await, json!(["わたしの情報を見せてください。", "見本 花子"]));
    look_over(chrome, w.lang).await;
    chrome.fill("form[action='/filings'] #why", "郵送の請求書").await;
    chrome.press(SEND).await;
    let wrong = "return [...document.querySelectorAll('.answer.refused a')].map(a => a.hash)";
    let wrong = chrome.script(wrong, vec![]).await;
    assert_eq!(wrong, json!(["#kind", "#person-kana", "#person-birth_date", "#person-address"]));
    look_over(chrome, w.lang).await;
    choose(chrome, "kind", "disclosure").await;
    chrome.fill("#person-kana", "みほん はなこ").await;
    chrome.fill("#person-birth_date", "昭和55年4月1日").await;
    chrome.fill("#person-address", "〒113-0021 東京都文京区本駒込2-28-16").await;
    chrome.press(SEND).await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    let case = chrome.find("main a[href^='/cases/']").await.attr("href").await.unwrap().unwrap();
    eventually("the case is in the console", || async {
        let here = chrome.url().await;
        let url = here.split("/filings").next().unwrap_or(&here).to_owned() + &case;
        chrome.goto(&url).await;
        if chrome.has("#h-slip").await { Ok(()) } else { Err(chrome.main().await) }
    })
    .await;
    look_over(chrome, w.lang).await;
    assert!(chrome.main().await.contains(w.t("channel.post")), "{}", chrome.main().await);
}

async fn prints_the_slip_and_hands_it_over(chrome: &Chrome, desk: &Desk, w: &Words) {
    let folder = desk.house.folder().join("slips");
    std::fs::create_dir_all(&folder).unwrap();
    chrome.downloads_go_to(&folder).await;
    chrome.click("form[action$='/slip'] button").await;
    let pdf = super::opt_out::downloaded(&folder, ".pdf").await;
    assert!(pdf.starts_with(b"%PDF-"));
    let open = "document.querySelectorAll('details').forEach(d => d.open = true)";
    chrome.script(open, vec![]).await;
    chrome.fill("#why-slip", "簡易書留で発送").await;
    chrome.press("form[action$='/slip/handed-over'] button").await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.press("main a[href^='/cases/']").await;
    chrome.press("form[action$='/slip'] button").await;
    assert!(chrome.main().await.contains(w.t("error.slip-handed-over")), "{}", chrome.main().await);
    assert_eq!(desk.count("select count(*) from console.view_audit where purpose = 'slip'").await, 2);
}

/// A question by telephone that was answered at once.
async fn settles_a_call(chrome: &Chrome, base: &str, w: &Words) {
    chrome.goto(&format!("{base}/arrivals/new?channel=telephone")).await;
    look_over(chrome, w.lang).await;
    chrome.fill("#words", "停止の手続はどうするか。").await;
    chrome.press(SEND).await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.goto(&format!("{base}/arrivals")).await;
    chrome.press("tbody button").await;
    chrome.click("input[name=outcome][value=answered]").await;
    chrome.fill("form[action$='/settle'] #why", "病院の窓口を案内した。").await;
    chrome.press("form[action$='/settle'] button").await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
    chrome.goto(&format!("{base}/arrivals?state=settled")).await;
    look_over(chrome, w.lang).await;
    chrome.press("tbody tr:last-child button").await;
    assert!(chrome.main().await.contains("病院の窓口を案内した。"), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;
}

async fn files_a_mail(chrome: &Chrome, desk: &Desk, base: &str, w: &Words) {
    let mail = "From: =?iso-2022-jp?B?GyRCOzNFRBsoQg==?= <yamada@example.test>\r\nTo: desk@desk.test\r\n\
        Message-ID: <9@example.test>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n対応が悪い。\r\n";
    assert_eq!(bring(desk, &mail_host(desk), mail.to_owned()).await, 202);
    eventually("it is read", || async {
        chrome.goto(&format!("{base}/mails")).await;
        if chrome.has("tbody button").await { Ok(()) } else { Err("not yet") }
    })
    .await;
    chrome.press("tbody button").await;
    look_over(chrome, w.lang).await;
    chrome.press("form[action$='/file'] button").await;
    let known = "return document.querySelector('#person-mail').value";
    assert_eq!(chrome.script(known, vec![]).await, json!("yamada@example.test"));
    choose(chrome, "kind", "complaint").await;
    chrome.fill("form[action='/filings'] #why", "メールの苦情").await;
    chrome.press(SEND).await;
    assert!(chrome.has(DONE).await, "{}", chrome.main().await);
}

async fn choose(chrome: &Chrome, id: &str, code: &str) {
    chrome.click(&format!("#{id} option[value='{code}']")).await;
}
