//! 候補の照合: one possible match. The values of both people are shown on one page only, after it was written down who looks;
//! two different members of staff have to say the same.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{Signed, SignedIn, not_found_for},
    html,
    opened::{NotShown, opened},
    orders,
};
use crate::audit;
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{
    PersonField, StaffId, Uuid,
    gate::ReviewRow,
    gate_desk::{ReviewDetail, ReviewReply, ShowReview},
};
use privacy::{Personal, Purpose};
use serde_json::Value;

/// What is looked at; written down before it is asked for.
const FIELDS: &[PersonField] =
    &[PersonField::Kana, PersonField::Name, PersonField::BirthDate, PersonField::Sex, PersonField::Hospitals];

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage<'a> {
    page: Page,
    row: ReviewRow,
    /// What the first person said; not shown to the second before he has said it himself.
    first: Option<StaffId>,
    lines: &'a [Line],
}

impl ReviewPage<'_> {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn is_mine(&self) -> bool {
        self.first.is_some() && self.first == self.page.staff.as_ref().map(|staff| staff.id)
    }
}

/// One part of the two, side by side.
#[derive(Debug, PartialEq)]
struct Line {
    part: String,
    found: String,
    stopped: String,
    /// Both have it, and not the same as the gate compares them.
    differs: bool,
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(s)) => s.clone(),
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" / "),
        Some(other) => other.to_string(),
    }
}

/// The parts that either has, in the order of the gate's own list. Pure.
fn lines(found: &Value, stopped: &Value) -> Vec<Line> {
    let parts =
        ["kana", "name", "birth-date", "sex", "supplier", "patient-number", "insurer", "symbol", "number", "branch"];
    let line = |part: &&str| {
        // An entry names hospitals, a row its supplier.
        let of_entry = if *part == "supplier" { "hospitals" } else { part };
        let (row, person) = (text(found.get(*part)), text(stopped.get(of_entry)));
        let folded = text(stopped.get("folded").and_then(|f| f.get(*part)));
        let differs = !row.is_empty() && !folded.is_empty() && row != folded;
        let line = Line { part: (*part).to_owned(), found: row, stopped: person, differs };
        (!line.found.is_empty() || !line.stopped.is_empty()).then_some(line)
    };
    parts.iter().filter_map(line).collect()
}

fn next() -> Next {
    Next { section: "gate", path: "/gate".into(), words: "answer.to-gate" }
}

/// GET /gate/reviews/{review}: leads to the list; the values are shown only when they are asked for.
pub async fn page(State(_): State<App>, _: SignedIn, Path(_): Path<Uuid>) -> axum::response::Redirect {
    axum::response::Redirect::to("/gate")
}

/// POST /gate/reviews/{review}/show: the audit row first, then the question.
pub async fn show(State(app): State<App>, Path(review): Path<Uuid>, Signed { who, .. }: Signed) -> Answer {
    let staff = who.staff.id;
    let cause = audit::looked(&app.db, staff, None, "gate-review", FIELDS, app.clock.now()).await?;
    let detail = match app.commands.ask(&ShowReview { review, staff, cause }).await {
        Ok(ReviewReply::Found(detail)) => *detail,
        Ok(ReviewReply::Unknown) => {
            return Ok(answer::refused_at(&who, &app, StatusCode::NOT_FOUND, "review-decided", next()));
        }
        Ok(ReviewReply::Unreadable) => {
            return NotShown::Unreadable.answer(&who, &app, next());
        }
        Err(error) => return Ok(answer::failed(&who, &app, next(), &error, None)),
    };
    let ReviewDetail { row, first, found, stopped } = detail;
    let both = opened(&app, review, &found).and_then(|found| Ok((found, opened(&app, review, &stopped)?)));
    let (found, stopped): (Personal<Value>, Personal<Value>) = match both {
        Ok(both) => both,
        Err(why) => return why.answer(&who, &app, next()),
    };
    let page = who.page_at(&app, "gate", "/gate");
    let lines = found.map(|found| lines(found, stopped.disclose(Purpose::ShowToStaff)));
    let lines = lines.disclose(Purpose::ShowToStaff);
    Ok(html(StatusCode::OK, ReviewPage { page, row, first: first.map(|(staff, _)| staff), lines }))
}

/// POST /gate/reviews/{review}/{word}
pub async fn decide(
    State(app): State<App>,
    Path((review, word)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let same = match word.as_str() {
        "same" => true,
        "other" => false,
        _ => return Ok(not_found_for(&who, &app)),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next())),
    };
    let reply = app.commands.decide_review(by, review, same).await;
    let again = Some((format!("/gate/reviews/{review}/{word}"), fields.clone()));
    Ok(answer::answer(&who, &app, next(), reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_stand_side_by_side_and_a_difference_is_one_of_the_folded_values() {
        let found =
            json!({"kana": "ヤマダハナコ", "birth-date": "1980-02-29", "name": "山田華子", "supplier": "1312345678"});
        let stopped = json!({"kana": "ヤマダ　ハナコ", "birth-date": "1980-02-29", "name": "山田 花子", "sex": "female",
            "hospitals": ["架空総合病院", "架空診療所"],
            "folded": {"kana": "ヤマダハナコ", "birth-date": "1980-02-29", "name": "山田花子", "sex": "female"}});
        let got = lines(&found, &stopped);
        let parts: Vec<(&str, bool)> = got.iter().map(|l| (l.part.as_str(), l.differs)).collect();
        // A hospital's code and its name cannot be compared here.
        let expected = [("kana", false), ("name", true), ("birth-date", false), ("sex", false), ("supplier", false)];
        assert_eq!(parts, expected);
        assert_eq!((got[0].stopped.as_str(), got[4].stopped.as_str()), ("ヤマダ　ハナコ", "架空総合病院 / 架空診療所"));
        assert!(lines(&json!({}), &json!({})).is_empty());
    }
}
