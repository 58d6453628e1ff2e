//! The words of the mails, from `texts/ja.toml` and `texts/en.toml`. Pure.
//!
//! A mail passes through other people's machines and stands in other people's view, and that somebody asks something about
//! medical data is itself sensitive (要配慮個人情報). So it says a receipt number and a link, and nothing about the request.

use crate::message::Text;
use contracts::{Language, ReceiptNumber};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::LazyLock};

const JA: &str = include_str!("texts/ja.toml");
const EN: &str = include_str!("texts/en.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    subject: String,
    body: BTreeMap<Text, String>,
}

impl File {
    fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if file.subject.is_empty() || file.subject.chars().any(char::is_control) {
            return Err("subject: one line, not empty".into());
        }
        match Text::ALL
            .iter()
            .find(|t| !file.body.get(t).is_some_and(|b| b.contains("{receipt}") && b.contains("{link}")))
        {
            Some(text) => Err(format!("body.{}: must stand there and hold {{receipt}} and {{link}}", text.code())),
            None => Ok(file),
        }
    }
}

fn file(language: Language) -> &'static File {
    static FILES: LazyLock<[File; 2]> = LazyLock::new(|| {
        // Both files are in the program and read by a test: this cannot fail at run time.
        [JA, EN].map(|text| File::parse(text).unwrap_or_else(|e| panic!("the texts of the mails: {e}")))
    });
    match language {
        Language::Ja => &FILES[0],
        Language::En => &FILES[1],
    }
}

/// The subject: the same for every mail of a language.
pub fn subject(language: Language) -> &'static str {
    &file(language).subject
}

/// The body, with receipt number and link filled in.
pub fn body(text: Text, language: Language, receipt_number: &ReceiptNumber, link: &str) -> String {
    let words = file(language).body.get(&text).map_or("{receipt} {link}", String::as_str);
    words.replace("{receipt}", &receipt_number.to_string()).replace("{link}", link)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that would tell a reader over the shoulder what the request is about.
    const TELLING: &[&str] = &[
        "開示",
        "停止",
        "削除",
        "訂正",
        "利用",
        "手数料",
        "入金",
        "本人確認",
        "医療",
        "病院",
        "個人情報",
        "苦情",
        "相談",
        "disclos",
        "stop",
        "delet",
        "correct",
        "fee",
        "pay",
        "identity",
        "medical",
        "hospital",
        "personal",
        "complain",
        "consult",
    ];

    #[test]
    fn every_text_says_receipt_number_and_link_and_nothing_of_the_request() {
        let number = ReceiptNumber::from_random([5; 16]);
        for language in [Language::Ja, Language::En] {
            for text in Text::ALL {
                let said = body(*text, language, &number, "https://desk.example/status");
                assert!(said.contains(&number.to_string()) && said.contains("https://desk.example/status"), "{said}");
                assert!(!said.contains('{'), "{said}");
                let whole = format!("{} {said}", subject(language)).to_lowercase();
                for telling in TELLING {
                    assert!(!whole.contains(telling), "{telling} in {whole}");
                }
            }
        }
    }

    #[test]
    fn a_file_without_a_text_is_refused_by_name() {
        let without = EN.replace("\nended = ", "\nfee-paid2 = ");
        assert!(File::parse(&without).is_err());
        let no_link = EN.replacen("\n{link}\n", "", 1);
        assert_eq!(File::parse(&no_link).unwrap_err(), "body.received: must stand there and hold {receipt} and {link}");
        assert!(File::parse(&EN.replace("A message", "A\\nmessage")).unwrap_err().starts_with("subject"));
    }
}
