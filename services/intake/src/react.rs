//! Messages to inputs: which case a fact is about. What it means there, the case decides.

use crate::case::{Case, Fact, Input};
use async_trait::async_trait;
use chassis::{Cause, HandleError, Heard, Hears, Home, Reaction};
use contracts::{CaseId, Message};
use std::sync::Arc;

/// What intake does with what it hears.
pub struct React {
    home: Home<Case>,
}

impl React {
    /// For these cases.
    pub const fn new(home: Home<Case>) -> Self {
        Self { home }
    }
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        match route(&heard.message) {
            Some((case, fact)) => Ok(self.home.handle(case.0, Cause::Message(heard), Input::Fact(fact)).await?.into()),
            None => Ok(Reaction::Ignored),
        }
    }
}

/// The case and the fact; none for what is of no consequence here.
pub fn route(message: &Message) -> Option<(CaseId, Fact)> {
    macro_rules! facts {
        ($($name:ident),*) => {
            match message {
                $(Message::$name(fact) => Some((fact.case, Fact::$name(fact.clone()))),)*
                _ => None,
            }
        };
    }
    facts!(
        IdentityConfirmed,
        IdentityDeficient,
        IdentityRejected,
        FeeRequested,
        FeePaid,
        ChargeExpired,
        DecisionMade,
        BlockPlaced,
        BlockLifted,
        StopEntered,
        ChangeFannedOut,
        InstructionSettled,
        StopConfirmed
    )
}

#[cfg(test)]
mod tests {
    /// Whoever gives intake a new message to hear has to say here what it means to a case.
    #[test]
    fn every_message_that_the_flow_table_gives_us_has_a_meaning() {
        let source = include_str!("react.rs");
        let list = source.split("facts!(").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
        let mut routed: Vec<&str> = list.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let mut heard: Vec<&str> =
            contracts::flow::heard_by(contracts::Service::Intake).map(|entry| entry.name).collect();
        routed.sort_unstable();
        heard.sort_unstable();
        assert_eq!(routed, heard);
    }
}
