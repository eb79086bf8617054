//! Sees to it that every service has its alarms, and that those of services that are gone go too.

use std::collections::BTreeSet;

use esclusa_core::measure::alarm::{of_lane, of_service};
use esclusa_core::measure::series;

use super::{Configured, HOUR, Measured, Ports, first_in};
use crate::ports::Unavailable;

/// A service is gone when it has no configuration of its own any more.
pub(super) async fn keep<P: Ports>(ports: &P) -> Result<Measured, Unavailable> {
    if !first_in(ports, HOUR, "alarms").await? {
        return Ok(Measured::default());
    }
    let configured = Configured::read(ports).await?;
    let (mut alarms, mut services, mut lanes) = (Vec::new(), BTreeSet::new(), 0_usize);
    for id in ports.lanes().await?.into_iter().filter(|it| configured.has(&it.service)) {
        let Some(lane) = ports.load(&id).await? else { continue };
        lanes = lanes.saturating_add(1);
        let asking = |ask: &_| ports.line(&id, ask);
        alarms.extend(of_lane(&lane, configured.of(&id).as_ref(), asking));
        if services.insert(id.service.clone()) {
            alarms.extend(of_service(&id.service));
        }
    }
    let kept = ports.keep_alarms(&alarms).await?;
    let mut measured = Measured::default();
    measured.notes.push(format!(
        "{} service(s) in {lanes} lane(s): at most {} metrics, and {} alarms",
        services.len(),
        series(services.len(), lanes),
        alarms.len()
    ));
    if kept.made > 0 || kept.deleted > 0 {
        let (made, deleted) = (kept.made, kept.deleted);
        measured.notes.push(format!("{made} alarm(s) made, {deleted} deleted"));
    }
    Ok(measured)
}
