//! What a letter says: typed, without any place on paper.

use crate::shape::{Notes, Weight, printable};
use jiff::civil::Date;

/// The language of a letter: its fixed words, its date and the tag in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 日本語.
    Ja,
    /// やさしい日本語: the words are the caller's, the fixed ones as in [`Lang::Ja`].
    JaPlain,
    /// English.
    En,
}

impl Lang {
    /// BCP 47.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ja | Self::JaPlain => "ja",
            Self::En => "en",
        }
    }
}

/// 文書: one letter, or one form to fill in by hand.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its language.
    pub lang: Lang,
    /// 標題: stands above the text, and in the file's properties.
    pub title: String,
    /// 受付番号: on every page; none: a form without a case.
    pub reference: Option<String>,
    /// The day on which it was made; a letter bears it, a form (without addressee and sender) does not.
    pub date: Date,
    /// 宛先; none: a form.
    pub to: Option<Addressee>,
    /// 差出人.
    pub from: Option<Sender>,
    /// The text.
    pub blocks: Vec<Block>,
}

/// 宛先: stands where the window of a long envelope (長形3号, A4 folded in three) shows it.
#[derive(Clone, Debug)]
pub struct Addressee {
    /// Seven digits, with or without a hyphen; empty: none is printed.
    pub postcode: String,
    /// The address, as it was written, line by line.
    pub address: Vec<String>,
    /// The name, as it was written.
    pub name: String,
    /// What is added to it where the letter is in Japanese.
    pub honorific: Honorific,
}

/// 敬称.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honorific {
    /// 様: a person.
    Sama,
    /// 御中: an organisation.
    Onchu,
}

/// 差出人.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The organisation.
    pub name: String,
    /// Address, counter, telephone.
    pub lines: Vec<String>,
}

/// One part of the text.
#[derive(Clone, Debug)]
pub enum Block {
    /// 見出し.
    Heading(String),
    /// 段落; a line feed begins a new line.
    Paragraph(String),
    /// 箇条書き with numbers.
    Numbered(Vec<String>),
    /// 項目の表: label and value.
    Facts(Vec<(String, String)>),
    /// 表. The first row repeats on every page that it reaches.
    Table {
        /// The columns' heads.
        head: Vec<String>,
        /// Share of the width of each column; as many as heads.
        widths: Vec<u16>,
        /// Rows; as many cells as heads.
        rows: Vec<Vec<String>>,
    },
    /// 記入欄: a label and lines to write on.
    Field {
        /// The label.
        label: String,
        /// Lines; 1 to 20.
        lines: u8,
    },
    /// 選択欄: boxes to tick.
    Choices {
        /// The label.
        label: String,
        /// One box each.
        choices: Vec<String>,
    },
    /// 署名・押印欄: a line for the signature with a place for a seal.
    Signature {
        /// The label.
        label: String,
    },
    /// A QR code (ISO/IEC 18004, error correction M) with what it is for beside it.
    Qr {
        /// What it carries.
        data: String,
        /// The words beside it; also what a reader without eyes is told.
        words: String,
    },
    /// 以上 and the like: on the right.
    Closing(String),
    /// The next block begins a page.
    NewPage,
    /// From here on the text is in this language: for who listens, and how it is cut into lines is the same.
    Language(Lang),
}

/// Most characters of one letter, blocks, cells of one table, pages.
pub const CHARS_MAX: usize = 200_000;
/// Most blocks.
pub const BLOCKS_MAX: usize = 2_000;
/// Most rows of one table.
pub const ROWS_MAX: usize = 5_000;
/// Most columns of one table.
pub const COLUMNS_MAX: usize = 12;
/// Most pages.
pub const PAGES_MAX: usize = 200;
/// Most bytes of a QR code.
pub const QR_MAX: usize = 1_000;

/// Why there is no letter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LetterError {
    /// A limit.
    #[error("{what}: {given}, at most {max}: shorten it, or make several letters")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much there is.
        given: usize,
        /// How much there may be.
        max: usize,
    },
    /// Nothing that could be printed, where words are needed: a title, what a QR code is for.
    #[error("{what}: there is nothing to print: give it words")]
    Empty {
        /// What.
        what: &'static str,
    },
    /// A table whose rows differ.
    #[error(
        "block {block}: a row has {cells} cells, the head has {head}, widths {widths}: give each the same number, at least one"
    )]
    Table {
        /// Which block, from 1.
        block: usize,
        /// Cells of the row.
        cells: usize,
        /// Columns.
        head: usize,
        /// Widths.
        widths: usize,
    },
    /// What a QR code cannot carry.
    #[error("block {block}: the QR code cannot be made: {why}")]
    Qr {
        /// Which block, from 1.
        block: usize,
        /// Why.
        why: String,
    },
    /// The file could not be written.
    #[error("the file cannot be written: {0}")]
    File(String),
}

impl Letter {
    /// Holds every limit before anything is laid out.
    pub(crate) fn check(&self) -> Result<(), LetterError> {
        let within =
            |what, given, max| if given > max { Err(LetterError::TooMuch { what, given, max }) } else { Ok(()) };
        within("blocks", self.blocks.len(), BLOCKS_MAX)?;
        within("characters", self.characters(), CHARS_MAX)?;
        let words = |what, text: &str| if blank(text) { Err(LetterError::Empty { what }) } else { Ok(()) };
        words("title", &self.title)?;
        for (n, block) in self.blocks.iter().enumerate() {
            match block {
                Block::Table { head, widths, rows } => {
                    within("rows", rows.len(), ROWS_MAX)?;
                    within("columns", head.len(), COLUMNS_MAX)?;
                    let odd = rows.iter().map(Vec::len).find(|cells| *cells != head.len());
                    if head.is_empty() || widths.len() != head.len() || widths.contains(&0) || odd.is_some() {
                        let cells = odd.unwrap_or(head.len());
                        return Err(LetterError::Table { block: n + 1, cells, head: head.len(), widths: widths.len() });
                    }
                }
                Block::Qr { data, words: why } => {
                    within("bytes of a QR code", data.len(), QR_MAX)?;
                    words("words beside a QR code", why)?;
                }
                Block::Field { lines, .. } => within("lines of a field", usize::from(*lines), 20)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn characters(&self) -> usize {
        let of = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        let head = self.title.len()
            + self.reference.as_ref().map_or(0, String::len)
            + self.to.as_ref().map_or(0, |to| to.name.len() + to.postcode.len() + of(&to.address))
            + self.from.as_ref().map_or(0, |from| from.name.len() + of(&from.lines));
        let blocks: usize = self
            .blocks
            .iter()
            .map(|block| match block {
                Block::Heading(text) | Block::Paragraph(text) | Block::Closing(text) => text.len(),
                Block::Numbered(texts) => of(texts),
                Block::Facts(facts) => facts.iter().map(|(label, value)| label.len() + value.len()).sum(),
                Block::Table { head, rows, .. } => of(head) + rows.iter().map(|row| of(row)).sum::<usize>(),
                Block::Field { label, .. } | Block::Signature { label } => label.len(),
                Block::Choices { label, choices } => label.len() + of(choices),
                Block::Qr { words, .. } => words.len(),
                Block::NewPage | Block::Language(_) => 0,
            })
            .sum();
        // Three bytes a character is the usual in Japanese; a limit need not be exact.
        (head + blocks) / 3
    }
}

/// Nothing of it would be seen on paper.
pub(crate) fn blank(text: &str) -> bool {
    printable(text, Weight::Bold, &mut Notes::default()).trim().is_empty()
}
