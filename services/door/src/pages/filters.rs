//! How words come onto a page: `{漢字|かんじ}` in a text is a word with its reading. Everything else is escaped.

use askama::{
    Values,
    filters::{Escaper, Html, Safe},
};
use std::fmt::Display;

/// The words with their readings above them (`<ruby>`), as HTML.
#[askama::filter_fn]
pub fn ruby(text: impl Display, _: &dyn Values) -> askama::Result<Safe<String>> {
    Ok(Safe(marked(&text.to_string(), |out, word, reading| {
        out.push_str("<ruby>");
        escape(out, word);
        out.push_str("<rp>(</rp><rt>");
        escape(out, reading);
        out.push_str("</rt><rp>)</rp></ruby>");
    })))
}

/// The words without their readings, where no markup may stand: titles and attributes.
#[askama::filter_fn]
pub fn plain(text: impl Display, _: &dyn Values) -> askama::Result<Safe<String>> {
    Ok(Safe(marked(&text.to_string(), |out, word, _| escape(out, word))))
}

/// Escapes the text, and gives each marked word to `each`. A brace that is no mark stays a brace.
fn marked(text: &str, each: impl Fn(&mut String, &str, &str)) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        escape(&mut out, before);
        let mark = after.split_once('}').and_then(|(mark, after)| Some((mark.split_once('|')?, after)));
        rest = match mark {
            Some(((word, reading), after)) if !word.is_empty() && !reading.is_empty() && !word.contains('{') => {
                each(&mut out, word, reading);
                after
            }
            _ => {
                out.push('{');
                after
            }
        };
    }
    escape(&mut out, rest);
    out
}

fn escape(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _written = Html.write_escaped_str(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with_readings(text: &str) -> String {
        marked(text, |out, word, reading| {
            out.push('[');
            escape(out, word);
            out.push(':');
            escape(out, reading);
            out.push(']');
        })
    }

    #[test]
    fn marked_words_have_their_reading_and_nothing_else_is_a_mark() {
        for (text, html) in [
            ("{病院|びょういん}へ", "[病院:びょういん]へ"),
            ("{a} {} {|x} {x|}", "{a} {} {|x} {x|}"),
            ("{{漢|かん}", "{[漢:かん]"),
            ("{<b>|\"}<", "[&#60;b&#62;:&#34;]&#60;"),
            ("{open|", "{open|"),
        ] {
            assert_eq!(with_readings(text), html);
        }
        assert_eq!(marked("{病院|びょういん}", |out, word, _| escape(out, word)), "病院");
    }

    proptest! {
        /// Whatever a text holds, no tag and no end of an attribute comes out of it.
        #[test]
        fn nothing_escapes(text in "[{}|<>&\"'a漢]{0,24}") {
            let html = with_readings(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
        }
    }
}
