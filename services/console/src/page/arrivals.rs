//! 受付簿: what came by post, by telephone or to the counter. The list has nothing that anybody wrote or said; one arrival is shown on one
//! page only, after it was written down who looks.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    faults::Faults,
    guard::{Fields, Signed, SignedIn},
    html,
    opened::{NotShown, opened},
    orders, place_in_list,
};
use crate::{audit, command::By, store};
use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
};
use contracts::{
    ArrivalId, ArrivalOutcome, ArrivalState, CaseId, Channel, PersonField, Sealed, Uuid,
    arrival::{ArrivalList, ArrivalReply, ArrivalRow, ListArrivals, LogArrival, SettleArrival, ShowArrival, Written},
    request::StaffReply,
};
use privacy::{Personal, Purpose};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is looked at; written down before it is asked for.
const LOOKED_AT: &[PersonField] =
    &[PersonField::Name, PersonField::Telephone, PersonField::Address, PersonField::Words];
/// What of the form is sealed.
const PARTICULARS: &[&str] = &["name", "telephone", "address", "tracking", "words"];

/// What the address of the list says.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    state: String,
    /// `time_id` of the last row seen.
    #[serde(default)]
    after: String,
    #[serde(default)]
    channel: String,
}

#[derive(Template)]
#[template(path = "arrivals.html")]
struct ArrivalsPage {
    page: Page,
    /// None: intake does not answer.
    list: Option<ArrivalList>,
    state: ArrivalState,
    away: String,
    numbers: BTreeMap<Uuid, String>,
}

impl ArrivalsPage {
    fn number(&self, row: &ArrivalRow) -> Option<&str> {
        self.numbers.get(&row.case?.0).map(String::as_str)
    }
    fn more(&self, list: &ArrivalList) -> String {
        let last = list.rows.last().map_or(String::new(), |row| format!("{}_{}", row.arrived_at, row.id));
        format!("/arrivals?state={}&after={last}", self.state)
    }
    fn count(&self, list: &ArrivalList, state: &ArrivalState) -> i64 {
        list.counts.iter().find(|(of, _)| of == state).map_or(0, |(_, n)| *n)
    }
}

/// GET /arrivals
pub async fn list(State(app): State<App>, who: SignedIn, Query(wanted): Query<Wanted>) -> Answer {
    let state = wanted.state.parse().unwrap_or(ArrivalState::Open);
    let list = app.commands.ask(&ListArrivals { state: Some(state), after: place_in_list(&wanted.after) }).await.ok();
    let cases: Vec<Uuid> =
        list.iter().flat_map(|list| &list.rows).filter_map(|row| row.case).map(|case| case.0).collect();
    let numbers = store::numbers(app.db.pool(), &cases).await?;
    let page = who.page(&app, "arrivals");
    let away = page.t("answer.away-read").replace("{service}", &page.word("service", "intake"));
    Ok(html(StatusCode::OK, ArrivalsPage { page, list, state, away, numbers }))
}

#[derive(Template)]
#[template(path = "arrival_new.html")]
struct NewPage {
    page: Page,
    channel: Channel,
    token: Uuid,
    fields: Fields,
    faults: Faults,
}

impl NewPage {
    fn value(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_default()
    }
    fn is_post(&self) -> bool {
        self.channel == Channel::Post
    }
    fn title(&self) -> &'static str {
        match self.channel {
            Channel::Telephone => "new-telephone",
            Channel::Counter => "new-counter",
            _ => "new-post",
        }
    }
    fn label(&self, field: &str) -> String {
        self.page.word("arrival-line", field)
    }
}

/// GET /arrivals/new
pub async fn form(State(app): State<App>, who: SignedIn, Query(wanted): Query<Wanted>) -> Answer {
    let channel = wanted.channel.parse().unwrap_or(Channel::Post);
    let page = who.page(&app, "arrivals");
    let now = app.clock.now().to_zoned(app.zone.clone()).strftime("%Y-%m-%dT%H:%M").to_string();
    let fields = Fields(vec![("arrived_at".to_owned(), now)]);
    Ok(html(StatusCode::OK, NewPage { page, channel, token: Uuid::now_v7(), fields, faults: Faults::default() }))
}

