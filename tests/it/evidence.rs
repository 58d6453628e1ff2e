//! 証跡: what the house can prove about a case, checked as a stranger would: offline, from one file.

use crate::{
    journey::{
        child::Child,
        contractors::{by_webhook, over_nats},
        desk::{Desk, environment},
        mails,
        people::{Person, deposits, disclosure, opt_out},
    },
    processes::{Folder, ready, up_with},
};
use chassis::{checkpoint, sealer};
use console::By;
use contracts::Service;
use evidence::{
    Evidence, File, VerifierKey,
    checkpoint::Checkpoint,
    file::{Copy, Hex},
    verify,
};
use launcher::{evidence::export, story};
use sqlx::Connection;

fn parsed(bytes: &[u8]) -> (File, Evidence) {
    let file: File = serde_json::from_slice(bytes).unwrap();
    let evidence = serde_json::from_slice(&file.payload.0).unwrap();
    (file, evidence)
}

fn account(bytes: &[u8], key: &VerifierKey) -> String {
    verify(bytes, Some(key)).unwrap_or_else(|failure| panic!("{failure}")).lines.join("\n")
}

/// Everything of a file in the clear, also what stands in base64.
fn unwrapped(evidence: &Evidence) -> String {
    let mut all = serde_json::to_string(evidence).unwrap();
    for event in &evidence.events {
        all += &String::from_utf8_lossy(&event.event.0);
    }
    for delivery in evidence.instructions.iter().filter_map(|i| i.delivery.as_ref()) {
        all += &String::from_utf8_lossy(&delivery.head.0);
        all += &String::from_utf8_lossy(&delivery.tail.0);
    }
    all
}

fn in_order(text: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        from += text[from..].find(part).unwrap_or_else(|| panic!("`{part}` is not there, or too early:\n{text}"));
    }
}

/// An opt-out to two contractors is proved by one file: signed, every event in its log, every report by its recipient's key. The
/// file stays valid when the case is erased and when its sealed parts are taken out; what is exported afterwards is proved too,
/// by a log that was only appended to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opt_out_is_proved_by_one_file_also_after_the_case_is_erased() {
    let desk = Desk::open().await;
    let contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    let person = Person::number(1);
    let filed = opt_out(&desk, &person).await;
    for contractor in &contractors {
        contractor.has_applied(1).await;
    }
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 3).await;
    let key = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    let first = export(&desk.rt, filed.case, Copy::Full).await.unwrap();
    let said = account(&first, &key);
    in_order(
        &said,
        &["the request arrived", "BLOCK", "STOP", "INSTRUCTED", "RECEIVED", "REPORTED: applied", "CONFIRMED: all 2"],
    );
    for contractor in ["core-data (contractor): applied", "analysis (contractor): applied"] {
        assert!(said.contains(contractor), "{said}");
    }
    let (file, evidence) = parsed(&first);
    assert_eq!(evidence.instructions.len(), 2);
    for one in &evidence.instructions {
        let delivery = one.delivery.as_ref().unwrap();
        assert!(!one.reports.is_empty() && !delivery.attempts.is_empty(), "{one:?}");
        assert!(file.sealed.contains_key(&delivery.identifiers), "the identifiers stand in the part that may go");
    }
    let documents: Vec<&str> = evidence.documents.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(documents, ["request", "register-entry"]);
    let clear = unwrapped(&evidence);
    for secret in [&person.name, &person.kana, &person.mail, &person.birth_date.to_string()] {
        assert!(!clear.contains(secret.as_str()), "{secret} stands in the clear");
    }

    let by = By::new(desk.staff, "the time is over");
    desk.obeyed("the case is erased", || desk.commands.erase(by, filed.case)).await;
    assert_eq!(account(&first, &key), said, "the earlier file proves what it proved");
    let second = export(&desk.rt, filed.case, Copy::Full).await.unwrap();
    in_order(
        &account(&second, &key),
        &["BLOCK", "CONFIRMED: all 2", "erasure of the personal data is ordered", "destroyed"],
    );
    let (mut after, evidence) = parsed(&second);
    assert!(evidence.documents.iter().all(|d| d.what != "request"), "what the person filed is gone");
    let log = evidence.logs.iter().find(|l| l.service == "intake").unwrap();
    assert!(log.earlier.is_some(), "the log grew, and was only appended to");
    assert_eq!(after.sealed.len(), 3, "an entry of the register and two bodies");
    after.sealed.clear();
    let said = account(&after.to_bytes(), &key);
    assert!(
        said.ends_with("3 sealed part(s) were taken out, or are not in this copy: nothing else loses its proof."),
        "{said}"
    );
    after.payload.0[1000] ^= 1;
    assert!(verify(&after.to_bytes(), Some(&key)).is_err());
}

