//! The function that answers a person.

mod answer;
mod ask;
mod caller;
mod configure;
mod describe;
mod handler;
mod next;
mod outcome;
mod progress;
#[cfg(test)]
mod tests;
mod why;

use std::sync::Arc;

use esclusa_aws::{Aws, Counter, Names, SetupError, setup};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = Arc::new(setup::started(start)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let aws = Arc::clone(&aws);
        async move {
            let id = &event.context.request_id;
            let function = &event.context.env_config.function_name;
            let address = &event.context.invoked_function_arn;
            let call = handler::Call { id, function, address };
            Box::pin(handler::handle(aws.as_ref(), &event.payload, call)).await
        }
    }))
    .await
}

fn start() -> Result<Aws<Counter>, SetupError> {
    let names = Names::from_environment()?;
    let sdk = setup::sdk()?;
    Ok(Aws::new(&sdk, names).with_counter(&sdk))
}
