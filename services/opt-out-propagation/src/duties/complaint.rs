//! 苦情の取次ぎ (Act arts. 29, 51; duty 54): a complaint about a recipient is passed on, and is overdue until its cause and its
//! measures are in; then the person is told by us.

use super::{Duties, recipient_exists, refused};
use chassis::{DbError, HandleError};
use contracts::{
    CaseId, Code, RecipientId, Timestamp, Uuid,
    duty::{AnswerComplaint, ComplaintList, ComplaintRow, ComplaintTold, ForwardComplaint, ListComplaints},
    request::{StaffCommand, StaffReply},
};
use custody::orders::Words;
use jiff_sqlx::ToSqlx;

const UNKNOWN: Code = Code::of("no-such-complaint");

const CAUSE: Words = Words {
    field: Code::of("cause"),
    most: 10_000,
    missing: Code::of("cause-missing"),
    too_long: Code::of("cause-too-long"),
    unreadable: Code::of("cause-unreadable"),
};
const MEASURES: Words = Words {
    field: Code::of("measures"),
    most: 10_000,
    missing: Code::of("measures-missing"),
    too_long: Code::of("measures-too-long"),
    unreadable: Code::of("measures-unreadable"),
};

impl Duties {
    /// `req.optout.forward-complaint`.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn forward(&self, command: StaffCommand<ForwardComplaint>) -> Result<StaffReply, HandleError> {
        let (ForwardComplaint { case, recipient }, id) = (command.order.clone(), command.token);
        let periods = self.recipients.periods;
        let orders = &self.recipients;
        orders
            .ordered(&command, id, "forwarded", move |tx, at| {
                Box::pin(async move {
                    if !recipient_exists(tx, recipient.0).await? {
                        return Ok(Some(Code::of("no-such-recipient")));
                    }
                    // 遅滞なく (Rules art. 25(1)).
                    let due = at.checked_add(periods.without_delay).unwrap_or(Timestamp::MAX);
                    let done = sqlx::query(
                        "insert into forwarded_complaint (id, \"case\", recipient, at, due) values ($1, $2, $3, $4, $5)
                         on conflict (\"case\", recipient) do nothing",
                    )
                    .bind(id)
                    .bind(case.0)
                    .bind(recipient.0)
                    .bind(at.to_sqlx())
                    .bind(due.to_sqlx())
                    .execute(tx)
                    .await?;
                    Ok((done.rows_affected() == 0).then_some(Code::of("forwarded-already")))
                })
            })
            .await
    }

    /// `req.optout.answer-complaint`: either, or both.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn answer_complaint(&self, command: StaffCommand<AnswerComplaint>) -> Result<StaffReply, HandleError> {
        let (AnswerComplaint { complaint, cause, measures }, order) = (command.order.clone(), command.token);
        if cause.is_none() && measures.is_none() {
            return refused(Code::of("cause-or-measures-missing"));
        }
        for (words, sealed) in [(&CAUSE, &cause), (&MEASURES, &measures)] {
            if let Some(sealed) = sealed
                && let Err(reply) = self.recipients.custody.words(words, order.as_bytes(), &sealed.0)
            {
                return Ok(reply);
            }
        }
        let orders = &self.recipients;
        orders
            .ordered(&command, complaint, "answered", move |tx, _| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "update forwarded_complaint
                            set cause = coalesce($3, cause), cause_order = case when $3 is null then cause_order else $2 end,
                                measures = coalesce($4, measures), measures_order = case when $4 is null then measures_order else $2 end
                          where id = $1",
                    )
                    .bind(complaint)
                    .bind(order)
                    .bind(cause.map(|c| c.0))
                    .bind(measures.map(|m| m.0))
                    .execute(tx)
                    .await?;
                    Ok((done.rows_affected() == 0).then_some(UNKNOWN))
                })
            })
            .await
    }

    /// `req.optout.complaint-told`: done with.
    ///
    /// # Errors
    /// The database did not do it.
    pub async fn complaint_told(&self, command: StaffCommand<ComplaintTold>) -> Result<StaffReply, HandleError> {
        let ComplaintTold { complaint, at: told } = command.order.clone();
        if told > self.now() {
            return refused(Code::of("date-in-the-future"));
        }
        let orders = &self.recipients;
        orders
            .ordered(&command, complaint, "done", move |tx, _| {
                Box::pin(async move {
                    let whole: Option<bool> = sqlx::query_scalar(
                        "select cause is not null and measures is not null from forwarded_complaint where id = $1 for update",
                    )
                    .bind(complaint)
                    .fetch_optional(&mut *tx)
                    .await?;
                    match whole {
                        None => return Ok(Some(UNKNOWN)),
                        Some(false) => return Ok(Some(Code::of("cause-or-measures-missing"))),
                        Some(true) => {}
                    }
                    sqlx::query("update forwarded_complaint set told_at = coalesce(told_at, $2) where id = $1")
                        .bind(complaint)
                        .bind(told.to_sqlx())
                        .execute(tx)
                        .await?;
                    Ok(None)
                })
            })
            .await
    }

    /// `req.optout.complaints`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn complaints(&self, _: ListComplaints) -> Result<ComplaintList, HandleError> {
        Ok(ComplaintList { complaints: self.complaints_of(None).await? })
    }

    /// About one recipient, or about all; oldest first.
    pub(super) async fn complaints_of(&self, recipient: Option<Uuid>) -> Result<Vec<ComplaintRow>, DbError> {
        type Row = (Uuid, Uuid, Uuid, jiff_sqlx::Timestamp, jiff_sqlx::Timestamp, bool, bool);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, \"case\", recipient, at, due, cause is not null, measures is not null from forwarded_complaint
              where told_at is null and ($1::uuid is null or recipient = $1) order by at limit 200",
        )
        .bind(recipient)
        .fetch_all(self.pool())
        .await?;
        let now = self.now();
        let row = |(id, case, recipient, at, due, cause, measures): Row| {
            let missing = [(cause, "cause"), (measures, "measures"), (false, "person-told")];
            ComplaintRow {
                complaint: id,
                case: CaseId(case),
                recipient: RecipientId(recipient),
                at: at.to_jiff(),
                due: due.to_jiff(),
                overdue: due.to_jiff() <= now && !(cause && measures),
                missing: missing.into_iter().filter(|(there, _)| !there).map(|(_, word)| Code::of(word)).collect(),
            }
        };
        Ok(rows.into_iter().map(row).collect())
    }
}
