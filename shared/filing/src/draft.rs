//! From what came over the wire to a [`Draft`]: a JSON document, read strictly, or the fields of the form.
//!
//! Reading by hand instead of by `Deserialize` has two reasons: everything wrong is to be said at once, not only the first
//! thing; and serde's messages quote values.

use crate::request::{Draft, FieldError, HospitalDraft, PartyDraft, StandingDraft, max};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The fields of a request.
pub const TOP: &[&str] = &[
    "kind",
    "capacity",
    "scope",
    "language",
    "person",
    "representative",
    "words",
    "hospitals",
    "standing",
    "former_names",
    "former_addresses",
    "accommodation",
    "safe_contact",
];
/// The fields of what is said about the capacity.
pub const STANDING: &[&str] = &["relation", "other_parent", "reason", "power", "agent", "receipt"];
/// The fields of a hospital that is more than a name.
pub const HOSPITAL: &[&str] = &["name", "period", "patient_number"];
/// The fields of a party.
pub const PARTY: &[&str] = &["name", "kana", "birth_date", "sex", "address", "mail", "telephone"];

/// Reads a JSON body.
///
/// The names of unknown fields are not repeated: a client with its columns mixed up would send a name as one.
///
/// # Errors
/// Not JSON at all. What has the wrong shape is in the list beside the draft.
pub fn from_json(body: &[u8]) -> Result<(Draft, Vec<FieldError>), FieldError> {
    let value: Value = serde_json::from_slice(body).map_err(|_| FieldError::new("", "not-json"))?;
    let mut reader = Reader { errors: Vec::new() };
    let mut draft = Draft::default();
    let Value::Object(mut top) = value else {
        return Ok((draft, vec![FieldError::new("", "not-object")]));
    };
    draft.kind = reader.text(&mut top, "", "kind");
    draft.capacity = reader.text(&mut top, "", "capacity");
    draft.scope = reader.text(&mut top, "", "scope");
    draft.language = reader.text(&mut top, "", "language");
    draft.person = reader.party(&mut top, "person").unwrap_or_default();
    draft.representative = reader.party(&mut top, "representative");
    draft.words = reader.text(&mut top, "", "words");
    draft.hospitals = reader.hospitals(&mut top);
    draft.standing = reader.standing(&mut top).unwrap_or_default();
    draft.former_names = reader.texts(&mut top, "former_names");
    draft.former_addresses = reader.texts(&mut top, "former_addresses");
    draft.accommodation = reader.text(&mut top, "", "accommodation");
    draft.safe_contact = reader.text(&mut top, "", "safe_contact");
    reader.nothing_else(&top, Cow::Borrowed(""), TOP);
    Ok((draft, reader.errors))
}

struct Reader {
    errors: Vec<FieldError>,
}

