//! 通知先の一生: contracts, certification, keys, endpoints, suspension, removal. Every order has who and why, stands under the
//! fan-out's lock, and refuses with its reason.

use super::{Reached, Recipients, activation, owe_what_stands, report_key, sealing_key};
use crate::tiers;
use chassis::{DbError, HandleError};
use contracts::{
    Code, RecipientId, Timestamp, Transport, Uuid,
    register::{
        Certification, Certify, ChangeEndpoint, Contract, EndCertification, RemoveRecipient, ResumeRecipient,
        RotateKeys, SetContract, SuspendRecipient,
    },
    request::{StaffCommand, StaffReply},
};
use jiff_sqlx::ToSqlx;
use recipient_kit::key_id;
use sqlx::PgConnection;

/// The longest that an old report key verifies beside the new one, in days.
const OVERLAP_DAYS: i64 = 90;
/// How many tiers there may be.
const TIERS_MAX: usize = 10;

const UNKNOWN: Code = Code::of("no-such-recipient");

impl Recipients {
    /// `req.optout.set-contract`: another version takes the place of the one in force.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn set_contract(&self, command: StaffCommand<SetContract>) -> Result<StaffReply, HandleError> {
        let SetContract { recipient, contract: new } = command.order.clone();
        if let Err(reason) = activation(Some(&new)) {
            return Ok(StaffReply::Refused { reason, at: None });
        }
        self.ordered(&command, recipient.0, "contract-in-force", move |tx, at| {
            Box::pin(async move {
                if status(tx, recipient).await?.is_none() {
                    return Ok(Some(UNKNOWN));
                }
                contract(tx, recipient, &new, at).await?;
                owe_what_stands(tx, recipient, at).await?;
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.certify`: a certification and the place in the tiers.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn certify(&self, command: StaffCommand<Certify>) -> Result<StaffReply, HandleError> {
        let Certify { recipient, certification: new } = command.order.clone();
        self.ordered(&command, recipient.0, "certified", move |tx, at| {
            Box::pin(async move {
                if status(tx, recipient).await?.is_none() {
                    return Ok(Some(UNKNOWN));
                }
                if let Some(refused) = certification(tx, recipient, &new).await? {
                    return Ok(Some(refused));
                }
                // Certified again after an end.
                sqlx::query("update recipient set status = 'active', in_force = true where id = $1 and status = 'certification-ended'")
                    .bind(recipient.0)
                    .execute(&mut *tx)
                    .await?;
                owe_what_stands(tx, recipient, at).await?;
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.end-certification` (Act art. 12(2), 16(2)): nothing new goes out but the instruction to erase everything, which is
    /// owed until its signed report is in and a member of staff confirmed it.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn end_certification(&self, command: StaffCommand<EndCertification>) -> Result<StaffReply, HandleError> {
        let EndCertification { recipient, on } = command.order.clone();
        let (periods, cause) = (self.periods, command.token);
        self.ordered(&command, recipient.0, "certification-ended", move |tx, at| {
            Box::pin(async move {
                let ended = sqlx::query(
                    "update recipient set status = 'certification-ended', in_force = false,
                            certification = jsonb_set(certification, '{until}', to_jsonb($2::text))
                      where id = $1 and certification is not null and status <> 'certification-ended'",
                )
                .bind(recipient.0)
                .bind(on.to_string())
                .execute(&mut *tx)
                .await?;
                if ended.rows_affected() == 0 {
                    return Ok(Some(Code::of("not-certified")));
                }
                let due = at.checked_add(periods.without_delay).unwrap_or(Timestamp::MAX);
                erase_everything(tx, &[recipient.0], cause, at, due).await?;
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.rotate-keys`.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn rotate_keys(&self, command: StaffCommand<RotateKeys>) -> Result<StaffReply, HandleError> {
        let RotateKeys { recipient, report_key: report, sealing_key: sealing, overlap_until } = command.order.clone();
        let refused = |reason| Ok(StaffReply::Refused { reason, at: None });
        let (report, sealing) = match (
            report.map(|key| report_key(&key.0)).transpose(),
            sealing.map(|key| sealing_key(&key.0)).transpose(),
        ) {
            (Ok(None), Ok(None)) => return refused(Code::of("no-key-given")),
            (Ok(report), Ok(sealing)) => (report, sealing),
            (Err(reason), _) | (_, Err(reason)) => return refused(reason),
        };
        let most = self.bus.clock().now().checked_add(jiff::SignedDuration::from_hours(24 * OVERLAP_DAYS));
        if most.is_ok_and(|most| overlap_until > most) {
            return refused(Code::of("overlap-too-long"));
        }
        self.ordered(&command, recipient.0, "keys-rotated", move |tx, _| {
            Box::pin(async move {
                if status(tx, recipient).await?.is_none() {
                    return Ok(Some(UNKNOWN));
                }
                if let Some(key) = report
                    && let Some(refused) = replace_report_key(tx, recipient, &key, overlap_until).await?
                {
                    return Ok(Some(refused));
                }
                if let Some(key) = sealing {
                    sqlx::query("update recipient set sealing_key = $2 where id = $1")
                        .bind(recipient.0)
                        .bind(key.as_slice())
                        .execute(tx)
                        .await?;
                }
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.change-endpoint`: what the old one owes is cancelled and issued anew by the fan-out.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn change_endpoint(&self, command: StaffCommand<ChangeEndpoint>) -> Result<StaffReply, HandleError> {
        let ChangeEndpoint { recipient, transport, url, nats_user, nats_account } = &command.order;
        let (recipient, cause) = (*recipient, command.token);
        let reached = match self.reached(recipient, *transport, url, nats_user, nats_account) {
            Ok(reached) => reached,
            Err(reason) => return Ok(StaffReply::Refused { reason, at: None }),
        };
        self.ordered(&command, recipient.0, "endpoint-changed", move |tx, at| {
            Box::pin(async move {
                match status(tx, recipient).await?.as_deref() {
                    None => return Ok(Some(UNKNOWN)),
                    Some("suspended") => return Ok(Some(Code::of("recipient-is-suspended"))),
                    Some(_) => {}
                }
                halt(tx, recipient).await?;
                let changed = sqlx::query(
                    "update recipient set transport = $2, nats_account = coalesce($3, nats_account), nats_user = coalesce($4, nats_user)
                      where id = $1 and (kind <> 'core-zone' or $2 = 'sealed-file')",
                )
                .bind(recipient.0)
                .bind(reached.transport.as_str())
                .bind(reached.account.as_deref())
                .bind(reached.user.as_deref())
                .execute(&mut *tx)
                .await?;
                if changed.rows_affected() == 0 {
                    return Ok(Some(Code::of("core-zone-has-no-network")));
                }
                let Some(new) = endpoint(tx, recipient, &reached).await? else {
                    return Ok(Some(Code::of("nobody-above-carries")));
                };
                reissue(tx, recipient, new, cause, at).await?;
                // Who travels through this one travels to the new endpoint from now on.
                let through = Reached { transport: Transport::ThroughParent, account: None, user: None, url: None, tested: true };
                for below in tiers::through(tx, recipient.0).await?.into_iter().map(RecipientId) {
                    halt(tx, below).await?;
                    if let Some(new) = endpoint(tx, below, &through).await? {
                        reissue(tx, below, new, cause, at).await?;
                    }
                }
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.suspend-recipient`: deliveries are parked where they stand; deadlines run on.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn suspend(&self, command: StaffCommand<SuspendRecipient>) -> Result<StaffReply, HandleError> {
        let recipient = command.order.recipient;
        self.ordered(&command, recipient.0, "suspended", move |tx, _| {
            Box::pin(async move {
                if let Some(refused) = moved(tx, recipient, "active", "suspended").await? {
                    return Ok(Some(refused));
                }
                halt(tx, recipient).await?;
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.resume-recipient`: deliveries go on where they stood.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn resume(&self, command: StaffCommand<ResumeRecipient>) -> Result<StaffReply, HandleError> {
        let recipient = command.order.recipient;
        self.ordered(&command, recipient.0, "active", move |tx, _| {
            Box::pin(async move {
                if let Some(refused) = moved(tx, recipient, "suspended", "active").await? {
                    return Ok(Some(refused));
                }
                sqlx::query(
                    "update endpoint set enabled = true where (transport in ('nats', 'webhook') and tested
                          or exists (select from endpoint v where v.id = endpoint.via and v.transport in ('nats', 'webhook') and v.tested))
                        and id = (select id from endpoint where recipient = $1 order by version desc limit 1)",
                )
                .bind(recipient.0)
                .execute(tx)
                .await?;
                Ok(None)
            })
        })
        .await
    }

    /// `req.optout.remove-recipient`: no new instructions; what is owed stays owed until it is reported or attested.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn remove(&self, command: StaffCommand<RemoveRecipient>) -> Result<StaffReply, HandleError> {
        let recipient = command.order.recipient;
        self.ordered(&command, recipient.0, "removed", move |tx, _| {
            Box::pin(async move {
                let removed = sqlx::query(
                    "update recipient set status = 'removed', in_force = false where id = $1 and status <> 'removed'",
                )
                .bind(recipient.0)
                .execute(tx)
                .await?;
                Ok((removed.rows_affected() == 0).then_some(Code::of("no-such-recipient-in-force")))
            })
        })
        .await
    }
}

/// One order to erase everything per recipient, and its task: the fan-out makes the instruction.
pub(crate) async fn erase_everything(
    tx: &mut PgConnection,
    recipients: &[Uuid],
    cause: Uuid,
    at: Timestamp,
    due: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "with orders as (
           insert into erase_all (id, recipient, cause, ordered_at)
           select gen_random_uuid(), r, $2, $3 from unnest($1::uuid[]) r
            where not exists (select from task t where t.recipient = r and t.kind = 'erase-all' and t.closed_at is null)
           returning id, recipient)
         insert into task (id, kind, recipient, since, due) select id, 'erase-all', recipient, $3, $4 from orders",
    )
    .bind(recipients)
    .bind(cause)
    .bind(at.to_sqlx())
    .bind(due.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// What former endpoints owe is cancelled and issued anew by the fan-out. What was reported already waits for a member of
/// staff, not for the endpoint.
async fn reissue(
    tx: &mut PgConnection,
    recipient: RecipientId,
    new: Uuid,
    cause: Uuid,
    at: Timestamp,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into reissue (old, recipient, endpoint, cause, ordered_at)
         select o.instruction, o.recipient, o.endpoint, $3, $4 from owed o join issued i using (instruction)
          where o.recipient = $1 and o.endpoint <> $2 and i.reported_at is null
         on conflict (old) do nothing",
    )
    .bind(recipient.0)
    .bind(new)
    .bind(cause)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

async fn status(tx: &mut PgConnection, recipient: RecipientId) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select status from recipient where id = $1").bind(recipient.0).fetch_optional(tx).await?)
}

/// `Some(reason)`: it stands otherwise.
async fn moved(
    tx: &mut PgConnection,
    recipient: RecipientId,
    from: &'static str,
    to: &'static str,
) -> Result<Option<Code>, DbError> {
    let moved = sqlx::query("update recipient set status = $3 where id = $1 and status = $2")
        .bind(recipient.0)
        .bind(from)
        .bind(to)
        .execute(&mut *tx)
        .await?;
    if moved.rows_affected() == 1 {
        return Ok(None);
    }
    Ok(Some(match status(tx, recipient).await?.as_deref() {
        None => UNKNOWN,
        Some("suspended") => Code::of("recipient-is-suspended"),
        Some("active") => Code::of("recipient-is-active"),
        Some("removed") => Code::of("recipient-is-removed"),
        Some(_) => Code::of("certification-has-ended"),
    }))
}

/// Nothing more goes to the endpoints so far: who delivers there loses its lease, and nobody takes it.
async fn halt(tx: &mut PgConnection, recipient: RecipientId) -> Result<(), DbError> {
    sqlx::query(
        "update endpoint set enabled = false, owner = null, fence = fence + 1, lease_until = '-infinity' where recipient = $1",
    )
    .bind(recipient.0)
    .execute(&mut *tx)
    .await?;
    // Nor to those whose instructions travel there; their own endpoints stay as they are, for when it goes on.
    sqlx::query(
        "update endpoint set owner = null, fence = fence + 1, lease_until = '-infinity'
          where via in (select id from endpoint where recipient = $1)",
    )
    .bind(recipient.0)
    .execute(tx)
    .await?;
    Ok(())
}

/// Another endpoint, the newest: deliveries from now on are frozen to it. `None`: it should be the one above, and there is
/// none.
pub(super) async fn endpoint(
    tx: &mut PgConnection,
    recipient: RecipientId,
    to: &Reached,
) -> Result<Option<Uuid>, DbError> {
    let id = Uuid::now_v7();
    let (via, pushed) = match to.transport {
        Transport::ThroughParent => match tiers::carrier(tx, recipient.0).await? {
            None => return Ok(None),
            Some((via, pushed)) => (Some(via), pushed),
        },
        transport => (None, transport.is_pushed()),
    };
    sqlx::query(
        "insert into endpoint (id, recipient, version, transport, url, enabled, via, tested)
         select $1, $2, coalesce(max(version), 0) + 1, $3, $4,
                $5 and exists (select from recipient where id = $2 and status <> 'suspended'), $6, $7
           from endpoint where recipient = $2",
    )
    .bind(id)
    .bind(recipient.0)
    .bind(to.transport.as_str())
    .bind(to.url.as_deref())
    // What is fetched or carried by hand is not sent; a webhook has to answer its test first.
    .bind(pushed && to.tested)
    .bind(via)
    .bind(to.tested)
    .execute(tx)
    .await?;
    Ok(Some(id))
}

/// 契約の版: the one before ends.
pub(super) async fn contract(
    tx: &mut PgConnection,
    recipient: RecipientId,
    new: &Contract,
    at: Timestamp,
) -> Result<(), DbError> {
    // Who delivers there signs as the contract before says: it loses its lease, and the next one reads the new one.
    sqlx::query(
        "update endpoint set owner = null, fence = fence + 1, lease_until = '-infinity'
          where (recipient = $1 or via in (select id from endpoint where recipient = $1))
            and coalesce((select terms #>> '{forms,signatures}' from contract_version where recipient = $1 and ended_at is null), 'both') <> $2",
    )
    .bind(recipient.0)
    .bind(new.forms.signatures.as_str())
    .execute(&mut *tx)
    .await?;
    sqlx::query("update contract_version set ended_at = $2 where recipient = $1 and ended_at is null")
        .bind(recipient.0)
        .bind(at.to_sqlx())
        .execute(&mut *tx)
        .await?;
    let items: Vec<&str> = new.items.iter().map(|(item, _)| item.as_str()).collect();
    sqlx::query(
        "insert into contract_version (recipient, version, terms, items, activated_at)
         select $1, coalesce(max(version), 0) + 1, $2, $3, $4 from contract_version where recipient = $1",
    )
    .bind(recipient.0)
    .bind(serde_json::to_value(new).unwrap_or_default())
    .bind(&items)
    .bind(at.to_sqlx())
    .execute(tx)
    .await?;
    Ok(())
}

/// `Some(reason)`: the one above is none, or is below.
pub(super) async fn certification(
    tx: &mut PgConnection,
    recipient: RecipientId,
    new: &Certification,
) -> Result<Option<Code>, DbError> {
    let mut above = new.parent.map(|parent| parent.0);
    for tier in 0..=TIERS_MAX {
        let Some(id) = above else { break };
        if id == recipient.0 || tier == TIERS_MAX {
            return Ok(Some(Code::of("tiers-turn-in-a-circle")));
        }
        let row: Option<Option<Uuid>> = sqlx::query_scalar(
            "select parent from recipient where id = $1 and kind in ('contractor', 'sub-contractor')",
        )
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(next) = row else { return Ok(Some(Code::of("parent-is-no-contractor"))) };
        above = next;
    }
    let elsewhere: bool = sqlx::query_scalar(
        "select exists (select from recipient r join endpoint e on e.recipient = r.id
                         where r.id = $1 and r.transport = 'through-parent' and r.parent is distinct from $2)",
    )
    .bind(recipient.0)
    .bind(new.parent.map(|parent| parent.0))
    .fetch_one(&mut *tx)
    .await?;
    if elsewhere {
        // Its instructions are on their way through the one above: first another endpoint, then another place.
        return Ok(Some(Code::of("travels-through-the-one-above")));
    }
    sqlx::query("update recipient set certification = $2, parent = $3 where id = $1")
        .bind(recipient.0)
        .bind(serde_json::to_value(new).unwrap_or_default())
        .bind(new.parent.map(|parent| parent.0))
        .execute(tx)
        .await?;
    Ok(None)
}

/// The old key verifies until `until`. `Some(reason)`: the new one is another recipient's.
async fn replace_report_key(
    tx: &mut PgConnection,
    recipient: RecipientId,
    new: &[u8],
    until: Timestamp,
) -> Result<Option<Code>, DbError> {
    let id = key_id(new);
    let whose: Option<Uuid> = sqlx::query_scalar("select recipient from former_key where id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *tx)
        .await?;
    if whose.is_some_and(|whose| whose != recipient.0) {
        return Ok(Some(Code::of("report-key-taken")));
    }
    // Back to one that it had.
    sqlx::query("delete from former_key where id = $1").bind(id.as_str()).execute(&mut *tx).await?;
    sqlx::query(
        "insert into former_key (id, recipient, key, until)
         select report_key_id, id, report_key, $3 from recipient where id = $1 and report_key_id <> $2",
    )
    .bind(recipient.0)
    .bind(id.as_str())
    .bind(until.to_sqlx())
    .execute(&mut *tx)
    .await?;
    sqlx::query("update recipient set report_key = $2, report_key_id = $3 where id = $1")
        .bind(recipient.0)
        .bind(new)
        .bind(id.as_str())
        .execute(tx)
        .await?;
    Ok(None)
}
