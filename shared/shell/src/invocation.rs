//! How long one invocation of a function may act.

use std::time::Duration;

use esclusa_core::time::Timestamp;

/// What is kept back for answering Lambda, which counts an answer after the deadline as none and
/// delivers the whole batch again.
const ANSWER: Duration = Duration::from_millis(300);

/// One invocation of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Its request id: the owner of leases.
    pub id: String,
    /// When it is certainly over: its leases end then, and no call of its outlives them.
    pub ends_at: Timestamp,
    /// When it starts nothing more.
    pub stops_at: Timestamp,
}

impl Invocation {
    /// The invocation that Lambda ends at `ends_at`.
    ///
    /// Nothing is begun later than `longest`, what a piece of work takes at most, before its end,
    /// so that none outlives the lease; where the function is given only seconds, than a third of
    /// them.
    #[must_use]
    pub fn until(id: &str, ends_at: Timestamp, now: Timestamp, longest: Duration) -> Self {
        let left = ends_at.since(now);
        let margin = longest.min(left.checked_div(3).unwrap_or_default());
        Self { id: id.to_owned(), ends_at, stops_at: now.after(left.saturating_sub(margin)) }
    }

    /// How long work may go on before what is not done is given back to the queue.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Duration {
        self.ends_at.since(now).saturating_sub(ANSWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_stops_early_enough_for_its_last_call() {
        for (now, deadline, stops_at) in [
            (0, 30_000, 22_000),
            (0, 24_000, 16_000),
            (0, 6_000, 4_000),
            (9_000, 9_000, 9_000),
            (9_000, 0, 9_000),
        ] {
            let [ends_at, now] = [deadline, now].map(Timestamp::from_millis);
            let seen = Invocation::until("a", ends_at, now, Duration::from_secs(8)).stops_at;
            assert_eq!(seen.as_millis(), stops_at, "from {now} to {deadline}");
        }
    }
}
