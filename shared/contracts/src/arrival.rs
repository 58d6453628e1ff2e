//! 受付簿: what came by post, by telephone or to the counter, as staff wrote it down; and requests that staff file from it, or from a
//! mail, in the person's name. What somebody wrote or said travels sealed.

use crate::{ArrivalId, ArrivalOutcome, ArrivalState, CaseId, Channel, Code, MailId, PostalClass, Sealed, StaffId};
use jiff::{Timestamp, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Rows of one page of [`ArrivalList`].
pub const ARRIVALS_PAGE: usize = 100;
/// The most places of [`Written::Wrong`].
pub const FAULTS_MAX: usize = 100;

/// 受付簿への記載: something arrived. The order's token is its id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogArrival {
    /// Post, telephone or counter.
    pub channel: Channel,
    /// 到達: when. What it holds starts its clocks then, not when it is filed.
    pub arrived_at: Timestamp,
    /// 郵便物の種類; post only.
    #[serde(default)]
    pub postal_class: Option<PostalClass>,
    /// 消印の日付; post only.
    #[serde(default)]
    pub postmarked_on: Option<Date>,
    /// There is money in the envelope.
    #[serde(default)]
    pub cash: bool,
    /// Who it is from, the item's number and what it says: a JSON object of texts (`name`, `telephone`, `address`, `tracking`, `words`),
    /// sealed to intake; additional data = the token.
    pub particulars: Sealed,
}

/// The answer to [`LogArrival`] and [`FileRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Written {
    /// It is written down: the arrival, or the case that was opened.
    Done {
        /// Its id.
        id: Uuid,
    },
    /// What was typed cannot be taken; nothing was done.
    Wrong {
        /// All that is wrong.
        #[schemars(length(max = 100))]
        faults: Vec<Fault>,
    },
    /// The order cannot be obeyed; nothing was done.
    Refused {
        /// Why.
        reason: Code,
    },
}

/// One place that is wrong. Quotes no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Where in what was sent.
    pub pointer: Pointer,
    /// What is wrong.
    pub code: Code,
    /// A limit, or the words that may stand there.
    #[serde(default)]
    pub fill: Option<Fill>,
}

/// An RFC 6901 pointer to a field of a form of ours: `/person/birth_date`; empty = the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pointer(#[schemars(regex(pattern = "^(/[a-z0-9_]{1,40}){0,4}$"))] Box<str>);

impl Pointer {
    /// `None` unless every step is a name or number of ours.
    pub fn new(text: &str) -> Option<Self> {
        let step = |step: &str| {
            (1..=40).contains(&step.len())
                && step.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let steps = || text.split('/').skip(1);
        let good = text.is_empty() || (text.starts_with('/') && steps().count() <= 4 && steps().all(step));
        good.then(|| Self(text.into()))
    }
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A limit (`80`), or the words that may stand somewhere (`post, telephone, counter`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fill(#[schemars(regex(pattern = "^[a-z0-9_, -]{1,400}$"))] Box<str>);

impl Fill {
    /// `None` unless it is made of words of ours.
    pub fn new(text: &str) -> Option<Self> {
        let one = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b',' | b' ' | b'-');
        ((1..=400).contains(&text.len()) && text.bytes().all(one)).then(|| Self(text.into()))
    }
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `req.intake.arrivals`: the book, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListArrivals {
    /// Only those in this state; absent: the open ones.
    #[serde(default)]
    pub state: Option<ArrivalState>,
    /// After this row: the time and the id of the last one seen.
    #[serde(default)]
    pub after: Option<(Timestamp, ArrivalId)>,
}

/// At most [`ARRIVALS_PAGE`], and how many there are in each state.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArrivalList {
    /// The rows.
    #[schemars(length(max = 100))]
    pub rows: Vec<ArrivalRow>,
    /// More follow.
    pub more: bool,
    /// Arrivals by state.
    #[schemars(length(max = 10))]
    pub counts: Vec<(ArrivalState, i64)>,
}

/// One arrival, without anything that somebody wrote or said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArrivalRow {
    /// Its id.
    pub id: ArrivalId,
    /// Which way it came.
    pub channel: Channel,
    /// 到達.
    pub arrived_at: Timestamp,
    /// 郵便物の種類.
    #[serde(default)]
    pub postal_class: Option<PostalClass>,
    /// 消印の日付.
    #[serde(default)]
    pub postmarked_on: Option<Date>,
    /// There was money in it.
    pub cash: bool,
    /// Where it stands.
    pub state: ArrivalState,
    /// Who wrote it down, and when.
    pub logged: (StaffId, Timestamp),
    /// What became of it.
    #[serde(default)]
    pub outcome: Option<ArrivalOutcome>,
    /// Who settled it, and when.
    #[serde(default)]
    pub settled: Option<(StaffId, Timestamp)>,
    /// The case that it belongs to.
    #[serde(default)]
    pub case: Option<CaseId>,
}

/// `req.intake.arrival`: one arrival. The console has written down who looks before it asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowArrival {
    /// Which.
    pub id: ArrivalId,
    /// Who looks.
    pub staff: StaffId,
    /// The console's row of who looked.
    pub cause: Uuid,
}

/// The answer to [`ShowArrival`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum ArrivalReply {
    /// Here it is.
    Found {
        /// As in the book.
        row: Box<ArrivalRow>,
        /// As in [`LogArrival::particulars`], with `why` when it is settled; sealed to the console; additional data = the arrival's id.
        /// Absent: its key was destroyed.
        #[serde(default)]
        particulars: Option<Sealed>,
    },
    /// No such arrival.
    Unknown,
}

