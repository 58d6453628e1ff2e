//! How a request stands, and taking it back.

use super::{Frame, Shared, error_page, filing::bad_form, filters, language, page};
use crate::{
    door::Door,
    draft::Fields,
    problem::Problem,
    texts::{Texts, WordSet},
};
use askama::Template;
use axum::{
    Form,
    extract::{ConnectInfo, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use contracts::{Code, EndedAs, Measure, ReceiptNumber, ReportOutcome, Step, desk::StatusView, opt_out::AnswerPart};
use privacy_seal::{AccessCode, Purpose, Zeroizing};
use std::net::SocketAddr;

type Posted = Result<Form<Vec<(String, String)>>, FormRejection>;

#[derive(Template)]
#[template(path = "status_form.html")]
struct AskPage<'a> {
    f: Frame<'a>,
    number: &'a str,
    number_error: &'a str,
    code_error: &'a str,
    /// Neither field by itself: the two do not belong together.
    both_error: &'a str,
}

/// `/status`: asks for receipt number and code.
pub async fn status_form(State(door): Shared, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.t("status.title"), path: "/status?".to_owned() };
    page(StatusCode::OK, language, &AskPage { f, number: "", number_error: "", code_error: "", both_error: "" })
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage<'a> {
    f: Frame<'a>,
    view: &'a StatusView,
    code: &'a str,
    /// A withdrawal was sent just now.
    withdrawn: bool,
}

impl StatusPage<'_> {
    fn fee_is_due(&self) -> bool {
        self.view.fee.as_ref().is_some_and(|fee| !fee.paid) && self.view.step != Step::Ended
    }
    fn may_withdraw(&self) -> bool {
        self.view.step != Step::Ended && !self.withdrawn
    }
    fn missing(&self, code: &Code) -> &str {
        words_or(self.f.w, "missing", code, "missing.other")
    }
    fn ground(&self, code: &Code) -> String {
        let words = self.f.w.of("ground", code.as_str());
        if words.is_empty() { self.f.w.article(code.as_str()) } else { words.to_owned() }
    }
    /// Stopped, or holding nothing: what they were told to stop.
    fn stopped(&self) -> Vec<&AnswerPart> {
        self.parts(|p| {
            p.outcome.closes_by_itself() && (p.measure != Measure::Erase || p.outcome == ReportOutcome::NoDataHeld)
        })
    }
    fn erased(&self) -> Vec<&AnswerPart> {
        self.parts(|p| p.measure == Measure::Erase && p.outcome == ReportOutcome::Applied)
    }
    /// What could not be reached.
    fn unreached(&self) -> Vec<&AnswerPart> {
        self.parts(|p| !p.outcome.closes_by_itself())
    }
    fn parts(&self, of: impl Fn(&&AnswerPart) -> bool) -> Vec<&AnswerPart> {
        self.view.answer.iter().filter(of).collect()
    }
    /// How many, and when: a day, or from the first to the last.
    fn part(&self, part: &AnswerPart) -> String {
        let (first, last) = (self.f.w.day(part.first_on), self.f.w.day(part.last_on));
        let days = if first == last { first } else { format!("{first} – {last}") };
        let text =
            if part.outcome == ReportOutcome::NoDataHeld { "stop-answer.held-nothing" } else { "stop-answer.part" };
        self.f.w.t(text).replace("{n}", &part.recipients.to_string()).replace("{days}", &days)
    }
    /// A ground is the recipient's own code: one that has no words here is an article, or is not shown.
    fn report_ground(&self, code: &Code) -> String {
        match self.f.w.of("report-ground", code.as_str()) {
            "" if code.as_str().starts_with("act-") => self.f.w.article(code.as_str()),
            "" => self.f.w.t("stop-answer.ground-other").to_owned(),
            words => words.to_owned(),
        }
    }
    fn ended(&self, ended: &EndedAs) -> &str {
        self.f.w.of("ended", ended.as_str())
    }
}

