//! The program as it is run: every service a process of its own against shared servers, `check`, `up`, `demo`.

use crate::journey::{
    child::{Child, become_the_program, fixed_port},
    contractors::{by_webhook, over_nats},
    desk::{Desk, Plan, environment},
    people::{Person, deposits, disclosure, opt_out},
    reckoning::{self, Told},
};
use contracts::{EndedAs, Step};
use launcher::{KEY_SCHEMAS, NAMES, schemas, story};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use testkit::{House, eventually};

/// Not a test: what the tests of this crate start as a process.
#[test]
fn child() {
    become_the_program();
}

/// Asks `/readyz`; the status and the checks.
pub async fn readiness(ops: &str) -> Result<Value, String> {
    let response = reqwest::get(format!("http://{ops}/readyz")).await.map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|e| e.to_string())?;
    if status == 200 { serde_json::from_str(&text).map_err(|e| e.to_string()) } else { Err(text) }
}

/// Every service becomes ready with all others down, says so, and stops in order when it is asked to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_is_ready_with_all_others_down() {
    let house = House::start(&schemas(), KEY_SCHEMAS).await;
    for name in NAMES {
        let ops = format!("127.0.0.1:{}", fixed_port());
        let listen = || format!("127.0.0.1:{}", fixed_port());
        let settings: Vec<(String, String)> = [
            ("ops.listen", ops.clone()),
            ("door.listen", listen()),
            ("console.listen", listen()),
            ("optout.partner_listen", listen()),
            ("notification.outbox_dir", house.folder().join("mail").display().to_string()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        let log = house.folder().join(format!("{name}.log"));
        let mut service = Child::start(&["serve", name], &environment(&house, &settings, &[]), &log);
        let ready = eventually(&format!("{name} is ready"), || async {
            readiness(&ops).await.map_err(|e| format!("{e}\n{}", service.output()))
        })
        .await;
        let checks = ready["checks"].as_object().unwrap();
        assert!(!checks.is_empty() && checks.values().all(|c| c == "ok"), "{name}: {checks:?}");
        assert_eq!(reqwest::get(format!("http://{ops}/livez")).await.unwrap().status().as_u16(), 200);
        let metrics = reqwest::get(format!("http://{ops}/metrics")).await.unwrap().text().await.unwrap();
        assert!(metrics.contains("target_info"), "{name}: {metrics}");
        let status = service.stop().await;
        assert!(status.success(), "{name} ended with {status}:\n{}", service.output());
        let ready = service.lines().into_iter().find(|l| l["message"] == "ready").unwrap();
        assert_eq!((ready["service"].as_str(), ready["level"].as_str()), (Some(*name), Some("INFO")));
    }
}

/// The journeys with every service in a process of its own: one trace goes through several of them, and the log of each names
/// traces that the others' logs name too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_journeys_across_processes() {
    let environment = vec![("MADOGUCHI_LOG", "info,chassis=debug,async_nats=warn,sqlx=warn")];
    let desk = Desk::with(Plan { apart: true, environment, ..Plan::default() }).await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    let bank = deposits();
    let (one, two) = (Person::number(1), Person::number(2));
    tokio::join!(opt_out(&desk, &one), disclosure(&desk, &two, &bank));
    for contractor in &contractors {
        contractor.has_applied(1).await;
    }
    reckoning::holds(&desk, Told::of(1, 1)).await;
    let mut traces: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut db = desk.admin().await;
    for s in schemas().iter().filter(|s| s.bus) {
        let said = format!("select convert_from(body, 'UTF8')::json ->> 'traceparent' from {}.outbox", s.name);
        let said: Vec<Option<String>> = sqlx::query_scalar(sqlx::AssertSqlSafe(said)).fetch_all(&mut db).await.unwrap();
        for trace in said.into_iter().map(|t| t.expect("every message has its trace")) {
            traces.entry(trace[3..35].to_owned()).or_default().insert(s.name);
        }
    }
    let longest = traces.values().max_by_key(|services| services.len()).unwrap();
    assert!(longest.len() >= 3, "the longest trace goes through {longest:?}");
    let mut children = desk.children.lock().await;
    let mut logged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for child in children.iter() {
        for (trace, line) in child.lines().iter().filter_map(|line| Some((whole_line(line)?, line))) {
            if line["message"] == "heard" {
                for key in ["service", "kind", "outcome", "id"] {
                    assert!(line[key].is_string(), "{key} is missing: {line}");
                }
                assert!(line["position"].is_i64(), "{line}");
            }
            logged.entry(trace).or_default().insert(child.arguments.last().unwrap().clone());
        }
    }
    logged.retain(|trace, _| traces.contains_key(trace));
    // The door and the steward hear nothing.
    for name in NAMES.iter().filter(|n| !["door", "steward"].contains(n)) {
        let shared = logged.values().any(|logs| logs.len() >= 2 && logs.contains(*name));
        assert!(shared, "no trace of the messages is in the log of {name} and in another's: {logged:?}");
    }
    for child in children.iter_mut() {
        let status = child.stop().await;
        assert!(status.success(), "{:?} ended with {status}", child.arguments);
    }
}

