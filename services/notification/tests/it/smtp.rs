//! The transport against a real SMTP conversation over TCP: a host that takes it, one that says later, one that says never,
//! one that hangs up before or after the data, and one that never answers. And the folder of files.

use crate::host::{Host, Play};
use contracts::{CaseId, Code, Language, MessageId, NoticeId, ReceiptNumber, Timestamp, Uuid};
use lettre::message::Mailbox;
use notification::{
    mail::{Mail, compose},
    message::{Notice, Plan, Text},
    transport::{Answer, Transport},
};
use privacy_seal::Personal;
use std::time::Duration;
use tokio::net::TcpListener;

const ID: NoticeId = NoticeId(Uuid::from_u128(0x1234));

fn mail(to: &str) -> Mail {
    let notice = Notice {
        case: CaseId(Uuid::from_u128(2)),
        fact: MessageId(Uuid::from_u128(3)),
        text: Text::Received,
        language: Language::Ja,
        receipt_number: ReceiptNumber::from_random([9; 16]),
        since: Timestamp::from_second(1_780_000_000).unwrap(),
        plan: Plan { attempts_max: 3, lease_s: 60, backoff_s: 30, backoff_cap_s: 300, give_up_s: 3600 },
    };
    let from: Mailbox = "desk@example.jp".parse().unwrap();
    compose(ID, &notice, &from, "https://desk.example/status", &Personal::new(to.to_owned())).unwrap()
}

fn message_id(mail: &str) -> &str {
    mail.lines().find(|l| l.to_ascii_lowercase().starts_with("message-id:")).unwrap()
}

#[tokio::test]
async fn a_host_takes_the_mail_as_it_was_composed() {
    let host = Host::start(&[Play::Take]).await;
    let sent = mail("taro@example.com");
    let expected = String::from_utf8(sent.bytes.clone()).unwrap().replace("\r\n", "\n");
    assert_eq!(host.transport().send(ID, sent).await, Answer::Taken);
    // The client ends the data with a line end of its own (RFC 5321 4.1.1.4), whatever the mail ends with.
    assert_eq!(host.seen().iter().map(|m| m.trim_end()).collect::<Vec<_>>(), [expected.trim_end()]);
}

#[tokio::test]
async fn later_is_later_and_the_next_try_goes_through() {
    let host =
        Host::start(&[Play::AtRcpt("450 4.2.1 mailbox busy\r\n"), Play::AfterData("451 try later\r\n"), Play::Take])
            .await;
    let transport = host.transport();
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("smtp-450")));
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("smtp-451")));
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::Taken);
}

#[tokio::test]
async fn never_is_never_but_a_login_that_the_host_wants_may_be_mended() {
    let host = Host::start(&[
        Play::AtRcpt("550 5.1.1 no such user here <taro@example.com>\r\n"),
        Play::AfterData("554 5.7.1 refused\r\n"),
        Play::WantsLogin,
        Play::Greeting("421 4.3.2 closing\r\n"),
    ])
    .await;
    let transport = host.transport();
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::Never(Code::of("smtp-550")));
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::Never(Code::of("smtp-554")));
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("smtp-530")));
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("smtp-421")));
}

/// The rule for unknown outcomes: sent again, and the receiving side can tell that it is the same mail.
#[tokio::test]
async fn a_host_that_hangs_up_is_not_known_to_have_it_and_the_repeat_has_the_same_message_id() {
    let host = Host::start(&[Play::HangUpBeforeData, Play::HangUpAfterData, Play::Take]).await;
    let transport = host.transport();
    for _ in 0..2 {
        assert!(matches!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(_)));
    }
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::Taken);
    let seen = host.seen();
    assert_eq!(seen.len(), 2, "once before the line went dead, once for good");
    assert_eq!(seen[0], seen[1]);
    assert!(message_id(&seen[0]).contains(&ID.to_string()));
}

#[tokio::test]
async fn a_host_that_says_nothing_is_given_up_within_its_time() {
    let host = Host::start(&[Play::Silence]).await;
    let transport = Transport::smtp(&host.url, Duration::from_millis(300)).unwrap();
    assert!(matches!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(_)));
}

#[tokio::test]
async fn nobody_there_is_not_now() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    drop(listener);
    let transport = Transport::smtp(&url, Duration::from_secs(3)).unwrap();
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("smtp-broken-off")));
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_host_that_takes_it() {
    let host = Host::start(&[Play::Take]).await;
    assert_eq!(
        host.transport().send(ID, mail("太郎@example.com")).await,
        Answer::Never(Code::of("smtp-no-utf8-addresses"))
    );
}

#[tokio::test]
async fn the_folder_has_one_file_per_notice_however_often_it_is_sent_and_none_when_forgotten() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("outbox");
    let transport = Transport::folder(&folder).unwrap();
    for _ in 0..2 {
        assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::Taken);
    }
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files, [folder.join(format!("{ID}.eml"))]);
    assert_eq!(std::fs::read(&files[0]).unwrap(), mail("taro@example.com").bytes);
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    transport.forget(ID).await.unwrap();
    transport.forget(ID).await.unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    // A folder that went away is a failure that may pass, not a panic.
    std::fs::remove_dir(&folder).unwrap();
    assert_eq!(transport.send(ID, mail("taro@example.com")).await, Answer::NotNow(Code::of("outbox-not-written")));
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    assert!(Transport::folder(&file).is_err());
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_being_quoted() {
    let error = Transport::smtp("ftp://user:geheim@host", Duration::from_secs(1)).unwrap_err().to_string();
    assert!(error.starts_with("use smtp://") && !error.contains("geheim"), "{error}");
}
