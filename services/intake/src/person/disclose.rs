//! `req.intake.disclose`: personal values for another service, sealed to it. The audit row is committed first.

use super::{Persons, table, unavailable};
use crate::store::{self, Audit, PersonRow};
use chassis::{HandleError, telemetry};
use contracts::{
    Code, PersonField, Service,
    request::{Disclose, DisclosedReply},
};
use privacy::seal_to;

/// More fields than there are is a slip.
const FIELDS_MAX: usize = PersonField::ALL.len();

impl Persons {
    /// Answers. No answer at all (an error) means *too early*: the asker tries again.
    ///
    /// # Errors
    /// A database, a key or the audit is not to be had: nothing left.
    pub async fn disclose(&self, asked: Disclose) -> Result<DisclosedReply, HandleError> {
        let case = asked.case.0;
        let Some(service) = Service::by_token(asked.asker.as_str()) else { return Ok(DisclosedReply::Forbidden) };
        let (kind, sealed) = match store::person(self.bus.db(), case).await? {
            None => return Ok(DisclosedReply::Unknown),
            Some(PersonRow { sealed: None, .. }) => return Ok(DisclosedReply::Erased),
            Some(PersonRow { kind, sealed: Some(sealed) }) => (kind, sealed),
        };
        let article = if asked.fields.len() > FIELDS_MAX {
            None
        } else {
            table::allowed(kind, asked.purpose, service, &asked.fields, asked.staff.is_some())
        };
        store::write_audit(self.bus.db(), audit(&asked, article.as_ref(), self.bus.clock().now())).await?;
        if article.is_none() {
            telemetry::count("madoguchi.disclose.forbidden", service.token());
            tracing::warn!(case.id = %case, asker = service.token(), purpose = %asked.purpose, "a disclosure was refused");
            return Ok(DisclosedReply::Forbidden);
        }
        let key = self.key_of(service)?;
        let Some(document) = self.open(case, &sealed).await? else { return Ok(DisclosedReply::Erased) };
        let sealed = seal_to(&key, case.as_bytes(), &document.pick(&asked.fields).to_json()).map_err(unavailable)?;
        Ok(DisclosedReply::Values { sealed })
    }
}

fn audit(asked: &Disclose, article: Option<&Code>, at: contracts::Timestamp) -> Audit {
    Audit {
        at,
        what: "disclose",
        case: Some(asked.case.0),
        asker: asked.asker.to_string(),
        purpose: asked.purpose.as_str(),
        article: article.map_or_else(|| "none".to_owned(), Code::to_string),
        fields: asked.fields.iter().take(FIELDS_MAX).map(|f| f.as_str()).collect(),
        cause: Some(asked.cause),
        staff: asked.staff.map(|s| s.0),
        granted: article.is_some(),
    }
}
