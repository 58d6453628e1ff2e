//! A form with a file: read within its limits, and held to be one of ours before anything of it is used.

use super::guard::{Fields, SignedIn, is_from_here};
use axum::{
    extract::Multipart,
    http::{HeaderMap, StatusCode},
};

/// Why an upload is not taken: the status, and the code of its words.
pub(super) type Refused = (StatusCode, &'static str);

/// The fields of a form of ours, and its file.
pub(super) struct Upload {
    pub fields: Fields,
    file: Option<Vec<u8>>,
    /// The words for a file over its limit, or cut off.
    too_large: &'static str,
}

impl Upload {
    /// Reads the form; it carries this session's mark and comes from here.
    pub async fn read(
        who: &SignedIn,
        headers: &HeaderMap,
        form: Multipart,
        too_large: &'static str,
    ) -> Result<Self, Refused> {
        let (fields, file) = parts(form, too_large).await.map_err(|word| (StatusCode::PAYLOAD_TOO_LARGE, word))?;
        let signed = fields.get("csrf").is_some_and(|given| who.session.signed(given));
        if !signed || !is_from_here(headers) {
            return Err((StatusCode::FORBIDDEN, "form-not-ours"));
        }
        Ok(Self { fields, file, too_large })
    }

    /// The file: there, and of 1 to `max` bytes. Given away once.
    pub fn file(&mut self, max: usize) -> Result<Vec<u8>, Refused> {
        match self.file.take() {
            Some(bytes) if bytes.len() > max => Err((StatusCode::PAYLOAD_TOO_LARGE, self.too_large)),
            Some(bytes) if !bytes.is_empty() => Ok(bytes),
            _ => Err((StatusCode::UNPROCESSABLE_ENTITY, "file-none")),
        }
    }
}

/// The parts of the upload; at most ten, and nothing but our own fields.
async fn parts(mut form: Multipart, too_large: &'static str) -> Result<(Fields, Option<Vec<u8>>), &'static str> {
    let (mut fields, mut file) = (Fields::default(), None);
    for _ in 0..10 {
        // Too large and cut off look the same here: the limit is the likelier one.
        let Some(part) = form.next_field().await.map_err(|_| too_large)? else { break };
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| too_large)?;
        if name == "file" {
            file = Some(bytes.to_vec());
        } else if bytes.len() <= 16 * 1024 {
            fields.0.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        } else {
            return Err("form-unreadable");
        }
    }
    Ok((fields, file))
}
