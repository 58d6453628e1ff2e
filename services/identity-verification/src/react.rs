//! Message in, input out: what this service does with what it hears.

use crate::verification::{Ask, Input, Verification};
use async_trait::async_trait;
use chassis::{Cause, HandleError, Heard, Hears, Home, Reaction};
use contracts::{CaseId, Message};
use custody::Custody;
use privacy::RecordClass;
use std::sync::Arc;

/// The hearer.
pub struct React {
    /// The verifications.
    pub home: Home<Verification>,
    /// The keys of the evidence.
    pub custody: Custody,
}

/// Which verification hears it, and as what; pure. `seq` is the case machine's.
pub fn route(message: &Message, seq: i64) -> Option<(CaseId, Input)> {
    match message {
        Message::VerifyIdentity(m) => {
            let ask = Ask {
                kind: m.kind,
                track: m.track,
                capacity: m.capacity,
                channel: m.channel,
                received_at: m.received_at,
            };
            Some((m.case, Input::Verify { ask, seq }))
        }
        Message::CaseEnded(m) => Some((m.case, Input::CaseEnded { at: m.at, seq })),
        Message::CaseErased(m) => Some((m.case, Input::CaseErased { at: m.at })),
        _ => None,
    }
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        let Some((case, input)) = route(&heard.message, heard.envelope.sequence.number()) else {
            return Ok(Reaction::Ignored);
        };
        if matches!(input, Input::CaseErased { .. }) {
            // The key first: should anything fail after this, the words are unreadable already and the message comes again.
            let erased = self.custody.erase(case.0, RecordClass::Evidence).await;
            erased.map_err(|e| HandleError::Unavailable(e.to_string()))?;
        }
        Ok(self.home.handle(case.0, Cause::Message(heard), input).await?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{
        Capacity, Channel, EndedAs, Kind, Service, Timestamp, Track, Uuid,
        flow::heard_by,
        identity::VerifyIdentity,
        intake::{CaseEnded, CaseErased},
    };

    /// What the flow table says this service hears, it routes, each to the machine of its case.
    #[test]
    fn every_message_of_the_table_has_its_input() {
        let (case, at) = (CaseId(Uuid::from_u128(5)), Timestamp::UNIX_EPOCH);
        let messages: [Message; 3] = [
            VerifyIdentity {
                case,
                kind: Kind::Disclosure,
                track: Track::Appi,
                capacity: Capacity::Person,
                channel: Channel::Web,
                received_at: at,
            }
            .into(),
            CaseEnded { case, ended_as: EndedAs::Decided, at }.into(),
            CaseErased { case, at }.into(),
        ];
        let names: Vec<&str> = heard_by(Service::Identity).map(|e| e.name).collect();
        assert_eq!(names, messages.each_ref().map(|m| m.entry().name));
        let routed = messages.each_ref().map(|m| route(m, 48).map(|(id, input)| (id == case, input)));
        assert!(matches!(routed[0], Some((true, Input::Verify { seq: 48, .. }))));
        assert!(matches!(routed[1], Some((true, Input::CaseEnded { seq: 48, .. }))));
        assert!(matches!(routed[2], Some((true, Input::CaseErased { .. }))));
    }
}
