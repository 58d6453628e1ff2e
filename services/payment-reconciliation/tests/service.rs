//! The service on a real PostgreSQL and a real nats-server: orders in, files in, facts and books out.

use contracts::{
    CaseId, ChargeId, Digest, EndedAs, Envelope, Kind, Message, MessageId, ObjectId, Sealed, StaffId, Timestamp, Uuid,
    envelope::Origin,
    intake::CaseEnded,
    payment::RequestFee,
    request::{ImportStatement, StaffCommand, StaffReply},
};
use jiff::civil::{Date, date};
use payment_reconciliation::{
    schema, start,
    zengin::{
        Account, Direction, Layout,
        sample::{self, SampleLine},
    },
};
use privacy::{FileMasterKey, Purpose, RecordClass, Vault};
use privacy_seal::{PublicKeys, seal_to};
use sha2::Digest as _;
use sqlx::PgConnection;
use std::{collections::BTreeMap, sync::Arc};
use testkit::{House, eventually};

const NOW: &str = "2026-11-24T10:00:00+09:00";
/// A name that nobody has: searched for where no name may be.
const MARKER: &str = "ﾋﾖｳｼｷﾔﾏﾀﾞ";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// The service with somebody to give it orders and somebody to bring it files.
struct Desk {
    house: House,
    rt: chassis::Runtime,
    intake: async_nats::Client,
    console: async_nats::Client,
    db: PgConnection,
}

impl Desk {
    async fn open() -> Self {
        let house = House::held(&[schema()], &["payment"], now()).await;
        let rt = house.runtime(&[("payment.settle_seconds", "1")]);
        start(rt.clone()).await.unwrap();
        let intake = rt.nats("intake").await.unwrap();
        let console = rt.nats("console").await.unwrap();
        let db = house.admin().await;
        let mut desk = Self { house, rt, intake, console, db };
        sqlx::query("set search_path to payment").execute(&mut desk.db).await.unwrap();
        desk
    }

    /// Speaks as the case.
    async fn say(&self, message: Message, at: Timestamp, n: i64) {
        let subject = Uuid::from_u128(77);
        let entry = message.entry();
        let origin = Origin {
            id: MessageId::new(),
            subject,
            correlation: subject,
            causation: subject,
            seq: 16 * n,
            time: at,
            traceparent: None,
        };
        let bytes = Envelope::new(&message, origin).to_bytes();
        let stream = async_nats::jetstream::new(self.intake.clone());
        stream.publish(entry.subject(subject), bytes.into()).await.unwrap().await.unwrap();
    }

    async fn order(&self, case: CaseId, charge: ChargeId, at: Timestamp) {
        self.say(RequestFee { case, charge, kind: Kind::Disclosure, received_at: at }.into(), at, 1).await;
    }

    /// The case asks for its fee; gives the charge and its reference.
    async fn ask(&mut self) -> (CaseId, ChargeId, String) {
        let case = CaseId::new();
        let charge = ChargeId::derived(case.0, "base");
        self.order(case, charge, now()).await;
        self.status(charge, "requested").await;
        let reference = sqlx::query_scalar("select reference from reference where charge = $1")
            .bind(charge.0)
            .fetch_one(&mut self.db)
            .await
            .unwrap();
        (case, charge, reference)
    }

    async fn status(&mut self, charge: ChargeId, expected: &str) {
        let url = self.house.admin_url();
        eventually(&format!("charge becomes {expected}"), || async {
            let mut db = <PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
            let status: Option<String> =
                sqlx::query_scalar("select state ->> 'status' from payment.charge where id = $1")
                    .bind(charge.0)
                    .fetch_optional(&mut db)
                    .await
                    .unwrap();
            if status.as_deref() == Some(expected) { Ok(()) } else { Err(status) }
        })
        .await;
    }

    /// Brings a file as the console does; gives the reply.
    async fn bring(&self, profile: &str, bytes: &[u8]) -> StaffReply {
        let digest = Digest(sha2::Sha256::digest(bytes).into());
        self.bring_as(profile, bytes, digest, ObjectId::new(), Uuid::new_v4()).await
    }

    /// `None` when nobody answered.
    async fn try_bring(&self, profile: &str, bytes: &[u8]) -> Option<StaffReply> {
        let digest = Digest(sha2::Sha256::digest(bytes).into());
        self.send(profile, bytes, digest, ObjectId::new(), Uuid::new_v4()).await
    }

