//! Who may work here now: sign-in and sessions, in PostgreSQL. Accounts and their links are in `accounts.rs`.

use crate::{
    password::{Busy, Hasher},
    session::{self, BadPassword, Lifetimes, Limit, Tally, Token},
};
use chassis::{Clock, Db, DbError};
use contracts::{StaffId, Timestamp, Uuid};
use jiff_sqlx::ToSqlx;
use privacy_seal::Zeroizing;
use sqlx::PgConnection;
use std::net::IpAddr;

/// A member of staff who is signed in.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Who.
    pub id: StaffId,
    /// Login.
    pub login: String,
    /// Name on pages.
    pub display: String,
    /// May add and disable accounts.
    pub administrator: bool,
}

/// Why nobody is signed in now.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Unknown login, wrong password or disabled account: not told apart.
    #[error("login or password is wrong")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts; come again at {0}")]
    Limited(Timestamp),
    /// The link is unknown, used, or older than [`crate::accounts::LINK_HOURS`].
    #[error("the link is used or too old")]
    Link,
    /// The new password is not taken.
    #[error("the password is not taken")]
    Password(BadPassword),
    /// The login cannot be one.
    #[error("not a login")]
    Login,
    /// The login is somebody's.
    #[error("the login is taken")]
    Taken,
    /// Nobody of that id.
    #[error("no such account")]
    Nobody,
    /// The last administrator cannot be disabled.
    #[error("the last administrator")]
    LastAdministrator,
    /// Too many sign in at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for AccessError {
    fn from(e: sqlx::Error) -> Self {
        Self::Db(e.into())
    }
}

impl AccessError {
    /// The word of its text.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Wrong => "sign-in-wrong",
            Self::Limited(_) => "sign-in-limited",
            Self::Link => "link-bad",
            Self::Password(bad) => bad.word(),
            Self::Login => "login-form",
            Self::Taken => "login-taken",
            Self::Nobody => "staff-unknown",
            Self::LastAdministrator => "last-administrator",
            Self::Busy(_) => "sign-in-busy",
            Self::Db(_) => "database",
        }
    }
}

/// Limits of sign-in, from the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Per login.
    pub login: Limit,
    /// Per client address.
    pub address: Limit,
}

/// Accounts and sessions. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    lifetimes: Lifetimes,
    limits: Limits,
}

impl Access {
    /// Over the console's database.
    pub fn new(db: Db, clock: Clock, hasher: Hasher, lifetimes: Lifetimes, limits: Limits) -> Self {
        Self { db, clock, hasher, lifetimes, limits }
    }

    /// Login and password: a new session's token. Attempts are counted before the password is looked at.
    pub async fn sign_in(&self, login: &str, password: Zeroizing<String>, from: IpAddr) -> Result<Token, AccessError> {
        let login = login.trim().to_lowercase();
        let now = self.clock.now();
        self.count(now, session::address_key(from), self.limits.address).await?;
        self.count(now, session::login_key(&login), self.limits.login).await?;
        let found: Option<(Uuid, Option<String>)> =
            sqlx::query_as("select id, password_hash from staff where login = $1 and not disabled")
                .bind(&login)
                .fetch_optional(self.db.pool())
                .await?;
        let (id, stored) = found.map_or((None, None), |(id, hash)| (Some(id), hash));
        // 256 bytes is the longest password there can be; hashing more is work for nothing.
        let good = password.len() <= 256 && self.hasher.verify(password, stored).await?;
        let Some(id) = id.filter(|_| good) else {
            chassis::telemetry::count("madoguchi.console.sign_in", "wrong");
            return Err(AccessError::Wrong);
        };
        let token = self.open(StaffId(id), now, Some((session::login_key(&login), session::address_key(from)))).await?;
        chassis::telemetry::count("madoguchi.console.sign_in", "good");
        Ok(token)
    }

