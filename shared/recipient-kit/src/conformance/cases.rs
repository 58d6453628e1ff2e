//! The cases: what happens to every recipient sooner or later.

use super::sandbox::{Issued, Sandbox, Sign};
use axum::{
    body::Bytes,
    http::{HeaderValue, Request, StatusCode, header},
};
use contracts::{InstructionId, Measure, RecipientId, recipient::BODY_MAX};
use futures::{FutureExt, future::BoxFuture};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use std::{convert::Infallible, sync::Arc};
use uuid::Uuid;

/// What a case finds: nothing, or what was seen instead of what is wanted.
pub type Seen = Result<(), String>;
type Play = for<'a> fn(&'a mut Sandbox) -> BoxFuture<'a, Seen>;

/// A case.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What is wanted.
    pub wanted: &'static str,
    /// Plays it.
    pub play: Play,
}

/// How many instructions pile up while a recipient is away.
const BACKLOG: usize = 20;

/// All of them, in the order in which they are played.
pub const CASES: &[Case] = &[
    Case {
        name: "valid",
        wanted: "2xx, and a signed final report over the digest of the bytes",
        play: |s| valid(s).boxed(),
    },
    Case {
        name: "test-event",
        wanted: "2xx, and a signed report of stage received over the digest of the bytes: nothing is applied",
        play: |s| test_event(s).boxed(),
    },
    Case {
        name: "duplicate",
        wanted: "2xx for the repeat, and no second effect: the reports are the same bytes",
        play: |s| duplicate(s).boxed(),
    },
    Case {
        name: "reordered",
        wanted: "a lower version of an entry that comes late is taken and reported as well",
        play: |s| reordered(s).boxed(),
    },
    Case {
        name: "replayed",
        wanted: "4xx for a delivery signed an hour ago, and no report",
        play: |s| replayed(s).boxed(),
    },
    Case {
        name: "bad-signature",
        wanted: "4xx for an altered body, a forged signature and none at all, and no report",
        play: |s| bad_signature(s).boxed(),
    },
    Case { name: "old-key", wanted: "4xx for a key that is over, and no report", play: |s| old_key(s).boxed() },
    Case {
        name: "rotation",
        wanted: "2xx while old and new keys sign side by side, and for the new one alone",
        play: |s| rotation(s).boxed(),
    },
    Case {
        name: "not-for-you",
        wanted: "4xx for another recipient's instruction, and no report",
        play: |s| not_for_you(s).boxed(),
    },
    Case {
        name: "sealed-to-another-key",
        wanted: "4xx for identifiers that do not open, and no report",
        play: |s| sealed_to_another(s).boxed(),
    },
    Case {
        name: "not-an-instruction",
        wanted: "4xx for a well-signed body that is no instruction",
        play: |s| not_an_instruction(s).boxed(),
    },
    Case { name: "oversized", wanted: "4xx for a body over 64 KiB", play: |s| oversized(s).boxed() },
    Case {
        name: "slow",
        wanted: "a delivery that trickles in holds up no other, and is taken in the end",
        play: |s| slow(s).boxed(),
    },
    Case {
        name: "desk-away",
        wanted: "reports that the desk could not take are sent again, the same bytes",
        play: |s| desk_away(s).boxed(),
    },
    Case {
        name: "catch-up",
        wanted: "after an outage a backlog in any order is taken, each reported once",
        play: |s| catch_up(s).boxed(),
    },
    Case {
        name: "amendment",
        wanted: "a later instruction about the same entry is applied; an erasure is reported with date, items and book entry",
        play: |s| amendment(s).boxed(),
    },
];

