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
    let settings = [("intake.mail.reader", reader), ("notification.from", "Desk <desk@desk.test>".to_owned())];
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

    // Both are told once that it arrived; our own mail is answered by nobody.
    for address in [&*person.mail, "x@example.test"] {
        let told = eventually("the sender is told", || async {
            let mails = mails::to(&desk.mail_folder(), address);
            mails.into_iter().find(|mail| mail.header("auto-submitted") == "auto-replied").ok_or("not yet")
        })
        .await;
        assert!(!told.body.contains(&filed.receipt.receipt_number), "it says nothing of any request: {}", told.body);
    }
    assert_eq!(mails::to(&desk.mail_folder(), "desk@desk.test").len(), 0);
    let again = "From: x@example.test\r\nTo: desk@desk.test\r\nMessage-ID: <c@example.test>\r\n\r\nletter\r\n";
    assert_eq!(bring(&desk, &key, again.to_owned()).await, 202);
    // What we told comes back to us as another desk would send it: by a machine, and so it ends.
    let reply =
        "From: x@example.test\r\nAuto-Submitted: auto-replied\r\nMessage-ID: <d@example.test>\r\n\r\nwe received\r\n";
    assert_eq!(bring(&desk, &key, reply.to_owned()).await, 202);
    eventually("both are read", || async {
        let list = desk.commands.ask(&ListMails::default()).await.map_err(|e| e.to_string())?;
        if list.counts.contains(&(MailState::Automatic, 1)) && list.rows.len() == 3 {
            Ok(())
        } else {
            Err(format!("{:?}", list.counts))
        }
    })
    .await;
    let waits: i64 = sqlx::query_scalar("select count(*) from intake.mail where ack_next is not null")
        .fetch_one(&mut desk.admin().await)
        .await
        .unwrap();
    assert_eq!(waits, 0, "within the hour nobody is told again");
    assert_eq!(mails::to(&desk.mail_folder(), "x@example.test").len(), 1);
}
