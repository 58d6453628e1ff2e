//! What the rest of the house is told. Everything that is not listed here stays private.

use super::{
    event::Event,
    state::{Request, State},
};
use contracts::{
    CaseId, Kind, Measure, Message, Uuid,
    fulfilment::PrepareAnswer,
    identity::VerifyIdentity,
    intake::{CaseEnded, CaseErased, CaseOpened, CaseProgressed},
    opt_out::{EnterStop, LiftProvisionalBlock, PlaceBlock},
    payment::RequestFee,
};

/// See [`chassis::machine::Machine::announce`].
pub fn announce(id: Uuid, after: &State, event: &Event) -> Vec<Message> {
    let case = CaseId(id);
    if let Event::Erased { at } = event {
        return vec![CaseErased { case, at: *at }.into()];
    }
    match after.file() {
        Some(file) => say(case, &file.request, event).into_iter().collect(),
        None => Vec::new(),
    }
}

fn say(case: CaseId, request: &Request, event: &Event) -> Option<Message> {
    let Request { kind, capacity, channel, language, received_at, receipt_number, .. } = *request;
    let (track, scope) = (request.track(), request.scope());
    Some(match *event {
        Event::Opened { .. } => {
            CaseOpened { case, receipt_number, kind, track, capacity, channel, language, received_at }.into()
        }
        Event::AskedToVerify => VerifyIdentity { case, kind, track, capacity, channel, received_at }.into(),
        Event::AskedForFee { charge } => RequestFee { case, charge, kind, received_at }.into(),
        Event::AskedToBlock { entry } => PlaceBlock { case, entry, scope, received_at }.into(),
        Event::AskedToStop { entry } => {
            let measure = if kind == Kind::Deletion { Measure::Erase } else { Measure::Stop };
            EnterStop { case, entry, scope, measure, received_at }.into()
        }
        Event::AskedToLift { entry } => LiftProvisionalBlock { case, entry }.into(),
        Event::AskedForAnswer => PrepareAnswer { case, kind, track, capacity, received_at }.into(),
        Event::Progressed { step, since, due_at, suit_from } => {
            CaseProgressed { case, step, since, due_at, suit_from }.into()
        }
        Event::Ended { ended_as, at } => CaseEnded { case, ended_as, at }.into(),
        _ => return None,
    })
}
