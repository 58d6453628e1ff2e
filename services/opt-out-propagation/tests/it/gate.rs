//! The gate on real servers: over HTTP, over NATS, as a file, as a snapshot; and what people do about its answers.

use crate::desk::{Desk, refused};
use contracts::{
    CaseId, Code, EntryId, RecipientId, Sealed, StaffId, Uuid,
    gate::{CheckGate, DecideReview, GateAnswers, KeepFiling, ListGateIncidents, ListReviews},
    request::{StaffCommand, StaffReply},
};
use gate::{GateKey, filing::Filing, snapshot};
use opt_out_propagation::{entry, gate::GateKeys, propagation::entry_as_known_to};
use privacy::{Personal, PublicKey, seal_to};
use recipient_kit::{Identifiers, RecipientKeys, Sex, pull};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A contractor that asks the gate.
pub struct Asker {
    pub me: RecipientId,
    keys: RecipientKeys,
    pub base: String,
    http: reqwest::Client,
}

pub async fn asker(desk: &Desk, label: &str) -> Asker {
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook(label, &keys, "http://127.0.0.1:1/");
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let base = format!("http://{}", desk.partner.unwrap());
    Asker { me: order.recipient, keys, base, http: reqwest::Client::new() }
}

impl Asker {
    pub(crate) const fn keys(&self) -> &RecipientKeys {
        &self.keys
    }

    /// Posts without the headers of a signed request; what is answered.
    pub(crate) async fn bare(&self, path: &str, body: &str) -> Value {
        let answered = self.http.post(format!("{}{path}", self.base)).body(body.to_owned()).send().await.unwrap();
        answered.json().await.unwrap()
    }

    /// Somebody who is registered already.
    pub(crate) fn of(desk: &Desk, me: RecipientId, keys: RecipientKeys) -> Self {
        let base = format!("http://{}", desk.partner.unwrap());
        Self { me, keys, base, http: reqwest::Client::new() }
    }

    pub(crate) fn signed(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let now = contracts::Timestamp::now().as_second() as u64;
        let url = format!("{}{path}", self.base);
        let mut request = if method == "GET" { self.http.get(url) } else { self.http.post(url) };
        for (name, value) in pull::sign(&self.keys.signing, self.me, now, method, path) {
            request = request.header(name, value);
        }
        request
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.signed("GET", path).send().await.unwrap()
    }

