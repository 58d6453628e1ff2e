//! The shell of the outside work: takes attempts, asks intake for the address, sends, and feeds the outcome back.
//!
//! Nothing here decides: every way it can go is an input of the machine, and a way that ends without one (the process
//! dies, the database stays away) is the end of the machine's lease.

use crate::{
    mail::compose,
    message::{Input, Notice, NoticeMachine, State},
    store::Store,
    transport::{Answer, Transport},
};
use chassis::{Bus, Cause, Home, Machine, Outcome, telemetry};
use contracts::{
    Code, DisclosePurpose, NoticeId, PersonField, Service, Timestamp, Uuid,
    request::{Disclose, DisclosedReply},
};
use lettre::message::Mailbox;
use privacy::{Personal, Purpose, ServiceKey};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

/// How often an outcome is offered to a database that does not answer, before it is left to the lease.
const FEED_TRIES: u32 = 5;
/// The pause between.
const FEED_PAUSE: Duration = Duration::from_secs(1);

/// Everything that sending needs.
pub struct Sender {
    /// The bus.
    pub bus: Arc<Bus>,
    /// The notices.
    pub home: Home<NoticeMachine>,
    /// The service's tables.
    pub store: Store,
    /// What intake seals addresses to.
    pub key: ServiceKey,
    /// How mails leave.
    pub transport: Arc<Transport>,
    /// From whom.
    pub from: Mailbox,
    /// The link in every mail.
    pub status_url: String,
    /// Mails under way at the same time.
    pub at_once: usize,
    /// Woken when there is an attempt to make.
    pub wake: Arc<Notify>,
}

/// What intake discloses: the fields that the case has.
#[derive(Deserialize)]
struct Disclosed {
    #[serde(default)]
    mail: Personal<String>,
}

/// What became of asking for the address.
enum Asked {
    Address(Personal<String>),
    NoAddress,
    Erased,
    NotNow(Code),
    Never(Code),
}

