//! What is answered to whoever hands in a configuration.

use esclusa_core::name::Service;
use esclusa_core::reason::Code;
use esclusa_shell::configure::{self, ConfigureError, Scope};
use esclusa_shell::ports::{ConfigurationStore, Configurations, Unavailable};
use serde::Serialize;

use crate::answer::{Answer, Refused};

/// What became of a configuration.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Configured {
    /// Always true.
    #[cfg_attr(test, schemars(extend("const" = true)))]
    pub(crate) ok: bool,
    /// The action that was asked for: `configure`.
    pub(crate) action: &'static str,
    /// What it came to, for a person.
    pub(crate) text: String,
    /// `unchanged`, `valid` (it may be stored, which was not asked for), or `stored`.
    pub(crate) state: &'static str,
}

/// A configuration that was handed in.
pub(crate) struct Submission<'a> {
    pub(crate) service: &'a Service,
    pub(crate) text: &'a str,
    pub(crate) scope: Scope,
    pub(crate) applies: bool,
}

impl Submission<'_> {
    /// Reads it, and stores it where that is asked for; a refusal's line asks `function`.
    pub(crate) async fn answer<P: Configurations + ConfigurationStore>(
        &self,
        ports: &P,
        function: &str,
    ) -> Result<Answer, Unavailable> {
        let Self { service, text, scope, applies } = self;
        let refuse = |error: &ConfigureError, code: String, next: String| {
            let text = format!("the configuration of {service} was not stored: {error}");
            Ok(Answer::Refused(Refused { ok: false, code, text, next }))
        };
        let invalid = Code::CONFIG_INVALID.to_string();
        match configure::configure(ports, service, text, *scope, *applies).await {
            Ok(configured) => Ok(Answer::Configured(told(service, configured))),
            Err(ConfigureError::Unavailable(failure)) => Err(failure),
            Err(error @ ConfigureError::Invalid(_)) => {
                refuse(&error, invalid, "correct esclusa.toml".to_owned())
            }
            Err(error @ ConfigureError::Unreadable(_)) => {
                refuse(&error, invalid, by_hand(service, function))
            }
            Err(error @ ConfigureError::Looser { .. }) => {
                refuse(&error, "config.looser".to_owned(), by_hand(service, function))
            }
        }
    }
}

fn told(service: &Service, configured: configure::Configured) -> Configured {
    let (state, what) = match configured {
        configure::Configured::Unchanged => ("unchanged", "is what is stored already"),
        configure::Configured::Valid => ("valid", "is valid; with `apply` it is stored"),
        configure::Configured::Stored => ("stored", "is stored, and counts from the next look on"),
    };
    let text = format!("the configuration of {service} {what}");
    Configured { ok: true, action: "configure", text, state }
}

/// What only a person may store, beside the file.
fn by_hand(service: &Service, function: &str) -> String {
    format!(
        "a person who may (output `OperatorPolicy` of Esclusa's stack) looks at it and stores it \
         once, beside esclusa.toml; then run the pipeline's job again:\njq --null-input \
         --rawfile text esclusa.toml '{{action: \"configure\", service: \"{service}\", \
         apply: true, configuration: $text}}' | aws lambda invoke --function-name {function} \
         --cli-binary-format raw-in-base64-out --payload file:///dev/stdin /dev/stdout"
    )
}
