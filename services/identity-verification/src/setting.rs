//! `[identity]` of the configuration.

use serde::Deserialize;

/// The options of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// 補正の期間: days for mending, counted from the day after it was asked for; a closed last day moves to the next open one.
    pub completion_days: u16,
}

impl Setting {
    /// The most days that may be given.
    pub const DAYS_MAX: u16 = 366;

    /// Checks the values.
    ///
    /// # Errors
    /// Names the key and what may stand there.
    pub fn checked(self) -> anyhow::Result<Self> {
        anyhow::ensure!(
            (1..=Self::DAYS_MAX).contains(&self.completion_days),
            "`identity.completion_days` is {}: use 1 to {}",
            self.completion_days,
            Self::DAYS_MAX
        );
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_has_the_section() {
        let settings = chassis::config::Settings::load(None, &[]).unwrap();
        assert!(settings.section::<Setting>("identity").unwrap().checked().is_ok());
    }

    #[test]
    fn no_days_and_too_many_are_refused_by_the_name_of_the_key() {
        assert!(Setting { completion_days: 30 }.checked().is_ok());
        for days in [0, 367] {
            let error = Setting { completion_days: days }.checked().unwrap_err().to_string();
            assert!(error.starts_with("`identity.completion_days`"), "{error}");
        }
    }
}