impl Sender {
    /// Takes attempts and makes them, until the process stops; then waits for those under way.
    pub async fn run(self: Arc<Self>) {
        let slots = Arc::new(Semaphore::new(self.at_once));
        let poll = Duration::from_millis(self.bus.settings().poll_ms);
        let stop = self.bus.stopping();
        while !stop.is_asked() {
            match self.take(&slots).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, "notices cannot be taken for sending; the next round tries again"),
            }
            tokio::select! {
                () = self.wake.notified() => {}
                _ = stop.pause(poll) => {}
            }
        }
        // What is under way may end: the process waits for this task, as long as it waits at all.
        let all = u32::try_from(self.at_once).unwrap_or(u32::MAX);
        let _ = slots.acquire_many(all).await;
    }

    /// Starts as many attempts as there are free slots; how many it was.
    async fn take(self: &Arc<Self>, slots: &Arc<Semaphore>) -> Result<usize, chassis::DbError> {
        // The semaphore is never closed.
        let Ok(first) = slots.clone().acquire_owned().await else { return Ok(0) };
        let mut permits: Vec<OwnedSemaphorePermit> = vec![first];
        while permits.len() < self.at_once
            && let Ok(permit) = slots.clone().try_acquire_owned()
        {
            permits.push(permit);
        }
        let taken = self.store.take(permits.len()).await?;
        let count = taken.len();
        for (notice, permit) in taken.into_iter().zip(permits) {
            let this = self.clone();
            tokio::spawn(async move {
                this.attempt(notice).await;
                drop(permit);
            });
        }
        Ok(count)
    }

    /// One attempt, from the address to the outcome.
    async fn attempt(&self, id: NoticeId) {
        let (notice, attempt, postponed) = match self.home.read(id.0).await {
            Ok(Some((_, State::Sending { notice, attempt, postponed, .. }))) => (notice, attempt, postponed),
            // Erased or decided otherwise meanwhile: nothing to do.
            Ok(_) => return,
            Err(error) => return tracing::warn!(notice = %id, %error, "a notice cannot be read; its lease will tell"),
        };
        let span = telemetry::linked_root_span("send notice", Service::Notification, None);
        span.record("case.id", tracing::field::display(notice.case));
        self.make(id, notice, attempt, postponed).instrument(span).await;
    }

    async fn make(&self, id: NoticeId, notice: Notice, attempt: u8, postponed: u32) {
        let input = self.act(id, &notice, attempt).await;
        let token = outcome_token(id, attempt, postponed, &input);
        for _ in 0..FEED_TRIES {
            match self.home.handle(id.0, Cause::Person(token), input.clone()).await {
                Ok(outcome) => return self.after(id, &outcome).await,
                Err(error) => tracing::warn!(notice = %id, %error, "an outcome was not written down; trying again"),
            }
            if self.bus.stopping().pause(FEED_PAUSE).await {
                return;
            }
        }
    }

    async fn act(&self, id: NoticeId, notice: &Notice, attempt: u8) -> Input {
        let asked = self.ask(notice).await;
        let at = || self.bus.clock().now();
        let to = match asked {
            Asked::Address(to) => to,
            Asked::NoAddress => return Input::NoAddress { attempt, at: at() },
            Asked::Erased => return Input::CaseErased { at: at() },
            Asked::NotNow(reason) => return Input::Postponed { attempt, reason, at: at() },
            Asked::Never(reason) => return Input::Refused { attempt, reason, at: at() },
        };
        let answer = match compose(id, notice, &self.from, &self.status_url, &to) {
            Ok(mail) => self.transport.send(id, mail).await,
            Err(why) => Answer::Never(why.into()),
        };
        outcome(answer, attempt, at())
    }

    /// Asks intake for the address; it comes sealed to this service, and lives as long as this attempt.
    async fn ask(&self, notice: &Notice) -> Asked {
        let request = Disclose {
            case: notice.case,
            asker: Code::of(Service::Notification.token()),
            purpose: DisclosePurpose::Notify,
            fields: vec![PersonField::Mail],
            cause: notice.fact.0,
            staff: None,
        };
        match self.bus.ask(&request).await {
            Ok(DisclosedReply::Values { sealed }) => {
                let opened = self.key.open(notice.case.0.as_bytes(), &sealed.0).ok();
                match opened.and_then(|o| o.json::<Disclosed>().ok()) {
                    None => Asked::NotNow(Code::of("address-unreadable")),
                    Some(disclosed) => {
                        let mail = disclosed.disclose(Purpose::NotifyPerson).mail.clone();
                        let blank = mail.disclose(Purpose::NotifyPerson).trim().is_empty();
                        if blank { Asked::NoAddress } else { Asked::Address(mail) }
                    }
                }
            }
            Ok(DisclosedReply::Erased) => Asked::Erased,
            Ok(DisclosedReply::Unknown) => Asked::NotNow(Code::of("case-unknown-to-intake")),
            Ok(DisclosedReply::Forbidden) => Asked::Never(Code::of("disclosure-forbidden")),
            Err(_) => Asked::NotNow(Code::of("intake-away")),
        }
    }

    /// Counts, writes down, and takes back a file that an erasure overtook.
    async fn after(&self, id: NoticeId, outcome: &Outcome<NoticeMachine>) {
        let (Outcome::Done { state, .. } | Outcome::Already { state }) = outcome else { return };
        let status = NoticeMachine::status(state);
        telemetry::count("madoguchi.notices", status.as_str());
        tracing::info!(notice = %id, status = status.as_str(), "an attempt to tell somebody came to its end");
        if matches!(state, State::Erased { .. })
            && let Err(error) = self.transport.forget(id).await
        {
            tracing::error!(notice = %id, kind = %error.kind(), "a file of an erased case is still in the outbox; remove it");
        }
    }
}

/// What the transport's answer is to the machine.
fn outcome(answer: Answer, attempt: u8, at: Timestamp) -> Input {
    match answer {
        Answer::Taken => Input::Delivered { attempt, at },
        Answer::NotNow(reason) => Input::Failed { attempt, reason, at },
        Answer::Never(reason) => Input::Refused { attempt, reason, at },
    }
}

/// The token of an attempt's outcome. A postponed attempt keeps its number, so the count of postponements is in it.
fn outcome_token(id: NoticeId, attempt: u8, postponed: u32, input: &Input) -> Uuid {
    let what = if matches!(input, Input::CaseErased { .. }) { "erased" } else { "outcome" };
    Uuid::new_v5(&id.0, format!("{what} {attempt} {postponed}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_and_every_postponement_has_a_token_of_its_own() {
        let (id, at) = (NoticeId(Uuid::from_u128(1)), Timestamp::UNIX_EPOCH);
        let input = Input::Delivered { attempt: 1, at };
        let mut seen = std::collections::BTreeSet::new();
        for attempt in 1..5 {
            for postponed in 0..5 {
                assert!(seen.insert(outcome_token(id, attempt, postponed, &input)));
            }
        }
        assert!(seen.contains(&outcome_token(id, 1, 0, &input)), "the same attempt, the same token");
    }

    #[test]
    fn an_answer_of_the_transport_is_an_input_of_its_attempt() {
        let at = Timestamp::UNIX_EPOCH;
        assert!(matches!(outcome(Answer::Taken, 3, at), Input::Delivered { attempt: 3, .. }));
        assert!(matches!(outcome(Answer::NotNow(Code::of("x")), 3, at), Input::Failed { attempt: 3, .. }));
        assert!(matches!(outcome(Answer::Never(Code::of("x")), 3, at), Input::Refused { attempt: 3, .. }));
    }
}
