//! 割付け: where everything stands on paper (A4, points from the upper left corner), and in which order it is read. Pure.

use crate::{
    content::{Addressee, Block, Lang, Letter, LetterError, PAGES_MAX, Sender, blank},
    lines::{Lines, lines},
    shape::{Notes, Place, Replaced, Shaped, Weight, printable, sayable},
    words,
};
use std::sync::Arc;

/// Points of a millimetre.
pub(crate) const MM: f32 = 72.0 / 25.4;
/// A4.
pub(crate) const PAGE: (f32, f32) = (210.0 * MM, 297.0 * MM);
const LEFT: f32 = 22.0 * MM;
const RIGHT: f32 = PAGE.0 - 22.0 * MM;
const TOP: f32 = 20.0 * MM;
const BOTTOM: f32 = PAGE.1 - 22.0 * MM;
const FOOT: f32 = PAGE.1 - 13.0 * MM;
/// The window of a long envelope on paper folded in three: 長形3号.
const WINDOW: (f32, f32, f32) = (22.0 * MM, 16.0 * MM, 88.0 * MM);
/// Under the window and the sender the text begins, above the first fold.
const TEXT_TOP: f32 = 78.0 * MM;
const SIZE: f32 = 10.5;
const LEADING: f32 = 1.65;
/// From the top of a line to its base, in parts of the size.
const ASCENT: f32 = 0.88;

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) enum Mark {
    /// Glyphs of a text, at the left end of their base line.
    Text { at: (f32, f32), size: f32, text: Arc<Shaped>, glyphs: std::ops::Range<usize> },
    /// A line.
    Rule { from: (f32, f32), to: (f32, f32), width: f32 },
    /// A frame: left, top, width, height.
    Frame { at: (f32, f32, f32, f32) },
    /// The dark modules of a QR code, and how many stand in a row.
    Qr { at: (f32, f32), side: f32, dark: Vec<bool>, across: usize },
}

/// A mark on its page; what belongs to no leaf of the tree is only there for the eye.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub page: usize,
    pub leaf: Option<usize>,
    pub mark: Mark,
}

/// What a part of the text is, for who listens to it (PDF/UA).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Paragraph,
    Title(String),
    Heading(String),
    List,
    Item,
    ItemBody,
    Table,
    Row,
    HeadCell,
    LabelCell,
    Cell,
    Figure(String),
}

/// The order in which it is read.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(usize),
    Group(Role, Vec<Node>),
}

/// One piece of text.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// What was written, where that is not what is printed.
    pub original: Option<String>,
    /// In which language.
    pub lang: Lang,
}

/// A letter on pages.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub count: usize,
    pub marks: Vec<Placed>,
    pub tree: Vec<Node>,
    pub leaves: Vec<Leaf>,
    pub replaced: Vec<Replaced>,
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Centre,
    Right,
}

struct Flow {
    page: usize,
    y: f32,
    marks: Vec<Placed>,
    tree: Vec<Node>,
    notes: Notes,
    /// One per leaf.
    leaves: Vec<Leaf>,
    lang: Lang,
}

