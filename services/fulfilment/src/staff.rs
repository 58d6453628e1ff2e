//! What members of staff order: the decision. Every order says who and why.
//!
//! Why, and what the person is answered, are written down sealed before the order is tried, so that no decision ever stands
//! without its record; those of a refused order are dropped again.

use crate::{
    answer::{Answer, Input},
    decision::Grounds,
    store::{Record, Store},
};
use calendar::{Calendar, Counting, Rule, Span, end_of, jst_date, last_day};
use chassis::{Cause, Clock, HandleError, Home, Outcome};
use contracts::{
    Code, Language, Timestamp,
    request::{Decide, StaffCommand, StaffReply},
};
use privacy::{Personal, Purpose, RecordClass, ServiceKey, Vault, VaultError};
use serde_json::json;
use std::sync::Arc;

/// The longest reason for the order, in characters.
const WHY_MAX: usize = 2_000;
/// The longest reasons for the person, in characters.
const REASONS_MAX: usize = 10_000;
/// Table and column that sealed bytes belong to.
const WHY_PLACE: &[u8] = b"fulfilment.order_reason.sealed";
const ANSWER_PLACE: &[u8] = b"fulfilment.answer_record.sealed";

/// Carries out the orders.
#[derive(Clone)]
pub struct Desk {
    /// The answers.
    pub home: Home<Answer>,
    /// The service's tables.
    pub store: Store,
    /// The keys of the records.
    pub vault: Vault,
    /// What reasons are sealed to.
    pub key: Arc<ServiceKey>,
    /// Now.
    pub clock: Clock,
    /// How long records are kept.
    pub keep_years: u16,
}

/// Why an order is not carried out: a code, and the field.
type No = (Code, Code);

impl Desk {
    /// `req.fulfilment.decide`.
    ///
    /// # Errors
    /// Nothing was done; the console tries again.
    pub async fn decide(&self, c: StaffCommand<Decide>) -> Result<StaffReply, HandleError> {
        let (at, case) = (self.clock.now(), c.order.case.0);
        let (why, reasons) = match self.open(&c) {
            Ok(opened) => opened,
            Err((reason, field)) => return Ok(StaffReply::Refused { reason, at: Some(field) }),
        };
        let input = Input::Decide {
            outcome: c.order.outcome,
            ground: c.order.ground.clone(),
            with_reasons: reasons.is_some(),
            by: c.staff,
            at,
        };
        let answer = answer_words(&c.order, reasons.as_ref());
        let key = match self.vault.key(case, RecordClass::StatutoryRecord).await {
            Ok(key) => key,
            Err(VaultError::Erased { .. }) => {
                return Ok(StaffReply::Refused { reason: Code::of("case-erased"), at: None });
            }
            Err(error) => return Err(HandleError::Unavailable(error.to_string())),
        };
        let seal = |place: &[u8], text: &Personal<String>| {
            let sealed = key.seal(place, text.disclose(Purpose::SealForOwner).as_bytes());
            sealed.map_err(|e| HandleError::Unavailable(e.to_string()))
        };
        let record = Record {
            cause: c.token,
            case,
            staff: c.staff,
            why: seal(WHY_PLACE, &why)?,
            answer: seal(ANSWER_PLACE, &answer)?,
            at,
            keep_until: keep_until(at, self.keep_years),
        };
        let kept = self.store.keep(record).await?;
        let outcome = self.home.handle(case, Cause::Person(c.token), input).await?;
        if kept && !matches!(outcome, Outcome::Done { .. } | Outcome::Already { .. } | Outcome::Seen { .. }) {
            self.store.drop_record(c.token).await?;
        }
        Ok(outcome.reply(case))
    }

    /// Opens what came sealed. Additional data: the token for the order's reason, the case for the person's.
    fn open(&self, c: &StaffCommand<Decide>) -> Result<(Personal<String>, Option<Personal<String>>), No> {
        let why = self.text(c.token.as_bytes(), &c.why.0, WHY_MAX, "why")?;
        let reasons = match &c.order.reasons {
            Some(sealed) => Some(self.text(c.order.case.0.as_bytes(), &sealed.0, REASONS_MAX, "reasons")?),
            None => None,
        };
        Ok((why, reasons))
    }

    fn text(&self, aad: &[u8], sealed: &[u8], most: usize, field: &'static str) -> Result<Personal<String>, No> {
        let no = |what: &str| (format!("{field}-{what}").parse().unwrap_or(Code::of("unreadable")), Code::of(field));
        let opened = self.key.open(aad, sealed).map_err(|_| no("unreadable"))?;
        let text = opened.text().map_err(|_| no("unreadable"))?;
        match text.disclose(Purpose::SealForOwner).trim().chars().count() {
            0 => Err(no("missing")),
            n if n > most => Err(no("too-long")),
            _ => Ok(text),
        }
    }
}

/// What the person is answered, as JSON: outcome, ground, the standard words in both languages, the reasons in words.
fn answer_words(order: &Decide, reasons: Option<&Personal<String>>) -> Personal<String> {
    let ground = Grounds::embedded().find(&order.ground);
    let words = |language| ground.map(|g| g.words(order.outcome, language));
    let reasons = reasons.map(|r| r.disclose(Purpose::AnswerRequest));
    let answer = json!({
        "outcome": order.outcome,
        "ground": order.ground,
        "article": ground.map(|g| &g.article),
        "ja": words(Language::Ja),
        "en": words(Language::En),
        "reasons": reasons,
    });
    Personal::new(answer.to_string())
}

/// Until when the record of a decision is kept: the years after the day of the decision (初日不算入, 民法140条). Three years
/// for complaints by rules art. 25; for the other kinds the operator's own choice (UNVERIFIED), at least the same.
pub fn keep_until(at: Timestamp, years: u16) -> Timestamp {
    let rule =
        Rule::new("430M60000582001 art. 25; otherwise the operator's procedure", Counting::From, Span::Years(years));
    end_of(last_day(jst_date(at), &rule, Calendar::embedded()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{CaseId, DecisionOutcome, Uuid};
    use jiff::civil::date;

    #[test]
    fn a_record_of_10_june_2026_ends_with_10_june_2029() {
        let at = calendar::start_of(date(2026, 6, 10));
        assert_eq!(keep_until(at, 3), end_of(date(2029, 6, 10)));
    }

    #[test]
    fn the_answer_of_a_refusal_does_not_tell_whether_a_record_exists() {
        let order = Decide {
            case: CaseId(Uuid::from_u128(1)),
            outcome: DecisionOutcome::Refused,
            ground: Code::of("appi-33-2-1"),
            reasons: None,
        };
        let reasons = Personal::new("理由".to_owned());
        let answer = answer_words(&order, Some(&reasons));
        let answer: serde_json::Value = serde_json::from_str(answer.disclose(Purpose::AnswerRequest)).unwrap();
        assert_eq!(answer["reasons"], "理由");
        assert_eq!(answer["outcome"], "refused");
        assert!(answer["ja"].as_str().unwrap().contains("有無を示すものではありません"));
        assert!(answer["en"].as_str().unwrap().contains("does not say whether"));
    }
}
