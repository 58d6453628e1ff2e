//! Intake on a real PostgreSQL and a real nats-server.

mod arrivals;
mod erasing;
mod filing;
mod hearing;
mod mails;
mod person;

use chassis::{Machine, Runtime, Schema};
use contracts::{CaseId, Kind, ReceiptNumber, Timestamp, Uuid, desk::StatusView};
use intake::case::{Case, State};
use jiff_sqlx::ToSqlx;
use privacy::{AccessCode, CodeKey, Purpose, ServiceKey};
use privacy_seal::{
    HatchBox,
    filing::{Circumstances, Filing, NewRequest, PersonalDetails},
};
use sqlx::PgPool;
use std::{sync::Mutex, time::Instant};
use testkit::{House, eventually};

/// Personal values that no test may find anywhere but in sealed bytes.
const MARKERS: &[&str] = &["山田標識", "ヤマダヒョウシキ", "標識市架空町", "marker@example.test", "09000000001"];

static DOOR: sqlx::migrate::Migrator = sqlx::migrate!("../door/migrations");

fn schemas() -> [Schema<'static>; 2] {
    [
        Schema { name: "intake", machines: intake::MACHINES, bus: true, migrator: &intake::MIGRATOR },
        Schema { name: "door", machines: &[], bus: false, migrator: &DOOR },
    ]
}

/// A house with intake in it.
struct Desk {
    house: House,
    rt: Runtime,
    hatches: Mutex<HatchBox>,
    admin: PgPool,
}

/// The defaults of the product, but for how often it looks.
const SETTINGS: &[(&str, &str)] = &[("intake.poll_ms", "50"), ("intake.mail.domain", "desk.example")];

impl Desk {
    async fn open() -> Self {
        Self::of(House::start(&schemas(), &["intake"]).await).await
    }
    async fn held(at: &str) -> Self {
        Self::of(House::held(&schemas(), &["intake"], at.parse().unwrap()).await).await
    }
    async fn of(house: House) -> Self {
        let reader = mails::reader();
        let mut settings = SETTINGS.to_vec();
        settings.push(("intake.mail.reader", &reader));
        let rt = house.runtime(&settings);
        intake::start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
        let desk = ServiceKey::load_or_create(rt.keys_dir(), "intake").unwrap();
        let admin = PgPool::connect(&house.admin_url()).await.unwrap();
        Self { house, rt, hatches: Mutex::new(HatchBox::new(desk.public())), admin }
    }

    /// Puts sealed bytes into the in-tray as the door does.
    async fn put(&self, plain: &[u8]) -> Uuid {
        let id = Uuid::now_v7();
        let (sealed, hatch) = self.hatches.lock().unwrap().seal(Instant::now(), Uuid::now_v7, id, plain).unwrap();
        if let Some(row) = hatch {
            let insert = "insert into door.hatch (id, sealed) values ($1, $2)";
            sqlx::query(insert).bind(row.id).bind(row.sealed).execute(&self.admin).await.unwrap();
        }
        self.put_sealed(id, sealed.hatch, sealed.bytes).await
    }
    async fn put_sealed(&self, id: Uuid, hatch: Uuid, sealed: Vec<u8>) -> Uuid {
        sqlx::query("insert into door.filing (id, hatch, sealed, received_at) values ($1, $2, $3, $4)")
            .bind(id)
            .bind(hatch)
            .bind(sealed)
            .bind(self.house.clock.now().to_sqlx())
            .execute(&self.admin)
            .await
            .unwrap();
        id
    }
    async fn file(&self, filing: &Filing) -> Uuid {
        self.put(&serde_json::to_vec(filing).unwrap()).await
    }
    /// Files somebody's request and waits until the case is there.
    async fn request_of(&self, someone: &Someone) -> CaseId {
        let request = someone.request(self.house.clock.now());
        self.file(&Filing::Request(Box::new(request))).await;
        eventually("a case", || async { self.state(someone.case).await.ok_or("no case") }).await;
        someone.case
    }

