//! Where fetched programs and data are kept when nobody says.

use std::env;
use std::path::PathBuf;

use rustix::process::geteuid;

use crate::Error;

/// Programs: `MADOGUCHI_CACHE`, else `/var/cache/madoguchi` for root (the unprivileged servers must reach it), else
/// `$XDG_CACHE_HOME/madoguchi`, else `~/.cache/madoguchi`.
///
/// # Errors
/// None of them is known.
pub fn default_cache_dir() -> Result<PathBuf, Error> {
    if let Some(dir) = variable("MADOGUCHI_CACHE") {
        return std::path::absolute(&dir).map_err(Error::io("cannot use MADOGUCHI_CACHE =", &dir));
    }
    place("/var/cache/madoguchi", "XDG_CACHE_HOME", ".cache", "MADOGUCHI_CACHE")
}

/// Data: `/var/lib/madoguchi` for root, else `$XDG_DATA_HOME/madoguchi`, else `~/.local/share/madoguchi`.
///
/// # Errors
/// None of them is known.
pub fn default_data_dir() -> Result<PathBuf, Error> {
    place("/var/lib/madoguchi", "XDG_DATA_HOME", ".local/share", "--data")
}

fn place(for_root: &str, xdg: &str, below_home: &str, setting: &str) -> Result<PathBuf, Error> {
    if geteuid().is_root() {
        return Ok(PathBuf::from(for_root));
    }
    // The XDG specification: a relative path is to be ignored.
    if let Some(dir) = variable(xdg).filter(|dir| dir.is_absolute()) {
        return Ok(dir.join("madoguchi"));
    }
    let home = variable("HOME").filter(|dir| dir.is_absolute()).ok_or_else(|| {
        Error::Environment(format!("HOME is not set, so there is no default folder; set HOME or give {setting}"))
    })?;
    Ok(home.join(below_home).join("madoguchi"))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
