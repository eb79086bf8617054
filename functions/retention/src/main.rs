//! The function that keeps the last versions of each service's images, and deletes the rest.

mod answer;
mod ask;
mod handler;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use esclusa_aws::{Aws, Names, SetupError, Shelves, setup};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (aws, delay) = setup::started(start)?;
    let aws = Arc::new(aws);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let aws = Arc::clone(&aws);
        async move {
            let function = &event.context.env_config.function_name;
            let me = handler::me(&event.context, aws.as_ref());
            let call = handler::Call { function, delay, me };
            Box::pin(handler::handle(aws.as_ref(), event.payload, &call)).await
        }
    }))
    .await
}

fn start() -> Result<(Aws<Shelves>, std::time::Duration), SetupError> {
    let names = Names::from_environment()?;
    let sdk = setup::sdk()?;
    let delay = setup::retention_delay()?;
    Ok((Aws::new(&sdk, names).with_shelves(&sdk)?, delay))
}
