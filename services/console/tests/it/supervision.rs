//! 監督: the page shows what is known of a recipient, and each form is an order whose words leave the console sealed.

use crate::{desk::Desk, orders::other_end};
use contracts::{
    CaseId, Code, IncidentItem, InstructionId, Measure, RecipientId, RecipientKind, Service, Timestamp, Transport,
    Uuid,
    duty::*,
    register::{RecipientReply, RecipientView, ShowRecipient},
    request::{RecipientRow, Request, StaffCommand, StaffReply},
};
use privacy::Purpose;

const WHY: &str = "told by telephone";

fn row(recipient: RecipientId, kind: RecipientKind) -> RecipientRow {
    RecipientRow {
        recipient,
        label: Code::of("contractor-a"),
        kind,
        transport: Transport::Pull,
        last: 3,
        open: 1,
        oldest_open: None,
        status: Code::of("in-force"),
        overdue: 0,
        missing: vec![],
    }
}

fn bytes(reply: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_acts_clocks_and_what_is_not_stated_and_has_room_for_an_erasure_of_many_systems() {
    let desk = Desk::start(&[]).await;
    let browser = desk.signed_in().await;
    let (recipient, erase) = (RecipientId::new(), InstructionId(Uuid::now_v7()));
    let at: Timestamp = "2026-06-01T00:30:00Z".parse().unwrap();
    let view = RecipientView {
        row: row(recipient, RecipientKind::Contractor),
        certification: None,
        contract: None,
        endpoints: vec![],
        report_keys: vec![],
        sealing_key: Code::of("k-1"),
        desk_key: contracts::Sealed(vec![]),
        parked: 0,
        contact: None,
        owed: vec![(erase, Measure::Erase, at, at), (InstructionId(Uuid::nil()), Measure::Stop, at, at)],
    };
    let audit = Act::Audit {
        on: "2026-05-01".parse().unwrap(),
        by: Code::of("inspector-a"),
        findings: vec![Code::of("camera")],
        next_due: "2026-05-20".parse().unwrap(),
    };
    let incident = ProcessorIncident {
        incident: Uuid::now_v7(),
        recipient,
        number: Code::of("inc-7"),
        known_at: at,
        reached_at: at,
        told: vec![],
        stated: vec![IncidentItem::Cause],
        unknown: vec![IncidentItem::Summary],
        first_due: "2026-06-04".parse().unwrap(),
        full_due: "2026-06-30".parse().unwrap(),
    };
    let complaint = ComplaintRow {
        complaint: Uuid::now_v7(),
        case: CaseId::new(),
        recipient,
        at,
        due: at,
        overdue: true,
        missing: vec![Code::of("cause"), Code::of("measures"), Code::of("person-told")],
    };
    let supervision = Supervision {
        acts: vec![(at, audit)],
        open: vec![Code::of("camera")],
        overdue: vec![(Code::of("audit"), "2026-05-20".parse().unwrap())],
        confirmed: (7, 2, 1),
        samples: (4, 3),
        incidents: vec![incident],
        complaints: vec![complaint.clone()],
    };
    let found = bytes(&RecipientReply::Found(Box::new(view)));
    let twice = |reply: Vec<u8>| vec![reply.clone(), reply];
    let _answers = (
        other_end(&desk, Service::OptOut, ShowRecipient::ENTRY.subject(), twice(found)).await,
        other_end(&desk, Service::OptOut, ShowSupervision::ENTRY.subject(), twice(bytes(&supervision))).await,
    );
    let page = browser.get(&format!("/recipients/{recipient}/supervision")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in [
        "inspector-a: camera",
        "Audit: overdue since 2026-05-20",
        "<dd>3 / 4</dd>",
        "inc-7",
        "2026-06-30",
        "Two different people enter exactly the same",
        &format!("<option value=\"{erase}\">"),
        &format!("value=\"{}\"", complaint.complaint),
        "id=\"system-3\"",
    ] {
        page.has(text);
    }
    for text in ["id=\"system-4\"", &format!("<option value=\"{}\">", Uuid::nil()), "value=\"scale\""] {
        assert!(!page.body.contains(text), "{text}");
    }
    let page = browser.get(&format!("/recipients/{recipient}/supervision?systems=900")).await;
    page.has("id=\"system-64\"");
    assert!(!page.body.contains("id=\"system-65\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_told_by_telephone_leaves_sealed_and_a_form_that_lacks_something_says_what() {
    let desk = Desk::start(&[]).await;
    let key = desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let recipient = Uuid::now_v7();
    let csrf = browser.get("/cases").await.csrf();
    let done = bytes(&StaffReply::Done { machine: recipient, status: Code::of("incident-open"), figures: vec![] });
    let subject = <StaffCommand<RecordIncident> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![done]).await;
    let token = Uuid::now_v7().to_string();
    let post = async |order: &str, own: &[(&str, &str)]| {
        let head = [("csrf", csrf.as_str()), ("token", token.as_str()), ("why", WHY)];
        browser.post(&format!("/recipients/{recipient}/supervision/{order}"), &[&head[..], own].concat()).await
    };
    let good = [("number", "inc-7"), ("known", "2026-06-01"), ("stated", "cause"), ("statement", "設定の誤り")];
    let page = post("incident", &good).await;
    assert_eq!(page.status, 200, "{}", page.body);
    page.has("The incident is open.");
    let raw = sent.recv().await.unwrap();
    assert!(!String::from_utf8_lossy(&raw).contains("設定"), "the words cross NATS sealed only");
    let command: StaffCommand<RecordIncident> = serde_json::from_slice(&raw).unwrap();
    assert_eq!((command.order.recipient.0, command.token.to_string()), (recipient, token.clone()));
    assert_eq!(command.order.known_at.to_string(), "2026-05-31T15:00:00Z", "that day began then in Japan");
    assert_eq!(command.order.stated, [IncidentItem::Cause]);
    let words = key.open(command.token.as_bytes(), &command.order.statement.0).unwrap();
    assert_eq!(words.disclose(Purpose::ShowToStaff), "設定の誤り".as_bytes());

    let paper = [("items-1", "claim"), ("method-1", "overwritten"), ("no-backups-1", "yes"), ("kept-1", "none-held")];
    for (order, own, text) in [
        ("incident", &good[..1], "Give the day."),
        ("audit", &[("on", "2026-06-01"), ("next_due", "2027-06-01"), ("by", "Mr Smith")][..], "Write codes of"),
        ("attest-erasure", &[("outcome", "applied")][..], "Give at least one system"),
        ("attest-erasure", &paper[..], "The system&#39;s code is missing"),
        ("attest-erasure", &[("system-1", "warehouse")][..], "one of the two for each system"),
    ] {
        let page = post(order, own).await;
        assert_eq!(page.status, 422, "{order}");
        page.has(text);
    }
    assert_eq!(post("dismiss", &[]).await.status, 404);
    let forged = [("csrf", "x"), ("token", token.as_str()), ("why", WHY)];
    let page = browser.post(&format!("/recipients/{recipient}/supervision/audit"), &forged).await;
    assert_eq!(page.status, 403);
    assert!(sent.try_recv().is_err(), "nothing else was sent");
}
