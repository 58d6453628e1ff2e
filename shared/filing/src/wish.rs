//! What a person wants, in plain words, and the way that leads there. Pure.
//!
//! People know what they want and not what it is called in law; so the pages start here, and a wrong choice is never a
//! reason to refuse. The words of each wish are data in `texts/`, under `wish.<word>`.

use contracts::{Kind, Track};

/// A wish, as somebody would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// "Stop my data being used."
    Stop,
    /// "Erase it."
    Erase,
    /// "Show me what you hold."
    See,
    /// "Who was it given to?"
    Recipients,
    /// "It is wrong."
    Wrong,
    /// "What is it used for?"
    Purpose,
    /// "It was used against the law: stop that."
    StopOnGround,
    /// "I want to complain."
    Complain,
    /// "I have a question."
    Ask,
}

/// The way that a wish goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// 請求の種類: the form it leads to.
    pub kind: Kind,
    /// Another wish that is often meant, or that reaches the same more easily; said before anything is typed.
    pub better: Option<Wish>,
}

impl Route {
    /// 根拠法.
    pub const fn track(self) -> Track {
        self.kind.track()
    }
    /// The hospital does it by word of mouth and without papers (Act art. 52 and 57, Rules art. 47).
    pub const fn is_easier_at_the_hospital(self) -> bool {
        matches!(self.kind, Kind::ProvisionStop)
    }
}

impl Wish {
    /// In the order in which they are offered: the most frequent first.
    pub const ALL: &[Self] = &[
        Self::Stop,
        Self::Erase,
        Self::See,
        Self::Recipients,
        Self::Wrong,
        Self::Purpose,
        Self::StopOnGround,
        Self::Complain,
        Self::Ask,
    ];

    /// The word in addresses and texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Erase => "erase",
            Self::See => "see",
            Self::Recipients => "recipients",
            Self::Wrong => "wrong",
            Self::Purpose => "purpose",
            Self::StopOnGround => "stop-on-ground",
            Self::Complain => "complain",
            Self::Ask => "ask",
        }
    }

    /// The wish of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|wish| wish.as_str() == word)
    }

    /// Where it leads.
    pub const fn route(self) -> Route {
        let (kind, better) = match self {
            Self::Stop => (Kind::ProvisionStop, None),
            // A stop holds at once and needs no data to be found; an erasure says nothing of what comes later.
            Self::Erase => (Kind::Deletion, Some(Self::Stop)),
            Self::See => (Kind::Disclosure, None),
            Self::Recipients => (Kind::ThirdPartyRecords, None),
            Self::Wrong => (Kind::Correction, None),
            // A fee for what may be published anyway (APPI art. 32(2)(i)): a question costs nothing.
            Self::Purpose => (Kind::PurposeNotice, Some(Self::Ask)),
            // Free and without a reason, where APPI art. 35 asks for a ground.
            Self::StopOnGround => (Kind::Suspension, Some(Self::Stop)),
            Self::Complain => (Kind::Complaint, None),
            Self::Ask => (Kind::Consultation, None),
        };
        Route { kind, better }
    }
}

/// 利用停止等 without a word about the ground (APPI art. 35(1), (3), (5)) is taken as 提供停止 of the Act, which needs none:
/// "do not use my data" is never refused for lack of a ground.
pub fn without_ground(kind: Kind, words: &str) -> Kind {
    if kind == Kind::Suspension && words.trim().is_empty() { Kind::ProvisionStop } else { kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_reached_by_one_wish_and_every_word_is_its_own() {
        for kind in Kind::ALL {
            let leading = Wish::ALL.iter().filter(|wish| wish.route().kind == *kind);
            assert_eq!(leading.count(), 1, "{kind}");
        }
        for wish in Wish::ALL {
            assert_eq!(Wish::of(wish.as_str()), Some(*wish));
        }
        assert_eq!(Wish::of("provision-stop"), None);
    }

    #[test]
    fn a_fee_only_where_the_law_allows_one() {
        let costs = |wish: &&Wish| wish.route().kind.may_cost_a_fee();
        let paid: Vec<_> = Wish::ALL.iter().filter(costs).map(|wish| wish.as_str()).collect();
        assert_eq!(paid, ["see", "recipients", "purpose"]);
        for wish in Wish::ALL.iter().filter(costs) {
            assert_eq!(wish.route().track(), Track::Appi);
        }
    }

    #[test]
    fn who_asks_for_a_stop_hears_of_the_hospital_and_of_the_free_way() {
        assert!(Wish::Stop.route().is_easier_at_the_hospital());
        assert_eq!(Wish::StopOnGround.route().better, Some(Wish::Stop));
        for wish in Wish::ALL.iter().filter_map(|wish| wish.route().better) {
            assert!(!wish.route().kind.may_cost_a_fee(), "the better way costs nothing");
            assert_eq!(wish.route().better, None, "and leads on to nowhere else");
        }
    }

    #[test]
    fn a_suspension_without_a_ground_becomes_a_stop_and_nothing_else_changes() {
        assert_eq!(without_ground(Kind::Suspension, " \n"), Kind::ProvisionStop);
        assert_eq!(without_ground(Kind::Suspension, "leaked"), Kind::Suspension);
        for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Suspension) {
            assert_eq!(without_ground(*kind, ""), *kind);
        }
    }
}