    async fn bring_as(&self, profile: &str, bytes: &[u8], digest: Digest, file: ObjectId, token: Uuid) -> StaffReply {
        self.send(profile, bytes, digest, file, token).await.expect("an answer")
    }

    async fn send(
        &self,
        profile: &str,
        bytes: &[u8],
        digest: Digest,
        file: ObjectId,
        token: Uuid,
    ) -> Option<StaffReply> {
        let key = PublicKeys::load(self.rt.keys_dir()).unwrap().get("payment").unwrap();
        let sealed = seal_to(&key, &privacy_seal::aad::bank_file(file), bytes).unwrap();
        self.rt.objects().unwrap().put(file, sealed.0).await.unwrap();
        let command = StaffCommand {
            token,
            staff: StaffId::new(),
            why: Sealed(b"sealed".to_vec()),
            traceparent: None,
            order: ImportStatement { file, digest, profile: profile.parse().unwrap() },
        };
        let body = serde_json::to_vec(&command).unwrap();
        let request = async_nats::Request::new().payload(body.into()).timeout(Some(std::time::Duration::from_secs(20)));
        let reply = self.console.send_request("req.payment.import-statement", request).await.ok()?;
        Some(serde_json::from_slice(&reply.payload).unwrap())
    }

    async fn balances(&mut self) -> BTreeMap<String, i64> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select account, sum(amount)::bigint from ledger_posting group by account")
                .fetch_all(&mut self.db)
                .await
                .unwrap();
        rows.into_iter().filter(|(_, n)| *n != 0).collect()
    }

    async fn said(&mut self) -> Vec<Message> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("select body from outbox order by id").fetch_all(&mut self.db).await.unwrap();
        rows.iter().map(|b| Envelope::decode(b).unwrap().1).collect()
    }

    async fn count(&mut self, what: &'static str) -> i64 {
        sqlx::query_scalar(what).fetch_one(&mut self.db).await.unwrap()
    }
}

fn file(layout: Layout, made_on: Date, opening: i64, lines: &[SampleLine]) -> Vec<u8> {
    sample::file(layout, &sample::account(), made_on, opening, lines)
}

fn pay(reference: &str) -> SampleLine {
    SampleLine::deposit(date(2026, 11, 24), 4_000, "", &format!("{reference}{MARKER}"))
}

fn figures(reply: &StaffReply) -> (String, Vec<i64>) {
    match reply {
        StaffReply::Done { status, figures, .. } => {
            (status.as_str().to_owned(), figures.iter().map(|(_, n)| *n).collect())
        }
        StaffReply::Refused { reason, at } => panic!("refused: {reason:?} at {at:?}"),
    }
}

fn refused(reply: StaffReply) -> (String, Option<String>) {
    match reply {
        StaffReply::Refused { reason, at } => (reason.as_str().to_owned(), at.map(|c| c.as_str().to_owned())),
        done => panic!("{done:?}"),
    }
}

