//! Pulls from the service's own durables, one per [`Queue`], and feeds the lanes of each (bus.md 2.2): however many
//! recipients report, a block or an identity that was confirmed is heard at once.
//!
//! JetStream holds a message only until its inbox row is committed; then it is acknowledged twice over. Lanes spare us
//! waiting on our own row locks; they promise no order.

use crate::{
    bus::{Bus, Hears},
    cause::Heard,
    home::HandleError,
    inbox,
    outcome::Reaction,
    telemetry,
};
use async_nats::jetstream::{
    self, AckKind,
    consumer::{Consumer, pull},
};
use contracts::flow::Queue;
use futures::StreamExt;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;
use tracing::Instrument;

/// The house's one stream: `evt.>` and `cmd.>`.
pub const STREAM: &str = "BUS";
/// Messages asked for at once.
const BATCH: usize = 64;

pub(crate) fn start(bus: &Arc<Bus>, hears: Arc<dyn Hears>) {
    for queue in Queue::of(bus.service()) {
        let (this, hears) = (bus.clone(), hears.clone());
        bus.spawn("consumer", async move { consume(this, hears, queue).await });
    }
}

async fn consume(bus: Arc<Bus>, hears: Arc<dyn Hears>, queue: Queue) {
    let lanes = open_lanes(&bus, hears, queue);
    let durable = queue.durable(bus.service());
    let mut tries = 0u32;
    while !bus.stopping().is_asked() {
        // Looked up anew whenever pulling ends: after a reconnect a missing consumer does not end the stream by itself
        // (nats.rs 1584), but an error or a missed heartbeat does.
        match look_up(&bus, &durable).await {
            Ok(consumer) => {
                tries = 0;
                telemetry::count("madoguchi.consumer.attached", &durable);
                pull(&bus, &durable, consumer, &lanes).await;
            }
            Err(()) => tries += 1,
        }
        let jitter = rand::random_range(0.75..1.25);
        let pause = Duration::from_millis((bus.settings().poll_ms << tries.min(3)).min(5_000)).mul_f64(jitter);
        if bus.stopping().pause(pause).await {
            return;
        }
    }
}

/// Only the steward makes durables; a service looks its own up.
async fn look_up(bus: &Bus, durable: &str) -> Result<Consumer<pull::Config>, ()> {
    let context = jetstream::new(bus.nats().clone());
    context.get_consumer_from_stream::<pull::Config, _, _>(durable, STREAM).await.map_err(|error| {
        tracing::debug!(durable, %error, "the durable is not there (yet)");
    })
}

async fn pull(bus: &Bus, durable: &str, consumer: Consumer<pull::Config>, lanes: &[mpsc::Sender<jetstream::Message>]) {
    let stream = consumer
        .stream()
        .max_messages_per_batch(BATCH)
        .expires(Duration::from_secs(20))
        .heartbeat(Duration::from_secs(4))
        .messages()
        .await;
    let Ok(mut messages) = stream else { return };
    let stop = bus.stopping();
    loop {
        let next = tokio::select! { n = messages.next() => n, () = stop.asked() => return };
        match next {
            Some(Ok(message)) => {
                // The last token of the subject is the machine that spoke: near enough for a lane.
                let mut hasher = DefaultHasher::new();
                message.subject.rsplit('.').next().hash(&mut hasher);
                let lane = &lanes[(hasher.finish() % lanes.len() as u64) as usize];
                if lane.send(message).await.is_err() {
                    return;
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "pulling ended; looking the durable up again");
                telemetry::count("madoguchi.consumer.lost", durable);
                return;
            }
            None => return,
        }
    }
}

