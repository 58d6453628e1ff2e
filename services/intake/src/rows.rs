//! The rows that go with a case's step, in its transaction: the status letter, the receipt number, the filing that caused
//! it, and what an erasure takes away.

use crate::{
    case::{Case, Event, State},
    status, store, tray,
};
use calendar::Calendar;
use chassis::{Rows, Step};
use futures::future::BoxFuture;
use privacy_seal::seal_to;
use sqlx::PgConnection;

/// See the module's text.
#[derive(Debug)]
pub struct CaseRows;

impl Rows<Case> for CaseRows {
    fn write<'c>(&'c self, tx: &'c mut PgConnection, step: &'c Step<Case>) -> BoxFuture<'c, Result<(), sqlx::Error>> {
        Box::pin(write(tx, step))
    }
}

async fn write(tx: &mut PgConnection, step: &Step<Case>) -> Result<(), sqlx::Error> {
    for event in &step.events {
        match event {
            Event::Opened { request } => {
                let code_key = request.code_key.as_bytes();
                store::put_receipt(tx, request.receipt_number.to_string(), step.id, code_key).await?;
                tray::remove(tx, step.cause).await?;
            }
            // By the person: the cause is a filing. By staff: it is a form's token, which is no filing's id.
            Event::Withdrawn { .. } => tray::remove(tx, step.cause).await?,
            Event::ErasureOrdered { at, .. } => {
                store::order_erasure(tx, step.id, *at).await?;
                if let Some(file) = step.before.file() {
                    tray::empty_letterbox(tx, file.request.code_key.as_bytes()).await?;
                }
            }
            Event::Erased { at } => store::erasure_done(tx, step.id, *at).await?,
            _ => {}
        }
    }
    letter(tx, step).await
}

/// The status letter of the state after the step, when the page has changed.
async fn letter(tx: &mut PgConnection, step: &Step<Case>) -> Result<(), sqlx::Error> {
    let page = |state: &State| status::view(state, Calendar::embedded());
    let Some(now) = page(&step.after) else { return Ok(()) };
    if page(&step.before).as_ref() == Some(&now) {
        return Ok(());
    }
    let Some(file) = step.after.file() else { return Ok(()) };
    let key = &file.request.code_key;
    // A plain struct of words, times and numbers: serialising it into memory cannot fail.
    let plain = serde_json::to_vec(&now).unwrap_or_default();
    let sealed = seal_to(key, &privacy_seal::aad::letter("status", key.as_bytes()), &plain)
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    tray::put_letter(tx, key.as_bytes(), "status", &sealed.0, step.version, step.at).await
}
