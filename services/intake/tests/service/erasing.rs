//! Erasure, and the other orders of the staff.

use super::{
    person::{ask, wish},
    *,
};
use contracts::{
    Code, DisclosePurpose, PersonField, Sealed, StaffId,
    request::{DisclosedReply, EraseCase, Revive, StaffCommand, StaffReply, Withdraw},
};
use privacy::seal_to;
use testkit::KeyBackup;

fn order<T>(desk: &Desk, order: T) -> StaffCommand<T> {
    let token = Uuid::now_v7();
    let key = ServiceKey::load_or_create(desk.rt.keys_dir(), "intake").unwrap().public();
    let why = seal_to(&key, token.as_bytes(), "山田標識が電話で".as_bytes()).unwrap();
    StaffCommand { token, staff: StaffId::new(), why, traceparent: None, order }
}

fn status(reply: &StaffReply) -> &str {
    match reply {
        StaffReply::Done { status, .. } => status.as_str(),
        StaffReply::Refused { reason, .. } => reason.as_str(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_keeps_its_reason_sealed_and_a_repeat_gets_the_first_answer() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let erase = order(&desk, EraseCase { case });
    assert_eq!(status(&ask(&desk, "console", &erase).await), "not-ended");
    let withdraw = order(&desk, Withdraw { case });
    for _ in 0..2 {
        assert_eq!(status(&ask(&desk, "console", &withdraw).await), "withdrawn");
    }
    let revive = order(&desk, Revive { case });
    assert_eq!(status(&ask(&desk, "console", &revive).await), "not-lapsed");
    let kept =
        "select count(*) from intake.staff_order where why is not null and verb in ('erase', 'withdraw', 'revive')";
    assert_eq!(desk.count(kept).await, 3);

    let mut unread = order(&desk, Withdraw { case });
    unread.why = Sealed(vec![1; 60]);
    assert_eq!(status(&ask(&desk, "console", &unread).await), "why-unreadable");
    let unknown = order(&desk, Withdraw { case: CaseId::new() });
    assert_eq!(status(&ask(&desk, "console", &unknown).await), "case-unknown");
    let all = desk.everything().await;
    for marker in MARKERS {
        assert!(!all.contains(marker), "{marker} stands in the clear");
    }
    desk.close().await;
}

/// Duties row 15: what was erased cannot be read again, not even from yesterday's backup.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_gone_also_from_a_restored_backup() {
    let desk = Desk::open().await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "identity").unwrap();
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let wish = || wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name]);
    assert!(matches!(ask(&desk, "identity", &wish()).await, DisclosedReply::Values { .. }));
    ask(&desk, "console", &order(&desk, Withdraw { case })).await;
    let (backup,): (Vec<u8>,) =
        sqlx::query_as("select sealed from intake.person").fetch_one(&desk.admin).await.unwrap();

    assert_eq!(status(&ask(&desk, "console", &order(&desk, EraseCase { case })).await), "erased");
    assert!(matches!(ask(&desk, "identity", &wish()).await, DisclosedReply::Erased));
    assert_eq!(desk.page(&someone).await, None);
    for gone in [
        "select count(*) from intake.person_index",
        "select count(*) from intake.person where sealed is not null",
        "select count(*) from intake.staff_order where why is not null",
        "select count(*) from intake.receipt where code_key is not null",
        "select count(*) from intake.erasure where done_at is null",
        "select count(*) from door.letterbox",
    ] {
        assert_eq!(desk.count(gone).await, 0, "{gone}");
    }
    let told = "select count(*) from intake.outbox where subject like 'evt.intake.case-erased.%'";
    assert_eq!(desk.count(told).await, 1);
    let mut keys = desk.house.keys_admin().await;
    let tombstones = "select count(*) from intake.wrapped_key where unit = $1 and wrapped is null";
    let n: i64 = sqlx::query_scalar(tombstones).bind(case.0).fetch_one(&mut keys).await.unwrap();
    assert_eq!(n, 1);

    // The backup comes back; the key database does not.
    sqlx::query("update intake.person set sealed = $1, erased_at = null")
        .bind(backup)
        .execute(&desk.admin)
        .await
        .unwrap();
    assert!(matches!(ask(&desk, "identity", &wish()).await, DisclosedReply::Erased));
    // Neither does the same filing make the person anew, nor a withdrawal wait for ever.
    desk.file(&Filing::Request(Box::new(someone.request(desk.house.clock.now())))).await;
    desk.file(&someone.withdrawal(*someone.key.public().as_bytes(), desk.house.clock.now())).await;
    desk.counts("select count(*) from door.filing", 0).await;
    assert_eq!(desk.count("select count(*) from intake.person_index").await, 0);
    desk.close().await;
}

