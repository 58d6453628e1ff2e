use crate::{desk::Desk, story};
use contracts::{*, request::*};
use futures::StreamExt;

async fn forever(desk: &Desk, service: Service, subject: String, reply: Vec<u8>) {
    let client = desk.rt.nats(service.token()).await.unwrap();
    let mut requests = client.queue_subscribe(subject, service.token().to_owned()).await.unwrap();
    client.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(r) = requests.next().await {
            client.publish(r.reply.unwrap(), reply.clone().into()).await.unwrap();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn look() {
    let Ok(out) = std::env::var("LOOK") else { return };
    let desk = Desk::start(&[]).await;
    for s in Service::ALL { desk.key(*s); }
    let link = desk.link().await.unwrap();
    let browser = desk.signed_in().await;
    let mut cases = vec![];
    for n in 0..60u8 {
        let case = CaseId(Uuid::now_v7());
        let kind = Kind::ALL[n as usize % 9];
        let at = story::at(i64::from(n) * 333);
        let step = Step::ALL[n as usize % 6];
        desk.say(16, case.0, &intake::CaseOpened { case, receipt_number: story::number(n + 20), kind, track: kind.track(), capacity: Capacity::ALL[n as usize % 9], channel: Channel::ALL[n as usize % 5], language: Language::Ja, received_at: at }.into()).await;
        desk.say(17, case.0, &intake::CaseProgressed { case, step, since: at, due_at: (n % 4 != 0).then_some(at + jiff::SignedDuration::from_hours(24 * 140)), suit_from: None }.into()).await;
    }
    for f in 0..4 {
        let case = CaseId(Uuid::now_v7());
        cases.push(case);
        let mut facts = match f { 0 => story::disclosure(case), 1 => story::stop(case), 2 => story::disclosure(case).into_iter().take(5).collect(), _ => story::disclosure(case) };
        if f == 3 { facts.extend(story::decided(case)); }
        for (q, m, t) in &facts { desk.say(*q, *m, t).await; }
    }
    let row = |n: i64, label: &'static str, kind, transport, open| RecipientRow { recipient: RecipientId::derived(Uuid::nil(), &n.to_string()), label: Code::of(label), kind, transport, last: 41 + n, open, oldest_open: (open > 0).then(|| story::at(3)) };
    let list = RecipientList { recipients: vec![row(0, "nichii-data-centre", RecipientKind::Contractor, Transport::Nats, 0), row(1, "example-analytics-osaka", RecipientKind::SubContractor, Transport::Webhook, 3), row(2, "university-hospital-records", RecipientKind::Hospital, Transport::Webhook, 1)] };
    forever(&desk, Service::OptOut, "req.optout.recipients".into(), serde_json::to_vec(&list).unwrap()).await;
    let parked = ParkedReply { rows: vec![ParkedRow { id: Uuid::now_v7(), lane: Uuid::now_v7(), note: Code::of("too-early-for-a-day"), since: story::at(9), behind: 2 }, ParkedRow { id: Uuid::now_v7(), lane: Uuid::now_v7(), note: Code::of("brand-new-note"), since: story::at(99), behind: 0 }] };
    forever(&desk, Service::Payment, "req.payment.parked".into(), serde_json::to_vec(&parked).unwrap()).await;
    let empty = serde_json::to_vec(&ParkedReply { rows: vec![] }).unwrap();
    for s in ["intake", "identity", "fulfilment", "notification"] { forever(&desk, Service::by_token(s).unwrap(), format!("req.{s}.parked"), empty.clone()).await; }
    let history = HistoryReply { rows: vec![HistoryRow { version: 1, at: story::at(0), cause: Uuid::now_v7(), event: serde_json::json!({"event":"asked","ask":{"kind":"disclosure","track":"appi","capacity":"person","channel":"web","received_at":"2026-07-01T00:00:00Z"},"seq":16}) }, HistoryRow { version: 2, at: story::at(3), cause: Uuid::now_v7(), event: serde_json::json!({"event":"confirmed","papers":["drivers-licence","residence-record"],"rule":"self-by-one-photo","by":Uuid::now_v7()}) }] };
    forever(&desk, Service::Identity, "req.identity.history".into(), serde_json::to_vec(&history).unwrap()).await;
    let values = serde_json::json!({"name":"見本 花子","kana":"ミホン ハナコ","birth-date":"1980-04-05","sex":"female","address":"東京都千代田区霞が関一丁目1番1号 見本マンション1203号室","telephone":"03-0000-0000","mail":"hanako.mihon@example.jp","hospitals":["見本大学病院","例示クリニック"],"words":"2024年1月から12月までの診療の記録を、紙でいただきたいです。\n電話は平日の午後にお願いします。"});
    let sealed = privacy::seal_to(&desk.key(Service::Console).public(), cases[0].0.as_bytes(), values.to_string().as_bytes()).unwrap();
    forever(&desk, Service::Intake, "req.intake.disclose".into(), serde_json::to_vec(&DisclosedReply::Values { sealed }).unwrap()).await;
    let done = StaffReply::Done { machine: cases[0].0, status: Code::of("imported"), figures: vec![(Code::of("lines"), 12), (Code::of("fresh"), 12), (Code::of("matched"), 10), (Code::of("exceptions"), 2)] };
    forever(&desk, Service::Payment, "req.payment.import-statement".into(), serde_json::to_vec(&done).unwrap()).await;
    let refused = StaffReply::Refused { reason: Code::of("missing-photo-id"), at: Some(Code::of("record-3-column-20-amount")) };
    forever(&desk, Service::Identity, "req.identity.confirm".into(), serde_json::to_vec(&refused).unwrap()).await;
    let csrf = browser.get("/staff").await.csrf();
    browser.post("/staff", &[("csrf", &csrf), ("login", "yamada.hanako"), ("display", "山田 花子")]).await;
    let text = serde_json::json!({"base": desk.base, "cookie": browser.cookie("madoguchi-session"), "csrf": csrf, "cases": cases, "link": link, "token": Uuid::now_v7()});
    std::fs::write(&out, text.to_string()).unwrap();
    while std::path::Path::new(&out).exists() { tokio::time::sleep(std::time::Duration::from_millis(500)).await; }
}