fn words_or<'a>(w: &'a Texts, group: &str, code: &Code, otherwise: &'a str) -> &'a str {
    match w.of(group, code.as_str()) {
        "" => w.t(otherwise),
        words => words,
    }
}

#[derive(Template)]
#[template(path = "withdrawal.html")]
struct ConfirmPage<'a> {
    f: Frame<'a>,
    view: &'a StatusView,
    code: &'a str,
}

/// What was posted: number and code, or the form again.
struct Asked {
    number: ReceiptNumber,
    code: AccessCode,
    confirmed: bool,
}

fn asked(door: &Door, language: WordSet, body: Posted) -> Result<Asked, Box<Response>> {
    let typed = match body {
        Ok(Form(pairs)) => Fields::new(pairs),
        Err(rejection) => return Err(Box::new(error_page(door, language, &bad_form(&rejection)))),
    };
    let number = typed.get("receipt_number").parse::<ReceiptNumber>();
    let code = typed.get("access_code").parse::<AccessCode>();
    match (number, code) {
        (Ok(number), Ok(code)) => Ok(Asked { number, code, confirmed: typed.get("confirm") == "yes" }),
        (number, code) => {
            let w = door.texts.of_set(language);
            let number_error = if number.is_err() { w.t("status.number-error") } else { "" };
            let code_error = if code.is_err() { w.t("status.code-error") } else { "" };
            let f = Frame { w, title: w.t("status.title"), path: String::new() };
            let number = typed.get("receipt_number");
            let again = AskPage { f, number, number_error, code_error, both_error: "" };
            Err(Box::new(page(StatusCode::UNPROCESSABLE_ENTITY, language, &again)))
        }
    }
}

/// A miss is shown on the form, with the number kept; everything else is a page of its own.
fn refused(door: &Door, language: WordSet, number: ReceiptNumber, problem: &Problem) -> Response {
    if problem.status != StatusCode::NOT_FOUND {
        return error_page(door, language, problem);
    }
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.t("status.title"), path: String::new() };
    let number = number.to_string();
    let both_error = w.of("problem", "not-found.detail");
    page(problem.status, language, &AskPage { f, number: &number, number_error: "", code_error: "", both_error })
}

fn show(door: &Door, language: WordSet, view: &StatusView, code: &AccessCode, withdrawn: bool) -> Response {
    let w = door.texts.of_set(language);
    let f = Frame { w, title: w.t("status.shown"), path: String::new() };
    let shown: Zeroizing<String> = code.show(Purpose::ShowToPerson);
    page(StatusCode::OK, language, &StatusPage { f, view, code: &shown, withdrawn })
}

/// `POST /status`: shows it.
pub async fn status(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Posted,
) -> Response {
    let language = language(&uri, &headers);
    let asked = match asked(&door, language, body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    match door.look_up(door.client(peer, &headers), asked.number, &asked.code).await {
        Ok(found) => show(&door, language, &found.view, &asked.code, false),
        Err(problem) => refused(&door, language, asked.number, &problem),
    }
}

/// `POST /status/withdrawal`: asks once more, and does it when that is answered.
pub async fn withdrawal(
    State(door): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Posted,
) -> Response {
    let language = language(&uri, &headers);
    let asked = match asked(&door, language, body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let client = door.client(peer, &headers);
    let found = match door.look_up(client, asked.number, &asked.code).await {
        Ok(found) => found,
        Err(problem) => return refused(&door, language, asked.number, &problem),
    };
    if !asked.confirmed {
        let w = door.texts.of_set(language);
        let f = Frame { w, title: w.t("withdrawal.title"), path: String::new() };
        let code = asked.code.show(Purpose::ShowToPerson);
        return page(StatusCode::OK, language, &ConfirmPage { f, view: &found.view, code: &code });
    }
    match door.withdraw(client, asked.number, &asked.code).await {
        Ok(_) => show(&door, language, &found.view, &asked.code, true),
        Err(problem) => refused(&door, language, asked.number, &problem),
    }
}
