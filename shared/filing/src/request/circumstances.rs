//! 事情: what else helps to judge the capacity, to find the person (APPI art. 37(2)) and to reach them safely. Pure.
//!
//! The guided form asks for what the capacity needs; another system may leave it out, and then the staff read that it was
//! not said. What is only noticed here (a young person alone, a child old enough to be heard) never refuses anybody.

use super::{Check, Draft, FieldError, max, years_after};
use contracts::{Capacity, Kind, Standing, Track};
use privacy_seal::filing::{Circumstances, PersonalDetails, Visit};
use std::borrow::Cow;

/// 続柄: the six relations of Order art. 11; a common-law spouse counts as a spouse.
pub const RELATIONS: &[Standing] = &[
    Standing::Spouse,
    Standing::CommonLawSpouse,
    Standing::Child,
    Standing::ParentOf,
    Standing::Grandchild,
    Standing::Grandparent,
    Standing::Sibling,
];
/// What stands on the form beside them: somebody else, who is told politely and offered a consultation.
pub const NO_RELATION: &str = "other";
/// もう1人の親権者 (Civil Code art. 824-2).
pub const OTHER_PARENT: &[Standing] = &[
    Standing::OtherParentAgrees,
    Standing::SoleAuthority,
    Standing::OtherParentUnreachable,
    Standing::OtherParentDisagrees,
];
/// 任意代理人.
pub const AGENTS: &[Standing] = &[Standing::Lawyer, Standing::OtherAgent];
/// 受領の権限.
pub const RECEIPT: &[Standing] = &[Standing::ReceiptIncluded, Standing::ReceiptNotIncluded];

/// 資格の事情 as it came. Empty = not given.
#[derive(Clone, Default)]
pub struct StandingDraft {
    /// 続柄.
    pub relation: String,
    /// もう1人の親権者.
    pub other_parent: String,
    /// Why the other parent does not take part.
    pub reason: String,
    /// 代理権の範囲: the power or act that covers the request (curators, assistants).
    pub power: String,
    /// A lawyer, or somebody else.
    pub agent: String,
    /// 受領の権限.
    pub receipt: String,
}

/// 受診歴 as it came.
#[derive(Clone, Default)]
pub struct HospitalDraft {
    /// 医療機関.
    pub name: String,
    /// 時期.
    pub period: String,
    /// 診察券番号.
    pub patient_number: String,
}

impl HospitalDraft {
    /// With a name alone.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
    /// Nothing was written.
    pub fn is_empty(&self) -> bool {
        [&self.name, &self.period, &self.patient_number].iter().all(|text| text.trim().is_empty())
    }
}

impl Check {
    /// All of it, and the names of the hospitals.
    pub(super) fn circumstances(
        &mut self,
        draft: &Draft,
        kind: Option<Kind>,
        capacity: Option<Capacity>,
        person: &PersonalDetails,
    ) -> (Vec<String>, Circumstances) {
        let mut said = Circumstances::default();
        self.standing(draft, capacity, &mut said);
        said.standing.extend(self.noticed(kind, capacity, person));
        if draft.easy {
            said.standing.push(Standing::EasyJapanese);
        }
        said.former_names = self.each("former_names", &draft.former_names, max::FORMER, max::NAME);
        said.former_addresses = self.each("former_addresses", &draft.former_addresses, max::FORMER, max::ADDRESS);
        said.accommodation = self.text(Cow::Borrowed("/accommodation"), &draft.accommodation, max::CARE, false, true);
        said.safe_contact = self.text(Cow::Borrowed("/safe_contact"), &draft.safe_contact, max::CARE, false, true);
        let hospitals = self.hospitals(&draft.hospitals, &mut said.visits);
        (hospitals, said)
    }

