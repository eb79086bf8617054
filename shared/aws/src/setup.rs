//! What a function is started with: its environment variables, and how it talks to AWS.

use std::time::Duration;

pub use aws_config::SdkConfig as AwsConfig;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};

/// The ledger's table.
pub const TABLE: &str = "ESCLUSA_TABLE";

/// The URL of the queue that wakes lanes.
pub const LANES_QUEUE: &str = "ESCLUSA_LANES_QUEUE";

/// Where configurations are in Parameter Store.
pub const PARAMETER_PREFIX: &str = "ESCLUSA_PARAMETER_PREFIX";

/// The name of the function that answers people, for the lines that messages end with.
pub const OPERATOR: &str = "ESCLUSA_OPERATOR";

/// The URL of the queue of retention's tasks.
pub const IMAGES_QUEUE: &str = "ESCLUSA_IMAGES_QUEUE";

/// The name of the function that deletes images, for the lines that its messages end with.
pub const RETENTION: &str = "ESCLUSA_RETENTION";

/// What the names of the alarms of services begin with: the stack's name.
pub const ALARM_PREFIX: &str = "ESCLUSA_ALARM_PREFIX";

/// The topic that alarms are sent to.
pub const NOTICES: &str = "ESCLUSA_NOTICES";

/// How many seconds a run of retention waits after a push, for a burst of them is one run.
pub const RETENTION_DELAY: &str = "ESCLUSA_RETENTION_DELAY";

/// The folder of the host program for each architecture.
pub const PROGRAMS: &str = "ESCLUSA_PROGRAMS";

/// The region, which Lambda sets.
const REGION: &str = "AWS_REGION";

/// One endpoint for every service, where something else plays AWS.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

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
    /// The name of the function that answers people.
    pub operator: String,
}

/// The names of what belongs to retention alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionNames {
    /// The URL of the queue of its tasks.
    pub images_queue: String,
    /// The name of the function.
    pub function: String,
}

/// The names of what belongs to counting alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsNames {
    /// What the names of the alarms of services begin with, without a `/` at the end.
    pub alarm_prefix: String,
    /// The topic that alarms are sent to.
    pub notices: String,
}

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A variable is not set. The template, or Lambda itself, sets all of them.
    #[error("the environment variable `{0}` is not set: deploy the function with template.yaml")]
    Unset(&'static str),
    /// A variable holds something else than a number of seconds.
    #[error("the environment variable `{0}` is no number of seconds: `{1}`")]
    NotSeconds(&'static str, String),
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
        let prefix = variable(PARAMETER_PREFIX)?;
        Ok(Self {
            table: variable(TABLE)?,
            lanes_queue: variable(LANES_QUEUE)?,
            operator: variable(OPERATOR)?,
            parameter_prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }
}

impl RetentionNames {
    /// Reads the names that the template sets.
    ///
    /// # Errors
    ///
    /// The first variable that is not set, or empty.
    pub fn from_environment() -> Result<Self, SetupError> {
        Ok(Self { images_queue: variable(IMAGES_QUEUE)?, function: variable(RETENTION)? })
    }
}

impl MetricsNames {
    /// Reads the names that the template sets.
    ///
    /// # Errors
    ///
    /// The first variable that is not set, or empty.
    pub fn from_environment() -> Result<Self, SetupError> {
        Ok(Self { alarm_prefix: variable(ALARM_PREFIX)?, notices: variable(NOTICES)? })
    }
}

/// What every function does before it serves anything: the log, and what it needs. That it cannot
/// start is logged, for nobody sees the error itself.
///
/// # Errors
///
/// As `start`.
pub fn started<T>(start: impl FnOnce() -> Result<T, SetupError>) -> Result<T, SetupError> {
    crate::log::init();
    start().inspect_err(|error| {
        tracing::error!("the function cannot start: {}", crate::chain(error));
    })
}

/// How long a run of retention waits after a push.
///
/// # Errors
///
/// When the variable is not set, or no number.
pub fn retention_delay() -> Result<Duration, SetupError> {
    let text = variable(RETENTION_DELAY)?;
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => Err(SetupError::NotSeconds(RETENTION_DELAY, text)),
    }
}

/// The value of an environment variable.
///
/// # Errors
///
/// When it is not set, or empty.
pub fn variable(name: &'static str) -> Result<String, SetupError> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    value.ok_or(SetupError::Unset(name))
}

/// How every client talks to AWS: credentials and region from the function's environment, short
/// deadlines, standard retries.
///
/// Lambda puts all of it into environment variables. The SDK's own chain, which would also look
/// for profiles, roles and metadata services, is a megabyte that no function ever runs.
///
/// # Errors
///
/// When the region is not set, or TLS cannot be set up.
pub fn sdk() -> Result<SdkConfig, SetupError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(ATTEMPT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable(REGION)?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(https()?)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    Ok(match variable(ENDPOINT) {
        Ok(endpoint) => sdk.endpoint_url(endpoint).build(),
        Err(_) => sdk.build(),
    })
}

fn https() -> Result<SharedHttpClient, SetupError> {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Ok(builder.tls_context(tls_context()?).build_https())
}

/// Connections for the one request that is no call of an AWS API.
pub(crate) fn connector() -> Result<Connector, SetupError> {
    let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Ok(builder.tls_context(tls_context()?).build())
}

fn tls_context() -> Result<TlsContext, SetupError> {
    let context = TlsContext::builder().with_trust_store(trust()).build();
    context.map_err(|error| SetupError::Tls(Box::new(error)))
}

/// Amazon's own roots, which sign every endpoint of AWS: reading a whole system's certificates is
/// most of a function's start. `SSL_CERT_FILE` names others, where something stands in between.
fn trust() -> TrustStore {
    if std::env::var_os(CERTIFICATES).is_some() {
        return TrustStore::default();
    }
    TrustStore::empty().with_pem_certificate(include_bytes!("roots.pem").as_slice())
}
