//! What must hold when all is quiet, whatever happened before: nothing lost, nothing twice (bus.md section 3).

use super::desk::Desk;
use chassis::merkle::{Hash, Tree, leaf};
use launcher::schemas;
use sqlx::{AssertSqlSafe, PgConnection};
use testkit::eventually;

/// Events that a machine may have several of: where it stands, one more attempt, report or reminder.
const MANY: &[&str] = &["progressed", "reported", "started", "postponed", "attempt-failed", "reminded", "warned"];
/// Events of a case that comes back after a lapse: once per round.
const PER_ROUND: &[&str] =
    &["asked-to-verify", "asked-for-fee", "asked-to-block", "fee-quoted", "ended", "fee-expired", "closed"];

/// How much is to be found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Paid fees.
    pub fees: i64,
    /// Notices: one per fact that a person is told.
    pub notices: i64,
    /// Instructions per recipient.
    pub instructions: i64,
    /// A case came back after a lapse.
    pub revived: bool,
}

impl Told {
    /// Of so many opt-outs (received, stop entered, ended) and disclosures (received, fee asked, fee paid, ended), all
    /// gone through.
    pub const fn of(opt_outs: i64, disclosures: i64) -> Self {
        Self { fees: disclosures, notices: 3 * opt_outs + 4 * disclosures, instructions: opt_outs, revived: false }
    }
}

/// Waits until the house is quiet, then reckons.
pub async fn holds(desk: &Desk, told: Told) {
    let mut db = desk.admin().await;
    quiet(&desk.admin_url).await;
    machines_and_histories_agree(&mut db, told.revived).await;
    facts_are_said_once(&mut db, told.revived).await;
    logs_are_trees_of_their_histories(&mut db).await;
    let one = async |db: &mut PgConnection, sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
    };
    assert_eq!(
        one(&mut db, "select count(*) from payment.outbox where subject like 'evt.payment.fee-paid.%'").await,
        told.fees,
        "FeePaid"
    );
    assert_eq!(one(&mut db, "select count(*) from notification.notice").await, told.notices, "notices");
    assert_eq!(
        one(&mut db, "select count(*) from notification.notice where state ->> 'status' <> 'sent'").await,
        0,
        "notices that are not sent"
    );
    assert_eq!(super::mails::all(&desk.mail_folder()).len() as i64, told.notices, "mails");
    ledger_balances(&mut db).await;
    positions_have_no_gap(&mut db, told.instructions).await;
    console_agrees(&mut db).await;
}

/// Every outbox row is heard, nothing waits in an inbox, every leaf is sealed, no filing lies in the tray.
pub async fn quiet(admin_url: &str) {
    let with_bus: Vec<&str> = schemas().iter().filter(|s| s.bus).map(|s| s.name).collect();
    let open = |s: &&str| {
        format!(
            "(select count(*) from {s}.outbox where unheard <> '{{}}') , (select count(*) from {s}.inbox where state <> 'done'), (select count(*) from {s}.leaf where number is null)"
        )
    };
    let sql = format!(
        "select array[{}, (select count(*) from door.filing), (select count(*) from notification.dispatch), (select count(*) from optout.owed), (select count(*) from optout.fanout where done_at is null)]",
        with_bus.iter().map(open).collect::<Vec<_>>().join(", ")
    );
    eventually("the house is quiet", || async {
        let mut db = <PgConnection as sqlx::Connection>::connect(admin_url).await.map_err(|e| e.to_string())?;
        let open: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql.clone())).fetch_one(&mut db).await.map_err(|e| e.to_string())?;
        if open.iter().all(|n| *n == 0) {
            return Ok(());
        }
        let names = with_bus.iter().flat_map(|s| ["outbox", "inbox", "leaf"].map(|t| format!("{s}.{t}")));
        let names = names.chain(["door.filing", "notification.dispatch", "optout.owed", "optout.fanout"].map(str::to_owned));
        let mut waits: Vec<String> = names.zip(open).filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name}: {n}")).collect();
        for s in &with_bus {
            let notes = format!("select '{s}: ' || state || ' ' || coalesce(note, '') || ' from ' || source from {s}.inbox where state <> 'done' limit 3");
            let notes: Vec<Option<String>> = sqlx::query_scalar(AssertSqlSafe(notes)).fetch_all(&mut db).await.unwrap_or_default();
            waits.extend(notes.into_iter().flatten());
        }
        Err(waits.join(", "))
    })
    .await;
}

/// B1: versions without a gap, the row's is the history's last, every event that can happen once happened once.
pub async fn machines_and_histories_agree(db: &mut PgConnection, revived: bool) {
    let allowed: Vec<&str> = MANY.iter().chain(if revived { PER_ROUND } else { &[] }).copied().collect();
    for s in schemas().iter().filter(|s| s.bus && !s.machines.is_empty()) {
        let name = s.name;
        let machines: Vec<String> = s.machines.iter().map(|m| format!("select id, version from {name}.{m}")).collect();
        let torn = format!(
            "select count(*) from ({}) m full join (select machine, max(version) as last, min(version) as first, count(*) as n from {name}.history group by machine) h
             on h.machine = m.id where m.id is null or h.machine is null or h.last <> m.version or h.first <> 1 or h.n <> h.last",
            machines.join(" union all ")
        );
        let torn: i64 = sqlx::query_scalar(AssertSqlSafe(torn)).fetch_one(&mut *db).await.unwrap();
        assert_eq!(torn, 0, "machines of {name} whose row and history differ");
        let twice = format!(
            "select machine::text || ' ' || (event ->> 'event') || ' × ' || count(*) from {name}.history where not event ->> 'event' = any ($1)
             group by machine, event ->> 'event', event ->> 'instruction', event ->> 'change' having count(*) > 1"
        );
        let twice: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(twice)).bind(&allowed).fetch_all(&mut *db).await.unwrap();
        assert_eq!(twice, Vec::<String>::new(), "done twice in {name}");
    }
}

