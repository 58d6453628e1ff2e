//! A person at the public desk.

use super::{
    access::{look_over, tab_to},
    chrome::Chrome,
    words::Words,
};
use fantoccini::key::Key;
use serde_json::json;
use testkit::eventually;

/// An invented person, and what the form has to ask for.
pub struct Person {
    /// What is typed, by the field's id.
    pub typed: &'static [(&'static str, &'static str)],
    /// The fields that an empty form misses.
    pub missed: &'static [&'static str],
}

/// Writes as on Japanese papers.
pub const HANAKO: Person = Person {
    typed: &[
        ("person-name", "見本 花子"),
        ("person-kana", "ミホン ハナコ"),
        ("person-birth_date", "昭和55年4月1日"),
        ("person-address", "東京都文京区本駒込2-28-16"),
        ("person-mail", "hanako@mail.example"),
        ("hospitals-0-name", "架空総合病院"),
        ("hospitals-0-period", "平成30年ごろ"),
    ],
    missed: &["person-name", "person-kana", "person-birth_date", "person-address"],
};
/// Has no reading, and leaves out what may be left out.
pub const JOHN: Person = Person {
    typed: &[
        ("person-name", "John Sample"),
        ("person-birth_date", "1980-04-01"),
        ("person-address", "2-28-16 Honkomagome, Bunkyo-ku, Tokyo"),
    ],
    missed: &["person-name", "person-birth_date", "person-address"],
};

// The first button of the form is out of sight: it is what Enter in a field presses.
const SEND: &str = "main form button[type=submit]:not([tabindex], .second)";
const MORE: &str = "button[name=more]";
const AGAIN: &str = "form[action^='/status?'] button";
const WITHDRAW: &str = "form[action^='/status/withdrawal'] button";
const ERRORS: &str = ".summary";

/// From the first page to a request that was taken back, looking every page over.
pub async fn asks_and_withdraws(chrome: &Chrome, w: &Words, person: &Person) {
    look_over(chrome, w.lang).await;
    reads_what_is_posted(chrome, w).await;
    chrome.press("main a[href^='/wishes/stop?']").await;
    assert!(chrome.main().await.contains(w.t("home.easier")), "the hospital's own counter comes first");
    look_over(chrome, w.lang).await;
    chrome.press("a.button[href*='kind=provision-stop']").await;
    look_over(chrome, w.lang).await;
    sends_nothing_and_is_told(chrome, w, person).await;
    sends_a_day_that_does_not_exist(chrome, w, person).await;
    let (number, code) = sends_it(chrome, w).await;

    chrome.press("main a.button[href^='/status']").await;
    look_over(chrome, w.lang).await;
    mistypes(chrome, w, &number).await;
    ask(chrome, &number, &code).await;
    until(chrome, w.t("step.verifying")).await;
    assert!(chrome.texts("dl.facts code").await.contains(&number));
    look_over(chrome, w.lang).await;
    takes_it_back(chrome, w).await;
}

/// 常時掲載, a link away from every page: today's version, a day that is none, a day long ago, a past day.
async fn reads_what_is_posted(chrome: &Chrome, w: &Words) {
    chrome.press("footer a[href^='/published']").await;
    assert!(chrome.main().await.contains("4,000"), "the fees");
    look_over(chrome, w.lang).await;
    for (typed, said) in [("31.2.", "published.error-day"), ("1990-01-01", "published.error-before")] {
        chrome.fill("#on", typed).await;
        chrome.press("main form button").await;
        assert!(chrome.main().await.contains(w.t(said)), "{typed}");
        look_over(chrome, w.lang).await;
    }
    chrome.fill("#on", "2018-05-11").await;
    chrome.press("main form button").await;
    assert!(chrome.has("#security").await, "that day's version is whole");
    chrome.press("header .name a").await;
}

