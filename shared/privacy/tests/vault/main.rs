//! The vault on a real PostgreSQL: one private server for all scenarios, a schema for each.

mod desk;

use contracts::Timestamp;
use desk::{Desk, ROLE, Schema};
use privacy::{
    DataKey, FileMasterKey, KeyName, Limits, MasterError, MasterKey, Purpose, RecordClass, Swept, Tombstone, Vault,
    VaultError, migrate,
};
use servers::{Binaries, DataDir, Mode, PgOptions, Postgres, quiet};
use sqlx::{Connection, Executor, PgConnection};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

const CASE: RecordClass = RecordClass::Case;
const AAD: &[u8] = b"intake.person.name";

fn read(opened: Result<privacy::Personal<Vec<u8>>, VaultError>) -> Result<Vec<u8>, VaultError> {
    opened.map(|value| value.disclose(Purpose::ShowToStaff).clone())
}

async fn count(connection: &mut PgConnection, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

fn later(hours: i64) -> Timestamp {
    #[allow(clippy::disallowed_methods)] // rows are stamped by PostgreSQL's clock, which is the machine's
    let now = SystemTime::now();
    Timestamp::try_from(now).unwrap() + jiff::SignedDuration::from_hours(hours)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vault_on_a_real_postgresql() {
    let folder = tempfile::tempdir().unwrap();
    let binaries = Binaries::resolve(Mode::Fetch, &quiet).await.unwrap();
    let dir = DataDir::open(folder.path(), &quiet).await.unwrap();
    let desk = Desk { postgres: Postgres::start(&binaries, &dir, PgOptions::test(), &quiet).await.unwrap() };
    PgConnection::connect(&desk.admin()).await.unwrap().execute("create role keeper login").await.unwrap();

    migrating_twice_and_at_once_is_one_migration(&desk).await;
    everybody_gets_the_same_key(&desk).await;
    many_keys_are_made_with_one_commit(&desk).await;
    ending_one_class_leaves_the_others(&desk).await;
    what_cannot_be_read_says_why(&desk).await;
    a_key_and_a_tombstone_never_both(&desk).await;
    another_process_reads_no_longer_than_its_cache_lives(&desk).await;
    an_erasure_goes_through_although_its_caller_is_gone(&desk).await;
    a_sweep_takes_what_nobody_uses(&desk).await;
    a_restored_key_database_is_brought_up_to_date(&desk).await;
    another_master_key_is_refused(&desk).await;
    the_service_may_do_its_work_and_no_more(&desk).await;
    desk.postgres.stop().await.unwrap();
}

async fn migrating_twice_and_at_once_is_one_migration(desk: &Desk) {
    let url = desk.admin();
    let (a, b) = tokio::join!(migrate(&url, "at_once", ROLE), migrate(&url, "at_once", ROLE));
    a.unwrap();
    b.unwrap();
    migrate(&url, "at_once", ROLE).await.unwrap();
    let schema = Schema { desk, name: "at_once" };
    schema.connect(1, Limits::default()).await.unwrap().key(Uuid::from_u128(1), CASE).await.unwrap();
    assert!(migrate(&url, "other", "nobody by that name").await.is_err());
    for name in ["", "at once", "At", "a;drop", "\"a\"", &"a".repeat(64)] {
        assert!(matches!(migrate(&url, name, ROLE).await, Err(VaultError::SchemaName)), "{name}");
    }
}

async fn everybody_gets_the_same_key(desk: &Desk) {
    let schema = desk.schema("same").await;
    let vaults = [schema.vault().await, schema.vault().await, schema.forgetful().await];
    for unit in (1..=20).map(Uuid::from_u128) {
        let asked: Vec<_> = (0..12)
            .map(|n| {
                let vault = vaults[n % 3].clone();
                tokio::spawn(async move { vault.key(unit, CASE).await.unwrap() })
            })
            .collect();
        let mut keys: Vec<DataKey> = Vec::new();
        for key in asked {
            keys.push(key.await.unwrap());
        }
        let sealed = keys[0].seal(AAD, b"x").unwrap();
        for key in &keys {
            assert_eq!(read(key.open(AAD, &sealed)).unwrap(), b"x");
        }
    }
    assert_eq!(count(&mut schema.admin().await, "select count(*) from wrapped_key").await, 20);
    // A new process, which has nothing cached, reads what the others sealed.
    let sealed = vaults[0].seal(Uuid::from_u128(1), CASE, AAD, "山田 花子".as_bytes()).await.unwrap();
    let fresh = schema.vault().await;
    assert_eq!(read(fresh.open(Uuid::from_u128(1), CASE, AAD, &sealed).await).unwrap(), "山田 花子".as_bytes());
    assert!(!sealed.windows(6).any(|w| w == "山田".as_bytes()));
    assert_eq!(fresh.expire_cache(), 1);
}

async fn many_keys_are_made_with_one_commit(desk: &Desk) {
    let schema = desk.schema("many").await;
    let (vault, other) = (schema.vault().await, schema.vault().await);
    let name = |n| KeyName { unit: Uuid::from_u128(n), class: CASE };
    let sealed = other.seal(name(1).unit, CASE, AAD, b"older").await.unwrap();
    other.erase(name(2).unit, CASE).await.unwrap();
    let (a, b) = tokio::join!(vault.prepare((1..=500).map(name)), other.prepare((1..=500).rev().map(name)));
    a.unwrap();
    b.unwrap();
    let mut admin = schema.admin().await;
    assert_eq!(count(&mut admin, "select count(*) from wrapped_key where wrapped is not null").await, 499);
    assert_eq!(read(vault.open(name(1).unit, CASE, AAD, &sealed).await).unwrap(), b"older");
    assert!(matches!(vault.key(name(2).unit, CASE).await, Err(VaultError::Erased { .. })));
    for n in 3..=500 {
        let sealed = vault.seal(name(n).unit, CASE, AAD, b"x").await.unwrap();
        assert_eq!(read(other.open(name(n).unit, CASE, AAD, &sealed).await).unwrap(), b"x", "one key for both, {n}");
    }
    assert!(matches!(vault.prepare((1_000..3_000).map(name)).await, Err(VaultError::TooMany)));
    assert_eq!(count(&mut admin, "select count(*) from wrapped_key").await, 500);
    many_keys_are_fetched_at_once(&schema, &sealed).await;
}

/// Of 500 keys the second is erased; those from 501 on were never made.
async fn many_keys_are_fetched_at_once(schema: &Schema<'_>, first: &[u8]) {
    let vault = schema.vault().await;
    let name = |n| KeyName { unit: Uuid::from_u128(n), class: CASE };
    vault.fetch((1..=600).map(name)).await.unwrap();
    assert_eq!(vault.expire_cache(), 499, "those that exist are at hand, and no other");
    assert_eq!(read(vault.open(name(1).unit, CASE, AAD, first).await).unwrap(), b"older");
    assert!(matches!(vault.existing_key(name(2).unit, CASE).await, Err(VaultError::Erased { .. })));
    assert!(matches!(vault.existing_key(name(501).unit, CASE).await, Err(VaultError::Missing(_))));
    vault.erase(name(1).unit, CASE).await.unwrap();
    vault.fetch([name(1)]).await.unwrap();
    assert!(matches!(vault.open(name(1).unit, CASE, AAD, first).await, Err(VaultError::Erased { .. })));
    assert!(matches!(vault.fetch((1_000..3_000).map(name)).await, Err(VaultError::TooMany)));
}

async fn ending_one_class_leaves_the_others(desk: &Desk) {
    let schema = desk.schema("classes").await;
    let vault = schema.vault().await;
    let (unit, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut sealed = Vec::new();
    for &class in RecordClass::ALL {
        sealed.push((class, vault.seal(unit, class, AAD, b"mine").await.unwrap()));
    }
    let others = vault.seal(other, CASE, AAD, b"another's").await.unwrap();

    let first = vault.erase(unit, CASE).await.unwrap();
    assert!(first.destroyed);
    for (class, bytes) in &sealed {
        match read(vault.open(unit, *class, AAD, bytes).await) {
            Ok(plain) => assert!(*class != CASE && plain == b"mine"),
            Err(VaultError::Erased { name, at }) => assert!(*class == CASE && name == first.name && at == first.at),
            Err(error) => panic!("{class}: {error}"),
        }
    }
    assert_eq!(read(vault.open(other, CASE, AAD, &others).await).unwrap(), b"another's");
    assert!(matches!(vault.key(unit, CASE).await, Err(VaultError::Erased { .. })), "no new key where one was erased");

    let again = vault.erase(unit, CASE).await.unwrap();
    assert_eq!((again.at, again.destroyed), (first.at, false), "the first time counts");
    let early = vault.erase(Uuid::from_u128(3), CASE).await.unwrap();
    assert!(!early.destroyed);
    assert!(
        matches!(vault.key(Uuid::from_u128(3), CASE).await, Err(VaultError::Erased { .. })),
        "also where there was none yet"
    );

    let all = vault.erase_unit(unit).await.unwrap();
    assert_eq!(all.iter().filter(|e| e.destroyed).count(), RecordClass::ALL.len() - 1);
    for (class, bytes) in &sealed {
        assert!(matches!(vault.open(unit, *class, AAD, bytes).await, Err(VaultError::Erased { .. })), "{class}");
    }
    let mut admin = schema.admin().await;
    assert_eq!(
        count(&mut admin, "select count(*) from wrapped_key where erased_at is not null and wrapped is not null").await,
        0
    );
    assert_eq!(count(&mut admin, "select count(*) from tombstone").await, RecordClass::ALL.len() as i64 + 1);
}

async fn what_cannot_be_read_says_why(desk: &Desk) {
    let schema = desk.schema("why").await;
    let vault = schema.forgetful().await;
    let (unit, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let mut sealed = vault.seal(unit, CASE, AAD, b"x").await.unwrap();
    vault.key(other, CASE).await.unwrap();
    assert!(matches!(vault.open(Uuid::from_u128(9), CASE, AAD, &sealed).await, Err(VaultError::Missing(_))));
    assert!(
        matches!(vault.open(other, CASE, AAD, &sealed).await, Err(VaultError::Damaged(_))),
        "a row moved to another unit"
    );
    assert!(
        matches!(vault.open(unit, CASE, b"intake.person.kana", &sealed).await, Err(VaultError::Damaged(_))),
        "or column"
    );
    sealed[20] ^= 1;
    assert!(matches!(vault.open(unit, CASE, AAD, &sealed).await, Err(VaultError::Damaged(_))));
    let mut admin = schema.admin().await;
    sqlx::query("update wrapped_key set wrapped = (select wrapped from wrapped_key where unit = $1) where unit = $2")
        .bind(unit)
        .bind(other)
        .execute(&mut admin)
        .await
        .unwrap();
    assert!(matches!(vault.key(other, CASE).await, Err(VaultError::Damaged(_))), "a wrapped key moved to another unit");
    let error = vault.open(unit, CASE, AAD, &sealed).await.unwrap_err();
    assert!(error.to_string().contains("restore the row") && !error.is_passing());
}

async fn a_key_and_a_tombstone_never_both(desk: &Desk) {
    let schema = desk.schema("race").await;
    let vaults = [schema.vault().await, schema.vault().await];
    for unit in (1..=60).map(Uuid::from_u128) {
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let vault = vaults[n % 2].clone();
                tokio::spawn(async move {
                    if n == 3 {
                        vault.erase(unit, CASE).await.map(|_| ())
                    } else {
                        vault.key(unit, CASE).await.map(|_| ())
                    }
                })
            })
            .collect();
        for task in tasks {
            assert!(matches!(task.await.unwrap(), Ok(()) | Err(VaultError::Erased { .. } | VaultError::Contended(_))));
        }
        // In the process that erased, at once; a cached key of the race does not survive it.
        assert!(matches!(vaults[1].key(unit, CASE).await, Err(VaultError::Erased { .. })));
    }
    let mut admin = schema.admin().await;
    assert_eq!(count(&mut admin, "select count(*) from wrapped_key where wrapped is not null").await, 0);
    assert_eq!(count(&mut admin, "select count(*) from tombstone").await, 60);
    // Many units erased from two sides in opposite order: no deadlock.
    let units: Vec<KeyName> = (1..=200).map(|n| KeyName { unit: Uuid::from_u128(1_000 + n), class: CASE }).collect();
    let at = later(0);
    let forward: Vec<Tombstone> = units.iter().map(|&name| Tombstone { name, at }).collect();
    let backward: Vec<Tombstone> = forward.iter().rev().copied().collect();
    let (a, b) = tokio::join!(vaults[0].replay(forward), vaults[1].replay(backward));
    assert_eq!((a.unwrap(), b.unwrap()), (0, 0));
    assert_eq!(count(&mut admin, "select count(*) from tombstone").await, 260);
}

async fn another_process_reads_no_longer_than_its_cache_lives(desk: &Desk) {
    let schema = desk.schema("bound").await;
    let (mine, cached, fresh) = (schema.vault().await, schema.vault().await, schema.forgetful().await);
    let unit = Uuid::from_u128(1);
    let sealed = mine.seal(unit, CASE, AAD, b"x").await.unwrap();
    for vault in [&cached, &fresh] {
        assert_eq!(read(vault.open(unit, CASE, AAD, &sealed).await).unwrap(), b"x");
    }
    mine.erase(unit, CASE).await.unwrap();
    assert!(matches!(mine.open(unit, CASE, AAD, &sealed).await, Err(VaultError::Erased { .. })));
    assert!(
        matches!(fresh.open(unit, CASE, AAD, &sealed).await, Err(VaultError::Erased { .. })),
        "its entries live no time"
    );
    assert_eq!(cached.expire_cache(), 1, "the stated bound: this one may read for 30 seconds");
}

async fn an_erasure_goes_through_although_its_caller_is_gone(desk: &Desk) {
    let schema = desk.schema("gone").await;
    let (vault, fresh) = (schema.vault().await, schema.forgetful().await);
    let unit = Uuid::from_u128(1);
    vault.key(unit, CASE).await.unwrap();
    {
        // Polled once, then dropped, as axum drops a handler whose browser went away.
        let erasing = std::pin::pin!(vault.erase(unit, CASE));
        tokio::select! {
            biased;
            _ = erasing => {}
            () = std::future::ready(()) => {}
        }
    }
    let erased = async {
        while !matches!(fresh.existing_key(unit, CASE).await, Err(VaultError::Erased { .. })) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), erased).await.expect("erased without its caller");
}

async fn a_sweep_takes_what_nobody_uses(desk: &Desk) {
    let schema = desk.schema("sweep").await;
    let vault = schema.forgetful().await;
    let name = |n| KeyName { unit: Uuid::from_u128(n), class: CASE };
    for n in 1..=4 {
        vault.key(name(n).unit, CASE).await.unwrap();
    }
    vault.erase(name(4).unit, CASE).await.unwrap();
    let nothing = |_| async { Ok::<_, std::io::Error>(HashSet::new()) };
    assert_eq!(vault.sweep_unused(later(23), nothing).await.unwrap(), Swept::default(), "not within a day");

    let refuses = |_| async { Err::<HashSet<KeyName>, _>(std::io::Error::other("away")) };
    assert!(matches!(vault.sweep_unused(later(25), refuses).await, Err(VaultError::Owner(_))));

    // 2 is wanted by somebody while the owner is being asked: it stays, although the owner did not know it.
    let mut admin = schema.admin().await;
    admin.execute("update wrapped_key set asked_at = now() - interval '2 days' where erased_at is null").await.unwrap();
    let meanwhile = vault.clone();
    let owner = |asked: Vec<KeyName>| async move {
        assert_eq!(asked.into_iter().collect::<HashSet<_>>(), [name(1), name(2), name(3)].into());
        meanwhile.key(name(2).unit, CASE).await.map(|_| HashSet::from([name(1)]))
    };
    let swept = vault.sweep_unused(later(0), owner).await.unwrap();
    assert_eq!(swept, Swept { kept: 1, removed: 1, more: false });
    assert!(vault.existing_key(name(1).unit, CASE).await.is_ok());
    assert!(vault.existing_key(name(2).unit, CASE).await.is_ok());
    assert!(matches!(vault.existing_key(name(3).unit, CASE).await, Err(VaultError::Missing(_))));
    assert!(vault.key(name(3).unit, CASE).await.is_ok(), "removed unused, so a new one may be made");

    // What is in use is never asked about again.
    let owner = |asked: Vec<KeyName>| async move {
        assert!(!asked.contains(&name(1)) && !asked.contains(&name(4)));
        Ok::<_, std::io::Error>(HashSet::new())
    };
    assert_eq!(vault.sweep_unused(later(25), owner).await.unwrap().removed, 2);
    assert!(vault.existing_key(name(1).unit, CASE).await.is_ok());
}

async fn a_restored_key_database_is_brought_up_to_date(desk: &Desk) {
    let (before, restored) = (desk.schema("before").await, desk.schema("restored").await);
    let vault = before.vault().await;
    let mut sealed = Vec::new();
    for n in 1..=30 {
        sealed.push(vault.seal(Uuid::from_u128(n), CASE, AAD, b"x").await.unwrap());
    }
    // The backup of the key database …
    restored.admin().await.execute("insert into restored.wrapped_key select * from before.wrapped_key").await.unwrap();
    // … is older than these erasures, more of them than one page holds.
    let many =
        (31..=1_500).map(|n| Tombstone { name: KeyName { unit: Uuid::from_u128(n), class: CASE }, at: later(-1) });
    vault.replay(many).await.unwrap();
    for n in 1..=10 {
        vault.erase(Uuid::from_u128(n), CASE).await.unwrap();
    }
    let mut tombstones: Vec<Tombstone> = Vec::new();
    loop {
        let page = vault.tombstones(tombstones.last().copied()).await.unwrap();
        if page.is_empty() {
            break;
        }
        tombstones.extend(page);
    }
    assert_eq!(tombstones.len(), 1_480);
    assert!(tombstones.is_sorted_by_key(|t| t.at));

    let back = restored.forgetful().await;
    assert!(back.open(Uuid::from_u128(1), CASE, AAD, &sealed[0]).await.is_ok(), "the restore brought it back");
    let twice = tombstones.iter().chain(tombstones.iter()).copied();
    assert_eq!(back.replay(twice).await.unwrap(), 10);
    assert_eq!(back.replay(tombstones.clone()).await.unwrap(), 0, "idempotent");
    for (n, bytes) in (1..).zip(&sealed) {
        let opened = back.open(Uuid::from_u128(n), CASE, AAD, bytes).await;
        match opened {
            Err(VaultError::Erased { at, name }) => {
                assert!(n <= 10);
                assert!(tombstones.contains(&Tombstone { name, at }), "with the time of the first erasure");
            }
            other => assert!(n > 10 && other.is_ok()),
        }
    }
}

async fn another_master_key_is_refused(desk: &Desk) {
    let schema = desk.schema("master").await;
    let vault = schema.vault().await;
    schema.connect(2, Limits::default()).await.expect("nothing is wrapped yet");
    vault.key(Uuid::from_u128(1), CASE).await.unwrap();
    let error = schema.connect(2, Limits::default()).await.unwrap_err();
    assert!(matches!(error, VaultError::WrongMaster { .. }));
    assert!(error.to_string().contains(FileMasterKey::from_bytes([1; 32]).id()), "{error}");
    assert!(matches!(vault.check().await, Ok(())));
    let other = FileMasterKey::from_bytes([2; 32]);
    let wrapped = other.wrap(b"", &privacy::seal::Zeroizing::new([0; 32])).await.unwrap();
    assert!(matches!(FileMasterKey::from_bytes([1; 32]).unwrap(b"", &wrapped).await, Err(MasterError::Another { .. })));
    let url = desk.postgres.url("postgres", ROLE, "");
    let master = Arc::new(FileMasterKey::from_bytes([1; 32]));
    let error = Vault::connect(&url, "not_migrated", master, Limits::default()).await.unwrap_err();
    assert!(matches!(error, VaultError::Database(_)));
}

async fn the_service_may_do_its_work_and_no_more(desk: &Desk) {
    let schema = desk.schema("rights").await;
    desk.postgres_admin("create role stranger login").await;
    let vault = schema.vault().await;
    vault.key(Uuid::from_u128(1), CASE).await.unwrap();
    vault.erase(Uuid::from_u128(1), CASE).await.unwrap();
    let mut service = schema.service().await;
    for statement in [
        "delete from wrapped_key",
        "update wrapped_key set erased_at = null, wrapped = decode(repeat('00', 60), 'hex'), master = 'x'",
        "update wrapped_key set erased_at = now()",
        "truncate wrapped_key",
        "drop trigger tombstone_stays on wrapped_key",
        "create table rights.more ()",
        "insert into wrapped_key (unit, class, wrapped) values (gen_random_uuid(), 'case', null)",
        "insert into wrapped_key (unit, class, wrapped, master, erased_at) values (gen_random_uuid(), 'case', decode(repeat('00', 60), 'hex'), 'x', now())",
    ] {
        assert!(service.execute(statement).await.is_err(), "{statement}");
    }
    let mut admin = schema.admin().await;
    assert!(admin.execute("delete from wrapped_key").await.is_err(), "not even by the administrator's mistake");
    let mut stranger = schema.connection(&desk.postgres.url("postgres", "stranger", "")).await;
    assert!(stranger.execute("select * from rights.wrapped_key").await.is_err());
    assert_eq!(count(&mut admin, "select count(*) from tombstone").await, 1);
    vault.close().await;
    assert!(vault.key(Uuid::from_u128(2), CASE).await.unwrap_err().is_passing());
}
