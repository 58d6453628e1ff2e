//! 照合: possible matches that wait for two people, records that arrived although they are blocked, what was checked, and
//! the hospitals' filings (届出).

use super::{
    Answer, App, Page,
    answer::{self, Next},
    case::short,
    guard::{Fields, Signed, SignedIn},
    html,
};
use crate::page::orders;
use askama::Template;
use axum::{extract::State, http::StatusCode};
use contracts::{
    Code, Date, Scope, Service, Uuid,
    gate::{GateIncident, ReviewRow},
    gate_desk::{FilingRow, GateRunRow},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who asked the gate, in words: a service, or a recipient by its short name.
fn asker(page: &Page, labels: &BTreeMap<Uuid, String>, asker: &Code) -> String {
    match (asker.as_str().parse::<Uuid>(), Service::by_token(asker.as_str())) {
        (Ok(id), _) => labels.get(&id).cloned().unwrap_or_else(|| short(&id)),
        (_, Some(service)) => page.word("service", service.token()),
        _ => asker.to_string(),
    }
}

#[derive(Template)]
#[template(path = "gate.html")]
struct GatePage {
    page: Page,
    /// None: opt-out propagation does not answer.
    reviews: Option<Vec<ReviewRow>>,
    incidents: Vec<GateIncident>,
    labels: BTreeMap<Uuid, String>,
    away: String,
}

impl GatePage {
    fn asker(&self, code: &Code) -> String {
        asker(&self.page, &self.labels, code)
    }
}

fn away(page: &Page) -> String {
    page.t("answer.away-read").replace("{service}", &page.word("service", "optout"))
}

/// GET /gate
pub async fn page(State(app): State<App>, who: SignedIn) -> Answer {
    let reviews = app.commands.reviews().await.ok().map(|list| list.reviews);
    let mut incidents = vec![];
    let mut labels = BTreeMap::new();
    if reviews.is_some() {
        incidents = app.commands.gate_incidents().await.map(|list| list.incidents).unwrap_or_default();
        labels = super::case::labels(&app).await;
    }
    let page = who.page(&app, "gate");
    let away = away(&page);
    Ok(html(StatusCode::OK, GatePage { page, reviews, incidents, labels, away }))
}

#[derive(Template)]
#[template(path = "gate_runs.html")]
struct RunsPage {
    page: Page,
    runs: Option<Vec<GateRunRow>>,
    labels: BTreeMap<Uuid, String>,
    away: String,
}

impl RunsPage {
    fn asker(&self, code: &Code) -> String {
        asker(&self.page, &self.labels, code)
    }
    /// The counts with their words; what is nought is left out, but for the whole.
    fn counts(&self, run: &GateRunRow) -> Vec<(String, u64)> {
        let names = ["rows", "no-match", "exact", "possible", "bad", "unfiled"];
        let counts = run.counts.unwrap_or_default();
        let said = names.into_iter().zip(counts).filter(|(name, n)| *n > 0 || *name == "rows");
        said.map(|(name, n)| (self.page.word("gate-answer", name), n)).collect()
    }
}

/// GET /gate/runs
pub async fn runs(State(app): State<App>, who: SignedIn) -> Answer {
    let runs = app.commands.gate_runs().await.ok().map(|list| list.runs);
    let labels = if runs.is_some() { super::case::labels(&app).await } else { BTreeMap::new() };
    let page = who.page(&app, "gate");
    let away = away(&page);
    Ok(html(StatusCode::OK, RunsPage { page, runs, labels, away }))
}

#[derive(Template)]
#[template(path = "gate_filings.html")]
struct FilingsPage {
    page: Page,
    token: Uuid,
    filings: Option<Vec<FilingRow>>,
    away: String,
}

impl FilingsPage {
    /// A filing is for one track.
    fn tracks(&self) -> [Scope; 2] {
        [Scope::Anonymised, Scope::Pseudonymised]
    }
}

/// GET /gate/filings
pub async fn filings(State(app): State<App>, who: SignedIn) -> Answer {
    let filings = app.commands.filings().await.ok().map(|list| list.filings);
    let page = who.page(&app, "gate");
    let away = away(&page);
    Ok(html(StatusCode::OK, FilingsPage { page, token: Uuid::now_v7(), filings, away }))
}

/// The filing as the form has it; the error is the key of its sentence. Pure.
fn filing(fields: &Fields) -> Result<Value, &'static str> {
    let day = |name, word| fields.parsed::<Date>(name).ok_or(word);
    let codes = |name| -> Result<Vec<Code>, &'static str> {
        let words = fields.get(name).unwrap_or_default().split([',', ' ', '、', '\n']).filter(|word| !word.is_empty());
        words.map(|word| word.trim().parse().map_err(|_| "filing-codes-form")).collect()
    };
    let track: Scope = fields.parsed("track").filter(|t| *t != Scope::Both).ok_or("track-none")?;
    let called = fields.get("called").filter(|c| c.chars().count() <= 200).ok_or("called-none")?;
    let mut filing = json!({
        "supplier": fields.parsed::<Code>("supplier").ok_or("supplier-form")?,
        "called": called,
        "track": track,
        "number": fields.parsed::<Code>("number").ok_or("filing-number-form")?,
        "filed_on": day("filed_on", "filed-on-none")?,
        "starts_on": day("starts_on", "starts-on-none")?,
        "notice_days": fields.parsed::<u16>("notice_days").ok_or("notice-days-form")?,
        "items": codes("items")?,
        "stops_received_by": codes("stops_received_by")?,
    });
    for name in ["published_on", "ended_on"] {
        if let Some(day) = fields.parsed::<Date>(name) {
            filing[name] = json!(day);
        }
    }
    Ok(filing)
}

/// POST /gate/filings
pub async fn keep(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let next = Next { section: "gate", path: "/gate/filings".into(), words: "answer.to-filings" };
    let wrong = |word, next| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let filing = match filing(&fields) {
        Ok(filing) => filing,
        Err(word) => return wrong(word, next),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word, next),
    };
    let reply = app.commands.keep_filing(by, &filing).await;
    let again = Some(("/gate/filings".to_owned(), fields.clone()));
    Ok(answer::answer(&who, &app, next, reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(change: &[(&str, &str)]) -> Fields {
        let good = [
            ("supplier", "1312345678"),
            ("called", "架空総合病院"),
            ("track", "anonymised"),
            ("number", "h-12"),
            ("filed_on", "2026-04-01"),
            ("starts_on", "2026-05-01"),
            ("notice_days", "30"),
            ("items", "diagnosis, prescription"),
        ];
        let kept = good.iter().filter(|(n, _)| change.iter().all(|(c, _)| c != n));
        Fields::of(&kept.chain(change).copied().collect::<Vec<_>>())
    }

    #[test]
    fn a_filing_is_complete_or_its_first_fault_is_named() {
        let json = filing(&form(&[("published_on", "2026-04-10")])).unwrap();
        assert_eq!(json["items"], json!(["diagnosis", "prescription"]));
        assert_eq!((&json["published_on"], json.get("ended_on")), (&json!("2026-04-10"), None));
        for (change, fault) in [
            (("supplier", "A"), "supplier-form"),
            (("called", " "), "called-none"),
            (("track", "both"), "track-none"),
            (("number", "No 1"), "filing-number-form"),
            (("filed_on", "x"), "filed-on-none"),
            (("starts_on", ""), "starts-on-none"),
            (("notice_days", "-1"), "notice-days-form"),
            (("items", "Diagnosis"), "filing-codes-form"),
        ] {
            assert_eq!(filing(&form(&[change])).err(), Some(fault), "{change:?}");
        }
    }
}
