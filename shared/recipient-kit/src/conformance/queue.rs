//! The cases for recipients that take from a queue: their durable on NATS, or the pull feed. What the webhook's signature and
//! HTTP statuses say there (replay, bad signature, old key, rotation, slow) has no place here: the account, or the signed
//! request, says who is who.

use super::{
    cases::{self, Case, Seen},
    sandbox::{Issued, RECIPIENT, Sandbox},
};
use async_trait::async_trait;
use contracts::{Measure, RecipientId, recipient::BODY_MAX};
use futures::FutureExt;
use uuid::Uuid;

/// Where the sandbox puts bodies, and the contractor takes them from.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Puts one body; it stays until it is acknowledged.
    async fn put(&self, body: Vec<u8>) -> Result<(), String>;
    /// How many of those that were put are not acknowledged yet.
    async fn open(&self) -> Result<u64, String>;
}

/// All of them, in the order in which they are played.
pub const QUEUED: &[Case] = &[
    Case {
        name: "valid",
        wanted: "a signed final report over the digest of the bytes",
        play: |s| cases::valid(s).boxed(),
    },
    Case {
        name: "duplicate",
        wanted: "no second effect for a repeat: the reports are the same bytes",
        play: |s| cases::duplicate(s).boxed(),
    },
    Case {
        name: "reordered",
        wanted: "a lower version of an entry that comes late is taken and reported as well",
        play: |s| cases::reordered(s).boxed(),
    },
    Case {
        name: "not-for-you",
        wanted: "no report about another recipient's instruction, and what follows is taken",
        play: |s| not_for_you(s).boxed(),
    },
    Case {
        name: "sealed-to-another-key",
        wanted: "no report about identifiers that do not open, and what follows is taken",
        play: |s| sealed_to_another(s).boxed(),
    },
    Case {
        name: "not-an-instruction",
        wanted: "a body that is no instruction holds up nothing",
        play: |s| not_an_instruction(s).boxed(),
    },
    Case {
        name: "oversized",
        wanted: "a body over 64 KiB is not taken and holds up nothing",
        play: |s| oversized(s).boxed(),
    },
    Case {
        name: "desk-away",
        wanted: "reports that the desk could not take are sent again, the same bytes",
        play: |s| cases::desk_away(s).boxed(),
    },
    Case {
        name: "catch-up",
        wanted: "after an outage a backlog in any order is taken, each reported once",
        play: |s| cases::catch_up(s).boxed(),
    },
    Case {
        name: "amendment",
        wanted: "a later instruction about the same entry is applied; an erasure is reported with date, items and book entry",
        play: |s| cases::amendment(s).boxed(),
    },
    Case {
        name: "acknowledged",
        wanted: "everything that was put is acknowledged once it is written down, also what is not taken",
        play: |s| acknowledged(s).boxed(),
    },
];

async fn no_report(s: &mut Sandbox, issued: &Issued) -> Seen {
    s.put(issued.body.clone()).await?;
    cases::then_a_good_one(s).await?;
    cases::nothing_about(s, issued.id)
}

async fn not_for_you(s: &mut Sandbox) -> Seen {
    let (other, key) = (RecipientId(Uuid::now_v7()), s.contractor.sealing_key);
    let one = s.issue_to(Uuid::now_v7(), 1, Measure::Stop, other, &key)?;
    no_report(s, &one).await
}

async fn sealed_to_another(s: &mut Sandbox) -> Seen {
    let key = Sandbox::strange_key()?;
    let one = s.issue_to(Uuid::now_v7(), 1, Measure::Stop, RECIPIENT, &key)?;
    no_report(s, &one).await
}

async fn not_an_instruction(s: &mut Sandbox) -> Seen {
    // Well-formed JSON: in the pull feed they are elements of an array.
    for body in [&b"{}"[..], b"{\"specversion\":\"1.0\",\"type\":\"other\"}", b"{\"data\":{\"person\":1}}"] {
        s.put(body.to_vec()).await?;
    }
    cases::then_a_good_one(s).await
}

async fn oversized(s: &mut Sandbox) -> Seen {
    let one = s.fresh()?;
    // The very instruction with room in it: only its size is wrong.
    let mut body = one.body.clone();
    body.pop();
    body.extend(std::iter::repeat_n(b' ', BODY_MAX));
    body.push(b'}');
    s.put(body).await?;
    cases::then_a_good_one(s).await?;
    cases::nothing_about(s, one.id)
}

async fn acknowledged(s: &mut Sandbox) -> Seen {
    let good = s.fresh()?;
    s.taken(&good).await?;
    s.reported(&[good.id]).await?;
    s.nothing_open().await
}
