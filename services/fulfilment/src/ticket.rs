//! 検索票: for what, and where, the core zone may be searched. Two closed lists, each row with its article. Pure.
//!
//! Received medical data may be handled for the certified business only, or where a law requires it (Act art. 18(1),
//! 34(1); duty row 22). So a ticket names a purpose of this list or is not sealed, and a consultation has none. Finished
//! anonymised and pseudonymised sets may not be matched to find a person (Act art. 19(2), 35(3); duty row 19): they are
//! no target. Contact data never comes from a result (Act art. 35(4); duty row 20).

use contracts::{Code, Kind};
use std::str::FromStr;

/// 利用の目的: why the search is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketPurpose {
    /// 開示のため.
    Disclose,
    /// 第三者提供記録の開示のため.
    DiscloseProvision,
    /// 訂正等の調査のため.
    InvestigateCorrection,
    /// 利用停止等のため.
    Suspend,
    /// 利用目的の通知のため.
    NotifyPurpose,
    /// 提供停止のため.
    Stop,
    /// 消去のため.
    Erase,
    /// 苦情の原因究明のため.
    FindCause,
}

impl TicketPurpose {
    /// Every purpose.
    pub const ALL: &[Self] = &[
        Self::Disclose,
        Self::DiscloseProvision,
        Self::InvestigateCorrection,
        Self::Suspend,
        Self::NotifyPurpose,
        Self::Stop,
        Self::Erase,
        Self::FindCause,
    ];

    /// The article that requires or allows the search; what the audit log shows beside the purpose.
    pub const fn article(self) -> Code {
        match self {
            Self::Disclose => Code::of("appi-33-2"),
            Self::DiscloseProvision => Code::of("appi-33-5"),
            Self::InvestigateCorrection => Code::of("appi-34-2"),
            Self::Suspend => Code::of("appi-35-2"),
            Self::NotifyPurpose => Code::of("appi-32-2"),
            Self::Stop => Code::of("act-56-1"),
            Self::Erase => Code::of("act-20"),
            Self::FindCause => Code::of("act-rules-25"),
        }
    }

    /// The purpose that a request of this kind gives rise to.
    ///
    /// # Errors
    /// A consultation (相談) is answered without looking anybody up: [`NoTicket::Purpose`].
    pub const fn of(kind: Kind) -> Result<Self, NoTicket> {
        Ok(match kind {
            Kind::Disclosure => Self::Disclose,
            Kind::ThirdPartyRecords => Self::DiscloseProvision,
            Kind::Correction => Self::InvestigateCorrection,
            Kind::Suspension => Self::Suspend,
            Kind::PurposeNotice => Self::NotifyPurpose,
            Kind::ProvisionStop => Self::Stop,
            Kind::Deletion => Self::Erase,
            Kind::Complaint => Self::FindCause,
            Kind::Consultation => return Err(NoTicket::Purpose),
        })
    }
}

/// Where is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketTarget {
    /// 医療情報データベース: identifiable.
    IdentifiableDatabase,
    /// 受領記録 (Act art. 55).
    ReceiptRecords,
    /// The counter's own records.
    DeskRecords,
}

impl TicketTarget {
    /// Every target.
    pub const ALL: &[Self] = &[Self::IdentifiableDatabase, Self::ReceiptRecords, Self::DeskRecords];

    /// Its word.
    pub const fn code(self) -> Code {
        match self {
            Self::IdentifiableDatabase => Code::of("identifiable-database"),
            Self::ReceiptRecords => Code::of("receipt-records"),
            Self::DeskRecords => Code::of("desk-records"),
        }
    }
}

impl FromStr for TicketTarget {
    type Err = NoTicket;
    fn from_str(word: &str) -> Result<Self, NoTicket> {
        match Self::ALL.iter().find(|t| t.code().as_str() == word) {
            Some(target) => Ok(*target),
            None if word == "anonymised-set" => Err(NoTicket::AnonymisedSet),
            None if word == "pseudonymised-set" => Err(NoTicket::PseudonymisedSet),
            None => Err(NoTicket::Target),
        }
    }
}

/// Why a ticket is not sealed; each names the article, but for a word that is on no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTicket {
    /// No purpose of the list (Act art. 18(1)).
    Purpose,
    /// A finished anonymised set (Act art. 19(2)).
    AnonymisedSet,
    /// A finished pseudonymised set (Act art. 35(3)).
    PseudonymisedSet,
    /// Not a target.
    Target,
}

impl From<NoTicket> for Code {
    fn from(why: NoTicket) -> Self {
        match why {
            NoTicket::Purpose => Self::of("no-ticket-act-18-1"),
            NoTicket::AnonymisedSet => Self::of("no-ticket-act-19-2"),
            NoTicket::PseudonymisedSet => Self::of("no-ticket-act-35-3"),
            NoTicket::Target => Self::of("unknown-ticket-target"),
        }
    }
}

/// What a ticket carries beside the sealed identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Why.
    pub purpose: TicketPurpose,
    /// Where.
    pub target: TicketTarget,
}

impl Ticket {
    /// A ticket for a request of this kind into the target of this word.
    ///
    /// # Errors
    /// [`NoTicket`], naming the article.
    pub fn new(kind: Kind, target: &str) -> Result<Self, NoTicket> {
        Ok(Self { purpose: TicketPurpose::of(kind)?, target: target.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Duty row 22.
    #[test]
    fn a_consultation_may_not_have_a_ticket_and_every_other_kind_has_one_purpose_with_its_article() {
        for target in TicketTarget::ALL {
            assert_eq!(Ticket::new(Kind::Consultation, target.code().as_str()), Err(NoTicket::Purpose));
        }
        assert_eq!(Code::from(NoTicket::Purpose).as_str(), "no-ticket-act-18-1");
        let mut purposes = Vec::new();
        for kind in Kind::ALL.iter().filter(|k| **k != Kind::Consultation) {
            let ticket = Ticket::new(*kind, "identifiable-database").unwrap();
            assert!(!purposes.contains(&ticket.purpose), "{kind}");
            let article = ticket.purpose.article();
            assert!(article.as_str().starts_with("appi-") || article.as_str().starts_with("act-"), "{article}");
            purposes.push(ticket.purpose);
        }
        assert_eq!(purposes.len(), TicketPurpose::ALL.len());
    }

    /// Duty row 19.
    #[test]
    fn finished_sets_are_no_target_and_the_refusal_names_the_article() {
        for (word, article) in [("anonymised-set", "no-ticket-act-19-2"), ("pseudonymised-set", "no-ticket-act-35-3")] {
            let why = Ticket::new(Kind::Disclosure, word).unwrap_err();
            assert_eq!(Code::from(why).as_str(), article);
        }
        assert_eq!(Ticket::new(Kind::Disclosure, "everything"), Err(NoTicket::Target));
    }
}
