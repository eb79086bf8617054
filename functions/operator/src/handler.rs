//! One question, answered at once.

use esclusa_aws::chain;
use esclusa_core::lane::Lane;
use esclusa_core::name::LaneId;
use esclusa_core::reason::Code;
use esclusa_core::request::{Refusal, RequestId};
use esclusa_core::rollout::{Cause, Rollout};
use esclusa_shell::operate::{Action, OperateError, operate, unknown};
use esclusa_shell::ports::{Clock, Ledger, Queue, Registry, SaveError, Unavailable};
use lambda_runtime::Diagnostic;
use serde_json::Value;
use tracing::{error, info};

use crate::answer::{Answer, Done, Refused};
use crate::ask::{Question, Verb, meant};
use crate::describe;

/// Ended rollouts that `history` tells, at most.
const HISTORY: usize = 10;

/// Answers one question. A refusal is an answer.
///
/// # Errors
///
/// A call that failed: nothing is known of what was asked, and the same question, with the same
/// `request`, may be put again.
pub(crate) async fn handle<P: Ledger + Registry + Queue + Clock + Sync>(
    ports: &P,
    payload: &Value,
    request_id: &str,
) -> Result<Answer, Diagnostic> {
    let question = match Question::read(payload, request_id) {
        Ok(question) => question,
        Err(refused) => {
            info!(code = refused.code, "{}; {}", refused.text, refused.next);
            return Ok(Answer::Refused(refused));
        }
    };
    let LaneId { service, environment } = &question.lane;
    let (service, environment) = (service.as_str(), environment.as_str());
    let (actor, request, action) = (&question.actor, &question.request, word(question.verb));
    match answer(ports, &question).await {
        Ok(Answer::Done(done)) => {
            info!(service, environment, action, actor, request, code = "ok", "{}", done.text);
            Ok(Answer::Done(done))
        }
        Ok(Answer::Refused(no)) => {
            info!(service, environment, action, actor, request, code = no.code, "{}", no.text);
            Ok(Answer::Refused(no))
        }
        Err(failure) => {
            let text = chain(&failure);
            error!(service, environment, action, actor, request, failed = 1, "{text}");
            Err(Diagnostic {
                error_type: kind(&failure).to_owned(),
                error_message: format!("{text}; ask again with the same `request`"),
            })
        }
    }
}

/// The name of a failure, so that alarms count kinds.
fn kind(failure: &OperateError) -> &'static str {
    match failure {
        OperateError::Refused(_) => "Refused",
        OperateError::Unavailable(_) | OperateError::Save(SaveError::Unavailable(_)) => {
            "Unavailable"
        }
        OperateError::Save(SaveError::Conflict { .. }) => "Conflict",
    }
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Status => "status",
        Verb::History => "history",
        Verb::Rollback => "rollback",
        Verb::Hold => "hold",
        Verb::Release => "release",
    }
}

async fn answer<P: Ledger + Registry + Queue + Clock + Sync>(
    ports: &P,
    question: &Question,
) -> Result<Answer, OperateError> {
    let Some(before) = ports.load(&question.lane).await? else {
        return Ok(Answer::Refused(no_such_lane(ports, &question.lane).await?));
    };
    let action = match question.verb {
        Verb::Status => return Ok(done(question, describe::sentence(&before), &before)),
        Verb::History => return history(ports, question, &before).await,
        Verb::Rollback => Action::Rollback,
        Verb::Release => Action::Release,
        Verb::Hold => {
            let reason = question.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
            Action::Hold { reason }
        }
    };
    let from = (RequestId(question.request.clone()), question.actor.clone());
    match operate(ports, &question.lane, from, &action).await {
        Ok(after) => Ok(done(question, outcome(&action, &after), &after)),
        Err(OperateError::Refused(refusal)) => Ok(Answer::Refused(refused(&refusal))),
        Err(failure) => Err(failure),
    }
}

fn done(question: &Question, text: String, lane: &Lane) -> Answer {
    Answer::Done(Box::new(told(question, text, lane)))
}

fn told(question: &Question, text: String, lane: &Lane) -> Done {
    Done {
        ok: true,
        action: word(question.verb),
        text,
        next: describe::next(lane),
        lane: describe::lane(lane),
        history: None,
    }
}

async fn history<P: Ledger>(
    ports: &P,
    question: &Question,
    lane: &Lane,
) -> Result<Answer, OperateError> {
    let rollouts = ports.rollouts(&lane.id, HISTORY).await?;
    let text = match rollouts.first().and_then(|last| Some((last, last.end()?))) {
        Some((last, (end, reason))) => {
            let (candidate, text) = (&last.candidate, &reason.text);
            format!("the last of {} rollout(s), to {candidate}, {end}: {text}", rollouts.len())
        }
        None => format!("no rollout of {} has ended yet", lane.id.service),
    };
    let history = Some(rollouts.iter().map(describe::ended).collect());
    Ok(Answer::Done(Box::new(Done { history, ..told(question, text, lane) })))
}

/// What a request has come to so far.
fn outcome(action: &Action, lane: &Lane) -> String {
    let (service, environment) = (&lane.id.service, &lane.id.environment);
    match action {
        Action::Hold { .. } => {
            format!("{service} in {environment} is held: no rollout starts until it is released")
        }
        Action::Release => format!("{service} in {environment} follows its tag again"),
        Action::Rollback => rollback(lane),
    }
}

fn rollback(lane: &Lane) -> String {
    let (service, environment) = (&lane.id.service, &lane.id.environment);
    let back = lane.asked.as_ref().filter(|asked| asked.cause == Cause::Rollback);
    let stopped = lane.rollout.as_ref().filter(|rollout| rollout.abort.is_some());
    match (back, stopped) {
        (Some(asked), _) => {
            let to = &asked.release;
            format!("{service} in {environment} goes back to {to}, and is held afterwards")
        }
        (None, Some(Rollout { candidate, .. })) => format!(
            "the rollout of {candidate} to {service} in {environment} stops: the hosts that it \
             touched go back to what they ran, and the lane is held"
        ),
        (None, None) => describe::sentence(lane),
    }
}

fn refused(refusal: &Refusal) -> Refused {
    let reason = &refusal.reason;
    Refused {
        ok: false,
        code: reason.code.to_string(),
        text: reason.text.clone(),
        next: instead(&reason.code).to_owned(),
    }
}

/// What to do after a refusal, beside what its sentence says.
fn instead(code: &Code) -> &'static str {
    if *code == Code::LANE_BUSY {
        "`rollback` stops the active rollout; `status` tells how far it is"
    } else if *code == Code::RELEASE_NOT_IN_REGISTRY || *code == Code::RELEASE_ARCHIVED {
        "push the image that should run, or restore it in ECR"
    } else if *code == Code::RELEASE_QUARANTINED {
        "push a new image: `history` tells how this one failed"
    } else {
        "`status` tells how the lane is"
    }
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
