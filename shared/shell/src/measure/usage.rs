//! What containers take. Hosts take seconds to answer, so that each look reads the answers to the
//! question of the look before it, and asks anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_core::measure;
use esclusa_core::measure::usage::{Restarts, Usage};
use esclusa_core::name::{HostId, LaneId};

use super::ports::{Answers, LastLook};
use super::{Configured, Measured, Ports, REMEMBERED, Trouble, each_lane};
use crate::ports::Unavailable;

/// What was answered longer ago is no news.
const FRESH: Duration = Duration::from_mins(15);

/// How long all answers are waited for: then those that are there have to do.
const PATIENCE: Duration = Duration::from_mins(4);

/// Marked first: a second look at once would find half of the answers, and take that for all.
pub(super) async fn read<P: Ports>(ports: &P, tick: &str) -> Result<Measured, Unavailable> {
    let identity = format!("usage#{tick}");
    if !ports.mark(&identity, ports.now().after(REMEMBERED)).await? {
        return Ok(Measured::default());
    }
    let last = Some(ports.last_look().await?).filter(|it| ports.now().since(it.at) < FRESH);
    let last = last.unwrap_or_default();
    let mut measured = Measured::default();
    let restarts = match &last.asked {
        Some(asked) => {
            let answers = ports.answers(asked).await?;
            if answers.pending && ports.now().since(last.at) < PATIENCE {
                return Ok(measured);
            }
            count(ports, answers, last.restarts, &mut measured).await?
        }
        None => last.restarts,
    };
    let asked = Some(ports.ask().await?);
    ports.note_look(&LastLook { asked, at: ports.now(), restarts }).await?;
    Ok(measured)
}

/// Counts what hosts answered, and returns what is now known of restarts.
async fn count<P: Ports>(
    ports: &P,
    answers: Answers,
    before: Restarts,
    measured: &mut Measured,
) -> Result<Restarts, Unavailable> {
    let lanes = Lanes::read(ports).await?;
    let mut usage = Usage::default();
    for (host, answer) in answers.given {
        match answer {
            Ok(containers) => usage.add(host, containers, |lane, host| lanes.has(lane, host)),
            Err(error) => measured.trouble.push(Trouble::Answer(host, error)),
        }
    }
    let now = ports.now();
    measured.data = usage.data(&before, now);
    let serving = lanes.unbalanced.iter();
    measured.data.extend(serving.map(|it| measure::in_service(it, usage.serving(it), now)));
    Ok(usage.restarts(before, |host| lanes.know(host)))
}

/// Which hosts belong to which lanes, and which of those no load balancer watches.
struct Lanes {
    hosts: BTreeMap<LaneId, BTreeSet<HostId>>,
    unbalanced: Vec<LaneId>,
}

impl Lanes {
    async fn read<P: Ports>(ports: &P) -> Result<Self, Unavailable> {
        let configured = &Configured::read(ports).await?;
        let (mut hosts, mut unbalanced) = (BTreeMap::new(), Vec::new());
        let looks = each_lane(ports, ports.lanes().await?, |lane| async move {
            let balanced = configured.of(&lane.id).is_none_or(|it| !it.target_groups.is_empty());
            let serves_alone = lane.current.is_some() && !balanced;
            Ok((lane.id, lane.hosts.into_keys().collect(), serves_alone))
        });
        for seen in looks.await {
            let (id, members, serves_alone) = seen?;
            if serves_alone {
                unbalanced.push(id.clone());
            }
            hosts.insert(id, members);
        }
        Ok(Self { hosts, unbalanced })
    }

    fn know(&self, host: &HostId) -> bool {
        self.hosts.values().any(|hosts| hosts.contains(host))
    }

    /// A host has no word in lanes that are not its own.
    fn has(&self, lane: &LaneId, host: &HostId) -> bool {
        self.hosts.get(lane).is_some_and(|hosts| hosts.contains(host))
    }
}