/// The order that the form makes, and what of it is sealed. Pure; the error is the field that cannot be read.
fn order(fields: &Fields, zone: &jiff::tz::TimeZone) -> Result<(LogArrival, Value), &'static str> {
    let channel = fields.parsed("channel").ok_or("channel")?;
    let local: jiff::civil::DateTime = fields.parsed("arrived_at").ok_or("arrived_at")?;
    let arrived_at = zone.to_ambiguous_zoned(local).compatible().map_err(|_| "arrived_at")?.timestamp();
    let given = |field: &'static str| fields.get(field).is_some();
    let postal_class = fields.parsed("postal_class");
    let postmarked_on = fields.parsed("postmarked_on");
    if given("postal_class") && postal_class.is_none() {
        return Err("postal_class");
    }
    if given("postmarked_on") && postmarked_on.is_none() {
        return Err("postmarked_on");
    }
    let cash = fields.get("cash") == Some("yes");
    let said = PARTICULARS.iter().filter_map(|field| Some((*field, fields.get(field)?)));
    let said = said.fold(json!({}), |mut all, (field, value)| {
        all[field] = json!(value);
        all
    });
    let particulars = Sealed::default();
    Ok((LogArrival { channel, arrived_at, postal_class, postmarked_on, cash, particulars }, said))
}

/// POST /arrivals
pub async fn log(State(app): State<App>, Signed { who, fields }: Signed) -> Answer {
    let page = who.page_at(&app, "arrivals", "/arrivals");
    let channel = fields.parsed("channel").unwrap_or(Channel::Post);
    let Some(token) = fields.token() else {
        return Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, "token-none", next()));
    };
    let again = |faults| {
        let page = who.page_at(&app, "arrivals", "/arrivals/new");
        html(StatusCode::UNPROCESSABLE_ENTITY, NewPage { page, channel, token, fields: fields.clone(), faults })
    };
    let (order, said) = match order(&fields, &app.zone) {
        Ok(read) => read,
        Err(field) => return Ok(again(Faults::one(&page, field, "unreadable"))),
    };
    let by = By { staff: who.staff.id, why: page.t("arrivals.logged-why"), token };
    let reply = app.commands.log_arrival(by, order, &said).await;
    Ok(match reply {
        Ok(Written::Wrong { faults }) => again(Faults::of(&page, &faults)),
        other => {
            let kept = Some(("/arrivals".to_owned(), fields.clone()));
            answer::answer(&who, &app, next(), other.map(|written| as_reply(written, "logged")), kept)
        }
    })
}

/// An answer with one sentence.
pub(super) fn as_reply(written: Written, status: &'static str) -> StaffReply {
    match written {
        Written::Done { id } => StaffReply::Done { machine: id, status: contracts::Code::of(status), figures: vec![] },
        Written::Refused { reason } => StaffReply::Refused { reason, at: None },
        // Shown at its fields; only for completeness.
        Written::Wrong { faults } => StaffReply::Refused {
            reason: faults.first().map_or(contracts::Code::of("invalid"), |fault| fault.code.clone()),
            at: None,
        },
    }
}

#[derive(Template)]
#[template(path = "arrival.html")]
struct ArrivalPage<'a> {
    page: Page,
    row: ArrivalRow,
    number: Option<String>,
    said: Option<&'a Value>,
    names: (String, Option<String>),
}

impl ArrivalPage<'_> {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
    /// What is known of these.
    fn lines(&self) -> Vec<(&'static str, &str)> {
        let text = |field: &&'static str| Some((*field, self.said?[*field].as_str()?));
        PARTICULARS.iter().filter(|field| **field != "words").filter_map(text).collect()
    }
    fn text(&self, field: &str) -> &str {
        self.said.and_then(|said| said[field].as_str()).unwrap_or_default()
    }
    fn outcomes(&self) -> Vec<(String, String)> {
        let possible = |code: &str| {
            code != ArrivalOutcome::Request.as_str()
                && (code != ArrivalOutcome::Returned.as_str() || self.row.channel == Channel::Post)
        };
        self.page.texts().group("arrival-outcome").into_iter().filter(|(code, _)| possible(code)).collect()
    }
    fn is_open(&self) -> bool {
        self.row.state == ArrivalState::Open
    }
    /// A letter may hold a second wish.
    fn may_be_filed(&self) -> bool {
        self.said.is_some() && (self.is_open() || self.row.outcome == Some(ArrivalOutcome::Request))
    }
}

pub(super) fn next() -> Next {
    Next { section: "arrivals", path: "/arrivals".into(), words: "answer.to-arrivals" }
}

/// GET /arrivals/{arrival}: leads to the list; one is shown only when it is asked for.
pub async fn page(State(_): State<App>, _: SignedIn, Path(_): Path<ArrivalId>) -> axum::response::Redirect {
    axum::response::Redirect::to("/arrivals")
}

