//! Taking one step on the host.

mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use esclusa_core::host::{
    Files, Journal, NEXT_SHIPPED, ONCE_FILE, Order, SHIPPED, Snapshot, Step, explain_pull,
    render_pin,
};
use esclusa_core::order::Fence;
use esclusa_core::reason::Reason;
use tokio::time::{Instant, sleep};

use crate::compose::{Failed, docker, run_to_end};
use crate::error::{self, reason};
use crate::observe::{Observer, now};
use crate::store::replace_file;
use crate::{probe, registry};

pub(crate) use files::read_pin;

/// Of a quick call of the command line tool.
const QUICK: Duration = Duration::from_mins(1);
/// Of a pull by the command line tool.
const PULL: Duration = Duration::from_mins(25);
/// Unpacked layers take two to three times what the registry stores, beside the download itself.
const ROOM: u64 = 256 * 1024 * 1024;

/// Carries out steps for one order.
#[derive(Debug)]
pub(crate) struct Executor {
    order: Order,
    login: Option<DockerCredentials>,
    /// How long each part took, in milliseconds.
    pub millis: BTreeMap<&'static str, u64>,
    /// Until when the time is counted to a part.
    counted_until: Instant,
}

/// What a step has made that is to be written down.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The old and the new id of a container that was made again.
    pub replaced: Option<(String, String)>,
}

impl Executor {
    /// One for an order.
    pub(crate) fn new(order: Order) -> Self {
        let parts = ["pull", "stop", "up", "health"];
        let millis = parts.into_iter().map(|it| (it, 0)).collect();
        Self { order, login: None, millis, counted_until: Instant::now() }
    }

    /// Takes a step.
    ///
    /// # Errors
    ///
    /// Why it could not be taken; nothing is half done that a repetition would not mend.
    pub(crate) async fn take(
        &mut self,
        observer: &mut Observer,
        step: &Step,
    ) -> Result<Made, Reason> {
        let taken = self.take_timed(observer, step).await;
        let part = match step {
            Step::Pull { .. } | Step::TagImage { .. } => "pull",
            Step::RemoveContainers(_) => "stop",
            Step::Wait(span) if span.is_zero() => return taken,
            Step::Wait(_) | Step::Probe { .. } => "health",
            Step::ShipComposeFile { .. }
            | Step::TakeSnapshot(..)
            | Step::WritePin { .. }
            | Step::RestoreFiles { .. }
            | Step::Up { .. }
            | Step::RunOnce { .. }
            | Step::Restart { .. }
            | Step::Rename { .. }
            | Step::StartContainer(_)
            | Step::RestartContainer(_)
            | Step::RecreateContainer { .. } => "up",
        };
        self.count(part);
        taken
    }

    /// Counts what has passed since the last part, looks included: a busy host spends most on them.
    fn count(&mut self, part: &'static str) {
        let spent = self.millis.entry(part).or_default();
        let passed = self.counted_until.elapsed().as_millis();
        *spent = spent.saturating_add(passed.try_into().unwrap_or(0));
        self.counted_until = Instant::now();
    }

    async fn take_timed(&mut self, observer: &mut Observer, step: &Step) -> Result<Made, Reason> {
        match step {
            Step::TagImage { image, tag } => {
                observer.forget_images();
                observer.engine.tag(image, tag).await?;
            }
            Step::Pull { reference, bytes } => {
                self.pull(observer, reference, *bytes).await?;
                observer.forget_images();
            }
            Step::ShipComposeFile { reference, path } => {
                ship_compose_file(observer, reference, path).await?;
                observer.forget_project();
            }
            Step::TakeSnapshot(fence, snapshot) => {
                take_snapshot(observer, *fence, snapshot).await?;
            }
            Step::WritePin { images, files, ships } => {
                if *ships {
                    put_shipped_in_use(observer)?;
                }
                files::write_pin(observer, images, files).await?;
                if !files.listed.iter().any(|it| it == SHIPPED) {
                    let _absent = std::fs::remove_file(observer.directory().join(SHIPPED));
                }
            }
            Step::RestoreFiles { images, files, snapshot } => {
                restore_shipped(observer, *snapshot)?;
                files::restore_pin(observer, images, files).await?;
                observer.forget_project();
            }
            Step::Up { .. } => up(observer, step).await?,
            Step::RunOnce { .. } => run_once(observer, &self.order, step).await?,
            Step::Restart { services, files } => restart(observer, services, files).await?,
            Step::RemoveContainers(ids) => observer.engine.remove(ids).await?,
            Step::Rename { id, name } => observer.engine.rename(id, name).await?,
            Step::StartContainer(id) => observer.engine.start(id).await?,
            Step::RestartContainer(id) => observer.engine.restart(id).await?,
            Step::RecreateContainer { snapshot, container, replaced } => {
                let remembered = observer.store.read_remembered(*snapshot);
                let new = observer.engine.recreate(container, &remembered, replaced).await?;
                return Ok(Made { replaced: Some((container.id.clone(), new)) });
            }
            Step::Probe { http, within } => probe::ask(http, *within).await?,
            Step::Wait(span) => sleep(*span).await,
        }
        Ok(Made::default())
    }

