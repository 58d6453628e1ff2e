//! Characters into glyphs: BIZ UDPGothic, shaped with its own tables.
//!
//! Names are printed as they were written, variation selectors included, as far as the font goes. A character that it lacks is
//! printed in its usual form (𠮷 as 吉) where there is one, or as 〓 (the geta mark that stands for a missing sort), and the caller
//! is told which: nothing is left out silently, and no empty box is printed. Control characters and marks that turn the direction of text are not printed and reported likewise.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, UnicodeBuffer};
use std::{ops::Range, sync::LazyLock};

const REGULAR: &[u8] = include_bytes!("../fonts/BIZUDPGothic-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/BIZUDPGothic-Bold.ttf");
/// What stands for a character that the font lacks.
const GETA: char = '〓';

/// The weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weight {
    /// Text.
    Regular,
    /// Headings, labels.
    Bold,
}

/// One weight, read once.
struct Loaded {
    face: Face<'static>,
    font: Font,
}

fn load(bytes: &'static [u8]) -> Loaded {
    // The files are in the program, and a test reads both: this cannot fail at run time.
    let face = Face::from_slice(bytes, 0).unwrap_or_else(|| panic!("the font is in the program"));
    let font = Font::new(bytes.into(), 0).unwrap_or_else(|| panic!("the font is in the program"));
    Loaded { face, font }
}

fn loaded(weight: Weight) -> &'static Loaded {
    static LOADED: LazyLock<[Loaded; 2]> = LazyLock::new(|| [load(REGULAR), load(BOLD)]);
    match weight {
        Weight::Regular => &LOADED[0],
        Weight::Bold => &LOADED[1],
    }
}

/// The font for drawing.
pub(crate) fn font(weight: Weight) -> Font {
    loaded(weight).font.clone()
}

/// Most of them that are said of one letter: nobody looks at more, and a letter made of them costs no more.
pub const REPLACED_MAX: usize = 1_000;

/// Where in a letter; says nothing of what stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// The title.
    #[default]
    Title,
    /// The reference.
    Reference,
    /// The addressee.
    Addressee,
    /// The sender.
    Sender,
    /// A block, from 1.
    Block(usize),
}

/// A character that is not printed as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Where; each character is said once for each place.
    pub place: Place,
    /// Which.
    pub character: char,
    /// The character before it, for a variation selector: whose form is not to be had.
    pub of: Option<char>,
    /// What is printed; none: nothing.
    pub by: Option<char>,
}

/// What was replaced so far, and where one is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub place: Place,
    pub all: Vec<Replaced>,
}

impl Notes {
    fn note(&mut self, character: char, of: Option<char>, by: Option<char>) {
        let one = Replaced { place: self.place, character, of, by };
        if self.all.len() < REPLACED_MAX && !self.all.contains(&one) {
            self.all.push(one);
        }
    }
}

/// A text and its glyphs; advances in parts of the size.
#[derive(Clone, Debug)]
pub(crate) struct Shaped {
    /// As it is printed.
    pub text: String,
    /// In the order of the text.
    pub glyphs: Vec<KrillaGlyph>,
    /// Which.
    pub weight: Weight,
}

impl Shaped {
    /// The width of a part, at a size of 1.
    pub fn width(&self, glyphs: Range<usize>) -> f32 {
        self.glyphs[glyphs].iter().map(|g| g.x_advance).sum()
    }
}

/// Marks that turn the direction of text: they can make a name read as another.
const fn turns(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The font's variation selectors stand with the character before them; alone they are nothing.
const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Joiners, marks without width, the soft hyphen: they come along when a text is copied, and nothing of them is seen.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// What of a text a reader may be told that it was: all but what is no character of a text.
pub(crate) fn sayable(text: &str) -> String {
    let kept = text.chars().filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || turns(*c) || is_unseen(*c)));
    kept.map(|c| if c == '\t' { ' ' } else { c }).collect()
}

