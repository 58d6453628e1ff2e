//! 窓口の義務: work orders to hospitals, consents, documents to print, and records of one entry; and what waits or is overdue.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    download::attachment,
    guard::{Fields, Signed, SignedIn, not_found_for},
    html,
    opened::opened,
    orders,
};
use crate::command::{By, CommandError, duties::Relay};
use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use contracts::{
    Date, EntryId, Timestamp, Uuid,
    duty::{
        BasedOnLawRow, BringWorkOrder, ComplaintRow, ComplaintTold, ConsentTo, DutiesReply, EntryDuties, HandOver,
        HospitalStopped, IssueStopDocument, PassBasedOnLaw, Print, Printed, ProcessorIncident, RecordConsent,
        RecordDisagreement,
    },
    request::StaffReply,
};
use papers::Paper;
use privacy::Purpose;

#[derive(Template)]
#[template(path = "duties.html")]
struct DutiesPage {
    page: Page,
    entry: EntryId,
    duties: EntryDuties,
}

impl DutiesPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[derive(Template)]
#[template(path = "duties_waiting.html")]
struct WaitingPage {
    page: Page,
    lawful: Vec<BasedOnLawRow>,
    overdue: Vec<(contracts::RecipientId, contracts::Code, Date)>,
    incidents: Vec<ProcessorIncident>,
    complaints: Vec<ComplaintRow>,
}

impl WaitingPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
}

fn next(path: String) -> Next {
    Next { section: "incidents", path, words: "answer.to-duties" }
}

/// GET /duties/{entry}
pub async fn page(State(app): State<App>, Path(entry): Path<Uuid>, who: SignedIn) -> Answer {
    match app.commands.duties(EntryId(entry)).await {
        Ok(DutiesReply::Found(duties)) => {
            let page = who.page_at(&app, "cases", &format!("/duties/{entry}"));
            Ok(html(StatusCode::OK, DutiesPage { page, entry: EntryId(entry), duties: *duties }))
        }
        Ok(DutiesReply::Unknown) => Ok(not_found_for(&who, &app)),
        Err(error) => Ok(answer::failed(&who, &app, next("/duties".into()), &error, None)),
    }
}

/// GET /duties
pub async fn waiting(State(app): State<App>, who: SignedIn) -> Answer {
    match app.commands.waiting().await {
        Ok((lawful, overdue, incidents, complaints)) => {
            let page = who.page_at(&app, "incidents", "/duties");
            let (lawful, overdue) = (lawful.rows, overdue.rows);
            let (incidents, complaints) = (incidents.incidents, complaints.complaints);
            Ok(html(StatusCode::OK, WaitingPage { page, lawful, overdue, incidents, complaints }))
        }
        Err(error) => Ok(answer::failed(&who, &app, next("/incidents".into()), &error, None)),
    }
}

/// The beginning of a day in Japan: staff give days, not times. A day that is today counts from now.
pub(super) fn at(fields: &Fields, name: &str, now: Timestamp) -> Option<Timestamp> {
    let day: Date = fields.parsed(name)?;
    Some(day.in_tz("Asia/Tokyo").ok()?.timestamp().min(now))
}

/// The end of a day in Japan.
fn until(fields: &Fields, name: &str) -> Option<Timestamp> {
    Some(fields.parsed::<Date>(name)?.tomorrow().ok()?.in_tz("Asia/Tokyo").ok()?.timestamp())
}

type Sent = Result<Result<StaffReply, CommandError>, &'static str>;

