//! What a person waits for is heard although thousands of recipients' facts are stuck before it.

use super::world::{heard_as, house, jetstream_of, vandal};
use async_trait::async_trait;
use chassis::{HandleError, Heard, Hears, Reaction};
use contracts::{
    CaseId, Code, EntryId, InstructionId, Message, RecipientId, ReportOutcome, Service, StaffId, Timestamp, Uuid,
    identity::IdentityConfirmed, opt_out::InstructionSettled,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use testkit::eventually;
use tokio::sync::Semaphore;

/// More than lanes, their queues and one pull hold.
const MANY: usize = 1_000;

/// Hears recipients' facts only as far as it is let, as when they all wait for one row.
struct Stuck {
    let_through: Semaphore,
    steps: AtomicUsize,
    many: AtomicUsize,
}

#[async_trait]
impl Hears for Stuck {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        match &heard.message {
            Message::InstructionSettled(_) => {
                self.let_through.acquire().await.unwrap().forget();
                self.many.fetch_add(1, Ordering::SeqCst);
            }
            _ => drop(self.steps.fetch_add(1, Ordering::SeqCst)),
        }
        Ok(Reaction::Ignored)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_heard_while_what_recipients_did_is_stuck() {
    let house = house().await;
    let js = jetstream_of(&vandal(&house).await);
    eventually("the stream is there", || async { js.get_stream("BUS").await.map(drop).map_err(|e| e.to_string()) })
        .await;
    let rt = house.runtime(&[]);
    let bus = rt.bus(Service::Intake).await.unwrap();
    let stuck = Arc::new(Stuck { let_through: Semaphore::new(0), steps: 0.into(), many: 0.into() });
    bus.run(stuck.clone(), vec![]).await.unwrap();

    let say = async |message: Message, machine: Uuid| {
        let subject = message.entry().subject(machine);
        let bytes = heard_as(message, machine, 1).bytes.clone();
        js.publish(subject, bytes.into()).await.unwrap().await.unwrap();
    };
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    let (case, entry) = (CaseId::new(), EntryId::new());
    for _ in 0..MANY {
        let (instruction, recipient) = (InstructionId(Uuid::now_v7()), RecipientId::new());
        let outcome = ReportOutcome::Applied;
        let settled =
            InstructionSettled { case, entry, instruction, recipient, outcome, at, round: None, ground: None };
        say(settled.into(), instruction.0).await;
    }
    let confirmed = IdentityConfirmed { case, at, by: StaffId::new(), rule: Code::of("drivers-licence") };
    say(confirmed.into(), case.0).await;

    eventually("the step is heard", || async {
        if stuck.steps.load(Ordering::SeqCst) == 1 { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert_eq!(stuck.many.load(Ordering::SeqCst), 0, "the others were stuck all the time");
    stuck.let_through.add_permits(10 * MANY);
    eventually("the others are heard", || async {
        match stuck.many.load(Ordering::SeqCst) {
            n if n >= MANY => Ok(()),
            n => Err(n),
        }
    })
    .await;
}
