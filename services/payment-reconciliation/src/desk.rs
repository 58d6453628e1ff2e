//! `req.payment.import-statement`: a member of staff brings a bank file. The whole way from sealed bytes to fees paid.

use crate::{
    books::{Prepared, UnderWay},
    charge::{self, Charge},
    import::{self, Keyed, LineKey, Plan},
    profile::{AccountProfile, Profiles},
    statement::{self, Statement},
    store::{self, Certain},
    zengin::{self, Line, ZenginError},
};
use chassis::{Cause, Clock, Db, HandleError, Home, Outcome, objects::Objects};
use contracts::{
    Code, Digest, ObjectId, StatementId, Uuid,
    request::{ImportStatement, StaffCommand, StaffReply},
};
use privacy::{RecordClass, ServiceKey, Vault};
use privacy_seal::{Purpose, Zeroizing};
use sha2::Digest as _;
use std::sync::Arc;

/// The additional data under which the payer part of a bank line is sealed, before the line's id.
pub const PAYER_AAD: &[u8] = b"payment.bank_line.payer";
/// How often an import is prepared anew because another import changed what was known.
const AGAIN_MAX: u32 = 5;

/// What an import needs.
pub struct Desk {
    /// This service's schema.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Charges.
    pub charges: Home<Charge>,
    /// Statements.
    pub statements: Home<Statement>,
    /// What the statements' steps write.
    pub under_way: Arc<UnderWay>,
    /// Sealed files.
    pub objects: Objects,
    /// Opens them.
    pub key: ServiceKey,
    /// The key of line digests.
    pub line_key: LineKey,
    /// Seals payers.
    pub vault: Vault,
    /// How files are read.
    pub profiles: Arc<Profiles>,
}

/// A refusal with its place.
type Refused = (Code, Option<Code>);

enum Stop {
    Refused(Refused),
    Failed(HandleError),
}

impl From<HandleError> for Stop {
    fn from(e: HandleError) -> Self {
        Self::Failed(e)
    }
}
impl From<chassis::DbError> for Stop {
    fn from(e: chassis::DbError) -> Self {
        Self::Failed(e.into())
    }
}
impl From<ZenginError> for Stop {
    fn from(e: ZenginError) -> Self {
        Self::Refused((e.problem.code(), e.place.map(|p| p.code())))
    }
}

fn refuse<T>(reason: &'static str) -> Result<T, Stop> {
    Err(Stop::Refused((Code::of(reason), None)))
}

fn unavailable(what: &str) -> Stop {
    Stop::Failed(HandleError::Unavailable(format!("{what}; try again")))
}

impl Desk {
    /// Answers the command: figures of the import, or where the file is wrong. Nothing is half-written.
    pub async fn import(&self, command: StaffCommand<ImportStatement>) -> Result<StaffReply, HandleError> {
        match self.import_file(&command).await {
            Ok(reply) => Ok(reply),
            Err(Stop::Failed(error)) => Err(error),
            // Whoever put the file into the store takes it out again: here it may be asked for once more.
            Err(Stop::Refused((reason, at))) => Ok(StaffReply::Refused { reason, at }),
        }
    }

    async fn import_file(&self, command: &StaffCommand<ImportStatement>) -> Result<StaffReply, Stop> {
        let order = &command.order;
        let statement = statement::id_of(&order.digest);
        // Known bytes need no file: the answer is that of the statement as it stands.
        if let Some(reply) = self.known(statement, command).await? {
            return Ok(reply);
        }
        let Some(profile) = self.profiles.get(&order.profile).cloned() else {
            return refuse("profile-unknown");
        };
        let file = self.read(order.file, order.digest, &profile).await?;
        for _ in 0..AGAIN_MAX {
            let prepared = self.prepare(command, statement, &file, &profile).await?;
            let input = prepared.plan.input(file.line_count(), self.clock.now());
            self.under_way.put(statement.0, Arc::new(prepared));
            let outcome = self.statements.handle(statement.0, Cause::Person(command.token), input).await;
            self.under_way.remove(statement.0);
            match outcome {
                // Another file brought the same lines meanwhile: what is new must be asked again.
                Err(HandleError::Busy) => continue,
                Err(error) => return Err(error.into()),
                Ok(Outcome::Refused(why)) => return Err(Stop::Refused((why.into(), None))),
                Ok(_) => {}
            }
            self.settle(Some(statement)).await?;
            return Ok(self.reply(statement, const { Code::of("imported") }).await?);
        }
        Err(HandleError::Busy.into())
    }

