//! 試験通知: the test event, read and checked as an instruction is; it is answered with a report of stage `received`.

use crate::{Identifiers, Refused, Sex, identifiers, keys::KeysError};
use contracts::{
    InstructionId, RecipientId,
    endpoint_test::{TestData, TestEvent},
    forms::Whom,
    recipient::BODY_MAX,
};
use jiff::Timestamp;
use privacy_seal::{Personal, PublicKey};

/// Reads a test event's bytes; `None`: it is none.
pub fn parse(bytes: &[u8]) -> Option<TestEvent> {
    if bytes.len() > BODY_MAX { None } else { serde_json::from_slice(bytes).ok() }
}

/// Whether it is for this recipient.
///
/// # Errors
/// [`Refused::NotForMe`], [`Refused::Contradiction`].
pub fn look(me: RecipientId, test: &TestEvent) -> Result<(), Refused> {
    if test.subject != test.data.audience {
        return Err(Refused::Contradiction);
    }
    if test.data.audience == me { Ok(()) } else { Err(Refused::NotForMe) }
}

/// Makes one, about an invented person, sealed.
///
/// # Errors
/// The key is none that can be sealed to.
pub fn make(id: InstructionId, recipient: RecipientId, key: &PublicKey, at: Timestamp) -> Result<TestEvent, KeysError> {
    let sealed = identifiers::sealed(key, id, &Personal::new(invented())).map_err(std::io::Error::other)?;
    Ok(about(sealed, id, recipient, at))
}

/// The invented person (見本 means sample).
pub fn invented() -> Identifiers {
    Identifiers {
        kana: "ミホン ハナコ".to_owned(),
        birth_date: jiff::civil::date(1980, 2, 29),
        name: Some("見本 花子".to_owned()),
        sex: Some(Sex::Female),
        hospitals: vec![],
    }
}

/// The same about whoever is at hand, in whatever form.
pub fn about(person: Whom, id: InstructionId, recipient: RecipientId, at: Timestamp) -> TestEvent {
    TestEvent {
        specversion: Default::default(),
        id,
        source: Default::default(),
        message_type: Default::default(),
        subject: recipient,
        time: at,
        datacontenttype: Default::default(),
        data: TestData { audience: recipient, person },
    }
}
