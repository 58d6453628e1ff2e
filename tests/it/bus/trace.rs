//! One trace across a hop: the hearer's span is a child of the span in which the fact was written, and links to it.

use super::world::{Hearer, Ledger, Speaker, house};
use contracts::{Envelope, Kind, Uuid};
use testkit::{CapturedSpan, eventually, spans};
use tracing::Instrument;

fn about(span: &CapturedSpan, case: Uuid) -> bool {
    span.attributes
        .iter()
        .any(|a| a.key.as_str() == "messaging.message.conversation_id" && a.value.as_str() == case.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_id_across_a_hop_and_a_link() {
    spans();
    let house = house().await;
    let (speaker, _hearer) = (Speaker::start(&house).await, Hearer::start(&house).await);
    let mut ledger = Ledger::default();
    let case = Uuid::now_v7();
    speaker
        .say(case, Kind::Disclosure, 1)
        .instrument(tracing::info_span!(parent: None, "stimulus", otel.name = format!("stimulus {case}")))
        .await;
    ledger.0.entry(case).or_default().insert(1);
    ledger.settled(&house).await;

    let bytes: Vec<u8> = sqlx::query_scalar("select body from intake.outbox where machine = $1")
        .bind(case)
        .fetch_one(&mut house.admin().await)
        .await
        .unwrap();
    let stored =
        Envelope::decode(&bytes).unwrap().0.traceparent.expect("the context is stored when the fact is written");
    let (process, stimulus) = eventually("both spans have ended", || async {
        let all = spans();
        let process = all.iter().find(|s| s.name.starts_with("process ") && about(s, case)).cloned();
        let stimulus = all.iter().find(|s| s.name == format!("stimulus {case}")).cloned();
        process.zip(stimulus).ok_or(all.len())
    })
    .await;
    assert_eq!(process.name, "process cmd.identity.verify.v1.{id}", "the template, never the raw subject");
    assert_eq!(stored.trace_id(), stimulus.span_context.trace_id().to_string());
    assert_eq!(process.span_context.trace_id(), stimulus.span_context.trace_id(), "one trace id across the hop");
    assert_eq!(process.parent_span_id, stimulus.span_context.span_id());
    assert!(process.links.iter().any(|l| l.span_context.span_id() == stimulus.span_context.span_id()), "and the link");
    // The relay's own span links to where the fact was written, and is not its parent.
    let send = spans().into_iter().find(|s| {
        s.name.starts_with("send cmd.identity.verify")
            && s.links.iter().any(|l| l.span_context.span_id() == stimulus.span_context.span_id())
    });
    assert_eq!(send.expect("the relay's span").span_context.trace_id(), stimulus.span_context.trace_id());
}
