//! Everything that the house has about a case, with its proofs: read service by service, each as its own role.

use super::register::{self, Machines};
use anyhow::Context;
use chassis::{Db, Runtime, checkpoint as log, sealer};
use contracts::{CaseId, Service, Timestamp, Uuid};
use evidence::{
    Evidence, Signer,
    checkpoint::Checkpoint,
    file::{B64, Copy, Document, Earlier, Event, FORMAT, Hex, Log},
    outcome,
    tree::Collector,
};
use std::time::Duration;

/// Whose logs are looked at, in the order in which a case goes through the house.
const SERVICES: [Service; 6] =
    [Service::Intake, Service::Identity, Service::Payment, Service::Fulfilment, Service::OptOut, Service::Notification];
/// Leaves read at once.
const PAGE: i64 = 50_000;
/// How often, and with which pause, a checkpoint that covers everything is waited for: a service signs one a minute.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(250);

/// What is signed, and the sealed parts beside it.
pub(crate) async fn collect(rt: &Runtime, case: CaseId, key: &Signer) -> anyhow::Result<(Evidence, Vec<Vec<u8>>)> {
    let mut evidence = Evidence {
        format: FORMAT.into(),
        copy: Copy::Full,
        case: case.0,
        made_at: rt.clock().now(),
        made_by: format!("madoguchi {}", env!("CARGO_PKG_VERSION")),
        house_key: key.verifier().to_string(),
        logs: vec![],
        events: vec![],
        documents: vec![],
        recipients: vec![],
        instructions: vec![],
    };
    let mut sealed = vec![];
    for service in SERVICES {
        let db = rt.db(service.token()).await?;
        let whose = || format!("reading from {}", service.crate_name());
        one_service(rt, &db, service, case, &mut evidence, &mut sealed).await.with_context(whose)?;
        db.close().await;
    }
    anyhow::ensure!(!evidence.events.is_empty(), "there is no case {case}");
    in_order_of_time(&mut evidence.events);
    for one in &mut evidence.instructions {
        let of = evidence.events.iter().filter(|e| e.machine == "instruction" && e.id == one.id);
        let json: Vec<serde_json::Value> = of.filter_map(|e| serde_json::from_slice(&e.event.0).ok()).collect();
        one.outcome = outcome(json.iter());
    }
    Ok((evidence, sealed))
}

async fn one_service(
    rt: &Runtime,
    db: &Db,
    service: Service,
    case: CaseId,
    evidence: &mut Evidence,
    sealed: &mut Vec<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut register = Machines::default();
    let machines: Vec<(&str, Vec<Uuid>)> = match service {
        Service::Intake => vec![("case", vec![case.0])],
        Service::Identity => vec![("verification", vec![case.0])],
        Service::Fulfilment => vec![("answer", vec![case.0])],
        Service::Payment => vec![("charge", charges(db, case).await?)],
        Service::Notification => vec![("notice", notices(db, case).await?)],
        Service::OptOut => {
            register = register::machines(db, case).await?;
            vec![
                ("entry", register.entries.clone()),
                ("change", register.changes.clone()),
                ("instruction", register.instructions.clone()),
            ]
        }
        _ => vec![],
    };
    let all: Vec<Uuid> = machines.iter().flat_map(|(_, ids)| ids).copied().collect();
    let Some((log, mut events)) = proved(rt, db, service, &all).await? else { return Ok(()) };
    for event in &mut events {
        let kind = machines.iter().find(|(_, ids)| ids.iter().any(|id| id.to_string() == event.id));
        event.machine = kind.map_or("", |(kind, _)| kind).to_owned();
    }
    evidence.logs.push(log);
    evidence.events.extend(events);
    let (what, documents) = match service {
        Service::Intake => ("request", request(db, case).await?),
        Service::Fulfilment => ("answer", answers(db, case).await?),
        Service::OptOut => ("register-entry", register::identifiers(db, &register).await?),
        _ => ("", vec![]),
    };
    for bytes in documents {
        let (what, service) = (what.to_owned(), service.token().to_owned());
        evidence.documents.push(Document { what, service, digest: Hex::of(&bytes) });
        sealed.push(bytes);
    }
    if service == Service::OptOut {
        let (instructions, identifiers) = register::instructions(db, &register).await?;
        evidence.recipients = register::recipients(db, &instructions).await?;
        evidence.instructions = instructions;
        sealed.extend(identifiers);
    }
    Ok(())
}

async fn charges(db: &Db, case: CaseId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct h.machine from history h join charge m on m.id = h.machine
          where h.version = 1 and strpos(h.event::text, $1) > 0 order by 1",
    )
    .bind(case.to_string())
    .fetch_all(db.pool())
    .await
}

/// Also those whose state forgot the case because it was erased: the first event names it.
async fn notices(db: &Db, case: CaseId) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar(
        "select distinct h.machine from history h join notice m on m.id = h.machine
          where h.version = 1 and strpos(h.event::text, $1) > 0 order by 1",
    )
    .bind(case.to_string())
    .fetch_all(db.pool())
    .await
}

/// What the person filed, as it is kept; nothing when it is erased.
async fn request(db: &Db, case: CaseId) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("select sealed from person where case_id = $1 and sealed is not null")
        .bind(case.0)
        .fetch_all(db.pool())
        .await
}

async fn answers(db: &Db, case: CaseId) -> Result<Vec<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar("select sealed from answer_record where case_id = $1 order by at, cause")
        .bind(case.0)
        .fetch_all(db.pool())
        .await
}

