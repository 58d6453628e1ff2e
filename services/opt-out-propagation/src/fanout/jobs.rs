//! What there is to be fanned out, read before the lock.

use super::{BATCH, FanOutError, Job, Kind, LATE};
use crate::propagation::{self, About, Candidate};
use chassis::DbError;
use contracts::{
    CaseId, ChangeId, Date, EntryId, InstructionId, Measure, RecipientId, RecipientKind, Scope, Uuid,
    envelope::TraceParent, register::Certification,
};
use sqlx::{PgConnection, PgPool};
use std::collections::{BTreeSet, HashMap};

/// By entry, the hospitals and operators that are shown to have the person.
type Shown = HashMap<Uuid, BTreeSet<RecipientId>>;

/// What a pass would find: an idle desk is asked one question, a busy one only for what there is.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub(super) struct Work {
    /// Changes of entries.
    changes: bool,
    /// Recipients that came later.
    late: bool,
    /// What an old endpoint owed.
    reissues: bool,
    /// Orders to erase everything.
    everything: bool,
    /// What was replaced and is not yet cancelled.
    pub replaced: bool,
}

impl Work {
    /// Instructions are to be issued.
    pub fn is_any(self) -> bool {
        self.changes || self.late || self.reissues || self.everything
    }
}

/// Looks whether there is work, and which.
pub(super) async fn work(pool: &PgPool) -> Result<Work, DbError> {
    Ok(sqlx::query_as(
        "select exists (select from fanout where done_at is null) as changes, exists (select from backlog) as late,
                exists (select from reissue where new is null and done_at is null) as reissues,
                exists (select from reissue where new is not null and done_at is null) as replaced,
                exists (select from erase_all where done_at is null) as everything",
    )
    .fetch_one(pool)
    .await?)
}

/// The jobs of a pass: changes first, then what is late, then what is issued anew.
pub(super) async fn all(
    db: &mut PgConnection,
    work: Work,
    candidates: &[Candidate],
    today: Date,
    needs: bool,
) -> Result<Vec<Job>, FanOutError> {
    let mut jobs = Vec::new();
    if work.changes {
        jobs.extend(changes(db, candidates, today, needs).await?);
    }
    if work.late {
        jobs.extend(late(db, candidates, today, needs).await?);
    }
    if work.reissues {
        jobs.extend(reissues(db, candidates).await?);
    }
    if work.everything {
        jobs.extend(everything(db, candidates).await?);
    }
    Ok(jobs)
}

/// All recipients with their newest endpoint, certification and contract; in the order of their ids.
///
/// # Errors
/// The database does not answer, or holds a kind that is not on the list.
pub async fn in_force(db: &mut PgConnection) -> Result<Vec<Candidate>, DbError> {
    type Row = (
        Uuid,
        String,
        String,
        String,
        Vec<u8>,
        Uuid,
        Option<serde_json::Value>,
        Option<i32>,
        Option<serde_json::Value>,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "select r.id, r.kind, r.transport, r.status, r.sealing_key, e.id, r.certification, c.version, c.terms
           from recipient r
           join lateral (select id from endpoint where recipient = r.id order by version desc limit 1) e on true
           left join contract_version c on c.recipient = r.id and c.ended_at is null
          order by r.id",
    )
    .fetch_all(db)
    .await?;
    let candidates =
        rows.into_iter().filter_map(|(id, kind, transport, status, key, endpoint, certification, version, terms)| {
            let certification: Option<Certification> = certification.and_then(|json| serde_json::from_value(json).ok());
            Some(Candidate {
                recipient: RecipientId(id),
                kind: kind.parse().ok()?,
                transport: transport.parse().ok()?,
                in_force: matches!(status.as_str(), "active" | "suspended"),
                endpoint,
                sealing_key: key.try_into().ok()?,
                certification,
                contract: version.zip(terms.and_then(|json| serde_json::from_value(json).ok())),
            })
        });
    Ok(candidates.collect())
}

/// Which entries hospitals and other operators are shown to have, and of which they may be told; not asked where nobody is one.
async fn of_others(
    db: &mut PgConnection,
    all: &[Candidate],
    entries: &[Uuid],
    needs: bool,
) -> Result<(Shown, BTreeSet<Uuid>), DbError> {
    if !all.iter().any(|c| matches!(c.kind, RecipientKind::Hospital | RecipientKind::CertifiedOperator)) {
        return Ok(Default::default());
    }
    Ok((shown(db, entries).await?, may_tell(db, entries, needs).await?))
}

