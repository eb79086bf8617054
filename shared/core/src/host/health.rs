//! When a container is well.

use std::time::Duration;

use super::definition::{Definition, Healthcheck};
use super::project::{Container, ContainerState, HealthWord, Observation};
use crate::time::Timestamp;

/// The longest that an activation waits for one container's health. An activation has 30 minutes,
/// in which the release before may have to become healthy again: see `health.deadline`.
pub const LONGEST_WAIT: Duration = Duration::from_mins(12);

/// How long a container without a healthcheck is watched before it is given up.
const UNCHECKED: Duration = Duration::from_mins(1);

/// How long a container without a healthcheck must have run without a restart.
const STEADY: Duration = Duration::from_secs(20);

/// So many restarts without a healthcheck are a crash loop.
const CRASH_LOOP: u64 = 3;

/// What a healthcheck allows, as the engine keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a start may take.
    pub start_period: Duration,
    /// Between two tries.
    pub interval: Duration,
    /// Of one try.
    pub timeout: Duration,
    /// How many failures in a row make it unhealthy.
    pub retries: u32,
}

/// How a container is judged.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// By the host's clock.
    pub now: Timestamp,
    /// Containers made since then answer for their restarts.
    pub made_since: Timestamp,
    /// Since when they are watched; nothing for a look at what has run for long.
    pub since: Option<Timestamp>,
    /// Seconds until a container must be well; nothing for what its healthcheck implies.
    pub deadline: Option<u64>,
}

/// What a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Well.
    Well,
    /// Not judged yet; how it stands.
    Waiting(String),
    /// Not well, and why: the rest of a sentence that begins with the container.
    Bad(String),
}

impl Patience {
    /// The longest time until the healthcheck has said something for good.
    #[must_use]
    pub fn total(&self) -> Duration {
        let round = self.interval.saturating_add(self.timeout);
        self.start_period
            .saturating_add(round.saturating_mul(self.retries))
            .saturating_add(Duration::from_secs(10))
    }
}

impl Watch {
    /// A look at what nobody has just changed: every restart counts.
    #[must_use]
    pub fn glance(now: Timestamp) -> Self {
        Self { now, made_since: Timestamp::default(), since: None, deadline: None }
    }

    fn patience(&self, container: &Container) -> Duration {
        match (self.deadline, &container.patience) {
            (Some(seconds), _) => Duration::from_secs(seconds),
            (None, Some(patience)) => patience.total().min(LONGEST_WAIT),
            (None, None) => UNCHECKED,
        }
    }
}

/// Judges one container. `is_job` says whether it may end: see [`is_job`].
///
/// With a deadline of the order's own a service may recover until then; without one, the
/// healthcheck's own patience counts, and it must have been steady where there is none.
#[must_use]
pub fn judge_container(container: &Container, is_job: bool, watch: &Watch) -> Verdict {
    let patience = watch.patience(container);
    let steady = STEADY.min(patience);
    let up_for = watch.now.since(container.started_at);
    let counts = container.created_at >= watch.made_since;
    let restarts = if counts { container.restarts } else { 0 };
    let ends_for_good = !container.restarts_always;
    let has_check = container.patience.is_some();
    match container.state {
        ContainerState::Exited(0) if is_job && ends_for_good => return Verdict::Well,
        ContainerState::Exited(0) if ends_for_good => {
            return Verdict::Bad("ended with exit code 0, although it is to serve".to_owned());
        }
        ContainerState::Exited(code) if ends_for_good => {
            return Verdict::Bad(format!("ended with exit code {code}"));
        }
        ContainerState::Dead => return Verdict::Bad("is dead".to_owned()),
        ContainerState::Paused => return Verdict::Bad("is paused".to_owned()),
        ContainerState::Running if !has_check && up_for >= steady => return Verdict::Well,
        ContainerState::Running
        | ContainerState::Created
        | ContainerState::Restarting
        | ContainerState::Exited(_) => {}
    }
    // What has ended keeps the word that its healthcheck said last.
    let runs = container.state == ContainerState::Running;
    match container.health.filter(|_| runs) {
        Some(HealthWord::Unhealthy) if watch.deadline.is_none() => {
            return Verdict::Bad("is unhealthy by its healthcheck".to_owned());
        }
        Some(HealthWord::Healthy) if restarts == 0 || up_for >= steady => return Verdict::Well,
        _ => {}
    }
    if !has_check && restarts >= CRASH_LOOP {
        return Verdict::Bad(format!("restarted {restarts} times"));
    }
    let waited = watch.since.map_or(up_for, |since| watch.now.since(since));
    let word = state_word(container);
    if waited > patience {
        return Verdict::Bad(format!("is not healthy after {} s ({word})", patience.as_secs()));
    }
    Verdict::Waiting(word)
}

