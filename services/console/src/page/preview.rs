//! 事前確認: before a stop becomes final, or its tracks change, the page shows who will be told of it, and who will not and
//! why. The form that is sent from there carries what was shown: if it is another list by then, it is shown again.

use super::{
    App, Page,
    answer::Next,
    guard::{Fields, SignedIn},
    html,
};
use crate::command::CommandError;
use askama::Template;
use axum::{http::StatusCode, response::Response};
use contracts::standing::{PreviewStop, StopPreview};
use sha2::{Digest, Sha256};

#[derive(Template)]
#[template(path = "preview.html")]
struct PreviewPage {
    page: Page,
    title: String,
    /// None: nobody answers.
    view: Option<StopPreview>,
    away: String,
    /// An erasure was asked for too, and waits for two people.
    erase: bool,
    /// It was looked at before, and is another list now.
    changed: bool,
    action: String,
    fields: Fields,
    seen: String,
    back: (String, String),
}

/// What a list says, without what only time changes. 32 hexadecimal digits. Pure.
fn mark(view: &StopPreview) -> String {
    let told: Vec<_> = view.told.iter().map(|t| (&t.label, t.kind, t.transport, t.suspended)).collect();
    let all = serde_json::json!([view.scope, view.identified, view.suppliers, told, view.not_told]);
    let digest = Sha256::digest(all.to_string().as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What a form that needs a look first is about.
pub(super) struct Before<'a> {
    /// What to ask.
    pub question: PreviewStop,
    /// An erasure was asked for too.
    pub erase: bool,
    /// The heading's key.
    pub title: &'a str,
    /// The form's own address.
    pub action: String,
    /// Where to go back to.
    pub next: &'a Next,
}

/// `None`: what will happen was looked at, and is what will happen. Otherwise the page that shows it.
pub(super) async fn look(app: &App, who: &SignedIn, fields: &Fields, before: Before<'_>) -> Option<Response> {
    let asked = app.commands.preview(&before.question).await;
    let given = fields.get("seen");
    let mark = asked.as_ref().map_or_else(|_| "away".to_owned(), mark);
    if given == Some(mark.as_str()) {
        return None;
    }
    let page = who.page_at(app, before.next.section, &before.next.path);
    let (status, view) = match asked {
        Ok(view) => (StatusCode::OK, Some(view)),
        Err(error) => {
            if !matches!(error, CommandError::Away(_)) {
                tracing::error!(%error, "who would be told cannot be asked");
            }
            (StatusCode::SERVICE_UNAVAILABLE, None)
        }
    };
    let away = page.t("answer.away-read").replace("{service}", &page.word("service", "optout"));
    let sent = fields.0.iter().filter(|(name, _)| name != "seen").cloned().collect();
    let template = PreviewPage {
        title: page.t(before.title).to_owned(),
        view,
        away,
        erase: before.erase,
        // The first look is none at a changed list.
        changed: given.is_some_and(|seen| seen != "away"),
        action: before.action,
        fields: Fields(sent),
        seen: mark,
        back: (before.next.path.clone(), page.t(before.next.words).to_owned()),
        page,
    };
    Some(html(status, template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{Code, RecipientKind, Scope, Timestamp, Transport, standing::PreviewTold};

    #[test]
    fn another_recipient_is_another_list_and_another_minute_is_not() {
        let told = |due: i64, suspended| PreviewTold {
            label: Code::of("a"),
            kind: RecipientKind::Contractor,
            transport: Transport::Nats,
            due: Timestamp::from_second(due).unwrap(),
            suspended,
        };
        let view =
            |told| StopPreview { scope: Scope::Both, identified: true, suppliers: (0, 0), told, not_told: vec![] };
        let first = mark(&view(vec![told(1, false)]));
        assert_eq!(first.len(), 32);
        assert_eq!(first, mark(&view(vec![told(60, false)])));
        assert_ne!(first, mark(&view(vec![told(1, true)])));
        assert_ne!(first, mark(&view(vec![])));
        assert_ne!(first, mark(&StopPreview { scope: Scope::Anonymised, ..view(vec![told(1, false)]) }));
    }
}
