//! 照合 (the gate): may I use these people? For few over HTTP and NATS, for files as a stream, offline by snapshot.
//!
//! [`keys`] seals what the register keeps of an entry ([`rows`], written in the transaction of its identifiers); [`desk`] holds
//! the index in memory and never answers from an older one than the database has; [`check`] is the answer for few, [`file`]
//! for many, [`snapshot`] for places without a network; [`review`] and [`staff`] are what people do about it. The keys, rules
//! and formats themselves are the crate `gate`.

pub mod check;
pub mod desk;
pub mod file;
pub mod http;
pub mod keys;
pub mod lawful;
pub mod pages;
pub mod review;
pub mod rows;
pub mod runs;
pub mod snapshot;
pub mod staff;

pub use desk::{Desk, GateError};
pub use keys::GateKeys;

use crate::{person::Register, settings::Settings};
use anyhow::Context;
use chassis::{Bus, Runtime};
use contracts::{
    duty::{ListBasedOnLaw, PassBasedOnLaw},
    gate::{CheckGate, DecideReview, KeepFiling, ListGateIncidents, ListReviews},
    gate_desk::{ListFilings, ListGateRuns, ShowReview},
    request::StaffCommand,
};
use std::sync::Arc;

/// Makes the desk ready and answers the house's requests.
///
/// # Errors
/// Rules, database or an entry whose keys cannot be made.
pub async fn open(
    rt: &Runtime,
    bus: &Arc<Bus>,
    register: &Arc<Register>,
    settings: &Settings,
) -> anyhow::Result<Arc<Desk>> {
    let keys = GateKeys::load_or_create(rt.keys_dir()).context("`house.keys_dir`")?;
    let desk = Arc::new(Desk::open(bus.clone(), register.clone(), keys, settings).await?);
    let of = desk.clone();
    bus.answer::<CheckGate, _, _>(move |question| {
        let desk = of.clone();
        async move { check::inside(&desk, question).await }
    });
    let of = desk.clone();
    bus.answer::<ListReviews, _, _>(move |_| {
        let desk = of.clone();
        async move { review::list(&desk).await }
    });
    let of = desk.clone();
    bus.answer::<StaffCommand<DecideReview>, _, _>(move |command| {
        let desk = of.clone();
        async move { review::decide(&desk, command).await }
    });
    let of = desk.clone();
    bus.answer::<StaffCommand<KeepFiling>, _, _>(move |command| {
        let desk = of.clone();
        async move { staff::keep_filing(&desk, command).await }
    });
    let of = desk.clone();
    bus.answer::<ListGateIncidents, _, _>(move |_| {
        let desk = of.clone();
        async move { staff::incidents(&desk).await }
    });
    shown(rt, bus, &desk);
    let of = desk.clone();
    bus.answer::<StaffCommand<PassBasedOnLaw>, _, _>(move |command| {
        let desk = of.clone();
        async move { lawful::pass(&desk, command).await }
    });
    let of = desk.clone();
    bus.answer::<ListBasedOnLaw, _, _>(move |_| {
        let desk = of.clone();
        async move { lawful::list(&desk).await }
    });
    Ok(desk)
}

/// What staff look at.
fn shown(rt: &Runtime, bus: &Arc<Bus>, desk: &Arc<Desk>) {
    let (of, keys) = (desk.clone(), rt.keys_dir().to_owned());
    bus.answer::<ShowReview, _, _>(move |asked| {
        let (desk, keys) = (of.clone(), keys.clone());
        async move { pages::review(&desk, &keys, asked).await }
    });
    let of = desk.clone();
    bus.answer::<ListFilings, _, _>(move |_| {
        let desk = of.clone();
        async move { pages::filings(&desk).await }
    });
    let of = desk.clone();
    bus.answer::<ListGateRuns, _, _>(move |_| {
        let desk = of.clone();
        async move { pages::runs(&desk).await }
    });
}
