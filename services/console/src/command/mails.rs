//! Orders about mails that arrived.

use super::{By, CommandError, Commands};
use contracts::{
    correspondence::{DestroyMailFile, SettleMail},
    request::StaffReply,
};

impl Commands {
    /// 処理: what a person makes of a mail.
    ///
    /// # Errors
    /// Intake does not answer, or the why cannot be sealed.
    pub async fn settle_mail(&self, by: By<'_>, order: SettleMail) -> Result<StaffReply, CommandError> {
        self.order("order settle-mail", by, order).await
    }

    /// 廃棄: a file that should not have been sent.
    ///
    /// # Errors
    /// As [`Commands::settle_mail`].
    pub async fn destroy_mail_file(&self, by: By<'_>, order: DestroyMailFile) -> Result<StaffReply, CommandError> {
        self.order("order destroy-mail-file", by, order).await
    }
}
