//! One question, answered at once.

use esclusa_aws::chain;
use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{LaneId, Service};
use esclusa_core::reason::Code;
use esclusa_core::request::{Refusal, RequestId};
use esclusa_core::time::Timestamp;
use esclusa_shell::operate::{self, Action, Desk, OperateError, unknown};
use esclusa_shell::ports::{ConfigurationStore, Ledger, SaveError, Unavailable, Wanted};
use lambda_runtime::Diagnostic;
use serde_json::Value;
use tracing::{error, info};

use crate::answer::{Answer, Done, Refused};
use crate::ask::{LaneVerb, Question, Verb, meant};
use crate::caller::Caller;
use crate::configure::Submission;
use crate::next::Next;
use crate::progress::{ReleaseProgress, Tagged};
use crate::why::Found;
use crate::{describe, next, outcome};

/// Ended rollouts that `history` tells, at most.
const HISTORY: usize = 10;

/// What Lambda says of one invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Names it.
    pub(crate) id: &'a str,
    /// What the function is called, for the lines that answers end in.
    pub(crate) function: &'a str,
    /// The address by which it was invoked.
    pub(crate) address: &'a str,
}

/// Answers one question. A refusal is an answer.
///
/// # Errors
///
/// A call that failed: nothing is known of what was asked, and the same question, with the same
/// `request`, may be put again.
pub(crate) async fn handle<P: Desk + ConfigurationStore>(
    ports: &P,
    payload: &Value,
    call: Call<'_>,
) -> Result<Answer, Diagnostic> {
    let (caller, question) = match read(payload, call, ports.now()) {
        Ok(read) => read,
        Err(refused) => {
            info!(code = refused.code, "{}; {}", refused.text, refused.next);
            return Ok(Answer::Refused(refused));
        }
    };
    let LaneId { service, environment } = &question.lane;
    let (service, environment) = (service.as_str(), environment.as_str());
    let Question { action, actor, reason, request, .. } = &question;
    let answering = Answering { ports, question: &question, function: call.function };
    let (answer, code, text) = match answering.answer(&caller).await {
        Ok(Answer::Configured(configured)) => {
            let text = configured.text.clone();
            (Answer::Configured(configured), "ok".to_owned(), text)
        }
        Ok(Answer::Done(done)) => {
            let text = done.text.clone();
            (Answer::Done(done), "ok".to_owned(), text)
        }
        Ok(Answer::Refused(no)) => {
            let (code, text) = (no.code.clone(), no.text.clone());
            (Answer::Refused(no), code, text)
        }
        Err(failure) => {
            let text = chain(&failure);
            error!(service, environment, action, actor, reason, request, failed = 1, "{text}");
            return Err(Diagnostic {
                error_type: kind(&failure).to_owned(),
                error_message: format!("{text}; ask again with the same `request`"),
            });
        }
    };
    info!(service, environment, action, actor, reason, request, code, "{text}");
    Ok(answer)
}

/// A question that its caller may ask.
fn read(payload: &Value, call: Call<'_>, now: Timestamp) -> Result<(Caller, Question), Refused> {
    let caller = Caller::of(call.address)?;
    let question = Question::read(payload, call.id, now)?;
    caller.may_ask(&question)?;
    Ok((caller, question))
}

/// The name of a failure, so that alarms count kinds.
fn kind(failure: &OperateError) -> &'static str {
    match failure {
        OperateError::Refused(_) => "Refused",
        OperateError::Unavailable(_) | OperateError::Save(SaveError::Unavailable(_)) => {
            "Unavailable"
        }
        OperateError::Save(SaveError::Conflict { .. }) => "Conflict",
        OperateError::Save(SaveError::Claimed { .. }) => "Claimed",
    }
}

/// A question that is being answered.
struct Answering<'a, P> {
    ports: &'a P,
    question: &'a Question,
    function: &'a str,
}

