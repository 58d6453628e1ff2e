//! Who may work here: accounts, sign-in, sessions and one-time links, in PostgreSQL.

use crate::{
    password::{Busy, Hasher},
    session::{self, BadPassword, Lifetimes, Limit, Tally, Token},
};
use chassis::{Clock, Db, DbError};
use contracts::{StaffId, Timestamp, Uuid};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use privacy_seal::Zeroizing;
use sqlx::PgConnection;
use std::net::IpAddr;

/// How long a one-time link is good.
pub const LINK_HOURS: i64 = 24;

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
    /// The link is unknown, used, or older than [`LINK_HOURS`].
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
    db: Db,
    clock: Clock,
    hasher: Hasher,
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
    async fn open(&self, staff: StaffId, now: Timestamp, forgive: Option<(Vec<u8>, Vec<u8>)>) -> Result<Token, AccessError> {
        let token = Token::random();
        let hash = token.hash();
        let (expires, oldest) = (now + self.lifetimes.absolute, now - self.limits.address.window.max(self.limits.login.window));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("delete from session where expires_at <= $1").bind(now.to_sqlx()).execute(&mut *tx).await?;
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

    /// Whose link this is, while it is good.
    pub async fn link_login(&self, token: &Token) -> Result<Option<String>, AccessError> {
        let login = sqlx::query_scalar(
            "select s.login from sign_in_link l join staff s on s.id = l.staff
              where l.token_hash = $1 and l.used_at is null and l.expires_at > $2 and not s.disabled",
        )
        .bind(token.hash())
        .bind(self.clock.now().to_sqlx())
        .fetch_optional(self.db.pool())
        .await?;
        Ok(login)
    }

    /// Uses a link: sets the password, ends every session of the account, opens a new one.
    pub async fn use_link(&self, link: &Token, password: Zeroizing<String>) -> Result<Token, AccessError> {
        let login = self.link_login(link).await?.ok_or(AccessError::Link)?;
        session::check_password(&login, &password).map_err(AccessError::Password)?;
        let stored = self.hasher.hash(password).await?;
        let (now, hash) = (self.clock.now(), link.hash());
        let staff = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    // The one statement that says whether it is the first use.
                    let staff: Option<Uuid> = sqlx::query_scalar(
                        "update sign_in_link set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2 returning staff",
                    )
                    .bind(hash)
                    .bind(now.to_sqlx())
                    .fetch_optional(&mut *tx)
                    .await?;
                    let Some(staff) = staff else { return Ok(None) };
                    sqlx::query("update staff set password_hash = $2 where id = $1")
                        .bind(staff)
                        .bind(stored)
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query("delete from session where staff = $1").bind(staff).execute(&mut *tx).await?;
                    sqlx::query("delete from sign_in_link where staff = $1 and used_at is null")
                        .bind(staff)
                        .execute(tx)
                        .await?;
                    Ok(Some(staff))
                })
            })
            .await?
            .ok_or(AccessError::Link)?;
        self.open(StaffId(staff), now, None).await
    }

    /// Every account, by login.
    pub async fn everybody(&self) -> Result<Vec<Account>, AccessError> {
        let rows: Vec<(Uuid, String, String, bool, bool, bool)> = sqlx::query_as(
            "select id, login, display, administrator, disabled, password_hash is not null from staff order by login limit 1000",
        )
        .fetch_all(self.db.pool())
        .await?;
        let account = |(id, login, display, administrator, disabled, active)| Account {
            staff: Staff { id: StaffId(id), login, display, administrator },
            disabled,
            active,
        };
        Ok(rows.into_iter().map(account).collect())
    }

    /// Adds an account; the link with which its owner sets a password.
    pub async fn add(&self, login: &str, display: &str, administrator: bool) -> Result<Token, AccessError> {
        let (login, display) = (login.trim().to_lowercase(), display.trim().to_owned());
        if !session::is_login(&login) || !(1..=100).contains(&display.chars().count()) {
            return Err(AccessError::Login);
        }
        let (now, token) = (self.clock.now(), Token::random());
        let hash = token.hash();
        let added = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let staff = insert_staff(tx, &login, &display, administrator, now).await?;
                    insert_link(tx, &hash, staff, now).await
                })
            })
            .await;
        match added {
            Ok(()) => Ok(token),
            Err(e) if e.constraint() == Some("staff_login_key") => Err(AccessError::Taken),
            Err(e) => Err(e.into()),
        }
    }

    /// A new link for somebody who forgot the password; earlier links end.
    pub async fn new_link(&self, staff: StaffId) -> Result<Token, AccessError> {
        let (now, token) = (self.clock.now(), Token::random());
        let hash = token.hash();
        let known = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let known: Option<Uuid> = sqlx::query_scalar("select id from staff where id = $1 and not disabled for update")
                        .bind(staff.0)
                        .fetch_optional(&mut *tx)
                        .await?;
                    if known.is_some() {
                        insert_link(tx, &hash, staff.0, now).await?;
                    }
                    Ok(known)
                })
            })
            .await?;
        known.map(|_| token).ok_or(AccessError::Nobody)
    }

    /// Lets somebody in no more (and ends every session), or again. One administrator always stays.
    pub async fn set_disabled(&self, staff: StaffId, disabled: bool) -> Result<(), AccessError> {
        let done = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    // All administrators are locked in one order: two who disable each other at once cannot both succeed.
                    let left: Vec<Uuid> = sqlx::query_scalar(
                        "select id from staff where administrator and not disabled and password_hash is not null order by id for update",
                    )
                    .fetch_all(&mut *tx)
                    .await?;
                    if disabled && left == [staff.0] {
                        return Ok(Err(AccessError::LastAdministrator));
                    }
                    let changed = sqlx::query("update staff set disabled = $2 where id = $1")
                        .bind(staff.0)
                        .bind(disabled)
                        .execute(&mut *tx)
                        .await?;
                    if disabled {
                        sqlx::query("delete from session where staff = $1").bind(staff.0).execute(&mut *tx).await?;
                        sqlx::query("delete from sign_in_link where staff = $1").bind(staff.0).execute(tx).await?;
                    }
                    Ok(if changed.rows_affected() == 1 { Ok(()) } else { Err(AccessError::Nobody) })
                })
            })
            .await?;
        done
    }
}

