//! Traces, metrics and logs of a process. Nothing personal: only this module and typed ids write attributes.
//!
//! The context is stored when a fact is written, not when the relay sends it; links and parents follow architecture.md
//! section 4. Absent `OTEL_EXPORTER_OTLP_ENDPOINT`: no exporter, and spans still carry ids for the logs.

mod messaging;
mod setup;

pub use messaging::{
    answer_span, current_traceparent, linked_root_span, nats_headers, process_span, send_span, set_remote_parent,
    traceparent_of,
};
pub use setup::{LogFormat, Telemetry, init, init_with_exporter};

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};
use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

/// The most distinct values that a label may take in one process; what comes after is counted under `other`.
const LABELS_MAX: usize = 200;

struct Meters {
    counters: HashMap<&'static str, Counter<u64>>,
    histograms: HashMap<&'static str, Histogram<f64>>,
    labels: HashMap<&'static str, Vec<String>>,
}

fn meters() -> std::sync::MutexGuard<'static, Meters> {
    static METERS: OnceLock<Mutex<Meters>> = OnceLock::new();
    METERS
        .get_or_init(|| {
            Mutex::new(Meters { counters: HashMap::new(), histograms: HashMap::new(), labels: HashMap::new() })
        })
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Counts one. `what` is a word from a closed list (a kind, a code, a service), never an id.
pub fn count(name: &'static str, what: &str) {
    add(name, 1, what);
}

/// Counts several.
pub fn add(name: &'static str, n: u64, what: &str) {
    let mut meters = meters();
    let known = meters.labels.entry(name).or_default();
    let what = if known.iter().any(|k| k == what) {
        what
    } else if known.len() < LABELS_MAX {
        known.push(what.to_owned());
        what
    } else {
        "other"
    };
    let counter = meters.counters.entry(name).or_insert_with(|| global::meter("madoguchi").u64_counter(name).build());
    counter.add(n, &[KeyValue::new("what", what.to_owned())]);
}

/// Records a duration in seconds.
pub fn seconds(name: &'static str, value: f64, what: &'static str) {
    let mut meters = meters();
    let histogram = meters.histograms.entry(name).or_insert_with(|| {
        let bounds = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        global::meter("madoguchi").f64_histogram(name).with_unit("s").with_boundaries(bounds).build()
    });
    histogram.record(value, &[KeyValue::new("what", what)]);
}

/// Records a level (a queue's length, an age in seconds) as it is now.
pub fn level(name: &'static str, value: f64, what: &'static str) {
    global::meter("madoguchi").f64_gauge(name).build().record(value, &[KeyValue::new("what", what)]);
}
