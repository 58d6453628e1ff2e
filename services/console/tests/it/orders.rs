//! Orders on the wire: who, why (sealed), token, and what becomes of the answer.

use crate::{desk::Desk, story};
use console::{By, CommandError};
use contracts::{
    CaseId, Code, Service, StaffId, Uuid,
    request::{
        ConfirmIdentity, ParkedChoice, ParkedReply, ParkedRow, RegisterRecipient, Request, StaffCommand, StaffReply,
    },
};
use futures::StreamExt;
use privacy::Purpose;
use testkit::eventually;
use tokio::sync::mpsc;

const WHY: &str = "the photograph shows the person";

/// The other end of one subject: gives each request to the test and sends the reply that the test decided on before.
pub async fn other_end(
    desk: &Desk,
    service: Service,
    subject: String,
    replies: Vec<Vec<u8>>,
) -> mpsc::UnboundedReceiver<Vec<u8>> {
    let client = desk.rt.nats(service.token()).await.unwrap();
    let mut requests = client.queue_subscribe(subject, service.token().to_owned()).await.unwrap();
    client.flush().await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for reply in replies {
            let Some(request) = requests.next().await else { return };
            let _ = sender.send(request.payload.to_vec());
            client.publish(request.reply.unwrap(), reply.into()).await.unwrap();
            client.flush().await.unwrap();
        }
    });
    receiver
}

fn done(machine: Uuid, status: &'static str) -> Vec<u8> {
    serde_json::to_vec(&StaffReply::Done { machine, status: Code::of(status), figures: vec![] }).unwrap()
}

fn refused(reason: &'static str) -> Vec<u8> {
    serde_json::to_vec(&StaffReply::Refused { reason: Code::of(reason), at: None }).unwrap()
}

