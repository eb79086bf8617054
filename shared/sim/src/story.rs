//! A story: a fleet, some pushes and requests, an adversary, and an end.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::digest::Digest;
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::traffic::Target;
use esclusa_shell::receive::Notice;
use esclusa_shell::retain::Task;

use crate::adversary::Adversary;
use crate::engine::Project;
use crate::happen::happen;
use crate::hosts::{REPOSITORY, SimHost};
use crate::meddle::meddle;
use crate::scaling::ScalingGroup;
use crate::shelf;
use crate::signals::{ALARM, SECRET, Signals};
use crate::simulation::Simulation;
use crate::world::{Behaviour, Job, World, say};

const GROUPS: [&str; 2] = [
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/web/0123456789abcdef",
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/api/0123456789abcde0",
];

/// How the images of a story behave, by how often.
const BEHAVIOURS: &[Behaviour] = &[
    Behaviour::Good,
    Behaviour::Good,
    Behaviour::Good,
    Behaviour::OneWay,
    Behaviour::Unhealthy,
    Behaviour::Unhealthy,
    Behaviour::FailsTarget,
    Behaviour::FailsLater,
    Behaviour::DiesLater,
    Behaviour::Missing,
    Behaviour::UnhealthyOneWay,
];

/// What hosts run before Esclusa knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing of the repository.
    Nothing,
    /// The same image of the repository, on all of them.
    Release,
    /// An image that was built on the host.
    Local,
}

/// What a service listens to beside its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Nothing.
    Nothing,
    /// An alarm that it watches and a secret that it needs, to which things happen.
    Signals,
}

/// What a story is about.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each switches one thing on")]
pub struct Story {
    /// Hosts at the beginning.
    pub fleet: usize,
    /// The target groups that they serve in, at most two.
    pub groups: usize,
    /// Whether no listener serves one of the groups.
    pub unused: bool,
    /// What the hosts run at the beginning.
    pub before: Before,
    /// The images that are pushed one after the other, and how they behave.
    pub pushes: Vec<Behaviour>,
    /// Whether people and hosts come in between.
    pub eventful: bool,
    /// The `waves` of the configuration.
    pub waves: &'static str,
    /// The `min_in_service` of the configuration.
    pub floor: &'static str,
    /// The policies of the configuration: `on_failure`, `unreachable`, `drift`.
    pub policies: [&'static str; 3],
    /// Whether images that nobody needs are deleted meanwhile.
    pub retains: bool,
    /// How images are scanned: not at all, so that nothing is to be waited for, or each next one in
    /// another way, beginning with this.
    pub scanning: Option<usize>,
    /// What the service listens to beside its hosts.
    pub outside: Outside,
    /// The Compose project of its hosts.
    pub project: Project,
    /// Whether people and faults meddle with the engines of its hosts.
    pub meddled: bool,
    /// Whether an Auto Scaling group replaces hosts that their load balancer calls unhealthy.
    pub replaced: bool,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            fleet: 2,
            groups: 1,
            unused: false,
            before: Before::Nothing,
            pushes: vec![Behaviour::Good],
            eventful: false,
            waves: r#"["100%"]"#,
            floor: "50%",
            policies: ["restore", "fail", "report"],
            retains: false,
            scanning: None,
            outside: Outside::Nothing,
            project: Project::default(),
            meddled: false,
            replaced: false,
        }
    }
}

