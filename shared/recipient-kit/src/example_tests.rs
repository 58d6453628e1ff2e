use super::*;
use crate::{
    http,
    send::Away,
    webhook::{self, Secret, Signer, Verifier},
};
use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use contracts::{
    Scope,
    recipient::{InstructionData, InstructionSource, InstructionType},
};
use ed25519_dalek::SigningKey;
use tower::ServiceExt;
use uuid::Uuid;

const ME: RecipientId = RecipientId(Uuid::from_u128(1));

fn keys() -> RecipientKeys {
    RecipientKeys::from_secrets(&[1; 32], &[2; 32])
}

fn body(to: &RecipientKeys, audience: RecipientId, position: i64) -> Vec<u8> {
    let id = InstructionId(Uuid::from_u128(100 + position as u128));
    let person = Personal::new(Identifiers {
        kana: "ヤマダ ハナコ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: None,
        sex: None,
        hospitals: vec![],
    });
    serde_json::to_vec(&Instruction {
        specversion: Default::default(),
        id,
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: audience,
        time: "2026-11-22T00:00:00Z".parse().unwrap(),
        expirytime: "2026-11-29T00:00:00Z".parse().unwrap(),
        datacontenttype: Default::default(),
        data: InstructionData {
            representation: Default::default(),
            audience,
            epoch: 1,
            position,
            entry: Uuid::from_u128(5),
            entry_version: position,
            measure: Measure::Stop,
            scope: Scope::Both,
            person: identifiers::sealed(&to.sealing_public(), id, &person).unwrap(),
            erase: None,
        },
    })
    .unwrap()
}

fn now() -> Timestamp {
    "2026-11-22T00:00:01Z".parse().unwrap()
}

/// A desk that is away for the first few requests and keeps what it accepted.
struct Desk {
    away: Mutex<u32>,
    got: Mutex<Vec<Report>>,
}

#[async_trait]
impl SendsReports for Desk {
    async fn send(&self, signed: &SignedReport) -> Result<ReportAnswer, Away> {
        let mut away = self.away.lock().unwrap();
        if *away > 0 {
            *away -= 1;
            return if away.is_multiple_of(2) { Err(Away) } else { Ok(ReportAnswer::Unavailable) };
        }
        let report = report::verify(signed.as_str().as_bytes(), &[keys().signing.public()]).unwrap();
        let instruction = report.instruction;
        self.got.lock().unwrap().push(report);
        Ok(ReportAnswer::Accepted { instruction })
    }
}

#[tokio::test]
async fn takes_applies_and_reports_twice_though_the_desk_is_away_at_first() {
    let contractor = ExampleContractor::open(ME, keys(), None, ReportOutcome::Applied).unwrap();
    assert_eq!(contractor.stopped("ヤマダ ハナコ", "1980-02-29".parse().unwrap()), None);
    let bytes = body(&keys(), ME, 1);
    assert_eq!(contractor.take(&bytes, now()).unwrap(), Taken::New);
    assert_eq!(contractor.take(&bytes, now()).unwrap(), Taken::Repeat);
    assert_eq!(contractor.stopped("ヤマダ ハナコ", "1980-02-29".parse().unwrap()), Some(Measure::Stop));
    let desk = Arc::new(Desk { away: Mutex::new(3), got: Mutex::default() });
    let reporting = tokio::spawn(contractor.clone().run_reports(desk.clone()));
    let counts = contractor.until(|c| c.open == 0).await;
    assert_eq!((counts.accepted, counts.repeats, counts.applied), (2, 1, 1));
    reporting.abort();
    let got = desk.got.lock().unwrap();
    assert_eq!(got[0].stage, ReportStage::Received);
    assert_eq!(got[1].stage, ReportStage::Reported { outcome: ReportOutcome::Applied, ground: None });
    assert!(got.iter().all(|r| r.digest == digest_of(&bytes)));
}