    /// What the person sees; `None` while there is no letter.
    async fn page(&self, someone: &Someone) -> Option<StatusView> {
        let public = *someone.key.public().as_bytes();
        let find = "select body from door.letterbox where code_key = $1 and kind = 'status'";
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as(find).bind(public.as_slice()).fetch_optional(&self.admin).await.unwrap();
        let aad = privacy_seal::aad::letter("status", &public);
        row.map(|(body,)| {
            let opened = someone.key.open(&aad, &body).unwrap().json::<StatusView>().unwrap();
            opened.disclose(Purpose::ShowToPerson).clone()
        })
    }
    /// Waits until the case of somebody has a status.
    async fn is(&self, someone: &Someone, status: &str) {
        eventually(status, || async {
            let now = self.state(someone.case).await.map(|s| Case::status(&s).to_string());
            if now.as_deref() == Some(status) { Ok(()) } else { Err(now) }
        })
        .await;
    }
    async fn state(&self, case: CaseId) -> Option<State> {
        let find = "select state from intake.cases where id = $1";
        let row: Option<(serde_json::Value,)> =
            sqlx::query_as(find).bind(case.0).fetch_optional(&self.admin).await.unwrap();
        row.map(|(state,)| serde_json::from_value(state).unwrap())
    }
    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.admin).await.unwrap()
    }
    /// Waits until a count is so.
    async fn counts(&self, sql: &'static str, n: i64) {
        eventually(sql, || async {
            let now = self.count(sql).await;
            if now == n { Ok(()) } else { Err(now) }
        })
        .await;
    }
    /// Everything that stands in the database of intake and the door, as text.
    async fn everything(&self) -> String {
        let find =
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('intake', 'door')";
        let tables: Vec<(String,)> = sqlx::query_as(find).fetch_all(&self.admin).await.unwrap();
        let mut all = String::new();
        for (table,) in tables {
            let sql = sqlx::AssertSqlSafe(format!("select t::text from {table} t"));
            let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&self.admin).await.unwrap();
            for (row,) in rows {
                all.push_str(&readable(&row));
                all.push('\n');
            }
        }
        all
    }
    /// Stops intake in order; the test fails when it hangs.
    async fn close(self) {
        assert!(self.rt.stopping().stop(std::time::Duration::from_secs(20)).await, "intake did not stop");
    }
}

/// A row's text with its bytes (`\x…`) read as UTF-8, so that a marker in a `bytea` is found too.
fn readable(row: &str) -> String {
    let mut text = row.to_owned();
    for part in row.split("\\x").skip(1) {
        let hex: String = part.chars().take_while(char::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> =
            (0..hex.len() / 2).filter_map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect();
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

/// Somebody who does not exist, with a code.
struct Someone {
    case: CaseId,
    receipt_number: ReceiptNumber,
    kind: Kind,
    key: CodeKey,
}

impl Someone {
    fn new(kind: Kind) -> Self {
        let case = CaseId::new();
        let receipt_number = ReceiptNumber::from_random(*Uuid::new_v4().as_bytes());
        let key = CodeKey::derive(&AccessCode::random().unwrap(), &receipt_number.to_string());
        Self { case, receipt_number, kind, key }
    }
    fn request(&self, received_at: Timestamp) -> NewRequest {
        NewRequest {
            case: self.case,
            receipt_number: self.receipt_number,
            code_key: *self.key.public().as_bytes(),
            kind: self.kind,
            capacity: contracts::Capacity::Person,
            scope: self.kind.propagates().then_some(contracts::Scope::Both),
            channel: contracts::Channel::Api,
            language: contracts::Language::Ja,
            received_at,
            traceparent: None,
            person: PersonalDetails {
                name: "山田標識".into(),
                kana: "ヤマダヒョウシキ".into(),
                birth_date: Some("1980-04-05".parse().unwrap()),
                sex: "female".into(),
                address: "標識市架空町1-2-3".into(),
                mail: "marker@example.test".into(),
                telephone: "09000000001".into(),
            },
            representative: None,
            words: "山田標識の記録".into(),
            hospitals: vec!["山田標識病院".into()],
            circumstances: Circumstances::default(),
        }
    }
    fn withdrawal(&self, code_key: [u8; 32], received_at: Timestamp) -> Filing {
        Filing::Withdrawal { receipt_number: self.receipt_number, code_key, received_at }
    }
}
