//! The whole local environment: started, asked, reset and stopped, by the command or by a test.
//!
//! [`Environment::up`] starts MiniStack with our own server behind it, the registry, and hosts with
//! engines of their own, deploys `template.yaml` and prepares services. Every process is detached
//! and marked; [`down`] finds them by the state directory alone.

mod calls;
mod down;
mod error;
mod faults;
mod forward;
mod images;
mod login;
mod logs;
mod machines;
mod options;
mod parts;
mod preflight;
mod record;
mod reset;
mod roles;
mod serve;
mod services;
mod state;
mod status;
mod up;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::config::{Credentials, SharedCredentialsProvider};
use serde_json::Value;

pub use calls::ROOT_KEYS;
pub use down::down;
pub use error::{EnvironmentError, chain};
pub use faults::{Called, Kill, Killed, Moment};
pub use logs::Follow;
pub use options::{Options, Service};
pub use record::{ACCOUNT, HostRecord, REGION, Record, STACK, ServiceRecord};
pub use serve::serve;
pub use status::PartStatus;

use crate::host::Host;
use calls::Call;

/// A running environment, known by its state directory.
///
/// Holds nothing: dropping it leaves everything running.
#[derive(Debug, Clone)]
pub struct Environment {
    state: PathBuf,
    record: Record,
}

impl Environment {
    /// Starts an environment and returns once a push would roll out.
    ///
    /// # Errors
    ///
    /// What is missing, taken or refused; nothing is left running then.
    pub async fn up(options: Options) -> Result<Self, EnvironmentError> {
        up::up(options).await
    }

    /// Finds the environment of a state directory.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::NotUp`] when nothing runs there.
    pub fn open(state: &Path) -> Result<Self, EnvironmentError> {
        let not_up = || EnvironmentError::NotUp { state: state.to_owned() };
        let path = state.canonicalize().map_err(|error| {
            let private = || EnvironmentError::Private { state: state.to_owned() };
            if error.kind() == ErrorKind::PermissionDenied { private() } else { not_up() }
        })?;
        let record = Record::read(&path)?.ok_or_else(not_up)?;
        Ok(Self { state: path, record })
    }

    /// What the environment wrote down about itself.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Deploys the template and the functions of `root` anew, as a later `sam deploy` would.
    ///
    /// # Errors
    ///
    /// What is not built, or what the stack refused.
    pub async fn deploy(&self, root: &Path) -> Result<(), EnvironmentError> {
        let options = Options::new(root, &self.state);
        preflight::check_built(&options)?;
        up::deploy(&options, &self.record).await.map(drop)
    }

