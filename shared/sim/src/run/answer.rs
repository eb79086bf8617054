//! The end of a run: what is written down, and what the host answers.

use std::time::Duration;

use esclusa_core::host::{
    Mode, Order, Report, Restored, inspect, is_last_word, is_one_way, runs_once,
};
use esclusa_core::name::HostId;
use esclusa_core::order::{Answer, ContainerHealth, LastChange, PutBack, Verb};
use esclusa_core::reason::Code;

use super::{Course, Run};
use crate::engine::not_answering;
use crate::meddle::{NOT_PUT_BACK, PUT_BACK, PUT_BACK_BY_COMPOSE};
use crate::world::{World, say};

/// How long containers that are just starting are waited for by an inspection.
const SETTLE: Duration = Duration::from_secs(25);

impl World {
    pub(super) fn inspect_host(&mut self, id: &HostId, run: &mut Run) {
        let now = self.now;
        let order = &run.order;
        let found = self.look(id, |engine, _| {
            (engine.down_until > now, inspect(order, engine.seen()), engine.next_change(now))
        });
        let Some((is_down, found, change)) = found else { return };
        if is_down {
            run.course = Course::Refuses(not_answering());
            return;
        }
        let settles = found.tally.bad.is_none() && found.tally.waiting.is_some();
        if settles && now.since(run.began) <= SETTLE {
            run.next_at = change.unwrap_or(now.after(Duration::from_millis(500)));
            run.course = Course::Inspects;
            return;
        }
        let text = format!("This host runs {} of {}.", found.running, order.lane.service);
        let report = Report::done(text, None, found.tally.bad.into_iter().collect());
        self.answer_with(id, run, &report);
    }

    /// Writes the order's last word down, and answers.
    pub(super) fn end(&mut self, id: &HostId, run: &mut Run, report: &Report) {
        let order = run.order.clone();
        let is_ok = report.reason.code == Code::OK;
        let answer = self.answer(id, &order, report);
        run.next_at = self.now.max(run.ends_at());
        let Some(mut answer) = answer else { return };
        let now = self.now;
        if is_last_word(&order, report) {
            let written = self.look(id, |engine, _| {
                engine.check_room(now)?;
                engine.finish(&order, report);
                Ok(())
            });
            if let Some(Err(reason)) = written {
                run.course = Course::Refuses(reason);
                return;
            }
            if order.mode == Mode::Once {
                self.note_once(id, &order);
            } else {
                let running = (&answer.before, &answer.now);
                say!(self, "{id} runs {} by {} (was {})", running.1, order.fence, running.0);
            }
            self.marks.activations.insert((id.clone(), order.fence.to_string()));
            self.check_jobs(id);
            self.count_way_back(report);
            if let Some(host) = self.hosts.get_mut(id) {
                host.answered = Some((order.fence, answer.clone()));
            }
        } else if order.verb == Verb::Prefetch && is_ok {
            let told = self.look(id, |engine, _| {
                let one_way = is_one_way(&order, engine.seen());
                if one_way.is_some() {
                    engine.kept_mut().fetched = Some(order.wanted.to_string());
                }
                (one_way, runs_once(&order, engine.seen()))
            });
            let (one_way, runs_once) = told.unwrap_or_default();
            (answer.one_way, answer.runs_once) = (one_way.unwrap_or(false), runs_once);
        }
        run.course = Course::Answers(Box::new(answer));
    }

    fn count_way_back(&mut self, report: &Report) {
        match report.restored {
            Restored::Yes
                if report.warnings.iter().any(|it| it.starts_with("The host was restarted")) =>
            {
                self.count(PUT_BACK_BY_COMPOSE);
            }
            Restored::Yes => self.count(PUT_BACK),
            Restored::Failed => self.count(NOT_PUT_BACK),
            Restored::NotNeeded | Restored::No => {}
        }
    }

    /// What had ended is not run again to put the rest back.
    fn check_jobs(&mut self, id: &HostId) {
        let again = self.hosts.get(id).map_or(0, |host| host.engine.jobs_run_again);
        if again > 0 {
            self.breaks(8, format!("{id} ran a job again on its way back"));
        }
    }

    pub(super) fn answer_with(&mut self, id: &HostId, run: &mut Run, report: &Report) {
        run.next_at = self.now.max(run.ends_at());
        if let Some(answer) = self.answer(id, &run.order, report) {
            run.course = Course::Answers(Box::new(answer));
        }
    }

    fn answer(&mut self, id: &HostId, order: &Order, report: &Report) -> Option<Answer> {
        self.note_look(id);
        let zone = self.hosts.get(id).map(|host| host.zone.clone()).unwrap_or_default();
        self.look(id, |engine, _| {
            let seen = engine.seen();
            let found = inspect(order, seen);
            let last_change = match order.verb {
                Verb::Inspect => seen.kept.last_change(&order.lane),
                Verb::Prefetch | Verb::Activate => LastChange::None,
            };
            Answer {
                reason: report.reason.clone(),
                fence: seen.kept.fence_of(&order.lane),
                before: report.before.clone().unwrap_or_else(|| found.running.clone()),
                health: match found.tally.word() {
                    "healthy" => ContainerHealth::Healthy,
                    "starting" => ContainerHealth::Starting,
                    "none" => ContainerHealth::Absent,
                    _ => ContainerHealth::Unhealthy,
                },
                now: found.running,
                last_change,
                put_back: match report.restored {
                    Restored::NotNeeded => PutBack::NotNeeded,
                    Restored::No => PutBack::No,
                    Restored::Yes => PutBack::Yes,
                    Restored::Failed => PutBack::Failed,
                },
                one_way: false,
                runs_once: false,
                platform: seen.platform,
                zone: zone.clone(),
                warnings: report.warnings.clone(),
                took: Duration::ZERO,
            }
        })
    }
}
