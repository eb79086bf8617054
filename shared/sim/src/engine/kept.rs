//! What the program writes down of its orders.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::host::{
    Finished, Order, ROLLBACK_LABEL, Report, Wanted, choose_prunable, containers_after,
};
use esclusa_core::name::LaneId;
use esclusa_core::order::Fence;
use esclusa_core::release::Running;

use super::Engine;

impl Engine {
    /// Writes the newest fence down. Another lane's orders leave nothing for this one.
    pub(crate) fn write_fence(&mut self, lane: &LaneId, fence: Fence) {
        let kept = self.kept_mut();
        if kept.fence_of(lane).is_none() {
            (kept.journal, kept.finished, kept.fetched) = (None, None, None);
        }
        kept.fence = Some((lane.clone(), fence));
    }

    /// What the image of an order says about going back from it; nothing where it is not here.
    pub(crate) fn is_one_way(&self, order: &Order) -> Option<bool> {
        let image = self.seen().images.get(&order.wanted.reference(&order.repository)?)?;
        Some(image.labels.get(ROLLBACK_LABEL).is_some_and(|it| it == "unsafe"))
    }

    /// Keeps the last word of an activation, and removes images that nobody needs.
    pub(crate) fn finish(&mut self, order: &Order, report: &Report) {
        let containers = containers_after(order, self.seen());
        let files = self.seen().files.clone();
        let kept = self.kept_mut();
        let journal = kept.journal.take_if(|it| it.fence == order.fence);
        let made = journal.as_ref().filter(|_| report.is_activated);
        let before = kept.finished.take();
        let runs_nothing = order.wanted == Wanted::Nothing;
        let targets = match made {
            Some(journal) => journal.targets.clone(),
            None if runs_nothing || containers.is_empty() => BTreeMap::new(),
            None => before.as_ref().map(|it| it.targets.clone()).unwrap_or_default(),
        };
        let replicas_of_files = match made {
            Some(journal) => journal.replicas_of_files.clone(),
            None => before.map(|it| it.replicas_of_files).unwrap_or_default(),
        };
        let listed = journal.as_ref().map_or(files, |it| it.files.clone());
        kept.finished = Some(Finished {
            fence: order.fence,
            wanted: order.wanted.to_string(),
            mode: order.mode.to_string(),
            answer: String::new(),
            exit: 0,
            targets,
            replicas_of_files,
            files: listed,
            containers,
        });
        if let Some(journal) = journal.filter(|it| !it.replaced.is_empty()) {
            self.replace_in_snapshot(journal.snapshot, &journal.replaced);
        }
        if report.is_activated && !runs_nothing {
            self.remember_image(order, report.before.as_ref());
        }
        if report.is_activated {
            for name in choose_prunable(self.seen()) {
                self.remove_image_name(&name.0);
                self.kept_mut().pulled.remove(&name.0);
            }
        }
    }

    fn remember_image(&mut self, order: &Order, before: Option<&Running>) {
        let mut history = vec![order.wanted.to_string()];
        history.extend(match before {
            Some(Running::Digest(digest)) => Some(format!("before@{digest}")),
            Some(Running::Local(id)) => Some(format!("local@{id}")),
            Some(Running::Nothing | Running::Mixed) | None => None,
        });
        history.append(&mut self.kept_mut().history);
        let digest = |it: &String| it.rsplit('@').next().unwrap_or_default().to_owned();
        let mut known = BTreeSet::new();
        history.retain(|it| known.insert(digest(it)));
        history.truncate(10);
        self.kept_mut().history = history;
    }
}
