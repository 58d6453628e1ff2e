//! The examples for contractors, as they stand in the repository, really run: official libraries, pinned with hashes,
//! against a whole desk. Each takes an opt-out to its end; the vectors verify with both languages' libraries.

/// As `cargo run -p recipient-kit --example webhook` runs it; here inside the test.
#[allow(dead_code)] // its `main`
#[path = "../../shared/recipient-kit/examples/webhook.rs"]
mod rust_webhook;

use super::journey::{
    contractors,
    desk::Desk,
    people::{Person, opt_out_until_confirmed},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use console::{By, command::NewRecipient};
use contracts::{EndedAs, IdentifiersAs, Transport, forms::Forms, register::Contract};
use launcher::story::Contractor;
use opt_out_propagation::{WebhookKeys, gate::GateKeys};
use privacy_seal::keyfile::load_or_create_secret;
use recipient_kit::{
    RecipientKeys,
    conformance::{self, Sandbox, Settings},
    keys::random_secret,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use testkit::eventually;
use tokio::{
    net::TcpListener,
    process::{Child, Command as Process},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Where what was installed is kept between runs: outside of the build's folder, named by what is in it.
fn cache(of: &str, pinned: &[u8]) -> PathBuf {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cache"))
    });
    let name = recipient_kit::digest_of(pinned).to_string();
    home.unwrap_or_else(std::env::temp_dir).join("madoguchi").join("examples").join(format!("{of}-{}", &name[..16]))
}

/// Runs to its end; its output is the failure's text.
fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
}

fn found(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok_and(|o| o.status.success());
    if !found {
        not_run(program);
    }
    found
}

/// Not `println!`: the harness keeps back what a passing test prints, and CI looks for it.
#[allow(clippy::explicit_write)] // past the capture of the test harness
fn not_run(package: &str) {
    writeln!(std::io::stdout(), "not run: install {package}").unwrap();
}

/// Made once per pinned content; a run that was cut off leaves no mark and begins again.
fn installed(folder: &Path, install: impl FnOnce()) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mark = folder.join("installed");
    if !mark.exists() {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).unwrap();
        install();
        std::fs::write(mark, "").unwrap();
    }
}

