//! What the public face of the desk may do with personal data: seal it. Nothing here opens what a service's key protects.
//!
//! The door (`services/door`) faces the Internet and depends on this crate only. The crate `privacy`, which holds the
//! secret halves, is for the services behind it; a test of the crate graph keeps the door from depending on it. So an
//! intruder in the door sees what passes through while he is there, and nothing that was filed before.
//!
//! | what | who can open it |
//! |---|---|
//! | [`seal_to`] a service's [`PublicKey`] (HPKE) | that service, with `privacy::ServiceKey` |
//! | [`Hatch::seal`] (AES-256-GCM, forgotten after 1,000 filings or 10 seconds) | the desk, which got the hatch's key sealed |
//! | [`segments::SegmentSealer`] (one key per file, sealed to a service's [`PublicKey`]) | that service |
//! | [`seal_to`] a person's [`CodeKey::public`] | whoever holds the [`AccessCode`]: the person, and the door while the person is there |
//!
//! The only opening function is [`CodeKey::open`], and a `CodeKey` can be made from an access code only.

pub mod aad;
pub mod code;
pub mod code_key;
pub mod filing;
pub mod hatch;
pub mod keyfile;
pub mod personal;
pub mod public_key;
pub mod seal;
pub mod segments;

pub use code::{AccessCode, DoorSecret, NotACode};
pub use code_key::CodeKey;
pub use contracts::Sealed;
pub use filing::{ArrivedMail, Envelope, Filing, NewRequest, PersonalDetails};
pub use hatch::{Hatch, HatchBox, HatchRow, SealedFiling};
pub use keyfile::{KeyFileError, Secret};
pub use personal::{Personal, Purpose, Unreadable};
pub use public_key::{NotAKey, PublicKey, PublicKeys};
pub use seal::{OpenError, SealError, seal_json, seal_to};
pub use segments::SegmentSealer;
pub use zeroize::Zeroizing;
