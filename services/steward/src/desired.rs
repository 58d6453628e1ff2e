//! What should stand in JetStream. Pure.

use crate::{StewardSettings, permissions};
use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, pull},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use contracts::{Service, envelope::ENVELOPE_MAX, flow::Queue, recipient::BODY_MAX};
use std::{collections::HashMap, time::Duration};

/// The metadata key under which streams and durables carry the epoch.
pub const EPOCH: &str = "madoguchi.epoch";
/// The house's stream.
pub const BUS: &str = "BUS";
/// The recipients' stream: another trust, kept apart.
pub const OPTOUT: &str = nats_auth::OPTOUT_STREAM;

/// How long a message may be in work before it comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Messages in work per durable.
const MAX_ACK_PENDING: i64 = 256;

fn metadata(epoch: i32) -> HashMap<String, String> {
    HashMap::from([(EPOCH.to_owned(), epoch.to_string())])
}

/// The streams. Limits retention, never a work queue: streams are transport, and wiping one loses nothing.
pub fn streams(settings: &StewardSettings, epoch: i32) -> [Config; 2] {
    let stream = |name: &str, subjects: &[&str], max_age, max_message: usize| Config {
        name: name.to_owned(),
        subjects: subjects.iter().map(|s| (*s).to_owned()).collect(),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_age,
        max_bytes: settings.stream_max_bytes,
        max_message_size: max_message as i32,
        // Nothing carries Nats-Msg-Id: after a purge the server would swallow what is said again.
        duplicate_window: Duration::from_millis(100),
        metadata: metadata(epoch),
        ..Config::default()
    };
    [
        stream(BUS, &["evt.>", "cmd.>"], Duration::from_secs(settings.bus_hours * 3600), ENVELOPE_MAX),
        stream(OPTOUT, &["optout.c.*"], Duration::from_secs(90 * 24 * 3600), BODY_MAX),
    ]
}

/// One of a service's durables on the house's stream. Made again it delivers what is new: what was missed is said again
/// by the speakers, who ask.
pub fn service_durable(service: Service, queue: Queue, epoch: i32) -> pull::Config {
    let name = queue.durable(service);
    pull::Config {
        durable_name: Some(name.clone()),
        name: Some(name),
        deliver_policy: DeliverPolicy::New,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        filter_subjects: permissions::filters(service, queue),
        metadata: metadata(epoch),
        ..pull::Config::default()
    }
}

/// A recipient's durable: named by its account, filtered to its own subject, never given up.
pub fn recipient_durable(account: &str, recipient: uuid::Uuid, epoch: i32) -> pull::Config {
    pull::Config {
        durable_name: Some(account.to_owned()),
        name: Some(account.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        filter_subject: format!("optout.c.{recipient}"),
        metadata: metadata(epoch),
        ..pull::Config::default()
    }
}
