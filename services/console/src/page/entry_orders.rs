//! The orders of an entry's page. A change of a stop stands on a case of its own, named by its receipt number: its arrival at
//! the desk is that case's. A form that was made before the last change is not taken: who sent it has not seen that change.

use super::{
    Answer, App,
    answer::{self, Next},
    entry,
    guard::{Fields, Signed, SignedIn, not_found_for},
    preview::{self, Before},
    tasks,
};
use crate::{
    command::{By, CommandError, register::Ground},
    page::orders,
    store,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use contracts::{
    Code, Date, EntryId, InstructionId, Measure, ReceiptNumber, RecipientId, ReportOutcome, Scope, Timestamp, Uuid,
    register::EntryReply, request::StaffReply, standing::PreviewStop,
};

/// What a form of the page asks for, read and complete but for its case.
#[derive(Debug, PartialEq)]
enum Order {
    /// 二人による照合の確認.
    ConfirmMatch,
    /// 停止範囲の変更.
    ChangeScope(Asked, Scope),
    /// 識別事項の訂正.
    Correct(Asked),
    /// 停止の撤回.
    Withdraw(Asked),
    /// 利用の一時停止.
    SuspendUse(Asked),
    /// 一時停止の解除.
    ResumeUse(Asked),
    /// A hospital has it: which one, since when.
    Hospital(u16, Timestamp),
    /// Found there.
    FoundAt(RecipientId),
    /// 書面の報告の確認.
    Attest(InstructionId, ReportOutcome, Option<Code>),
}

/// A change's case as the form names it, and its basis.
#[derive(Debug, PartialEq)]
struct Asked {
    number: ReceiptNumber,
    basis: Code,
}

/// The beginning of a day in Japan.
fn morning(day: Date) -> Option<Timestamp> {
    Some(day.in_tz("Asia/Tokyo").ok()?.timestamp())
}

fn asked(fields: &Fields) -> Result<Asked, &'static str> {
    Ok(Asked {
        number: fields.parsed("number").ok_or("case-number-form")?,
        basis: fields.parsed("basis").ok_or("basis-none")?,
    })
}

impl Order {
    /// `Ok(None)`: there is no such order. Pure.
    fn read(name: &str, fields: &Fields) -> Result<Option<Self>, &'static str> {
        Ok(Some(match name {
            "confirm-match" if fields.get("sure") != Some("yes") => return Err("match-not-sure"),
            "confirm-match" => Self::ConfirmMatch,
            "change-scope" => Self::ChangeScope(asked(fields)?, fields.parsed("scope").ok_or("scope-none")?),
            "correct-identifiers" => Self::Correct(asked(fields)?),
            "withdraw-stop" => Self::Withdraw(asked(fields)?),
            "suspend-use" => Self::SuspendUse(asked(fields)?),
            "resume-use" => Self::ResumeUse(asked(fields)?),
            "hospital-received" => {
                let day = fields.parsed("on").and_then(morning).ok_or("day-none")?;
                Self::Hospital(fields.parsed("hospital").ok_or("hospital-none")?, day)
            }
            "found-at" => Self::FoundAt(fields.parsed("recipient").ok_or("recipient-none")?),
            "attest-report" => {
                let outcome: ReportOutcome = fields.parsed("outcome").ok_or("outcome-none")?;
                let ground: Option<Code> = fields.parsed("ground");
                if outcome.needs_ground() && ground.is_none() {
                    return Err("report-ground-none");
                }
                Self::Attest(fields.parsed("instruction").ok_or("instruction-none")?, outcome, ground)
            }
            _ => return Ok(None),
        }))
    }

    /// Whether it changes the stop itself, so that the form must be newer than the last change.
    const fn changes(&self) -> bool {
        matches!(
            self,
            Self::ChangeScope(..) | Self::Correct(_) | Self::Withdraw(_) | Self::SuspendUse(_) | Self::ResumeUse(_)
        )
    }
}

