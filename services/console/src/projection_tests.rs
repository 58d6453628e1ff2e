use super::*;
use contracts::{
    Capacity, ChangeId, Channel, Code, DecisionOutcome, EndedAs, Kind, Language, NoticeChannel, RecipientId,
    ReportOutcome, Scope, StaffId, Track,
    opt_out::{ChangeFannedOut, Issued},
    payment::{PaymentReference, Yen},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A story with every fact that the read model knows, each with the sequence of its own machine.
fn story() -> Vec<(i64, Message)> {
    let (case, charge, entry, notice) = (CaseId(id(1)), ChargeId(id(2)), EntryId(id(3)), NoticeId(id(4)));
    let (i, recipient) = (InstructionId(id(5)), RecipientId(id(6)));
    let receipt_number = contracts::ReceiptNumber::from_random([7; 16]);
    let progress = |step, n| CaseProgressed { case, step, since: at(n), due_at: Some(at(n + 9)), suit_from: None };
    let code = |text: &'static str| Code::of(text);
    vec![
        (
            16,
            CaseOpened {
                case,
                receipt_number,
                kind: Kind::Disclosure,
                track: Track::Appi,
                capacity: Capacity::Person,
                channel: Channel::Web,
                language: Language::Ja,
                received_at: at(0),
            }
            .into(),
        ),
        (17, progress(Step::Verifying, 0).into()),
        (16, IdentityDeficient { case, at: at(1), reasons: vec![code("photo-id")], due_at: at(99) }.into()),
        (32, IdentityConfirmed { case, at: at(2), by: StaffId(id(9)), rule: code("one-photo") }.into()),
        (32, progress(Step::AwaitingFee, 2).into()),
        (
            16,
            FeeRequested {
                case,
                charge,
                reference: PaymentReference::new("1234567897").unwrap(),
                amount: Yen(4_000),
                due_on: "2027-02-01".parse().unwrap(),
                at: at(1),
            }
            .into(),
        ),
        (32, ChargeExpired { case, charge, at: at(3) }.into()),
        (
            48,
            FeePaid {
                case,
                charge,
                amount: Yen(4_000),
                paid_on: "2027-02-03".parse().unwrap(),
                line: contracts::BankLineId(id(8)),
                at: at(4),
            }
            .into(),
        ),
        (48, CaseEnded { case, ended_as: EndedAs::Lapsed, at: at(3) }.into()),
        (64, progress(Step::Answering, 5).into()),
        (
            16,
            DecisionMade {
                case,
                outcome: DecisionOutcome::Full,
                ground: code("appi-33-2"),
                by: StaffId(id(9)),
                at: at(6),
            }
            .into(),
        ),
        (80, CaseEnded { case, ended_as: EndedAs::Decided, at: at(7) }.into()),
        (16, BlockPlaced { case, entry, provisional: true, effective_at: at(0) }.into()),
        (32, BlockPlaced { case, entry, provisional: false, effective_at: at(0) }.into()),
        (33, StopEntered { case, entry, scope: Scope::Both, effective_at: at(0), at: at(2) }.into()),
        (
            16,
            ChangeFannedOut {
                case,
                entry,
                change: ChangeId(id(10)),
                instructions: vec![i],
                issued: vec![Issued { instruction: i, recipient, position: 1, deadline: at(50) }],
                at: at(2),
            }
            .into(),
        ),
        (
            16,
            InstructionIssued {
                case,
                entry,
                instruction: InstructionId(id(12)),
                recipient,
                position: 2,
                deadline: at(50),
                at: at(2),
            }
            .into(),
        ),
        (32, InstructionReceived { case, entry, instruction: i, recipient, at: at(3) }.into()),
        (
            48,
            InstructionSettled {
                case,
                entry,
                instruction: i,
                recipient,
                outcome: ReportOutcome::PartlyApplied,
                round: None,
                ground: None,
                at: at(4),
            }
            .into(),
        ),
        (
            64,
            InstructionSettled {
                case,
                entry,
                instruction: i,
                recipient,
                outcome: ReportOutcome::Applied,
                round: Some(1),
                ground: None,
                at: at(5),
            }
            .into(),
        ),
        (80, StopConfirmed { case, entry, recipients: 1, at: at(5), answer: None }.into()),
        (16, NoticeFailed { case, notice, text: code("received"), reason: code("smtp-4xx"), at: at(1) }.into()),
        (32, NoticeSent { case, notice, text: code("received"), channel: NoticeChannel::Mail, at: at(2) }.into()),
        (
            16,
            StatementImported { statement: StatementId(id(11)), lines: 3, matched: 2, exceptions: 1, at: at(4) }.into(),
        ),
    ]
}

/// What the tables hold after these facts: one JSON text per row.
fn told<'a>(facts: impl IntoIterator<Item = &'a (i64, Message)>) -> BTreeMap<String, serde_json::Value> {
    fn put<V: View>(rows: &mut BTreeMap<String, serde_json::Value>, name: String, seq: i64, message: &Message) {
        // Through JSON, as the database keeps it.
        let old = rows.get(&name).cloned().unwrap_or(serde_json::json!({}));
        let mut view: V = serde_json::from_value(old).unwrap();
        view.hear(seq, message);
        rows.insert(name, serde_json::to_value(&view).unwrap());
    }
    let mut rows = BTreeMap::new();
    for (seq, message) in facts {
        let name = format!("{:?}", row(message));
        match row(message) {
            Some(Row::Case(_)) => put::<CaseView>(&mut rows, name, *seq, message),
            Some(Row::Charge(..)) => put::<ChargeView>(&mut rows, name, *seq, message),
            Some(Row::Entry(..)) => put::<EntryView>(&mut rows, name, *seq, message),
            Some(Row::Instruction(..)) => put::<InstructionView>(&mut rows, name, *seq, message),
            Some(Row::Notice(..)) => put::<NoticeView>(&mut rows, name, *seq, message),
            Some(Row::Statement(_)) => put::<StatementView>(&mut rows, name, *seq, message),
            None => {}
        }
        for (id, new) in fanned_out(*seq, message).into_iter().flat_map(|(_, views)| views) {
            let new = serde_json::to_value(new).unwrap();
            let row = rows.entry(format!("{:?}", Some(Row::Instruction(InstructionId(id), CaseId(self::id(1))))));
            row.and_modify(|row| row["issued"] = new["issued"].clone()).or_insert(new);
        }
    }
    rows
}

