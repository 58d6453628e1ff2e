//! What is wrong with a form, in words and at its fields.

use super::Page;
use contracts::arrival::Fault;
use filing::draft::field_of;

/// Each field's `id` with its sentence, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    /// As intake says it.
    pub fn of(page: &Page, faults: &[Fault]) -> Self {
        let one = |fault: &Fault| {
            let words = page.word("field-error", fault.code.as_str());
            (
                field_of(fault.pointer.as_str()),
                words.replace("{}", fault.fill.as_ref().map_or("", |fill| fill.as_str())),
            )
        };
        Self(faults.iter().map(one).collect())
    }

    /// A field that cannot even be sent.
    pub fn one(page: &Page, field: &str, code: &str) -> Self {
        Self(vec![(field.to_owned(), page.word("field-error", code))])
    }

    /// All of them.
    pub fn all(&self) -> &[(String, String)] {
        &self.0
    }
    /// What is wrong with one field.
    pub fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(id, _)| id == field).map(|(_, words)| words.as_str())
    }
}