/// A virtual environment with exactly what requirements.txt pins by hash; `None`: there is no Python.
fn python() -> Option<PathBuf> {
    if !found("python3") {
        return None;
    }
    let pinned = root().join("examples/python/requirements.txt");
    let folder = cache("python", &std::fs::read(&pinned).unwrap());
    let python = folder.join("venv/bin/python");
    installed(&folder, || {
        done(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")));
        done(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--require-hashes", "-r"]).arg(&pinned));
    });
    Some(python)
}

/// The examples beside their modules, as package-lock.json pins them; `None`: there is no Node.
fn node() -> Option<PathBuf> {
    if !(found("node") && found("npm")) {
        return None;
    }
    let here = root().join("examples/node");
    let folder = cache("node", &std::fs::read(here.join("package-lock.json")).unwrap());
    installed(&folder, || {
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(here.join(name), folder.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        done(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder));
    });
    Some(folder)
}

/// What the Java example's JSON is read by; Debian's package of it.
const GSON: &str = "/usr/share/java/gson.jar";

/// The Java example, which is run from its source; `None`: there is no JDK, or no Gson.
fn java() -> Option<PathBuf> {
    // A JRE has no compiler, and a source cannot be run.
    if !found("javac") {
        return None;
    }
    if !Path::new(GSON).exists() {
        not_run("libgoogle-gson-java");
        return None;
    }
    Some(root().join("examples/java/Receive.java"))
}

/// The node examples beside modules: imports are looked up from where a file lies.
fn node_files(modules: &Path, into: &Path) -> PathBuf {
    let folder = into.join("node");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(root().join("examples/node")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "mjs") {
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    std::os::unix::fs::symlink(modules.join("node_modules"), folder.join("node_modules")).unwrap();
    folder
}

#[test]
fn the_vectors_verify_with_the_libraries_of_other_languages() {
    let vectors = root().join("shared/recipient-kit/fixtures/vectors.json");
    if let Some(python) = python() {
        done(
            Command::new(python)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .arg(root().join("examples/python/vectors.py"))
                .arg(&vectors),
        );
    }
    if let Some(modules) = node() {
        let folder = tempfile::tempdir().unwrap();
        done(Command::new("node").arg(node_files(&modules, folder.path()).join("vectors.mjs")).arg(&vectors));
    }
    if let Some(source) = java() {
        done(Command::new("java").args(["-cp", GSON]).arg(source).arg(&vectors));
    }
}

struct Example {
    contractor: Contractor,
    keys: PathBuf,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Example {
    /// Keys, and the settings that every example reads.
    fn new(desk: &Desk, label: &'static str) -> Self {
        let (contractor, keys) = contractors::prepared(desk, label);
        let folder = desk.house.folder().join("examples").join(label);
        std::fs::create_dir_all(&folder).unwrap();
        let secret = |name: &str| STANDARD.encode(*load_or_create_secret(&keys.join(name)).unwrap());
        let environment = vec![
            ("MADOGUCHI_RECIPIENT", contractor.id.to_string()),
            ("MADOGUCHI_REPORT_KEY", secret("report.key")),
            ("MADOGUCHI_SEALING_KEY", secret("sealing.key")),
            ("MADOGUCHI_BOOKS", folder.join("books").display().to_string()),
            ("MADOGUCHI_DESK", desk.partner_url.clone()),
            ("MADOGUCHI_RECONCILE_SECONDS", "1".to_owned()),
        ];
        Self { contractor, keys, folder, environment }
    }

    /// Ends with the value; what it says is in its folder.
    fn start(&self, program: &Path, script: &Path) -> Child {
        start(program, script, &self.folder, &self.environment)
    }

    async fn says(&self, what: &str) -> String {
        says(&self.folder, what).await
    }
}

fn start(program: &Path, script: &Path, folder: &Path, environment: &[(&'static str, String)]) -> Child {
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Process::new(program);
    command.arg(script).envs(environment.iter().map(|(k, v)| (*k, v.as_str())));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("CLASSPATH", GSON);
    command.current_dir(folder).stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
    command.kill_on_drop(true).spawn().unwrap()
}

async fn says(folder: &Path, what: &str) -> String {
    eventually(what, || async {
        let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        text.lines().find_map(|l| l.strip_prefix(what)).map(str::to_owned).ok_or(text)
    })
    .await
}

/// The conformance program of `madoguchi recipient-kit`, played against an example's webhook; there is no desk.
async fn conforms(program: &Path, script: impl FnOnce(&Path) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::load_or_create(&folder.path().join("sandbox")).unwrap();
    let (report, sealing) = (random_secret().unwrap(), random_secret().unwrap());
    let keys = RecipientKeys::from_secrets(&report, &sealing);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // What the program prints is what the contractor sets.
    let shown = settings.show();
    let setting = |name: &str| {
        let line = shown.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        line.unwrap().trim_matches('"').to_owned()
    };
    let environment = [
        ("MADOGUCHI_RECIPIENT", setting("MADOGUCHI_RECIPIENT")),
        ("MADOGUCHI_WEBHOOK_SECRET", setting("MADOGUCHI_WEBHOOK_SECRET")),
        ("MADOGUCHI_WEBHOOK_PUBLIC", setting("MADOGUCHI_WEBHOOK_PUBLIC")),
        ("MADOGUCHI_REPORT_KEY", STANDARD.encode(*report)),
        ("MADOGUCHI_SEALING_KEY", STANDARD.encode(*sealing)),
        ("MADOGUCHI_BOOKS", folder.path().join("books").display().to_string()),
        ("MADOGUCHI_DESK", format!("http://{}", listener.local_addr().unwrap())),
        ("MADOGUCHI_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let _running = start(program, &script(folder.path()), folder.path(), &environment);
    let at = says(folder.path(), "listening on ").await;
    let contractor = conformance::Contractor::parse(
        &format!("http://{at}/"),
        &STANDARD.encode(keys.report_public()),
        &STANDARD.encode(keys.sealing_public().as_bytes()),
        std::time::Duration::from_secs(60),
    );
    let (mut sandbox, ear) = Sandbox::new(contractor.unwrap(), settings).unwrap();
    let serving = tokio::spawn(conformance::serve(listener, ear, None));
    let shown = conformance::run(&mut sandbox).await;
    serving.abort();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(shown.passed, "{}\n{log}", shown.table());
}

/// How a contractor takes from a queue.
enum From {
    Pull,
    Nats,
}

/// The same program against an example that takes from a queue: the pull feed, or a durable on a nats-server of its own.
async fn conforms_queued(program: &Path, from: From, ready: &str, script: impl FnOnce(&Path) -> PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::load_or_create(&folder.path().join("sandbox")).unwrap();
    let (report, sealing) = (random_secret().unwrap(), random_secret().unwrap());
    let keys = RecipientKeys::from_secrets(&report, &sealing);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut environment = vec![
        ("MADOGUCHI_RECIPIENT", conformance::RECIPIENT.to_string()),
        ("MADOGUCHI_REPORT_KEY", STANDARD.encode(*report)),
        ("MADOGUCHI_SEALING_KEY", STANDARD.encode(*sealing)),
        ("MADOGUCHI_BOOKS", folder.path().join("books").display().to_string()),
        ("MADOGUCHI_DESK", format!("http://{}", listener.local_addr().unwrap())),
    ];
    let contractor = conformance::Contractor::parse(
        "http://localhost/",
        &STANDARD.encode(keys.report_public()),
        &STANDARD.encode(keys.sealing_public().as_bytes()),
        std::time::Duration::from_secs(60),
    );
    let (sandbox, ear) = Sandbox::new(contractor.unwrap(), settings).unwrap();
    let mut serving = tokio::task::JoinSet::new();
    // Until the end of the test: the contractor's own server.
    let mut own = None;
    let (mut sandbox, feed) = match from {
        From::Pull => {
            let feed = conformance::Feed::new(keys.signing.public(), sandbox.epoch());
            (sandbox.queued(feed.clone()), Some(feed))
        }
        From::Nats => {
            let dir = servers::DataDir::open(&folder.path().join("nats"), &servers::quiet).await.unwrap();
            let options = servers::NatsOptions::open();
            let nats = servers::Nats::start(testkit::binaries().await, &dir, options, &servers::quiet).await.unwrap();
            let user = nats_auth::RootSecret::load_or_create(&folder.path().join("root")).unwrap();
            let (_, creds) = nats_auth::House::new(user)
                .recipient_creds(conformance::RECIPIENT.0, chassis::Clock::system().now())
                .unwrap();
            let file = folder.path().join("recipient.creds");
            std::fs::write(&file, creds).unwrap();
            environment.extend([
                ("MADOGUCHI_NATS_URL", nats.url()),
                ("MADOGUCHI_NATS_CREDS", file.display().to_string()),
                ("MADOGUCHI_NATS_ACCOUNT", "ASANDBOX".to_owned()),
            ]);
            let broker = std::sync::Arc::new(conformance::Broker::open(&nats.url(), "ASANDBOX").await.unwrap());
            own = Some((nats, dir));
            let (answers, ear) = (broker.clone(), ear.clone());
            serving.spawn(async move { drop(answers.serve(ear).await) });
            (sandbox.queued(broker), None)
        }
    };
    serving.spawn(async move { drop(conformance::serve(listener, ear, feed).await) });
    let _running = start(program, &script(folder.path()), folder.path(), &environment);
    says(folder.path(), ready).await;
    let shown = conformance::run(&mut sandbox).await;
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(shown.passed, "{}\n{log}", shown.table());
    drop(own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_example_conforms_by_the_pull_feed() {
    let Some(python) = python() else { return };
    conforms_queued(&python, From::Pull, "asking", |_| root().join("examples/python/http_pull.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_example_conforms_over_nats() {
    let Some(python) = python() else { return };
    conforms_queued(&python, From::Nats, "connected", |_| root().join("examples/python/nats_pull.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_example_conforms_over_nats() {
    let Some(modules) = node() else { return };
    let script = |f: &Path| node_files(&modules, f).join("nats_pull.mjs");
    conforms_queued(Path::new("node"), From::Nats, "connected", script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_example_conforms() {
    let Some(python) = python() else { return };
    conforms(&python, |_| root().join("examples/python/webhook.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_example_conforms() {
    let Some(modules) = node() else { return };
    conforms(Path::new("node"), |f| node_files(&modules, f).join("webhook.mjs")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_example_conforms_by_the_pull_feed() {
    let Some(modules) = node() else { return };
    let script = |f: &Path| node_files(&modules, f).join("http_pull.mjs");
    conforms_queued(Path::new("node"), From::Pull, "asking", script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_java_example_conforms() {
    let Some(source) = java() else { return };
    conforms(Path::new("java"), |_| source).await;
}

/// Files one opt-out and expects the example's signed reports to settle it.
async fn settles(desk: &Desk, example: &Example, identifiers: IdentifiersAs) {
    let filed = opt_out_until_confirmed(desk, &Person::number(1)).await;
    let log = || std::fs::read_to_string(example.folder.join("log")).unwrap_or_default();
    let end = desk.until(&filed, "the example's report settles it", |s| s.ended_as.is_some()).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped), "{}", log());
    assert!(!log().contains("refused"), "{}", log());
    assert_eq!(desk.count("select count(*) from optout.owed").await, 0);
    assert!(desk.count("select count(*) from optout.report").await >= 1);
    example.says("books agree").await;
    assert!(desk.count("select count(*) from optout.reconcile where agrees").await >= 1);
    assert_eq!(desk.count("select count(*) from optout.reconcile where not agrees").await, 0);
    if identifiers == IdentifiersAs::KeyedHashes {
        example.says("a row of ours is stopped by ").await;
    }
}

async fn by_webhook(
    label: &'static str,
    program: &Path,
    identifiers: IdentifiersAs,
    script: impl FnOnce(&Path) -> PathBuf,
) {
    let desk = Desk::open().await;
    let mut example = Example::new(&desk, label);
    let keys = WebhookKeys::load_or_create(&desk.house.secrets().keys()).unwrap().hand_over(example.contractor.id);
    let listen = format!("127.0.0.1:{}", super::journey::child::fixed_port());
    example.environment.extend([
        ("MADOGUCHI_WEBHOOK_SECRET", keys.secret.to_string()),
        ("MADOGUCHI_WEBHOOK_PUBLIC", keys.public.clone()),
        ("MADOGUCHI_LISTEN", listen.clone()),
    ]);
    if identifiers == IdentifiersAs::KeyedHashes {
        let own = own_hashes(&desk, &example);
        example.environment.push(own);
    }
    let _running = example.start(program, &script(&example.folder));
    example.says("listening on ").await;
    let new = example.contractor.registration(Transport::Webhook, Some(format!("http://{listen}/")), None);
    register(&desk, new, identifiers).await;
    settles(&desk, &example, identifiers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_by_webhook_settles_an_opt_out() {
    let Some(source) = java() else { return };
    by_webhook("java-webhook", Path::new("java"), IdentifiersAs::Sealed, |_| source).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rust_by_webhook_settles_an_opt_out() {
    let desk = Desk::open().await;
    let mut example = Example::new(&desk, "rust-webhook");
    let keys = WebhookKeys::load_or_create(&desk.house.secrets().keys()).unwrap().hand_over(example.contractor.id);
    example.environment.extend([
        ("MADOGUCHI_WEBHOOK_SECRET", keys.secret.to_string()),
        ("MADOGUCHI_WEBHOOK_PUBLIC", keys.public.clone()),
        ("MADOGUCHI_LISTEN", "127.0.0.1:0".to_owned()),
    ]);
    let setting = |name: &str| example.environment.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone());
    let running = rust_webhook::receive(setting).await.unwrap();
    let url = format!("http://{}/madoguchi", running.address.unwrap());
    let new = example.contractor.registration(Transport::Webhook, Some(url), None);
    let by = By::new(desk.staff, "a contractor's example");
    desk.obeyed("the example is registered", || desk.commands.register_recipient(by, new.clone())).await;
    let filed = opt_out_until_confirmed(&desk, &Person::number(1)).await;
    let end = desk.until(&filed, "the example's report settles it", |s| s.ended_as.is_some()).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    let counts = running.contractor.until(|c| c.accepted >= 2).await;
    assert_eq!((counts.taken, counts.refused, counts.reports_refused), (1, 0, 0));
    eventually("the books agree", || async {
        let agreed = desk.count("select count(*) from optout.reconcile where agrees").await;
        if agreed >= 1 { Ok(()) } else { Err(agreed) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_by_the_pull_feed_settles_an_opt_out() {
    let Some(modules) = node() else { return };
    by_pull("node-pull", Path::new("node"), IdentifiersAs::Sealed, |f| node_files(&modules, f).join("http_pull.mjs"))
        .await;
}

async fn over_nats(label: &'static str, program: &Path, script: impl FnOnce(&Path) -> PathBuf) {
    let desk = Desk::open().await;
    let mut example = Example::new(&desk, label);
    let (creds, account) = contractors::registered_over_nats(&desk, &example.contractor, &example.keys).await;
    let file = example.folder.join("recipient.creds");
    std::fs::write(&file, creds).unwrap();
    example.environment.extend([
        ("MADOGUCHI_NATS_URL", desk.house.nats.url()),
        ("MADOGUCHI_NATS_CREDS", file.display().to_string()),
        ("MADOGUCHI_NATS_ACCOUNT", account.clone()),
    ]);
    // Its account is known to the server once the steward has passed by.
    eventually("the account stands", || async {
        let creds = std::fs::read_to_string(&file).unwrap();
        let connected = recipient_kit::nats::connect(&desk.house.nats.url(), &creds, &account).await;
        connected.map(|_| ()).map_err(|e| e.to_string())
    })
    .await;
    let _running = example.start(program, &script(&example.folder));
    example.says("connected").await;
    settles(&desk, &example, IdentifiersAs::Sealed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_by_the_pull_feed_settles_an_opt_out() {
    let Some(python) = python() else { return };
    by_pull("python-pull", &python, IdentifiersAs::Sealed, |_| root().join("examples/python/http_pull.py")).await;
}

async fn by_pull(
    label: &'static str,
    program: &Path,
    identifiers: IdentifiersAs,
    script: impl FnOnce(&Path) -> PathBuf,
) {
    let desk = Desk::open().await;
    let mut example = Example::new(&desk, label);
    register(&desk, example.contractor.registration(Transport::Pull, None, None), identifiers).await;
    if identifiers == IdentifiersAs::KeyedHashes {
        let own = own_hashes(&desk, &example);
        example.environment.push(own);
    }
    let _running = example.start(program, &script(&example.folder));
    example.says("asking").await;
    settles(&desk, &example, identifiers).await;
}

/// By contract there is nothing to open: a row of the contractor's own, kept as hashes only, meets the instruction's.
/// The hashes are what the contractor made of its rows when they came in, with the key that a person handed over.
fn own_hashes(desk: &Desk, example: &Example) -> (&'static str, String) {
    let key = GateKeys::load_or_create(&desk.house.secrets().keys()).unwrap().of_recipient(example.contractor.id);
    let (person, mut row) = (Person::number(1), gate::Person::new());
    for (part, value) in [
        (gate::Part::Kana, person.kana.replace('\u{3000}', "").as_str()),
        (gate::Part::BirthDate, &person.birth_date.to_string()),
        (gate::Part::Sex, "2"),
    ] {
        row.set(part, value).unwrap();
    }
    let own = gate::keyed::of_row(&key, &gate::Rules::built_in(), &row);
    let own: String = own.iter().map(|key| format!("{} {}\n", key.rule, key.hash)).collect();
    let file = example.folder.join("own-hashes");
    std::fs::write(&file, own).unwrap();
    ("MADOGUCHI_OWN_HASHES", file.display().to_string())
}

async fn register(desk: &Desk, mut new: NewRecipient, identifiers: IdentifiersAs) {
    new.contract = Some(Contract { forms: Forms { identifiers, ..Forms::default() }, ..launcher::story::contract() });
    let by = By::new(desk.staff, "a contractor's example");
    desk.obeyed("the example is registered", || desk.commands.register_recipient(by, new.clone())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_by_keyed_hashes_settles_an_opt_out() {
    let Some(python) = python() else { return };
    by_pull("python-hashes", &python, IdentifiersAs::KeyedHashes, |_| root().join("examples/python/http_pull.py"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_by_keyed_hashes_settles_an_opt_out() {
    let Some(modules) = node() else { return };
    let script = |f: &Path| node_files(&modules, f).join("http_pull.mjs");
    by_pull("node-hashes", Path::new("node"), IdentifiersAs::KeyedHashes, script).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn java_by_keyed_hashes_settles_an_opt_out() {
    let Some(source) = java() else { return };
    by_webhook("java-hashes", Path::new("java"), IdentifiersAs::KeyedHashes, |_| source).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_by_webhook_settles_an_opt_out() {
    let Some(python) = python() else { return };
    by_webhook("python-webhook", &python, IdentifiersAs::Sealed, |_| root().join("examples/python/webhook.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_over_nats_settles_an_opt_out() {
    let Some(python) = python() else { return };
    over_nats("python-nats", &python, |_| root().join("examples/python/nats_pull.py")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_by_webhook_settles_an_opt_out() {
    let Some(modules) = node() else { return };
    by_webhook("node-webhook", Path::new("node"), IdentifiersAs::Sealed, |f| {
        node_files(&modules, f).join("webhook.mjs")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_over_nats_settles_an_opt_out() {
    let Some(modules) = node() else { return };
    over_nats("node-nats", Path::new("node"), |f| node_files(&modules, f).join("nats_pull.mjs")).await;
}
