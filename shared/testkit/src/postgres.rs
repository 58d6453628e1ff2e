//! One PostgreSQL per test process: a Unix socket only, so no port can clash; no fsync, since nothing is kept.

use servers::{Binaries, DataDir, Mode, PgOptions, Postgres, quiet};
use std::{path::PathBuf, sync::Arc};
use tokio::sync::OnceCell;

/// The pinned servers, fetched at the first test of all.
pub async fn binaries() -> &'static Binaries {
    static BINARIES: OnceCell<Binaries> = OnceCell::const_new();
    BINARIES
        .get_or_init(|| async {
            let mode =
                if std::env::var("MADOGUCHI_SERVERS").as_deref() == Ok("path") { Mode::Path } else { Mode::Fetch };
            Binaries::resolve(mode, &|text| eprintln!("{text}"))
                .await
                .unwrap_or_else(|e| panic!("the tests need nats-server and PostgreSQL: {e}"))
        })
        .await
}

/// A folder of this run, reachable by the unprivileged user; left-overs of dead runs are removed first.
pub(crate) fn run_folder() -> &'static PathBuf {
    static FOLDER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    FOLDER.get_or_init(|| {
        let all = std::env::temp_dir().join("madoguchi-tests");
        std::fs::create_dir_all(&all).unwrap();
        for old in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            let pid = old.file_name().to_string_lossy().split('-').next().unwrap_or_default().to_owned();
            if pid.parse::<u32>().is_ok() && !std::path::Path::new("/proc").join(&pid).exists() {
                let _ = std::fs::remove_dir_all(old.path());
            }
        }
        let mine = all.join(format!("{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir_all(&mine).unwrap();
        use std::os::unix::fs::PermissionsExt;
        for folder in [&all, &mine] {
            let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755));
        }
        mine
    })
}

/// The PostgreSQL of this test process. The kernel ends it with the process.
pub async fn postgres() -> &'static Postgres {
    static SERVER: OnceCell<(Arc<DataDir>, Postgres)> = OnceCell::const_new();
    let (_, server) = SERVER
        .get_or_init(|| async {
            let dir = DataDir::open(&run_folder().join("pg"), &quiet).await.unwrap();
            let server = Postgres::start(binaries().await, &dir, PgOptions::test(), &quiet).await.unwrap();
            (dir, server)
        })
        .await;
    server
}
