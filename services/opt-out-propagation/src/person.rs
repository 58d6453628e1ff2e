//! The personal part of a register entry: asked from intake for this purpose, sealed under the entry's own key, found by
//! blind index. The only file of this service in which identifiers are in the clear.

use crate::{
    gate::{GateKeys, rows as gate_rows},
    retention::Retention,
};
use chassis::{AskError, Bus, DbError, HandleError, Reaction};
use contracts::{
    CaseId, Code, Date, DisclosePurpose, EntryId, PersonField, RecipientId, RecipientKind, Uuid,
    forms::KeyedHashes,
    request::{Disclose, DisclosedReply},
};
use privacy::{
    BlindIndex, IndexField, KeyName, Personal, PublicKey, Purpose, RecordClass, ServiceKey, Vault, VaultError,
};
use recipient_kit::{Identifiers, Sex, identifiers::HOSPITALS_MAX};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

/// Names table and column in what is sealed.
const PLACE: &[u8] = b"optout.register_entry.person";

/// What intake hands over, with the words of the house.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Disclosed {
    name: Option<String>,
    kana: Option<String>,
    birth_date: Option<Date>,
    sex: Option<Sex>,
    #[serde(default)]
    hospitals: Vec<String>,
}

/// Keys and indexes of the register.
pub struct Register {
    bus: Arc<Bus>,
    key: ServiceKey,
    vault: Vault,
    index: BlindIndex,
    gate: OnceLock<(GateKeys, gate::Rules)>,
    retention: OnceLock<Retention>,
}

impl Register {
    /// Puts the parts together.
    pub const fn new(bus: Arc<Bus>, key: ServiceKey, vault: Vault, index: BlindIndex) -> Self {
        Self { bus, key, vault, index, gate: OnceLock::new(), retention: OnceLock::new() }
    }

    /// Has erasures and retentions follow these rules instead of the built-in ones. The first ones count.
    pub fn retain_by(&self, rules: Retention) {
        let _ = self.retention.set(rules);
    }

    /// What an erasure reaches, and how long records are kept.
    pub fn retention(&self) -> &Retention {
        self.retention.get_or_init(Retention::built_in)
    }

    /// Has the gate's keys made with each entry's identifiers, in their transaction. The first ones count. Entries written
    /// before get theirs when the gate opens.
    pub fn gate_with(&self, keys: GateKeys, rules: gate::Rules) {
        let _ = self.gate.set((keys, rules));
    }

    /// 鍵付きハッシュ: a person as the gate's rules say it under one recipient's gate key; without a person no key. `called`: what
    /// hospitals with a filing are called. `None`: the gate is not open in this process, or no rule makes a key of it.
    pub fn hashes(
        &self,
        recipient: RecipientId,
        kind: RecipientKind,
        person: Option<&Personal<Identifiers>>,
        called: &[HashSet<gate::KeyDigest>],
    ) -> Option<KeyedHashes> {
        let (keys, rules) = self.gate.get()?;
        let Some(person) = person else {
            return Some(KeyedHashes { rules: rules.version.clone(), keys: vec![], suppliers: vec![] });
        };
        let person = person.disclose(Purpose::InstructRecipient);
        gate_rows::hashes(&keys.of(recipient, kind), rules, person, called)
    }

    /// The key that others seal to.
    pub const fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Asks intake who it is, and keeps it sealed with its index. `Err(reaction)`: not now, or not without a person.
    pub async fn enter(&self, case: CaseId, entry: EntryId, cause: Uuid) -> Result<Result<(), Reaction>, HandleError> {
        let person = match self.disclosed(case, cause).await {
            Ok(person) => person,
            Err(reaction) => return Ok(Err(reaction)),
        };
        self.keep(case, entry, &person).await
    }

