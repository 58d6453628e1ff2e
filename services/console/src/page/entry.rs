//! 登録: one entry of the register of stops: how it stands, its changes, every instruction, the three-part answer as it
//! stands now, and what staff may order about it. Everything but the person.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    guard::{SignedIn, not_found_for},
    html,
};
use crate::store;
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{
    Code, EntryId, Measure, RecipientKind, ReportOutcome, Scope, StaffId, Timestamp, Uuid,
    register::{EntryDetail, EntryReply, RecipientAnswer},
    request::RecipientRow,
    standing::{EntryStanding, InstructionStanding},
};
use std::collections::BTreeMap;

/// 三つの回答: what the person can be told by now.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parts {
    /// Stopped, or nothing held: short name, when it was reported.
    pub stopped: Vec<(Code, Timestamp)>,
    /// Erased: short name, when it was reported.
    pub erased: Vec<(Code, Timestamp)>,
    /// Not, and why: short name, outcome, ground.
    pub not: Vec<(Code, ReportOutcome, Option<Code>)>,
    /// No report is confirmed yet: short name, what is asked, until when.
    pub open: Vec<(Code, Measure, Timestamp)>,
}

/// The three parts by the reports that the register counts, as in the answer to the person; and what is still to come. What
/// was replaced is told by what took its place. Pure.
pub(super) fn parts(instructions: &[InstructionStanding]) -> Parts {
    let mut parts = Parts::default();
    for one in instructions.iter().filter(|one| one.replaced_by.is_none()) {
        let label = one.label.clone();
        match (&one.reported, one.counts) {
            (Some((ReportOutcome::Applied, _, at)), Some(Measure::Erase)) => parts.erased.push((label, *at)),
            (Some((ReportOutcome::Applied | ReportOutcome::NoDataHeld, _, at)), Some(_)) => {
                parts.stopped.push((label, *at));
            }
            (Some((outcome, ground, _)), Some(_)) => parts.not.push((label, *outcome, ground.clone())),
            _ if one.confirmed.is_none() => parts.open.push((label, one.measure, one.due)),
            // Another report of the same recipient counts.
            _ => {}
        }
    }
    parts
}

/// Whole days or hours between two instants, in the words of the page.
fn age(page: &Page, from: Timestamp, to: Timestamp) -> String {
    let hours = to.duration_since(from).as_hours().max(0);
    let (n, unit) = if hours >= 48 { (hours / 24, "entry.days") } else { (hours, "entry.hours") };
    page.t(unit).replace("{n}", &n.to_string())
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryPage {
    page: Page,
    entry: EntryId,
    detail: EntryDetail,
    standing: Option<EntryStanding>,
    parts: Parts,
    recipients: Vec<RecipientRow>,
    /// Receipt numbers of the cases that changed it.
    numbers: BTreeMap<Uuid, String>,
    names: BTreeMap<Uuid, String>,
    bases: Vec<(String, String)>,
    now: Timestamp,
}

impl EntryPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn scopes(&self) -> &'static [Scope] {
        Scope::ALL
    }
    fn outcomes(&self) -> &'static [ReportOutcome] {
        ReportOutcome::ALL
    }
    fn version(&self) -> i64 {
        self.detail.changes.last().map_or(0, |change| change.version)
    }
    fn number(&self, case: &Uuid) -> String {
        self.numbers.get(case).cloned().unwrap_or_else(|| super::case::short(case))
    }
    fn name(&self, staff: &StaffId) -> String {
        self.names.get(&staff.0).cloned().unwrap_or_else(|| super::case::short(&staff.0))
    }
    fn label(&self, recipient: &Uuid) -> String {
        let row = self.recipients.iter().find(|row| row.recipient.0 == *recipient);
        row.map_or_else(|| super::case::short(recipient), |row| row.label.to_string())
    }
    fn is_final(&self) -> bool {
        self.detail.final_since.is_some()
    }
    /// Whose instruction does not close before its sub-contractors have reported.
    fn waiting(&self) -> Vec<&RecipientAnswer> {
        self.detail.answers.iter().filter(|one| !one.waits_for.is_empty()).collect()
    }
    fn erasure_waits(&self) -> bool {
        self.standing.as_ref().is_some_and(|s| s.erasure.as_str() == "waits")
    }
    fn instructions(&self) -> &[InstructionStanding] {
        self.standing.as_ref().map_or(&[], |s| &s.instructions)
    }
    fn open_instructions(&self) -> Vec<&InstructionStanding> {
        self.instructions().iter().filter(|i| i.confirmed.is_none() && i.replaced_by.is_none()).collect()
    }
    fn stage(&self, one: &InstructionStanding) -> &'static str {
        one.stage(self.now)
    }
    fn is_late(&self, one: &InstructionStanding) -> bool {
        one.is_late(self.now)
    }
    /// Since when it is in its stage.
    fn stage_age(&self, one: &InstructionStanding) -> String {
        let reached = one.confirmed.as_ref().map(|(at, _)| *at);
        let reached = reached.or(one.reported.as_ref().map(|(.., at)| *at));
        let since = reached.or(one.acted_at).or(one.received_at).unwrap_or(one.issued_at);
        age(&self.page, since, self.now)
    }
    fn me(&self) -> Option<StaffId> {
        self.page.staff.as_ref().map(|staff| staff.id)
    }
    fn is_me(&self, staff: &StaffId) -> bool {
        self.me() == Some(*staff)
    }
    /// Who may be found to have the person's data and is not told by itself.
    fn findable(&self) -> Vec<&RecipientRow> {
        let own = |row: &&RecipientRow| {
            matches!(row.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator)
                && row.status.as_str() != "removed"
        };
        self.recipients.iter().filter(own).collect()
    }
}

