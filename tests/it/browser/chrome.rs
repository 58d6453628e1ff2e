//! Chromium without a window, driven over WebDriver by a chromedriver of its own.
//!
//! Both are started by `setpriv`, which asks the kernel to kill them with who started them: chromedriver with the test,
//! Chromium with its chromedriver, which by itself leaves it behind.

use base64::{Engine, engine::general_purpose::STANDARD};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    key::Key,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::{
    env,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;
use testkit::eventually;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// What is said where Chromium is missing; `.ci/run` looks for its beginning.
const NOT_RUN: &str = "not run: install chromium and chromium-driver (apt-get install chromium chromium-driver)";
/// What chromedriver says when it listens, before the port.
const LISTENS: &str = "was started successfully on port ";

/// How often a click is tried that hits something else.
const CLICKS_MAX: usize = 10;
/// Notes whether a click arrives at what a selector finds.
const NOTE_HITS: &str = "const wanted = document.querySelector(arguments[0]);
    window.hit = false;
    window.addEventListener('click', e => { window.hit ||= wanted.contains(e.target); }, true);";
/// Gives back when the window has the width that was asked for, and has been drawn with it twice.
const DRAWN: &str = "const [narrow, done] = arguments, drawn = n => requestAnimationFrame(() =>
    n == 0 && (window.innerWidth <= 320) == narrow ? done(true) : drawn(Math.max(0, n - 1)));
    drawn(2);";

/// How many pictures were taken.
static PICTURES: AtomicUsize = AtomicUsize::new(0);

/// A program of one of these names on the `PATH`.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|f| f.join(name)).find(|p| p.is_file()))
}

/// A program that is this one and ends with its parent.
fn mortal(program: &Path, folder: &Path) -> PathBuf {
    let script = folder.join("chromium.sh");
    std::fs::write(&script, format!("#!/bin/sh\nexec setpriv --pdeathsig KILL '{}' \"$@\"\n", program.display()))
        .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// A browser with a profile of its own and one window.
pub struct Chrome {
    client: Client,
    /// The WebDriver address of the session, for what has no method of its own.
    session: String,
    http: reqwest::Client,
    // In this order: the driver ends before its folder goes.
    _driver: Driver,
    _profile: TempDir,
}

/// A running chromedriver. Killed when dropped.
struct Driver {
    url: String,
    _process: Child,
    /// Held open: who writes into a closed pipe dies.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    async fn start(program: PathBuf) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).arg("--port=0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut said = vec![];
        loop {
            let line =
                output.next_line().await.unwrap().unwrap_or_else(|| panic!("chromedriver does not listen: {said:?}"));
            if let Some((_, rest)) = line.split_once(LISTENS) {
                let port: u16 = rest.trim_end_matches('.').parse().unwrap();
                return Self { url: format!("http://127.0.0.1:{port}"), _process: process, _output: output };
            }
            said.push(line);
        }
    }
}

impl Chrome {
    /// A browser that prefers Japanese; `None`, and a line that says so, where there is no Chromium.
    pub async fn open() -> Option<Self> {
        let programs = program(&["chromium", "google-chrome", "chrome"]).zip(program(&["chromedriver"]));
        let Some((chromium, chromedriver)) = programs else {
            // Not `println!`: the harness keeps back what a passing test prints.
            #[allow(clippy::explicit_write)] // past the capture of the test harness, so that CI sees it
            writeln!(std::io::stdout(), "{NOT_RUN}").unwrap();
            return None;
        };
        let driver = Driver::start(chromedriver).await;
        let profile = TempDir::new().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // A container's /dev/shm is small.
            "--disable-dev-shm-usage",
            "--accept-lang=ja",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let binary = mortal(&chromium, profile.path());
        let options = json!({ "goog:chromeOptions": { "binary": binary, "args": arguments } });
        let Value::Object(capabilities) = options else { unreachable!("written above") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&driver.url)
            .await
            .unwrap_or_else(|e| panic!("Chromium does not start: {e}"));
        let session = format!("{}/session/{}", driver.url, client.session_id().await.unwrap().unwrap());
        Some(Self { client, session, http: reqwest::Client::new(), _driver: driver, _profile: profile })
    }

