//! The door as a whole: what both faces, the API and the pages, do.

use crate::{
    config::DoorConfig,
    derive::{IdempotencyKey, Names},
    letterbox::{self, Found, NotFound},
    limit::{Budgets, Who},
    mail::MailSlot,
    problem::Problem,
    published::Posted,
    request::Request,
    texts::AllTexts,
    tray::{Entry, NotPut, Put, Slot},
};
use axum::http::{HeaderMap, StatusCode};
use chassis::{Clock, Db};
use contracts::{Channel, Date, Kind, ReceiptNumber, Timestamp};
use filing::ages::Ages;
use privacy_seal::{
    AccessCode, DoorSecret, Purpose, Zeroizing,
    filing::{Filing, NewRequest},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Everything that a handler needs. Shared by all of them.
pub struct Door {
    /// Reads: the out-tray.
    pub db: Db,
    /// Writes: the in-tray.
    pub slot: Slot,
    /// What names are derived from.
    pub secret: DoorSecret,
    /// The words.
    pub texts: AllTexts,
    /// What is always posted.
    pub posted: Posted,
    /// Wrong codes so far.
    pub misses: Mutex<Budgets>,
    /// Filings so far.
    pub filings: Mutex<Budgets>,
    /// Where mails go in.
    pub mails: MailSlot,
    /// `[door]`.
    pub config: DoorConfig,
    /// `[filing]`.
    pub ages: Ages,
    /// Now.
    pub clock: Clock,
    /// `https://madoguchi.example.jp`, or the address; no slash at the end.
    pub base_url: String,
}

/// 受付票: what a person takes home.
pub struct Receipt {
    /// 受付番号.
    pub receipt_number: ReceiptNumber,
    /// 照会用暗証, in groups; overwritten when dropped.
    pub access_code: Zeroizing<String>,
    /// What was asked.
    pub kind: Kind,
    /// Arrival.
    pub received_at: Timestamp,
}

impl Door {
    /// Today in Japan.
    pub fn today(&self) -> Date {
        calendar::jst_date(self.clock.now())
    }

    /// Files a request: committed when this returns. `body` is what a repeat has to bring again.
    ///
    /// # Errors
    /// 409 for another body under the same key, 429 for too many filings, 503 when the counter is full or the database away.
    pub async fn file(
        &self,
        client: IpAddr,
        key: &IdempotencyKey,
        body: &[u8],
        request: Request,
        channel: Channel,
    ) -> Result<Receipt, Problem> {
        spend(&self.filings, client).map_err(|wait| {
            chassis::telemetry::count("madoguchi.door.refused", "filings");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-filings").after(wait)
        })?;
        let names = Names::of(&self.secret, key, body);
        let received_at = self.clock.now();
        let kind = request.kind;
        let filing = Filing::Request(Box::new(new_request(&names, request, channel, received_at)));
        let entry = Entry {
            id: names.filing,
            plain: plain(&filing),
            body_mac: names.body_mac,
            code_key: *names.code_key.as_bytes(),
            kind: Some(kind),
            received_at,
        };
        let received_at = match self.slot.put(entry).await.map_err(not_put)? {
            Put::New => received_at,
            Put::Repeat { received_at } => received_at,
            Put::Different => return Err(Problem::new(StatusCode::CONFLICT, "key-reused")),
        };
        let access_code = names.code.show(Purpose::ShowToPerson);
        Ok(Receipt { receipt_number: names.receipt_number, access_code, kind, received_at })
    }

    /// Finds how a request stands.
    ///
    /// # Errors
    /// 404 for a wrong code and an unknown number alike, 429 after too many of them, 503.
    pub async fn look_up(
        &self,
        client: IpAddr,
        receipt_number: ReceiptNumber,
        code: &AccessCode,
    ) -> Result<Found, Problem> {
        self.misses().may_try(client, Instant::now()).map_err(|wait| {
            chassis::telemetry::count("madoguchi.door.refused", "wrong-codes");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries").after(wait)
        })?;
        letterbox::find(&self.db, receipt_number, code).await.map_err(|error| match error {
            NotFound::Miss => {
                self.misses().spend(client, Instant::now());
                chassis::telemetry::count("madoguchi.door.misses", "wrong-codes");
                Problem::not_found()
            }
            NotFound::Away(_) | NotFound::Unreadable => {
                tracing::error!(%error, "a status letter could not be shown");
                Problem::away()
            }
        })
    }

    /// 取下げ: takes a request back.
    ///
    /// # Errors
    /// As [`Door::look_up`] and [`Door::file`]; 409 when the case has ended.
    pub async fn withdraw(
        &self,
        client: IpAddr,
        receipt_number: ReceiptNumber,
        code: &AccessCode,
    ) -> Result<Timestamp, Problem> {
        let found = self.look_up(client, receipt_number, code).await?;
        if found.is_over() {
            return Err(Problem::new(StatusCode::CONFLICT, "over"));
        }
        let (id, body_mac) = found.withdrawal(&self.secret);
        let received_at = self.clock.now();
        let code_key = *found.key.public().as_bytes();
        let filing = Filing::Withdrawal { receipt_number, code_key, received_at };
        let entry = Entry { id, plain: plain(&filing), body_mac, code_key, kind: None, received_at };
        match self.slot.put(entry).await.map_err(not_put)? {
            Put::New => Ok(received_at),
            Put::Repeat { received_at } => Ok(received_at),
            Put::Different => Err(Problem::away()),
        }
    }

    fn misses(&self) -> std::sync::MutexGuard<'_, Budgets> {
        self.misses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom a request came from: the peer, or what the outermost of our own proxies saw.
    pub fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        client(self.config.trusted_proxies, peer.ip(), headers)
    }
}

