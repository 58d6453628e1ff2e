//! Those who ask, and what staff do for them: whole journeys that hold on until they are through, whatever dies meanwhile.

use super::desk::{Desk, Filed};
use console::{By, ComplaintRecord};
use contracts::{Code, DecisionOutcome, EndedAs, Step, desk::FeeView};
use jiff::civil::Date;
use launcher::story;
use payment_reconciliation::zengin::{
    Account, Layout,
    sample::{self, SampleLine},
};
use serde_json::Value;
use testkit::eventually;

/// An invented person; every number is another one.
pub struct Person {
    /// The name.
    pub name: String,
    /// Its reading, as the desk keeps it.
    pub kana: String,
    /// The birth date.
    pub birth_date: Date,
    /// The mail address.
    pub mail: String,
}

impl Person {
    /// Number `n`.
    pub fn number(n: usize) -> Self {
        let digits = format!("{n:04}");
        let letters: String = digits
            .bytes()
            .map(|d| ['ア', 'イ', 'ウ', 'エ', 'オ', 'カ', 'キ', 'ク', 'ケ', 'コ'][usize::from(d - b'0')])
            .collect();
        let day = i8::try_from(n % 28).unwrap() + 1;
        Self {
            name: format!("見本 {letters}"),
            kana: format!("ミホン\u{3000}{letters}"),
            birth_date: Date::new(1970, 3, day).unwrap(),
            mail: format!("person-{digits}@mail.example"),
        }
    }
    /// As the API wants it.
    pub fn json(&self) -> Value {
        story::person(&self.name, &self.kana, &self.birth_date.to_string(), &self.mail)
    }
}

/// The papers of somebody who comes in person.
pub async fn confirm(desk: &Desk, filed: &Filed) {
    let by = By::new(desk.staff, "the papers show the same person");
    desk.obeyed("identity is confirmed", || {
        desk.commands.confirm_identity(by, filed.case, vec![Code::of("drivers-licence")])
    })
    .await;
}

/// 提供停止, from the filing to the confirmation.
pub async fn opt_out_until_confirmed(desk: &Desk, person: &Person) -> Filed {
    let filed = desk.file(&story::opt_out_of(&person.json())).await;
    desk.until(&filed, "the provisional block", |s| s.blocked_since.is_some()).await;
    confirm(desk, &filed).await;
    filed
}

/// 提供停止, to the last contractor's report.
pub async fn opt_out(desk: &Desk, person: &Person) -> Filed {
    let filed = opt_out_until_confirmed(desk, person).await;
    let end = desk.until(&filed, "the stop is confirmed", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Stopped));
    filed
}

/// Which account the money goes to, and how its bank tells.
#[derive(Clone)]
pub struct Bank {
    profile: &'static str,
    layout: Layout,
    account: Account,
}

/// An account whose bank sends 振込入金通知 (type 01).
pub fn deposits() -> Bank {
    Bank { profile: "zengin-01-a", layout: Layout::DepositsA, account: sample::account() }
}

/// An account whose bank sends 入出金取引明細 (type 03).
pub fn transactions() -> Bank {
    Bank {
        profile: "zengin-03",
        layout: Layout::Transactions,
        account: Account { number: "7654321".into(), ..sample::account() },
    }
}

/// Staff bring a bank file.
pub async fn bring(desk: &Desk, bank: &Bank, on: Date, lines: &[SampleLine]) {
    let file = sample::file(bank.layout, &bank.account, on, 0, lines);
    let by = By::new(desk.staff, "bank file of the day");
    desk.obeyed("the bank file is imported", || {
        desk.commands.import_statement(by, file.clone(), Code::of(bank.profile))
    })
    .await;
}

/// The fee that the status page asks for.
pub async fn asked_fee(desk: &Desk, filed: &Filed) -> FeeView {
    desk.until(filed, "the fee is asked for", |s| s.fee.as_ref().is_some_and(|f| !f.paid)).await.fee.unwrap()
}

/// The person pays, and the bank tells.
pub async fn pay(desk: &Desk, bank: &Bank, fee: &FeeView) {
    let on = desk.today();
    let line = SampleLine::deposit(on, fee.amount.0, "", &format!("{}ﾐﾎﾝ ﾀﾛｳ", fee.reference.as_str()));
    bring(desk, bank, on, &[line]).await;
}

/// The case says so on its page, and fulfilment has heard it: of a case that was taken up again it still knows the end until then.
pub async fn answer_is_asked_for(desk: &Desk, filed: &Filed) {
    desk.until(filed, "an answer is asked for", |s| s.step == Step::Answering).await;
    eventually("fulfilment has heard it", || async {
        let find = "select state ->> 'status' from fulfilment.answer where id = $1";
        let mut db = desk.reach().await.map_err(|e| e.to_string())?;
        let found = sqlx::query_scalar(find).bind(filed.case.0).fetch_optional(&mut db).await;
        let status: Option<String> = found.map_err(|e| e.to_string())?;
        if status.as_deref() == Some("open") { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
}

/// 決定.
pub async fn decide(desk: &Desk, filed: &Filed, outcome: DecisionOutcome, ground: &'static str, reasons: Option<&str>) {
    answer_is_asked_for(desk, filed).await;
    let by = By::new(desk.staff, "searched and examined by two");
    let text = |words: &str| words.to_owned();
    let record = (ground == "act-29").then(|| ComplaintRecord {
        content: text("電話がつながらない"),
        cause: text("回線が足りなかった"),
        measures: text("回線を増やした"),
    });
    let decide = || desk.commands.decide(by, filed.case, outcome, Code::of(ground), reasons, record.as_ref());
    desk.obeyed("it is decided", decide).await;
}

/// 開示, to the decision.
pub async fn disclosure(desk: &Desk, person: &Person, bank: &Bank) -> Filed {
    let filed = desk.file(&story::disclosure_to(&person.json())).await;
    let fee = asked_fee(desk, &filed).await;
    // Identity and money side by side.
    let (confirmed, paid) = (confirm(desk, &filed), pay(desk, bank, &fee));
    tokio::join!(confirmed, paid);
    decide(desk, &filed, DecisionOutcome::Full, "appi-33-2", None).await;
    let end = desk.until(&filed, "the decision is told", |s| s.step == Step::Ended).await;
    assert_eq!(end.ended_as, Some(EndedAs::Decided));
    filed
}
