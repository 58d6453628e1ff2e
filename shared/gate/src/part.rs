//! What a key is made of, what the columns are called, and what may be wrong with a row.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! parts {
    ($($(#[$doc:meta])* $variant:ident = $word:literal [$($alias:literal),*];)*) => {
        /// A value of a row that the gate reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Part { $($(#[$doc])* $variant,)* }
        impl Part {
            /// Every part.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word in rules and columns.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
            /// What a column may be called besides, after [`crate::forbidden::plain`].
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($alias),*],)* }
            }
        }
    };
}

parts! {
    /// 振り仮名.
    Kana = "kana" ["カナ", "カナ氏名", "氏名カナ", "カナ名", "フリガナ", "振り仮名", "ふりがな", "患者カナ氏名", "患者氏名カナ", "namekana", "kananame"];
    /// 氏名.
    Name = "name" ["氏名", "漢字氏名", "氏名漢字", "患者氏名", "患者名", "fullname"];
    /// 生年月日.
    BirthDate = "birth-date" ["birthdate", "生年月日", "birthday", "dateofbirth", "dob"];
    /// 性別.
    Sex = "sex" ["性別", "gender", "性別コード"];
    /// 医療情報取扱事業者, by 医療機関コード or by name.
    Supplier = "supplier" ["医療機関コード", "医療機関", "病院", "施設コード", "hospital", "facility"];
    /// 診察券番号, the hospital's own number.
    PatientNumber = "patient-number" ["patientnumber", "patientid", "患者番号", "患者id", "診察券番号"];
    /// 保険者番号.
    Insurer = "insurer" ["insurernumber", "保険者番号"];
    /// 被保険者証等の記号.
    Symbol = "symbol" ["insurancesymbol", "記号", "被保険者記号", "被保険者証記号"];
    /// 被保険者証等の番号.
    Number = "number" ["insurancenumber", "番号", "被保険者番号", "被保険者証番号"];
    /// 枝番.
    Branch = "branch" ["branchnumber", "枝番"];
    /// 通知日: when the person was notified (Act art. 52(1)). Never part of a key.
    NotifiedOn = "notified-on" ["notifiedon", "通知日", "通知年月日"];
}

impl Part {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Whether it is one of the numbers that need a permission (Health Insurance Act art. 194-2).
    pub const fn is_insurance(self) -> bool {
        matches!(self, Self::Insurer | Self::Symbol | Self::Number | Self::Branch)
    }

    /// The part that a column of this name holds, by the built-in names.
    pub fn of_column(name: &str) -> Option<Self> {
        let plain = crate::forbidden::plain(name);
        Self::ALL
            .iter()
            .copied()
            .find(|part| crate::forbidden::plain(part.as_str()) == plain || part.aliases().contains(&plain.as_str()))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is wrong with a row. Never quotes it. A bad row is never passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bad {
    /// A value of this part cannot be read.
    Value(Part),
    /// A key column holds a My Number (個人番号): the row was not hashed.
    ForbiddenNumber(Part),
    /// Nothing in it by which anybody could be found.
    NoKey,
    /// Over the limit of one record.
    TooLong,
    /// A quoted field that does not end.
    QuoteNotClosed,
    /// Not the number of fields that the first line has.
    Fields,
    /// Text after a closing quote, or a quote inside a bare field.
    Quote,
    /// Not in the encoding that was said.
    Encoding,
    /// Not a JSON object on one line.
    Json,
    /// A member twice, a member of the gate's own name, or one whose value is no text or number.
    Member,
    /// A member that holds a number that nobody may ask for.
    ForbiddenMember,
}

impl Bad {
    /// The code in reports.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Value(part) => part.as_str(),
            Self::ForbiddenNumber(_) => "forbidden-number",
            Self::NoKey => "no-key",
            Self::TooLong => "too-long",
            Self::QuoteNotClosed => "quote-not-closed",
            Self::Fields => "number-of-fields",
            Self::Quote => "quote",
            Self::Encoding => "encoding",
            Self::Json => "no-json-object",
            Self::Member => "member",
            Self::ForbiddenMember => "forbidden-column",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_name_means_two_parts() {
        let mut seen = std::collections::BTreeMap::new();
        for part in Part::ALL {
            for name in part.aliases().iter().map(|a| (*a).to_owned()).chain([crate::forbidden::plain(part.as_str())]) {
                assert_eq!(crate::forbidden::plain(&name), name, "written as it is compared");
                assert!(!crate::forbidden::is_forbidden_column(&name), "{name}");
                let before = seen.insert(name.clone(), *part);
                assert!(before.is_none_or(|p| p == *part), "{name} twice");
            }
        }
        assert_eq!(Part::of_column("カナ 氏名"), Some(Part::Kana));
        assert_eq!(Part::of_column("Patient_ID"), Some(Part::PatientNumber));
        assert_eq!(Part::of_column("備考"), None);
    }
}
