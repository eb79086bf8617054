//! A client that asks the service all the time, and writes down every answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Time between two requests of one kind: 40 a second on kept connections, and as many on new ones.
const PACE: Duration = Duration::from_millis(25);

/// How long an answer is waited for: longer than a load balancer waits for a host that is gone, and
/// than a busy machine stands still.
const LIMIT: Duration = Duration::from_secs(20);

/// What the client saw.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// Requests sent.
    pub sent: u64,
    /// Requests without the answer that they should have had.
    pub failed: u64,
    /// The first few failures.
    pub failures: Vec<String>,
    /// Answers by what the service said of itself: version and host.
    pub answers: BTreeMap<String, u64>,
    /// The same, in the order in which each was first heard.
    pub order: Vec<String>,
    /// For how long was asked.
    pub seconds: f64,
    /// How long the slowest answer took, in seconds.
    pub slowest: f64,
}

impl Seen {
    /// Requests a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a demo sends thousands, not quadrillions")]
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.seconds.max(0.001)
    }

    fn count(&mut self, answer: Result<String, String>, took: Duration) {
        self.sent = self.sent.saturating_add(1);
        self.slowest = self.slowest.max(took.as_secs_f64());
        match answer {
            Ok(text) => {
                let count = self.answers.entry(text.clone()).or_default();
                if *count == 0 {
                    self.order.push(text);
                }
                *count = count.saturating_add(1);
            }
            Err(text) => {
                self.failed = self.failed.saturating_add(1);
                if self.failures.len() < 5 {
                    self.failures.push(text);
                }
            }
        }
    }
}

/// A client at work. It stops when it is told to.
#[derive(Debug)]
pub struct Client {
    seen: Arc<Mutex<Seen>>,
    begun: Instant,
    stopped: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Client {
    /// Starts asking `address`, on kept connections and on new ones, without ever trying again.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made.
    pub fn start(address: &str) -> Result<Self, reqwest::Error> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stopped, stop) = watch::channel(false);
        let mut tasks = Vec::new();
        for kept in [1, 0] {
            let client = reqwest::Client::builder()
                .retry(reqwest::retry::never())
                .no_proxy()
                .pool_max_idle_per_host(kept)
                .timeout(LIMIT)
                .build()?;
            let asking = ask(client, address.to_owned(), Arc::clone(&seen), stop.clone());
            tasks.push(tokio::spawn(asking));
        }
        Ok(Self { seen, begun: Instant::now(), stopped, tasks })
    }

    /// Asks no more, waits for the answers that are owed, and returns what was seen.
    pub async fn stop(self) -> Seen {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.stopped.send_replace(true);
        for task in self.tasks {
            let _ended = task.await;
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Seen { seconds, ..seen }
    }
}

/// Asks at an even pace: a slow answer does not make the next request late.
async fn ask(
    client: reqwest::Client,
    address: String,
    seen: Arc<Mutex<Seen>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut pace = tokio::time::interval(PACE);
    let mut requests = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = pace.tick() => {}
        }
        while requests.try_join_next().is_some() {}
        let (client, address, seen) = (client.clone(), address.clone(), Arc::clone(&seen));
        requests.spawn(async move {
            let sent = Instant::now();
            let answer = answer(&client, &address).await;
            seen.lock().unwrap_or_else(PoisonError::into_inner).count(answer, sent.elapsed());
        });
    }
    while requests.join_next().await.is_some() {}
}

async fn answer(client: &reqwest::Client, address: &str) -> Result<String, String> {
    let said = |error: reqwest::Error| format!("{error:?}");
    let response = client.get(address).send().await.map_err(said)?;
    let status = response.status();
    let text = response.text().await.map_err(said)?;
    if status.is_success() { Ok(text.trim().to_owned()) } else { Err(format!("status {status}")) }
}
