//! An endpoint that hangs, answers with 500, a byte at a time, or not at all although it has taken what was sent. It takes
//! only its own window: the other contractors are served meanwhile.

use super::chaos::amount;
use crate::journey::{
    contractors::{by_webhook_behind, over_nats},
    desk::Desk,
    people::{Person, opt_out_until_confirmed},
    reckoning::{self, Told},
};
use contracts::EndedAs;
use futures::future::join_all;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use testkit::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};

const WELL: u8 = 0;
const HANGS: u8 = 1;
const SAYS_500: u8 = 2;
const SLOW: u8 = 3;
const EATS_ANSWERS: u8 = 4;

/// Something in front of a contractor's endpoint, and how often it was called while it was ill.
#[derive(Default)]
struct Front {
    mode: watch::Sender<u8>,
    calls: AtomicU64,
}

impl Front {
    async fn listen(self: Arc<Self>, behind: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(self.clone().serve(connection, behind));
            }
        });
        address
    }

    /// One connection, in the mode of the moment that it was opened in; a good one ends when the mode changes, because the
    /// other side keeps it for the next request.
    async fn serve(self: Arc<Self>, mut client: TcpStream, behind: SocketAddr) {
        let mut changes = self.mode.subscribe();
        let mode = *changes.borrow_and_update();
        let mut request = vec![0; 64 * 1024];
        if mode != WELL {
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
        match mode {
            WELL => {
                if let Ok(mut contractor) = TcpStream::connect(behind).await {
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut contractor) => {}
                        _ = changes.changed() => {}
                    }
                }
            }
            // Reads for as long as the other side has patience, and never answers.
            HANGS => while client.read(&mut request).await.is_ok_and(|n| n > 0) {},
            SAYS_500 => {
                let _ = client.read(&mut request).await;
                let _ = client
                    .write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
            }
            // A header line without end: a byte whenever the other side is ready for one.
            SLOW => {
                let _ = client.read(&mut request).await;
                while client.write_all(b"H").await.is_ok()
                    && !matches!(
                        tokio::time::timeout(std::time::Duration::from_millis(200), client.read(&mut request)).await,
                        Ok(Ok(0) | Err(_))
                    )
                {}
            }
            // The contractor takes it; nobody ever hears that it did.
            _ => {
                if let Ok(mut contractor) = TcpStream::connect(behind).await {
                    let taken = client.read(&mut request).await.unwrap_or_default();
                    let _ = contractor.write_all(&request[..taken]).await;
                    let _ = contractor.read(&mut request).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sick_endpoint_delays_its_own_contractor_only_and_loses_nothing() {
    let desk = Desk::open().await;
    let front = Arc::new(Front::default());
    let sick = by_webhook_behind(&desk, "analysis", |behind| front.clone().listen(behind)).await;
    let well = over_nats(&desk, "core-data").await;
    let mut done = 0;
    for mode in [HANGS, SAYS_500, SLOW, EATS_ANSWERS] {
        front.mode.send_replace(mode);
        let calls = front.calls.load(Ordering::SeqCst);
        let people: Vec<Person> = (done..done + amount()).map(Person::number).collect();
        let filed = join_all(people.iter().map(|p| opt_out_until_confirmed(&desk, p))).await;
        done += amount();
        // The other one is served although this one is ill, and this one is tried again and again.
        well.has_applied(done as u64).await;
        eventually("the sick endpoint is tried again", || async {
            let tried = front.calls.load(Ordering::SeqCst) - calls;
            if tried >= 2 { Ok(()) } else { Err(tried) }
        })
        .await;
        if mode != EATS_ANSWERS {
            assert!(sick.running.contractor.counts().taken < done as u64, "mode {mode} let something through");
        }
        front.mode.send_replace(WELL);
        for filed in &filed {
            desk.until(filed, "the stop is confirmed", |s| s.ended_as == Some(EndedAs::Stopped)).await;
        }
        sick.has_applied(done as u64).await;
    }
    assert!(sick.running.contractor.counts().repeats >= 1, "what was taken and not answered came again, and was known");
    reckoning::holds(&desk, Told::of(done as i64, 0)).await;
}
