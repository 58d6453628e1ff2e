//! A door for one test, and the desk behind it.

use aes_gcm::{
    Aes256Gcm, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use chassis::{Schema, Stop, objects::Objects};
use privacy_seal::{
    CodeKey, Personal, Purpose,
    filing::Filing,
    hatch::{filing_aad, hatch_aad},
};
use serde_json::{Value, json};
use sqlx::{PgConnection, migrate::Migrator};
use std::path::PathBuf;

use testkit::House;
use uuid::Uuid;

static NOTHING: Migrator = Migrator::DEFAULT;

/// What every personal value of these tests holds: it may be found nowhere but in an opened filing.
pub const MARKER: &str = "標識";

pub struct Desk {
    pub house: House,
    pub base: String,
    pub http: reqwest::Client,
    pub keys_dir: PathBuf,
    pub inbound_dir: PathBuf,
    key: CodeKey,
    stop: Stop,
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Desk {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        // Before the first span of the process, or the exporter would not be there.
        testkit::spans();
        let schemas = [
            Schema { name: "intake", machines: &[], bus: true, migrator: &NOTHING },
            Schema { name: "door", machines: door::MACHINES, bus: false, migrator: &door::MIGRATOR },
        ];
        let house = House::start(&schemas, &[]).await;
        let key = CodeKey::derive(&"0123-4567-89AB-CDEF".parse().unwrap(), "the desk of this test");
        let mut all = vec![("door.listen", "127.0.0.1:0"), ("door.trusted_proxies", "1")];
        all.extend_from_slice(settings);
        let rt = house.runtime(&all);
        std::fs::create_dir_all(rt.keys_dir()).unwrap();
        std::fs::write(rt.keys_dir().join("intake.pub"), key.public().to_string()).unwrap();
        let (stop, keys_dir) = (rt.stopping(), rt.keys_dir().to_owned());
        let inbound_dir = rt.house().objects_dir.join("inbound");
        let started = door::start(rt).await.unwrap();
        let [("desk", address)] = started.listens[..] else { panic!("one listener") };
        Self {
            house,
            base: format!("http://{address}"),
            http: reqwest::Client::new(),
            keys_dir,
            inbound_dir,
            key,
            stop,
        }
    }

    /// The sealed files of mails.
    pub fn inbound(&self) -> Objects {
        Objects::open(&self.inbound_dir).unwrap()
    }

    /// Opens what was sealed to the desk.
    pub fn opened(&self, aad: &[u8], sealed: &[u8]) -> Personal<Vec<u8>> {
        self.key.open(aad, sealed).unwrap()
    }

    pub async fn file(&self, key: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}/api/v1/requests", self.base)).header("Idempotency-Key", key);
        Answer::of(request.json(body)).await
    }

    /// Asks for the status from an address of one's own, so that wrong codes of one test part do not slow another.
    pub async fn status(&self, from: &str, number: &str, code: &str) -> Answer {
        let url = format!("{}/api/v1/requests/{number}", self.base);
        Answer::of(self.http.get(url).bearer_auth(code).header("X-Forwarded-For", from)).await
    }

    pub async fn withdraw(&self, number: &str, code: &str) -> Answer {
        let url = format!("{}/api/v1/requests/{number}/withdrawal", self.base);
        Answer::of(self.http.post(url).bearer_auth(code)).await
    }

    pub async fn page(&self, path: &str, language: &str) -> Answer {
        Answer::of(
            self.http
                .get(format!("{}{path}", self.base))
                .header("Accept-Language", language)
                .header("Accept", "text/html"),
        )
        .await
    }

    pub async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = self.http.post(format!("{}{path}", self.base)).body(body.join("&"));
        Answer::of(request.header("Content-Type", "application/x-www-form-urlencoded").header("Accept", "text/html"))
            .await
    }

    pub async fn admin(&self) -> PgConnection {
        self.house.admin().await
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        let sql = match table {
            "filing" => "select count(*) from door.filing",
            "hatch" => "select count(*) from door.hatch",
            _ => "select count(*) from door.idempotency",
        };
        sqlx::query_scalar(sql).fetch_one(&mut self.admin().await).await.unwrap()
    }

    /// Opens all filings as intake would, in order of arrival.
    pub async fn open(&self) -> Vec<(Uuid, Filing)> {
        let rows: Vec<(Uuid, Uuid, Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "select f.id, h.id, f.sealed, h.sealed from door.filing f join door.hatch h on h.id = f.hatch order by f.received_at",
        )
        .fetch_all(&mut self.admin().await)
        .await
        .unwrap();
        rows.into_iter()
            .map(|(id, hatch, filing, sealed_key)| {
                let opened = self.key.open(&hatch_aad(hatch), &sealed_key).unwrap();
                let cipher = Aes256Gcm::new_from_slice(opened.disclose(Purpose::ShowToPerson)).unwrap();
                let payload = Payload { msg: &filing[13..], aad: &filing_aad(id) };
                let plain = cipher.decrypt(Nonce::from_slice(&filing[1..13]), payload).unwrap();
                (id, serde_json::from_slice(&plain).unwrap())
            })
            .collect()
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {}", self.status, self.text))
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
    /// The code of a problem document.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let document = self.json();
        assert_eq!(document["status"], self.status);
        document["type"].as_str().unwrap().trim_start_matches("urn:madoguchi:problem:").to_owned()
    }
    /// Every `pointer code` of a problem document.
    pub fn errors(&self) -> Vec<String> {
        let document = self.json();
        let errors = document["errors"].as_array().unwrap();
        errors.iter().map(|e| format!("{} {}", e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap())).collect()
    }
    /// The value of a hidden field of a page.
    pub fn hidden(&self, name: &str) -> String {
        let after =
            self.text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{}", self.text));
        after.split('"').next().unwrap().to_owned()
    }
}

pub fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub fn a_stop() -> Value {
    json!({"kind": "provision-stop", "scope": "anonymised", "language": "ja",
        "person": {"name": "標識 花子", "kana": "ヒョウシキ ハナコ", "birth_date": "1980-04-01", "sex": "female",
            "address": "東京都標識区1-2-3", "mail": "hyoshiki@example.jp", "telephone": "03-0000-0000"},
        "words": "標識のことば", "hospitals": ["標識病院"]})
}
