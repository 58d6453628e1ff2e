//! What a contract can choose: keyed hashes instead of sealed identifiers, HMAC alone.

use crate::{
    desk::{Desk, contract, refused},
    gate::{file_for, hanako},
    life::ok,
};
use axum::{body::Bytes, http::HeaderMap};
use contracts::{
    CaseId, EntryId, IdentifiersAs, Measure, RecipientId, ReportOutcome, Representation, Scope, SignaturesAs, StaffId,
    Transport,
    forms::{Forms, KeyedHashes, Whom},
    register::{Contract, EndCertification, SetContract},
    request::RegisterRecipient,
};
use gate::{GateKey, Part, Person, Rules, keyed, rules::Means};
use opt_out_propagation::gate::GateKeys;
use privacy::Personal;
use recipient_kit::{ExampleContractor, Identifiers, RecipientKeys, apply, http::HttpDesk, test_event};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;

const HASHED: Forms = Forms {
    identifiers: IdentifiersAs::KeyedHashes,
    representation: Representation::CloudEvents,
    signatures: SignaturesAs::Hmac,
};

type Posts = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

fn chosen(forms: Forms) -> Option<Contract> {
    Some(Contract { forms, ..contract() })
}

/// A contractor behind a webhook whose posts are kept, with reports on their way to the desk.
async fn contractor(desk: &Desk, label: &str, forms: Forms) -> (RegisterRecipient, Arc<ExampleContractor>, Posts) {
    let keys = RecipientKeys::random().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut order = desk.by_webhook(label, &keys, &format!("http://{}/madoguchi", listener.local_addr().unwrap()));
    order.contract = chosen(forms);
    let contractor = ExampleContractor::open(order.recipient, keys, None, ReportOutcome::Applied).unwrap();
    let posts = Posts::default();
    let keep = posts.clone();
    let router = recipient_kit::http::router(contractor.clone(), desk.verifier(order.recipient)).layer(
        axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
            let keep = keep.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                keep.lock().unwrap().push((head.headers.clone(), body.clone()));
                next.run(axum::extract::Request::from_parts(head, body.into())).await
            }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = Arc::new(HttpDesk::new(&format!("http://{}", desk.partner.unwrap())).unwrap());
    tokio::spawn(contractor.clone().run_reports(http));
    ok(&desk.register(order.clone()).await);
    (order, contractor, posts)
}

/// What a person hands to the contractor.
fn gate_key(desk: &Desk, recipient: RecipientId) -> GateKey {
    GateKeys::load_or_create(desk.rt.keys_dir()).unwrap().of_recipient(recipient)
}

fn row(kana: &str) -> Person {
    let mut row = Person::new();
    for (part, value) in [(Part::Kana, kana), (Part::BirthDate, "昭和55年2月29日"), (Part::Sex, "2")] {
        row.set(part, value).unwrap();
    }
    row
}

fn hashes(body: &[u8]) -> KeyedHashes {
    match apply::parse(body).unwrap().data.person {
        Whom::Hashed(hashes) => hashes,
        Whom::Sealed { .. } => panic!("sealed"),
    }
}

fn versions(headers: &HeaderMap) -> Vec<String> {
    let text = headers["webhook-signature"].to_str().unwrap();
    text.split(' ').map(|part| part.split(',').next().unwrap().to_owned()).collect()
}

async fn stop(desk: &Desk, person: &Identifiers) -> EntryId {
    let (case, entry) = (CaseId::new(), EntryId::new());
    desk.register.keep(case, entry, &Personal::new(person.clone())).await.unwrap().unwrap();
    desk.enter_kept(case, entry, Measure::Stop).await;
    entry
}