impl Flow {
    /// A leaf of the tree for a text and its lines. What of it is printed otherwise is kept as it was written: who listens or
    /// searches gets that.
    fn leaf(&mut self, text: &str, lines: &Lines) -> usize {
        let written = sayable(text);
        let same = written.split('\n').eq(lines.texts.iter().map(|shaped| shaped.text.as_str()));
        self.new_leaf((!same).then_some(written))
    }
    fn new_leaf(&mut self, original: Option<String>) -> usize {
        self.leaves.push(Leaf { original, lang: self.lang });
        self.leaves.len() - 1
    }
    fn put(&mut self, leaf: Option<usize>, mark: Mark) {
        self.marks.push(Placed { page: self.page, leaf, mark });
    }
    fn new_page(&mut self) {
        self.page += 1;
        self.y = TOP;
    }
    /// Goes to the next page when so much does not fit on this one.
    fn need(&mut self, height: f32) {
        if self.y + height > BOTTOM && self.y > TOP {
            self.new_page();
        }
    }
    fn lines(&mut self, text: &str, weight: Weight, width: f32, size: f32) -> Lines {
        lines(text, weight, width / size, &mut self.notes)
    }
    /// Draws some lines from `y` on, without looking at the page's end.
    fn draw(&mut self, of: &Drawn<'_>, which: std::ops::Range<usize>, mut y: f32) {
        for line in &of.lines.lines[which] {
            let room = of.width - line.width * of.size;
            let x = of.x
                + match of.align {
                    Align::Left => 0.0,
                    Align::Centre => room / 2.0,
                    Align::Right => room,
                };
            let at = (x, y + of.size * ASCENT);
            let text = of.texts[line.text].clone();
            self.put(of.leaf, Mark::Text { at, size: of.size, text, glyphs: line.glyphs.clone() });
            y += of.size * LEADING;
        }
    }
    /// A text that goes on from page to page.
    fn flow(&mut self, text: &str, weight: Weight, size: f32, (x, width): (f32, f32), align: Align) -> usize {
        let lines = self.lines(text, weight, width, size);
        let leaf = self.leaf(text, &lines);
        let drawn = Drawn::new(&lines, x, width, size, Some(leaf), align);
        for n in 0..lines.lines.len() {
            self.need(size * LEADING);
            let y = self.y;
            self.draw(&drawn, n..n + 1, y);
            self.y += size * LEADING;
        }
        leaf
    }
}

/// Lines that are to be drawn somewhere.
struct Drawn<'a> {
    lines: &'a Lines,
    texts: Vec<Arc<Shaped>>,
    x: f32,
    width: f32,
    size: f32,
    leaf: Option<usize>,
    align: Align,
}

impl<'a> Drawn<'a> {
    fn new(lines: &'a Lines, x: f32, width: f32, size: f32, leaf: Option<usize>, align: Align) -> Self {
        let texts = lines.texts.iter().cloned().map(Arc::new).collect();
        Self { lines, texts, x, width, size, leaf, align }
    }
}

/// Lays a letter out.
pub(crate) fn pages(letter: &Letter) -> Result<Pages, LetterError> {
    let notes = Notes::default();
    let mut flow = Flow { page: 0, y: TOP, marks: vec![], tree: vec![], notes, leaves: vec![], lang: letter.lang };
    head(&mut flow, letter)?;
    for (n, block) in letter.blocks.iter().enumerate() {
        flow.notes.place = Place::Block(n + 1);
        let lang = flow.lang;
        one(&mut flow, lang, block, n + 1)?;
        if flow.page >= PAGES_MAX {
            return Err(LetterError::TooMuch { what: "pages", given: flow.page + 1, max: PAGES_MAX });
        }
    }
    let count = flow.page + 1;
    flow.notes.place = Place::Reference;
    feet(&mut flow, letter, count);
    let Flow { marks, tree, leaves, notes, .. } = flow;
    Ok(Pages { count, marks, tree, leaves, replaced: notes.all })
}

/// A text for who listens: as it is printed.
pub(crate) fn plain(text: &str) -> String {
    printable(text, Weight::Bold, &mut Notes::default())
}

const FULL: (f32, f32) = (LEFT, RIGHT - LEFT);

fn paragraph(flow: &mut Flow, text: &str, size: f32, place: (f32, f32), align: Align) {
    let leaf = flow.flow(text, Weight::Regular, size, place, align);
    flow.tree.push(Node::Group(Role::Paragraph, vec![Node::Leaf(leaf)]));
}

/// Addressee in the window; date, reference and sender on the right; the title.
fn head(flow: &mut Flow, letter: &Letter) -> Result<(), LetterError> {
    if let Some(to) = &letter.to {
        flow.notes.place = Place::Addressee;
        addressee(flow, letter.lang, to)?;
    }
    let right = (PAGE.0 / 2.0 + 8.0 * MM, RIGHT - PAGE.0 / 2.0 - 8.0 * MM);
    flow.y = WINDOW.1;
    if let Some(reference) = &letter.reference {
        flow.notes.place = Place::Reference;
        paragraph(flow, &words::reference(letter.lang, reference), 9.5, right, Align::Right);
    }
    if letter.to.is_some() || letter.from.is_some() {
        paragraph(flow, &words::date(letter.lang, letter.date), SIZE, right, Align::Right);
    }
    if let Some(from) = &letter.from {
        flow.notes.place = Place::Sender;
        sender(flow, from, right);
    }
    let least = if letter.to.is_some() { TEXT_TOP } else { TOP };
    flow.y = (flow.y + 6.0 * MM).max(least);
    flow.notes.place = Place::Title;
    let leaf = flow.flow(&letter.title, Weight::Bold, 15.0, FULL, Align::Centre);
    flow.tree.push(Node::Group(Role::Title(plain(&letter.title)), vec![Node::Leaf(leaf)]));
    flow.y += 5.0 * MM;
    Ok(())
}

