//! What the programs of hosts saw when they answered, as the world knows it.

use esclusa_core::name::HostId;
use esclusa_core::order::{CommandId, Fence};
use esclusa_core::release::Running;
use esclusa_core::rollout::{Cause, Rollout};
use esclusa_core::time::Timestamp;

use crate::hosts::SimHost;
use crate::world::World;

/// What was true of a host when its program answered.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    at: Timestamp,
    running: Running,
    is_well: bool,
    is_serving: bool,
    is_whole: bool,
}

impl World {
    /// Notes what is true of a host, of which its program makes an answer now.
    pub(crate) fn note_look(&mut self, id: &HostId) {
        let Some(running) = self.hosts.get(id).map(SimHost::running) else { return };
        let (is_well, is_serving) = (self.is_well(id), self.is_serving(id));
        let look = Look { at: self.now, running, is_well, is_serving, is_whole: self.is_whole(id) };
        if let Some(host) = self.hosts.get_mut(id) {
            host.last_look = Some(look);
        }
    }

    /// What was true of a host when its program last made an answer.
    pub(crate) fn last_look(&self, id: &HostId) -> Option<Look> {
        self.hosts.get(id)?.last_look.clone()
    }

    /// Notes that a function has read the answers to a command. Those to a call that landed after
    /// its caller had given up are read by nobody.
    pub(crate) fn note_heard(&mut self, command: &CommandId) {
        let looks = self.commands.get(command).map(|it| it.looks.clone()).unwrap_or_default();
        for (host, look) in looks {
            let known = self.marks.heard.get(&host);
            if known.is_none_or(|known| known.at < look.at) {
                self.marks.heard.insert(host, look);
            }
        }
    }

    /// Checks that a host that a success counts was asked after it was changed, and ran the
    /// candidate then, well.
    pub(super) fn check_heard(&mut self, rollout: &Rollout, id: &HostId) {
        let began = self.marks.began.get(&rollout.id).and_then(|it| it.get(id));
        let since = began.map_or(rollout.started, |(_, at)| *at);
        let Some(look) = self.marks.heard.get(id).filter(|look| look.at >= since).cloned() else {
            self.breaks(7, format!("succeeded, but {id} was not asked since {since}"));
            return;
        };
        // What people do to the team's own services is theirs, and so is the number of containers.
        let drifted = self.marks.drifted_at.contains_key(id);
        let is_well = if drifted { look.is_serving } else { look.is_well };
        if look.running != Running::Digest(rollout.candidate.digest.clone()) {
            let text = format!("succeeded, but {id} ran {} when it was asked", look.running);
            self.breaks(7, text);
        } else if !is_well {
            self.breaks(7, format!("succeeded, but {id} was not well when it was asked"));
        } else if !drifted && !look.is_whole {
            let text = format!("succeeded, but a sidecar or database of {id} was not well");
            self.breaks(7, text);
        }
    }

    /// Checks that the hosts that a rollout has finished have been asked since it last changed
    /// others, before it begins with more.
    pub(super) fn check_asked(&mut self, rollout: &Rollout, batch: Option<Fence>) {
        if rollout.cause == Cause::Repair {
            return;
        }
        let began = self.marks.began.get(&rollout.id).into_iter().flatten();
        let before = began.filter(|(_, (fence, _))| Some(*fence) != batch);
        let Some(changed_at) = before.map(|(_, (_, at))| *at).max() else { return };
        let finished = self.marks.finished.get(&rollout.id).into_iter().flatten();
        let asked = |id: &HostId| {
            let look = self.hosts.get(id).and_then(|host| host.last_look.as_ref());
            look.is_some_and(|look| look.at >= changed_at)
        };
        let is_there = |id: &HostId| self.hosts.get(id).is_some_and(|host| host.alive);
        let mut finished = finished.map(|(id, _)| id);
        let excused = |id: &HostId| self.is_disturbed(id) || self.is_away(rollout, id);
        let forgotten = finished.find(|id| is_there(id) && !asked(id) && !excused(id)).cloned();
        if let Some(id) = forgotten {
            let text = format!("a batch begins, and {id}, which is finished, was not asked");
            self.breaks(18, text);
        }
    }
}