/// Hospitals and operators that are shown to have the person of an entry: named by it, or found by a ticket.
async fn shown(db: &mut PgConnection, entries: &[Uuid]) -> Result<Shown, DbError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "select h.entry, n.recipient from entry_hospital h join recipient_name n on n.tag = h.tag where h.entry = any($1)
         union select entry, recipient from shown where entry = any($1)",
    )
    .bind(entries)
    .fetch_all(db)
    .await?;
    let mut shown = Shown::new();
    for (entry, recipient) in rows {
        shown.entry(entry).or_default().insert(RecipientId(recipient));
    }
    Ok(shown)
}

/// Entries of which hospitals and other operators may be told; `needs` says whether that needs consent.
async fn may_tell(db: &mut PgConnection, entries: &[Uuid], needs: bool) -> Result<BTreeSet<Uuid>, DbError> {
    if !needs {
        return Ok(entries.iter().copied().collect());
    }
    let given: Vec<(Uuid, bool)> = sqlx::query_as(
        "select distinct on (entry) entry, given from consent where entry = any($1) and what = 'tell-others'
          order by entry, said_at desc, at desc",
    )
    .bind(entries)
    .fetch_all(db)
    .await?;
    Ok(given.into_iter().filter_map(|(entry, given)| given.then_some(entry)).collect())
}

fn positions_of(all: &[Candidate], told: &[&Candidate]) -> Vec<usize> {
    let told: BTreeSet<RecipientId> = told.iter().map(|c| c.recipient).collect();
    (0..all.len()).filter(|n| told.contains(&all[*n].recipient)).collect()
}

/// Changes of entries that wait.
async fn changes(db: &mut PgConnection, all: &[Candidate], today: Date, needs: bool) -> Result<Vec<Job>, FanOutError> {
    type Row = (Uuid, Uuid, Uuid, i64, String, String, Option<String>, bool);
    let rows: Vec<Row> = sqlx::query_as(
        "select change, entry, \"case\", version, scope, measure, trace, everybody from fanout
          where done_at is null order by change limit $1",
    )
    .bind(BATCH)
    .fetch_all(&mut *db)
    .await
    .map_err(DbError::from)?;
    let entries: Vec<Uuid> = rows.iter().map(|row| row.1).collect();
    let (mut shown, may_tell) = of_others(db, all, &entries, needs).await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for (change, entry, case, version, scope, measure, trace, everybody) in rows {
        let scope = scope.parse().map_err(|_| FanOutError::Word)?;
        let measure = measure.parse().map_err(|_| FanOutError::Word)?;
        // Two changes of one entry in a batch ask for the same.
        let shown = shown.entry(entry).or_default().clone();
        let about = About {
            scope: (!everybody).then_some(scope),
            shown,
            builds: propagation::is_about_builds(measure),
            may_tell: may_tell.contains(&entry),
        };
        jobs.push(Job {
            kind: Kind::Change,
            change: ChangeId(change),
            entry: EntryId(entry),
            case: CaseId(case),
            version,
            scope,
            measure,
            trace: trace.as_deref().and_then(TraceParent::parse),
            everything: false,
            to: positions_of(all, &propagation::told(all, &about, today)),
        });
    }
    // Of one entry the older change first: a stop before the freeze of what is being built.
    jobs.sort_by_key(|job| job.version);
    Ok(jobs)
}

