//! Message in, input out: what this service does with what it hears.
//!
//! Erasing a case destroys nothing here: what this service keeps is the record of a decision, which has its own class and
//! time (法定記録). The machine learns of it, so that nothing is decided any more.

use crate::answer::{Answer, Ask, Input};
use async_trait::async_trait;
use chassis::{Cause, HandleError, Heard, Hears, Home, Reaction};
use contracts::{CaseId, Message};
use std::sync::Arc;

/// The hearer.
pub struct React {
    /// The answers.
    pub home: Home<Answer>,
}

/// Which answer hears it, and as what; pure. `seq` is the case machine's.
pub fn route(message: &Message, seq: i64) -> Option<(CaseId, Input)> {
    match message {
        Message::PrepareAnswer(m) => {
            let ask = Ask { kind: m.kind, track: m.track, capacity: m.capacity, received_at: m.received_at };
            Some((m.case, Input::Prepare { ask, seq }))
        }
        Message::CaseEnded(m) => Some((m.case, Input::CaseEnded { at: m.at, seq })),
        Message::CaseErased(m) => Some((m.case, Input::CaseErased { at: m.at })),
        _ => None,
    }
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        match route(&heard.message, heard.envelope.sequence.number()) {
            Some((case, input)) => Ok(self.home.handle(case.0, Cause::Message(heard), input).await?.into()),
            None => Ok(Reaction::Ignored),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{
        Capacity, EndedAs, Kind, Service, Timestamp, Track, Uuid,
        flow::heard_by,
        fulfilment::PrepareAnswer,
        intake::{CaseEnded, CaseErased},
    };

    /// What the flow table says this service hears, it routes, each to the machine of its case.
    #[test]
    fn every_message_of_the_table_has_its_input() {
        let (case, at) = (CaseId(Uuid::from_u128(5)), Timestamp::UNIX_EPOCH);
        let messages: [Message; 3] = [
            PrepareAnswer {
                case,
                kind: Kind::Disclosure,
                track: Track::Appi,
                capacity: Capacity::Person,
                received_at: at,
            }
            .into(),
            CaseEnded { case, ended_as: EndedAs::Decided, at }.into(),
            CaseErased { case, at }.into(),
        ];
        let names: Vec<&str> = heard_by(Service::Fulfilment).map(|e| e.name).collect();
        assert_eq!(names, messages.each_ref().map(|m| m.entry().name));
        let routed = messages.each_ref().map(|m| route(m, 48).map(|(id, input)| (id == case, input)));
        assert!(matches!(routed[0], Some((true, Input::Prepare { seq: 48, .. }))));
        assert!(matches!(routed[1], Some((true, Input::CaseEnded { seq: 48, .. }))));
        assert!(matches!(routed[2], Some((true, Input::CaseErased { .. }))));
    }
}
