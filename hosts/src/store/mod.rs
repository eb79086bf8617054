//! What the host writes down of each service, so that nothing is lost when an order is cut off.

mod form;
mod lock;
mod log;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use esclusa_core::host::{
    BegunOnce, Finished, Journal, Kept, NewestOrder, Order, Snapshot, parse_fence,
};
use esclusa_core::name::LaneId;
use esclusa_core::order::Fence;
use esclusa_core::reason::Reason;
use esclusa_core::time::Timestamp;

use crate::engine::Remembered;
use crate::error::{self, of_file, reason};

pub(crate) use form::Written;
pub(crate) use lock::Lock;
pub(crate) use write::replace_file;

/// Below it each project has a directory.
const STATE: &str = "/var/lib/esclusa";
/// Memory-backed on every host: it is gone with the next boot.
pub(crate) const RUNTIME: &str = "/run/esclusa";

/// So many snapshots stay: a lane goes back to what its own rollout found, and no further.
const SNAPSHOTS: usize = 3;

/// What is kept of one service.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    directory: PathBuf,
    runtime: PathBuf,
}

impl Store {
    /// The store of a project; nothing is made by that.
    pub(crate) fn of(project: &str) -> Self {
        Self {
            directory: Path::new(STATE).join(project),
            runtime: Path::new(RUNTIME).join(project),
        }
    }

