//! The samples beside this repository, where they are: none may panic, lose text, or be taken for something else.

use mail::{
    Doubt, Mail,
    bounce::Bounce,
    kind::{Arrival, Ours, classify},
};
use std::{collections::BTreeMap, path::PathBuf};

fn folder() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/mail");
    path.is_dir().then_some(path)
}

pub fn samples() -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder() else { return vec![] };
    let mut found = vec![];
    for group in std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(group.path()).unwrap().flatten() {
            let path = file.path();
            if path.extension().is_some_and(|e| e == "eml") {
                found.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn read(name: &str) -> Option<Mail> {
    let raw = samples().into_iter().find(|(known, _)| known == name)?.1;
    Some(mail::read(&raw).unwrap())
}

#[test]
fn every_sample_is_read_and_none_is_lost() {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, raw) in samples() {
        let mail = mail::read(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
        // One has nothing but a horizontal rule.
        let is_empty = mail.text.is_empty() && mail.attachments.is_empty();
        assert_eq!(is_empty, name == "bad_date_header.eml", "{name}: nothing is shown");
        assert!(!mail.text.contains('\u{fffd}') || mail.doubts.contains(&Doubt::Undefined), "{name}");
        *counted.entry(classify(&mail, &Ours::default()).word()).or_default() += 1;
    }
    if !samples().is_empty() {
        eprintln!("{counted:?}");
        assert!(counted["letter"] >= 20 && counted["bounce"] >= 28 && counted["automatic"] >= 3, "{counted:?}");
    }
}

/// What a mail reader shows of Japanese mails: subject and the beginning of the text.
#[test]
fn japanese_mails_are_shown_as_they_were_written() {
    let wanted = [
        ("au-emoji.eml", "題名〓", "本文〓\nFor au"),
        ("docomo-emoji.eml", "題名〓", "本文〓\nFor docomo"),
        ("docomo-jis.eml", "テスト", "テスト"),
        ("iphone-jis.eml", "", "(=\u{ff9f}ω\u{ff9f})ﾉ"),
        ("iphone-cp932.eml", "Re: 【NKSC】test", "テストです。㈱"),
        ("softbank-gmail-utf8.eml", "テストです〓", "テストです〓"),
        ("japanese_iso_2022.eml", "まみむめも", "すみません。"),
        ("japanese_shift_jis.eml", "test", "あいうえお\n\nこのメールはテスト用のメールです。"),
        (
            "pc-mail-single.eml",
            "タイトルの長いメールの場合の対処を実装するためのテストケースとしてのメールに含まれている件名であるサブジェクト部分",
            "本文です",
        ),
        ("au-decomail.eml", "テスト〓", "テストです〓"),
    ];
    for (name, subject, text) in wanted {
        let Some(mail) = read(name) else { continue };
        assert_eq!(mail.subject, subject, "{name}");
        assert!(mail.text.starts_with(text), "{name}: {}", mail.text);
    }
}

/// One line of `expected.tsv`.
struct Expected {
    status: String,
    reply_code: String,
    reason: String,
    is_hard: bool,
}

#[test]
fn bounces_are_told_as_others_tell_them() {
    let Some(folder) = folder() else { return };
    let table = std::fs::read_to_string(folder.join("dsn/expected.tsv")).unwrap();
    let (mut rows, mut same, mut wrong) = (0, 0, vec![]);
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let wanted = Expected {
            status: fields[2].into(),
            reply_code: fields[3].into(),
            reason: fields[4].into(),
            is_hard: fields[5] == "true",
        };
        let mail = read(fields[0]).unwrap();
        let arrival = classify(&mail, &Ours::default());
        let bounce = match &arrival {
            Arrival::Bounce { bounces, .. } => bounces.get(fields[1].parse::<usize>().unwrap() - 1).cloned(),
            _ => None,
        };
        rows += 1;
        if agrees(&arrival, bounce.as_ref(), &wanted) {
            same += 1;
        } else {
            wrong.push(format!("{line}: {} {bounce:?}", arrival.word()));
        }
    }
    assert!(same * 100 >= rows * 95, "{same} of {rows}:\n{}", wrong.join("\n"));
    for name in ["is-not-bounce-01.eml", "is-not-bounce-02.eml"] {
        assert_ne!(classify(&read(name).unwrap(), &Ours::default()).word(), "bounce", "{name}");
    }
}

/// Their status where it is one of the report (theirs of the form 5.0.9xx is made up for a reason without one), their hardness.
fn agrees(arrival: &Arrival, bounce: Option<&Bounce>, wanted: &Expected) -> bool {
    match &*wanted.reason {
        "vacation" => arrival.word() == "automatic",
        "feedback" => arrival.word() == "feedback",
        _ => bounce.is_some_and(|bounce| {
            let made_up = wanted.status.starts_with("5.0.9") || wanted.status.ends_with(".0.0");
            let status = made_up || bounce.status == wanted.status;
            let code = wanted.reply_code.is_empty() || bounce.reply_code == wanted.reply_code;
            status && code && bounce.is_hard == wanted.is_hard
        }),
    }
}

/// The samples with bytes changed, cut and doubled: whatever comes out, something comes out.
#[test]
fn samples_that_were_damaged_on_their_way_make_nothing_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    for (_, raw) in samples() {
        for _ in 0..20 {
            let mut damaged = raw.clone();
            for _ in 0..1 + random(20) {
                let at = random(damaged.len());
                match random(4) {
                    0 => damaged[at] = random(256) as u8,
                    1 => damaged.truncate(at.max(1)),
                    2 => {
                        let again = damaged[at..].to_vec();
                        damaged.extend(again.into_iter().take(2_000));
                    }
                    _ => {
                        damaged.remove(at);
                    }
                }
                if damaged.is_empty() {
                    damaged.push(b'x');
                }
            }
            if let Ok(mail) = mail::read(&damaged) {
                let _ = classify(&mail, &Ours::default());
            }
        }
    }
}
