//! What hosts warn of while they carry a rollout out: kept with it, and told at its end.

use std::collections::BTreeSet;

use super::Rollout;
use super::view::View;
use crate::name::HostId;
use crate::order::{Heard, Orders};

/// Warnings that are kept, at most: the ledger's items are bounded, and hosts of one service warn
/// of the same things.
const KEPT: usize = 10;

/// So many of them are told in a notice; `status` has all.
const TOLD: usize = 3;

/// What hosts warn of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The hosts' sentence.
    pub text: String,
    /// The hosts that warned; none where the warning is of the lane.
    pub hosts: BTreeSet<HostId>,
}

impl Rollout {
    /// Keeps what the hosts warned of in their answers.
    pub(super) fn hear_warnings(&mut self, orders: &Orders) {
        for (host, heard) in &orders.heard {
            let Heard::Answered(answer) = heard else { continue };
            for text in &answer.warnings {
                add_warning(&mut self.warnings, Some(host), text);
            }
        }
    }

    /// Warns of target groups that hold none of the lane's hosts: nothing is drained there.
    pub(super) fn warn_of_groups(&mut self, view: &View) {
        let groups = self.settings.target_groups.iter().enumerate();
        let empty: Vec<String> = groups
            .filter(|(place, _)| !self.live().any(|(host, _)| view.is_member(*place, host)))
            .map(|(_, group)| group.as_str().to_owned())
            .collect();
        for group in empty {
            let text = format!(
                "No host of this lane is registered in the target group {group}: nothing is taken \
                 out of service there."
            );
            add_warning(&mut self.warnings, None, &text);
        }
    }
}

fn add_warning(warnings: &mut Vec<Warning>, host: Option<&HostId>, text: &str) {
    if let Some(known) = warnings.iter_mut().find(|it| it.text == *text) {
        known.hosts.extend(host.cloned());
    } else if warnings.len() < KEPT {
        let hosts = host.into_iter().cloned().collect();
        warnings.push(Warning { text: text.to_owned(), hosts });
    }
}

/// The warnings as sentences that follow a notice; empty where there are none.
pub(crate) fn tell_warnings(warnings: &[Warning]) -> String {
    let told = warnings.iter().take(TOLD).map(|it| {
        let host = it.hosts.first().map(ToString::to_string).unwrap_or_default();
        let whose = match it.hosts.len() {
            0 => return format!(". {}", it.text.trim_end_matches('.')),
            1 => host,
            count => format!("{host} and {} more", count.saturating_sub(1)),
        };
        format!(". {whose} warned: {}", it.text.trim_end_matches('.'))
    });
    let more = match warnings.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!(". `status` has {more} more"),
    };
    told.chain(std::iter::once(more)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_of_several_hosts_is_told_once() {
        let cases: [(&[(u8, &str)], &str); 4] = [
            (&[], ""),
            (&[(1, "web runs 3.")], ". i-00000001 warned: web runs 3"),
            (
                &[(1, "web runs 3."), (2, "web runs 3."), (1, "web runs 3.")],
                ". i-00000001 and 1 more warned: web runs 3",
            ),
            (
                &[(1, "A."), (1, "B."), (1, "C."), (2, "D."), (1, "E.")],
                ". i-00000001 warned: A. i-00000001 warned: B. i-00000001 warned: C. `status` has \
                 2 more",
            ),
        ];
        for (heard, expected) in cases {
            let mut warnings = Vec::new();
            for (host, text) in heard {
                let host: HostId = format!("i-0000000{host}").parse().unwrap();
                add_warning(&mut warnings, Some(&host), text);
            }
            assert_eq!(tell_warnings(&warnings), expected, "{heard:?}");
        }
        let mut warnings = Vec::new();
        add_warning(&mut warnings, None, "None is registered.");
        assert_eq!(tell_warnings(&warnings), ". None is registered");
    }
}