    /// The projects that something is kept of.
    pub(crate) fn all() -> Vec<String> {
        let entries = fs::read_dir(STATE).into_iter().flatten().flatten();
        let projects = entries.filter(|it| it.path().join("fence").is_file());
        let mut names: Vec<String> =
            projects.filter_map(|it| it.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Makes the directories, private to root.
    ///
    /// # Errors
    ///
    /// `hosts.disk`, `hosts.state`.
    pub(crate) fn prepare(&self) -> Result<(), Reason> {
        for path in [&self.directory, &self.runtime, &self.directory.join("snapshots")] {
            fs::create_dir_all(path).map_err(|it| of_file("make", path, &it))?;
            write::set_mode(path, 0o700)?;
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The file of the lock.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.path("lock")
    }

    fn read_text(&self, name: &str) -> Result<Option<String>, Reason> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(of_file("read", &path, &error)),
        }
    }

    /// Reads a form that was written down. One that cannot be read is set aside and told of: an
    /// order that may have begun is never taken for one that did not.
    fn read_form<T: Written>(&self, name: &str) -> Result<Option<T>, Reason> {
        let Some(text) = self.read_text(name)? else { return Ok(None) };
        T::read(&text).map(Some).map_err(|why| {
            let path = self.path(name);
            let text = format!(
                "{} cannot be read ({why}): look at what runs, then move it aside (mv {} \
                 {}.unread).",
                path.display(),
                path.display(),
                path.display()
            );
            reason(error::STATE, text)
        })
    }

    /// Reads all that is kept.
    ///
    /// # Errors
    ///
    /// `hosts.state` when something of it cannot be read, or was written by a newer program.
    pub(crate) fn read(&self) -> Result<Kept, Reason> {
        let lines = |text: Option<String>| -> Vec<String> {
            let text = text.unwrap_or_default();
            text.lines().filter_map(|it| it.split_whitespace().next()).map(str::to_owned).collect()
        };
        let mut kept = Kept {
            newest: self.read_newest()?,
            journal: self.read_form::<Journal>("order")?,
            finished: self.read_form::<Finished>("answer")?,
            begun_once: self.read_begun_once()?,
            ran_once: self.read_form::<Finished>("once")?,
            history: lines(self.read_text("history")?),
            fetched: lines(self.read_text("fetched")?).into_iter().next(),
            pulled: lines(self.read_text("pulled")?).into_iter().collect(),
            ..Kept::default()
        };
        self.read_snapshots(&mut kept)?;
        // Killed between the two last steps, an order leaves both.
        let both = |it: &Journal| kept.finished.as_ref().is_some_and(|done| done.fence == it.fence);
        if kept.journal.as_ref().is_some_and(both) {
            kept.journal = None;
        }
        // An order of the scripts that came before carries its way back in itself.
        if let Some(journal) = &kept.journal
            && !kept.snapshots.contains_key(&journal.snapshot)
            && let Some(text) = self.read_text("order")?
            && let Some(snapshot) = form::read_old_snapshot(&text)
        {
            kept.snapshots.insert(journal.snapshot, snapshot);
        }
        Ok(kept)
    }

    fn read_newest(&self) -> Result<Option<NewestOrder>, Reason> {
        let Some(text) = self.read_text("fence")? else { return Ok(None) };
        let mut words = text.split_whitespace();
        let read = || {
            let (service, environment) = (words.next()?, words.next()?);
            let lane =
                LaneId { service: service.parse().ok()?, environment: environment.parse().ok()? };
            let fence = parse_fence(words.next()?)?;
            // Programs before this one did not write down when an order was to have begun.
            let seconds = words.next().map_or(Some(0), |it| it.parse().ok())?;
            let not_after = Timestamp::from_millis(1000_u64.saturating_mul(seconds));
            Some(NewestOrder { lane, fence, not_after })
        };
        let mut read = read;
        read().map(Some).ok_or_else(|| {
            let path = self.path("fence");
            let text = format!(
                "{} cannot be read, so no order can be known to be new: remove it once no order \
                 is under \
                 way.",
                path.display()
            );
            reason(error::STATE, text)
        })
    }

    fn read_snapshots(&self, kept: &mut Kept) -> Result<(), Reason> {
        let entries = fs::read_dir(self.path("snapshots")).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let fence = name.strip_suffix(".json").and_then(parse_fence);
            let Some(fence) = fence else { continue };
            if let Some(snapshot) = self.read_form::<Snapshot>(&format!("snapshots/{name}"))? {
                kept.snapshots.insert(fence, snapshot);
            }
            if self.runtime.join(format!("{fence}.json")).is_file() {
                kept.remembered.insert(fence);
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Reason> {
        replace_file(&self.path(name), text, 0o600, None)
    }

    /// Writes the newest order down. Another lane's orders leave nothing for this one.
    ///
    /// # Errors
    ///
    /// As for every write: `hosts.disk`, `hosts.state`.
    pub(crate) fn write_newest(&self, order: &Order, kept: &Kept) -> Result<(), Reason> {
        if kept.fence_of(&order.lane).is_none() {
            for name in ["order", "answer", "once-begun", "once", "fetched"] {
                let _absent = fs::remove_file(self.path(name));
            }
        }
        let NewestOrder { lane, fence, not_after } = NewestOrder::of(order, kept.newest.as_ref());
        let (LaneId { service, environment }, until) = (lane, not_after.as_secs());
        self.write("fence", &format!("{service} {environment} {fence} {until}\n"))
    }

    /// Writes down how far an order is.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_journal(&self, journal: &Journal) -> Result<(), Reason> {
        self.write("order", &journal.write())
    }

    /// Writes the order's last word down, and that it is not under way any more.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_finished(&self, finished: &Finished) -> Result<(), Reason> {
        self.write("answer", &finished.write())?;
        let _absent = fs::remove_file(self.path("order"));
        Ok(())
    }

    /// Writes down what an order has begun to run once: its fence, then a service in each line.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_begun_once(&self, begun: &BegunOnce) -> Result<(), Reason> {
        let fence = begun.fence.to_string();
        self.write("once-begun", &one_a_line(std::iter::once(&fence).chain(&begun.services)))
    }

    fn read_begun_once(&self) -> Result<Option<BegunOnce>, Reason> {
        let Some(text) = self.read_text("once-begun")? else { return Ok(None) };
        let mut lines = text.lines();
        let Some(fence) = lines.next().and_then(parse_fence) else {
            let path = self.path("once-begun");
            let text = format!(
                "{} cannot be read: see that nothing of it still runs (docker ps --filter \
                 name=-once-), then remove it.",
                path.display()
            );
            return Err(reason(error::STATE, text));
        };
        Ok(Some(BegunOnce { fence, services: lines.map(str::to_owned).collect() }))
    }

    /// Writes the last word of an order down that ran what runs once. What is known of what serves
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_ran_once(&self, finished: &Finished) -> Result<(), Reason> {
        self.write("once", &finished.write())
    }

