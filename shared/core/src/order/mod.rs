//! Orders to hosts: what they say, which of them are out, and what was heard.

mod answer;
mod late;
mod mode;
mod verdict;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

pub use answer::{Answer, ContainerHealth, Heard, Invocation, LastChange, PutBack};
pub use mode::Mode;
pub use watch::Watch;

use crate::name::HostId;
use crate::release::Image;
use crate::time::Timestamp;

/// Hosts in one call of `SendCommand`, at most (SSM's limit on `InstanceIds`).
pub const HOSTS_PER_CALL: usize = 50;

/// SSM gives up the delivery of a command after this long.
pub const DELIVERY: Duration = Duration::from_mins(1);

/// How long an order may still be started after it was made: its delivery, and as much again for
/// the function that sends it. Longer lets a host act on an old wish; shorter fails slow agents.
pub const VALIDITY: Duration = Duration::from_mins(2);

/// How far a host's clock may be behind ours: one that is further behind refuses every order.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_mins(1);

/// What a document does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads only: what runs, what is there, how it is.
    Inspect,
    /// Pulls an image. Nothing stops.
    Prefetch,
    /// Makes the host run an image.
    Activate,
}

impl Verb {
    /// The execution timeout of its document; `template.yaml` takes it from here.
    #[must_use]
    pub const fn limit(self) -> Duration {
        match self {
            Self::Inspect => Duration::from_mins(1),
            Self::Prefetch | Self::Activate => Duration::from_mins(30),
        }
    }

    /// When the answer can first be there.
    const fn first_look(self) -> Duration {
        match self {
            Self::Inspect => Duration::from_secs(2),
            Self::Prefetch => Duration::from_secs(3),
            Self::Activate => Duration::from_secs(5),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inspect => "inspect",
            Self::Prefetch => "prefetch",
            Self::Activate => "activate",
        })
    }
}

/// What lets a host refuse what is late: epochs and generations only grow within a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fence {
    /// Of the ledger: grows when a ledger is restored from a backup.
    pub epoch: u64,
    /// Of the order, within the lane.
    pub generation: u64,
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.generation)
    }
}

/// SSM's name of a command that is out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub String);

/// What a host does to its own change when that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHostFailure {
    /// Brings the previous pin back.
    Restore,
    /// Leaves what it has done.
    Leave,
}

/// Where one call of `SendCommand` stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// To be sent.
    Unsent,
    /// Saved as to be sent by an invocation that has ended: it may be out. To be looked for.
    Doubtful,
    /// Out.
    Sent {
        /// Under this name.
        command: CommandId,
        /// Since then.
        at: Timestamp,
    },
    /// Refused, because Systems Manager takes no command for its only host.
    Refused,
}

impl PartState {
    /// The command that is out.
    #[must_use]
    pub const fn command(&self) -> Option<&CommandId> {
        match self {
            Self::Sent { command, .. } => Some(command),
            Self::Unsent | Self::Doubtful | Self::Refused => None,
        }
    }
}

/// One call of `SendCommand`: hosts that are told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number within the intent; never used twice.
    pub number: u32,
    /// What they are told to do.
    pub verb: Verb,
    /// With which image; nothing for an inspection.
    pub image: Image,
    /// Who.
    pub hosts: Vec<HostId>,
    /// Where the call stands.
    pub state: PartState,
}

/// One intent, sent to some hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// What makes hosts refuse everything older.
    pub fence: Fence,
    /// When the intent was formed.
    pub made: Timestamp,
    /// When hosts refuse it, if they have not begun.
    pub not_after: Timestamp,
    /// What a host does when its own change fails.
    pub on_failure: OnHostFailure,
    /// What an activation does.
    pub mode: Mode,
    /// The calls.
    pub parts: Vec<Part>,
    /// What was heard.
    pub heard: BTreeMap<HostId, Heard>,
    /// Whether a call was sent again that may have been out: it may land late, beside the other.
    pub resent: bool,
    /// Hosts whose answer could not be read, and that were inspected instead.
    pub inspected: BTreeSet<HostId>,
    /// When to look next.
    pub watch: Watch,
}

impl Orders {
    /// An intent for these hosts, each with its image, in as few calls as SSM allows.
    #[must_use]
    pub fn new(
        verb: Verb,
        fence: Fence,
        now: Timestamp,
        on_failure: OnHostFailure,
        hosts: impl IntoIterator<Item = (HostId, Image)>,
    ) -> Self {
        let mut by_image: BTreeMap<Image, Vec<HostId>> = BTreeMap::new();
        for (host, image) in hosts {
            by_image.entry(image).or_default().push(host);
        }
        let mut orders = Self {
            fence,
            made: now,
            not_after: now.after(VALIDITY),
            on_failure,
            mode: Mode::Change,
            parts: Vec::new(),
            heard: BTreeMap::new(),
            resent: false,
            inspected: BTreeSet::new(),
            watch: Watch::starting(now, verb.first_look()),
        };
        for (image, hosts) in by_image {
            for chunk in hosts.chunks(HOSTS_PER_CALL) {
                orders.add(verb, &image, chunk.to_vec());
            }
        }
        orders
    }

    fn add(&mut self, verb: Verb, image: &Image, hosts: Vec<HostId>) {
        let number = self.parts.iter().map(|part| part.number.saturating_add(1)).max();
        let (number, image, state) = (number.unwrap_or(0), image.clone(), PartState::Unsent);
        self.parts.push(Part { number, verb, image, hosts, state });
    }

