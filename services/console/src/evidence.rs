//! 証跡: who makes the file that proves a case. It is made of what every service keeps, each read as its own role; the console
//! may read none of that itself. So the program that runs the whole house hands it in, and where services run apart with
//! secrets of their own there is none: then the command line makes it.

use async_trait::async_trait;
use contracts::CaseId;

/// Makes evidence files.
#[async_trait]
pub trait Exporter: Send + Sync + 'static {
    /// The signed file, verified before it is given away. `person`: the person's own copy, without others' secrets.
    ///
    /// # Errors
    /// A database or a key is not to be had, or what is there does not verify: the error is for the log.
    async fn export(&self, case: CaseId, person: bool) -> anyhow::Result<Vec<u8>>;
}
