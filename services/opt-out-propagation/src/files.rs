//! 封緘ファイル: one file out to a recipient in a closed network, one report file back. The format is the recipient kit's.
//!
//! Making a file moves no instruction: it is an attempt (`exported`) like every other, and only what comes back signed, or
//! attested by two people, says 受領. Every file is a row with who, why, when, positions and digest.

mod import;

use crate::{orders::Orders, propagation, reports::Reports, transport::webhook::WebhookKeys};
use chassis::{Bus, HandleError, StaffReason, objects::Objects, telemetry};
use contracts::{
    Code, Digest, ObjectId, RecipientId, Timestamp, Uuid,
    carried::{ExportFile, ExportReply, Positions},
    request::{StaffCommand, StaffReply},
};
use custody::Custody;
use jiff_sqlx::ToSqlx;
use privacy_seal::PublicKey;
use recipient_kit::{
    digest_of,
    sealed_file::{self, CONTENTS_MAX, INSTRUCTIONS_MAX, Manifest},
};
use std::sync::Arc;

/// Takes orders about files.
pub struct Files {
    /// The bus.
    pub bus: Arc<Bus>,
    /// Opens reasons, and what came back.
    pub custody: Custody,
    /// Where files lie.
    pub objects: Objects,
    /// Signs files, each recipient's with a key of its own.
    pub keys: WebhookKeys,
    /// Takes signed reports.
    pub reports: Arc<Reports>,
    /// Takes what two people attest.
    pub orders: Arc<Orders>,
}

/// A file that was made and is not yet kept.
struct Made {
    export: Uuid,
    recipient: RecipientId,
    object: ObjectId,
    digest: Digest,
    epoch: i32,
    first: i64,
    last: i64,
    issued: i64,
    at: Timestamp,
}

impl Made {
    fn reply(&self) -> ExportReply {
        ExportReply::Exported {
            export: self.export,
            object: self.object,
            digest: self.digest,
            epoch: self.epoch,
            first: self.first,
            last: self.last,
            more: self.last < self.issued,
        }
    }
}

fn away(what: &str, error: &std::io::Error) -> HandleError {
    HandleError::Unavailable(format!("{what}: {error}"))
}

/// The refusal inside a reply to a reason that cannot be read.
fn reason_of(reply: StaffReply) -> Code {
    match reply {
        StaffReply::Refused { reason, .. } => reason,
        StaffReply::Done { status, .. } => status,
    }
}

impl Files {
    /// `req.optout.export-file`.
    ///
    /// # Errors
    /// The database or the object store did not do it.
    pub async fn export(&self, command: StaffCommand<ExportFile>) -> Result<ExportReply, HandleError> {
        if let Err(reply) = self.custody.why(&command) {
            return Ok(ExportReply::Refused { reason: reason_of(reply) });
        }
        if let Some(made) = self.made(command.token).await? {
            return Ok(made.reply());
        }
        let (made, file) = match self.make(&command).await? {
            Ok(made) => made,
            Err(reason) => return Ok(ExportReply::Refused { reason }),
        };
        self.objects.put(made.object, file).await.map_err(|e| away("the object store", &e))?;
        let reply = made.reply();
        self.keep(&command, made).await?;
        telemetry::count("madoguchi.files", "exported");
        Ok(reply)
    }

    async fn made(&self, export: Uuid) -> Result<Option<Made>, HandleError> {
        type Row = (Uuid, Uuid, Vec<u8>, i32, i64, i64, i64, jiff_sqlx::Timestamp);
        let row: Option<Row> = sqlx::query_as(
            "select recipient, object, digest, epoch, first, last, issued, made_at from file_export where id = $1",
        )
        .bind(export)
        .fetch_optional(self.bus.db().pool())
        .await?;
        Ok(row.and_then(|(recipient, object, digest, epoch, first, last, issued, at)| {
            let (recipient, object) = (RecipientId(recipient), ObjectId(object));
            let digest = Digest(digest.try_into().ok()?);
            Some(Made { export, recipient, object, digest, epoch, first, last, issued, at: at.to_jiff() })
        }))
    }