/// What does not fit above the text would be printed over it, and not be seen through the window.
fn addressee(flow: &mut Flow, lang: Lang, to: &Addressee) -> Result<(), LetterError> {
    flow.y = WINDOW.1;
    let place = (WINDOW.0, WINDOW.2);
    if !to.postcode.is_empty() {
        paragraph(flow, &words::postcode(lang, &to.postcode), SIZE, place, Align::Left);
    }
    for line in &to.address {
        paragraph(flow, line, SIZE, place, Align::Left);
    }
    flow.y += 1.5 * MM;
    paragraph(flow, &words::name(lang, &to.name, to.honorific), 12.5, place, Align::Left);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few pages of lines
    let lines = |y: f32| ((y - WINDOW.1) / (SIZE * LEADING)).round() as usize;
    let (given, max) = (lines(lines_f(flow.page) * BOTTOM + flow.y), lines(TEXT_TOP - 4.0 * MM));
    if given > max { Err(LetterError::TooMuch { what: "lines of the addressee", given, max }) } else { Ok(()) }
}

fn sender(flow: &mut Flow, from: &Sender, place: (f32, f32)) {
    flow.y += 3.0 * MM;
    let leaf = flow.flow(&from.name, Weight::Bold, SIZE, place, Align::Right);
    flow.tree.push(Node::Group(Role::Paragraph, vec![Node::Leaf(leaf)]));
    for line in &from.lines {
        paragraph(flow, line, 9.0, place, Align::Right);
    }
}

/// Reference and page number, for the eye: who listens has both elsewhere.
fn feet(flow: &mut Flow, letter: &Letter, count: usize) {
    for page in 0..count {
        flow.page = page;
        let number = format!("{}/{count}", page + 1);
        let left = letter.reference.clone().unwrap_or_default();
        for (text, align) in [(left, Align::Left), (number, Align::Right)] {
            let lines = flow.lines(&text, Weight::Regular, FULL.1, 8.5);
            let drawn = Drawn::new(&lines, FULL.0, FULL.1, 8.5, None, align);
            flow.draw(&drawn, 0..1, FOOT);
        }
    }
}

fn one(flow: &mut Flow, lang: Lang, block: &Block, n: usize) -> Result<(), LetterError> {
    match block {
        Block::Heading(text) if blank(text) => {}
        Block::Heading(text) => {
            flow.y += 2.0 * MM;
            // A heading at the foot of a page would stand alone.
            flow.need(4.0 * SIZE * LEADING);
            let leaf = flow.flow(text, Weight::Bold, 12.0, FULL, Align::Left);
            flow.tree.push(Node::Group(Role::Heading(plain(text)), vec![Node::Leaf(leaf)]));
            flow.y += 1.0 * MM;
        }
        Block::Paragraph(text) => {
            paragraph(flow, text, SIZE, FULL, Align::Left);
            flow.y += 2.5 * MM;
        }
        Block::Closing(text) => paragraph(flow, text, SIZE, FULL, Align::Right),
        Block::Numbered(items) => numbered(flow, items),
        Block::Facts(facts) => {
            let rows: Vec<Vec<String>> =
                facts.iter().map(|(label, value)| vec![label.clone(), value.clone()]).collect();
            table(flow, &[], &[1, 2], &rows);
        }
        Block::Table { head, widths, rows } => table(flow, head, widths, rows),
        Block::Field { label, lines } => field(flow, label, (*lines).max(1)),
        Block::Choices { label, choices } => ticks(flow, label, choices),
        Block::Signature { label } => signature(flow, lang, label),
        Block::Qr { data, words } => qr(flow, data, words, n)?,
        Block::NewPage => flow.new_page(),
        Block::Language(lang) => flow.lang = *lang,
    }
    Ok(())
}

