//! The offline gate as a command: statuses, files, and what is never left behind.

use super::*;
use clap::Parser;
use ed25519_dalek::SigningKey;
use gate::{GateKey, MasterKey, Person, Rules, index::Standing, key};

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    step: GateStep,
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A snapshot of one stopped person, and its key file.
    fn new() -> Self {
        let master = MasterKey::new([5; 32].into());
        let (signing, bytes) = (SigningKey::from_bytes(&master.of_signing()), master.of_core_zone());
        let mut person = Person::new();
        for (part, value) in [(Part::Kana, "ヤマダハナコ"), (Part::BirthDate, "1980-02-29"), (Part::Sex, "2")] {
            person.set(part, value).unwrap();
        }
        let rules = Rules::built_in();
        let stands = Standing {
            entry: uuid::Uuid::from_u128(1),
            scope: Scope::Both,
            suppliers: None,
            keys: key::digests(&rules, &person, false),
        };
        let mut records = vec![];
        stands.records(&GateKey::new(&bytes), &rules, false, &mut records);
        let manifest = Manifest {
            format: 1,
            user: Code::of("core-zone"),
            as_of: AsOf { epoch: 1, position: 7 },
            made_at: "2026-11-22T00:00:00Z".parse().unwrap(),
            expires_at: "2026-11-23T00:00:00Z".parse().unwrap(),
            rules,
            insurance: false,
            filings: vec![],
            records: 0,
            sha256: String::new(),
        };
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let mut file = File::create(place.at("s")).unwrap();
        snapshot::write(&mut file, manifest, records, &signing).unwrap();
        let keys = KeyFile::new(Code::of("core-zone"), &bytes, &signing);
        std::fs::write(place.at("k"), serde_json::to_string(&keys).unwrap()).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn check(&self, now: &str, text: &str, more: &[&str]) -> Status {
        std::fs::write(self.at("in.csv"), text).unwrap();
        let path = |name| self.at(name).display().to_string();
        let mut line: Vec<String> = ["gate", "check", "--snapshot", &path("s"), "--key", &path("k"), "--track", "both"]
            .map(str::to_owned)
            .into();
        line.extend(more.iter().map(|m| (*m).to_owned()));
        if !more.contains(&"--flow") {
            line.extend(["--flow".to_owned(), "use".to_owned()]);
        }
        line.extend([path("in.csv"), path("out.csv")]);
        match Line::try_parse_from(line).unwrap().step {
            GateStep::Check(args) => check(&args, now.parse().unwrap()).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

const NOON: &str = "2026-11-22T12:00:00Z";
const ROWS: &str = "カナ,生年月日,性別\nヤマダ ハナコ,1980-02-29,女\nスズキ,1975-05-05,男\n";

#[test]
fn given_a_good_snapshot_when_a_file_is_checked_offline_then_the_output_is_whole_and_the_status_says_so() {
    let place = Place::new();
    assert_eq!(place.check(NOON, ROWS, &["--require-position", "1.7"]), Status::Judged);
    assert_eq!(std::fs::read_to_string(place.at("out.csv")).unwrap(), "カナ,生年月日,性別\nスズキ,1975-05-05,男\n");
    let report = std::fs::read_to_string(place.at("out.csv.report.ndjson")).unwrap();
    assert!(report.contains(r#""line":2"#) && report.lines().count() == 1, "{report}");
    assert_eq!(place.check(NOON, &format!("{ROWS}x,y\n"), &["--mode", "mark"]), Status::SomeBad);
    assert!(std::fs::read_to_string(place.at("out.csv")).unwrap().contains("女,exact\n"));
    let own = "yomi,born\nヤマダハナコ,1980-02-29\n";
    assert_eq!(place.check(NOON, own, &["--column", "kana=yomi", "--column", "birth-date=born"]), Status::Judged);
}

#[test]
fn given_an_old_late_or_changed_snapshot_when_a_file_is_checked_then_do_not_use_and_no_output() {
    let place = Place::new();
    let none = |status: Status, wanted: Status| {
        assert_eq!(status, wanted);
        assert!(!place.at("out.csv").exists() && !place.at("out.csv.part").exists());
    };
    none(place.check("2026-11-23T00:00:00Z", ROWS, &[]), Status::DoNotUse);
    none(place.check("2026-11-20T00:00:00Z", ROWS, &[]), Status::DoNotUse);
    none(place.check(NOON, ROWS, &["--require-position", "8"]), Status::DoNotUse);
    none(place.check(NOON, ROWS, &["--require-position", "2.1"]), Status::DoNotUse);
    // The second block and what cannot be checked have a status of their own.
    none(place.check(NOON, ROWS, &["--flow", "hospital-supply", "--supplier", "0110113719"]), Status::Refused);
    none(place.check(NOON, "カナ,個人番号\n", &[]), Status::Refused);
    let mut bytes = std::fs::read(place.at("s")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(place.at("s"), bytes).unwrap();
    none(place.check(NOON, ROWS, &[]), Status::DoNotUse);
}
