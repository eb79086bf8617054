//! What keeps a release from being rolled out, told.

use esclusa_core::announcement::Ask;
use esclusa_core::lane::{Blocker, Lane};
use esclusa_core::release::Release;

use crate::answer::Report;
use crate::next::{self, Next};
use crate::{describe, outcome};

/// What was found of a release in a lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub(crate) lane: &'a Lane,
    /// The release that was asked about; nothing where there is none.
    pub(crate) release: Option<&'a Release>,
    /// What keeps it, the weightiest first.
    pub(crate) blockers: &'a [Blocker],
    /// Whether it is what the lane's tag says, so that it goes by itself.
    pub(crate) follows: bool,
}

impl Found<'_> {
    /// The members of the answer.
    pub(crate) fn report(&self) -> Report {
        Report {
            release: self.release.map(describe::release),
            blockers: self.blockers.iter().map(describe::blocker).collect(),
            estimate: self.lane.rollout.as_ref().map(describe::estimate),
        }
    }

    /// The weightiest of it, in one sentence.
    pub(crate) fn text(&self) -> String {
        let name = outcome::name(self.lane);
        let Some(release) = self.release else {
            let first = self.blockers.iter().map(|it| it.reason.to_string()).next();
            return format!("nothing can go to {name}: {}", first.unwrap_or_default());
        };
        match self.blockers {
            [] if self.is(self.lane.current.as_ref()) => format!("{release} is what {name} runs"),
            [] if self.follows => {
                format!("nothing keeps {release} from {name}: it goes at the next look")
            }
            [] => format!("nothing keeps {release} from {name}, but it is not what its tag says"),
            [..] if self.is(self.lane.rollout.as_ref().map(|it| &it.candidate)) => {
                describe::sentence(self.lane)
            }
            [first] => format!("{release} does not go to {name}: {}", first.reason),
            [first, more @ ..] => {
                let (first, more) = (&first.reason, more.len());
                format!("{release} does not go to {name}: {first}, and {more} more reason(s)")
            }
        }
    }

    /// What might be asked next.
    pub(crate) fn next(&self) -> Option<Next> {
        if let Some(first) = self.blockers.first() {
            let digest = self.release.map(|it| &it.digest);
            let is_hold = self.lane.hold.as_ref().is_some_and(|it| it.reason == first.reason);
            let about = || next::about(&first.reason.code, digest);
            return Some(next::held(self.lane).filter(|_| is_hold).unwrap_or_else(about));
        }
        let release = self.release.filter(|_| !self.is(self.lane.current.as_ref()))?;
        if self.follows {
            return Some(Next::new("`status` tells when it has started", Ask::Status));
        }
        let sentence = format!("`deploy` with the version `{}` rolls it out", release.label);
        Some(Next::new(sentence, None))
    }

    fn is(&self, other: Option<&Release>) -> bool {
        let digest = self.release.map(|it| &it.digest);
        other.is_some_and(|it| Some(&it.digest) == digest)
    }
}
