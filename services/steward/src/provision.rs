//! Makes what must stand before any service starts: secrets, roles, databases, schemas, the epoch, credentials.
//!
//! `madoguchi migrate` runs it; every step may run again. It is the only code that connects to PostgreSQL as its
//! administrator.

use crate::{epoch, permissions};
use anyhow::{Context, bail};
use chassis::schema::{self, Schema};
use contracts::Timestamp;
use nats_auth::House;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where the secrets of a house lie: one folder, 0700.
#[derive(Clone, Debug)]
pub struct Secrets(PathBuf);

impl Secrets {
    /// Opens (or makes) the folder.
    pub fn open(folder: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let folder = folder.into();
        for part in ["postgres", "creds", "keys"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .with_context(|| format!("closing {}", folder.display()))?;
        Ok(Self(folder))
    }
    /// One file per role with its password.
    pub fn passwords(&self) -> PathBuf {
        self.0.join("postgres")
    }
    /// One `.creds` per NATS user.
    pub fn creds(&self) -> PathBuf {
        self.0.join("creds")
    }
    /// Master key, service keys, index keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
    /// The root secret of the NATS accounts.
    pub fn root(&self) -> PathBuf {
        self.0.join(nats_auth::DEFAULT_ROOT_FILE)
    }
    /// The system user's credentials.
    pub fn system_creds(&self) -> PathBuf {
        self.0.join("system.creds")
    }

    /// A role's password, made once.
    pub fn password(&self, role: &str) -> anyhow::Result<String> {
        let file = self.passwords().join(role);
        if let Ok(known) = fs::read_to_string(&file) {
            return Ok(known.trim().to_owned());
        }
        let random: [u8; 24] = rand::random();
        let password: String = random.iter().map(|b| format!("{b:02x}")).collect();
        write_secret(&file, &password)?;
        Ok(password)
    }

    /// Writes every NATS user's credentials. Keys are derived, so a repeat gives the same users.
    pub fn write_creds(&self, house: &House, own_servers: bool, now: Timestamp) -> anyhow::Result<()> {
        for (user, permissions) in permissions::all() {
            write_secret(&self.creds().join(format!("{user}.creds")), &house.service_creds(user, permissions, now)?)?;
        }
        if own_servers {
            write_secret(&self.system_creds(), &house.system_creds(now))?;
        }
        Ok(())
    }
}

/// Whole or not at all, 0600, on the disk.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// The two databases: data, and keys apart from it.
#[derive(Clone, Debug)]
pub struct Databases {
    /// PostgreSQL as its administrator, any database of the cluster.
    pub admin_url: String,
    /// The data's database.
    pub data: String,
    /// The keys' database.
    pub keys: String,
}

impl Databases {
    /// The administrator's URL of one database.
    pub fn admin(&self, database: &str) -> anyhow::Result<String> {
        replace_database(&self.admin_url, database)
    }
    /// A URL with `{role}` in place of the user, for `house.database_url`.
    pub fn template(&self, database: &str) -> anyhow::Result<String> {
        let url = replace_database(&self.admin_url, database)?;
        let (scheme, rest) = url.split_once("://").context("`MADOGUCHI_POSTGRES_URL` is no postgres:// URL")?;
        let (_, host) = rest.split_once('@').unwrap_or(("", rest));
        Ok(format!("{scheme}://{{role}}@{host}"))
    }
}

/// `postgres://user:password@host:port/database?options` with another database.
fn replace_database(url: &str, database: &str) -> anyhow::Result<String> {
    let (scheme, rest) =
        url.split_once("://").context("`MADOGUCHI_POSTGRES_URL`: use postgres://user:password@host:port/database")?;
    let (before, options) = rest.split_once('?').map_or((rest, None), |(b, o)| (b, Some(o)));
    let host = before.split_once('/').map_or(before, |(host, _)| host);
    Ok(match options {
        Some(options) => format!("{scheme}://{host}/{database}?{options}"),
        None => format!("{scheme}://{host}/{database}"),
    })
}

/// PostgreSQL 15 or newer; what it acknowledged it must keep.
async fn refuse_unfit_server(db: &mut PgConnection, must_be_durable: bool) -> anyhow::Result<()> {
    let version: i32 =
        sqlx::query_scalar("select current_setting('server_version_num')::int").fetch_one(&mut *db).await?;
    if version < 150_000 {
        bail!("PostgreSQL {}.{} is too old: 15 or newer is needed", version / 10_000, version % 10_000);
    }
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = sqlx::query_scalar("select current_setting($1)").bind(setting).fetch_one(&mut *db).await?;
        if must_be_durable && value == "off" {
            bail!(
                "PostgreSQL runs with `{setting} = off`: it would lose what it acknowledged. Set it to `on` in postgresql.conf."
            );
        }
    }
    Ok(())
}