/// Taken.
pub fn is_2xx(status: StatusCode) -> Seen {
    if status.is_success() { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
}
fn is_4xx(what: &str, status: StatusCode) -> Seen {
    if status.is_client_error() { Ok(()) } else { Err(format!("status {} for {what}", status.as_u16())) }
}

/// Something good after something bad: once it is reported, what the bad one caused would have been seen.
pub(super) async fn then_a_good_one(s: &mut Sandbox) -> Seen {
    let good = s.fresh()?;
    s.taken(&good).await.map_err(|seen| format!("afterwards a good one: {seen}"))?;
    s.reported(&[good.id]).await
}

pub(super) fn nothing_about(s: &Sandbox, id: InstructionId) -> Seen {
    match s.heard().reports.iter().find(|(r, _)| r.instruction == id) {
        None => Ok(()),
        Some((report, _)) => Err(format!("a report about it: {}", report.stage.word())),
    }
}

async fn refused(s: &mut Sandbox, what: &str, issued: &Issued, answer: Result<StatusCode, String>) -> Seen {
    is_4xx(what, answer?)?;
    then_a_good_one(s).await?;
    nothing_about(s, issued.id)
}

pub(super) async fn valid(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    s.taken(&one).await?;
    s.reported(&[one.id]).await
}

async fn test_event(s: &mut Sandbox) -> Seen {
    let one = s.test()?;
    s.taken(&one).await?;
    let patience = s.contractor.patience.as_secs();
    let answered = s.until(|heard| heard.reports.iter().any(|(r, _)| r.instruction == one.id)).await;
    answered.map_err(|_| format!("no report about the test event within {patience} s"))
}

pub(super) async fn duplicate(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    s.taken(&one).await?;
    s.reported(&[one.id]).await?;
    for _ in 0..3 {
        s.taken(&one).await.map_err(|seen| format!("{seen} for the repeat"))?;
    }
    then_a_good_one(s).await?;
    once(s, &one)
}

/// Every stage of an instruction was reported by one text only.
fn once(s: &Sandbox, issued: &Issued) -> Seen {
    let heard = s.heard();
    let mut seen: Vec<(&str, &Vec<u8>)> = Vec::new();
    for (report, bytes) in heard.reports.iter().filter(|(r, _)| r.instruction == issued.id) {
        match seen.iter().find(|(word, _)| *word == report.stage.word()) {
            Some((word, first)) if *first != bytes => {
                return Err(format!("two different reports `{word}` about one instruction"));
            }
            _ => seen.push((report.stage.word(), bytes)),
        }
    }
    Ok(())
}

pub(super) async fn reordered(s: &mut Sandbox) -> Seen {
    let entry = Uuid::now_v7();
    let early = s.issue(entry, 1, Measure::Stop)?;
    let late = s.issue(entry, 2, Measure::Stop)?;
    s.taken(&late).await?;
    s.taken(&early).await.map_err(|seen| format!("{seen} for the lower version"))?;
    s.reported(&[late.id, early.id]).await
}

async fn replayed(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    let headers = s.headers(Sign::Current, &one.id.to_string(), 3600, &one.body);
    let answer = s.post(headers, one.body.clone()).await;
    refused(s, "an hour-old delivery", &one, answer).await
}

async fn bad_signature(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    let id = one.id.to_string();
    let good = s.headers(Sign::Current, &id, 0, &one.body);
    let mut altered = one.body.clone();
    altered.push(b' ');
    is_4xx("an altered body", s.post(good.clone(), altered).await?)?;
    let mut forged = good.clone();
    let text = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    forged.insert(crate::webhook::SIGNATURE, HeaderValue::from_static(text));
    is_4xx("a forged signature", s.post(forged, one.body.clone()).await?)?;
    let mut none = good;
    none.remove(crate::webhook::SIGNATURE);
    let answer = s.post(none, one.body.clone()).await;
    refused(s, "no signature", &one, answer).await
}

async fn old_key(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    let answer = s.deliver(&one, Sign::Retired).await;
    refused(s, "a key that is over", &one, answer).await
}

async fn rotation(s: &mut Sandbox) -> Seen {
    let (one, two) = (s.fresh()?, s.fresh()?);
    is_2xx(s.deliver(&one, Sign::Both).await?).map_err(|seen| format!("{seen} for both keys side by side"))?;
    is_2xx(s.deliver(&two, Sign::Next).await?).map_err(|seen| format!("{seen} for the next key alone"))?;
    s.reported(&[one.id, two.id]).await
}

async fn not_for_you(s: &mut Sandbox) -> Seen {
    let (other, key) = (RecipientId(Uuid::now_v7()), s.contractor.sealing_key);
    let one = s.issue_to(Uuid::now_v7(), 1, Measure::Stop, other, &key)?;
    let answer = s.deliver(&one, Sign::Current).await;
    refused(s, "another recipient's instruction", &one, answer).await
}

async fn sealed_to_another(s: &mut Sandbox) -> Seen {
    let key = Sandbox::strange_key()?;
    let one = s.issue_to(Uuid::now_v7(), 1, Measure::Stop, super::sandbox::RECIPIENT, &key)?;
    let answer = s.deliver(&one, Sign::Current).await;
    refused(s, "identifiers sealed to another key", &one, answer).await
}

async fn not_an_instruction(s: &mut Sandbox) -> Seen {
    for body in [&b"{}"[..], b"[]", b"not JSON", b"{\"specversion\":\"1.0\",\"type\":\"other\"}"] {
        let headers = s.headers(Sign::Current, &Uuid::now_v7().to_string(), 0, body);
        is_4xx("a body that is no instruction", s.post(headers, body.to_vec()).await?)?;
    }
    then_a_good_one(s).await
}

async fn oversized(s: &mut Sandbox) -> Seen {
    let body = vec![b' '; BODY_MAX + 1];
    let mut headers = s.headers(Sign::Current, &Uuid::now_v7().to_string(), 0, &body);
    // An endpoint may hang up as soon as it has seen the length: nothing else may go over this connection.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(status) = s.post(headers, body).await {
        is_4xx("a body over 64 KiB", status)?;
    }
    then_a_good_one(s).await
}