    /// The answer for bytes that were imported before: by this very command, or by another one.
    async fn known(
        &self,
        statement: StatementId,
        command: &StaffCommand<ImportStatement>,
    ) -> Result<Option<StaffReply>, Stop> {
        let Some(object) = store::imported_object(self.db.pool(), statement).await? else { return Ok(None) };
        self.settle(Some(statement)).await?;
        if object == command.order.file.0 {
            return Ok(Some(self.reply(statement, const { Code::of("imported") }).await?));
        }
        // The same bytes under another object: one copy is kept.
        let _ = self.objects.remove(command.order.file).await;
        Ok(Some(self.reply(statement, const { Code::of("already-imported") }).await?))
    }

    async fn reply(&self, statement: StatementId, status: Code) -> Result<StaffReply, HandleError> {
        let figures = match self.statements.read(statement.0).await? {
            Some((_, statement::State::Imported { lines, fresh, matched, exceptions, .. })) => [
                (const { Code::of("lines") }, lines),
                (const { Code::of("fresh") }, fresh),
                (const { Code::of("matched") }, matched),
                (const { Code::of("exceptions") }, exceptions),
            ]
            .map(|(what, n)| (what, i64::from(n)))
            .to_vec(),
            _ => Vec::new(),
        };
        Ok(StaffReply::Done { machine: statement.0, status, figures })
    }

    /// Fetches, opens, checks the digest and reads the whole file.
    async fn read(
        &self,
        object: ObjectId,
        digest: Digest,
        profile: &AccountProfile,
    ) -> Result<zengin::Statement, Stop> {
        let sealed = match self.objects.get(object).await {
            Ok(sealed) => sealed,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return refuse("file-not-found"),
            Err(_) => return Err(unavailable("the object store cannot be read")),
        };
        let Ok(plain) = self.key.open(&privacy_seal::aad::bank_file(object), &sealed) else {
            return refuse("file-not-openable");
        };
        let (profile, arrival) = (profile.profile.clone(), calendar::jst_date(self.clock.now()));
        let read = tokio::task::spawn_blocking(move || {
            let bytes = plain.disclose(Purpose::MatchPayment);
            let same = sha2::Sha256::digest(bytes).as_slice() == digest.0;
            same.then(|| zengin::parse(bytes, &profile, arrival))
        });
        match read.await {
            Ok(Some(parsed)) => Ok(parsed?),
            Ok(None) => refuse("digest-mismatch"),
            Err(_) => Err(unavailable("reading the bank file ended unexpectedly")),
        }
    }

    /// Finds what is new and what matches, and seals the payers.
    async fn prepare(
        &self,
        command: &StaffCommand<ImportStatement>,
        statement: StatementId,
        file: &zengin::Statement,
        profile: &AccountProfile,
    ) -> Result<Prepared, Stop> {
        let pool = self.db.pool();
        for group in &file.groups {
            if profile.account.as_ref().is_some_and(|a| *a != group.account) {
                return refuse("account-not-of-profile");
            }
            let booked_from = store::booked_from(pool, import::account_id(&group.account)).await?;
            if booked_from.is_some_and(|source| source != import::source(file.layout)) {
                return refuse("account-booked-from-other-type");
            }
        }
        let all = import::keyed(statement, file, &self.line_key, profile.inquiry_is_unique);
        let seen = store::seen(pool, &all).await?;
        let fresh = import::fresh(all, &seen);
        let charges = store::charges(pool, &import::references(&fresh)).await?;
        let originals = store::originals(pool, &fresh).await?;
        let payers = self.seal_payers(statement, &fresh).await?;
        let plan = Plan::new(fresh, &charges, &originals)
            .map_err(|e| Stop::Failed(HandleError::Unavailable(format!("booking a line: {e}"))))?;
        Ok(Prepared {
            digest: command.order.digest,
            object: command.order.file,
            profile: command.order.profile.as_str().to_owned(),
            layout: file.layout,
            staff: command.staff,
            why: command.why.0.clone(),
            groups: file
                .groups
                .iter()
                .map(|g| (zengin::Group { lines: Vec::new(), ..g.clone() }, g.lines.len()))
                .collect(),
            plan,
            payers,
        })
    }