    /// Deploys another template of the project at `root` beside the stack, and returns its outputs.
    ///
    /// # Errors
    ///
    /// When the template is refused.
    pub async fn deploy_beside(
        &self,
        root: &Path,
        stack: &str,
        template: &str,
        parameters: &[(&str, &str)],
    ) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let options = Options::new(root, &self.state);
        up::deploy_template(&options, &self.record, (stack, template), parameters).await
    }

    /// Makes a port of a host's loopback lead to the same port of this machine's, as long as the
    /// runtime of the caller lives: for a host that AWS does not know.
    ///
    /// # Errors
    ///
    /// When the port is taken there.
    pub fn forward(&self, host: &Host, port: u16) -> Result<(), EnvironmentError> {
        let namespace = host.network_namespace();
        forward::forward(&namespace, port).map_err(error::io_at("enter", &namespace))
    }

    /// Stops it and removes everything of it.
    ///
    /// # Errors
    ///
    /// When something is still there afterwards.
    pub async fn down(self) -> Result<(), EnvironmentError> {
        up::blocking(move || down(&self.state)).await
    }

    /// What an AWS SDK client needs to reach this environment as the account's root.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let (key, secret) = ROOT_KEYS.split_once(':').unwrap_or_default();
        let keys = Credentials::new(key, secret, None, None, "esclusa-local");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.record.region.clone()))
            .endpoint_url(self.record.aws())
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build()
    }

    /// The same for a role of the stack, by its logical name: `RolloutRole` or `OperatorRole`.
    ///
    /// # Errors
    ///
    /// When there is no such role.
    pub async fn sdk_config_as(&self, role: &str) -> Result<SdkConfig, EnvironmentError> {
        let keys =
            roles::keys(&self.record, &roles::find(&self.record, role).await?, "test").await?;
        let (key, secret) = (keys.access_key_id, keys.secret_access_key);
        let keys = Credentials::new(key, secret, Some(keys.session_token), None, "esclusa-local");
        let provider = SharedCredentialsProvider::new(keys);
        Ok(self.sdk_config().into_builder().credentials_provider(provider).build())
    }

    /// Invokes a function of the stack, for example `operator`, and returns its answer.
    ///
    /// The call is the one that a person types: signed, through curl.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::Refused`] when there is no such function or it failed.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, EnvironmentError> {
        let name = format!("{}-{function}", self.record.stack);
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let headers = ["Content-Type: application/json"];
        let call =
            Call { service: "lambda", path: &path, headers: &headers, body: payload.to_string() };
        let (status, answer) = calls::call(&self.record, call).await?;
        let value = serde_json::from_str::<Value>(&answer).unwrap_or(Value::Null);
        if status >= 300 || value.get("errorType").is_some() {
            return Err(EnvironmentError::Refused { what: format!("invoking {name}"), answer });
        }
        Ok(value)
    }

    /// Stores a service's configuration (`esclusa.toml`) in Parameter Store.
    ///
    /// # Errors
    ///
    /// What Parameter Store refused.
    pub async fn configure(&self, service: &str, toml: &str) -> Result<(), EnvironmentError> {
        let request = serde_json::json!({
            "Name": format!("/esclusa/services/{service}"),
            "Value": toml,
            "Type": "String",
            "Overwrite": true,
        });
        calls::json(&self.record, "ssm", "AmazonSSM.PutParameter", &request).await.map(drop)
    }

    /// What configures a service.
    ///
    /// # Errors
    ///
    /// When Parameter Store refuses it, as for what is not configured.
    pub async fn configuration(&self, service: &str) -> Result<String, EnvironmentError> {
        let request = serde_json::json!({ "Name": format!("/esclusa/services/{service}") });
        let got = calls::json(&self.record, "ssm", "AmazonSSM.GetParameter", &request).await?;
        let value = got.pointer("/Parameter/Value").and_then(|it| it.as_str());
        Ok(value.unwrap_or_default().to_owned())
    }

    /// Lets what runs on hosts read the values of these secrets, as a team's own policy does.
    ///
    /// # Errors
    ///
    /// When IAM refuses it.
    pub async fn let_hosts_read(&self, secrets: &str) -> Result<(), EnvironmentError> {
        let Record { region, account, .. } = &self.record;
        let document = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": format!("arn:aws:secretsmanager:{region}:{account}:secret:{secrets}"),
        }] });
        services::grant(&self.record, "secrets", &document.to_string()).await
    }

    /// Subscribes a queue to a topic; it gets each message as it is, without an envelope.
    ///
    /// # Errors
    ///
    /// What SNS refused.
    pub async fn subscribe(&self, topic: &str, queue: &str) -> Result<(), EnvironmentError> {
        let request = [
            ("Action", "Subscribe"),
            ("Version", "2010-03-31"),
            ("TopicArn", topic),
            ("Protocol", "sqs"),
            ("Endpoint", queue),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ];
        calls::query(&self.record, "sns", &request).await.map(drop)
    }

    /// The host of that name, for example `production-1`.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::UnknownPart`] when there is none.
    pub fn host(&self, name: &str) -> Result<Host, EnvironmentError> {
        let number = self.host_record(name)?.number;
        Host::open(&self.state, number).map_err(EnvironmentError::Host)
    }

    fn host_record(&self, name: &str) -> Result<&HostRecord, EnvironmentError> {
        let found = self.record.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.record.hosts.iter().map(|host| host.name.as_str()).collect();
            EnvironmentError::UnknownPart { name: name.to_owned(), known: names.join(", ") }
        })
    }

    /// The curl line that invokes a function with `payload`, for a person to copy.
    #[must_use]
    pub fn invoke_line(&self, function: &str, payload: &str) -> String {
        format!(
            "curl --silent --aws-sigv4 aws:amz:{}:lambda --user {ROOT_KEYS} --data '{payload}' \
             {}/2015-03-31/functions/{}-{function}/invocations",
            self.record.region,
            self.record.aws(),
            self.record.stack
        )
    }
}
