//! What a message may be read as, worked out from the message once more.

use std::fmt::Debug;

use esclusa_aws::event::{
    DecodeError, Decoded, DecodedFact, DecodedTask, decode, decode_fact, decode_task,
};
use esclusa_core::name::LaneId;
use esclusa_shell::drive::Hint;
use esclusa_shell::measure::Fact;
use esclusa_shell::receive::Notice;
use esclusa_shell::retain::{Mode, Task};
use serde_json::Value;

/// What a reader made of a message.
pub(crate) struct Meaning {
    pub(crate) reader: &'static str,
    pub(crate) what: &'static str,
}

/// All that each reader can make of messages.
pub(crate) const MEANINGS: &[(&str, &[&str])] = &[
    (
        "lanes",
        &[
            "push", "scan", "alarm", "rotation", "command", "hosts", "sweep", "wake", "ignored",
            "refused",
        ],
    ),
    ("images", &["push", "due", "one", "all", "rest", "ignored", "refused"]),
    ("facts", &["push", "scan", "end", "run", "sweep", "tick", "ignored", "refused"]),
];

/// What the readers of all queues make of a message.
///
/// # Errors
///
/// What one of them makes of it that the message does not say.
pub(crate) fn meanings(text: &str) -> Result<[Meaning; 3], String> {
    let message = Message(serde_json::from_str(text).ok());
    let lanes = one(text, decode, |it| match it {
        Decoded::Notice(notice) => Ok((of_notice(notice), message.says_notice(notice))),
        Decoded::Ignored(kind) => Err(kind),
    });
    let images = one(text, decode_task, |it| match it {
        DecodedTask::Task(task) => Ok((of_task(task), message.says_task(task))),
        DecodedTask::Ignored(kind) => Err(kind),
    });
    let facts = one(text, decode_fact, |it| match it {
        DecodedFact::Facts(facts) => Ok(of_facts(facts, &message)),
        DecodedFact::Ignored(kind) => Err(kind),
    });
    Ok([
        message.check("lanes", lanes?)?,
        message.check("images", images?)?,
        message.check("facts", facts?)?,
    ])
}

/// What one reader made of a message, and whether the message says so.
struct Read {
    what: &'static str,
    /// What is understood: whether it is so. What is ignored: its kind. Or the error.
    why: Result<Result<bool, String>, DecodeError>,
    shown: String,
}

fn one<T: Debug + PartialEq>(
    text: &str,
    reader: fn(&str) -> Result<T, DecodeError>,
    judge: impl Fn(&T) -> Result<(&'static str, bool), &String>,
) -> Result<Read, String> {
    let (read, again) = (reader(text), reader(text));
    let same = match (&read, &again) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.to_string() == other.to_string(),
        _ => false,
    };
    if !same {
        return Err(format!("it is read as {read:?}, then as {again:?}"));
    }
    let shown = format!("{read:?}");
    Ok(match read.as_ref().map(judge) {
        Ok(Ok((what, is_so))) => Read { what, why: Ok(Ok(is_so)), shown },
        Ok(Err(kind)) => Read { what: "ignored", why: Ok(Err(kind.clone())), shown },
        Err(_) => Read { what: "refused", why: Err(read.unwrap_err()), shown },
    })
}

fn of_notice(notice: &Notice) -> &'static str {
    match notice {
        Notice::Pushed { .. } => "push",
        Notice::Command(_) => "command",
        Notice::Hosts => "hosts",
        Notice::Scanned(_) => "scan",
        Notice::Rotated(_) => "rotation",
        Notice::Alarm(_) => "alarm",
        Notice::Sweep => "sweep",
        Notice::Wake { .. } => "wake",
    }
}

fn of_task(task: &Task) -> &'static str {
    match task {
        Task::Pushed(_) => "push",
        Task::Due(..) => "due",
        Task::One(_) => "one",
        Task::All => "all",
        Task::GoOn(_) => "rest",
    }
}

/// The time of day is several facts, and whatever else is one.
fn of_facts(facts: &[Fact], message: &Message) -> (&'static str, bool) {
    match facts {
        [Fact::Gauges(tick), Fact::Usage(same), Fact::Upkeep] => {
            ("tick", tick == same && message.is_due() && message.has("/id", tick))
        }
        [fact] => (of_fact(fact), message.says_fact(fact)),
        _ => ("several", false),
    }
}

fn of_fact(fact: &Fact) -> &'static str {
    match fact {
        Fact::Pushed(..) => "push",
        Fact::Scanned(_) => "scan",
        Fact::Ended(..) => "end",
        Fact::Retained { .. } => "run",
        Fact::Swept(_) => "sweep",
        Fact::Gauges(_) | Fact::Usage(_) | Fact::Upkeep => "a part of a tick",
    }
}

