//! Web servers that stand behind a load balancer, and a client in front of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A server that says its name.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// What `/health` answers.
    pub(crate) health: Arc<AtomicU16>,
    /// How many `/slow` requests have begun.
    pub(crate) slow: Arc<AtomicUsize>,
    /// How many `/health` requests it answered well.
    pub(crate) passed: Arc<AtomicUsize>,
    /// Lets `/slow` requests end.
    pub(crate) go_on: Arc<Notify>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one on an address of the loopback.
    pub(crate) async fn start(name: &'static str, address: &str, port: u16) -> Self {
        let at: SocketAddr = format!("{address}:{port}").parse().unwrap();
        let listener = TcpListener::bind(at).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let health = Arc::new(AtomicU16::new(200));
        let (slow, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (state, begun, wait) = (Arc::clone(&health), Arc::clone(&slow), Arc::clone(&go_on));
        let passed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&passed);
        let routes = Router::new()
            .route("/", get(async move || name))
            .route(
                "/slow",
                get(async move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    wait.notified().await;
                    name
                }),
            )
            .route(
                "/health",
                get(async move || {
                    let status = StatusCode::from_u16(state.load(Ordering::SeqCst)).unwrap();
                    count.fetch_add(usize::from(status.is_success()), Ordering::SeqCst);
                    status
                }),
            );
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let serving = axum::serve(listener, routes)
            .with_graceful_shutdown(async move { stopped.notified().await });
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { port, health, slow, passed, go_on, stop, task }
    }
}

impl Server {
    /// Ends it as a container ends: idle connections are closed, nothing new is taken.
    pub(crate) async fn stop(self) {
        self.stop.notify_one();
        self.task.await.unwrap();
    }
}

/// One client with one kept connection.
pub(crate) struct Caller {
    client: reqwest::Client,
    base: String,
}

impl Caller {
    pub(crate) fn new(port: u16) -> Self {
        let client =
            reqwest::Client::builder().pool_max_idle_per_host(1).timeout(Duration::from_secs(10));
        Self { client: client.build().unwrap(), base: format!("http://127.0.0.1:{port}") }
    }

    /// Who answered, or the status if nobody did.
    pub(crate) async fn get(&self, path: &str) -> Result<String, u16> {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 200 { Ok(answer.text().await.unwrap()) } else { Err(status) }
    }

    /// Who answers so many requests, one after the other.
    pub(crate) async fn names(&self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.get("/").await.unwrap());
        }
        names.sort();
        names.dedup();
        names
    }
}
