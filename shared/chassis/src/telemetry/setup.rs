//! Puts tracer, meter and logs together, once per process.

use opentelemetry::{
    KeyValue, global,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, SpanExporter},
};
use prometheus::{Encoder, TextEncoder};
use std::{fmt, time::Duration};
use tracing::{Event, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object a line, with `trace_id` and `span_id`.
    Json,
    /// For a person at a terminal.
    Text,
    /// None.
    Off,
}

/// The providers of this process; keep it, and call [`Telemetry::shutdown`] last.
#[derive(Clone)]
pub struct Telemetry {
    tracer: SdkTracerProvider,
    meter: SdkMeterProvider,
    registry: prometheus::Registry,
}

/// Starts telemetry for a process. Exporters follow the standard `OTEL_*` variables.
pub fn init(name: &'static str, format: LogFormat) -> anyhow::Result<Telemetry> {
    let wanted = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
        .iter()
        .any(|v| std::env::var_os(v).is_some());
    if wanted {
        let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
        build(name, format, Some(Batch(exporter)), true)
    } else {
        build::<opentelemetry_otlp::SpanExporter>(name, format, None, false)
    }
}

/// The same with an exporter in hand, each span exported as it ends: for tests.
pub fn init_with_exporter<E: SpanExporter + 'static>(
    name: &'static str,
    format: LogFormat,
    exporter: E,
) -> anyhow::Result<Telemetry> {
    let tracer = SdkTracerProvider::builder().with_simple_exporter(exporter).with_resource(resource(name)).build();
    install(tracer, meter(name, false)?, format)
}

struct Batch<E>(E);

fn resource(name: &'static str) -> Resource {
    Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build()
}

fn build<E: SpanExporter + 'static>(
    name: &'static str,
    format: LogFormat,
    exporter: Option<Batch<E>>,
    otlp: bool,
) -> anyhow::Result<Telemetry> {
    let mut tracer = SdkTracerProvider::builder().with_resource(resource(name));
    if let Some(Batch(exporter)) = exporter {
        tracer = tracer.with_batch_exporter(exporter);
    }
    install(tracer.build(), meter(name, otlp)?, format)
}

fn meter(name: &'static str, otlp: bool) -> anyhow::Result<(SdkMeterProvider, prometheus::Registry)> {
    let registry = prometheus::Registry::new();
    let pull = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let mut meter = SdkMeterProvider::builder().with_resource(resource(name)).with_reader(pull);
    if otlp {
        let push = opentelemetry_otlp::MetricExporter::builder().with_tonic().build()?;
        meter = meter.with_reader(PeriodicReader::builder(push).build());
    }
    Ok((meter.build(), registry))
}

fn install(
    tracer: SdkTracerProvider,
    (meter, registry): (SdkMeterProvider, prometheus::Registry),
    format: LogFormat,
) -> anyhow::Result<Telemetry> {
    // Without a propagator nothing is injected and nobody complains.
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(tracer.clone());
    global::set_meter_provider(meter.clone());
    let filter = || {
        EnvFilter::try_from_env("MADOGUCHI_LOG").unwrap_or_else(|_| {
            EnvFilter::new(
                "info,hyper=off,h2=off,tonic=off,async_nats=warn,sqlx=warn,opentelemetry=warn,opentelemetry_sdk=warn",
            )
        })
    };
    let spans = tracing_opentelemetry::layer().with_tracer(tracer.tracer("madoguchi")).with_filter(filter());
    let logs: Option<Box<dyn Layer<_> + Send + Sync>> = match format {
        LogFormat::Json => Some(
            tracing_subscriber::fmt::layer()
                .event_format(Json)
                .with_writer(std::io::stdout)
                .with_filter(filter())
                .boxed(),
        ),
        LogFormat::Text => Some(
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_target(false)
                .with_filter(filter())
                .boxed(),
        ),
        LogFormat::Off => None,
    };
    // A test process may have a subscriber already; then its own one stays.
    let _ = tracing_subscriber::registry().with(spans).with(logs).try_init();
    Ok(Telemetry { tracer, meter, registry })
}

impl Telemetry {
    /// The page for Prometheus.
    pub fn metrics_page(&self) -> String {
        let mut out = Vec::new();
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
    /// Hands over what is still in hand.
    pub fn flush(&self) {
        let _ = self.tracer.force_flush();
    }
    /// Flushes and ends everything; bounded, and off the runtime, because it blocks.
    pub async fn shutdown(self) {
        let ended = tokio::task::spawn_blocking(move || {
            let _ = self.tracer.shutdown_with_timeout(Duration::from_secs(3));
            let _ = self.meter.shutdown_with_timeout(Duration::from_secs(2));
        });
        let _ = tokio::time::timeout(Duration::from_secs(6), ended).await;
    }
}

/// One JSON object a line: time, level, target, message, fields, `trace_id`, `span_id`.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields(serde_json::Map::new());
        event.record(&mut fields);
        let meta = event.metadata();
        let mut line = serde_json::Map::new();
        #[allow(clippy::disallowed_methods)] // logs tell the machine's time, whatever a test holds in its hand
        let now = jiff::Timestamp::now();
        line.insert("time".into(), now.to_string().into());
        line.insert("level".into(), meta.level().as_str().into());
        line.insert("target".into(), meta.target().into());
        line.extend(fields.0);
        let _ = context;
        let span = tracing::Span::current().context();
        let ids = span.span().span_context().clone();
        if ids.is_valid() {
            line.insert("trace_id".into(), ids.trace_id().to_string().into());
            line.insert("span_id".into(), ids.span_id().to_string().into());
        }
        writeln!(writer, "{}", serde_json::Value::Object(line))
    }
}

struct Fields(serde_json::Map<String, serde_json::Value>);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
}
