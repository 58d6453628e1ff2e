//! 法53条書面 and 作業依頼: what a hospital gets because of a stop (upstream stop, Act arts. 52, 57).
//!
//! The document has six items (Rules art. 51) and is one per hospital and track (Act arts. 53, 58). It names the requester, who may
//! be a relative, and not the patient.

use crate::{day, track};
use contracts::{Date, Scope};
use letter::{Addressee, Block, Honorific, Lang, Letter, Sender};
use serde::{Deserialize, Serialize};

/// Who asked for the stop: the person, or who acts for them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// 氏名.
    pub name: String,
    /// 住所, where it was stated.
    #[serde(default)]
    pub address: Option<String>,
}

/// 法53条書面: what is sealed and kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopDocument {
    /// The hospital, as the person named it.
    pub hospital: String,
    /// One track.
    pub track: Scope,
    /// (ii) 求めを行った者.
    pub requester: Requester,
    /// (iii) 求めを受けた年月日: of the desk.
    pub desk_received_on: Date,
    /// The hospital's own, where it is known already.
    pub hospital_received_on: Option<Date>,
    /// (v) 提供を停止した年月日: as the hospital says.
    pub stopped_on: Option<Date>,
    /// Since when the operator receives nothing (Act art. 56).
    pub blocked_on: Date,
    /// (vi) 交付の年月日.
    pub issued_on: Date,
}

/// 作業依頼: what a hospital gets to act on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkOrder {
    /// What is to stand in its document.
    pub document: StopDocument,
    /// Whom the data are about: the hospital has to find them.
    pub patient: String,
    /// 振り仮名.
    pub kana: String,
    /// 生年月日.
    pub birth_date: Date,
}

/// The article under which the document is issued.
const fn article(scope: Scope) -> &'static str {
    match scope {
        Scope::Anonymised => "第53条第1項",
        Scope::Pseudonymised => "第58条において準用する同法第53条第1項",
        Scope::Both => "第53条第1項及び第58条において準用する同項",
    }
}

fn fact(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn requester(of: &Requester) -> String {
    match &of.address {
        Some(address) => format!("{}\n住所 {address}", of.name),
        None => of.name.clone(),
    }
}

fn received(d: &StopDocument) -> String {
    let hospital = match d.hospital_received_on {
        Some(on) => format!("{}（医療機関）", day(on)),
        None => "医療機関では未受領".to_owned(),
    };
    format!("{}（窓口）\n{hospital}", day(d.desk_received_on))
}

fn stopped(d: &StopDocument) -> String {
    match d.stopped_on {
        Some(on) => day(on),
        // The operator's own date, and it says so.
        None => format!("{}（認定事業者が受領を停止した日）", day(d.blocked_on)),
    }
}

/// The document of Act art. 53, with its six items. It is the hospital's, and bears its name.
pub(crate) fn document(d: &StopDocument) -> Letter {
    let facts = vec![
        fact("求めがあった旨", format!("{}を停止するよう求めがありました。", track(d.track).0)),
        fact("求めを行った者", requester(&d.requester)),
        fact("求めを受けた年月日", received(d)),
        fact(
            "この書面について",
            format!(
                "医療分野の研究開発に資するための匿名加工医療情報及び仮名加工医療情報に関する法律{}の規定により交付するものです。",
                article(d.track)
            ),
        ),
        fact("提供を停止した年月日", stopped(d)),
        fact("交付の年月日", day(d.issued_on)),
    ];
    Letter {
        lang: Lang::Ja,
        title: "医療情報の提供停止に係る書面".to_owned(),
        reference: None,
        date: d.issued_on,
        to: None,
        from: Some(Sender { name: d.hospital.clone(), lines: vec![] }),
        blocks: vec![Block::Facts(facts)],
    }
}

/// The work order: what the hospital needs to find the person and to hand over its document.
pub(crate) fn work_order(w: &WorkOrder, made_on: Date, desk: Option<Sender>) -> Letter {
    let d = &w.document;
    let facts = vec![
        fact("停止する提供", track(d.track).0),
        fact("対象となる本人", format!("{}（{}）\n{}生", w.patient, w.kana, day(w.birth_date))),
        fact("求めを行った者", requester(&d.requester)),
        fact("求めを受けた年月日", received(d)),
        fact("提供を停止した年月日", d.stopped_on.map_or("　　　　年　　月　　日（ご記入ください）".to_owned(), day)),
        fact(
            "書面の交付",
            format!(
                "法{}の書面を、求めを行った者に遅滞なく交付してください。写しは3年間保存します。",
                article(d.track)
            ),
        ),
    ];
    Letter {
        lang: Lang::Ja,
        title: "医療情報の提供停止の求めについて（作業依頼）".to_owned(),
        reference: None,
        date: made_on,
        to: Some(Addressee {
            postcode: String::new(),
            address: vec![],
            name: d.hospital.clone(),
            honorific: Honorific::Onchu,
        }),
        from: desk,
        blocks: vec![Block::Facts(facts), Block::Closing("以上".to_owned())],
    }
}
