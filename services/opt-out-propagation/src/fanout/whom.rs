//! Whom an instruction is about, in the form that the recipient's contract says: sealed to its key, or as keyed hashes.

use super::FanOutError;
use crate::{gate::desk, person::Register, propagation::Candidate};
use chassis::DbError;
use contracts::{IdentifiersAs, InstructionId, RecipientKind, forms::Whom};
use gate::KeyDigest;
use privacy_seal::{Personal, PublicKey};
use recipient_kit::{Identifiers, identifiers};
use sqlx::PgPool;
use std::collections::HashSet;

/// All the ways in which one hospital with a filing is called.
pub(super) type Called = HashSet<KeyDigest>;

/// What hospitals are called, if any recipient is told by hashes.
pub(super) async fn called(pool: &PgPool, all: &[Candidate]) -> Result<Vec<Called>, FanOutError> {
    if all.iter().all(|c| c.forms().identifiers == IdentifiersAs::Sealed) {
        return Ok(vec![]);
    }
    let rows: Vec<sqlx::types::Json<gate::filing::Filing>> =
        sqlx::query_scalar("select filing from gate_filing").fetch_all(pool).await.map_err(DbError::from)?;
    Ok(desk::called(rows.iter().map(|filing| &filing.0)))
}

/// `person`: none, when it is about everybody.
pub(super) fn whom(
    register: &Register,
    to: &Candidate,
    id: InstructionId,
    person: Option<&Personal<Identifiers>>,
    called: &[Called],
) -> Result<Whom, FanOutError> {
    let bad = |why| FanOutError::Recipient(to.recipient, why);
    let own = match person {
        // Where else the person was treated is none of a hospital's business (duty M8).
        Some(person) if to.kind == RecipientKind::Hospital => {
            Some(person.map(|p| Identifiers { hospitals: vec![], ..p.clone() }))
        }
        _ => None,
    };
    let person = own.as_ref().or(person);
    if to.forms().identifiers == IdentifiersAs::KeyedHashes {
        let hashes = register.hashes(to.recipient, to.kind, person, called);
        let hashes = hashes.ok_or_else(|| bad("there are no gate keys, or no key can be made of the identifiers"))?;
        return Ok(Whom::Hashed(hashes));
    }
    let key = PublicKey::from_bytes(&to.sealing_key).map_err(|_| bad("its sealing key is none"))?;
    let sealed = match person {
        Some(person) => identifiers::seal(&key, id, person),
        None => privacy_seal::seal_to(&key, &identifiers::aad(id), b"{}"),
    };
    let person = sealed.map_err(|_| bad("its sealing key cannot be used"))?;
    if person.0.len() > contracts::recipient::BODY_MAX / 2 {
        return Err(bad("the identifiers are too long"));
    }
    Ok(Whom::Sealed { person, sealed_to: recipient_kit::key_id(&to.sealing_key) })
}