    /// Posts a body whose digest is in the signed query.
    pub async fn post(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> reqwest::Response {
        let body = body.into();
        let join = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{join}digest={}", contracts::Digest(Sha256::digest(&body).into()));
        self.signed("POST", &path).header("content-type", kind).body(body).send().await.unwrap()
    }

    pub async fn check(&self, question: Value) -> (u16, Value) {
        let answered = self.post("/partner/v1/gate/check", "application/json", question.to_string()).await;
        (answered.status().as_u16(), answered.json().await.unwrap())
    }
}

/// The service runs, and what the test enters by hand gets its keys as the service's own entries do.
pub async fn serving() -> Desk {
    let desk = Desk::serving().await;
    let keys = GateKeys::load_or_create(desk.rt.keys_dir()).unwrap();
    desk.register.gate_with(keys, gate::Rules::built_in());
    desk
}

/// Hanako is blocked, with name and sex.
pub async fn stopped(desk: &Desk) -> EntryId {
    let (case, entry) = (CaseId::new(), EntryId::new());
    desk.register.keep(case, entry, &Personal::new(hanako(&[]))).await.unwrap().unwrap();
    place(desk, case, entry, contracts::Scope::Both).await;
    entry
}

pub(crate) fn hanako(hospitals: &[&str]) -> Identifiers {
    Identifiers {
        kana: "ヤマダ　ハナコ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: Some("山田 花子".into()),
        sex: Some(Sex::Female),
        hospitals: hospitals.iter().map(|h| (*h).to_owned()).collect(),
    }
}

async fn place(desk: &Desk, case: CaseId, entry: EntryId, scope: contracts::Scope) {
    let at = desk.bus.clock().now();
    let input = entry::Input::PlaceBlock { case, scope, received_at: at, at };
    let done = desk.entries.handle(entry.0, chassis::Cause::Person(Uuid::now_v7()), input).await.unwrap();
    assert!(done.is_done(), "{done:?}");
}

async fn lift(desk: &Desk, entry: EntryId) {
    let input = entry::Input::LiftProvisionalBlock { at: desk.bus.clock().now() };
    let done = desk.entries.handle(entry.0, chassis::Cause::Person(Uuid::now_v7()), input).await.unwrap();
    assert!(done.is_done(), "{done:?}");
}

pub(crate) fn row() -> Value {
    json!({ "kana": "やまだ はなこ", "birth-date": "昭和55年2月29日", "sex": "女" })
}

pub(crate) fn use_of(rows: &[Value]) -> Value {
    json!({ "flow": "use", "track": "both", "rows": rows })
}

pub(crate) fn words(answers: &Value) -> Vec<&str> {
    answers["answers"].as_array().unwrap().iter().map(|a| a["answer"].as_str().unwrap()).collect()
}

pub(crate) fn command<T>(order: T, staff: StaffId) -> StaffCommand<T> {
    StaffCommand { token: Uuid::now_v7(), staff, why: Sealed(vec![1]), traceparent: None, order }
}

fn service_key(desk: &Desk) -> PublicKey {
    PublicKey::load(&desk.rt.keys_dir().join("optout.pub")).unwrap()
}

/// Records a filing of みどり病院 for one track, published long ago, with a notice of 30 days.
pub(crate) async fn file_for(desk: &Desk, track: contracts::Scope) -> StaffReply {
    let filing = Filing {
        supplier: Code::of("0110113719"),
        called: "みどり病院".into(),
        track,
        number: Code::of("filing-17"),
        filed_on: "2020-01-10".parse().unwrap(),
        published_on: Some("2020-02-01".parse().unwrap()),
        items: vec![Code::of("diagnoses")],
        starts_on: "2020-04-01".parse().unwrap(),
        notice_days: 30,
        stops_received_by: vec![Code::of("post")],
        ended_on: None,
    };
    let mut order = command(KeepFiling { filing: Sealed(vec![]) }, StaffId::new());
    let json = serde_json::to_vec(&filing).unwrap();
    order.order.filing = seal_to(&service_key(desk), order.token.as_bytes(), &json).unwrap();
    desk.ask(&order).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_holds_at_the_gate_from_the_moment_it_is_placed_until_it_is_lifted_and_every_answer_says_as_of_when() {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    let (status, before) = who.check(use_of(&[row()])).await;
    assert_eq!((status, words(&before)), (200, vec!["no-match"]));

    let (case, entry) = (CaseId::new(), EntryId::new());
    desk.register.keep(case, entry, &Personal::new(hanako(&[]))).await.unwrap().unwrap();
    let (_, kept) = who.check(use_of(&[row()])).await;
    assert_eq!(words(&kept), ["no-match"], "identifiers alone stop nobody");
    // Provisional, before anybody looked at papers: row 4's 10:00 and 10:01 without a second between them.
    place(&desk, case, entry, contracts::Scope::Anonymised).await;
    let other = json!({ "kana": "スズキ", "birth-date": "1975-05-05", "sex": "1" });
    let (_, after) = who.check(use_of(&[row(), other])).await;
    assert_eq!(words(&after), ["exact", "no-match"]);
    let answer = &after["answers"][0];
    assert_eq!(answer["entry"], entry_as_known_to(entry, who.me).to_string(), "as the asker knows it, not ours");
    assert_eq!(answer["key"], "kana-birth-sex");
    assert!(after["as_of"]["position"].as_i64() > before["as_of"]["position"].as_i64());
    assert_eq!(after["as_of"]["epoch"], 1);
    // The other track passes.
    let (_, pseudonymised) = who.check(json!({ "flow": "use", "track": "pseudonymised", "rows": [row()] })).await;
    assert_eq!(words(&pseudonymised), ["no-match"]);
    lift(&desk, entry).await;
    let (_, lifted) = who.check(use_of(&[row()])).await;
    assert_eq!(words(&lifted), ["no-match"]);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_4_and_5_given_an_entry_when_a_hospitals_file_holds_the_person_then_the_row_is_out_and_staff_see_file_line_and_entry()
 {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    let entry = stopped(&desk).await;
    let path = |track: &str, more: &str| {
        format!("/partner/v1/gate/file?flow=hospital-supply&track={track}&mode=remove&supplier=0110113719{more}")
    };
    let text = "id,カナ,生年月日,性別\r\n1,ｽｽﾞｷ,1975-05-05,1\r\n2,ヤマダハナコ,1980-02-29,2\r\n3,x,1980-02-30,2\r\n";
    let asks = &who;
    let send = |path: String| async move { asks.post(&path, "text/csv", text).await };

    // Row 5: never filed is an answer of its own.
    let answered = send(path("anonymised", "&notified_through=2020-05-01")).await;
    assert_eq!(answered.status().as_u16(), 422);
    assert_eq!(answered.json::<Value>().await.unwrap()["reason"], "not-filed");
    assert_eq!(refused(&file_for(&desk, contracts::Scope::Anonymised).await), None);
    let answered = send(path("pseudonymised", "&notified_through=2020-05-01")).await;
    assert_eq!(answered.json::<Value>().await.unwrap()["reason"], "not-filed");
    let answered = send(path("anonymised", "")).await;
    assert_eq!(answered.json::<Value>().await.unwrap()["reason"], "not-notified");

    // Row 4.
    let answered = send(path("anonymised", "&notified_through=2020-05-01&acquired=treatment")).await;
    assert_eq!(answered.status().as_u16(), 200);
    let run = answered.headers()["madoguchi-gate-run"].to_str().unwrap().to_owned();
    let out = answered.text().await.unwrap();
    assert_eq!(out, "id,カナ,生年月日,性別\r\n1,ｽｽﾞｷ,1975-05-05,1\r\n");
    let shown: Value = who.get(&format!("/partner/v1/gate/runs/{run}")).await.json().await.unwrap();
    assert_eq!((&shown["outcome"], &shown["counts"]["exact"]), (&json!("complete"), &json!(1)));
    assert_eq!(shown["sha256_out"], contracts::Digest(Sha256::digest(out.as_bytes()).into()).to_string());
    // Row 6: enough to write the receipt record.
    assert_eq!(shown["ground"]["filings"], json!([["filing-17", "2020-02-01"]]));
    assert_eq!((&shown["ground"]["acquired"], &shown["supplier"]), (&json!("treatment"), &json!("0110113719")));
    let report = who.get(&format!("/partner/v1/gate/runs/{run}/report?after=0")).await.text().await.unwrap();
    let lines: Vec<Value> = report.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[0]["answer"]), (&json!(3), &json!("exact")));
    assert_eq!((&lines[1]["line"], &lines[1]["why"]), (&json!(4), &json!("birth-date")));
    let seen = desk.ask(&ListGateIncidents {}).await.incidents;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].line, seen[0].entry, seen[0].file.as_str()), (3, Some(entry), run.as_str()));
    assert_eq!((seen[0].flow.as_str(), seen[0].supplier.as_ref().unwrap().as_str()), ("hospital-supply", "0110113719"));

    // What a receiver finds behind the gate it states itself; the same again is the same incident.
    let known = entry_as_known_to(entry, who.me);
    let stated = json!({ "flow": "hospital-supply", "file": "feed-7", "line": 12, "entry": known }).to_string();
    for _ in 0..2 {
        let answered = who.post("/partner/v1/gate/incidents", "application/json", stated.clone()).await;
        assert_eq!(answered.status().as_u16(), 200);
    }
    let seen = desk.ask(&ListGateIncidents {}).await.incidents;
    assert_eq!((seen.len(), seen[0].entry, seen[0].file.as_str()), (2, Some(entry), "feed-7"));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_8_given_a_stopped_person_when_another_creators_file_or_a_build_is_checked_then_rows_are_blocked_and_the_log_names_the_flow()
 {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    stopped(&desk).await;
    let text = "{\"kana\":\"ヤマダハナコ\",\"birth-date\":\"1980-02-29\",\"sex\":2}\n{\"kana\":\"スズキ\",\"birth-date\":\"1975-05-05\"}\n";
    for flow in ["from-creator", "to-creator", "build", "linking", "use"] {
        let path = format!("/partner/v1/gate/file?flow={flow}&track=both&mode=mark");
        let answered = who.post(&path, "application/x-ndjson", text).await;
        let run = answered.headers()["madoguchi-gate-run"].to_str().unwrap().to_owned();
        let out = answered.text().await.unwrap();
        let marks: Vec<Value> =
            out.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["gate"].clone()).collect();
        assert_eq!(marks, ["exact", "no-match"], "{flow}");
        let shown: Value = who.get(&format!("/partner/v1/gate/runs/{run}")).await.json().await.unwrap();
        assert_eq!(shown["flow"], flow);
    }
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_possible_match_is_held_back_until_two_different_people_say_the_same() {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    let entry = stopped(&desk).await;
    let no_sex = |name: &str| json!({ "kana": "ヤマダハナコ", "birth-date": "1980-02-29", "name": name });
    let (_, found) = who.check(use_of(&[no_sex("山田花子"), no_sex("山田華子")])).await;
    assert_eq!(words(&found), ["possible", "possible"]);
    who.check(use_of(&[no_sex("山田花子")])).await;
    let reviews = desk.ask(&ListReviews {}).await.reviews;
    assert_eq!(reviews.len(), 2, "the same row again is the same review");
    assert!(reviews.iter().all(|r| r.entry == entry && !r.looked));
    assert_eq!(desk.count("select count(*) from gate_review where person is not null").await, 2);

    let (one, two) = (StaffId::new(), StaffId::new());
    let say = |n: usize, same: bool, staff: StaffId| {
        let order = command(DecideReview { review: reviews[n].review, same }, staff);
        let desk = &desk;
        async move {
            match desk.ask(&order).await {
                StaffReply::Done { status, .. } => status.to_string(),
                StaffReply::Refused { reason, .. } => reason.to_string(),
            }
        }
    };
    assert_eq!(say(0, true, one).await, "waits-for-another-person");
    assert_eq!(say(0, true, one).await, "needs-another-person");
    assert_eq!(say(0, false, two).await, "waits-for-another-person", "they do not agree: it begins again");
    assert_eq!(say(0, false, one).await, "decided");
    assert_eq!(say(1, true, one).await, "waits-for-another-person");
    assert_eq!(say(1, true, two).await, "decided");
    assert_eq!(say(1, false, two).await, "decided", "nobody unsays it");
    let (_, after) = who.check(use_of(&[no_sex("山田花子"), no_sex("山田華子")])).await;
    assert_eq!(words(&after), ["no-match", "exact"]);
    assert_eq!(desk.count("select count(*) from gate_review where person is not null").await, 0, "values are gone");
    assert!(desk.ask(&ListReviews {}).await.reviews.is_empty());
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_answers_offline_under_the_askers_own_key_and_two_askers_cannot_compare() {
    let desk = serving().await;
    let (one, two) = (asker(&desk, "one").await, asker(&desk, "two").await);
    let entry = stopped(&desk).await;
    let keys = GateKeys::load_or_create(desk.rt.keys_dir()).unwrap();
    let mut all = vec![];
    for who in [&one, &two] {
        let bytes = who.get("/partner/v1/gate/snapshot").await.bytes().await.unwrap();
        let file = keys.hand_over(Some(who.me));
        let (key, verify) = file.keys().unwrap();
        let (manifest, index) = snapshot::read(&mut &bytes[..], &verify, &file.user).unwrap();
        assert!(!manifest.insurance && manifest.rules.version.as_str() == "2026-04-01");
        assert_eq!(manifest.expires_at.as_second() - manifest.made_at.as_second(), 24 * 3600);
        assert_eq!(asked(&manifest.rules, &key, &index), Some(entry_as_known_to(entry, who.me)));
        all.push(index.records().iter().map(|r| r.key).collect::<std::collections::BTreeSet<_>>());
    }
    assert_eq!(all[0].len(), 5);
    assert!(all[0].is_disjoint(&all[1]), "the same person has other keys for everybody");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn asked(rules: &gate::Rules, key: &GateKey, index: &gate::Index) -> Option<Uuid> {
    let mut person = gate::Person::new();
    for (part, value) in [(gate::Part::Kana, "ﾔﾏﾀﾞ ﾊﾅｺ"), (gate::Part::BirthDate, "19800229"), (gate::Part::Sex, "F")]
    {
        person.set(part, value).unwrap();
    }
    let ask = gate::Ask::new(contracts::Scope::Both, key, []);
    match gate::judge(rules, key, index, &ask, &person).unwrap() {
        gate::Answer::Exact { entry, .. } => Some(entry),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_the_house_it_is_asked_over_nats_and_an_entry_is_held_to_hospitals_that_are_known() {
    let desk = serving().await;
    let (case, entry) = (CaseId::new(), EntryId::new());
    desk.register.keep(case, entry, &Personal::new(hanako(&["みどり 病院"]))).await.unwrap().unwrap();
    place(&desk, case, entry, contracts::Scope::Both).await;
    let ask = |supplier: Option<&str>| {
        let question = Uuid::now_v7();
        let question = CheckGate {
            question,
            asker: Code::of("fulfilment"),
            flow: Code::of("build"),
            track: contracts::Scope::Both,
            supplier: supplier.map(|s| s.parse().unwrap()),
            notified_through: None,
            rows: seal_to(&service_key(&desk), question.as_bytes(), row().to_string().as_bytes()).unwrap(),
        };
        let desk = &desk;
        async move {
            let GateAnswers { answers, refused, .. } = desk.ask(&question).await;
            assert_eq!(refused, None);
            (answers[0].answer.to_string(), answers[0].entry)
        }
    };
    // Nobody knows a hospital of that name: it stops rows from everybody.
    assert_eq!(ask(Some("9999999999")).await, ("exact".into(), Some(entry)));
    file_for(&desk, contracts::Scope::Anonymised).await;
    assert_eq!(ask(Some("9999999999")).await, ("no-match".into(), None));
    assert_eq!(ask(Some("0110113719")).await, ("exact".into(), Some(entry)));
    assert_eq!(ask(None).await, ("possible".into(), Some(entry)));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_not_whole_or_not_a_contractors_is_refused() {
    let desk = serving().await;
    let who = asker(&desk, "one").await;
    let question = use_of(&[row()]).to_string();
    let path =
        |body: &[u8]| format!("/partner/v1/gate/check?digest={}", contracts::Digest(Sha256::digest(body).into()));
    // Not signed; another body than was signed; a stranger's key.
    let bare = who.http.post(format!("{}{}", who.base, path(question.as_bytes()))).body(question.clone());
    assert_eq!(bare.send().await.unwrap().status().as_u16(), 401);
    let other = who.signed("POST", &path(b"another")).body(question.clone()).send().await.unwrap();
    assert_eq!(other.status().as_u16(), 400);
    let stranger =
        Asker { keys: RecipientKeys::random().unwrap(), base: who.base.clone(), http: who.http.clone(), ..who };
    assert_eq!(stranger.check(use_of(&[row()])).await.0, 401);

    // A hospital learns nothing about people that are not its own.
    let keys = RecipientKeys::random().unwrap();
    let mut order = desk.by_webhook("hospital", &keys, "http://127.0.0.1:1/");
    order.kind = contracts::RecipientKind::Hospital;
    (order.certification, order.contract) = (None, None);
    order.organisation = Some(desk.sealed(order.recipient.0, "みどり病院"));
    assert_eq!(refused(&desk.register(order.clone()).await), None);
    let hospital = Asker { me: order.recipient, keys, base: stranger.base.clone(), http: stranger.http.clone() };
    assert_eq!(hospital.check(use_of(&[row()])).await.0, 403);
    assert_eq!(hospital.get("/partner/v1/gate/snapshot").await.status().as_u16(), 403);

    // A file with other bytes than were signed breaks off, and its run is not complete.
    let two = asker(&desk, "two").await;
    let path = format!("/partner/v1/gate/file?flow=use&track=both&mode=remove&digest={}", contracts::Digest([7; 32]));
    let answered =
        two.signed("POST", &path).header("content-type", "text/csv").body("kana\nア\n").send().await.unwrap();
    let run = answered.headers()["madoguchi-gate-run"].to_str().unwrap().to_owned();
    assert!(answered.bytes().await.is_err(), "the answer must not look whole");
    let shown: Value = two.get(&format!("/partner/v1/gate/runs/{run}")).await.json().await.unwrap();
    assert_eq!(shown["outcome"], "digest-mismatch");
    // M13 over HTTP, and a run that is somebody else's.
    let path = "/partner/v1/gate/file?flow=use&track=both&mode=remove";
    assert_eq!(two.post(path, "text/csv", "kana,マイナンバー\n").await.status().as_u16(), 422);
    let three = asker(&desk, "three").await;
    assert_eq!(three.get(&format!("/partner/v1/gate/runs/{run}")).await.status().as_u16(), 404);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_from_before_the_gate_gets_its_keys_when_the_gate_opens() {
    let mut desk = Desk::quiet().await;
    let entry = stopped(&desk).await;
    assert_eq!(desk.count("select count(*) from gate_entry").await, 0);
    let started = opt_out_propagation::start(desk.rt.clone()).await.unwrap();
    desk.partner = started.listens.iter().find(|(word, _)| *word == "partner").map(|(_, at)| *at);
    let who = asker(&desk, "one").await;
    let (_, found) = who.check(use_of(&[row()])).await;
    assert_eq!(found["answers"][0]["entry"], entry_as_known_to(entry, who.me).to_string());
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
