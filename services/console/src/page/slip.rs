//! 受付票: the letter with receipt number and access code of a request that staff filed. It is printed, sent, and then forgotten.

use super::{
    Answer, App,
    answer::{self, Next},
    download::attachment,
    guard::{Signed, no_case},
    opened::opened,
    orders,
};
use crate::{audit, config::Letters, store, text::Lang};
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{
    CaseId, Date, Kind, Language, PersonField, ReceiptNumber,
    arrival::{ShowSlip, SlipReply},
};
use letter::{Addressee, Block, Honorific, Letter};
use privacy::{Personal, Purpose};
use serde::Deserialize;

/// What is looked at; written down before it is asked for.
const FIELDS: &[PersonField] = &[PersonField::Name, PersonField::Address];

/// What intake sends.
#[derive(Deserialize)]
struct Slip {
    receipt_number: ReceiptNumber,
    access_code: String,
    kind: Kind,
    name: String,
    address: String,
}

/// The letter. Pure; in the language that the person chose.
fn letter_of(slip: &Slip, language: Language, date: Date, letters: &Letters) -> Letter {
    let lang = match language {
        Language::Ja => Lang::Ja,
        Language::En => Lang::En,
    };
    let t = |key: &str| lang.texts().t(&format!("slip.{key}")).to_owned();
    let status = letters.status_url.as_str();
    let mut blocks = vec![
        Block::Paragraph(t("received")),
        Block::Facts(vec![
            (t("kind"), lang.texts().word("kind", slip.kind.as_str())),
            (t("number"), slip.receipt_number.to_string()),
            (t("code"), slip.access_code.clone()),
        ]),
        Block::Paragraph(t("keep")),
    ];
    if !status.is_empty() {
        blocks.push(Block::Paragraph(t("ask").replace("{url}", status)));
        // The address alone: whoever photographs the square has neither number nor code.
        blocks.push(Block::Qr { data: status.to_owned(), words: t("qr") });
    }
    blocks.push(Block::Paragraph(t("telephone")));
    if lang == Lang::Ja {
        blocks.push(Block::Closing(t("end")));
    }
    let (postcode, address) = postcode_apart(&slip.address);
    Letter {
        lang: match lang {
            Lang::Ja => letter::Lang::Ja,
            Lang::En => letter::Lang::En,
        },
        title: t("title"),
        reference: Some(slip.receipt_number.to_string()),
        date,
        to: Some(Addressee {
            postcode: postcode.to_owned(),
            address: vec![address.to_owned()],
            name: slip.name.clone(),
            honorific: Honorific::Sama,
        }),
        from: letters.from(),
        blocks,
    }
}

/// A postcode that stands before the address, as people write it: `〒123-4567 東京都…`. Pure.
fn postcode_apart(address: &str) -> (&str, &str) {
    let whole = address.trim_start_matches('〒').trim_start();
    let digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let mut seen = 0;
    let end = whole.char_indices().find(|(_, c)| {
        seen += usize::from(digit(*c));
        !digit(*c) && !matches!(c, '-' | '－' | '‐' | 'ー')
    });
    match end {
        Some((at, _)) if seen == 7 => (&whole[..at], whole[at..].trim_start()),
        _ => ("", address),
    }
}

fn next(case: CaseId) -> Next {
    Next { section: "cases", path: format!("/cases/{case}"), words: "answer.to-case" }
}