/// The person's copy names who was told and what came of it, each proved; and nothing by which anybody else could be reached,
/// recognised or impersonated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_persons_copy_has_no_secret_of_anybody_else() {
    let desk = Desk::open().await;
    let _contractors = [over_nats(&desk, "core-data").await, by_webhook(&desk, "analysis").await];
    let filed = opt_out(&desk, &Person::number(2)).await;
    let key = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    let bytes = export(&desk.rt, filed.case, Copy::Person).await.unwrap();
    let said = account(&bytes, &key);
    in_order(&said, &["the person's copy", "BLOCK", "STOP", "CONFIRMED: all 2 recipient(s)", "Who was told"]);
    for contractor in ["core-data (contractor): applied", "analysis (contractor): applied"] {
        assert!(said.contains(contractor), "{said}");
    }
    let (file, evidence) = parsed(&bytes);
    assert!(file.sealed.is_empty() && evidence.documents.is_empty());
    let clear = unwrapped(&evidence);
    let mut secrets: Vec<String> = vec!["http://".into(), "127.0.0.1".into(), desk.staff.0.to_string()];
    let mut db = desk.admin().await;
    for sql in [
        "select id::text from optout.recipient",
        "select encode(report_key, 'base64') from optout.recipient",
        "select report_key_id from optout.recipient",
        "select encode(sealing_key, 'base64') from optout.recipient",
        "select nats_account from optout.recipient where nats_account is not null",
        "select id::text from optout.endpoint",
        "select instruction::text from optout.delivery",
        "select entry::text from optout.delivery",
    ] {
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut db).await.unwrap();
        assert!(!found.is_empty(), "{sql}");
        secrets.extend(found);
    }
    for secret in secrets {
        assert!(!clear.contains(&secret), "{secret} stands in the person's copy");
    }
}

/// Checkpoints are signed by the service itself, by its own key, and stay as they are; two of them are provably one log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_signs_how_its_log_stands_and_never_takes_it_back() {
    let desk = Desk::open().await;
    opt_out(&desk, &Person::number(3)).await;
    let epoch = desk.bus.epoch();
    let db = desk.rt.db("optout").await.unwrap();
    let key = checkpoint::key(desk.rt.keys_dir(), Service::OptOut, epoch).unwrap();
    let note = testkit::eventually("the sealer signs", || async {
        checkpoint::newest(db.pool(), epoch).await.unwrap().ok_or("no checkpoint")
    })
    .await;
    let stood = Checkpoint::open(&note, &key.verifier()).unwrap();
    assert_eq!(stood.origin, format!("madoguchi/optout/{epoch}"));
    let published = reqwest::get(format!("{}/partner/v1/checkpoint", desk.partner_url)).await.unwrap();
    assert_eq!(published.text().await.unwrap(), note, "anybody may keep it");
    let mut own = db.own_connection().await.unwrap();
    checkpoint::sign(&mut own, &key, epoch, false).await.unwrap();
    assert_eq!(checkpoint::newest(db.pool(), epoch).await.unwrap(), Some(note), "at most one a minute");
    for sql in ["update checkpoint set note = note", "delete from checkpoint"] {
        let error = sqlx::query(sql).execute(&mut own).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{sql}: {error}");
    }
    let error =
        sqlx::query("update optout.checkpoint set note = note").execute(&mut desk.admin().await).await.unwrap_err();
    assert!(error.to_string().contains("insert only"), "{error}");
    own.close().await.unwrap();
}