/// 処理: what became of an arrival that is not filed as a request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SettleArrival {
    /// Which.
    pub id: ArrivalId,
    /// What. [`ArrivalOutcome::Request`] is not said here: filing the request says it.
    pub outcome: ArrivalOutcome,
    /// The case that it belongs to; with [`ArrivalOutcome::Case`], and only then.
    #[serde(default)]
    pub case: Option<CaseId>,
}

/// What a request is filed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "from", content = "id", rename_all = "kebab-case")]
pub enum FiledFrom {
    /// An arrival of the book.
    Arrival(ArrivalId),
    /// A mail.
    Mail(MailId),
}

/// 代理入力: staff file a request in the person's name. Checked as on the web; its clocks start when the letter, mail or call arrived.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FileRequest {
    /// What came. It is settled with this; filed twice from one thing, it is one case for each kind.
    pub from: FiledFrom,
    /// The body of `POST /api/v1/requests`, sealed to intake; additional data = the token.
    pub draft: Sealed,
}

/// `req.intake.slip`: 受付票 of a request that staff filed, to be printed and sent. The console has written down who looks before it asks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowSlip {
    /// Which case.
    pub case: CaseId,
    /// Who looks.
    pub staff: StaffId,
    /// The console's row of who looked.
    pub cause: Uuid,
}

/// The answer to [`ShowSlip`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum SlipReply {
    /// Receipt number, access code, whom it goes to: a JSON object sealed to the console; additional data = the case's id.
    Found {
        /// The object.
        slip: Sealed,
    },
    /// It was handed over: the desk does not know the code any more.
    HandedOver {
        /// When.
        at: Timestamp,
    },
    /// Staff filed no such case, or it is erased.
    Unknown,
}

/// 交付済み: the slip was sent or handed over. The desk forgets the access code.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HandOverSlip {
    /// Which case.
    pub case: CaseId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_of_ours_and_never_what_somebody_typed() {
        for good in ["", "/kind", "/person/birth_date", "/hospitals/3/period"] {
            assert_eq!(Pointer::new(good).unwrap().as_str(), good);
        }
        for bad in ["kind", "/", "/a//b", "/山田", "/a/b/c/d/e", "/Kind"] {
            assert_eq!(Pointer::new(bad), None, "{bad}");
        }
        assert_eq!(Fill::new("post, telephone, counter").unwrap().as_str(), "post, telephone, counter");
        assert!(Fill::new("").is_none() && Fill::new("山田").is_none() && Fill::new(&"a".repeat(401)).is_none());
    }
}
