//! A person's values, for one page: asked for, opened, shown, forgotten. Never stored here.

use crate::{
    audit,
    command::{CommandError, Commands},
};
use chassis::{Clock, Db, DbError};
use contracts::{
    CaseId, DisclosePurpose, PersonField, Service, StaffId,
    request::{Disclose, DisclosedReply},
};
use privacy::{Personal, ServiceKey};
use serde_json::Value;

/// What came of asking.
pub enum Shown {
    /// The values: field, and its lines.
    Values(Personal<Vec<(PersonField, Vec<String>)>>),
    /// The personal part no longer exists (消去済み).
    Erased,
    /// Intake does not know the case (yet).
    Unknown,
    /// Intake does not give them for this purpose.
    Forbidden,
}

/// Why nothing could be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// Intake does not answer.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The audit row could not be written, so nothing was asked.
    #[error(transparent)]
    Db(#[from] DbError),
    /// What came does not open or has another shape.
    #[error("the values that intake sent cannot be opened: does the console's key file belong to this house?")]
    Unreadable,
}

/// The fields that the case page shows, in its order.
pub const FIELDS: &[PersonField] = &[
    PersonField::Name,
    PersonField::Kana,
    PersonField::BirthDate,
    PersonField::Sex,
    PersonField::Address,
    PersonField::Telephone,
    PersonField::Mail,
    // How contact may be made is read before contact is made.
    PersonField::SafeContact,
    PersonField::Accommodation,
    PersonField::FormerNames,
    PersonField::FormerAddresses,
    PersonField::Representative,
    PersonField::Standing,
    PersonField::Power,
    PersonField::Hospitals,
    PersonField::Visits,
    PersonField::Words,
];

/// Writes down who looks, asks intake, opens the answer.
pub async fn show(
    db: &Db,
    clock: &Clock,
    commands: &Commands,
    key: &ServiceKey,
    staff: StaffId,
    case: CaseId,
) -> Result<Shown, ShowError> {
    let purpose = DisclosePurpose::ShowToStaff;
    let cause = audit::looked(db, staff, Some(case), purpose.as_str(), FIELDS, clock.now()).await?;
    let question = Disclose {
        case,
        asker: contracts::Code::of(Service::Console.token()),
        purpose,
        fields: FIELDS.to_vec(),
        cause,
        staff: Some(staff),
    };
    match commands.ask(&question).await? {
        DisclosedReply::Erased => Ok(Shown::Erased),
        DisclosedReply::Unknown => Ok(Shown::Unknown),
        DisclosedReply::Forbidden => Ok(Shown::Forbidden),
        DisclosedReply::Values { sealed } => {
            let opened = key.open(case.0.as_bytes(), &sealed.0).map_err(|_| ShowError::Unreadable)?;
            let values: Personal<Value> = opened.json().map_err(|_| ShowError::Unreadable)?;
            Ok(Shown::Values(values.map(|v| lines(v, FIELDS))))
        }
    }
}

/// The fields that are there, each as lines of text. An object within (the representative) gives one line per member.
fn lines(values: &Value, fields: &[PersonField]) -> Vec<(PersonField, Vec<String>)> {
    let line = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Object(all) => all.values().filter_map(Value::as_str).collect::<Vec<_>>().join(" / "),
        other => other.to_string(),
    };
    fields
        .iter()
        .filter_map(|field| {
            let lines = match values.get(field.as_str())? {
                Value::Null => return None,
                Value::Array(all) => all.iter().map(line).collect(),
                Value::Object(all) => {
                    all.values().filter(|v| !v.is_null()).map(line).filter(|l| !l.is_empty()).collect()
                }
                Value::String(s) => s.lines().map(str::to_owned).collect(),
                other => vec![line(other)],
            };
            (!lines.is_empty()).then_some((*field, lines))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_lines_and_absent_ones_nothing() {
        let values = json!({"name": "n", "words": "a\nb", "hospitals": ["h1", "h2"], "mail": null, "telephone": "",
            "representative": {"name": "r", "mail": ""}, "unasked": "x",
            "visits": [{"hospital": "h1", "period": "2020"}]});
        let got = lines(&values, FIELDS);
        let words: Vec<_> = got.iter().map(|(f, l)| (f.as_str(), l.iter().map(String::as_str).collect())).collect();
        let expected: Vec<(&str, Vec<&str>)> = vec![
            ("name", vec!["n"]),
            ("representative", vec!["r"]),
            ("hospitals", vec!["h1", "h2"]),
            ("visits", vec!["h1 / 2020"]),
            ("words", vec!["a", "b"]),
        ];
        assert_eq!(words, expected);
    }
}
