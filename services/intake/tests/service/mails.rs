//! Mails: from the sealed file of the door to what staff see.

use super::{person::ask, *};
use chassis::objects::Objects;
use contracts::{
    Code, MailId, MailOutcome, MailState, ObjectId, StaffId,
    correspondence::{DestroyMailFile, ListMails, MailDetail, MailReply, SettleMail, ShowMail},
    request::{EraseCase, StaffCommand, StaffReply, Withdraw},
};
use intake::mail::Known;
use privacy::{Personal, seal_to};
use privacy_seal::{ArrivedMail, Envelope, SegmentSealer};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, path::PathBuf};

/// This test binary is the process apart: with this word among its arguments, the test below becomes it.
const MARK: &str = "madoguchi-read-mail";

/// The command line of the process apart.
pub fn reader() -> String {
    let program = std::env::current_exe().unwrap();
    format!("{} --exact mails::read_mail --nocapture --test-threads 1 --skip {MARK}", program.display())
}

#[test]
fn read_mail() {
    if std::env::args().any(|argument| argument == MARK) {
        let ended = mail::apart::child();
        assert_eq!(format!("{ended:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
    }
}

const LETTER: &str = "From: =?utf-8?B?5bGx55Sw5qiZ6K2Y?= <marker@example.test>\r\nTo: desk@desk.example\r\nSubject: 山田標識\r\n\
    Message-ID: <1@example.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
    標識市架空町です。開示をお願いします。\r\n--b\r\nContent-Type: image/png; name=\"x.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    iVBORw0KGgo=\r\n--b--\r\n";

impl Desk {
    /// Brings a mail as the door does: the sealed file, then the filing.
    pub async fn bring(&self, raw: &[u8]) -> MailId {
        let object = ObjectId::new();
        let key = ServiceKey::load_or_create(self.rt.keys_dir(), "intake").unwrap().public();
        let (mut sealer, mut sealed) = SegmentSealer::new(&key, object.0).unwrap();
        sealer.push(raw, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        self.rt.inbound().unwrap().put(object, sealed).await.unwrap();
        self.bring_filing(object, raw).await
    }

    async fn bring_filing(&self, object: ObjectId, raw: &[u8]) -> MailId {
        let mail = ArrivedMail {
            object,
            digest: Sha256::digest(raw).into(),
            bytes: raw.len() as u64,
            client: Code::of("mail-host"),
            received_at: self.house.clock.now(),
            envelope: Envelope { from: "<marker@example.test>".into(), ..Envelope::default() },
            traceparent: None,
        };
        MailId(self.file(&Filing::Mail(Box::new(mail))).await)
    }

    pub async fn mail(&self, mail: MailId) -> MailDetail {
        let asked = ShowMail { id: mail, staff: StaffId::new(), cause: Uuid::now_v7() };
        let MailReply::Found(detail) = ask(self, "console", &asked).await else { panic!("no such mail") };
        *detail
    }

    /// Waits until a mail is read.
    pub async fn read(&self, mail: MailId) -> MailDetail {
        self.counts("select count(*) from door.filing where state = 'waiting'", 0).await;
        self.counts("select count(*) from intake.mail where state = 'arrived'", 0).await;
        self.mail(mail).await
    }

    fn known(&self, detail: &MailDetail) -> Personal<Known> {
        let console = ServiceKey::load_or_create(self.rt.keys_dir(), "console").unwrap();
        let opened = console.open(detail.row.id.0.as_bytes(), &detail.known.as_ref().unwrap().0).unwrap();
        opened.json().unwrap()
    }

    async fn order<T>(&self, order: T) -> StaffReply
    where
        StaffCommand<T>: contracts::request::Request<Reply = StaffReply>,
    {
        let token = Uuid::now_v7();
        let key = ServiceKey::load_or_create(self.rt.keys_dir(), "intake").unwrap().public();
        let why = seal_to(&key, token.as_bytes(), "山田標識が電話で".as_bytes()).unwrap();
        ask(self, "console", &StaffCommand { token, staff: StaffId::new(), why, traceparent: None, order }).await
    }

    fn inbound_files(&self) -> Objects {
        self.rt.inbound().unwrap()
    }
}

fn word(reply: &StaffReply) -> &str {
    match reply {
        StaffReply::Done { status, .. } => status.as_str(),
        StaffReply::Refused { reason, .. } => reason.as_str(),
    }
}

/// A console's key must be there before anything can be sealed to it.
fn with_console_key(desk: &Desk) {
    ServiceKey::load_or_create(desk.rt.keys_dir(), "console").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_kept_in_sealed_parts_and_shown_to_staff() {
    let desk = Desk::open().await;
    with_console_key(&desk);
    let id = desk.bring(LETTER.as_bytes()).await;
    let detail = desk.read(id).await;
    assert_eq!((detail.row.state, detail.row.reason.clone(), detail.row.files), (MailState::Triage, None, 1));
    assert_eq!(detail.digest.0, <[u8; 32]>::from(Sha256::digest(LETTER)));
    let known = desk.known(&detail);
    let known = known.disclose(Purpose::ShowToStaff);
    let mail = known.mail.as_ref().unwrap();
    assert_eq!((&*mail.subject, &*mail.from[0].name), ("山田標識", "山田標識"));
    assert!(mail.text.starts_with("標識市架空町です。"), "{}", mail.text);
    assert_eq!((&*mail.attachments[0].name, mail.attachments[0].bytes.len()), ("x.png", 0));
    assert_eq!(known.envelope.from, "<marker@example.test>");
    assert_eq!((detail.files[0].kind.as_str(), detail.files[0].bytes), ("image", 8));

    let all = desk.everything().await;
    for marker in MARKERS {
        assert!(!all.contains(marker), "{marker} stands in the clear");
    }
    assert_eq!(desk.inbound_files().made_before(Timestamp::MAX, 10).await.unwrap(), [], "the file as it came is gone");
    assert_eq!(
        desk.count("select count(*) from intake.mail_part where object is not null and as_sent is not null").await,
        1
    );
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn brought_again_it_is_one_and_another_text_under_its_id_is_a_conflict() {
    let desk = Desk::open().await;
    with_console_key(&desk);
    let first = desk.bring(LETTER.as_bytes()).await;
    desk.read(first).await;
    let folder = format!("X-Folder: other\r\n{LETTER}");
    let again = desk.bring(folder.as_bytes()).await;
    let again = desk.read(again).await;
    assert_eq!((again.row.state, again.same_as), (MailState::Repeated, Some(first)));
    let other = desk.bring(LETTER.replace("開示", "削除").as_bytes()).await;
    let other = desk.read(other).await;
    assert_eq!((other.row.state, other.same_as), (MailState::Quarantine, Some(first)));
    assert_eq!(other.row.reason, Some(Code::of("message-id-reused")));
    desk.close().await;
}

/// Several folders at the same time: whoever reads them, one is the first.
#[tokio::test(flavor = "multi_thread")]
async fn brought_by_many_at_once_it_is_one() {
    let desk = Desk::open().await;
    let copies: Vec<String> = (0..8).map(|n| format!("X-Folder: {n}\r\n{LETTER}")).collect();
    futures::future::join_all(copies.iter().map(|copy| desk.bring(copy.as_bytes()))).await;
    desk.counts("select count(*) from intake.mail where state = 'triage'", 1).await;
    desk.counts("select count(*) from intake.mail where state = 'repeated'", 7).await;
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_waits_for_a_person_and_the_others_go_on() {
    let desk = Desk::open().await;
    with_console_key(&desk);
    let deep = desk.bring("Content-Type: message/rfc822\r\n\r\n".repeat(50_000).as_bytes()).await;
    let none = desk.bring(b"\r\n\r\n").await;
    let missing = desk.bring_filing(ObjectId::new(), b"x").await;
    let changed = {
        let object = ObjectId::new();
        desk.inbound_files().put(object, vec![1; 200]).await.unwrap();
        desk.bring_filing(object, b"x").await
    };
    let good = desk.bring(LETTER.as_bytes()).await;
    assert_eq!(desk.read(good).await.row.state, MailState::Triage);
    for (mail, reason) in
        [(deep, "too-deep"), (none, "not-a-mail"), (missing, "file-missing"), (changed, "file-does-not-open")]
    {
        let row = desk.mail(mail).await.row;
        assert_eq!((row.state, row.reason.unwrap().as_str()), (MailState::Quarantine, reason));
    }
    let list = ask(&desk, "console", &ListMails::default()).await;
    assert_eq!((list.rows.len(), list.more), (5, false), "nothing is dropped");
    let after = Some((list.rows[2].received_at, list.rows[2].id));
    let rest = ask(&desk, "console", &ListMails { state: None, after }).await;
    assert_eq!(rest.rows, list.rows[3..]);
    let only = ask(&desk, "console", &ListMails { state: Some(MailState::Triage), after: None }).await;
    assert_eq!(only.rows.len(), 1);
    assert_eq!(only.counts, [(MailState::Quarantine, 4), (MailState::Triage, 1)]);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_a_mail_and_destroys_a_file_of_it() {
    let desk = Desk::open().await;
    with_console_key(&desk);
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let mail = desk.bring(LETTER.as_bytes()).await;
    desk.read(mail).await;
    let settle = |outcome, case| desk.order(SettleMail { id: mail, outcome, case });
    assert_eq!(word(&settle(MailOutcome::Case, None).await), "case-missing");
    assert_eq!(word(&settle(MailOutcome::Case, Some(CaseId::new())).await), "case-unknown");
    assert_eq!(word(&settle(MailOutcome::Spam, Some(case)).await), "case-with-other-outcome");
    assert_eq!(word(&settle(MailOutcome::Case, Some(case)).await), "settled");
    assert_eq!(word(&settle(MailOutcome::Case, Some(case)).await), "settled", "pressed twice");
    assert_eq!(word(&settle(MailOutcome::Spam, None).await), "mail-settled-otherwise");
    let row = desk.mail(mail).await.row;
    assert_eq!((row.state, row.case, row.outcome), (MailState::Settled, Some(case), Some(MailOutcome::Case)));

    let destroy = |number| desk.order(DestroyMailFile { id: mail, number });
    assert_eq!(word(&destroy(7).await), "file-unknown");
    assert_eq!(word(&destroy(0).await), "destroyed");
    assert_eq!(word(&destroy(0).await), "destroyed", "pressed twice");
    let file = desk.mail(mail).await.files.remove(0);
    assert!(file.destroyed.is_some());
    assert_eq!(file.digest.0, <[u8; 32]>::from(Sha256::digest(b"\x89PNG\r\n\x1a\n")), "the hash stays");
    assert_eq!(
        desk.count("select count(*) from intake.mail_part where object is not null or as_sent is not null").await,
        0
    );
    assert!(desk.mail(mail).await.known.is_some(), "the letter stays");
    assert_eq!(desk.count("select count(*) from intake.mail_part where destroyed_why is not null").await, 1);
    let all = desk.everything().await;
    assert!(!MARKERS.iter().any(|marker| all.contains(marker)), "the reasons are sealed");
    desk.close().await;
}

/// Duties row 15, for what people wrote: nothing of it can be read when the case is erased.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_case_takes_its_mails_along() {
    let desk = Desk::open().await;
    with_console_key(&desk);
    let someone = Someone::new(Kind::Disclosure);
    let case = desk.request_of(&someone).await;
    let (mail, other) = (desk.bring(LETTER.as_bytes()).await, desk.bring(b"From: b@example.test\n\nother\n").await);
    desk.read(mail).await;
    let settle = |mail| desk.order(SettleMail { id: mail, outcome: MailOutcome::Case, case: Some(case) });
    assert_eq!(word(&settle(mail).await), "settled");
    assert_eq!(word(&desk.order(Withdraw { case }).await), "withdrawn");
    assert_eq!(word(&desk.order(EraseCase { case }).await), "erased");
    let detail = desk.mail(mail).await;
    assert!(detail.known.is_none() && detail.digest.0 != [0; 32] && detail.files.len() == 1);
    assert_eq!(word(&settle(other).await), "case-erased");
    assert!(desk.mail(other).await.known.is_some(), "another mail stays");
    for gone in [
        "select count(*) from intake.mail where case_id is not null and (sealed is not null or skeleton is not null or erased_at is null)",
        "select count(*) from intake.mail_part where object is not null",
    ] {
        assert_eq!(desk.count(gone).await, 0, "{gone}");
    }
    let mut keys = desk.house.keys_admin().await;
    let tombstones = "select count(*) from intake.wrapped_key where wrapped is null and class = 'correspondence'";
    let n: i64 = sqlx::query_scalar(tombstones).fetch_one(&mut keys).await.unwrap();
    assert_eq!(n, 2, "the mail's key and its file's");
    desk.close().await;
}

fn samples() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples/mail");
    let groups = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|group| group.path().is_dir());
    let files = groups.flat_map(|group| std::fs::read_dir(group.path()).unwrap().flatten());
    let mails = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "eml"));
    mails.map(|path| std::fs::read(path).unwrap()).collect()
}

/// Every mail of the corpus ends somewhere, and is counted there.
#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_mails_ends_in_letters_bounces_and_quarantine() {
    let samples = samples();
    if samples.is_empty() {
        return;
    }
    let desk = Desk::open().await;
    with_console_key(&desk);
    for raw in &samples {
        desk.bring(raw).await;
    }
    desk.counts("select count(*) from door.filing", 0).await;
    desk.counts("select count(*) from intake.mail where state = 'arrived'", 0).await;
    let counts: BTreeMap<MailState, i64> =
        ask(&desk, "console", &ListMails::default()).await.counts.into_iter().collect();
    assert_eq!(counts.values().sum::<i64>(), samples.len() as i64, "{counts:?}");
    assert!(counts[&MailState::Triage] >= 19 && counts[&MailState::Bounce] >= 28, "{counts:?}");
    assert!(counts[&MailState::Automatic] >= 3 && counts[&MailState::Feedback] >= 1, "{counts:?}");
    // Two of the carriers' mails have one Message-ID and two texts.
    let only_conflicts =
        "select count(*) from intake.mail where state = 'quarantine' and reason <> 'message-id-reused'";
    assert_eq!(desk.count(only_conflicts).await, 0, "{counts:?}");
    desk.close().await;
}

/// A file that a dying door left is swept; one that a mail or a waiting filing may name is not.
#[tokio::test(flavor = "multi_thread")]
async fn sealed_files_of_nobody_are_swept() {
    let desk = Desk::held("2026-06-01T00:00:00Z").await;
    with_console_key(&desk);
    let old = ObjectId(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000, 0)));
    desk.inbound_files().put(old, vec![1]).await.unwrap();
    let persons = intake::persons(&desk.rt, desk.rt.bus(contracts::Service::Intake).await.unwrap()).await.unwrap();
    let bus = desk.rt.bus(contracts::Service::Intake).await.unwrap();
    let settings: intake::config::Settings = desk.rt.section("intake").unwrap();
    let mails = intake::mail::reader::Mails::new(bus, persons, desk.inbound_files(), &settings.mail, "").unwrap();
    let parked = desk.put(b"not a filing").await;
    desk.counts("select count(*) from door.filing where state = 'parked'", 1).await;
    let later = desk.house.clock.now() + jiff::SignedDuration::from_hours(1);
    desk.house.clock.set(later);
    assert_eq!(mails.sweep_once().await.unwrap(), 0, "a parked filing may name it");
    sqlx::query("delete from door.filing where id = $1").bind(parked).execute(&desk.admin).await.unwrap();
    assert_eq!(mails.sweep_once().await.unwrap(), 1);
    assert!(desk.inbound_files().get(old).await.is_err());
    desk.close().await;
}
