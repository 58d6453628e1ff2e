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

/// A character that is not printed as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Which.
    pub character: char,
    /// What is printed; none: nothing.
    pub by: Option<char>,
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

/// What of a text can be printed.
pub(crate) fn printable(text: &str, weight: Weight, replaced: &mut Vec<Replaced>) -> String {
    let face = &loaded(weight).face;
    let mut out = String::with_capacity(text.len());
    let mut note = |character, by| {
        let one = Replaced { character, by };
        if !replaced.contains(&one) {
            replaced.push(one);
        }
    };
    let mut before = None;
    for c in text.chars() {
        let c = if c == '\t' { ' ' } else { c };
        if c.is_control() || turns(c) {
            note(c, None);
            continue;
        }
        if is_selector(c) {
            // Without a form of its own the character before it is printed in its usual form, and that is said.
            match before {
                Some(base) if face.glyph_variation_index(base, c).is_some() => out.push(c),
                Some(_) | None => note(c, None),
            }
            continue;
        }
        before = Some(c);
        let has = |c| face.glyph_index(c).is_some_and(|glyph| glyph.0 != 0);
        if c.is_whitespace() || has(c) {
            out.push(c);
        } else {
            let usual = fold::usual_form(c);
            let by = if has(usual) { usual } else { GETA };
            note(c, Some(by));
            out.push(by);
        }
    }
    out
}

/// Shapes a text of one line.
pub(crate) fn shape(text: &str, weight: Weight, replaced: &mut Vec<Replaced>) -> Shaped {
    let text = printable(text, weight, replaced);
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

    #[test]
    fn names_are_printed_as_they_were_written() {
        for weight in [Weight::Regular, Weight::Bold] {
            let mut replaced = vec![];
            for text in ["髙橋", "山﨑", "渡邊", "渡邉", "㈱見本", "①②", "ｱｲｳ", "濵﨑", "齋藤", "Ångström 12 – “x”"]
            {
                assert_eq!(printable(text, weight, &mut replaced), text);
            }
            assert_eq!(replaced, [], "{weight:?}");
        }
    }

    #[test]
    fn what_the_font_lacks_is_marked_and_said() {
        let mut replaced = vec![];
        assert_eq!(printable("A\u{202e}B\u{7}C😀ش", Weight::Regular, &mut replaced), "ABC〓〓");
        assert_eq!(replaced.iter().map(|r| r.character).collect::<Vec<_>>(), ['\u{202e}', '\u{7}', '😀', 'ش']);
        assert_eq!(replaced[2].by, Some('〓'));
        let mut replaced = vec![];
        assert_eq!(printable("𠮷田", Weight::Bold, &mut replaced), "吉田");
        assert_eq!(replaced, [Replaced { character: '𠮷', by: Some('吉') }]);
    }

    #[test]
    fn no_glyph_is_the_empty_box() {
        let mut replaced = vec![];
        let shaped = shape("窓口 Madoguchi 邉\u{e0100}様", Weight::Regular, &mut replaced);
        assert!(shaped.glyphs.iter().all(|g| g.glyph_id != GlyphId::new(0)));
        assert!(shaped.width(0..shaped.glyphs.len()) > 10.0);
    }
}
