//! `[fulfilment]` of the configuration.

use serde::Deserialize;

/// The options of this service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Years for which the record of a decision is kept, counted from the day after it.
    pub keep_years: u16,
}

impl Setting {
    /// Rules art. 25 wants three years for the records of complaints; less is not possible here for any kind.
    pub const YEARS_MIN: u16 = 3;
    /// The most years that may be given.
    pub const YEARS_MAX: u16 = 30;

    /// Checks the values.
    ///
    /// # Errors
    /// Names the key and what may stand there.
    pub fn checked(self) -> anyhow::Result<Self> {
        anyhow::ensure!(
            (Self::YEARS_MIN..=Self::YEARS_MAX).contains(&self.keep_years),
            "`fulfilment.keep_years` is {}: use {} to {}",
            self.keep_years,
            Self::YEARS_MIN,
            Self::YEARS_MAX
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
        assert!(settings.section::<Setting>("fulfilment").unwrap().checked().is_ok());
    }

    #[test]
    fn less_than_the_law_s_three_years_is_refused_by_the_name_of_the_key() {
        assert!(Setting { keep_years: 3 }.checked().is_ok());
        for years in [0, 2, 31] {
            let error = Setting { keep_years: years }.checked().unwrap_err().to_string();
            assert!(error.starts_with("`fulfilment.keep_years`"), "{error}");
        }
    }
}
