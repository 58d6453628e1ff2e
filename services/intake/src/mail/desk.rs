//! What the console asks about mails, and orders.

use super::{reader::Mails, store};
use crate::{
    mail::store::Row,
    person::{Persons, unavailable},
};
use chassis::{Bus, HandleError};
use contracts::{
    CaseId, Code, MailId, MailOutcome, MailState, StaffId,
    correspondence::{
        DestroyMailFile, ListMails, MAIL_TEXT_SHOWN, MAILS_PAGE, MailDetail, MailFile, MailList, MailReply, MailRow,
        SettleMail, ShowMail,
    },
    request::{StaffCommand, StaffReply},
};
use privacy::seal_json;
use std::sync::Arc;

/// The place of the reason why a mail was settled.
pub(crate) const WHY_PLACE: &[u8] = b"intake.mail.why";

/// Answers until the process stops.
pub fn answer(bus: &Arc<Bus>, persons: &Persons, mails: &Mails) {
    let desk = MailDesk { bus: bus.clone(), persons: persons.clone(), mails: mails.clone() };
    let d = desk.clone();
    bus.answer::<ListMails, _, _>(move |asked| {
        let d = d.clone();
        async move { d.list(asked).await }
    });
    let d = desk.clone();
    bus.answer::<ShowMail, _, _>(move |asked| {
        let d = d.clone();
        async move { d.show(asked).await }
    });
    let d = desk.clone();
    bus.answer::<StaffCommand<SettleMail>, _, _>(move |command| {
        let d = d.clone();
        async move { d.settle(command).await }
    });
    bus.answer::<StaffCommand<DestroyMailFile>, _, _>(move |command| {
        let d = desk.clone();
        async move { d.destroy(command).await }
    });
}

/// Staff at the mails.
#[derive(Clone)]
pub struct MailDesk {
    bus: Arc<Bus>,
    persons: Persons,
    mails: Mails,
}

fn refused(reason: &'static str, at: Option<&'static str>) -> StaffReply {
    StaffReply::Refused { reason: Code::of(reason), at: at.map(Code::of) }
}

fn done(mail: MailId, status: &'static str) -> StaffReply {
    StaffReply::Done { machine: mail.0, status: Code::of(status), figures: vec![] }
}

fn row(row: &Row) -> MailRow {
    MailRow {
        id: MailId(row.id),
        received_at: row.received_at.to_jiff(),
        // The column's check has the same words.
        state: row.state.parse().unwrap_or(MailState::Quarantine),
        reason: row.reason.as_deref().and_then(|reason| reason.parse().ok()),
        client: row.client.parse().unwrap_or(Code::of("unknown")),
        bytes: u64::try_from(row.bytes).unwrap_or_default(),
        files: u32::try_from(row.files).unwrap_or_default(),
        case: row.case_id.map(CaseId),
        outcome: row.outcome.as_deref().and_then(|outcome| outcome.parse().ok()),
    }
}

impl MailDesk {
    async fn list(&self, asked: ListMails) -> Result<MailList, HandleError> {
        let db = self.bus.db();
        let mut rows: Vec<MailRow> = store::page(db, asked.state, asked.after).await?.iter().map(row).collect();
        let more = rows.len() > MAILS_PAGE;
        rows.truncate(MAILS_PAGE);
        let counts = store::counts(db).await?;
        let counts = counts.into_iter().filter_map(|(state, n)| Some((state.parse().ok()?, n))).collect();
        Ok(MailList { rows, more, counts })
    }