    async fn make(&self, command: &StaffCommand<ExportFile>) -> Result<Result<(Made, Vec<u8>), Code>, HandleError> {
        let (ExportFile { recipient, what }, pool) = (command.order.clone(), self.bus.db().pool());
        let row: Option<(String, String, Vec<u8>, i64)> =
            // One whose instructions travel through a contractor that is reached by file gets a file of its own.
            sqlx::query_as(
                "select coalesce((select v.transport from endpoint e join endpoint v on v.id = e.via
                                   where e.recipient = r.id order by e.version desc limit 1), r.transport),
                        r.status, r.sealing_key, r.last from recipient r where r.id = $1",
            )
                .bind(recipient.0)
                .fetch_optional(pool)
                .await?;
        let Some((transport, status, sealing_key, issued)) = row else {
            return Ok(Err(Code::of("no-such-recipient")));
        };
        if transport != "sealed-file" {
            return Ok(Err(Code::of("not-reached-by-file")));
        }
        if status == "suspended" {
            return Ok(Err(Code::of("recipient-is-suspended")));
        }
        let (epoch, at) = (self.bus.epoch(), self.bus.clock().now());
        let (first, last) = match self.positions(recipient, what, epoch, issued).await? {
            Ok(positions) => positions,
            Err(reason) => return Ok(Err(reason)),
        };
        let bodies = match self.bodies(recipient, first, last).await? {
            Ok(bodies) => bodies,
            Err(reason) => return Ok(Err(reason)),
        };
        let last = first + bodies.len() as i64 - 1;
        let export = command.token;
        let contents = Digest([0; 32]);
        let manifest = Manifest { recipient, export, epoch, made_at: at, first, last, issued, contents };
        let Ok(key) =
            <[u8; 32]>::try_from(sealing_key).map_err(drop).and_then(|k| PublicKey::from_bytes(&k).map_err(drop))
        else {
            return Ok(Err(Code::of("sealing-key-unusable")));
        };
        let signer = self.keys.file_signer(recipient);
        // Kilobytes of sealing per instruction: not on a thread that others wait for.
        let packed = tokio::task::spawn_blocking(move || sealed_file::pack(manifest, &bodies, &key, &signer)).await;
        let file = match packed {
            Ok(Ok(file)) => file,
            Ok(Err(why)) => return Ok(Err(why.code())),
            Err(_) => return Err(HandleError::Unavailable("making a file ended unexpectedly".into())),
        };
        let digest = digest_of(&file);
        let object = ObjectId::new();
        Ok(Ok((Made { export, recipient, object, digest, epoch, first, last, issued, at }, file)))
    }

    /// First and last position of a file; the last one may be further than goes into one.
    async fn positions(
        &self,
        recipient: RecipientId,
        what: Positions,
        epoch: i32,
        issued: i64,
    ) -> Result<Result<(i64, i64), Code>, HandleError> {
        let pool = self.bus.db().pool();
        let first: Option<i64> = match what {
            // In a new life of the ledger everything goes again: positions of two lives do not mix.
            Positions::New => {
                sqlx::query_scalar(
                    "select coalesce(max(last), 0) + 1 from file_export where recipient = $1 and epoch = $2",
                )
                .bind(recipient.0)
                .bind(epoch)
                .fetch_one(pool)
                .await?
            }
            Positions::Open => {
                sqlx::query_scalar("select min(position) from owed where recipient = $1")
                    .bind(recipient.0)
                    .fetch_one(pool)
                    .await?
            }
            Positions::Range { first, last } => {
                let last = last.unwrap_or(issued);
                let good = 1 <= first && first <= last && last <= issued;
                return Ok(if good { Ok((first, last)) } else { Err(Code::of("positions-not-issued")) });
            }
        };
        let first = first.filter(|first| *first <= issued);
        Ok(first.map(|first| (first, issued)).ok_or(Code::of("nothing-to-export")))
    }

    /// The bodies from `first` on, as many as go into one file.
    async fn bodies(
        &self,
        recipient: RecipientId,
        first: i64,
        last: i64,
    ) -> Result<Result<Vec<Vec<u8>>, Code>, HandleError> {
        let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "select position, body from delivery where recipient = $1 and position between $2 and $3
              order by position limit $4",
        )
        .bind(recipient.0)
        .bind(first)
        .bind(last)
        .bind(INSTRUCTIONS_MAX as i64)
        .fetch_all(self.bus.db().pool())
        .await?;
        let (mut bodies, mut size) = (Vec::with_capacity(rows.len()), 0);
        for (n, (position, body)) in (first..).zip(rows) {
            size += body.len() + 1;
            if position != n || size > CONTENTS_MAX {
                break;
            }
            // The last look, as before every wire: another's instruction leaves in no file.
            if !propagation::is_for(&body, recipient) {
                return Ok(Err(Code::of("not-theirs")));
            }
            bodies.push(body);
        }
        Ok(if bodies.is_empty() { Err(Code::of("positions-no-longer-kept")) } else { Ok(bodies) })
    }

    async fn keep(&self, command: &StaffCommand<ExportFile>, made: Made) -> Result<(), HandleError> {
        let why = StaffReason {
            cause: command.token,
            staff: command.staff,
            unit: None,
            sealed: command.why.0.clone(),
            at: made.at,
        };
        let write = self.bus.db().write(move |tx| {
            Box::pin(async move {
                if !why.keep(tx).await? {
                    return Ok(());
                }
                sqlx::query(
                    "insert into file_export (id, recipient, epoch, first, last, issued, digest, object, made_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                )
                .bind(made.export)
                .bind(made.recipient.0)
                .bind(made.epoch)
                .bind(made.first)
                .bind(made.last)
                .bind(made.issued)
                .bind(made.digest.0.as_slice())
                .bind(made.object.0)
                .bind(made.at.to_sqlx())
                .execute(&mut *tx)
                .await?;
                // A file is a try like every other: it proves nothing about its recipient.
                sqlx::query(
                    "insert into attempt (endpoint, position, at, fence, outcome)
                     select endpoint, position, $4, 0, 'exported' from delivery
                      where recipient = $1 and position between $2 and $3",
                )
                .bind(made.recipient.0)
                .bind(made.first)
                .bind(made.last)
                .bind(made.at.to_sqlx())
                .execute(tx)
                .await?;
                Ok(())
            })
        });
        Ok(write.await?)
    }
}
