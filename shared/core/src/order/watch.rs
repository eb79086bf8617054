//! When to look next at something that is awaited.

use std::time::Duration;

use crate::time::Timestamp;

/// When to look next at something that is awaited: first when it can first be true, then every 5 s
/// for a minute, then at doubling distances up to a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// When the waiting began.
    pub since: Timestamp,
    /// The next look.
    pub next: Timestamp,
}

impl Watch {
    /// A watch that first looks after `first`.
    #[must_use]
    pub fn starting(now: Timestamp, first: Duration) -> Self {
        Self { since: now, next: now.after(first) }
    }

    /// Begins the wait anew: what is awaited was only now asked for.
    pub fn restart(&mut self, deadline: &mut Timestamp, now: Timestamp) {
        let (first, allowed) = (self.next.since(self.since), deadline.since(self.since));
        *self = Self::starting(now, first);
        *deadline = now.after(allowed);
    }

    /// Sets the next look, after one at `now` that did not see the end.
    pub fn looked(&mut self, now: Timestamp) {
        let waited = now.since(self.since);
        let gap = if waited < Duration::from_mins(1) {
            Duration::from_secs(5)
        } else {
            waited.div_f32(6.0).min(Duration::from_mins(1))
        };
        self.next = now.after(gap);
    }
}
