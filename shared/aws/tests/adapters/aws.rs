//! AWS as a script: what it is asked is recorded, what it answers is made up.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_http_client::test_util::infallible_client_fn;
use esclusa_aws::{Aws, Gauges, Machines, MetricsNames, Names, RetentionNames, Shelves};
use esclusa_shell::ports::Unavailable;
use serde_json::{Map, Value, json};

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// The operation.
    pub(crate) name: String,
    /// Its input: the JSON body, or the fields of a form.
    pub(crate) input: Value,
}

/// The answer to one request: a status and a body.
pub(crate) type Reply = (u16, String);

/// Everything that was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    pub(crate) fn all(&self) -> Vec<Call> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.all().into_iter().map(|call| call.name).collect()
    }

    /// The input of the one call with this name.
    #[track_caller]
    pub(crate) fn one(&self, name: &str) -> Value {
        let mut all = self.all();
        all.retain(|call| call.name == name);
        assert_eq!(all.len(), 1, "{name}: {:?}", self.names());
        all.remove(0).input
    }
}

/// An answer of 200.
pub(crate) fn ok(body: &Value) -> Reply {
    (200, body.to_string())
}

/// An error of a service that speaks JSON.
pub(crate) fn refusal(code: &str) -> Reply {
    (400, json!({ "__type": format!("com.amazonaws#{code}"), "message": "no" }).to_string())
}

/// Adapters over AWS as `script` plays it; the second argument counts the requests before.
pub(crate) fn aws(
    script: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static,
) -> (Aws<Machines>, Calls) {
    let (sdk, calls) = sdk(script);
    (Aws::new(&sdk, names()).with_machines(&sdk), calls)
}

/// The adapters of what counts over AWS as `script` plays it.
pub(crate) fn gauges(
    script: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static,
) -> (Aws<Gauges>, Calls) {
    let (sdk, calls) = sdk(script);
    let names_of_metrics = MetricsNames {
        alarm_prefix: "esclusa".to_owned(),
        notices: "arn:aws:sns:eu-south-1:123456789012:notices".to_owned(),
    };
    (Aws::new(&sdk, names()).with_gauges_of(&sdk, names_of_metrics), calls)
}

/// The adapters of retention over AWS as `script` plays it.
pub(crate) fn shelves(
    script: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static,
) -> (Aws<Shelves>, Calls) {
    let (sdk, calls) = sdk(script);
    let names_of_retention = RetentionNames {
        images_queue: "https://sqs.eu-south-1.amazonaws.com/123456789012/images".to_owned(),
        function: "esclusa-retention".to_owned(),
    };
    (Aws::new(&sdk, names()).with_shelves_of(&sdk, names_of_retention), calls)
}

fn sdk(script: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static) -> (SdkConfig, Calls) {
    let calls = Calls::default();
    let seen = calls.clone();
    let http = infallible_client_fn(move |request| {
        let target = request.headers().get("x-amz-target").map(|it| it.to_str().unwrap());
        let body = request.body().bytes().unwrap_or_default();
        let call = read(target, body);
        let mut all = seen.0.lock().unwrap();
        let (status, body) = script(&call, all.len());
        all.push(call);
        http::Response::builder().status(status).body(body).unwrap()
    });
    let keys = Credentials::new("AKIATEST", "secret", None, None, "tests");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-south-1"))
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .retry_config(
            aws_config::retry::RetryConfig::standard()
                .with_initial_backoff(std::time::Duration::from_millis(1)),
        )
        .http_client(http)
        .build();
    (sdk, calls)
}

fn names() -> Names {
    Names {
        operator: "esclusa-operator".to_owned(),
        table: "ledger".to_owned(),
        lanes_queue: "https://sqs.eu-south-1.amazonaws.com/123456789012/lanes".to_owned(),
        parameter_prefix: "/esclusa".to_owned(),
    }
}

fn read(target: Option<&str>, body: &[u8]) -> Call {
    if let Some(target) = target {
        let name = target.rsplit('.').next().unwrap().to_owned();
        return Call { name, input: serde_json::from_slice(body).unwrap() };
    }
    let body = std::str::from_utf8(body).unwrap();
    let fields = body.split('&').filter_map(|field| field.split_once('='));
    let mut input: Map<String, Value> =
        fields.map(|(name, value)| (name.to_owned(), json!(decoded(value)))).collect();
    let name = input.remove("Action").unwrap().as_str().unwrap().to_owned();
    input.remove("Version");
    Call { name, input: Value::Object(input) }
}

/// The value of a form's field.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap().to_owned();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(hex, 16).unwrap()));
        decoded.push_str(rest);
    }
    decoded
}

/// An error with its causes.
pub(crate) fn said(error: &Unavailable) -> String {
    esclusa_aws::chain(error)
}
