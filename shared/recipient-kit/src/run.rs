//! The example contractor running: one over NATS with its own credentials, one behind a webhook. Ends when dropped.

use crate::{
    books,
    example::ExampleContractor,
    http::{self, HttpDesk},
    nats::{self, NatsReports},
    webhook::Verifier,
};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};

/// A contractor at work.
pub struct Running {
    /// The contractor.
    pub contractor: Arc<ExampleContractor>,
    /// Where its endpoint listens (webhooks only).
    pub address: Option<SocketAddr>,
    /// Aborted when dropped.
    _tasks: JoinSet<()>,
}

impl Running {
    /// 日次照合: compares its books with the desk's once it has something, and then every day. `desk` is the partner API.
    ///
    /// # Errors
    /// No HTTP client can be made.
    pub fn keeps_books(&mut self, desk: &str) -> io::Result<()> {
        let desk = Arc::new(HttpDesk::new(desk)?);
        self._tasks.spawn(books::keep(self.contractor.clone(), desk, books::DAILY));
        Ok(())
    }
}

/// Pulls its durable and reports over NATS.
///
/// # Errors
/// See [`nats::connect`].
pub async fn over_nats(
    contractor: Arc<ExampleContractor>,
    url: &str,
    creds: &str,
    account: &str,
) -> Result<Running, async_nats::Error> {
    let client = nats::connect(url, creds, account).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(nats::pull(client.clone(), account.to_owned(), contractor.clone()));
    tasks.spawn(contractor.clone().run_reports(Arc::new(NatsReports::new(client, account))));
    Ok(Running { contractor, address: None, _tasks: tasks })
}

/// Serves `POST /madoguchi` on a listener and reports to the partner API at `desk` (`http://127.0.0.1:1234`).
///
/// # Errors
/// The listener has no address, or no HTTP client can be made.
pub fn over_webhook(
    contractor: Arc<ExampleContractor>,
    listener: TcpListener,
    desk: &str,
    verifier: Verifier,
) -> io::Result<Running> {
    let address = listener.local_addr()?;
    let reports = HttpDesk::new(desk)?;
    let router = http::router(contractor.clone(), verifier);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the webhook endpoint ended");
        }
    });
    tasks.spawn(contractor.clone().run_reports(Arc::new(reports)));
    Ok(Running { contractor, address: Some(address), _tasks: tasks })
}
