//! 漏えい等の通知 from recipients (Act art. 51, Rules arts. 44, 45; duty 59): signed over the partner API, or by staff from a telephone
//! call or a paper. Each opens, or amends, the operator's own incident, whose clock runs from the earliest time of knowing of
//! anybody on the way here. Contractors state nine items, users of pseudonymised data eight; what is not known yet may follow.
//!
//! | request | answer |
//! |---|---|
//! | `POST /partner/v1/incident-notices?digest=…` | the operator's incident, and what is not stated yet |
//! | `POST /partner/v1/erasures?digest=…` | a user of pseudonymised data reports what it erased: day, items, book entry |

use super::{Duties, refused};
use crate::partner::signed_by;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
};
use chassis::{DbError, HandleError, Problem, http::HttpLimits};
use contracts::{
    Code, Date, IncidentItem, RecipientId, RecipientKind, Timestamp, Uuid,
    duty::{Act, ListProcessorIncidents, ProcessorIncident, ProcessorIncidentList, RecordIncident},
    recipient::{BODY_MAX, ToldStep},
    request::{StaffCommand, StaffReply},
};
use custody::orders::Words;
use jiff_sqlx::ToSqlx;
use privacy::{Personal, Purpose, seal_to};
use recipient_kit::digest_of;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The longest item, in characters.
const ITEM_MAX: usize = 5_000;
/// The longest way.
const STEPS_MAX: usize = 10;

const STATEMENT: Words = Words {
    field: Code::of("statement"),
    most: 50_000,
    missing: Code::of("statement-missing"),
    too_long: Code::of("statement-too-long"),
    unreadable: Code::of("statement-unreadable"),
};

/// 通知, as a recipient sends it. What is not known yet is left away.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The recipient's own number of the incident; a later notice with it amends the earlier one.
    pub number: Code,
    /// When somebody there knew first.
    pub known_at: Timestamp,
    /// Who told whom before it, tier by tier.
    #[serde(default)]
    pub told: Vec<ToldStep>,
    /// The items, in words.
    pub items: BTreeMap<IncidentItem, String>,
}

/// 利用事業者の消去の報告 (Rules art. 43(1)(ii)).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// When.
    pub on: Date,
    /// What: the sets, as codes.
    pub items: Vec<Code>,
    /// The user's own book entry.
    pub book_entry: Code,
}

/// The earliest time of knowing. `None`: a time that has not come, or somebody who told before it knew. Pure.
pub fn earliest(known_at: Timestamp, told: &[ToldStep], now: Timestamp) -> Option<Timestamp> {
    let possible = known_at <= now
        && told.len() <= STEPS_MAX
        && told.iter().all(|step| step.known_at <= step.told_at && step.told_at <= now);
    possible.then(|| told.iter().map(|step| step.known_at).fold(known_at, Timestamp::min))
}

/// What is kept of a notice.
struct Kept {
    id: Uuid,
    recipient: RecipientId,
    number: Code,
    known_at: Timestamp,
    told: Vec<ToldStep>,
    stated: Vec<IncidentItem>,
    statement: Vec<u8>,
    way: &'static str,
}

/// The notice, and the operator's own incident.
async fn keep(tx: &mut PgConnection, n: &Kept, at: Timestamp) -> Result<Uuid, DbError> {
    let stated: Vec<&str> = n.stated.iter().map(|item| item.as_str()).collect();
    sqlx::query(
        "insert into incident_notice (id, recipient, number, known_at, told, stated, statement, way, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
    )
    .bind(n.id)
    .bind(n.recipient.0)
    .bind(n.number.as_str())
    .bind(n.known_at.to_sqlx())
    .bind(sqlx::types::Json(&n.told))
    .bind(&stated)
    .bind(&n.statement)
    .bind(n.way)
    .bind(at.to_sqlx())
    .execute(&mut *tx)
    .await?;
    let incident = sqlx::query_scalar(
        "insert into processor_incident (id, recipient, number, known_at, reached_at) values ($1, $2, $3, $4, $5)
         on conflict (recipient, number) do update set known_at = least(processor_incident.known_at, excluded.known_at)
         returning id",
    )
    .bind(Uuid::new_v5(&n.recipient.0, n.number.as_str().as_bytes()))
    .bind(n.recipient.0)
    .bind(n.number.as_str())
    .bind(n.known_at.to_sqlx())
    .bind(at.to_sqlx())
    .fetch_one(tx)
    .await?;
    Ok(incident)
}

impl Duties {
    async fn kind_of(&self, recipient: RecipientId) -> Result<Option<RecipientKind>, DbError> {
        let word: Option<String> =
            sqlx::query_scalar("select kind from recipient where id = $1 and status <> 'removed'")
                .bind(recipient.0)
                .fetch_optional(self.pool())
                .await?;
        Ok(word.and_then(|word| word.parse().ok()))
    }

