//! The function that reconciles lanes.

mod handler;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lambda_events::event::sqs::SqsEvent;
use esclusa_aws::setup::OPERATION;
use esclusa_aws::{Aws, Machines, Names, SetupError, setup};
use esclusa_core::time::Timestamp;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::ports::Clock as _;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = Arc::new(setup::started(start)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let aws = Arc::clone(&aws);
        async move {
            let ends_at = Timestamp::from_millis(event.context.deadline);
            let me = Invocation::until(&event.context.request_id, ends_at, aws.now(), OPERATION);
            Ok::<_, Error>(handler::handle(aws, event.payload, me).await)
        }
    }))
    .await
}

fn start() -> Result<Aws<Machines>, SetupError> {
    let names = Names::from_environment()?;
    let sdk = setup::sdk()?;
    Ok(Aws::new(&sdk, names).with_machines(&sdk))
}
