//! One case: its figures, its timeline, and the orders that its step allows.

use super::{
    Answer, App, Page,
    guard::{SignedIn, no_case},
    html,
};
use crate::{
    projection::{Block, ChargeOutcome, ChargeView, EntryView, Identity, InstructionView, NoticeOutcome},
    store::{self, FACTS_MAX, Told, Whole},
};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use contracts::{
    CaseId, Channel, DecisionOutcome, EndedAs, Kind, Service, Step, Timestamp, Uuid, envelope::TraceParent,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How long the page waits for the recipients' names; without them it shows ids.
const LABELS_WAIT: Duration = Duration::from_millis(700);

/// One line of the timeline.
pub struct Fact {
    /// What was said.
    pub told: Told,
    /// 32 hexadecimal digits.
    pub trace: Option<String>,
    /// Its codes and figures, in words.
    pub details: Vec<(String, String)>,
}

impl Fact {
    /// A fact in the words of a page.
    pub fn of(told: Told, page: &Page, labels: &BTreeMap<Uuid, String>) -> Self {
        let trace = told.traceparent.as_deref().and_then(TraceParent::parse).map(|t| t.trace_id().to_owned());
        let details = details(&told.data, page, labels);
        Self { told, trace, details }
    }
}

/// The words of a payload: codes translated, times in the console's zone, ids of recipients by their labels, other ids left
/// out.
fn details(data: &Value, page: &Page, labels: &BTreeMap<Uuid, String>) -> Vec<(String, String)> {
    let Value::Object(members) = data else { return vec![] };
    let mut out = Vec::new();
    for (key, value) in members {
        // Said elsewhere on the page, or the fact's own time.
        if matches!(key.as_str(), "at" | "since" | "receipt_number" | "received_at") {
            continue;
        }
        let text = match value {
            Value::String(s) => match s.parse::<Uuid>() {
                Ok(id) if key == "recipient" => labels.get(&id).cloned().unwrap_or_else(|| short(&id)),
                Ok(_) => continue,
                Err(_) => match s.parse::<Timestamp>() {
                    Ok(at) => page.when(&at),
                    Err(_) => page.word(group_of(key), s),
                },
            },
            Value::Array(all) if all.iter().all(|v| v.as_str().is_some_and(|s| s.parse::<Uuid>().is_ok())) => {
                all.len().to_string()
            }
            Value::Array(all) => {
                let words: Vec<String> =
                    all.iter().filter_map(Value::as_str).map(|s| page.word(group_of(key), s)).collect();
                words.join(page.t("page.comma"))
            }
            Value::Bool(yes) => page.t(if *yes { "page.yes" } else { "page.no" }).to_owned(),
            Value::Number(n) if key == "amount" => {
                n.as_i64().map_or_else(|| n.to_string(), |n| format!("{} {}", page.yen(&n), page.t("page.yen")))
            }
            Value::Number(n) => n.to_string(),
            _ => continue,
        };
        out.push((page.word("key", key), text));
    }
    out
}

/// In which group the words of a payload's member stand.
fn group_of(key: &str) -> &str {
    match key {
        "reasons" => "need",
        "reason" => "reason",
        "ended_as" => "ended",
        other => other,
    }
}

/// The beginning and end of an id, for where a label is missing.
pub fn short(id: &Uuid) -> String {
    let text = id.simple().to_string();
    format!("{}…{}", &text[..8], &text[28..])
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    page: Page,
    case: CaseId,
    whole: Whole,
    facts: Vec<Fact>,
    labels: BTreeMap<Uuid, String>,
    /// Token of the forms.
    now: Timestamp,
    /// Told above the page (an order's own answer has a page of its own).
    papers: Vec<(String, String)>,
    needs: Vec<(String, String)>,
    rejections: Vec<(String, String)>,
    grounds: Vec<(String, String)>,
}

impl CasePage {
    fn number(&self) -> String {
        self.whole.view.opened.get().map_or_else(|| short(&self.case.0), |o| o.receipt_number.to_string())
    }
    fn step(&self) -> Option<Step> {
        self.whole.view.step()
    }
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn is_open(&self) -> bool {
        !self.whole.view.is_ended()
    }
    fn kind(&self) -> Option<Kind> {
        self.whole.view.opened.get().map(|o| o.kind)
    }
    /// The person is to be proved and is not yet.
    fn may_verify(&self) -> bool {
        self.is_open()
            && self.kind().is_some_and(Kind::needs_identity)
            && !matches!(self.whole.view.identity.get(), Some(Identity::Confirmed(_) | Identity::Rejected(_)))
    }
    /// Confirming the identity sends a stop to the recipients, so they are shown first.
    fn spreads(&self) -> bool {
        self.kind().is_some_and(Kind::propagates)
    }
    fn may_decide(&self) -> bool {
        self.step() == Some(Step::Answering)
    }
    fn may_revive(&self) -> bool {
        self.whole.view.ending().is_some_and(|e| e.ended_as == EndedAs::Lapsed)
            && self.whole.view.erased.get().is_none()
    }
    fn may_erase(&self) -> bool {
        self.whole.view.ending().is_some() && self.whole.view.erased.get().is_none()
    }
    fn is_complaint(&self) -> bool {
        self.kind() == Some(Kind::Complaint)
    }
    /// Staff filed it: nobody else can tell the person number and code.
    fn has_slip(&self) -> bool {
        let by_staff = |channel| !matches!(channel, Channel::Web | Channel::Api);
        let opened = self.whole.view.opened.get();
        opened.is_some_and(|opened| by_staff(opened.channel)) && self.whole.view.erased.get().is_none()
    }
    fn has_orders(&self) -> bool {
        self.kind().is_some() && (self.is_open() || self.may_revive() || self.may_erase())
    }
    fn is_late(&self, due: &Timestamp) -> bool {
        *due < self.now
    }
    fn outcomes(&self) -> &'static [DecisionOutcome] {
        DecisionOutcome::ALL
    }
    fn services(&self) -> Vec<Service> {
        Service::ALL.iter().copied().filter(|s| !store::machines(self.case, *s, &self.whole).is_empty()).collect()
    }
    fn label(&self, id: &Uuid) -> String {
        self.labels.get(id).cloned().unwrap_or_else(|| short(id))
    }
    fn paid(&self, charge: &ChargeView) -> Option<String> {
        match charge.outcome.get() {
            Some(ChargeOutcome::Paid(p)) => Some(p.paid_on.to_string()),
            _ => None,
        }
    }
    fn blocked_since(&self, entry: &EntryView) -> Option<Timestamp> {
        match (entry.entered.get(), entry.block.get()) {
            (Some(e), _) => Some(e.effective_at),
            (_, Some(Block::Placed(b))) => Some(b.effective_at),
            _ => None,
        }
    }
    fn recipient(&self, i: &InstructionView) -> Option<Uuid> {
        let of = [
            i.issued.get().map(|m| m.recipient),
            i.received.get().map(|m| m.recipient),
            i.settled.get().map(|m| m.recipient),
            i.overdue.get().map(|m| m.recipient),
        ];
        of.into_iter().flatten().next().map(|r| r.0)
    }
    fn is_cut(&self) -> bool {
        self.facts.len() as i64 >= FACTS_MAX
    }
    fn facts_max(&self) -> i64 {
        FACTS_MAX
    }
}

