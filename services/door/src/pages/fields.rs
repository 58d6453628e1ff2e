//! The form as data: sections of fields, each with its words, its value and what is wrong with it.

use crate::{
    draft::{Fields, field_of},
    problem,
    request::{self, FieldError, max},
    texts::Texts,
};
use contracts::{Capacity, Kind, Language, Scope, Standing, Track};

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
    /// The field that the person goes on with: a row that was asked for.
    pub focus: bool,
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
    /// The section can grow by a row.
    pub more: bool,
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
        let worded = matches!(self.kind, Kind::Correction | Kind::Complaint | Kind::Consultation);
        request.push(self.field("words", worded, max::WORDS, Control::Lines(5)));
        let capacities = Capacity::ALL.iter().filter(|c| **c != Capacity::Bereaved || self.kind.track() == Track::Act);
        let capacity = self.choice("capacity", capacities.map(|c| c.as_str()), "capacity", "person");
        let mut sections = vec![
            self.section("who", vec![capacity]),
            self.section("person", self.person()),
            self.section("representative", self.party("representative")),
        ];
        sections.extend(self.standing());
        sections.push(self.section("request", request));
        if self.kind.needs_identity() {
            sections.push(self.hospitals());
        }
        let care = |id| self.field(id, false, max::CARE, Control::Lines(2));
        sections.push(self.section("care", vec![care("accommodation"), care("safe_contact")]));
        sections
    }

    /// The person, and by what names and addresses the data may be filed.
    fn person(&self) -> Vec<Field> {
        let mut fields = self.party("person");
        if self.kind.needs_identity() {
            let lines = |id, each| self.field(id, false, max::FORMER * (each + 2), Control::Lines(2));
            fields.extend([lines("former_names", max::NAME), lines("former_addresses", max::ADDRESS)]);
        }
        fields
    }

    /// 資格の事情: a section for each capacity that needs one; the style sheet shows the one of the chosen capacity.
    fn standing(&self) -> Vec<Section> {
        let choice = |field: &str, words: &[Standing]| {
            let values = words.iter().map(|word| word.as_str());
            let mut field = self.choice(&format!("standing-{field}"), values, "standing", "");
            field.required = true;
            field
        };
        let lines = |field, required| self.field(field, required, max::CARE, Control::Lines(2));
        let parent = vec![choice("other_parent", request::OTHER_PARENT), lines("standing-reason", false)];
        let agent = vec![choice("agent", request::AGENTS), choice("receipt", request::RECEIPT)];
        let mut sections = vec![
            self.section("of-parent", parent),
            self.section("of-curator", vec![lines("standing-power", true)]),
            self.section("of-agent", agent),
        ];
        if self.kind.track() == Track::Act {
            let mut relation = choice("relation", request::RELATIONS);
            if let Control::Choice(choices) = &mut relation.control {
                choices.push((request::NO_RELATION.to_owned(), self.w.of("standing", request::NO_RELATION).to_owned()));
            }
            sections.push(self.section("of-bereaved", vec![relation]));
        }
        sections
    }

    /// 受診歴: rows with something in them and one more, two at least.
    fn hospitals(&self) -> Section {
        let filled = self.typed.hospitals();
        let grown = self.typed.get("more") == "hospitals";
        let rows = (filled.len() + 1).clamp(2, max::HOSPITALS);
        let mut fields = Vec::with_capacity(rows * 3);
        for n in 0..rows {
            let row = filled.get(n).cloned().unwrap_or_default();
            let parts = [
                ("name", row.name, max::HOSPITAL),
                ("period", row.period, max::PERIOD),
                ("patient_number", row.patient_number, max::PATIENT_NUMBER),
            ];
            for (part, value, most) in parts {
                let id = format!("hospitals-{n}-{part}");
                let mut field = self.worded(&id, &format!("hospital-{part}"), most, Control::Line("text", "off", ""));
                field.label = self.w.fill(&format!("field.hospital-{part}.label"), &(n + 1).to_string());
                field.focus = grown && part == "name" && n == filled.len();
                field.value = value;
                fields.push(field);
            }
        }
        Section { more: rows < max::HOSPITALS, ..self.section("hospitals", fields) }
    }

    fn section(&self, id: &'static str, fields: Vec<Field>) -> Section {
        let words = |part: &str| self.w.of("section", &format!("{id}.{part}")).to_owned();
        Section { id, legend: words("legend"), hint: words("hint"), fields, more: false }
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
            field("kana", searched && self.w.set.language() == Language::Ja, max::NAME, line("text", "off", "")),
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

    /// A field that may be left empty, with the words of another key.
    fn worded(&self, id: &str, key: &str, max: usize, control: Control) -> Field {
        let own = self.field(id, false, max, control);
        let words = |part: &str| self.w.of("field", &format!("{key}.{part}")).to_owned();
        Field { label: words("label"), hint: words("hint"), ..own }
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
            focus: false,
            control,
        }
    }
}