/// Each machine says each kind of fact once (where it stands excepted), and each command once; a block is placed
/// provisionally once and finally once.
pub async fn facts_are_said_once(db: &mut PgConnection, revived: bool) {
    for s in schemas().iter().filter(|s| s.bus) {
        let rounds = if revived {
            "where word not in ('case-ended', 'verify-identity', 'place-block', 'request-fee')"
        } else {
            ""
        };
        let twice = format!(
            "with said as (select machine, split_part(subject, '.', 3) as word, body from {}.outbox where split_part(subject, '.', 3) <> 'case-progressed'),
                  kinds as (select machine, word, case word when 'block-placed' then convert_from(body, 'UTF8')::json #>> '{{data,provisional}}' else '' end as which from said)
             select word || ' ' || which || ' × ' || count(*) from kinds {rounds} group by machine, word, which having count(*) > 1",
            s.name
        );
        let twice: Vec<String> = sqlx::query_scalar(AssertSqlSafe(twice)).fetch_all(&mut *db).await.unwrap();
        assert_eq!(twice, Vec::<String>::new(), "said twice by {}", s.name);
    }
}

/// B12: one leaf per history row with its hash, numbered 0, 1, 2 …, and the root is that of the tree over them (RFC 9162).
async fn logs_are_trees_of_their_histories(db: &mut PgConnection) {
    for s in schemas().iter().filter(|s| s.bus) {
        let name = s.name;
        let bad = format!(
            "select count(*) from {name}.history h full join {name}.leaf l using (machine, version)
             where h.machine is null or l.machine is null or l.hash <> sha256(h.salt || convert_to(h.event::text, 'UTF8'))"
        );
        let bad: i64 = sqlx::query_scalar(AssertSqlSafe(bad)).fetch_one(&mut *db).await.unwrap();
        assert_eq!(bad, 0, "leaves of {name} that are not their history's");
        let leaves = format!("select number, hash from {name}.leaf order by number");
        let leaves: Vec<(i64, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(leaves)).fetch_all(&mut *db).await.unwrap();
        let mut tree = Tree::default();
        for ((number, hash), expected) in leaves.iter().zip(0..) {
            assert_eq!(*number, expected, "numbers of the log of {name}");
            tree.push(leaf(&Hash::try_from(hash.as_slice()).unwrap()));
        }
        let kept = format!("select size, root from {name}.log");
        let (size, root): (i64, Vec<u8>) = sqlx::query_as(AssertSqlSafe(kept)).fetch_one(&mut *db).await.unwrap();
        assert_eq!((size as u64, root), (tree.size, tree.root().to_vec()), "root of the log of {name}");
    }
}

/// 貸借一致: every entry, and so the whole, sums to zero; what came in is income, an advance, or waits.
pub async fn ledger_balances(db: &mut PgConnection) {
    let uneven: i64 = sqlx::query_scalar(
        "select count(*) from (select entry from payment.ledger_posting group by entry having sum(amount) <> 0) e",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    assert_eq!(uneven, 0, "entries that do not balance");
    let counted_twice: i64 =
        sqlx::query_scalar("select count(*) from (select line from payment.ledger_entry where kind = 'line' group by line having count(*) > 1) l").fetch_one(db).await.unwrap();
    assert_eq!(counted_twice, 0, "bank lines that were booked twice");
}

/// B7: positions are 1 … last for every recipient; one instruction per recipient and stop.
async fn positions_have_no_gap(db: &mut PgConnection, instructions: i64) {
    let recipients: Vec<(String, i64, i64, Option<i64>)> = sqlx::query_as(
        "select r.label, r.last, count(d.position), max(d.position) from optout.recipient r left join optout.delivery d on d.recipient = r.id group by r.id",
    )
    .fetch_all(&mut *db)
    .await
    .unwrap();
    for (label, last, number, newest) in recipients {
        assert_eq!(
            (last, number, newest.unwrap_or_default()),
            (instructions, instructions, instructions),
            "positions of {label}"
        );
    }
    let twice: i64 = sqlx::query_scalar("select count(*) from (select recipient, change from optout.issued where replaced_by is null group by recipient, change having count(*) > 1) d").fetch_one(db).await.unwrap();
    assert_eq!(twice, 0, "recipients that were instructed twice about one change");
}

/// The console's read model stands where the cases stand.
async fn console_agrees(db: &mut PgConnection) {
    let (cases, viewed): (i64, i64) = sqlx::query_as(
        "select (select count(*) from intake.cases), (select count(*) from console.case_view where kind is not null)",
    )
    .fetch_one(&mut *db)
    .await
    .unwrap();
    assert_eq!(cases, viewed, "cases in the console");
    let differ: i64 = sqlx::query_scalar(
        "select count(*) from intake.cases c join console.case_view v using (id) where (c.state ->> 'status' = 'ended') <> (v.step = 'ended')",
    )
    .fetch_one(db)
    .await
    .unwrap();
    assert_eq!(differ, 0, "cases that stand elsewhere in the console");
}