    /// Ends it in order.
    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }

    /// Opens an address.
    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }
    /// Where it is.
    pub async fn url(&self) -> String {
        self.client.current_url().await.unwrap().to_string()
    }
    /// Opens a second window and looks at it; gives back the first.
    pub async fn second_window(&self) -> fantoccini::wd::WindowHandle {
        let first = self.client.window().await.unwrap();
        let second = self.client.new_window(true).await.unwrap();
        self.client.switch_to_window(second.handle).await.unwrap();
        first
    }
    /// Looks at another window; gives back the one before.
    pub async fn look_at(&self, window: fantoccini::wd::WindowHandle) -> fantoccini::wd::WindowHandle {
        let before = self.client.window().await.unwrap();
        self.client.switch_to_window(window).await.unwrap();
        before
    }

    /// What one selector finds.
    pub async fn find(&self, css: &str) -> Element {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("`{css}`: {error}; the page says: {}", self.main().await),
        }
    }
    /// The visible text of what a selector finds.
    pub async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.unwrap()
    }
    /// The visible texts of all that a selector finds.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = vec![];
        for element in self.client.find_all(Locator::Css(css)).await.unwrap() {
            texts.push(element.text().await.unwrap());
        }
        texts
    }
    /// Whether a selector finds anything.
    pub async fn has(&self, css: &str) -> bool {
        !self.client.find_all(Locator::Css(css)).await.unwrap().is_empty()
    }
    /// The visible text of the page's content.
    pub async fn main(&self) -> String {
        match self.client.find(Locator::Css("main")).await {
            Ok(main) => main.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }
    /// Runs a script in the page.
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap_or_else(|e| panic!("{e}: {script}"))
    }

    /// Types into an empty field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
    /// Types without clearing the field before: a file field takes a path that way.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.find(css).await.send_keys(text).await.unwrap();
    }
    /// Clicks on what does not lead away.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
    }
    /// Clicks on what leads to another page, and waits for it.
    ///
    /// A click goes to a place of the window. If the page moves between the look for the place and the click (a font that
    /// arrives, a window that is still changing its width), it hits something else: then it is done again, as a person would.
    pub async fn press(&self, css: &str) {
        let before = self.document().await.unwrap();
        for _ in 0..CLICKS_MAX {
            self.script(NOTE_HITS, vec![json!(css)]).await;
            self.click(css).await;
            // Of the next page it is not known, and there it is no matter.
            if self.script("return window.hit !== false", vec![]).await == json!(true) {
                break;
            }
        }
        self.next_page(&before, css).await;
    }
    /// Presses Enter where the focus is, and waits for the page that it leads to.
    pub async fn enter(&self) {
        let before = self.document().await.unwrap();
        self.key(Key::Enter).await;
        self.next_page(&before, "Enter").await;
    }
    /// Presses a key.
    pub async fn key(&self, key: Key) {
        self.keys(&[key]).await;
    }
    /// Presses keys one after the other.
    pub async fn keys(&self, keys: &[Key]) {
        let mut actions = KeyActions::new("keyboard".into());
        for value in keys.iter().map(|key| char::from(*key)) {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// The document that is shown, complete; another page or the same one loaded again is another document.
    async fn document(&self) -> Result<Value, String> {
        let seen = self
            .client
            .execute("return [document.readyState, performance.timeOrigin]", vec![])
            .await
            .map_err(|e| e.to_string())?;
        if seen[0] == "complete" { Ok(seen[1].clone()) } else { Err(seen.to_string()) }
    }
    async fn next_page(&self, before: &Value, what: &str) {
        eventually(&format!("{what} leads to a page"), || async {
            let now = self.document().await?;
            if now != *before {
                return Ok(());
            }
            let state = "return [location.pathname, window.hit, document.activeElement.outerHTML.slice(0, 200)]";
            Err(format!("still the same: {}", self.script(state, vec![]).await))
        })
        .await;
    }

    /// A window as narrow as WCAG 1.4.10 asks for (320 CSS pixels), or as it was.
    pub async fn narrow(&self, narrow: bool) {
        if narrow {
            let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false });
            self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        } else {
            self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        }
        self.client.execute_async(DRAWN, vec![json!(narrow)]).await.unwrap();
    }
    /// A reader who prefers dark pages, or one who does not.
    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] }),
        )
        .await;
    }
    /// What is downloaded goes there.
    pub async fn downloads_go_to(&self, folder: &Path) {
        let there = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Browser.setDownloadBehavior", there).await;
    }
    /// Keeps a picture of the whole page in the folder that `MADOGUCHI_PICTURES` names, so that somebody can look at it; does
    /// nothing without.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = env::var_os("MADOGUCHI_PICTURES").map(PathBuf::from) else { return };
        let taken = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let bytes = STANDARD.decode(taken["value"]["data"].as_str().unwrap()).unwrap();
        let number = PICTURES.fetch_add(1, Ordering::Relaxed);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{number:03}-{name}.png")), bytes).unwrap();
    }
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let response = self
            .http
            .post(format!("{}/goog/cdp/execute", self.session))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{command}: {}", response.text().await.unwrap());
        response.json().await.unwrap()
    }
}
