//! The process apart, for real.

use mail::apart::{Crash, Reader};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    time::Duration,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_read-mail");

fn reader() -> Reader {
    Reader::new(PROGRAM.into(), vec![], Duration::from_secs(60), 2)
}

fn shell(script: &str, wall: Duration) -> Reader {
    Reader::new("/bin/sh".into(), vec!["-c".into(), script.into()], wall, 1)
}

#[tokio::test]
async fn a_mail_comes_back_as_it_is_read_here() {
    let raw = "From: 標識 <a@example.jp>\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n本文\r\n\
        --b\r\nContent-Type: image/png\r\n\r\n\u{1}\r\n--b--\r\n";
    assert!(reader().read(raw.as_bytes()).await.unwrap() == mail::read(raw.as_bytes()).unwrap());
    for (_, raw) in crate::corpus::samples().iter().take(5) {
        assert!(reader().read(raw).await.unwrap() == mail::read(raw).unwrap());
    }
}

#[tokio::test]
async fn mails_that_kill_end_their_own_process_and_no_other() {
    let reader = reader();
    let nested = "Content-Type: message/rfc822\n\n".repeat(100_000);
    assert_eq!(reader.read(nested.as_bytes()).await, Err(Crash::Unreadable("too-deep".into())));
    assert_eq!(
        reader.read(&vec![b'\n'; mail::bytes::BYTES_MAX + 1]).await,
        Err(Crash::Unreadable("too-many-bytes".into()))
    );
    assert_eq!(reader.read(b"").await, Err(Crash::Unreadable("not-a-mail".into())));
    assert!(reader.read(b"From: a@example.jp\n\nstill here\n").await.is_ok());
}

#[tokio::test]
async fn a_child_that_does_something_else_is_told_apart() {
    let soon = Duration::from_millis(200);
    let long = Duration::from_secs(60);
    assert_eq!(shell("cat > /dev/null; while :; do :; done", soon).read(b"x").await, Err(Crash::Late));
    assert_eq!(shell("kill -9 $$", long).read(b"x").await, Err(Crash::Died));
    assert_eq!(shell("cat > /dev/null; exit 3", long).read(b"x").await, Err(Crash::Died));
    assert_eq!(shell("cat > /dev/null; echo '{}'", long).read(b"x").await, Err(Crash::Garbled));
    let nowhere = Reader::new("/no/such/program".into(), vec![], long, 1);
    assert_eq!(nowhere.read(b"x").await, Err(Crash::NotStarted));
}

/// The limits are the operating system's: they hold whatever the parser does.
#[test]
fn the_child_has_given_up_what_it_does_not_need() {
    let mut child = Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds: when all of it is written, the child has begun to read, and that is after its limits.
    stdin.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap();
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|l| l.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max address space"), (1024 * 1024 * 1024).to_string());
    assert_eq!(
        (limit("Max cpu time"), limit("Max file size"), limit("Max core file size")),
        ("10".into(), "0".into(), "0".into())
    );
    assert!(of("status").contains("NoNewPrivs:\t1"));
    drop(stdin);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.starts_with("madoguchi mail 1 "), "{said}");
    assert!(child.wait().unwrap().success());
}
