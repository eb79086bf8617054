//! Watches what runs: what its scans say now, which may be more than when it went out.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::configuration::EnvironmentConfiguration;
use esclusa_core::lane::Lane;
use esclusa_core::measure;
use esclusa_core::measure::guard::{Instead, exposed, found};
use esclusa_core::name::{LaneId, Service};
use esclusa_core::scan::{Scanned, State};

use super::{Configured, Measured, Ports, first_in, in_span};
use crate::ports::Unavailable;

/// Findings of so long are one look.
const BURST: Duration = Duration::from_mins(5);

/// How often a new scan of the same image is asked for: ECR takes one a day.
const DAY: Duration = Duration::from_hours(24);

/// Looks at what runs of a service. Findings come in hundreds: the first of a few minutes is looked
/// at, and the others with the next gauges.
pub(super) async fn scanned<P: Ports>(
    ports: &P,
    service: &Service,
) -> Result<Measured, Unavailable> {
    let mut measured = Measured::default();
    let lanes = ports.lanes().await?.into_iter().filter(|it| it.service == *service);
    let mut configured = None;
    for id in lanes {
        if !first_in(ports, BURST, &format!("guard#{id}")).await? {
            first_in(ports, BURST, &passed_over(&id)).await?;
            continue;
        }
        let Some(lane) = ports.load(&id).await? else { continue };
        if configured.is_none() {
            configured = Some(Configured::read_one(ports, service).await?);
        }
        if let Some(settings) = configured.as_ref().and_then(|it| it.of(&id)) {
            look(ports, &lane, &settings, &mut measured).await?;
        }
    }
    Ok(measured)
}

/// Whether findings were passed over in the span of time before this one.
pub(super) async fn owes_a_look<P: Ports>(ports: &P, lane: &LaneId) -> Result<bool, Unavailable> {
    let before = ports.now().before(BURST);
    ports.is_marked(&in_span(before, BURST, &passed_over(lane))).await
}

fn passed_over(lane: &LaneId) -> String {
    format!("passed-over#{lane}")
}

/// Looks at what a lane runs: counts what its scans say, and tells people what is new.
pub(super) async fn look<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
    measured: &mut Measured,
) -> Result<(), Unavailable> {
    let Some(current) = &lane.current else { return Ok(()) };
    let (scans, _) = lane.would_run(&ports.scans(&lane.id.service, &current.digest).await?);
    measured.data.extend(measure::vulnerabilities(lane, &scans, ports.now()));
    scan_again(ports, lane, &scans, measured).await?;
    let exposed = exposed(&scans, settings, ports.now());
    if exposed.is_empty() {
        return Ok(());
    }
    let mut told = ports.told(&lane.id, &current.digest).await?;
    let new: Vec<_> = exposed.into_iter().filter(|it| !told.contains(&it.id)).collect();
    let instead =
        if new.is_empty() { return Ok(()) } else { instead(ports, lane, settings).await? };
    let Some(announcement) = found(lane, &new, &instead, ports.now()) else { return Ok(()) };
    // Told before it is remembered: a person may hear of it twice, and never not at all.
    let id = format!("{}#found#{}#{}", lane.id, current.digest, announcement.word);
    ports.tell(&lane.id, &id, &announcement).await?;
    told.extend(new.iter().map(|it| it.id.clone()));
    ports.note_told(&lane.id, &current.digest, &told).await?;
    measured.notes.push(announcement.text);
    measured.data.push(measure::found(lane, new.len(), ports.now()));
    Ok(())
}

/// What could go out in the place of what runs.
async fn instead<P: Ports>(
    ports: &P,
    lane: &Lane,
    settings: &EnvironmentConfiguration,
) -> Result<Instead, Unavailable> {
    let running = lane.current.as_ref().map(|it| &it.digest);
    let Some(newer) = lane.desired.clone().filter(|it| Some(&it.digest) != running) else {
        return Ok(Instead::Nothing);
    };
    let (scans, _) = lane.would_run(&ports.scans(&lane.id.service, &newer.digest).await?);
    let known = !scans.is_empty() && scans.iter().all(|it| matches!(it.state, State::Done(_)));
    let clean = known && exposed(&scans, settings, ports.now()).is_empty();
    Ok(if clean { Instead::Clean(newer) } else { Instead::Doubtful(newer) })
}

/// Asks once a day for new scans of images whose scan has expired or was never made. Where nothing
/// scans by itself that was somebody's choice.
async fn scan_again<P: Ports>(
    ports: &P,
    lane: &Lane,
    scans: &[Scanned],
    measured: &mut Measured,
) -> Result<(), Unavailable> {
    let service = &lane.id.service;
    let lapsed = |it: &&Scanned| matches!(it.state, State::Missing(_));
    let digests: BTreeSet<_> = scans.iter().filter(lapsed).map(|it| &it.digest).collect();
    for digest in digests {
        if !first_in(ports, DAY, &format!("rescan#{service}#{digest}")).await? {
            continue;
        }
        measured.notes.push(match ports.scan_again(service, digest).await? {
            None => format!("{service}@{digest} runs without a valid scan: asked for a new one"),
            Some(why) => {
                format!("{service}@{digest} runs without a valid scan, and ECR makes none: {why}")
            }
        });
    }
    Ok(())
}
