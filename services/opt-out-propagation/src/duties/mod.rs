//! 窓口の義務: what the desk owes persons, hospitals and processors beside blocks and instructions. Orders of the staff, each with
//! who and why, in one transaction under the fan-out's lock; what is shown of them; papers to print.
//!
//! [`hospital`]: consents, work orders, disagreement, relayed requests. [`print`]: the document of Act art. 53 and the letters around
//! it, as values (the crate `papers` says what they are), and who gets them. [`supervision`], [`incident`], [`complaint`]:
//! recipients. [`sweep`]: records whose time is over.

pub mod complaint;
pub mod end;
pub mod hospital;
pub mod incident;
pub mod print;
pub mod show;
pub mod supervision;
pub mod sweep;

use crate::recipients::Recipients;
use calendar::Calendar;
use chassis::{DbError, HandleError};
use contracts::{Code, Date, Timestamp, Uuid, request::StaffReply};
use sqlx::PgConnection;
use std::{path::PathBuf, sync::Arc};

/// Takes orders and shows.
pub struct Duties {
    /// Orders about recipients: reasons, the fan-out's lock, the database.
    pub recipients: Arc<Recipients>,
    /// Where other services' public keys are: papers are sealed to the console.
    pub keys: PathBuf,
}

const NO_ENTRY: Code = Code::of("no-such-entry");

fn refused(reason: Code) -> Result<StaffReply, HandleError> {
    Ok(StaffReply::Refused { reason, at: None })
}

impl Duties {
    fn now(&self) -> Timestamp {
        self.recipients.bus.clock().now()
    }
    fn today(&self) -> Date {
        calendar::jst_date(self.now())
    }
    fn calendar(&self) -> &'static Calendar {
        Calendar::embedded()
    }
    fn pool(&self) -> &sqlx::PgPool {
        self.recipients.bus.db().pool()
    }
}

async fn entry_exists(tx: &mut PgConnection, entry: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from register_entry where entry = $1 and blocked_since is not null)")
        .bind(entry)
        .fetch_one(tx)
        .await?)
}

async fn recipient_exists(tx: &mut PgConnection, recipient: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from recipient where id = $1)").bind(recipient).fetch_one(tx).await?)
}