impl<P: Desk + ConfigurationStore> Answering<'_, P> {
    async fn answer(&self, caller: &Caller) -> Result<Answer, OperateError> {
        match &self.question.verb {
            Verb::Configure { text, applies } => {
                let service = &self.question.lane.service;
                let (scope, applies) = (caller.scope(), *applies);
                let submission = Submission { service, text, scope, applies };
                Ok(submission.answer(self.ports, self.function).await?)
            }
            Verb::Lane(verb) => self.answer_about_lane(verb).await,
        }
    }

    async fn answer_about_lane(&self, verb: &LaneVerb) -> Result<Answer, OperateError> {
        let Some(lane) = self.ports.load(&self.question.lane).await? else {
            let refused = no_such_lane(self.ports, &self.question.lane).await?;
            return Ok(Answer::Refused(refused));
        };
        let done = match verb {
            LaneVerb::Status => {
                Ok(self.told(describe::sentence(&lane), next::after_status(&lane), &lane))
            }
            LaneVerb::History => self.history(&lane).await,
            LaneVerb::Why(version) => self.why(&lane, version.as_ref()).await,
            LaneVerb::Progress(version) => self.progress(&lane, version).await,
            LaneVerb::Change(action) => self.change(action).await,
        };
        match done {
            Ok(done) => Ok(Answer::Done(Box::new(done))),
            Err(OperateError::Refused(refusal)) => {
                Ok(Answer::Refused(self.refused(verb, &refusal).await?))
            }
            Err(OperateError::Save(SaveError::Claimed { lane })) => {
                Ok(Answer::Refused(being_deleted(&lane.service)))
            }
            Err(failure) => Err(failure),
        }
    }

    fn told(&self, text: String, next: Option<Next>, lane: &Lane) -> Done {
        Done {
            ok: true,
            action: self.question.action,
            text,
            next: next.map(|it| it.write(self.function, &lane.id)),
            lane: describe::lane(lane, self.ports.now()),
            history: None,
            progress: None,
            why: None,
        }
    }

    async fn history(&self, lane: &Lane) -> Result<Done, OperateError> {
        let rollouts = self.ports.rollouts(&lane.id, HISTORY).await?;
        let text = outcome::of_history(lane, &rollouts);
        let history = Some(rollouts.iter().map(describe::ended).collect());
        Ok(Done { history, ..self.told(text, next::after_status(lane), lane) })
    }

    async fn why(&self, lane: &Lane, version: Option<&Wanted>) -> Result<Done, OperateError> {
        let (release, blockers) = operate::why(self.ports, lane, version).await?;
        let release = release.as_ref();
        let desired =
            lane.desired.as_ref().filter(|it| Some(&it.digest) == release.map(|r| &r.digest));
        let follows = version.is_none() || desired.is_some();
        let found = Found { lane, release, blockers: &blockers, follows };
        let why = Some(found.report());
        Ok(Done { why, ..self.told(found.text(), found.next(), lane) })
    }

    async fn progress(&self, lane: &Lane, version: &Wanted) -> Result<Done, OperateError> {
        let release = operate::resolved(self.ports, lane, version).await?;
        let ended = self.ports.rollouts(&lane.id, HISTORY).await?;
        let tagged = if ReleaseProgress::is_told_by(lane, &release.digest) {
            Tagged::default()
        } else {
            operate::why(self.ports, lane, None).await?
        };
        let found = ReleaseProgress::of(lane, &release, &ended, &tagged);
        let progress = Some(found.report());
        Ok(Done { progress, ..self.told(found.text(), found.next(), lane) })
    }

    async fn change(&self, action: &Action) -> Result<Done, OperateError> {
        let Question { lane, request, actor, .. } = self.question;
        let from = (RequestId(request.clone()), actor.clone());
        let after = operate::operate(self.ports, lane, from, action).await?;
        let text = outcome::of_change(action, &after);
        Ok(self.told(text, next::after_change(action, &after), &after))
    }

    async fn refused(&self, verb: &LaneVerb, refusal: &Refusal) -> Result<Refused, Unavailable> {
        let reason = &refusal.reason;
        let digest = match verb {
            LaneVerb::Change(Action::Deploy { version, .. })
                if reason.code == Code::RELEASE_QUARANTINED =>
            {
                self.digest(version).await?
            }
            LaneVerb::Status
            | LaneVerb::History
            | LaneVerb::Why(_)
            | LaneVerb::Progress(_)
            | LaneVerb::Change(_) => None,
        };
        Ok(Refused {
            ok: false,
            code: reason.code.to_string(),
            text: reason.text.clone(),
            next: next::about(&reason.code, digest.as_ref())
                .write(self.function, &self.question.lane),
        })
    }

    async fn digest(&self, version: &Wanted) -> Result<Option<Digest>, Unavailable> {
        if let Wanted::Digest(digest) = version {
            return Ok(Some(digest.clone()));
        }
        let found = self.ports.resolve(&self.question.lane.service, version).await?;
        Ok(found.map(|release| release.digest))
    }
}

/// What was asked needs an image that retention is taking away.
fn being_deleted(service: &Service) -> Refused {
    let text = format!(
        "retention is deleting the image of {service} that this needs at this moment; nothing was \
         changed"
    );
    let next = "ask again in a minute; if the image is gone by then, push it again";
    Refused { ok: false, code: "release.deleting".to_owned(), text, next: next.to_owned() }
}

/// Names the lane that was probably meant.
async fn no_such_lane<P: Ledger>(ports: &P, lane: &LaneId) -> Result<Refused, Unavailable> {
    let lanes = ports.lanes().await?;
    let services: Vec<&str> = lanes.iter().map(|it| it.service.as_str()).collect();
    let of_service = lanes.iter().filter(|it| it.service == lane.service);
    let environments: Vec<&str> = of_service.map(|it| it.environment.as_str()).collect();
    let next = if lanes.is_empty() {
        "push an image first: Esclusa knows no lane yet".to_owned()
    } else if environments.is_empty() {
        meant(lane.service.as_str(), dedup(services))
    } else {
        meant(lane.environment.as_str(), environments)
    };
    let text = unknown(lane).reason.text;
    Ok(Refused { ok: false, code: "lane.unknown".to_owned(), text, next })
}

/// Lanes are listed in the order of their names, so equal services stand together.
fn dedup(mut names: Vec<&str>) -> Vec<&str> {
    names.dedup();
    names
}
