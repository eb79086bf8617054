//! The texts that configure services, in Parameter Store.

use esclusa_core::name::Service;
use esclusa_core::observation::Sources;
use esclusa_shell::ports::{Configurations, Unavailable};

use crate::failure::unavailable;
use crate::{Aws, Machines};

impl Configurations for Aws<Machines> {
    async fn sources(&self, service: &Service) -> Result<Sources, Unavailable> {
        let prefix = &self.names.parameter_prefix;
        let own = format!("{prefix}/services/{service}");
        let defaults = format!("{prefix}/defaults");
        // Both in one call, so that they are of one moment. What is not there is not an error.
        let got = self.machines.ssm.get_parameters().names(&own).names(&defaults).send().await;
        let doing = || unavailable(format!("read the parameters `{own}` and `{defaults}`"));
        let mut sources = Sources::default();
        for parameter in got.map_err(|e| doing()(e.into()))?.parameters.unwrap_or_default() {
            if parameter.name.as_ref() == Some(&own) {
                sources.service = parameter.value;
            } else if parameter.name.as_ref() == Some(&defaults) {
                sources.defaults = parameter.value;
            }
        }
        Ok(sources)
    }
}
