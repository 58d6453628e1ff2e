//! 代理入力: staff file a request in the person's name, from a letter, a call, a visit or a mail. Checked by the rule of the web; the clocks
//! start when it arrived.
//!
//! The case's id is made from what it is filed from and its kind, so that two members of staff who take up one letter make one case.
//! Every step can be repeated: a form that was left half done is gone on with by the same form at once, and by another after a while.

use super::{
    desk::Desk,
    store::{self, NewFiling, Settled},
    wrong,
};
use crate::{
    case::Input,
    filing::plain,
    mail,
    person::{Kept, unavailable},
};
use chassis::{Cause, HandleError, Outcome, telemetry};
use contracts::{
    CaseId, Channel, Code, Date, ReceiptNumber, Timestamp,
    arrival::{FileRequest, FiledFrom, Written},
    request::{StaffCommand, StaffReply},
};
use filing::{
    draft,
    request::{self, FieldError, Request, Rules},
};
use jiff::SignedDuration;
use privacy::{AccessCode, CodeKey, Personal, Purpose, RecordClass, VaultError};
use privacy_seal::filing::NewRequest;

/// The place of a sealed access code.
const CODE: &[u8] = b"intake.desk_filing.code";
/// After this a form that was left half done is anybody's.
const HALF_DONE: SignedDuration = SignedDuration::from_mins(1);

/// What a request is filed from.
struct Source {
    channel: Channel,
    arrived_at: Timestamp,
    /// Nothing was made of it yet.
    open: bool,
}

fn refused(reason: &'static str) -> Written {
    Written::Refused { reason: Code::of(reason) }
}

/// Files it.
///
/// # Errors
/// A database is away: nothing is known to be done, and the same form may be sent again.
pub async fn file(desk: &Desk, command: StaffCommand<FileRequest>) -> Result<Written, HandleError> {
    if let Err(StaffReply::Refused { reason, .. }) = desk.persons.custody().why(&command) {
        return Ok(Written::Refused { reason });
    }
    let Ok(body) = desk.persons.key().open(command.token.as_bytes(), &command.order.draft.0) else {
        return Ok(refused("words-unreadable"));
    };
    let source = match source(desk, command.order.from).await? {
        Ok(source) => source,
        Err(reason) => return Ok(refused(reason)),
    };
    let day = calendar::jst_date(source.arrived_at);
    let request = match read(&body, day, desk.ages.rules(day)) {
        Ok(request) => request,
        Err(errors) => return Ok(wrong(errors)),
    };
    let thing = match command.order.from {
        FiledFrom::Arrival(id) => id.0,
        FiledFrom::Mail(id) => id.0,
    };
    let case = CaseId::derived(thing, request.kind.as_str());
    if desk.home.read(case.0).await?.is_some() {
        let ours = store::filed(desk.bus.db(), case).await?.is_some_and(|filed| filed.token == command.token);
        if !ours {
            return Ok(refused("filed-already"));
        }
    } else if let Some(reply) = open(desk, &command, &source, case, request).await? {
        return Ok(reply);
    }
    settle(desk, &command, &source, case).await?;
    Ok(Written::Done { id: case.0 })
}

/// Pure: what was typed, as the web would take it.
fn read(body: &Personal<Vec<u8>>, day: Date, rules: Rules) -> Result<Request, Vec<FieldError>> {
    let (draft, shape) = draft::from_json(body.disclose(Purpose::SealForOwner)).map_err(|error| vec![error])?;
    match request::check(&draft, day, rules) {
        Ok(request) if shape.is_empty() => Ok(request),
        Ok(_) => Err(shape),
        Err(content) => Err(draft::merged(shape, content)),
    }
}

async fn source(desk: &Desk, from: FiledFrom) -> Result<Result<Source, &'static str>, HandleError> {
    let db = desk.bus.db();
    Ok(match from {
        FiledFrom::Arrival(id) => match store::one(db, id).await? {
            None => Err("arrival-unknown"),
            Some(row) if row.sealed.is_none() => Err("case-erased"),
            Some(row) if row.outcome.as_deref().is_some_and(|outcome| outcome != "request") => {
                Err("arrival-settled-otherwise")
            }
            Some(row) => Ok(Source {
                // The column's check has the same words.
                channel: row.channel.parse().unwrap_or(Channel::Post),
                arrived_at: row.arrived_at.to_jiff(),
                open: row.outcome.is_none(),
            }),
        },
        FiledFrom::Mail(id) => match mail::store::one(db, id).await? {
            None => Err("mail-unknown"),
            Some(row) if row.sealed.is_none() => Err("case-erased"),
            Some(row) if row.state == "arrived" => Err("mail-not-read-yet"),
            Some(row) if row.outcome.as_deref().is_some_and(|outcome| outcome != "request") => {
                Err("mail-settled-otherwise")
            }
            Some(row) => Ok(Source {
                channel: Channel::Mail,
                arrived_at: row.received_at.to_jiff(),
                open: row.outcome.is_none(),
            }),
        },
    })
}

