//! The orders of one case's page. A form becomes one command; the service that obeys decides, and its answer is shown.

use super::{
    Answer, App,
    answer::{self, Next},
    guard::{Fields, Signed, SignedIn, not_found_for},
    preview::{self, Before},
};
use crate::{
    command::{By, CommandError, Commands, ComplaintRecord},
    projection::Block,
    store,
};
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use contracts::{
    CaseId, Code, DecisionOutcome, EntryId, Kind, Measure, ReceiptNumber, StaffId, request::StaffReply,
    standing::PreviewStop,
};

/// What a form asks for, read and complete.
#[derive(Debug, PartialEq)]
pub enum Order {
    /// 本人確認.
    ConfirmIdentity(Vec<Code>),
    /// 補正依頼.
    AskForCompletion(Vec<Code>),
    /// 確認不能.
    RejectIdentity(Vec<Code>),
    /// 決定: outcome, ground, reasons in words, the record of a complaint.
    Decide(DecisionOutcome, Code, Option<String>, Option<ComplaintRecord>),
    /// 取下げ.
    Withdraw,
    /// 失効の取消し.
    Revive,
    /// 消去.
    Erase,
}

/// Why a form is no order: the key of its sentence.
#[derive(Debug, PartialEq)]
pub enum NotAnOrder {
    /// No such order.
    Unknown,
    /// What is missing.
    Missing(&'static str),
}

impl Order {
    /// Reads a form; pure.
    pub fn read(name: &str, fields: &Fields) -> Result<Self, NotAnOrder> {
        let some = |codes: Vec<Code>, word| if codes.is_empty() { Err(NotAnOrder::Missing(word)) } else { Ok(codes) };
        match name {
            "confirm-identity" => some(fields.codes("papers"), "papers-none").map(Self::ConfirmIdentity),
            "ask-for-completion" => some(fields.codes("reasons"), "reasons-none").map(Self::AskForCompletion),
            "reject-identity" => some(fields.codes("reasons"), "reasons-none").map(Self::RejectIdentity),
            "decide" => {
                let outcome = fields.parsed("outcome").ok_or(NotAnOrder::Missing("outcome-none"))?;
                let ground = fields.parsed("ground").ok_or(NotAnOrder::Missing("ground-none"))?;
                Ok(Self::Decide(outcome, ground, fields.get("reasons").map(str::to_owned), record(fields)))
            }
            "withdraw" => Ok(Self::Withdraw),
            "revive" => Ok(Self::Revive),
            // It cannot be taken back, so it needs a second sign.
            "erase" => match fields.get("sure") {
                Some("yes") => Ok(Self::Erase),
                _ => Err(NotAnOrder::Missing("erase-not-sure")),
            },
            _ => Err(NotAnOrder::Unknown),
        }
    }

    async fn send(self, commands: &Commands, by: By<'_>, case: CaseId) -> Result<StaffReply, CommandError> {
        match self {
            Self::ConfirmIdentity(papers) => commands.confirm_identity(by, case, papers).await,
            Self::AskForCompletion(reasons) => commands.ask_for_completion(by, case, reasons).await,
            Self::RejectIdentity(reasons) => commands.reject_identity(by, case, reasons).await,
            Self::Decide(outcome, ground, reasons, record) => {
                commands.decide(by, case, outcome, ground, reasons.as_deref(), record.as_ref()).await
            }
            Self::Withdraw => commands.withdraw(by, case).await,
            Self::Revive => commands.revive(by, case).await,
            Self::Erase => commands.erase(by, case).await,
        }
    }
}

/// The record of a complaint; its form alone has these fields.
fn record(fields: &Fields) -> Option<ComplaintRecord> {
    let sent = fields.0.iter().any(|(name, _)| name == "cause");
    let text = |field| fields.get(field).unwrap_or_default().to_owned();
    sent.then(|| ComplaintRecord { content: text("content"), cause: text("cause"), measures: text("measures") })
}

/// The case whose receipt number stands in the form; the inner error is the key of its sentence.
pub async fn numbered(app: &App, fields: &Fields) -> Result<Result<CaseId, &'static str>, super::Oops> {
    let Some(number) = fields.parsed::<ReceiptNumber>("number") else { return Ok(Err("receipt-number-none")) };
    Ok(store::by_number(app.db.pool(), &number.to_string()).await?.ok_or("receipt-number-unknown"))
}

/// Who, why and token of a form; the error is the key of its sentence.
pub fn by<'a>(staff: StaffId, fields: &'a Fields) -> Result<By<'a>, &'static str> {
    let token = fields.token().ok_or("token-none")?;
    let why = fields.get("why").ok_or("why-none")?;
    Ok(By { staff, why, token })
}

