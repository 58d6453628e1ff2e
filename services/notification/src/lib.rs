//! notification: tells people (通知) that there is something to see, and never what.

pub mod mail;
pub mod message;
pub mod texts;
pub mod transport;