pub(super) fn next(entry: EntryId) -> Next {
    Next { section: "cases", path: format!("/register/{entry}"), words: "answer.to-entry" }
}

/// GET /register/{entry}
pub async fn page(State(app): State<App>, Path(entry): Path<Uuid>, who: SignedIn) -> Answer {
    let entry = EntryId(entry);
    let mut detail = match app.commands.entry(entry).await {
        Ok(EntryReply::Found(detail)) => *detail,
        Ok(EntryReply::Unknown) => return Ok(not_found_for(&who, &app)),
        Err(error) => {
            let next = Next { section: "cases", path: "/cases".into(), words: "answer.to-cases" };
            return Ok(answer::failed(&who, &app, next, &error, None));
        }
    };
    let recipients = app.commands.recipients().await.map(|list| list.recipients).unwrap_or_default();
    let standing = detail.standing.take();
    let cases: Vec<Uuid> = detail.changes.iter().map(|c| c.case.0).chain(standing.iter().map(|s| s.case.0)).collect();
    let numbers = store::numbers(app.db.pool(), &cases).await?;
    let names = app.access.everybody().await?.into_iter().map(|a| (a.staff.id.0, a.staff.display)).collect();
    let page = who.page_at(&app, "cases", &format!("/register/{entry}"));
    let bases = page.texts().group("basis");
    let parts = parts(standing.as_ref().map_or(&[], |s| &s.instructions));
    let now = app.clock.now();
    let template = EntryPage { page, entry, detail, standing, parts, recipients, numbers, names, bases, now };
    Ok(html(StatusCode::OK, template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{InstructionId, RecipientId};

    fn one(
        label: &'static str,
        measure: Measure,
        reported: Option<(ReportOutcome, Option<Code>)>,
    ) -> InstructionStanding {
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        InstructionStanding {
            instruction: InstructionId::new(),
            recipient: RecipientId::new(),
            label: Code::of(label),
            measure,
            scope: Scope::Both,
            issued_at: at(0),
            due: at(10),
            received_at: None,
            acted_at: None,
            counts: reported.is_some().then_some(measure),
            confirmed: reported.is_some().then_some((at(6), Code::of("automatic"))),
            reported: reported.map(|(outcome, ground)| (outcome, ground, at(5))),
            replaced_by: None,
            task: false,
            attested: None,
        }
    }

    #[test]
    fn three_parts_and_what_is_open() {
        let ground = Some(Code::of("act-19-2"));
        let mut gone = one("gone", Measure::Stop, None);
        gone.replaced_by = Some(InstructionId::new());
        // What a correction could find is what the person is told; and a report that waits for staff is not told yet.
        let mut outdone = one("e", Measure::Stop, Some((ReportOutcome::CannotIdentify, None)));
        outdone.counts = None;
        let mut found = one("e", Measure::Correct, Some((ReportOutcome::Applied, None)));
        found.counts = Some(Measure::Stop);
        let mut waits = one("f", Measure::Stop, Some((ReportOutcome::CannotIdentify, None)));
        (waits.counts, waits.confirmed) = (None, None);
        let all = [
            one("a", Measure::Stop, Some((ReportOutcome::Applied, None))),
            one("a", Measure::Erase, Some((ReportOutcome::Applied, None))),
            one("b", Measure::Erase, Some((ReportOutcome::NoDataHeld, None))),
            one("c", Measure::Stop, Some((ReportOutcome::Unreachable, ground.clone()))),
            one("d", Measure::Stop, None),
            gone,
            outdone,
            found,
            waits,
        ];
        let got = parts(&all);
        let labels = |list: &[(Code, Timestamp)]| list.iter().map(|(l, _)| l.to_string()).collect::<Vec<_>>();
        assert_eq!((labels(&got.stopped).join(" "), labels(&got.erased).join(" ")), ("a b e".into(), "a".into()));
        assert_eq!(got.not, [(Code::of("c"), ReportOutcome::Unreachable, ground)]);
        assert_eq!(got.open.iter().map(|(l, ..)| l.as_str()).collect::<Vec<_>>(), ["d", "f"]);
    }
}
