//! `letters`: milliseconds a page, the first time (the fonts are read) and after; a short letter and a long table.

use crate::report;
use letter::{Block, Lang, Letter, Sender};
use serde_json::json;
use std::time::Instant;

const TEXT: &str =
    "窓口は、あなたの求めを受け付けました。次世代医療基盤法に基づく提供の停止について、次のとおりお知らせします。";

fn letter(blocks: Vec<Block>) -> Letter {
    Letter {
        lang: Lang::Ja,
        title: "お知らせ".into(),
        reference: Some("M-1234-5678-90".into()),
        date: jiff::civil::date(2026, 11, 3),
        to: None,
        from: Some(Sender { name: "見本医療情報機構".into(), lines: vec![] }),
        blocks,
    }
}

/// Milliseconds a page over some repeats, and pages.
fn measured(letter: &Letter, repeats: u32) -> anyhow::Result<(f64, usize)> {
    let begun = Instant::now();
    let mut pages = 0;
    for _ in 0..repeats {
        pages = letter::make(letter)?.pages;
    }
    #[allow(clippy::cast_precision_loss)] // hundreds
    Ok((begun.elapsed().as_secs_f64() * 1e3 / f64::from(repeats) / pages as f64, pages))
}

pub fn run() -> anyhow::Result<()> {
    let one = letter(vec![Block::Paragraph(TEXT.repeat(4)), Block::Facts(vec![("項目".into(), "値".into()); 6])]);
    let rows = (0..1_000).map(|n| vec![n.to_string(), TEXT.to_owned()]).collect();
    let long = letter(vec![Block::Table { head: vec!["番号".into(), "内容".into()], widths: vec![1, 6], rows }]);
    let (first, _) = measured(&one, 1)?;
    let (after, _) = measured(&one, 100)?;
    let (table, pages) = measured(&long, 3)?;
    let figures = json!({ "first_ms": first, "page_ms": after, "table_page_ms": table, "table_pages": pages });
    report::print("letters", figures, json!({}), json!({ "first_to_after": first / after }), 0);
    Ok(())
}
