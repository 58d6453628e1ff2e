//! What every service answers: its relays' questions (`heard`, `told`) and the console's (`history`, `parked`, `retry`,
//! `drop`).

use crate::{bus::Bus, consumer::STREAM, home::HandleError, reason::StaffReason};
use async_nats::jetstream::{self, consumer::pull};
use contracts::{
    Code, MessageId, Uuid,
    flow::Queue,
    request::{
        Heard, HeardReply, History, HistoryReply, HistoryRow, Parked, ParkedChoice, ParkedReply, ParkedRow,
        StaffCommand, StaffReply, Told, ToldReply,
    },
};
use std::sync::Arc;

pub(crate) fn answer(bus: &Arc<Bus>) {
    let verb = |verb: &str| format!("req.{}.{verb}", bus.service().token());
    let this = bus.clone();
    bus.answer_at(verb("heard"), move |q: Heard| heard(this.clone(), q));
    let this = bus.clone();
    bus.answer_at(verb("told"), move |q: Told| told(this.clone(), q));
    let this = bus.clone();
    bus.answer_at(verb("history"), move |q: History| history(this.clone(), q));
    let this = bus.clone();
    bus.answer_at(verb("parked"), move |_: Parked| parked(this.clone()));
    let this = bus.clone();
    bus.answer_at(verb("retry"), move |c: StaffCommand<ParkedChoice>| choose(this.clone(), c, true));
    let this = bus.clone();
    bus.answer_at(verb("drop"), move |c: StaffCommand<ParkedChoice>| choose(this.clone(), c, false));
}

/// `have` is an inbox row in any state.
async fn heard(bus: Arc<Bus>, q: Heard) -> Result<HeardReply, HandleError> {
    let ids: Vec<Uuid> = q.ids.iter().chain(&q.probe).take(264).map(|id| id.0).collect();
    // From the primary, and nothing but committed rows: one statement.
    let have: Vec<Uuid> =
        sqlx::query_scalar("select id from inbox where id = any ($1)").bind(&ids).fetch_all(bus.db().pool()).await?;
    let newest: Option<Uuid> =
        sqlx::query_scalar("select id from inbox where source = $1 and body is not null order by id desc limit 1")
            .bind(q.from.as_str())
            .fetch_optional(bus.db().pool())
            .await?;
    let (idle, bulk_idle) = futures::join!(is_idle(&bus, Queue::Steps), is_idle(&bus, Queue::Bulk));
    Ok(HeardReply {
        have: have.into_iter().map(MessageId).collect(),
        newest: newest.map(MessageId),
        idle,
        bulk_idle,
        epoch: bus.epoch(),
    })
}

/// Nothing waits for this service in this queue and none of it is in work, or there is no durable at all. What is in work will
/// be heard, or delivered again: saying it again meanwhile only feeds the backlog (measured: 1.6 publishes per message
/// after an outage instead of 1.0).
async fn is_idle(bus: &Bus, queue: Queue) -> bool {
    if queue.heard_by(bus.service()).next().is_none() {
        return true;
    }
    let context = jetstream::new(bus.nats().clone());
    match context.get_consumer_from_stream::<pull::Config, _, _>(queue.durable(bus.service()), STREAM).await {
        Ok(consumer) => consumer.cached_info().num_pending == 0 && consumer.cached_info().num_ack_pending == 0,
        Err(_) => true,
    }
}

async fn told(bus: Arc<Bus>, q: Told) -> Result<ToldReply, HandleError> {
    let after = q.after.map_or(Uuid::nil(), |id| id.0);
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select id, lane from inbox where source = $1 and body is not null and id > $2 order by id limit 256",
    )
    .bind(q.from.as_str())
    .bind(after)
    .fetch_all(bus.db().pool())
    .await?;
    Ok(ToldReply { heard: rows.into_iter().map(|(id, lane)| (MessageId(id), lane)).collect() })
}

async fn history(bus: Arc<Bus>, q: History) -> Result<HistoryReply, HandleError> {
    type Row = (i64, jiff_sqlx::Timestamp, Uuid, serde_json::Value);
    let rows: Vec<Row> =
        sqlx::query_as("select version, at, cause, event from history where machine = $1 order by version limit 1000")
            .bind(q.machine)
            .fetch_all(bus.db().pool())
            .await?;
    let rows = rows
        .into_iter()
        .map(|(version, at, cause, event)| HistoryRow { version, at: at.to_jiff(), cause, event })
        .collect();
    Ok(HistoryReply { rows })
}

async fn parked(bus: Arc<Bus>) -> Result<ParkedReply, HandleError> {
    type Row = (Uuid, Uuid, Option<String>, jiff_sqlx::Timestamp, i64);
    let rows: Vec<Row> = sqlx::query_as(
        "select p.id, p.lane, p.note, p.heard_at,
                (select count(*) from inbox b where b.lane = p.lane and b.source = p.source and b.seq > p.seq and b.state = 'behind')
           from inbox p where p.state = 'parked' order by p.heard_at limit 200",
    )
    .fetch_all(bus.db().pool())
    .await?;
    let row = |(id, lane, note, since, behind): Row| ParkedRow {
        id,
        lane,
        note: note.and_then(|n| n.parse().ok()).unwrap_or(Code::of("parked")),
        since: since.to_jiff(),
        behind: behind.try_into().unwrap_or(u32::MAX),
    };
    Ok(ParkedReply { rows: rows.into_iter().map(row).collect() })
}

/// A person lets a parked message try again, or drops it with a reason; what waited behind it moves on.
async fn choose(bus: Arc<Bus>, command: StaffCommand<ParkedChoice>, retry: bool) -> Result<StaffReply, HandleError> {
    let (id, at) = (command.order.id, bus.clock().now());
    let moved = bus
        .db()
        .write(move |tx| {
            Box::pin(async move {
                let (cause, staff, sealed) = (command.token, command.staff, command.why.0);
                StaffReason { cause, staff, unit: None, sealed, at }.keep(tx).await?;
                let state = if retry { "later" } else { "dropped" };
                let lane: Option<(Uuid, String)> = sqlx::query_as(
                    // A row without bytes (a lost row of our own) can be dropped only: there is nothing to try again.
                    "update inbox set state = $2, due_at = now(), heard_at = now(), tries = 0
                      where id = $1 and state = 'parked' and (body is not null or not $3) returning lane, source",
                )
                .bind(id)
                .bind(state)
                .bind(retry)
                .fetch_optional(&mut *tx)
                .await?;
                if let Some((lane, source)) = &lane {
                    // One second after a retry: without it they would wait for an event that may never come.
                    sqlx::query("update inbox set state = 'later', due_at = now() + make_interval(secs => $3) where lane = $1 and source = $2 and state = 'behind'")
                        .bind(lane)
                        .bind(source)
                        .bind(if retry { 1.0 } else { 0.0 })
                        .execute(tx)
                        .await?;
                }
                Ok(lane.map(|(lane, _)| lane))
            })
        })
        .await?;
    Ok(match moved {
        Some(lane) => StaffReply::Done {
            machine: lane,
            status: Code::of(if retry { "retried" } else { "dropped" }),
            figures: vec![],
        },
        None => {
            StaffReply::Refused { reason: Code::of(if retry { "nothing-to-retry" } else { "not-parked" }), at: None }
        }
    })
}
