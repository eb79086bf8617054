//! Orders that are killed, process group and all, at every step that can be told apart, and that
//! are then given again.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Row;
use crate::order::Service;
use crate::world::World;

pub(crate) const ROWS: &[Row] = &[
    ("killed where it may, a good release runs after the repetition", good),
    ("killed where it may, a bad release is turned back by the repetition", bad),
    ("killed where it may, a first bad release leaves nothing", first),
    ("killed for good, an order is followed by a newer one that goes back to what was good", newer),
    ("killed at any tenth of a second, it ends right", any_time),
    ("killed at each write and call, a good release runs after the repetition", each_good),
    ("killed at each write and call, a bad release is turned back by the repetition", each_bad),
    ("killed during the pull, it is pulled by the repetition", prefetch),
    ("a power cut under an order is no more than a kill", power_cut),
];

const WEB: &str =
    "  web: {image: IMAGE, restart: always}\n  worker: {image: IMAGE, restart: always}\n";

/// A step that can be seen from outside: the moment to kill at.
type Seen = fn(&Attempt) -> bool;

const STEPS: &[(&str, Seen)] = &[
    ("the order is written down", |attempt| attempt.has_begun()),
    ("the pin is written", |attempt| attempt.pinned()),
    ("a new container is there", |attempt| attempt.has_container_of(attempt.candidate)),
    ("all are up", |attempt| attempt.phase("judging")),
];

const BAD_STEPS: &[(&str, Seen)] = &[
    ("the way back is written down", |attempt| attempt.phase("restoring")),
    ("the old pin is back", |attempt| attempt.phase("restoring") && !attempt.pinned()),
    ("an old container is back", |attempt| {
        attempt.phase("restoring") && !attempt.pinned() && attempt.has_container_of("v1@")
    }),
];

/// An activation under way.
struct Attempt<'row> {
    service: &'row Service<'row>,
    candidate: &'row str,
    fence: &'row str,
}

