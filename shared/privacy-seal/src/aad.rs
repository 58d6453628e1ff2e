//! What a seal between two services is bound to: both sides take it from here, so that they cannot drift apart.

use contracts::ObjectId;

/// A letter in the person's out-tray: its kind and the code's public key.
pub fn letter(kind: &str, code_key: &[u8; 32]) -> Vec<u8> {
    [b"letter ", kind.as_bytes(), b" ", code_key].concat()
}

/// A bank file in the object store, sealed to payment's key by whoever brings it.
pub fn bank_file(file: ObjectId) -> Vec<u8> {
    [b"payment.bank-file ".as_slice(), file.0.as_bytes()].concat()
}

/// A file that a recipient sent back, in the object store, sealed to opt-out propagation's key by whoever brings it.
pub fn carried_file(file: ObjectId) -> Vec<u8> {
    [b"optout.carried-file ".as_slice(), file.0.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_already_stays_openable() {
        assert_eq!(letter("status", &[7; 32]), [b"letter status ".as_slice(), &[7; 32]].concat());
        assert_eq!(bank_file(ObjectId::default()), [b"payment.bank-file ".as_slice(), &[0; 16]].concat());
    }
}