fn numbered(flow: &mut Flow, items: &[String]) {
    let mut all = vec![];
    let indent = 8.0 * MM;
    for (n, item) in items.iter().enumerate() {
        flow.need(SIZE * LEADING);
        let (page, y) = (flow.page, flow.y);
        let number = flow.flow(&format!("{}.", n + 1), Weight::Regular, SIZE, (LEFT, indent), Align::Left);
        (flow.page, flow.y) = (page, y);
        let body = flow.flow(item, Weight::Regular, SIZE, (LEFT + indent, FULL.1 - indent), Align::Left);
        let body = Node::Group(Role::ItemBody, vec![Node::Leaf(number), Node::Leaf(body)]);
        all.push(Node::Group(Role::Item, vec![body]));
        flow.y += 1.0 * MM;
    }
    flow.tree.push(Node::Group(Role::List, all));
    flow.y += 1.5 * MM;
}

fn label(flow: &mut Flow, text: &str) {
    flow.need(3.0 * SIZE * LEADING);
    let leaf = flow.flow(text, Weight::Bold, SIZE, FULL, Align::Left);
    flow.tree.push(Node::Group(Role::Paragraph, vec![Node::Leaf(leaf)]));
}

fn field(flow: &mut Flow, text: &str, lines: u8) {
    label(flow, text);
    for _ in 0..lines {
        flow.need(9.0 * MM);
        flow.y += 9.0 * MM;
        let y = flow.y;
        flow.put(None, Mark::Rule { from: (LEFT, y), to: (RIGHT, y), width: 0.6 });
    }
    flow.y += 4.0 * MM;
}

fn ticks(flow: &mut Flow, text: &str, choices: &[String]) {
    label(flow, text);
    let (side, indent) = (3.6 * MM, 7.0 * MM);
    let mut all = vec![];
    for choice in choices {
        flow.need(SIZE * LEADING);
        let at = (LEFT, flow.y + 0.3 * MM, side, side);
        flow.put(None, Mark::Frame { at });
        let leaf = flow.flow(choice, Weight::Regular, SIZE, (LEFT + indent, FULL.1 - indent), Align::Left);
        all.push(Node::Group(Role::Item, vec![Node::Group(Role::ItemBody, vec![Node::Leaf(leaf)])]));
        flow.y += 0.8 * MM;
    }
    flow.tree.push(Node::Group(Role::List, all));
    flow.y += 3.0 * MM;
}

fn signature(flow: &mut Flow, lang: Lang, text: &str) {
    flow.need(16.0 * MM);
    label(flow, text);
    flow.y += 9.0 * MM;
    let y = flow.y;
    flow.put(None, Mark::Rule { from: (LEFT, y), to: (RIGHT - 22.0 * MM, y), width: 0.6 });
    if lang != Lang::En {
        let lines = flow.lines("印", Weight::Regular, 10.0 * MM, SIZE);
        let leaf = flow.leaf("印", &lines);
        let drawn = Drawn::new(&lines, RIGHT - 18.0 * MM, 10.0 * MM, SIZE, Some(leaf), Align::Centre);
        flow.draw(&drawn, 0..1, y - SIZE);
        flow.tree.push(Node::Group(Role::Paragraph, vec![Node::Leaf(leaf)]));
    }
    flow.y += 4.0 * MM;
}

fn qr(flow: &mut Flow, data: &str, words: &str, block: usize) -> Result<(), LetterError> {
    let why = |e: qrcode::types::QrError| LetterError::Qr { block, why: e.to_string() };
    let code = qrcode::QrCode::with_error_correction_level(data, qrcode::EcLevel::M).map_err(why)?;
    let dark: Vec<bool> = code.to_colors().into_iter().map(|c| c == qrcode::Color::Dark).collect();
    // Modules of at least 0.4 mm are read by an office scanner and a telephone alike.
    #[allow(clippy::cast_precision_loss)] // at most 177
    let side = (code.width() as f32 * 0.5 * MM).clamp(25.0 * MM, 60.0 * MM);
    flow.need(side + 6.0 * MM);
    let (page, y) = (flow.page, flow.y + 2.0 * MM);
    let leaf = flow.new_leaf(None);
    flow.put(Some(leaf), Mark::Qr { at: (LEFT, y), side, dark, across: code.width() });
    flow.tree.push(Node::Group(Role::Figure(plain(words)), vec![Node::Leaf(leaf)]));
    flow.y = y;
    let x = LEFT + side + 6.0 * MM;
    paragraph(flow, words, SIZE, (x, RIGHT - x), Align::Left);
    if flow.page == page {
        flow.y = flow.y.max(y + side);
    }
    flow.y += 4.0 * MM;
    Ok(())
}