    /// `req.optout.record-incident`: by telephone or on paper.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn record_incident(&self, command: StaffCommand<RecordIncident>) -> Result<StaffReply, HandleError> {
        let (o, id) = (command.order.clone(), command.token);
        if let Err(reply) = self.recipients.custody.words(&STATEMENT, id.as_bytes(), &o.statement.0) {
            return Ok(reply);
        }
        let Some(known_at) = earliest(o.known_at, &o.told, self.now()) else {
            return refused(Code::of("times-contradict"));
        };
        let Some(kind) = self.kind_of(o.recipient).await? else { return refused(Code::of("no-such-recipient")) };
        if let Some(other) = o.stated.iter().find(|item| !IncidentItem::of(kind).contains(item)) {
            tracing::debug!(?other, "an item that this kind of recipient does not state");
            return refused(Code::of("item-of-another-kind"));
        }
        let RecordIncident { recipient, number, told, stated, statement, .. } = o;
        let kept = Kept { id, recipient, number, known_at, told, stated, statement: statement.0, way: "staff" };
        let incident = Uuid::new_v5(&kept.recipient.0, kept.number.as_str().as_bytes());
        let orders = &self.recipients;
        orders
            .ordered(&command, incident, "incident-open", move |tx, at| {
                Box::pin(async move { keep(tx, &kept, at).await.map(|_| None) })
            })
            .await
    }

    /// `req.optout.processor-incidents`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn incidents(&self, _: ListProcessorIncidents) -> Result<ProcessorIncidentList, HandleError> {
        Ok(ProcessorIncidentList { incidents: self.incidents_of(None).await? })
    }

    /// Of one recipient, or of all; newest first.
    pub(super) async fn incidents_of(&self, recipient: Option<Uuid>) -> Result<Vec<ProcessorIncident>, DbError> {
        type Time = jiff_sqlx::Timestamp;
        type Row = (Uuid, Uuid, String, String, Time, Time, Option<Vec<String>>, Option<serde_json::Value>);
        let rows: Vec<Row> = sqlx::query_as(
            "select i.id, i.recipient, r.kind, i.number, i.known_at, i.reached_at,
                    (select array_agg(distinct s) from incident_notice n, unnest(n.stated) s
                      where n.recipient = i.recipient and n.number = i.number),
                    (select n.told from incident_notice n where n.recipient = i.recipient and n.number = i.number
                        and jsonb_array_length(n.told) > 0 order by n.at desc limit 1)
               from processor_incident i join recipient r on r.id = i.recipient
              where $1::uuid is null or i.recipient = $1 order by i.reached_at desc limit 200",
        )
        .bind(recipient)
        .fetch_all(self.pool())
        .await?;
        let rules = self.recipients.register.retention();
        let row = |(id, recipient, kind, number, known, reached, stated, told): Row| {
            let (kind, known_at): (RecipientKind, _) = (kind.parse().ok()?, known.to_jiff());
            let stated: BTreeSet<IncidentItem> =
                stated.into_iter().flatten().filter_map(|word| word.parse().ok()).collect();
            let day = calendar::jst_date(known_at);
            let first = known_at.checked_add(self.recipients.periods.promptly).unwrap_or(Timestamp::MAX);
            Some(ProcessorIncident {
                incident: id,
                recipient: RecipientId(recipient),
                number: number.parse().ok()?,
                known_at,
                reached_at: reached.to_jiff(),
                told: told.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default(),
                unknown: IncidentItem::of(kind).iter().filter(|item| !stated.contains(item)).copied().collect(),
                stated: stated.into_iter().collect(),
                first_due: calendar::jst_date(first),
                full_due: rules.full_report_due(day, self.calendar()),
            })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }
}

/// The router, with its limits.
pub fn router(duties: Arc<Duties>) -> Router {
    let router = Router::new()
        .route("/partner/v1/incident-notices", post(notice))
        .route("/partner/v1/erasures", post(erased))
        .with_state(duties);
    chassis::http::limited(router, HttpLimits { body_max: BODY_MAX, timeout_seconds: 30 })
}

fn bad(reason: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "notice-refused", "The notice was not taken")
        .detail(detail.to_owned())
        .with("reason", reason)
}

#[derive(Deserialize)]
struct OfBody {
    digest: contracts::Digest,
}