async fn slow(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    let (half, rest) = one.body.split_at(one.body.len() / 2);
    let (mut sender, receiver) = futures::channel::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let mut request = Request::post(s.contractor.url.clone());
    if let Some(headers) = request.headers_mut() {
        *headers = s.headers(Sign::Current, &one.id.to_string(), 0, &one.body);
        headers.insert("content-length", one.body.len().into());
    }
    let request = request.body(StreamBody::new(receiver)).map_err(|e| e.to_string())?;
    let posted = tokio::spawn(trickling()?.request(request));
    let frame = |bytes: &[u8]| Ok(Frame::data(Bytes::copy_from_slice(bytes)));
    let broke = |_| "the connection broke off after half a body".to_owned();
    futures::SinkExt::send(&mut sender, frame(half)).await.map_err(broke)?;
    // Half of it is there; meanwhile the others go through.
    then_a_good_one(s).await.map_err(|seen| format!("while another trickles in: {seen}"))?;
    futures::SinkExt::send(&mut sender, frame(rest)).await.map_err(broke)?;
    drop(sender);
    let answer = tokio::time::timeout(s.contractor.patience, posted).await;
    let answer = answer.map_err(|_| "no answer to the slow one".to_owned())?.map_err(|e| e.to_string())?;
    is_2xx(answer.map_err(|e| e.to_string())?.status()).map_err(|seen| format!("{seen} for the slow one"))?;
    s.reported(&[one.id]).await
}

type Trickle = StreamBody<futures::channel::mpsc::Receiver<Result<Frame<Bytes>, Infallible>>>;
type Https = hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>;

/// A client whose bodies come in pieces.
fn trickling() -> Result<Client<Https, Trickle>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(https))
}

pub(super) async fn desk_away(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    let before = s.heard().turned_away;
    s.away(true);
    let taken = s.taken(&one).await;
    let tried = s.until(|heard| heard.turned_away >= before + 2).await;
    s.away(false);
    taken.map_err(|seen| format!("{seen} while the desk takes no reports"))?;
    tried.map_err(|_| "a report that was answered with 503 was not sent again".to_owned())?;
    s.reported(&[one.id]).await?;
    once(s, &one)
}

pub(super) async fn catch_up(s: &mut Sandbox) -> Seen {
    let mut missed = Vec::new();
    for _ in 0..BACKLOG {
        missed.push(s.fresh()?);
    }
    // The newest first, and all at once: no order is promised.
    let delivered = futures::future::join_all(missed.iter().rev().map(|one| s.taken(one))).await;
    delivered.into_iter().collect::<Result<Vec<()>, String>>()?;
    let ids: Vec<_> = missed.iter().map(|one| one.id).collect();
    s.reported(&ids).await?;
    missed.iter().try_for_each(|one| once(s, one))
}

pub(super) async fn amendment(s: &mut Sandbox) -> Seen {
    let stop = s.fresh()?;
    s.taken(&stop).await?;
    s.reported(&[stop.id]).await?;
    let erase = s.issue(stop.entry, 2, Measure::Erase)?;
    s.taken(&erase).await.map_err(|seen| format!("{seen} for the erasure"))?;
    s.reported(&[erase.id]).await
}
