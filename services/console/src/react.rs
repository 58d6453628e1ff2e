//! What the console hears: facts, and nothing but the read model changes.

use crate::store;
use async_trait::async_trait;
use chassis::{Db, HandleError, Heard, Hears, Reaction};
use std::sync::Arc;

/// Takes every fact into the read model.
pub struct Projector(pub Db);

#[async_trait]
impl Hears for Projector {
    async fn hear(&self, heard: Arc<Heard>) -> Result<Reaction, HandleError> {
        // View, fact and inbox row stand or fall together.
        self.0.write(move |tx| Box::pin(async move { store::take(tx, &heard).await })).await?;
        Ok(Reaction::Handled)
    }
}
