//! What a service sealed to the console, opened for one page; and the one way to say why it cannot be shown.

use super::{
    Answer, App, Oops,
    answer::{self, Next},
    guard::{SignedIn, not_found_for},
};
use crate::command::CommandError;
use axum::http::StatusCode;
use contracts::{Sealed, Uuid};
use privacy::Personal;
use serde::de::DeserializeOwned;

/// Why there is nothing to show.
#[derive(Debug)]
pub enum NotShown {
    /// There is no such thing.
    Unknown,
    /// It does not open, or is not what this program reads.
    Unreadable,
    /// Whoever keeps it does not answer.
    Command(CommandError),
    /// The console's own database: nobody was asked.
    Oops(Oops),
}

impl<E: Into<Oops>> From<E> for NotShown {
    fn from(error: E) -> Self {
        Self::Oops(error.into())
    }
}

impl NotShown {
    /// The page that says so, and leads on.
    pub fn answer(self, who: &SignedIn, app: &App, next: Next) -> Answer {
        match self {
            Self::Unknown => Ok(not_found_for(who, app)),
            Self::Unreadable => {
                Ok(answer::refused_at(who, app, StatusCode::SERVICE_UNAVAILABLE, "values-unreadable", next))
            }
            Self::Command(error) => Ok(answer::failed(who, app, next, &error, None)),
            Self::Oops(oops) => Err(oops),
        }
    }
}

/// Opens what is bound to `what`.
///
/// # Errors
/// [`NotShown::Unreadable`]; the log says for which.
pub fn opened<T: DeserializeOwned + 'static>(app: &App, what: Uuid, sealed: &Sealed) -> Result<Personal<T>, NotShown> {
    let opened = app.key.open(what.as_bytes(), &sealed.0).ok().and_then(|opened| opened.json().ok());
    opened.ok_or_else(|| {
        tracing::error!(%what, "values cannot be shown: does the console's key file belong to this house?");
        NotShown::Unreadable
    })
}
