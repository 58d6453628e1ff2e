//! Mails made here: limits, attachments, inner mails.

use mail::{Doubt, FileKind, bytes::TooMuch, read};

fn mail(text: &str) -> mail::Mail {
    read(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

#[test]
fn the_parts_of_a_mail_are_told_apart() {
    let mail = mail(
        "From: =?utf-8?B?5qiZ6K2Y?= <a@example.jp>, \"B, C\" <b@example.jp>\nTo: desk@desk.example\nSubject: s\n\
         Message-ID: <1@example.jp>\nReferences: <0@example.jp> <x@desk.example>\nContent-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain; charset=utf-8\n\n本文\n\
         --c\nContent-Type: text/html\n\n<b>html</b>\n--c--\n\
         --b\nContent-Type: application/pdf; name=\"=?utf-8?B?5qiZ?=.pdf\"\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjcK\n\
         --b\nContent-Type: message/rfc822\n\nFrom: inner@example.jp\nSubject: inner\nContent-Type: multipart/mixed; boundary=d\n\n\
         --d\nContent-Type: text/plain\n\nwithin\n--d\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--d--\n--b--\n",
    );
    let from: Vec<_> = mail.from.iter().map(|m| (&*m.name, &*m.address)).collect();
    assert_eq!(from, [("標識", "a@example.jp"), ("B, C", "b@example.jp")]);
    assert_eq!((&*mail.message_id, mail.references.len()), ("1@example.jp", 2));
    assert!(
        mail.text.starts_with("本文\n") && mail.text.contains("Subject: inner\n") && mail.text.ends_with("within"),
        "{}",
        mail.text
    );
    assert!(!mail.text.contains("html"));
    let files: Vec<_> = mail.attachments.iter().map(|f| (&*f.name, f.kind, f.depth)).collect();
    assert_eq!(files, [("標.pdf", FileKind::Pdf, 0), ("", FileKind::Mail, 0), ("", FileKind::Image, 1)]);
    assert_eq!(mail.attachments[0].bytes, b"%PDF-1.7\n");
    assert!(mail.attachments[0].place.is_some() && mail.attachments[2].place.is_none());
    assert!(mail.doubts.is_empty(), "{:?}", mail.doubts);
}

#[test]
fn the_place_of_a_file_is_what_the_mail_has_there() {
    let text = "From: a@example.jp\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: image/png\n\
        Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n";
    let mail = read(text.as_bytes()).unwrap();
    let place = mail.attachments[0].place.clone().unwrap();
    assert_eq!(text[place].trim_end(), "iVBORw0KGgo=");
}

#[test]
fn html_alone_is_shown_as_text_and_said() {
    let mail = mail(
        "From: a@example.jp\nContent-Type: text/html; charset=utf-8\n\n<p>本文<script>alert(1)</script></p><a href=\"https://x.example\">link</a>\n",
    );
    assert!(mail.text.contains("本文") && mail.text.contains("link") && !mail.text.contains('<'), "{}", mail.text);
    assert!(mail.doubts.contains(&Doubt::HtmlOnly));
}

#[test]
fn what_would_kill_a_parser_is_counted_first() {
    let nested = "Content-Type: message/rfc822\n\n".repeat(50_000);
    assert_eq!(read(nested.as_bytes()).unwrap_err().code(), TooMuch::Nested.code());
    assert_eq!(read(b"").unwrap_err().code(), "not-a-mail");
    assert_eq!(read(b"\n\nno header\n").unwrap_err().code(), "not-a-mail");
    let many = format!(
        "From: a@example.jp\nContent-Type: multipart/mixed; boundary=b\n\n{}",
        "--b\nContent-Type: image/png\n\nx\n".repeat(60)
    );
    let mail = read(many.as_bytes()).unwrap();
    assert_eq!(mail.attachments.len(), 50);
    assert!(mail.doubts.contains(&Doubt::Cut));
}

#[test]
fn nothing_of_a_mail_is_in_its_debug_text() {
    let mail = mail("From: 標識 <hyoshiki@example.jp>\nSubject: 標識\n\n標識\n");
    let text = format!("{mail:?} {:?} {:?} {:?}", mail.from, mail.marks, mail.attachments);
    assert!(!text.contains("標識") && !text.contains("hyoshiki"), "{text}");
}
