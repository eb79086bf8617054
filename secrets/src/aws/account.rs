//! Region, credentials and connections, from the environment, the task's role or the instance's.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_secretsmanager::Client;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use tokio::time::{Instant, timeout_at};

use super::metadata;
use super::retry::{ATTEMPT, explain_chain};
use crate::fault::{Failure, Kind};

/// A file of certificates to trust instead of Amazon's roots, where a proxy stands in between.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// What metadata takes at most to be found absent; on an instance it answers within milliseconds.
const METADATA: Duration = Duration::from_secs(1);

/// Where a task's or a pod's credentials come from. Instance metadata says nothing about them.
const TASK_CREDENTIALS: [&str; 3] = [
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];

/// Who calls Secrets Manager.
pub(crate) struct Account {
    /// The region of secrets that are named without one.
    pub(crate) region: String,
    credentials: Credentials,
    https: SharedHttpClient,
}

impl Account {
    /// Finds credentials, and the region unless it is known.
    ///
    /// # Errors
    ///
    /// What is missing, and how to give it.
    pub(crate) async fn find(region: Option<String>, deadline: Instant) -> Result<Self, Failure> {
        let late = || {
            let text = "no region and credentials within the deadline; does instance metadata or \
                        the container credentials endpoint answer?";
            Failure::new(Kind::Temporary, text)
        };
        timeout_at(deadline, Self::find_all(region)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn find_all(region: Option<String>) -> Result<Self, Failure> {
        // Metadata and container credentials are asked directly, whatever proxy there is for AWS.
        let provider = ProviderConfig::without_region().with_http_client(make_connections(false)?);
        let imds = imds::Client::builder()
            .configure(&provider)
            .max_attempts(2)
            .connect_timeout(METADATA)
            .read_timeout(METADATA)
            .build();
        let region = match region {
            Some(region) => Some(Region::new(region)),
            None => find_region(&provider, &imds).await,
        };
        let Some(region) = region else {
            return Err(metadata::explain_missing("region", None).await);
        };
        let chain = DefaultCredentialsChain::builder()
            .configure(provider)
            .region(region.clone())
            .imds_client(imds);
        let chain = chain.build().await;
        match chain.provide_credentials().await {
            Ok(credentials) => {
                let region = region.as_ref().to_owned();
                Ok(Self { region, credentials, https: make_connections(true)? })
            }
            Err(error) if TASK_CREDENTIALS.iter().any(|it| std::env::var_os(it).is_some()) => {
                let text =
                    format!("no credentials from the task's role: {}", explain_chain(&error));
                Err(Failure::new(Kind::Denied, text))
            }
            Err(CredentialsError::CredentialsNotLoaded(_)) => {
                Err(metadata::explain_missing("credentials", None).await)
            }
            Err(error) => {
                let cause = explain_chain(&error);
                Err(metadata::explain_missing("credentials", Some(cause)).await)
            }
        }
    }

    /// A client for one region. It makes each call once: retries are ours, up to the deadline.
    pub(crate) async fn make_client(&self, region: &str) -> Client {
        let timeouts = TimeoutConfig::builder().connect_timeout(ATTEMPT).build();
        let configuration = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(self.credentials.clone())
            .http_client(self.https.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .load()
            .await;
        Client::new(&configuration)
    }
}

async fn find_region(provider: &ProviderConfig, imds: &imds::Client) -> Option<Region> {
    let profile = ProfileFileRegionProvider::builder().configure(provider).build();
    let instance =
        ImdsRegionProvider::builder().configure(provider).imds_client(imds.clone()).build();
    RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile)
        .or_else(instance)
        .region()
        .await
}

/// Connections to HTTP servers.
fn make_connections(through_proxy: bool) -> Result<SharedHttpClient, Failure> {
    let context = TlsContext::builder().with_trust_store(trust_store()).build();
    let context = context.map_err(|error| {
        let text = format!("the certificates of `{CERTIFICATES}` cannot be used: {error}");
        Failure::new(Kind::Configuration, text)
    })?;
    Ok(Builder::new().build_with_connector_fn(move |settings, _components| {
        let mut connector = Connector::builder();
        if let Some(settings) = settings {
            connector = connector.connector_settings(settings.clone());
        }
        if through_proxy {
            connector = connector.proxy_config(ProxyConfig::from_env());
        }
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        connector.tls_provider(provider).tls_context(context.clone()).build()
    }))
}

/// Amazon's own roots, which sign every endpoint of AWS: small images have no certificates.
fn trust_store() -> TrustStore {
    if std::env::var_os(CERTIFICATES).is_some() {
        return TrustStore::default();
    }
    let roots = include_bytes!("../../../shared/aws/src/roots.pem").as_slice();
    TrustStore::empty().with_pem_certificate(roots)
}
