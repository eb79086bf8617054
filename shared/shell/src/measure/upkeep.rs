//! Sees to it that every service has its alarms, and that those of services that are gone go too.

use std::collections::BTreeSet;

use esclusa_core::measure::alarm::{of_lane, of_service};
use esclusa_core::measure::series;

use super::{Configured, HOUR, Measured, Ports, each_lane, first_in};
use crate::ports::Unavailable;

/// A service is gone when it has no configuration of its own any more.
pub(super) async fn keep<P: Ports>(ports: &P) -> Result<Measured, Unavailable> {
    if !first_in(ports, HOUR, "alarms").await? {
        return Ok(Measured::default());
    }
    let configured = &Configured::read(ports).await?;
    let ids = ports.lanes().await?.into_iter().filter(|it| configured.has(&it.service));
    let looks = each_lane(ports, ids, |lane| async move {
        let asking = |ask: &_| ports.line(&lane.id, ask);
        let alarms = of_lane(&lane, configured.of(&lane.id).as_ref(), asking);
        Ok((lane.id.service, alarms))
    });
    let (mut alarms, mut services, mut lanes) = (Vec::new(), BTreeSet::new(), 0_usize);
    for seen in looks.await {
        let (service, of_lane) = seen?;
        lanes = lanes.saturating_add(1);
        alarms.extend(of_lane);
        if services.insert(service.clone()) {
            alarms.extend(of_service(&service));
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
