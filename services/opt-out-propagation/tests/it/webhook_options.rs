//! Webhook options against real servers on loopback: the test event first, mutual TLS with a pinned authority, OAuth 2.0
//! client credentials.

use crate::desk::{Desk, refused};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use contracts::{
    RecipientId, ReportOutcome, StaffId,
    books::{BooksReply, ShowBooks},
    endpoint_test::{TestEndpoint, TestView},
    register::{ChangeEndpoint, ListTasks, ResumeRecipient, SuspendRecipient},
    request::{RegisterRecipient, StaffReply},
};
use recipient_kit::{ExampleContractor, RecipientKeys, http::HttpDesk, test_event};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;

const CA: &str = include_str!("tls/ca.pem");
const OTHER_CA: &str = include_str!("tls/other.pem");
const SERVER: (&str, &str) = (include_str!("tls/server.pem"), include_str!("tls/server.key"));
const CLIENT: (&str, &str) = (include_str!("tls/client.pem"), include_str!("tls/client.key"));
const END: Duration = Duration::from_secs(20);

async fn testing() -> Desk {
    Desk::serving_with(&[("optout.test_endpoints", "true")]).await
}

async fn test_of(desk: &Desk, recipient: RecipientId) -> Option<TestView> {
    match desk.ask(&ShowBooks { recipient }).await {
        BooksReply::Found(view) => view.endpoint_test,
        BooksReply::Unknown => panic!("unknown"),
    }
}

async fn in_use(desk: &Desk, recipient: RecipientId) -> TestView {
    testkit::eventually("the endpoint is in use", || async {
        match test_of(desk, recipient).await {
            Some(view) if view.in_use => Ok(view),
            other => Err(other),
        }
    })
    .await
}

async fn outcome(desk: &Desk, recipient: RecipientId, wanted: &str) {
    testkit::eventually(wanted, || async {
        match test_of(desk, recipient).await {
            Some(TestView { outcome: Some(word), in_use: false, .. }) if word.as_str() == wanted => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

/// Behind the endpoint: a contractor whose reports go to the desk, or nowhere.
struct Endpoint {
    contractor: Arc<ExampleContractor>,
    order: RegisterRecipient,
    listener: TcpListener,
}

async fn endpoint(desk: &Desk, label: &str, scheme: &str) -> Endpoint {
    let keys = RecipientKeys::random().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://localhost:{}/madoguchi", listener.local_addr().unwrap().port());
    let order = desk.by_webhook(label, &keys, &url);
    let contractor = ExampleContractor::open(order.recipient, keys, None, ReportOutcome::Applied).unwrap();
    Endpoint { contractor, order, listener }
}

impl Endpoint {
    fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/madoguchi", self.listener.local_addr().unwrap().port())
    }
    fn router(&self, desk: &Desk) -> Router {
        recipient_kit::http::router(self.contractor.clone(), desk.verifier(self.order.recipient))
    }
    fn reports(&self, desk: &Desk) {
        let http = Arc::new(HttpDesk::new(&format!("http://{}", desk.partner.unwrap())).unwrap());
        tokio::spawn(self.contractor.clone().run_reports(http));
    }
    fn address(&mut self, desk: &Desk, document: &serde_json::Value) {
        self.order.url = Some(desk.sealed(self.order.recipient.0, &document.to_string()));
    }
}

fn ok(reply: &StaffReply) {
    assert_eq!(refused(reply), None);
}

/// No instruction before the test event was answered; a 2xx alone is no answer; staff repeat it; a changed endpoint is
/// tested anew and gets what the old one owed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_gets_no_instruction_before_it_answered_its_test() {
    let desk = testing().await;
    let one = endpoint(&desk, "tested", "http").await;
    let me = one.order.recipient;
    let (seen, bodies) = (Arc::new(Mutex::new(Vec::<Vec<u8>>::new())), one.router(&desk));
    let keep = seen.clone();
    let router = bodies.layer(axum::middleware::from_fn(
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let keep = keep.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                keep.lock().unwrap().push(body.to_vec());
                next.run(axum::extract::Request::from_parts(head, body.into())).await
            }
        },
    ));
    let listener = one.listener;
    tokio::spawn(async move { axum::serve(listener, router).await });
    ok(&desk.register(one.order.clone()).await);
    desk.stop("ヤマダ").await;
    // It takes the test event with 204 and reports nothing: not in use, and nothing else was sent.
    outcome(&desk, me, "ok").await;
    testkit::eventually("the test is said again", || async {
        let count = seen.lock().unwrap().len();
        if count >= 2 { Ok(()) } else { Err(count) }
    })
    .await;
    assert!(seen.lock().unwrap().iter().all(|body| test_event::parse(body).is_some()));
    assert_eq!(desk.count("select count(*) from attempt").await, 0);
    testkit::eventually("it stands in the ledger", || async {
        let count = desk.count("select count(*) from delivery").await;
        if count == 1 { Ok(()) } else { Err(count) }
    })
    .await;

    // Staff see that it stays silent.
    testkit::eventually("a task", || async {
        let kinds: Vec<String> = desk.ask(&ListTasks {}).await.tasks.iter().map(|t| t.kind.to_string()).collect();
        if kinds == ["endpoint-silent"] { Ok(()) } else { Err(kinds) }
    })
    .await;

    // Its reports go out now: the answer is verified, kept, and the instruction comes.
    let http = Arc::new(HttpDesk::new(&format!("http://{}", desk.partner.unwrap())).unwrap());
    tokio::spawn(one.contractor.clone().run_reports(http.clone()));
    let counts = one.contractor.until(|c| c.taken == 1 && c.accepted == 2).await;
    assert_eq!((counts.accepted, counts.refused), (2, 0));
    let view = in_use(&desk, me).await;
    assert!(view.answered_at.is_some());
    assert!(desk.ask(&ListTasks {}).await.tasks.is_empty());
    assert_eq!(desk.count("select count(*) from endpoint_test where report is not null").await, 1);
    assert_eq!(desk.count("select count(*) from owed").await, 0);

    // Repeated by staff: another test event, answered; the endpoint stays in use.
    ok(&desk.order(StaffId::new(), TestEndpoint { recipient: me }).await);
    testkit::eventually("answered again", || async {
        match test_of(&desk, me).await {
            Some(again) if again.made_at > view.made_at && again.answered_at.is_some() && again.in_use => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let nobody = desk.order(StaffId::new(), TestEndpoint { recipient: RecipientId::new() }).await;
    assert_eq!(refused(&nobody).unwrap().as_str(), "no-such-recipient");
    desk.rt.stopping().stop(END).await;
}

/// A suspension is not ended by an answer, and a resumption does not skip the test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspension_and_test_do_not_undo_each_other() {
    let desk = testing().await;
    let one = endpoint(&desk, "paused", "http").await;
    let me = one.order.recipient;
    ok(&desk.register(one.order.clone()).await);
    ok(&desk.order(StaffId::new(), SuspendRecipient { recipient: me }).await);
    ok(&desk.order(StaffId::new(), ResumeRecipient { recipient: me }).await);
    assert_eq!(desk.count("select count(*) from endpoint where enabled").await, 0, "not tested yet");
    ok(&desk.order(StaffId::new(), SuspendRecipient { recipient: me }).await);
    one.reports(&desk);
    let router = one.router(&desk);
    tokio::spawn(async move { axum::serve(one.listener, router).await });
    in_use(&desk, me).await;
    assert_eq!(desk.count("select count(*) from endpoint where enabled").await, 0, "suspended");
    ok(&desk.order(StaffId::new(), ResumeRecipient { recipient: me }).await);
    assert_eq!(desk.count("select count(*) from endpoint where enabled").await, 1);
    desk.rt.stopping().stop(END).await;
}

/// A TLS server that wants a client certificate of the invented authority.
fn mutual() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = |pem: &str| CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect::<Vec<_>>();
    let mut roots = RootCertStore::empty();
    chain(CA).into_iter().for_each(|one| roots.add(one).unwrap());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER.1.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain(SERVER.0), key)
        .unwrap();
    Arc::new(config)
}

