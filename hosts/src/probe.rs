//! Asking the service on this host by HTTP.

use std::time::Duration;

use esclusa_core::configuration::HttpProbe;
use esclusa_core::reason::Reason;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep, timeout};

use crate::error::reason;

/// How long one request may take.
const ONE: Duration = Duration::from_secs(5);

/// Asks until the answer is one that is expected. The address is the host's own, so no proxy is
/// ever in between, whatever the agent's environment says.
///
/// # Errors
///
/// The last answer, once the time is over.
pub(crate) async fn ask(http: &HttpProbe, within: Duration) -> Result<(), Reason> {
    let url = format!("http://127.0.0.1:{}{}", http.port, http.path);
    let uri: hyper::Uri = url
        .parse()
        .map_err(|error| reason("health.http", format!("{url} is no address: {error}.")))?;
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let began = Instant::now();
    loop {
        let seen = match timeout(ONE, client.get(uri.clone())).await {
            Ok(Ok(answer)) if http.expect.contains(answer.status().as_u16()) => return Ok(()),
            Ok(Ok(answer)) => format!("answers {}", answer.status().as_u16()),
            Ok(Err(_)) => "does not answer".to_owned(),
            Err(_) => format!("does not answer within {} s", ONE.as_secs()),
        };
        if began.elapsed() >= within {
            let text = format!("{url} {seen}, not {}.", http.expect);
            return Err(reason("health.http", text));
        }
        sleep(Duration::from_millis(250)).await;
    }
}
