//! The written form of what is kept: version 1, and what the scripts that came before wrote.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::host::{
    Files, Finished, Journal, Phase, Snapshot, SnapshotContainer, Wanted, parse_fence,
};
use esclusa_core::order::Fence;
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::Running;
use esclusa_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The newest version that is read and written.
const VERSION: u64 = 1;

/// Something that is written down as JSON.
pub(crate) trait Written: Sized {
    /// As it is written.
    fn write(&self) -> String;
    /// Reads it; why not, in a few words.
    fn read(text: &str) -> Result<Self, String>;
}

#[derive(Serialize, Deserialize, Default, Clone)]
#[serde(default)]
struct FilesForm {
    listed: Vec<String>,
    separator: String,
    environment: Vec<String>,
    project: String,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct JournalForm {
    fence: String,
    image: String,
    mode: String,
    phase: String,
    v: Option<u64>,
    began: u64,
    phase_began: u64,
    snapshot: String,
    before: String,
    files: Value,
    targets: BTreeMap<String, u32>,
    replicas_of_files: BTreeMap<String, u32>,
    dependencies: Vec<String>,
    sharers: Vec<String>,
    restarts: Vec<String>,
    warnings: Vec<String>,
    code: String,
    text: String,
    replaced: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct FinishedForm {
    fence: String,
    image: String,
    mode: String,
    exit: u8,
    v: Option<u64>,
    answer: Value,
    targets: BTreeMap<String, u32>,
    replicas_of_files: BTreeMap<String, u32>,
    files: FilesForm,
    containers: BTreeSet<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct SnapshotForm {
    v: Option<u64>,
    source: String,
    at: u64,
    running: String,
    services: BTreeSet<String>,
    containers: Vec<ContainerForm>,
    known: BTreeSet<String>,
    files: FilesForm,
    pin: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct ContainerForm {
    id: String,
    name: String,
    service: String,
    number: u32,
    image: String,
    reference: String,
    keep_tag: String,
    was_up: bool,
    was_well: bool,
    started_at: u64,
    shares_with: BTreeSet<String>,
}

impl From<&Files> for FilesForm {
    fn from(files: &Files) -> Self {
        let Files { listed, separator, environment, project } = files.clone();
        Self { listed, separator, environment, project }
    }
}

impl From<FilesForm> for Files {
    fn from(form: FilesForm) -> Self {
        let FilesForm { listed, separator, environment, project } = form;
        Self { listed, separator, environment, project }
    }
}

fn to_text(form: &impl Serialize) -> String {
    serde_json::to_string(form).unwrap_or_default()
}

fn from_text<'de, T: Deserialize<'de>>(
    text: &'de str,
    version: impl Fn(&T) -> Option<u64>,
) -> Result<T, String> {
    let form: T = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match version(&form) {
        Some(newer) if newer > VERSION => {
            Err(format!("it was written by a newer esclusa-host, in the form {newer}"))
        }
        _ => Ok(form),
    }
}

fn fence(text: &str) -> Result<Fence, String> {
    parse_fence(text).ok_or_else(|| format!("`{text}` is no fence"))
}

fn millis(at: Timestamp) -> u64 {
    at.as_millis()
}

impl Written for Journal {
    fn write(&self) -> String {
        to_text(&JournalForm {
            fence: self.fence.to_string(),
            image: self.wanted.to_string(),
            mode: self.mode.clone(),
            phase: self.phase.word().to_owned(),
            v: Some(VERSION),
            began: millis(self.began),
            phase_began: millis(self.phase_began),
            snapshot: self.snapshot.to_string(),
            before: self.before.to_string(),
            files: serde_json::to_value(FilesForm::from(&self.files)).unwrap_or_default(),
            targets: self.targets.clone(),
            replicas_of_files: self.replicas_of_files.clone(),
            dependencies: self.dependencies.clone(),
            sharers: self.sharers.clone(),
            restarts: self.restarts.clone(),
            warnings: self.warnings.clone(),
            code: self.failure.as_ref().map(|it| it.code.to_string()).unwrap_or_default(),
            text: self.failure.as_ref().map(|it| it.text.clone()).unwrap_or_default(),
            replaced: self.replaced.clone(),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let form: JournalForm = from_text(text, |it: &JournalForm| it.v)?;
        let own = fence(&form.fence)?;
        let is_old = form.v.is_none();
        let phase = if is_old { read_old_phase(&form.phase) } else { read_phase(&form.phase) };
        let scale = if is_old { 1000 } else { 1 };
        let files = if is_old {
            Files {
                listed: serde_json::from_value(form.files).unwrap_or_default(),
                ..Files::default()
            }
        } else {
            serde_json::from_value::<FilesForm>(form.files).unwrap_or_default().into()
        };
        let failed = !form.code.is_empty();
        Ok(Self {
            fence: own,
            wanted: form
                .image
                .parse::<Wanted>()
                .map_err(|()| format!("`{}` is no image", form.image))?,
            mode: form.mode,
            phase: phase.ok_or_else(|| format!("`{}` is no phase", form.phase))?,
            began: Timestamp::from_millis(form.began.saturating_mul(scale)),
            phase_began: Timestamp::from_millis(form.phase_began.saturating_mul(scale)),
            snapshot: if form.snapshot.is_empty() { own } else { fence(&form.snapshot)? },
            before: Running::read(&form.before).unwrap_or(Running::Mixed),
            files,
            targets: form.targets,
            replicas_of_files: form.replicas_of_files,
            dependencies: form.dependencies,
            sharers: form.sharers,
            restarts: form.restarts,
            warnings: form.warnings,
            failure: failed.then(|| Reason::new(Code::read(&form.code), form.text)),
            replaced: form.replaced,
        })
    }
}

fn read_phase(word: &str) -> Option<Phase> {
    Phase::ALL.into_iter().find(|it| it.word() == word)
}

/// The phases of the scripts: what had begun to change is changed again, which changes nothing
/// twice.
fn read_old_phase(word: &str) -> Option<Phase> {
    match word {
        "changing" | "changed" => Some(Phase::Pinning),
        "restoring" => Some(Phase::Restoring),
        _ => None,
    }
}

#[derive(Deserialize)]
struct OldOrder {
    v: Option<u64>,
    fence: String,
    #[serde(default)]
    good: String,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    baseline: BTreeMap<String, String>,
}

/// The way back of an order of the scripts: an image for each service.
pub(super) fn read_old_snapshot(text: &str) -> Option<Snapshot> {
    let old: OldOrder = serde_json::from_str(text).ok()?;
    let source = parse_fence(&old.fence).filter(|_| old.v.is_none())?;
    let containers = old.baseline.iter().map(|(service, image)| SnapshotContainer {
        id: format!("of {service}"),
        name: String::new(),
        service: service.clone(),
        number: 1,
        image: image.clone(),
        reference: image.clone(),
        keep_tag: image.clone(),
        was_up: true,
        was_well: true,
        started_at: Timestamp::default(),
        shares_with: BTreeSet::new(),
    });
    Some(Snapshot {
        source,
        at: Timestamp::default(),
        running: Running::read(&old.good).ok(),
        containers: containers.collect(),
        services: old.baseline.keys().cloned().collect(),
        known: BTreeSet::new(),
        files: Files { listed: old.files, ..Files::default() },
        pin: old.baseline,
    })
}

impl Written for Finished {
    fn write(&self) -> String {
        to_text(&FinishedForm {
            fence: self.fence.to_string(),
            image: self.wanted.clone(),
            mode: self.mode.clone(),
            exit: self.exit,
            v: Some(VERSION),
            answer: serde_json::from_str(&self.answer).unwrap_or_default(),
            targets: self.targets.clone(),
            replicas_of_files: self.replicas_of_files.clone(),
            files: (&self.files).into(),
            containers: self.containers.clone(),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let form: FinishedForm = from_text(text, |it: &FinishedForm| it.v)?;
        Ok(Self {
            fence: fence(&form.fence)?,
            wanted: form.image,
            mode: form.mode,
            answer: form.answer.to_string(),
            exit: form.exit,
            targets: form.targets,
            replicas_of_files: form.replicas_of_files,
            files: form.files.into(),
            containers: form.containers,
        })
    }
}

impl Written for Snapshot {
    fn write(&self) -> String {
        let containers = self.containers.iter().map(|it| ContainerForm {
            id: it.id.clone(),
            name: it.name.clone(),
            service: it.service.clone(),
            number: it.number,
            image: it.image.clone(),
            reference: it.reference.clone(),
            keep_tag: it.keep_tag.clone(),
            was_up: it.was_up,
            was_well: it.was_well,
            started_at: millis(it.started_at),
            shares_with: it.shares_with.clone(),
        });
        to_text(&SnapshotForm {
            v: Some(VERSION),
            source: self.source.to_string(),
            at: millis(self.at),
            running: self.running().to_string(),
            services: self.services.clone(),
            containers: containers.collect(),
            known: self.known.clone(),
            files: (&self.files).into(),
            pin: self.pin.clone(),
        })
    }

    fn read(text: &str) -> Result<Self, String> {
        let form: SnapshotForm = from_text(text, |it: &SnapshotForm| it.v)?;
        let containers = form.containers.into_iter().map(|it| SnapshotContainer {
            id: it.id,
            name: it.name,
            service: it.service,
            number: it.number,
            image: it.image,
            reference: it.reference,
            keep_tag: it.keep_tag,
            was_up: it.was_up,
            was_well: it.was_well,
            started_at: Timestamp::from_millis(it.started_at),
            shares_with: it.shares_with,
        });
        Ok(Self {
            source: fence(&form.source)?,
            at: Timestamp::from_millis(form.at),
            running: Running::read(&form.running).ok(),
            services: form.services,
            containers: containers.collect(),
            known: form.known,
            files: form.files.into(),
            pin: form.pin,
        })
    }
}