    /// Keeps identifiers that are at hand: sealed under the entry's own key, and found by their tags.
    ///
    /// # Errors
    /// The database or the key database did not do it.
    pub async fn keep(
        &self,
        case: CaseId,
        entry: EntryId,
        person: &Personal<Identifiers>,
    ) -> Result<Result<(), Reaction>, HandleError> {
        let Some(tags) = self.tags(person) else { return Ok(Err(Reaction::Park(Code::of("identifiers-unreadable")))) };
        let named = &person.disclose(Purpose::EnterRegister).hospitals;
        let hospitals = named.iter().filter_map(|name| self.organisation_tag(&Personal::new(name.clone()))).collect();
        let key = match self.vault.key(entry.0, RecordClass::Register).await {
            Ok(key) => key,
            Err(VaultError::Erased { .. }) => return Ok(Err(Reaction::Park(Code::of("register-key-erased")))),
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let json = serde_json::to_vec(person.disclose(Purpose::EnterRegister)).unwrap_or_default();
        let json = Personal::new(json);
        let sealed = key
            .seal(PLACE, json.disclose(Purpose::EnterRegister))
            .map_err(|e| HandleError::Unavailable(e.to_string()))?;
        let made = match self.gate.get() {
            None => None,
            Some((keys, rules)) => match gate_rows::make(keys, rules, entry, person.disclose(Purpose::EnterRegister)) {
                // A block that the gate cannot find blocks nothing.
                None => return Ok(Err(Reaction::Park(Code::of("identifiers-unreadable")))),
                made => made,
            },
        };
        let written = self.bus.db().write(move |tx| {
            Box::pin(async move {
                write(&mut *tx, case, entry, sealed, tags, hospitals).await?;
                if let Some(made) = made {
                    made.write(tx, entry).await?;
                }
                Ok(())
            })
        });
        written.await?;
        Ok(Ok(()))
    }

    async fn disclosed(&self, case: CaseId, cause: Uuid) -> Result<Personal<Identifiers>, Reaction> {
        let asked = Disclose {
            case,
            asker: Code::of("optout"),
            purpose: DisclosePurpose::EnterRegister,
            fields: vec![
                PersonField::Name,
                PersonField::Kana,
                PersonField::BirthDate,
                PersonField::Sex,
                PersonField::Hospitals,
            ],
            cause,
            staff: None,
        };
        let sealed = match self.bus.ask(&asked).await {
            Ok(DisclosedReply::Values { sealed }) => sealed,
            // Intake's own row may be younger than its message; and a restart takes a moment.
            Ok(DisclosedReply::Unknown) => return Err(Reaction::Later(Code::of("case-unknown-yet"))),
            Err(AskError::Away(_)) => return Err(Reaction::Later(Code::of("intake-away"))),
            Ok(DisclosedReply::Erased) => return Err(Reaction::Park(Code::of("case-erased"))),
            Ok(DisclosedReply::Forbidden) => return Err(Reaction::Park(Code::of("disclose-forbidden"))),
            Err(AskError::Garbled(_) | AskError::TooLarge(_)) => {
                return Err(Reaction::Park(Code::of("disclose-garbled")));
            }
        };
        let opened = self
            .key
            .open(case.0.as_bytes(), &sealed.0)
            .map_err(|_| Reaction::Park(Code::of("sealed-to-another-key")))?;
        let unreadable = Reaction::Park(Code::of("identifiers-unreadable"));
        opened
            .try_map(|bytes| {
                let d: Disclosed = serde_json::from_slice(bytes).map_err(|_| ())?;
                let mut hospitals = d.hospitals;
                hospitals.truncate(HOSPITALS_MAX);
                // A foreign resident's name has no reading: then the name itself, folded, is what is asked by.
                let kana = d.kana.or_else(|| d.name.clone()).ok_or(())?;
                let birth_date = d.birth_date.ok_or(())?;
                Ok::<_, ()>(Identifiers { kana, birth_date, name: d.name, sex: d.sex, hospitals })
            })
            .map_err(|()| unreadable)
    }

    fn tags(&self, person: &Personal<Identifiers>) -> Option<Vec<(&'static str, Vec<u8>)>> {
        let kana = person.map(|p| p.kana.clone());
        let date = person.map(|p| p.birth_date.to_string());
        let both = self.index.kana_and_birth_date(&kana, &date).ok()?;
        let mut tags = vec![
            (IndexField::KanaAndBirthDate.as_str(), both.as_bytes().to_vec()),
            (IndexField::Kana.as_str(), self.index.kana(&kana).ok()?.as_bytes().to_vec()),
        ];
        if let Some(name) = person.disclose(Purpose::FindPerson).name.clone()
            && let Ok(tag) = self.index.name(&Personal::new(name))
        {
            tags.push((IndexField::Name.as_str(), tag.as_bytes().to_vec()));
        }
        Some(tags)
    }

    /// The tag by which a hospital that a person named and a recipient are the same. A hospital's name beside a person is
    /// special-care data (duty M8): only its digest stands in tables.
    pub fn organisation_tag(&self, name: &Personal<String>) -> Option<Vec<u8>> {
        Some(self.index.name(name).ok()?.as_bytes().to_vec())
    }

    /// The tag that the gate asks by: kana and date of birth.
    ///
    /// # Errors
    /// They cannot be folded.
    pub fn gate_tag(&self, kana: &str, birth_date: &str) -> Result<Vec<u8>, privacy::FoldError> {
        let (kana, date) = (Personal::new(kana.to_owned()), Personal::new(birth_date.to_owned()));
        Ok(self.index.kana_and_birth_date(&kana, &date)?.as_bytes().to_vec())
    }

    /// Opens the identifiers of an entry, to seal them to recipients.
    ///
    /// # Errors
    /// There is no such entry, its key is gone, or the key database is away.
    pub async fn person(&self, entry: EntryId) -> Result<Personal<Identifiers>, PersonError> {
        let sealed: Option<Option<Vec<u8>>> = sqlx::query_scalar("select person from register_entry where entry = $1")
            .bind(entry.0)
            .fetch_optional(self.bus.db().pool())
            .await
            .map_err(DbError::from)?;
        self.unsealed(entry, sealed.flatten()).await
    }

    /// The same for many, with one question to each database. At most 1,000 entries.
    ///
    /// # Errors
    /// A database is away; what is wrong with one entry stands beside it.
    pub async fn persons(&self, entries: impl IntoIterator<Item = EntryId>) -> Result<Persons, PersonError> {
        let entries: BTreeSet<EntryId> = entries.into_iter().collect();
        let names = entries.iter().map(|entry| KeyName { unit: entry.0, class: RecordClass::Register });
        self.vault.fetch(names).await?;
        let ids: Vec<Uuid> = entries.iter().map(|entry| entry.0).collect();
        let rows: Vec<(Uuid, Option<Vec<u8>>)> =
            sqlx::query_as("select entry, person from register_entry where entry = any($1)")
                .bind(ids)
                .fetch_all(self.bus.db().pool())
                .await
                .map_err(DbError::from)?;
        let mut rows: HashMap<Uuid, Option<Vec<u8>>> = rows.into_iter().collect();
        let mut persons = Persons::with_capacity(entries.len());
        for entry in entries {
            let sealed = rows.remove(&entry.0).flatten();
            persons.insert(entry, self.unsealed(entry, sealed).await);
        }
        Ok(persons)
    }

    async fn unsealed(&self, entry: EntryId, sealed: Option<Vec<u8>>) -> Result<Personal<Identifiers>, PersonError> {
        let sealed = sealed.ok_or(PersonError::None)?;
        let opened = self.vault.open(entry.0, RecordClass::Register, PLACE, &sealed).await?;
        opened.json().map_err(|_| PersonError::None)
    }

    /// Opens what was sealed to this service (a webhook's URL, a reason).
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Personal<Vec<u8>>> {
        self.key.open(aad, sealed).ok()
    }
}

/// Identifiers by entry.
pub type Persons = HashMap<EntryId, Result<Personal<Identifiers>, PersonError>>;

/// Why there are no identifiers.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// No entry, or it has no personal part that reads.
    #[error("the entry has no identifiers")]
    None,
    /// The key is gone or the key database is away.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

async fn write(
    tx: &mut sqlx::PgConnection,
    case: CaseId,
    entry: EntryId,
    sealed: Vec<u8>,
    tags: Vec<(&'static str, Vec<u8>)>,
    hospitals: Vec<Vec<u8>>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into register_entry (entry, \"case\", person) values ($1, $2, $3)
         on conflict (entry) do update set person = excluded.person",
    )
    .bind(entry.0)
    .bind(case.0)
    .bind(sealed)
    .execute(&mut *tx)
    .await?;
    let (fields, tags): (Vec<&str>, Vec<Vec<u8>>) = tags.into_iter().unzip();
    // What was corrected since the provisional block must not be found by its old value.
    sqlx::query("delete from register_index where entry = $1 and not field = any($2)")
        .bind(entry.0)
        .bind(&fields)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into register_index (entry, field, tag) select $1, f, t from unnest($2::text[], $3::bytea[]) x (f, t)
         on conflict (entry, field) do update set tag = excluded.tag",
    )
    .bind(entry.0)
    .bind(&fields)
    .bind(&tags)
    .execute(&mut *tx)
    .await?;
    // A hospital that is named again keeps its date.
    sqlx::query("delete from entry_hospital where entry = $1 and n > $2")
        .bind(entry.0)
        .bind(hospitals.len() as i64)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "insert into entry_hospital (entry, n, tag) select $1, n, t from unnest($2::bytea[]) with ordinality x (t, n)
         on conflict (entry, n) do update set tag = excluded.tag,
           received_at = case when entry_hospital.tag = excluded.tag then entry_hospital.received_at end",
    )
    .bind(entry.0)
    .bind(&hospitals)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// 照合: whether a block stands for one of these tags. `track`: `anonymised`, `pseudonymised` or `both`.
///
/// # Errors
/// The database does not answer: then nothing may be used.
pub async fn is_blocked(pool: &sqlx::PgPool, tags: &[Vec<u8>], track: contracts::Scope) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select is_blocked($1, $2)").bind(tags).bind(track.as_str()).fetch_one(pool).await?)
}
