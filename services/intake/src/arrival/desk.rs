//! The book: written down, shown, settled.

use super::{
    check::{self, Particulars},
    file, slip,
    store::{self, Row, Settled},
    wrong,
};
use crate::{
    case::Case,
    person::{Persons, unavailable},
};
use chassis::{Bus, HandleError, Home};
use contracts::{
    ArrivalId, ArrivalOutcome, ArrivalState, CaseId, Channel, Code, Sealed, StaffId, Uuid,
    arrival::{
        ARRIVALS_PAGE, ArrivalList, ArrivalReply, ArrivalRow, FileRequest, HandOverSlip, ListArrivals, LogArrival,
        SettleArrival, ShowArrival, ShowSlip, Written,
    },
    request::{StaffCommand, StaffReply},
};
use filing::ages::Ages;
use privacy::{Personal, Purpose, RecordClass, VaultError, seal_json};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The places of what is sealed: bound into the seals.
const PARTICULARS: &[u8] = b"intake.arrival.sealed";
const WHY: &[u8] = b"intake.arrival.why";

/// Answers until the process stops.
pub fn answer(bus: &Arc<Bus>, home: &Home<Case>, persons: &Persons, terms: crate::config::Settings, ages: Ages) {
    let desk = Desk { bus: bus.clone(), home: home.clone(), persons: persons.clone(), settings: terms, ages };
    let d = desk.clone();
    bus.answer::<StaffCommand<LogArrival>, _, _>(move |command| {
        let d = d.clone();
        async move { d.log(command).await }
    });
    let d = desk.clone();
    bus.answer::<ListArrivals, _, _>(move |asked| {
        let d = d.clone();
        async move { d.list(asked).await }
    });
    let d = desk.clone();
    bus.answer::<ShowArrival, _, _>(move |asked| {
        let d = d.clone();
        async move { d.show(asked).await }
    });
    let d = desk.clone();
    bus.answer::<StaffCommand<SettleArrival>, _, _>(move |command| {
        let d = d.clone();
        async move { d.settle(command).await }
    });
    let d = desk.clone();
    bus.answer::<StaffCommand<FileRequest>, _, _>(move |command| {
        let d = d.clone();
        async move { file::file(&d, command).await }
    });
    let d = desk.clone();
    bus.answer::<ShowSlip, _, _>(move |asked| {
        let d = d.clone();
        async move { slip::show(&d, asked).await }
    });
    bus.answer::<StaffCommand<HandOverSlip>, _, _>(move |command| {
        let d = desk.clone();
        async move { slip::hand_over(&d, command).await }
    });
}

/// Staff at the book.
#[derive(Clone)]
pub struct Desk {
    pub(super) bus: Arc<Bus>,
    pub(super) home: Home<Case>,
    pub(super) persons: Persons,
    pub(super) settings: crate::config::Settings,
    pub(super) ages: Ages,
}

pub(super) fn refused(reason: &'static str, at: Option<&'static str>) -> StaffReply {
    StaffReply::Refused { reason: Code::of(reason), at: at.map(Code::of) }
}

fn row(row: &Row) -> ArrivalRow {
    ArrivalRow {
        id: ArrivalId(row.id),
        // The columns' checks have the same words.
        channel: row.channel.parse().unwrap_or(Channel::Post),
        arrived_at: row.arrived_at.to_jiff(),
        postal_class: row.postal_class.as_deref().and_then(|class| class.parse().ok()),
        postmarked_on: row.postmarked_on.map(jiff_sqlx::Date::to_jiff),
        cash: row.cash,
        state: row.state.parse().unwrap_or(ArrivalState::Open),
        logged: (StaffId(row.logged_by), row.logged_at.to_jiff()),
        outcome: row.outcome.as_deref().and_then(|outcome| outcome.parse().ok()),
        settled: row.settled_by.zip(row.settled_at).map(|(by, at)| (StaffId(by), at.to_jiff())),
        case: row.case_id.map(CaseId),
    }
}

impl Desk {
    /// 受付簿への記載.
    ///
    /// # Errors
    /// A database is away: nothing was done.
    pub async fn log(&self, command: StaffCommand<LogArrival>) -> Result<Written, HandleError> {
        if let Err(StaffReply::Refused { reason, .. }) = self.persons.custody().why(&command) {
            return Ok(Written::Refused { reason });
        }
        let opened = self.persons.key().open(command.token.as_bytes(), &command.order.particulars.0);
        let Some(said) = opened.ok().and_then(|opened| opened.json::<Particulars>().ok()) else {
            return Ok(Written::Refused { reason: const { Code::of("words-unreadable") } });
        };
        let now = self.bus.clock().now();
        let kept = match check::check(&command.order, said.disclose(Purpose::SealForOwner), now) {
            Ok(kept) => Personal::new(kept),
            Err(errors) => return Ok(wrong(errors)),
        };
        let json = kept.try_map(serde_json::to_vec).map_err(unavailable)?;
        let plain = json.disclose(Purpose::SealForOwner);
        let id = command.token;
        let vault = self.persons.custody().vault();
        let sealed = match vault.seal(id, RecordClass::Correspondence, PARTICULARS, plain).await {
            Ok(sealed) => sealed,
            // The same form again, after its case was erased.
            Err(VaultError::Erased { .. }) => return Ok(Written::Done { id }),
            Err(error) => return Err(unavailable(error)),
        };
        store::log(self.bus.db(), id, &command.order, sealed, command.staff, now).await?;
        Ok(Written::Done { id })
    }

