//! A disclosure and a stop, as facts.

use contracts::{
    BankLineId, Capacity, CaseId, ChangeId, Channel, ChargeId, Code, DecisionOutcome, EndedAs, EntryId, InstructionId,
    Kind, Language, Message, NoticeChannel, NoticeId, ReceiptNumber, RecipientId, ReportOutcome, Scope, StaffId,
    StatementId, Step, Timestamp, Uuid,
    fulfilment::DecisionMade,
    identity::{IdentityConfirmed, IdentityDeficient},
    intake::{CaseEnded, CaseOpened, CaseProgressed},
    notification::{NoticeFailed, NoticeSent},
    opt_out::{
        BlockPlaced, ChangeFannedOut, InstructionOverdue, InstructionReceived, InstructionSettled, Issued,
        ReportRefused, StopEntered,
    },
    payment::{FeePaid, FeeRequested, LineUnmatched, PaymentReference, StatementImported, Yen},
};

/// Sequence, machine, message.
pub type Fact = (i64, Uuid, Message);

pub fn at(minute: i64) -> Timestamp {
    "2026-07-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
}

pub fn number(n: u8) -> ReceiptNumber {
    ReceiptNumber::from_random([n; 16])
}

fn opened(case: CaseId, n: u8, kind: Kind) -> Message {
    CaseOpened {
        case,
        receipt_number: number(n),
        kind,
        track: kind.track(),
        capacity: Capacity::Person,
        channel: Channel::Web,
        language: Language::Ja,
        received_at: at(0),
    }
    .into()
}

fn progressed(case: CaseId, step: Step, minute: i64) -> Message {
    let suit_from = Some(at(60 * 24 * 15));
    CaseProgressed { case, step, since: at(minute), due_at: Some(at(60 * 24 * 30)), suit_from }.into()
}

/// 開示: deficient, confirmed, paid; not yet decided.
pub fn disclosure(case: CaseId) -> Vec<Fact> {
    let charge = ChargeId::derived(case.0, "base");
    let notice = NoticeId::derived(case.0, "n");
    let statement = StatementId::derived(case.0, "s");
    let reference = PaymentReference::new("1234567897").unwrap();
    vec![
        (16, case.0, opened(case, 7, Kind::Disclosure)),
        (17, case.0, progressed(case, Step::Verifying, 0)),
        (
            16,
            notice.0,
            NoticeSent { case, notice, text: Code::of("received"), channel: NoticeChannel::Mail, at: at(1) }.into(),
        ),
        (
            16,
            charge.0,
            FeeRequested {
                case,
                charge,
                reference,
                amount: Yen(4_000),
                due_on: "2026-07-31".parse().unwrap(),
                at: at(1),
            }
            .into(),
        ),
        (32, case.0, IdentityDeficient { case, at: at(2), reasons: vec![Code::of("photo-id")], due_at: at(99) }.into()),
        (
            48,
            case.0,
            IdentityConfirmed { case, at: at(3), by: StaffId::default(), rule: Code::of("self-by-one-photo") }.into(),
        ),
        (33, case.0, progressed(case, Step::AwaitingFee, 3)),
        (
            32,
            charge.0,
            FeePaid {
                case,
                charge,
                amount: Yen(4_000),
                paid_on: "2026-07-03".parse().unwrap(),
                line: BankLineId::derived(case.0, "l"),
                at: at(4),
            }
            .into(),
        ),
        (49, case.0, progressed(case, Step::Answering, 4)),
        (16, statement.0, StatementImported { statement, lines: 3, matched: 1, exceptions: 2, at: at(4) }.into()),
        (
            32,
            statement.0,
            LineUnmatched {
                statement,
                line: BankLineId::derived(case.0, "m"),
                reason: Code::of("no-reference"),
                amount: Yen(3_900),
                at: at(4),
            }
            .into(),
        ),
    ]
}

/// The end of it.
pub fn decided(case: CaseId) -> Vec<Fact> {
    vec![
        (
            64,
            case.0,
            DecisionMade {
                case,
                outcome: DecisionOutcome::Full,
                ground: Code::of("appi-33-2"),
                by: StaffId::default(),
                at: at(5),
            }
            .into(),
        ),
        (65, case.0, CaseEnded { case, ended_as: EndedAs::Decided, at: at(6) }.into()),
    ]
}

/// 提供停止: three recipients, one report in, one late, one refused report, one mail that failed.
pub fn stop(case: CaseId) -> Vec<Fact> {
    let entry = EntryId::derived(case.0, "entry");
    let notice = NoticeId::derived(case.0, "n");
    let ids: Vec<InstructionId> = (0..3).map(|n| InstructionId::derived(case.0, &n.to_string())).collect();
    let to: Vec<RecipientId> = (0..3).map(|n| RecipientId::derived(Uuid::nil(), &n.to_string())).collect();
    let mut facts = vec![
        (16, case.0, opened(case, 9, Kind::ProvisionStop)),
        (17, case.0, progressed(case, Step::Verifying, 0)),
        (16, entry.0, BlockPlaced { case, entry, provisional: true, effective_at: at(0) }.into()),
        (
            48,
            case.0,
            IdentityConfirmed { case, at: at(3), by: StaffId::default(), rule: Code::of("self-by-one-photo") }.into(),
        ),
        (32, entry.0, StopEntered { case, entry, scope: Scope::Both, effective_at: at(0), at: at(3) }.into()),
        (
            48,
            entry.0,
            ChangeFannedOut {
                case,
                entry,
                change: ChangeId::derived(case.0, "c"),
                instructions: ids.clone(),
                issued: (1..)
                    .zip(ids.iter().zip(&to))
                    .map(|(position, (instruction, recipient))| Issued {
                        instruction: *instruction,
                        recipient: *recipient,
                        position,
                        deadline: at(60 * 24 * 14),
                    })
                    .collect(),
                at: at(3),
            }
            .into(),
        ),
        (33, case.0, progressed(case, Step::Propagating, 3)),
        (
            16,
            notice.0,
            NoticeFailed { case, notice, text: Code::of("stop-entered"), reason: Code::of("smtp-5xx"), at: at(5) }
                .into(),
        ),
        (
            16,
            Uuid::from_u128(77),
            ReportRefused { recipient: to[2], reason: Code::of("wrong-digest"), at: at(7) }.into(),
        ),
    ];
    for (n, (instruction, recipient)) in ids.iter().copied().zip(to.iter().copied()).enumerate() {
        if n < 2 {
            facts.push((
                32,
                instruction.0,
                InstructionReceived { case, entry, instruction, recipient, at: at(4) }.into(),
            ));
        }
        if n == 0 {
            facts.push((
                48,
                instruction.0,
                InstructionSettled {
                    case,
                    entry,
                    instruction,
                    recipient,
                    outcome: ReportOutcome::Applied,
                    round: None,
                    ground: None,
                    at: at(6),
                }
                .into(),
            ));
        }
        if n == 2 {
            facts.push((
                48,
                instruction.0,
                InstructionOverdue { case, entry, instruction, recipient, at: at(60 * 24 * 14) }.into(),
            ));
        }
    }
    facts
}
