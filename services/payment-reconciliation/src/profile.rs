//! Account profiles: by which layout a bank file is read, by the name that the importer gives. Nothing is sniffed.

use crate::zengin::{Account, Layout, Profile};
use contracts::Code;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::OnceLock};

/// What is wrong with the profiles, with the key to mend.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, or a key is missing, unknown or of another type.
    #[error("bank profiles cannot be read: {0}")]
    Shape(String),
    /// A value that cannot be.
    #[error("bank profiles: {key}: {problem}")]
    Value {
        /// The key.
        key: String,
        /// What to write instead.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profile: BTreeMap<String, Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    layout: Layout,
    #[serde(default)]
    western_years: bool,
    #[serde(default)]
    pad_short_records: bool,
    oldest_days: Option<u16>,
    #[serde(default)]
    inquiry_is_unique: bool,
    account: Option<Account>,
}

/// One profile: how to read, and for which account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProfile {
    /// How to read.
    pub profile: Profile,
    /// The bank gives a line the same 照会番号 in every file and no two lines of a day the same one. Banks that number the
    /// lines of each file anew must not have this: a line in two files would be counted twice.
    pub inquiry_is_unique: bool,
    /// Only this account, where it is given.
    pub account: Option<Account>,
}

/// All profiles by name.
pub struct Profiles(BTreeMap<Code, AccountProfile>);

impl Profiles {
    /// From a file of the shape of `infra/config/bank.toml`.
    pub fn parse(toml: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(toml).map_err(|e| ProfileError::Shape(e.to_string()))?;
        file.profile
            .into_iter()
            .map(|(name, raw)| {
                let wrong =
                    |field: &str, problem| Err(ProfileError::Value { key: format!("profile.{name}{field}"), problem });
                let Ok(code) = name.parse::<Code>() else {
                    return wrong("", "name it with lower-case letters, digits and hyphens");
                };
                let usual = Profile::of(raw.layout);
                let oldest_days = raw.oldest_days.unwrap_or(usual.oldest_days);
                // Eras lie 30 years apart: up to ten years back, six digits have one reading only.
                if !(1..=3_700).contains(&oldest_days) {
                    return wrong(".oldest_days", "1 to 3700 days");
                }
                let digits = |text: &str, n: usize| text.len() == n && text.bytes().all(|b| b.is_ascii_digit());
                if let Some(a) = &raw.account
                    && !(digits(&a.bank, 4)
                        && digits(&a.branch, 3)
                        && matches!(a.kind, 1 | 2 | 4)
                        && digits(&a.number, 7))
                {
                    return wrong(".account", "bank of 4 digits, branch of 3, kind 1, 2 or 4, number of 7 digits");
                }
                let profile = Profile {
                    western_years: raw.western_years,
                    pad_short_records: raw.pad_short_records,
                    oldest_days,
                    ..usual
                };
                Ok((code, AccountProfile { profile, inquiry_is_unique: raw.inquiry_is_unique, account: raw.account }))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The profiles that are built into the program.
    pub fn embedded() -> &'static Self {
        static BUILT_IN: OnceLock<Profiles> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            // A test parses this very file, so the program cannot be built with one that fails here.
            Self::parse(include_str!("../../../infra/config/bank.toml")).expect("the built-in profiles are valid")
        })
    }

    /// By name.
    pub fn get(&self, name: &Code) -> Option<&AccountProfile> {
        self.0.get(name)
    }

    /// Their names, for the console's list.
    pub fn names(&self) -> impl Iterator<Item = &Code> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../../infra/config/bank.toml");

    #[test]
    fn the_built_in_profiles() {
        let get = |name: &str| Profiles::embedded().get(&name.parse().unwrap()).map(|p| p.profile.layout);
        assert_eq!(get("zengin-01-a"), Some(Layout::DepositsA));
        assert_eq!(get("zengin-01-b"), Some(Layout::DepositsB));
        assert_eq!(get("zengin-03"), Some(Layout::Transactions));
        assert_eq!(get("zengin-04"), None);
        assert!(Profiles::embedded().names().count() >= 6);
    }

    #[test]
    fn errors_name_the_key() {
        for (find, replace, key) in [
            ("layout = \"01-a\"", "layout = \"01\"", "layout"),
            ("layout = \"01-a\"", "", "layout"),
            ("oldest_days = 3700", "oldest_days = 9000", ".oldest_days"),
            ("profile.zengin-01-a]", "profile.Zengin]", "profile.Zengin"),
            (
                "layout = \"01-a\"",
                "layout = \"01-a\"\naccount = { bank = \"9\", branch = \"227\", kind = 1, number = \"1234567\" }",
                ".account",
            ),
        ] {
            let error = Profiles::parse(&GOOD.replacen(find, replace, 1))
                .err()
                .unwrap_or_else(|| panic!("{replace} was accepted"));
            assert!(error.to_string().contains(key), "{key} is not in: {error}");
        }
        let tied = format!(
            "{GOOD}\n[profile.main]\nlayout = \"03\"\naccount = {{ bank = \"0009\", branch = \"227\", kind = 1, number = \"1234567\" }}\n"
        );
        assert!(Profiles::parse(&tied).unwrap().get(&"main".parse().unwrap()).unwrap().account.is_some());
    }
}
