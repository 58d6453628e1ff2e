//! [`Personal`]: a value that belongs to a person, and the closed list of reasons for looking at it.
//!
//! The wrapper has no `Serialize` and no `Display`, and its `Debug` shows nothing, so that a personal value reaches a log
//! line, a trace, an error or a message only if somebody writes `.disclose(Purpose::…)`: one word to search for.

use contracts::DisclosePurpose;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::{any::Any, fmt, str::FromStr};
use zeroize::Zeroize;

macro_rules! purposes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $japanese:literal;)*) => {
        /// 利用の目的: why a personal value leaves its wrapper. Closed: a new reason is a decision, taken here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Purpose { $($(#[$doc])* $variant,)* }
        impl Purpose {
            /// Every purpose.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// The word that an audit row holds.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }
            /// The term for Japanese pages.
            pub const fn japanese(self) -> &'static str {
                match self { $(Self::$variant => $japanese,)* }
            }
        }
        impl FromStr for Purpose {
            type Err = UnknownPurpose;
            fn from_str(word: &str) -> Result<Self, UnknownPurpose> {
                match word { $($code => Ok(Self::$variant),)* _ => Err(UnknownPurpose) }
            }
        }
    };
}

purposes! {
    /// To compare what a person states with the papers shown (identity-verification).
    VerifyIdentity = "verify-identity", "本人確認";
    /// To address a mail or a letter to the person (notification).
    NotifyPerson = "notify-person", "本人への通知";
    /// To enter the person into the register of stops (opt-out-propagation).
    EnterRegister = "enter-register", "停止登録簿への登録";
    /// To tell a recipient whose data it must stop, erase or correct; sealed to that recipient's key.
    InstructRecipient = "instruct-recipient", "通知先への指示";
    /// To search for and compile the answer to a request (fulfilment).
    AnswerRequest = "answer-request", "請求への回答";
    /// To match a payer's name with a charge (payment-reconciliation).
    MatchPayment = "match-payment", "入金の消込";
    /// To make or ask a blind index: find the rows of a person without reading them.
    FindPerson = "find-person", "本人の検索";
    /// To show it to a signed-in member of staff who works on the case (console).
    ShowToStaff = "show-to-staff", "担当者への表示";
    /// To show it to the person, who holds receipt number and access code.
    ShowToPerson = "show-to-person", "本人への表示";
    /// To seal it to the service that owns it; nothing is shown to anybody.
    SealForOwner = "seal-for-owner", "所管への封緘";
}

/// The word is not in the list of purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("purpose: not in the list of purposes; see privacy_seal::Purpose")]
pub struct UnknownPurpose;

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What another service gives as its reason in `req.intake.disclose`, as our own reason.
impl From<DisclosePurpose> for Purpose {
    fn from(asked: DisclosePurpose) -> Self {
        match asked {
            DisclosePurpose::VerifyIdentity => Self::VerifyIdentity,
            DisclosePurpose::Notify => Self::NotifyPerson,
            DisclosePurpose::EnterRegister => Self::EnterRegister,
            DisclosePurpose::PrepareAnswer => Self::AnswerRequest,
            DisclosePurpose::ShowToStaff => Self::ShowToStaff,
        }
    }
}

/// A value that belongs to a person (個人情報). Comes out by [`Personal::disclose`] only.
///
/// `String` and `Vec<u8>` are overwritten with zeros when dropped; of a struct, the leaves have to be `Personal` for that.
/// `==` is not constant time: use it for form fields, never for secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Personal<T: 'static>(T);

impl<T: 'static> Personal<T> {
    /// Wraps a value. From here on it can be cloned, compared, passed on and sealed, and not printed.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for a purpose. Where the law asks for it (intake's `disclose`), the audit row is written first.
    pub fn disclose(&self, _purpose: Purpose) -> &T {
        &self.0
    }

    /// The value itself, for a purpose; leaves the default value behind, which is then dropped.
    pub fn disclose_owned(mut self, _purpose: Purpose) -> T
    where
        T: Default,
    {
        std::mem::take(&mut self.0)
    }

    /// Another value about the same person, still wrapped. For trimming, parsing, picking a field; not for carrying it out.
    pub fn map<U: 'static>(&self, change: impl FnOnce(&T) -> U) -> Personal<U> {
        Personal(change(&self.0))
    }

    /// As [`Personal::map`], for a change that can fail.
    ///
    /// # Errors
    /// Those of `change`. They must not hold the value.
    pub fn try_map<U: 'static, E>(&self, change: impl FnOnce(&T) -> Result<U, E>) -> Result<Personal<U>, E> {
        change(&self.0).map(Personal)
    }
}

