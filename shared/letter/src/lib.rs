//! 文書: letters and forms to print, as PDF. Typed content in; a tagged file (PDF/A-2a, PDF/UA-1) out. No I/O, no clock: the same
//! letter gives the same bytes, so that its digest can be kept in place of it.

mod content;
mod draw;
mod layout;
mod lines;
mod shape;
mod words;

pub use content::{
    Addressee, BLOCKS_MAX, Block, CHARS_MAX, COLUMNS_MAX, Honorific, Lang, Letter, LetterError, PAGES_MAX, QR_MAX,
    ROWS_MAX, Sender,
};
pub use shape::{Place, REPLACED_MAX, Replaced};

/// A letter, made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The file.
    pub pdf: Vec<u8>,
    /// Sheets, printed on one side.
    pub pages: usize,
    /// Characters that are not printed as they were written, each once for each place, the first [`REPLACED_MAX`]: a person looks
    /// before it is sent.
    pub replaced: Vec<Replaced>,
}

/// Makes the file.
///
/// # Errors
/// A limit, a table whose rows differ, data that no QR code holds.
pub fn make(letter: &Letter) -> Result<Made, LetterError> {
    letter.check()?;
    let pages = layout::pages(letter)?;
    let pdf = draw::file(letter, &pages)?;
    Ok(Made { pdf, pages: pages.count, replaced: pages.replaced })
}