/// A message; nothing if it is no JSON.
struct Message(Option<Value>);

impl Message {
    fn member(&self, name: &str) -> Option<&Value> {
        self.0.as_ref()?.as_object()?.get(name)
    }

    fn at(&self, place: &str) -> Option<&Value> {
        self.0.as_ref()?.pointer(place)
    }

    /// Whether the text at a place is this one.
    fn has(&self, place: &str, text: &str) -> bool {
        self.at(place).and_then(Value::as_str) == Some(text)
    }

    fn counts(&self, place: &str, number: u64) -> bool {
        self.at(place).and_then(Value::as_u64) == Some(number)
    }

    fn is_absent(&self, place: &str) -> bool {
        self.at(place).is_none_or(Value::is_null)
    }

    fn is_own(&self) -> bool {
        self.member("esclusa").is_some()
    }

    fn is_event(&self) -> bool {
        let text = |name| self.member(name).is_some_and(Value::is_string);
        !self.is_own() && text("source") && text("detail-type") && self.member("detail").is_some()
    }

    fn is(&self, source: &str, kind: &str) -> bool {
        self.is_event() && self.has("/source", source) && self.has("/detail-type", kind)
    }

    fn is_push(&self) -> bool {
        self.is("aws.ecr", "ECR Image Action")
            && self.has("/detail/action-type", "PUSH")
            && self.has("/detail/result", "SUCCESS")
            && self.at("/detail/image-tag").and_then(Value::as_str).is_some_and(|it| !it.is_empty())
    }

    fn is_due(&self) -> bool {
        self.is("aws.events", "Scheduled Event")
    }

    fn is_of_lane(&self, lane: &LaneId, service: &str, environment: &str) -> bool {
        self.has(service, lane.service.as_str()) && self.has(environment, lane.environment.as_str())
    }

