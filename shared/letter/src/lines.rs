//! 行分割: where a text may be cut (UAX #14, strict: 禁則処理), and into which lines it falls. Pure.

use crate::shape::{Notes, Shaped, Weight, shape};
use icu_segmenter::{
    LineSegmenter,
    options::{LineBreakOptions, LineBreakStrictness},
};
use std::ops::Range;

/// One line: a part of a shaped text.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Which of the shaped texts.
    pub text: usize,
    /// Which of its glyphs, spaces at the end with them: who listens hears words apart.
    pub glyphs: Range<usize>,
    /// How wide without those, at a size of 1.
    pub width: f32,
}

/// A text, shaped line feed by line feed, and its lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// What was between line feeds.
    pub texts: Vec<Shaped>,
    /// At least one.
    pub lines: Vec<Line>,
}

/// Falls into lines of at most this width (at a size of 1). What cannot be cut elsewhere is cut where it no longer fits.
pub(crate) fn lines(text: &str, weight: Weight, width: f32, notes: &mut Notes) -> Lines {
    let mut out = Lines::default();
    for part in text.split('\n') {
        let shaped = shape(part.trim_end_matches('\r'), weight, notes);
        let n = out.texts.len();
        cut(&shaped, n, width, &mut out.lines);
        out.texts.push(shaped);
    }
    out
}

fn cut(shaped: &Shaped, text: usize, width: f32, out: &mut Vec<Line>) {
    let mut options = LineBreakOptions::default();
    options.strictness = Some(LineBreakStrictness::Strict);
    let segmenter = LineSegmenter::new_for_non_complex_scripts(options);
    let may: Vec<usize> = segmenter.segment_str(&shaped.text).collect();
    let glyphs = &shaped.glyphs;
    let mut push = |from: usize, to: usize| {
        let blank = |n: &usize| shaped.text[glyphs[*n].text_range.clone()].chars().all(char::is_whitespace);
        let end = (from..to).rev().find(|n| !blank(n)).map_or(from, |n| n + 1);
        out.push(Line { text, glyphs: from..to, width: shaped.width(from..end) });
    };
    let (mut from, mut filled, mut last) = (0, 0.0_f32, None);
    let mut n = 0;
    while n < glyphs.len() {
        if n > from && may.binary_search(&glyphs[n].text_range.start).is_ok() {
            last = Some(n);
        }
        let blank = shaped.text[glyphs[n].text_range.clone()].chars().all(char::is_whitespace);
        // A space may stand over the end of the line; nothing else may.
        if !blank && n > from && filled + glyphs[n].x_advance > width {
            let at = last.unwrap_or(n);
            push(from, at);
            (from, filled, last, n) = (at, 0.0, None, at);
            continue;
        }
        filled += glyphs[n].x_advance;
        n += 1;
    }
    push(from, glyphs.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str, width: f32) -> Vec<String> {
        let lines = lines(text, Weight::Regular, width, &mut Notes::default());
        let of = |line: &Line| {
            let shaped = &lines.texts[line.text];
            let parts = shaped.glyphs[line.glyphs.clone()].iter().map(|g| &shaped.text[g.text_range.clone()]);
            parts.collect::<String>().trim_end().to_owned()
        };
        lines.lines.iter().map(of).collect()
    }

    #[test]
    fn no_line_begins_with_what_may_not_begin_one() {
        let text = "窓口は、あなたの求めを受け付けました。「次世代医療基盤法」に基づく提供の停止について、次のとおりお知らせします。ー（注）ッ、ュ。";
        for width in 12..40_u8 {
            for line in texts(text, f32::from(width)).iter().skip(1) {
                let first = line.chars().next().unwrap();
                assert!(!"、。」）ーッュ".contains(first), "{width}: {line}");
            }
            for line in texts(text, f32::from(width)) {
                assert!(!line.ends_with(['「', '（']), "{width}: {line}");
            }
        }
    }

    #[test]
    fn words_stay_whole_and_what_is_too_long_is_cut() {
        assert_eq!(texts("one two three", 4.8), ["one two", "three"]);
        let long = "x".repeat(200);
        let lines = texts(&long, 10.0);
        assert!(lines.len() > 5 && lines.concat() == long);
        assert_eq!(texts("a\n\nb", 9.0), ["a", "", "b"]);
        assert_eq!(texts("", 9.0), [""]);
    }

    proptest! {
        /// Nothing but spaces at the ends of lines is lost, and no line is too wide unless it is a single glyph.
        #[test]
        fn every_character_is_in_a_line(text in "[ a-zA-Zあ-ん、。漢字0-9「」]{0,80}", width in 1.0_f32..20.0) {
            let all = lines(&text, Weight::Regular, width, &mut Notes::default());
            for line in &all.lines {
                prop_assert!(line.width <= width + 0.001 || line.glyphs.len() == 1);
            }
            let kept: String = texts(&text, width).concat();
            let dense = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(dense(&kept), dense(&text));
        }
    }
}
