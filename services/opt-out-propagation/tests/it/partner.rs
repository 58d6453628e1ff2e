//! The partner API: reports, the pull feed and the snapshot, and what is said about bad ones.

use crate::desk::{Desk, refused};
use axum::http::{HeaderMap, Method, Uri};
use contracts::{
    Digest, RecipientId, RecipientKind, Sealed,
    recipient::{Report, ReportAnswer, ReportStage, SignedReport},
};
use recipient_kit::{
    Ledger, RecipientKeys, apply,
    client::{Client, anywhere},
    digest_of,
    http::{HttpDesk, PullError},
    report,
    send::SendsReports,
};

struct Registered {
    me: RecipientId,
    keys: RecipientKeys,
    http: HttpDesk,
    base: String,
}

/// A recipient whose endpoint does not listen: it uses the pull feed only.
async fn registered(desk: &Desk, label: &str) -> Registered {
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook(label, &keys, "http://127.0.0.1:1/");
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let base = format!("http://{}", desk.partner.unwrap());
    Registered { me: order.recipient, keys, http: HttpDesk::new(&base).unwrap(), base }
}

async fn pulled(desk: &Desk, who: &Registered, after: &str, wanted: usize) -> (Vec<Vec<u8>>, String) {
    let _ = desk;
    testkit::eventually("the feed has them", || async {
        let (bodies, cursor) = who.http.page(&who.keys, who.me, after).await.unwrap();
        if bodies.len() == wanted { Ok((bodies, cursor)) } else { Err(bodies.len()) }
    })
    .await
}

