//! What the tests here share.

use servers::{Binaries, Mode, quiet};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The pinned servers; fetched once per machine, then from the cache.
pub async fn binaries() -> Binaries {
    Binaries::resolve(Mode::Fetch, &quiet).await.unwrap()
}

/// An empty folder outside of `target/`.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("servers-").tempdir_in("/tmp").unwrap()
}

/// The whole answer to an HTTP GET.
#[allow(dead_code)] // not every test file needs it
pub async fn get(base: &str, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(base.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}
