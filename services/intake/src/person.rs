//! 個人情報: the only home of personal data of a case. Everything personal that intake keeps goes through here.
//!
//! - [`keep`]: seals the personal part of a filing under the key of the case, and makes the rows by which it is found.
//! - [`disclose`]: hands values to another service, for a purpose of a closed [`table`], audited first, sealed to it.
//! - [`search`]: finds cases by whole values, audited first.
//! - [`erase`]: destroys the key. What other record classes hold of the case stays readable.

pub mod disclose;
pub mod document;
pub mod erase;
pub mod search;
pub mod table;

use crate::{mail::parts::Parts, store};
use chassis::{Bus, HandleError, objects::Objects};
use contracts::{
    Code, Service, Uuid,
    request::{StaffCommand, StaffReply},
};
use custody::Custody;
use document::Document;
use privacy::{BlindIndex, Personal, PublicKey, Purpose, RecordClass, ServiceKey, VaultError};
use privacy_seal::filing::NewRequest;
use std::{path::PathBuf, sync::Arc};

/// The place of the sealed document: bound into its seal.
const PLACE: &[u8] = b"intake.person.sealed";
/// The place of a sealed reason of a staff order.
const WHY_PLACE: &[u8] = b"intake.staff_order.why";

/// Keys and database, together: whoever holds this can read persons.
#[derive(Clone)]
pub struct Persons {
    bus: Arc<Bus>,
    custody: Custody,
    index: BlindIndex,
    keys_dir: PathBuf,
    /// What people wrote, which goes with the case.
    parts: Parts,
}

/// What became of keeping a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Written, or written before.
    Here,
    /// The case was erased; nothing of it is made again.
    Erased,
}

impl Persons {
    /// Puts the parts together.
    pub fn new(bus: Arc<Bus>, custody: Custody, index: BlindIndex, keys_dir: PathBuf, objects: Objects) -> Self {
        let parts = Parts::new(custody.clone(), objects);
        Self { bus, custody, index, keys_dir, parts }
    }
    /// The parts of mails.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }
    /// The desk's own key pair.
    pub fn key(&self) -> &ServiceKey {
        self.custody.key()
    }
    /// The keys of the persons.
    pub fn custody(&self) -> &Custody {
        &self.custody
    }

    /// The index that persons are found by.
    pub const fn index(&self) -> &BlindIndex {
        &self.index
    }

    /// Seals the personal part of a new request and makes its index rows. The key is committed before the row. The same
    /// case again changes nothing.
    ///
    /// # Errors
    /// A database or the master key is away: try again.
    pub async fn keep(&self, request: &NewRequest) -> Result<Kept, HandleError> {
        let case = request.case.0;
        let document = Document::of(request);
        let sealed = match self.custody.vault().seal(case, RecordClass::Case, PLACE, &document.to_json()).await {
            Ok(sealed) => sealed,
            Err(VaultError::Erased { .. }) => return Ok(Kept::Erased),
            Err(error) => return Err(unavailable(error)),
        };
        let tags = document.tags(&self.index);
        store::keep_person(self.bus.db(), case, request.kind, request.received_at, sealed, tags).await?;
        Ok(Kept::Here)
    }

    /// Opens the document of a case; `None` when it was erased.
    pub(crate) async fn open(&self, case: Uuid, sealed: &[u8]) -> Result<Option<Document>, HandleError> {
        match self.custody.vault().open(case, RecordClass::Case, PLACE, sealed).await {
            Ok(opened) => Document::read(&opened).map(Some).map_err(unavailable),
            Err(VaultError::Erased { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The reason of a staff order, sealed again under the key of the case, so that it ends with the case. `None`: the case
    /// was erased.
    ///
    /// # Errors
    /// The key database is away.
    pub async fn reseal_why(&self, case: Uuid, why: &Personal<String>) -> Result<Option<Vec<u8>>, HandleError> {
        let plain = why.disclose(Purpose::SealForOwner).as_bytes();
        match self.custody.vault().existing_key(case, RecordClass::Case).await {
            Ok(key) => key.seal(WHY_PLACE, plain).map(Some).map_err(unavailable),
            Err(VaultError::Erased { .. } | VaultError::Missing(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The reason of an order about something that was written to the desk, sealed again under its key (class `correspondence`), so that it
    /// ends with it. The inner error is what the member of staff is answered; `unknown` when there is no such key (any more).
    ///
    /// # Errors
    /// The key database is away.
    pub async fn why_under<T>(
        &self,
        command: &StaffCommand<T>,
        unit: Uuid,
        place: &[u8],
        unknown: &'static str,
    ) -> Result<Result<Vec<u8>, StaffReply>, HandleError> {
        let why = match self.custody.why(command) {
            Ok(why) => why,
            Err(reply) => return Ok(Err(reply)),
        };
        let plain = why.disclose(Purpose::SealForOwner).as_bytes();
        match self.custody.vault().existing_key(unit, RecordClass::Correspondence).await {
            Ok(key) => key.seal(place, plain).map(Ok).map_err(unavailable),
            Err(VaultError::Erased { .. } | VaultError::Missing(_)) => {
                Ok(Err(StaffReply::Refused { reason: Code::of(unknown), at: None }))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    /// The public key of another service, as it is now: the file is small and changes when a service gets a new key.
    pub(crate) fn key_of(&self, service: Service) -> Result<PublicKey, HandleError> {
        PublicKey::load(&self.keys_dir.join(format!("{}.pub", service.token()))).map_err(unavailable)
    }
}

/// Something that has to be there is not: nobody is answered, and the asker tries again. Errors of keys name units and
/// files, never values.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> HandleError {
    HandleError::Unavailable(error.to_string())
}