async fn send(app: &App, by: By<'_>, entry: EntryId, order: &str, fields: &Fields) -> Option<Sent> {
    let (commands, now) = (&app.commands, app.clock.now());
    let work_order = || fields.parsed::<Uuid>("work_order").ok_or("duty-incomplete");
    let when = |name| at(fields, name, now).ok_or("day-none");
    Some(match order {
        "consent" => match (when("at"), fields.parsed("text"), fields.get("to")) {
            (Err(word), ..) => Err(word),
            (_, None, _) | (.., None) => Err("duty-incomplete"),
            (Ok(at), Some(text), Some(to)) => {
                let to =
                    if to == "electronic-document" { ConsentTo::ElectronicDocument } else { ConsentTo::TellOthers };
                let given = fields.get("given") == Some("yes");
                Ok(commands.duty(by, RecordConsent { entry, to, given, at, text }).await)
            }
        },
        "bring" => match (work_order(), when("at")) {
            (Ok(work_order), Ok(at)) => Ok(commands.duty(by, BringWorkOrder { work_order, at }).await),
            (Err(word), _) | (_, Err(word)) => Err(word),
        },
        "stopped" => match (work_order(), when("received"), fields.parsed("stopped_on")) {
            (Ok(work_order), Ok(received_at), Some(stopped_on)) => {
                Ok(commands.duty(by, HospitalStopped { work_order, received_at, stopped_on }).await)
            }
            (Err(word), ..) | (_, Err(word), _) => Err(word),
            (.., None) => Err("day-none"),
        },
        "issue" => match work_order() {
            Ok(work_order) => {
                let electronic = fields.get("how") == Some("electronic");
                let how = if electronic { HandOver::Electronic } else { HandOver::Paper };
                Ok(commands.duty(by, IssueStopDocument { work_order, how }).await)
            }
            Err(word) => Err(word),
        },
        "disagree" => match (fields.parsed("case"), fields.parsed("capacity"), when("at")) {
            (Some(case), Some(capacity), Ok(received_at)) => {
                Ok(commands.duty(by, RecordDisagreement { entry, case, capacity, received_at }).await)
            }
            (_, _, Err(word)) => Err(word),
            _ => Err("duty-incomplete"),
        },
        "relay" => match (
            fields.parsed("case"),
            fields.parsed("acquired"),
            fields.parsed("basis"),
            fields.get("sender"),
            when("at"),
        ) {
            (Some(case), Some(acquired), Some(basis), Some(sender), Ok(received_at)) => {
                Ok(commands.record_relay(by, Relay { entry, case, sender, acquired, basis, received_at }).await)
            }
            (.., Err(word)) => Err(word),
            _ => Err("duty-incomplete"),
        },
        "based-on-law" => match (fields.parsed("run"), fields.parsed("article"), until(fields, "until")) {
            (Some(run), Some(article), Some(until)) => {
                Ok(commands.duty(by, PassBasedOnLaw { run, entry, article, until }).await)
            }
            _ => Err("duty-incomplete"),
        },
        _ => return None,
    })
}

/// POST /duties/{entry}/{order}
pub async fn order(
    State(app): State<App>,
    Path((entry, name)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let next = next(format!("/duties/{entry}"));
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next)),
    };
    let entry_id = EntryId(entry);
    if name == "print" {
        return print(&app, &who, by, entry_id, &fields, next).await;
    }
    match send(&app, by, entry_id, &name, &fields).await {
        None => Ok(not_found_for(&who, &app)),
        Some(Err(word)) => Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next)),
        Some(Ok(reply)) => {
            let again = Some((format!("/duties/{entry}/{name}"), fields.clone()));
            Ok(answer::answer(&who, &app, next, reply, again))
        }
    }
}

/// A paper: its values are opened here, made into a letter, handed to the browser, and forgotten.
async fn print(app: &App, who: &SignedIn, by: By<'_>, entry: EntryId, fields: &Fields, next: Next) -> Answer {
    let what = match (fields.get("what"), fields.parsed::<Uuid>("of")) {
        (Some("stop-document"), Some(document)) => Print::StopDocument { document },
        (Some("work-order"), Some(work_order)) => Print::WorkOrder { work_order },
        (Some("stop-notice"), _) => Print::StopNotice { entry },
        (Some("disagreement-letter"), _) => Print::DisagreementLetter { entry },
        _ => return Ok(answer::refused_at(who, app, StatusCode::UNPROCESSABLE_ENTITY, "duty-incomplete", next)),
    };
    let token = by.token;
    let sealed = match app.commands.print(by, what).await {
        Ok(Printed::Values { sealed }) => sealed,
        Ok(Printed::Refused { reason }) => {
            return Ok(answer::answer(who, app, next, Ok(StaffReply::Refused { reason, at: None }), None));
        }
        Err(error) => return Ok(answer::failed(who, app, next, &error, None)),
    };
    let paper = match opened::<Paper>(app, token, &sealed) {
        Ok(paper) => paper,
        Err(why) => return why.answer(who, app, next),
    };
    let (today, desk) = (calendar::jst_date(app.clock.now()), app.letters.from());
    let made = tokio::task::spawn_blocking(move || {
        let paper = paper.disclose(Purpose::ShowToStaff);
        letter::make(&paper.letter(today, desk)).map(|made| (paper.word(), made.pdf))
    });
    match made.await {
        Ok(Ok((word, file))) => Ok(attachment(&format!("{word}-{}.pdf", entry.0), "application/pdf", file)),
        Ok(Err(error)) => {
            tracing::warn!(%entry, %error, "a paper cannot be printed");
            Ok(answer::refused_at(who, app, StatusCode::UNPROCESSABLE_ENTITY, "paper-not-printed", next))
        }
        Err(_) => Ok(answer::refused_at(who, app, StatusCode::INTERNAL_SERVER_ERROR, "paper-not-printed", next)),
    }
}

/// POST /complaints/{complaint}/told
pub async fn told(State(app): State<App>, Path(complaint): Path<Uuid>, Signed { who, fields }: Signed) -> Answer {
    let next = next("/duties".into());
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next)),
    };
    let reply = app.commands.duty(by, ComplaintTold { complaint, at: app.clock.now() }).await;
    Ok(answer::answer(&who, &app, next, reply, None))
}