/// 事前確認: confirming the identity of a stop makes it final and sends it to the recipients, so they are shown first.
async fn look(
    app: &App,
    who: &SignedIn,
    case: CaseId,
    fields: &Fields,
    next: &Next,
) -> Result<Option<Response>, super::Oops> {
    let Some(whole) = store::whole(app.db.pool(), case).await? else { return Ok(None) };
    let Some(kind) = whole.view.opened.get().map(|o| o.kind).filter(|kind| kind.propagates()) else { return Ok(None) };
    // The block that holds; one that was taken back belongs to an earlier round.
    let holds = |view: &crate::projection::EntryView| matches!(view.block.get(), Some(Block::Placed(_)));
    let entry = whole.entries.iter().find(|(_, view)| holds(view)).map(|(id, _)| EntryId(*id));
    let question = PreviewStop { entry, scope: None, measure: Measure::Stop, everybody: false };
    let action = format!("/cases/{case}/order/confirm-identity");
    let erase = kind == Kind::Deletion;
    Ok(preview::look(app, who, fields, Before { question, erase, title: "order.confirm-identity", action, next }).await)
}

/// POST /cases/{case}/order/{order}
pub async fn order(
    State(app): State<App>,
    Path((case, name)): Path<(CaseId, String)>,
    Signed { who, fields }: Signed,
) -> Answer {
    let next = Next { section: "cases", path: format!("/cases/{case}"), words: "answer.to-case" };
    let wrong = |word, next| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let order = match Order::read(&name, &fields) {
        Ok(order) => order,
        Err(NotAnOrder::Missing(word)) => return wrong(word, next),
        Err(NotAnOrder::Unknown) => return Ok(not_found_for(&who, &app)),
    };
    let by = match by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word, next),
    };
    if matches!(order, Order::ConfirmIdentity(_))
        && let Some(page) = look(&app, &who, case, &fields, &next).await?
    {
        return Ok(page);
    }
    let reply = order.send(&app.commands, by, case).await;
    let again = Some((format!("/cases/{case}/order/{name}"), fields.clone()));
    Ok(answer::answer(&who, &app, next, reply, again))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_an_order_only_when_it_is_complete() {
        let ticked = Fields::of(&[("papers", "drivers-licence"), ("papers", "Not A Code")]);
        assert_eq!(
            Order::read("confirm-identity", &ticked),
            Ok(Order::ConfirmIdentity(vec![Code::of("drivers-licence")]))
        );
        assert_eq!(Order::read("confirm-identity", &Fields::of(&[])), Err(NotAnOrder::Missing("papers-none")));
        assert_eq!(Order::read("reject-identity", &Fields::of(&[])), Err(NotAnOrder::Missing("reasons-none")));
        let decided = Fields::of(&[("outcome", "partial"), ("ground", "appi-33-2-1"), ("reasons", " a ")]);
        assert_eq!(
            Order::read("decide", &decided),
            Ok(Order::Decide(DecisionOutcome::Partial, Code::of("appi-33-2-1"), Some("a".into()), None))
        );
        let complaint = Fields::of(&[("outcome", "full"), ("ground", "act-29"), ("content", " c "), ("cause", "")]);
        let kept = ComplaintRecord { content: "c".into(), ..ComplaintRecord::default() };
        assert_eq!(
            Order::read("decide", &complaint),
            Ok(Order::Decide(DecisionOutcome::Full, Code::of("act-29"), None, Some(kept))),
            "what is missing is refused by whoever keeps it"
        );
        assert_eq!(Order::read("decide", &Fields::of(&[("outcome", "x")])), Err(NotAnOrder::Missing("outcome-none")));
        assert_eq!(Order::read("decide", &Fields::of(&[("outcome", "full")])), Err(NotAnOrder::Missing("ground-none")));
        assert_eq!(Order::read("erase", &Fields::of(&[])), Err(NotAnOrder::Missing("erase-not-sure")));
        assert_eq!(Order::read("erase", &Fields::of(&[("sure", "yes")])), Ok(Order::Erase));
        assert_eq!(Order::read("close", &Fields::of(&[])), Err(NotAnOrder::Unknown));
    }

    #[test]
    fn every_order_says_why() {
        let token = contracts::Uuid::now_v7();
        let text = token.to_string();
        assert_eq!(by(StaffId::default(), &Fields::of(&[("token", &text), ("why", "  ")])).err(), Some("why-none"));
        assert_eq!(by(StaffId::default(), &Fields::of(&[("token", "1"), ("why", "x")])).err(), Some("token-none"));
        let form = Fields::of(&[("token", &text), ("why", "asked by letter")]);
        let by = by(StaffId::default(), &form).unwrap();
        assert_eq!((by.token, by.why), (token, "asked by letter"));
    }
}
