//! The developer pages of the partner API: plain HTML in Japanese and English, no script, nothing from elsewhere.
//!
//! What they show is the repository's own: the examples that the tests run, the vectors that the tests verify, the documents
//! that are made from the types. A page cannot show what is not so.

use axum::{
    Router,
    extract::{Path, Query},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use chassis::Problem;
use contracts::partner;
use serde::Deserialize;

/// A page: its path, and its title and text per language.
struct Page {
    path: &'static str,
    title: [&'static str; 2],
    text: [&'static str; 2],
}

static PAGES: [Page; 5] = [
    Page {
        path: "/",
        title: ["五分で始める", "Start in five minutes"],
        text: [include_str!("texts/start.ja.html"), include_str!("texts/start.en.html")],
    },
    Page {
        path: "/formats",
        title: ["形式", "Formats"],
        text: [include_str!("texts/formats.ja.html"), include_str!("texts/formats.en.html")],
    },
    Page {
        path: "/keys",
        title: ["鍵とテストベクトル", "Keys and test vectors"],
        text: [include_str!("texts/keys.ja.html"), include_str!("texts/keys.en.html")],
    },
    Page {
        path: "/gate",
        title: ["照合", "The gate"],
        text: [include_str!("texts/gate.ja.html"), include_str!("texts/gate.en.html")],
    },
    Page {
        path: "/examples",
        title: ["動く例", "Working examples"],
        text: [include_str!("texts/examples.ja.html"), include_str!("texts/examples.en.html")],
    },
];

/// The examples, as they stand in the repository and run in its tests.
static EXAMPLES: [(&str, &str); 14] = [
    ("python/recipient.py", include_str!("../../../../examples/python/recipient.py")),
    ("python/webhook.py", include_str!("../../../../examples/python/webhook.py")),
    ("python/nats_pull.py", include_str!("../../../../examples/python/nats_pull.py")),
    ("python/http_pull.py", include_str!("../../../../examples/python/http_pull.py")),
    ("python/desk.py", include_str!("../../../../examples/python/desk.py")),
    ("python/requirements.txt", include_str!("../../../../examples/python/requirements.txt")),
    ("node/recipient.mjs", include_str!("../../../../examples/node/recipient.mjs")),
    ("node/webhook.mjs", include_str!("../../../../examples/node/webhook.mjs")),
    ("node/nats_pull.mjs", include_str!("../../../../examples/node/nats_pull.mjs")),
    ("node/http_pull.mjs", include_str!("../../../../examples/node/http_pull.mjs")),
    ("node/desk.mjs", include_str!("../../../../examples/node/desk.mjs")),
    ("node/package.json", include_str!("../../../../examples/node/package.json")),
    ("java/Receive.java", include_str!("../../../../examples/java/Receive.java")),
    ("rust/webhook.rs", include_str!("../../../../shared/recipient-kit/examples/webhook.rs")),
];

/// The gate's key rules as they are built in, and its test vectors, computed by another program than this one.
const GATE_RULES: &str = include_str!("../../../../shared/gate/rules/2026-04-01.json");
const GATE_VECTORS: &str = include_str!("../../../../shared/gate/fixtures/vectors.json");

/// Which of the two languages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Ja,
    En,
}

impl Language {
    const fn index(self) -> usize {
        match self {
            Self::Ja => 0,
            Self::En => 1,
        }
    }
    const fn code(self) -> &'static str {
        ["ja", "en"][self.index()]
    }
    const fn other(self) -> Self {
        match self {
            Self::Ja => Self::En,
            Self::En => Self::Ja,
        }
    }
    /// As asked for, or as the browser would like it; Japanese is the first language of the house.
    fn of(asked: Option<&str>, headers: &HeaderMap) -> Self {
        let browser = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        match asked {
            Some("en") => Self::En,
            Some(_) => Self::Ja,
            None if browser.starts_with("en") => Self::En,
            None => Self::Ja,
        }
    }
}

#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

/// The pages and documents; nothing of it is about anybody, so nobody has to sign for it.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new()
        .route("/openapi.json", get(|| async { document(&partner::openapi()) }))
        .route("/asyncapi.json", get(|| async { document(&partner::asyncapi()) }))
        .route("/vectors.json", get(|| async { plain("application/json", recipient_kit::VECTORS) }))
        .route("/gate-rules.json", get(|| async { plain("application/json", GATE_RULES) }))
        .route("/gate-vectors.json", get(|| async { plain("application/json", GATE_VECTORS) }))
        .route(
            "/assets/pages.css",
            get(|| async {
                plain("text/css", &[chassis::http::PUBLIC_STYLE, include_str!("../../assets/pages.css")].concat())
            }),
        )
        .route("/schemas/{name}", get(schema))
        .route("/examples/{folder}/{file}", get(example));
    for page in &PAGES {
        router = router.route(
            page.path,
            get(move |query: Query<Asked>, headers: HeaderMap| async move {
                put(Html(show(page, Language::of(query.lang.as_deref(), &headers))).into_response())
            }),
        );
    }
    router
}