    /// Fetches an image: from the service's registry with the login of the instance's role, from
    /// any other as a person on the host would.
    async fn pull(
        &mut self,
        observer: &Observer,
        reference: &str,
        bytes: u64,
    ) -> Result<(), Reason> {
        observer.engine.check_room(bytes.saturating_mul(3).saturating_add(ROOM)).await?;
        let own = registry::registry_of(&self.order.repository);
        if registry::registry_of(reference) != own {
            return pull_as_person(observer, reference).await;
        }
        if self.login.is_none() {
            self.login = Some(registry::log_in(&self.order.repository, now()).await?);
        }
        observer.engine.pull(reference, self.login.clone()).await?;
        let mut pulled = observer.store.read()?.pulled;
        if pulled.insert(reference.to_owned()) {
            observer.store.write_pulled(&pulled)?;
        }
        Ok(())
    }
}

/// The Compose file that came with the image becomes the one in use; the one before is kept for the
/// way back.
fn put_shipped_in_use(observer: &Observer) -> Result<(), Reason> {
    let next = observer.directory().join(NEXT_SHIPPED);
    let shipped = observer.directory().join(SHIPPED);
    if next.is_file() {
        if !observer.own_files().is_empty() {
            observer.store.keep_own_files(observer.own_files())?;
        }
        std::fs::rename(&next, &shipped).map_err(|it| error::of_file("replace", &shipped, &it))?;
    }
    Ok(())
}

async fn pull_as_person(observer: &Observer, reference: &str) -> Result<(), Reason> {
    let mut command = docker(observer.directory());
    command.args(["pull", "--quiet", reference]);
    match run_to_end(command, None, PULL).await {
        Ok(_) => Ok(()),
        Err(Failed::Ended(text)) => Err(explain_pull(reference, &text)),
        Err(other) => Err(other.reason(error::REGISTRY, &format!("The pull of {reference}"))),
    }
}

/// Writes down what runs, unless an order that was cut off had done so already.
async fn take_snapshot(
    observer: &Observer,
    fence: Fence,
    snapshot: &Snapshot,
) -> Result<(), Reason> {
    let is_own = snapshot.source == fence;
    let remembered =
        if is_own { Some(observer.engine.remember(&snapshot.containers).await?) } else { None };
    if is_own {
        observer.store.keep_shipped(fence, &observer.directory().join(SHIPPED))?;
    } else if let Some(text) = observer.store.shipped_of(snapshot.source) {
        observer.store.keep_shipped_text(fence, &text)?;
    }
    observer.store.write_snapshot(fence, snapshot, remembered.as_ref())
}

fn restore_shipped(observer: &Observer, snapshot: Fence) -> Result<(), Reason> {
    let _absent = std::fs::remove_file(observer.directory().join(NEXT_SHIPPED));
    let shipped = observer.directory().join(SHIPPED);
    if let Some(text) = observer.store.shipped_of(snapshot) {
        return replace_file(&shipped, &text, 0o644, None);
    }
    let _absent = std::fs::remove_file(&shipped);
    Ok(())
}