/// From the test event to the confirmed stop: nothing sealed, nothing in the clear, and only the holder of the key finds the
/// person. Beside it a recipient that chose nothing has everything as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contractor_that_keeps_keyed_hashes_matches_by_them_and_reports() {
    let desk = Desk::serving_with(&[("optout.test_endpoints", "true")]).await;
    let (order, hashed, posts) = contractor(&desk, "hashed", HASHED).await;
    let (_, usual, others) = contractor(&desk, "usual", Forms::default()).await;
    let entry = stop(&desk, &hanako(&["みどり病院"])).await;
    assert_eq!(desk.confirmed(entry).await, 2);

    let rules = Rules::built_in();
    let (mine, another) = (gate_key(&desk, order.recipient), gate_key(&desk, RecipientId::new()));
    let (rule, measure) = hashed.stopped_by(&keyed::of_row(&mine, &rules, &row("やまだ はなこ"))).unwrap();
    assert_eq!((keyed::means(&rules, &rule), measure), (Some(Means::Exact), Measure::Stop));
    assert_eq!(hashed.stopped_by(&keyed::of_row(&mine, &rules, &row("ヤマダ タロウ"))), None);
    assert_eq!(hashed.stopped_by(&keyed::of_row(&another, &rules, &row("ヤマダ ハナコ"))), None);
    assert!(usual.stopped("ヤマダ　ハナコ", "1980-02-29".parse().unwrap()).is_some());

    let seen = posts.lock().unwrap().clone();
    let tested = test_event::parse(&seen[0].1).expect("the test event comes first");
    assert!(matches!(tested.data.person, Whom::Hashed(hashes) if !hashes.keys.is_empty()));
    let (headers, body) = seen.last().unwrap().clone();
    assert_eq!(versions(&headers), ["v1"]);
    assert_eq!(versions(&others.lock().unwrap().last().unwrap().0), ["v1a", "v1"]);
    let said = hashes(&body);
    assert_eq!(
        (said.rules, said.suppliers),
        (rules.version.clone(), vec![]),
        "no filing: rows from everybody are meant"
    );
    let text = String::from_utf8(body.to_vec()).unwrap();
    for word in ["\"person\"", "sealed_to", "ハナコ", "1980-02-29"] {
        assert!(!text.contains(word), "{word}");
    }

    // The hospital has a filing: the next instruction says which rows are meant, by each name of the hospital.
    assert_eq!(refused(&file_for(&desk, Scope::Anonymised).await), None);
    let entry = stop(&desk, &hanako(&["みどり病院"])).await;
    assert_eq!(desk.confirmed(entry).await, 2);
    let body = posts.lock().unwrap().last().unwrap().1.clone();
    let of = |called: &str| keyed::of_supplier(&mine, called).unwrap();
    assert!(hashes(&body).suppliers.contains(&of("みどり 病院")), "{:?}", hashes(&body));
    assert!(!hashes(&body).suppliers.contains(&of("あおば病院")));

    // Everything of everybody: no key of anybody.
    ok(&desk
        .order(StaffId::new(), EndCertification { recipient: order.recipient, on: "2026-01-21".parse().unwrap() })
        .await);
    let counts = hashed.until(|c| c.taken == 3).await;
    assert_eq!((counts.refused, counts.reports_refused), (0, 0));
    let body = posts.lock().unwrap().last().unwrap().1.clone();
    assert!(apply::parse(&body).unwrap().data.erase.unwrap().everything && hashes(&body).keys.is_empty());
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}

