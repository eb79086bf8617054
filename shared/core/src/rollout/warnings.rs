//! What hosts warn of while they carry a rollout out: kept with it, and told at its end.

use std::collections::BTreeSet;

use super::Rollout;
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
    /// The hosts that warned.
    pub hosts: BTreeSet<HostId>,
}

impl Rollout {
    /// Keeps what the hosts warned of in their answers.
    pub(super) fn hear_warnings(&mut self, orders: &Orders) {
        for (host, heard) in &orders.heard {
            let Heard::Answered(answer) = heard else { continue };
            for text in &answer.warnings {
                add_warning(&mut self.warnings, host, text);
            }
        }
    }
}

fn add_warning(warnings: &mut Vec<Warning>, host: &HostId, text: &str) {
    if let Some(known) = warnings.iter_mut().find(|it| it.text == *text) {
        known.hosts.insert(host.clone());
    } else if warnings.len() < KEPT {
        let hosts = BTreeSet::from([host.clone()]);
        warnings.push(Warning { text: text.to_owned(), hosts });
    }
}

/// The warnings as sentences that follow a notice; empty where there are none.
pub(crate) fn tell_warnings(warnings: &[Warning]) -> String {
    let told = warnings.iter().take(TOLD).map(|it| {
        let host = it.hosts.first().map(ToString::to_string).unwrap_or_default();
        let whose = match it.hosts.len() {
            0 | 1 => host,
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
                add_warning(&mut warnings, &format!("i-0000000{host}").parse().unwrap(), text);
            }
            assert_eq!(tell_warnings(&warnings), expected, "{heard:?}");
        }
    }
}