/// The commands as they are typed, against a desk that `up` runs, and offline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_exports_from_a_running_desk_and_verifies_offline() {
    let folder = Folder::new("evidence");
    let mut desk = up_with(&folder, &[], &[]);
    let addresses = ready(&folder, &desk).await;
    let public = story::Desk::new(addresses["desk"].as_str().unwrap()).unwrap();
    let receipt = public.file("one", &story::opt_out_of(&Person::number(4).json())).await.unwrap();
    public.until(&receipt, "the provisional block", |s| s.blocked_since.is_some()).await.unwrap();
    let (data, out) = (folder.0.join("data"), folder.0.join("evidence.json"));
    let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
    let run = async |arguments: &[&str]| -> (bool, String) {
        let log = folder.0.join(format!("run-{:08x}.log", rand::random::<u32>()));
        let mut child = Child::start(arguments, &[], &log);
        (child.ended().await.success(), child.output())
    };
    let (good, said) = run(&["evidence", "export", &receipt.receipt_number, "--out", out, "--data", data]).await;
    assert!(good, "{said}");
    let (good, said) = run(&["evidence", "export", &receipt.receipt_number, "--out", out, "--data", data]).await;
    assert!(!good && said.contains("`--out`"), "written over: {said}");
    let (good, said) = run(&["evidence", "key", "--data", data]).await;
    let key = said.lines().find(|l| l.starts_with("madoguchi/evidence+")).unwrap_or_default().to_owned();
    assert!(good && key.parse::<VerifierKey>().is_ok(), "{said}");
    assert!(desk.stop().await.success());

    // Nothing of the desk runs any more.
    let (good, said) = run(&["evidence", "verify", out, "--key", &key]).await;
    assert!(good && said.contains("BLOCK") && said.contains("signed by the key that you gave"), "{said}");
    let mut file: File = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    let digest: Hex = *file.sealed.keys().next().unwrap();
    file.sealed.get_mut(&digest).unwrap().0[0] ^= 1;
    std::fs::write(out, file.to_bytes()).unwrap();
    let (good, said) = run(&["evidence", "verify", out]).await;
    assert!(!good && said.contains(&format!("DOES NOT VERIFY: sealed[{digest}]")), "{said}");
    let (good, said) = run(&["evidence", "export", "nobody", "--data", data]).await;
    assert!(!good, "a desk that does not run: {said}");
}

/// Services that run apart are found by a configuration. Where the keys of their logs are not at hand, what they signed
/// themselves is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_is_found_by_its_configuration_and_needs_no_key_of_its_logs() {
    let desk = Desk::open().await;
    let person = Person::number(5);
    let filed = opt_out(&desk, &person).await;
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 3).await;
    for service in ["intake", "identity", "payment", "fulfilment", "optout", "notification"] {
        let service = Service::ALL.iter().find(|s| s.token() == service).unwrap();
        let key = checkpoint::key(desk.rt.keys_dir(), *service, desk.bus.epoch()).unwrap();
        let mut own = desk.rt.db(service.token()).await.unwrap().own_connection().await.unwrap();
        while sealer::seal(&mut own).await.unwrap() > 0 {}
        checkpoint::sign(&mut own, &key, desk.bus.epoch(), true).await.unwrap();
    }
    let (config, keys) = (desk.house.folder().join("empty.toml"), desk.house.folder().join("keys-elsewhere"));
    std::fs::write(&config, "").unwrap();
    std::fs::create_dir(&keys).unwrap();
    let out = desk.house.folder().join("evidence.json");
    let case = filed.case.to_string();
    let arguments = ["evidence", "export", &case, "--out", out.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let settings = [("house.keys_dir".to_owned(), keys.display().to_string())];
    let environment = environment(&desk.house, &settings, &[]);
    let mut child = Child::start(&arguments, &environment, &desk.house.folder().join("export.log"));
    assert!(child.ended().await.success(), "{}", child.output());
    let made: Vec<_> = std::fs::read_dir(&keys).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(made, ["house.evidence"], "the key of the house, and none of a log");
    let bytes = std::fs::read(&out).unwrap();
    assert!(verify(&bytes, None).is_ok());
    let ours = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    assert_eq!(verify(&bytes, Some(&ours)).unwrap_err().place, "signatures", "another house's key");
}

/// A disclosure: the request, the money, the decision with its ground, and what was sealed of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disclosure_is_proved_with_its_decision() {
    let desk = Desk::open().await;
    let filed = disclosure(&desk, &Person::number(6), &deposits()).await;
    let key = launcher::evidence::key(desk.rt.keys_dir()).unwrap().verifier();
    let bytes = export(&desk.rt, filed.case, Copy::Full).await.unwrap();
    let said = account(&bytes, &key);
    in_order(
        &said,
        &["the request arrived (disclosure)", "the fee is asked for", "decided: full on the ground appi-33-2"],
    );
    let (_, evidence) = parsed(&bytes);
    let logs: Vec<&str> = evidence.logs.iter().map(|l| l.service.as_str()).collect();
    assert!(["intake", "identity", "payment", "fulfilment"].iter().all(|l| logs.contains(l)), "{logs:?}");
    assert!(evidence.documents.iter().any(|d| d.what == "answer"), "{:?}", evidence.documents);
    let person = export(&desk.rt, filed.case, Copy::Person).await.unwrap();
    let said = account(&person, &key);
    assert!(said.contains("decided: full on the ground appi-33-2"), "{said}");
    assert!(
        !unwrapped(&parsed(&person).1).contains(&desk.staff.0.to_string()),
        "who decided is the house's own matter"
    );
}