    async fn show(&self, asked: ShowMail) -> Result<MailReply, HandleError> {
        let Some(found) = store::one(self.bus.db(), asked.id).await? else { return Ok(MailReply::Unknown) };
        let files = store::files(self.bus.db(), asked.id).await?;
        let known = match &found.sealed {
            None => None,
            Some(sealed) => self.mails.parts().open(found.id, sealed).await?,
        };
        let console = self.persons.key_of(contracts::Service::Console)?;
        let known = match known {
            None => None,
            Some(known) => {
                let shown = known.map(|known| {
                    let mut known = known.clone();
                    if let Some(mail) = &mut known.mail
                        && mail.text.chars().count() > MAIL_TEXT_SHOWN
                    {
                        mail.text = mail.text.chars().take(MAIL_TEXT_SHOWN).collect();
                        mail.doubts.insert(mail::Doubt::Cut);
                    }
                    known
                });
                Some(seal_json(&console, asked.id.0.as_bytes(), &shown).map_err(unavailable)?)
            }
        };
        let files = files.iter().map(|file| MailFile {
            number: u32::try_from(file.n).unwrap_or_default(),
            kind: file.kind.parse().unwrap_or(Code::of("other")),
            bytes: u64::try_from(file.bytes).unwrap_or_default(),
            digest: store::digest(&file.digest),
            destroyed: file.destroyed_at.map(|at| (at.to_jiff(), StaffId(file.destroyed_by.unwrap_or_default()))),
        });
        Ok(MailReply::Found(Box::new(MailDetail {
            row: row(&found),
            digest: store::digest(&found.digest),
            known,
            files: files.collect(),
            same_as: found.same_as.map(MailId),
        })))
    }

    /// 処理.
    ///
    /// # Errors
    /// A database is away: nothing was done.
    pub async fn settle(&self, command: StaffCommand<SettleMail>) -> Result<StaffReply, HandleError> {
        let order = &command.order;
        let case = match (order.outcome, order.case) {
            (MailOutcome::Case, None) => return Ok(refused("case-missing", Some("case"))),
            (MailOutcome::Case, Some(case)) => match crate::store::person(self.bus.db(), case.0).await? {
                None => return Ok(refused("case-unknown", Some("case"))),
                Some(person) if person.sealed.is_none() => return Ok(refused("case-erased", Some("case"))),
                Some(_) => Some(case),
            },
            (_, Some(_)) => return Ok(refused("case-with-other-outcome", Some("case"))),
            (MailOutcome::Request, None) => return Ok(refused("request-not-filed", None)),
            (_, None) => None,
        };
        let why = match self.why(&command, order.id).await? {
            Ok(why) => why,
            Err(reply) => return Ok(reply),
        };
        let (at, outcome) = (self.bus.clock().now(), order.outcome.as_str());
        let settled = store::settle(self.bus.db(), order.id, outcome, case, command.staff, why, at).await?;
        if settled {
            return Ok(done(order.id, "settled"));
        }
        // The same form again, or somebody was faster.
        Ok(match store::one(self.bus.db(), order.id).await? {
            None => refused("mail-unknown", None),
            Some(row) if row.state == "arrived" => refused("mail-not-read-yet", None),
            Some(row)
                if row.outcome.as_deref() == Some(outcome) && row.case_id == case.map(|c| c.0).or(row.case_id) =>
            {
                done(order.id, "settled")
            }
            Some(_) => refused("mail-settled-otherwise", None),
        })
    }

    /// 廃棄: the key first; the row, with its hash, says who and when.
    ///
    /// # Errors
    /// A database is away; repeating it is safe.
    pub async fn destroy(&self, command: StaffCommand<DestroyMailFile>) -> Result<StaffReply, HandleError> {
        let order = &command.order;
        let why = match self.why(&command, order.id).await? {
            Ok(why) => why,
            Err(reply) => return Ok(reply),
        };
        let files = store::files(self.bus.db(), order.id).await?;
        let Some(unit) = files.iter().find(|file| u32::try_from(file.n) == Ok(order.number)).map(|file| file.unit)
        else {
            return Ok(refused("file-unknown", Some("number")));
        };
        // What lies in an inner mail is under that mail's key: whoever destroys one ends all of it, and is told before.
        let parts = self.mails.parts();
        parts.end(&[unit]).await?;
        parts.remove(store::destroy(self.bus.db(), unit, command.staff, why, self.bus.clock().now()).await?).await;
        Ok(done(order.id, "destroyed"))
    }

    /// The reason of an order, sealed again under the key of the mail. The inner error is what the member of staff is answered.
    async fn why<T>(
        &self,
        command: &StaffCommand<T>,
        mail: MailId,
    ) -> Result<Result<Vec<u8>, StaffReply>, HandleError> {
        self.persons.why_under(command, mail.0, WHY_PLACE, "mail-unknown").await
    }
}
