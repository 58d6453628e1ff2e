use super::*;
use clap::Parser;
use contracts::{
    Digest, InstructionId, Measure, Scope,
    recipient::{Instruction, InstructionData, InstructionSource, InstructionType},
};
use privacy_seal::Personal;
use recipient_kit::{
    Identifiers, ReportSigner, identifiers,
    sealed_file::{Manifest, open_reports, pack},
};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    step: Step,
}

const ME: RecipientId = RecipientId(Uuid::from_u128(1));
/// Where the parent of a run without a network listens.
const PARENT: &str = "MADOGUCHI_TEST_PARENT";

/// A recipient's machine: its keys, and what was carried in.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
    fn keys(&self) -> RecipientKeys {
        std::fs::create_dir_all(self.at("keys")).unwrap();
        RecipientKeys::load_or_create(Path::new(&self.at("keys"))).unwrap()
    }
    fn run(&self, words: &[&str]) -> anyhow::Result<()> {
        let (keys, folder, me) = (self.at("keys"), self.at("folder"), ME.to_string());
        let common = ["--recipient", &me, "--keys", &keys, "--folder", &folder];
        run(Line::parse_from(["file"].iter().chain(words).chain(&common)).step)
    }
    fn carried_in(&self, name: &str, first: i64, last: i64) -> String {
        let keys = self.keys();
        let bodies: Vec<Vec<u8>> = (first..=last).map(|position| body(&keys, position)).collect();
        let manifest = Manifest {
            recipient: ME,
            export: Uuid::from_u128(first as u128),
            epoch: 1,
            made_at: "2026-11-22T01:00:00Z".parse().unwrap(),
            first,
            last,
            issued: last,
            contents: Digest([0; 32]),
        };
        std::fs::write(self.at(name), pack(manifest, &bodies, &keys.sealing_public(), &desk()).unwrap()).unwrap();
        self.at(name)
    }
}

fn desk() -> ReportSigner {
    ReportSigner::ed25519(&[9; 32])
}
fn desk_key_text() -> String {
    format!("whpk_{}", STANDARD.encode(desk().public().to_bytes()))
}

fn body(keys: &RecipientKeys, position: i64) -> Vec<u8> {
    let id = InstructionId(Uuid::from_u128(100 + position as u128));
    let person = Identifiers {
        kana: "ヤマダハナコ".into(),
        birth_date: "1980-02-29".parse().unwrap(),
        name: None,
        sex: None,
        hospitals: vec![],
    };
    let instruction = Instruction {
        specversion: Default::default(),
        id,
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: ME,
        time: "2026-11-22T00:00:00Z".parse().unwrap(),
        expirytime: "2026-11-29T00:00:00Z".parse().unwrap(),
        datacontenttype: Default::default(),
        data: InstructionData {
            representation: Default::default(),
            audience: ME,
            epoch: 1,
            position,
            entry: Uuid::from_u128(position as u128),
            entry_version: 1,
            measure: Measure::Stop,
            scope: Scope::Both,
            person: identifiers::sealed(&keys.sealing_public(), id, &Personal::new(person)).unwrap(),
            erase: None,
        },
    };
    serde_json::to_vec(&instruction).unwrap()
}