impl Reader {
    fn text(&mut self, from: &mut Map<String, Value>, root: &str, field: &'static str) -> String {
        match from.remove(field) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.errors.push(FieldError::new(format!("{root}/{field}"), "not-text"));
                String::new()
            }
        }
    }

    fn party(&mut self, from: &mut Map<String, Value>, field: &'static str) -> Option<PartyDraft> {
        let root = format!("/{field}");
        let mut object = self.object(from.remove(field)?, &root)?;
        let party = PartyDraft {
            name: self.text(&mut object, &root, "name"),
            kana: self.text(&mut object, &root, "kana"),
            birth_date: self.text(&mut object, &root, "birth_date"),
            sex: self.text(&mut object, &root, "sex"),
            address: self.text(&mut object, &root, "address"),
            mail: self.text(&mut object, &root, "mail"),
            telephone: self.text(&mut object, &root, "telephone"),
        };
        self.nothing_else(&object, Cow::Owned(root), PARTY);
        Some(party)
    }

    fn object(&mut self, value: Value, at: &str) -> Option<Map<String, Value>> {
        match value {
            Value::Object(object) => Some(object),
            _ => {
                self.errors.push(FieldError::new(at.to_owned(), "not-object"));
                None
            }
        }
    }

    fn standing(&mut self, from: &mut Map<String, Value>) -> Option<StandingDraft> {
        let root = "/standing";
        let mut object = self.object(from.remove("standing")?, root)?;
        let standing = StandingDraft {
            relation: self.text(&mut object, root, "relation"),
            other_parent: self.text(&mut object, root, "other_parent"),
            reason: self.text(&mut object, root, "reason"),
            power: self.text(&mut object, root, "power"),
            agent: self.text(&mut object, root, "agent"),
            receipt: self.text(&mut object, root, "receipt"),
        };
        self.nothing_else(&object, Cow::Borrowed(root), STANDING);
        Some(standing)
    }

    fn list(&mut self, from: &mut Map<String, Value>, field: &'static str) -> Vec<Value> {
        match from.remove(field) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.errors.push(FieldError::new(format!("/{field}"), "not-list"));
                Vec::new()
            }
        }
    }

    fn texts(&mut self, from: &mut Map<String, Value>, field: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for (n, item) in self.list(from, field).into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                _ => self.errors.push(FieldError::new(format!("/{field}/{n}"), "not-text")),
            }
        }
        texts
    }

    /// Each is a name, or an object with more.
    fn hospitals(&mut self, from: &mut Map<String, Value>) -> Vec<HospitalDraft> {
        let mut hospitals = Vec::new();
        for (n, item) in self.list(from, "hospitals").into_iter().enumerate() {
            let root = format!("/hospitals/{n}");
            match item {
                Value::String(name) => hospitals.push(HospitalDraft::named(name)),
                Value::Object(mut object) => {
                    hospitals.push(HospitalDraft {
                        name: self.text(&mut object, &root, "name"),
                        period: self.text(&mut object, &root, "period"),
                        patient_number: self.text(&mut object, &root, "patient_number"),
                    });
                    self.nothing_else(&object, Cow::Owned(root), HOSPITAL);
                }
                _ => self.errors.push(FieldError::new(root, "not-text")),
            }
        }
        hospitals
    }

    fn nothing_else(&mut self, rest: &Map<String, Value>, root: Cow<'static, str>, known: &[&str]) {
        if !rest.is_empty() {
            self.errors.push(FieldError::with(root, "unknown-field", known.join(", ")));
        }
    }
}

impl Draft {
    /// As [`from_json`] reads it; what is empty is left out.
    pub fn to_json(&self) -> Value {
        let party = |party: &PartyDraft| {
            let PartyDraft { name, kana, birth_date, sex, address, mail, telephone } = party;
            let fields = [name, kana, birth_date, sex, address, mail, telephone];
            object(PARTY.iter().copied().zip(fields.map(|text| Value::from(text.as_str()))))
        };
        let StandingDraft { relation, other_parent, reason, power, agent, receipt } = &self.standing;
        let standing = [relation, other_parent, reason, power, agent, receipt].map(|text| Value::from(text.as_str()));
        let hospitals = self.hospitals.iter().map(|hospital| {
            let HospitalDraft { name, period, patient_number } = hospital;
            object(HOSPITAL.iter().copied().zip([name, period, patient_number].map(|text| Value::from(text.as_str()))))
        });
        object([
            ("kind", Value::from(self.kind.as_str())),
            ("capacity", self.capacity.as_str().into()),
            ("scope", self.scope.as_str().into()),
            ("language", self.language.as_str().into()),
            ("person", party(&self.person)),
            ("representative", self.representative.as_ref().map_or(Value::Null, party)),
            ("words", self.words.as_str().into()),
            ("hospitals", Value::Array(hospitals.collect())),
            ("standing", object(STANDING.iter().copied().zip(standing))),
            ("former_names", self.former_names.clone().into()),
            ("former_addresses", self.former_addresses.clone().into()),
            ("accommodation", self.accommodation.as_str().into()),
            ("safe_contact", self.safe_contact.as_str().into()),
        ])
    }
}

