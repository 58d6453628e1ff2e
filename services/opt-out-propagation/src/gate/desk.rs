//! [`Desk`]: the index in memory. Before each answer the position in the database is read (one row); if the index is behind, it
//! is brought up first. So a block holds at the gate from the moment in which it is committed, in every process.

use super::{keys::GateKeys, rows};
use crate::{person::Register, settings::Settings};
use chassis::{Bus, DbError};
use contracts::{Code, Date, EntryId, Scope, Uuid};
use gate::{
    AsOf, Ask, Flow, KeyDigest, Record, RuleBook, Rules,
    filing::{self, Delivery, Filing, Ground, Statement, Terms, Unfiled},
    key::supplier_digest,
    live::Live,
    rules::RulesError,
};
use privacy_seal::Purpose;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::{Mutex, Semaphore};

/// Files that are taken at the same time: each has a core to itself.
const FILES_AT_ONCE: usize = 2;
/// Entries whose keys are made anew at a time.
const BATCH: i64 = 500;

/// Why the gate does not answer. Then nothing may be used.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The database does not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// An entry's keys do not open: the key file is not the one that sealed them.
    #[error("the gate's keys of an entry do not open: put back `optout.gate` from its backup")]
    Sealed,
}

impl From<sqlx::Error> for GateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// What is to be checked, before it is known whether it may be received at all.
#[derive(Clone, Debug)]
pub struct Question {
    /// How the data flow.
    pub flow: Flow,
    /// For which track.
    pub track: Scope,
    /// From whom.
    pub supplier: Option<Code>,
    /// What the supplier states.
    pub statement: Option<Statement>,
    /// Each row says when its person was notified.
    pub rows_say_when: bool,
}

/// A question that may be put.
#[derive(Debug)]
pub struct Admitted {
    /// What rows are asked.
    pub ask: Ask,
    /// What the receipt record needs.
    pub ground: Ground,
    /// What rows say of notices is held against this.
    pub terms: Option<Terms>,
}

#[derive(Default)]
struct Loaded {
    position: i64,
    /// Nothing was loaded yet.
    begun: bool,
}

#[derive(Default)]
struct Filings {
    all: Vec<Filing>,
    /// For each supplier the digests of all the ways in which it is called.
    known: Vec<HashSet<KeyDigest>>,
}

/// The gate of this process.
pub struct Desk {
    /// The bus.
    pub bus: Arc<Bus>,
    /// The keys.
    pub keys: GateKeys,
    /// The rules of this process's life; a newer version counts from the next start.
    pub rules: Rules,
    /// Hours until a snapshot expires.
    pub snapshot_hours: u32,
    /// The largest file, in bytes.
    pub file_max: u64,
    /// Files in work.
    pub files: Arc<Semaphore>,
    /// Opens what was sealed to this service.
    pub register: Arc<Register>,
    live: RwLock<Live>,
    filings: RwLock<Filings>,
    loaded: Mutex<Loaded>,
}

/// For each hospital with a filing the digests of all the ways in which it is called.
pub(crate) fn called<'a>(filings: impl IntoIterator<Item = &'a Filing>) -> Vec<HashSet<KeyDigest>> {
    let mut known: HashMap<&Code, HashSet<KeyDigest>> = HashMap::new();
    for filing in filings {
        let called = [filing.supplier.as_str(), filing.called.as_str()];
        let ways = called.iter().filter_map(|c| gate::person::supplier(c)).map(|c| supplier_digest(&c));
        known.entry(&filing.supplier).or_default().extend(ways);
    }
    known.into_values().collect()
}

