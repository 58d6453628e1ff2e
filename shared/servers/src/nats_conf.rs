//! Options of a private nats-server, and its configuration file.

use std::path::Path;

use jiff::Timestamp;
use nats_auth::House;

/// Operator mode: who may sign accounts, and the accounts that are there from the start.
#[derive(Debug, Clone)]
pub struct NatsJwt {
    /// The operator JWT.
    pub operator: String,
    /// Public key of the system account.
    pub system_account: String,
    /// (account public key, account JWT): SYS and DESK.
    pub preload: Vec<(String, String)>,
}

impl NatsJwt {
    /// The operator, SYS and DESK of a house.
    pub fn of(house: &House, issued_at: Timestamp) -> Self {
        Self {
            operator: house.operator_jwt(issued_at),
            system_account: house.system_account(),
            preload: house.preload(issued_at),
        }
    }
}

/// Options of a private nats-server.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Client port; `None`: the port of the last run if it is free, else any free one.
    pub port: Option<u16>,
    /// Monitor port (`/varz`, `/healthz`); as `port`.
    pub monitor_port: Option<u16>,
    /// Operator mode; `None`: anyone may do everything (only for tests of the bus mechanics).
    pub jwt: Option<NatsJwt>,
    /// JetStream writes to the disk before it acknowledges.
    pub sync_always: bool,
    /// Limit of JetStream's files in bytes; `None`: the server's choice (three quarters of what is free).
    pub max_file_store: Option<u64>,
    /// Further lines for the configuration file, for tests.
    pub extra: String,
}

impl NatsOptions {
    /// Operator mode, sync always, free ports.
    pub fn operator_mode(jwt: NatsJwt) -> Self {
        Self { jwt: Some(jwt), ..Self::open() }
    }

    /// No authentication, sync always, free ports.
    pub fn open() -> Self {
        Self {
            port: None,
            monitor_port: None,
            jwt: None,
            sync_always: true,
            max_file_store: None,
            extra: String::new(),
        }
    }

    /// The configuration file.
    pub(crate) fn configuration(&self, name: &str, folder: &Path, port: u16, monitor: u16) -> String {
        let quoted = |path: &Path| quote(&path.to_string_lossy());
        let sync = if self.sync_always { "    sync_interval: always\n" } else { "" };
        let files = self.max_file_store.map(|n| format!("    max_file_store: {n}\n")).unwrap_or_default();
        let mut text = format!(
            "# Written at every start; changes are lost.\n\
             server_name: {}\n\
             host: \"127.0.0.1\"\n\
             port: {port}\n\
             http: \"127.0.0.1:{monitor}\"\n\
             max_control_line: 16384\n\
             jetstream {{\n    store_dir: {}\n    max_memory_store: 67108864\n{files}{sync}}}\n",
            quote(name),
            quoted(&folder.join("jetstream")),
        );
        if let Some(jwt) = &self.jwt {
            let preload: String =
                jwt.preload.iter().map(|(account, jwt)| format!("    {account}: {}\n", quote(jwt))).collect();
            text.push_str(&format!(
                "operator: {}\n\
                 system_account: {}\n\
                 resolver {{\n    type: full\n    dir: {}\n    allow_delete: true\n    interval: \"2m\"\n    \
                 limit: 100000\n}}\n\
                 resolver_preload {{\n{preload}}}\n",
                quote(&jwt.operator),
                jwt.system_account,
                quoted(&folder.join("accounts")),
            ));
        }
        text.push_str(&self.extra);
        text
    }
}

/// A string of the configuration language; its escapes are those of JSON.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
