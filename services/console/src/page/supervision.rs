//! 監督: what the operator did and saw about one recipient; incidents it told of, complaints about it, erasures on paper.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    duties,
    guard::{Fields, Signed, SignedIn, not_found_for},
    html, orders,
};
use crate::command::{By, CommandError};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use contracts::{
    Code, Date, IncidentItem, InstructionId, Measure, RecipientId, RecipientKind, ReportOutcome, Timestamp, Uuid,
    duty::{Act, AttestErasure, ForwardComplaint, Supervise, Supervision},
    recipient::{ERASURES_MAX, Erasure, ToldStep},
    register::RecipientReply,
    request::{RecipientRow, StaffReply},
};
use serde::Deserialize;

/// Systems that the form for an erasure on paper has room for at first.
const SYSTEMS: usize = 3;
/// Steps of the way of an incident's notice.
const STEPS: usize = 3;
/// Codes of one field.
const CODES_MAX: usize = 64;

#[derive(Template)]
#[template(path = "supervision.html")]
struct SupervisionPage {
    page: Page,
    row: RecipientRow,
    supervision: Supervision,
    /// Instructions to erase that have no report.
    erasures: Vec<(InstructionId, Timestamp)>,
    /// Systems that the form for an erasure on paper has room for.
    room: usize,
}

impl SupervisionPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    /// Which items this kind of recipient states (Rules art. 44, 45).
    fn items(&self) -> &'static [IncidentItem] {
        IncidentItem::of(self.row.kind)
    }
    fn is_user(&self) -> bool {
        self.row.kind == RecipientKind::User
    }
    fn steps(&self) -> std::ops::RangeInclusive<usize> {
        1..=STEPS
    }
    fn systems(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.room
    }
    fn item(&self, item: &IncidentItem) -> String {
        self.page.word("incident-item", item.as_str())
    }
    /// What was done, and what was found, as words.
    fn act(&self, act: &Act) -> (String, String) {
        let codes = |codes: &[Code]| codes.iter().map(Code::as_str).collect::<Vec<_>>().join(", ");
        let (kind, on, more) = match act {
            Act::Proof { paper, digest } => ("proof", String::new(), format!("{paper} (SHA-256 {digest})")),
            Act::Audit { on, by, findings, next_due } => {
                let next = format!("{} {next_due}", self.page.t("supervision.next-due"));
                ("audit", on.to_string(), format!("{by}: {} ({next})", codes(findings)))
            }
            Act::MeasuresConfirmed { on, findings } => ("measures-confirmed", on.to_string(), codes(findings)),
            Act::Erased { on, items, book_entry } => {
                ("erased", on.to_string(), format!("{} ({book_entry})", codes(items)))
            }
        };
        (self.page.word("act", kind), format!("{on} {more}").trim().to_owned())
    }
}

fn path_of(recipient: Uuid) -> String {
    format!("/recipients/{recipient}/supervision")
}

fn next(recipient: Uuid) -> Next {
    Next { section: "recipients", path: path_of(recipient), words: "supervision.back" }
}

/// `?systems=12`: a paper may name more systems than the form shows at first.
#[derive(Debug, Default, Deserialize)]
pub struct Room {
    systems: Option<String>,
}

impl Room {
    /// As many as a report may have, and at least one. Pure.
    fn systems(&self) -> usize {
        let asked = self.systems.as_deref().and_then(|text| text.parse().ok());
        asked.unwrap_or(SYSTEMS).clamp(1, ERASURES_MAX)
    }
}

/// GET /recipients/{recipient}/supervision
pub async fn page(
    State(app): State<App>,
    Path(recipient): Path<Uuid>,
    Query(room): Query<Room>,
    who: SignedIn,
) -> Answer {
    let away = || Next { section: "recipients", path: "/recipients".into(), words: "answer.to-recipients" };
    let view = match app.commands.recipient(RecipientId(recipient)).await {
        Ok(RecipientReply::Found(view)) => view,
        Ok(RecipientReply::Unknown) => return Ok(not_found_for(&who, &app)),
        Err(error) => return Ok(answer::failed(&who, &app, away(), &error, None)),
    };
    let supervision = match app.commands.supervision(RecipientId(recipient)).await {
        Ok(supervision) => supervision,
        Err(error) => return Ok(answer::failed(&who, &app, away(), &error, None)),
    };
    let page = who.page_at(&app, "recipients", &path_of(recipient));
    let erase = view.owed.iter().filter(|(_, measure, ..)| *measure == Measure::Erase);
    let erasures = erase.map(|(instruction, _, since, _)| (*instruction, *since)).collect();
    let (row, room) = (view.row, room.systems());
    let template = SupervisionPage { page, row, supervision, erasures, room };
    Ok(html(StatusCode::OK, template))
}

