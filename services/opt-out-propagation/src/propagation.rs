//! Who must be told of a change, and what exactly. Pure.

use contracts::{
    ChangeId, Code, EntryId, InstructionId, Measure, RecipientId, RecipientKind, Scope, Sealed, Timestamp, Uuid,
    recipient::{BODY_MAX, Instruction, InstructionData, InstructionSource, InstructionType},
};

/// A recipient as the fan-out sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub recipient: RecipientId,
    /// What it is.
    pub kind: RecipientKind,
    /// Its relation to the desk is in force.
    pub in_force: bool,
    /// Its newest endpoint; deliveries are frozen to it.
    pub endpoint: Uuid,
    /// X25519 public key that identifiers are sealed to.
    pub sealing_key: [u8; 32],
}

/// Whether recipients of a kind get instructions about single persons, by network.
///
/// * Users of pseudonymised data (利用事業者) may not identify anybody (Act art. 42(2)): no personal identifier ever goes
///   to one.
/// * The core zone has no network to the outside (Rules art. 6(iv)): it gets signed snapshots by hand.
pub const fn is_told_by_network(kind: RecipientKind) -> bool {
    match kind {
        RecipientKind::Contractor
        | RecipientKind::SubContractor
        | RecipientKind::Hospital
        | RecipientKind::CertifiedOperator => true,
        RecipientKind::User | RecipientKind::CoreZone => false,
    }
}

/// The recipients that get an instruction, in the order of their ids.
///
/// All in force are told of both tracks: a recipient that handles one only applies what concerns it and reports so; a list
/// of who handles what would be one more thing that can be wrong.
pub fn told(candidates: &[Candidate]) -> Vec<&Candidate> {
    let mut told: Vec<_> = candidates.iter().filter(|c| c.in_force && is_told_by_network(c.kind)).collect();
    told.sort_by_key(|c| c.recipient);
    told
}

/// The instruction of a change to a recipient: always the same id, so that it cannot be issued twice.
pub fn instruction_id(change: ChangeId, recipient: RecipientId) -> InstructionId {
    InstructionId(Uuid::new_v5(&change.0, recipient.0.as_bytes()))
}

/// The entry as one recipient knows it: recipients cannot compare what they hold, and our own id stays here.
pub fn entry_as_known_to(entry: EntryId, recipient: RecipientId) -> Uuid {
    Uuid::new_v5(&entry.0, recipient.0.as_bytes())
}

/// Everything that an instruction says.
#[derive(Clone, Debug)]
pub struct Words {
    /// The instruction.
    pub id: InstructionId,
    /// To whom.
    pub recipient: RecipientId,
    /// The life of the ledger.
    pub epoch: i32,
    /// 通番.
    pub position: i64,
    /// The entry.
    pub entry: EntryId,
    /// Its version.
    pub entry_version: i64,
    /// 停止 or 消去.
    pub measure: Measure,
    /// Which tracks.
    pub scope: Scope,
    /// The identifiers, sealed to the recipient.
    pub person: Sealed,
    /// By which of its keys it opens them.
    pub sealed_to: Code,
    /// When it is issued.
    pub at: Timestamp,
    /// The report is due.
    pub deadline: Timestamp,
}

/// The bytes that every transport carries. `None` when they are over 64 KiB (identifiers too long).
pub fn body(words: Words) -> Option<Vec<u8>> {
    let instruction = Instruction {
        specversion: Default::default(),
        id: words.id,
        source: InstructionSource::Register,
        message_type: InstructionType::V1,
        subject: words.recipient,
        time: words.at,
        expirytime: words.deadline,
        datacontenttype: Default::default(),
        data: InstructionData {
            audience: words.recipient,
            epoch: words.epoch,
            position: words.position,
            entry: entry_as_known_to(words.entry, words.recipient),
            entry_version: words.entry_version,
            measure: words.measure,
            scope: words.scope,
            person: words.person,
            sealed_to: words.sealed_to,
        },
    };
    serde_json::to_vec(&instruction).ok().filter(|bytes| bytes.len() <= BODY_MAX)
}

/// The last look before the wire: does this body belong to this recipient? Whatever else went wrong, another's
/// instruction is not sent.
pub fn is_for(body: &[u8], recipient: RecipientId) -> bool {
    serde_json::from_slice::<Instruction>(body).is_ok_and(|i| i.subject == recipient && i.data.audience == recipient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: u128, kind: RecipientKind, in_force: bool) -> Candidate {
        Candidate {
            recipient: RecipientId(Uuid::from_u128(n)),
            kind,
            in_force,
            endpoint: Uuid::from_u128(100 + n),
            sealing_key: [n as u8; 32],
        }
    }

    #[test]
    fn everybody_in_force_who_may_know_a_person_is_told() {
        let all: Vec<_> =
            RecipientKind::ALL.iter().zip((1..=6u128).rev()).map(|(kind, n)| candidate(n, *kind, true)).collect();
        let kinds: Vec<_> = told(&all).iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds,
            [
                RecipientKind::CertifiedOperator,
                RecipientKind::Hospital,
                RecipientKind::SubContractor,
                RecipientKind::Contractor
            ]
        );
        assert!(told(&[candidate(1, RecipientKind::Contractor, false)]).is_empty());
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn ids_are_stable_per_recipient_and_tell_nothing_across() {
        let (change, entry) = (ChangeId(Uuid::from_u128(1)), EntryId(Uuid::from_u128(2)));
        let (a, b) = (RecipientId(Uuid::from_u128(3)), RecipientId(Uuid::from_u128(4)));
        assert_eq!(instruction_id(change, a), instruction_id(change, a));
        assert_ne!(instruction_id(change, a), instruction_id(change, b));
        assert_ne!(entry_as_known_to(entry, a), entry_as_known_to(entry, b));
        assert_ne!(entry_as_known_to(entry, a), entry.0);
    }

    #[test]
    fn a_body_says_whom_it_is_for_and_nothing_internal() {
        let words = Words {
            id: InstructionId(Uuid::from_u128(1)),
            recipient: RecipientId(Uuid::from_u128(2)),
            epoch: 1,
            position: 7,
            entry: EntryId(Uuid::from_u128(0xeeee)),
            entry_version: 3,
            measure: Measure::Stop,
            scope: Scope::Anonymised,
            person: Sealed(vec![1, 2, 3]),
            sealed_to: Code::of("0011223344556677"),
            at: "2026-11-22T00:00:00Z".parse().unwrap(),
            deadline: "2026-11-29T00:00:00Z".parse().unwrap(),
        };
        let bytes = body(words.clone()).unwrap();
        assert!(is_for(&bytes, words.recipient));
        assert!(!is_for(&bytes, RecipientId(Uuid::from_u128(3))));
        assert!(!is_for(b"{}", words.recipient));
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(&words.entry.to_string()) && !text.contains("traceparent"), "{text}");
        assert_eq!(body(Words { person: Sealed(vec![0; BODY_MAX]), ..words }), None);
    }
}
