//! A function that does nothing: what the runtime itself costs, for `make bench`.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let nothing = |_: LambdaEvent<Value>| async { Ok::<_, Error>(Value::Null) };
    lambda_runtime::run(service_fn(nothing)).await
}