    fn says_notice(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Pushed { service, tag } => {
                self.is_push()
                    && self.has("/detail/repository-name", service.as_str())
                    && self.has("/detail/image-tag", tag.as_str())
            }
            Notice::Scanned(service) => self.is_scan_of(service.as_str()),
            Notice::Alarm(name) => {
                self.is("aws.cloudwatch", "CloudWatch Alarm State Change")
                    && self.has("/detail/state/value", "ALARM")
                    && self.has("/detail/alarmName", name.as_str())
            }
            Notice::Rotated(name) => {
                self.is("aws.secretsmanager", "Secret Label Updated")
                    && self.has("/detail/labelUpdated", "AWSCURRENT")
                    && self.has("/detail/name", name.as_str())
            }
            Notice::Command(lane) => {
                let [service, environment] = ["Service", "Environment"]
                    .map(|parameter| format!("/detail/parameters/{parameter}/0"));
                let document = self.at("/detail/document-name").and_then(Value::as_str);
                self.is("aws.ssm", "EC2 Command Status-change Notification")
                    && document
                        .is_some_and(|it| it.starts_with("Esclusa-") && it != "Esclusa-Measure")
                    && self.is_of_lane(lane, &service, &environment)
            }
            Notice::Hosts => {
                let gone = ["stopping", "stopped", "shutting-down", "terminated"];
                self.is("aws.ssm", "SSM Managed Instance Registration")
                    || self.is("aws.ec2", "EC2 Instance State-change Notification")
                        && gone.iter().any(|it| self.has("/detail/state", it))
            }
            Notice::Sweep => self.is_due() || self.has("/esclusa", "sweep"),
            Notice::Wake { lane, hint } => {
                self.has("/esclusa", "wake")
                    && self.has("/lane", &lane.to_string())
                    && self.says_hint(*hint)
            }
        }
    }

    /// Inspector names a repository by its ARN.
    fn is_scan_of(&self, service: &str) -> bool {
        let name = self.at("/detail/repository-name").and_then(Value::as_str).unwrap_or_default();
        let is_scan =
            self.is("aws.ecr", "ECR Image Scan") || self.is("aws.inspector2", "Inspector2 Scan");
        is_scan && (name == service || name.ends_with(&format!(":repository/{service}")))
    }

    fn is_finding_in(&self, service: &str) -> bool {
        let name = "/detail/resources/0/details/awsEcrContainerImage/repositoryName";
        self.is("aws.inspector2", "Inspector2 Finding")
            && self.has("/detail/status", "ACTIVE")
            && self.has(name, service)
    }

    fn says_hint(&self, hint: Hint) -> bool {
        let secrets = self.at("/secrets") == Some(&Value::Bool(true));
        match hint {
            Hint::WakeUp { sequence } => self.counts("/sequence", sequence),
            Hint::Secrets => self.is_absent("/sequence") && secrets,
            Hint::Outside => self.is_absent("/sequence") && !secrets,
            Hint::Inside => false,
        }
    }

    fn says_task(&self, task: &Task) -> bool {
        let retains =
            |service: &str| self.has("/esclusa", "retain") && self.has("/service", service);
        match task {
            Task::Pushed(service) => {
                self.is_push() && self.has("/detail/repository-name", service.as_str())
            }
            Task::All => self.is_due() || self.has("/esclusa", "retain-all"),
            Task::One(service) => {
                retains(service.as_str()) && self.is_absent("/run") && self.is_absent("/due")
            }
            Task::Due(service, at) => {
                retains(service.as_str())
                    && self.is_absent("/run")
                    && self.counts("/due", at.as_millis())
            }
            Task::GoOn(run) => {
                let mode = match run.mode {
                    Mode::ByItself => "by-itself",
                    Mode::Plan => "plan",
                    Mode::Apply => "apply",
                    Mode::Force => "force",
                };
                retains(run.service.as_str())
                    && self.has("/run", &run.id)
                    && self.has("/mode", mode)
                    && self.counts("/deleted", u64::try_from(run.deleted).unwrap())
                    && self.counts("/bytes", run.bytes)
            }
        }
    }

    fn says_fact(&self, fact: &Fact) -> bool {
        match fact {
            Fact::Pushed(service, tag) => {
                self.is_push()
                    && self.has("/detail/repository-name", service.as_str())
                    && self.has("/detail/image-tag", tag.as_str())
            }
            Fact::Ended(lane, rollout) => {
                self.is("esclusa", "Rollout Ended")
                    && self.is_of_lane(lane, "/detail/service", "/detail/environment")
                    && self.has("/detail/rollout", &rollout.0)
            }
            Fact::Retained { service, run, kept, deleted, bytes, stopped } => {
                let has_ended = !self.has("/detail/stop", "time");
                let is_of_run =
                    self.is("esclusa", "Retention Ran") || self.is("esclusa", "Retention Stopped");
                is_of_run
                    && has_ended
                    && *stopped == self.has("/detail/stop", "cap")
                    && self.has("/detail/service", service.as_str())
                    && self.has("/detail/run", run)
                    && !run.is_empty()
                    && self.counts("/detail/kept", *kept)
                    && self.counts("/detail/deleted", *deleted)
                    && self.counts("/detail/bytes", *bytes)
            }
            Fact::Swept(id) => {
                self.is("esclusa", "Lanes Swept") && self.has("/detail/id", id) && !id.is_empty()
            }
            Fact::Scanned(service) => {
                self.is_scan_of(service.as_str()) || self.is_finding_in(service.as_str())
            }
            Fact::Gauges(_) | Fact::Usage(_) | Fact::Upkeep => false,
        }
    }

    fn check(&self, reader: &'static str, read: Read) -> Result<Meaning, String> {
        let is_so = match &read.why {
            Ok(Ok(is_so)) => *is_so,
            Ok(Err(kind)) => self.is_event() && self.is_called_in(kind) && !self.concerns(reader),
            Err(DecodeError::NotJson(_)) => self.0.is_none(),
            Err(DecodeError::NotAnEvent) => self.0.is_some() && !self.is_own() && !self.is_event(),
            Err(DecodeError::Member { kind, .. }) => {
                if self.is_own() {
                    kind == "esclusa"
                } else {
                    self.is_event() && self.is_called_in(kind)
                }
            }
        };
        let Read { what, shown, .. } = read;
        if is_so {
            Ok(Meaning { reader, what })
        } else {
            Err(format!("{reader} reads it as {shown}"))
        }
    }

    /// Whether this reader may not ignore it.
    fn concerns(&self, reader: &str) -> bool {
        let is_scan = self.is("aws.ecr", "ECR Image Scan");
        let is_ended = self.is("esclusa", "Rollout Ended") || self.is("esclusa", "Lanes Swept");
        self.is_push()
            || self.is_due()
            || match reader {
                "lanes" => is_scan || self.is("aws.ssm", "SSM Managed Instance Registration"),
                "facts" => is_scan || is_ended,
                _ => false,
            }
    }

    fn is_called_in(&self, kind: &str) -> bool {
        let called = self.member("detail-type").and_then(Value::as_str);
        called.is_some_and(|called| kind.contains(called))
    }
}
