//! The function that puts the host program into the stack's own repository at each deployment.

mod handler;
mod image;
mod publish;
mod registry;
mod request;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esclusa_aws::{SetupError, setup};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use handler::Publisher;
use registry::EcrRegistry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let publisher = Arc::new(setup::started(start)?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<request::Request>| {
        let publisher = Arc::clone(&publisher);
        async move {
            let left = event.context.deadline().duration_since(std::time::SystemTime::now());
            publisher.handle(event.payload, left.unwrap_or(Duration::ZERO)).await
        }
    }))
    .await
}

fn start() -> Result<Publisher<EcrRegistry>, SetupError> {
    let programs = PathBuf::from(setup::variable(setup::PROGRAMS)?);
    Ok(Publisher { registry: EcrRegistry::new(&setup::sdk()?), programs })
}
