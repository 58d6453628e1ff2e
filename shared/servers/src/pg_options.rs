//! How a private PostgreSQL is run.

/// Where it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket in the data folder, no password: for tests. No port can clash.
    Socket,
    /// 127.0.0.1 with passwords (SCRAM). `None`: the port of the last run if it is free, else any free one.
    Loopback(Option<u16>),
}

/// Options of a private PostgreSQL.
#[derive(Debug, Clone)]
pub struct PgOptions {
    /// True: a commit that was told is on the disk (checked after the start). False: `fsync = off`, for tests.
    pub durable: bool,
    /// Where it listens.
    pub listen: Listen,
    /// Connections at a time.
    pub max_connections: u32,
    /// Shared memory for pages, in MiB.
    pub shared_buffers_mib: u32,
    /// Further settings (`name`, `value`), which go before ours.
    pub extra: Vec<(String, String)>,
}

impl PgOptions {
    /// Durable, loopback with passwords, modest memory.
    pub fn real() -> Self {
        Self {
            durable: true,
            listen: Listen::Loopback(None),
            max_connections: 200,
            shared_buffers_mib: 128,
            extra: Vec::new(),
        }
    }

    /// Not durable, Unix socket, no password.
    pub fn test() -> Self {
        Self { durable: false, listen: Listen::Socket, shared_buffers_mib: 64, ..Self::real() }
    }

    /// All settings for the command line, later ones win. `port` is also the number in the socket's name.
    pub(crate) fn settings(&self, port: u16, socket_folder: Option<&str>) -> Vec<(String, String)> {
        let on = |yes: bool| if yes { "on" } else { "off" }.to_owned();
        let mut settings: Vec<(&str, String)> = vec![
            ("listen_addresses", if socket_folder.is_some() { "" } else { "127.0.0.1" }.to_owned()),
            ("unix_socket_directories", socket_folder.unwrap_or_default().to_owned()),
            ("port", port.to_string()),
            ("max_connections", self.max_connections.to_string()),
            ("shared_buffers", format!("{}MB", self.shared_buffers_mib)),
            ("fsync", on(self.durable)),
            ("full_page_writes", on(self.durable)),
            // On for tests too: without fsync it costs nothing and the meaning of a commit stays the same.
            ("synchronous_commit", "on".to_owned()),
            ("password_encryption", "scram-sha-256".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
            ("jit", "off".to_owned()),
            ("huge_pages", "off".to_owned()),
            // No personal data in the log: neither statements with their values nor the key values of a violated
            // constraint (they are in the DETAIL line, which `terse` leaves out).
            ("log_error_verbosity", "terse".to_owned()),
            ("log_min_error_statement", "panic".to_owned()),
            ("log_checkpoints", "off".to_owned()),
        ];
        if !self.durable {
            // Databases made from a template without writing it through the log.
            settings.extend([("wal_level", "minimal".to_owned()), ("max_wal_senders", "0".to_owned())]);
        }
        let mut all: Vec<_> = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        all.extend(self.extra.iter().cloned());
        all
    }
}
