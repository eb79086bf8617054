//! What lanes are like at a moment.

use esclusa_core::configuration::EnvironmentConfiguration;
use esclusa_core::lane::Lane;
use esclusa_core::measure::{self, Datum};
use esclusa_core::release::Availability;

use super::{Configured, HOUR, Measured, Ports, each_lane, first_in, guard, once};
use crate::ports::{Unavailable, Wanted};

/// Reads the gauges of every lane, once however often the tick comes. A lane of which something
/// cannot be seen costs no other.
pub(super) async fn read<P: Ports>(ports: &P, tick: &str) -> Result<Measured, Unavailable> {
    let configured = &Configured::read(ports).await?;
    let looks = each_lane(ports, ports.lanes().await?, |lane| async move {
        let mut seen = Measured::default();
        if let Err(failure) = of_lane(ports, &lane, configured, &mut seen).await {
            seen.trouble.push(failure.into());
        }
        Ok(seen)
    });
    let mut measured = Measured::default();
    for seen in looks.await {
        match seen {
            Ok(seen) => measured.add(seen),
            Err(failure) => measured.trouble.push(failure.into()),
        }
    }
    once(ports, &format!("gauges#{tick}"), measured).await
}

async fn of_lane<P: Ports>(
    ports: &P,
    lane: &Lane,
    configured: &Configured,
    measured: &mut Measured,
) -> Result<(), Unavailable> {
    if lane.current.is_none() {
        return Ok(());
    }
    measured.data.push(measure::drifted(lane, ports.now()));
    let Some(settings) = configured.of(&lane.id) else { return Ok(()) };
    measured.data.extend(in_service(ports, lane, &settings).await?);
    by_registry(ports, lane, &settings, measured).await
}

/// How many hosts the load balancer finds healthy, in the group in which they are fewest. Without a
/// load balancer, what containers tell says it.
async fn in_service<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
) -> Result<Option<Datum>, Unavailable> {
    let mut fewest: Option<usize> = None;
    for group in &settings.target_groups {
        let hosts = ports.serving(group).await?;
        fewest = Some(fewest.map_or(hosts, |fewest| fewest.min(hosts)));
    }
    Ok(fewest.map(|hosts| measure::in_service(&lane.id, hosts, ports.now())))
}

/// What the registry must be asked for: once an hour, and what the guard owes.
async fn by_registry<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
    measured: &mut Measured,
) -> Result<(), Unavailable> {
    let owed = guard::owes_a_look(ports, &lane.id).await?;
    let hourly = first_in(ports, HOUR, &format!("hour#{}", lane.id)).await?;
    if hourly || owed {
        guard::look(ports, lane, settings, measured).await?;
    }
    if hourly { rehearse(ports, lane, settings, measured).await } else { Ok(()) }
}

/// Sees whether a rollback would find what it needs, without making one.
async fn rehearse<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
    measured: &mut Measured,
) -> Result<(), Unavailable> {
    let problem = obstacle(ports, lane, settings).await?;
    if let Some(problem) = &problem {
        measured.notes.push(format!("a rollback of {} would fail: {problem}", lane.id));
    }
    measured.data.extend(measure::ready(lane, problem.as_deref(), ports.now()));
    Ok(())
}

async fn obstacle<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
) -> Result<Option<String>, Unavailable> {
    let Some(target) = lane.rollback_targets().next() else { return Ok(None) };
    let service = &lane.id.service;
    match ports.resolve(service, &Wanted::Digest(target.digest.clone())).await? {
        None => return Ok(Some(format!("{target} is gone from ECR"))),
        Some(found) if found.availability != Availability::Active => {
            return Ok(Some(format!("{target} is archived, and cannot be pulled")));
        }
        Some(_) => {}
    }
    if let Some(why) = ports.withheld(service, &target.digest).await? {
        return Ok(Some(format!("{target} cannot be pulled: {why}")));
    }
    for name in &settings.secrets {
        if let Some(problem) = ports.secret(name).await?.problem(name) {
            return Ok(Some(problem));
        }
    }
    Ok(None)
}
