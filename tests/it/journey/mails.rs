//! The mails of a desk without a mail host: one `.eml` file per notice.

use super::desk::{Desk, STATUS_PAGE};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::Path;
use testkit::eventually;

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Header lines, unfolded.
    pub headers: Vec<(String, String)>,
    /// The text, decoded.
    pub body: String,
}

impl Mail {
    /// Reads one; anything unexpected in its form is the test's failure.
    pub fn read(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers: Vec<(String, String)> =
            head.lines().map(|l| l.split_once(": ").unwrap()).map(|(k, v)| (k.to_lowercase(), v.to_owned())).collect();
        let mut mail = Self { headers, body: String::new() };
        mail.body = match mail.header("content-transfer-encoding") {
            "base64" => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
            "quoted-printable" => quoted_printable(body),
            "7bit" | "8bit" => body.to_owned(),
            other => panic!("an encoding that nobody reads: {other}"),
        };
        mail
    }
    /// One header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(k, _)| k == name).map_or("", |(_, v)| v)
    }
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = joined.bytes();
    let mut out = vec![];
    while let Some(b) = bytes.next() {
        let hex = |b: Option<u8>| char::from(b.unwrap()).to_digit(16).unwrap() as u8;
        out.push(if b == b'=' { hex(bytes.next()) * 16 + hex(bytes.next()) } else { b });
    }
    String::from_utf8(out).unwrap()
}

/// Every mail to an address.
pub fn to(folder: &Path, address: &str) -> Vec<Mail> {
    all(folder).into_iter().filter(|m| m.header("to").contains(address)).collect()
}

/// Every mail.
pub fn all(folder: &Path) -> Vec<Mail> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|f| f.unwrap().path());
    files
        .filter(|f| f.extension().is_some_and(|e| e == "eml"))
        .map(|f| Mail::read(&std::fs::read(f).unwrap()))
        .collect()
}

/// Waits for so many mails to an address, and reads them: receipt number and link, and nothing else of the case.
pub async fn are(desk: &Desk, address: &str, receipt_number: &str, number: usize) {
    let folder = desk.mail_folder();
    let mails = eventually("the mails", || async {
        let mails = to(&folder, address);
        if mails.len() >= number { Ok(mails) } else { Err(format!("{} of {number}", mails.len())) }
    })
    .await;
    assert_eq!(mails.len(), number);
    for mail in mails {
        let body = &mail.body;
        assert!(body.contains(receipt_number), "{body}");
        let links: Vec<&str> = body.split_whitespace().filter(|w| w.contains("://")).collect();
        assert_eq!(links, [STATUS_PAGE], "one link, and nothing in it that tells whose it is");
        for word in [
            "見本",
            "ミホン",
            "mail.example",
            "東京都",
            "03-0000",
            "停止",
            "開示",
            "4,000",
            "4000",
            "refused",
            "disclos",
            "stop",
        ] {
            assert!(!body.contains(word), "{word} stands in: {body}");
            assert!(!mail.header("subject").contains(word));
        }
    }
}