/// The release's own Compose file lies in its image, at the path that its label says.
async fn ship_compose_file(observer: &Observer, reference: &str, path: &str) -> Result<(), Reason> {
    let next = observer.directory().join(NEXT_SHIPPED);
    std::fs::create_dir_all(observer.directory())
        .map_err(|it| error::of_file("make", observer.directory(), &it))?;
    let container = observer.engine.create_temporary(reference).await?;
    let scratch = Path::new("/run/esclusa").join(format!("compose-{container}"));
    let mut command = docker(observer.directory());
    command.args(["cp", "--follow-link", &format!("{container}:{path}")]).arg(&scratch);
    let copied = run_to_end(command, None, QUICK).await;
    observer.engine.remove(&[container]).await?;
    let text = std::fs::read_to_string(&scratch);
    let _absent = std::fs::remove_file(&scratch);
    if let (Ok(_), Ok(text)) = (copied, text) {
        return replace_file(&next, &text, 0o644, None);
    }
    let text =
        format!("The image has no {path}, which its label esclusa.compose names: add it there.");
    Err(reason(error::COMPOSE, text))
}

/// Starts just these services, as a person in the directory would.
async fn up(observer: &mut Observer, step: &Step) -> Result<(), Reason> {
    let Step::Up { services, recreates, keeps_existing, files } = step else { return Ok(()) };
    let mut arguments: Vec<String> =
        ["up", "--detach", "--no-build", "--no-deps", "--quiet-pull", "--pull", "missing"]
            .map(str::to_owned)
            .to_vec();
    if *recreates {
        arguments.push("--force-recreate".to_owned());
    }
    if *keeps_existing {
        arguments.push("--no-recreate".to_owned());
    }
    for (name, count) in services {
        if let Some(count) = count {
            arguments.extend(["--scale".to_owned(), format!("{name}={count}")]);
        }
    }
    // A service may be named like an option.
    arguments.push("--".to_owned());
    arguments.extend(services.keys().cloned());
    clear_half_made(observer, files).await?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let limit = observer.time_left();
    let done = observer.compose.with_files(&words, files, limit).await;
    done.map_err(|it| it.reason(error::UP, "docker compose up")).map(|_| ())
}

/// Starts a container that runs once, from an override of its own: what serves keeps its pin.
async fn run_once(observer: &Observer, order: &Order, step: &Step) -> Result<(), Reason> {
    let Step::RunOnce { service, name, image, files } = step else { return Ok(()) };
    let begun = observer.store.read()?.beginning_once(order.fence, service);
    observer.store.write_begun_once(&begun)?;
    let path = observer.directory().join(ONCE_FILE);
    let images = BTreeMap::from([(service.clone(), image.clone())]);
    let text = render_pin(&images) + "    restart: \"no\"\n";
    replace_file(&path, &text, 0o644, None)?;
    // Nobody is there to answer a question.
    let alone = ["run", "--detach", "--no-deps", "--no-TTY", "--interactive=false"];
    let words = [&alone[..], &["--name", name, "--", service]].concat();
    let limit = observer.time_left();
    let done = observer.compose.with_override(&words, files, ONCE_FILE, limit).await;
    let _absent = std::fs::remove_file(path);
    done.map_err(|it| it.reason(error::UP, "docker compose run")).map(|_| ())
}

async fn restart(observer: &Observer, services: &[String], files: &Files) -> Result<(), Reason> {
    let mut words = vec!["restart", "--no-deps", "--"];
    words.extend(services.iter().map(String::as_str));
    let limit = observer.time_left();
    let done = observer.compose.with_files(&words, files, limit).await;
    done.map_err(|it| it.reason(error::UP, "docker compose restart")).map(|_| ())
}

/// A killed `up` leaves the container that it was about to put in another's place, under a name of
/// its own, and the next one stumbles over it. Where the other is gone already, this one has its
/// volumes and takes its name.
async fn clear_half_made(observer: &mut Observer, files: &Files) -> Result<(), Reason> {
    let seen = observer.look().await?;
    let hex = |it: &str| it.len() == 12 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
    for container in seen.containers.iter().filter(|it| it.is_of(&files.project)) {
        let Some((id, name)) = container.name.split_once('_').filter(|(id, _)| hex(id)) else {
            continue;
        };
        let is_taken = seen.containers.iter().any(|it| it.name == name);
        observer.log(&format!("{id}_{name} was left by an order that was cut off"));
        if is_taken {
            observer.engine.remove(std::slice::from_ref(&container.id)).await?;
        } else {
            observer.engine.rename(&container.id, name).await?;
        }
    }
    Ok(())
}

/// A journal with what a step has made.
pub(crate) fn with_made(journal: Journal, made: &Made) -> Journal {
    let mut journal = journal;
    if let Some((old, new)) = &made.replaced {
        journal.replaced.insert(old.clone(), new.clone());
    }
    journal
}
