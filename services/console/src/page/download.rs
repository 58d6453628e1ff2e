//! A file for the browser to keep.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::convert::Infallible;

/// Bytes sent at a time.
const PIECE: usize = 64 * 1024;

/// The file in pieces: a slow reader holds up nobody else, and it is in memory once.
fn pieces(bytes: Vec<u8>) -> Body {
    let mut rest = Bytes::from(bytes);
    let pieces = std::iter::from_fn(move || {
        (!rest.is_empty()).then(|| Ok::<_, Infallible>(rest.split_to(rest.len().min(PIECE))))
    });
    Body::from_stream(futures::stream::iter(pieces))
}

/// `name` is made of ids, numbers and our own words: always a header value.
pub(super) fn attachment(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let length = HeaderValue::from(bytes.len());
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static(kind);
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name), (header::CONTENT_LENGTH, length)];
    (headers, pieces(bytes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_comes_whole_in_pieces() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 7).map(|n| (n % 251) as u8).collect();
        let response = attachment("a-person.json", "application/json", bytes.clone());
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_LENGTH], (PIECE * 2 + 7).to_string().as_str());
        assert!(headers[header::CONTENT_DISPOSITION].to_str().unwrap().ends_with("-person.json\""));
        let got = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(got == bytes);
    }
}