/// What of a text can be printed.
pub(crate) fn printable(text: &str, weight: Weight, notes: &mut Notes) -> String {
    let face = &loaded(weight).face;
    let has = |c| face.glyph_index(c).is_some_and(|glyph| glyph.0 != 0);
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        let c = if c == '\t' { ' ' } else { c };
        if c.is_control() || turns(c) || is_unseen(c) {
            notes.note(c, None, None);
            continue;
        }
        if is_selector(c) {
            // Without a form of its own the character before it is printed in its usual form, and that is said.
            match before {
                Some(base) if face.glyph_variation_index(base, c).is_some() => out.push(c),
                base => notes.note(c, base, None),
            }
            continue;
        }
        before = Some(c);
        if has(c) {
            out.push(c);
            continue;
        }
        let usual = fold::usual_form(c);
        let by = if c.is_whitespace() {
            ' '
        } else if has(usual) {
            usual
        } else {
            GETA
        };
        notes.note(c, None, Some(by));
        out.push(by);
    }
    out
}

/// Shapes a text of one line.
pub(crate) fn shape(text: &str, weight: Weight, notes: &mut Notes) -> Shaped {
    let text = printable(text, weight, notes);
    let face = &loaded(weight).face;
    let mut buffer = UnicodeBuffer::new();
    buffer.push_str(&text);
    buffer.guess_segment_properties();
    buffer.set_direction(Direction::LeftToRight);
    let shaped = rustybuzz::shape(face, &[], buffer);
    let (infos, positions) = (shaped.glyph_infos(), shaped.glyph_positions());
    #[allow(clippy::cast_precision_loss)] // advances are thousands
    let part = |n: i32| n as f32 / face.units_per_em() as f32;
    let start = |n: usize| infos[n].cluster as usize;
    let mut glyphs = Vec::with_capacity(infos.len());
    for n in 0..infos.len() {
        let end = (n + 1..infos.len()).map(start).find(|other| *other != start(n)).unwrap_or(text.len());
        let p = positions[n];
        let (id, range) = (GlyphId::new(infos[n].glyph_id), start(n)..end);
        glyphs.push(KrillaGlyph::new(
            id,
            part(p.x_advance),
            part(p.x_offset),
            part(p.y_offset),
            part(p.y_advance),
            range,
            None,
        ));
    }
    Shaped { text, glyphs, weight }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> (String, Vec<(char, Option<char>)>) {
        let mut notes = Notes::default();
        let text = printable(text, Weight::Regular, &mut notes);
        (text, notes.all.into_iter().map(|r| (r.character, r.by)).collect())
    }

    #[test]
    fn names_are_printed_as_they_were_written() {
        for weight in [Weight::Regular, Weight::Bold] {
            let mut notes = Notes::default();
            for text in
                ["髙橋", "山﨑", "渡邊", "渡邉\u{e0100}", "㈱見本", "①②", "ｱｲｳ", "濵﨑", "齋藤", "Ångström 12 – “x”"]
            {
                assert_eq!(printable(text, weight, &mut notes), text);
            }
            assert_eq!(notes.all, [], "{weight:?}");
        }
    }

    #[test]
    fn what_the_font_lacks_is_marked_and_said() {
        let (text, said) = printed("A\u{202e}B\u{7}C😀ش");
        assert_eq!(text, "ABC〓〓");
        assert_eq!(said, [('\u{202e}', None), ('\u{7}', None), ('😀', Some('〓')), ('ش', Some('〓'))]);
        assert_eq!(printed("𠮷田"), ("吉田".into(), vec![('𠮷', Some('吉'))]));
    }

    #[test]
    fn what_comes_along_with_a_copied_text_leaves_no_mark() {
        let (text, said) = printed("山\u{200b}田\u{feff} 太\u{ad}郎\u{2028}様");
        assert_eq!(text, "山田 太郎 様");
        assert_eq!(said.len(), 4);
        assert_eq!(said[3], ('\u{2028}', Some(' ')));
    }

    #[test]
    fn a_form_that_is_not_to_be_had_is_said_with_its_character() {
        let mut notes = Notes { place: Place::Addressee, all: vec![] };
        assert_eq!(printable("山\u{e01ef}", Weight::Regular, &mut notes), "山");
        let said = Replaced { place: Place::Addressee, character: '\u{e01ef}', of: Some('山'), by: None };
        assert_eq!(notes.all, [said]);
    }

    #[test]
    fn no_glyph_is_the_empty_box() {
        let shaped = shape("窓口 Madoguchi 邉\u{e0100}様\u{1680}", Weight::Regular, &mut Notes::default());
        assert!(shaped.glyphs.iter().all(|g| g.glyph_id != GlyphId::new(0)));
        assert!(shaped.width(0..shaped.glyphs.len()) > 10.0);
    }
}
