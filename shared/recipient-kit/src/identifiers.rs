//! Whom an instruction is about: what a recipient needs to find the person in its own data, and nothing more.

use crate::{key_id, keys::RecipientKeys};
use contracts::{Date, InstructionId, Sealed, forms::Whom};
use privacy_seal::{Personal, PublicKey, seal::OpenError, seal::SealError, seal_json};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most hospitals in one instruction.
pub const HOSPITALS_MAX: usize = 200;

/// 本人の特定事項, as JSON sealed to the recipient (`data.person` of an instruction).
///
/// No address, no telephone, no reason, no receipt number: what was not asked for cannot leak.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Identifiers {
    /// 氏名の振り仮名, in katakana.
    pub kana: String,
    /// 生年月日.
    pub birth_date: Date,
    /// 氏名 as stated, where it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 性別, where it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// The hospitals that the person named; none: every hospital.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hospitals: Vec<String>,
}

/// 性別.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sex {
    /// 男.
    Male,
    /// 女.
    Female,
    /// Neither, or not said.
    Other,
}

impl fmt::Debug for Identifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[identifiers]")
    }
}

/// The additional data of the seal: the instruction's id, 16 bytes. Bytes moved to another instruction do not open.
pub fn aad(instruction: InstructionId) -> [u8; 16] {
    *instruction.0.as_bytes()
}

/// Seals them to a recipient for one instruction (what the desk does).
///
/// # Errors
/// The key cannot be sealed to.
pub fn seal(key: &PublicKey, instruction: InstructionId, person: &Personal<Identifiers>) -> Result<Sealed, SealError> {
    seal_json(key, &aad(instruction), person)
}

/// The same, as it stands in an instruction.
///
/// # Errors
/// The key cannot be sealed to.
pub fn sealed(key: &PublicKey, instruction: InstructionId, person: &Personal<Identifiers>) -> Result<Whom, SealError> {
    Ok(Whom::Sealed { person: seal(key, instruction, person)?, sealed_to: key_id(key.as_bytes()) })
}

/// Opens them (what the recipient does).
///
/// # Errors
/// Sealed to another key, for another instruction, changed, or not identifiers; keyed hashes cannot be opened.
pub fn open(
    keys: &RecipientKeys,
    instruction: InstructionId,
    person: &Whom,
) -> Result<Personal<Identifiers>, OpenError> {
    let sealed = person.sealed().ok_or(OpenError::Form)?;
    keys.open(&aad(instruction), &sealed.0)?.json().map_err(|_| OpenError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy_seal::Purpose;
    use uuid::Uuid;

    fn person() -> Personal<Identifiers> {
        Personal::new(Identifiers {
            kana: "ヤマダ ハナコ".into(),
            birth_date: "1980-02-29".parse().unwrap(),
            name: Some("山田 花子".into()),
            sex: Some(Sex::Female),
            hospitals: vec!["みどり病院".into()],
        })
    }

    #[test]
    fn only_this_recipient_opens_them_and_only_for_this_instruction() {
        let (mine, other) = (RecipientKeys::random().unwrap(), RecipientKeys::random().unwrap());
        let (one, two) = (InstructionId(Uuid::from_u128(1)), InstructionId(Uuid::from_u128(2)));
        let sealed = sealed(&mine.sealing_public(), one, &person()).unwrap();
        assert_eq!(
            open(&mine, one, &sealed).unwrap().disclose(Purpose::InstructRecipient),
            person().disclose(Purpose::InstructRecipient)
        );
        assert_eq!(open(&mine, two, &sealed), Err(OpenError::Refused));
        assert_eq!(open(&other, one, &sealed), Err(OpenError::Refused));
        assert_eq!(format!("{:?}", person().disclose(Purpose::InstructRecipient)), "[identifiers]");
    }

    #[test]
    fn the_json_has_the_words_of_the_house() {
        let json = serde_json::to_value(person().disclose(Purpose::InstructRecipient)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"kana": "ヤマダ ハナコ", "birth-date": "1980-02-29", "name": "山田 花子", "sex": "female", "hospitals": ["みどり病院"]})
        );
    }

    #[test]
    fn keys_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = RecipientKeys::load_or_create(folder.path()).unwrap();
        let again = RecipientKeys::load_or_create(folder.path()).unwrap();
        assert_eq!((first.report_public(), first.sealing_id()), (again.report_public(), again.sealing_id()));
        assert_ne!(first.report_public(), *first.sealing_public().as_bytes());
    }
}
