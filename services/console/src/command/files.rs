//! 封緘ファイル: files for recipients in closed networks, made and taken by opt-out propagation, carried by hand.

use super::{By, CommandError, Commands, FILE_TRIES};
use contracts::{
    Code, Digest, ObjectId, RecipientId, Service,
    carried::{ExportFile, ExportReply, FileForm, ImportFile, ImportReply, Positions},
};
use sha2::Digest as _;

/// The largest file that comes back, in bytes: signed reports, or a sheet.
pub const BACK_MAX: usize = 16 * 1024 * 1024;

/// A file that was made.
#[derive(Debug)]
pub struct Exported {
    /// Sealed to the recipient.
    pub bytes: Vec<u8>,
    /// The life of the ledger.
    pub epoch: i32,
    /// First and last position in it.
    pub positions: (i64, i64),
    /// More is waiting than goes into one file.
    pub more: bool,
}

impl Commands {
    /// 書き出し. `Err(reason)` inside: refused, nothing was written.
    ///
    /// # Errors
    /// No reply, or the file is not in the object store as it was made: the same token gets the same file.
    pub async fn export_file(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        what: Positions,
    ) -> Result<Result<Exported, Code>, CommandError> {
        match self.send("order export-file", by, ExportFile { recipient, what }, FILE_TRIES).await? {
            ExportReply::Refused { reason } => Ok(Err(reason)),
            ExportReply::Exported { object, digest, epoch, first, last, more, .. } => {
                let bytes = self.objects.get(object).await?;
                if Digest(sha2::Sha256::digest(&bytes).into()) != digest {
                    return Err(
                        std::io::Error::other("the file in the object store is not the one that was made").into()
                    );
                }
                Ok(Ok(Exported { bytes, epoch, positions: (first, last), more }))
            }
        }
    }

    /// 取込み: what came back, sealed to opt-out propagation, and the order with id and digest. A refused file is removed
    /// again; one that got no reply stays, because it may be being read.
    ///
    /// # Errors
    /// No reply, or a file that is empty or too large.
    pub async fn import_file(
        &self,
        by: By<'_>,
        recipient: RecipientId,
        form: FileForm,
        bytes: Vec<u8>,
    ) -> Result<ImportReply, CommandError> {
        // The same form sent twice is the same object.
        let object = ObjectId::derived(by.token, "carried-file");
        let aad = privacy_seal::aad::carried_file(object);
        let digest = self.put_sealed(Service::OptOut, by, object, aad, bytes, BACK_MAX).await?;
        let order = ImportFile { recipient, form, object, digest };
        let reply = self.send("order import-file", by, order, FILE_TRIES).await;
        if matches!(reply, Ok(ImportReply::Refused { .. })) {
            self.objects.remove(object).await?;
        }
        reply
    }
}
