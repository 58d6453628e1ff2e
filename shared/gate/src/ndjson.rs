//! Members of one NDJSON row (RFC 8259, one object per line), without building what is not asked for.
//!
//! Two readers of `{"kana":"A","kana":"B"}` may see two people: a member that counts and is there twice makes the row bad.

use crate::{
    forbidden::is_forbidden_column,
    part::{Bad, Part},
    person::Person,
};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use std::{borrow::Cow, collections::HashMap, fmt};

/// What a member's name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Part(Part),
    Other,
    Forbidden,
    Gate,
}

/// Names seen so far; a file has few.
#[derive(Debug, Default)]
pub struct Names {
    own: Vec<(String, Part)>,
    seen: HashMap<String, Kind>,
}

/// The most names that are remembered.
const NAMES_MAX: usize = 512;

impl Names {
    /// With the file's own names for parts; the built-in ones besides.
    pub fn new(own: &[(Part, String)]) -> Self {
        Self { own: own.iter().map(|(p, n)| (n.clone(), *p)).collect(), seen: HashMap::new() }
    }

    fn kind(&mut self, name: &str) -> Kind {
        if let Some(kind) = self.seen.get(name) {
            return *kind;
        }
        let own = self.own.iter().find(|(n, _)| n == name).map(|(_, p)| *p);
        let built_in = || Part::of_column(name).filter(|p| !self.own.iter().any(|(_, part)| part == p));
        let kind = if is_forbidden_column(name) {
            Kind::Forbidden
        } else if name == crate::filter::MARK {
            Kind::Gate
        } else {
            own.or_else(built_in).map_or(Kind::Other, Kind::Part)
        };
        if self.seen.len() < NAMES_MAX {
            self.seen.insert(name.to_owned(), kind);
        }
        kind
    }
}

/// Reads one row.
///
/// # Errors
/// See [`Bad`].
pub fn read(line: &[u8], names: &mut Names, person: &mut Person) -> Result<(), Bad> {
    let text = std::str::from_utf8(line).map_err(|_| Bad::Encoding)?;
    let mut bad = None;
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Row { names, person, bad: &mut bad }.deserialize(&mut from).and_then(|()| from.end());
    match (read, bad) {
        (_, Some(bad)) => Err(bad),
        (Err(_), None) => Err(Bad::Json),
        (Ok(()), None) => Ok(()),
    }
}

/// The same row with its mark.
pub fn mark(line: &[u8], word: &str, out: &mut Vec<u8>) {
    let text = line.trim_ascii();
    let inside = text.strip_suffix(b"}").unwrap_or(text).trim_ascii_end();
    out.extend_from_slice(inside);
    if !inside.ends_with(b"{") {
        out.push(b',');
    }
    out.extend_from_slice(format!("\"{}\":\"{word}\"}}\n", crate::filter::MARK).as_bytes());
}

struct Row<'a> {
    names: &'a mut Names,
    person: &'a mut Person,
    bad: &'a mut Option<Bad>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = [false; Part::COUNT];
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let wrong = match self.names.kind(&name) {
                Kind::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Kind::Forbidden => Bad::ForbiddenMember,
                Kind::Gate => Bad::Member,
                Kind::Part(part) if std::mem::replace(&mut seen[part as usize], true) => Bad::Member,
                Kind::Part(part) => match map.next_value::<Scalar<'de>>() {
                    Ok(Scalar(value)) => match self.person.set(part, &value) {
                        Ok(()) => continue,
                        Err(bad) => bad,
                    },
                    Err(error) => {
                        *self.bad = (!error.to_string().contains("EOF")).then_some(Bad::Member);
                        return Err(error);
                    }
                },
            };
            *self.bad = Some(wrong);
            return Err(A::Error::custom("bad row"));
        }
        Ok(())
    }
}

struct Name<'a>(Cow<'a, str>);
struct Scalar<'a>(Cow<'a, str>);

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(n.to_string()))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }
}

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Text).map(Name)
    }
}

impl<'de> serde::Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Text).map(Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Result<(Option<String>, Option<String>), Bad> {
        let mut person = Person::new();
        read(line.as_bytes(), &mut Names::new(&[(Part::Kana, "yomi".into())]), &mut person)?;
        let get = |part| person.get(part).map(str::to_owned);
        Ok((get(Part::Kana), get(Part::PatientNumber)))
    }

    #[test]
    fn members_that_count_are_read_and_nothing_twice() {
        let line = r#"{"yomi":"ﾔﾏﾀﾞ","患者番号":17,"x":{"y":[1,{"kana":"z"}]},"name":null}"#;
        assert_eq!(row(line), Ok((Some("ヤマダ".into()), Some("17".into()))));
        assert_eq!(row(r#"{"yomi":"ア","yomi":"イ"}"#), Err(Bad::Member));
        assert_eq!(row(r#"{"yomi":"ア","gate":"no-match"}"#), Err(Bad::Member));
        assert_eq!(row(r#"{"yomi":["ア"]}"#), Err(Bad::Member));
        assert_eq!(row(r#"{"マイナンバー":"1"}"#), Err(Bad::ForbiddenMember));
        assert_eq!(row(r#"{"yomi":"\u30a2"}"#), Ok((Some("ア".into()), None)));
        for line in ["", "[]", "{", "{}{}", "\"x\"", "{\"yomi\":\"ア\""] {
            assert_eq!(row(line), Err(Bad::Json), "{line}");
        }
        assert_eq!(read(b"{\"yomi\":\"\xff\"}", &mut Names::default(), &mut Person::new()), Err(Bad::Encoding));
    }

    #[test]
    fn a_mark_is_one_more_member() {
        let mut out = vec![];
        mark(b" {\"a\":1} \r\n", "exact", &mut out);
        mark(b"{ }", "bad", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "{\"a\":1,\"gate\":\"exact\"}\n{\"gate\":\"bad\"}\n");
    }
}
