//! One documented file of defaults for all services, a file on top, the environment on top of that.
//!
//! `MADOGUCHI__OPTOUT__PARTNER_LISTEN=127.0.0.1:0` overrides `partner_listen` in `[optout]`. Every error names the key.

use anyhow::Context;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The defaults, in the binary.
pub const DEFAULT: &str = include_str!("../../../infra/config/default.toml");

/// The configuration of a process.
#[derive(Clone, Debug)]
pub struct Settings(config::Config);

impl Settings {
    /// Defaults, then `file` where there is one, then the environment, then `overrides` (key, value), which the command
    /// line makes.
    pub fn load(file: Option<&Path>, overrides: &[(String, String)]) -> anyhow::Result<Self> {
        let mut builder =
            config::Config::builder().add_source(config::File::from_str(DEFAULT, config::FileFormat::Toml));
        if let Some(file) = file {
            builder = builder.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        builder = builder.add_source(
            config::Environment::with_prefix("MADOGUCHI").prefix_separator("__").separator("__").try_parsing(true),
        );
        for (key, value) in overrides {
            builder = builder.set_override(key, value.as_str()).with_context(|| format!("setting `{key}`"))?;
        }
        Ok(Self(builder.build().context("reading the configuration")?))
    }

    /// One section; unknown keys, missing keys and wrong types are errors that name the key.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> anyhow::Result<T> {
        let whose = || format!("configuration section `[{name}]` (see infra/config/default.toml)");
        let value: config::Value = self.0.get(name).with_context(whose)?;
        // The library's own error names the section only.
        serde_path_to_error::deserialize(value).map_err(|error| {
            let key = match error.path().to_string() {
                whole if whole == "." => name.to_owned(),
                key => format!("{name}.{key}"),
            };
            anyhow::anyhow!("`{key}`: {}", error.into_inner()).context(whose())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read for its errors
    struct Ops {
        listen: String,
        log: crate::telemetry::LogFormat,
    }

    #[test]
    fn every_error_names_section_and_key() {
        let read = |key: &str, value: &str| {
            let settings = Settings::load(None, &[(key.to_owned(), value.to_owned())]).unwrap();
            settings.section::<Ops>("ops").map(drop).map_err(|e| format!("{e:#}"))
        };
        assert!(read("ops.log", "text").is_ok());
        for key in ["ops.log", "ops.lgo"] {
            let error = read(key, "loud").unwrap_err();
            assert!(error.contains(&format!("`{key}`")) && error.contains("[ops]"), "{error}");
        }
    }
}