/// The other way round: the key database itself comes back from a backup that is older than the erasure, and with it the
/// bytes from an old backup of the data. The erasure is repeated before intake answers anybody.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_stays_erased_when_the_key_database_comes_from_an_older_backup() {
    let desk = Desk::open().await;
    ServiceKey::load_or_create(desk.rt.keys_dir(), "identity").unwrap();
    let (someone, other) = (Someone::new(Kind::Disclosure), Someone::new(Kind::Disclosure));
    let (case, kept) = (desk.request_of(&someone).await, desk.request_of(&other).await);
    ask(&desk, "console", &order(&desk, Withdraw { case })).await;
    let find = "select sealed from intake.person where case_id = $1";
    let bytes: Vec<u8> = sqlx::query_scalar(find).bind(case.0).fetch_one(&desk.admin).await.unwrap();
    let backup = KeyBackup::take(&desk.house, "intake").await;
    assert_eq!(status(&ask(&desk, "console", &order(&desk, EraseCase { case })).await), "erased");

    assert!(desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await, "intake did not stop");
    backup.restore(&desk.house).await;
    let back = "update intake.person set sealed = $1, erased_at = null where case_id = $2";
    sqlx::query(back).bind(bytes).bind(case.0).execute(&desk.admin).await.unwrap();
    let alive = "select count(*) from intake.wrapped_key where unit = $1 and wrapped is not null";
    let mut keys = desk.house.keys_admin().await;
    let n: i64 = sqlx::query_scalar(alive).bind(case.0).fetch_one(&mut keys).await.unwrap();
    assert_eq!(n, 1, "the older backup has the key");

    let desk = Desk::of(desk.house).await;
    let n: i64 = sqlx::query_scalar(alive).bind(case.0).fetch_one(&mut keys).await.unwrap();
    assert_eq!(n, 0, "intake is ready, and the key lives");
    let wish = |case| wish(case, "identity", DisclosePurpose::VerifyIdentity, &[PersonField::Name]);
    assert!(matches!(ask(&desk, "identity", &wish(case)).await, DisclosedReply::Erased));
    assert!(matches!(ask(&desk, "identity", &wish(kept)).await, DisclosedReply::Values { .. }));
    desk.close().await;
}

/// The order is committed and the process dies before the key is destroyed: the due row does it.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_only_ordered_is_carried_out_later() {
    let desk = Desk::open().await;
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    ask(&desk, "console", &order(&desk, Withdraw { case })).await;
    let bus = desk.rt.bus(intake::SERVICE).await.unwrap();
    let home = chassis::Home::<Case>::with_rows(&bus, std::sync::Arc::new(intake::rows::CaseRows));
    let erase = intake::case::Input::Erase { at: desk.house.clock.now(), by: StaffId::new() };
    home.handle(case.0, chassis::Cause::Person(Uuid::now_v7()), erase).await.unwrap();
    desk.is(&someone, "erased").await;
    desk.counts("select count(*) from intake.erasure where done_at is not null", 1).await;
    assert_eq!(Code::of("erased"), Case::status(&desk.state(case).await.unwrap()));
    desk.close().await;
}
