//! What each NATS user of the house may do: generated from the flow table and the table of requests. Pure.

use contracts::{
    Service,
    flow::{Queue, said_by},
    request::{EVERY_SERVICE, Family, REQUESTS},
};
use nats_auth::{Permissions, Responses};
use std::collections::BTreeSet;

/// The house's users that are no service of the flow table.
pub const DOOR: &str = "door";
/// See [`DOOR`].
pub const STEWARD: &str = "steward";

/// How many replies one request may get, and for how long a user may answer it.
const REPLIES: Responses = Responses { max: 1, ttl: std::time::Duration::from_secs(60) };

/// Every user of the house with its permissions.
pub fn all() -> Vec<(&'static str, Permissions)> {
    let mut users: Vec<_> = Service::ALL.iter().map(|s| (s.token(), of_service(*s))).collect();
    users.push((DOOR, Permissions::new().publish(["door.filed"])));
    users.push((STEWARD, of_steward()));
    users
}

/// A service: says what the table lets it say, pulls from its own durables, asks and answers what the tables name.
pub fn of_service(service: Service) -> Permissions {
    let me = service.token();
    let mut publish: BTreeSet<String> = said_by(service).map(|e| format!("{}.*", e.subject_prefix())).collect();
    publish.extend(Queue::of(service).flat_map(|queue| durable_subjects("BUS", &queue.durable(service))));
    publish.insert(format!("bus.hello.{me}"));
    publish.extend(REQUESTS.iter().filter(|r| r.askers.contains(&service)).map(|r| r.subject()));
    // The relay asks its hearers; a speaker that lost rows asks them too.
    let hearers: BTreeSet<&str> = said_by(service).flat_map(|e| e.hearers).map(|h| h.token()).collect();
    for (verb, family) in EVERY_SERVICE {
        match family {
            Family::Bus => publish.extend(hearers.iter().map(|h| format!("req.{h}.{verb}"))),
            Family::Console if service == Service::Console => {
                publish.extend(Service::ALL.iter().map(|s| format!("req.{}.{verb}", s.token())))
            }
            Family::Console => {}
        }
    }
    let mut subscribe: BTreeSet<String> = REQUESTS.iter().filter(|r| r.at == service).map(|r| r.subject()).collect();
    subscribe.extend(EVERY_SERVICE.iter().map(|(verb, _)| format!("req.{me}.{verb}")));
    subscribe.insert("bus.hello.*".into());
    match service {
        Service::Intake => drop(subscribe.insert("door.filed".into())),
        Service::Console => drop(publish.insert(crate::ADMIT.into())),
        // Recipients' own family: instructions go out on the other stream, reports come in from their accounts.
        Service::OptOut => {
            publish.insert("optout.c.*".into());
            publish.insert("$JS.API.STREAM.INFO.OPTOUT".into());
            subscribe.insert("report.*.>".into());
        }
        _ => {}
    }
    Permissions::new().publish(publish).subscribe(subscribe).respond(REPLIES)
}

fn durable_subjects(stream: &str, durable: &str) -> [String; 4] {
    [
        format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"),
        format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"),
        format!("$JS.ACK.{stream}.{durable}.>"),
        format!("$JS.ACK.*.*.{stream}.{durable}.>"),
    ]
}

/// The steward makes and mends; it neither publishes messages nor pulls any.
fn of_steward() -> Permissions {
    Permissions::new()
        .publish([
            "$JS.API.INFO",
            "$JS.API.STREAM.CREATE.*",
            "$JS.API.STREAM.UPDATE.*",
            "$JS.API.STREAM.INFO.*",
            "$JS.API.STREAM.NAMES",
            "$JS.API.STREAM.LIST",
            "$JS.API.STREAM.DELETE.*",
            "$JS.API.CONSUMER.CREATE.>",
            "$JS.API.CONSUMER.DURABLE.CREATE.>",
            "$JS.API.CONSUMER.INFO.>",
            "$JS.API.CONSUMER.LIST.>",
            "$JS.API.CONSUMER.NAMES.>",
            "bus.hello.all",
        ])
        .subscribe([crate::ADMIT, crate::RECIPIENTS_CHANGED])
        .respond(REPLIES)
}

/// The subjects that one of a service's durables filters on.
pub fn filters(service: Service, queue: Queue) -> Vec<String> {
    queue.heard_by(service).map(|e| format!("{}.*", e.subject_prefix())).collect()
}
