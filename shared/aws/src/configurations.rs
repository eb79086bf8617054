//! The texts that configure services, in Parameter Store.

use aws_sdk_ssm::types::{Parameter, ParameterType};
use esclusa_core::name::Service;
use esclusa_core::observation::Sources;
use esclusa_shell::ports::{BoxError, ConfigurationStore, Configurations, Unavailable};

use crate::Aws;
use crate::failure::unavailable;

impl<M: Send + Sync> Configurations for Aws<M> {
    async fn sources(&self, service: &Service) -> Result<Sources, Unavailable> {
        let own = format!("{}{service}", self.services());
        let defaults = self.defaults();
        // Both in one call, so that they are of one moment. What is not there is not an error.
        let read = self.parameters(&[&own, &defaults]).await;
        let doing = format!("read the parameters `{own}` and `{defaults}`");
        let mut sources = Sources::default();
        for parameter in read.map_err(unavailable(doing))? {
            if parameter.name.as_ref() == Some(&own) {
                sources.service = parameter.value;
            } else if parameter.name.as_ref() == Some(&defaults) {
                sources.defaults = parameter.value;
            }
        }
        Ok(sources)
    }

    async fn configured(&self) -> Result<Vec<(Service, Sources)>, Unavailable> {
        let services = self.services();
        let doing = || unavailable(format!("list the parameters below `{services}`"));
        let defaults = self.parameters(&[&self.defaults()]).await.map_err(doing())?;
        let defaults = defaults.into_iter().next().and_then(|it| it.value);
        let mut pages = (self.ssm.get_parameters_by_path())
            .path(services.trim_end_matches('/'))
            .recursive(true)
            .into_paginator()
            .send();
        let mut parameters = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| doing()(e.into()))?;
            parameters.extend(page.parameters.unwrap_or_default());
        }
        let mut configured = Vec::new();
        for Parameter { name, value, .. } in parameters {
            let name = name.unwrap_or_default();
            let service = name.strip_prefix(&services).unwrap_or(&name).parse();
            match service {
                Ok(service) => {
                    let sources = Sources { service: value, defaults: defaults.clone() };
                    configured.push((service, sources));
                }
                Err(error) => tracing::warn!(%name, %error, "the parameter names no service"),
            }
        }
        Ok(configured)
    }
}

impl<M: Send + Sync> ConfigurationStore for Aws<M> {
    async fn store(&self, service: &Service, text: &str) -> Result<(), Unavailable> {
        let name = format!("{}{service}", self.services());
        let doing = unavailable(format!("store the parameter `{name}`"));
        let put = self.ssm.put_parameter().name(name).value(text).overwrite(true);
        let put = put.r#type(ParameterType::String).send().await;
        put.map(drop).map_err(|error| doing(error.into()))
    }
}

impl<M> Aws<M> {
    fn services(&self) -> String {
        format!("{}/services/", self.names.parameter_prefix)
    }

    fn defaults(&self) -> String {
        format!("{}/defaults", self.names.parameter_prefix)
    }

    async fn parameters(&self, names: &[&str]) -> Result<Vec<Parameter>, BoxError> {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let got = self.ssm.get_parameters().set_names(Some(names)).send().await?;
        Ok(got.parameters.unwrap_or_default())
    }
}