impl Attempt<'_> {
    fn has_begun(&self) -> bool {
        let order = fs::read_to_string(self.service.kept("order")).unwrap_or_default();
        order.contains(&format!(r#""fence":"{}""#, self.fence))
    }

    fn phase(&self, phase: &str) -> bool {
        let order = fs::read_to_string(self.service.kept("order")).unwrap_or_default();
        order.contains(&format!(r#""fence":"{}""#, self.fence))
            && order.contains(&format!(r#""phase":"{phase}""#))
    }

    fn pinned(&self) -> bool {
        self.service.read("esclusa.release.yaml").contains(self.candidate)
    }

    fn has_container_of(&self, image: &str) -> bool {
        let filter = format!("label=com.docker.compose.project={}", self.service.project);
        let list = ["docker", "ps", "--all", "--no-trunc", "--filter", &filter, "--format"];
        self.service.run(&[&list[..], &["{{.Image}}"]].concat()).contains(image)
    }
}

/// Starts an activation and kills it when the step is seen. False if it ended before.
fn kill_at(service: &Service, candidate: &str, fence: &str, seen: Seen) -> bool {
    let mut command = service.order("activate", candidate, fence).command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_mins(1);
    let attempt = Attempt { service, candidate, fence };
    while !seen(&attempt) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(Instant::now() < end, "the step never came");
        sleep(Duration::from_millis(2));
    }
    killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    true
}

fn good(world: &World) {
    let service = Service::new(world, "kill/good", WEB);
    let images = [service.push("idle1", "v1"), service.push("idle2", "v2")];
    service.roll_out(&images[0], "1.1");
    for (number, (step, seen)) in STEPS.iter().enumerate() {
        let (before, candidate) = (&images[number % 2], &images[(number + 1) % 2]);
        let fence = format!("1.{}", number + 2);
        service.prefetch(candidate, &fence).expect("ok", 0);
        assert!(kill_at(&service, candidate, &fence, *seen), "not killed when {step}");
        let seen = service.inspect();
        assert_eq!(seen.text("order"), "unfinished", "killed when {step}: {seen}");
        let answer = service.activate(candidate, &fence);
        answer.expect("ok", 0).runs(candidate);
        assert_eq!(answer.text("before"), &before[3..], "killed when {step}: {answer}");
        assert_whole(&service, step);
    }
}

fn bad(world: &World) {
    let service = Service::new(world, "kill/bad", WEB);
    let (before, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&before, "1.1");
    service.prefetch(&sick, "1.2").expect("ok", 0);
    for (number, (step, seen)) in STEPS.iter().chain(BAD_STEPS).enumerate() {
        let fence = format!("1.{}", number + 2);
        let killed = kill_at(&service, &sick, &fence, *seen);
        assert!(killed, "not killed when {step}");
        let answer = service.activate(&sick, &fence);
        answer.expect("health.container", 13).restored("yes").runs(&before);
        assert_whole(&service, step);
    }
}

fn first(world: &World) {
    let service = Service::new(world, "kill/first", WEB);
    let sick = service.push("sick", "v2");
    service.prefetch(&sick, "1.1").expect("ok", 0);
    for (number, (step, seen)) in STEPS.iter().chain(&BAD_STEPS[..1]).enumerate() {
        let fence = format!("1.{}", number + 2);
        assert!(kill_at(&service, &sick, &fence, *seen), "not killed when {step}");
        let answer = service.activate(&sick, &fence);
        answer.expect("health.container", 13).restored("not-needed").runs("none");
        assert_eq!(service.containers(), Vec::<String>::new(), "killed when {step}");
    }
}

fn newer(world: &World) {
    let service = Service::new(world, "kill/newer", WEB);
    let (before, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    let sick = service.push("sick", "v3");
    service.roll_out(&before, "1.1");
    service.prefetch(&second, "1.2").expect("ok", 0);
    service.prefetch(&sick, "1.2").expect("ok", 0);
    assert!(kill_at(&service, &second, "1.2", STEPS[3].1));
    // What the cut-off order left was never seen to be healthy, and a refusal changes nothing.
    let gone = format!("v9@sha256:{}", "9".repeat(64));
    service.activate(&gone, "1.3").expect("release.not_in_registry", 12);
    let answer = service.activate(&sick, "1.4");
    answer.expect("health.container", 13).runs(&before);
    service.activate(&second, "1.2").expect("order.stale", 10);
}

fn any_time(world: &World) {
    let service = Service::new(world, "kill/any", WEB);
    let images = [service.push("idle1", "v1"), service.push("idle2", "v2")];
    service.roll_out(&images[0], "1.1");
    service.prefetch(&images[1], "1.1").expect("ok", 0);
    for round in 0..6_u32 {
        let fence = format!("1.{}", round + 2);
        let candidate = &images[(round as usize + 1) % 2];
        let mut command = service.order("activate", candidate, &fence).command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(400) * (round + 1));
        // It may have ended by itself.
        let _gone = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        child.wait().unwrap();
        service.activate(candidate, &fence).expect("ok", 0).runs(candidate);
        assert_whole(&service, &format!("round {round}"));
    }
}

/// Runs an activation and has it killed by the kernel as it makes a system call for the `number`th
/// time. False where it ended before.
fn kill_at_call(service: &Service, candidate: &str, fence: &str, at: (&str, u32)) -> bool {
    let (call, number) = at;
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let order = service.order("activate", candidate, fence);
    let traced = ["strace", "-qq", "--output=/dev/null", "-e", &inject];
    let mut command = order.command_under(&traced);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    status.signal() == Some(9) || status.code() == Some(137)
}

/// Where the program is cut off: before what it writes down is there, before something is taken
/// away, before Compose is run, and among what it says to the engine, of which there is so much
/// that every fifteenth has to do.
const CALLS: [(&str, usize); 4] =
    [("/^rename", 1), ("/^unlink", 1), ("/^v?fork$|^clone", 1), ("/^(write|writev|sendto)$", 15)];

/// Kills an activation at each call; `killed` gives the order, each time with a new fence, and
/// then again. An activation that is not killed has made all calls of a kind.
fn kill_at_each_call(mut killed: impl FnMut(&str, (&str, u32)) -> bool) {
    let mut fences = 2..;
    for (call, stride) in CALLS {
        let numbers = (1..).step_by(stride);
        let mut is_killed_at = |number: &u32| {
            let fence = format!("1.{}", fences.next().unwrap());
            killed(&fence, (call, *number))
        };
        let kills = numbers.take_while(&mut is_killed_at).count();
        assert!(kills > 0, "{call} was never called");
        println!("  killed at {kills} calls of {call}");
    }
}

fn each_good(world: &World) {
    let service = Service::new(world, "kill/each-good", WEB);
    let images = [service.push("idle1", "v1"), service.push("idle2", "v2")];
    service.roll_out(&images[0], "1.1");
    service.prefetch(&images[1], "1.1").expect("ok", 0);
    let mut candidates = images.iter().cycle().skip(1);
    kill_at_each_call(|fence, at| {
        let candidate = candidates.next().unwrap();
        let was_killed = kill_at_call(&service, candidate, fence, at);
        service.activate(candidate, fence).expect("ok", 0).runs(candidate);
        assert_whole(&service, &format!("at {at:?}"));
        was_killed
    });
}

fn each_bad(world: &World) {
    let service = Service::new(world, "kill/each-bad", WEB);
    let (before, sick) = (service.push("idle1", "v1"), service.push("sick", "v2"));
    service.roll_out(&before, "1.1");
    service.prefetch(&sick, "1.1").expect("ok", 0);
    kill_at_each_call(|fence, at| {
        let was_killed = kill_at_call(&service, &sick, fence, at);
        let answer = service.activate(&sick, fence);
        answer.expect("health.container", 13).restored("yes").runs(&before);
        assert_whole(&service, &format!("at {at:?}"));
        was_killed
    });
}

fn prefetch(world: &World) {
    let service = Service::new(world, "kill/prefetch", WEB);
    let image = service.push("idle1", "v1");
    for round in 0..4_u32 {
        let mut command = service.order("prefetch", &image, "1.1").command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(350) * (round + 1));
        let _gone = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
        child.wait().unwrap();
    }
    service.roll_out(&image, "1.1");
}

fn power_cut(world: &World) {
    let mut service = Service::bare(world, "kill/power");
    service.host = world.another_host(5, None);
    world.connect(&service.host);
    fs::create_dir_all(service.path("")).unwrap();
    service.write("compose.yaml", &format!("services:\n{WEB}"));
    let (before, second) = (service.push("idle1", "v1"), service.push("idle2", "v2"));
    service.roll_out(&before, "1.1");
    service.prefetch(&second, "1.2").expect("ok", 0);
    for (number, (step, seen)) in STEPS.iter().enumerate() {
        let fence = format!("1.{}", number + 2);
        let candidate = if number % 2 == 0 { &second } else { &before };
        assert!(kill_at(&service, candidate, &fence, *seen), "not killed when {step}");
        service.host.kill().unwrap();
        service.host.start().unwrap();
        service.activate(candidate, &fence).expect("ok", 0).runs(candidate);
    }
    service.host.destroy().unwrap();
}

/// Exactly the two containers, by their own names, and nothing left beside the files.
fn assert_whole(service: &Service, step: &str) {
    let names = ["web", "worker"].map(|name| format!("{}-{name}-1", service.project));
    assert_eq!(service.containers(), names, "killed when {step}");
    let files = fs::read_dir(service.path("")).unwrap().flatten();
    let mut files: Vec<_> = files.map(|it| it.file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, [".env", "compose.yaml", "esclusa.release.yaml"], "killed when {step}");
}
