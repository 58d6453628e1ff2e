//! 日次照合: books are compared, differences are a task and are mended, silence is a task; and the way of a new recipient.

use crate::desk::{Desk, refused};
use axum::{Router, extract::State, http::StatusCode, routing::post};
use contracts::{
    EntryId, RecipientId, ReportOutcome, StaffId, Timestamp, Transport, Uuid,
    books::{BooksReply, BooksView, ReplayRecipient, ShowBooks},
    register::{ListTasks, TaskRow},
};
use opt_out_propagation::books::{self, task_id};
use recipient_kit::{
    ExampleContractor, RecipientKeys,
    books::{Books, pull, reconcile},
    http::{Compared, HttpDesk},
};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

struct Puller {
    contractor: Arc<ExampleContractor>,
    http: HttpDesk,
}

impl Puller {
    async fn registered(desk: &Desk, label: &str) -> Self {
        let keys = RecipientKeys::random().unwrap();
        let mut order = desk.by_webhook(label, &keys, "http://127.0.0.1:9/");
        (order.transport, order.url) = (Transport::Pull, None);
        assert_eq!(refused(&desk.register(order.clone()).await), None);
        let contractor = ExampleContractor::open(order.recipient, keys, None, ReportOutcome::Applied).unwrap();
        Self { contractor, http: HttpDesk::new(&format!("http://{}", desk.partner.unwrap())).unwrap() }
    }
    fn me(&self) -> RecipientId {
        self.contractor.me()
    }
    async fn pulls(&self, wanted: u64) {
        while self.contractor.counts().taken < wanted {
            pull(&self.contractor, &self.http, 5).await.unwrap();
        }
    }
    /// The same recipient after its disk was lost.
    fn without_memory(&self) -> Arc<ExampleContractor> {
        let keys = self.contractor.keys().clone();
        ExampleContractor::open(self.me(), keys, None, ReportOutcome::Applied).unwrap()
    }
}

async fn view(desk: &Desk, recipient: RecipientId) -> BooksView {
    match desk.ask(&ShowBooks { recipient }).await {
        BooksReply::Found(view) => *view,
        BooksReply::Unknown => panic!("unknown"),
    }
}

async fn tasks(desk: &Desk) -> Vec<(Uuid, String)> {
    let tasks: Vec<TaskRow> = desk.ask(&ListTasks {}).await.tasks;
    tasks.into_iter().map(|t| (t.task, t.kind.to_string())).collect()
}

/// A recipient that was registered after stops stood: snapshot, then live, then reconciled; what it compared is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_recipient_goes_from_snapshot_over_live_to_reconciled_and_every_comparison_is_kept() {
    let desk = Desk::serving().await;
    for kana in ["ヤマダ", "スズキ"] {
        let entry: EntryId = desk.stop(kana).await;
        desk.confirmed(entry).await;
    }
    let late = Puller::registered(&desk, "late").await;
    testkit::eventually("what stands is issued to it", || async {
        let seen = view(&desk, late.me()).await;
        if (seen.stage.as_str(), seen.backlog) == ("snapshot", 0) { Ok(()) } else { Err(seen) }
    })
    .await;
    late.pulls(2).await;
    let seen = view(&desk, late.me()).await;
    assert_eq!((seen.stage.as_str(), seen.acknowledged.map(|a| a.position)), ("live", Some(2)), "{seen:?}");
    assert_eq!(reconcile(&late.contractor, &late.http).await, Ok(Books::Agree));
    let seen = view(&desk, late.me()).await;
    assert_eq!((seen.stage.as_str(), seen.agreed.map(|a| a.0.position)), ("reconciled", Some(2)), "{seen:?}");
    assert_eq!(seen.compared.len(), 1);
    let kept = &seen.compared[0];
    assert_eq!((kept.their_entries, kept.our_entries, kept.their_digest == kept.our_digest), (Some(2), 2, true));
    // Evidence stays as it was written.
    let change = sqlx::query("update reconcile set agrees = false").execute(desk.bus.db().pool()).await;
    assert!(change.is_err());
    assert!(matches!(desk.ask(&ShowBooks { recipient: RecipientId::new() }).await, BooksReply::Unknown));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// A restored backup: the count differs, staff have a task, the recipient is offered what came after the last agreed position