fn open_lanes(bus: &Arc<Bus>, hears: Arc<dyn Hears>, queue: Queue) -> Vec<mpsc::Sender<jetstream::Message>> {
    let lanes = match queue {
        Queue::Steps => bus.settings().lanes,
        // Half as many: the many may not have all of the database's connections.
        Queue::Bulk => bus.settings().lanes / 2,
    };
    (0..lanes.max(1))
        .map(|_| {
            let (sender, mut receiver) = mpsc::channel::<jetstream::Message>(bus.settings().lane_depth.max(1));
            let (bus_of_lane, hears) = (bus.clone(), hears.clone());
            bus.spawn("lane", async move {
                let stop = bus_of_lane.stopping();
                loop {
                    // What is queued when the process stops is not acknowledged: it comes again.
                    let next = tokio::select! { biased; () = stop.asked() => None, m = receiver.recv() => m };
                    let Some(message) = next else { return };
                    take(&bus_of_lane, &hears, message).await;
                }
            });
            sender
        })
        .collect()
}

/// One message: hear it, and acknowledge it once its row is committed.
async fn take(bus: &Arc<Bus>, hears: &Arc<dyn Hears>, message: jetstream::Message) {
    let redelivered = message.info().is_ok_and(|i| i.delivered > 1);
    if redelivered {
        telemetry::count("madoguchi.redelivered", bus.service().token());
    }
    match hear_bytes(bus, hears, &message.payload).await {
        Ok(()) => {
            if let Err(error) = message.double_ack().await {
                // It comes again, and the inbox knows it.
                tracing::debug!(%error, "an acknowledgement was not confirmed");
            }
        }
        Err(error) => {
            tracing::warn!(%error, service = bus.service().token(), "a message could not be taken in; it comes again");
            telemetry::count("madoguchi.consumer.naks", bus.service().token());
            let pause = Duration::from_millis(rand::random_range(500..2_000));
            let _ = message.ack_with(AckKind::Nak(Some(pause))).await;
        }
    }
}

/// The same for the consumer and the worker: decodes, lets the service hear, and makes sure that an inbox row stands.
pub(crate) async fn hear_bytes(bus: &Arc<Bus>, hears: &Arc<dyn Hears>, bytes: &[u8]) -> Result<(), HandleError> {
    let heard = match inbox::decode(bus.service(), bytes) {
        Ok(heard) => Arc::new(heard),
        Err(why) => {
            tracing::error!(
                service = bus.service().token(),
                why = why.as_str(),
                "a message that cannot be read is parked"
            );
            return inbox::park_unreadable(bus.db(), bytes, &why).await;
        }
    };
    let span = telemetry::process_span(&heard.envelope, heard.message.entry(), bus.service());
    let (work, told) = (hears.clone(), heard.clone());
    // A task of its own: a panic in a service's code must not take its lane along.
    let task = tokio::spawn(async move { work.hear(told).await }.instrument(span.clone()));
    let reaction = match task.await {
        Ok(reaction) => reaction?,
        Err(panic) => {
            tracing::error!(service = bus.service().token(), message = %heard.envelope.id, panic = panic.is_panic(), "hearing a message panicked");
            return inbox::panicked(bus.db(), &heard).await;
        }
    };
    span.in_scope(|| log_heard(bus, &heard, &reaction));
    match reaction {
        Reaction::Handled => Ok(()),
        Reaction::Ignored => inbox::note(bus.db(), &heard, "done", None).await,
        Reaction::Later(why) => {
            span.record("error.type", why.as_str());
            inbox::later(bus.db(), &heard, &why, bus.settings()).await
        }
        Reaction::Park(why) => {
            span.record("error.type", "parked");
            inbox::note(bus.db(), &heard, "parked", Some(&why)).await
        }
    }
}

/// One line per message that was heard, inside its span, so that it carries the trace's id: ids, words and positions only.
fn log_heard(bus: &Bus, heard: &Heard, reaction: &Reaction) {
    let (outcome, why) = match reaction {
        Reaction::Handled => ("handled", ""),
        Reaction::Ignored => ("ignored", ""),
        Reaction::Later(why) => ("later", why.as_str()),
        Reaction::Park(why) => ("parked", why.as_str()),
    };
    let (kind, id) = (heard.message.entry().template(), heard.envelope.id);
    tracing::debug!(service = bus.service().token(), kind, outcome, why, id = %id, position = heard.envelope.sequence.number(), "heard");
}
