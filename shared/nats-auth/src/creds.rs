//! The `.creds` text: a user JWT and the user's seed in one file, as every NATS client reads it.

use crate::Error;

const JWT_BEGIN: &str = "-----BEGIN NATS USER JWT-----";
const JWT_END: &str = "------END NATS USER JWT------";
const SEED_BEGIN: &str = "-----BEGIN USER NKEY SEED-----";
const SEED_END: &str = "------END USER NKEY SEED------";

/// The two parts of a `.creds` text. `seed` is a secret; there is no `Debug`.
pub struct Creds {
    /// The user JWT.
    pub jwt: String,
    /// The user's seed (`SU…`).
    pub seed: String,
}

/// Writes a `.creds` text. Keep it in a file of mode 0600.
pub fn format_creds(user_jwt: &str, user_seed: &str) -> String {
    format!(
        "{JWT_BEGIN}\n{user_jwt}\n{JWT_END}\n\n\
         ************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\
         NKEYs are sensitive and should be treated as secrets.\n\n\
         {SEED_BEGIN}\n{user_seed}\n{SEED_END}\n\n\
         *************************************************************\n"
    )
}

/// Reads a `.creds` text.
///
/// # Errors
/// One of the two blocks is missing.
pub fn parse_creds(text: &str) -> Result<Creds, Error> {
    Ok(Creds {
        jwt: block(text, "NATS USER JWT").ok_or(Error::Creds("the block NATS USER JWT is missing"))?,
        seed: block(text, "USER NKEY SEED").ok_or(Error::Creds("the block USER NKEY SEED is missing"))?,
    })
}

/// The one line between `--…BEGIN <name>--…` and `--…END <name>--…` (the number of dashes differs between tools).
fn block(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.trim_matches('-').trim() == format!("BEGIN {name}"))?;
    let line = lines.find(|line| !line.is_empty())?;
    (!line.starts_with("---")).then(|| line.to_owned())
}
