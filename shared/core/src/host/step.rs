//! What is done on a host, one step at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::files::Files;
use super::journal::Journal;
use super::report::Report;
use super::snapshot::{Snapshot, SnapshotContainer};
use crate::configuration::HttpProbe;
use crate::order::Fence;

/// What happens next to an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Take this step; when it went well, write this down, and look again.
    Act(Step, Option<Box<Journal>>),
    /// It has ended.
    End(Box<Report>),
}

/// One effect on a host. Each is safe to repeat.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Tags an image of the engine.
    TagImage {
        /// The engine's id, or a name.
        image: String,
        /// The tag with its name.
        tag: String,
    },
    /// Fetches an image.
    Pull {
        /// By digest, or by tag for images that are not of the service's repository.
        reference: String,
        /// Compressed bytes, for the disk; 0 where unknown.
        bytes: u64,
    },
    /// Copies the release's own Compose file out of its image.
    ShipComposeFile {
        /// The image.
        reference: String,
        /// The file in it.
        path: String,
    },
    /// Writes the snapshot down, with what the engine needs to make its containers again.
    TakeSnapshot(Fence, Box<Snapshot>),
    /// Writes the pin of these services, and has `.env` name it where that reaches no container.
    WritePin {
        /// Images by service.
        images: BTreeMap<String, String>,
        /// The team's files.
        files: Files,
        /// The Compose file that is the release's own becomes the one in use.
        ships: bool,
    },
    /// Takes the pin away, and puts the shipped Compose file of the snapshot back.
    RestoreFiles {
        /// Images by service; empty for no pin at all.
        images: BTreeMap<String, String>,
        /// The team's files as they were.
        files: Files,
        /// Whose snapshot.
        snapshot: Fence,
    },
    /// Has Compose bring services up.
    Up {
        /// Which, and how many containers of each; nothing leaves the number to Compose.
        services: BTreeMap<String, Option<u32>>,
        /// Makes them again even where nothing changed.
        recreates: bool,
        /// Leaves those alone that exist.
        keeps_existing: bool,
        /// The team's files.
        files: Files,
    },
    /// Writes down that this order begins to run a service once, then has Compose start a container
    /// of it beside those that serve, with another image.
    RunOnce {
        /// The service.
        service: String,
        /// The container's name.
        name: String,
        /// What the image is named by.
        image: String,
        /// The team's files.
        files: Files,
    },
    /// Has Compose restart services.
    Restart {
        /// Which.
        services: Vec<String>,
        /// The team's files.
        files: Files,
    },
    /// Stops and removes containers, each within its own grace period.
    RemoveContainers(Vec<String>),
    /// Gives a container its name back.
    Rename {
        /// The engine's id.
        id: String,
        /// The name.
        name: String,
    },
    /// Starts a container that exists.
    StartContainer(String),
    /// Restarts a container that exists.
    RestartContainer(String),
    /// Makes a container of a snapshot again, as the engine had it, and starts it.
    RecreateContainer {
        /// Whose snapshot.
        snapshot: Fence,
        /// Which.
        container: Box<SnapshotContainer>,
        /// New ids of containers that it shares something with, by their old ones.
        replaced: BTreeMap<String, String>,
    },
    /// Asks the service on this host.
    Probe {
        /// What to ask.
        http: HttpProbe,
        /// How long it may take.
        within: Duration,
    },
    /// Waits, and looks again.
    Wait(Duration),
}
