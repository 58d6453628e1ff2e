use crate::desk::{Answer, Desk, MARKER, a_stop};
use contracts::{Capacity, Channel, Kind, Scope};
use privacy_seal::filing::Filing;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sealed_and_the_desk_can_open_it() {
    let desk = Desk::start(&[]).await;
    let answer = desk.file("k-1", &a_stop()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let receipt = answer.json();
    let number = receipt["receipt_number"].as_str().unwrap();
    assert_eq!(receipt["kind"], "provision-stop");
    assert_eq!(receipt["access_code"].as_str().unwrap().len(), 19);
    assert_eq!(answer.header("location"), format!("/api/v1/requests/{number}"));
    assert_eq!(receipt["status_url"], format!("{}/api/v1/requests/{number}", desk.base));
    assert_eq!(answer.header("cache-control"), "no-store");

    let opened = desk.open().await;
    let [(_, Filing::Request(request))] = &opened[..] else { panic!("one request") };
    assert_eq!(request.receipt_number.to_string(), number);
    assert_eq!(
        (request.kind, request.capacity, request.channel),
        (Kind::ProvisionStop, Capacity::Person, Channel::Api)
    );
    assert_eq!(request.scope, Some(Scope::Anonymised));
    assert_eq!(request.person.name, "標識 花子");
    assert_eq!(request.person.birth_date.unwrap().to_string(), "1980-04-01");
    assert_eq!((&*request.words, &request.hospitals[..]), ("標識のことば", &["標識病院".to_owned()][..]));
    assert_eq!(request.received_at.to_string(), receipt["received_at"].as_str().unwrap());
    assert!(request.traceparent.is_some(), "the trace goes with the filing");
}

/// Nothing of a person in clear in any table, span or answer; no receipt number or code in a span.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_is_in_the_clear() {
    let desk = Desk::start(&[]).await;
    let receipt = desk.file("k-clear", &a_stop()).await.json();
    let (number, code) = (receipt["receipt_number"].as_str().unwrap(), receipt["access_code"].as_str().unwrap());
    desk.status("10.0.0.1", number, code).await;
    desk.withdraw(number, code).await;
    let mut bad = a_stop();
    bad["person"]["kana"] = json!(MARKER);
    bad["person"][MARKER] = json!(MARKER);
    bad["kind"] = json!(MARKER);
    let refused = desk.file("k-bad", &bad).await;
    assert_eq!(refused.errors(), ["/person unknown-field", "/kind unknown-word", "/person/kana kana-only"]);
    assert!(!refused.text.contains(MARKER));

    let mut admin = desk.admin().await;
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "select convert_to(f::text, 'UTF8') || f.sealed from door.filing f union all
         select convert_to(i::text, 'UTF8') || i.body_mac || i.code_key from door.idempotency i union all
         select convert_to(h::text, 'UTF8') || h.sealed from door.hatch h",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(rows.len(), 5, "two filings, two keys, one hatch");
    let holds = |row: &[u8], what: &str| row.windows(what.len()).any(|part| part == what.as_bytes());
    for secret in [MARKER, "hyoshiki", number, code, &code.replace('-', "")] {
        assert!(!rows.iter().any(|row| holds(row, secret)), "{secret} in a table");
    }
    let spans = testkit::spans();
    assert!(
        spans.iter().any(|span| span.name == "POST /api/v1/requests"),
        "{:?}",
        spans.iter().map(|s| &s.name).collect::<Vec<_>>()
    );
    assert!(spans.iter().any(|span| span.name == "GET /api/v1/requests/{receipt_number}"));
    let spans = format!("{spans:?}");
    for secret in [MARKER, "hyoshiki", number, code] {
        assert!(!spans.contains(secret), "{secret} in a span");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_is_refused_whole_and_says_all() {
    let desk = Desk::start(&[]).await;
    let post = || desk.http.post(format!("{}/api/v1/requests", desk.base));
    let json_post = || post().header("Content-Type", "application/json").header("Idempotency-Key", "k");

    assert_eq!(Answer::of(post().json(&a_stop())).await.problem(), "key-missing");
    for key in ["a b", "é", &"x".repeat(256)] {
        let answer = Answer::of(post().header("Idempotency-Key", key).json(&a_stop())).await;
        assert_eq!((answer.status, answer.problem()), (400, "key-missing".to_owned()), "{key}");
    }
    let answer = Answer::of(post().header("Idempotency-Key", "k").body("{}")).await;
    assert_eq!((answer.status, answer.problem()), (415, "media-type".to_owned()));
    for body in ["", "{", "{\"kind\": \"disclosure\"", "\u{0}"] {
        let answer = Answer::of(json_post().body(body)).await;
        assert_eq!((answer.status, answer.errors()), (400, vec![" not-json".to_owned()]), "{body:?}");
    }
    for size in [64 * 1024 + 1, 1024 * 1024] {
        let answer = Answer::of(json_post().body(" ".repeat(size))).await;
        assert_eq!((answer.status, answer.problem()), (413, "too-large".to_owned()));
    }
    let answer = Answer::of(
        json_post()
            .header("Accept-Language", "en")
            .json(&json!({"kind": "erase", "person": {"birth_date": "2999-01-01"}})),
    )
    .await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.errors(),
        [
            "/kind unknown-word",
            "/person/name required",
            "/person/kana required",
            "/person/birth_date date-future",
            "/person/address required"
        ]
    );
    assert_eq!(answer.header("content-language"), "en");
    assert!(answer.text.contains("This date is in the future"));
    assert!(answer.text.contains("disclosure, third-party-records"), "the remedy names the words");
    let japanese = Answer::of(json_post().json(&json!({"kind": "erase"}))).await;
    assert!(japanese.text.contains("書かれていません"));
    assert_eq!((desk.count("filing").await, desk.count("idempotency").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_original_receipt() {
    let desk = Desk::start(&[]).await;
    let first = desk.file("k-repeat", &a_stop()).await;
    let again = desk.file("k-repeat", &a_stop()).await;
    assert_eq!((first.status, &first.text), (201, &again.text));
    // Intake has taken the filing: a repeat does not put it back.
    sqlx::query("delete from door.filing").execute(&mut desk.admin().await).await.unwrap();
    assert_eq!(desk.file("k-repeat", &a_stop()).await.text, first.text);
    assert_eq!(desk.count("filing").await, 0);

    let mut other = a_stop();
    other["words"] = json!("another");
    let refused = desk.file("k-repeat", &other).await;
    assert_eq!((refused.status, refused.problem()), (409, "key-reused".to_owned()));
    let receipt = first.json();
    for secret in ["receipt_number", "access_code"] {
        assert!(!refused.text.contains(receipt[secret].as_str().unwrap()));
    }
    assert_eq!(desk.count("filing").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_one_each_whatever_their_keys() {
    let desk = Desk::start(&[]).await;
    let different = (0..40).map(|n| {
        let desk = &desk;
        async move { desk.file(&format!("k-many-{}", n % 10), &a_stop()).await.text }
    });
    let answers = futures::future::join_all(different).await;
    let distinct: std::collections::BTreeSet<_> = answers.iter().collect();
    assert_eq!(distinct.len(), 10, "four posts under each of ten keys");
    assert_eq!(desk.open().await.len(), 10);
    assert!(desk.count("hatch").await < 10, "filings share a hatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_itself_and_says_how_it_is() {
    let desk = Desk::start(&[]).await;
    let description = Answer::of(desk.http.get(format!("{}/openapi.json", desk.base))).await;
    assert_eq!(description.header("content-type"), "application/json");
    assert_eq!(description.json()["servers"][0]["url"], desk.base);
    assert_eq!(Answer::of(desk.http.get(format!("{}/healthz", desk.base))).await.json()["status"], "ok");
    let nothing = Answer::of(desk.http.get(format!("{}/api/v2/x", desk.base))).await;
    assert_eq!((nothing.status, nothing.problem()), (404, "no-such-page".to_owned()));
    let method = Answer::of(desk.http.delete(format!("{}/api/v1/requests", desk.base))).await;
    assert_eq!((method.status, method.problem()), (405, "method".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn filings_of_one_address_are_limited() {
    let desk = Desk::start(&[("door.filings_per_minute", "2")]).await;
    for n in 0..2 {
        assert_eq!(desk.file(&format!("k-{n}"), &a_stop()).await.status, 201);
    }
    let limited = desk.file("k-2", &a_stop()).await;
    assert_eq!((limited.status, limited.problem()), (429, "too-many-filings".to_owned()));
    assert!((1..=30).contains(&limited.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(desk.count("filing").await, 2);
}
