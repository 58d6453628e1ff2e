//! Accounts: who may work here at all, the one-time links with which people set their passwords, and the first of them.

use crate::{
    access::{Access, AccessError, Staff},
    session::{self, Token},
};
use chassis::{Clock, Db, DbError};
use contracts::{StaffId, Timestamp, Uuid};
use jiff::SignedDuration;
use jiff_sqlx::ToSqlx;
use privacy_seal::Zeroizing;
use sqlx::PgConnection;

/// How long a one-time link is good.
pub const LINK_HOURS: i64 = 24;

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

impl Access {
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
                    let known: Option<Uuid> =
                        sqlx::query_scalar("select id from staff where id = $1 and not disabled for update")
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
        self.db
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
            .await?
    }
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
                let anybody: bool =
                    sqlx::query_scalar("select exists (select from staff where password_hash is not null)")
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