/// Standing entries that one recipient is still to be told of: as they stand now. One that is not told (any more) is done
/// with without an instruction.
async fn late(db: &mut PgConnection, all: &[Candidate], today: Date, needs: bool) -> Result<Vec<Job>, FanOutError> {
    type Row = (Uuid, Uuid, Uuid, Uuid, i64, String, String, Option<String>, bool);
    // Who builds is told of a freeze that stands; a freeze says the stop too. Others are not concerned with it.
    let rows: Vec<Row> = sqlx::query_as(
        "select b.recipient, b.entry, f.change, f.\"case\", f.version, e.scope,
                case when r.builds and (select measure from fanout where entry = b.entry and measure in ('suspend', 'resume', 'erase')
                                         order by version desc limit 1) = 'suspend' then 'suspend' else m.measure end,
                f.trace,
                exists (select from issued i where i.recipient = b.recipient and i.change = f.change)
           from backlog b join register_entry e using (entry)
           join lateral (select kind not in ('hospital', 'certified-operator') as builds from recipient where id = b.recipient) r on true
           join lateral (select change, \"case\", version, trace from fanout
                          where entry = b.entry and (r.builds or measure not in ('suspend', 'resume'))
                          order by version desc limit 1) f on true
           join lateral (select measure from fanout where entry = b.entry and measure in ('stop', 'erase') order by version desc limit 1) m on true
          where e.final_since is not null and not exists (select from fanout o where o.entry = b.entry and o.done_at is null)
          order by b.since, b.recipient, b.entry limit $1",
    )
    .bind(LATE)
    .fetch_all(&mut *db)
    .await
    .map_err(DbError::from)?;
    let entries: Vec<Uuid> = rows.iter().map(|row| row.1).collect();
    let (shown, may_tell) = of_others(db, all, &entries, needs).await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for (recipient, entry, change, case, version, scope, measure, trace, knows) in rows {
        let scope = scope.parse().map_err(|_| FanOutError::Word)?;
        let about = About {
            scope: Some(scope),
            shown: shown.get(&entry).cloned().unwrap_or_default(),
            builds: false,
            may_tell: may_tell.contains(&entry),
        };
        let n = all.iter().position(|c| c.recipient.0 == recipient);
        let to = n.filter(|n| !knows && propagation::why_not(all, &all[*n], &about, today).is_none());
        jobs.push(Job {
            kind: Kind::Late(RecipientId(recipient)),
            change: ChangeId(change),
            entry: EntryId(entry),
            case: CaseId(case),
            version,
            scope,
            measure: measure.parse().map_err(|_| FanOutError::Word)?,
            trace: trace.as_deref().and_then(TraceParent::parse),
            everything: false,
            to: to.into_iter().collect(),
        });
    }
    Ok(jobs)
}

/// What old endpoints owed. It goes to the recipient whatever it lacks now: it was told already.
async fn reissues(db: &mut PgConnection, all: &[Candidate]) -> Result<Vec<Job>, FanOutError> {
    type Row = (Uuid, Uuid, Uuid, Uuid, Option<Uuid>, i64, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        "select r.old, r.recipient, i.change, i.entry, e.\"case\",
                coalesce((select max(version) from fanout f where f.entry = i.entry), 1), i.scope, i.measure
           from reissue r join issued i on i.instruction = r.old left join register_entry e on e.entry = i.entry
          where r.new is null and r.done_at is null order by r.ordered_at, r.old limit $1",
    )
    .bind(LATE)
    .fetch_all(db)
    .await
    .map_err(DbError::from)?;
    let mut jobs = Vec::with_capacity(rows.len());
    for (old, recipient, change, entry, case, version, scope, measure) in rows {
        let Some(n) = all.iter().position(|c| c.recipient.0 == recipient) else { continue };
        jobs.push(Job {
            kind: Kind::Reissue(InstructionId(old)),
            change: ChangeId(change),
            entry: EntryId(entry),
            // What is about no entry is about everything.
            case: CaseId(case.unwrap_or(entry)),
            version,
            scope: scope.parse().map_err(|_| FanOutError::Word)?,
            measure: measure.parse().map_err(|_| FanOutError::Word)?,
            trace: None,
            everything: case.is_none(),
            to: vec![n],
        });
    }
    Ok(jobs)
}

/// Orders to erase everything. They go to the recipient although nothing else does: its certification has ended.
async fn everything(db: &mut PgConnection, all: &[Candidate]) -> Result<Vec<Job>, FanOutError> {
    let rows: Vec<(Uuid, Uuid)> =
        sqlx::query_as("select id, recipient from erase_all where done_at is null order by ordered_at, id limit $1")
            .bind(LATE)
            .fetch_all(db)
            .await
            .map_err(DbError::from)?;
    let job = |(id, recipient): (Uuid, Uuid)| {
        let n = all.iter().position(|c| c.recipient.0 == recipient)?;
        Some(Job {
            kind: Kind::Everything(id),
            change: ChangeId(id),
            entry: EntryId(id),
            case: CaseId(id),
            version: 1,
            scope: Scope::Both,
            measure: Measure::Erase,
            trace: None,
            everything: true,
            to: vec![n],
        })
    };
    Ok(rows.into_iter().filter_map(job).collect())
}