/// Makes roles, databases, schemas and the epoch; returns the epoch in force. `key_schemas` are the services with keys.
pub async fn databases(
    at: &Databases,
    secrets: &Secrets,
    schemas: &[Schema<'_>],
    key_schemas: &[&str],
    must_be_durable: bool,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> anyhow::Result<i32> {
    databases_apart(at, &at.admin_url, secrets, schemas, key_schemas, must_be_durable, progress).await
}

/// The same with the keys on a server of their own, whose administrator's URL is `keys_admin_url`.
pub async fn databases_apart(
    at: &Databases,
    keys_admin_url: &str,
    secrets: &Secrets,
    schemas: &[Schema<'_>],
    key_schemas: &[&str],
    must_be_durable: bool,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> anyhow::Result<i32> {
    let roles: Vec<&str> = schemas.iter().map(|s| s.name).chain([permissions::STEWARD]).collect();
    for (url, database, roles) in
        [(at.admin_url.as_str(), &at.data, roles.as_slice()), (keys_admin_url, &at.keys, key_schemas)]
    {
        let mut admin = PgConnection::connect(url)
            .await
            .context("connecting to PostgreSQL as its administrator (`MADOGUCHI_POSTGRES_URL`)")?;
        refuse_unfit_server(&mut admin, must_be_durable).await?;
        for role in roles {
            schema::role(&mut admin, role, &secrets.password(role)?)
                .await
                .with_context(|| format!("making the role `{role}`"))?;
        }
        make_database(&mut admin, database).await?;
        admin.close().await?;
    }

    let data_url = at.admin(&at.data)?;
    let mut data = PgConnection::connect(&data_url).await?;
    sqlx::raw_sql(epoch::SCHEMA).execute(&mut data).await.context("making the schema `house`")?;
    let epoch = epoch::check(&mut data).await.context("house.epoch")?;
    for s in schemas {
        progress(&format!("migrating schema {}", s.name));
        schema::migrate(&data_url, s).await?;
    }
    let has_register = schemas.iter().any(|s| s.name == "optout");
    grants(&mut data, schemas, has_register).await?;
    data.close().await?;

    let keys_url = replace_database(keys_admin_url, &at.keys)?;
    let mut keys = PgConnection::connect(&keys_url).await?;
    for name in key_schemas {
        let sql = format!("grant connect on database {} to {name}", at.keys);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut keys).await.context("setting rights on the key database")?;
    }
    keys.close().await?;
    for name in key_schemas {
        privacy::migrate(&keys_url, name, name).await.with_context(|| format!("migrating the keys of `{name}`"))?;
    }
    Ok(epoch)
}

async fn make_database(admin: &mut PgConnection, name: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
        "`{name}` is no database name"
    );
    let there: bool = sqlx::query_scalar("select exists (select 1 from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut *admin)
        .await?;
    if !there {
        let made = sqlx::raw_sql(AssertSqlSafe(format!("create database {name}"))).execute(&mut *admin).await;
        // 42P04: another process was faster.
        if let Err(e) = made
            && e.as_database_error().and_then(|d| d.code()).as_deref() != Some("42P04")
        {
            return Err(e).with_context(|| format!("making the database `{name}`"));
        }
    }
    let sql = format!("revoke connect, temporary on database {name} from public");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await?;
    Ok(())
}

async fn grants(db: &mut PgConnection, schemas: &[Schema<'_>], has_register: bool) -> anyhow::Result<()> {
    let database: String = sqlx::query_scalar("select current_database()").fetch_one(&mut *db).await?;
    let mut sql = String::new();
    for role in schemas.iter().map(|s| s.name).chain([permissions::STEWARD]) {
        sql += &format!(
            "grant connect on database {database} to {role}; grant usage on schema house to {role}; grant select on house.epoch to {role};"
        );
    }
    sql += "grant insert on house.epoch to steward;";
    if has_register {
        // All that the steward may see of the register: which recipients have an account.
        sql +=
            "grant usage on schema optout to steward; grant select (id, nats_account) on optout.recipient to steward;";
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await.context("setting rights")?;
    Ok(())
}

/// Checks an administrator's URL without connecting.
pub fn parse_admin_url(url: &str) -> anyhow::Result<()> {
    sqlx::postgres::PgConnectOptions::from_str(url)
        .map(drop)
        .context("`MADOGUCHI_POSTGRES_URL`: use postgres://user:password@host:port/database")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_get_another_database_and_a_place_for_the_role() {
        let at = Databases {
            admin_url: "postgres://boss:pw@127.0.0.1:5432/postgres?sslmode=disable".into(),
            data: "d".into(),
            keys: "k".into(),
        };
        assert_eq!(at.admin("d").unwrap(), "postgres://boss:pw@127.0.0.1:5432/d?sslmode=disable");
        assert_eq!(at.template("k").unwrap(), "postgres://{role}@127.0.0.1:5432/k?sslmode=disable");
        assert!(replace_database("not a url", "d").is_err());
    }

    #[test]
    fn a_password_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::open(folder.path()).unwrap();
        let first = secrets.password("intake").unwrap();
        assert_eq!(first.len(), 48);
        assert_eq!(secrets.password("intake").unwrap(), first);
        assert_ne!(secrets.password("identity").unwrap(), first);
    }
}