async fn schema(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = name.strip_suffix(".json").and_then(partner::schema);
    found.map(|schema| document(&schema)).ok_or_else(|| missing("The schemas are listed on /formats."))
}

async fn example(Path((folder, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let name = format!("{folder}/{file}");
    let found = EXAMPLES.iter().find(|(path, _)| *path == name);
    found.map(|(_, text)| plain("text/plain", text)).ok_or_else(|| missing("The examples are listed on /examples."))
}

fn missing(detail: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "No such resource").detail(detail)
}

fn document(value: &serde_json::Value) -> Response {
    plain("application/json", &format!("{value:#}\n"))
}

fn plain(kind: &'static str, text: &str) -> Response {
    let mut response = text.to_owned().into_response();
    let kind = HeaderValue::from_str(&format!("{kind}; charset=utf-8"));
    if let Ok(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    put(response)
}

/// What every answer carries: no script, no frame, no foreign origin.
fn put(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-language"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The whole page. `{{vectors}}` and `{{python/webhook.py}}` in a text are the repository's files.
fn show(page: &Page, language: Language) -> String {
    let (at, code, other) = (language.index(), language.code(), language.other());
    let mut text = page.text[at]
        .replace("{{vectors}}", &escaped(recipient_kit::VECTORS))
        .replace("{{gate-rules}}", &escaped(GATE_RULES))
        .replace("{{gate-vectors}}", &escaped(GATE_VECTORS));
    for (path, file) in EXAMPLES {
        text = text.replace(&format!("{{{{{path}}}}}"), &escaped(file));
    }
    let links: String = PAGES
        .iter()
        .map(|p| {
            let here = if p.path == page.path { " aria-current=\"page\"" } else { "" };
            format!("<li><a href=\"{}?lang={code}\"{here}>{}</a></li>", p.path, p.title[at])
        })
        .collect();
    let (name, skip, navigation, switch) = [
        ("通知先の開発者向け", "本文へ", "ページ", "English"),
        ("For recipients' developers", "To the text", "Pages", "日本語"),
    ][at];
    let (path, title, to) = (page.path, page.title[at], other.code());
    format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} | {name}</title>\n\
         <link rel=\"stylesheet\" href=\"/assets/pages.css\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">{skip}</a>\n<header class=\"site\"><div class=\"inner\">\n\
         <p class=\"name\"><a href=\"/?lang={code}\"><span lang=\"ja\" class=\"sign\" aria-hidden=\"true\">窓口</span> {name}</a></p>\n\
         <nav aria-label=\"{navigation}\"><ul>{links}\
         <li><a href=\"{path}?lang={to}\" lang=\"{to}\" hreflang=\"{to}\">{switch}</a></li></ul></nav>\n\
         </div></header>\n<main id=\"main\" tabindex=\"-1\">\n<h1>{title}</h1>\n{text}</main>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_whole_in_both_languages() {
        for page in &PAGES {
            for language in [Language::Ja, Language::En] {
                let html = show(page, language);
                assert!(!html.contains("{{"), "{}: a file is missing", page.path);
                assert!(html.contains(&format!("lang=\"{}\"", language.code())));
                for (open, close) in [("<pre", "</pre>"), ("<table", "</table>"), ("<ol", "</ol>"), ("<h2", "</h2>")] {
                    assert_eq!(html.matches(open).count(), html.matches(close).count(), "{} {open}", page.path);
                }
                // Every link inside leads somewhere.
                for link in html.split("href=\"/").skip(1).filter_map(|rest| rest.split(['"', '?', '#']).next()) {
                    let known = PAGES.iter().any(|p| p.path == format!("/{link}"))
                        || [
                            "openapi.json",
                            "asyncapi.json",
                            "vectors.json",
                            "gate-rules.json",
                            "gate-vectors.json",
                            "assets/pages.css",
                        ]
                        .contains(&link)
                        || EXAMPLES.iter().any(|(path, _)| link == format!("examples/{path}"))
                        || partner::SCHEMAS.iter().any(|name| link == format!("schemas/{name}.json"));
                    assert!(known, "{} links to /{link}", page.path);
                }
            }
            let headings = |text: &str| text.matches("<h2").count();
            assert_eq!(headings(page.text[0]), headings(page.text[1]), "{}: the languages differ", page.path);
        }
    }

    #[test]
    fn the_browsers_language_counts_unless_one_is_asked_for() {
        let mut headers = HeaderMap::new();
        assert!(Language::of(None, &headers) == Language::Ja);
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en-GB,ja"));
        assert!(Language::of(None, &headers) == Language::En && Language::of(Some("ja"), &headers) == Language::Ja);
    }
}