    async fn count(&self, now: Timestamp, key: Vec<u8>, limit: Limit) -> Result<(), AccessError> {
        let counted = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    // The row is made first so that there is one to lock: two attempts at once are two.
                    sqlx::query("insert into sign_in_failure (key, since, count) values ($1, $2, 0) on conflict (key) do nothing")
                        .bind(&key)
                        .bind(now.to_sqlx())
                        .execute(&mut *tx)
                        .await?;
                    let (since, count): (jiff_sqlx::Timestamp, i32) =
                        sqlx::query_as("select since, count from sign_in_failure where key = $1 for update")
                            .bind(&key)
                            .fetch_one(&mut *tx)
                            .await?;
                    let tally = match limit.attempt(Some(Tally { since: since.to_jiff(), count }), now) {
                        Ok(tally) => tally,
                        Err(again) => return Ok(Err(again)),
                    };
                    sqlx::query("update sign_in_failure set since = $2, count = $3 where key = $1")
                        .bind(&key)
                        .bind(tally.since.to_sqlx())
                        .bind(tally.count)
                        .execute(tx)
                        .await?;
                    Ok(Ok(()))
                })
            })
            .await?;
        counted.map_err(|again| {
            chassis::telemetry::count("madoguchi.console.sign_in", "limited");
            AccessError::Limited(again)
        })
    }

    /// Opens a session; a good sign-in forgives the attempts before it.
    pub(crate) async fn open(
        &self,
        staff: StaffId,
        now: Timestamp,
        forgive: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Token, AccessError> {
        let token = Token::random();
        let hash = token.hash();
        let (expires, oldest) =
            (now + self.lifetimes.absolute, now - self.limits.address.window.max(self.limits.login.window));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from session where expires_at <= $1")
                        .bind(now.to_sqlx())
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query("delete from sign_in_failure where since <= $1")
                        .bind(oldest.to_sqlx())
                        .execute(&mut *tx)
                        .await?;
                    if let Some((login, address)) = forgive {
                        sqlx::query("delete from sign_in_failure where key = $1").bind(login).execute(&mut *tx).await?;
                        sqlx::query("update sign_in_failure set count = greatest(count - 1, 0) where key = $1")
                            .bind(address)
                            .execute(&mut *tx)
                            .await?;
                    }
                    insert_session(tx, &hash, staff, now, expires).await
                })
            })
            .await?;
        Ok(token)
    }

    /// Who a session's token belongs to, if it is good.
    pub async fn session(&self, token: &Token) -> Result<Option<Staff>, AccessError> {
        type Found = (Uuid, String, String, bool, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp);
        let hash = token.hash();
        let found: Option<Found> = sqlx::query_as(
            "select s.id, s.login, s.display, s.administrator, e.last_seen, e.expires_at
               from session e join staff s on s.id = e.staff where e.token_hash = $1 and not s.disabled",
        )
        .bind(&hash)
        .fetch_optional(self.db.pool())
        .await?;
        let Some((id, login, display, administrator, seen, expires)) = found else { return Ok(None) };
        let now = self.clock.now();
        if !session::is_good(seen.to_jiff(), expires.to_jiff(), now, self.lifetimes.idle) {
            return Ok(None);
        }
        if session::is_stale(seen.to_jiff(), now) {
            self.db
                .write(move |tx| {
                    Box::pin(async move {
                        sqlx::query("update session set last_seen = greatest(last_seen, $2) where token_hash = $1")
                            .bind(hash)
                            .bind(now.to_sqlx())
                            .execute(tx)
                            .await?;
                        Ok(())
                    })
                })
                .await?;
        }
        Ok(Some(Staff { id: StaffId(id), login, display, administrator }))
    }

    /// Ends a session.
    pub async fn sign_out(&self, token: &Token) -> Result<(), AccessError> {
        let hash = token.hash();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from session where token_hash = $1").bind(hash).execute(tx).await?;
                    Ok(())
                })
            })
            .await?;
        Ok(())
    }
}

async fn insert_session(
    tx: &mut PgConnection,
    hash: &[u8],
    staff: StaffId,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into session (token_hash, staff, created_at, last_seen, expires_at) values ($1, $2, $3, $3, $4)",
    )
    .bind(hash)
    .bind(staff.0)
    .bind(now.to_sqlx())
    .bind(expires.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}
