//! The duties that the whole house carries (duties 15, 22, 43, 48, 49, 89), each with the test that its row describes.
//!
//! | row | duty | where |
//! |---|---|---|
//! | 15 | erased for good, also from a restored backup | here, and `an_erased_person_is_gone_also_from_a_restored_backup` of intake |
//! | 22 | the core zone is searched for listed purposes only | `ticket.rs` of fulfilment |
//! | 43 | the suit clock | `duty_43_the_suit_clock` of the calendar; told on the page: `disclosure.rs` beside this file |
//! | 48, 49 | processors are registered, supervised, certified | `processors.rs` of the chassis; the program refuses: `processes.rs` |
//! | 89 | two ways of counting | `duty_89_the_two_kinds_of_three_years` of the calendar |

use super::{
    desk::Desk,
    people::{Person, confirm},
    reckoning,
};
use console::By;
use contracts::{
    Code, DisclosePurpose, PersonField, Step, Uuid,
    request::{Disclose, DisclosedReply},
};
use launcher::story;
use sqlx::AssertSqlSafe;
use testkit::eventually;

/// The tables of intake that hold anything of a person.
const PERSONAL: &[&str] = &["person_index", "staff_order", "receipt", "person"];

/// What the console is given when staff look at the person.
async fn look(desk: &Desk, case: contracts::CaseId) -> DisclosedReply {
    let asked = Disclose {
        case,
        asker: Code::of("console"),
        purpose: DisclosePurpose::ShowToStaff,
        fields: vec![PersonField::Name, PersonField::Mail],
        cause: Uuid::now_v7(),
        staff: Some(desk.staff),
    };
    eventually("intake answers", || async { desk.bus.ask(&asked).await.map_err(|e| format!("{e:?}")) }).await
}

/// Row 15, through the whole house: yesterday's backup of every personal table of intake and of the letterbox comes back
/// after the erasure, and still nothing of the person can be opened, found or mailed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_15_what_was_erased_stays_unreadable_when_a_backup_comes_back() {
    let desk = Desk::open().await;
    let person = Person::number(1);
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    confirm(&desk, &filed).await;
    desk.until(&filed, "the end", |s| s.step == Step::Ended).await;
    reckoning::quiet(&desk.admin_url).await;
    assert!(matches!(look(&desk, filed.case).await, DisclosedReply::Values { .. }), "staff can look before");
    let found = desk.commands.search(desk.staff, PersonField::Kana, &person.kana).await.unwrap();
    assert_eq!(found.cases.len(), 1);

    let mut db = desk.admin().await;
    let backup: String = PERSONAL.iter().map(|t| format!("create table public.old_{t} as table intake.{t};")).collect();
    sqlx::raw_sql(AssertSqlSafe(format!("{backup} create table public.old_letterbox as table door.letterbox")))
        .execute(&mut db)
        .await
        .unwrap();

    let by = By::new(desk.staff, "the retention is over");
    desk.obeyed("it is erased", || desk.commands.erase(by, filed.case)).await;
    eventually("the key is destroyed", || async {
        let open = desk.count("select count(*) from intake.erasure where done_at is null").await;
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    eventually("its mails are gone", || async {
        let mails = super::mails::to(&desk.mail_folder(), &person.mail);
        if mails.is_empty() { Ok(()) } else { Err(mails.len()) }
    })
    .await;
    assert!(matches!(look(&desk, filed.case).await, DisclosedReply::Erased));

    let empty: String = PERSONAL.iter().map(|t| format!("delete from intake.{t};")).collect();
    let restore: String =
        PERSONAL.iter().rev().map(|t| format!("insert into intake.{t} select * from public.old_{t};")).collect();
    let restore = format!(
        "{empty}{restore} delete from door.letterbox; insert into door.letterbox select * from public.old_letterbox"
    );
    sqlx::raw_sql(AssertSqlSafe(restore)).execute(&mut db).await.unwrap();
    let sealed = desk.count("select count(*) from intake.person where sealed is not null").await;
    assert_eq!(sealed, 1, "the old bytes are back");
    assert!(!matches!(look(&desk, filed.case).await, DisclosedReply::Values { .. }), "the old bytes were opened");
    // Every other key of the class is a tombstone as well, in the database that the backup does not hold.
    let mut keys = <sqlx::PgConnection as sqlx::Connection>::connect(&desk.keys_url).await.unwrap();
    let alive: i64 =
        sqlx::query_scalar("select count(*) from intake.wrapped_key where unit = $1 and wrapped is not null")
            .bind(filed.case.0)
            .fetch_one(&mut keys)
            .await
            .unwrap();
    assert_eq!(alive, 0);
}

/// The tests that the table above names are there: a citation that rots is found here.
#[test]
fn the_cited_tests_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (file, test) in [
        ("services/intake/tests/service/erasing.rs", "an_erased_person_is_gone_also_from_a_restored_backup"),
        (
            "services/fulfilment/src/ticket.rs",
            "a_consultation_may_not_have_a_ticket_and_every_other_kind_has_one_purpose_with_its_article",
        ),
        ("shared/calendar/src/tests.rs", "duty_43_the_suit_clock"),
        ("shared/calendar/src/tests.rs", "duty_89_the_two_kinds_of_three_years"),
        ("shared/chassis/src/processors.rs", "a_mail_host_without_entry_is_named"),
        ("shared/chassis/src/processors.rs", "one_abroad_needs_a_basis"),
        (
            "shared/chassis/src/processors.rs",
            "medical_content_goes_to_certified_contractors_or_sealed_and_answered_for",
        ),
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("fn {test}(")), "{test} is not in {file}");
    }
}
