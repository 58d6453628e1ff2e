//! A mail in parts, each under a key of its own: the skeleton (everything but the files), what is known of it, and every file.

use super::Known;
use crate::{mail::store::PartRow, person::unavailable};
use chassis::{HandleError, objects::Objects};
use contracts::{ObjectId, Uuid};
use custody::Custody;
use mail::{Attachment, Mail};
use privacy::{Personal, RecordClass, VaultError};
use std::ops::Range;

/// The places of what is sealed: bound into the seals.
const KNOWN: &[u8] = b"intake.mail.sealed";
const SKELETON: &[u8] = b"intake mail skeleton";
const FILE: &[u8] = b"intake mail file";
const AS_SENT: &[u8] = b"intake mail file as sent";

/// Seals and opens the parts of mails.
#[derive(Clone, Debug)]
pub struct Parts {
    custody: Custody,
    objects: Objects,
}

impl Parts {
    /// Over the keys of this service and its sealed files.
    pub const fn new(custody: Custody, objects: Objects) -> Self {
        Self { custody, objects }
    }

    /// Seals what is known of a mail.
    ///
    /// # Errors
    /// The key database is away.
    pub async fn seal(&self, mail: Uuid, known: &Known) -> Result<Vec<u8>, HandleError> {
        let json = Personal::new(serde_json::to_vec(known).map_err(unavailable)?);
        let plain = json.disclose(privacy::Purpose::SealForOwner);
        self.custody.vault().seal(mail, RecordClass::Correspondence, KNOWN, plain).await.map_err(unavailable)
    }

    /// Opens what is known of a mail; `None`: its key was destroyed.
    ///
    /// # Errors
    /// The key database is away, or the row is not what this program wrote.
    pub async fn open(&self, mail: Uuid, sealed: &[u8]) -> Result<Option<Personal<Known>>, HandleError> {
        match self.custody.vault().open(mail, RecordClass::Correspondence, KNOWN, sealed).await {
            Ok(opened) => opened.json().map(Some).map_err(unavailable),
            Err(VaultError::Erased { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Puts a mail that cannot be read into the store whole.
    ///
    /// # Errors
    /// The key database or the disk is away.
    pub async fn keep_whole(&self, mail: Uuid, raw: &[u8]) -> Result<ObjectId, HandleError> {
        self.put(mail, ObjectId::derived(mail, "skeleton"), SKELETON, raw).await
    }

    /// Puts the parts into the store: the skeleton, and each file under a key of its own. What lies in an inner mail is under the
    /// key of that inner mail: it ends with it. Each has a name made from the mail's, so that a mail that is taken in again after a
    /// crash leaves nothing behind.
    ///
    /// # Errors
    /// The key database or the disk is away.
    pub async fn keep(&self, id: Uuid, raw: &[u8], mail: &Mail) -> Result<(ObjectId, Vec<PartRow>), HandleError> {
        let places: Vec<Range<usize>> = mail.attachments.iter().filter_map(|file| file.place.clone()).collect();
        let skeleton = self.keep_whole(id, &without(raw, &places)).await?;
        let (mut rows, mut outer) = (vec![], id);
        for (n, file) in mail.attachments.iter().enumerate() {
            if file.depth == 0 {
                outer = Uuid::new_v5(&id, format!("file {n}").as_bytes());
            }
            rows.push(self.file(outer, n, raw, file).await?);
        }
        Ok((skeleton, rows))
    }

    async fn file(&self, unit: Uuid, n: usize, raw: &[u8], file: &Attachment) -> Result<PartRow, HandleError> {
        let name = |what: &str| ObjectId::derived(unit, &format!("{what} {n}"));
        let object = self.put(unit, name("file"), FILE, &file.bytes).await?;
        let as_sent = match file.place.clone().and_then(|place| raw.get(place)) {
            Some(bytes) => Some(self.put(unit, name("as sent"), AS_SENT, bytes).await?),
            None => None,
        };
        Ok(PartRow {
            unit,
            kind: file.kind.code(),
            bytes: i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
            digest: file.sha256.parse().map_err(unavailable)?,
            object,
            as_sent,
        })
    }

    async fn put(&self, unit: Uuid, name: ObjectId, place: &[u8], plain: &[u8]) -> Result<ObjectId, HandleError> {
        let vault = self.custody.vault();
        let sealed = vault.seal(unit, RecordClass::Correspondence, place, plain).await.map_err(unavailable)?;
        self.objects.put(name, sealed).await.map_err(unavailable)?;
        Ok(name)
    }

    /// Ends keys: what they seal cannot be read again. Repeating it is safe.
    ///
    /// # Errors
    /// The key database is away.
    pub async fn end(&self, units: &[Uuid]) -> Result<(), HandleError> {
        for unit in units {
            self.custody.erase(*unit, RecordClass::Correspondence).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Removes the bytes of what has no key any more.
    pub async fn remove(&self, objects: Vec<ObjectId>) {
        for object in objects {
            if let Err(error) = self.objects.remove(object).await {
                tracing::warn!(%object, %error, "a destroyed file's bytes stay, and nobody can read them");
            }
        }
    }
}

/// The mail with an empty place where each file was. The places do not overlap: they are the outermost parts.
fn without(raw: &[u8], places: &[Range<usize>]) -> Vec<u8> {
    let (mut skeleton, mut from) = (Vec::with_capacity(raw.len()), 0);
    for place in places {
        if place.start < from || place.end > raw.len() {
            continue;
        }
        skeleton.extend_from_slice(&raw[from..place.start]);
        from = place.end;
    }
    skeleton.extend_from_slice(&raw[from..]);
    skeleton
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skeleton_has_everything_but_the_files() {
        assert_eq!(without(b"head AAAA mid BB end", &[5..9, 14..16]), b"head  mid  end");
        assert_eq!(without(b"head", &[]), b"head");
        assert_eq!(without(b"head AAAA", &[5..9, 6..8, 5..99]), b"head ", "what cannot be is left out");
    }
}
