//! Servers that run already, named by the environment (README, "Existing servers"). Absent ones are started privately.
//!
//! Everything is read, and the NATS server tried, before anything is made: each error names the variable and the remedy.

use anyhow::{Context, bail, ensure};
use async_nats::{ConnectErrorKind, ConnectOptions};
use contracts::Timestamp;
use nats_auth::{House as Accounts, Operator, RootSecret};
use std::{path::PathBuf, time::Duration};
use steward::provision::parse_admin_url;

/// PostgreSQL as its administrator.
pub(crate) const POSTGRES: &str = "MADOGUCHI_POSTGRES_URL";
const NATS: &str = "MADOGUCHI_NATS_URL";
const MONITOR: &str = "MADOGUCHI_NATS_MONITOR_URL";
const SEED_FILE: &str = "MADOGUCHI_NATS_OPERATOR_SEED_FILE";
const SYSTEM_ACCOUNT: &str = "MADOGUCHI_NATS_SYSTEM_ACCOUNT";
const SYSTEM_CREDS: &str = "MADOGUCHI_NATS_SYSTEM_CREDS_FILE";
/// How long a server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// Servers named by the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outside {
    /// PostgreSQL's address as its administrator.
    pub(crate) postgres: Option<String>,
    /// nats-server in operator mode.
    pub(crate) nats: Option<OutsideNats>,
}

/// A nats-server in operator mode that is not ours.
#[derive(Clone, Debug)]
pub(crate) struct OutsideNats {
    /// Its address.
    pub(crate) url: String,
    /// Its monitoring address.
    pub(crate) monitor: String,
    /// The file with its operator's seed.
    pub(crate) operator_seed: PathBuf,
    /// Its system account, `A…`.
    pub(crate) system_account: String,
    /// The file with the credentials of a user in that account.
    pub(crate) system_creds: PathBuf,
}

impl Outside {
    /// From the process' environment.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        Self::read(|name| std::env::var(name).ok())
    }

    fn read(look_up: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let var = |name: &str| look_up(name).filter(|v| !v.is_empty());
        let postgres = var(POSTGRES);
        if let Some(url) = &postgres {
            ensure!(
                url.starts_with("postgres://") || url.starts_with("postgresql://"),
                "`{POSTGRES}`: use postgres://user:password@host:port/database"
            );
            parse_admin_url(url)?;
        }
        let Some(url) = var(NATS) else {
            for name in [MONITOR, SEED_FILE, SYSTEM_ACCOUNT, SYSTEM_CREDS] {
                ensure!(
                    var(name).is_none(),
                    "`{name}` is set, but `{NATS}` is not: set it too, or unset all of them for a private nats-server \
                     (see README, \"Existing servers\")"
                );
            }
            return Ok(Self { postgres, nats: None });
        };
        let need = |name: &str| {
            var(name).with_context(|| {
                format!("`{NATS}` is set, so `{name}` must be set too (see README, \"Existing servers\")")
            })
        };
        let nats = OutsideNats {
            url,
            monitor: need(MONITOR)?,
            operator_seed: need(SEED_FILE)?.into(),
            system_account: need(SYSTEM_ACCOUNT)?,
            system_creds: need(SYSTEM_CREDS)?.into(),
        };
        nats.well_formed()?;
        Ok(Self { postgres, nats: Some(nats) })
    }
}

impl OutsideNats {
    fn well_formed(&self) -> anyhow::Result<()> {
        ensure!(
            self.url.starts_with("nats://") || self.url.starts_with("tls://"),
            "`{NATS}`: use nats://host:4222 or tls://host:4222"
        );
        ensure!(
            self.monitor.starts_with("http://"),
            "`{MONITOR}`: use http://host:8222, the `http` port of that nats-server"
        );
        Operator::from_seed(&self.seed()?).with_context(|| {
            format!("`{SEED_FILE}`: write the seed (SO…) of the operator, or of a signing key of it, into it")
        })?;
        nats_auth::parse_creds(&self.creds()?)
            .with_context(|| format!("`{SYSTEM_CREDS}`: give the .creds file of a user in the system account"))?;
        Ok(())
    }

