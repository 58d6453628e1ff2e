//! 再委託 (Act art. 24): what travels to the contractor above, what comes back through it, and who waits for whom.

use crate::desk::{Desk, certification, refused};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, StatusCode, Uri},
    routing::post,
};
use contracts::{
    Code, EntryId, InstructionId, RecipientId, RecipientKind, ReportOutcome, StaffId, Timestamp, Transport,
    recipient::{Report, ReportAnswer, ReportStage, SignedReport},
    register::{
        AttestReport, Certification, Certify, ChangeEndpoint, EntryReply, ResumeRecipient, ShowEntry, SuspendRecipient,
    },
    request::{RegisterRecipient, StaffReply},
};
use recipient_kit::{
    RecipientKeys, apply,
    carried::carry,
    client::{Client, anywhere},
    digest_of,
    http::HttpDesk,
    identifiers, pull, report,
    send::SendsReports,
    webhook::Headers,
};
use tokio::sync::mpsc;

struct Tier {
    me: RecipientId,
    keys: RecipientKeys,
    http: HttpDesk,
    base: String,
}

fn ok(reply: &StaffReply) {
    assert!(matches!(reply, StaffReply::Done { .. }), "{reply:?}");
}

impl Desk {
    fn new_tier(&self, label: &str, above: Option<RecipientId>) -> (RegisterRecipient, RecipientKeys) {
        let keys = RecipientKeys::random().unwrap();
        let mut order = self.by_webhook(label, &keys, "http://127.0.0.1:9/");
        (order.transport, order.url) = (Transport::Pull, None);
        if let Some(parent) = above {
            let permitted_on = Some("2025-05-01".parse().unwrap());
            order.certification = Some(Certification { parent: Some(parent), permitted_on, ..certification() });
            (order.kind, order.transport) = (RecipientKind::SubContractor, Transport::ThroughParent);
        }
        (order, keys)
    }
    fn is(&self, order: &RegisterRecipient, keys: RecipientKeys) -> Tier {
        let base = format!("http://{}", self.partner.unwrap());
        Tier { me: order.recipient, keys, http: HttpDesk::new(&base).unwrap(), base }
    }
    async fn tier(&self, label: &str, above: Option<RecipientId>) -> Tier {
        let (order, keys) = self.new_tier(label, above);
        ok(&self.register(order.clone()).await);
        self.is(&order, keys)
    }
    async fn stage(&self, instruction: InstructionId) -> String {
        sqlx::query_scalar("select state ->> 'status' from instruction where id = $1")
            .bind(instruction.0)
            .fetch_one(self.bus.db().pool())
            .await
            .unwrap()
    }
    async fn stands(&self, instruction: InstructionId, wanted: &str) {
        testkit::eventually(wanted, || async {
            let stage = self.stage(instruction).await;
            if stage == wanted { Ok(()) } else { Err(stage) }
        })
        .await;
    }
    async fn waits_for(&self, entry: EntryId, label: &str) -> Vec<String> {
        let EntryReply::Found(detail) = self.ask(&ShowEntry { entry }).await else { panic!() };
        let answer = detail.answers.into_iter().find(|a| a.label.as_str() == label).unwrap();
        answer.waits_for.iter().map(Code::to_string).collect()
    }
}