const PAD: f32 = 1.6 * MM;
const CELL: f32 = 9.5;

/// Rows that go on over pages; the head stands again on each. Without a head the first column labels the row.
fn table(flow: &mut Flow, head: &[String], widths: &[u16], rows: &[Vec<String>]) {
    let all: f32 = widths.iter().map(|w| f32::from(*w)).sum();
    let widths: Vec<f32> = widths.iter().map(|w| f32::from(*w) / all * FULL.1).collect();
    let mut nodes = vec![];
    flow.need(2.0 * (CELL * LEADING + 2.0 * PAD));
    let y = flow.y;
    flow.put(None, Mark::Rule { from: (LEFT, y), to: (RIGHT, y), width: 0.8 });
    if !head.is_empty() {
        nodes.push(row(flow, head, &widths, &[], |_| Role::HeadCell, true));
    }
    for cells in rows {
        let role = |n: usize| if head.is_empty() && n == 0 { Role::LabelCell } else { Role::Cell };
        nodes.push(row(flow, cells, &widths, head, role, false));
    }
    flow.tree.push(Node::Group(Role::Table, nodes));
    flow.y += 3.5 * MM;
}

fn row(
    flow: &mut Flow,
    cells: &[String],
    widths: &[f32],
    head: &[String],
    role: impl Fn(usize) -> Role,
    bold: bool,
) -> Node {
    let weight = |n| if bold || role(n) == Role::LabelCell { Weight::Bold } else { Weight::Regular };
    let texts: Vec<Lines> =
        cells.iter().enumerate().map(|(n, text)| flow.lines(text, weight(n), widths[n] - 2.0 * PAD, CELL)).collect();
    let leaves: Vec<usize> = cells.iter().zip(&texts).map(|(text, lines)| flow.leaf(text, lines)).collect();
    let (leading, most) = (CELL * LEADING, texts.iter().map(|t| t.lines.len()).max().unwrap_or(1));
    let mut done = 0;
    while done < most {
        let whole = leading * lines_f(most - done) + 2.0 * PAD;
        let a_page = BOTTOM - TOP - 2.0 * (leading + 2.0 * PAD);
        // A row is kept together unless it is longer than a page.
        if flow.y + whole.min(a_page) > BOTTOM && flow.y > TOP {
            flow.new_page();
            repeat(flow, head, widths);
        }
        let room = ((BOTTOM - flow.y - 2.0 * PAD) / leading).floor().max(1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // lines of a page
        let now = (room as usize).min(most - done);
        let mut x = LEFT;
        for (n, text) in texts.iter().enumerate() {
            let which = done.min(text.lines.len())..(done + now).min(text.lines.len());
            let drawn = Drawn::new(text, x + PAD, widths[n] - 2.0 * PAD, CELL, Some(leaves[n]), Align::Left);
            let y = flow.y + PAD;
            flow.draw(&drawn, which, y);
            x += widths[n];
        }
        done += now;
        flow.y += leading * lines_f(now) + 2.0 * PAD;
        let y = flow.y;
        flow.put(None, Mark::Rule { from: (LEFT, y), to: (RIGHT, y), width: if bold { 0.8 } else { 0.4 } });
    }
    let cells = leaves.into_iter().enumerate().map(|(n, leaf)| Node::Group(role(n), vec![Node::Leaf(leaf)]));
    Node::Group(Role::Row, cells.collect())
}

/// The head again, for the eye.
fn repeat(flow: &mut Flow, head: &[String], widths: &[f32]) {
    if head.is_empty() {
        return;
    }
    let before = (flow.marks.len(), flow.leaves.len());
    let _ = row(flow, head, widths, &[], |_| Role::HeadCell, true);
    for placed in &mut flow.marks[before.0..] {
        placed.leaf = None;
    }
    flow.leaves.truncate(before.1);
}

#[allow(clippy::cast_precision_loss)] // lines of a page
fn lines_f(n: usize) -> f32 {
    n as f32
}
