//! What is shown of the duties about one entry. Names nobody.

use super::Duties;
use chassis::{DbError, HandleError};
use contracts::{
    CaseId, RecipientId, Scope, Uuid,
    duty::{ConsentRow, ConsentTo, DutiesReply, EntryDuties, HandOver, ProvisionRow, ShowDuties, WorkOrderRow},
};
use std::collections::HashMap;

type Time = jiff_sqlx::Timestamp;

impl Duties {
    /// `req.optout.duties`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn show(&self, asked: ShowDuties) -> Result<DutiesReply, HandleError> {
        let entry = asked.entry.0;
        let scope: Option<Option<String>> = sqlx::query_scalar("select scope from register_entry where entry = $1")
            .bind(entry)
            .fetch_optional(self.pool())
            .await
            .map_err(DbError::from)?;
        let Some(scope) = scope else { return Ok(DutiesReply::Unknown) };
        let not_stopped = match scope.and_then(|word| word.parse().ok()) {
            Some(Scope::Anonymised) => Some(Scope::Pseudonymised),
            Some(Scope::Pseudonymised) => Some(Scope::Anonymised),
            _ => None,
        };
        Ok(DutiesReply::Found(Box::new(EntryDuties {
            not_stopped,
            work_orders: self.work_orders(entry).await?,
            consents: self.consents(entry).await?,
            provisions: self.provisions(entry).await?,
            disagreements: self.disagreements(entry).await?,
            relays: self.relays(entry).await?,
        })))
    }

    async fn work_orders(&self, entry: Uuid) -> Result<Vec<WorkOrderRow>, DbError> {
        let needs = self.recipients.register.retention().needs_consent(self.today());
        type Row = (Uuid, i16, String, Option<Uuid>, bool, bool, bool, Time, Option<Time>, Option<String>);
        let rows: Vec<Row> = sqlx::query_as(
            "select w.id, h.n, w.track, r.recipient, w.brought_at is not null,
                    exists (select from issued i where i.entry = w.entry and i.recipient = r.recipient),
                    coalesce((select c.given from consent c where c.entry = w.entry and c.what = 'tell-others'
                               order by c.said_at desc, c.at desc limit 1), false),
                    w.desk_received_at, h.received_at, w.stopped_on::text
               from work_order w join entry_hospital h using (entry, tag)
               left join lateral (select recipient from recipient_name n where n.tag = w.tag order by 1 limit 1) r on true
              where w.entry = $1 order by h.n, w.track limit 200",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let mut documents = self.documents(entry).await?;
        let row = |(id, n, track, recipient, brought, instructed, consent, desk, received, stopped_on): Row| {
            let state = if stopped_on.is_some() {
                "confirmed"
            } else if instructed {
                "instructed"
            } else if brought {
                "brought"
            } else if needs && !consent {
                "no-consent"
            } else {
                "to-be-brought"
            };
            Some(WorkOrderRow {
                work_order: id,
                supplier: n.try_into().ok()?,
                track: track.parse().ok()?,
                recipient: recipient.map(RecipientId),
                state: state.parse().ok()?,
                desk_received_at: desk.to_jiff(),
                supplier_received_at: received.map(|t| t.to_jiff()),
                stopped_on: stopped_on.and_then(|d| d.parse().ok()),
                documents: documents.remove(&id).unwrap_or_default(),
            })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    async fn documents(&self, entry: Uuid) -> Result<HashMap<Uuid, Vec<(Uuid, contracts::Date, HandOver)>>, DbError> {
        let rows: Vec<(Uuid, Uuid, String, String)> = sqlx::query_as(
            "select d.work_order, d.id, d.issued_on::text, d.how from stop_document d join work_order w on w.id = d.work_order
              where w.entry = $1 order by d.at limit 1000",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let mut documents: HashMap<Uuid, Vec<_>> = HashMap::new();
        for (work_order, id, on, how) in rows {
            let how = if how == "electronic" { HandOver::Electronic } else { HandOver::Paper };
            let of = documents.entry(work_order).or_default();
            if let (Ok(on), true) = (on.parse(), of.len() < 20) {
                of.push((id, on, how));
            }
        }
        Ok(documents)
    }

    async fn consents(&self, entry: Uuid) -> Result<Vec<ConsentRow>, DbError> {
        let rows: Vec<(String, bool, Time, String)> = sqlx::query_as(
            "select what, given, said_at, text from consent where entry = $1 order by said_at, at limit 200",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let row = |(what, given, at, text): (String, bool, Time, String)| {
            let to = if what == "tell-others" { ConsentTo::TellOthers } else { ConsentTo::ElectronicDocument };
            Some(ConsentRow { to, given, at: at.to_jiff(), text: text.parse().ok()? })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    async fn provisions(&self, entry: Uuid) -> Result<Vec<ProvisionRow>, DbError> {
        type Row = (Option<Uuid>, Option<i16>, Uuid, Vec<String>, Option<Uuid>, Time, String);
        let rows: Vec<Row> = sqlx::query_as(
            "select recipient, hospital, person, items, consent, at, kept_until::text from provision_record
              where entry = $1 order by at limit 1000",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let row = |(recipient, hospital, person, items, consent, at, kept): Row| {
            Some(ProvisionRow {
                recipient: recipient.map(RecipientId),
                supplier: hospital.and_then(|n| n.try_into().ok()),
                person,
                items: items.iter().filter_map(|item| item.parse().ok()).collect(),
                consent,
                at: at.to_jiff(),
                kept_until: kept.parse().ok()?,
            })
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    async fn disagreements(
        &self,
        entry: Uuid,
    ) -> Result<Vec<(CaseId, contracts::Capacity, contracts::Timestamp)>, DbError> {
        let rows: Vec<(Uuid, String, Time)> = sqlx::query_as(
            "select \"case\", capacity, received_at from disagreement where entry = $1 order by received_at limit 200",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let row =
            |(case, capacity, at): (Uuid, String, Time)| Some((CaseId(case), capacity.parse().ok()?, at.to_jiff()));
        Ok(rows.into_iter().filter_map(row).collect())
    }

    async fn relays(
        &self,
        entry: Uuid,
    ) -> Result<Vec<(CaseId, contracts::Code, contracts::Code, contracts::Timestamp)>, DbError> {
        let rows: Vec<(Uuid, String, String, Time)> = sqlx::query_as(
            "select \"case\", acquired, basis, received_at from relay_record where entry = $1 order by received_at limit 200",
        )
        .bind(entry)
        .fetch_all(self.pool())
        .await?;
        let row = |(case, acquired, basis, at): (Uuid, String, String, Time)| {
            Some((CaseId(case), acquired.parse().ok()?, basis.parse().ok()?, at.to_jiff()))
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }
}
