//! Calls that land late, and containers that come up late.

use super::{CLOCKS, ContainerHealth, Heard, Orders, PartState, PutBack, Verb};
use crate::name::HostId;
use crate::time::Timestamp;

impl Orders {
    /// Whether a host is still to be judged for which Systems Manager took no command.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused().next().is_some()
    }

    /// Takes hosts that were refused as gone where they are not listed any more, else as silent:
    /// they may serve all the same.
    pub fn judge_refused(&mut self, exists: impl Fn(&HostId) -> bool) {
        let refused: Vec<HostId> = self.refused().cloned().collect();
        for host in refused {
            let heard = if exists(&host) { Heard::Silent } else { Heard::Gone };
            self.heard.insert(host, heard);
        }
    }

    fn refused(&self) -> impl Iterator<Item = &HostId> {
        let refused = self.parts.iter().filter(|part| part.state == PartState::Refused);
        refused.flat_map(|part| &part.hosts).filter(|host| !self.heard.contains_key(*host))
    }

    /// Whether a host answered that its containers are still starting.
    #[must_use]
    pub fn is_starting(&self, host: &HostId) -> bool {
        let heard = self.heard.get(host);
        matches!(heard, Some(Heard::Answered(it)) if it.health == ContainerHealth::Starting)
    }

    /// Whether a host that was not reached, that refused, or was cut off, may begin or go on all
    /// the same, by a call that lands late.
    #[must_use]
    pub fn may_still_begin(&self, now: Timestamp) -> bool {
        let changes = self.parts.iter().any(|part| part.verb == Verb::Activate);
        let open = |(host, heard): (&HostId, &Heard)| match heard {
            Heard::Silent => true,
            // A host does not remember what it refused.
            Heard::Answered(answer) => {
                let refused = !answer.is_ok() && answer.put_back == PutBack::NotNeeded;
                refused || !answer.finished
            }
            Heard::Unclear(_) => self.inspected.contains(host),
            Heard::Gone => false,
        };
        let open = self.heard.iter().any(open);
        changes && open && self.resent && now <= self.not_after.after(CLOCKS)
    }
}
