use super::*;
use crate::{
    ExampleContractor, RecipientKeys,
    http::{self, HttpDesk},
};
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use contracts::ReportOutcome;
use std::sync::Arc;
use tokio::{net::TcpListener, task::JoinSet};

fn settings() -> (tempfile::TempDir, Settings) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::load_or_create(folder.path()).unwrap();
    (folder, settings)
}

fn example(keys: &RecipientKeys) -> Arc<ExampleContractor> {
    ExampleContractor::open(sandbox::RECIPIENT, keys.clone(), None, ReportOutcome::Applied).unwrap()
}

struct Bench {
    sandbox: Sandbox,
    desk: String,
    tasks: JoinSet<()>,
}

impl Bench {
    /// A sandbox that listens, and a contractor's router made for it.
    async fn of(keys: &RecipientKeys, settings: Settings, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{}", listener.local_addr().unwrap(), http::PATH).parse().unwrap();
        let contractor = Contractor {
            url,
            report_key: keys.signing.public(),
            sealing_key: keys.sealing_public(),
            patience: Duration::from_secs(30),
        };
        let (sandbox, ear) = Sandbox::new(contractor, settings).unwrap();
        let ear_at = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let desk = format!("http://{}", ear_at.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { serve(ear_at, ear, None).await.unwrap() });
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { sandbox, desk, tasks }
    }
    fn reports_of(&mut self, contractor: &Arc<ExampleContractor>) {
        let desk = Arc::new(HttpDesk::new(&self.desk).unwrap());
        self.tasks.spawn(contractor.clone().run_reports(desk));
    }
}

fn failed(shown: &Conformance) -> Vec<&'static str> {
    shown.cases.iter().filter(|c| !c.passed).map(|c| c.case).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_example_passes_with_either_kind_of_key() {
    let keys = RecipientKeys::random().unwrap();
    for keys in [keys.clone(), keys.with_p256(&[7; 32]).unwrap()] {
        let (_folder, settings) = settings();
        let contractor = example(&keys);
        let router = http::router(contractor.clone(), settings.verifier());
        let mut bench = Bench::of(&keys, settings, router).await;
        bench.reports_of(&contractor);
        let shown = run(&mut bench.sandbox).await;
        assert!(shown.passed, "{}", shown.table());
        assert_eq!(shown.cases.len(), 16);
    }
}

/// It believes everybody: whatever is posted is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contractor_that_verifies_nothing_fails_by_the_names_of_the_cases() {
    async fn believe(State(contractor): State<Arc<ExampleContractor>>, body: Bytes) -> StatusCode {
        match contractor.take_blocking(body.to_vec()).await {
            Ok(_) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
    let keys = RecipientKeys::random().unwrap();
    let (_folder, settings) = settings();
    let contractor = example(&keys);
    let router = Router::new().route(http::PATH, post(believe)).with_state(contractor.clone());
    let mut bench = Bench::of(&keys, settings, router).await;
    bench.reports_of(&contractor);
    let shown = run(&mut bench.sandbox).await;
    assert_eq!(failed(&shown), ["replayed", "bad-signature", "old-key"], "{}", shown.table());
    assert!(shown.table().contains("FAILED  bad-signature"));
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!((json["passed"].as_bool(), json["cases"][5]["case"].as_str()), (Some(false), Some("bad-signature")));
}

/// It has no memory: every delivery is a new one to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contractor_that_forgets_fails_by_the_name_of_the_case() {
    struct Forgetful {
        keys: RecipientKeys,
        verifier: crate::webhook::Verifier,
        desk: std::sync::OnceLock<Arc<HttpDesk>>,
    }
    async fn forget(
        State(this): State<Arc<Forgetful>>,
        headers: axum::http::HeaderMap,
        body: Bytes,
    ) -> axum::response::Response {
        let contractor = example(&this.keys);
        let desk = this.desk.get().unwrap().clone();
        tokio::spawn(tokio::time::timeout(Duration::from_secs(20), contractor.clone().run_reports(desk)));
        let mut request = axum::http::Request::post(http::PATH);
        *request.headers_mut().unwrap() = headers;
        let request = request.body(axum::body::Body::from(body)).unwrap();
        tower::ServiceExt::oneshot(http::router(contractor, this.verifier.clone()), request).await.unwrap()
    }
    let keys = RecipientKeys::random().unwrap();
    let (_folder, settings) = settings();
    let this =
        Arc::new(Forgetful { keys: keys.clone(), verifier: settings.verifier(), desk: std::sync::OnceLock::new() });
    let router = Router::new().route(http::PATH, post(forget)).with_state(this.clone());
    let mut bench = Bench::of(&keys, settings, router).await;
    this.desk.set(Arc::new(HttpDesk::new(&bench.desk).unwrap())).ok().unwrap();
    let shown = run(&mut bench.sandbox).await;
    assert_eq!(failed(&shown), ["duplicate"], "{}", shown.table());
}

