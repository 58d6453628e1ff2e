//! Reports of sub-contractors, carried by the contractor above (Act art. 24): both signatures verified, both kept.

use super::{Brought, Reports, cause};
use crate::{
    receipt,
    recipients::{self, By, Found},
    tiers,
};
use chassis::{DbError, HandleError, telemetry};
use contracts::{Code, RecipientId, Uuid, recipient::ReportAnswer};
use jiff_sqlx::ToSqlx;
use recipient_kit::{carried::Carried, digest_of, report};

/// How many tiers there may be.
const TIERS_MAX: usize = 10;

impl Reports {
    /// Outside in: each tier signed, each is above the next, the innermost is the report of whom the instruction was for.
    pub(super) async fn carried(
        &self,
        bytes: &[u8],
        carried: Carried<'_>,
        brought: Brought<'_>,
    ) -> Result<ReportAnswer, HandleError> {
        let pool = self.bus.db().pool();
        let by = match &brought {
            Brought::ByAccount(account) => recipients::find(pool, By::Account(account)).await?,
            Brought::ByFile(recipient) => recipients::find(pool, By::Id(*recipient)).await?,
            Brought::BySignature => recipients::find(pool, By::Key(&carried.claimed_key())).await?,
        };
        let Some(by) = by else {
            telemetry::count("madoguchi.reports", "stranger");
            return Ok(ReportAnswer::Refused { reason: Code::of("unknown-key") });
        };
        if let Err(reason) = vouched(&carried, &by) {
            return self.refuse(bytes, by.recipient, reason).await;
        }
        let (mut carrier, mut inner) = (by.recipient, carried.report);
        for _ in 0..TIERS_MAX {
            let inside = inner.clone();
            let Some(next) = Carried::read(inside.as_str().as_bytes()) else {
                return self.innermost(bytes, inside.as_str().as_bytes(), by.recipient, carrier).await;
            };
            let found = self.just_below(carrier, next.by).await?;
            let vouched = found.ok_or(Code::of("not-yours")).and_then(|found| vouched(&next, &found));
            if let Err(reason) = vouched {
                return self.refuse(bytes, by.recipient, reason).await;
            }
            (carrier, inner) = (next.by, next.report);
        }
        self.refuse(bytes, by.recipient, Code::of("malformed")).await
    }

    /// A recipient whose place in the tiers is right under another.
    async fn just_below(&self, above: RecipientId, below: RecipientId) -> Result<Option<Found>, DbError> {
        let pool = self.bus.db().pool();
        if tiers::above(pool, below).await? != Some(above) {
            return Ok(None);
        }
        recipients::find(pool, By::Id(below)).await
    }

    async fn innermost(
        &self,
        whole: &[u8],
        signed: &[u8],
        by: RecipientId,
        carrier: RecipientId,
    ) -> Result<ReportAnswer, HandleError> {
        let Some(claimed) = report::unverified(signed) else {
            return self.refuse(whole, by, Code::of("malformed")).await;
        };
        let Some(from) = self.just_below(carrier, claimed.recipient).await? else {
            return self.refuse(whole, by, Code::of("not-yours")).await;
        };
        let report = match receipt::authentic(signed, from.recipient, &from.keys) {
            Ok(report) => report,
            Err(refused) => return self.refuse(whole, by, refused.code()).await,
        };
        self.keep_carried(whole, signed, by, &report).await?;
        self.fitting(signed, report, by, Some(by)).await
    }

    /// What carried it, as it came; the report inside is kept like every other.
    async fn keep_carried(
        &self,
        whole: &[u8],
        signed: &[u8],
        carrier: RecipientId,
        report: &contracts::recipient::Report,
    ) -> Result<(), DbError> {
        let id = Uuid::new_v5(&cause(report, signed), &digest_of(whole).0);
        let (digest, body, at) = (digest_of(signed), whole.to_vec(), self.bus.clock().now());
        let (recipient, instruction) = (report.recipient.0, report.instruction.0);
        self.bus
            .db()
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into carried_report (id, carrier, recipient, instruction, digest, body, at)
                         values ($1, $2, $3, $4, $5, $6, $7) on conflict (id) do nothing",
                    )
                    .bind(id)
                    .bind(carrier.0)
                    .bind(recipient)
                    .bind(instruction)
                    .bind(digest.0.as_slice())
                    .bind(body)
                    .bind(at.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The signature is that of who it says, and it says who it is.
fn vouched(carried: &Carried<'_>, by: &Found) -> Result<(), Code> {
    carried.verify(&by.keys).map_err(|error| error.code())?;
    if carried.by == by.recipient { Ok(()) } else { Err(Code::of("not-yours")) }
}
