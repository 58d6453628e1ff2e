//! 督促 through the real notification service: who is told, what is in the mail, and that each is told once.

use crate::desk::{Desk, insert_recipient, refused};
use contracts::{
    RecipientId, StaffId, Timestamp,
    alert::SetContact,
    books::{BooksReply, ShowBooks},
};
use jiff_sqlx::ToSqlx;
use opt_out_propagation::alerts;
use recipient_kit::RecipientKeys;
use std::path::Path;

const CONTACT: &str = "contact@contractor.example";
const OFFICER: &str = "officer@operator.example";

fn mails(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let eml = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.extension().is_some_and(|e| e == "eml"));
    eml.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn to(mails: &[String], whom: &str) -> usize {
    mails.iter().filter(|mail| mail.contains(&format!("To: {whom}"))).count()
}

async fn notification(desk: &Desk, outbox: &Path, officer: &str) -> chassis::Runtime {
    let rt = desk.house.runtime(&[
        ("notification.outbox_dir", &outbox.display().to_string()),
        ("notification.officer", officer),
        ("notification.partner_url", "https://partner.example/"),
        ("notification.console_url", "https://console.example/"),
        ("notification.from", "desk@operator.example"),
    ]);
    notification::start(rt.clone()).await.unwrap_or_else(|e| panic!("{e:#}"));
    rt
}

/// Puts everything owed into the past: issued so many days ago, with a time of ten days.
async fn issued_days_ago(desk: &Desk, days: i64) {
    let issued = Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    sqlx::query("update issued set issued_at = $1, due = $1 + interval '10 days'")
        .bind(issued.to_sqlx())
        .execute(desk.bus.db().pool())
        .await
        .unwrap();
}

