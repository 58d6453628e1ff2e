//! [`RecordClass`]: what a key protects. Ending one class of a unit leaves its other classes readable.

use std::{fmt, str::FromStr};

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $japanese:literal, $owner:literal, $protects:literal;)*) => {
        /// 記録の区分: the class of records that one key protects (glossary "record class").
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RecordClass { $($(#[$doc])* $variant,)* }
        impl RecordClass {
            /// Every class.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word in the key database and in the READMEs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
            /// The term on Japanese pages.
            pub const fn japanese(self) -> &'static str {
                match self { $(Self::$variant => $japanese,)* }
            }
            /// The subject token of the one service that keeps records of this class (bus.md 6.4).
            pub const fn owner(self) -> &'static str {
                match self { $(Self::$variant => $owner,)* }
            }
            /// What it protects, for the READMEs.
            pub const fn protects(self) -> &'static str {
                match self { $(Self::$variant => $protects,)* }
            }
        }
        impl FromStr for RecordClass {
            type Err = UnknownClass;
            fn from_str(word: &str) -> Result<Self, UnknownClass> {
                match word { $($code => Ok(Self::$variant),)* _ => Err(UnknownClass) }
            }
        }
    };
}

classes! {
    /// The case: who asks, for whom, how to reach them, what they wrote. Ends with the retention of the case.
    Case = "case", "請求案件", "intake", "person, parties, addresses and free text of a case";
    /// Mails that people wrote, and each file in them.
    Correspondence = "correspondence", "来信", "intake", "mails as they came, and each of their files";
    /// Papers shown for identification, and images of them. Ends soonest.
    Evidence = "evidence", "本人確認資料", "identity", "images and transcriptions of identity papers";
    /// Records that a law orders to keep for a time (三年間 and the like); a deletion does not reach them.
    StatutoryRecord = "statutory-record", "法定記録", "fulfilment", "decisions, answers given, copies of documents handed over";
    /// The register of stops: kept as long as data may still come in.
    Register = "register", "停止登録簿", "optout", "identifying values of register entries and sealed instructions";
    /// The books (帳簿) on supply and erasure: three years from the entry.
    Books = "books", "帳簿", "optout", "book entries on supply and erasure";
    /// Letters and mails as sent.
    Letter = "letter", "通知", "notification", "address and text of letters and mails";
    /// Who paid: names on bank lines.
    Payer = "payer", "振込依頼人", "payment", "payer names on bank lines and refund accounts";
}

/// The word names no record class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record class: not in the list; see privacy::RecordClass")]
pub struct UnknownClass;

impl fmt::Display for RecordClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_read_back_and_fit_the_column() {
        let words: std::collections::BTreeSet<_> = RecordClass::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(words.len(), RecordClass::ALL.len());
        for class in RecordClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(*class));
            assert!(class.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        }
        assert_eq!("Case".parse::<RecordClass>(), Err(UnknownClass));
    }
}
