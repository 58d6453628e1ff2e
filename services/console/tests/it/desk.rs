//! One console for one test, and a browser without a screen.

use chassis::{Clock, Runtime};
use console::Commands;
use contracts::{Envelope, Message, MessageId, Service, Uuid, envelope::Origin};
use reqwest::{Client, Response, header};
use std::sync::Mutex;
use testkit::House;

pub const PASSWORD: &str = "three silver lanterns";

/// A console that runs.
pub struct Desk {
    pub house: House,
    pub rt: Runtime,
    pub base: String,
}

impl Desk {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::in_house(House::start(&[console::schema()], &[]).await, settings).await
    }

    /// With a clock in the test's hand.
    pub async fn held(settings: &[(&str, &str)]) -> Self {
        let at = "2026-07-01T00:00:00Z".parse().unwrap();
        Self::in_house(House::held(&[console::schema()], &[], at).await, settings).await
    }

    async fn in_house(house: House, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("console.listen", "127.0.0.1:0")];
        all.extend(settings);
        let rt = house.runtime(&all);
        let started = console::start(rt.clone()).await.unwrap();
        let base = format!("http://{}", started.listens[0].1);
        Self { house, rt, base }
    }

    pub fn clock(&self) -> Clock {
        self.house.clock.clone()
    }

    /// The first administrator's link.
    pub async fn link(&self) -> Option<String> {
        let db = self.rt.db("console").await.unwrap();
        console::first_sign_in_link(&db, &self.base, &self.clock()).await.unwrap()
    }

    /// A browser in which the administrator is signed in.
    pub async fn signed_in(&self) -> Browser {
        let browser = Browser::new(&self.base);
        let link = self.link().await.unwrap();
        let path = link.strip_prefix(&self.base).unwrap();
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        let done = browser.post(path, &[("csrf", &page.csrf()), ("password", PASSWORD), ("again", PASSWORD)]).await;
        assert_eq!(done.status, 303, "{}", done.body);
        browser
    }

    /// What the launcher's demo sends with.
    pub async fn commands(&self) -> Commands {
        console::commands(&self.rt).await.unwrap()
    }

    /// A service says something, as its relay would.
    pub async fn say(&self, seq: i64, machine: Uuid, message: &Message) {
        let (subject, bytes) = envelope(seq, machine, message);
        let client = self.rt.nats(message.entry().speaker.token()).await.unwrap();
        client.publish(subject, bytes.into()).await.unwrap();
        client.flush().await.unwrap();
    }

    /// The one row of the database that a query gives.
    pub async fn one<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_one(&mut self.house.admin().await).await.unwrap()
    }

    /// The secret half of a service's key, as that service has it.
    pub fn key(&self, service: Service) -> privacy::ServiceKey {
        privacy::ServiceKey::load_or_create(self.rt.keys_dir(), service.token()).unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.rt.stopping().ask();
    }
}

/// The bytes that a speaker's outbox would hold, and their subject.
pub fn envelope(seq: i64, machine: Uuid, message: &Message) -> (String, Vec<u8>) {
    let correlation = console::projection::case_of(message).map_or(machine, |c| c.0);
    let traceparent =
        contracts::envelope::TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let time =
        message.data()["at"].as_str().and_then(|t| t.parse().ok()).unwrap_or("2026-07-01T00:00:00Z".parse().unwrap());
    // The same message has the same id however often it is said.
    let id = MessageId(Uuid::new_v5(&machine, format!("{} {seq}", message.entry().name).as_bytes()));
    let origin = Origin { id, subject: machine, correlation, causation: machine, seq, time, traceparent };
    (message.entry().subject(machine), Envelope::new(message, origin).to_bytes())
}

/// A page as it came.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub body: String,
}

impl Page {
    /// The value of the first hidden field of this name.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let rest = self.body.split(&mark).nth(1).unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }
    pub fn csrf(&self) -> String {
        self.hidden("csrf")
    }
    pub fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }
    #[track_caller]
    pub fn has(&self, text: &str) {
        assert!(self.body.contains(text), "`{text}` is not in the page ({}):\n{}", self.status, self.body);
    }
}

/// Keeps cookies, follows nothing, speaks English.
pub struct Browser {
    client: Client,
    base: String,
    cookies: Mutex<Vec<(String, String)>>,
}

impl Browser {
    pub fn new(base: &str) -> Self {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { client, base: base.to_owned(), cookies: Mutex::default() }
    }

    pub async fn get(&self, path: &str) -> Page {
        self.take(self.request(reqwest::Method::GET, path).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from(path, fields, "same-origin").await
    }

    pub async fn post_from(&self, path: &str, fields: &[(&str, &str)], site: &str) -> Page {
        let escape = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let body = fields.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v))).collect::<Vec<_>>().join("&");
        let request = self
            .request(reqwest::Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site)
            .body(body);
        self.take(request.send().await.unwrap()).await
    }

    /// An upload: text fields, then the file.
    pub async fn upload(&self, path: &str, fields: &[(&str, &str)], file: &[u8]) -> Page {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!("--EDGE\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes(),
            );
        }
        body.extend(b"--EDGE\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n");
        body.extend(file);
        body.extend(b"\r\n--EDGE--\r\n");
        let request = self
            .request(reqwest::Method::POST, path)
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=EDGE")
            .body(body);
        self.take(request.send().await.unwrap()).await
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().iter().find(|(n, _)| n == name).map(|(_, v)| v.clone())
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let cookies =
            self.cookies.lock().unwrap().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("; ");
        self.client
            .request(method, format!("{}{path}", self.base))
            .header(header::ACCEPT_LANGUAGE, "en")
            .header(header::COOKIE, cookies)
    }

    async fn take(&self, response: Response) -> Page {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for line in headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            cookies.retain(|(n, _)| n != name);
            if !value.is_empty() {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Page { status, headers, body: response.text().await.unwrap() }
    }
}
