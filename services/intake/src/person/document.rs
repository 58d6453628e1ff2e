//! The sealed document of a case: a JSON object whose keys are the words of [`PersonField`]. It has no `Debug`.

use contracts::PersonField;
use privacy::{BlindIndex, BlindTag, IndexField, Personal, Purpose, Unreadable};
use privacy_seal::{
    Zeroizing,
    filing::{Circumstances, NewRequest, PersonalDetails},
};
use serde_json::{Map, Value};

/// Everything personal of a case.
pub struct Document(Map<String, Value>);

impl Document {
    /// The personal part of a filing. Fields that were left empty are absent.
    pub fn of(request: &NewRequest) -> Self {
        let mut map = details(&request.person);
        if let Some(representative) = &request.representative {
            map.insert(PersonField::Representative.as_str().into(), Value::Object(details(representative)));
        }
        put(&mut map, PersonField::Words, &request.words);
        list(&mut map, PersonField::Hospitals, &request.hospitals);
        circumstances(&mut map, &request.circumstances);
        Self(map)
    }

    /// As it was sealed.
    ///
    /// # Errors
    /// Sealed by another version; the error quotes nothing.
    pub fn read(opened: &Personal<Vec<u8>>) -> Result<Self, Unreadable> {
        let map: Personal<Map<String, Value>> = opened.json()?;
        Ok(Self(map.disclose_owned(Purpose::SealForOwner)))
    }

    /// As it is sealed.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // A map of strings, lists and maps of them: serialising it into memory cannot fail.
        Zeroizing::new(serde_json::to_vec(&self.0).unwrap_or_default())
    }

    /// Only these fields.
    ///
    /// Who acts for the person is who is written to, so the representative's mail stands in place of the person's.
    pub fn pick(&self, fields: &[PersonField]) -> Self {
        let mut picked = Map::new();
        for field in fields {
            let acting = match field {
                PersonField::Mail => {
                    self.0.get(PersonField::Representative.as_str()).and_then(|r| r.get(field.as_str()))
                }
                _ => None,
            };
            if let Some(value) = acting.or_else(|| self.0.get(field.as_str())) {
                picked.insert(field.as_str().into(), value.clone());
            }
        }
        Self(picked)
    }

    /// Name and address of whoever is written to: who acts for the person, or the person.
    pub fn addressee(&self) -> (&str, &str) {
        let acting = self.0.get(PersonField::Representative.as_str()).and_then(Value::as_object);
        let text = |field: PersonField| acting.unwrap_or(&self.0).get(field.as_str()).and_then(Value::as_str);
        (text(PersonField::Name).unwrap_or_default(), text(PersonField::Address).unwrap_or_default())
    }

    /// The index rows of person and representative. A value that cannot be folded is not found by, and that is all.
    pub fn tags(&self, index: &BlindIndex) -> Vec<(IndexField, BlindTag)> {
        let mut tags = party_tags(&self.0, index);
        let former = self.0.get(PersonField::FormerNames.as_str()).and_then(Value::as_array);
        let former = former.into_iter().flatten().filter_map(Value::as_str).map(|s| Personal::new(s.to_owned()));
        tags.extend(former.filter_map(|name| Some((IndexField::Name, index.name(&name).ok()?))));
        if let Some(Value::Object(representative)) = self.0.get(PersonField::Representative.as_str()) {
            tags.extend(party_tags(representative, index));
        }
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}