    fn seed(&self) -> anyhow::Result<String> {
        let file = &self.operator_seed;
        let seed = std::fs::read_to_string(file).with_context(|| {
            format!("`{SEED_FILE}`: cannot read {}; name a file with the operator's seed", file.display())
        })?;
        Ok(seed.trim().to_owned())
    }

    fn creds(&self) -> anyhow::Result<String> {
        let file = &self.system_creds;
        std::fs::read_to_string(file).with_context(|| {
            format!(
                "`{SYSTEM_CREDS}`: cannot read {}; name the .creds file of a user in the system account",
                file.display()
            )
        })
    }

    /// The house's accounts under this server's operator.
    pub(crate) fn accounts(&self, root: RootSecret) -> anyhow::Result<Accounts> {
        Accounts::with_operator(root, &self.seed()?, &self.system_account).with_context(|| {
            format!("`{SYSTEM_ACCOUNT}`: give the public key (A…) of that server's system account, as its configuration names it")
        })
    }

    /// Tries everything that the steward will need: the monitoring page, the system user, and an account of the house under
    /// this operator.
    pub(crate) async fn answers(&self, accounts: &Accounts, now: Timestamp) -> anyhow::Result<()> {
        chassis::nats::syncs_always(&self.monitor).await.map_err(|why| {
            anyhow::anyhow!("{why}; is `{MONITOR}` = {} the monitoring address of a running nats-server?", self.monitor)
        })?;
        self.is_of_this_house(accounts).await?;
        let client = self.system_user().await?;
        let asked = client.request("$SYS.REQ.CLAIMS.UPDATE", accounts.desk_account_jwt(now).into());
        let answer = match tokio::time::timeout(ANSWERS_WITHIN, asked).await {
            Ok(Ok(answer)) => answer,
            _ => bail!(
                "`{SYSTEM_CREDS}`: nobody takes accounts from this user; it must be a user in the system account, and the \
                 server's resolver must be of type `full`"
            ),
        };
        let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        ensure!(
            answer["data"]["code"] == 200,
            "`{SEED_FILE}`: the server refuses an account signed with it ({}); give the seed of that server's own operator, \
             or of a signing key of it",
            answer["error"]["description"].as_str().unwrap_or("no reason given")
        );
        Ok(())
    }

    /// The server says which operators it trusts and which account is its system account; it would take an account of
    /// another operator into its store and let nobody of it in.
    async fn is_of_this_house(&self, accounts: &Accounts) -> anyhow::Result<()> {
        let asked =
            reqwest::Client::new().get(format!("{}/varz", self.monitor.trim_end_matches('/'))).timeout(ANSWERS_WITHIN);
        let page = async { asked.send().await?.error_for_status()?.bytes().await };
        let page = page.await.with_context(|| format!("`{MONITOR}`: {}/varz does not answer", self.monitor))?;
        let varz: serde_json::Value = serde_json::from_slice(&page).unwrap_or_default();
        let strings = |v: &serde_json::Value| -> Vec<String> {
            v.as_array().into_iter().flatten().filter_map(|s| s.as_str().map(str::to_owned)).collect()
        };
        let operators = varz["trusted_operators_claim"].as_array().cloned().unwrap_or_default();
        let trusted: Vec<String> = operators
            .iter()
            .flat_map(|o| o["sub"].as_str().map(str::to_owned).into_iter().chain(strings(&o["nats"]["signing_keys"])))
            .collect();
        ensure!(
            !trusted.is_empty(),
            "`{NATS}`: the server at `{MONITOR}` trusts no operator; it must run in operator mode (see README, \"Existing servers\")"
        );
        ensure!(
            trusted.contains(&accounts.operator().public_key()),
            "`{SEED_FILE}`: the server trusts {}, and this is the seed of {}; give the seed of that server's own operator, or of \
             a signing key of it",
            trusted.join(", "),
            accounts.operator().public_key()
        );
        if let Some(found) = varz["system_account"].as_str().filter(|a| !a.is_empty()) {
            ensure!(
                found == self.system_account,
                "`{SYSTEM_ACCOUNT}`: the server's system account is {found}; give that public key (A…)"
            );
        }
        Ok(())
    }