#[test]
fn a_file_is_opened_answered_in_the_sheet_and_reported() {
    let machine = Machine::new();
    let (file, key) = (machine.carried_in("in", 1, 2), desk_key_text());
    machine.run(&["open", &file, "--desk-key", &key]).unwrap();
    let found: Vec<PathBuf> = std::fs::read_dir(machine.at("folder")).unwrap().map(|e| e.unwrap().path()).collect();
    let csv = found.iter().find(|p| p.extension().is_some_and(|e| e == "csv")).unwrap();
    let sheet = std::fs::read_to_string(csv).unwrap();
    assert!(sheet.contains("ヤマダハナコ") && found.len() == 3, "{found:?}");
    // A word that is none: named, and nothing was signed.
    let filled = |word: &str| {
        let mut lines: Vec<String> = sheet.lines().map(str::to_owned).collect();
        let mut cells: Vec<&str> = lines[1].split(',').collect();
        cells[10] = word;
        lines[1] = cells.join(",");
        std::fs::write(machine.at("sheet"), lines.join("\r\n")).unwrap();
        machine.at("sheet")
    };
    let out = machine.at("out");
    let error = machine.run(&["report", "--answers", &filled("done"), "--out", &out]).unwrap_err();
    assert!(error.to_string().contains("nothing was signed") && !Path::new(&out).exists());
    machine.run(&["report", "--answers", &filled("措置済み"), "--out", &out]).unwrap();
    let back = std::fs::read(&out).unwrap();
    let read = open_reports(&back, ME, &[machine.keys().signing.public()]).unwrap();
    assert!(read.whole && read.lines.len() == 2, "one outcome, one 受領");
    // The same as NDJSON, and never over a file that is there.
    let answer = format!("{{\"instruction\":\"{}\",\"outcome\":\"no-data-held\"}}\n", Uuid::from_u128(102));
    std::fs::write(machine.at("answers"), answer).unwrap();
    assert!(machine.run(&["report", "--answers", &machine.at("answers"), "--out", &out]).is_err());
    machine.run(&["report", "--answers", &machine.at("answers"), "--out", &machine.at("out2")]).unwrap();
}

#[test]
fn what_is_missing_changed_or_by_a_stranger_ends_with_an_error() {
    let machine = Machine::new();
    let key = desk_key_text();
    let stranger = format!("whpk_{}", STANDARD.encode(ReportSigner::ed25519(&[8; 32]).public().to_bytes()));
    let file = machine.carried_in("in", 1, 2);
    assert!(machine.run(&["open", &file, "--desk-key", &stranger]).is_err());
    assert!(machine.run(&["open", &file, "--desk-key", "whpk_AAAA"]).is_err());
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(machine.at("changed"), bytes).unwrap();
    assert!(machine.run(&["open", &machine.at("changed"), "--desk-key", &key]).is_err());
    assert!(machine.run(&["open", &machine.carried_in("later", 4, 4), "--desk-key", &key]).is_err(), "a gap");
    let error = machine.run(&["open", &file, "--desk-key", &key]).unwrap_err();
    assert!(error.to_string().contains("positions are missing"), "3 is still missing: {error}");
    machine.run(&["open", &machine.carried_in("between", 3, 3), "--desk-key", &key]).unwrap();
    assert!(machine.run(&["report", "--out", &machine.at("out")]).is_ok());
}

/// What the other tests of this module and those of the offline gate rely on when they run without a network.
#[test]
fn there_is_a_network_or_there_is_none() {
    match std::env::var(PARENT) {
        Ok(parent) => assert!(std::net::TcpStream::connect(parent).is_err(), "this machine should have no network"),
        Err(_) => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            assert!(std::net::TcpStream::connect(listener.local_addr().unwrap()).is_ok());
        }
    }
}

/// Row 81: files and snapshots are carried in; the tool works on a machine that has no network at all. The same tests again,
/// in a namespace without an interface (Linux; needs unprivileged user namespaces).
#[test]
fn row_81_files_and_snapshots_work_on_a_machine_without_a_network() {
    if std::env::var(PARENT).is_ok() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let run = std::process::Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(std::env::current_exe().unwrap())
        .args(["kit_file::tests", "gate::tests"])
        .env(PARENT, listener.local_addr().unwrap().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    for test in
        ["a_file_is_opened_answered_in_the_sheet_and_reported ... ok", "there_is_a_network_or_there_is_none ... ok"]
    {
        assert!(said.contains(test), "{said}");
    }
    assert!(said.matches("gate::tests::").count() >= 2, "the offline gate's tests ran too: {said}");
}