/// Codes in one field, with spaces or commas between; `None`: one of them is no code, or there are too many. Pure.
fn list(fields: &Fields, name: &str) -> Option<Vec<Code>> {
    let text = fields.get(name).unwrap_or_default();
    let codes = text.split([' ', ',', '、', '\u{3000}']).filter(|code| !code.is_empty());
    codes.map(|code| code.parse().ok()).collect::<Option<Vec<_>>>().filter(|codes| codes.len() <= CODES_MAX)
}

/// One act, as its form has it. Pure.
fn act(name: &str, fields: &Fields) -> Option<Result<Act, &'static str>> {
    let day = |name| fields.parsed(name).ok_or("day-none");
    let code = |name| fields.parsed(name).ok_or("codes-malformed");
    let codes = |name| list(fields, name).ok_or("codes-malformed");
    Some(match name {
        "proof" => (|| {
            let digest = fields.parsed("digest").ok_or("digest-none")?;
            Ok(Act::Proof { paper: code("paper")?, digest })
        })(),
        "audit" => (|| {
            let (on, next_due) = (day("on")?, day("next_due")?);
            Ok(Act::Audit { on, by: code("by")?, findings: codes("findings")?, next_due })
        })(),
        "measures" => day("on").map(|on| Act::MeasuresConfirmed { on, findings: fields.codes("findings") }),
        "erased" => (|| {
            let (on, items) = (day("on")?, codes("items")?);
            Ok(Act::Erased { on, items, book_entry: code("book_entry")? })
        })(),
        _ => return None,
    })
}

/// The way of a notice, tier by tier; rows that are empty are left out. Pure.
fn told(fields: &Fields, now: Timestamp) -> Result<Vec<ToldStep>, &'static str> {
    let mut steps = vec![];
    for n in 1..=STEPS {
        let name = |part: &str| format!("{part}-{n}");
        if ["told-by", "told-to", "told-known", "told-on"].iter().all(|part| fields.get(&name(part)).is_none()) {
            continue;
        }
        let code = |part| fields.parsed(&name(part)).ok_or("codes-malformed");
        let day = |part| duties::at(fields, &name(part), now).ok_or("day-none");
        let (known_at, told_at) = (day("told-known")?, day("told-on")?);
        steps.push(ToldStep { by: code("told-by")?, to: code("told-to")?, known_at, told_at });
    }
    Ok(steps)
}

/// Which items are ticked. Pure.
fn stated(fields: &Fields) -> Vec<IncidentItem> {
    let ticked = fields.codes("stated");
    IncidentItem::ALL.iter().copied().filter(|item| ticked.contains(&item.code())).collect()
}

/// One system of a paper; `None`: nothing is filled in for it. What is filled in is never left out: two people would attest less
/// than the paper says. Pure.
fn system(fields: &Fields, n: usize) -> Result<Option<Erasure>, &'static str> {
    let name = |part: &str| format!("{part}-{n}");
    // The method is a choice that always has a value.
    let own = ["system", "on", "items", "backups-until", "no-backups", "kept"];
    if own.iter().all(|part| fields.get(&name(part)).is_none()) {
        return Ok(None);
    }
    let codes = |part| list(fields, &name(part)).ok_or("codes-malformed");
    let no_backups = fields.get(&name("no-backups")).is_some();
    let backups_until: Option<Date> = match fields.get(&name("backups-until")) {
        Some(day) => Some(day.parse().map_err(|_| "day-none")?),
        None => None,
    };
    if no_backups == backups_until.is_some() {
        return Err("backups-one-of-two");
    }
    Ok(Some(Erasure {
        system: fields.parsed(&name("system")).ok_or("system-none")?,
        on: fields.parsed(&name("on")).ok_or("day-none")?,
        method: fields.parsed(&name("method")).ok_or("codes-malformed")?,
        items: codes("items")?,
        backups_until,
        no_backups,
        kept: codes("kept")?,
    }))
}

/// 消去の報告書 as two people read it off the paper: system by system. Pure.
fn erasure(fields: &Fields) -> Result<AttestErasure, &'static str> {
    let mut erasures = vec![];
    for n in 1..=ERASURES_MAX {
        erasures.extend(system(fields, n)?);
    }
    if erasures.is_empty() {
        return Err("systems-none");
    }
    Ok(AttestErasure {
        instruction: fields.parsed("instruction").ok_or("instruction-none")?,
        outcome: fields.parsed::<ReportOutcome>("outcome").ok_or("outcome-none")?,
        book_entry: fields.parsed("book_entry").ok_or("codes-malformed")?,
        erasures,
    })
}

type Sent = Result<Result<StaffReply, CommandError>, &'static str>;