fn report_on(who: &Registered, body: &[u8], stage: ReportStage) -> Report {
    let instruction = apply::parse(body).unwrap().id;
    let time = contracts::Timestamp::now();
    Report { instruction, recipient: who.me, digest: digest_of(body), stage, time, book_entry: None, erasures: vec![] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_that_pulls_reports_over_http_and_the_stop_is_confirmed() {
    let desk = Desk::serving().await;
    let who = registered(&desk, "puller").await;
    let first = desk.stop("ヤマダ").await;
    let (bodies, cursor) = pulled(&desk, &who, "0.0", 1).await;
    assert_eq!(cursor, "1.1");
    let applied = ReportStage::Reported { outcome: contracts::ReportOutcome::Applied, ground: None };
    let signed = report::sign(&report_on(&who, &bodies[0], applied), &who.keys.signing);
    let accepted = who.http.send(&signed).await.unwrap();
    assert!(matches!(accepted, ReportAnswer::Accepted { .. }));
    assert_eq!(who.http.send(&signed).await.unwrap(), accepted, "a repeat gets the same answer");
    assert_eq!(desk.confirmed(first).await, 1);
    assert_eq!(desk.count("select count(*) from report").await, 1);
    assert_eq!(desk.count("select count(*) from owed").await, 0);

    // A second one; the cursor goes on, another epoch is refused, the snapshot has both.
    desk.stop("スズキ").await;
    let (second, cursor) = pulled(&desk, &who, &cursor, 1).await;
    assert_eq!((apply::parse(&second[0]).unwrap().data.position, cursor.as_str()), (2, "1.2"));
    assert_eq!(who.http.page(&who.keys, who.me, "7.1").await, Err(PullError::Gone));
    let (snapshot, at) = who.http.snapshot(&who.keys, who.me).await.unwrap();
    assert_eq!((snapshot.len(), at.as_str()), (2, "1.2"));
    assert!(snapshot.contains(&second[0]), "the very bytes");
    let mut ledger = Ledger::new(who.me);
    for body in &snapshot {
        ledger.take(&apply::parse(body).unwrap()).unwrap();
    }

    // Acknowledged by position: the next page begins there; any earlier position can be read again; the books agree.
    assert_eq!(who.http.next(&who.keys, who.me, 0).await.unwrap().0.len(), 2, "nothing is acknowledged yet");
    assert_eq!(who.http.acknowledge(&who.keys, who.me, "1.1", None).await, Ok(None));
    assert_eq!(who.http.next(&who.keys, who.me, 0).await.unwrap(), (second.clone(), "1.2".to_owned()));
    assert_eq!(who.http.acknowledge(&who.keys, who.me, "1.2", Some(ledger.digest())).await, Ok(Some(true)));
    assert_eq!(who.http.acknowledge(&who.keys, who.me, "1.1", Some(ledger.digest())).await, Ok(Some(false)));
    assert_eq!(who.http.next(&who.keys, who.me, 0).await.unwrap(), (vec![], "1.2".to_owned()), "it never goes back");
    assert_eq!(who.http.page(&who.keys, who.me, "1.0").await.unwrap().0.len(), 2, "replay from any position");
    assert_eq!(who.http.acknowledge(&who.keys, who.me, "1.3", None).await, Err(PullError::Gone), "never issued");

    // A page that is waited for comes as soon as there is something in it.
    let third = async {
        tokio::task::yield_now().await;
        desk.stop("タナカ").await
    };
    let (page, _) = tokio::join!(who.http.next(&who.keys, who.me, 20), third);
    assert_eq!((page.as_ref().unwrap().0.len(), page.unwrap().1.as_str()), (1, "1.3"));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_replayed_and_foreign_reports_are_refused_with_their_reason_and_move_nothing() {
    let desk = Desk::serving().await;
    let (one, two) = (registered(&desk, "one").await, registered(&desk, "two").await);
    desk.stop("ヤマダ").await;
    let (mine, _) = pulled(&desk, &one, "0.0", 1).await;
    let (theirs, _) = pulled(&desk, &two, "0.0", 1).await;
    let received = report_on(&one, &mine[0], ReportStage::Received);
    let stranger = RecipientKeys::random().unwrap();
    let mut altered = report::sign(&received, &one.keys.signing).as_str().to_owned();
    let end = if altered.ends_with('A') { "Q" } else { "A" };
    altered.replace_range(altered.len() - 1.., end);
    let altered = SignedReport::new(&altered).unwrap();
    let bad = [
        ("unknown-key", report::sign(&received, &stranger.signing)),
        ("bad-signature", altered),
        ("not-yours", report::sign(&received, &two.keys.signing)),
        // Replayed about another instruction: the digest is not that of its bytes.
        ("not-yours", report::sign(&report_on(&one, &theirs[0], ReportStage::Received), &one.keys.signing)),
        ("wrong-digest", report::sign(&Report { digest: Digest([0; 32]), ..received.clone() }, &one.keys.signing)),
    ];
    for (reason, signed) in &bad {
        let answer = one.http.send(signed).await.unwrap();
        assert_eq!(answer, ReportAnswer::Refused { reason: reason.parse().unwrap() });
        one.http.send(signed).await.unwrap();
    }
    // Once per bytes, and none about a stranger.
    assert_eq!(desk.said().await["report-refused"], 4);
    assert_eq!(desk.count("select count(*) from owed where received_at is not null").await, 0);
    assert_eq!(desk.count("select count(*) from report").await, 0);

    // The problem document names the remedy and quotes nothing.
    let ask = async |method: Method, path: &str, body: Vec<u8>| {
        // A client of its own: after 413 the server closes without reading on.
        let client = Client::new(std::time::Duration::from_secs(30), anywhere).unwrap();
        let uri: Uri = format!("{}{path}", one.base).parse().unwrap();
        let (status, headers, body) = client.fetch(method, &uri, HeaderMap::new(), body, 65_536).await.unwrap();
        let kind = headers.get("content-type").map(|v| v.to_str().unwrap().to_owned());
        (status.as_u16(), kind, String::from_utf8(body).unwrap())
    };
    let (status, kind, text) = ask(Method::POST, "/partner/v1/reports", b"{\"secret\":1}".to_vec()).await;
    assert_eq!((status, kind.as_deref()), (400, Some("application/problem+json")));
    assert!(text.contains("JWS") && text.contains("malformed") && !text.contains("secret"), "{text}");
    assert_eq!(ask(Method::GET, "/partner/v1/instructions?after=0.0", Vec::new()).await.0, 401);
    assert_eq!(ask(Method::GET, "/partner/v2/", Vec::new()).await.0, 404);
    assert_eq!(ask(Method::POST, "/partner/v1/reports", vec![b' '; 70_000]).await.0, 413);
    assert_eq!(one.http.page(&two.keys, one.me, "0.0").await, Err(PullError::Refused(401)));
    assert_eq!(one.http.page(&one.keys, one.me, "nonsense").await, Err(PullError::Refused(400)));

    // What is right still goes through.
    let good = report::sign(&received, &one.keys.signing);
    assert!(matches!(one.http.send(&good).await.unwrap(), ReportAnswer::Accepted { .. }));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_that_make_no_sense_are_refused_by_name() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let good = desk.by_webhook("contractor", &keys, "https://contractor.example/hook");
    let reason = |reply| refused(&reply).map(|c| c.as_str().to_owned());
    for (wanted, order) in [
        ("core-zone-has-no-network", {
            let mut o = good.clone();
            o.kind = RecipientKind::CoreZone;
            o
        }),
        ("report-key-is-no-ed25519-or-p256-key", {
            let mut o = good.clone();
            o.report_key = Sealed(vec![0; 32]);
            o
        }),
        ("sealing-key-is-no-x25519-key", {
            let mut o = good.clone();
            o.sealing_key = Sealed(vec![0; 32]);
            o
        }),
        ("url-missing", {
            let mut o = good.clone();
            o.url = None;
            o
        }),
        ("url-unreadable", {
            let mut o = good.clone();
            o.url = Some(Sealed(vec![1; 80]));
            o
        }),
        ("url-not-allowed", desk.by_webhook("metadata", &keys, "http://169.254.169.254/latest")),
        ("nats-account-missing", {
            let mut o = good.clone();
            o.transport = contracts::Transport::Nats;
            o
        }),
    ] {
        assert_eq!(reason(desk.register(order).await).as_deref(), Some(wanted));
    }
    assert!(desk.recipients().await.is_empty());
    assert_eq!(reason(desk.register(good.clone()).await), None);
    assert_eq!(reason(desk.register(good.clone()).await), None, "the same again is done already");
    let mut other = good.clone();
    other.kind = RecipientKind::Hospital;
    assert_eq!(reason(desk.register(other).await).as_deref(), Some("recipient-exists-with-other-data"));
    let second = desk.by_webhook("contractor", &RecipientKeys::random().unwrap(), "https://other.example/hook");
    assert_eq!(reason(desk.register(second).await).as_deref(), Some("label-taken"));
    let third = desk.by_webhook("third", &keys, "https://other.example/hook");
    assert_eq!(reason(desk.register(third).await).as_deref(), Some("report-key-taken"));
    assert_eq!(desk.recipients().await.len(), 1);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// A recipient whose hardware has no Ed25519: it asks, reports and is believed with P-256; and the pages for its developers
/// are there for anybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_with_a_p256_key_pulls_and_reports_and_the_pages_are_open() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap().with_p256(&[7; 32]).unwrap();
    let order = desk.by_webhook("p256", &keys, "http://127.0.0.1:1/");
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let base = format!("http://{}", desk.partner.unwrap());
    let who = Registered { me: order.recipient, keys, http: HttpDesk::new(&base).unwrap(), base };
    let entry = desk.stop("ヤマダ").await;
    let (bodies, _) = pulled(&desk, &who, "0.0", 1).await;
    for stage in [
        ReportStage::Received,
        ReportStage::Acted,
        ReportStage::Reported { outcome: contracts::ReportOutcome::Applied, ground: None },
    ] {
        let signed = report::sign(&report_on(&who, &bodies[0], stage), &who.keys.signing);
        assert!(matches!(who.http.send(&signed).await.unwrap(), ReportAnswer::Accepted { .. }));
    }
    assert_eq!(desk.confirmed(entry).await, 1);
    assert_eq!(desk.count("select count(*) from report").await, 3, "every report is kept");

    let client = Client::new(std::time::Duration::from_secs(30), anywhere).unwrap();
    let get = async |path: &str| {
        let uri: Uri = format!("{}{path}", who.base).parse().unwrap();
        let (status, headers, body) =
            client.fetch(Method::GET, &uri, HeaderMap::new(), Vec::new(), 1 << 20).await.unwrap();
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        (status.as_u16(), header("content-type"), header("content-security-policy"), String::from_utf8(body).unwrap())
    };
    for path in ["/", "/formats?lang=en", "/keys?lang=ja", "/examples"] {
        let (status, kind, policy, html) = get(path).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"), "{path}");
        assert!(policy.starts_with("default-src 'none'") && html.contains("<main"), "{path}");
    }
    for path in ["/openapi.json", "/asyncapi.json", "/vectors.json", "/schemas/Instruction.json"] {
        let (status, kind, _, text) = get(path).await;
        assert_eq!((status, kind.as_str()), (200, "application/json; charset=utf-8"), "{path}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{path}");
    }
    assert!(get("/examples/python/webhook.py").await.3.contains("standardwebhooks"));
    assert_eq!((get("/examples/python/..").await.0, get("/schemas/Case.json").await.0), (404, 404));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
