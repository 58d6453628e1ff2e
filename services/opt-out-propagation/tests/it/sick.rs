//! B11: a sick endpoint takes only its own window. Real sockets: one that never answers, one that answers a byte at a
//! time, one that never stops, one that redirects, one that is gone.

use crate::desk::{Desk, refused};
use axum::{Router, http::StatusCode, routing::post};
use contracts::{RecipientId, ReportOutcome};
use recipient_kit::{ExampleContractor, RecipientKeys, run};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// How a sick endpoint behaves after it has read the request.
#[derive(Clone, Copy)]
enum Sick {
    Silent,
    Slow,
    Endless,
}

/// Listens; counts connections open at the same time (now, most).
async fn sick(how: Sick) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (now, most) = (now.clone(), most.clone());
            tokio::spawn(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                let _ = socket.read(&mut buffer).await;
                match how {
                    // Until the other side gives up.
                    Sick::Silent => while matches!(socket.read(&mut buffer).await, Ok(n) if n > 0) {},
                    Sick::Slow => {
                        let _ = socket.write_all(b"HTTP/1.1 500 Later\r\ncontent-length: 1000000\r\n\r\n").await;
                        // A byte, and another when the other side has waited for a tenth of a second; until it gives up.
                        let patience = std::time::Duration::from_millis(100);
                        while socket.write_all(b"x").await.is_ok()
                            && !matches!(
                                tokio::time::timeout(patience, socket.read(&mut buffer)).await,
                                Ok(Ok(0) | Err(_))
                            )
                        {}
                    }
                    Sick::Endless => {
                        let _ = socket.write_all(b"HTTP/1.1 500 Later\r\ntransfer-encoding: chunked\r\n\r\n").await;
                        let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
                        while socket.write_all(chunk.as_bytes()).await.is_ok() {}
                    }
                }
                now.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url, seen)
}

async fn contractor(desk: &Desk, label: &str) -> (RecipientId, run::Running) {
    let keys = RecipientKeys::random().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/madoguchi", listener.local_addr().unwrap());
    let order = desk.by_webhook(label, &keys, &url);
    let me = order.recipient;
    let contractor = ExampleContractor::open(me, keys, None, ReportOutcome::Applied).unwrap();
    let partner = format!("http://{}", desk.partner.unwrap());
    let running = run::over_webhook(contractor, listener, &partner, desk.verifier(me)).unwrap();
    assert_eq!(refused(&desk.register(order).await), None);
    (me, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_sick_endpoints_do_not_hold_up_the_healthy_one() {
    let desk = Desk::serving().await;
    let mut most = Vec::new();
    for (label, how) in [("silent", Sick::Silent), ("slow", Sick::Slow), ("endless", Sick::Endless)] {
        let (url, seen) = sick(how).await;
        let order = desk.by_webhook(label, &RecipientKeys::random().unwrap(), &url);
        assert_eq!(refused(&desk.register(order).await), None);
        most.push((label, seen));
    }
    let (_, healthy) = contractor(&desk, "healthy").await;
    for _ in 0..30 {
        desk.stop("ヤマダ").await;
    }
    let counts = healthy.contractor.until(|c| c.taken == 30 && c.accepted == 60).await;
    assert_eq!((counts.refused, counts.reports_refused), (0, 0));
    // The sick ones have outcomes of failure, retry rows, and no more connections than their windows.
    testkit::eventually("failures are written down", || async {
        let failed = desk
            .count("select count(distinct endpoint) from attempt where outcome in ('timeout', 'status', 'connection')")
            .await;
        if failed == 3 { Ok(()) } else { Err(failed) }
    })
    .await;
    for (label, seen) in most {
        // A connection that is being given up may overlap with the next one for a moment.
        assert!(seen.load(Ordering::SeqCst) <= 2 * (8 + 2), "{label}: {}", seen.load(Ordering::SeqCst));
    }
    let rows = desk.recipients().await;
    let open: Vec<_> = rows.iter().map(|r| (r.label.as_str(), r.open, r.last)).collect();
    assert_eq!(open, [("endless", 30, 30), ("healthy", 0, 30), ("silent", 30, 30), ("slow", 30, 30)]);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_is_tried_again_gone_waits_for_a_person_and_redirects_are_not_followed() {
    let desk = Desk::serving().await;
    let (asked, followed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gone = Arc::new(AtomicUsize::new(0));
    let router = Router::new()
        .route("/busy", {
            let asked = asked.clone();
            post(move || async move {
                if asked.fetch_add(1, Ordering::SeqCst) < 2 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
            })
        })
        .route("/moved", post(|| async { (StatusCode::TEMPORARY_REDIRECT, [("location", "/target")]) }))
        .route("/target", {
            let followed = followed.clone();
            post(move || async move {
                followed.fetch_add(1, Ordering::SeqCst);
            })
        })
        .route("/gone", {
            let gone = gone.clone();
            post(move || async move {
                if gone.fetch_add(1, Ordering::SeqCst) == 0 { StatusCode::GONE } else { StatusCode::OK }
            })
        });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut orders = Vec::new();
    for label in ["busy", "moved", "gone"] {
        let order = desk.by_webhook(label, &RecipientKeys::random().unwrap(), &format!("{base}/{label}"));
        assert_eq!(refused(&desk.register(order.clone()).await), None);
        orders.push(order);
    }
    desk.stop("ヤマダ").await;
    let outcome = async |label: &'static str, wanted: &'static str| {
        testkit::eventually(wanted, || async {
            let outcomes: Vec<String> = sqlx::query_scalar(
                "select a.outcome from attempt a join endpoint e on e.id = a.endpoint join recipient r on r.id = e.recipient
                  where r.label = $1 order by a.at",
            )
            .bind(label)
            .fetch_all(desk.bus.db().pool())
            .await
            .unwrap();
            if outcomes.iter().any(|o| o == wanted) { Ok(()) } else { Err(outcomes) }
        })
        .await;
    };
    outcome("busy", "busy").await;
    outcome("busy", "ok").await;
    outcome("moved", "redirect").await;
    outcome("gone", "gone").await;
    assert_eq!(followed.load(Ordering::SeqCst), 0);
    assert_eq!(desk.count("select count(*) from retry where parked").await, 1, "parked, not dropped");
    // Reminders do not touch what waits for a person; the same registration again does.
    assert_eq!(refused(&desk.register(orders.remove(2)).await), None);
    outcome("gone", "ok").await;
    assert_eq!(desk.count("select count(*) from retry where parked").await, 0);
    desk.rt.stopping().stop(std::time::Duration::from_secs(20)).await;
}
