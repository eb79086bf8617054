//! The function that counts what happens, for CloudWatch.

mod handler;
mod log;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use esclusa_aws::{Aws, Gauges, Names, SetupError, setup};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = Arc::new(setup::started(start)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let aws = Arc::clone(&aws);
        async move {
            let me = handler::me(&event.context, aws.as_ref());
            Box::pin(handler::handle(aws.as_ref(), event.payload, &me)).await
        }
    }))
    .await
}

fn start() -> Result<Aws<Gauges>, SetupError> {
    let names = Names::from_environment()?;
    let sdk = setup::sdk()?;
    Aws::new(&sdk, names).with_gauges(&sdk)
}