/// The ground of a change: its case by the receipt number, and the day on which that case arrived.
async fn ground(app: &App, asked: &Asked) -> Result<Result<Ground, &'static str>, super::Oops> {
    let Some(case) = store::by_number(app.db.pool(), &asked.number.to_string()).await? else {
        return Ok(Err("case-number-unknown"));
    };
    let opened = store::whole(app.db.pool(), case).await?.and_then(|whole| whole.view.opened.get().cloned());
    Ok(opened
        .map(|opened| Ground { case, basis: asked.basis.clone(), received_at: opened.received_at })
        .ok_or("case-number-unknown"))
}

/// `Some`: the form does not know the entry's last change, or nobody can say whether it does.
async fn outdated(app: &App, who: &SignedIn, entry: EntryId, fields: &Fields) -> Option<Response> {
    let next = entry::next(entry);
    match app.commands.entry(entry).await {
        Ok(EntryReply::Found(detail)) => {
            let version = detail.changes.last().map_or(0, |change| change.version);
            if fields.parsed("version") == Some(version) {
                return None;
            }
            Some(answer::refused_at(who, app, StatusCode::CONFLICT, "entry-changed", next))
        }
        Ok(EntryReply::Unknown) => Some(not_found_for(who, app)),
        Err(error) => Some(answer::failed(who, app, next, &error, None)),
    }
}

type Reply = Result<StaffReply, CommandError>;

/// What was done, in the words of the order: the entry's own status is the same before and after.
fn said(order: &Order, reply: Reply) -> Reply {
    let status = match order {
        Order::ConfirmMatch => Code::of("match-confirmed"),
        Order::ChangeScope(..) => Code::of("scope-changed"),
        Order::Correct(_) => Code::of("identifiers-corrected"),
        Order::Withdraw(_) => Code::of("withdrawal-recorded"),
        Order::SuspendUse(_) => Code::of("use-suspended"),
        Order::ResumeUse(_) => Code::of("use-resumed"),
        Order::Attest(..) => return tasks::of_a_report(reply),
        Order::Hospital(..) | Order::FoundAt(_) => return reply,
    };
    reply.map(|reply| match reply {
        StaffReply::Done { machine, status: said, figures } if said.as_str() != "awaits-second-person" => {
            StaffReply::Done { machine, status, figures }
        }
        other => other,
    })
}

struct Send<'a> {
    app: &'a App,
    by: By<'a>,
    entry: EntryId,
}

impl Send<'_> {
    async fn change(&self, order: &Order, on: Ground) -> Reply {
        let Self { app, by, entry } = self;
        match order {
            Order::ChangeScope(_, scope) => app.commands.change_scope(*by, *entry, on, *scope).await,
            Order::Withdraw(_) => app.commands.withdraw_stop(*by, *entry, on).await,
            Order::SuspendUse(_) => app.commands.suspend_use(*by, *entry, on).await,
            Order::ResumeUse(_) => app.commands.resume_use(*by, *entry, on).await,
            // The only other one that stands on a case of its own.
            _ => app.commands.correct_identifiers(*by, *entry, on).await,
        }
    }
    async fn other(&self, order: &Order) -> Reply {
        let Self { app, by, entry } = self;
        match order {
            Order::Hospital(n, at) => app.commands.hospital_received(*by, *entry, *n, *at).await,
            Order::FoundAt(recipient) => app.commands.found_at(*by, *entry, *recipient).await,
            Order::Attest(instruction, outcome, ground) => {
                app.commands.attest_report(*by, *instruction, *outcome, ground.clone()).await
            }
            _ => app.commands.confirm_match(*by, *entry).await,
        }
    }
}

