//! Message in, input out: what this service does with what it hears.

use crate::{
    charge::{Ask, Charge, Input},
    fee::Fees,
    store,
};
use async_trait::async_trait;
use calendar::Calendar;
use chassis::{Cause, Clock, Db, HandleError, Heard, Hears, Home, Reaction};
use contracts::{Message, payment::RequestFee};
use std::sync::Arc;

/// What hearing needs.
pub struct React {
    /// This service's schema.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Charges.
    pub charges: Home<Charge>,
    /// What requests cost.
    pub fees: Arc<Fees>,
    /// When banks are open.
    pub calendar: Arc<Calendar>,
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        match &heard.message {
            Message::RequestFee(order) => self.ask(&heard, order).await,
            Message::CaseEnded(end) => {
                let charge = store::charge_at_end(self.db.pool(), end.case).await?;
                let input = Input::CaseEnded {
                    case: end.case,
                    ended_as: end.ended_as,
                    ended: heard.envelope.sequence.number(),
                    at: end.at,
                };
                self.feed(charge.0, &heard, input).await
            }
            // Charges hold no personal part; payers' names are the books' and stay for their own time.
            Message::CaseErased(_) => Ok(Reaction::Ignored),
            // The flow table names nothing else for this service.
            _ => Ok(Reaction::Ignored),
        }
    }
}

impl React {
    async fn ask(&self, heard: &Arc<Heard>, order: &RequestFee) -> Result<Reaction, HandleError> {
        let now = self.clock.now();
        let Some(due) = self.fees.due(order.kind, order.received_at, now, &self.calendar) else {
            return self.feed(order.charge.0, heard, Input::AskForNothing).await;
        };
        // Reserved before the charge exists and for ever: a repeat finds the same one.
        let reference = store::reserve_reference(&self.db, order.charge).await?;
        let ask = Ask {
            case: order.case,
            amount: due.amount,
            reference,
            due_on: due.due_on,
            settled_on: due.settled_on,
            ordered: heard.envelope.sequence.number(),
        };
        self.feed(order.charge.0, heard, Input::Ask { ask, at: now }).await
    }

    async fn feed(&self, charge: contracts::Uuid, heard: &Arc<Heard>, input: Input) -> Result<Reaction, HandleError> {
        Ok(self.charges.handle(charge, Cause::Message(heard.clone()), input).await?.into())
    }
}
