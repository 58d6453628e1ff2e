//! Checkpoints (C2SP `tlog-checkpoint`): a log's origin, size and root, signed as a note.

use crate::{
    note::{NotAKey, NoteError, Signer, VerifierKey},
    tree::Hash,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// How a log stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: [`origin`].
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

/// The name of a service's log in one life of its database; also the name of the key that signs its checkpoints.
pub fn origin(service: &str, epoch: i32) -> String {
    format!("madoguchi/{service}/{epoch}")
}

/// The key that signs the checkpoints of one log, from its 32 secret bytes.
///
/// # Errors
/// No name of a service.
pub fn signer(service: &str, epoch: i32, secret: &[u8; 32]) -> Result<Signer, NotAKey> {
    Signer::new(&origin(service, epoch), secret)
}

/// Why a checkpoint was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// As a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// As a checkpoint.
    #[error("the note is no checkpoint: origin, size and root in base64, one line each (C2SP tlog-checkpoint)")]
    Form,
    /// Of another log than the key's.
    #[error("the checkpoint is of another log than its key")]
    OtherLog,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads a text; lines after the third are extensions, which nobody here needs.
    ///
    /// # Errors
    /// [`CheckpointError::Form`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Form)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Form);
        };
        let digits = size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
        if origin.is_empty() || !digits || lines.any(str::is_empty) {
            return Err(CheckpointError::Form);
        }
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
        Ok(Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| CheckpointError::Form)?,
            root: root.try_into().map_err(|_| CheckpointError::Form)?,
        })
    }

    /// The note.
    pub fn sign(&self, signer: &Signer) -> String {
        signer.sign(&self.text())
    }

    /// Verifies a note and reads it. The key's name must be the origin.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(key.open(note)?)?;
        if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(CheckpointError::OtherLog) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's text, and its root.
    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let read = Checkpoint::parse(text).unwrap();
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(hex::encode(read.root), "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62");
        assert_eq!(read.text(), text);
        assert_eq!(Checkpoint::parse(&format!("{text}more\n")), Ok(read));
        for bad in [
            "",
            "a\n1\n",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            &text.replace("20852163", "020852163"),
            &text.replace("20852163", "+20852163"),
            &text.replace("20852163", "99999999999999999999"),
            &text.replace("q2I=", "q2I"),
            &format!("{text}\n"),
            text.trim_end(),
        ] {
            assert_eq!(Checkpoint::parse(bad), Err(CheckpointError::Form), "{bad:?}");
        }
    }

    #[test]
    fn a_checkpoint_is_signed_by_the_key_of_its_log() {
        let key = signer("optout", 3, &[1; 32]).unwrap();
        let checkpoint = Checkpoint { origin: origin("optout", 3), size: 7, root: [9; 32] };
        let note = checkpoint.sign(&key);
        assert_eq!(Checkpoint::open(&note, &key.verifier()), Ok(checkpoint.clone()));
        let other = signer("optout", 4, &[1; 32]).unwrap();
        assert_eq!(
            Checkpoint::open(&note, &other.verifier()),
            Err(CheckpointError::Note(NoteError::UnknownKey)),
            "another life, another log"
        );
        let moved = Checkpoint { origin: origin("intake", 3), ..checkpoint };
        assert_eq!(Checkpoint::open(&moved.sign(&key), &key.verifier()), Err(CheckpointError::OtherLog));
        assert_eq!(
            Checkpoint::open(&note.replace("\n7\n", "\n8\n"), &key.verifier()),
            Err(CheckpointError::Note(NoteError::BadSignature))
        );
    }
}