/// One arrival with what was written or said (none: its key was destroyed). The audit row first.
pub(super) async fn open(
    app: &App,
    who: &SignedIn,
    id: ArrivalId,
) -> Result<(ArrivalRow, Option<Personal<Value>>), NotShown> {
    let staff = who.staff.id;
    let cause = audit::looked(&app.db, staff, None, "arrival", LOOKED_AT, app.clock.now()).await?;
    match app.commands.ask(&ShowArrival { id, staff, cause }).await {
        Ok(ArrivalReply::Found { row, particulars }) => {
            Ok((*row, particulars.map(|sealed| opened(app, id.0, &sealed)).transpose()?))
        }
        Ok(ArrivalReply::Unknown) => Err(NotShown::Unknown),
        Err(error) => Err(NotShown::Command(error)),
    }
}

/// POST /arrivals/{arrival}/show
pub async fn show(State(app): State<App>, Path(id): Path<ArrivalId>, Signed { who, .. }: Signed) -> Answer {
    let (row, said) = match open(&app, &who, id).await {
        Ok(found) => found,
        Err(why) => return why.answer(&who, &app, next()),
    };
    let number = match row.case {
        Some(case) => store::numbers(app.db.pool(), &[case.0]).await?.remove(&case.0),
        None => None,
    };
    let names = (
        store::staff_name(app.db.pool(), row.logged.0).await?,
        match row.settled {
            Some((by, _)) => Some(store::staff_name(app.db.pool(), by).await?),
            None => None,
        },
    );
    let page = who.page_at(&app, "arrivals", "/arrivals");
    let said = said.as_ref().map(|said| said.disclose(Purpose::ShowToStaff));
    Ok(html(StatusCode::OK, ArrivalPage { page, row, number, said, names }))
}

/// What the form says: what became of it, and the case by its receipt number.
async fn settled(
    app: &App,
    fields: &Fields,
) -> Result<Result<(ArrivalOutcome, Option<CaseId>), &'static str>, super::Oops> {
    let Some(outcome) = fields.parsed("outcome") else { return Ok(Err("arrival-outcome-none")) };
    if outcome != ArrivalOutcome::Case {
        return Ok(Ok((outcome, None)));
    }
    Ok(orders::numbered(app, fields).await?.map(|case| (outcome, Some(case))))
}

/// POST /arrivals/{arrival}/settle
pub async fn settle(State(app): State<App>, Path(id): Path<ArrivalId>, Signed { who, fields }: Signed) -> Answer {
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next()));
    let (outcome, case) = match settled(&app, &fields).await? {
        Ok(settled) => settled,
        Err(word) => return wrong(word),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    let reply = app.commands.settle_arrival(by, SettleArrival { id, outcome, case }).await;
    let again = Some((format!("/arrivals/{id}/settle"), fields.clone()));
    Ok(answer::answer(&who, &app, next(), reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn read(pairs: &[(&str, &str)]) -> Result<(LogArrival, Value), &'static str> {
        order(&Fields::of(pairs), &TimeZone::get("Asia/Tokyo").unwrap())
    }

    #[test]
    fn a_form_is_an_order_with_its_time_in_the_zone_of_the_desk() {
        let pairs = [
            ("channel", "post"),
            ("arrived_at", "2026-06-01T09:30"),
            ("postal_class", "registered"),
            ("postmarked_on", "2026-05-30"),
            ("cash", "yes"),
            ("tracking", " 123-45-67890-3 "),
            ("words", ""),
        ];
        let (order, said) = read(&pairs).unwrap();
        assert_eq!(order.arrived_at.to_string(), "2026-06-01T00:30:00Z");
        assert!(order.cash && order.postal_class.is_some() && order.postmarked_on.is_some());
        assert_eq!(said, json!({ "tracking": "123-45-67890-3" }), "what is empty is left out");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let good = [("channel", "telephone"), ("arrived_at", "2026-06-01T09:30")];
        assert!(read(&good).is_ok());
        assert_eq!(read(&good[..1]).err(), Some("arrived_at"));
        assert_eq!(read(&good[1..]).err(), Some("channel"));
        for (field, bad) in [("postal_class", "pigeon"), ("postmarked_on", "yesterday"), ("arrived_at", "x")] {
            let mut pairs = vec![(field, bad)];
            pairs.extend(good);
            assert_eq!(read(&pairs).err(), Some(field));
        }
    }
}