type Written = (Uuid, i64, jiff_sqlx::Timestamp, Vec<u8>, String, Option<i64>);

async fn written(db: &Db, machines: &[Uuid]) -> Result<Vec<Written>, sqlx::Error> {
    sqlx::query_as(
        "select h.machine, h.version, h.at, h.salt, h.event::text, l.number
           from history h join leaf l using (machine, version) where h.machine = any($1) order by l.number nulls last, l.id",
    )
    .bind(machines)
    .fetch_all(db.pool())
    .await
}

/// A checkpoint as it is kept: size, note, key.
type Kept = (i64, String, String);

/// The newest checkpoint, and the one before.
async fn checkpoints(db: &Db) -> Result<Vec<Kept>, sqlx::Error> {
    sqlx::query_as(
        "select size, note, key from checkpoint
          where epoch = (select max(number) from house.epoch) order by size desc limit 2",
    )
    .fetch_all(db.pool())
    .await
}

/// The events of these machines with their proofs; `None` when there are none.
async fn proved(
    rt: &Runtime,
    db: &Db,
    service: Service,
    machines: &[Uuid],
) -> anyhow::Result<Option<(Log, Vec<Event>)>> {
    let mut tries = 0;
    let (rows, kept) = loop {
        seal(rt, db, service).await?;
        let (kept, rows) = (checkpoints(db).await?, written(db, machines).await?);
        if rows.is_empty() {
            return Ok(None);
        }
        let size = kept.first().map_or(0, |k| k.0);
        if rows.iter().all(|row| row.5.is_some_and(|number| number < size)) {
            break (rows, kept);
        }
        tries += 1;
        anyhow::ensure!(
            tries < TRIES,
            "no signed checkpoint of the log covers the case yet: the service must be running, or its key `{}.log` be in \
             `house.keys_dir`",
            service.token()
        );
        tokio::time::sleep(PAUSE).await;
    };
    with_proofs(db, service, rows, &kept).await.map(Some)
}

/// Seals and signs here and now, if the log's key is at hand; else the service's own sealer does it in its time.
async fn seal(rt: &Runtime, db: &Db, service: Service) -> anyhow::Result<()> {
    if !log::key_file(rt.keys_dir(), service).exists() {
        return Ok(());
    }
    let epoch: i32 = sqlx::query_scalar("select max(number) from house.epoch").fetch_one(db.pool()).await?;
    let key = log::key(rt.keys_dir(), service, epoch)?;
    let mut own = db.own_connection().await?;
    while sealer::seal(&mut own).await? > 0 {}
    log::sign(&mut own, &key, epoch, true).await?;
    Ok(())
}

async fn with_proofs(
    db: &Db,
    service: Service,
    rows: Vec<Written>,
    kept: &[Kept],
) -> anyhow::Result<(Log, Vec<Event>)> {
    let Some((size, note, key)) = kept.first() else { anyhow::bail!("no checkpoint") };
    let earlier = kept.get(1).filter(|(.., k)| k == key);
    let numbers: Vec<u64> = rows.iter().filter_map(|row| row.5?.try_into().ok()).collect();
    let mut collector = Collector::new((*size).try_into()?);
    collector = numbers.iter().fold(collector, |c, n| c.including(*n));
    if let Some((size, ..)) = earlier {
        collector = collector.extending((*size).try_into()?);
    }
    let mut from = 0;
    while from < *size {
        let to = (from + PAGE).min(*size);
        let page: Vec<Vec<u8>> =
            sqlx::query_scalar("select hash from leaf where number >= $1 and number < $2 order by number")
                .bind(from)
                .bind(to)
                .fetch_all(db.pool())
                .await?;
        page.iter().for_each(|hash| collector.push(hash));
        from = to;
    }
    let proofs = collector.finish().context("leaves of the log are missing")?;
    let checkpoint = Checkpoint::open(note, &key.parse()?)?;
    anyhow::ensure!(checkpoint.root == proofs.root, "the log is not what its checkpoint says: leaves were changed");
    let list = |proof: &[[u8; 32]]| proof.iter().map(|h| B64(h.to_vec())).collect::<Vec<_>>();
    let events = rows.into_iter().zip(&proofs.inclusions).map(|(row, (leaf, proof))| Event {
        service: service.token().to_owned(),
        machine: String::new(),
        id: row.0.to_string(),
        version: row.1,
        at: row.2.to_jiff(),
        salt: B64(row.3),
        event: B64(row.4.into_bytes()),
        leaf: *leaf,
        proof: list(proof),
    });
    let earlier = earlier.zip(proofs.consistencies.first());
    let log = Log {
        service: service.token().to_owned(),
        key: key.clone(),
        checkpoint: note.clone(),
        earlier: earlier.map(|((_, note, _), (_, proof))| Earlier { checkpoint: note.clone(), proof: list(proof) }),
    };
    Ok((log, events.collect()))
}

/// By time; within a log in its own order, whatever the clocks said.
fn in_order_of_time(events: &mut Vec<Event>) {
    let (mut newest, mut last) = (Timestamp::MIN, String::new());
    let mut keyed: Vec<(Timestamp, Event)> = vec![];
    // As they come: service after service, each in its log's order.
    for event in events.drain(..) {
        if event.service != last {
            (newest, last) = (Timestamp::MIN, event.service.clone());
        }
        newest = newest.max(event.at);
        keyed.push((newest, event));
    }
    keyed.sort_by_key(|(at, _)| *at);
    events.extend(keyed.into_iter().map(|(_, event)| event));
}
