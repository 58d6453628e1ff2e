//! 封緘ファイル: what is carried to a recipient in a closed network, and what comes back from it.

use super::{
    Answer, App, Page,
    answer::{self, Next},
    download::attachment,
    guard::{Fields, Signed, SignedIn, not_found_for},
    html,
    upload::Upload,
};
use crate::{
    command::files::{BACK_MAX, Exported},
    page::orders,
};
use askama::Template;
use axum::{
    extract::{Multipart, Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use contracts::{
    Code, RecipientId, Uuid,
    carried::{FileForm, FileLine, ImportReply, Positions},
    register::RecipientReply,
    request::{RecipientRow, StaffReply},
};

/// Lines of an answer that are shown; those that were not taken come first.
const SHOWN_MAX: usize = 500;

#[derive(Template)]
#[template(path = "files.html")]
struct FilesPage {
    page: Page,
    row: RecipientRow,
}

impl FilesPage {
    fn token(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[derive(Template)]
#[template(path = "files_taken.html")]
struct TakenPage {
    page: Page,
    recipient: RecipientId,
    whole: bool,
    empty: u32,
    taken: usize,
    not_taken: usize,
    /// Those that were not taken first, then by their number.
    lines: Vec<FileLine>,
}

fn next(recipient: Uuid) -> Next {
    Next { section: "recipients", path: format!("/recipients/{recipient}/files"), words: "files.back" }
}

/// GET /recipients/{recipient}/files
pub async fn page(State(app): State<App>, Path(recipient): Path<Uuid>, who: SignedIn) -> Answer {
    match app.commands.recipient(RecipientId(recipient)).await {
        Ok(RecipientReply::Found(view)) => {
            let page = who.page_at(&app, "recipients", &format!("/recipients/{recipient}/files"));
            Ok(html(StatusCode::OK, FilesPage { page, row: view.row }))
        }
        Ok(RecipientReply::Unknown) => Ok(not_found_for(&who, &app)),
        Err(error) => {
            let to = Next { section: "recipients", path: "/recipients".into(), words: "answer.to-recipients" };
            Ok(answer::failed(&who, &app, to, &error, None))
        }
    }
}

/// Which positions the form asks for. Pure.
fn positions(fields: &Fields) -> Result<Positions, &'static str> {
    match fields.get("positions") {
        Some("new") => Ok(Positions::New),
        Some("open") => Ok(Positions::Open),
        Some("range") => {
            let first = fields.parsed("first").filter(|first| *first >= 1).ok_or("position-first")?;
            let last = match fields.get("last") {
                None => None,
                Some(text) => Some(text.parse().ok().filter(|last| *last >= first).ok_or("position-last")?),
            };
            Ok(Positions::Range { first, last })
        }
        _ => Err("positions-none"),
    }
}

/// POST /recipients/{recipient}/files/export
pub async fn export(State(app): State<App>, Path(recipient): Path<Uuid>, Signed { who, fields }: Signed) -> Answer {
    let next = next(recipient);
    let wrong = |word, next| Ok(answer::refused_at(&who, &app, StatusCode::UNPROCESSABLE_ENTITY, word, next));
    let what = match positions(&fields) {
        Ok(what) => what,
        Err(word) => return wrong(word, next),
    };
    let by = match orders::by(who.staff.id, &fields) {
        Ok(by) => by,
        Err(word) => return wrong(word, next),
    };
    let again = Some((format!("/recipients/{recipient}/files/export"), fields.clone()));
    Ok(match app.commands.export_file(by, RecipientId(recipient), what).await {
        Ok(Ok(exported)) => file(recipient, exported),
        Ok(Err(reason)) => answer::answer(&who, &app, next, Ok(StaffReply::Refused { reason, at: None }), again),
        Err(error) => answer::failed(&who, &app, next, &error, again),
    })
}

/// Its name says what is in it, and whether there is more to carry.
fn file(recipient: Uuid, exported: Exported) -> Response {
    let Exported { bytes, epoch, positions: (first, last), more } = exported;
    let more = if more { "-more" } else { "" };
    let name = format!("stops-{recipient}-{epoch}-{first}-{last}{more}.sealed");
    attachment(&name, "application/octet-stream", bytes)
}

fn form_of(fields: &Fields) -> Option<FileForm> {
    match fields.get("form") {
        Some("reports") => Some(FileForm::Reports),
        Some("sheet") => Some(FileForm::Sheet),
        _ => None,
    }
}

/// POST /recipients/{recipient}/files/import
pub async fn import(
    State(app): State<App>,
    Path(recipient): Path<Uuid>,
    who: SignedIn,
    headers: HeaderMap,
    form: Multipart,
) -> Answer {
    let next = next(recipient);
    let wrong = |(status, word), next| Ok(answer::refused_at(&who, &app, status, word, next));
    let mut upload = match Upload::read(&who, &headers, form, "carried-too-large").await {
        Ok(upload) => upload,
        Err(refused) => return wrong(refused, next),
    };
    let file = upload.file(BACK_MAX);
    let Some(form) = form_of(&upload.fields) else {
        return wrong((StatusCode::UNPROCESSABLE_ENTITY, "file-form-none"), next);
    };
    let by = match orders::by(who.staff.id, &upload.fields) {
        Ok(by) => by,
        Err(word) => return wrong((StatusCode::UNPROCESSABLE_ENTITY, word), next),
    };
    let bytes = match file {
        Ok(bytes) => bytes,
        Err(refused) => return wrong(refused, next),
    };
    Ok(match app.commands.import_file(by, RecipientId(recipient), form, bytes).await {
        Ok(ImportReply::Imported { whole, empty, lines, .. }) => {
            let page = who.page_at(&app, "recipients", &format!("/recipients/{recipient}/files"));
            html(StatusCode::OK, taken(page, RecipientId(recipient), whole, empty, lines))
        }
        Ok(ImportReply::Refused { reason }) => {
            answer::answer(&who, &app, next, Ok(StaffReply::Refused { reason, at: None }), None)
        }
        Err(error) => answer::failed(&who, &app, next, &error, None),
    })
}

fn taken(page: Page, recipient: RecipientId, whole: bool, empty: u32, mut lines: Vec<FileLine>) -> TakenPage {
    let taken = lines.iter().filter(|line| line.ok).count();
    let not_taken = lines.len() - taken;
    lines.sort_by_key(|line| (line.ok, line.line));
    lines.truncate(SHOWN_MAX);
    TakenPage { page, recipient, whole, empty, taken, not_taken, lines }
}

impl TakenPage {
    const fn is_good(&self) -> bool {
        self.whole && self.not_taken == 0
    }
    const fn is_cut(&self) -> bool {
        self.lines.len() < self.taken + self.not_taken
    }
    /// A word of the list of what becomes of lines, or of the reasons of reports.
    fn word(&self, code: &Code) -> String {
        let words = self.page.word("file-line", code.as_str());
        if words == code.as_str() { self.page.word("reason", code.as_str()) } else { words }
    }
    fn column(&self, line: &FileLine) -> String {
        line.column.as_ref().map_or(String::new(), |column| self.page.word("file-column", column.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_or_the_first_fault_is_named() {
        assert_eq!(positions(&Fields::of(&[("positions", "new")])), Ok(Positions::New));
        assert_eq!(positions(&Fields::of(&[("positions", "open")])), Ok(Positions::Open));
        let range = |first, last| positions(&Fields::of(&[("positions", "range"), ("first", first), ("last", last)]));
        assert_eq!(range("3", "7"), Ok(Positions::Range { first: 3, last: Some(7) }));
        assert_eq!(
            positions(&Fields::of(&[("positions", "range"), ("first", "3")])),
            Ok(Positions::Range { first: 3, last: None })
        );
        assert_eq!(range("0", "7"), Err("position-first"));
        assert_eq!(range("3", "2"), Err("position-last"));
        assert_eq!(positions(&Fields::of(&[])), Err("positions-none"));
    }
}
