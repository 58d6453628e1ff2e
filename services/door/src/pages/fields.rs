//! The form as data: sections of fields, each with its words, its value and what is wrong with it.

use crate::{
    draft::{Fields, field_of},
    problem,
    request::{FieldError, max},
    texts::Texts,
};
use contracts::{Capacity, Kind, Language, Scope, Track};

/// How a field is filled in.
pub enum Control {
    /// One line: HTML type, `autocomplete` and `inputmode`.
    Line(&'static str, &'static str, &'static str),
    /// Several lines.
    Lines(u8),
    /// One of these: value, label.
    Choice(Vec<(String, String)>),
}

/// One field.
pub struct Field {
    /// `id` and `name`.
    pub id: String,
    /// 項目名.
    pub label: String,
    /// What to write; empty = nothing to add.
    pub hint: String,
    /// As typed.
    pub value: String,
    /// What is wrong, with the remedy.
    pub error: Option<String>,
    /// 必須.
    pub required: bool,
    /// The most characters.
    pub max: usize,
    /// How it is filled in.
    pub control: Control,
}

impl Field {
    /// The ids that `aria-describedby` names.
    pub fn described_by(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!("{}-hint", self.id) };
        let error = self.error.as_ref().map_or(String::new(), |_| format!("{}-error", self.id));
        format!("{hint} {error}").trim().to_owned()
    }
    /// The id of what the error summary leads to: the first choice of a group, or the field.
    pub fn target(&self) -> String {
        match &self.control {
            Control::Choice(choices) => {
                choices.first().map_or(self.id.clone(), |(value, _)| format!("{}-{value}", self.id))
            }
            _ => self.id.clone(),
        }
    }
}

/// A group of fields under one heading.
pub struct Section {
    /// Also the class of the group.
    pub id: &'static str,
    /// Heading.
    pub legend: String,
    /// What it is about.
    pub hint: String,
    /// In the order of the form.
    pub fields: Vec<Field>,
}

/// Builds the form of a kind from the words, what was typed and what is wrong.
pub struct Builder<'a> {
    /// The words.
    pub w: &'a Texts,
    /// What was typed.
    pub typed: &'a Fields,
    /// What is wrong.
    pub errors: &'a [FieldError],
    /// Which form.
    pub kind: Kind,
}

impl Builder<'_> {
    /// All sections.
    pub fn sections(&self) -> Vec<Section> {
        let mut request = Vec::new();
        if self.kind == Kind::ProvisionStop {
            let scopes = [Scope::Both, Scope::Anonymised, Scope::Pseudonymised];
            request.push(self.choice("scope", scopes.iter().map(|s| s.as_str()), "scope", "both"));
        }
        request.push(self.field("hospitals", false, max::HOSPITALS * (max::HOSPITAL + 2), Control::Lines(3)));
        let worded = matches!(self.kind, Kind::Correction | Kind::Complaint | Kind::Consultation);
        request.push(self.field("words", worded, max::WORDS, Control::Lines(5)));
        let capacities = Capacity::ALL.iter().filter(|c| **c != Capacity::Bereaved || self.kind.track() == Track::Act);
        let capacity = self.choice("capacity", capacities.map(|c| c.as_str()), "capacity", "person");
        vec![
            self.section("who", vec![capacity]),
            self.section("person", self.party("person")),
            self.section("representative", self.party("representative")),
            self.section("request", request),
        ]
    }

    fn section(&self, id: &'static str, fields: Vec<Field>) -> Section {
        let words = |part: &str| self.w.of("section", &format!("{id}.{part}")).to_owned();
        Section { id, legend: words("legend"), hint: words("hint"), fields }
    }

    fn party(&self, root: &str) -> Vec<Field> {
        let field = |name: &str, required, max, control| self.field(&format!("{root}-{name}"), required, max, control);
        let person = root == "person";
        // Complaints and consultations search for nothing: a name is enough.
        let searched = person && self.kind.needs_identity();
        // The browser's own details belong to whoever sits before it; that may be either of the two.
        let line = |kind, auto, mode| Control::Line(kind, auto, mode);
        let mut fields = vec![
            field("name", true, max::NAME, line("text", "name", "")),
            // A name in Latin letters has no reading, and on the English page most have one.
            field("kana", searched && self.w.language == Language::Ja, max::NAME, line("text", "off", "")),
            field("birth_date", searched, 100, line("text", "off", "")),
        ];
        if searched {
            fields.push(self.choice("person-sex", ["female", "male", "other"].into_iter(), "sex", ""));
        }
        fields.push(field("address", searched || !person, max::ADDRESS, line("text", "street-address", "")));
        fields.push(field("mail", false, max::MAIL, line("email", "email", "email")));
        fields.push(field("telephone", false, max::TELEPHONE, line("tel", "tel", "tel")));
        fields
    }

    fn choice<'w>(&self, id: &str, values: impl Iterator<Item = &'w str>, words: &str, absent: &str) -> Field {
        let choices = values.map(|value| (value.to_owned(), self.w.of(words, value).to_owned())).collect();
        let mut field = self.field(id, false, 0, Control::Choice(choices));
        if field.value.is_empty() {
            field.value = absent.to_owned();
        }
        field
    }

    fn field(&self, id: &str, required: bool, max: usize, control: Control) -> Field {
        // `person-name` and `representative-name` share their words; a text of the whole id wins.
        let short = id.rsplit_once('-').map_or(id, |(_, name)| name);
        let words = |part: &str| {
            let own = self.w.of("field", &format!("{id}.{part}"));
            if own.is_empty() { self.w.of("field", &format!("{short}.{part}")) } else { own }.to_owned()
        };
        let error = self.errors.iter().find(|error| field_of(&error.pointer) == id);
        Field {
            id: id.to_owned(),
            label: words("label"),
            hint: words("hint"),
            value: self.typed.get(id).to_owned(),
            error: error.map(|error| problem::detail(error, self.w)),
            required,
            max,
            control,
        }
    }
}
