//! What the messages may hold: the flow table, and the shape of every type in `contracts`.

use super::source::sources;
use contracts::{FLOW, Family, Service, flow};
use std::collections::HashSet;
use syn::visit::{self, Visit};

#[test]
fn every_message_has_a_speaker_and_hearers() {
    let mut types = HashSet::new();
    for entry in FLOW {
        assert!(types.insert(entry.message_type()), "{} twice", entry.message_type());
        assert!(!entry.hearers.is_empty(), "{} has no hearer", entry.name);
        assert_eq!(
            entry.hearers.iter().collect::<HashSet<_>>().len(),
            entry.hearers.len(),
            "{} names a hearer twice",
            entry.name
        );
        match entry.family {
            Family::Command => {
                assert_eq!((entry.speaker, entry.hearers), (Service::Intake, &[entry.at][..]), "{}", entry.name)
            }
            Family::Fact => assert_eq!(entry.speaker, entry.at, "{}", entry.name),
        }
    }
    for service in Service::ALL {
        assert!(flow::heard_by(*service).next().is_some(), "{} hears nothing", service.token());
    }
    // The console watches every fact of a case.
    for entry in FLOW.iter().filter(|e| e.family == Family::Fact) {
        assert!(entry.hearers.contains(&Service::Console), "the console does not hear {}", entry.name);
    }
}

/// Words that name what a person is. A field named so would carry it.
const PERSONAL: [&str; 24] = [
    "name",
    "kana",
    "surname",
    "mail",
    "email",
    "phone",
    "telephone",
    "tel",
    "fax",
    "address",
    "postcode",
    "zip",
    "birth",
    "birthday",
    "age",
    "sex",
    "gender",
    "hospital",
    "hospitals",
    "diagnosis",
    "payer",
    "remitter",
    "words",
    "comment",
];

/// Where such a word is a key, not a value, or the bytes are sealed.
const KNOWN: [(&str, &str); 0] = [];

#[derive(Default)]
struct Shapes {
    file: String,
    of: String,
    private_newtype: bool,
    findings: Vec<String>,
    fields: usize,
}

impl Shapes {
    fn complain(&mut self, what: String) {
        self.findings.push(format!("{}: {} {what}", self.file, self.of));
    }
}

impl<'ast> Visit<'ast> for Shapes {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let serialized = |attributes: &[syn::Attribute]| attributes.iter().any(|a| quoted(a).contains("Serialize"));
        match item {
            syn::Item::Struct(s) if serialized(&s.attrs) => {
                self.of = s.ident.to_string();
                // A newtype with a private inside checks what goes in: its alphabet is its own business.
                self.private_newtype = matches!(&s.fields, syn::Fields::Unnamed(u) if u.unnamed.len() == 1 && matches!(u.unnamed[0].vis, syn::Visibility::Inherited));
                visit::visit_item(self, item);
            }
            syn::Item::Enum(e) if serialized(&e.attrs) => {
                self.of = e.ident.to_string();
                self.private_newtype = false;
                visit::visit_item(self, item);
            }
            syn::Item::Mod(m) if m.content.is_some() => visit::visit_item(self, item),
            _ => {}
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.fields += 1;
        if let Some(name) = &field.ident {
            let name = name.to_string();
            let personal = name.split('_').any(|part| PERSONAL.contains(&part));
            if personal && !KNOWN.contains(&(self.of.as_str(), name.as_str())) {
                self.complain(format!("has a field named `{name}`"));
            }
        }
        if !self.private_newtype {
            visit::visit_type(self, &field.ty);
        }
    }

    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        if ["String", "str", "Cow", "CString", "OsString", "PathBuf"].contains(&ident.to_string().as_str())
            && !self.private_newtype
        {
            self.complain(format!("holds free text (`{ident}`): use Code, a word list, or Sealed"));
        }
    }
}

/// An attribute as text; enough to look for a word in a derive.
fn quoted(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        _ => String::new(),
    }
}

#[test]
fn no_message_can_hold_personal_data_or_free_text() {
    let mut shapes = Shapes::default();
    for source in sources(&["shared/contracts/src"]) {
        let file = syn::parse_file(&source.text).unwrap();
        shapes.file = source.path;
        shapes.visit_file(&file);
    }
    assert!(shapes.fields > 150, "only {} fields were read", shapes.fields);
    assert!(shapes.findings.is_empty(), "\n  {}", shapes.findings.join("\n  "));
}
