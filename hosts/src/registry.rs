//! The login to the service's registry, by the role of the instance.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecr::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_ecr::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ecr::error::{BoxError, DisplayErrorContext};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use esclusa_core::reason::Reason;
use esclusa_core::time::Timestamp;

use crate::error::{self, reason};
use crate::metadata;

/// How far this host's clock may be from AWS's.
const SKEW: Duration = Duration::from_mins(1);

/// The registry's host, the part before the first slash.
pub(crate) fn registry_of(reference: &str) -> &str {
    reference.split('/').next().unwrap_or_default()
}

/// Gets a login for a registry; it lives in memory only.
///
/// # Errors
///
/// `hosts.registry` when there is none to be had, `hosts.clock` when AWS's clock is another.
pub(crate) async fn log_in(repository: &str, now: Timestamp) -> Result<DockerCredentials, Reason> {
    let registry = registry_of(repository);
    let region = find_region(registry).await.ok_or_else(|| {
        let text = "This host's region is unknown: is IMDSv2 switched on?";
        reason(error::REGISTRY, text)
    })?;
    let seen = Arc::new(Mutex::new(None));
    let configuration = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials().await)
        .http_client(client(true))
        .load()
        .await;
    let ecr = aws_sdk_ecr::Client::new(&configuration);
    let asked = ecr
        .get_authorization_token()
        .customize()
        .interceptor(ReadDate { seen: Arc::clone(&seen) })
        .send()
        .await;
    if let Ok(date) = seen.lock() {
        check_clock(*date, now)?;
    }
    let refused = |why: &str| {
        let text = format!(
            "No login for {registry}: {why} May this host's role call ecr:GetAuthorizationToken?"
        );
        reason(error::REGISTRY, text)
    };
    let token = asked.map_err(|error| refused(&format!("{}.", DisplayErrorContext(&error))))?;
    let data = token.authorization_data.unwrap_or_default().into_iter().next();
    let basic = data.and_then(|it| it.authorization_token).unwrap_or_default();
    let basic = STANDARD.decode(basic).ok().and_then(|it| String::from_utf8(it).ok());
    let (user, password) = basic
        .as_deref()
        .and_then(|it| it.split_once(':'))
        .ok_or_else(|| refused("ECR's answer holds no token."))?;
    Ok(DockerCredentials {
        username: Some(user.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    })
}

fn check_clock(date: Option<SystemTime>, now: Timestamp) -> Result<(), Reason> {
    let Some(date) = date else { return Ok(()) };
    let there = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let skew = there.abs_diff(now.as_secs());
    if skew <= SKEW.as_secs() {
        return Ok(());
    }
    let text =
        format!("This host's clock is {skew} s from AWS's: check its time service (chronyd).");
    Err(reason("hosts.clock", text))
}

/// The registry's region: its name says it, else it is this host's.
async fn find_region(registry: &str) -> Option<String> {
    let rest = registry.split_once(".dkr.ecr.").or_else(|| registry.split_once(".dkr.ecr-fips."));
    if let Some((_, rest)) = rest {
        return rest.split('.').next().map(str::to_owned);
    }
    if let Some(region) = metadata::read("placement/region").await {
        return Some(region);
    }
    let names = ["AWS_SSM_REGION_NAME", "AWS_REGION"];
    names.iter().find_map(|name| std::env::var(name).ok()).filter(|it| !it.is_empty())
}

/// The role of the instance, or what the environment gives in its place.
async fn credentials() -> aws_config::default_provider::credentials::DefaultCredentialsChain {
    let provider = ProviderConfig::without_region().with_http_client(client(false));
    aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
        .configure(provider)
        .build()
        .await
}

/// A client for HTTPS. The proxy of the environment is for AWS's own address alone: instance
/// metadata is asked directly, always.
pub(crate) fn client(
    through_proxy: bool,
) -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, _components| {
        let mut connector = Connector::builder();
        if let Some(settings) = settings {
            connector = connector.connector_settings(settings.clone());
        }
        if through_proxy {
            connector = connector.proxy_config(ProxyConfig::from_env());
        }
        connector
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .build()
    })
}

/// Keeps the date of AWS's answer: nothing else on a host says whether its clock is right.
#[derive(Debug)]
struct ReadDate {
    seen: Arc<Mutex<Option<SystemTime>>>,
}

impl Intercept for ReadDate {
    fn name(&self) -> &'static str {
        "ReadDate"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").unwrap_or_default();
        if let (Ok(date), Ok(mut seen)) = (parse_date(date), self.seen.lock()) {
            *seen = Some(date);
        }
        Ok(())
    }
}

fn parse_date(text: &str) -> Result<SystemTime, BoxError> {
    let format = aws_smithy_types::date_time::Format::HttpDate;
    let date = aws_smithy_types::DateTime::from_str(text, format)?;
    Ok(SystemTime::try_from(date)?)
}
