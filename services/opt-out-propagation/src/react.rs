//! What this service does with what it hears: message in → machine and input.

use crate::{
    entry::{self, Entry},
    instruction::{self, Instruction},
    person::Register,
    tiers,
};
use async_trait::async_trait;
use chassis::{Cause, Clock, Db, HandleError, Heard, Hears, Home, Reaction};
use contracts::{ChangeId, InstructionId, Message, Uuid};
use std::sync::Arc;
use tokio::sync::Notify;

/// The reactions.
pub struct React {
    /// Entries.
    pub entries: Home<Entry>,
    /// Instructions: those of the tier above.
    pub instructions: Home<Instruction>,
    /// Reads.
    pub db: Db,
    /// The personal part.
    pub register: Arc<Register>,
    /// The clock.
    pub clock: Clock,
    /// Wakes the fan-out.
    pub fan_out: Arc<Notify>,
}

impl React {
    async fn feed(&self, id: Uuid, heard: Arc<Heard>, input: entry::Input) -> Result<Reaction, HandleError> {
        Ok(self.entries.handle(id, Cause::Message(heard), input).await?.into())
    }
}

impl React {
    /// The contractor above may wait for this one: when nobody of its tier is open any more, its own report closes.
    async fn tell_above(
        &self,
        instruction: InstructionId,
        cause: Uuid,
        at: contracts::Timestamp,
    ) -> Result<(), HandleError> {
        let pool = self.db.pool();
        let Some(above) = tiers::same_above(pool, instruction).await? else { return Ok(()) };
        if tiers::open_below(pool, above).await?.is_empty() {
            let cause = Cause::Person(Uuid::new_v5(&cause, above.0.as_bytes()));
            self.instructions.handle(above.0, cause, instruction::Input::BelowSettled { at }).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        let (cause, at) = (heard.envelope.id.0, self.clock.now());
        match heard.message.clone() {
            Message::PlaceBlock(m) => {
                // The personal part first: a block that nobody can find blocks nothing.
                if let Err(reaction) = self.register.enter(m.case, m.entry, cause).await? {
                    return Ok(reaction);
                }
                let input = entry::Input::PlaceBlock { case: m.case, scope: m.scope, received_at: m.received_at, at };
                self.feed(m.entry.0, heard, input).await
            }
            Message::EnterStop(m) => {
                // Again: verification may have corrected what was stated at filing.
                if let Err(reaction) = self.register.enter(m.case, m.entry, cause).await? {
                    return Ok(reaction);
                }
                let change = ChangeId::derived(m.entry.0, "stop");
                let input = entry::Input::EnterStop {
                    case: m.case,
                    scope: m.scope,
                    measure: m.measure,
                    received_at: m.received_at,
                    change,
                    at,
                };
                let reaction = self.feed(m.entry.0, heard, input).await?;
                self.fan_out.notify_one();
                Ok(reaction)
            }
            Message::LiftProvisionalBlock(m) => {
                self.feed(m.entry.0, heard, entry::Input::LiftProvisionalBlock { at }).await
            }
            Message::ChangeFannedOut(m) => {
                let instructions = m.instructions.into_iter().collect();
                let input = entry::Input::FannedOut { change: m.change, instructions, at };
                self.feed(m.entry.0, heard, input).await
            }
            Message::InstructionSettled(m) => {
                let round = m.round.unwrap_or(0);
                self.tell_above(m.instruction, cause, at).await?;
                let (instruction, recipient, outcome, ground) = (m.instruction, m.recipient, m.outcome, m.ground);
                let input = entry::Input::InstructionSettled { instruction, recipient, outcome, round, ground, at };
                self.feed(m.entry.0, heard, input).await
            }
            Message::InstructionReported(m) => {
                // The first report that waits leaves the instruction as open as it is.
                let Some(round) = m.round else { return Ok(Reaction::Ignored) };
                let input = entry::Input::InstructionReopened { instruction: m.instruction, round, at };
                self.feed(m.entry.0, heard, input).await
            }
            Message::InstructionReplaced(m) => {
                let input = entry::Input::InstructionReplaced { old: m.instruction, by: m.by, at };
                self.feed(m.entry.0, heard, input).await
            }
            _ => Ok(Reaction::Ignored),
        }
    }
}
