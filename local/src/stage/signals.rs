//! Secrets and alarms, as a test or a demo makes and changes them, and the events of them.

use aws_sdk_cloudwatch::types::{ComparisonOperator, StateValue, Statistic};
use serde_json::json;

use super::queue::refused;
use super::{Stage, StageError};

impl Stage {
    /// Makes a secret.
    ///
    /// # Errors
    ///
    /// What Secrets Manager refused.
    pub async fn make_secret(&self, name: &str, value: &str) -> Result<(), StageError> {
        let made = self.secrets().create_secret().name(name).secret_string(value).send().await;
        made.map(drop).map_err(|error| refused("CreateSecret", &error))
    }

    /// Gives a secret another current version, and tells of it.
    ///
    /// # Errors
    ///
    /// What Secrets Manager or EventBridge refused.
    pub async fn rotate_secret(&self, name: &str, value: &str) -> Result<(), StageError> {
        let put = self.secrets().put_secret_value().secret_id(name).secret_string(value);
        let put = put.send().await.map_err(|error| refused("PutSecretValue", &error))?;
        let version = put.version_id().unwrap_or_default();
        let detail = json!({ "name": name, "labelUpdated": "AWSCURRENT", "versionId": version });
        self.tell("aws.secretsmanager", "Secret Label Updated", &detail).await
    }

    /// Schedules a secret for deletion.
    ///
    /// # Errors
    ///
    /// What Secrets Manager refused.
    pub async fn delete_secret(&self, name: &str) -> Result<(), StageError> {
        let delete = self.secrets().delete_secret().secret_id(name).recovery_window_in_days(7);
        delete.send().await.map(drop).map_err(|error| refused("DeleteSecret", &error))
    }

    /// Takes back that a secret was scheduled for deletion.
    ///
    /// # Errors
    ///
    /// What Secrets Manager refused.
    pub async fn restore_secret(&self, name: &str) -> Result<(), StageError> {
        let restored = self.secrets().restore_secret().secret_id(name).send().await;
        restored.map(drop).map_err(|error| refused("RestoreSecret", &error))
    }

    /// Makes an alarm on a metric that nothing is put into, and sets what it says.
    ///
    /// # Errors
    ///
    /// What CloudWatch refused.
    pub async fn make_alarm(&self, name: &str) -> Result<(), StageError> {
        let put = (self.alarms().put_metric_alarm())
            .alarm_name(name)
            .namespace("Tickets")
            .metric_name("Errors")
            .statistic(Statistic::Sum)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .threshold(0.0)
            .period(60)
            .evaluation_periods(1);
        put.send().await.map_err(|error| refused("PutMetricAlarm", &error))?;
        self.set_alarm(name, "OK").await
    }

    /// Sets what an alarm says; that it goes off is told.
    ///
    /// # Errors
    ///
    /// What CloudWatch or EventBridge refused.
    pub async fn set_alarm(&self, name: &str, state: &str) -> Result<(), StageError> {
        let set = self.alarms().set_alarm_state().alarm_name(name).state_reason("the demo");
        let set = set.state_value(StateValue::from(state)).send().await;
        set.map_err(|error| refused("SetAlarmState", &error))?;
        let detail = json!({ "alarmName": name, "state": { "value": state } });
        self.tell("aws.cloudwatch", "CloudWatch Alarm State Change", &detail).await
    }

    /// Deletes an alarm.
    ///
    /// # Errors
    ///
    /// What CloudWatch refused.
    pub async fn delete_alarm(&self, name: &str) -> Result<(), StageError> {
        let deleted = self.alarms().delete_alarms().alarm_names(name).send().await;
        deleted.map(drop).map_err(|error| refused("DeleteAlarms", &error))
    }

    fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.environment.sdk_config())
    }

    fn alarms(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.environment.sdk_config())
    }
}