async fn serve_tls(listener: TcpListener, router: Router) {
    let acceptor = tokio_rustls::TlsAcceptor::from(mutual());
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            let service = hyper_util::service::TowerToHyperService::new(router);
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                .await;
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_with_a_pinned_authority() {
    let desk = testing().await;
    let mut one = endpoint(&desk, "mutual", "https").await;
    let (me, url) = (one.order.recipient, one.url("https"));
    one.reports(&desk);
    // Without anything the server's certificate is of an unknown authority.
    ok(&desk.register(one.order.clone()).await);
    let router = one.router(&desk);
    let contractor = one.contractor.clone();
    let order = one.order.clone();
    one.order = order;
    let listener = std::mem::replace(&mut one.listener, TcpListener::bind("127.0.0.1:0").await.unwrap());
    tokio::spawn(serve_tls(listener, router));
    outcome(&desk, me, "connection").await;
    let change = |document: serde_json::Value| ChangeEndpoint {
        recipient: me,
        transport: contracts::Transport::Webhook,
        url: Some(desk.sealed(me.0, &document.to_string())),
        nats_user: None,
        nats_account: None,
    };
    // The pin alone: the server wants a certificate. Another pin: the server is not believed.
    let client = json!({ "certificate": CLIENT.0, "key": CLIENT.1 });
    ok(&desk.order(StaffId::new(), change(json!({ "url": url, "ca": CA }))).await);
    outcome(&desk, me, "connection").await;
    ok(&desk.order(StaffId::new(), change(json!({ "url": url, "ca": OTHER_CA, "client": client }))).await);
    outcome(&desk, me, "connection").await;
    let mixed = json!({ "url": url, "client": { "certificate": CLIENT.0, "key": SERVER.1 } });
    let reply = desk.order(StaffId::new(), change(mixed)).await;
    assert_eq!(refused(&reply).unwrap().as_str(), "client-certificate-unreadable");

    desk.stop("ヤマダ").await;
    ok(&desk.order(StaffId::new(), change(json!({ "url": url, "ca": CA, "client": client }))).await);
    in_use(&desk, me).await;
    let counts = contractor.until(|c| c.taken == 1 && c.accepted == 2).await;
    assert_eq!((counts.accepted, counts.refused), (2, 0));
    // Nothing of it lies in the clear.
    let clear = "select count(*) from endpoint where position('BEGIN'::bytea in url) > 0 or position('localhost'::bytea in url) > 0";
    assert_eq!(desk.count(clear).await, 0);
    desk.rt.stopping().stop(END).await;
}

/// A token endpoint: counts, and gives `token-<n>`.
#[derive(Default)]
struct Gives {
    asked: AtomicUsize,
    /// Tokens below this one are refused by the webhook.
    least: AtomicUsize,
    refused: AtomicUsize,
}

async fn token(State(gives): State<Arc<Gives>>, headers: HeaderMap, body: Bytes) -> axum::response::Response {
    // base64 of `desk%2Foptout:s%3A1`: the parts are encoded as forms are (RFC 6749 2.3.1).
    let basic = "Basic ZGVzayUyRm9wdG91dDpzJTNBMQ==";
    if headers["authorization"] != basic || &body[..] != b"grant_type=client_credentials&scope=stops" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let n = gives.asked.fetch_add(1, Ordering::SeqCst) + 1;
    axum::Json(json!({ "access_token": format!("token-{n}"), "token_type": "Bearer", "expires_in": 3600 }))
        .into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_credentials_are_kept_until_the_webhook_refuses_them() {
    let desk = testing().await;
    let mut one = endpoint(&desk, "oauth", "http").await;
    let (me, url) = (one.order.recipient, one.url("http"));
    let gives = Arc::new(Gives::default());
    let logins = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_url = format!("http://{}/token", logins.local_addr().unwrap());
    let router = Router::new().route("/token", post(token)).with_state(gives.clone());
    tokio::spawn(async move { axum::serve(logins, router).await });

    let guard = gives.clone();
    let router = one.router(&desk).layer(axum::middleware::from_fn(
        move |headers: HeaderMap, request: axum::extract::Request, next: axum::middleware::Next| {
            let gives = guard.clone();
            async move {
                let shown = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
                let number: usize = shown.strip_prefix("Bearer token-").and_then(|n| n.parse().ok()).unwrap_or(0);
                if number == 0 || number < gives.least.load(Ordering::SeqCst) {
                    gives.refused.fetch_add(1, Ordering::SeqCst);
                    return StatusCode::UNAUTHORIZED.into_response();
                }
                next.run(request).await
            }
        },
    ));
    one.reports(&desk);
    let oauth = |url: &str, secret: &str| json!({ "token_url": url, "client_id": "desk/optout", "client_secret": secret, "scope": "stops" });
    one.address(&desk, &json!({ "url": url, "oauth": oauth("http://169.254.169.254/token", "s:1") }));
    let reply = desk.register(one.order.clone()).await;
    assert_eq!(refused(&reply).unwrap().as_str(), "token-url-not-allowed");
    // A wrong secret: no token, no test, no instruction.
    one.address(&desk, &json!({ "url": url, "oauth": oauth(&token_url, "wrong") }));
    ok(&desk.register(one.order.clone()).await);
    let listener = std::mem::replace(&mut one.listener, TcpListener::bind("127.0.0.1:0").await.unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    outcome(&desk, me, "no-token").await;
    assert_eq!(gives.asked.load(Ordering::SeqCst), 0);

    let good = desk.sealed(me.0, &json!({ "url": url, "oauth": oauth(&token_url, "s:1") }).to_string());
    let (transport, none) = (contracts::Transport::Webhook, None);
    let change =
        ChangeEndpoint { recipient: me, transport, url: Some(good), nats_user: none.clone(), nats_account: none };
    ok(&desk.order(StaffId::new(), change).await);
    in_use(&desk, me).await;
    for kana in ["ヤマダ", "スズキ", "タナカ"] {
        desk.stop(kana).await;
    }
    one.contractor.until(|c| c.taken == 3 && c.accepted == 6).await;
    let asked = gives.asked.load(Ordering::SeqCst);
    assert!((1..=2).contains(&asked), "one for the test, one for the deliveries: {asked}");

    // From now on older tokens are refused: one more is asked for, by however many deliveries at once.
    gives.least.store(asked + 1, Ordering::SeqCst);
    for kana in ["サトウ", "イトウ", "カトウ"] {
        desk.stop(kana).await;
    }
    let counts = one.contractor.until(|c| c.taken == 6 && c.accepted == 12).await;
    assert_eq!(counts.refused, 0);
    assert_eq!(gives.asked.load(Ordering::SeqCst), asked + 1);
    assert!(gives.refused.load(Ordering::SeqCst) >= 1);
    desk.rt.stopping().stop(END).await;
}
