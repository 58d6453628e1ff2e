//! 来信: mails, from the sealed file that the door brought to what staff see. Every mail ends as something that is shown, with the
//! reason; nothing is dropped.
//!
//! - [`outcome`]: what a mail is filed as. Pure.
//! - [`reader`]: the loop that reads: open, read in a process apart, take into parts, file.
//! - [`parts`]: a mail in parts, each under a key of its own.
//! - [`desk`]: what the console asks and orders.
//! - [`store`]: the rows.

pub mod desk;
pub mod outcome;
pub mod parts;
pub mod reader;
pub mod store;

use mail::{Mail, kind::Arrival};
use privacy_seal::Envelope;
use serde::{Deserialize, Serialize};

/// What is sealed in `mail.sealed`: all that is known of a mail, but for the bytes of its files.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// What the mail server told.
    #[serde(default, skip_serializing_if = "Envelope::is_empty")]
    pub envelope: Envelope,
    /// What was read; absent: it could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mail>,
    /// What it was taken for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
}