proptest! {
    #[test]
    fn any_order_and_any_repeats_give_the_same_rows(
        order in Just(story()).prop_shuffle(),
        repeats in prop::collection::vec(0..24usize, 0..40),
    ) {
        let once = story();
        let mut all = order;
        let again: Vec<_> = repeats.iter().filter_map(|n| once.get(*n).cloned()).collect();
        all.extend(again);
        prop_assert_eq!(told(&all), told(&once));
    }
}

#[test]
fn the_story_ends_where_its_facts_end() {
    let mut case = CaseView::default();
    let mut steps = Vec::new();
    for (seq, message) in story() {
        case.hear(seq, &message);
        if matches!(message, Message::CaseOpened(_) | Message::CaseProgressed(_) | Message::CaseEnded(_)) {
            steps.push(case.step().unwrap());
        }
    }
    let expected = [Step::Received, Step::Verifying, Step::AwaitingFee, Step::Ended, Step::Answering, Step::Ended];
    assert_eq!(steps, expected, "lapsed, revived, decided");
    assert_eq!(case.ending().unwrap().ended_as, EndedAs::Decided);
    assert_eq!(case.identity.get().unwrap().word(), "confirmed");
    assert_eq!(case.due_at(), None, "an ended case is due no more");

    let (mut charge, mut entry, mut instruction) =
        (ChargeView::default(), EntryView::default(), InstructionView::default());
    for (seq, message) in story() {
        charge.hear(seq, &message);
        entry.hear(seq, &message);
        instruction.hear(seq, &message);
    }
    assert_eq!((charge.word(), entry.word(), instruction.word()), ("paid", "confirmed", "settled"));
    assert_eq!(instruction.settled.get().unwrap().outcome, ReportOutcome::Applied);
}

/// A message that the flow table lets the console hear goes somewhere: a row, the timeline's fan-out, or the incidents.
#[test]
fn nothing_that_is_heard_is_lost() {
    let mut known: Vec<&str> = story().iter().map(|(_, m)| m.entry().name).collect();
    known.extend([
        "CaseErased",
        "IdentityRejected",
        "BlockLifted",
        "InstructionOverdue",
        "InstructionReported",
        "InstructionReplaced",
        "LineUnmatched",
        "ReportRefused",
    ]);
    for entry in contracts::flow::heard_by(contracts::Service::Console) {
        assert!(known.contains(&entry.name), "{} is new: teach it to the projection and to this test", entry.name);
    }
    for (_, message) in story() {
        assert!(row(&message).is_some() || fanned_out(0, &message).is_some(), "{}", message.entry().name);
        let about_a_case = !matches!(message, Message::StatementImported(_));
        assert_eq!(case_of(&message).is_some(), about_a_case, "{}", message.entry().name);
    }
}
