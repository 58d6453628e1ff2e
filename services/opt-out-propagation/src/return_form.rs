//! 返信票: the code on the form that comes back with a letter, as a person types it or a reader reads it (QR). Pure.
//!
//! `r`, the instruction's 32 hexadecimal digits, a hyphen and four digits that check them: one that was misread is none.

use contracts::{Code, InstructionId, Uuid};
use recipient_kit::digest_of;

fn check(id: Uuid) -> String {
    let digest = digest_of(&[b"madoguchi return form v1".as_slice(), id.as_bytes()].concat());
    digest.0[..2].iter().map(|b| format!("{b:02x}")).collect()
}

/// The code of an instruction's return form.
pub fn code_of(instruction: InstructionId) -> Code {
    let text = format!("r{}-{}", instruction.0.simple(), check(instruction.0));
    // A letter, hexadecimal digits and a hyphen are always a code.
    text.parse().unwrap_or(Code::of("r"))
}

/// The instruction that a code names; `None`: it was misread, or is something else.
pub fn instruction_of(code: &Code) -> Option<InstructionId> {
    let (id, digits) = code.as_str().strip_prefix('r')?.split_once('-')?;
    let id = Uuid::try_parse(id).ok().filter(|read| read.simple().to_string() == id)?;
    (check(id) == digits).then_some(InstructionId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_names_its_instruction_and_one_wrong_digit_names_nothing() {
        let id = InstructionId(Uuid::from_u128(0x0193_1234_5678_7abc_8def_0123_4567_89ab));
        let code = code_of(id);
        assert_eq!(instruction_of(&code), Some(id));
        for at in 1..code.as_str().len() {
            let mut bytes = code.as_str().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let wrong: Code = String::from_utf8(bytes).unwrap().parse().unwrap();
            assert_ne!(instruction_of(&wrong), Some(id), "{wrong}");
            assert!(instruction_of(&wrong).is_none(), "{wrong}");
        }
        for none in ["r", "r-", "x0", "r0193-0000"] {
            assert_eq!(instruction_of(&none.parse().unwrap()), None);
        }
    }
}