/// Without what is empty.
fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let said = fields.into_iter().filter(|(_, value)| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    });
    Value::Object(said.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What the shape and what the content got wrong, as one list: one error per place, that of the shape first.
pub fn merged(shape: Vec<FieldError>, content: Vec<FieldError>) -> Vec<FieldError> {
    let mut all = shape;
    for error in content {
        let told = |known: &FieldError| {
            known.code != "unknown-field"
                && (known.pointer == error.pointer
                    || error.pointer.strip_prefix(&*known.pointer).is_some_and(|rest| rest.starts_with('/')))
        };
        if !all.iter().any(told) {
            all.push(error);
        }
    }
    all
}

/// The most fields of a form post: more than the form has with all its rows.
const FORM_FIELDS_MAX: usize = 96;

/// The fields of a form post, in order. More than 96 are cut off: the longest form has 70.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Wraps what the form extractor gives.
    pub fn new(mut pairs: Vec<(String, String)>) -> Self {
        pairs.truncate(FORM_FIELDS_MAX);
        Self(pairs)
    }

    /// The first value of a field; empty if absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The rows of hospitals in which something stands, moved up to the first: errors count them in this order.
    pub fn hospitals(&self) -> Vec<HospitalDraft> {
        let row = |n: usize| {
            let get = |part: &str| self.get(&format!("hospitals-{n}-{part}")).to_owned();
            HospitalDraft { name: get("name"), period: get("period"), patient_number: get("patient_number") }
        };
        (0..max::HOSPITALS).map(row).filter(|row| !row.is_empty()).collect()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        self.get(name).lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }

    /// All that was typed as bytes, but for the token: what a repeat of the form has to bring again.
    pub fn digest_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name != "token") {
            for part in [name, value] {
                bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        bytes
    }

    fn party(&self, root: &str) -> PartyDraft {
        let get = |field: &str| self.get(&format!("{root}-{field}")).to_owned();
        PartyDraft {
            name: get("name"),
            kana: get("kana"),
            birth_date: get("birth_date"),
            sex: get("sex"),
            address: get("address"),
            mail: get("mail"),
            telephone: get("telephone"),
        }
    }

    fn standing(&self) -> StandingDraft {
        let get = |field: &str| self.get(&format!("standing-{field}")).to_owned();
        StandingDraft {
            relation: get("relation"),
            other_parent: get("other_parent"),
            reason: get("reason"),
            power: get("power"),
            agent: get("agent"),
            receipt: get("receipt"),
        }
    }

    /// The draft that the form makes. Field names are the JSON pointers with `-` for `/`; former names and addresses stand
    /// one on a line.
    pub fn draft(&self) -> Draft {
        let representative = self.party("representative");
        Draft {
            kind: self.get("kind").to_owned(),
            capacity: self.get("capacity").to_owned(),
            scope: self.get("scope").to_owned(),
            language: self.get("language").to_owned(),
            person: self.party("person"),
            representative: (!representative.is_empty()).then_some(representative),
            words: self.get("words").to_owned(),
            hospitals: self.hospitals(),
            standing: self.standing(),
            former_names: self.lines("former_names"),
            former_addresses: self.lines("former_addresses"),
            accommodation: self.get("accommodation").to_owned(),
            safe_contact: self.get("safe_contact").to_owned(),
            guided: true,
            easy: false,
        }
    }
}

