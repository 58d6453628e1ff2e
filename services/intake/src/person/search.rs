//! `req.intake.search`: cases by a whole value. The term travels sealed, the search is audited, the answer is ids.

use super::{Persons, unavailable};
use crate::store::{self, Audit};
use chassis::HandleError;
use contracts::{
    CaseId, PersonField,
    request::{FoundCases, SearchCases},
};
use privacy::{BlindTag, FoldError, IndexField, Personal, Purpose};

/// Cases in an answer.
const FOUND_MAX: i64 = 100;

impl Persons {
    /// Answers. The term is sealed to the desk's key with the 16 bytes of the member of staff's id as additional data, so that
    /// nobody else can ask with it. What cannot be searched by (another field, an empty term, a term that is not sealed to the desk) finds
    /// nothing.
    ///
    /// The term of `birth-date` is the kana and the date with a line break between them: a birth date alone has too few
    /// values to be indexed.
    ///
    /// # Errors
    /// The database or the audit is not to be had.
    pub async fn search(&self, asked: SearchCases) -> Result<FoundCases, HandleError> {
        let audit = Audit {
            at: self.bus.clock().now(),
            what: "search",
            case: None,
            asker: "console".into(),
            purpose: Purpose::FindPerson.as_str(),
            // Finding the person's own request in order to deal with it (請求等に応じる手続).
            article: "appi-37-1".into(),
            fields: vec![asked.field.as_str()],
            cause: None,
            staff: Some(asked.staff.0),
            granted: true,
        };
        store::write_audit(self.bus.db(), audit).await?;
        let Ok(opened) = self.key().open(asked.staff.0.as_bytes(), &asked.term.0) else {
            return Ok(FoundCases { cases: vec![] });
        };
        let term = opened.text().map_err(unavailable)?;
        let Some((field, tag)) = self.tag(asked.field, &term) else { return Ok(FoundCases { cases: vec![] }) };
        let cases = store::find_cases(self.bus.db(), field, tag, FOUND_MAX).await?;
        Ok(FoundCases { cases: cases.into_iter().map(CaseId).collect() })
    }

    fn tag(&self, field: PersonField, term: &Personal<String>) -> Option<(IndexField, BlindTag)> {
        let of = |field, tag: Result<BlindTag, FoldError>| tag.ok().map(|tag| (field, tag));
        match field {
            PersonField::Name => of(IndexField::Name, self.index.name(term)),
            PersonField::Kana => of(IndexField::Kana, self.index.kana(term)),
            PersonField::Telephone => of(IndexField::Telephone, self.index.telephone(term)),
            PersonField::BirthDate => {
                let part = |n: usize| term.map(|t| t.lines().nth(n).unwrap_or_default().to_owned());
                of(IndexField::KanaAndBirthDate, self.index.kana_and_birth_date(&part(0), &part(1)))
            }
            _ => None,
        }
    }
}
