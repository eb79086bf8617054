//! What a lane tells the world: one announcement for each thing that happened to it.

use std::fmt;

use crate::digest::Digest;
use crate::name::LaneId;
use crate::reason::Reason;
use crate::rollout::RolloutId;
use crate::time::Timestamp;

/// Declares the kinds with the words that subscribers filter by.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal, $tells:literal;)*) => {
        /// What happened; its word is the event's detail type. Stable: subscribers filter by it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The word.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// Whether a person is told by message, not only whoever subscribes to events.
            #[must_use]
            pub const fn tells_a_person(self) -> bool {
                match self { $(Self::$kind => $tells,)* }
            }
        }
    };
}

kinds! {
    /// A rollout began.
    RolloutStarted = "Rollout Started", true;
    /// A rollout entered a phase, or something happened within one.
    RolloutMoved = "Rollout Moved", false;
    /// A rollout waits for a person's word.
    RolloutWaits = "Rollout Waits", true;
    /// A rollout ended, one way or another.
    RolloutEnded = "Rollout Ended", true;
    /// The desired release waits for its scan.
    ReleaseWaits = "Release Waits", false;
    /// The desired release is not rolled out.
    ReleaseBlocked = "Release Blocked", true;
    /// A digest is not rolled out again in this lane.
    ReleaseQuarantined = "Release Quarantined", false;
    /// A person lifted a quarantine.
    QuarantineLifted = "Quarantine Lifted", false;
    /// No rollout starts until a person releases the lane.
    LaneHeld = "Lane Held", true;
    /// The lane follows its tag again.
    LaneReleased = "Lane Released", true;
    /// A host outside any rollout was brought to `current`.
    HostJoined = "Host Joined", false;
    /// A host outside any rollout could not be brought to `current`.
    HostFailed = "Host Failed", true;
    /// A host runs something else than `current`.
    HostDrifted = "Host Drifted", true;
    /// A vulnerability that would block a rollout was found in what runs.
    VulnerabilityFound = "Vulnerability Found", true;
    /// A person pinned an image until a day, or until another one.
    ImagePinned = "Image Pinned", false;
    /// A person let a pinned image go before its day.
    ImageUnpinned = "Image Unpinned", false;
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One thing that happened to a lane. It leaves through the lane's outbox, at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Counts the announcements of the lane: the same number is the same announcement.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// The rollout that it is about.
    pub rollout: Option<RolloutId>,
    /// The digest that it is about.
    pub digest: Option<Digest>,
    /// A word that tells more: a rollout's end or phase, a host's name.
    pub word: String,
    /// Why.
    pub reason: Option<Reason>,
    /// What happened, why, and what Esclusa did about it, for a person.
    pub text: String,
    /// What to ask next.
    pub ask: Option<Ask>,
}

/// What a person might ask next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// How the lane is.
    Status,
    /// Why the desired release is not rolled out.
    Why,
    /// To stop the rollout, or to go back.
    Rollback,
    /// To follow the tag again.
    Release,
    /// To let a digest be rolled out again.
    Lift(Digest),
}

impl Ask {
    /// The whole line that asks this of `operator`, to be pasted into a shell.
    ///
    /// Names and digests have no character that a shell takes for its own.
    #[must_use]
    pub fn line(&self, function: &str, lane: &LaneId) -> String {
        let (action, more) = match self {
            Self::Status => ("status", String::new()),
            Self::Why => ("why", String::new()),
            Self::Rollback => ("rollback", String::new()),
            Self::Release => ("release", String::new()),
            Self::Lift(digest) => ("lift", format!(r#","version":"{digest}""#)),
        };
        let (service, environment) = (&lane.service, &lane.environment);
        invoke_line(
            function,
            &format!(
                "{{\"action\":\"{action}\",\"service\":\"{service}\",\
                 \"environment\":\"{environment}\"{more}}}"
            ),
        )
    }
}

/// The line that invokes a function, to be pasted into a shell.
pub(crate) fn invoke_line(function: &str, payload: &str) -> String {
    format!(
        "aws lambda invoke --function-name {function} \
         --cli-binary-format raw-in-base64-out --payload '{payload}' /dev/stdout"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let lane = "acme/boletos#production".parse().unwrap();
        let digest = format!("sha256:{}", "a".repeat(64));
        let seen = Ask::Lift(digest.parse().unwrap()).line("esclusa-operator", &lane);
        let expected = format!(
            "aws lambda invoke --function-name esclusa-operator \
             --cli-binary-format raw-in-base64-out --payload \
             '{{\"action\":\"lift\",\"service\":\"acme/boletos\",\"environment\":\"production\",\
             \"version\":\"{digest}\"}}' /dev/stdout"
        );
        assert_eq!(seen, expected);
    }
}