    async fn system_user(&self) -> anyhow::Result<async_nats::Client> {
        let connecting = ConnectOptions::with_credentials(&self.creds()?)
            .with_context(|| format!("`{SYSTEM_CREDS}`"))?
            .name("madoguchi launcher, system")
            .custom_inbox_prefix("_INBOX_system")
            .connect(&self.url);
        match tokio::time::timeout(ANSWERS_WITHIN, connecting).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error))
                if matches!(
                    error.kind(),
                    ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication
                ) =>
            {
                bail!(
                    "`{SYSTEM_CREDS}`: the server at `{NATS}` does not let this user in: give credentials of a user in its system account"
                )
            }
            Ok(Err(error)) => {
                bail!("`{NATS}`: {} does not answer ({error}): start that server, or name another", self.url)
            }
            Err(_) => bail!(
                "`{NATS}`: {} did not answer within {} s: start that server, or name another",
                self.url,
                ANSWERS_WITHIN.as_secs()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Each variable missing or malformed is named, with what to write instead.
    #[test]
    fn what_is_missing_or_wrong_is_named_with_the_remedy() {
        let folder = std::env::temp_dir().join(format!("madoguchi-outside-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let house = Accounts::new(RootSecret::from_bytes([7; 32]));
        let (seed, creds, empty) = (folder.join("seed"), folder.join("creds"), folder.join("empty"));
        std::fs::write(&seed, RootSecret::from_bytes([7; 32]).operator().seed().unwrap()).unwrap();
        std::fs::write(&creds, house.system_creds(Timestamp::UNIX_EPOCH)).unwrap();
        std::fs::write(&empty, "").unwrap();
        let path = |p: &PathBuf| p.display().to_string();
        let good: BTreeMap<&str, String> = [
            (POSTGRES, "postgres://boss:pw@127.0.0.1:5432/postgres".to_owned()),
            (NATS, "nats://127.0.0.1:4222".to_owned()),
            (MONITOR, "http://127.0.0.1:8222".to_owned()),
            (SEED_FILE, path(&seed)),
            (SYSTEM_ACCOUNT, house.system_account()),
            (SYSTEM_CREDS, path(&creds)),
        ]
        .into();
        let read = |vars: &BTreeMap<&str, String>| -> anyhow::Result<()> {
            let outside = Outside::read(|name| vars.get(name).cloned())?;
            outside.nats.map_or(Ok(()), |n| n.accounts(RootSecret::from_bytes([8; 32])).map(drop))
        };
        read(&good).unwrap();
        read(&BTreeMap::new()).unwrap();
        let error = |name: &'static str, value: Option<&str>| {
            let mut vars = good.clone();
            match value {
                Some(value) => drop(vars.insert(name, value.to_owned())),
                None => drop(vars.remove(name)),
            }
            format!("{:#}", read(&vars).unwrap_err())
        };
        for name in [MONITOR, SEED_FILE, SYSTEM_ACCOUNT, SYSTEM_CREDS] {
            for value in [None, Some("")] {
                let said = error(name, value);
                assert!(said.contains(&format!("`{name}` must be set too")) && said.contains("README"), "{said}");
            }
        }
        let said = error(NATS, None);
        assert!(said.contains(&format!("`{NATS}` is not: set it too")), "{said}");
        for (name, value, remedy) in [
            (POSTGRES, "mysql://127.0.0.1", "postgres://user:password@host:port/database"),
            (NATS, "127.0.0.1:4222", "nats://host:4222"),
            (MONITOR, "nats://127.0.0.1:8222", "http://host:8222"),
            (SEED_FILE, "/nonexistent/seed", "name a file"),
            (SEED_FILE, path(&empty).as_str(), "SO…"),
            (SYSTEM_ACCOUNT, "madoguchi", "A…"),
            (SYSTEM_CREDS, "/nonexistent/creds", ".creds file"),
            (SYSTEM_CREDS, path(&empty).as_str(), ".creds file"),
        ] {
            let said = error(name, Some(value));
            assert!(said.contains(&format!("`{name}`")) && said.contains(remedy), "{name} = {value}: {said}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