/// What every line of a log has; the trace that it names.
fn whole_line(line: &Value) -> Option<String> {
    for key in ["time", "level", "target"] {
        assert!(line[key].is_string(), "{key} is missing: {line}");
    }
    let trace = line["trace_id"].as_str()?;
    assert_eq!((trace.len(), line["span_id"].as_str().map(str::len)), (32, Some(16)), "{line}");
    Some(trace.to_owned())
}

/// `check` says yes, and names what is wrong: a setting, a mail host that nobody registered (duty rows 48, 49).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_names_what_is_wrong() {
    let house = House::start(&schemas(), KEY_SCHEMAS).await;
    let outbox = ("notification.outbox_dir".to_owned(), house.folder().join("mail").display().to_string());
    let check = async |settings: &[(&str, &str)], register: Option<&str>| -> (bool, String) {
        let mut all = vec![outbox.clone()];
        all.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let log = house.folder().join(format!("check-{:08x}.log", rand::random::<u32>()));
        let file = house.folder().join("register.toml");
        let mut arguments = vec!["check"];
        if let Some(register) = register {
            std::fs::write(&file, register).unwrap();
            arguments.extend(["--config", file.to_str().unwrap()]);
        }
        let mut child = Child::start(&arguments, &environment(&house, &all, &[]), &log);
        (child.ended().await.success(), child.output())
    };
    let (good, said) = check(&[], None).await;
    assert!(good && said.contains("everything answers"), "{said}");
    for (settings, named) in [
        (&[("house.nats_url", "nats://127.0.0.1:1")][..], "house.nats_url"),
        (&[("house.database_url", "postgres://{role}@127.0.0.1:1/nothing")], "house.database_url"),
        (&[("door.no_such_key", "1")], "no_such_key"),
        (&[("intake.poll_ms", "often")], "poll_ms"),
        (&[("notification.smtp_url", "smtps://mail.elsewhere.example:465")], "notification.smtp_url"),
        (&[("notification.smtp_url", "smtps://mail.elsewhere.example:465")], "mail.elsewhere.example"),
    ] {
        let (good, said) = check(settings, None).await;
        assert!(!good, "{settings:?} passed");
        assert!(said.contains(named), "{named} is not named: {said}");
    }
    let entry = |country: &str, more: &str| {
        format!(
            "[[processors.entry]]\nhost = \"mail.elsewhere.example\"\norganisation = \"Elsewhere\"\ncountry = \"{country}\"\ncontract = \"2026-1\"\nchecked_on = \"{}\"\n{more}\n",
            calendar::jst_date(house.clock.now())
        )
    };
    let smtp = [("notification.smtp_url", "smtps://mail.elsewhere.example:465")];
    let (good, said) = check(&smtp, Some(&entry("US", ""))).await;
    assert!(!good && said.contains("basis_abroad") && said.contains("28"), "{said}");
    let (good, said) = check(&smtp, Some(&entry("US", "basis_abroad = \"equivalent set-up 2026-3\""))).await;
    assert!(good, "{said}");
}