/// Takes one from the budget, or says how long to wait.
pub(crate) fn spend<W: Who>(budgets: &Mutex<Budgets<W>>, client: W) -> Result<(), Duration> {
    let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
    // Read inside the lock, so that time goes forward from one filing to the next.
    let now = Instant::now();
    budgets.may_try(client, now)?;
    budgets.spend(client, now);
    Ok(())
}

/// Each of our proxies appends the address that it saw; whatever stands before those is the client's own claim.
fn client(proxies: usize, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if proxies == 0 {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let seen: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    seen.len().checked_sub(proxies).and_then(|at| seen[at].parse().ok()).unwrap_or(peer)
}

fn new_request(names: &Names, request: Request, channel: Channel, received_at: Timestamp) -> NewRequest {
    NewRequest {
        case: names.case,
        receipt_number: names.receipt_number,
        code_key: *names.code_key.as_bytes(),
        kind: request.kind,
        capacity: request.capacity,
        scope: request.scope,
        channel,
        language: request.language,
        received_at,
        traceparent: chassis::telemetry::current_traceparent().map(|trace| trace.as_str().to_owned()),
        person: request.person,
        representative: request.representative,
        words: request.words,
        hospitals: request.hospitals,
        circumstances: request.circumstances,
    }
}

/// A filing as it is sealed. All its parts have a JSON form, so nothing is ever lost here; an empty filing would be
/// parked by intake and seen.
pub(crate) fn plain(filing: &Filing) -> Zeroizing<Vec<u8>> {
    // Room for nearly all, so that growing seldom leaves a copy behind in freed memory.
    let mut plain = Zeroizing::new(Vec::with_capacity(8 * 1024));
    #[expect(clippy::expect_used, reason = "strings, numbers and times always have a JSON form")]
    serde_json::to_writer(&mut *plain, filing).expect("a filing has a JSON form");
    plain
}

pub(crate) fn not_put(why: NotPut) -> Problem {
    match why {
        NotPut::Full => {
            chassis::telemetry::count("madoguchi.door.refused", "full");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full").after(Duration::from_secs(2))
        }
        NotPut::Away => Problem::away(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_what_our_own_proxies_saw() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 2.2.2.2".parse().unwrap());
        headers.append("x-forwarded-for", "3.3.3.3".parse().unwrap());
        assert_eq!(client(0, peer, &headers), peer, "without proxies the header is anybody's claim");
        assert_eq!(client(1, peer, &headers).to_string(), "3.3.3.3");
        assert_eq!(client(2, peer, &headers).to_string(), "2.2.2.2");
        assert_eq!(client(9, peer, &headers), peer);
        assert_eq!(client(1, peer, &HeaderMap::new()), peer);
    }
}