/// Yesterday's mails: those of today are not in the way of the next rung.
async fn yesterday(desk: &Desk) {
    let sql = "update alert set made_at = made_at - interval '1 day'";
    sqlx::query(sql).execute(desk.bus.db().pool()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contact_is_reminded_and_contact_and_officer_are_told_what_is_past_due() {
    let desk = Desk::serving().await;
    let keys = RecipientKeys::random().unwrap();
    let (me, _) = insert_recipient(&desk, "contractor-b", &keys).await;
    // Nothing is delivered to it: its endpoint cannot be opened.
    for kana in ["ヤマダ", "スズキ", "タナカ"] {
        desk.stop(kana).await;
    }
    testkit::eventually("three are owed", || async {
        let owed = desk.count("select count(*) from owed").await;
        if owed == 3 { Ok(()) } else { Err(owed) }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let service = notification(&desk, folder.path(), OFFICER).await;
    let contact = SetContact { recipient: me, contact: Some(desk.sealed(me.0, CONTACT)) };
    assert_eq!(refused(&desk.order(StaffId::new(), contact).await), None);
    let wrong = SetContact { recipient: me, contact: Some(desk.sealed(RecipientId::new().0, CONTACT)) };
    assert_eq!(refused(&desk.order(StaffId::new(), wrong).await).unwrap().as_str(), "contact-unreadable");

    let told = async |wanted: (usize, usize)| {
        testkit::eventually("the mails", || async {
            let mails = mails(folder.path());
            let seen = (to(&mails, CONTACT), to(&mails, OFFICER));
            if seen == wanted { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    // A test at once: whether mails arrive there is known before one is needed.
    told((1, 0)).await;
    testkit::eventually("the test is shown", || async {
        let contact = desk.view(me).await.contact;
        if contact.as_ref().is_some_and(|c| c.tested_at.is_some()) { Ok(()) } else { Err(format!("{contact:?}")) }
    })
    .await;
    // Nine of ten days: a reminder, to the contact only, once.
    issued_days_ago(&desk, 9).await;
    told((2, 0)).await;
    assert_eq!(alerts::look(&desk.bus).await.unwrap(), 0, "said once");
    // Past due: both, at once; and again when a day is over, not earlier.
    issued_days_ago(&desk, 10).await;
    told((3, 1)).await;
    assert_eq!(alerts::look(&desk.bus).await.unwrap(), 0);
    issued_days_ago(&desk, 11).await;
    assert_eq!(alerts::look(&desk.bus).await.unwrap(), 0, "at most one a day");
    yesterday(&desk).await;
    told((4, 2)).await;

    // Numbers, ids and link; nothing of a person.
    let ids: Vec<String> =
        sqlx::query_scalar("select instruction::text from owed").fetch_all(desk.bus.db().pool()).await.unwrap();
    for mail in mails(folder.path()) {
        let (head, body) = mail.split_once("\n\n").or_else(|| mail.split_once("\r\n\r\n")).unwrap();
        let text = match head.contains("base64") {
            true => String::from_utf8(decoded(body)).unwrap(),
            false => body.replace("=\r\n", "").replace("=\n", ""),
        };
        let test = text.contains("recorded as the contact");
        assert!(test || ids.iter().all(|id| text.contains(id)), "{text}");
        assert!(text.contains("contractor-b") && text.contains(".example/"), "{text}");
        for marker in ["ヤマダ", "スズキ", "タナカ", "山田", "花子", "1980-02-29", "みどり病院"] {
            assert!(!mail.contains(marker) && !text.contains(marker), "{marker} in {text}");
        }
    }
    // The number for the console, by stage.
    let BooksReply::Found(view) = desk.ask(&ShowBooks { recipient: me }).await else { panic!("unknown") };
    assert_eq!((view.past_due.unreceived, view.past_due.unreported, view.past_due.sum()), (3, 0, 3));
    let row = desk.recipients().await.into_iter().find(|r| r.recipient == me).unwrap();
    assert_eq!(row.overdue, 3);
    // Nothing in the clear in the table.
    let clear = "select count(*) from contact where position('contractor'::bytea in sealed) > 0";
    assert_eq!(desk.count(clear).await, 0);
    service.stopping().stop(std::time::Duration::from_secs(20)).await;
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine;
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

/// While notification is away nothing is lost; without an officer's mailbox the row says why nobody was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_waits_for_notification_and_says_why_it_was_not_sent() {
    let desk = Desk::quiet().await;
    let keys = RecipientKeys::random().unwrap();
    insert_recipient(&desk, "contractor-b", &keys).await;
    desk.stop("ヤマダ").await;
    desk.fan_out().pass().await.unwrap();
    issued_days_ago(&desk, 10).await;
    assert_eq!(alerts::look(&desk.bus).await.unwrap(), 1, "there is no contact: the officer only");
    alerts::send(&desk.bus, &desk.register, desk.rt.keys_dir()).await.unwrap();
    let reason = async || -> Option<String> {
        sqlx::query_scalar("select reason from alert").fetch_one(desk.bus.db().pool()).await.unwrap()
    };
    assert_eq!(reason().await.as_deref(), Some("notification-away"));
    let folder = tempfile::tempdir().unwrap();
    let service = notification(&desk, folder.path(), "").await;
    sqlx::query("update alert set due_at = made_at").execute(desk.bus.db().pool()).await.unwrap();
    testkit::eventually("an answer", || async {
        sqlx::query("update alert set due_at = made_at where due_at < 'infinity'")
            .execute(desk.bus.db().pool())
            .await
            .unwrap();
        alerts::send(&desk.bus, &desk.register, desk.rt.keys_dir()).await.unwrap();
        let reason = reason().await;
        if reason.as_deref() == Some("no-officer-configured") { Ok(()) } else { Err(reason) }
    })
    .await;
    assert_eq!(desk.count("select count(*) from alert where due_at = 'infinity' and sent_at is null").await, 1);
    assert!(mails(folder.path()).is_empty());
    service.stopping().stop(std::time::Duration::from_secs(20)).await;
}