/// やさしい日本語, a link away, from the wish to a receipt; and the form of somebody's parent, who is asked about the other.
pub async fn reads_easy_words(chrome: &Chrome, public_url: &str) {
    chrome.goto(public_url).await;
    chrome.press("nav a[href$='lang=ja-easy']").await;
    look_over(chrome, "ja").await;
    chrome.press("footer a[href^='/published']").await;
    look_over(chrome, "ja").await;
    chrome.press("header .name a").await;
    for wish in ["see", "purpose", "complain"] {
        chrome.press(&format!("main a[href^='/wishes/{wish}?']")).await;
        look_over(chrome, "ja").await;
        chrome.press("a.button[href^='/requests/new?']").await;
        look_over(chrome, "ja").await;
        chrome.press("header .name a").await;
    }
    chrome.press("main a[href^='/wishes/stop?']").await;
    chrome.press("a.button[href*='kind=provision-stop']").await;
    let seen = "return [...document.querySelectorAll('fieldset.section')].filter(s => s.checkVisibility())
        .map(s => s.className.split(' ').pop()).filter(s => s.startsWith('of-'))";
    assert_eq!(chrome.script(seen, vec![]).await, json!([]), "the person is asked for nothing more");
    for (capacity, asked) in
        [("curator", "of-curator"), ("agent", "of-agent"), ("bereaved", "of-bereaved"), ("parent", "of-parent")]
    {
        chrome.click(&format!("#capacity-{capacity}")).await;
        assert_eq!(chrome.script(seen, vec![]).await, json!([asked]), "only what the capacity needs");
    }
    chrome.press(SEND).await;
    assert!(chrome.has(".summary a[href^='#standing-other_parent-']").await);
    look_over(chrome, "ja").await;
    let typed = [
        ("person-name", "見本 一郎"),
        ("person-kana", "みほん いちろう"),
        ("person-birth_date", "2018-04-01"),
        ("person-address", "東京都文京区本駒込2-28-16"),
        ("representative-name", "見本 花子"),
        ("representative-address", "東京都文京区本駒込2-28-16"),
    ];
    for (id, text) in typed {
        chrome.fill(&format!("#{id}"), text).await;
    }
    chrome.click("#standing-other_parent-sole-authority").await;
    chrome.press(SEND).await;
    assert_eq!(chrome.texts("dl.codes code").await.len(), 2, "{}", chrome.main().await);
    look_over(chrome, "ja").await;
    chrome.press("main a.button[href^='/status']").await;
    look_over(chrome, "ja").await;
}

/// With the keyboard alone.
async fn sends_nothing_and_is_told(chrome: &Chrome, w: &Words, person: &Person) {
    tab_to(chrome, SEND).await;
    chrome.enter().await;
    let title = chrome.script("return document.title", vec![]).await;
    assert!(title.as_str().unwrap().starts_with(w.t("form.error-mark").trim()), "{title}");
    assert_eq!(focus_is_on(chrome, ERRORS).await, json!(true), "the errors are read out first");
    assert_eq!(chrome.text(".summary h2").await, w.t("form.summary"));
    look_over(chrome, w.lang).await;

    let links =
        chrome.script("return [...document.querySelectorAll('.summary a')].map(a => a.hash.slice(1))", vec![]).await;
    assert_eq!(links, json!(person.missed));
    let marked =
        chrome.script("return [...document.querySelectorAll('[aria-invalid=true]')].map(e => e.id)", vec![]).await;
    assert_eq!(marked, links, "what the summary names is what is marked");
    // The first link is one Tab away, and each leads into its field.
    chrome.script("document.querySelector('.summary').focus()", vec![]).await;
    chrome.key(Key::Tab).await;
    assert_eq!(focus_is_on(chrome, ".summary li:first-child a").await, json!(true));
    for id in person.missed {
        chrome.click(&format!(".summary a[href='#{id}']")).await;
        assert_eq!(focus_is_on(chrome, &format!("#{id}")).await, json!(true), "{id}");
        let error = chrome.text(&format!("#{id}-error")).await;
        assert!(error.contains(w.t("error.required")), "{id}: {error}");
    }
}

/// Everything is right but the date; what was typed is kept.
async fn sends_a_day_that_does_not_exist(chrome: &Chrome, w: &Words, person: &Person) {
    for (id, text) in person.typed {
        chrome.fill(&format!("#{id}"), text).await;
    }
    chrome.fill("#person-birth_date", "1980-02-30").await;
    grows_by_a_row(chrome).await;
    look_over(chrome, w.lang).await;
    chrome.press(SEND).await;
    assert_eq!(chrome.texts(".summary a").await.len(), 1, "{}", chrome.text(ERRORS).await);
    assert!(chrome.text("#person-birth_date-error").await.contains(w.t("error.no-such-day")));
    for (id, text) in person.typed {
        let kept = chrome.find(&format!("#{id}")).await.prop("value").await.unwrap().unwrap();
        assert_eq!(kept, if *id == "person-birth_date" { "1980-02-30" } else { *text }, "{id}");
    }
    let (_, birth_date) = person.typed.iter().find(|(id, _)| *id == "person-birth_date").unwrap();
    chrome.fill("#person-birth_date", birth_date).await;
}

