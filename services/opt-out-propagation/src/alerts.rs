//! 督促: who is told by mail that instructions are due soon or past due, and when; per recipient, with the stage that is missing.
//!
//! The ladder of each instruction runs in its machine; people are told per recipient. A reminder goes to the recipient's
//! contact when four fifths of the time of its oldest instruction are over. From the deadline on an escalation goes to the
//! contact and to the operator's officer: at once, after 1, 3 and 7 days, and every week. Each mail is a row that is tried
//! until notification says that the mail host has it; a later one takes the place of what could not be sent. A contact that is
//! newly set gets a test mail at once: whether mails arrive there is known before one is needed.

use crate::person::Register;
use chassis::{Bus, DbError, telemetry};
use contracts::{
    AlertKind, Code, InstructionId, NoticeId, RecipientId, Timestamp, Uuid,
    alert::{AlertReply, AlertTo, ContactView, SendAlert},
    books::PastDue,
};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use privacy_seal::{PublicKey, Purpose, seal_to};
use sqlx::PgConnection;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Mails in one round.
const ROUND: i64 = 32;
/// First and longest pause of a mail that could not be sent, in seconds.
const PAUSE: (f64, f64) = (30.0, 14_400.0);
/// Tries of one mail: about a week.
const TRIES_MAX: i32 = 50;

/// What of one recipient is open.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Due within the last fifth of their time.
    pub soon: u32,
    /// Past due, by stage.
    pub past_due: PastDue,
    /// When the oldest of these was issued, and is due.
    pub oldest: (Timestamp, Timestamp),
}

/// Which mail is called for now: its kind and its rung (0, 1, 2 …). Pure.
pub fn called_for(standing: &Standing, now: Timestamp) -> Option<(AlertKind, u32)> {
    if standing.past_due.sum() == 0 {
        return (standing.soon > 0).then_some((AlertKind::Reminder, 0));
    }
    let days = now.duration_since(standing.oldest.1).as_hours().max(0) / 24;
    let rung = match days {
        0 => 0,
        1..=2 => 1,
        3..=6 => 2,
        later => 3 + (later - 7) / 7,
    };
    Some((AlertKind::Escalation, rung.try_into().unwrap_or(u32::MAX)))
}

/// The mail of a rung: the same for ever.
fn alert_id(recipient: RecipientId, kind: &str, oldest_due: Timestamp, rung: u32, whom: &str) -> Uuid {
    let words = format!("alert {kind} {} {rung} {whom}", oldest_due.as_microsecond());
    Uuid::new_v5(&recipient.0, words.as_bytes())
}

/// Until the process stops.
pub async fn run(bus: Arc<Bus>, register: Arc<Register>, keys: PathBuf, every: Duration) {
    let stop = bus.stopping();
    loop {
        let looked = async {
            look(&bus).await?;
            send(&bus, &register, &keys).await
        };
        if let Err(error) = looked.await {
            tracing::warn!(%error, "whether instructions are past due cannot be looked at");
        }
        if stop.pause(every).await {
            return;
        }
    }
}

struct Row {
    recipient: RecipientId,
    standing: Standing,
    ids: Vec<Uuid>,
    has_contact: bool,
}

