use crate::desk::{Answer, Desk, MARKER};
use contracts::Code;
use door::clients::{self, ClientScope};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use privacy_seal::{
    Purpose,
    filing::{ArrivedMail, Filing},
    segments::{HEADER, SEGMENT, sealed_length, segments_aad},
};
use sha2::{Digest, Sha256};
use std::convert::Infallible;

const MAIL: &str =
    "From: hyoshiki@example.jp\r\nTo: desk@example.jp\r\nSubject: =?utf-8?b?5qiZ6K2Y?=\r\n\r\n標識のことば\r\n";

fn key(desk: &Desk, name: &'static str, scopes: Vec<ClientScope>) -> String {
    clients::add(&desk.keys_dir, Code::of(name), scopes).unwrap()
}

fn post(desk: &Desk, key: &str) -> reqwest::RequestBuilder {
    let request = desk.http.post(format!("{}/api/v1/mail", desk.base));
    request.bearer_auth(key).header("Content-Type", "message/rfc822")
}

/// A body that says no length.
fn in_pieces(body: Vec<u8>, length: usize) -> reqwest::Body {
    let pieces = body.chunks(length).map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece.to_vec()))));
    reqwest::Body::wrap(StreamBody::new(futures::stream::iter(pieces.collect::<Vec<_>>())))
}

async fn filed(desk: &Desk) -> Vec<ArrivedMail> {
    let mails = desk.open().await.into_iter().filter_map(|(_, filing)| match filing {
        Filing::Mail(mail) => Some(*mail),
        _ => None,
    });
    mails.collect()
}

fn files(desk: &Desk) -> usize {
    let folder = |path: std::path::PathBuf| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    folder(desk.inbound_dir.clone()).flat_map(folder).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_sealed_while_it_arrives_and_filed_once() {
    let desk = Desk::start(&[]).await;
    let key = key(&desk, "mail-host", vec![ClientScope::Mail]);
    let bring = |body: &'static str| {
        post(&desk, &key)
            .header("Envelope-From", "<hyoshiki@example.jp>")
            .header("Client-Address", "192.0.2.1")
            .body(body)
    };
    let answer = Answer::of(bring(MAIL)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let again = Answer::of(bring(MAIL)).await;
    assert_eq!((again.status, again.json()), (202, answer.json()), "brought twice, it is one");
    let other = Answer::of(bring("Subject: other\r\n\r\n")).await;
    assert_ne!(other.json()["mail"], answer.json()["mail"]);

    let mails = filed(&desk).await;
    assert_eq!((mails.len(), files(&desk)), (2, 2));
    let mail = &mails[0];
    assert_eq!(mail.digest, <[u8; 32]>::from(Sha256::digest(MAIL)));
    assert_eq!((mail.bytes, mail.client.as_str()), (MAIL.len() as u64, "mail-host"));
    assert_eq!(mail.envelope.from, "<hyoshiki@example.jp>");
    assert_eq!(mail.envelope.client_address, Some("192.0.2.1".parse().unwrap()));
    let sealed = desk.inbound().get(mail.object).await.unwrap();
    assert_eq!(sealed.len() as u64, sealed_length(mail.bytes));
    assert!(!sealed.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()), "nothing in the clear");
    let file_key = desk.opened(&segments_aad(mail.object.0), &sealed[1..HEADER]);
    assert_eq!(file_key.disclose(Purpose::ShowToStaff).len(), 32, "the desk opens the file's key");
    let spans = format!("{:?}", testkit::spans());
    assert!(spans.contains("POST /api/v1/mail") && !spans.contains(MARKER) && !spans.contains("hyoshiki"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_mail_arrives_in_pieces() {
    let desk = Desk::start(&[]).await;
    let key = key(&desk, "mail-host", vec![ClientScope::Mail]);
    let body = format!("{MAIL}{}", "x".repeat(5 * SEGMENT));
    let pieces = in_pieces(body.clone().into_bytes(), 9_973);
    assert_eq!(Answer::of(post(&desk, &key).body(pieces)).await.status, 202);
    let mails = filed(&desk).await;
    assert_eq!(mails[0].digest, <[u8; 32]>::from(Sha256::digest(&body)));
    assert_eq!(desk.inbound().get(mails[0].object).await.unwrap().len() as u64, sealed_length(body.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_leaves_nothing_and_says_why() {
    let desk = Desk::start(&[]).await;
    let known = key(&desk, "mail-host", vec![ClientScope::Mail]);
    let other = key(&desk, "other", vec![]);
    let refused = |request: reqwest::RequestBuilder| async move {
        let answer = Answer::of(request).await;
        (answer.status, answer.problem())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(post(&desk, "nobody").body(MAIL)).await, is(401, "no-client-key"));
    assert_eq!(refused(post(&desk, &other).body(MAIL)).await, is(403, "not-for-this-client"));
    assert_eq!(refused(post(&desk, &known).body("")).await, is(400, "mail-empty"));
    let json = desk.http.post(format!("{}/api/v1/mail", desk.base)).bearer_auth(&known).body(MAIL);
    assert_eq!(refused(json).await, is(415, "mail-media-type"));
    for (name, value) in [("Client-Address", "標識"), ("Envelope-To", &*"x".repeat(1_001))] {
        assert_eq!(refused(post(&desk, &known).header(name, value).body(MAIL)).await, is(400, "envelope"));
    }
    let large = vec![b'x'; door::mail::MAIL_MAX as usize + 1];
    assert_eq!(refused(post(&desk, &known).body(large.clone())).await, is(413, "mail-too-large"));
    let chunked = post(&desk, &known).body(in_pieces(large, 1 << 20));
    assert_eq!(refused(chunked).await, is(413, "mail-too-large"));
    let keyed = |body: &'static str| post(&desk, &known).header("Idempotency-Key", "k").body(body);
    assert_eq!(Answer::of(keyed(MAIL)).await.status, 202);
    assert_eq!(refused(keyed("Subject: other\r\n\r\n")).await, is(409, "key-reused"));
    assert_eq!((desk.count("filing").await, files(&desk)), (1, 1));
    clients::remove(&desk.keys_dir, &Code::of("mail-host")).unwrap();
    assert_eq!(refused(post(&desk, &known).body(MAIL)).await, is(401, "no-client-key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_brings_too_many_is_told_when_to_come_back() {
    let desk = Desk::start(&[("door.mails_per_minute", "1")]).await;
    let key = key(&desk, "mail-host", vec![ClientScope::Mail]);
    assert_eq!(Answer::of(post(&desk, &key).body(MAIL)).await.status, 202);
    let second = Answer::of(post(&desk, &key).body(MAIL)).await;
    assert_eq!((second.status, second.problem()), (429, "too-many-mails".to_owned()));
    assert!(second.header("retry-after").parse::<u64>().unwrap() > 0);
}
