//! What a page needs so that nobody is shut out (WCAG 2.2 AA), as far as a program can see it: language, headings,
//! landmarks, labels, contrast in light and dark, targets, a window of 320 pixels, the keyboard.

use super::chrome::Chrome;
use fantoccini::key::Key;
use serde_json::{Value, json};

/// Names what is wrong with the page as it stands.
const LOOK_OVER: &str = include_str!("look_over.js");
/// Goes to the top, as if the page had been opened just now (Tab goes on from where the focus was last), and notes
/// every stop from then on: whether its focus can be seen, and what it is. Once the wanted one has the focus, it stays there.
const NOTE_STOPS: &str = "
document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0);
const wanted = arguments[0], note = { stops: [], there: false };
window.note = note;
document.addEventListener('focusin', event => {
  const style = getComputedStyle(event.target);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && event.target.getBoundingClientRect().right > 0;
  note.stops.push([seen, event.target.outerHTML.slice(0, 120)]);
  note.there ||= event.target.matches(wanted);
});
document.addEventListener('keydown', event => { if (note.there && event.key === 'Tab') event.preventDefault(); }, true);
";
/// Keys pressed at a time.
const AT_A_TIME: usize = 8;
/// No page has more stops than this.
const STOPS_MAX: usize = 120;

/// Looks a page over; there must be nothing wrong with it.
pub async fn look_over(chrome: &Chrome, lang: &str) {
    let wrong = faults(chrome, lang).await;
    let path: String = chrome.url().await.split('/').skip(3).collect::<Vec<_>>().join("-");
    let name: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    chrome.picture(&format!("{name}-{lang}")).await;
    assert!(wrong.is_empty(), "{}:\n{}", chrome.url().await, wrong.join("\n"));
}

/// What is wrong with a page in light, in dark, and in a narrow window.
pub async fn faults(chrome: &Chrome, lang: &str) -> Vec<String> {
    let mut wrong = look(chrome, lang, "wide").await;
    chrome.dark(true).await;
    wrong.extend(look(chrome, lang, "dark").await);
    chrome.dark(false).await;
    chrome.narrow(true).await;
    wrong.extend(look(chrome, lang, "narrow").await);
    chrome.narrow(false).await;
    wrong
}

async fn look(chrome: &Chrome, lang: &str, how: &str) -> Vec<String> {
    let found = chrome.script(LOOK_OVER, vec![json!(lang)]).await;
    found.as_array().unwrap().iter().map(|line| format!("{how}: {}", line.as_str().unwrap())).collect()
}

/// Goes with the Tab key from the top of the page until the focus is on this, and leaves it there. Every stop on the
/// way can be seen; the first one skips to the content.
pub async fn tab_to(chrome: &Chrome, css: &str) {
    chrome.script(NOTE_STOPS, vec![json!(css)]).await;
    let mut note = Value::Null;
    for _ in 0..STOPS_MAX / AT_A_TIME {
        chrome.keys(&[Key::Tab; AT_A_TIME]).await;
        note = chrome.script("return window.note", vec![]).await;
        if note["there"] == json!(true) {
            break;
        }
    }
    assert_eq!(note["there"], json!(true), "the Tab key does not reach `{css}`: {note:#}");
    let stops = note["stops"].as_array().unwrap();
    assert!(stops[0][1].as_str().unwrap().contains("\"skip\""), "the first stop is {}", stops[0]);
    for stop in stops {
        assert_eq!(stop[0], json!(true), "the focus cannot be seen on {}", stop[1]);
    }
}
