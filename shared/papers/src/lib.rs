//! 交付する文書: the papers that a stop entails, as values, and the letters that they become. Pure.

mod notice;
mod stop;

pub use notice::{Disagreement, StopNotice, Told};
pub use stop::{Requester, StopDocument, WorkOrder};

use contracts::{Date, Scope};
use letter::{Letter, Sender};
use serde::{Deserialize, Serialize};

/// One paper.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "paper", rename_all = "kebab-case")]
pub enum Paper {
    /// 法53条書面.
    StopDocument(StopDocument),
    /// 作業依頼.
    WorkOrder(WorkOrder),
    /// 提供停止のお知らせ.
    StopNotice(StopNotice),
    /// お申出について.
    DisagreementLetter(Disagreement),
}

impl Paper {
    /// What its file is called, without an ending.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::StopDocument(_) => "stop-document",
            Self::WorkOrder(_) => "work-order",
            Self::StopNotice(_) => "stop-notice",
            Self::DisagreementLetter(_) => "disagreement-letter",
        }
    }

    /// The letter. `made_on`: today; `desk`: who the desk is, where its paper does not say it already.
    pub fn letter(&self, made_on: Date, desk: Option<Sender>) -> Letter {
        match self {
            Self::StopDocument(document) => stop::document(document),
            Self::WorkOrder(order) => stop::work_order(order, made_on, desk),
            Self::StopNotice(notice) => notice::stop_notice(notice, made_on, desk),
            Self::DisagreementLetter(about) => notice::disagreement(about, made_on, desk),
        }
    }
}

/// A day as Japanese documents write it.
fn day(date: Date) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

/// The word for a track, in Japanese and English.
const fn track(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::Anonymised => ("匿名加工医療情報の作成のための提供", "supply for anonymised medical data"),
        Scope::Pseudonymised => ("仮名加工医療情報の作成のための提供", "supply for pseudonymised medical data"),
        Scope::Both => ("匿名加工医療情報及び仮名加工医療情報の作成のための提供", "supply for both"),
    }
}

#[cfg(test)]
mod tests;