/// An account as the page of accounts shows it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who.
    pub staff: Staff,
    /// May not sign in.
    pub disabled: bool,
    /// Has set a password.
    pub active: bool,
}

async fn insert_session(
    tx: &mut PgConnection,
    hash: &[u8],
    staff: StaffId,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), DbError> {
    sqlx::query("insert into session (token_hash, staff, created_at, last_seen, expires_at) values ($1, $2, $3, $3, $4)")
        .bind(hash)
        .bind(staff.0)
        .bind(now.to_sqlx())
        .bind(expires.to_sqlx())
        .execute(tx)
        .await?;
    Ok(())
}

async fn insert_staff(
    tx: &mut PgConnection,
    login: &str,
    display: &str,
    administrator: bool,
    now: Timestamp,
) -> Result<Uuid, DbError> {
    let id = Uuid::now_v7();
    sqlx::query("insert into staff (id, login, display, administrator, created_at) values ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(login)
        .bind(display)
        .bind(administrator)
        .bind(now.to_sqlx())
        .execute(tx)
        .await?;
    Ok(id)
}

/// A link replaces the unused ones before it.
async fn insert_link(tx: &mut PgConnection, hash: &[u8], staff: Uuid, now: Timestamp) -> Result<(), DbError> {
    sqlx::query("delete from sign_in_link where staff = $1 and used_at is null").bind(staff).execute(&mut *tx).await?;
    sqlx::query("insert into sign_in_link (token_hash, staff, expires_at) values ($1, $2, $3)")
        .bind(hash)
        .bind(staff)
        .bind((now + SignedDuration::from_hours(LINK_HOURS)).to_sqlx())
        .execute(tx)
        .await?;
    Ok(())
}

/// The address at which the first administrator (`admin`) sets a password; `None` once anybody has one.
///
/// The link is good for 24 hours and one use; each call replaces the one before. `base_url` is where staff reach the
/// console (`http://127.0.0.1:8402`).
///
/// # Errors
/// The database does not answer.
pub async fn first_sign_in_link(db: &Db, base_url: &str, clock: &Clock) -> anyhow::Result<Option<String>> {
    let (now, token) = (clock.now(), Token::random());
    let hash = token.hash();
    let made = db
        .write(move |tx| {
            Box::pin(async move {
                // Two processes that start at once make one administrator.
                sqlx::query("select pg_advisory_xact_lock(hashtext('madoguchi console first administrator'))")
                    .execute(&mut *tx)
                    .await?;
                let anybody: bool = sqlx::query_scalar("select exists (select from staff where password_hash is not null)")
                    .fetch_one(&mut *tx)
                    .await?;
                if anybody {
                    return Ok(false);
                }
                let admin: Option<Uuid> =
                    sqlx::query_scalar("select id from staff where login = 'admin'").fetch_optional(&mut *tx).await?;
                let admin = match admin {
                    Some(id) => id,
                    None => insert_staff(tx, "admin", "Administrator", true, now).await?,
                };
                insert_link(tx, &hash, admin, now).await?;
                Ok(true)
            })
        })
        .await?;
    Ok(made.then(|| link(base_url, &token)))
}

/// The address of a one-time link.
pub fn link(base_url: &str, token: &Token) -> String {
    format!("{}/link/{}", base_url.trim_end_matches('/'), token.text())
}
