//! What goes wrong, by a seed: only what AWS allows.

use std::time::Duration;

use esclusa_core::order::Verb;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It works.
    Works,
    /// It fails, and changed nothing.
    Fails,
    /// It works, but its answer is lost.
    LosesAnswer,
    /// The function dies before the effect.
    CrashesBefore,
    /// The function dies after the effect.
    CrashesAfter,
    /// It hangs for a while, and then works.
    Stalls(Duration),
    /// Its caller gives up on it, and it takes effect later all the same.
    LandsLate(Duration),
}

/// The source of all that goes wrong in one history.
#[derive(Debug)]
pub struct Adversary {
    random: fastrand::Rng,
    /// What happens on hosts: apart, so that it changes nothing else of a seed.
    of_hosts: fastrand::Rng,
    hostile: bool,
    calls: u64,
    crash_at: Option<(u64, bool)>,
}

impl Adversary {
    /// One that does everything AWS allows.
    #[must_use]
    pub fn hostile(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            of_hosts: fastrand::Rng::with_seed(seed ^ 0x0b57),
            hostile: true,
            calls: 0,
            crash_at: None,
        }
    }

    /// One that does nothing.
    #[must_use]
    pub fn idle(seed: u64) -> Self {
        Self { hostile: false, ..Self::hostile(seed) }
    }

    /// One that kills the function at the `call`th call of the whole history, counted from 0,
    /// before its effect or after it, and does nothing else.
    #[must_use]
    pub fn crashing_at(call: u64, after: bool) -> Self {
        Self { crash_at: Some((call, after)), ..Self::idle(7) }
    }

    /// Makes it kill the function once more, at the `call`th call from now, counted from 0.
    pub fn crash_in(&mut self, call: u64, after: bool) {
        self.crash_at = Some((self.calls.saturating_add(call), after));
    }

    /// Calls made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Makes it stop.
    pub fn stop(&mut self) {
        self.hostile = false;
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit.max(1))
    }

    /// True once in `odds` times, while it is hostile.
    pub(crate) fn once_in(&mut self, odds: u32) -> bool {
        self.random.u32(..odds) == 0 && self.hostile
    }

    /// What becomes of the next call.
    pub(crate) fn fate(&mut self) -> Fate {
        let call = self.calls;
        self.calls = self.calls.saturating_add(1);
        if let Some((at, after)) = self.crash_at {
            return match (at == call, after) {
                (false, _) => Fate::Works,
                (true, false) => Fate::CrashesBefore,
                (true, true) => Fate::CrashesAfter,
            };
        }
        let roll = self.random.u32(..100);
        if !self.hostile {
            return Fate::Works;
        }
        match roll {
            0 => Fate::Fails,
            1 => Fate::LosesAnswer,
            2 => Fate::CrashesBefore,
            3 => Fate::CrashesAfter,
            4 | 5 => Fate::Stalls(Duration::from_millis(self.random.u64(500..8000))),
            6 => Fate::LandsLate(Duration::from_millis(self.random.u64(500..8000))),
            _ => Fate::Works,
        }
    }

    /// When a command reaches its host.
    pub(crate) fn delivery(&mut self) -> Duration {
        let slow = self.once_in(10);
        Duration::from_millis(self.random.u64(if slow { 5_000..50_000 } else { 100..1_500 }))
    }

    /// How long a script takes.
    pub(crate) fn execution(&mut self, verb: Verb) -> Duration {
        let slow = self.once_in(15);
        let millis = match verb {
            Verb::Inspect => 200..900,
            Verb::Prefetch => 500..4_000,
            Verb::Activate if slow => 60_000..300_000,
            Verb::Activate => 2_000..15_000,
        };
        Duration::from_millis(self.random.u64(millis))
    }

    /// When copies of an event arrive: none if it is lost, several if it is doubled.
    pub(crate) fn event_delay(&mut self) -> Vec<Duration> {
        let copies = match (self.once_in(6), self.once_in(6)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        let late = self.once_in(10);
        let millis = if late { 1_000..400_000 } else { 50..1_500 };
        (0..copies).map(|_| Duration::from_millis(self.random.u64(millis.clone()))).collect()
    }

    /// When a command is delivered to its host a second time, if it is.
    pub(crate) fn repeats_delivery(&mut self) -> Option<Duration> {
        let repeats = self.once_in(8);
        repeats.then(|| Duration::from_secs(self.random.u64(0..150)))
    }

    /// How much later than usual a late command lands: SSM's own queue may hold it.
    pub(crate) fn lateness(&mut self) -> Duration {
        let long = self.once_in(4);
        Duration::from_secs(if long { self.random.u64(60..400) } else { 0 })
    }

    /// How far an invocation's clock is off, in milliseconds; 1000 is not at all.
    pub(crate) fn skew(&mut self) -> u64 {
        if self.hostile { self.random.u64(0..2000) } else { 1000 }
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let index = self.below(from.len());
        from.get(index)
    }

    /// Whether an answer cannot be read.
    pub(crate) fn garbles(&mut self) -> bool {
        self.once_in(30)
    }

    /// Whether the program on a host is killed before its next turn.
    pub(crate) fn kills_program(&mut self) -> bool {
        self.hostile && self.of_hosts.u32(..250) == 0
    }

    /// Whether an agent takes up again what was cut off.
    pub(crate) fn takes_up_again(&mut self) -> bool {
        self.of_hosts.bool()
    }

    /// A number below `limit`, for what happens on hosts.
    pub(crate) fn below_on_hosts(&mut self, limit: usize) -> usize {
        self.of_hosts.usize(..limit.max(1))
    }

    /// How long a call takes.
    pub(crate) fn latency(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(3..40))
    }
}