    /// Under the key of the statement: what is kept as one ends as one.
    async fn seal_payers(&self, statement: StatementId, lines: &[Keyed]) -> Result<Vec<Vec<u8>>, Stop> {
        let key = self.vault.key(statement.0, RecordClass::Payer).await.map_err(|e| unavailable(&e.to_string()))?;
        lines
            .iter()
            .map(|k| {
                let aad = [PAYER_AAD, k.id.0.as_bytes()].concat();
                key.seal(&aad, &payer_json(&k.line)).map_err(|e| unavailable(&e.to_string()))
            })
            .collect()
    }

    /// Allocates what is certain, takes back what the bank took back, expires what is over. Safe to repeat and to break off:
    /// each step is its own transaction with its own token.
    pub async fn settle(&self, statement: Option<StatementId>) -> Result<(), HandleError> {
        let pool = self.db.pool();
        loop {
            let some = store::certain(pool, statement).await?;
            for line in &some {
                self.allocate(line).await?;
            }
            if (some.len() as i64) < store::SWEEP {
                break;
            }
        }
        for line in store::to_take_back(pool).await? {
            let cause = Cause::Person(Uuid::new_v5(&line.line.0, b"take-back"));
            let outcome =
                self.charges.handle(line.charge.0, cause, charge::Input::TakeBack { line: line.line }).await?;
            if let Outcome::Refused(why) = outcome {
                self.give_back(&line, why.into()).await?;
            }
        }
        self.expire().await
    }

    async fn allocate(&self, line: &Certain) -> Result<(), HandleError> {
        let input =
            charge::Input::Match { line: line.line, amount: line.amount, paid_on: line.paid_on, at: self.clock.now() };
        let cause = Cause::Person(Uuid::new_v5(&line.line.0, b"match"));
        match self.charges.handle(line.charge.0, cause, input).await? {
            // The charge changed between reading it and paying it.
            Outcome::Refused(why) => self.give_back(line, why.into()).await,
            Outcome::TooEarly => self.give_back(line, const { Code::of("charge-unknown") }).await,
            _ => Ok(()),
        }
    }

    async fn give_back(&self, line: &Certain, reason: Code) -> Result<(), HandleError> {
        let waiting = statement::Waiting { line: line.line, reason, amount: line.amount };
        let cause = Cause::Person(Uuid::new_v5(&line.line.0, b"return"));
        let input = statement::Input::Return { line: waiting, at: self.clock.now() };
        self.statements.handle(line.statement.0, cause, input).await.map(drop)
    }

    async fn expire(&self) -> Result<(), HandleError> {
        let Some(through) = store::covered_through(self.db.pool()).await? else { return Ok(()) };
        for charge in store::may_expire(self.db.pool(), through).await? {
            let cause = Cause::Person(Uuid::new_v5(&charge.0, format!("covered through {through}").as_bytes()));
            let input = charge::Input::Covered { through, at: self.clock.now() };
            self.charges.handle(charge.0, cause, input).await?;
        }
        Ok(())
    }
}

/// What is personal in a line, as JSON; overwritten when dropped.
fn payer_json(line: &Line) -> Zeroizing<Vec<u8>> {
    let text = |t: &zengin::PayerText| t.disclose(Purpose::SealForOwner).clone();
    let json = serde_json::json!({
        "remitter_code": line.remitter_code,
        "remitter": text(&line.remitter),
        "sending_bank": text(&line.sending_bank),
        "sending_branch": text(&line.sending_branch),
        "edi": text(&line.edi),
        "summary": text(&line.summary),
    });
    Zeroizing::new(json.to_string().into_bytes())
}