impl Tier {
    async fn get(&self, path: &str) -> (StatusCode, Vec<Vec<u8>>) {
        let now = Timestamp::now().as_second().try_into().unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in pull::sign(&self.keys.signing, self.me, now, "GET", path) {
            headers.insert(name, value.parse().unwrap());
        }
        let client = Client::new(std::time::Duration::from_secs(30), anywhere).unwrap();
        let uri: Uri = format!("{}{path}", self.base).parse().unwrap();
        let (status, _, body) = client.fetch(Method::GET, &uri, headers, vec![], 1 << 20).await.unwrap();
        let all: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(&body).unwrap_or_default();
        (status, all.into_iter().map(|one| one.get().as_bytes().to_vec()).collect())
    }
    /// Its own feed, or that of one below.
    async fn feed(&self, of: Option<&Tier>, wanted: usize) -> Vec<Vec<u8>> {
        let of = of.map_or(String::new(), |tier| format!("&of={}", tier.me));
        testkit::eventually("the feed has them", || async {
            let (status, bodies) = self.get(&format!("/partner/v1/instructions?after=0.0{of}")).await;
            assert_eq!(status, StatusCode::OK);
            if bodies.len() == wanted { Ok(bodies) } else { Err(bodies.len()) }
        })
        .await
    }
    fn says(&self, body: &[u8], outcome: ReportOutcome) -> SignedReport {
        let report = Report {
            instruction: apply::parse(body).unwrap().id,
            recipient: self.me,
            digest: digest_of(body),
            stage: ReportStage::Reported { outcome, ground: None },
            time: Timestamp::now(),
            book_entry: None,
            erasures: vec![],
        };
        report::sign(&report, &self.keys.signing)
    }
    fn carries(&self, report: &SignedReport) -> SignedReport {
        carry(self.me, report, &self.keys.signing).unwrap()
    }
    async fn sends(&self, report: &SignedReport) -> String {
        match self.http.send(report).await.unwrap() {
            ReportAnswer::Accepted { .. } => "accepted".into(),
            ReportAnswer::Refused { reason } => reason.to_string(),
            ReportAnswer::Unavailable => "unavailable".into(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sub_contractors_report_comes_through_the_contractor_above_which_waits_for_it() {
    let desk = Desk::serving().await;
    let (a, b) = (desk.tier("a", None).await, desk.tier("b", None).await);
    let (one, two) = (desk.tier("a-one", Some(a.me)).await, desk.tier("a-two", Some(a.me)).await);
    let entry = desk.stop("ヤマダ").await;
    // The contractor above sees its own, and what travels through it; siblings and others see nothing of it.
    let own = a.feed(None, 1).await.remove(0);
    let of_one = a.feed(Some(&one), 1).await.remove(0);
    let of_two = a.feed(Some(&two), 1).await.remove(0);
    for (who, of) in [(&one, &two), (&b, &one), (&two, &a), (&a, &b)] {
        let (status, bodies) = who.get(&format!("/partner/v1/instructions?of={}", of.me)).await;
        assert_eq!((status, bodies.len()), (StatusCode::FORBIDDEN, 0));
    }
    let instruction = apply::parse(&of_one).unwrap();
    assert_eq!((instruction.data.audience, instruction.data.position), (one.me, 1));
    assert!(
        identifiers::open(&a.keys, instruction.id, &instruction.data.person).is_err(),
        "it carries and cannot read"
    );
    assert!(identifiers::open(&one.keys, instruction.id, &instruction.data.person).is_ok());
    let id = |body: &[u8]| apply::parse(body).unwrap().id;
    // A is done. It does not close: those below have not said anything, and it is shown who.
    assert_eq!(a.sends(&a.says(&own, ReportOutcome::Applied)).await, "accepted");
    assert_eq!(desk.stage(id(&own)).await, "reported");
    assert_eq!(desk.waits_for(entry, "a").await, ["a-one", "a-two"]);
    assert_eq!(desk.count("select count(*) from task").await, 0, "it waits for them, not for us");
    // Neither the one above alone, nor the one below directly, nor another contractor.
    let report = one.says(&of_one, ReportOutcome::Applied);
    assert_eq!(a.sends(&a.says(&of_one, ReportOutcome::Applied)).await, "not-yours");
    assert_eq!(a.sends(&a.carries(&a.says(&of_one, ReportOutcome::Applied))).await, "not-yours");
    assert_eq!(one.sends(&report).await, "comes-through-the-parent");
    assert_eq!(b.sends(&b.carries(&report)).await, "not-yours");
    let swapped = two.says(&of_one, ReportOutcome::Applied);
    assert_eq!(a.sends(&a.carries(&swapped)).await, "not-yours", "another sub-contractor speaks for it");
    let by_b_as_a = carry(a.me, &report, &b.keys.signing).unwrap();
    assert_eq!(b.sends(&by_b_as_a).await, "not-yours");
    let mut broken = report.as_str().to_owned();
    broken.replace_range(
        broken.len() - 6..broken.len() - 5,
        if broken.as_bytes()[broken.len() - 6] == b'A' { "B" } else { "A" },
    );
    let broken = SignedReport::new(&broken).unwrap();
    assert_eq!(a.sends(&a.carries(&broken)).await, "bad-signature");
    assert_eq!(desk.stage(id(&of_one)).await, "issued");
    // Both signatures: it is the sub-contractor's outcome. Again: the same answer, and nothing twice.
    let carried = a.carries(&report);
    for _ in 0..2 {
        assert_eq!(a.sends(&carried).await, "accepted");
    }
    assert_eq!(desk.stage(id(&of_one)).await, "settled");
    assert_eq!(desk.count("select count(*) from carried_report c join report r on sha256(r.body) = c.digest").await, 1);
    assert_eq!(desk.waits_for(entry, "a").await, ["a-two"]);
    assert_eq!(desk.stage(id(&own)).await, "reported");
    // The other one has no working key: two people read its paper.
    for staff in [StaffId::new(), StaffId::new()] {
        let order = AttestReport { instruction: id(&of_two), outcome: ReportOutcome::NoDataHeld, ground: None };
        ok(&desk.order(staff, order).await);
    }
    desk.stands(id(&own), "settled").await;
    assert!(desk.waits_for(entry, "a").await.is_empty());
    let by_itself = "select count(*) from issued i join recipient r on r.id = i.recipient
                      where r.label = 'a' and i.confirmed_by = 'automatic'";
    assert_eq!(desk.count(by_itself).await, 1);
    let of_b = b.feed(None, 1).await.remove(0);
    assert_eq!(b.sends(&b.says(&of_b, ReportOutcome::Applied)).await, "accepted");
    assert_eq!(desk.confirmed(entry).await, 4);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tiers_carry_for_tiers_and_each_signs() {
    let desk = Desk::serving().await;
    let top = desk.tier("top", None).await;
    let middle = desk.tier("middle", Some(top.me)).await;
    let bottom = desk.tier("bottom", Some(middle.me)).await;
    desk.stop("ヤマダ").await;
    // It travels to the first above that is reached by itself.
    let body = top.feed(Some(&bottom), 1).await.remove(0);
    let (status, _) = middle.get(&format!("/partner/v1/instructions?of={}", bottom.me)).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "the middle tier gets it from above");
    let report = bottom.says(&body, ReportOutcome::Applied);
    assert_eq!(top.sends(&top.carries(&report)).await, "not-yours", "a tier is left out");
    assert_eq!(middle.sends(&middle.carries(&report)).await, "comes-through-the-parent", "as it went, so it comes");
    assert_eq!(top.sends(&top.carries(&middle.carries(&report))).await, "accepted");
    let id = apply::parse(&body).unwrap().id;
    assert_eq!(desk.stage(id).await, "settled");
    // A circle of tiers is no tier; who travels so does not move elsewhere under way; nobody above, no way.
    let place =
        Certification { parent: Some(top.me), permitted_on: Some("2025-05-01".parse().unwrap()), ..certification() };
    let moved = desk.order(StaffId::new(), Certify { recipient: bottom.me, certification: place }).await;
    assert_eq!(refused(&moved), Some(&Code::of("travels-through-the-one-above")));
    let (mut order, _) = desk.new_tier("nobody", Some(top.me));
    order.certification = Some(certification());
    assert_eq!(refused(&desk.register(order.clone()).await), Some(&Code::of("nobody-above-carries")));
    order.kind = RecipientKind::Contractor;
    assert_eq!(refused(&desk.register(order).await), Some(&Code::of("only-sub-contractors-have-one-above")));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// A webhook that keeps what it gets.
async fn webhook() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: Bytes| {
        let sender = sender.clone();
        async move {
            let _ = sender.send((headers, body));
            StatusCode::NO_CONTENT
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    (url, receiver)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_a_sub_contractor_is_pushed_to_the_contractor_above_and_follows_it() {
    let desk = Desk::serving().await;
    let (url, mut came) = webhook().await;
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook("above", &keys, &url);
    ok(&desk.register(order.clone()).await);
    let above = desk.is(&order, keys);
    let below = desk.tier("below", Some(above.me)).await;
    desk.stop("ヤマダ").await;
    let verifier = desk.verifier(above.me);
    let mut audiences = vec![];
    while audiences.len() < 2 {
        let (headers, body) = came.recv().await.unwrap();
        let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let signed = Headers {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signature: text("webhook-signature"),
        };
        let now = Timestamp::now().as_second().try_into().unwrap();
        verifier.verify(&signed, &body, now, 300).expect("signed with the keys of who carries");
        let audience = apply::parse(&body).unwrap().data.audience;
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
    }
    audiences.sort();
    let mut both = [above.me, below.me];
    both.sort();
    assert_eq!(audiences, both);
    // Suspended above: nothing goes there, not even for those below. What was stopped meanwhile comes afterwards.
    let staff = StaffId::new();
    ok(&desk.order(staff, SuspendRecipient { recipient: above.me }).await);
    desk.stop("スズキ").await;
    desk.issued(below.me, 2).await;
    let me = contracts::Uuid::now_v7();
    let taken = opt_out_propagation::engine::take(desk.bus.db(), me, 0, std::time::Duration::from_secs(1)).await;
    assert!(taken.unwrap().is_empty(), "nobody delivers to either");
    ok(&desk.order(staff, ResumeRecipient { recipient: above.me }).await);
    let second = |body: &Bytes| apply::parse(body).unwrap().data.position == 2;
    let mut after = vec![];
    while after.len() < 2 {
        let (_, body) = came.recv().await.unwrap();
        let audience = apply::parse(&body).unwrap().data.audience;
        if second(&body) && !after.contains(&audience) {
            after.push(audience);
        }
    }
    // The contractor above has another endpoint: what it owes, and what those below owe through it, goes there anew.
    let (url, mut there) = webhook().await;
    let change = ChangeEndpoint {
        recipient: above.me,
        transport: Transport::Webhook,
        url: Some(desk.sealed(above.me.0, &url)),
        nats_user: None,
        nats_account: None,
    };
    ok(&desk.order(staff, change).await);
    let mut anew = std::collections::BTreeMap::new();
    while anew.values().sum::<u32>() < 4 {
        let (_, body) = there.recv().await.unwrap();
        let data = apply::parse(&body).unwrap().data;
        assert!(data.position > 2, "another instruction in the place of the old one");
        anew.entry((data.audience, data.position)).or_insert(1);
    }
    assert_eq!(desk.count("select count(*) from reissue where new is not null").await, 4);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

impl Desk {
    async fn issued(&self, recipient: RecipientId, last: i64) {
        testkit::eventually("it is issued", || async {
            let row = self.recipients().await.into_iter().find(|r| r.recipient == recipient).unwrap();
            if row.last == last { Ok(()) } else { Err(row.last) }
        })
        .await;
    }
}
