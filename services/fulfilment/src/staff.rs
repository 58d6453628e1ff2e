//! What members of staff order: the decision. Every order says who and why.
//!
//! Why, and what the person is answered, are written down sealed before the order is tried, so that no decision ever stands
//! without its record; those of a refused order are dropped again (`custody::orders`).

use crate::{
    answer::{Answer, Input},
    complaint::{self, ComplaintRecord},
    decision::Grounds,
    store::Record,
};
use calendar::{Calendar, Counting, Rule, Span, end_of, jst_date, last_day};
use chassis::{Clock, HandleError, Home};
use contracts::{
    Code, Language, Timestamp, Uuid,
    request::{Decide, StaffCommand, StaffReply},
};
use custody::{Custody, orders::Words};
use privacy::{Personal, Purpose, RecordClass};
use serde_json::json;

/// The reasons for the person.
const REASONS: Words = Words {
    field: Code::of("reasons"),
    most: 10_000,
    missing: Code::of("reasons-missing"),
    too_long: Code::of("reasons-too-long"),
    unreadable: Code::of("reasons-unreadable"),
};
/// Table and column that sealed bytes belong to.
const ANSWER_PLACE: &[u8] = b"fulfilment.answer_record.sealed";

/// Carries out the orders.
#[derive(Clone)]
pub struct Desk {
    /// The answers.
    pub home: Home<Answer>,
    /// The keys of the records, and the reasons.
    pub custody: Custody,
    /// Now.
    pub clock: Clock,
    /// How long records are kept.
    pub keep_years: u16,
}

impl Desk {
    /// `req.fulfilment.decide`.
    ///
    /// # Errors
    /// Nothing was done; the console tries again.
    pub async fn decide(&self, c: StaffCommand<Decide>) -> Result<StaffReply, HandleError> {
        let (at, case) = (self.clock.now(), c.order.case.0);
        let reasons = match &c.order.reasons {
            Some(sealed) => match self.custody.words(&REASONS, case.as_bytes(), &sealed.0) {
                Ok(reasons) => Some(reasons),
                Err(reply) => return Ok(reply),
            },
            None => None,
        };
        let record = match &c.order.complaint {
            Some(sealed) => match self.record(case, &sealed.0) {
                Ok(record) => Some(record),
                Err((reason, at)) => return Ok(StaffReply::Refused { reason, at: Some(at) }),
            },
            None => None,
        };
        let reason = match self.custody.reason(&c, case, RecordClass::StatutoryRecord, at).await? {
            Ok(reason) => reason,
            Err(reply) => return Ok(reply),
        };
        let words = answer_words(&c.order, reasons.as_ref(), record.as_ref());
        let plain = words.disclose(Purpose::SealForOwner).as_bytes();
        let answer = self.custody.vault().seal(case, RecordClass::StatutoryRecord, ANSWER_PLACE, plain).await;
        let answer = answer.map_err(|error| HandleError::Unavailable(error.to_string()))?;
        let kept = Record { cause: c.token, case, answer, at, keep_until: keep_until(at, self.keep_years) };
        let input = Input::Decide {
            outcome: c.order.outcome,
            ground: c.order.ground.clone(),
            with_reasons: reasons.is_some(),
            with_record: record.is_some(),
            by: c.staff,
            at,
        };
        self.custody.carry_out(&self.home, case, reason, input, |tx| Box::pin(kept.write(tx))).await
    }

    /// 苦情処理記録, opened and complete.
    fn record(&self, case: Uuid, sealed: &[u8]) -> Result<Personal<ComplaintRecord>, (Code, Code)> {
        let opened = self.custody.key().open(case.as_bytes(), sealed);
        let opened = opened.map_err(|_| (Code::of("complaint-record-unreadable"), Code::of("complaint")))?;
        let record = complaint::read(&opened)?;
        record.disclose(Purpose::SealForOwner).check()?;
        Ok(record)
    }
}

/// What the person is answered, as JSON: outcome, ground, the standard words in both languages, the reasons in words; and beside it,
/// for nobody but the desk and the supervising minister, the record of a complaint.
fn answer_words(
    order: &Decide,
    reasons: Option<&Personal<String>>,
    record: Option<&Personal<ComplaintRecord>>,
) -> Personal<String> {
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
        "complaint_record": record.map(|record| record.disclose(Purpose::SealForOwner)),
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
    use contracts::{CaseId, DecisionOutcome};
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
            complaint: None,
        };
        let reasons = Personal::new("理由".to_owned());
        let answer = answer_words(&order, Some(&reasons), None);
        let answer: serde_json::Value = serde_json::from_str(answer.disclose(Purpose::AnswerRequest)).unwrap();
        assert_eq!(answer["reasons"], "理由");
        assert_eq!(answer["outcome"], "refused");
        assert!(answer["ja"].as_str().unwrap().contains("有無を示すものではありません"));
        assert!(answer["en"].as_str().unwrap().contains("does not say whether"));
    }
}
