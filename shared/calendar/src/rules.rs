//! Every period of law that the product keeps, each with its article and its counting.
//!
//! Operator's own periods (configuration) are built with [`Rule::new`] where they are read.

use crate::{
    open::Schedule,
    period::{
        Counting::{From, Including},
        Rule,
        Span::{Days, Weeks, Years},
    },
};

/// 二週間を経過した後: the wait before a suit.
pub const SUIT: Rule = Rule::new("415AC0000000057 (APPI) art. 39(1)", From, Weeks(2));

/// 提供記録, one provision: 作成した日から三年間. Receipt records of the operator alike (rules art. 58, 60).
pub const SUPPLY_RECORD: Rule = Rule::new("430M60000582001 art. 55(ii), art. 60", From, Years(3));

/// 提供記録, made in one batch: 最後に提供を行った日から起算して三年を経過する日まで.
pub const SUPPLY_RECORD_BATCH: Rule = Rule::new("430M60000582001 art. 55(i), art. 60", Including, Years(3));

/// 法53条書面の写し: 交付の日から三年間.
pub const STOP_DOCUMENT_COPY: Rule = Rule::new("430M60000582001 art. 52", From, Years(3));

/// 帳簿 (supply, 消去): 記載の日から三年間; contractors by art. 46, users by art. 43.
pub const BOOK: Rule = Rule::new("430M60000582001 art. 12", From, Years(3));

/// 苦情処理記録: 作成の日から三年間.
pub const COMPLAINT_RECORD: Rule = Rule::new("430M60000582001 art. 25", From, Years(3));

/// 第三者提供記録 under APPI, one provision.
pub const APPI_RECORD: Rule = Rule::new("428M60020000003 art. 21(iii), art. 25(iii)", From, Years(3));

/// 第三者提供記録 under APPI, batch: 起算して三年を経過する日.
pub const APPI_RECORD_BATCH: Rule = Rule::new("428M60020000003 art. 21(ii), art. 25(ii)", Including, Years(3));

/// 第三者提供記録 under APPI where a contract stands in for it: 起算して一年を経過する日.
pub const APPI_RECORD_CONTRACT: Rule = Rule::new("428M60020000003 art. 21(i), art. 25(i)", Including, Years(1));

/// 確報 to the ministers or the Commission. Whether the day of knowing is day one is open, so the earlier end is aimed at;
/// a closed last day moves to the authorities' next open day (363AC0000000091 art. 2).
pub const INCIDENT_REPORT: Rule = Rule::new("430M60000582001 art. 22; 428M60020000003 art. 8(2)", Including, Days(30))
    .or_next_open(Schedule::Authority);

/// 確報 after a malicious act.
pub const INCIDENT_REPORT_MALICIOUS: Rule =
    Rule::new("430M60000582001 art. 22; 428M60020000003 art. 8(2)", Including, Days(60))
        .or_next_open(Schedule::Authority);

/// Every rule above, for the page that shows them and for tests.
pub const ALL: &[(&str, Rule)] = &[
    ("suit", SUIT),
    ("supply-record", SUPPLY_RECORD),
    ("supply-record-batch", SUPPLY_RECORD_BATCH),
    ("stop-document-copy", STOP_DOCUMENT_COPY),
    ("book", BOOK),
    ("complaint-record", COMPLAINT_RECORD),
    ("appi-record", APPI_RECORD),
    ("appi-record-batch", APPI_RECORD_BATCH),
    ("appi-record-contract", APPI_RECORD_CONTRACT),
    ("incident-report", INCIDENT_REPORT),
    ("incident-report-malicious", INCIDENT_REPORT_MALICIOUS),
];