/// POST /register/{entry}/{order}
pub async fn order(
    State(app): State<App>,
    Path((id, name)): Path<(Uuid, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let entry = EntryId(id);
    let next = || entry::next(entry);
    let wrong = |word| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next()));
    let order = match Order::read(&name, &fields) {
        Ok(Some(order)) => order,
        Ok(None) => return Ok(not_found_for(&who, &app)),
        Err(word) => return wrong(word),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word),
    };
    if order.changes()
        && let Some(page) = outdated(&app, &who, entry, &fields).await
    {
        return Ok(page);
    }
    let action = format!("/register/{entry}/{name}");
    let send = Send { app: &app, by, entry };
    let reply = match &order {
        Order::ChangeScope(asked, _)
        | Order::Correct(asked)
        | Order::Withdraw(asked)
        | Order::SuspendUse(asked)
        | Order::ResumeUse(asked) => {
            let on = match ground(&app, asked).await? {
                Ok(on) => on,
                Err(word) => return wrong(word),
            };
            if let Order::ChangeScope(_, scope) = &order
                && let Some(page) = look(&app, &who, entry, *scope, &action, &fields, &next()).await
            {
                return Ok(page);
            }
            send.change(&order, on).await
        }
        _ => send.other(&order).await,
    };
    let reply = said(&order, reply);
    Ok(answer::answer(&who, &app, next(), reply, Some((action, fields.clone()))))
}

async fn look(
    app: &App,
    who: &SignedIn,
    entry: EntryId,
    scope: Scope,
    action: &str,
    fields: &Fields,
    next: &Next,
) -> Option<Response> {
    let question = PreviewStop { entry: Some(entry), scope: Some(scope), measure: Measure::Stop, everybody: true };
    let title = "entry.change-scope";
    preview::look(app, who, fields, Before { question, erase: false, title, action: action.to_owned(), next }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_an_order_or_its_first_fault_is_named() {
        let number = ReceiptNumber::from_random([7; 16]);
        let text = number.to_string();
        let good = Fields::of(&[("number", &text), ("basis", "act-52-1"), ("scope", "both")]);
        let on = || Asked { number, basis: Code::of("act-52-1") };
        assert_eq!(Order::read("change-scope", &good), Ok(Some(Order::ChangeScope(on(), Scope::Both))));
        assert_eq!(Order::read("withdraw-stop", &good), Ok(Some(Order::Withdraw(on()))));
        assert_eq!(Order::read("suspend-use", &good), Ok(Some(Order::SuspendUse(on()))));
        assert_eq!(Order::read("resume-use", &good), Ok(Some(Order::ResumeUse(on()))));
        assert_eq!(Order::read("suspend-use", &Fields::of(&[("number", &text)])), Err("basis-none"));
        assert_eq!(Order::read("change-scope", &Fields::of(&[("number", &text), ("basis", "a")])), Err("scope-none"));
        assert_eq!(Order::read("correct-identifiers", &Fields::of(&[("number", "M-1")])), Err("case-number-form"));
        assert_eq!(Order::read("correct-identifiers", &Fields::of(&[("number", &text)])), Err("basis-none"));
        assert_eq!(Order::read("confirm-match", &Fields::of(&[])), Err("match-not-sure"));
        assert_eq!(Order::read("hospital-received", &Fields::of(&[("hospital", "1")])), Err("day-none"));
        let day = Fields::of(&[("hospital", "2"), ("on", "2026-11-22")]);
        let at = "2026-11-21T15:00:00Z".parse().unwrap();
        assert_eq!(Order::read("hospital-received", &day), Ok(Some(Order::Hospital(2, at))));
        let id = InstructionId::new();
        let paper = |outcome| Fields::of(&[("instruction", &id.to_string()), ("outcome", outcome)]);
        assert_eq!(Order::read("attest-report", &paper("exempt")), Err("report-ground-none"));
        assert_eq!(
            Order::read("attest-report", &paper("applied")),
            Ok(Some(Order::Attest(id, ReportOutcome::Applied, None)))
        );
        assert_eq!(Order::read("lift", &good), Ok(None), "no order lifts a stop");
    }
}