async fn send(app: &App, by: By<'_>, recipient: RecipientId, order: &str, fields: &Fields) -> Option<Sent> {
    let (commands, now) = (&app.commands, app.clock.now());
    Some(match order {
        "incident" => match (fields.parsed("number"), duties::at(fields, "known", now), told(fields, now)) {
            (Some(number), Some(known_at), Ok(told)) => {
                let incident = crate::command::duties::Incident {
                    recipient,
                    number,
                    known_at,
                    told,
                    stated: stated(fields),
                    statement: fields.get("statement").unwrap_or_default(),
                };
                Ok(commands.record_incident(by, incident).await)
            }
            (None, ..) => Err("codes-malformed"),
            (_, None, _) => Err("day-none"),
            (.., Err(word)) => Err(word),
        },
        "forward-complaint" => match fields.parsed("case") {
            Some(case) => Ok(commands.duty(by, ForwardComplaint { case, recipient }).await),
            None => Err("duty-incomplete"),
        },
        "answer-complaint" => match fields.parsed("complaint") {
            Some(complaint) => {
                Ok(commands.answer_complaint(by, complaint, fields.get("cause"), fields.get("measures")).await)
            }
            None => Err("duty-incomplete"),
        },
        "attest-erasure" => match erasure(fields) {
            Ok(order) => Ok(commands.duty(by, order).await),
            Err(word) => Err(word),
        },
        name => match act(name, fields)? {
            Ok(act) => Ok(commands.duty(by, Supervise { recipient, act }).await),
            Err(word) => Err(word),
        },
    })
}

/// POST /recipients/{recipient}/supervision/{order}
pub async fn order(
    State(app): State<App>,
    Path((recipient, name)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let next = next(recipient);
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next)),
    };
    match send(&app, by, RecipientId(recipient), &name, &fields).await {
        None => Ok(not_found_for(&who, &app)),
        Some(Err(word)) => Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next)),
        Some(Ok(reply)) => {
            let again = Some((format!("{}/{name}", path_of(recipient)), fields.clone()));
            Ok(answer::answer(&who, &app, next, reply, again))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_one_field_and_none_is_dropped_silently() {
        let codes = |text| list(&Fields::of(&[("findings", text)]), "findings").map(|c| c.len());
        assert_eq!(codes("access-rights, camera、door"), Some(3));
        assert_eq!(codes(""), Some(0));
        assert_eq!(codes("access-rights Kamera!"), None);
        assert_eq!(codes(&"a ".repeat(CODES_MAX + 1)), None);
    }

    #[test]
    fn an_erasure_on_paper_has_at_least_one_whole_system() {
        let instruction = InstructionId::new().to_string();
        let mut fields = vec![("instruction", instruction.as_str()), ("outcome", "applied"), ("book_entry", "b-7")];
        assert_eq!(erasure(&Fields::of(&fields)).err(), Some("systems-none"));
        fields.extend([("system-2", "archive"), ("on-2", "2026-01-05"), ("method-2", "overwritten")]);
        fields.extend([("items-2", "records"), ("no-backups-2", "yes"), ("kept-2", "none-held")]);
        let whole = erasure(&Fields::of(&fields)).unwrap();
        assert_eq!((whole.erasures.len(), whole.erasures[0].no_backups), (1, true));
        let without =
            |left_out: &str| Fields::of(&fields.iter().filter(|(n, _)| *n != left_out).copied().collect::<Vec<_>>());
        assert_eq!(erasure(&without("on-2")).err(), Some("day-none"));
        assert_eq!(erasure(&without("system-2")).err(), Some("system-none"), "never left out silently");
        assert_eq!(erasure(&without("no-backups-2")).err(), Some("backups-one-of-two"));
        for (day, word) in [("2027-01-01", "backups-one-of-two"), ("soon", "day-none")] {
            let both = [&fields[..], &[("backups-until-2", day)]].concat();
            assert_eq!(erasure(&Fields::of(&both)).err(), Some(word));
        }
        let last = fields.iter().map(|(n, v)| (n.replace("-2", "-64"), (*v).to_owned())).collect();
        assert_eq!(erasure(&Fields(last)).unwrap().erasures, whole.erasures, "as many as a report may have");
        let room = |text: &str| Room { systems: Some(text.to_owned()) }.systems();
        assert_eq!([room("12"), room("0"), room("900"), room("x"), Room::default().systems()], [12, 1, 64, 3, 3]);
    }

    #[test]
    fn the_way_of_a_notice_is_whole_or_not_there() {
        let now = "2026-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(told(&Fields::of(&[]), now), Ok(vec![]));
        let mut fields = vec![("told-by-2", "b"), ("told-to-2", "a"), ("told-known-2", "2026-01-05")];
        assert_eq!(told(&Fields::of(&fields), now), Err("day-none"));
        fields.push(("told-on-2", "2026-01-06"));
        assert_eq!(told(&Fields::of(&fields), now).unwrap().len(), 1);
        assert_eq!(stated(&Fields::of(&[("stated", "summary"), ("stated", "scale")])).len(), 2);
    }
}
