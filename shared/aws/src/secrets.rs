//! How secrets stand. Only `DescribeSecret` is ever called: no function may read a value.

use aws_sdk_secretsmanager::error::SdkError;
use aws_sdk_secretsmanager::operation::describe_secret::{
    DescribeSecretError, DescribeSecretOutput,
};
use esclusa_core::configuration::SecretName;
use esclusa_core::secret::SecretState;
use esclusa_shell::ports::{Secrets, Unavailable};

use crate::failure::unavailable;
use crate::{Aws, Counter, Gauges, Machines};

/// The label of the version that `GetSecretValue` hands out when none is named.
const CURRENT: &str = "AWSCURRENT";

/// What only some functions need, with Secrets Manager among it.
pub(crate) trait DescribesSecrets {
    /// Secrets Manager.
    fn client(&self) -> &aws_sdk_secretsmanager::Client;
}

impl DescribesSecrets for Machines {
    fn client(&self) -> &aws_sdk_secretsmanager::Client {
        &self.secrets
    }
}

impl DescribesSecrets for Counter {
    fn client(&self) -> &aws_sdk_secretsmanager::Client {
        &self.secrets
    }
}

impl DescribesSecrets for Gauges {
    fn client(&self) -> &aws_sdk_secretsmanager::Client {
        &self.secrets
    }
}

impl<M: DescribesSecrets + Send + Sync> Secrets for Aws<M> {
    async fn secret(&self, name: &SecretName) -> Result<SecretState, Unavailable> {
        let call = self.own.client().describe_secret().secret_id(name.as_str());
        match call.send().await {
            Ok(described) => Ok(state(&described)),
            Err(error) if is_absent(&error) => Ok(SecretState::Missing),
            Err(error) => {
                Err(unavailable(format!("read how the secret `{name}` stands"))(error.into()))
            }
        }
    }
}

fn is_absent(error: &SdkError<DescribeSecretError>) -> bool {
    error.as_service_error().is_some_and(DescribeSecretError::is_resource_not_found_exception)
}

fn state(described: &DescribeSecretOutput) -> SecretState {
    if described.deleted_date().is_some() {
        return SecretState::Deleting;
    }
    let versions = described.version_ids_to_stages();
    let mut versions = versions.into_iter().flatten();
    match versions.find(|(_, labels)| labels.iter().any(|label| label == CURRENT)) {
        Some((version, _)) => SecretState::Usable { version: version.clone() },
        None => SecretState::Empty,
    }
}
