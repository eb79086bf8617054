//! Any call of AWS's, made by any caller: what is tried is data.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials;
use esclusa_local::environment::Environment;
use esclusa_local::places::tested_checkout;
use serde_json::{Value, json};

use crate::options;

/// What AWS answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The error's code, if it was one.
    pub(crate) error: Option<String>,
    /// What it answered, if it was none.
    pub(crate) value: Value,
}

impl Answer {
    /// Whether a policy refused the call.
    pub(crate) fn is_denied(&self) -> bool {
        let denials = [
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "UnauthorizedOperation",
        ];
        self.error.as_deref().is_some_and(|code| denials.contains(&code))
    }

    /// What was answered; it is no error.
    #[track_caller]
    pub(crate) fn value(self) -> Value {
        assert_eq!(self.error, None);
        self.value
    }
}

/// Whoever calls, by their names: `root`, and whoever was added.
pub(crate) struct Callers<'a> {
    environment: &'a Environment,
    keys: BTreeMap<String, Value>,
}

impl<'a> Callers<'a> {
    pub(crate) async fn of(environment: &'a Environment) -> Self {
        let root = keys_of(&environment.sdk_config()).await;
        Self { environment, keys: [("root".to_owned(), root)].into() }
    }

    /// Adds a role of the stack by its logical name, which is the caller's as well.
    pub(crate) async fn add_of_stack(&mut self, role: &str) {
        let config = self.environment.sdk_config_as(role).await.unwrap();
        self.keys.insert(role.to_owned(), keys_of(&config).await);
    }

    /// Adds whoever this call of STS's gives keys to.
    pub(crate) fn add(&mut self, caller: &str, operation: &str, input: Value) {
        let keys = self.root("sts", operation, input)["Credentials"].take();
        let keys = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|it| &keys[it]);
        self.keys.insert(caller.to_owned(), json!(keys));
    }

    /// Makes the calls `(caller, service, operation, input)` as boto3 names them.
    pub(crate) fn call(&self, calls: &[(&str, &str, &str, Value)]) -> Vec<Answer> {
        let calls: Vec<Value> = calls
            .iter()
            .map(|(caller, service, operation, input)| {
                json!({ "caller": caller, "service": service, "operation": operation,
                        "input": input })
            })
            .collect();
        let request = json!({
            "endpoint": self.environment.record().aws(),
            "region": self.environment.record().region,
            "callers": self.keys,
            "calls": calls,
        });
        let answers: Vec<Value> = serde_json::from_str(&run(&request)).unwrap();
        assert_eq!(answers.len(), calls.len());
        let answer = |it: Value| Answer {
            error: it["error"].as_str().map(str::to_owned),
            value: it["answer"].clone(),
        };
        answers.into_iter().map(answer).collect()
    }

    /// One call of the account's root.
    pub(crate) fn root(&self, service: &str, operation: &str, input: Value) -> Value {
        self.call(&[("root", service, operation, input)]).remove(0).value()
    }
}

async fn keys_of(config: &SdkConfig) -> Value {
    let keys = config.credentials_provider().unwrap().provide_credentials().await.unwrap();
    json!([keys.access_key_id(), keys.secret_access_key(), keys.session_token()])
}

fn run(request: &Value) -> String {
    let script = tested_checkout().join("tests/template/calls.py");
    // Without `-B` root would leave compiled modules where a user should own everything.
    let mut python = Command::new(options().python())
        .arg("-B")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