/// POST /cases/{case}/slip: the audit row, then the question, then the file.
pub async fn letter(State(app): State<App>, Path(case): Path<CaseId>, Signed { who, .. }: Signed) -> Answer {
    let wrong = |status, word| Ok(answer::refused_at(&who, &app, status, word, next(case)));
    let Some(whole) = store::whole(app.db.pool(), case).await? else { return Ok(no_case(&who, &app)) };
    let now = app.clock.now();
    let cause = audit::looked(&app.db, who.staff.id, Some(case), "slip", FIELDS, now).await?;
    let sealed = match app.commands.ask(&ShowSlip { case, staff: who.staff.id, cause }).await {
        Ok(SlipReply::Found { slip }) => slip,
        Ok(SlipReply::HandedOver { .. }) => return wrong(StatusCode::GONE, "slip-handed-over"),
        Ok(SlipReply::Unknown) => return wrong(StatusCode::NOT_FOUND, "slip-none"),
        Err(error) => return Ok(answer::failed(&who, &app, next(case), &error, None)),
    };
    let slip = match opened::<Slip>(&app, case.0, &sealed) {
        Ok(slip) => slip,
        Err(why) => return why.answer(&who, &app, next(case)),
    };
    let language = whole.view.opened.get().map_or(Language::Ja, |opened| opened.language);
    let (date, letters) = (calendar::jst_date(now), app.letters.clone());
    let made = tokio::task::spawn_blocking(move || make(&slip, language, date, &letters)).await;
    match made {
        Ok(Ok(file)) => Ok(attachment(&format!("slip-{case}.pdf"), "application/pdf", file)),
        Ok(Err(error)) => {
            tracing::warn!(case.id = %case, %error, "a slip cannot be printed");
            wrong(StatusCode::UNPROCESSABLE_ENTITY, "slip-not-printed")
        }
        Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, "slip-not-printed"),
    }
}

fn make(
    slip: &Personal<Slip>,
    language: Language,
    date: Date,
    letters: &Letters,
) -> Result<Vec<u8>, letter::LetterError> {
    let letter = letter_of(slip.disclose(Purpose::NotifyPerson), language, date, letters);
    letter::make(&letter).map(|made| made.pdf)
}

/// POST /cases/{case}/slip/handed-over
pub async fn handed_over(State(app): State<App>, Path(case): Path<CaseId>, Signed { who, fields }: Signed) -> Answer {
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => {
            return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next(case)));
        }
    };
    let reply = app.commands.hand_over_slip(by, case).await;
    let again = Some((format!("/cases/{case}/slip/handed-over"), fields.clone()));
    Ok(answer::answer(&who, &app, next(case), reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slip() -> Slip {
        Slip {
            receipt_number: ReceiptNumber::from_random([3; 16]),
            access_code: "0123-4567-89AB-CDEF".to_owned(),
            kind: Kind::Disclosure,
            name: "見本 花子".to_owned(),
            address: "〒113-0021 東京都文京区本駒込2-28-16".to_owned(),
        }
    }

    #[test]
    fn the_letter_has_number_and_code_in_words_and_never_in_the_square() {
        let letters = Letters { status_url: "https://madoguchi.example.jp/status".to_owned(), ..Letters::default() };
        for language in [Language::Ja, Language::En] {
            let letter = letter_of(&slip(), language, jiff::civil::date(2026, 6, 1), &letters);
            let text = format!("{:?}", letter.blocks);
            assert!(text.contains("0123-4567-89AB-CDEF") && !text.contains("slip."), "{text}");
            let square = letter.blocks.iter().find_map(|block| match block {
                Block::Qr { data, .. } => Some(data.as_str()),
                _ => None,
            });
            assert_eq!(square, Some("https://madoguchi.example.jp/status"));
            let file = make(&Personal::new(slip()), language, letter.date, &letters).unwrap();
            assert!(file.starts_with(b"%PDF-"));
            // For a person to look at.
            if let Some(folder) = std::env::var_os("MADOGUCHI_PICTURES") {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(std::path::Path::new(&folder).join(format!("slip-{language}.pdf")), file).unwrap();
            }
        }
        assert!(letter_of(&slip(), Language::Ja, jiff::civil::date(2026, 6, 1), &Letters::default()).from.is_none());
    }

    #[test]
    fn a_postcode_is_taken_apart_where_there_is_one() {
        assert_eq!(postcode_apart("〒113-0021 東京都"), ("113-0021", "東京都"));
        assert_eq!(postcode_apart("１１３－００２１東京都"), ("１１３－００２１", "東京都"));
        assert_eq!(postcode_apart("東京都文京区1-2-3"), ("", "東京都文京区1-2-3"));
        assert_eq!(postcode_apart("2-28-16 Komagome"), ("", "2-28-16 Komagome"));
        assert_eq!(postcode_apart("1130021"), ("", "1130021"), "nothing but a number is no address");
    }
}
