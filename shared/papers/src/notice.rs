//! Letters to persons about a stop. Japanese first, as the law has it; English below, tagged as such.

use crate::{day, track};
use contracts::{Date, Scope, Timestamp};
use letter::{Block, Lang, Letter, Sender};
use serde::{Deserialize, Serialize};

/// 提供停止のお知らせ.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopNotice {
    /// What is stopped.
    pub scope: Scope,
    /// Since when the operator receives nothing.
    pub blocked_on: Date,
    /// The hospitals that the person named.
    pub told: Vec<Told>,
}

/// One hospital in the person's letter.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The hospital.
    pub hospital: String,
    /// It was told, or not for want of consent.
    pub told: bool,
    /// When it had the stop.
    pub received_at: Option<Timestamp>,
}

/// お申出について: to somebody who wants another's stop lifted (duty 9).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// When the desk had it.
    pub received_on: Date,
}

fn paragraph(text: impl Into<String>) -> Block {
    Block::Paragraph(text.into())
}

/// A letter without addressee: who it is for stands on the envelope, so that it says nothing about anybody by itself.
fn letter(title: &str, made_on: Date, desk: Option<Sender>, blocks: Vec<Block>) -> Letter {
    Letter { lang: Lang::Ja, title: title.to_owned(), reference: None, date: made_on, to: None, from: desk, blocks }
}

/// The person's letter: which track is stopped, how to stop the other one; who was told, and the way to those who were not.
pub(crate) fn stop_notice(n: &StopNotice, made_on: Date, desk: Option<Sender>) -> Letter {
    let other = match n.scope {
        Scope::Anonymised => Some(Scope::Pseudonymised),
        Scope::Pseudonymised => Some(Scope::Anonymised),
        Scope::Both => None,
    };
    let mut ja = vec![paragraph(format!("{}から、{}を受けないようにしました。", day(n.blocked_on), track(n.scope).0))];
    let mut en = vec![
        Block::Language(Lang::En),
        Block::Heading("Notice of your stop".to_owned()),
        paragraph(format!("Since {} we accept no {}.", n.blocked_on, track(n.scope).1)),
    ];
    if let Some(other) = other {
        ja.push(Block::Heading("停止したのは一方だけです。".to_owned()));
        ja.push(paragraph(format!(
            "{}は停止していません。こちらも停止を希望されるときは、医療機関又は窓口に、書面、口頭その他の方法でお申し出ください。\
             理由も費用も要りません。",
            track(other).0
        )));
        en.push(Block::Heading("Only one of two is stopped.".to_owned()));
        en.push(paragraph(format!(
            "The {} goes on. To stop it too, tell the hospital or this desk, in writing, by word of mouth or in any other \
             way. No reason and no fee is asked for.",
            track(other).1
        )));
    }
    hospitals(&mut ja, &mut en, &n.told);
    ja.append(&mut en);
    letter("提供停止のお知らせ", made_on, desk, ja)
}

fn hospitals(ja: &mut Vec<Block>, en: &mut Vec<Block>, told: &[Told]) {
    let (done, left): (Vec<&Told>, Vec<&Told>) = told.iter().partition(|t| t.told);
    if !done.is_empty() {
        let state = |t: &Told| match t.received_at.map(calendar::jst_date) {
            Some(on) => (format!("{}に受領", day(on)), format!("received {on}")),
            None => ("未確認".to_owned(), "not confirmed yet".to_owned()),
        };
        let rows = |of: fn((String, String)) -> String| {
            Block::Facts(done.iter().map(|t| (t.hospital.clone(), of(state(t)))).collect())
        };
        ja.push(Block::Heading("お伝えした医療機関".to_owned()));
        ja.push(rows(|both| both.0));
        en.push(Block::Heading("Hospitals that were told".to_owned()));
        en.push(rows(|both| both.1));
    }
    if !left.is_empty() {
        let names = || Block::Numbered(left.iter().map(|t| t.hospital.clone()).collect());
        ja.push(Block::Heading("お伝えしていない医療機関".to_owned()));
        ja.push(names());
        ja.push(paragraph(
            "お伝えすることへの同意がないため、お伝えしていません。当方が受け取らないことは変わりません。医療機関には、書面、口頭その他の\
             方法で直接お申し出いただけます。",
        ));
        en.push(Block::Heading("Hospitals that were not told".to_owned()));
        en.push(names());
        en.push(paragraph(
            "We have no consent to tell them. We accept nothing from them all the same. You may tell them yourself, in \
             writing, by word of mouth or in any other way.",
        ));
    }
}

/// It names nobody and confirms nothing about anybody.
pub(crate) fn disagreement(about: &Disagreement, made_on: Date, desk: Option<Sender>) -> Letter {
    let on = about.received_on;
    let blocks = vec![
        paragraph(format!("{}にお申出をいただきました。お申出は記録しました。", day(on))),
        paragraph(
            "提供の停止は、窓口が解除することはできません。提供が行われるには、医療機関があらかじめ本人に改めて通知し、主務大臣に届け出る\
             こと（法第52条第1項、第57条第1項）が必要です。ご遺族の間でご意見が異なる場合も同じです。",
        ),
        Block::Language(Lang::En),
        Block::Heading("About what you asked".to_owned()),
        paragraph(format!("We received it on {on} and recorded it.")),
        paragraph(
            "This desk cannot lift a stop. Supply would need a new notice by the hospital to the person beforehand, and its \
             filing (Act arts. 52(1), 57(1)). That is so also when relatives do not agree.",
        ),
    ];
    letter("お申出について", made_on, desk, blocks)
}