/// Whether the engine starts a container again and again. One with a healthcheck says `starting`
/// each time, and is awaited by a look that cannot know for how long.
pub(super) fn is_in_crash_loop(container: &Container, now: Timestamp) -> bool {
    let is_steady = container.state.is_up() && now.since(container.started_at) >= STEADY;
    container.restarts >= CRASH_LOOP && !is_steady
}

fn state_word(container: &Container) -> String {
    let state = match container.state {
        ContainerState::Created => "created".to_owned(),
        ContainerState::Running => "running".to_owned(),
        ContainerState::Paused => "paused".to_owned(),
        ContainerState::Restarting => "restarting".to_owned(),
        ContainerState::Exited(code) => format!("ended with exit code {code}"),
        ContainerState::Dead => "dead".to_owned(),
    };
    let health = match container.health {
        Some(HealthWord::Starting) => "starting",
        Some(HealthWord::Healthy) => "healthy",
        Some(HealthWord::Unhealthy) => "unhealthy",
        None => "no healthcheck",
    };
    format!("{state}, {health}")
}

/// Whether a container is a job, which may end, and not a server, which may not.
///
/// A job is what another service waits for to complete. Else it is what ends for good, publishes no
/// port, and is neither checked nor listening by what the image itself runs: a usage text that ends
/// with 0 is no success of a server.
#[must_use]
pub fn is_job(container: &Container, seen: &Observation) -> bool {
    let definition = seen.definition.as_ref().ok();
    let service = container.service.as_deref().unwrap_or_default();
    if definition.is_some_and(|it| it.is_awaited_to_complete(service)) {
        return true;
    }
    let own_check = definition.is_some_and(|it| has_own_healthcheck(it, service));
    let image = seen.images.get(&container.image);
    let runs_as_made = image.is_none_or(|image| image.runs == container.runs);
    let listens = container.patience.is_some() || container.exposes_ports;
    let serves = !container.ports.is_empty() || own_check || (runs_as_made && listens);
    !container.restarts_always && !serves
}

fn has_own_healthcheck(definition: &Definition, service: &str) -> bool {
    definition.services.get(service).is_some_and(|it| it.healthcheck == Healthcheck::Own)
}

/// How all containers of a service are, taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many are judged.
    pub total: usize,
    /// How many are well.
    pub well: usize,
    /// The first that is not well: a whole sentence.
    pub bad: Option<String>,
    /// The first that is not judged yet.
    pub waiting: Option<String>,
}

impl Tally {
    /// Counts one container's verdict.
    pub fn count(&mut self, name: &str, verdict: &Verdict) {
        self.total = self.total.saturating_add(1);
        match verdict {
            Verdict::Well => self.well = self.well.saturating_add(1),
            Verdict::Waiting(word) => {
                self.waiting.get_or_insert_with(|| format!("The container {name} is {word}."));
            }
            Verdict::Bad(why) => {
                self.bad.get_or_insert_with(|| format!("The container {name} {why}."));
            }
        }
    }

    /// One word for the answer.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match (self.total, &self.bad, &self.waiting) {
            (0, None, _) => "none",
            (_, Some(_), _) => "unhealthy",
            (_, None, Some(_)) => "starting",
            (_, None, None) => "healthy",
        }
    }
}