/// The settings are what a contractor is given: the current and the next keys, never the retired.
#[test]
fn the_settings_show_two_of_three_pairs_and_are_the_same_again() {
    let (folder, settings) = settings();
    let text = settings.show();
    assert_eq!((text.matches("whsec_").count(), text.matches("whpk_").count()), (2, 2));
    assert_eq!(Settings::load_or_create(folder.path()).unwrap().show(), text);
    assert_eq!(settings.verifier().secrets.len(), 2);
}

#[test]
fn what_stands_on_the_command_line_is_read_or_named() {
    let key = STANDARD.encode(RecipientKeys::random().unwrap().sealing_public().as_bytes());
    let good = |url: &str, report: &str, sealing: &str| {
        Contractor::parse(url, report, sealing, Duration::from_secs(1)).map(|c| c.url.to_string())
    };
    let report = STANDARD.encode(crate::ReportSigner::ed25519(&[1; 32]).public().to_bytes());
    assert_eq!(good("http://a.example/x", &report, &key).as_deref(), Ok("http://a.example/x"));
    for (url, report, sealing, named) in [
        ("ftp://a.example/", report.as_str(), key.as_str(), "--url"),
        ("/path", &report, &key, "--url"),
        ("http://a.example/", "AAAA", &key, "--report-key"),
        ("http://a.example/", "?", &key, "--report-key"),
        ("http://a.example/", &report, "AAAA", "--sealing-key"),
    ] {
        assert!(good(url, report, sealing).unwrap_err().contains(named));
    }
}

/// A sandbox whose contractor pulls over HTTP; the feed's router beside the ear's.
async fn pulling(keys: &RecipientKeys) -> (Sandbox, String, JoinSet<()>) {
    let (_folder, settings) = settings();
    let contractor = Contractor {
        url: "http://localhost/".parse().unwrap(),
        report_key: keys.signing.public(),
        sealing_key: keys.sealing_public(),
        patience: Duration::from_secs(30),
    };
    let (sandbox, ear) = Sandbox::new(contractor, settings).unwrap();
    let feed = Feed::new(keys.signing.public(), sandbox.epoch());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let desk = format!("http://{}", listener.local_addr().unwrap());
    let (mut tasks, fed) = (JoinSet::new(), feed.clone());
    tasks.spawn(async move { serve(listener, ear, Some(fed)).await.unwrap() });
    (sandbox.queued(feed), desk, tasks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_example_passes_by_the_pull_feed_and_its_books_agree() {
    let keys = RecipientKeys::random().unwrap();
    let (mut sandbox, desk, mut tasks) = pulling(&keys).await;
    let contractor = example(&keys);
    let http = Arc::new(HttpDesk::new(&desk).unwrap());
    tasks.spawn(contractor.clone().run_reports(http.clone()));
    let (puller, feed) = (contractor.clone(), http.clone());
    tasks.spawn(async move { while crate::books::pull(&puller, &feed, 5).await.is_ok() {} });
    // Before anything that is not for it takes a position.
    let first = sandbox.fresh().unwrap();
    sandbox.taken(&first).await.unwrap();
    sandbox.reported(&[first.id]).await.unwrap();
    let books = crate::books::reconcile(&contractor, &http).await;
    assert_eq!(books, Ok(crate::books::Books::Agree));
    let shown = run(&mut sandbox).await;
    assert!(shown.passed, "{}", shown.table());
    assert_eq!(shown.cases.len(), 11);
}

/// It takes, reports, and never acknowledges: it would be given the same for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contractor_that_never_acknowledges_fails_by_the_name_of_the_case() {
    let keys = RecipientKeys::random().unwrap();
    let (mut sandbox, desk, mut tasks) = pulling(&keys).await;
    sandbox.contractor.patience = Duration::from_secs(5);
    let contractor = example(&keys);
    let http = Arc::new(HttpDesk::new(&desk).unwrap());
    tasks.spawn(contractor.clone().run_reports(http.clone()));
    tasks.spawn(async move {
        // The long poll is what waits for more.
        let mut after = "0.0&wait=20".to_owned();
        while let Ok((bodies, next)) = http.page(contractor.keys(), contractor.me(), &after).await {
            for body in bodies {
                let _ = contractor.take_blocking(body).await;
            }
            after = format!("{next}&wait=20");
        }
    });
    let shown = run(&mut sandbox).await;
    assert_eq!(failed(&shown), ["acknowledged"], "{}", shown.table());
}
