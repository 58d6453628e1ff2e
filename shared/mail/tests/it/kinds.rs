//! What a mail is taken for.

use mail::{
    kind::{Arrival, Ours, Silence, classify},
    read,
};

fn of(headers: &str) -> Arrival {
    let ours = Ours { domain: "desk.example".into() };
    classify(&read(format!("{headers}\r\n\r\ntext\r\n").as_bytes()).unwrap(), &ours)
}

fn letter(silence: Option<Silence>) -> Arrival {
    Arrival::Letter { silence }
}

#[test]
fn letters_and_what_machines_write() {
    assert_eq!(of("From: a@example.jp"), letter(None));
    assert_eq!(of("From: a@example.jp\r\nAuto-Submitted: no"), letter(None));
    assert_eq!(of("From: a@example.jp\r\nX-Auto-Response-Suppress: None"), letter(None));
    assert_eq!(of("From: a@example.jp\r\nX-Auto-Response-Suppress: All"), letter(Some(Silence::Suppressed)));
    assert_eq!(of("From: a@example.jp\r\nPrecedence: Bulk"), letter(Some(Silence::Precedence)));
    assert_eq!(of("From: a@example.jp\r\nList-Id: <l.example.jp>"), letter(Some(Silence::List)));
    assert_eq!(of("Subject: nobody"), letter(Some(Silence::NoSender)));
    let automatic = |reason| Arrival::Automatic { reason };
    assert_eq!(of("From: a@example.jp\r\nAuto-Submitted: auto-replied (vacation)"), automatic(Silence::AutoSubmitted));
    assert_eq!(of("From: a@example.jp\r\nReturn-Path: <>"), automatic(Silence::NullSender));
    assert_eq!(of("From: No-Reply@example.jp"), automatic(Silence::Machine));
}

#[test]
fn our_own_mail_that_comes_back_is_a_loop() {
    assert_eq!(of("From: a@example.jp\r\nMessage-ID: <1@Desk.example>"), Arrival::Loop);
    assert_eq!(of("From: a@example.jp\r\nX-Loop: desk.example"), Arrival::Loop);
    assert_eq!(of("From: a@example.jp\r\nMessage-ID: <1@other.example>"), letter(None));
}
