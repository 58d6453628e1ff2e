//! How a mail leaves: by SMTP (RFC 5321), or as an `.eml` file where no mail host is configured.
//!
//! What the host said becomes a code. Its words are never kept or logged: hosts like to quote the address.

use crate::mail::Mail;
use anyhow::Context;
use contracts::{Code, NoticeId};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The host said yes after the data; it has the mail.
    Taken,
    /// Not this time, or it is not known: 4xx, no connection, broken off, out of time.
    NotNow(Code),
    /// Never: 5xx, or an address that the host cannot take.
    Never(Code),
}

/// How mails leave.
#[derive(Debug)]
pub enum Transport {
    /// A mail host.
    Smtp {
        /// lettre's client; a connection of its own per mail.
        host: AsyncSmtpTransport<Tokio1Executor>,
        /// For the whole of one mail.
        whole: Duration,
    },
    /// A folder with one file per notice.
    Folder(PathBuf),
}

impl Transport {
    /// By SMTP. `url` is `smtp://host:port`, `smtp://user:password@host:port?tls=required` or `smtps://…`.
    ///
    /// # Errors
    /// Not such a URL. The error does not quote it: it may hold a password.
    pub fn smtp(url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| {
            anyhow::anyhow!("use smtp://host:port, smtp://user:password@host:port?tls=required or smtps://host:port")
        })?;
        // One command may take a third of the time: a host that answers each command late cannot stretch the whole.
        Ok(Self::Smtp { host: builder.timeout(Some(timeout / 3)).build(), whole: timeout })
    }

    /// Into a folder, which is made if it is absent, readable by its owner only.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn folder(path: &Path) -> anyhow::Result<Self> {
        let made = make_folder(path).with_context(|| format!("cannot make or write the folder {}", path.display()));
        made.map(|()| Self::Folder(path.to_owned()))
    }

    /// Sends. Never fails: every failure is an answer.
    pub async fn send(&self, id: NoticeId, mail: Mail) -> Answer {
        match self {
            Self::Smtp { host, whole } => {
                let utf8 = mail.envelope.to().iter().any(|a| !AsRef::<str>::as_ref(a).is_ascii());
                match tokio::time::timeout(*whole, host.send_raw(&mail.envelope, &mail.bytes)).await {
                    Err(_) => Answer::NotNow(Code::of("smtp-out-of-time")),
                    Ok(Ok(_)) => Answer::Taken,
                    Ok(Err(error)) => answer(&error, utf8),
                }
            }
            Self::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), mail.bytes);
                match tokio::task::spawn_blocking(move || write_file(&folder, id, &bytes)).await {
                    Ok(Ok(())) => Answer::Taken,
                    _ => Answer::NotNow(Code::of("outbox-not-written")),
                }
            }
        }
    }

    /// Removes what is still within reach: the file. Mail that a host has is not.
    ///
    /// # Errors
    /// The file is there and cannot be removed.
    pub async fn forget(&self, id: NoticeId) -> io::Result<()> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let file = file_of(folder, id);
        tokio::task::spawn_blocking(move || match fs::remove_file(file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        })
        .await
        .unwrap_or(Ok(()))
    }
}

/// Codes that are about us and not about the person's address (RFC 4954 section 6): the host wants us to authenticate. An
/// operator mends that, so it may pass.
const ABOUT_US: [u16; 5] = [530, 534, 535, 538, 454];

fn answer(error: &lettre::transport::smtp::Error, utf8: bool) -> Answer {
    if let Some(status) = error.status() {
        let number: u16 = status.into();
        let code = format!("smtp-{number}").parse().unwrap_or(Code::of("smtp-refused"));
        return if error.is_permanent() && !ABOUT_US.contains(&number) {
            Answer::Never(code)
        } else {
            Answer::NotNow(code)
        };
    }
    if error.is_client() && utf8 {
        // RFC 6531: the address has letters beyond ASCII and the host does not take them.
        return Answer::Never(Code::of("smtp-no-utf8-addresses"));
    }
    Answer::NotNow(if error.is_timeout() {
        Code::of("smtp-out-of-time")
    } else if error.is_tls() {
        Code::of("smtp-tls")
    } else {
        Code::of("smtp-broken-off")
    })
}

fn file_of(folder: &Path, id: NoticeId) -> PathBuf {
    folder.join(format!("{id}.eml"))
}

/// Written whole or not at all; a repeat overwrites. The file holds an address: only its owner may read it.
fn write_file(folder: &Path, id: NoticeId, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let half = folder.join(format!(".{id}.half"));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&half, file_of(folder, id))?;
    fs::File::open(folder)?.sync_all()
}

fn make_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let probe = path.join(".probe");
    fs::write(&probe, b"")?;
    fs::remove_file(probe)
}
