//! The alarms that a rollout watches: what they say turns it back, or makes it ask a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Cause, Context, Phase, Rollout};
use crate::alarm::{AlarmState, SeenAlarm};
use crate::configuration::AlarmName;
use crate::order::{OnHostFailure, Orders, Verb, Watch};
use crate::reason::{Code, Reason};
use crate::time::Timestamp;

/// Looks in a row that may say nothing before a person is asked.
const DOUBTS: u32 = 4;

/// How long a person is waited for.
const ANSWER: Duration = Duration::from_hours(24);

/// What the alarms that are watched say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Alarms {
    /// All is well, or none is watched.
    Quiet,
    /// One is red.
    Red(Reason),
    /// None is red, and one does not say.
    Unclear(Reason),
}

/// Every host runs the candidate, and is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bake {
    /// The end of the watch.
    pub until: Timestamp,
    /// When to look at targets and alarms.
    pub watch: Watch,
    /// Looks in a row at which an alarm did not say.
    pub doubts: u32,
    /// The hosts are being asked about their containers.
    pub orders: Option<Orders>,
    /// When they were last asked.
    pub asked_at: Timestamp,
}

/// A person is asked whether the rollout goes on, because an alarm does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is not known.
    pub reason: Reason,
    /// When it turns back without an answer.
    pub until: Timestamp,
    /// The bake that goes on if the alarms are well again.
    pub bake: Bake,
    /// When to look whether they are.
    pub watch: Watch,
}

impl Bake {
    pub(super) fn starting(until: Timestamp, now: Timestamp) -> Self {
        let watch = Watch::starting(now, Duration::from_secs(5));
        Self { until, watch, doubts: 0, orders: None, asked_at: now }
    }
}

impl Rollout {
    /// The alarms that count: those that were quiet when it began. A repair puts nothing new out
    /// that an alarm could tell of.
    #[must_use]
    pub fn watched_alarms(&self) -> BTreeSet<AlarmName> {
        let all = self.settings.bake.alarms.iter().filter(|_| self.cause != Cause::Repair);
        all.filter(|name| !self.excluded_alarms.contains(name)).cloned().collect()
    }

    /// Leaves alarms out that say nothing good before anything was changed, and says so: what is
    /// red already cannot tell whether the candidate is to blame.
    pub(crate) fn exclude(&mut self, seen: &BTreeMap<AlarmName, SeenAlarm>, now: Timestamp) {
        let bake = self.settings.bake.span;
        for (name, alarm) in seen {
            if alarm.state != AlarmState::Quiet {
                self.excluded_alarms.insert(name.clone());
                let state = &alarm.state;
                let text = format!("the alarm `{name}` {state}, so this rollout does not watch it");
                self.note(now, text);
            } else if alarm.window > bake {
                let (window, bake) = (alarm.window.as_secs(), bake.as_secs());
                let text = format!(
                    "the alarm `{name}` looks back {window} s and the bake lasts {bake} s: what \
                     is wrong may show only afterwards"
                );
                self.note(now, text);
            }
        }
    }

    /// What the watched alarms say now, or a look at them.
    pub(super) fn alarms(&self, cx: &mut Context<'_>) -> Option<Alarms> {
        let mut told = Alarms::Quiet;
        for (name, alarm) in cx.alarms(&self.watched_alarms())? {
            let text = format!("the alarm `{name}` {}", alarm.state);
            match &alarm.state {
                AlarmState::Quiet => {}
                AlarmState::Red => return Some(Alarms::Red(Reason::new(Code::ALARM_RED, text))),
                AlarmState::NoData | AlarmState::Deleted | AlarmState::Unknown(_) => {
                    told = Alarms::Unclear(Reason::new(Code::ALARM_INCONCLUSIVE, text));
                }
            }
        }
        Some(told)
    }

