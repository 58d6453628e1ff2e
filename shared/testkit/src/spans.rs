//! Every span that this test process ends, kept in memory.

use opentelemetry_sdk::trace::{InMemorySpanExporter, InMemorySpanExporterBuilder, SpanData};
use std::sync::OnceLock;

/// A span as exported.
pub type CapturedSpan = SpanData;

/// The spans ended so far; the first call installs the exporter (call it before anything is traced).
pub fn spans() -> Vec<CapturedSpan> {
    static EXPORTER: OnceLock<InMemorySpanExporter> = OnceLock::new();
    let exporter = EXPORTER.get_or_init(|| {
        let exporter = InMemorySpanExporterBuilder::new().build();
        chassis::telemetry::init_with_exporter("tests", chassis::telemetry::LogFormat::Off, exporter.clone())
            .expect("telemetry");
        exporter
    });
    exporter.get_finished_spans().unwrap_or_default()
}
