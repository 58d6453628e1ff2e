//! The services: the real machines, and what each `react.rs` makes of a message.

use super::mail::{Became, Cause, Heard, In, Mail, Ms, Said, Store, instant};
use calendar::Calendar;
use contracts::{
    CaseId, ChangeId, ChargeId, Code, EntryId, InstructionId, Measure, Message, RecipientId, Service, Uuid,
    opt_out::Issued, payment::PaymentReference,
};
use fulfilment::answer::Answer;
use identity_verification::verification::Verification;
use intake::case::{self, Case};
use jiff::SignedDuration;
use notification::message::{Notice, NoticeMachine, Plan};
use opt_out_propagation::{
    change::{self, Change},
    entry::{self, Entry},
    instruction::{self, Instruction},
    propagation,
};
use payment_reconciliation::{
    charge::{self, Charge},
    fee::Fees,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Contractors that are told of every stop.
pub const RECIPIENTS: [RecipientId; 3] =
    [RecipientId(Uuid::from_u128(0xa)), RecipientId(Uuid::from_u128(0xb)), RecipientId(Uuid::from_u128(0xc))];

const PLAN: Plan = Plan { attempts_max: 8, lease_s: 30, backoff_s: 5, backoff_cap_s: 60, give_up_s: 864_000 };

/// One service's database. Every service has every table; it uses its own.
#[derive(Clone, Default)]
pub struct Db {
    pub mail: Mail,
    pub cases: Store<Case>,
    pub verifications: Store<Verification>,
    pub charges: Store<Charge>,
    pub answers: Store<Answer>,
    pub entries: Store<Entry>,
    pub instructions: Store<Instruction>,
    pub changes: Store<Change>,
    pub notices: Store<NoticeMachine>,
    /// Changes that are not fanned out yet.
    pub fanout: BTreeMap<ChangeId, (CaseId, EntryId, Measure)>,
    positions: BTreeMap<RecipientId, i64>,
    /// Charges of a case, oldest order first.
    charges_of: BTreeMap<CaseId, Vec<ChargeId>>,
    /// What notification keeps of a case.
    letters: BTreeMap<CaseId, (contracts::Language, contracts::ReceiptNumber)>,
    /// Facts that the console has seen: a projection.
    pub seen: u64,
}

impl Db {
    /// Hears one message as its service would.
    pub fn hear(&mut self, me: Service, now: Ms, said: &Arc<Said>) {
        let seq = said.envelope.sequence.number();
        let cause = Cause::Message(said.clone());
        let routed = match me {
            Service::Intake => intake::react::route(&said.message).map(|(case, fact)| {
                drop(self.mail.handle(&mut self.cases, now, case.0, &cause, &case::Input::Fact(fact)))
            }),
            Service::Identity => identity_verification::react::route(&said.message, seq)
                .map(|(case, input)| drop(self.mail.handle(&mut self.verifications, now, case.0, &cause, &input))),
            Service::Fulfilment => fulfilment::react::route(&said.message, seq)
                .map(|(case, input)| drop(self.mail.handle(&mut self.answers, now, case.0, &cause, &input))),
            Service::Payment => self.hear_as_payment(now, said, &cause),
            Service::OptOut => self.hear_as_register(now, said, &cause),
            Service::Notification => self.hear_as_notification(now, said, &cause),
            Service::Console => {
                let before = self.mail.inbox.len();
                self.ignore(now, said);
                self.seen += u64::from(self.mail.inbox.len() > before);
                Some(())
            }
        };
        if routed.is_none() {
            self.ignore(now, said);
        }
    }

    /// Heard, and of no consequence.
    fn ignore(&mut self, now: Ms, said: &Arc<Said>) {
        self.note(now, said, In::Done, Code::of("ignored"));
    }

    fn note(&mut self, now: Ms, said: &Arc<Said>, state: In, note: Code) {
        let row = Heard {
            lane: said.envelope.subject,
            source: said.envelope.speaker(),
            seq: said.envelope.sequence.number(),
            said: Some(said.clone()),
            state,
            due_at: now + 1_000,
            tries: 0,
            note,
        };
        self.mail.tell(said.envelope.id.0, row);
    }

    fn hear_as_payment(&mut self, now: Ms, said: &Arc<Said>, cause: &Cause) -> Option<()> {
        let at = instant(now);
        let (id, input) = match &said.message {
            Message::RequestFee(order) => {
                let due = Fees::embedded().due(order.kind, order.received_at, at, Calendar::embedded());
                let Some(due) = due else {
                    self.mail.handle(&mut self.charges, now, order.charge.0, cause, &charge::Input::AskForNothing);
                    return Some(());
                };
                let known = self.charges_of.entry(order.case).or_default();
                if !known.contains(&order.charge) {
                    known.push(order.charge);
                }
                let digits = format!("{:010}", u128::from_be_bytes(*order.charge.0.as_bytes()) % 10_000_000_000);
                let ask = charge::Ask {
                    case: order.case,
                    amount: due.amount,
                    reference: PaymentReference::new(&digits)?,
                    due_on: due.due_on,
                    settled_on: due.settled_on,
                    ordered: said.envelope.sequence.number(),
                };
                (order.charge, charge::Input::Ask { ask, at })
            }
            Message::CaseEnded(end) => {
                let living = |id: &&ChargeId| {
                    matches!(
                        self.charges.state(id.0),
                        Some(
                            charge::State::Requested { .. }
                                | charge::State::Paid { .. }
                                | charge::State::Expired { .. }
                        )
                    )
                };
                let known = self.charges_of.get(&end.case).cloned().unwrap_or_default();
                let next = if known.is_empty() { "base".to_owned() } else { format!("base-{}", known.len() + 1) };
                let id =
                    known.iter().rev().find(living).copied().unwrap_or_else(|| ChargeId::derived(end.case.0, &next));
                let ended = said.envelope.sequence.number();
                (id, charge::Input::CaseEnded { case: end.case, ended_as: end.ended_as, ended, at: end.at })
            }
            _ => return None,
        };
        self.mail.handle(&mut self.charges, now, id.0, cause, &input);
        Some(())
    }

    fn hear_as_register(&mut self, now: Ms, said: &Arc<Said>, cause: &Cause) -> Option<()> {
        let at = instant(now);
        let (entry, input) = match said.message.clone() {
            Message::PlaceBlock(m) => {
                (m.entry, entry::Input::PlaceBlock { case: m.case, scope: m.scope, received_at: m.received_at, at })
            }
            Message::EnterStop(m) => {
                let change = ChangeId::derived(m.entry.0, "stop");
                (
                    m.entry,
                    entry::Input::EnterStop {
                        case: m.case,
                        scope: m.scope,
                        measure: m.measure,
                        received_at: m.received_at,
                        change,
                        at,
                    },
                )
            }
            Message::LiftProvisionalBlock(m) => (m.entry, entry::Input::LiftProvisionalBlock { at }),
            Message::ChangeFannedOut(m) => (
                m.entry,
                entry::Input::FannedOut { change: m.change, instructions: m.instructions.into_iter().collect(), at },
            ),
            Message::InstructionSettled(m) => {
                let (round, instruction, recipient) = (m.round.unwrap_or(0), m.instruction, m.recipient);
                let (outcome, ground) = (m.outcome, m.ground);
                (m.entry, entry::Input::InstructionSettled { instruction, recipient, outcome, round, ground, at })
            }
            _ => return None,
        };
        self.feed_entry(now, entry, cause, &input);
        Some(())
    }

    /// One input to an entry; the marks for the fan-out go in the transaction of the step (rows.rs).
    pub fn feed_entry(&mut self, now: Ms, entry: EntryId, cause: &Cause, input: &entry::Input) -> Became {
        let became = self.mail.handle(&mut self.entries, now, entry.0, cause, input);
        if became == Became::Done
            && let Some(entry::State::Stopped { case, progress, .. }) = self.entries.state(entry.0)
        {
            for change in &progress.awaiting {
                if self.changes.state(change.0).is_none() {
                    let measure = match progress.erase_change == Some(*change) {
                        true => Measure::Erase,
                        false if progress.freezes.contains(change) => Measure::Suspend,
                        false => Measure::Stop,
                    };
                    self.fanout.insert(*change, (*case, entry, measure));
                }
            }
        }
        became
    }

    /// One pass of the fan-out: positions, instructions and the change in one transaction.
    pub fn fan_out(&mut self, now: Ms) {
        let at = instant(now);
        for (change, (case, entry, measure)) in std::mem::take(&mut self.fanout) {
            let (mut instructions, mut issued) = (vec![], vec![]);
            for recipient in RECIPIENTS {
                let id = propagation::instruction_id(change, recipient);
                let position = self.positions.entry(recipient).or_default();
                *position += 1;
                let deadline = at + SignedDuration::from_hours(24 * 14);
                let terms = instruction::Terms {
                    case,
                    entry,
                    recipient,
                    position: *position,
                    issued_at: at,
                    deadline,
                    remind_seconds: 600,
                    measure,
                    drawn: false,
                    reissued: false,
                    everything: false,
                };
                let became = self.mail.handle(
                    &mut self.instructions,
                    now,
                    id.0,
                    &Cause::Clock,
                    &instruction::Input::Issue(terms),
                );
                assert_eq!(became, Became::Done, "a change is fanned out once");
                instructions.push(id);
                issued.push(Issued { instruction: id, recipient, position: *position, deadline });
            }
            let event = change::Event::FannedOut { case, entry, instructions, issued, at };
            assert_eq!(self.mail.handle(&mut self.changes, now, change.0, &Cause::Clock, &Some(event)), Became::Done);
        }
    }

    fn hear_as_notification(&mut self, now: Ms, said: &Arc<Said>, cause: &Cause) -> Option<()> {
        if let Message::CaseOpened(m) = &said.message {
            self.letters.insert(m.case, (m.language, m.receipt_number));
        }
        let (case, text) = notification::react::text(&said.message)?;
        let Some((language, receipt_number)) = self.letters.get(&case).copied() else {
            self.note(now, said, In::Later, Code::of("case-not-opened-yet"));
            return Some(());
        };
        let fact = said.envelope.id;
        let notice = Notice { case, fact, text, language, receipt_number, since: instant(now), plan: PLAN };
        let id = notification::react::notice_id(fact);
        self.mail.handle(&mut self.notices, now, id.0, cause, &notification::message::Input::Tell(notice));
        Some(())
    }

    /// Feeds the clock to everything that is due.
    pub fn wake_due(&mut self, now: Ms) {
        macro_rules! wake {
            ($($store:ident),*) => {$(
                for id in self.$store.due(instant(now)) {
                    let input = clock_of(&self.$store, now);
                    self.mail.handle(&mut self.$store, now, id, &Cause::Clock, &input);
                }
            )*};
        }
        wake!(cases, verifications, charges, answers, entries, instructions, notices);
    }

    /// B1 for every machine, and that nothing waits.
    pub fn check(&self, me: Service, findings: &mut Vec<String>) {
        self.cases.check(findings);
        self.verifications.check(findings);
        self.charges.check(findings);
        self.answers.check(findings);
        self.entries.check(findings);
        self.instructions.check(findings);
        self.changes.check(findings);
        self.notices.check(findings);
        for (id, row) in &self.mail.inbox {
            if !matches!(row.state, In::Done | In::Dropped) {
                let name = row.said.as_ref().map_or("?", |s| s.message.entry().name);
                findings.push(format!("{}: {name} {id} is {:?} ({})", me.token(), row.state, row.note));
            }
        }
        for (id, row) in self.mail.outbox.iter().filter(|(_, r)| !r.unheard.is_empty()) {
            findings.push(format!(
                "{}: {} {id} was not heard by {:?}",
                me.token(),
                row.said.message.entry().name,
                row.unheard
            ));
        }
    }

    /// The instructions of one entry.
    pub fn instructions_of(&self, change: ChangeId) -> BTreeSet<InstructionId> {
        RECIPIENTS
            .iter()
            .map(|r| propagation::instruction_id(change, *r))
            .filter(|i| self.instructions.state(i.0).is_some())
            .collect()
    }
}

/// The clock's input for a store's kind.
fn clock_of<M: chassis::Machine>(_: &Store<M>, now: Ms) -> M::Input {
    M::clock(instant(now))
}
