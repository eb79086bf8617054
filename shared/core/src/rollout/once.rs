//! What runs once for a release, on one host, before any host is changed: migrations.
//!
//! Only a release that goes forward brings it: what is put back, repaired, restarted or joined runs
//! what was prepared before.

use super::{Cause, Context, Phase, Rollout};
use crate::name::HostId;
use crate::order::{Heard, Mode, OnHostFailure, Orders, PartState, Verb};
use crate::reason::{Code, Reason};

/// What a person does about what has not ended well.
const NEXT: &str = "no host was changed: mend it, and `deploy` this version again, or push another";

/// How far what runs once is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnceStep {
    /// No host has said whether the release has something to run once.
    #[default]
    Unknown,
    /// There is nothing to run.
    Nothing,
    /// This host is to run it.
    Due(HostId),
    /// It has run, and ended well.
    Done,
}

impl Rollout {
    /// Whether it is still to be heard what the release has to run once, before any host is told to
    /// change: those that were to pull it may have gone away, or given no answer that can be read.
    pub(super) fn has_to_hear_of_once(&self) -> bool {
        let brings = matches!(self.cause, Cause::Push | Cause::Deploy) && self.is_forward();
        brings && self.once == OnceStep::Unknown && !self.hosts.values().any(|it| it.told)
    }

    /// Remembers what hosts say that the release has to run once, and who is to run it.
    pub(super) fn note_once(&mut self, orders: &Orders) {
        if !self.has_to_hear_of_once() {
            return;
        }
        // An inspection, which stands in for an answer that could not be read, does not tell.
        let answers = orders.heard.iter().filter_map(|(host, heard)| match heard {
            Heard::Answered(answer) if !orders.inspected.contains(host) => Some((host, answer)),
            Heard::Answered(_) | Heard::Unclear(_) | Heard::Silent | Heard::Gone => None,
        });
        let answers: Vec<_> = answers.collect();
        if let Some((host, _)) = answers.iter().find(|(_, answer)| answer.runs_once) {
            self.once = OnceStep::Due((*host).clone());
        } else if !answers.is_empty() {
            self.once = OnceStep::Nothing;
        }
    }

    /// Has its host run what runs once, where that is due; whether it is.
    pub(super) fn run_once(&mut self, cx: &mut Context<'_>) -> bool {
        let OnceStep::Due(host) = &self.once else { return false };
        let told = [(host.clone(), self.candidate.image())];
        let text = format!("{host} runs what runs once for {}", self.candidate);
        let mut orders =
            Orders::new(Verb::Activate, cx.fence(), cx.now, OnHostFailure::Leave, told);
        orders.mode = Mode::Once;
        self.enter(Phase::RunningOnce(orders), cx.now, text);
        true
    }

    /// Goes on once it has ended well. Whatever else is heard ends the rollout: nothing was
    /// changed, and what may have run half is for a person to look at.
    pub(super) fn ran_once(&mut self, mut orders: Orders, cx: &mut Context<'_>) -> bool {
        if orders.never_went_out(cx.now) {
            return self.run_once(cx);
        }
        if !cx.listen(&mut orders) {
            self.phase = Phase::RunningOnce(orders);
            return false;
        }
        self.hear_warnings(&orders);
        if is_untold(&orders) {
            // Another host is asked whether there is something to run, and runs it.
            self.once = OnceStep::Unknown;
            self.choose_next(cx.now, "the host that was to run what runs once was told nothing");
            return true;
        }
        match judge(&orders) {
            Ok(text) => {
                self.once = OnceStep::Done;
                self.choose_next(cx.now, &text);
            }
            Err(reason) => self.turn_back(reason, cx),
        }
        true
    }
}

/// Whether nobody was told, because its host is gone or takes no command.
fn is_untold(orders: &Orders) -> bool {
    orders.parts.iter().all(|part| matches!(part.state, PartState::Unsent | PartState::Refused))
}

fn judge(orders: &Orders) -> Result<String, Reason> {
    let mut heard = orders.heard.iter();
    let Some((host, heard)) = heard.next() else {
        let text = "no host was told to run what runs once";
        return Err(Reason::new(Code::HOSTS_NONE, text));
    };
    // An inspection tells what serves, not what has run.
    let was_inspected = orders.inspected.contains(host);
    match heard {
        Heard::Answered(answer) if !was_inspected && answer.is_ok() => {
            Ok(format!("{host}: {}", answer.reason.text))
        }
        // A call that landed twice is answered so while the first is still carried out.
        Heard::Answered(answer) if answer.reason.code.as_str() == "order.busy" => {
            let text = format!("{host}: {}; {NEXT}", answer.reason.text);
            Err(Reason::new(Code::ONCE_UNKNOWN, text))
        }
        Heard::Answered(answer) if !was_inspected => {
            let text = format!("{host}: {}; {NEXT}", answer.reason.text);
            Err(Reason::new(answer.reason.code.clone(), text))
        }
        Heard::Answered(_) | Heard::Unclear(_) | Heard::Silent | Heard::Gone => {
            let text = format!(
                "{host} did not say how what runs once has ended, and it may still run there \
                 (docker ps --all --filter name=-once-): see that it has ended; {NEXT}"
            );
            Err(Reason::new(Code::ONCE_UNKNOWN, text))
        }
    }
}