    /// The image that a host was told to run.
    #[must_use]
    pub fn image_for(&self, host: &HostId) -> Option<&Image> {
        self.parts.iter().find(|part| part.hosts.contains(host)).map(|part| &part.image)
    }

    /// Asks the hosts whose answers could not be read what they run, once.
    ///
    /// Returns whether there is someone to ask. An unreadable answer is *unknown*, never *failed*.
    pub fn inspect_unclear(&mut self, now: Timestamp) -> bool {
        let unclear: Vec<HostId> = (self.heard.iter())
            .filter(|(host, heard)| {
                matches!(heard, Heard::Unclear(_)) && !self.inspected.contains(*host)
            })
            .map(|(host, _)| host.clone())
            .collect();
        for host in &unclear {
            self.heard.remove(host);
            self.inspected.insert(host.clone());
            let image = self.image_for(host).cloned().unwrap_or(Image::Nothing);
            self.add(Verb::Inspect, &image, vec![host.clone()]);
        }
        if !unclear.is_empty() {
            self.not_after = self.not_after.max(now.after(VALIDITY));
            self.watch = Watch::starting(now, Verb::Inspect.first_look());
        }
        !unclear.is_empty()
    }

    /// Whether everyone has been heard.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// The hosts that have not been heard, in the order in which they were told.
    pub fn waiting(&self) -> impl Iterator<Item = &HostId> {
        let hosts = self.parts.iter().flat_map(|part| &part.hosts);
        hosts.filter(|host| !self.heard.contains_key(*host))
    }

    /// The commands that still have someone to hear.
    pub fn open_commands(&self) -> impl Iterator<Item = (&CommandId, Timestamp)> {
        self.parts.iter().filter_map(|part| match &part.state {
            PartState::Sent { command, at } if self.unheard(part).next().is_some() => {
                Some((command, *at))
            }
            PartState::Sent { .. }
            | PartState::Unsent
            | PartState::Doubtful
            | PartState::Refused => None,
        })
    }

    /// The hosts of a call that are to be heard by it. One that a later call asks is heard by that
    /// one: what the first has to say was heard, and could not be read.
    fn unheard<'a>(&'a self, part: &'a Part) -> impl Iterator<Item = &'a HostId> {
        let asked_later = |host: &HostId| {
            self.parts.iter().any(|it| it.number > part.number && it.hosts.contains(host))
        };
        let hosts = part.hosts.iter();
        hosts.filter(move |host| !self.heard.contains_key(*host) && !asked_later(host))
    }

    /// Makes calls that an earlier invocation saved but is not known to have made ones to look for.
    pub fn doubt(&mut self) {
        for part in &mut self.parts {
            if part.state == PartState::Unsent {
                part.state = PartState::Doubtful;
            }
        }
    }

    /// Takes what SSM says of a command's invocations.
    pub fn hear(&mut self, command: &CommandId, invocations: &[Invocation]) {
        let is_of = |part: &&Part| part.state.command() == Some(command);
        let parts = self.parts.iter().filter(is_of);
        let unheard: BTreeSet<HostId> =
            parts.flat_map(|part| self.unheard(part)).cloned().collect();
        for invocation in invocations {
            if let (Some(heard), true) = (&invocation.heard, unheard.contains(&invocation.host)) {
                self.heard.insert(invocation.host.clone(), heard.clone());
            }
        }
    }

    /// Gives up on everyone who cannot answer any more, because the order cannot start any more
    /// and what may have started has run out of its time.
    pub fn expire(&mut self, now: Timestamp) {
        let mut late = Vec::new();
        for part in &self.parts {
            let end = match part.state {
                PartState::Sent { at, .. } => at.after(DELIVERY).after(part.verb.limit()),
                PartState::Unsent | PartState::Doubtful | PartState::Refused => {
                    self.not_after.after(part.verb.limit())
                }
            };
            // A minute for SSM to say so itself, which it does more exactly.
            if now >= end.after(DELIVERY) {
                late.extend(self.unheard(part).cloned());
            }
        }
        for host in late {
            self.heard.insert(host, Heard::Silent);
        }
    }

    /// When every order of this intent has certainly ended.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        let limit = self.parts.iter().map(|part| part.verb.limit()).max().unwrap_or_default();
        self.not_after.after(limit).after(DELIVERY).after(DELIVERY)
    }

    /// Sends a call again that is known not to be out.
    ///
    /// With the same fence: a host that got it after all does not act twice.
    pub fn resend(&mut self, number: u32) {
        let Some(part) = self.part_mut(number) else { return };
        part.state = PartState::Unsent;
        self.resent = true;
    }

    /// Lets what is sent again start for as long again, unless the intent itself has grown too old
    /// to be carried out.
    pub fn renew(&mut self, now: Timestamp) {
        let limit = self.parts.iter().map(|part| part.verb.limit()).max().unwrap_or_default();
        let unsent = self.parts.iter().any(|part| part.state == PartState::Unsent);
        if self.resent && unsent && now < self.made.after(limit) {
            self.not_after = self.not_after.max(now.after(VALIDITY));
        }
    }

    /// The call with this number.
    pub fn part_mut(&mut self, number: u32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.number == number)
    }
}
