//! What the register of stops has about a case: entries, instructions, deliveries, tries, signed reports, recipients.

use chassis::Db;
use contracts::{CaseId, Uuid};
use evidence::file::{Attempt, B64, Delivery, Hex, Instruction, Recipient, Report, cut};
use std::collections::{BTreeMap, BTreeSet};

/// Which machines are about a case.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    pub(crate) entries: Vec<Uuid>,
    pub(crate) changes: Vec<Uuid>,
    pub(crate) instructions: Vec<Uuid>,
}

/// The entries that the case made or changed, with everything that followed from them.
pub(crate) async fn machines(db: &Db, case: CaseId) -> Result<Machines, sqlx::Error> {
    let entries: Vec<Uuid> = sqlx::query_scalar(
        r#"select entry from register_entry where "case" = $1
           union select entry from register_change where "case" = $1 order by 1"#,
    )
    .bind(case.0)
    .fetch_all(db.pool())
    .await?;
    let changes: Vec<Uuid> = sqlx::query_scalar("select change from fanout where entry = any($1) order by 1")
        .bind(&entries)
        .fetch_all(db.pool())
        .await?;
    let instructions: Vec<Uuid> = sqlx::query_scalar(
        "select instruction from issued where entry = any($1)
         union select i::uuid from history h, jsonb_array_elements_text(
             case jsonb_typeof(h.event::jsonb -> 'instructions') when 'array' then h.event::jsonb -> 'instructions' else '[]' end) i
          where h.machine = any($2)
         order by 1",
    )
    .bind(&entries)
    .bind(&changes)
    .fetch_all(db.pool())
    .await?;
    Ok(Machines { entries, changes, instructions })
}

/// The identifiers of the entries, as they are kept: sealed.
pub(crate) async fn identifiers(db: &Db, machines: &Machines) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("select person from register_entry where entry = any($1) and person is not null order by entry")
        .bind(&machines.entries)
        .fetch_all(db.pool())
        .await
}

type Sent = (Uuid, Uuid, i64, jiff_sqlx::Timestamp, Vec<u8>, Vec<u8>);

/// What each recipient was sent and what it reported; the sealed identifiers of every body.
pub(crate) async fn instructions(db: &Db, machines: &Machines) -> anyhow::Result<(Vec<Instruction>, Vec<Vec<u8>>)> {
    let ids = &machines.instructions;
    let sent: Vec<Sent> = sqlx::query_as(
        "select instruction, recipient, position, at, digest, body from delivery where instruction = any($1) order by at, recipient",
    )
    .bind(ids)
    .fetch_all(db.pool())
    .await?;
    let mut attempts = attempts(db, ids).await?;
    let mut reports = reports(db, ids).await?;
    let (mut all, mut sealed) = (vec![], vec![]);
    for (instruction, recipient, position, at, digest, body) in sent {
        let (head, identifiers, tail) = cut(&body);
        let digest =
            digest.try_into().map_err(|_| anyhow::anyhow!("delivery of {instruction}: its digest is damaged"))?;
        let delivery = Delivery {
            position,
            at: at.to_jiff(),
            digest: Hex(digest),
            head: B64(head.to_vec()),
            identifiers: Hex::of(identifiers),
            tail: B64(tail.to_vec()),
            attempts: attempts.remove(&instruction).unwrap_or_default(),
        };
        sealed.push(identifiers.to_vec());
        all.push(Instruction {
            id: instruction.to_string(),
            recipient: recipient.to_string(),
            outcome: None,
            delivery: Some(delivery),
            reports: reports.remove(&instruction).unwrap_or_default(),
        });
    }
    Ok((all, sealed))
}

type Tried = (Uuid, jiff_sqlx::Timestamp, String, String, Option<i32>);

async fn attempts(db: &Db, instructions: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<Attempt>>, sqlx::Error> {
    let rows: Vec<Tried> = sqlx::query_as(
        "select d.instruction, a.at, e.transport, a.outcome, a.status
           from delivery d join attempt a using (endpoint, position) join endpoint e on e.id = a.endpoint
          where d.instruction = any($1) order by a.at",
    )
    .bind(instructions)
    .fetch_all(db.pool())
    .await?;
    let mut all: BTreeMap<Uuid, Vec<Attempt>> = BTreeMap::new();
    for (instruction, at, transport, outcome, status) in rows {
        let attempt = Attempt { at: at.to_jiff(), transport, outcome, status };
        all.entry(instruction).or_default().push(attempt);
    }
    Ok(all)
}

async fn reports(db: &Db, instructions: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<Report>>, sqlx::Error> {
    let rows: Vec<(Uuid, jiff_sqlx::Timestamp, Vec<u8>)> =
        sqlx::query_as("select instruction, at, body from report where instruction = any($1) order by at, cause")
            .bind(instructions)
            .fetch_all(db.pool())
            .await?;
    let mut all: BTreeMap<Uuid, Vec<Report>> = BTreeMap::new();
    for (instruction, at, bytes) in rows {
        all.entry(instruction).or_default().push(Report { at: at.to_jiff(), bytes: B64(bytes) });
    }
    Ok(all)
}

/// Those who were told, with every key that one of their reports may be signed with.
pub(crate) async fn recipients(db: &Db, instructions: &[Instruction]) -> Result<Vec<Recipient>, sqlx::Error> {
    let ids: BTreeSet<Uuid> = instructions.iter().filter_map(|i| i.recipient.parse().ok()).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let rows: Vec<(Uuid, String, String, Vec<Vec<u8>>)> = sqlx::query_as(
        "select r.id, r.label, r.kind,
                array[r.report_key] || coalesce((select array_agg(k.key order by k.until desc) from former_key k where k.recipient = r.id), '{}')
           from recipient r where r.id = any($1) order by r.label",
    )
    .bind(&ids)
    .fetch_all(db.pool())
    .await?;
    let recipient = |(id, label, kind, keys): (Uuid, String, String, Vec<Vec<u8>>)| Recipient {
        id: id.to_string(),
        label,
        kind,
        report_keys: keys.into_iter().map(B64).collect(),
    };
    Ok(rows.into_iter().map(recipient).collect())
}