    /// Watches until the bake is over; containers or a target that fail meanwhile end it, or an
    /// alarm.
    pub(super) fn bake(&mut self, mut bake: Bake, cx: &mut Context<'_>) -> bool {
        if let Err(reason) = self.watch_containers(&mut bake, cx) {
            self.turn_back(reason, cx);
            return true;
        }
        self.phase = Phase::Baking(bake.clone());
        if !self.settings.target_groups.is_empty() {
            let Some(view) = self.view(cx) else { return false };
            self.skip_stopped(&view);
            if let Some(reason) = self.out_of_service(&view) {
                self.turn_back(reason, cx);
                return true;
            }
        }
        let looks = cx.now >= bake.watch.next;
        match self.alarms(cx) {
            None => return false,
            Some(Alarms::Red(reason)) => {
                self.turn_back(reason, cx);
                return true;
            }
            Some(Alarms::Unclear(reason)) => {
                bake.doubts = bake.doubts.saturating_add(u32::from(looks));
                if bake.doubts >= DOUBTS {
                    self.ask(reason, &bake, cx.now);
                    return true;
                }
            }
            Some(Alarms::Quiet) if cx.now >= bake.until => {
                self.start_verifying(cx);
                return true;
            }
            Some(Alarms::Quiet) => bake.doubts = 0,
        }
        if looks {
            bake.watch.looked(cx.now);
        }
        self.phase = Phase::Baking(bake);
        false
    }

    /// Asks the hosts about their containers, now and then, and judges what they say.
    ///
    /// # Errors
    ///
    /// What is wrong with the containers of a host.
    fn watch_containers(&mut self, bake: &mut Bake, cx: &mut Context<'_>) -> Result<(), Reason> {
        if let Some(orders) = &mut bake.orders {
            if cx.listen(orders)
                && let Some(orders) = bake.orders.take()
            {
                self.judge_done(&orders)?;
            }
        } else if cx.now >= self.asks_at(bake) && cx.now < bake.until {
            let image = self.candidate.image();
            let hosts = self.done().into_iter().map(|host| (host, image.clone()));
            let leave = OnHostFailure::Leave;
            bake.orders = Some(Orders::new(Verb::Inspect, cx.fence(), cx.now, leave, hosts));
            bake.asked_at = cx.now;
        }
        Ok(())
    }

    /// When the hosts are to be asked about their containers again.
    fn asks_at(&self, bake: &Bake) -> Timestamp {
        bake.asked_at.after(Duration::from_mins(1).max(self.settings.bake.span.div_f32(10.0)))
    }

    /// Asks a person, who may also stop it.
    fn ask(&mut self, reason: Reason, bake: &Bake, now: Timestamp) {
        let watch = Watch::starting(now, Duration::from_mins(1));
        let until = now.after(ANSWER);
        let bake = Bake { orders: None, ..bake.clone() };
        let text = format!(
            "{}, at {DOUBTS} looks: a person is asked whether to go on, until {until}",
            reason.text
        );
        self.enter(Phase::Asking(Question { reason, until, bake, watch }), now, text);
    }

    /// When to look during a bake: only at its end where there is nothing to look at.
    pub(super) fn watches_at(&self, bake: &Bake, now: Timestamp) -> Timestamp {
        let nothing = self.settings.target_groups.is_empty() && self.watched_alarms().is_empty();
        if now >= bake.until && !nothing {
            return bake.watch.next;
        }
        let heard = bake.orders.as_ref().map(|it| it.watch.next);
        let asks = heard.unwrap_or_else(|| self.asks_at(bake)).min(bake.until);
        if nothing { asks } else { asks.min(bake.watch.next) }
    }

    /// Waits for a person's word, or for alarms that say something again.
    pub(super) fn await_answer(&mut self, mut asked: Question, cx: &mut Context<'_>) -> bool {
        if let Some(actor) = self.go_on.take() {
            self.resume(&asked, cx.now);
            self.note(cx.now, format!("{actor} lets it go on, although {}", asked.reason.text));
            self.start_verifying(cx);
            return true;
        }
        if cx.now >= asked.until {
            let text = format!("{}, and nobody said to go on", asked.reason.text);
            self.resume(&asked, cx.now);
            self.turn_back(Reason::new(asked.reason.code, text), cx);
            return true;
        }
        if cx.now < asked.watch.next {
            return false;
        }
        match self.alarms(cx) {
            None => false,
            Some(Alarms::Red(reason)) => {
                self.resume(&asked, cx.now);
                self.turn_back(reason, cx);
                true
            }
            Some(Alarms::Quiet) => {
                self.resume(&asked, cx.now);
                let until = asked.bake.until;
                let text = "the alarms say that all is well again";
                self.enter(Phase::Baking(Bake::starting(until, cx.now)), cx.now, text);
                true
            }
            Some(Alarms::Unclear(_)) => {
                asked.watch.looked(cx.now);
                self.phase = Phase::Asking(asked);
                false
            }
        }
    }

    /// The time that a person was waited for is not the rollout's.
    fn resume(&mut self, asked: &Question, now: Timestamp) {
        self.deadline = self.deadline.after(now.since(asked.watch.since));
    }
}