/// A case whose person is to be proved.
async fn a_case(desk: &Desk) -> CaseId {
    let case = CaseId(Uuid::now_v7());
    for (seq, machine, message) in story::disclosure(case).into_iter().take(2) {
        desk.say(seq, machine, &message).await;
    }
    case
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_out_sealed_and_its_answer_is_shown() {
    let desk = Desk::start(&[]).await;
    let key = desk.key(Service::Identity);
    let browser = desk.signed_in().await;
    let case = a_case(&desk).await;
    let path = format!("/cases/{case}/order/confirm-identity");
    let page = eventually("the case is there", || async {
        let page = browser.get(&format!("/cases/{case}")).await;
        if page.body.contains(&path) { Ok(page) } else { Err(page.status) }
    })
    .await;
    let subject = <StaffCommand<ConfirmIdentity> as Request>::ENTRY.subject();
    let mut sent =
        other_end(&desk, Service::Identity, subject, vec![done(case.0, "confirmed"), refused("missing-photo-id")])
            .await;
    let (csrf, token) = (page.csrf(), page.hidden("token"));
    let form = [
        ("csrf", csrf.as_str()),
        ("token", &token),
        ("papers", "drivers-licence"),
        ("papers", "residence-record"),
        ("why", WHY),
    ];
    let answer = browser.post(&path, &form).await;
    assert_eq!(answer.status, 200);
    answer.has("The identity is confirmed.");

    let bytes = sent.recv().await.unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("photograph"), "the why crosses NATS sealed only");
    let command: StaffCommand<ConfirmIdentity> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((command.order.case, command.token.to_string()), (case, token.clone()));
    assert_eq!(command.order.papers, [Code::of("drivers-licence"), Code::of("residence-record")]);
    let who: Uuid = desk.one("select id from console.staff where login = 'admin'").await;
    assert_eq!(command.staff, StaffId(who));
    let why = key.open(command.token.as_bytes(), &command.why.0).unwrap();
    assert_eq!(why.disclose(Purpose::ShowToStaff), WHY.as_bytes());

    let answer = browser.post(&path, &form).await;
    assert_eq!(answer.status, 422);
    answer.has("These papers are missing: An identity paper with a photograph");
    answer.has("Nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_reason_or_an_answer_nothing_is_done_and_the_page_says_so() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::Intake);
    let browser = desk.signed_in().await;
    let csrf = browser.get("/cases").await.csrf();
    let (case, token) = (Uuid::now_v7(), Uuid::now_v7().to_string());
    let path = format!("/cases/{case}/order/withdraw");
    let silent = browser.post(&path, &[("csrf", &csrf), ("token", &token), ("why", "   ")]).await;
    assert_eq!(silent.status, 422);
    silent.has("Why");
    let long = "x".repeat(2_001);
    assert_eq!(browser.post(&path, &[("csrf", &csrf), ("token", &token), ("why", &long)]).await.status, 422);
    let unsure = format!("/cases/{case}/order/erase");
    assert_eq!(browser.post(&unsure, &[("csrf", &csrf), ("token", &token), ("why", WHY)]).await.status, 422);

    let away = browser.post(&path, &[("csrf", &csrf), ("token", &token), ("why", WHY)]).await;
    assert_eq!(away.status, 503);
    away.has("The service &#34;Intake&#34; does not answer");
    assert_eq!(away.hidden("token"), token, "sent again, it is the same order");
    // No key of that service yet: nothing leaves, and no path of this machine is shown.
    let no_key = browser
        .post(
            &format!("/cases/{case}/order/decide"),
            &[("csrf", &csrf), ("token", &token), ("why", WHY), ("outcome", "full"), ("ground", "appi-33-2")],
        )
        .await;
    assert_eq!(no_key.status, 503);
    assert!(!no_key.body.contains(".pub") && !no_key.body.contains("/tmp"));
    assert_eq!(browser.post(&format!("/cases/{case}/order/close"), &[("csrf", &csrf)]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_gets_its_account_from_the_steward() {
    let desk = Desk::start(&[]).await;
    let optout = desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let csrf = browser.get("/cases").await.csrf();
    let (user, account) = (format!("U{}", "A".repeat(55)), format!("A{}", "B".repeat(55)));
    let admitted = console::command::Admitted { account: account.clone(), user_jwt: "a.user.jwt".into() };
    let steward = desk.rt.nats("steward").await.unwrap();
    let mut asked = steward.subscribe(console::command::ADMIT).await.unwrap();
    steward.flush().await.unwrap();
    tokio::spawn(async move {
        let request = asked.next().await.unwrap();
        let ask: console::command::Admit = serde_json::from_slice(&request.payload).unwrap();
        assert!(ask.user.starts_with('U'));
        steward.publish(request.reply.unwrap(), serde_json::to_vec(&admitted).unwrap().into()).await.unwrap();
        steward.flush().await.unwrap();
    });
    let subject = <StaffCommand<RegisterRecipient> as Request>::ENTRY.subject();
    let mut sent =
        other_end(&desk, Service::OptOut, subject, vec![done(Uuid::nil(), "registered"), refused("label-taken")]).await;
    let (token, key) = (Uuid::now_v7().to_string(), contracts_key());
    let mut form = vec![
        ("csrf", csrf.as_str()),
        ("token", &token),
        ("why", WHY),
        ("label", "example-centre"),
        ("kind", "contractor"),
        ("transport", "nats"),
        ("nats_user", &user),
        ("report_key", &key),
        ("sealing_key", &key),
    ];
    let answer = browser.post("/recipients", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.has("a.user.jwt");
    let order: StaffCommand<RegisterRecipient> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!(order.order.nats_account.unwrap().as_str(), account);
    assert_eq!(order.order.report_key.0, [9; 32]);

    form.retain(|(n, _)| *n != "transport" && *n != "nats_user");
    form.extend([("transport", "webhook"), ("url", "https://contractor.example/secret-path")]);
    let answer = browser.post("/recipients", &form).await;
    answer.has("This short name is taken.");
    let bytes = sent.recv().await.unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("secret-path"));
    let order: StaffCommand<RegisterRecipient> = serde_json::from_slice(&bytes).unwrap();
    let url = optout.open(order.order.recipient.0.as_bytes(), &order.order.url.unwrap().0).unwrap();
    assert_eq!(url.disclose(Purpose::ShowToStaff), b"https://contractor.example/secret-path");
}

fn contracts_key() -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode([9; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_shown_and_a_person_chooses() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::Payment);
    let browser = desk.signed_in().await;
    let row = ParkedRow {
        id: Uuid::now_v7(),
        lane: Uuid::now_v7(),
        note: Code::of("wrong-speaker"),
        since: story::at(0),
        behind: 2,
    };
    let parked = serde_json::to_vec(&ParkedReply { rows: vec![row.clone()] }).unwrap();
    other_end(&desk, Service::Payment, "req.payment.parked".into(), vec![parked]).await;
    let page = browser.get("/parked").await;
    page.has("Said by the wrong speaker");
    page.has("waiting behind: 2");
    page.has("The service &#34;Intake&#34; does not answer");
    let mut sent = other_end(&desk, Service::Payment, "req.payment.drop".into(), vec![done(row.lane, "dropped")]).await;
    let form =
        [("csrf", page.csrf()), ("token", page.hidden("token")), ("id", row.id.to_string()), ("why", WHY.into())];
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
    browser.post("/parked/payment/drop", &form).await.has("It was dropped.");
    let order: StaffCommand<ParkedChoice> = serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!(order.order.id, row.id);
    // The console answers for its own inbox like every other service.
    assert!(desk.commands().await.parked(Service::Console).await.unwrap().rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_sends_what_the_pages_send() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::Identity);
    let commands = desk.commands().await;
    let (case, staff) = (CaseId(Uuid::now_v7()), StaffId(Uuid::now_v7()));
    let papers = vec![Code::of("drivers-licence")];
    let error = commands.confirm_identity(By::new(staff, WHY), case, papers.clone()).await.unwrap_err();
    assert!(matches!(error, CommandError::Away(Service::Identity)), "{error}");
    let error = commands.confirm_identity(By::new(staff, " "), case, papers.clone()).await.unwrap_err();
    assert!(matches!(error, CommandError::Words { field: "why", .. }), "{error}");
    let subject = <StaffCommand<ConfirmIdentity> as Request>::ENTRY.subject();
    other_end(&desk, Service::Identity, subject, vec![done(case.0, "confirmed")]).await;
    let reply = commands.confirm_identity(By::new(staff, WHY), case, papers).await.unwrap();
    assert!(matches!(reply, StaffReply::Done { .. }));
}

/// The alarm, what waits for staff, one recipient's page, and orders from it.
#[tokio::test(flavor = "multi_thread")]
async fn what_recipients_owe_is_shown_and_staff_deal_with_it() {
    let desk = Desk::start(&[]).await;
    desk.key(Service::OptOut);
    let browser = desk.signed_in().await;
    let (recipient, task) = (contracts::RecipientId(Uuid::now_v7()), Uuid::now_v7());
    let row = contracts::request::RecipientRow {
        recipient,
        label: Code::of("b"),
        kind: contracts::RecipientKind::Contractor,
        transport: contracts::Transport::Pull,
        last: 9,
        open: 5,
        oldest_open: Some(story::at(0)),
        status: Code::of("active"),
        overdue: 4,
        missing: vec![Code::of("contract")],
    };
    let list = contracts::request::RecipientList { recipients: vec![row.clone()] };
    let waiting = contracts::register::TaskRow {
        task,
        kind: Code::of("report"),
        recipient,
        label: Code::of("b"),
        instruction: Some(contracts::InstructionId(Uuid::now_v7())),
        entry: None,
        outcome: Some(contracts::ReportOutcome::Unreachable),
        ground: Some(Code::of("act-19-2")),
        since: story::at(1),
        due: story::at(2),
    };
    let tasks = contracts::register::TaskList { tasks: vec![waiting] };
    let json = |value: serde_json::Value| serde_json::to_vec(&value).unwrap();
    other_end(&desk, Service::OptOut, "req.optout.recipients".into(), vec![json(serde_json::json!(list))]).await;
    other_end(&desk, Service::OptOut, "req.optout.tasks".into(), vec![json(serde_json::json!(tasks))]).await;
    let page = browser.get("/recipients").await;
    page.has("b has 4 past due.");
    page.has("Already made and unreachable");
    page.has("(act-19-2)");
    let subject = <StaffCommand<contracts::register::CloseTask> as Request>::ENTRY.subject();
    let mut sent = other_end(&desk, Service::OptOut, subject, vec![done(task, "acted")]).await;
    let (csrf, token) = (page.csrf(), Uuid::now_v7().to_string());
    let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY)];
    browser.post(&format!("/tasks/{task}/send-back"), &form).await.has("The recipient has to report again.");
    let order: StaffCommand<contracts::register::CloseTask> =
        serde_json::from_slice(&sent.recv().await.unwrap()).unwrap();
    assert_eq!((order.order.task, order.order.accept), (task, false));

    let view = contracts::register::RecipientView {
        row,
        certification: None,
        contract: None,
        endpoints: vec![(1, contracts::Transport::Pull, false)],
        report_keys: vec![(Code::of("0011223344556677"), None)],
        sealing_key: Code::of("8899aabbccddeeff"),
        desk_key: contracts::Sealed::default(),
        contact: None,
        parked: 0,
        owed: vec![],
    };
    let found = contracts::register::RecipientReply::Found(Box::new(view));
    other_end(&desk, Service::OptOut, "req.optout.recipient".into(), vec![json(serde_json::json!(found))]).await;
    let page = browser.get(&format!("/recipients/{}", recipient.0)).await;
    page.has("lacks: contract");
    let subject = <StaffCommand<contracts::register::SuspendRecipient> as Request>::ENTRY.subject();
    other_end(&desk, Service::OptOut, subject, vec![done(recipient.0, "suspended")]).await;
    let token = Uuid::now_v7().to_string();
    let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY)];
    browser.post(&format!("/recipients/{}/suspend", recipient.0), &form).await.has("The recipient is suspended.");
    for (order, status, said) in [
        ("replay-recipient", "offered-again", "Everything after the last agreed position is offered again."),
        ("test-endpoint", "tested-again", "Another test event is sent."),
        ("set-contact", "contact-set", "The contact is recorded."),
    ] {
        let subject = format!("req.optout.{order}");
        let mut sent = other_end(&desk, Service::OptOut, subject, vec![done(recipient.0, status)]).await;
        let token = Uuid::now_v7().to_string();
        let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY), ("contact", "desk@example.jp")];
        browser.post(&format!("/recipients/{}/{order}", recipient.0), &form).await.has(said);
        let order = String::from_utf8(sent.recv().await.unwrap()).unwrap();
        assert!(order.contains(&recipient.0.to_string()) && !order.contains("example.jp"), "{order}");
    }
    // What cannot be taken back needs a second sign.
    let token = Uuid::now_v7().to_string();
    let form = [("csrf", csrf.as_str()), ("token", &token), ("why", WHY)];
    assert_eq!(browser.post(&format!("/recipients/{}/remove", recipient.0), &form).await.status, 422);
    assert_eq!(browser.post(&format!("/recipients/{}/befriend", recipient.0), &form).await.status, 404);
}