async fn rows(bus: &Bus, now: Timestamp) -> Result<Vec<Row>, DbError> {
    type Time = jiff_sqlx::Timestamp;
    type Raw = (Uuid, bool, i64, i64, i64, i64, Time, Time, Vec<Uuid>);
    let rows: Vec<Raw> = sqlx::query_as(
        "select r.id, c.sealed is not null,
                count(*) filter (where i.due > $1),
                count(*) filter (where i.due <= $1 and o.received_at is null),
                count(*) filter (where i.due <= $1 and o.received_at is not null and i.reported_at is null),
                count(*) filter (where i.due <= $1 and i.reported_at is not null),
                min(i.issued_at), min(i.due), (array_agg(i.instruction order by i.due, i.instruction))[1:20]
           from owed o join issued i using (instruction) join recipient r on r.id = o.recipient
           left join contact c on c.recipient = r.id
          where i.issued_at + (i.due - i.issued_at) * 0.8 <= $1
          group by r.id, c.sealed order by r.label limit 2000",
    )
    .bind(now.to_sqlx())
    .fetch_all(bus.db().pool())
    .await?;
    let number = |n: i64| n.try_into().unwrap_or(u32::MAX);
    let row = |(id, has_contact, soon, unreceived, unreported, unconfirmed, issued, due, ids): Raw| Row {
        recipient: RecipientId(id),
        standing: Standing {
            soon: number(soon),
            past_due: PastDue {
                unreceived: number(unreceived),
                unreported: number(unreported),
                unconfirmed: number(unconfirmed),
            },
            oldest: (issued.to_jiff(), due.to_jiff()),
        },
        ids,
        has_contact,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// One look: makes the mails that are called for; how many. (What is past due is measured from outside, `monitor.past_due`.)
///
/// # Errors
/// The database did not do it.
pub async fn look(bus: &Bus) -> Result<u64, DbError> {
    let now = bus.clock().now();
    let rows = rows(bus, now).await?;
    let mut made = 0;
    for row in rows {
        let Some((kind, rung)) = called_for(&row.standing, now) else { continue };
        let whom: &[&'static str] = match (kind, row.has_contact) {
            (AlertKind::Reminder, true) => &["contact"],
            (AlertKind::Reminder, false) | (AlertKind::Test, _) => &[],
            (AlertKind::Escalation, true) => &["contact", "officer"],
            (AlertKind::Escalation, false) => &["officer"],
        };
        if whom.is_empty() {
            continue;
        }
        made += bus.db().write(move |tx| Box::pin(async move { make(tx, &row, kind, rung, whom, now).await })).await?;
    }
    Ok(made)
}

async fn make(
    tx: &mut PgConnection,
    row: &Row,
    kind: AlertKind,
    rung: u32,
    whom: &[&'static str],
    now: Timestamp,
) -> Result<u64, DbError> {
    let word = kind.as_str();
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let (standing, mut made) = (&row.standing, 0);
    for whom in whom {
        let id = alert_id(row.recipient, word, standing.oldest.1, rung, whom);
        let inserted = sqlx::query(
            "insert into alert (id, recipient, kind, whom, rung, soon, unreceived, unreported, unconfirmed, oldest, made_at, due_at)
             select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11
              where not exists (select from alert where recipient = $2 and kind = $3 and whom = $4 and made_at > $12)
             on conflict (id) do nothing",
        )
        .bind(id)
        .bind(row.recipient.0)
        .bind(word)
        .bind(*whom)
        .bind(number(rung))
        .bind(number(standing.soon))
        .bind(number(standing.past_due.unreceived))
        .bind(number(standing.past_due.unreported))
        .bind(number(standing.past_due.unconfirmed))
        .bind(&row.ids)
        .bind(now.to_sqlx())
        // At most one a day, whatever the oldest one is.
        .bind(now.checked_sub(SignedDuration::from_hours(20)).unwrap_or(Timestamp::MIN).to_sqlx())
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            continue;
        }
        made += 1;
        // The new one says it all: an older one that could not be sent is not sent any more.
        sqlx::query(
            "update alert set due_at = 'infinity', reason = 'overtaken'
              where recipient = $1 and whom = $2 and id <> $3 and kind <> 'test' and sent_at is null and due_at < 'infinity'",
        )
        .bind(row.recipient.0)
        .bind(*whom)
        .bind(id)
        .execute(&mut *tx)
        .await?;
    }
    Ok(made)
}

/// 試験: the mail that a newly set contact gets at once, made by the order that set it. The test of an earlier contact is not sent
/// any more.
///
/// # Errors
/// The database's.
pub(crate) async fn test(
    tx: &mut PgConnection,
    recipient: RecipientId,
    cause: Uuid,
    set: bool,
    at: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "update alert set due_at = 'infinity', reason = 'overtaken'
          where recipient = $1 and kind = 'test' and sent_at is null and due_at < 'infinity'",
    )
    .bind(recipient.0)
    .execute(&mut *tx)
    .await?;
    if set {
        sqlx::query(
            "insert into alert (id, recipient, kind, whom, rung, soon, unreceived, unreported, unconfirmed, oldest, made_at, due_at)
             values ($1, $2, 'test', 'contact', 0, 0, 0, 0, 0, '{}', $3, $3)",
        )
        .bind(Uuid::new_v5(&recipient.0, format!("alert test {cause}").as_bytes()))
        .bind(recipient.0)
        .bind(at.to_sqlx())
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// How the contact of a recipient stands.
///
/// # Errors
/// The database's.
pub(crate) async fn contact_of(db: &mut PgConnection, recipient: RecipientId) -> Result<Option<ContactView>, DbError> {
    type Time = jiff_sqlx::Timestamp;
    let row: Option<(Time, Option<Time>, Option<String>)> = sqlx::query_as(
        "select c.set_at, a.sent_at, a.reason from contact c
           left join lateral (select sent_at, reason from alert where recipient = c.recipient and kind = 'test' and made_at >= c.set_at
                               order by made_at desc limit 1) a on true
          where c.recipient = $1 and c.sealed is not null",
    )
    .bind(recipient.0)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|(set, sent, reason)| ContactView {
        set_at: set.to_jiff(),
        tested_at: sent.map(|at| at.to_jiff()),
        test_failed: if sent.is_some() { None } else { reason.and_then(|reason| reason.parse().ok()) },
    }))
}

struct Due {
    id: Uuid,
    recipient: Uuid,
    kind: String,
    whom: String,
    counts: (i32, i32, i32, i32),
    oldest: Vec<Uuid>,
    made_at: Timestamp,
    tries: i32,
    label: String,
    contact: Option<Vec<u8>>,
}

/// Sends what is due, `keys` being the folder of the services' public keys: each is taken for a minute, so that two processes do not send it at the same moment.
///
/// # Errors
/// The database did not do it.
pub async fn send(bus: &Bus, register: &Register, keys: &Path) -> Result<(), DbError> {
    let now = bus.clock().now();
    for due in claim(bus, now).await? {
        let id = due.id;
        let (tries, reply) = (due.tries, one(bus, register, keys, due).await);
        let (word, reason) = match reply {
            AlertReply::Sent => ("sent", None),
            AlertReply::NotNow { reason } => ("not-now", Some(reason)),
            AlertReply::Never { reason } => ("never", Some(reason)),
        };
        telemetry::count("madoguchi.alerts", word);
        if word == "never" {
            tracing::error!(alert = %id, reason = reason.as_ref().map(Code::as_str), "an alert cannot be sent");
        }
        let pause = (PAUSE.0 * 2f64.powi(tries.clamp(1, 20) - 1)).min(PAUSE.1);
        let over = word == "never" || tries >= TRIES_MAX;
        let write = bus.db().write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "update alert set reason = $2, sent_at = case when $2::text is null then $3 end,
                            due_at = case when $5 then 'infinity' else $3 + make_interval(secs => $4) end
                      where id = $1 and sent_at is null",
                )
                .bind(id)
                .bind(reason.as_ref().map(Code::as_str))
                .bind(now.to_sqlx())
                .bind(pause)
                .bind(over)
                .execute(tx)
                .await?;
                Ok(())
            })
        });
        write.await?;
    }
    Ok(())
}