    /// Only what belongs to the capacity is kept: whoever changes it on the form need not empty the rest.
    fn standing(&mut self, draft: &Draft, capacity: Option<Capacity>, said: &mut Circumstances) {
        let from = &draft.standing;
        let must = draft.guided;
        match capacity {
            Some(Capacity::Parent) if self.rules.joint_authority => {
                let other = self.one_of("/standing/other_parent", &from.other_parent, OTHER_PARENT, must);
                let alone = matches!(other, Some(Standing::OtherParentUnreachable | Standing::OtherParentDisagrees));
                said.power = self.text(Cow::Borrowed("/standing/reason"), &from.reason, max::CARE, alone, true);
                said.standing.push(other.unwrap_or(Standing::OtherParentNotSaid));
            }
            Some(Capacity::Curator | Capacity::Assistant) => {
                said.power = self.text(Cow::Borrowed("/standing/power"), &from.power, max::CARE, must, true);
            }
            Some(Capacity::Agent) => {
                said.standing.extend(self.one_of("/standing/agent", &from.agent, AGENTS, must));
                said.standing.extend(self.one_of("/standing/receipt", &from.receipt, RECEIPT, must));
            }
            Some(Capacity::Bereaved) if from.relation == NO_RELATION => {
                self.wrong(FieldError::new("/standing/relation", "relation-not-listed"));
            }
            Some(Capacity::Bereaved) => {
                let relation = self.one_of("/standing/relation", &from.relation, RELATIONS, must);
                said.standing.push(relation.unwrap_or(Standing::RelationNotSaid));
            }
            _ => {}
        }
    }

    /// A word of a part of the list; `must`: it may not be left open.
    fn one_of(&mut self, at: &'static str, value: &str, known: &[Standing], must: bool) -> Option<Standing> {
        if value.is_empty() {
            if must {
                self.wrong(FieldError::new(at, "required"));
            }
            return None;
        }
        let found = known.iter().copied().find(|word| word.as_str() == value);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|word| word.as_str()).collect();
            self.wrong(FieldError::with(at, "unknown-word", words.join(", ")));
        }
        found
    }

    /// What the staff should look at: hospitals hear the young themselves from about 15, guardians stop up to about 16.
    fn noticed(&self, kind: Option<Kind>, capacity: Option<Capacity>, person: &PersonalDetails) -> Option<Standing> {
        let age = if kind?.track() == Track::Act { self.rules.own_stop_age } else { self.rules.own_request_age };
        let heard = years_after(person.birth_date?, age)? <= self.today;
        match capacity? {
            Capacity::Person if !heard => Some(Standing::MinorAlone),
            Capacity::Parent | Capacity::MinorsGuardian if heard => Some(Standing::ChildToBeHeard),
            _ => None,
        }
    }

    fn each(&mut self, field: &'static str, values: &[String], most: usize, each: usize) -> Vec<String> {
        if values.len() > most {
            self.wrong(FieldError::with(format!("/{field}"), "too-many", most));
            return Vec::new();
        }
        let values = values.iter().enumerate();
        values.map(|(n, value)| self.text(Cow::Owned(format!("/{field}/{n}")), value, each, true, false)).collect()
    }

    fn hospitals(&mut self, rows: &[HospitalDraft], visits: &mut Vec<Visit>) -> Vec<String> {
        if rows.len() > max::HOSPITALS {
            self.wrong(FieldError::with("/hospitals", "too-many", max::HOSPITALS));
            return Vec::new();
        }
        let mut names = Vec::with_capacity(rows.len());
        for (n, row) in rows.iter().enumerate() {
            let part = |part: &str| Cow::Owned(format!("/hospitals/{n}{part}"));
            let hospital = self.text(part(""), &row.name, max::HOSPITAL, true, false);
            let period = self.text(part("/period"), &row.period, max::PERIOD, false, false);
            let patient_number =
                self.text(part("/patient_number"), &row.patient_number, max::PATIENT_NUMBER, false, false);
            names.push(hospital.clone());
            if !(period.is_empty() && patient_number.is_empty()) {
                visits.push(Visit { hospital, period, patient_number });
            }
        }
        names
    }
}

#[cfg(test)]
#[path = "circumstances_tests.rs"]
mod tests;
