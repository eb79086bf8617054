//! What a function is started with: its environment variables, and how it talks to AWS.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

/// The ledger's table.
pub const TABLE: &str = "ESCLUSA_TABLE";

/// The URL of the queue that wakes lanes.
pub const LANES_QUEUE: &str = "ESCLUSA_LANES_QUEUE";

/// Where configurations are in Parameter Store.
pub const PARAMETER_PREFIX: &str = "ESCLUSA_PARAMETER_PREFIX";

/// A file of certificates to trust instead of Amazon's own roots.
const CERTIFICATES: &str = "SSL_CERT_FILE";

/// One try of a call. AWS answers in tens of milliseconds; what takes seconds is lost.
const ATTEMPT: Duration = Duration::from_secs(3);

/// A call with its retries: it ends before the invocation, and with it the lease, that made it.
pub const OPERATION: Duration = Duration::from_secs(8);

/// The names of what belongs to this installation of Esclusa.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The ledger's table.
    pub table: String,
    /// The URL of the queue that wakes lanes.
    pub lanes_queue: String,
    /// Where configurations are in Parameter Store, without a `/` at the end.
    pub parameter_prefix: String,
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A variable is not set. The template sets all of them: deploy it again.
    #[error("the environment variable `{0}` is not set: deploy the template again")]
    Unset(&'static str),
    /// The certificates that are built in cannot be used.
    #[error("cannot set up TLS")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Names {
    /// Reads the names that the template sets.
    ///
    /// # Errors
    ///
    /// The first variable that is not set, or empty.
    pub fn from_environment() -> Result<Self, SetupError> {
        let read = |name| match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(value),
            _ => Err(SetupError::Unset(name)),
        };
        let prefix = read(PARAMETER_PREFIX)?;
        Ok(Self {
            table: read(TABLE)?,
            lanes_queue: read(LANES_QUEUE)?,
            parameter_prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }
}

/// How every client talks to AWS: credentials and region from the function's environment, short
/// deadlines, standard retries.
///
/// # Errors
///
/// When TLS cannot be set up.
pub async fn sdk() -> Result<SdkConfig, SetupError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(ATTEMPT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let context = TlsContext::builder().with_trust_store(trust()).build();
    let context = context.map_err(|error| SetupError::Tls(Box::new(error)))?;
    let http = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(context)
        .build_https();
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    Ok(loader.load().await)
}

/// Amazon's own roots, which sign every endpoint of AWS: reading a whole system's certificates is
/// most of a function's start. `SSL_CERT_FILE` names others, where something stands in between.
fn trust() -> TrustStore {
    if std::env::var_os(CERTIFICATES).is_some() {
        return TrustStore::default();
    }
    TrustStore::empty().with_pem_certificate(include_bytes!("roots.pem").as_slice())
}
