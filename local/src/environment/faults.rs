//! Killing a function at a chosen call, which the launcher does where the call passes through.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Environment;
use super::error::EnvironmentError;

/// On which side of a call's effect its caller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// The call has no effect.
    Before,
    /// The call has its effect, and nobody hears of it.
    After,
}

/// A kill that waits for its call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// IAM's name of the service, for example `dynamodb`.
    pub service: String,
    /// The action, for example `PutItem`.
    pub action: String,
    /// Which of the matching calls from now on, from 1.
    pub nth: u32,
    /// Before or after the effect.
    pub when: Moment,
    /// Part of the name of the function that must make the call; empty for any.
    #[serde(default)]
    pub function: String,
}

/// A kill that happened.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Killed {
    /// IAM's name of the service.
    pub service: String,
    /// The action.
    pub action: String,
    /// Before or after the effect.
    pub when: Moment,
    /// The function that was killed.
    pub function: String,
    /// Its process.
    pub pid: i32,
    /// When, in seconds since the Unix epoch.
    pub at: f64,
}

/// How often a caller made a call since the environment started or the counts were cleared.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Called {
    /// The caller's ARN.
    pub caller: String,
    /// IAM's name of the service.
    pub service: String,
    /// The action.
    pub action: String,
    /// How often.
    pub count: u64,
}

#[derive(Deserialize)]
struct Kills {
    killed: Vec<Killed>,
}

impl Environment {
    /// Arms one kill.
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn arm(&self, kill: &Kill) -> Result<(), EnvironmentError> {
        let request = self.admin(reqwest::Method::POST, "kill").json(kill);
        send::<Value>(request).await.map(drop)
    }

    /// The kills that happened since the last [`Environment::disarm`].
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn killed(&self) -> Result<Vec<Killed>, EnvironmentError> {
        let kills = send::<Kills>(self.admin(reqwest::Method::GET, "kill")).await?;
        Ok(kills.killed)
    }

    /// Forgets every kill, armed or done.
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn disarm(&self) -> Result<(), EnvironmentError> {
        send::<Value>(self.admin(reqwest::Method::DELETE, "kill")).await.map(drop)
    }

    /// Every call that was made of any API, by its caller.
    ///
    /// # Errors
    ///
    /// When AWS does not answer.
    pub async fn called(&self) -> Result<Vec<Called>, EnvironmentError> {
        send(self.admin(reqwest::Method::GET, "calls")).await
    }

    fn admin(&self, method: reqwest::Method, what: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/_esclusa/{what}", self.record.aws());
        reqwest::Client::new().request(method, url)
    }
}

/// Makes a call that no API has, of the launcher or of our own server.
///
/// # Errors
///
/// When it does not answer, or refuses.
pub(super) async fn send<T: for<'a> Deserialize<'a>>(
    request: reqwest::RequestBuilder,
) -> Result<T, EnvironmentError> {
    let refused = |error: reqwest::Error| EnvironmentError::Refused {
        what: "a call to the environment's AWS".to_owned(),
        answer: error.to_string(),
    };
    let answer = request.send().await.map_err(refused)?;
    answer.error_for_status().map_err(refused)?.json().await.map_err(refused)
}