#[tokio::test]
async fn stands_after_a_restart_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let open = || ExampleContractor::open(ME, keys(), Some(&path), ReportOutcome::NoDataHeld).unwrap();
    let first = open();
    let bytes = body(&keys(), ME, 1);
    first.take(&bytes, now()).unwrap();
    let pending = first.lock().open.clone();
    first.answered(InstructionId(Uuid::from_u128(101)), &ReportAnswer::Unavailable);
    drop(first);
    let second = open();
    assert_eq!(second.take(&bytes, now()).unwrap(), Taken::Repeat);
    assert_eq!(second.counts().open, 1);
    assert_eq!(second.stopped("ヤマダ ハナコ", "1980-02-29".parse().unwrap()), Some(Measure::Stop));
    let left = second.lock().open.values().next().unwrap().front().cloned();
    assert_eq!(left, pending.values().next().unwrap().get(1).cloned(), "the same bytes are sent again");
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(!file.contains("ヤマダ") && !file.contains("1980"), "identifiers stay sealed in the journal");
}

#[tokio::test]
async fn refuses_what_is_not_for_it() {
    let contractor = ExampleContractor::open(ME, keys(), None, ReportOutcome::Applied).unwrap();
    let other = RecipientKeys::from_secrets(&[3; 32], &[4; 32]);
    let wrong_audience = body(&keys(), RecipientId(Uuid::from_u128(2)), 1);
    assert!(matches!(contractor.take(&wrong_audience, now()), Err(TakeError::Refused(Refused::NotForMe))));
    let wrong_key = body(&other, ME, 1);
    assert!(matches!(contractor.take(&wrong_key, now()), Err(TakeError::CannotOpen)));
    assert!(matches!(contractor.take(b"[]", now()), Err(TakeError::Refused(Refused::Malformed))));
    let counts = contractor.counts();
    assert_eq!((counts.refused, counts.taken, counts.open), (3, 0, 0));
}

#[tokio::test]
async fn the_endpoint_believes_signatures_only() {
    let contractor = ExampleContractor::open(ME, keys(), None, ReportOutcome::Applied).unwrap();
    let secret = Secret::from_bytes(&[9; 32]).unwrap();
    let desk = SigningKey::from_bytes(&[8; 32]);
    let verifier = Verifier { secrets: vec![secret.clone()], keys: vec![desk.verifying_key()] };
    let router = http::router(contractor.clone(), verifier);
    let signer = Signer::new(secret, &desk);
    let send = |headers: webhook::Headers, bytes: Vec<u8>| {
        let request = Request::post(http::PATH)
            .header(webhook::ID, headers.id)
            .header(webhook::TIMESTAMP, headers.timestamp)
            .header(webhook::SIGNATURE, headers.signature)
            .body(Body::from(bytes))
            .unwrap();
        let router = router.clone();
        async move { router.oneshot(request).await.unwrap().status() }
    };
    let bytes = body(&keys(), ME, 1);
    let good = signer.sign("one", http::unix_now(), &bytes);
    let forged = webhook::Headers { signature: "v1,AAAA".into(), ..good.clone() };
    assert_eq!(send(forged, bytes.clone()).await, StatusCode::UNAUTHORIZED);
    let old = signer.sign("one", http::unix_now() - 3600, &bytes);
    assert_eq!(send(old, bytes.clone()).await, StatusCode::UNAUTHORIZED);
    let empty = webhook::Headers { id: String::new(), ..good.clone() };
    assert_eq!(send(empty, bytes.clone()).await, StatusCode::BAD_REQUEST);
    assert_eq!(contractor.counts(), Counts::default());
    assert_eq!(send(good.clone(), bytes.clone()).await, StatusCode::NO_CONTENT);
    assert_eq!(send(good, bytes).await, StatusCode::NO_CONTENT);
    let counts = contractor.counts();
    assert_eq!((counts.taken, counts.repeats, counts.replays), (1, 1, 1));
    let huge = vec![b' '; contracts::recipient::BODY_MAX + 1];
    let headers = signer.sign("two", http::unix_now(), &huge);
    assert_eq!(send(headers, huge).await, StatusCode::PAYLOAD_TOO_LARGE);
}