/// Who sends it: signed as the pull feed, with the digest of the body in the signed query.
async fn from(
    duties: &Duties,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(RecipientId, RecipientKind), Problem> {
    let me = signed_by(&duties.recipients.bus, method, uri, headers).await?;
    let query = axum::extract::Query::<OfBody>::try_from_uri(uri);
    if query.ok().is_none_or(|q| q.digest != digest_of(body)) {
        return Err(bad(
            "wrong-digest",
            "Give SHA-256 of the body, 64 hexadecimal digits, as `digest` in the query before signing.",
        ));
    }
    let kind = duties.kind_of(me).await.map_err(|_| Problem::away())?;
    kind.map(|kind| (me, kind))
        .ok_or_else(|| bad("not-in-force", "You are no recipient of this desk any more. Call it."))
}

async fn notice(
    State(duties): State<Arc<Duties>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (me, kind) = from(&duties, &method, &uri, &headers, &body).await?;
    let notice: Notice = serde_json::from_slice(&body).map_err(|_| {
        bad("malformed", "Give number, known_at, told (who told whom) and items; leave away what is not known yet.")
    })?;
    let now = duties.now();
    let known_at = earliest(notice.known_at, &notice.told, now).ok_or_else(|| {
        bad("times-contradict", "Nobody tells before knowing, and no time lies ahead; at most ten steps.")
    })?;
    let items = IncidentItem::of(kind);
    if notice.items.keys().any(|item| !items.contains(item)) {
        return Err(bad(
            "item-of-another-kind",
            "Users of pseudonymised data state eight items: the scale instead of the number of persons, and not how persons are dealt with (Rules art. 44); everybody else nine.",
        ));
    }
    if notice.items.values().any(|words| words.trim().is_empty() || words.chars().count() > ITEM_MAX) {
        return Err(bad(
            "item-empty-or-too-long",
            "An item has 1 to 5000 characters; leave away what is not known yet.",
        ));
    }
    let id = Uuid::new_v5(&me.0, &digest_of(&body).0);
    let words = Personal::new(serde_json::to_vec(&notice.items).unwrap_or_default());
    let sealed = seal_to(&duties.recipients.register.public(), id.as_bytes(), words.disclose(Purpose::SealForOwner));
    let statement = sealed.map_err(|_| Problem::away())?.0;
    let stated: Vec<IncidentItem> = notice.items.keys().copied().collect();
    let unknown: Vec<&str> = items.iter().filter(|i| !stated.contains(i)).map(|item| item.as_str()).collect();
    let kept =
        Kept { id, recipient: me, number: notice.number, known_at, told: notice.told, stated, statement, way: "api" };
    let bus = &duties.recipients.bus;
    let incident = bus.db().write(move |tx| Box::pin(async move { keep(tx, &kept, now).await }));
    let incident = incident.await.map_err(|_| Problem::away())?;
    chassis::telemetry::count("madoguchi.recipients.incidents", kind.as_str());
    tracing::warn!(%incident, recipient = %me, "a recipient told of an incident");
    Ok(axum::Json(serde_json::json!({ "incident": incident, "known_at": known_at, "unknown": unknown }))
        .into_response())
}

async fn erased(
    State(duties): State<Arc<Duties>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let (me, kind) = from(&duties, &method, &uri, &headers, &body).await?;
    if kind != RecipientKind::User {
        return Err(bad(
            "not-a-user",
            "Contractors report each erasure about its instruction: POST /partner/v1/reports.",
        ));
    }
    let report: Option<Erased> = serde_json::from_slice(&body).ok();
    let fits = |r: &Erased| (1..=64).contains(&r.items.len()) && r.on <= duties.today();
    let Erased { on, items, book_entry } = report.filter(fits).ok_or_else(|| {
        bad("malformed", "Give on (the day, not ahead), items (1 to 64 codes) and book_entry (Rules art. 43(1)(ii)).")
    })?;
    let id = Uuid::new_v5(&me.0, &digest_of(&body).0);
    let (act, at) = (Act::Erased { on, items, book_entry }, duties.now());
    let write = duties.recipients.bus.db().write(move |tx| {
        Box::pin(async move {
            sqlx::query(
                "insert into supervision (cause, recipient, act, at) values ($1, $2, $3, $4) on conflict (cause) do nothing",
            )
            .bind(id)
            .bind(me.0)
            .bind(sqlx::types::Json(act))
            .bind(at.to_sqlx())
            .execute(tx)
            .await?;
            Ok(())
        })
    });
    write.await.map_err(|_| Problem::away())?;
    Ok(axum::Json(serde_json::json!({ "recorded": id })).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_59_the_earliest_time_of_knowing_counts_and_nobody_tells_before_knowing() {
        let t = |text: &str| text.parse::<Timestamp>().unwrap();
        let step = |known: &str, told: &str| ToldStep {
            by: Code::of("sub"),
            to: Code::of("contractor"),
            known_at: t(known),
            told_at: t(told),
        };
        let (known, now) = (t("2026-11-22T09:00:00Z"), t("2026-11-22T12:00:00Z"));
        let sub = step("2026-11-21T20:00:00Z", "2026-11-22T08:00:00Z");
        assert_eq!(earliest(known, &[], now), Some(known));
        assert_eq!(earliest(known, std::slice::from_ref(&sub), now), Some(sub.known_at));
        assert_eq!(earliest(known, &[step("2026-11-22T09:00:00Z", "2026-11-22T08:00:00Z")], now), None);
        assert_eq!(earliest(t("2026-11-23T00:00:00Z"), &[], now), None);
        assert_eq!(earliest(known, &vec![sub; 11], now), None);
        assert_eq!((IncidentItem::NINE.len(), IncidentItem::of(RecipientKind::User).len()), (9, 8));
    }
}