/// Names of the recipients, if opt-out propagation answers soon; the page does not depend on it.
pub async fn labels(app: &App) -> BTreeMap<Uuid, String> {
    match tokio::time::timeout(LABELS_WAIT, app.commands.recipients()).await {
        Ok(Ok(list)) => list.recipients.into_iter().map(|r| (r.recipient.0, r.label.to_string())).collect(),
        _ => BTreeMap::new(),
    }
}

/// GET /cases/{case}
pub async fn page(State(app): State<App>, who: SignedIn, Path(case): Path<String>) -> Answer {
    let Ok(case) = case.parse::<CaseId>() else { return Ok(super::guard::not_found_for(&who, &app)) };
    let Some(mut whole) = store::whole(app.db.pool(), case).await? else { return Ok(no_case(&who, &app)) };
    let labels = if whole.instructions.is_empty() { BTreeMap::new() } else { labels(&app).await };
    let page = who.page(&app, "cases");
    let facts = std::mem::take(&mut whole.facts).into_iter().map(|f| Fact::of(f, &page, &labels)).collect();
    let texts = page.texts();
    let (papers, needs) = (texts.group("paper"), texts.group("need"));
    let (rejections, grounds) = (texts.group("rejection"), texts.group("ground"));
    let now = app.clock.now();
    let template = CasePage { page, case, whole, facts, labels, now, papers, needs, rejections, grounds };
    Ok(html(StatusCode::OK, template).into_response())
}