    /// Writes down what runs, and how the engine could make it again.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_snapshot(
        &self,
        fence: Fence,
        snapshot: &Snapshot,
        remembered: Option<&Remembered>,
    ) -> Result<(), Reason> {
        if let Some(remembered) = remembered {
            let text = serde_json::to_string(remembered).unwrap_or_default();
            let path = self.runtime.join(format!("{fence}.json"));
            replace_file(&path, &text, 0o600, None)?;
        }
        self.write(&format!("snapshots/{fence}.json"), &snapshot.write())?;
        self.forget_old_snapshots();
        Ok(())
    }

    /// Notes the new ids of containers that were made again on the way back.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn replace_in_snapshot(
        &self,
        fence: Fence,
        replaced: &BTreeMap<String, String>,
    ) -> Result<(), Reason> {
        let Some(snapshot) = self.read_form::<Snapshot>(&format!("snapshots/{fence}.json"))? else {
            return Ok(());
        };
        let source = snapshot.source;
        let remembered = self.read_remembered(source).with_replaced(replaced);
        let text = serde_json::to_string(&remembered).unwrap_or_default();
        replace_file(&self.runtime.join(format!("{source}.json")), &text, 0o600, None)?;
        let text = snapshot.with_replaced(replaced).write();
        self.write(&format!("snapshots/{fence}.json"), &text)
    }

    fn forget_old_snapshots(&self) {
        let entries = fs::read_dir(self.path("snapshots")).into_iter().flatten().flatten();
        let names = entries.filter_map(|it| it.file_name().into_string().ok());
        let fences: BTreeSet<Fence> =
            names.filter_map(|it| it.strip_suffix(".json").and_then(parse_fence)).collect();
        for fence in fences.iter().rev().skip(SNAPSHOTS) {
            let name = format!("{fence}.json");
            let _absent = fs::remove_file(self.path("snapshots").join(&name));
            let _absent = fs::remove_file(self.runtime.join(&name));
        }
    }

    /// Reads how the engine made the containers of a snapshot.
    pub(crate) fn read_remembered(&self, fence: Fence) -> Remembered {
        let text = fs::read_to_string(self.runtime.join(format!("{fence}.json")));
        text.ok().and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default()
    }

    /// Notes an image that was activated, the newest first, each once.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_history(&self, history: &[String]) -> Result<(), Reason> {
        self.write("history", &one_a_line(history.iter()))
    }

    /// Notes the image that was fetched last.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_fetched(&self, image: &str) -> Result<(), Reason> {
        self.write("fetched", &format!("{image}\n"))
    }

    /// Notes the images that orders pulled here.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn write_pulled(&self, pulled: &BTreeSet<String>) -> Result<(), Reason> {
        self.write("pulled", &one_a_line(pulled.iter()))
    }

    /// Keeps the Compose file that came with the running release, for the way back.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn keep_shipped(&self, fence: Fence, shipped: &Path) -> Result<(), Reason> {
        let kept = self.path(&format!("snapshots/{fence}.compose"));
        if let Ok(text) = fs::read_to_string(shipped) {
            return replace_file(&kept, &text, 0o600, None);
        }
        let _absent = fs::remove_file(kept);
        Ok(())
    }

    /// The same with the text that an earlier order kept.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn keep_shipped_text(&self, fence: Fence, text: &str) -> Result<(), Reason> {
        replace_file(&self.path(&format!("snapshots/{fence}.compose")), text, 0o600, None)
    }

    /// Keeps the names of the team's own files that a Compose file of an image takes the place of.
    ///
    /// # Errors
    ///
    /// As for every write.
    pub(crate) fn keep_own_files(&self, files: &[String]) -> Result<(), Reason> {
        self.write("own-files", &one_a_line(files.iter()))
    }

    /// The team's own files that were taken over; none where nothing was.
    pub(crate) fn read_own_files(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("own-files")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The Compose file that came with the release of a snapshot.
    pub(crate) fn shipped_of(&self, fence: Fence) -> Option<String> {
        fs::read_to_string(self.path(&format!("snapshots/{fence}.compose"))).ok()
    }
}

fn one_a_line<'a>(words: impl Iterator<Item = &'a String>) -> String {
    words.flat_map(|it| [it.as_str(), "\n"]).collect()
}
