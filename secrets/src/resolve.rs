//! From requests to values: fetch, then render each.

use std::time::Duration;

use tokio::time::Instant;

use crate::aws::{Account, fetch_versions};
use crate::fault::{Failure, Fault, Kind, Place};
use crate::plan;
use crate::render::render_value;
use crate::request::{Request, Version};
use crate::secret::Secret;

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) request: Request,
    pub(crate) value: Result<Secret, Failure>,
}

/// Resolves all requests.
///
/// # Errors
///
/// Why Secrets Manager could not be asked at all.
pub(crate) async fn resolve_requests(
    requests: Vec<Request>,
    time: Duration,
) -> Result<Vec<Resolved>, Fault> {
    if requests.is_empty() {
        return Ok(Vec::new());
    }
    let started = Instant::now();
    let deadline = started.checked_add(time).unwrap_or(started);
    let versions = plan::list_versions(&requests);
    let region = known_region(versions.iter());
    let account = Account::find(region, deadline).await;
    let account = account.map_err(|it| it.at(&Place::Thing("Secrets Manager".to_owned())))?;
    let fetched = fetch_versions(&account, versions, deadline).await;
    let resolved = requests.into_iter().map(|request| {
        let value = match fetched.get(&request.version) {
            Some(Ok(value)) => render_value(&request, value),
            Some(Err(failure)) => Err(failure.clone()),
            None => Err(Failure::new(
                Kind::Temporary,
                format!("secret `{}` was not answered for", request.version),
            )),
        };
        Resolved { request, value }
    });
    Ok(resolved.collect())
}

/// The region for the credentials, where every id is an ARN and so has one.
fn known_region<'v>(versions: impl Iterator<Item = &'v Version>) -> Option<String> {
    let regions: Option<Vec<&str>> = versions.map(|version| version.id.region()).collect();
    regions?.first().map(|region| (*region).to_owned())
}
