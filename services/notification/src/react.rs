//! Message in, input out: what this service does with what it hears.

use crate::{
    message::{Input, Notice, NoticeMachine, Plan, Text},
    store::{Known, Store},
    transport::Transport,
};
use async_trait::async_trait;
use chassis::{Cause, Clock, HandleError, Heard, Hears, Home, Reaction};
use contracts::{CaseId, Code, Message, MessageId, NoticeId, Timestamp, Uuid};
use std::sync::Arc;
use tokio::sync::Notify;

/// The hearer.
pub struct React {
    /// The notices.
    pub home: Home<NoticeMachine>,
    /// The service's tables.
    pub store: Store,
    /// How mails leave; an erasure removes what is still within reach.
    pub transport: Arc<Transport>,
    /// How long and how often.
    pub plan: Plan,
    /// Now.
    pub clock: Clock,
    /// Wakes the worker.
    pub wake: Arc<Notify>,
}

/// Which text tells a fact, and to whose case it belongs; pure. `CaseErased` is no text.
pub fn text(message: &Message) -> Option<(CaseId, Text)> {
    match message {
        Message::CaseOpened(m) => Some((m.case, Text::Received)),
        Message::CaseEnded(m) => Some((m.case, Text::Ended)),
        Message::IdentityDeficient(m) => Some((m.case, Text::Completion)),
        Message::FeeRequested(m) => Some((m.case, Text::FeeRequested)),
        Message::FeePaid(m) => Some((m.case, Text::FeePaid)),
        Message::StopEntered(m) => Some((m.case, Text::StopEntered)),
        _ => None,
    }
}

/// The notice that tells a fact: always the same one, so that a fact is told once.
pub fn notice_id(fact: MessageId) -> NoticeId {
    NoticeId::derived(fact.0, "notice")
}

#[async_trait]
impl Hears for React {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        if let Message::CaseErased(m) = &heard.message {
            self.erase(m.case, m.at, heard.envelope.id).await?;
            return Ok(Reaction::Ignored);
        }
        if let Message::CaseOpened(m) = &heard.message {
            self.store.open_case(m.case, m.language, m.receipt_number).await?;
        }
        let Some((case, text)) = text(&heard.message) else { return Ok(Reaction::Ignored) };
        let (language, receipt_number) = match self.store.case(case).await? {
            Known::As(language, receipt_number) => (language, receipt_number),
            Known::NotYet => return Ok(Reaction::Later(Code::of("case-not-opened-yet"))),
            Known::Erased => return Ok(Reaction::Ignored),
        };
        let fact = heard.envelope.id;
        let (since, plan) = (self.clock.now(), self.plan);
        let notice = Notice { case, fact, text, language, receipt_number, since, plan };
        let outcome = self.home.handle(notice_id(fact).0, Cause::Message(heard), Input::Tell(notice)).await?;
        self.wake.notify_one();
        Ok(outcome.into())
    }
}

impl React {
    /// One fact, several machines: each gets an input of its own, with a token made of the fact's id and its own, so that
    /// the whole can be repeated. The case is marked first: what is heard of it from then on is not told.
    async fn erase(&self, case: CaseId, at: Timestamp, fact: MessageId) -> Result<(), HandleError> {
        self.store.erase_case(case, at).await?;
        for notice in self.store.notices(case).await? {
            let cause = Cause::Person(Uuid::new_v5(&fact.0, notice.0.as_bytes()));
            self.home.handle(notice.0, cause, Input::CaseErased { at }).await?;
            let forgotten = self.transport.forget(notice).await;
            forgotten.map_err(|e| HandleError::Unavailable(format!("removing a file of the outbox: {}", e.kind())))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{
        Capacity, Channel, ChargeId, EndedAs, EntryId, Kind, Language, ReceiptNumber, Scope, Service, Track,
        flow::heard_by,
        identity::IdentityDeficient,
        intake::{CaseEnded, CaseErased, CaseOpened},
        opt_out::StopEntered,
        payment::{FeePaid, FeeRequested, PaymentReference, Yen},
    };
    use std::collections::BTreeSet;

    fn messages() -> Vec<Message> {
        let (case, at) = (CaseId(Uuid::from_u128(5)), Timestamp::UNIX_EPOCH);
        let (charge, entry) = (ChargeId(case.0), EntryId(case.0));
        let day = contracts::Date::constant(2026, 6, 1);
        vec![
            CaseOpened {
                case,
                receipt_number: ReceiptNumber::from_random([1; 16]),
                kind: Kind::Disclosure,
                track: Track::Appi,
                capacity: Capacity::Person,
                channel: Channel::Web,
                language: Language::Ja,
                received_at: at,
            }
            .into(),
            CaseEnded { case, ended_as: EndedAs::Decided, at }.into(),
            CaseErased { case, at }.into(),
            IdentityDeficient { case, at, reasons: vec![Code::of("photo-id")], due_at: at }.into(),
            FeeRequested {
                case,
                charge,
                reference: PaymentReference::new("1234567890").unwrap(),
                amount: Yen(4000),
                due_on: day,
                at,
            }
            .into(),
            FeePaid { case, charge, amount: Yen(4000), paid_on: day, line: contracts::BankLineId(case.0), at }.into(),
            StopEntered { case, entry, scope: Scope::Both, effective_at: at, at }.into(),
        ]
    }

    /// What the flow table says this service hears, it tells, each with a text of its own; the erasure alone has none.
    #[test]
    fn every_message_of_the_table_has_its_text() {
        let mut heard: Vec<&str> = heard_by(Service::Notification).map(|e| e.name).collect();
        let messages = messages();
        let mut made: Vec<&str> = messages.iter().map(|m| m.entry().name).collect();
        heard.sort_unstable();
        made.sort_unstable();
        assert_eq!(heard, made);
        let texts: BTreeSet<Text> = messages.iter().filter_map(text).map(|(_, t)| t).collect();
        assert_eq!(texts.len(), Text::ALL.len());
        for message in &messages {
            assert_eq!(text(message).is_none(), matches!(message, Message::CaseErased(_)));
        }
    }

    #[test]
    fn a_fact_has_one_notice_and_two_facts_have_two() {
        let (a, b) = (MessageId(Uuid::from_u128(1)), MessageId(Uuid::from_u128(2)));
        assert_eq!(notice_id(a), notice_id(a));
        assert_ne!(notice_id(a), notice_id(b));
    }
}