/// The `id` and `name` of the form field that a JSON pointer belongs to: `/hospitals/3` is the name in that row,
/// `/former_names/1` a line of `former_names`.
pub fn field_of(pointer: &str) -> String {
    let field = pointer.trim_start_matches('/').replace('/', "-");
    match field.split_once('-') {
        Some(("hospitals", row)) if !row.contains('-') => format!("{field}-name"),
        Some((list @ ("former_names" | "former_addresses"), _)) => list.to_owned(),
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &Value) -> (Draft, Vec<(String, &'static str)>) {
        let (draft, errors) = from_json(&serde_json::to_vec(value).unwrap()).unwrap();
        (draft, errors.into_iter().map(|e| (e.pointer.into_owned(), e.code)).collect())
    }

    #[test]
    fn a_whole_request_is_read() {
        let (draft, errors) = read(&json!({"kind": "disclosure", "capacity": "agent", "language": "en", "words": "w",
            "person": {"name": "n", "kana": "k", "birth_date": "b", "sex": "s", "address": "a", "mail": "m", "telephone": "t"},
            "representative": {"name": "r"}, "hospitals": ["h", {"name": "i", "period": "p", "patient_number": "1"}],
            "standing": {"agent": "lawyer", "receipt": "receipt-included"}, "former_names": ["f"], "safe_contact": "c"}));
        assert_eq!(errors, []);
        assert_eq!(
            (&*draft.hospitals[1].period, &*draft.standing.agent, &*draft.former_names[0]),
            ("p", "lawyer", "f")
        );
        assert_eq!((&*draft.kind, &*draft.person.telephone, draft.hospitals.len()), ("disclosure", "t", 2));
        let (again, errors) = read(&draft.to_json());
        assert_eq!((again.to_json(), errors), (draft.to_json(), vec![]), "and written again");
        assert_eq!(Draft::default().to_json(), json!({}));
        assert_eq!(draft.representative.unwrap().name, "r");
    }

    #[test]
    fn shapes_that_are_wrong_are_all_named_and_no_unknown_name_is_repeated() {
        let (_, errors) =
            read(&json!({"kind": 1, "scope": null, "person": {"name": ["標識"], "標識": 1}, "representative": "標識",
            "hospitals": [1, "h", []], "標識": 2}));
        assert_eq!(errors.len(), 8);
        assert!(!format!("{errors:?}").contains("標識"));
        let at: Vec<_> = errors.iter().map(|(p, c)| format!("{p} {c}")).collect();
        assert_eq!(
            at,
            [
                "/kind not-text",
                "/scope not-text",
                "/person/name not-text",
                "/person unknown-field",
                "/representative not-object",
                "/hospitals/0 not-text",
                "/hospitals/2 not-text",
                " unknown-field"
            ]
        );
    }

    #[test]
    fn no_object_and_no_json() {
        assert_eq!(read(&json!([1])).1, [(String::new(), "not-object")]);
        for bad in [&b""[..], b"{", b"\xff", b"{} x"] {
            assert_eq!(from_json(bad).err().unwrap().code, "not-json");
        }
        let deep = "[".repeat(60_000);
        assert!(from_json(deep.as_bytes()).is_err(), "depth is limited by the reader");
    }

    #[test]
    fn a_place_has_one_error() {
        let shape = vec![FieldError::new("/person", "not-object"), FieldError::new("", "unknown-field")];
        let content = vec![FieldError::new("/person/name", "required"), FieldError::new("/kind", "required")];
        let all: Vec<_> = merged(shape, content).into_iter().map(|e| e.pointer.into_owned()).collect();
        assert_eq!(all, ["/person", "", "/kind"]);
    }

    #[test]
    fn the_form_makes_the_same_draft() {
        let pairs = [
            ("kind", "disclosure"),
            ("person-name", "n"),
            ("hospitals-0-name", " "),
            ("hospitals-1-name", "a"),
            ("hospitals-4-period", "2020"),
            ("former_names", "a\r\n\r\n b\n"),
            ("representative-name", " "),
        ];
        let fields = Fields::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        let draft = fields.draft();
        assert_eq!((&*draft.person.name, draft.hospitals.len(), draft.former_names.len()), ("n", 2, 2));
        assert_eq!((&*draft.hospitals[0].name, &*draft.hospitals[1].period), ("a", "2020"));
        assert!(draft.representative.is_none());
        assert_eq!(field_of("/hospitals/3"), "hospitals-3-name");
        assert_eq!(field_of("/hospitals/3/period"), "hospitals-3-period");
        assert_eq!(field_of("/former_names/1"), "former_names");
        assert_eq!(field_of("/person/birth_date"), "person-birth_date");
    }
}
