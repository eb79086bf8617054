//! What comes from outside lanes, hosts and images: an alarm, and a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::alarm::{AlarmState, SeenAlarm};
use esclusa_core::configuration::{AlarmName, SecretName};
use esclusa_core::digest::Digest;
use esclusa_core::release::Running;
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_shell::receive::Notice;

use crate::adversary::Adversary;
use crate::world::{World, say};

/// The alarm that a story's service watches.
pub(crate) const ALARM: &str = "hot";

/// The secret that a story's service needs.
pub(crate) const SECRET: &str = "db";

/// How long an event takes.
const EVENT: Duration = Duration::from_secs(1);

/// How long an image runs before the alarm finds it out.
pub(crate) const FINDS_OUT: Duration = Duration::from_secs(5);

/// An alarm and a secret, and what the adversary does to them.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Images that make the alarm red once they run.
    alarming: BTreeSet<Digest>,
    /// What the alarm says instead of the truth, and until when.
    alarm: Option<(AlarmState, Timestamp)>,
    /// Counts the secret's versions.
    version: u32,
    /// When it was last rotated.
    pub(crate) rotated_at: Option<Timestamp>,
    /// When anything last happened to either.
    at: Timestamp,
    /// Until when it is scheduled for deletion.
    pub(crate) deleted_until: Timestamp,
}

impl World {
    /// Whether an image makes the alarm red.
    pub(crate) fn is_alarming(&self, digest: &Digest) -> bool {
        self.signals.as_ref().is_some_and(|it| it.alarming.contains(digest))
    }

    /// Lets every third image make the alarm red.
    pub(crate) fn may_alarm(&mut self, digest: &Digest, number: usize) {
        if let Some(signals) = self.signals.as_mut().filter(|_| number % 3 == 1) {
            signals.alarming.insert(digest.clone());
        }
    }

    pub(crate) fn alarms(&self, names: &BTreeSet<AlarmName>) -> BTreeMap<AlarmName, SeenAlarm> {
        let seen = SeenAlarm { state: self.alarm(), window: Duration::from_secs(10) };
        names.iter().map(|name| (name.clone(), seen.clone())).collect()
    }

    fn alarm(&self) -> AlarmState {
        let Some(signals) = &self.signals else { return AlarmState::Deleted };
        if let Some((state, _)) = signals.alarm.as_ref().filter(|(_, until)| self.now < *until) {
            return state.clone();
        }
        let alarms = |digest: &Digest| signals.alarming.contains(digest);
        let red = |running: &Running| matches!(running, Running::Digest(digest) if alarms(digest));
        let red = |(_, host): (_, &crate::hosts::SimHost)| {
            red(&host.running()) && self.now.since(host.engine.started_at()) >= FINDS_OUT
        };
        if self.live().any(red) { AlarmState::Red } else { AlarmState::Quiet }
    }

    pub(crate) fn secret(&self) -> SecretState {
        match &self.signals {
            Some(signals) if self.now < signals.deleted_until => SecretState::Deleting,
            Some(signals) => SecretState::Usable { version: signals.version.to_string() },
            None => SecretState::Missing,
        }
    }

    /// Whether something happened so lately that what was seen before may be true no more.
    pub(crate) fn was_signalled(&self) -> bool {
        let at = self.signals.as_ref().map(|it| it.at);
        at.is_some_and(|at| self.now.since(at) < Duration::from_mins(1))
    }

    /// The service has an alarm and a secret from now on.
    pub fn add_signals(&mut self) {
        self.signals.get_or_insert_default();
    }

    /// The alarm says this from now on, or the truth again; whoever listens is told.
    pub fn alarm_says(&mut self, state: Option<AlarmState>) {
        let for_good = Timestamp::from_millis(u64::MAX);
        let signals = self.signals.get_or_insert_default();
        signals.alarm = state.map(|state| (state, for_good));
        if let Ok(name) = ALARM.parse::<AlarmName>() {
            self.enqueue(Notice::Alarm(name), EVENT);
        }
    }

    /// The secret gets another version; whoever listens is told.
    pub fn rotate(&mut self) {
        let now = self.now;
        let signals = self.signals.get_or_insert_default();
        signals.version = signals.version.saturating_add(1);
        signals.rotated_at = Some(now);
        if let Ok(name) = SECRET.parse::<SecretName>() {
            self.enqueue(Notice::Rotated(name), EVENT);
        }
    }

    /// The secret is to be deleted, or not any more.
    pub fn delete_secret(&mut self, deleted: bool) {
        let until = if deleted { Timestamp::from_millis(u64::MAX) } else { Timestamp::default() };
        self.signals.get_or_insert_default().deleted_until = until;
    }

    /// Something happens to the alarm or the secret.
    pub(crate) fn signal(&mut self, adversary: &mut Adversary) {
        let until = self.now.after(Duration::from_secs(
            u64::try_from(adversary.below(400)).unwrap_or(0).saturating_add(10),
        ));
        let kind = adversary.below(5);
        let states = [AlarmState::Red, AlarmState::NoData, AlarmState::Deleted];
        let state = adversary.pick(&states).cloned();
        let now = self.now;
        let Some(signals) = &mut self.signals else { return };
        signals.at = now;
        match kind {
            0 => {
                signals.deleted_until = until;
                say!(self, "the secret is to be deleted, until {until}");
            }
            1 | 2 => {
                signals.version = signals.version.saturating_add(1);
                signals.rotated_at = Some(now);
                say!(self, "the secret is rotated");
                if let Ok(name) = SECRET.parse::<SecretName>() {
                    for delay in adversary.event_delay() {
                        self.enqueue(Notice::Rotated(name.clone()), delay);
                    }
                }
            }
            _ => {
                signals.alarm = state.clone().map(|state| (state, until));
                say!(self, "the alarm says {state:?} until {until}");
                if let Ok(name) = ALARM.parse::<AlarmName>() {
                    for delay in adversary.event_delay() {
                        self.enqueue(Notice::Alarm(name.clone()), delay);
                    }
                }
            }
        }
    }
}