impl Story {
    /// The story of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let mut one_of = |from: &[&'static str]| random.choice(from).copied().unwrap_or_default();
        let waves = one_of(&[r#"["1", "50%", "100%"]"#, r#"["100%"]"#, r#"["50%", "100%"]"#]);
        let floor = one_of(&["75%", "50%", "100%", "0%"]);
        let policies = [
            one_of(&["restore", "restore", "restore", "restore", "halt"]),
            one_of(&["fail", "fail", "fail", "skip"]),
            one_of(&["report", "repair"]),
        ];
        let mut pushes = vec![Behaviour::Good];
        for _ in 0..random.usize(1..5) {
            pushes.push(random.choice(BEHAVIOURS).copied().unwrap_or(Behaviour::Good));
        }
        let mut story = Self {
            fleet: random.usize(1..9),
            groups: random.usize(0..3),
            unused: random.usize(0..40) == 0,
            before: random.choice([Before::Release, Before::Local]).map_or(Before::Nothing, |it| {
                if random.usize(0..10) == 0 { it } else { Before::Nothing }
            }),
            pushes,
            eventful: random.usize(0..3) > 0,
            waves,
            floor,
            policies,
            retains: random.usize(0..3) == 0,
            scanning: (random.usize(0..3) == 0).then(|| random.usize(0..4)),
            outside: if random.usize(0..3) == 0 { Outside::Signals } else { Outside::Nothing },
            project: Project::choose(&mut random),
            meddled: random.usize(0..3) == 0,
            replaced: random.usize(0..4) == 0,
        };
        // After everything else, so that older seeds tell what they told.
        story.project.has_once = random.usize(0..6) == 0;
        story
    }

    fn listens(&self) -> bool {
        self.outside == Outside::Signals
    }

    /// The service's configuration.
    pub(crate) fn text(&self, waves: &str, floor: &str) -> String {
        let groups: Vec<String> =
            GROUPS.iter().take(self.groups).map(|it| format!("\"{it}\"")).collect();
        let [on_failure, unreachable, drift] = self.policies;
        let signals = |text: String| if self.listens() { text } else { String::new() };
        let alarms = signals(format!(", alarms = [\"{ALARM}\"]"));
        let secrets = signals(format!("secrets = [\"{SECRET}\"]\n"));
        format!(
            "[environments.production]\nwaves = {waves}\nmin_in_service = \"{floor}\"\n\
             bake = {{ for = \"20s\"{alarms} }}\n{secrets}target_groups = [{}]\n\
             on_failure = \"{on_failure}\"\nunreachable = \"{unreachable}\"\n\
             drift = \"{drift}\"\n{}",
            groups.join(", "),
            if self.retains { shelf::text() } else { String::new() }
        )
    }

    fn world(&self) -> World {
        let mut world = World::new(Duration::from_secs(10));
        world.project = self.project;
        world.count_project(self.project);
        world.groups = GROUPS.iter().take(self.groups).flat_map(|it| it.parse()).collect();
        world.unused = world.groups.last().filter(|_| self.unused).cloned();
        world.sources.service = Some(self.text(self.waves, self.floor));
        // Where a repository that is none of Esclusa's were looked at, it would be emptied.
        world.sources.defaults = self.retains.then(shelf::text);
        world.retains = self.retains;
        world.meddled = self.meddled;
        world.scaling = self.replaced.then(ScalingGroup::default);
        world.scanning = self.scanning;
        world.signals = self.listens().then(Signals::default);
        for number in 0..self.fleet {
            let running = match self.before {
                Before::Nothing => None,
                Before::Release => digest(0xffff).map(Running::Digest),
                Before::Local => digest(0xfffe).map(Running::Local),
            };
            add_host(&mut world, number, &running.unwrap_or(Running::Nothing));
        }
        if self.before == Before::Release {
            add_image(&mut world, 0xffff, Behaviour::Good);
        }
        world
    }
}

/// Adds a host, registered in every group on a port of its own.
pub(crate) fn add_host(world: &mut World, number: usize, running: &Running) {
    let Some(id) = host(number) else { return };
    let zone = if number.is_multiple_of(2) { "a" } else { "b" };
    world.hosts.insert(id.clone(), SimHost::new(zone, world.project, running));
    let port = u16::try_from(number).unwrap_or(0).saturating_add(8080);
    let target = |group: &TargetGroup| Target { group: group.clone(), host: id.clone(), port };
    let targets: BTreeSet<Target> = world.groups.iter().map(target).collect();
    world.register(&Vec::from_iter(targets.clone()));
    world.marks.registered.insert(id, targets);
}

/// The digest of the image with this number. A keep tag has only its beginning.
pub(crate) fn digest(number: usize) -> Option<Digest> {
    format!("sha256:{number:012x}{number:052x}").parse().ok()
}

/// The host with this number.
pub(crate) fn host(number: usize) -> Option<HostId> {
    format!("i-{number:08x}").parse().ok()
}

/// The one lane of a story.
#[must_use]
pub(crate) fn lane() -> Option<LaneId> {
    "acme/boletos#production".parse().ok()
}

pub(crate) fn latest() -> Option<Tag> {
    "latest".parse().ok()
}

fn add_image(world: &mut World, number: usize, behaviour: Behaviour) -> Option<Digest> {
    let digest = digest(number)?;
    let version: Tag = format!("v1.{number}.0").parse().ok()?;
    let release = Release {
        digest: digest.clone(),
        repository: REPOSITORY.to_owned(),
        tags: BTreeSet::from([latest()?, version.clone()]),
        label: version,
        bytes: 1_000_000,
        pushed_at: world.now,
        availability: Availability::Active,
    };
    say!(world, "push {release} ({behaviour:?})");
    if world.retains {
        world.shelve(&digest, number, &release.label);
        world.litter(number);
    }
    if let Some(first) = world.scanning {
        world.begin_scan(&digest, number.saturating_add(first));
    }
    world.may_alarm(&digest, number);
    world.images.insert(digest.clone(), (release, behaviour));
    Some(digest)
}

/// Pushes an image and moves the tag to it.
pub(crate) fn push(
    world: &mut World,
    adversary: &mut Adversary,
    number: usize,
    behaviour: Behaviour,
) {
    if let Some(digest) = add_image(world, number, behaviour) {
        move_tag(world, adversary, digest);
    }
}

/// Moves the followed tag, and lets whoever listens know.
pub(crate) fn move_tag(world: &mut World, adversary: &mut Adversary, digest: Digest) {
    let (Some(lane), Some(tag)) = (lane(), latest()) else { return };
    if world.retains && !world.reshelve(&tag, &digest) {
        say!(world, "{digest} is gone: no tag can be moved to it");
        return;
    }
    world.tags.insert(tag.clone(), digest.clone());
    let now = world.now;
    world.marks.hear_news(now);
    world.moves.push((now, digest));
    for delay in adversary.event_delay() {
        world.enqueue(Notice::Pushed { service: lane.service.clone(), tag: tag.clone() }, delay);
        if world.retains {
            world.enqueue_job(Job::Task(Task::Pushed(lane.service.clone())), delay);
        }
    }
}

/// Plays a story against an adversary, lets it come to rest, and returns the world as it is then.
#[must_use]
pub fn run(story: &Story, adversary: Adversary) -> (World, u64) {
    play(story, adversary, false)
}

/// The same, with a transcript.
#[must_use]
pub fn tell(story: &Story, adversary: Adversary) -> (World, u64) {
    play(story, adversary, true)
}

fn play(story: &Story, adversary: Adversary, told: bool) -> (World, u64) {
    let mut world = story.world();
    world.told = told;
    let mut simulation = Simulation::new(world, adversary);
    let mut added = story.fleet;
    for (number, behaviour) in story.pushes.iter().enumerate() {
        simulation.with(|world, adversary| push(world, adversary, number, *behaviour));
        let span = simulation.with(|_, adversary| adversary.below(600));
        for _ in 0..3 {
            let seconds = u64::try_from(span).unwrap_or(0).saturating_add(20);
            let until = simulation.with(|world, _| world.now.after(Duration::from_secs(seconds)));
            simulation.run_until(until);
            if story.eventful {
                happen(&mut simulation, story, &mut added);
            }
            if story.meddled {
                meddle(&mut simulation);
            }
            if story.listens() {
                simulation.with(World::signal);
            }
        }
    }
    simulation.with(|world, adversary| {
        adversary.stop();
        world.marks.hear_news(world.now);
        world.sources.service = Some(story.text(story.waves, story.floor));
    });
    rest(&mut simulation);
    simulation.with(|world, adversary| {
        if world.broken.is_empty() {
            world.check_rest();
        }
        (std::mem::replace(world, World::new(Duration::ZERO)), adversary.calls())
    })
}

/// Lets time pass until nothing has been under way for as long as a lost message takes to come
/// back, and two sweeps more; where hosts were changed behind Esclusa's back, until they have been
/// inspected, and brought back. At most a rollout's deadline, its restore's, and a sweep.
fn rest(simulation: &mut Simulation) {
    let late = |world: &mut World| !world.marks.drifted_at.is_empty() || world.signals.is_some();
    let drifted = simulation.with(|world, _| late(world));
    for round in 0..24 {
        let rested = simulation.with(|world, _| world.rests());
        let until = simulation.with(|world, _| world.now.after(Duration::from_mins(20)));
        simulation.run_until(until);
        let enough = !drifted || round >= 8;
        if enough && rested && simulation.with(|world, _| world.rests()) {
            return;
        }
    }
}