/// A folder that the servers' unprivileged user can reach; removed afterwards.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Empty.
    pub fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("madoguchi-{name}-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        std::fs::create_dir_all(&folder).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The processes that `up` has started, by their files.
fn servers(data: &Path) -> Vec<u32> {
    servers_by_name(data).into_values().collect()
}

/// The same with their names, `nats` and `postgres`.
pub fn servers_by_name(data: &Path) -> BTreeMap<String, u32> {
    let pids: Value = serde_json::from_slice(&std::fs::read(data.join("pids.json")).unwrap()).unwrap();
    let pid = |p: &Value| u32::try_from(p["pid"].as_u64().unwrap()).unwrap();
    pids.as_object().unwrap().iter().map(|(name, p)| (name.clone(), pid(p))).collect()
}

/// A process that is there and no zombie.
pub fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn up(folder: &Folder, more: &[&str]) -> Child {
    up_with(folder, more, &[])
}

/// `madoguchi up` with its data in `data` of the folder, and more environment.
pub fn up_with(folder: &Folder, more: &[&str], environment: &[(&str, String)]) -> Child {
    let ready = folder.0.join("ready.json");
    let _ = std::fs::remove_file(&ready);
    let data = folder.0.join("data");
    let arguments =
        [&["up", "--data", data.to_str().unwrap(), "--ready-file", ready.to_str().unwrap(), "--port", "0"], more]
            .concat();
    let mut environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    if std::env::var("MADOGUCHI_SERVERS").is_err() {
        environment.push(("MADOGUCHI_SERVERS".into(), "fetch".into()));
    }
    Child::start(&arguments, &environment, &folder.0.join("up.log"))
}

/// What it says when it is ready.
pub async fn ready(folder: &Folder, up: &Child) -> Value {
    eventually("up is ready", || async {
        std::fs::read(folder.0.join("ready.json")).map_err(|_| up.output()).map(|b| serde_json::from_slice(&b).unwrap())
    })
    .await
}

/// `up`: the ready file, data that survive a stop and a kill -9, one instance per folder, no process left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_keeps_its_data_and_leaves_no_process_behind() {
    let folder = Folder::new("up");
    let data = folder.0.join("data");
    let mut first = up(&folder, &[]);
    let addresses = ready(&folder, &first).await;
    let keys: BTreeSet<&str> = addresses.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, BTreeSet::from(["console", "console_sign_in", "desk", "nats", "ops", "partner", "postgres"]));
    assert!(addresses["console_sign_in"].as_str().unwrap().starts_with(addresses["console"].as_str().unwrap()));
    assert!(!addresses["postgres"].as_str().unwrap().contains('@'), "no password in the file");
    let desk = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
    let receipt = desk.file("one", &story::opt_out_of(&Person::number(1).json())).await.unwrap();
    desk.until(&receipt, "the provisional block", |s| s.blocked_since.is_some()).await.unwrap();

    // A second one on the same folder is told who has it.
    let mut second =
        Child::start(&["up", "--data", data.to_str().unwrap(), "--port", "0"], &[], &folder.0.join("second.log"));
    assert!(!second.ended().await.success());
    assert!(second.output().contains(&first.pid().to_string()), "{}", second.output());
    assert!(first.runs());

    let started = servers(&data);
    assert_eq!(started.len(), 2);
    assert!(first.stop().await.success(), "{}", first.output());
    assert!(started.iter().all(|pid| !lives(*pid)), "a server outlived an orderly stop");

    // Again: the same data. Then killed: at the next start at the latest nothing of it lives.
    let mut third = up(&folder, &[]);
    let addresses = ready(&folder, &third).await;
    let desk = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
    assert!(desk.status(&receipt).await.unwrap().blocked_since.is_some());
    let started = servers(&data);
    third.kill();
    let mut fourth = up(&folder, &[]);
    let addresses = ready(&folder, &fourth).await;
    assert!(started.iter().all(|pid| !lives(*pid) || servers(&data).contains(pid)), "a server outlived the next start");
    let desk = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
    let view = desk.status(&receipt).await.unwrap();
    assert!(view.blocked_since.is_some() && view.step == Step::Verifying && view.ended_as != Some(EndedAs::Withdrawn));
    let started = servers(&data);
    assert!(fourth.stop().await.success());
    assert!(started.iter().all(|pid| !lives(*pid)));
}

/// The second README command: status 0 only if every step of both stories happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_tells_both_stories_and_ends() {
    let folder = Folder::new("demo");
    let data = folder.0.join("data");
    let arguments = ["demo", "--exit", "--port", "0", "--data", data.to_str().unwrap()];
    let mut demo = Child::start(&arguments, &[], &folder.0.join("demo.log"));
    let status = demo.ended().await;
    let told = demo.output();
    assert!(status.success(), "{told}");
    for word in ["DEMO", "Two contractors join", "opt-out", "disclosure", "Every step happened", "trace"] {
        assert!(told.contains(word), "{word} is not told: {told}");
    }
    // What it asks for is somebody's folder: it is not emptied.
    let strange = folder.0.join("strange");
    std::fs::create_dir_all(&strange).unwrap();
    std::fs::write(strange.join("letter.txt"), "mine").unwrap();
    let mut refused = Child::start(
        &["demo", "--exit", "--port", "0", "--data", strange.to_str().unwrap()],
        &[],
        &folder.0.join("refused.log"),
    );
    assert!(!refused.ended().await.success());
    assert!(refused.output().contains("`--data`") && strange.join("letter.txt").exists());
}
