//! 電子メール: reads mail that anybody may have sent. What comes out is a view: the bytes stay the record, and whatever was not
//! read for certain is said as a [`Doubt`].
//!
//! A mail can abort the process that parses it, so it is parsed in one that may die: [`apart::Reader`] starts the program again,
//! gives it the bytes and takes a [`Mail`] back, within limits of time and memory. Before that, [`bytes::check`] counts.
//!
//! Pure but for [`apart`].

pub mod apart;
pub mod bounce;
pub mod bytes;
pub mod charset;
mod file;
pub mod header;
pub mod kind;
mod read;
mod view;

pub use file::{Attachment, FileKind};
pub use read::{Unreadable, read};
pub use view::{Doubt, Mail, Mailbox, Marks};