/// Opens the case; `Some` = why not.
async fn open(
    desk: &Desk,
    command: &StaffCommand<FileRequest>,
    source: &Source,
    case: CaseId,
    request: Request,
) -> Result<Option<Written>, HandleError> {
    let db = desk.bus.db();
    let code = AccessCode::random().map_err(unavailable)?;
    let shown = code.show(Purpose::ShowToPerson);
    let sealed = match desk.persons.custody().vault().seal(case.0, RecordClass::Case, CODE, shown.as_bytes()).await {
        Ok(sealed) => sealed,
        Err(VaultError::Erased { .. }) => return Ok(Some(refused("case-erased"))),
        Err(error) => return Err(unavailable(error)),
    };
    let number = ReceiptNumber::from_random(*contracts::Uuid::new_v4().as_bytes());
    let new = NewFiling {
        case,
        token: command.token,
        from: command.order.from,
        receipt_number: number.to_string(),
        code: sealed,
        by: command.staff,
        at: desk.bus.clock().now(),
    };
    // Somebody else is filing it just now.
    if !store::begin(db, new, HALF_DONE).await? {
        return Ok(Some(refused("filed-already")));
    }
    // Perhaps those of an earlier attempt.
    let Some((number, code)) = number_and_code(desk, case).await? else { return Ok(Some(refused("case-erased"))) };
    let code = code.disclose(Purpose::ShowToPerson);
    let new = new_request(request, source, case, number, code);
    let Some(plain) = plain(&new, &desk.settings) else { return Ok(Some(refused("code-key-unusable"))) };
    store::forget_half_done(db, case).await?;
    if desk.persons.keep(&new).await? == Kept::Erased {
        return Ok(Some(refused("case-erased")));
    }
    let outcome = desk.home.handle(case.0, Cause::Person(command.token), Input::Filed { request: plain }).await?;
    Ok(match outcome {
        Outcome::Done { .. } | Outcome::Seen { .. } | Outcome::Already { .. } => {
            telemetry::count("madoguchi.filings", "by-staff");
            None
        }
        Outcome::Refused(why) => Some(Written::Refused { reason: why.into() }),
        Outcome::TooEarly | Outcome::Later | Outcome::Parked | Outcome::Behind => {
            return Err(unavailable("the case cannot be opened just now"));
        }
    })
}

fn new_request(
    request: Request,
    source: &Source,
    case: CaseId,
    receipt_number: ReceiptNumber,
    code: &AccessCode,
) -> NewRequest {
    NewRequest {
        case,
        receipt_number,
        code_key: *CodeKey::derive(code, &receipt_number.to_string()).public().as_bytes(),
        kind: request.kind,
        capacity: request.capacity,
        scope: request.scope,
        channel: source.channel,
        language: request.language,
        received_at: source.arrived_at,
        traceparent: None,
        person: request.person,
        representative: request.representative,
        words: request.words,
        hospitals: request.hospitals,
        circumstances: request.circumstances,
    }
}

/// Receipt number and access code of a request that staff filed; `None`: handed over, erased, or filed by nobody here.
///
/// # Errors
/// A database is away.
pub(super) async fn number_and_code(
    desk: &Desk,
    case: CaseId,
) -> Result<Option<(ReceiptNumber, Personal<AccessCode>)>, HandleError> {
    let Some(filed) = store::filed(desk.bus.db(), case).await? else { return Ok(None) };
    let Some(sealed) = filed.code else { return Ok(None) };
    let code = match desk.persons.custody().vault().open(case.0, RecordClass::Case, CODE, &sealed).await {
        Ok(opened) => opened.text().map_err(unavailable)?.try_map(|text| text.parse()).map_err(unavailable)?,
        Err(VaultError::Erased { .. }) => return Ok(None),
        Err(error) => return Err(unavailable(error)),
    };
    Ok(Some((filed.receipt_number.parse().map_err(unavailable)?, code)))
}

/// What it was filed from is settled with it. Repeating it is harmless.
async fn settle(
    desk: &Desk,
    command: &StaffCommand<FileRequest>,
    source: &Source,
    case: CaseId,
) -> Result<(), HandleError> {
    if !source.open {
        return Ok(());
    }
    let (db, by, at) = (desk.bus.db(), command.staff, desk.bus.clock().now());
    match command.order.from {
        FiledFrom::Arrival(id) => {
            if let Ok(why) = desk.why(command, id).await? {
                store::settle(db, Settled { id, outcome: "request", case: Some(case), by, why, at }).await?;
            }
        }
        FiledFrom::Mail(id) => {
            let why = desk.persons.why_under(command, id.0, mail::desk::WHY_PLACE, "mail-unknown").await?;
            if let Ok(why) = why {
                mail::store::settle(db, id, "request", Some(case), by, why, at).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use filing::ages::Ages;
    use serde_json::json;

    fn read_json(body: &serde_json::Value, day: &str) -> Result<Request, Vec<FieldError>> {
        let day = day.parse().unwrap();
        read(&Personal::new(serde_json::to_vec(body).unwrap()), day, Ages::default().rules(day))
    }

    #[test]
    fn what_staff_type_is_taken_as_on_the_web_and_on_the_day_on_which_it_arrived() {
        let mut body = json!({"kind": "disclosure", "person": {"name": "山田標識", "kana": "やまだひょうしき",
            "birth_date": "昭和55年4月5日", "address": "標識市架空町1-2-3"}});
        let taken = read_json(&body, "2026-06-01").unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((&*taken.person.kana, taken.person.birth_date.unwrap().year()), ("ヤマダヒョウシキ", 1980));
        body["person"]["birth_date"] = json!("2026-06-01");
        assert!(read_json(&body, "2026-06-01").is_ok());
        let errors = read_json(&body, "2026-05-31").err().unwrap();
        assert_eq!((&*errors[0].pointer, errors[0].code), ("/person/birth_date", "date-future"));
        body["colour"] = json!("red");
        assert_eq!(read_json(&body, "2026-06-01").err().unwrap()[0].code, "unknown-field");
        assert_eq!(read_json(&json!([]), "2026-06-01").err().unwrap()[0].code, "not-object");
    }

    #[test]
    fn every_word_of_the_check_can_be_told() {
        for code in request::CODES {
            assert!(code.parse::<Code>().is_ok(), "{code}");
        }
    }
}