/// Another version of the contract: what was issued stays as it was written, what comes is written and signed anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_the_contract_changes_what_is_issued_from_then_on() {
    let desk = Desk::serving().await;
    let (order, one, posts) = contractor(&desk, "changes", Forms::default()).await;
    let first = stop(&desk, &hanako(&[])).await;
    desk.confirmed(first).await;
    let before = posts.lock().unwrap().last().unwrap().clone();
    assert_eq!(versions(&before.0), ["v1a", "v1"]);
    ok(&desk
        .order(StaffId::new(), SetContract { recipient: order.recipient, contract: chosen(HASHED).unwrap() })
        .await);
    let second = stop(&desk, &Identifiers { kana: "スズキ".into(), ..hanako(&[]) }).await;
    desk.confirmed(second).await;
    assert_eq!(one.until(|c| c.taken == 2).await.refused, 0);
    let after = posts.lock().unwrap().last().unwrap().clone();
    assert!(!hashes(&after.1).keys.is_empty() && versions(&after.0) == ["v1"]);
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar("select body from delivery where recipient = $1 order by position")
        .bind(order.recipient.0)
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    assert_eq!(bodies, [before.1.to_vec(), after.1.to_vec()]);
    let versions: Vec<i32> = sqlx::query_scalar("select contract from issued where recipient = $1 order by contract")
        .bind(order.recipient.0)
        .fetch_all(desk.bus.db().pool())
        .await
        .unwrap();
    assert_eq!(versions, [1, 2]);
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}

/// A recipient that fetches is told by hashes as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hashes_come_by_the_pull_feed() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let mut order = desk.by_webhook("fetches", &keys, "http://127.0.0.1:9/");
    (order.transport, order.url, order.contract) = (Transport::Pull, None, chosen(HASHED));
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    stop(&desk, &hanako(&[])).await;
    desk.owed(order.recipient, 1).await;
    let asker = crate::gate::Asker::of(&desk, order.recipient, keys);
    let page = asker.get("/partner/v1/instructions").await.text().await.unwrap();
    let page: Vec<&serde_json::value::RawValue> = serde_json::from_str(&page).unwrap();
    assert_eq!(hashes(page[0].get().as_bytes()).keys.len(), 5, "three with kana, two with the name");
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}

/// FHIR R4 Consent (deny) in the same envelope: one body, one digest, one signature; opened, applied and reported as every
/// instruction is. An erasure is no other status: the denial stands, and what goes and stays is in the extension.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instruction_as_fhir_consent_is_verified_applied_and_reported() {
    let desk = Desk::serving().await;
    let consent = |identifiers| Forms { identifiers, representation: Representation::FhirConsent, ..Forms::default() };
    let (_, sealed, posts) = contractor(&desk, "fhir", consent(IdentifiersAs::Sealed)).await;
    let (order, hashed, others) = contractor(&desk, "fhir-hashed", consent(IdentifiersAs::KeyedHashes)).await;
    let entry = stop(&desk, &hanako(&[])).await;
    assert_eq!(desk.confirmed(entry).await, 2);
    assert!(sealed.stopped("ヤマダ　ハナコ", "1980-02-29".parse().unwrap()).is_some());
    let row = keyed::of_row(&gate_key(&desk, order.recipient), &Rules::built_in(), &row("ヤマダ ハナコ"));
    assert!(hashed.stopped_by(&row).is_some());
    for body in [&posts, &others].map(|posts| posts.lock().unwrap().last().unwrap().1.clone()) {
        let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["datacontenttype"], "application/fhir+json");
        assert_eq!(event["data"]["resourceType"], "Consent");
        assert_eq!(event["data"]["provision"]["type"], "deny");
        assert!(!String::from_utf8_lossy(&body).contains("ハナコ"));
    }
    // To erase everything of everybody: still a denial that stands.
    ok(&desk
        .order(StaffId::new(), EndCertification { recipient: order.recipient, on: "2026-01-21".parse().unwrap() })
        .await);
    assert_eq!(hashed.until(|c| c.taken == 2 && c.accepted == 4).await.reports_refused, 0);
    let body = others.lock().unwrap().last().unwrap().1.clone();
    let told = apply::parse(&body).unwrap();
    assert!(told.data.erase.unwrap().everything && told.data.representation == Representation::FhirConsent);
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&event["data"]["status"], &event["data"]["provision"]["type"]), (&"active".into(), &"deny".into()));
    desk.rt.stopping().stop(Duration::from_secs(20)).await;
}