    async fn list(&self, asked: ListArrivals) -> Result<ArrivalList, HandleError> {
        let db = self.bus.db();
        let found = store::page(db, asked.state.unwrap_or(ArrivalState::Open), asked.after).await?;
        let mut rows: Vec<ArrivalRow> = found.iter().map(row).collect();
        let more = rows.len() > ARRIVALS_PAGE;
        rows.truncate(ARRIVALS_PAGE);
        let counts = store::counts(db).await?;
        let counts = counts.into_iter().filter_map(|(state, n)| Some((state.parse().ok()?, n))).collect();
        Ok(ArrivalList { rows, more, counts })
    }

    async fn show(&self, asked: ShowArrival) -> Result<ArrivalReply, HandleError> {
        let Some(found) = store::one(self.bus.db(), asked.id).await? else { return Ok(ArrivalReply::Unknown) };
        let said = match &found.sealed {
            None => None,
            Some(sealed) => self.open(found.id, PARTICULARS, sealed).await?,
        };
        let why = match &found.why {
            None => None,
            Some(sealed) => self.open(found.id, WHY, sealed).await?,
        };
        let particulars = match said {
            None => None,
            Some(said) => Some(self.for_console(asked.id, &said, why.as_ref())?),
        };
        Ok(ArrivalReply::Found { row: Box::new(row(&found)), particulars })
    }

    fn for_console(
        &self,
        id: ArrivalId,
        said: &Personal<Vec<u8>>,
        why: Option<&Personal<Vec<u8>>>,
    ) -> Result<Sealed, HandleError> {
        let mut shown: Personal<Map<String, Value>> = said.json().map_err(unavailable)?;
        if let Some(why) = why {
            let words = String::from_utf8_lossy(why.disclose(Purpose::ShowToStaff)).into_owned();
            shown = shown.map(|shown| {
                let mut shown = shown.clone();
                shown.insert("why".to_owned(), Value::String(words));
                shown
            });
        }
        let console = self.persons.key_of(contracts::Service::Console)?;
        seal_json(&console, id.0.as_bytes(), &shown).map_err(unavailable)
    }

    async fn open(&self, id: Uuid, place: &[u8], sealed: &[u8]) -> Result<Option<Personal<Vec<u8>>>, HandleError> {
        match self.persons.custody().vault().open(id, RecordClass::Correspondence, place, sealed).await {
            Ok(opened) => Ok(Some(opened)),
            Err(VaultError::Erased { .. }) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// 処理.
    ///
    /// # Errors
    /// A database is away: nothing was done.
    pub async fn settle(&self, command: StaffCommand<SettleArrival>) -> Result<StaffReply, HandleError> {
        let order = &command.order;
        let Some(found) = store::one(self.bus.db(), order.id).await? else {
            return Ok(refused("arrival-unknown", None));
        };
        match (order.outcome, order.case) {
            (ArrivalOutcome::Case, None) => return Ok(refused("case-missing", Some("case"))),
            (ArrivalOutcome::Case, Some(case)) => match crate::store::person(self.bus.db(), case.0).await? {
                None => return Ok(refused("case-unknown", Some("case"))),
                Some(person) if person.sealed.is_none() => return Ok(refused("case-erased", Some("case"))),
                Some(_) => {}
            },
            (_, Some(_)) => return Ok(refused("case-with-other-outcome", Some("case"))),
            (ArrivalOutcome::Request, None) => return Ok(refused("request-not-filed", None)),
            (ArrivalOutcome::Returned, None) if found.channel != Channel::Post.as_str() => {
                return Ok(refused("returned-post-only", None));
            }
            (_, None) => {}
        }
        let (outcome, case) = (order.outcome.as_str(), order.case);
        let settled = match self.why(&command, order.id).await? {
            Ok(why) => Settled { id: order.id, outcome, case, by: command.staff, why, at: self.bus.clock().now() },
            Err(reply) => return Ok(reply),
        };
        let done = StaffReply::Done { machine: order.id.0, status: const { Code::of("settled") }, figures: vec![] };
        if store::settle(self.bus.db(), settled).await? {
            return Ok(done);
        }
        // The same form again, or somebody was faster.
        Ok(match store::one(self.bus.db(), order.id).await? {
            Some(row) if row.outcome.as_deref() == Some(outcome) && row.case_id == case.map(|c| c.0) => done,
            _ => refused("arrival-settled-otherwise", None),
        })
    }

    /// What was done, sealed again under the key of the arrival. The inner error is what the member of staff is answered.
    pub(super) async fn why<T>(
        &self,
        command: &StaffCommand<T>,
        arrival: ArrivalId,
    ) -> Result<Result<Vec<u8>, StaffReply>, HandleError> {
        self.persons.why_under(command, arrival.0, WHY, "arrival-unknown").await
    }
}
