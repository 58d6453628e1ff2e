//! What a page needs so that nobody is shut out (WCAG 2.2 AA), as far as a program can see it: language, headings,
//! landmarks, labels, contrast in light and dark, targets, a window of 320 pixels, the keyboard.

use super::chrome::Chrome;
use fantoccini::key::Key;
use serde_json::{Value, json};

/// Names what is wrong with the page as it stands.
const LOOK_OVER: &str = include_str!("look_over.js");
/// What stands out of a narrow window; pages scroll in one direction only.
const STICKS_OUT: &str = "
const wide = document.documentElement.clientWidth;
if (document.scrollingElement.scrollWidth <= wide) return [];
const out = [...document.body.querySelectorAll('*')].filter(e => e.checkVisibility() && e.getBoundingClientRect().right > wide + 1);
return [`scrolls sideways: ${document.scrollingElement.scrollWidth} px in ${wide} px`, ...out.slice(0, 5).map(e => e.outerHTML.slice(0, 120))];
";
/// Where the focus is: whether it is where it should be, whether it can be seen, what it is on.
const FOCUS: &str = "
const on = document.activeElement, style = getComputedStyle(on), at = on.getBoundingClientRect();
const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && at.right > 0 && at.bottom > 0 && at.left < innerWidth && at.top < innerHeight;
return [on.matches(arguments[0]), seen, on.outerHTML.slice(0, 120)];
";
/// As if the page had been opened just now: Tab goes on from where the focus was last.
const TO_THE_TOP: &str =
    "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex'); scrollTo(0, 0);";
/// No page has more stops than this.
const STOPS_MAX: usize = 120;

/// Looks a page over, in light and dark, wide and narrow.
pub async fn look_over(chrome: &Chrome, lang: &str) {
    let mut wrong: Vec<String> = vec![];
    for (narrow, dark, how) in [(false, false, "wide"), (false, true, "dark"), (true, false, "narrow")] {
        chrome.narrow(narrow).await;
        chrome.dark(dark).await;
        let mut found = lines(chrome.script(LOOK_OVER, vec![json!(lang)]).await);
        found.extend(lines(chrome.script(STICKS_OUT, vec![]).await));
        wrong.extend(found.into_iter().map(|line| format!("{how}: {line}")));
    }
    chrome.narrow(false).await;
    assert!(wrong.is_empty(), "{}:\n{}", chrome.url().await, wrong.join("\n"));
}

fn lines(found: Value) -> Vec<String> {
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// Goes with the Tab key from the top of the page until the focus is on this, and leaves it there. Every stop on the way
/// can be seen; the first one skips to the content.
pub async fn tab_to(chrome: &Chrome, css: &str) {
    chrome.script(TO_THE_TOP, vec![]).await;
    let mut stops = vec![];
    while stops.len() < STOPS_MAX {
        chrome.key(Key::Tab).await;
        let at = chrome.script(FOCUS, vec![json!(css)]).await;
        let on = at[2].as_str().unwrap().to_owned();
        assert_eq!(at[1], json!(true), "the focus cannot be seen on {on}");
        assert!(!stops.is_empty() || on.contains("\"skip\""), "the first stop is {on}");
        if at[0] == json!(true) {
            return;
        }
        stops.push(on);
    }
    panic!("the Tab key does not reach `{css}`: {stops:#?}");
}
