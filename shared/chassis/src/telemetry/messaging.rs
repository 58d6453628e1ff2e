//! Span names and attributes of messaging (OpenTelemetry semantic conventions, still "Development": one module).

use async_nats::HeaderMap;
use contracts::{Entry, Envelope, Service, envelope::TraceParent};
use opentelemetry::{
    Context,
    trace::{SpanContext, TraceContextExt},
};
use tracing::{Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The context in force, to be stored with what is being written.
pub fn current_traceparent() -> Option<TraceParent> {
    of_context(&Span::current().context())
}

/// The context of one span.
pub fn traceparent_of(span: &Span) -> Option<TraceParent> {
    of_context(&span.context())
}

fn of_context(context: &Context) -> Option<TraceParent> {
    let span = context.span();
    let c = span.span_context();
    c.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", c.trace_id(), c.span_id(), c.trace_flags().to_u8()))
        .and_then(|text| TraceParent::parse(&text))
}

fn remote(traceparent: &str) -> Option<SpanContext> {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
    let parsed = TraceParent::parse(traceparent)?;
    let text = parsed.as_str();
    let flags = u8::from_str_radix(&text[53..55], 16).ok()?;
    let context = SpanContext::new(
        TraceId::from_hex(&text[3..35]).ok()?,
        SpanId::from_hex(&text[36..52]).ok()?,
        TraceFlags::new(flags & 1),
        true,
        // `tracestate` and baggage are stripped: they would travel on to recipients.
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// Makes `traceparent` the parent of a span that was not entered yet.
pub fn set_remote_parent(span: &Span, traceparent: Option<&str>) {
    if let Some(context) = traceparent.and_then(remote) {
        span.add_link(context.clone());
        // `SpanDisabled` (a filtered level) is normal.
        let _ = span.set_parent(Context::new().with_remote_span_context(context));
    }
}

/// `process evt.identity.identity-confirmed.v1.{id}`: the producer is parent and link (one push through the house).
pub fn process_span(envelope: &Envelope, entry: &'static Entry, hearer: Service) -> Span {
    let template = entry.template();
    let span = info_span!(
        "process",
        otel.name = format!("process {template}"),
        otel.kind = "consumer",
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.template = template,
        messaging.consumer.group.name = hearer.token(),
        messaging.message.id = %envelope.id,
        messaging.message.conversation_id = %envelope.correlationid,
        madoguchi.service = hearer.token(),
        case.id = %envelope.correlationid,
        error.r#type = Empty,
    );
    set_remote_parent(&span, envelope.traceparent.as_ref().map(|t| t.as_str()));
    span
}

/// `send …`: the relay's own span, linked to the context in which the fact was written. The header repeats that context
/// for tools; the envelope is never changed.
pub fn send_span(body: &[u8], subject: &str, headers: &mut HeaderMap) -> Span {
    // `evt.<service>.<word>.v1.<id>` without its last token.
    let template = subject.rsplit_once('.').map_or("?", |(prefix, _)| prefix);
    let span = info_span!(
        "send",
        otel.name = format!("send {template}.{{id}}"),
        otel.kind = "client",
        messaging.system = "nats",
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.template = format!("{template}.{{id}}"),
    );
    if let Ok((envelope, _)) = Envelope::decode(body)
        && let Some(traceparent) = &envelope.traceparent
    {
        headers.insert("traceparent", traceparent.as_str());
        if let Some(context) = remote(traceparent.as_str()) {
            span.add_link(context.clone());
            let _ = span.set_parent(Context::new().with_remote_span_context(context));
        }
    }
    span
}

/// The headers of a request, with the context in force.
pub fn nats_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(traceparent) = current_traceparent() {
        headers.insert("traceparent", traceparent.as_str());
    }
    headers
}

/// The span in which a request is answered.
pub fn answer_span(subject: &str, headers: Option<&HeaderMap>) -> Span {
    let span = info_span!(
        "answer",
        otel.name = format!("answer {subject}"),
        otel.kind = "server",
        messaging.system = "nats",
        messaging.destination.template = subject
    );
    set_remote_parent(&span, headers.and_then(|h| h.get("traceparent")).map(|v| v.as_str()));
    span
}

/// A new trace for a new stimulus from outside (a person, a timer, a bank file, a recipient's report), linked to what it
/// belongs to: a trace must not last thirty days.
pub fn linked_root_span(name: &'static str, service: Service, belongs_to: Option<&str>) -> Span {
    let span = info_span!(parent: None, "stimulus", otel.name = name, otel.kind = "server", madoguchi.service = service.token(), case.id = Empty);
    if let Some(context) = belongs_to.and_then(remote) {
        span.add_link(context);
    }
    span
}
