//! `[filing]`: what the law says of ages and of parents, each from its day. Read by whoever takes requests.

use crate::request::Rules;
use contracts::Date;
use serde::Deserialize;

/// From this day on, this many years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// The first day.
    pub from: Date,
    /// Years of age.
    pub years: i16,
}

/// `[filing]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ages {
    /// 成年; each from its day.
    pub age_of_majority: Vec<Since>,
    /// From this age on the young are asked themselves about disclosure and the like; each from its day.
    pub own_request_age: Vec<Since>,
    /// The same for stops of provision and erasures.
    pub own_stop_age: Vec<Since>,
    /// From this day on a parent is asked about the other one (共同親権, Civil Code art. 824-2).
    pub joint_authority_from: Date,
    /// Nobody is older, in years.
    pub oldest: i16,
}

const fn since(year: i16, month: i8, day: i8, years: i16) -> Since {
    Since { from: jiff::civil::date(year, month, day), years }
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            age_of_majority: vec![since(1896, 4, 27, 20), since(2022, 4, 1, 18)],
            own_request_age: vec![since(2005, 4, 1, 15)],
            own_stop_age: vec![since(2018, 5, 11, 16)],
            joint_authority_from: jiff::civil::date(2026, 4, 1),
            oldest: 130,
        }
    }
}

/// What holds on a day: the last that has begun; before all of them, the first.
fn on(list: &[Since], day: Date) -> i16 {
    let begun = list.iter().filter(|since| since.from <= day).max_by_key(|since| since.from);
    begun.or_else(|| list.iter().min_by_key(|since| since.from)).map_or(i16::MAX, |since| since.years)
}

impl Ages {
    /// Looks at what no type can say.
    ///
    /// # Errors
    /// Names the key and the remedy.
    pub fn check(&self) -> Result<(), String> {
        for (key, list) in [
            ("age_of_majority", &self.age_of_majority),
            ("own_request_age", &self.own_request_age),
            ("own_stop_age", &self.own_stop_age),
        ] {
            let good = (1..=10).contains(&list.len()) && list.iter().all(|since| (1..=100).contains(&since.years));
            if !good {
                return Err(format!(
                    "[filing] {key}: use 1 to 10 entries {{ from = \"2022-04-01\", years = 18 }} with 1 to 100 years"
                ));
            }
        }
        if (100..=200).contains(&self.oldest) { Ok(()) } else { Err("[filing] oldest: use 100 to 200".to_owned()) }
    }

    /// What holds on a day.
    pub fn rules(&self, day: Date) -> Rules {
        Rules {
            age_of_majority: on(&self.age_of_majority, day),
            own_request_age: on(&self.own_request_age, day),
            own_stop_age: on(&self.own_stop_age, day),
            joint_authority: self.joint_authority_from <= day,
            oldest: self.oldest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_day() {
        let ages = Ages::default();
        assert_eq!(ages.check(), Ok(()));
        let at = |year, month, day| ages.rules(jiff::civil::date(year, month, day));
        assert_eq!([at(2022, 3, 31).age_of_majority, at(2022, 4, 1).age_of_majority], [20, 18]);
        assert_eq!([at(2026, 3, 31).joint_authority, at(2026, 4, 1).joint_authority], [false, true]);
        let written: Ages = toml::from_str(
            "own_stop_age = [{ from = \"2018-05-11\", years = 16 }, { from = \"2030-01-01\", years = 15 }]",
        )
        .unwrap();
        assert_eq!(written.rules(jiff::civil::date(2029, 12, 31)).own_stop_age, 16);
        assert_eq!(written.rules(jiff::civil::date(2030, 1, 1)).own_stop_age, 15);
        assert_eq!(written.rules(jiff::civil::date(1990, 1, 1)).own_stop_age, 16, "before all of them: the first");
    }

    #[test]
    fn errors_name_the_key() {
        let empty = Ages { own_stop_age: vec![], ..Ages::default() };
        assert!(empty.check().unwrap_err().starts_with("[filing] own_stop_age"));
        let young = Ages { oldest: 99, ..Ages::default() };
        assert_eq!(young.check().unwrap_err(), "[filing] oldest: use 100 to 200");
        assert!(toml::from_str::<Ages>("oldst = 1").unwrap_err().to_string().contains("oldst"));
    }
}
