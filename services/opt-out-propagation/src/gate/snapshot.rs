//! Makes snapshots: one user's keys of every standing entry, signed.

use super::{
    desk::{Desk, GateError},
    keys::{CORE_ZONE, GateKeys, user},
    rows,
};
use crate::{person::Register, settings::Settings};
use anyhow::Context;
use chassis::Runtime;
use contracts::{RecipientId, Service, Uuid};
use custody::Custody;
use gate::snapshot::{self, Manifest};
use jiff::SignedDuration;
use privacy::BlindIndex;
use std::{io::Write, sync::Arc};

/// Writes a snapshot for a recipient, or for the operator's own core zone.
///
/// # Errors
/// The database does not answer, or the writer fails.
pub async fn make(
    desk: &Desk,
    recipient: Option<RecipientId>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Manifest> {
    let as_of = desk.follow().await?;
    let permitted: bool = match recipient {
        None => false,
        Some(id) => {
            sqlx::query_scalar("select exists (select from gate_permission where recipient = $1)")
                .bind(id.0)
                .fetch_one(desk.bus.db().pool())
                .await?
        }
    };
    let key = recipient.map_or_else(|| desk.keys.of_core_zone(), |id| desk.keys.of_recipient(id));
    let (filings, known) = desk.filings();
    let entries: Vec<(Uuid, Vec<u8>, String)> = sqlx::query_as(
        "select g.entry, g.sealed, e.scope from gate_entry g join register_entry e using (entry)
          where e.blocked_since is not null",
    )
    .fetch_all(desk.bus.db().pool())
    .await?;
    let mut records = vec![];
    for (entry, sealed, scope) in entries {
        let scope = scope.parse()?;
        let mut standing = rows::standing(&desk.keys, entry, scope, &sealed, &known).ok_or(GateError::Sealed)?;
        if let Some(id) = recipient {
            standing.entry = crate::propagation::entry_as_known_to(contracts::EntryId(entry), id);
        }
        standing.records(&key, &desk.rules, permitted, &mut records);
    }
    let made_at = desk.bus.clock().now();
    let manifest = Manifest {
        format: 1,
        user: recipient.map_or(CORE_ZONE, user),
        as_of,
        made_at,
        expires_at: made_at + SignedDuration::from_hours(i64::from(desk.snapshot_hours)),
        rules: desk.rules.clone(),
        insurance: permitted,
        filings,
        records: 0,
        sha256: String::new(),
    };
    Ok(snapshot::write(out, manifest, records, &desk.keys.signing())?)
}

/// The same for the operator's command line, beside a running desk.
///
/// # Errors
/// Configuration, database, keys or the writer.
pub async fn from_outside(
    rt: &Runtime,
    recipient: Option<RecipientId>,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Manifest> {
    let settings: Settings = rt.section("optout")?;
    let bus = rt.bus(Service::OptOut).await?;
    let custody = Custody::open(rt, &bus).await?;
    let index = BlindIndex::load_or_create(rt.keys_dir(), Service::OptOut.token()).context("`house.keys_dir`")?;
    let register = Register::new(bus.clone(), custody.key().clone(), custody.vault().clone(), index);
    let keys = GateKeys::load_or_create(rt.keys_dir()).context("`house.keys_dir`")?;
    if let Some(id) = recipient {
        let kind: Option<String> = sqlx::query_scalar("select kind from recipient where id = $1 and status = 'active'")
            .bind(id.0)
            .fetch_optional(bus.db().pool())
            .await?;
        let may = matches!(kind.as_deref(), Some("contractor" | "sub-contractor"));
        anyhow::ensure!(may, "`--recipient`: snapshots go to certified contractors in force only");
    }
    make(&Desk::open(bus, Arc::new(register), keys, &settings).await?, recipient, out).await
}