fn books(pairs: &[(&str, i64)]) -> BTreeMap<String, i64> {
    pairs.iter().map(|(a, n)| ((*a).to_owned(), *n)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_order_to_the_income() {
    let mut desk = Desk::open().await;
    let (case, charge, reference) = desk.ask().await;
    let asked = desk.said().await;
    match asked.as_slice() {
        [Message::FeeRequested(f)] => {
            assert_eq!((f.case, f.charge, f.amount.0, f.due_on), (case, charge, 4_000, date(2026, 12, 22)));
            assert_eq!(f.reference.as_str(), reference);
        }
        other => panic!("{other:?}"),
    }
    let lines = [pay(&reference), SampleLine::deposit(date(2026, 11, 24), 120_000, "70000000", MARKER)];
    let bytes = file(Layout::DepositsA, date(2026, 11, 24), 0, &lines);
    let token = Uuid::new_v4();
    let (object, digest) = (ObjectId::new(), Digest(sha2::Sha256::digest(&bytes).into()));
    let first = desk.bring_as("zengin-01-a", &bytes, digest, object, token).await;
    assert_eq!(figures(&first), ("imported".into(), vec![2, 2, 1, 1]));
    desk.status(charge, "paid").await;
    assert_eq!(desk.balances().await, books(&[("bank", 124_000), ("suspense", -120_000), ("advance", -4_000)]));
    let said = desk.said().await;
    let names: Vec<_> = said.iter().map(|m| m.entry().name).collect();
    assert_eq!(names.iter().filter(|n| **n == "FeePaid").count(), 1, "{names:?}");
    assert_eq!(names.iter().filter(|n| **n == "LineUnmatched").count(), 1, "{names:?}");
    assert!(
        said.iter().any(|m| matches!(m, Message::FeePaid(p) if p.charge == charge && p.paid_on == date(2026, 11, 24)))
    );

    // The same order again, the same bytes again, and an overlapping file: nothing is counted twice.
    assert_eq!(desk.bring_as("zengin-01-a", &bytes, digest, object, token).await, first);
    assert_eq!(figures(&desk.bring("zengin-01-a", &bytes).await), ("already-imported".into(), vec![2, 2, 1, 1]));
    let more = [lines[0].clone(), lines[1].clone(), SampleLine::deposit(date(2026, 11, 24), 500, "", "ABC")];
    let overlap = desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 25), 0, &more)).await;
    assert_eq!(figures(&overlap), ("imported".into(), vec![3, 1, 0, 1]));
    assert_eq!(desk.balances().await, books(&[("bank", 124_500), ("suspense", -120_500), ("advance", -4_000)]));
    assert_eq!(desk.count("select count(*) from bank_line").await, 3);

    // A second payment of the same charge waits for a person.
    let again = SampleLine { booked_on: date(2026, 11, 25), value_on: date(2026, 11, 25), ..pay(&reference) };
    desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 26), 0, &[again])).await;
    assert_eq!(desk.count("select count(*) from placement where reason = 'already-paid'").await, 1);

    // The case is decided: the advance is income.
    desk.say(CaseEnded { case, ended_as: EndedAs::Decided, at: now() }.into(), now(), 2).await;
    desk.status(charge, "earned").await;
    let expected = books(&[("bank", 128_500), ("suspense", -124_500), ("fee-income", -4_000)]);
    assert_eq!(desk.balances().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_wrong_changes_nothing() {
    let mut desk = Desk::open().await;
    let (_, _, reference) = desk.ask().await;
    let good = file(Layout::DepositsA, date(2026, 11, 24), 0, &[pay(&reference)]);
    let mut damaged = good.clone();
    damaged[202 + 19] = b'x';
    let reply = desk.bring("zengin-01-a", &damaged).await;
    assert_eq!(refused(reply), ("not-digits".into(), Some("record-2-column-20-amount".into())));
    let wrong_digest = desk.bring_as("zengin-01-a", &good, Digest([1; 32]), ObjectId::new(), Uuid::new_v4()).await;
    assert_eq!(refused(wrong_digest).0, "digest-mismatch");
    assert_eq!(refused(desk.bring("no-such-profile", &good).await).0, "profile-unknown");
    assert_eq!(
        refused(desk.bring("zengin-03", &good).await),
        ("other-type".into(), Some("record-1-column-2-type".into()))
    );
    assert_eq!(refused(desk.bring("zengin-01-b", &good).await).0, "other-variant");
    assert_eq!(refused(desk.bring("zengin-01-a", b"garbage").await).0, "record-length");
    for table in [
        "select count(*) from bank_file",
        "select count(*) from bank_line",
        "select count(*) from ledger_entry",
        "select count(*) from statement",
    ] {
        assert_eq!(desk.count(table).await, 0, "{table}");
    }
    // One booking source per account.
    assert_eq!(figures(&desk.bring("zengin-01-a", &good).await).1, [1, 1, 1, 0]);
    let other = file(Layout::Transactions, date(2026, 11, 24), 0, &[pay(&reference)]);
    assert_eq!(refused(desk.bring("zengin-03", &other).await).0, "account-booked-from-other-type");
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_goes_by_the_books_and_a_payment_in_time_still_counts() {
    let mut desk = Desk::open().await;
    let (_, charge, reference) = desk.ask().await;
    let (_, paid, other) = desk.ask().await;
    // Due on 22 December; a transfer of that evening is booked on the 23rd.
    let through = |day: i8| file(Layout::Transactions, date(2026, 12, day), 0, &[]);
    desk.house.clock.set("2026-12-25T10:00:00+09:00".parse().unwrap());
    desk.bring("zengin-03", &through(23)).await;
    desk.status(charge, "requested").await;
    let in_time = SampleLine { booked_on: date(2026, 12, 23), value_on: date(2026, 12, 22), ..pay(&other) };
    let covering = file(Layout::Transactions, date(2026, 12, 24), 0, &[in_time]);
    assert_eq!(figures(&desk.bring("zengin-03", &covering).await).1, [1, 1, 1, 0]);
    desk.status(paid, "paid").await;
    desk.status(charge, "expired").await;
    assert_eq!(
        desk.said().await.iter().filter(|m| matches!(m, Message::ChargeExpired(e) if e.charge == charge)).count(),
        1
    );
    let late = SampleLine { booked_on: date(2026, 12, 24), value_on: date(2026, 12, 24), ..pay(&reference) };
    let found = SampleLine { booked_on: date(2026, 12, 24), value_on: date(2026, 12, 22), ..pay(&reference) };
    desk.bring("zengin-03", &file(Layout::Transactions, date(2026, 12, 25), 4_000, &[late])).await;
    desk.status(charge, "expired").await;
    assert_eq!(desk.count("select count(*) from placement where reason = 'charge-expired'").await, 1);
    desk.bring("zengin-03", &file(Layout::Transactions, date(2026, 12, 25), 4_000, &[found])).await;
    desk.status(charge, "paid").await;
    assert_eq!(desk.balances().await, books(&[("bank", 12_000), ("suspense", -4_000), ("advance", -8_000)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bank_takes_back_is_owed_again() {
    let mut desk = Desk::open().await;
    let (_, charge, reference) = desk.ask().await;
    desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 24), 0, &[pay(&reference)])).await;
    desk.status(charge, "paid").await;
    let back = SampleLine { cancelled: true, ..pay(&reference) };
    let reply = desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 25), 0, &[back])).await;
    assert_eq!(figures(&reply).1, [1, 1, 0, 1]);
    desk.status(charge, "requested").await;
    assert_eq!(desk.balances().await, BTreeMap::new());
    assert_eq!(desk.count("select count(*) from ledger_entry where kind = 'reversal'").await, 2);
    assert_eq!(desk.count("select count(*) from placement where state = 'taken-back'").await, 1);
    // Paid anew.
    let anew = SampleLine { booked_on: date(2026, 11, 25), value_on: date(2026, 11, 25), ..pay(&reference) };
    desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 26), 0, &[anew])).await;
    desk.status(charge, "paid").await;
    assert_eq!(desk.balances().await, books(&[("bank", 4_000), ("advance", -4_000)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_ended_is_asked_for_nothing_in_either_order() {
    let mut desk = Desk::open().await;
    let case = CaseId::new();
    let charge = ChargeId::derived(case.0, "base");
    let ended: Timestamp = "2026-11-24T09:00:00+09:00".parse().unwrap();
    desk.say(CaseEnded { case, ended_as: EndedAs::Withdrawn, at: ended }.into(), ended, 2).await;
    desk.status(charge, "closed").await;
    let before: Timestamp = "2026-11-24T08:00:00+09:00".parse().unwrap();
    desk.order(case, charge, before).await;
    let (case_2, charge_2, _) = desk.ask().await;
    desk.say(CaseEnded { case: case_2, ended_as: EndedAs::Withdrawn, at: now() }.into(), now(), 3).await;
    desk.status(charge_2, "cancelled").await;
    desk.status(charge, "closed").await;
    assert_eq!(desk.said().await.len(), 1, "only the second case was asked");
    // A fee that the law does not allow waits for a person.
    let free =
        RequestFee { case: CaseId::new(), charge: ChargeId::new(), kind: Kind::ProvisionStop, received_at: now() };
    desk.say(free.into(), now(), 4).await;
    let url = desk.house.admin_url();
    eventually("the order is parked", || async {
        let mut db = <PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
        let note: Option<String> = sqlx::query_scalar("select note from payment.inbox where state = 'parked'")
            .fetch_optional(&mut db)
            .await
            .unwrap();
        if note.as_deref() == Some("no-fee-for-kind") { Ok(()) } else { Err(note) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_keeps_the_books_itself() {
    let mut desk = Desk::open().await;
    let (_, _, reference) = desk.ask().await;
    desk.bring("zengin-01-a", &file(Layout::DepositsA, date(2026, 11, 24), 0, &[pay(&reference)])).await;
    let db = desk.rt.db("payment").await.unwrap();
    let entry = "insert into ledger_entry (id, kind, at, cause) values ('00000000-0000-0000-0000-0000000000aa', 'line', now(), gen_random_uuid());";
    let posting = |n: i32, account: &str, amount: i64| {
        format!(
            "insert into ledger_posting (entry, position, account, amount) values ('00000000-0000-0000-0000-0000000000aa', {n}, '{account}', {amount});"
        )
    };
    for (sql, what) in [
        (entry.to_owned(), "an entry without postings"),
        (format!("{entry}{}", posting(1, "bank", 1)), "one posting"),
        (format!("{entry}{}{}", posting(1, "bank", 2), posting(2, "suspense", -1)), "a sum that is not zero"),
        (format!("{entry}{}{}", posting(1, "bank", 1), posting(2, "advance", -1)), "an advance of no charge"),
        (format!("{entry}{}{}", posting(1, "bank", 0), posting(2, "suspense", 0)), "postings of nothing"),
        ("insert into ledger_posting select entry, 9, 'bank', null, 1 from ledger_posting limit 1".into(), "a posting added later"),
        ("update ledger_posting set amount = amount + 1".into(), "a changed posting"),
        ("delete from ledger_posting".into(), "a deleted posting"),
        ("delete from ledger_entry".into(), "a deleted entry"),
        ("truncate ledger_posting".into(), "an emptied table"),
        ("update bank_line set amount = 1".into(), "a changed line"),
        ("update reference set charge = gen_random_uuid()".into(), "a reference given out again"),
        ("insert into bank_line select gen_random_uuid(), statement, record + 1, account, key, occurrence, party, direction, sort, booked_on, value_on, amount, uncleared, takes_back, payer from bank_line".into(), "a line counted twice"),
    ] {
        let sql = sql.clone();
        let done = db.write(move |tx| Box::pin(async move { Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(tx).await?) })).await;
        assert!(done.is_err(), "{what} was taken");
    }
    let good = format!("{entry}{}{}", posting(1, "bank", 1), posting(2, "suspense", -1));
    let done = db
        .write(move |tx| Box::pin(async move { Ok(sqlx::raw_sql(sqlx::AssertSqlSafe(good)).execute(tx).await?) }))
        .await;
    assert!(done.is_ok(), "a balanced entry: {done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payers_lie_sealed_and_open_for_matching_only() {
    let mut desk = Desk::open().await;
    let (_, _, reference) = desk.ask().await;
    let lines = [
        pay(&reference),
        SampleLine { direction: Direction::Out, ..SampleLine::deposit(date(2026, 11, 24), 10, "", MARKER) },
    ];
    desk.bring("zengin-03", &file(Layout::Transactions, date(2026, 11, 24), 1_000, &lines)).await;
    let (line, statement, sealed): (Uuid, Uuid, Vec<u8>) =
        sqlx::query_as("select id, statement, payer from bank_line order by record limit 1")
            .fetch_one(&mut desk.db)
            .await
            .unwrap();
    let master = Arc::new(FileMasterKey::load_or_create(&desk.rt.keys_dir().join("master.key")).unwrap());
    let vault = Vault::connect(&desk.rt.keys_url("payment").unwrap(), "payment", master, privacy::Limits::default())
        .await
        .unwrap();
    let aad = [payment_reconciliation::desk::PAYER_AAD, line.as_bytes()].concat();
    let opened = vault.open(statement, RecordClass::Payer, &aad, &sealed).await.unwrap();
    assert!(String::from_utf8_lossy(opened.disclose(Purpose::MatchPayment)).contains(MARKER));
    // In every table of the schema, as text and as bytes of the file's own encoding.
    let tables: Vec<String> =
        sqlx::query_scalar("select table_name::text from information_schema.tables where table_schema = 'payment'")
            .fetch_all(&mut desk.db)
            .await
            .unwrap();
    assert!(tables.len() > 12, "{tables:?}");
    let utf8 = MARKER.as_bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let jis = MARKER.chars().map(|c| format!("{:02x}", c as u32 - 0xFF61 + 0xA1)).collect::<String>();
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select to_jsonb(t)::text from {table} t")))
                .fetch_all(&mut desk.db)
                .await
                .unwrap();
        for row in rows {
            assert!(
                !row.contains(MARKER) && !row.contains(&utf8) && !row.contains(&jis),
                "a payer's name stands in {table}"
            );
        }
    }
}

/// The lines are booked and the connection dies before the charge is paid: it is paid all the same, once.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_break_leaves_undone_is_taken_up_again() {
    let mut desk = Desk::open().await;
    let (_, charge, reference) = desk.ask().await;
    let mut holder = desk.house.admin().await;
    let mut hold = sqlx::Connection::begin(&mut holder).await.unwrap();
    sqlx::query("select 1 from payment.charge where id = $1 for update")
        .bind(charge.0)
        .execute(&mut *hold)
        .await
        .unwrap();
    let bytes = file(Layout::DepositsA, date(2026, 11, 24), 0, &[pay(&reference)]);
    let (url, break_off) = (desk.house.admin_url(), async {
        let mut db = desk.house.admin().await;
        eventually("the lines are booked and the charge is waited for", || async {
            let mut db = <PgConnection as sqlx::Connection>::connect(&desk.house.admin_url()).await.unwrap();
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity where datname = current_database() and usename = 'payment' and wait_event_type = 'Lock'
                    and exists (select 1 from payment.bank_line)",
            )
            .fetch_one(&mut db)
            .await
            .unwrap();
            if waiting > 0 { Ok(()) } else { Err(waiting) }
        })
        .await;
        let killed: Vec<bool> = sqlx::query_scalar(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'payment'",
        )
        .fetch_all(&mut db)
        .await
        .unwrap();
        assert!(!killed.is_empty());
    });
    let (reply, ()) = futures::future::join(desk.try_bring("zengin-01-a", &bytes), break_off).await;
    assert!(reply.is_none(), "nobody was told that it is done: {reply:?}");
    let mut db = <PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    let state: String = sqlx::query_scalar("select state from payment.placement").fetch_one(&mut db).await.unwrap();
    assert_eq!(state, "certain");
    hold.rollback().await.unwrap();
    desk.status(charge, "paid").await;
    assert_eq!(desk.balances().await, books(&[("bank", 4_000), ("advance", -4_000)]));
    // Whoever asks again gets the answer.
    assert_eq!(figures(&desk.bring("zengin-01-a", &bytes).await), ("already-imported".into(), vec![1, 1, 1, 0]));
    assert_eq!(desk.said().await.iter().filter(|m| matches!(m, Message::FeePaid(_))).count(), 1);
}

/// Every order of overlapping files from two hands at once: each line is booked once.
#[tokio::test(flavor = "multi_thread")]
async fn imports_at_the_same_moment_count_a_line_once() {
    let mut desk = Desk::open().await;
    let line = |n: i64| SampleLine::deposit(date(2026, 11, 23), 1_000 + n, "", "ABC");
    let files: Vec<Vec<u8>> = (0..6)
        .map(|from| file(Layout::DepositsA, date(2026, 11, 24), 0, &(from..from + 10).map(line).collect::<Vec<_>>()))
        .collect();
    let replies = futures::future::join_all(files.iter().map(|f| desk.bring("zengin-01-a", f))).await;
    let fresh: i64 = replies.iter().map(|r| figures(r).1[1]).sum();
    assert_eq!(fresh, 15);
    assert_eq!(desk.count("select count(*) from bank_line").await, 15);
    let sum: i64 = (0..15).map(|n| 1_000 + n).sum();
    assert_eq!(desk.balances().await, books(&[("bank", sum), ("suspense", -sum)]));
    let other = Account { number: "7654321".into(), ..sample::account() };
    let elsewhere = sample::file(Layout::DepositsA, &other, date(2026, 11, 24), 0, &[line(0)]);
    assert_eq!(figures(&desk.bring("zengin-01-a", &elsewhere).await).1[1], 1, "the same line of another account");
}

/// A busy day: thousands of lines that nobody can place, and a few that pay. One transaction, one answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_taken_in_one_piece() {
    let mut desk = Desk::open().await;
    let (_, charge, reference) = desk.ask().await;
    let mut lines: Vec<SampleLine> = (0..4_000)
        .map(|n| SampleLine::deposit(date(2026, 11, 23), 1_000 + n % 7, "", &format!("ABC {}", n % 900)))
        .collect();
    lines.insert(2_500, pay(&reference));
    let reply = desk.bring("zengin-03", &file(Layout::Transactions, date(2026, 11, 24), 0, &lines)).await;
    assert_eq!(figures(&reply).1, [4_001, 4_001, 1, 4_000]);
    desk.status(charge, "paid").await;
    assert_eq!(desk.said().await.iter().filter(|m| matches!(m, Message::LineUnmatched(_))).count(), 4_000);
    assert_eq!(desk.balances().await.values().sum::<i64>(), 0);
}
