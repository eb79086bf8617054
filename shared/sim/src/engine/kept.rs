//! What the program writes down of its orders.

use esclusa_core::host::{
    Mode, NewestOrder, Order, Report, choose_prunable, finish, history_after,
};
use esclusa_core::time::Timestamp;

use super::Engine;

impl Engine {
    /// Writes the newest fence down. Another lane's orders leave nothing for this one.
    pub(crate) fn write_newest(&mut self, order: &Order) {
        let kept = self.kept_mut();
        if kept.fence_of(&order.lane).is_none() {
            (kept.journal, kept.finished, kept.fetched) = (None, None, None);
            (kept.begun_once, kept.ran_once) = (None, None);
        }
        kept.newest = Some(NewestOrder::of(order, kept.newest.as_ref()));
    }

    /// Keeps the last word of an activation, and removes images that nobody needs.
    pub(crate) fn finish(&mut self, order: &Order, report: &Report) {
        let finished = finish(order, report, self.seen(), ("", 0));
        if order.mode == Mode::Once {
            self.kept_mut().ran_once = Some(finished);
            return;
        }
        let history = history_after(order, report, self.seen());
        let kept = self.kept_mut();
        kept.finished = Some(finished);
        let journal = kept.journal.take_if(|it| it.is_of(order));
        if let Some(history) = history {
            kept.history = history;
        }
        if let Some(journal) = journal.filter(|it| !it.replaced.is_empty()) {
            self.replace_in_snapshot(journal.snapshot, &journal.replaced);
        }
        if report.is_activated {
            for name in choose_prunable(self.seen()) {
                self.remove_image_name(&name.0);
                self.kept_mut().pulled.remove(&name.0);
            }
        }
    }

    /// Counts the phase of an order that was cut off from now on.
    pub(crate) fn watch_anew(&mut self, now: Timestamp) {
        let kept = self.kept_mut();
        kept.journal = kept.journal.take().map(|it| it.watched_from(now));
    }
}