/// and the snapshot, and the task ends by itself when the books agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_that_differ_are_a_task_until_they_are_mended() {
    let desk = Desk::serving().await;
    let who = Puller::registered(&desk, "forgetful").await;
    desk.stop("ヤマダ").await;
    who.pulls(1).await;
    assert_eq!(reconcile(&who.contractor, &who.http).await, Ok(Books::Agree));
    desk.stop("スズキ").await;
    desk.stop("タナカ").await;
    who.pulls(3).await;

    // Its books come from before the third: it has two entries and believes to be at the third position.
    let (bodies, cursor) = who.http.page(who.contractor.keys(), who.me(), "1.0").await.unwrap();
    let restored = who.without_memory();
    let mut ledger = restored.ledger();
    for body in &bodies[..2] {
        restored.take_blocking(body.clone()).await.unwrap();
        ledger.take(&recipient_kit::apply::parse(body).unwrap()).unwrap();
    }
    ledger.resume(1, 3);
    assert_eq!(ledger.cursor(), Some(cursor));
    let compared = who.http.compare(restored.keys(), who.me(), &ledger).await;
    assert_eq!(compared, Ok(Compared::Differ { replay: "/partner/v1/instructions?after=1.1".into() }));
    assert_eq!(tasks(&desk).await, [(task_id(who.me(), books::DIFFER), "books-differ".into())]);
    let seen = view(&desk, who.me()).await;
    assert_eq!(
        (seen.stage.as_str(), seen.compared[0].their_entries, seen.compared[0].our_entries),
        ("differs", Some(2), 3)
    );

    // What comes again mends it.
    let (again, _) = who.http.page(restored.keys(), who.me(), "1.1").await.unwrap();
    assert_eq!(again, bodies[1..]);
    restored.take_blocking(again[1].clone()).await.unwrap();
    assert_eq!(reconcile(&restored, &who.http).await, Ok(Books::Agree));
    assert_eq!(tasks(&desk).await, []);
    assert_eq!(view(&desk, who.me()).await.agreed.unwrap().0.position, 3);
    assert_eq!(desk.count("select count(*) from reconcile where not agrees").await, 1);

    // One that lost everything and lies about its position is caught by the count, and mended by the client alone.
    let empty = who.without_memory();
    empty.take_blocking(bodies[0].clone()).await.unwrap();
    assert_eq!(reconcile(&empty, &who.http).await, Ok(Books::Agree), "as of its own position it is right");
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

async fn counted(State(seen): State<Arc<AtomicU32>>) -> StatusCode {
    seen.fetch_add(1, Ordering::SeqCst);
    StatusCode::NO_CONTENT
}

/// Staff offer everything after the last agreed position again; the same bytes go to the endpoint once more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_offer_again_what_came_after_the_last_agreed_position() {
    let desk = Desk::serving().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicU32::new(0));
    let router = Router::new().route("/", post(counted)).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let keys = RecipientKeys::random().unwrap();
    let order = desk.by_webhook("webhook", &keys, &url);
    let me = order.recipient;
    assert_eq!(refused(&desk.register(order).await), None);
    desk.stop("ヤマダ").await;
    desk.stop("スズキ").await;
    testkit::eventually("both are delivered", || async {
        let done = desk.count("select count(*) from attempt where outcome = 'ok'").await;
        if done >= 2 { Ok(()) } else { Err(done) }
    })
    .await;
    // It takes both in over the feed too, and agrees on the first.
    let http = HttpDesk::new(&format!("http://{}", desk.partner.unwrap())).unwrap();
    let contractor = ExampleContractor::open(me, keys.clone(), None, ReportOutcome::Applied).unwrap();
    let (bodies, _) = http.page(&keys, me, "0.0").await.unwrap();
    contractor.take_blocking(bodies[0].clone()).await.unwrap();
    assert_eq!(reconcile(&contractor, &http).await, Ok(Books::Agree));
    let before = desk.count("select count(*) from attempt where position = 2 and outcome = 'ok'").await;
    assert_eq!(refused(&desk.order(StaffId::new(), ReplayRecipient { recipient: me }).await), None);
    testkit::eventually("the second one came again", || async {
        let now = desk.count("select count(*) from attempt where position = 2 and outcome = 'ok'").await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
    assert!(seen.load(Ordering::SeqCst) >= 3);
    let reply = desk.order(StaffId::new(), ReplayRecipient { recipient: RecipientId::new() }).await;
    assert_eq!(refused(&reply).map(|r| r.to_string()).as_deref(), Some("no-such-recipient"));
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

/// Silence for three days is a task; a comparison ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_compare_for_days_is_a_task_until_it_does() {
    let desk = Desk::quiet().await;
    let keys = RecipientKeys::random().unwrap();
    let (me, endpoint) = crate::desk::insert_recipient(&desk, "silent", &keys).await;
    assert_eq!(books::look(&desk.bus, 3).await.unwrap(), 0, "nothing was issued: nothing to compare");
    let long_ago: Timestamp = Timestamp::now() - jiff::SignedDuration::from_hours(73);
    desk.stop("ヤマダ").await;
    desk.fan_out().pass().await.unwrap();
    let _ = endpoint;
    sqlx::query("update issued set issued_at = $1")
        .bind(jiff_sqlx::ToSqlx::to_sqlx(long_ago))
        .execute(desk.bus.db().pool())
        .await
        .unwrap();
    assert_eq!(books::look(&desk.bus, 4).await.unwrap(), 0);
    assert_eq!(books::look(&desk.bus, 3).await.unwrap(), 1);
    assert_eq!(books::look(&desk.bus, 3).await.unwrap(), 0, "one task, not one per look");
    let open = "select count(*) from task where about = 'books-late' and kind = 'report' and closed_at is null";
    assert_eq!(desk.count(open).await, 1);
    let cursor = opt_out_propagation::feed::Cursor { epoch: desk.bus.epoch(), position: 1 };
    let ours = opt_out_propagation::feed::books(desk.bus.db().pool(), me, cursor).await.unwrap();
    let theirs = books::Theirs { digest: ours.digest, entries: Some(1) };
    let answer = opt_out_propagation::feed::acknowledge(&desk.bus, me, cursor, Some(theirs)).await.unwrap();
    assert_eq!((answer.agrees, answer.replay), (Some(true), None));
    assert_eq!(desk.count(open).await, 0);
    assert_eq!(books::look(&desk.bus, 3).await.unwrap(), 0);
}
