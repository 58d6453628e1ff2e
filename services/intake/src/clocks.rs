//! 期間: the service clock, which pauses, and the suit clock, which does not. Pure; civil days are those of Japan.

use crate::case::{Fee, File, Hold, Identity, Terms};
use calendar::{Calendar, Schedule, end_of, jst_date, start_of, suit_opens_on};
use contracts::{DecisionOutcome, Timestamp};
use jiff::civil::Date;

/// 処理期間: when the service clock ends; `None` while it pauses.
///
/// It starts on the service day of the arrival (a mail at night or on a closed day: the next open day; house policy, in
/// law arrival is arrival), leaves that day out, and counts open days of the counter. Days after the day on which a hold
/// begins, up to and including the day on which it ends, do not count. A clock that ran out before a hold stays run out.
pub fn service_due(file: &File, calendar: &Calendar) -> Option<Timestamp> {
    let holds = holds(file)?;
    Some(due(file.request.received_at, file.request.terms.service_days, &holds, calendar))
}

/// The closed pauses in order; `None` while one is open.
fn holds(file: &File) -> Option<Vec<Hold>> {
    let mut holds = file.holds.clone();
    match &file.identity {
        Identity::Deficient { .. } => return None,
        Identity::Confirmed { at, deficient_since } => {
            holds.extend(deficient_since.map(|from| Hold { from, to: *at }));
            match &file.fee {
                // The person has to pay and nothing else is left to do.
                Fee::Due { .. } | Fee::Expired { .. } => return None,
                Fee::Paid { at: paid, .. } => {
                    let from = file.revived_at.map_or(*at, |revived| revived.max(*at));
                    holds.push(Hold { from, to: *paid });
                }
                Fee::Free => {}
            }
        }
        Identity::NotNeeded | Identity::Awaited | Identity::Rejected { .. } => {}
    }
    holds.retain(|hold| hold.from < hold.to);
    holds.sort_unstable();
    Some(holds)
}

fn due(received_at: Timestamp, days: u16, holds: &[Hold], calendar: &Calendar) -> Timestamp {
    let mut day = calendar.service_day(received_at);
    let mut left = u32::from(days);
    for hold in holds {
        let (from, to) = (jst_date(hold.from), jst_date(hold.to));
        let used = calendar.open_days_between(Schedule::Office, day, from);
        if used >= left {
            break;
        }
        left -= used;
        day = day.max(to);
    }
    end_of(calendar.add_open_days(Schedule::Office, day, left))
}

/// 法39条の2週間: the first day on which a suit is open. Never pauses. Only on the kinds that have it; a refusal opens it
/// at once (APPI art. 39(1)). Arrival is the instant at the desk; a mail's usual arrival (通常到達すべきであった時, art.
/// 39(2)) is the business of whoever records the mail.
pub fn suit_day(file: &File, calendar: &Calendar) -> Option<Date> {
    let refused_on = refused_at(file).map(jst_date);
    file.request.kind.has_suit_clock().then(|| suit_opens_on(jst_date(file.request.received_at), refused_on, calendar))
}

/// The same as an instant: the beginning of that day, or the refusal itself.
pub fn suit_from(file: &File, calendar: &Calendar) -> Option<Timestamp> {
    if !file.request.kind.has_suit_clock() {
        return None;
    }
    let passed = start_of(suit_opens_on(jst_date(file.request.received_at), None, calendar));
    Some(refused_at(file).map_or(passed, |refused| refused.min(passed)))
}

fn refused_at(file: &File) -> Option<Timestamp> {
    match &file.answer {
        crate::case::Answer::Given { outcome: DecisionOutcome::Refused, at, .. } => Some(*at),
        _ => None,
    }
}

/// 失効: when a case lapses whose completion is awaited until `due_at`: the end of the last day of grace, and in any case
/// after `due_at`.
pub fn completion_lapses(due_at: Timestamp, terms: &Terms, calendar: &Calendar) -> Timestamp {
    let last = calendar.add_open_days(Schedule::Office, jst_date(due_at), u32::from(terms.completion_grace_days));
    end_of(last)
}
