//! 常時掲載: the operator's own file, any day's version, the feed.

use crate::desk::Desk;

/// Two versions, the second one from 2026-10-01; each item says its own name and version.
fn file() -> String {
    let items = ["change", "operator", "purposes", "requests", "papers", "fees", "hours", "security", "complaints"];
    let version = |from: &str, n: u32| {
        let items = items
            .map(|item| format!("[version.{item}]\nja = [\"{item}の<第{n}版>\"]\nen = [\"{item} & version {n}\"]\n"));
        format!("[[version]]\nfrom = \"{from}\"\n{}", items.concat())
    };
    version("2026-04-01", 1) + &version("2026-10-01", 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_today_and_of_any_past_day_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("published.toml");
    std::fs::write(&path, file()).unwrap();
    let desk = Desk::start(&[("door.published", path.to_str().unwrap())]).await;

    let home = desk.page("/", "en").await;
    assert!(home.text.contains("href=\"/published?lang=en\""), "every page leads there");
    let now = desk.page("/published", "en").await;
    assert_eq!(now.status, 200);
    for item in ["operator", "purposes", "requests", "papers", "fees", "hours", "security", "complaints"] {
        assert!(now.text.contains(&format!("<p>{item} &#38; version 2</p>")), "{item}: {}", now.text);
    }
    assert!(!now.text.contains("id=\"accredited-body\""), "what a version does not have is no heading");
    assert!(now.text.contains("1 October 2026") && now.text.contains("change &#38; version 1"));

    let past = desk.page("/published?on=%E4%BB%A4%E5%92%8C8%E5%B9%B45%E6%9C%881%E6%97%A5", "ja").await;
    assert_eq!(past.status, 200);
    assert!(
        past.text.contains("<p>feesの&#60;第1版&#62;</p>") && past.text.contains("これは2026年9月30日までの内容です。")
    );
    assert!(past.text.contains("href=\"/published?on=2026-05-01&#38;lang=en\""), "{}", past.text);

    for (on, status, said) in [
        ("2026-03-31", 404, "Nothing was posted on that day yet"),
        ("2199-01-01", 400, "That day is yet to come"),
        ("%22%3E%3Cx", 400, "Write the day as"),
    ] {
        let page = desk.page(&format!("/published?on={on}"), "en").await;
        assert_eq!(page.status, status);
        assert!(page.text.contains(said) && !page.text.contains("\"><x"), "{on}: {}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_of_each_version_the_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("published.toml");
    std::fs::write(&path, file()).unwrap();
    let desk = Desk::start(&[("door.published", path.to_str().unwrap())]).await;
    let feed = desk.page("/published/feed?lang=ja", "en").await;
    assert_eq!(feed.status, 200);
    assert_eq!(feed.header("content-type"), "application/atom+xml; charset=utf-8");
    assert_eq!(feed.header("cache-control"), "max-age=3600");
    let (first, second) = feed.text.split_once("</entry>").unwrap();
    assert!(first.contains("<updated>2026-10-01T00:00:00+09:00</updated>") && first.contains("第2版"), "{first}");
    assert!(second.contains("<updated>2026-04-01T00:00:00+09:00</updated>") && second.contains("第1版"), "{second}");
    assert!(first.contains(&format!("<id>{}/published?on=2026-10-01</id>", desk.base)), "{first}");
    assert!(feed.text.contains("changeの&#60;第2版&#62;"), "what the operator wrote is text, never markup");
    assert!(feed.text.trim_end().ends_with("</feed>"));
}
