//! Calls that land late, and containers that come up late.

use std::time::Duration;

use super::{
    CLOCK_SKEW, CommandId, ContainerHealth, Heard, LastChange, Orders, Part, PartState, PutBack,
    VALIDITY, Verb,
};
use crate::name::HostId;
use crate::time::Timestamp;

/// How long Systems Manager may go on listing an instance that was stopped: its agent pings every
/// five minutes.
const LISTED: Duration = Duration::from_mins(7);

impl Orders {
    /// Splits a call that SSM refused because of one of its hosts, so that the rest is sent.
    ///
    /// A call for a single host that is refused has found the host: [`Self::judge_refused`].
    pub fn refuse(&mut self, number: u32) {
        let Some(index) = self.parts.iter().position(|part| part.number == number) else { return };
        let Some(part) = self.parts.get_mut(index) else { return };
        if part.hosts.len() < 2 {
            part.state = PartState::Refused;
            return;
        }
        let part = part.clone();
        for host in part.hosts {
            self.add(part.verb, &part.image, vec![host]);
        }
        self.parts.remove(index);
    }

    /// Whether a host is still to be judged for which Systems Manager took no command.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let refused = |part: &Part| part.state == PartState::Refused;
        self.parts.iter().any(|part| refused(part) && self.unheard(part).next().is_some())
    }

    /// Takes hosts that were refused as gone where they are not listed any more. One that is listed
    /// may serve all the same: it is told again for as long as a stopped one may be listed, and is
    /// silent then. Whether it was time to look.
    pub fn judge_refused(&mut self, exists: impl Fn(&HostId) -> bool, now: Timestamp) -> bool {
        let (is_over, is_due) = (now >= self.made.after(LISTED), now >= self.watch.next);
        for part in self.parts.iter_mut().filter(|part| part.state == PartState::Refused) {
            let [host] = part.hosts.as_slice() else { continue };
            if self.heard.contains_key(host) {
                continue;
            }
            if !exists(host) {
                self.heard.insert(host.clone(), Heard::Gone);
            } else if is_over {
                self.heard.insert(host.clone(), Heard::Silent);
            } else if is_due {
                part.state = PartState::Unsent;
                self.not_after = self.not_after.max(now.after(VALIDITY));
            }
        }
        is_due
    }

    /// Hosts that were not reached in time.
    pub(crate) fn silent(&self) -> impl Iterator<Item = &HostId> {
        self.heard.iter().filter(|(_, heard)| **heard == Heard::Silent).map(|(host, _)| host)
    }

    /// Whether a host answered that its containers are well.
    pub(crate) fn is_well(&self, host: &HostId) -> bool {
        let heard = self.heard.get(host);
        matches!(heard, Some(Heard::Answered(it)) if it.health == ContainerHealth::Healthy)
    }

    /// Whether a host answered that its containers are still starting.
    #[must_use]
    pub fn is_starting(&self, host: &HostId) -> bool {
        let heard = self.heard.get(host);
        matches!(heard, Some(Heard::Answered(it)) if it.health == ContainerHealth::Starting)
    }

    /// Takes hosts that are not listed any more as heard; that they did not answer says less. One
    /// that was told to change may be there all the same, and an agent takes up what was cut off:
    /// it is waited for until it has begun or never will.
    pub fn miss(&mut self, is_listed: impl Fn(&HostId) -> bool, now: Timestamp) {
        let never_begins = now >= self.not_after.after(CLOCK_SKEW);
        let over = self.parts.iter().filter(|it| it.verb != Verb::Activate || never_begins);
        let over = over.flat_map(|part| &part.hosts);
        let unheard = over.filter(|host| !self.heard.contains_key(*host));
        let gone = unheard.chain(self.silent()).filter(|host| !is_listed(host));
        let gone: Vec<HostId> = gone.cloned().collect();
        for host in gone {
            self.heard.insert(host, Heard::Gone);
        }
    }

    /// Whether no call of a change went out, and none that was made can begin any more.
    #[must_use]
    pub fn never_went_out(&self, now: Timestamp) -> bool {
        let unsent = self.parts.iter().all(|part| part.state == PartState::Unsent);
        self.resent && unsent && now > self.not_after.after(CLOCK_SKEW)
    }

    /// Whether the hosts are to be asked anew: what they said may be true no more, or some were not
    /// asked at all. One that was asked and did not answer was waited for longer than that.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        let is_sent = |part: &Part| matches!(part.state, PartState::Sent { .. });
        let is_silent =
            |part: &Part| part.hosts.iter().any(|it| self.heard.get(it) == Some(&Heard::Silent));
        let is_old = |part: &Part| match part.state {
            PartState::Sent { at, .. } => now.since(at) > VALIDITY,
            PartState::Unsent | PartState::Doubtful => is_silent(part),
            PartState::Refused => false,
        };
        let waited = self.parts.iter().any(|part| is_sent(part) && is_silent(part));
        self.parts.iter().any(is_old) && !waited
    }

    /// Takes a call as out that was looked for and found: it may have landed this moment.
    pub fn found(&mut self, number: u32, command: CommandId, now: Timestamp) {
        if let Some(part) = self.part_mut(number) {
            part.state = PartState::Sent { command, at: now };
        }
    }

    /// Whether a host that was not reached, that refused, or was cut off, may begin or go on all
    /// the same, by a call that lands late.
    #[must_use]
    pub fn may_still_begin(&self, now: Timestamp) -> bool {
        let changes = self.parts.iter().any(|part| part.verb == Verb::Activate);
        let open = |(host, heard): (&HostId, &Heard)| match heard {
            // One for which a call was refused, and which is not listed, may come back.
            Heard::Silent | Heard::Gone => true,
            // A host does not remember what it refused.
            Heard::Answered(answer) => {
                let refused = !answer.is_ok() && answer.put_back == PutBack::NotNeeded;
                let broken_off = answer.last_change == LastChange::Unfinished;
                refused || broken_off || !self.is_carried_out(host, answer)
            }
            Heard::Unclear(_) => self.inspected.contains(host),
        };
        let open = self.heard.iter().any(open);
        changes && open && self.resent && now <= self.not_after.after(CLOCK_SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Fence, Invocation, OnHostFailure};
    use crate::release::Image;

    const MADE: Timestamp = Timestamp::from_millis(1_000_000);

    fn after(seconds: u64) -> Timestamp {
        MADE.after(Duration::from_secs(seconds))
    }

    fn host(number: u8) -> HostId {
        format!("i-0000000{number}").parse().expect("a host's name")
    }

    /// An order for two hosts in two calls.
    fn orders(verb: Verb, states: [PartState; 2]) -> Orders {
        let mut orders = Orders::new(verb, Fence::default(), MADE, OnHostFailure::Leave, []);
        for (number, state) in (1..).zip(states) {
            orders.add(verb, &Image::Nothing, vec![host(number)]);
            orders.parts.last_mut().expect("a call").state = state;
        }
        orders
    }

    fn sent(seconds: u64) -> PartState {
        PartState::Sent { command: CommandId("c".to_owned()), at: after(seconds) }
    }

    #[test]
    fn hosts_are_asked_anew_where_their_answers_are_old_or_a_call_never_went_out() {
        use PartState::{Doubtful, Refused, Unsent};
        let (gone, silent) = (Heard::Gone, Heard::Silent);
        let rows = [
            ([sent(0), sent(0)], [&gone, &gone], 120, false),
            ([sent(0), sent(0)], [&gone, &gone], 121, true),
            ([sent(0), sent(90)], [&gone, &gone], 121, true),
            ([sent(60), sent(90)], [&gone, &gone], 121, false),
            // Who was asked and is silent was waited for.
            ([sent(0), sent(0)], [&gone, &silent], 300, false),
            ([Unsent, sent(0)], [&silent, &gone], 60, true),
            ([Doubtful, sent(0)], [&silent, &gone], 60, true),
            ([Doubtful, sent(0)], [&silent, &silent], 300, false),
            // There is nobody to ask.
            ([Unsent, sent(60)], [&gone, &gone], 121, false),
            ([Refused, sent(60)], [&silent, &gone], 121, false),
        ];
        for (states, heard, seconds, is_old) in rows {
            let mut orders = orders(Verb::Inspect, states.clone());
            orders.heard = (1..).map(host).zip(heard.into_iter().cloned()).collect();
            assert_eq!(orders.is_old(after(seconds)), is_old, "{states:?} {heard:?} {seconds}");
        }
    }

    #[test]
    fn a_host_is_heard_by_the_last_call_that_asks_it() {
        let command = |name: &str| CommandId(name.to_owned());
        let says = |heard: &Heard| [Invocation { host: host(1), heard: Some(heard.clone()) }];
        let (unread, silent) = (Heard::Unclear("cut off".to_owned()), Heard::Silent);
        let mut orders = orders(Verb::Activate, [sent(0), sent(0)]);
        orders.parts.truncate(1);
        orders.hear(&command("c"), &says(&unread));
        assert!(orders.inspect_unclear(after(1860)));
        let open = |orders: &Orders| orders.open_commands().count();
        // The first call has nothing more to say, and its time is over.
        orders.hear(&command("c"), &says(&unread));
        orders.expire(after(1980));
        assert_eq!((orders.heard.get(&host(1)), open(&orders)), (None, 0));
        let state = PartState::Sent { command: command("i"), at: after(1980) };
        orders.parts.last_mut().expect("a call").state = state;
        orders.hear(&command("c"), &says(&unread));
        assert_eq!((orders.heard.get(&host(1)), open(&orders)), (None, 1));
        orders.hear(&command("i"), &says(&silent));
        assert_eq!((orders.heard.get(&host(1)), open(&orders)), (Some(&silent), 0));
        // What is unreadable twice stays so.
        assert!(!orders.inspect_unclear(after(1981)));
    }

    #[test]
    fn an_order_never_went_out_once_no_call_of_it_can_begin() {
        use PartState::{Doubtful, Unsent};
        let rows = [
            ([Unsent, Unsent], true, 180, false),
            ([Unsent, Unsent], true, 181, true),
            // It was not looked for yet.
            ([Unsent, Unsent], false, 181, false),
            ([Unsent, Doubtful], true, 181, false),
            ([Unsent, sent(0)], true, 181, false),
        ];
        for (states, resent, seconds, never) in rows {
            let orders = Orders { resent, ..orders(Verb::Activate, states.clone()) };
            let found = orders.never_went_out(after(seconds));
            assert_eq!(found, never, "{states:?} {resent} {seconds}");
        }
    }
}