impl Desk {
    /// Makes keys of entries that have none under the rules in force, and reads all of them.
    ///
    /// # Errors
    /// Rules, database, or keys.
    pub async fn open(
        bus: Arc<Bus>,
        register: Arc<Register>,
        keys: GateKeys,
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let today = day(&bus);
        let desk = Self {
            bus,
            keys,
            rules: rules(&settings.gate_rules_file, today)?,
            snapshot_hours: settings.gate_snapshot_hours,
            file_max: settings.gate_file_bytes,
            files: Arc::new(Semaphore::new(FILES_AT_ONCE)),
            register,
            live: RwLock::default(),
            filings: RwLock::default(),
            loaded: Mutex::default(),
        };
        // From here on every entry's keys are written with its identifiers; then those that came before.
        desk.register.gate_with(desk.keys.clone(), desk.rules.clone());
        desk.renew().await?;
        desk.follow().await?;
        Ok(desk)
    }

    /// The day in Japan, where filings have theirs.
    pub fn today(&self) -> Date {
        day(&self.bus)
    }

    /// Entries without keys, or with keys of another version of the rules.
    async fn renew(&self) -> anyhow::Result<()> {
        let mut after = Uuid::nil();
        loop {
            let entries: Vec<Uuid> = sqlx::query_scalar(
                "select e.entry from register_entry e left join gate_entry g using (entry)
                  where e.person is not null and g.rules is distinct from $1 and e.entry > $2 order by e.entry limit $3",
            )
            .bind(self.rules.version.as_str())
            .bind(after)
            .bind(BATCH)
            .fetch_all(self.bus.db().pool())
            .await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = *last;
            let mut made = Vec::with_capacity(entries.len());
            for (entry, person) in self.register.persons(entries.into_iter().map(EntryId)).await? {
                match person {
                    Ok(person) => {
                        let person = person.disclose(Purpose::EnterRegister);
                        made.extend(rows::make(&self.keys, &self.rules, entry, person).map(|made| (entry, made)));
                    }
                    Err(error) => {
                        // One that cannot be opened must not keep the gate shut for all others; it is alarmed.
                        chassis::telemetry::count("madoguchi.gate.unreadable", "entry");
                        tracing::error!(%error, "an entry's keys cannot be made anew");
                    }
                }
            }
            let ids: Vec<Uuid> = made.iter().map(|(entry, _)| entry.0).collect();
            let written = self.bus.db().write(move |tx| {
                Box::pin(async move {
                    // Rows first and the gate's position after them, as whoever changes one entry's row does it.
                    sqlx::query("select from gate_entry where entry = any($1) order by entry for update")
                        .bind(ids)
                        .execute(&mut *tx)
                        .await?;
                    for (entry, made) in made {
                        made.write(&mut *tx, entry).await?;
                    }
                    Ok(())
                })
            });
            written.await?;
        }
    }

    /// Brings the index up to the database, and says as of which position it answers.
    ///
    /// # Errors
    /// The database does not answer: then nothing may be used.
    pub async fn follow(&self) -> Result<AsOf, GateError> {
        let epoch = self.bus.epoch();
        let (position, whole) = self.position().await?;
        let mut loaded = self.loaded.lock().await;
        if loaded.begun && loaded.position >= position {
            return Ok(AsOf { epoch, position: loaded.position });
        }
        let all = !loaded.begun || whole > loaded.position;
        if all {
            self.load_filings().await?;
        }
        let after = if all { -1 } else { loaded.position };
        self.load_entries(after, all).await?;
        (loaded.position, loaded.begun) = (position, true);
        Ok(AsOf { epoch, position })
    }

    async fn position(&self) -> Result<(i64, i64), GateError> {
        Ok(sqlx::query_as("select position, whole from gate_position").fetch_one(self.bus.db().pool()).await?)
    }