/// One more hospital, without script: the keyboard goes on in the new row.
async fn grows_by_a_row(chrome: &Chrome) {
    chrome.fill("#hospitals-1-name", "架空診療所").await;
    chrome.press(MORE).await;
    let new = "const at = document.activeElement, row = Number(at.id.split('-')[1]);
        return [at.id, at.value, document.getElementById(`hospitals-${row - 1}-name`)?.value]";
    let new = chrome.script(new, vec![]).await;
    assert!(new[0].as_str().unwrap().ends_with("-name"), "{new}");
    assert_eq!((&new[1], &new[2]), (&json!(""), &json!("架空診療所")), "{new}");
}

/// The number and the code that the receipt shows.
async fn sends_it(chrome: &Chrome, w: &Words) -> (String, String) {
    chrome.press(SEND).await;
    assert_eq!(chrome.text("h1").await, w.t("receipt.title"), "{}", chrome.main().await);
    look_over(chrome, w.lang).await;
    let codes: [String; 2] = chrome.texts("dl.codes code").await.try_into().unwrap();
    let [number, code] = codes;
    assert!(number.parse::<contracts::ReceiptNumber>().is_ok(), "{number}");
    assert!(code.parse::<privacy_seal::AccessCode>().is_ok(), "{code}");
    let address = chrome.url().await;
    assert!(!address.contains(&number) && !address.contains(&code), "{address}");
    (number, code)
}

/// Nothing, then a code that nobody has.
async fn mistypes(chrome: &Chrome, w: &Words, number: &str) {
    tab_to(chrome, SEND).await;
    chrome.enter().await;
    for (id, error) in [("receipt_number", "status.number-error"), ("access_code", "status.code-error")] {
        let field = chrome.find(&format!("#{id}")).await;
        assert_eq!(field.attr("aria-invalid").await.unwrap().as_deref(), Some("true"), "{id}");
        assert!(chrome.text(&format!("#{id}-error")).await.contains(w.t(error)), "{id}");
    }
    look_over(chrome, w.lang).await;
    ask(chrome, number, "0000-0000-0000-0000").await;
    assert_eq!(chrome.texts(".summary a").await, [w.t("problem.not-found.detail")]);
    assert_eq!(focus_is_on(chrome, ERRORS).await, json!(true));
    let kept = chrome.find("#receipt_number").await.prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some(number), "the number need not be typed again");
    look_over(chrome, w.lang).await;
}

/// Asks on the form of the status page.
pub async fn ask(chrome: &Chrome, number: &str, code: &str) {
    chrome.fill("#receipt_number", number).await;
    chrome.fill("#access_code", code).await;
    chrome.press(SEND).await;
}

/// Asks for the latest until the page says so.
pub async fn until(chrome: &Chrome, step: &str) {
    eventually(&format!("the status page says “{step}”"), || async {
        let now = chrome.text(".now strong").await;
        if now == step {
            return Ok(());
        }
        chrome.press(AGAIN).await;
        Err(now)
    })
    .await;
}

/// Thinks twice, and does it.
async fn takes_it_back(chrome: &Chrome, w: &Words) {
    chrome.press(WITHDRAW).await;
    assert_eq!(chrome.text("h1").await, w.t("withdrawal.title"));
    assert!(chrome.main().await.contains(w.t("withdrawal.stop")), "what others were told stays");
    look_over(chrome, w.lang).await;
    chrome.press(AGAIN).await;
    assert_eq!(chrome.text("h1").await, w.t("status.shown"), "no means no");
    chrome.press(WITHDRAW).await;
    tab_to(chrome, "button.danger").await;
    chrome.enter().await;
    assert_eq!(chrome.text("[role=status]").await, w.t("withdrawal.done"));
    until(chrome, w.t("step.ended")).await;
    assert!(chrome.texts(".notice").await.contains(&w.t("ended.withdrawn").to_owned()), "{}", chrome.main().await);
    assert!(!chrome.has(WITHDRAW).await, "there is nothing left to take back");
    look_over(chrome, w.lang).await;
}

async fn focus_is_on(chrome: &Chrome, css: &str) -> serde_json::Value {
    chrome.script("return document.activeElement.matches(arguments[0])", vec![json!(css)]).await
}
