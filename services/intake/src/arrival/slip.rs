//! 受付票: receipt number and access code of a request that staff filed, for a letter to whoever filed it. Once it is handed over, the desk
//! forgets the code, as it never knows that of a request by the web.

use super::{
    desk::{Desk, refused},
    file::number_and_code,
    store,
};
use crate::{
    person::{table, unavailable},
    store::Audit,
};
use chassis::HandleError;
use contracts::{
    Code, DisclosePurpose, PersonField, Service,
    arrival::{HandOverSlip, ShowSlip, SlipReply},
    request::{StaffCommand, StaffReply},
};
use privacy::{Personal, Purpose, seal_json};
use serde_json::json;

/// What leaves; written down before.
const FIELDS: &[PersonField] = &[PersonField::Name, PersonField::Address, PersonField::Representative];

/// Shows it. The audit row is committed first.
///
/// # Errors
/// A database or a key is away.
pub async fn show(desk: &Desk, asked: ShowSlip) -> Result<SlipReply, HandleError> {
    let db = desk.bus.db();
    let Some(filed) = store::filed(db, asked.case).await? else { return Ok(SlipReply::Unknown) };
    if let Some(at) = filed.handed_at {
        return Ok(SlipReply::HandedOver { at: at.to_jiff() });
    }
    let Some(person) = crate::store::person(db, asked.case.0).await? else { return Ok(SlipReply::Unknown) };
    let Some(sealed) = &person.sealed else { return Ok(SlipReply::Unknown) };
    let purpose = DisclosePurpose::ShowToStaff;
    let article = table::article(person.kind, purpose);
    crate::store::write_audit(
        db,
        Audit {
            at: desk.bus.clock().now(),
            what: "disclose",
            case: Some(asked.case.0),
            asker: Service::Console.token().to_owned(),
            purpose: purpose.as_str(),
            article: article.to_string(),
            fields: FIELDS.iter().map(|field| field.as_str()).collect(),
            cause: Some(asked.cause),
            staff: Some(asked.staff.0),
            granted: true,
        },
    )
    .await?;
    let Some(document) = desk.persons.open(asked.case.0, sealed).await? else { return Ok(SlipReply::Unknown) };
    let Some((number, code)) = number_and_code(desk, asked.case).await? else { return Ok(SlipReply::Unknown) };
    let (name, address) = document.addressee();
    let code = code.disclose(Purpose::ShowToPerson).show(Purpose::ShowToPerson);
    let slip = Personal::new(json!({
        "receipt_number": number, "access_code": &*code, "kind": person.kind, "name": name, "address": address,
    }));
    let console = desk.persons.key_of(Service::Console)?;
    Ok(SlipReply::Found { slip: seal_json(&console, asked.case.0.as_bytes(), &slip).map_err(unavailable)? })
}

/// 交付済み.
///
/// # Errors
/// A database is away: nothing was done.
pub async fn hand_over(desk: &Desk, command: StaffCommand<HandOverSlip>) -> Result<StaffReply, HandleError> {
    let case = command.order.case;
    let why = match desk.persons.custody().why(&command) {
        Ok(why) => desk.persons.reseal_why(case.0, &why).await?,
        Err(reply) => return Ok(reply),
    };
    let db = desk.bus.db();
    let Some(filed) = store::filed(db, case).await? else { return Ok(refused("slip-none", None)) };
    let at = desk.bus.clock().now();
    let order = crate::store::Order {
        token: command.token,
        case: case.0,
        verb: "hand-over-slip",
        staff: command.staff.0,
        why,
        at,
    };
    crate::store::write_order(db, order).await?;
    // The same form again, or somebody was faster: it is handed over.
    if store::hand_over(db, case, command.staff, at).await? || filed.handed_at.is_some() {
        return Ok(StaffReply::Done { machine: case.0, status: const { Code::of("handed-over") }, figures: vec![] });
    }
    Ok(refused("case-erased", None))
}