    async fn load_entries(&self, after: i64, all: bool) -> Result<(), GateError> {
        type Row = (Uuid, Vec<u8>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "select g.entry, g.sealed, case when e.blocked_since is not null then e.scope end
               from gate_entry g join register_entry e using (entry) where g.changed > $1",
        )
        .bind(after)
        .fetch_all(self.bus.db().pool())
        .await?;
        let decided: Vec<(Uuid, Vec<u8>, bool)> =
            sqlx::query_as("select entry, tag, same from gate_review where decided_at is not null and changed > $1")
                .bind(after)
                .fetch_all(self.bus.db().pool())
                .await?;
        let (mut entries, mut records) = (Vec::with_capacity(rows.len()), vec![]);
        for (entry, sealed, scope) in rows {
            entries.push(*entry.as_bytes());
            let Some(scope) = scope.and_then(|s| s.parse().ok()) else { continue };
            self.records(entry, scope, &sealed, &mut records)?;
        }
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if all {
            *live = Live::default();
        }
        live.change(&entries, records);
        for (entry, tag, same) in decided {
            if let Ok(tag) = <[u8; 16]>::try_from(tag.as_slice()) {
                live.decide(*entry.as_bytes(), tag, same);
            }
        }
        Ok(())
    }

    fn records(&self, entry: Uuid, scope: Scope, sealed: &[u8], out: &mut Vec<Record>) -> Result<(), GateError> {
        let filings = self.filings.read().unwrap_or_else(PoisonError::into_inner);
        let standing = rows::standing(&self.keys, entry, scope, sealed, &filings.known).ok_or(GateError::Sealed)?;
        standing.records(self.keys.memory(), &self.rules, false, out);
        Ok(())
    }

    async fn load_filings(&self) -> Result<(), GateError> {
        let rows: Vec<sqlx::types::Json<Filing>> =
            sqlx::query_scalar("select filing from gate_filing order by filed_on, number")
                .fetch_all(self.bus.db().pool())
                .await?;
        let all: Vec<Filing> = rows.into_iter().map(|j| j.0).collect();
        let known = called(&all);
        *self.filings.write().unwrap_or_else(PoisonError::into_inner) = Filings { all, known };
        Ok(())
    }

    /// The filings, and what suppliers are called.
    pub fn filings(&self) -> (Vec<Filing>, Vec<HashSet<KeyDigest>>) {
        let filings = self.filings.read().unwrap_or_else(PoisonError::into_inner);
        (filings.all.clone(), filings.known.clone())
    }

    /// Whether what is asked about may be received at all, and then what rows are asked.
    ///
    /// # Errors
    /// The second block (Act art. 56(i)): never mixed up with "stopped".
    pub fn admit(&self, question: &Question) -> Result<Admitted, Unfiled> {
        let filings = self.filings.read().unwrap_or_else(PoisonError::into_inner);
        let delivery = Delivery {
            flow: question.flow,
            track: question.track,
            supplier: question.supplier.clone(),
            statement: question.statement.clone(),
            rows_say_when: question.rows_say_when,
        };
        let (ground, terms) = filing::admit(&filings.all, &delivery, self.today())?;
        let of = filings.all.iter().filter(|f| Some(&f.supplier) == question.supplier.as_ref());
        let called = question.supplier.iter().map(Code::as_str).chain(of.map(|f| f.called.as_str()));
        Ok(Admitted { ask: Ask::new(question.track, self.keys.memory(), called), ground, terms })
    }

    /// Asks the index as it is now. Short: the lock is held.
    pub fn with<T>(&self, ask: impl FnOnce(&Live) -> T) -> T {
        ask(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The version of the rules in force on a day; without a file the built-in one.
///
/// # Errors
/// The file cannot be read, or means nothing.
pub fn rules(file: &str, today: Date) -> anyhow::Result<Rules> {
    let book = match file {
        "" => RuleBook::built_in(),
        path => {
            let text =
                std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("`optout.gate_rules_file`: {path}: {e}"))?;
            RuleBook::parse(&text).map_err(|e| anyhow::anyhow!("`optout.gate_rules_file`: {e}"))?
        }
    };
    Ok(book.on(today).map_err(|e: RulesError| anyhow::anyhow!("`optout.gate_rules_file`: {e}"))?.clone())
}

fn day(bus: &Bus) -> Date {
    crate::propagation::day_of(bus.clock().now())
}
