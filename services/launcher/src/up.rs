//! `up`: the whole desk on one machine, ready in seconds.

use crate::{
    NAMES, UpArgs,
    place::{Place, Ports, listens},
    serve::Services,
    signals,
};
use anyhow::Context;
use serde::Serialize;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The port of the public desk when none is given.
const PORT: u16 = 8300;

/// Where everything is, once it is ready; also the content of the ready file.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// The public desk.
    pub desk: String,
    /// The staff's console.
    pub console: String,
    /// A link that lets the first administrator in, once; absent when there is one already.
    pub console_sign_in: Option<String>,
    /// The recipients' API.
    pub partner: String,
    /// Liveness, readiness, metrics.
    pub ops: String,
    /// NATS.
    pub nats: String,
    /// PostgreSQL, without a password.
    pub postgres: String,
}

/// A running desk.
pub struct Up {
    /// Where everything is.
    pub addresses: Addresses,
    /// The servers and secrets.
    pub place: Place,
    pub(crate) services: Services,
    keeper: servers::Keeper,
}

impl Up {
    /// Starts everything; ready when it returns.
    pub async fn start(
        args: &UpArgs,
        folder: &Path,
        more: &[(String, String)],
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> anyhow::Result<Self> {
        let mut overrides = listens(Ports::from(args.port.unwrap_or(PORT))?);
        // At a terminal a person reads what goes wrong; `ops.log` and the environment decide otherwise.
        if std::env::var_os("MADOGUCHI__OPS__LOG").is_none() {
            overrides.push(("ops.log".into(), "text".into()));
        }
        overrides.extend_from_slice(more);
        let place = Place::prepare(args, folder, &overrides, progress).await?;
        progress("starting the services");
        let services = match Services::start(NAMES, place.settings.clone(), "madoguchi").await {
            Ok(services) => services,
            Err(error) => {
                let _ = place.stop().await;
                return Err(error);
            }
        };
        let keeper = place.keep()?;
        let addresses = addresses(&services, &place).await?;
        Ok(Self { addresses, place, services, keeper })
    }

    /// Goes on with the named services alone, as on a machine of their own: what the others would do waits for them.
    ///
    /// # Errors
    /// A service does not start; the servers are left to the next start.
    pub async fn only(self, names: &[&str]) -> anyhow::Result<Self> {
        let Self { mut addresses, place, services, keeper } = self;
        services.stop().await;
        let services = Services::start(names, place.settings.clone(), "madoguchi").await?;
        if let Some(desk) = services.address("desk") {
            addresses.desk = format!("http://{desk}");
        }
        if let Some(partner) = services.address("partner") {
            addresses.partner = format!("http://{partner}");
        }
        Ok(Self { addresses, place, services, keeper })
    }

    /// Stops in order: the services, NATS, PostgreSQL.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.services.stop().await;
        self.keeper.stop().await;
        self.place.stop().await
    }

    /// The staff commands, as the console sends them.
    pub async fn commands(&self) -> anyhow::Result<console::command::Commands> {
        let rt = &self.services.runtime;
        Ok(console::command::Commands::new(self.console_bus().await?, rt.keys_dir(), rt.objects()?))
    }

    /// A connection of its own as the NATS user `console`.
    pub async fn console_bus(&self) -> anyhow::Result<std::sync::Arc<chassis::Bus>> {
        self.services.runtime.bus(contracts::Service::Console).await
    }

    /// The console's read model.
    pub async fn console_db(&self) -> anyhow::Result<chassis::Db> {
        self.services.runtime.db("console").await
    }

    /// Ends when the process is asked to end.
    pub async fn until_asked(&self) {
        signals::wait(&self.services.runtime.stopping()).await;
    }
}

async fn addresses(services: &Services, place: &Place) -> anyhow::Result<Addresses> {
    let http = |name: &str| {
        services.address(name).map(|a| format!("http://{a}")).with_context(|| format!("`{name}` has no listener"))
    };
    let console = http("console")?;
    let db = services.runtime.db("console").await?;
    let console_sign_in = console::first_sign_in_link(&db, &console, &services.runtime.clock()).await?;
    let url = place.databases.template(&place.databases.data)?;
    Ok(Addresses {
        desk: http("desk")?,
        console,
        console_sign_in,
        partner: http("partner")?,
        ops: http("ops")?,
        nats: place.nats_url.clone(),
        postgres: url.replace("{role}@", ""),
    })
}

/// `sign-in-link`: where services run as processes of their own, the link of the first administrator.
pub(crate) async fn sign_in_link(config: Option<&Path>) -> anyhow::Result<()> {
    let rt = chassis::Runtime::new(chassis::config::Settings::load(config, &[])?, chassis::Clock::system())?;
    let settings: console::Settings = rt.section("console")?;
    let base = if settings.base_url.is_empty() { format!("http://{}", settings.listen) } else { settings.base_url };
    match console::first_sign_in_link(&rt.db("console").await?, &base, &rt.clock()).await? {
        Some(link) => println!("{link}"),
        None => println!("There is an administrator already: {base}"),
    }
    Ok(())
}

/// The default data folder.
pub(crate) fn folder(args: &UpArgs, name: &str) -> anyhow::Result<PathBuf> {
    match &args.data {
        Some(folder) => Ok(folder.clone()),
        None => Ok(servers::default_data_dir()?.join(name)),
    }
}

/// Written whole or not at all.
pub(crate) fn write_ready_file(path: &Path, addresses: &Addresses) -> anyhow::Result<()> {
    let unfinished = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec_pretty(addresses)?)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("`--ready-file` {}", path.display()))
}

pub(crate) fn tell(addresses: &Addresses, folder: &Path) {
    println!();
    println!("  Madoguchi is ready.");
    println!();
    println!("  Public desk      {}", addresses.desk);
    println!("  Console          {}", addresses.console);
    if let Some(link) = &addresses.console_sign_in {
        println!("    sign in once   {link}");
    }
    println!("  Partner API      {}", addresses.partner);
    println!("  Operations       {}/readyz  {}/metrics", addresses.ops, addresses.ops);
    println!("  Data             {}", folder.display());
    println!();
    println!("  Ctrl-C stops everything in order.");
}

pub(crate) fn say(text: &str) {
    eprintln!("  · {text}");
}

pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let folder = folder(&args, "desk")?;
    let up = Up::start(&args, &folder, &[], &say).await?;
    if let Some(path) = &args.ready_file {
        write_ready_file(path, &up.addresses)?;
    }
    tell(&up.addresses, &up.place.folder);
    up.until_asked().await;
    say("stopping");
    up.stop().await?;
    say("stopped; the data stays");
    Ok(())
}

pub(crate) async fn migrate_only(args: UpArgs) -> anyhow::Result<()> {
    let folder = folder(&args, "desk")?;
    let place = Place::prepare(&args, &folder, &[], &say).await?;
    say("roles, schemas and credentials are in place");
    place.stop().await
}