/// What was opened is not what was expected. Says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not UTF-8.
    #[error("the opened value is not UTF-8 text: it was sealed by another version or as another kind of value")]
    NotText,
    /// Not JSON of the expected shape.
    #[error(
        "the opened value is not JSON of the expected shape: it was sealed by another version or as another kind of value"
    )]
    NotJson,
}

impl Personal<Vec<u8>> {
    /// The opened bytes as UTF-8 text.
    ///
    /// # Errors
    /// [`Unreadable::NotText`].
    pub fn text(&self) -> Result<Personal<String>, Unreadable> {
        self.try_map(|bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Unreadable::NotText))
    }

    /// The opened bytes as JSON. serde's own message is dropped: it quotes the value.
    ///
    /// # Errors
    /// [`Unreadable::NotJson`].
    pub fn json<T: DeserializeOwned + 'static>(&self) -> Result<Personal<T>, Unreadable> {
        self.try_map(|bytes| serde_json::from_slice(bytes).map_err(|_| Unreadable::NotJson))
    }
}

impl<T: 'static> Drop for Personal<T> {
    fn drop(&mut self) {
        // No specialisation in stable Rust: ask the value itself. The compiler removes the branch that cannot be.
        let value: &mut dyn Any = &mut self.0;
        if let Some(text) = value.downcast_mut::<String>() {
            text.zeroize();
        } else if let Some(bytes) = value.downcast_mut::<Vec<u8>>() {
            bytes.zeroize();
        } else if let Some(Some(text)) = value.downcast_mut::<Option<String>>() {
            text.zeroize();
        }
    }
}

impl<T: 'static> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: 'static> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// Values may come in (a form, an opened letter); that they cannot go out the same way is the point.
impl<'de, T: Deserialize<'de> + 'static> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // serde's messages quote what they did not expect ("invalid type: string \"Yamada\""), hence the bare one.
        T::deserialize(from)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a personal value has the wrong type or form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_and_errors_show_nothing() {
        let name = Personal::new("Yamada Hanako".to_owned());
        assert_eq!(format!("{name:?} {:#?}", Some(name.clone())), "[personal] Some(\n    [personal],\n)");
        let error = serde_json::from_str::<Personal<u32>>("\"Yamada\"").unwrap_err().to_string();
        assert!(!error.contains("Yamada"), "{error}");
        let bad = Personal::new(br#"{"name":"Yamada"}"#.to_vec()).json::<Vec<u8>>().unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("Yamada"));
    }

    #[test]
    fn comes_out_by_purpose_only_and_keeps_its_wrapper_on_the_way() {
        let given = Personal::new(" 山田 花子 ".to_owned());
        let trimmed = given.map(|name| name.trim().to_owned());
        assert_eq!(trimmed.disclose(Purpose::EnterRegister), "山田 花子");
        assert_eq!(trimmed.disclose_owned(Purpose::EnterRegister), "山田 花子");
        assert_eq!(Personal::new(b"\xff".to_vec()).text().unwrap_err(), Unreadable::NotText);
        let read: Personal<Vec<u32>> = Personal::new(b"[1,2]".to_vec()).json().unwrap();
        assert_eq!(read.disclose(Purpose::ShowToStaff), &[1, 2]);
    }

    #[test]
    fn purposes_are_distinct_words_that_read_back() {
        let words: std::collections::BTreeSet<_> = Purpose::ALL.iter().map(|p| p.as_str()).collect();
        assert_eq!(words.len(), Purpose::ALL.len());
        for purpose in Purpose::ALL {
            assert_eq!(purpose.to_string().parse(), Ok(*purpose));
            assert!(!purpose.japanese().is_ascii());
        }
        assert_eq!("curiosity".parse::<Purpose>(), Err(UnknownPurpose));
        for asked in DisclosePurpose::ALL {
            assert!(Purpose::ALL.contains(&Purpose::from(*asked)));
        }
    }
}