async fn claim(bus: &Bus, now: Timestamp) -> Result<Vec<Due>, DbError> {
    type Time = jiff_sqlx::Timestamp;
    type Row = (Uuid, Uuid, String, String, i32, i32, i32, i32, Vec<Uuid>, Time, i32, String, Option<Vec<u8>>);
    let write = bus.db().write(move |tx| {
        Box::pin(async move {
            let rows: Vec<Row> = sqlx::query_as(
                "with taken as (
                   update alert set tries = tries + 1, due_at = $1 + interval '1 minute' where id in (
                     select id from alert where sent_at is null and due_at <= $1 order by due_at limit $2 for update skip locked)
                   returning *)
                 select t.id, t.recipient, t.kind, t.whom, t.soon, t.unreceived, t.unreported, t.unconfirmed, t.oldest,
                        t.made_at, t.tries, r.label, c.sealed
                   from taken t join recipient r on r.id = t.recipient left join contact c on c.recipient = r.id",
            )
            .bind(now.to_sqlx())
            .bind(ROUND)
            .fetch_all(tx)
            .await?;
            let due = |(id, recipient, kind, whom, a, b, c, d, oldest, at, tries, label, contact): Row| Due {
                id,
                recipient,
                kind,
                whom,
                counts: (a, b, c, d),
                oldest,
                made_at: at.to_jiff(),
                tries,
                label,
                contact,
            };
            Ok(rows.into_iter().map(due).collect())
        })
    });
    write.await
}

