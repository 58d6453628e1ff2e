//! [`BlindIndex`]: finding a person in sealed rows without reading them.
//!
//! A row holds HMAC-SHA256(index key of the service, field ‖ 0x1f ‖ folded value), cut to 16 bytes, of whole values only.
//! Rows go with their unit. What remains to be said: in an old base backup an index can still confirm a guess, to somebody
//! who also has the index key, until that backup ends. So the index key lives with the master key, not with the backups.
//!
//! A birth date alone has too few values to be indexed by itself (one could count them); it is indexed with the kana.

use crate::{FoldError, Personal, Purpose, fold, service_key::check_name};
use hmac::{Hmac, Mac};
use privacy_seal::{
    KeyFileError,
    keyfile::{self, Secret},
};
use sha2::Sha256;
use std::{fmt, path::Path};
use zeroize::Zeroizing;

/// What is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexField {
    /// 氏名.
    Name,
    /// 振り仮名.
    Kana,
    /// 電話番号.
    Telephone,
    /// 振り仮名 and 生年月日 together.
    KanaAndBirthDate,
    /// The `Message-ID` of a mail, as written.
    MessageId,
    /// An e-mail address, in lower case.
    MailAddress,
}

impl IndexField {
    /// Every field.
    pub const ALL: &[Self] =
        &[Self::Name, Self::Kana, Self::Telephone, Self::KanaAndBirthDate, Self::MessageId, Self::MailAddress];

    /// The word in the hash and in the `field` column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kana => "kana",
            Self::Telephone => "telephone",
            Self::KanaAndBirthDate => "kana-birth-date",
            Self::MessageId => "message-id",
            Self::MailAddress => "mail-address",
        }
    }
}

/// 16 bytes to be found by; a `bytea` column. Tells nothing without the index key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindTag(pub [u8; 16]);

impl BlindTag {
    /// The bytes, for binding.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for BlindTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not shown: two log lines with the same tag would tell that they are about the same person.
        f.write_str("[blind tag]")
    }
}

/// The index key of one service.
#[derive(Clone)]
pub struct BlindIndex(Secret);

impl BlindIndex {
    /// Reads `<service>.index` of the key folder, or makes it (0600). Services have different keys, so that tags of two
    /// services cannot be compared.
    ///
    /// # Errors
    /// The file cannot be read or made, is damaged, or readable by others.
    pub fn load_or_create(folder: &Path, service: &str) -> Result<Self, KeyFileError> {
        check_name(service)?;
        keyfile::load_or_create_secret(&folder.join(format!("{service}.index"))).map(Self)
    }

    /// From bytes at hand (tests).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The tag of a name.
    ///
    /// # Errors
    /// As [`fold::name`].
    pub fn name(&self, name: &Personal<String>) -> Result<BlindTag, FoldError> {
        fold::name(name.disclose(Purpose::FindPerson)).map(|folded| self.tag(IndexField::Name, folded))
    }

    /// The tag of a name's kana.
    ///
    /// # Errors
    /// As [`fold::kana`].
    pub fn kana(&self, kana: &Personal<String>) -> Result<BlindTag, FoldError> {
        fold::kana(kana.disclose(Purpose::FindPerson)).map(|folded| self.tag(IndexField::Kana, folded))
    }

    /// The tag of a telephone number.
    ///
    /// # Errors
    /// As [`fold::telephone`].
    pub fn telephone(&self, number: &Personal<String>) -> Result<BlindTag, FoldError> {
        fold::telephone(number.disclose(Purpose::FindPerson)).map(|folded| self.tag(IndexField::Telephone, folded))
    }

    /// The tag of kana and birth date together: what a register is searched by.
    ///
    /// # Errors
    /// As [`fold::kana`] and [`fold::birth_date`].
    pub fn kana_and_birth_date(&self, kana: &Personal<String>, date: &Personal<String>) -> Result<BlindTag, FoldError> {
        let kana = Zeroizing::new(fold::kana(kana.disclose(Purpose::FindPerson))?);
        let date = Zeroizing::new(fold::birth_date(date.disclose(Purpose::FindPerson))?);
        // A date has ten characters and no 0x1f, so the two cannot be taken for another pair.
        Ok(self.tag(IndexField::KanaAndBirthDate, format!("{}\u{1f}{}", *kana, *date)))
    }

    /// The tag of a mail's `Message-ID`; none for an empty one.
    pub fn message_id(&self, id: &Personal<String>) -> Option<BlindTag> {
        let id = id.disclose(Purpose::FindPerson).trim();
        (!id.is_empty()).then(|| self.tag(IndexField::MessageId, id.to_owned()))
    }

    /// The tag of an e-mail address; none for an empty one.
    pub fn mail_address(&self, address: &Personal<String>) -> Option<BlindTag> {
        let address = address.disclose(Purpose::FindPerson).trim().to_lowercase();
        (!address.is_empty()).then(|| self.tag(IndexField::MailAddress, address))
    }

    fn tag(&self, field: IndexField, folded: String) -> BlindTag {
        let folded = Zeroizing::new(folded);
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(field.as_str().as_bytes());
        mac.update(b"\x1f");
        mac.update(folded.as_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&full[..16]);
        BlindTag(tag)
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[index key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Personal<String> {
        Personal::new(text.to_owned())
    }

    #[test]
    fn the_same_person_is_found_and_fields_and_services_stay_apart() {
        let index = BlindIndex::from_bytes([1; 32]);
        assert_eq!(index.kana(&of("ショウダ")), index.kana(&of("ｼﾖｳﾀﾞ")));
        assert_ne!(index.kana(&of("ショウダ")), index.name(&of("シヨウダ")));
        assert_ne!(index.kana(&of("ショウダ")), BlindIndex::from_bytes([2; 32]).kana(&of("ショウダ")));
        let both = index.kana_and_birth_date(&of("しょうだ"), &of("昭和55年4月5日")).unwrap();
        assert_eq!(both, index.kana_and_birth_date(&of("ショウダ"), &of("1980-04-05")).unwrap());
        assert_ne!(both, index.kana_and_birth_date(&of("ショウダ"), &of("1980-04-06")).unwrap());
        assert_eq!(index.telephone(&of("03-1234-5678")), index.telephone(&of("+81312345678")));
        assert_eq!(index.name(&of("")), Err(FoldError::Empty("name")));
        assert_eq!(format!("{both:?} {index:?}"), "[blind tag] [index key]");
    }

    /// Computed apart with another program: a change here would make every stored tag useless.
    #[test]
    fn the_tag_is_fixed() {
        let tag = BlindIndex::from_bytes([1; 32]).telephone(&of("03-1234-5678")).unwrap();
        assert_eq!(hex::encode(tag.0), include_str!("../fixtures/blind_tag_v1.hex").trim());
    }

    #[test]
    fn the_key_survives_a_restart_and_differs_per_service() {
        let folder = tempfile::tempdir().unwrap();
        let tag = |service| BlindIndex::load_or_create(folder.path(), service).unwrap().kana(&of("ショウダ")).unwrap();
        assert_eq!(tag("intake"), tag("intake"));
        assert_ne!(tag("intake"), tag("optout"));
    }
}
