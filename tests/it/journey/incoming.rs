//! 来信: a person answers a mail of ours, and the answer finds its case; a stranger's mail waits for a person.

use super::{
    desk::{Desk, Plan},
    mails,
    people::Person,
};
use contracts::{Code, MailState, correspondence::ListMails};
use door::clients::{self, ClientScope};
use launcher::story;
use testkit::eventually;

/// This test binary is the process in which mails are read: with this word among its arguments, the test below becomes it.
const MARK: &str = "madoguchi-read-mail";

/// Not a test: what intake starts to read a mail.
#[test]
fn read_mail() {
    if std::env::args().any(|argument| argument == MARK) {
        let ended = mail::apart::child();
        assert_eq!(format!("{ended:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }
}

/// A desk that reads mails, and whose own addresses end in `desk.test`.
pub fn plan() -> Plan {
    let program = std::env::current_exe().unwrap();
    let reader = format!(
        "{} --exact journey::incoming::read_mail --nocapture --test-threads 1 --skip {MARK}",
        program.display()
    );
    let settings = [
        ("intake.mail.reader", reader),
        ("intake.mail.domain", "desk.test".to_owned()),
        ("notification.from", "Desk <desk@desk.test>".to_owned()),
    ];
    Plan { settings: settings.into(), ..Plan::default() }
}

/// Brings a mail as the organisation's mail host does.
pub async fn bring(desk: &Desk, key: &str, mail: String) -> u16 {
    let post = reqwest::Client::new().post(format!("{}/api/v1/mail", desk.public_url));
    let sent = post.bearer_auth(key).header("Content-Type", "message/rfc822").body(mail).send().await.unwrap();
    sent.status().as_u16()
}

/// A mail host's key.
pub fn mail_host(desk: &Desk) -> String {
    clients::add(desk.rt.keys_dir(), Code::of("mail-host"), vec![ClientScope::Mail]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_finds_its_case_and_a_strangers_mail_waits_for_a_person() {
    let desk = Desk::with(plan()).await;
    let key = mail_host(&desk);
    let person = Person::number(1);
    let filed = desk.file(&story::disclosure_to(&person.json())).await;
    // The receipt, and that there is a fee.
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 2).await;
    let ours = mails::to(&desk.mail_folder(), &person.mail).remove(0);
    let reference = ours.header("message-id").to_owned();
    assert!(reference.ends_with("@desk.test>"), "{reference}");

    let answer = format!(
        "From: {}\r\nTo: desk@desk.test\r\nSubject: Re\r\nMessage-ID: <a@example.test>\r\nIn-Reply-To: {reference}\r\n\r\nanswer\r\n",
        person.mail
    );
    assert_eq!(bring(&desk, &key, answer).await, 202);
    let stranger = "From: x@example.test\r\nTo: desk@desk.test\r\nMessage-ID: <b@example.test>\r\n\r\nletter\r\n";
    assert_eq!(bring(&desk, &key, stranger.to_owned()).await, 202);
    // Our own mail, sent back by somebody's rule.
    let own = format!("From: desk@desk.test\r\nTo: desk@desk.test\r\nMessage-ID: {reference}\r\n\r\nours\r\n");
    assert_eq!(bring(&desk, &key, own).await, 202);

    let rows = eventually("three mails, read", || async {
        let list = desk.commands.ask(&ListMails::default()).await.map_err(|e| e.to_string())?;
        let counted: i64 = list.counts.iter().filter(|(state, _)| *state != MailState::Arrived).map(|(_, n)| n).sum();
        if counted == 3 { Ok(list) } else { Err(format!("{:?}", list.counts)) }
    })
    .await;
    assert_eq!(rows.counts, [(MailState::Loop, 1), (MailState::Threaded, 1), (MailState::Triage, 1)]);
    let states: Vec<_> = rows.rows.iter().map(|row| (row.state, row.case)).collect();
    assert_eq!(states, [(MailState::Threaded, Some(filed.case)), (MailState::Triage, None)]);
    // Nothing was answered: what the person has is what the desk said by itself.
    mails::are(&desk, &person.mail, &filed.receipt.receipt_number, 2).await;
}
