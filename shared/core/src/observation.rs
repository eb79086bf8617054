//! What is looked at, what is seen, and what is to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::alarm::SeenAlarm;
use crate::configuration::{
    AlarmName, EnvironmentConfiguration, HttpProbe, Permission, SecretName, TargetGroup,
};
use crate::digest::Digest;
use crate::name::{HostId, Tag};
use crate::order::{CommandId, Fence, Invocation, Mode, OnHostFailure, Verb};
use crate::release::{Image, Release};
use crate::scan::Scanned;
use crate::secret::SecretState;
use crate::time::Timestamp;
use crate::traffic::{SeenGroup, SeenTarget, Target};

/// The stored texts that a configuration is read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The service's own.
    pub service: Option<String>,
    /// The account's defaults.
    pub defaults: Option<String>,
}

/// A document as it stood when a rollout began: an order names both, so that a new version put in
/// place in the middle changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPin {
    /// SSM's version number.
    pub version: String,
    /// The SHA-256 of the content.
    pub hash: String,
}

/// The documents that orders pin, by verb.
pub type Documents = BTreeMap<Verb, DocumentPin>;

/// The hosts of a lane, and the documents to talk to them with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Every host that bears the lane's tag and has not been terminated.
    pub hosts: BTreeSet<HostId>,
    /// What orders pin.
    pub documents: Documents,
}

/// Names one call of `SendCommand` for ever: fences are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartKey {
    /// The intent.
    pub fence: Fence,
    /// The call within it.
    pub number: u32,
}

/// A read that the lane wants made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// The stored configuration of the service.
    Configuration,
    /// The image that a tag resolves to.
    Tag(Tag),
    /// What the scans of a release's images say.
    Scan(Digest),
    /// Whether a secret can be used.
    Secret(SecretName),
    /// What alarms say, all at once.
    Alarms(BTreeSet<AlarmName>),
    /// The hosts of the lane.
    Fleet,
    /// The settings of a target group.
    Settings(TargetGroup),
    /// The health of a target group's targets.
    Targets(TargetGroup),
    /// What has become of a command.
    Command(CommandId),
    /// Whether a call that was saved but may not have been made is out.
    Lost(PartKey, Verb, Timestamp),
}

/// The answer to a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// The stored texts.
    Configuration(Arc<Sources>),
    /// What the tag resolves to; nothing when no image bears it.
    Tag(Tag, Option<Release>),
    /// The scans of a release's images, all of them.
    Scan(Digest, Arc<Vec<Scanned>>),
    /// How the secret stands.
    Secret(SecretName, SecretState),
    /// What the alarms say, every one that was asked about.
    Alarms(BTreeMap<AlarmName, SeenAlarm>),
    /// The hosts.
    Fleet(Arc<Fleet>),
    /// The group, and its settings.
    Settings(TargetGroup, SeenGroup),
    /// The targets that are registered or draining.
    Targets(TargetGroup, Vec<SeenTarget>),
    /// The invocations of a command, all of them.
    Command(CommandId, Vec<Invocation>),
    /// The command that was found, or that there is none.
    Lost(PartKey, Option<CommandId>),
}

/// What the hosts of one call are told, beside what the lane's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOrder {
    /// Names the call.
    pub key: PartKey,
    /// What to do.
    pub verb: Verb,
    /// Who.
    pub hosts: Vec<HostId>,
    /// With which image.
    pub image: Image,
    /// Registry and repository.
    pub repository: String,
    /// The document to use.
    pub document: Option<DocumentPin>,
    /// When the host refuses it.
    pub not_after: Timestamp,
    /// What a host does when its change fails.
    pub on_failure: OnHostFailure,
    /// What an activation does.
    pub mode: Mode,
    /// Health deadline and probe, and where the Compose file comes from.
    pub settings: Box<HostSettings>,
}

/// The part of a configuration that goes to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// Seconds until containers must be healthy; nothing for what their healthcheck implies.
    pub deadline: Option<u64>,
    /// An HTTP probe after the healthcheck.
    pub http: Option<HttpProbe>,
    /// Whether the Compose file travels with the image.
    pub compose: crate::configuration::Compose,
    /// What a Compose file that travels may ask for beyond its own containers.
    pub compose_allow: BTreeSet<Permission>,
}

impl HostSettings {
    /// Of an order that changes nothing.
    #[must_use]
    pub fn of_nothing() -> Self {
        let compose = crate::configuration::Compose::Host;
        Self { deadline: None, http: None, compose, compose_allow: BTreeSet::new() }
    }

    /// What of a configuration a host needs.
    #[must_use]
    pub fn of(configuration: &EnvironmentConfiguration) -> Self {
        Self {
            deadline: configuration.health.deadline.map(|it| it.as_secs()),
            http: configuration.health.http.clone(),
            compose: configuration.compose,
            compose_allow: configuration.compose_allow.clone(),
        }
    }
}

/// A change that the lane wants made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Tell hosts.
    Send(Box<HostOrder>),
    /// Take targets of one group out of service.
    Deregister(TargetGroup, Vec<Target>),
    /// Put targets of one group into service.
    Register(TargetGroup, Vec<Target>),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The command is out.
    Command(PartKey, CommandId),
    /// SSM refused the whole call because one of its hosts does not exist.
    Refused(PartKey),
    /// The targets are being drained.
    Deregistered(TargetGroup),
    /// These targets are registered.
    Registered {
        /// In which group.
        group: TargetGroup,
        /// Those that the load balancer took.
        targets: Vec<Target>,
        /// Those that it did not, for their instances do not run.
        refused: Vec<Target>,
    },
}

/// What woke a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Something that may bear on what the lane should run: a push, a person, the sweep.
    Outside,
    /// The same, and a secret may have been rotated.
    Secrets,
    /// Something that bears on what is under way: a command, or the awaited wake-up.
    Inside,
}

/// Something that happened to a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A hint: look at everything that is awaited.
    Woke(Cue),
    /// The answer to a look.
    Saw(Saw),
    /// An order is out.
    Sent(Sent),
}