fn party_tags(party: &Map<String, Value>, index: &BlindIndex) -> Vec<(IndexField, BlindTag)> {
    let text =
        |field: PersonField| party.get(field.as_str()).and_then(Value::as_str).map(|s| Personal::new(s.to_owned()));
    let kana = text(PersonField::Kana);
    let both = kana.as_ref().zip(text(PersonField::BirthDate));
    [
        text(PersonField::Name).and_then(|v| Some((IndexField::Name, index.name(&v).ok()?))),
        kana.as_ref().and_then(|v| Some((IndexField::Kana, index.kana(v).ok()?))),
        text(PersonField::Telephone).and_then(|v| Some((IndexField::Telephone, index.telephone(&v).ok()?))),
        both.and_then(|(k, d)| Some((IndexField::KanaAndBirthDate, index.kana_and_birth_date(k, &d).ok()?))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn details(party: &PersonalDetails) -> Map<String, Value> {
    let PersonalDetails { name, kana, birth_date, sex, address, mail, telephone } = party;
    let mut map = Map::new();
    put(&mut map, PersonField::Name, name);
    put(&mut map, PersonField::Kana, kana);
    if let Some(date) = birth_date {
        put(&mut map, PersonField::BirthDate, &date.to_string());
    }
    put(&mut map, PersonField::Sex, sex);
    put(&mut map, PersonField::Address, address);
    put(&mut map, PersonField::Mail, mail);
    put(&mut map, PersonField::Telephone, telephone);
    map
}

fn circumstances(map: &mut Map<String, Value>, said: &Circumstances) {
    let Circumstances { standing, power, former_names, former_addresses, visits, accommodation, safe_contact } = said;
    let standing: Vec<String> = standing.iter().map(|word| word.as_str().to_owned()).collect();
    list(map, PersonField::Standing, &standing);
    put(map, PersonField::Power, power);
    list(map, PersonField::FormerNames, former_names);
    list(map, PersonField::FormerAddresses, former_addresses);
    if !visits.is_empty() {
        let each = visits.iter().map(|visit| {
            let parts =
                [("hospital", &visit.hospital), ("period", &visit.period), ("patient_number", &visit.patient_number)];
            let given = parts.into_iter().filter(|(_, text)| !text.is_empty());
            Value::Object(given.map(|(part, text)| (part.to_owned(), Value::String(text.clone()))).collect())
        });
        map.insert(PersonField::Visits.as_str().into(), Value::Array(each.collect()));
    }
    put(map, PersonField::Accommodation, accommodation);
    put(map, PersonField::SafeContact, safe_contact);
}

fn list(map: &mut Map<String, Value>, field: PersonField, texts: &[String]) {
    if !texts.is_empty() {
        let texts = texts.iter().cloned().map(Value::String).collect();
        map.insert(field.as_str().into(), Value::Array(texts));
    }
}

fn put(map: &mut Map<String, Value>, field: PersonField, text: &str) {
    if !text.is_empty() {
        map.insert(field.as_str().into(), Value::String(text.to_owned()));
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        self.0.values_mut().for_each(wipe);
    }
}

fn wipe(value: &mut Value) {
    use zeroize::Zeroize;
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(all) => all.iter_mut().for_each(wipe),
        Value::Object(map) => map.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use contracts::{CaseId, Kind, Uuid};

    /// A request with every field, of people who do not exist.
    pub(crate) fn request(kind: Kind) -> NewRequest {
        let json = serde_json::json!({
            "case": CaseId(Uuid::from_u128(7)),
            "receipt_number": contracts::ReceiptNumber::from_random([3; 16]),
            "code_key": vec![9; 32],
            "kind": kind, "capacity": "parent", "scope": null, "channel": "web", "language": "ja",
            "received_at": "2026-06-01T01:00:00Z",
            "person": {
                "name": "山田標識", "kana": "ヤマダヒョウシキ", "birth_date": "1980-04-05", "sex": "female",
                "address": "標識市架空町1-2-3", "mail": "person@example.test", "telephone": "03-0000-0001"
            },
            "representative": { "name": "山田親標識", "mail": "parent@example.test" },
            "words": "標識の記録を見せてください", "hospitals": ["標識病院"],
            "circumstances": {
                "standing": ["other-parent-agrees"], "power": "標識の事情", "former_names": ["旧姓標識"],
                "former_addresses": ["標識市旧町"], "accommodation": "標識の配慮", "safe_contact": "標識の連絡",
                "visits": [{ "hospital": "標識病院", "period": "2020年ごろ", "patient_number": "00-1" }]
            }
        });
        serde_json::from_value(json).unwrap()
    }

    fn keys(document: &Document) -> Vec<&str> {
        document.0.keys().map(String::as_str).collect()
    }

    #[test]
    fn keys_are_the_words_of_the_list_and_what_was_left_empty_is_absent() {
        let mut all: Vec<&str> = PersonField::ALL.iter().map(|f| f.as_str()).collect();
        all.sort_unstable();
        assert_eq!(keys(&Document::of(&request(Kind::Disclosure))), all);
        let mut bare = request(Kind::Disclosure);
        bare.person = PersonalDetails { name: "標識".into(), ..PersonalDetails::default() };
        (bare.representative, bare.words, bare.hospitals) = (None, String::new(), Vec::new());
        bare.circumstances = Circumstances::default();
        assert_eq!(keys(&Document::of(&bare)), ["name"]);
    }

    #[test]
    fn only_what_was_asked_for_is_picked_and_the_one_who_acts_is_written_to() {
        let document = Document::of(&request(Kind::Disclosure));
        assert_eq!(keys(&document.pick(&[PersonField::Name, PersonField::Kana])), ["kana", "name"]);
        assert_eq!(document.pick(&[PersonField::Mail]).0["mail"], "parent@example.test");
        let mut alone = request(Kind::Disclosure);
        alone.representative = None;
        assert_eq!(Document::of(&alone).pick(&[PersonField::Mail]).0["mail"], "person@example.test");
        assert_eq!(document.addressee(), ("山田親標識", ""), "never the child's address with the parent's name");
        assert_eq!(Document::of(&alone).addressee(), ("山田標識", "標識市架空町1-2-3"));
    }

    /// A filing that was sealed before there were circumstances is opened as ever.
    #[test]
    fn a_filing_without_circumstances_is_read_and_written_as_before() {
        let mut plain = request(Kind::Disclosure);
        plain.circumstances = Circumstances::default();
        let json = serde_json::to_value(&plain).unwrap();
        assert!(json.get("circumstances").is_none());
        assert!(serde_json::from_value::<NewRequest>(json).unwrap() == plain);
    }

    #[test]
    fn it_survives_its_json() {
        let document = Document::of(&request(Kind::Disclosure));
        let again = Document::read(&Personal::new(document.to_json().to_vec())).unwrap();
        assert!(again.0 == document.0);
        assert!(Document::read(&Personal::new(b"[]".to_vec())).is_err());
    }

    #[test]
    fn person_and_representative_are_found_by_whole_values() {
        let index = BlindIndex::from_bytes([1; 32]);
        let tags = Document::of(&request(Kind::Disclosure)).tags(&index);
        // Four of the person, a former name, the name of the representative.
        assert_eq!(tags.len(), 6);
        let of = |text: &str| Personal::new(text.to_owned());
        assert!(tags.contains(&(IndexField::Name, index.name(&of("山田 標識")).unwrap())));
        assert!(tags.contains(&(IndexField::Name, index.name(&of("山田親標識")).unwrap())));
        assert!(tags.contains(&(IndexField::Name, index.name(&of("旧姓標識")).unwrap())), "who has changed the name");
        let mut odd = request(Kind::Disclosure);
        odd.person.telephone = "none".into();
        odd.person.kana = "・".into();
        assert_eq!(Document::of(&odd).tags(&index).len(), 3, "what cannot be folded is left out");
    }
}
