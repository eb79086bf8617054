//! How long one invocation may act.

use std::time::Duration;

use esclusa_aws::setup::OPERATION;
use esclusa_core::time::Timestamp;
use esclusa_shell::drive::Invocation;
use esclusa_shell::ports::Clock;
use lambda_runtime::Context;

/// What is kept back for answering Lambda, which counts an answer after the deadline as none and
/// delivers the whole batch again.
const ANSWER: Duration = Duration::from_millis(300);

/// The invocation that Lambda describes.
///
/// Nothing is begun later than the longest call before its end, so that no call of ours outlives
/// the lease; where the function is given only seconds, than a third of them.
pub(crate) fn of(context: &Context, clock: &impl Clock) -> Invocation {
    let ends_at = Timestamp::from_millis(context.deadline);
    let left = ends_at.since(clock.now());
    let margin = OPERATION.min(left.checked_div(3).unwrap_or_default());
    let stops_at = clock.now().after(left.saturating_sub(margin));
    Invocation { id: context.request_id.clone(), ends_at, stops_at }
}

/// How long work may go on before what is not done is given back to the queue.
pub(crate) fn time_left(me: &Invocation, now: Timestamp) -> Duration {
    me.ends_at.since(now).saturating_sub(ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    #[test]
    fn an_invocation_stops_early_enough_for_its_last_call() {
        for (now, deadline, stops_at) in [
            (0, 30_000, 22_000),
            (0, 24_000, 16_000),
            (0, 6_000, 4_000),
            (9_000, 9_000, 9_000),
            (9_000, 0, 9_000),
        ] {
            let mut context = Context::default();
            context.deadline = deadline;
            let seen = of(&context, &At(now)).stops_at.as_millis();
            assert_eq!(seen, stops_at, "from {now} to {deadline}");
        }
    }
}
