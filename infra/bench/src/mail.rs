//! `mail`: mails of 10 KB read in one thread, as Japanese ones are made: ISO-2022-JP with an attachment. Beside it the same bytes
//! through a process apart each, as intake reads them, and the bare rate at which processes are started.

use crate::report;
use ::mail::apart::Reader;
use anyhow::ensure;
use serde_json::json;
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long each part runs.
const TIME: Duration = Duration::from_secs(3);

fn sample() -> Vec<u8> {
    let mut text = String::from(
        "From: =?iso-2022-jp?B?GyRCJDMbKEI=?= <a@example.jp>\r\nTo: desk@example.jp\r\nSubject: =?utf-8?B?5qiZ6K2Y?=\r\n\
         Message-ID: <1@example.jp>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n",
    );
    while text.len() < 6_000 {
        text.push_str("\u{1b}$B$3$s$K$A$O\u{1b}(B desk\r\n");
    }
    text.push_str("--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    while text.len() < 10_000 {
        text.push_str("JVBERi0xLjcKJVBERi0xLjcKJVBERi0xLjcKJVBERi0xLjcKJVBERi0xLjcK\r\n");
    }
    text.push_str("--b--\r\n");
    text.into_bytes()
}

pub async fn run() -> anyhow::Result<()> {
    let raw = sample();
    let begun = Instant::now();
    let mut read = 0u32;
    while begun.elapsed() < TIME {
        ensure!(::mail::read(&raw).is_ok_and(|mail| mail.attachments.len() == 1), "the sample is not read");
        read += 1;
    }
    let here = f64::from(read) / begun.elapsed().as_secs_f64();

    let program = std::env::current_exe()?;
    let reader = Reader::new(program.clone(), vec!["read-mail".into()], Duration::from_secs(20), 1);
    let begun = Instant::now();
    let mut read = 0u32;
    while begun.elapsed() < TIME {
        ensure!(reader.read(&raw).await.is_ok(), "the process apart does not read the sample");
        read += 1;
    }
    let apart = f64::from(read) / begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let mut started = 0u32;
    while begun.elapsed() < TIME {
        let mut child = Command::new(&program).arg("read-mail").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        child.wait()?;
        started += 1;
    }
    let starts = f64::from(started) / begun.elapsed().as_secs_f64();
    report::print(
        "mail",
        json!({ "bytes": raw.len(), "read_per_second": here, "read_apart_per_second": apart }),
        json!({ "read_per_second": 500.0, "bare_starts_per_second": starts }),
        json!({ "read": here / 500.0, "apart": apart / starts }),
        0,
    );
    Ok(())
}
