//! Whether each part of an environment does its work.

use std::time::Duration;

use serde_json::json;

use super::{Environment, calls, parts, preflight, up};
use crate::host::{Host, Limits};

/// How one part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartStatus {
    /// The part's name, as `logs` takes it.
    pub part: String,
    /// Whether it answered as it should.
    pub healthy: bool,
    /// What it is or what is wrong with it, in a few words.
    pub detail: String,
}

impl Environment {
    /// Asks every part how it is.
    pub async fn status(&self) -> Vec<PartStatus> {
        let mut all = vec![
            self.server("aws", &self.record.aws(), up::AWS_READY).await,
            self.server("control", &self.record.control(), up::CONTROL_READY).await,
            self.registry().await,
        ];
        for function in preflight::FUNCTIONS {
            all.push(self.function(function).await);
        }
        for host in &self.record.hosts {
            all.push(self.host_status(&host.name, host.number).await);
        }
        all
    }

    async fn server(&self, part: &str, endpoint: &str, target: &str) -> PartStatus {
        let url = format!("{endpoint}{target}");
        let count = parts::processes(&self.state).iter().filter(|it| it.part == part).count();
        match get(&url).await {
            Ok(status) if (200..300).contains(&status) => {
                good(part, &format!("{endpoint}, {count} processes"))
            }
            Ok(status) => bad(part, &format!("answers {status} at {url}")),
            Err(_) => bad(part, &format!("does not answer at {url}, {count} processes")),
        }
    }

    async fn registry(&self) -> PartStatus {
        let url = format!("http://{}/v2/", self.record.registry());
        match get(&url).await {
            // It demands a login of whoever asks, which shows that it works.
            Ok(401) => good("registry", &self.record.registry()),
            Ok(status) => bad("registry", &format!("answers {status} at {url}")),
            Err(_) => bad("registry", &format!("does not answer at {url}")),
        }
    }

    async fn function(&self, function: &str) -> PartStatus {
        let name = self.record.function_name(function);
        let request = json!({ "logGroupNamePrefix": format!("/aws/lambda/{name}") });
        let target = "Logs_20140328.DescribeLogGroups";
        let known = calls::json(&self.record, "logs", target, &request).await;
        match known {
            Ok(answer) if answer.pointer("/logGroups/0").is_some() => good(function, &name),
            Ok(_) => bad(function, "is not deployed"),
            Err(error) => bad(function, &error.to_string()),
        }
    }

    async fn host_status(&self, name: &str, number: u8) -> PartStatus {
        let state = self.state.clone();
        let asked = up::blocking(move || {
            let host = Host::open(&state, number).map_err(super::EnvironmentError::Host)?;
            let ask = ["docker", "ps", "--quiet"];
            let answer = host.exec(&ask, &[], &[], Limits::seconds(5));
            Ok((host.address(), answer.map_err(super::EnvironmentError::Host)?))
        });
        match asked.await {
            Ok((address, answer)) if answer.code == Some(0) => {
                let count = answer.stdout.split(|byte| *byte == b'\n').count().saturating_sub(1);
                good(name, &format!("{address}, {count} containers"))
            }
            Ok((address, answer)) => {
                let words = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
                bad(name, &format!("{address}: its engine does not answer: {words}"))
            }
            Err(error) => bad(name, &error.to_string()),
        }
    }
}

async fn get(url: &str) -> Result<u16, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?;
    Ok(client.get(url).send().await?.status().as_u16())
}

fn good(part: &str, detail: &str) -> PartStatus {
    PartStatus { part: part.to_owned(), healthy: true, detail: detail.to_owned() }
}

fn bad(part: &str, detail: &str) -> PartStatus {
    PartStatus { part: part.to_owned(), healthy: false, detail: detail.to_owned() }
}
