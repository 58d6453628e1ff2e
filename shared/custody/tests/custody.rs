//! Custody on a real PostgreSQL: erasures outlive every restore, of the data and of the keys.

use chassis::{Bus, Runtime, Schema};
use contracts::{Service, Timestamp, Uuid};
use custody::{
    Custody,
    copy::{Copier, replay},
};
use privacy::{KeyName, RecordClass, Tombstone, VaultError};
use sqlx::{Connection, PgConnection, migrate::Migrator};
use std::sync::Arc;
use testkit::{House, KeyBackup};

static NONE: Migrator = Migrator::DEFAULT;
const CASE: RecordClass = RecordClass::Case;
const PLACE: &[u8] = b"intake.person.sealed";

struct Desk {
    house: House,
    rt: Runtime,
    bus: Arc<Bus>,
    custody: Custody,
}

impl Desk {
    async fn open() -> Self {
        let schema = Schema { name: "intake", machines: &[], bus: true, migrator: &NONE };
        let house = House::start(&[schema], &["intake"]).await;
        let rt = house.runtime(&[]);
        let bus = rt.bus(Service::Intake).await.unwrap();
        let custody = Custody::open(&rt, &bus).await.unwrap();
        Self { house, rt, bus, custody }
    }
    /// As the next process finds it.
    async fn again(&self) -> Custody {
        Custody::open(&self.rt, &self.bus).await.unwrap()
    }
    fn copier(&self) -> Copier {
        Copier::new(self.bus.db().clone(), self.custody.vault().clone())
    }
    async fn copies(&self) -> i64 {
        sqlx::query_scalar("select count(*) from tombstone_copy").fetch_one(self.bus.db().pool()).await.unwrap()
    }
    async fn seal(&self, unit: Uuid) -> Vec<u8> {
        self.custody.vault().seal(unit, CASE, PLACE, b"somebody").await.unwrap()
    }
}

async fn alive(db: &mut PgConnection, unit: Uuid) -> bool {
    let find = "select exists (select from intake.wrapped_key where unit = $1 and wrapped is not null)";
    sqlx::query_scalar(find).bind(unit).fetch_one(db).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_is_dead_again_when_custody_is_open_on_an_older_key_database() {
    let desk = Desk::open().await;
    let (erased, kept) = (Uuid::now_v7(), Uuid::now_v7());
    let (of_erased, of_kept) = (desk.seal(erased).await, desk.seal(kept).await);
    let backup = KeyBackup::take(&desk.house, "intake").await;
    let first = desk.custody.erase(erased, CASE).await.unwrap();
    assert!(first.destroyed);
    assert_eq!(desk.copies().await, 1, "copied with the erasure, not a round later");

    backup.restore(&desk.house).await;
    let mut keys = desk.house.keys_admin().await;
    assert!(alive(&mut keys, erased).await, "the older backup has the key");
    let custody = desk.again().await;
    assert!(!alive(&mut keys, erased).await, "and nobody could have used it");
    match custody.vault().open(erased, CASE, PLACE, &of_erased).await {
        Err(VaultError::Erased { at, .. }) => assert_eq!(at, first.at, "with the time of the first erasure"),
        other => panic!("{other:?}"),
    }
    assert!(custody.vault().open(kept, CASE, PLACE, &of_kept).await.is_ok());
    assert_eq!(replay(desk.bus.db(), custody.vault()).await.unwrap(), 0, "nothing is left to repeat");
}

/// Pages end in the middle of equal times, replays go over many batches, and what is erased by other means is copied too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_erasures_at_one_moment_are_copied_and_repeated() {
    let desk = Desk::open().await;
    let backup = KeyBackup::take(&desk.house, "intake").await;
    let at: Timestamp = "2026-04-01T00:00:00Z".parse().unwrap();
    let name = |n: u128| KeyName { unit: Uuid::from_u128(n), class: CASE };
    desk.custody.vault().replay((1..=2_500).map(|n| Tombstone { name: name(n), at })).await.unwrap();
    let mut copier = desk.copier();
    assert_eq!(copier.pass().await.unwrap(), 2_500);
    assert_eq!(copier.pass().await.unwrap(), 0);
    assert_eq!(desk.copies().await, 2_500);

    backup.restore(&desk.house).await;
    let of_one = desk.custody.vault().prepare([name(2), name(2_400)]).await;
    of_one.unwrap();
    let custody = desk.again().await;
    let mut keys = desk.house.keys_admin().await;
    let find = "select count(*) filter (where wrapped is null), count(*) from intake.wrapped_key";
    let found: (i64, i64) = sqlx::query_as(find).fetch_one(&mut keys).await.unwrap();
    assert_eq!(found, (2_500, 2_500));
    assert!(matches!(custody.vault().key(name(2_400).unit, CASE).await, Err(VaultError::Erased { .. })));
}

/// A tombstone has the time at which its transaction began, and is seen only after its commit: younger ones may be copied
/// before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_is_seen_late_is_copied_too() {
    let desk = Desk::open().await;
    let mut copier = desk.copier();
    let mut keys = desk.house.keys_admin().await;
    #[allow(clippy::disallowed_methods)] // a test's own connection
    let mut slow = keys.begin().await.unwrap();
    let late = Uuid::now_v7();
    let bury = "insert into intake.wrapped_key (unit, class, erased_at) values ($1, 'case', now())";
    sqlx::query(bury).bind(late).execute(&mut *slow).await.unwrap();
    desk.custody.vault().erase(Uuid::now_v7(), CASE).await.unwrap();
    assert_eq!(copier.pass().await.unwrap(), 1);
    slow.commit().await.unwrap();
    assert_eq!(copier.pass().await.unwrap(), 1);
    let find = "select exists (select from tombstone_copy where unit = $1)";
    let there: bool = sqlx::query_scalar(find).bind(late).fetch_one(desk.bus.db().pool()).await.unwrap();
    assert!(there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_that_a_restore_of_the_data_lost_are_made_again_and_the_service_cannot_take_one_away() {
    let desk = Desk::open().await;
    desk.custody.erase(Uuid::now_v7(), CASE).await.unwrap();
    for sql in ["delete from tombstone_copy", "update tombstone_copy set at = now()"] {
        let done = desk.bus.db().write(move |tx| Box::pin(async move { Ok(sqlx::query(sql).execute(tx).await?) }));
        let error = done.await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{error}");
    }
    let mut owner = desk.house.admin().await;
    sqlx::query("delete from intake.tombstone_copy").execute(&mut owner).await.unwrap();
    assert_eq!(desk.copier().pass().await.unwrap(), 1);
    owner.close().await.unwrap();
}