async fn one(bus: &Bus, register: &Register, keys: &Path, due: Due) -> AlertReply {
    let never = |reason| AlertReply::Never { reason: Code::of(reason) };
    let to = match due.whom.as_str() {
        "officer" => AlertTo::Officer,
        _ => {
            let Some(contact) = due.contact else { return never("no-contact") };
            let opened = register.open(due.recipient.as_bytes(), &contact).and_then(|p| p.text().ok());
            let Some(text) = opened else { return never("contact-unreadable") };
            let Ok(key) = PublicKey::load(&keys.join("notification.pub")) else {
                return AlertReply::NotNow { reason: Code::of("notification-key-missing") };
            };
            let sealed = seal_to(&key, due.id.as_bytes(), text.disclose(Purpose::NotifyPerson).as_bytes());
            let Ok(at) = sealed else { return never("contact-unreadable") };
            AlertTo::Contact { at }
        }
    };
    let Ok(label) = due.label.parse() else { return never("label-unreadable") };
    let Ok(kind) = due.kind.parse() else { return never("kind-unknown") };
    let number = |n: i32| n.try_into().unwrap_or(0);
    let (soon, unreceived, unreported, unconfirmed) = due.counts;
    let alert = SendAlert {
        id: NoticeId(due.id),
        to,
        kind,
        label,
        soon: number(soon),
        past_due: PastDue {
            unreceived: number(unreceived),
            unreported: number(unreported),
            unconfirmed: number(unconfirmed),
        },
        oldest: due.oldest.into_iter().map(InstructionId).collect(),
        at: due.made_at,
    };
    bus.ask(&alert).await.unwrap_or(AlertReply::NotNow { reason: Code::of("notification-away") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_before_the_deadline_and_escalations_further_and_further_apart() {
        let (issued, due) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(10 * 86_400).unwrap());
        let standing = |soon, unreceived| Standing {
            soon,
            past_due: PastDue { unreceived, ..PastDue::default() },
            oldest: (issued, due),
        };
        let at = |days: i64| due.checked_add(SignedDuration::from_hours(24 * days)).unwrap();
        assert_eq!(called_for(&standing(0, 0), at(0)), None);
        assert_eq!(called_for(&standing(3, 0), at(-1)), Some((AlertKind::Reminder, 0)));
        for (days, rung) in [(0, 0), (1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (13, 3), (14, 4), (21, 5)] {
            assert_eq!(called_for(&standing(3, 1), at(days)), Some((AlertKind::Escalation, rung)), "{days}");
        }
        let id = |rung, whom| alert_id(RecipientId(Uuid::nil()), "escalation", due, rung, whom);
        assert!(
            id(0, "contact") == id(0, "contact")
                && id(0, "contact") != id(0, "officer")
                && id(0, "officer") != id(1, "officer")
        );
    }
}
