//! Who asks. IAM decides who may invoke what; a pipeline may invoke only the alias that bears its
//! service's name, which `template-service.yaml` makes, so the alias tells who it is.

use esclusa_core::name::Service;
use esclusa_shell::configure::Scope;

use crate::answer::Refused;
use crate::ask::{LaneVerb, Question, Verb};

/// What the aliases of pipelines begin with.
const ALIAS: &str = "for-";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever may invoke the function itself.
    Person,
    /// What builds this service.
    Pipeline(Service),
}

impl Caller {
    /// Reads the address by which the function was invoked:
    /// `arn:<partition>:lambda:<region>:<account>:function:<name>[:<alias or version>]`.
    pub(crate) fn of(address: &str) -> Result<Self, Refused> {
        match address.split(':').nth(7) {
            None | Some("$LATEST") => Ok(Self::Person),
            Some(alias) => service(alias).map(Self::Pipeline).ok_or_else(|| {
                let text = format!("`{alias}` is not an alias that a service's stack makes");
                refused(&text, "invoke the function without a qualifier".to_owned())
            }),
        }
    }

    /// What of a configuration this caller may change. Whoever may push an image is not to let it
    /// through as well.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Person => Scope::Everything,
            Self::Pipeline(_) => Scope::NothingLooser,
        }
    }

    /// Refuses what this caller may not ask.
    pub(crate) fn may_ask(&self, question: &Question) -> Result<(), Refused> {
        let Self::Pipeline(own) = self else { return Ok(()) };
        let service = &question.lane.service;
        if service != own {
            let text = format!("the pipeline of {own} may not ask about {service}");
            return Err(refused(&text, format!("ask about {own}")));
        }
        match &question.verb {
            Verb::Configure { .. }
            | Verb::Lane(
                LaneVerb::Status | LaneVerb::History | LaneVerb::Why(_) | LaneVerb::Progress(_),
            ) => Ok(()),
            Verb::Lane(LaneVerb::Change(_)) => {
                let text = format!("the pipeline of {own} may not ask for `{}`", question.action);
                let next = "a person may, by the policy in output `OperatorPolicy` of Esclusa's \
                            stack; a pipeline may ask `status`, `history`, `why`, `progress` and \
                            `configure`";
                Err(refused(&text, next.to_owned()))
            }
        }
    }
}

/// An alias has neither `/` nor `.`, and a service's name never two separators in a row.
fn service(alias: &str) -> Option<Service> {
    let name = alias.strip_prefix(ALIAS)?.replace("__", "/").replace("--", ".");
    name.parse().ok()
}

fn refused(text: &str, next: String) -> Refused {
    Refused { ok: false, code: "caller.refused".to_owned(), text: text.to_owned(), next }
}
