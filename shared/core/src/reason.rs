//! Why something ended, waits or is refused: a stable code and a sentence for a person.

use std::borrow::Cow;
use std::fmt;

/// A stable, documented word for a reason: `gate.…`, `lane.…`, `release.…`, `hosts.…`, `health.…`.
///
/// Open on purpose: hosts answer with codes too, and a newer host script must not be unreadable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Cow<'static, str>);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed($text));)*

            /// Every code that the lanes themselves use, for the reference in the documentation.
            pub const ALL: &'static [&'static str] = &[$($text),*];
        }
    };
}

codes! {
    /// Nothing is wrong.
    OK = "ok";
    /// A scan is waited for.
    GATE_SCAN_PENDING = "gate.scan_pending";
    /// A scan found what may not go out.
    GATE_SCAN_BLOCKED = "gate.scan_blocked";
    /// No scan says whether the release may go out.
    GATE_SCAN_MISSING = "gate.scan_missing";
    /// A secret that the service needs cannot be used.
    GATE_SECRET_MISSING = "gate.secret_missing";
    /// An alarm that is watched is red.
    ALARM_RED = "alarm.red";
    /// An alarm that is watched does not say whether all is well.
    ALARM_INCONCLUSIVE = "alarm.inconclusive";
    /// Hosts ran the service before Esclusa knew it; a person's `release` starts it.
    LANE_ADOPTED = "lane.adopted";
    /// A person, or an end that needs one, paused the lane.
    LANE_HELD = "lane.held";
    /// Inside a configured freeze window.
    LANE_FROZEN = "lane.frozen";
    /// A rollout is active; this release is next.
    LANE_BUSY = "lane.busy";
    /// What a person asked for did not begin in time.
    REQUEST_EXPIRED = "request.expired";
    /// This release was tried and ended; nothing that bears on that end has changed.
    LANE_LAST_ATTEMPT = "lane.last_attempt";
    /// This release failed here and was put back; only a person lifts that.
    RELEASE_QUARANTINED = "release.quarantined";
    /// A newer release took its place before it started.
    RELEASE_SUPERSEDED = "release.superseded";
    /// The digest bears no version tag, which the environment requires.
    RELEASE_UNVERSIONED = "release.unversioned";
    /// The registry has no such image.
    RELEASE_NOT_IN_REGISTRY = "release.not_in_registry";
    /// The image is archived and cannot be pulled.
    RELEASE_ARCHIVED = "release.archived";
    /// No host bears the lane's tag.
    HOSTS_NONE = "hosts.none";
    /// A host did not answer in time.
    HOSTS_UNREACHABLE = "hosts.unreachable";
    /// A host vanished while it was being changed.
    HOSTS_VANISHED = "hosts.vanished";
    /// A host runs something else than it was told to.
    HOSTS_DRIFTED = "hosts.drifted";
    /// No host could be taken out of service without falling below the floor.
    HOSTS_FLOOR = "hosts.floor";
    /// The containers are not healthy.
    HEALTH_CONTAINER = "health.container";
    /// What runs once for the release failed, before any host was changed.
    ONCE_FAILED = "once.failed";
    /// How what runs once for the release has ended is not known.
    ONCE_UNKNOWN = "once.unknown";
    /// The load balancer does not find the target healthy.
    HEALTH_TARGET = "health.target";
    /// The service's configuration cannot be used.
    CONFIG_INVALID = "config.invalid";
    /// A deadline passed.
    DEADLINE_PASSED = "deadline.passed";
    /// A person asked for it.
    ASKED = "asked";
}

impl Code {
    /// The code as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code that a host, or a stored lane, wrote.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    /// Whether the reason lies in the image, as far as hosts and alarms can tell: it does not
    /// start, is not well, or makes an alarm red. Only that quarantines a release.
    #[must_use]
    pub fn is_of_image(&self) -> bool {
        let text = self.as_str();
        ["health.", "alarm."].iter().any(|it| text.starts_with(it)) || text == "hosts.up"
    }

    /// Whether the same release may be tried again by itself after a while, because the reason lies
    /// in hosts or in orders, which may be mended without anybody's telling: never an image that is
    /// built for another platform.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        let text = self.as_str();
        let lies_in_hosts = ["hosts.", "order."].iter().any(|it| text.starts_with(it));
        lies_in_hosts && !self.is_of_image() && text != "hosts.platform"
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A code, and the sentence that says what, where and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The stable word.
    pub code: Code,
    /// The sentence.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence.
    #[must_use]
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.code)
    }
}
