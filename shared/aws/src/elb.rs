//! The load balancer's target groups.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::error::SdkError;
use aws_sdk_elasticloadbalancingv2::operation::describe_target_groups::DescribeTargetGroupsError;
use aws_sdk_elasticloadbalancingv2::operation::register_targets::RegisterTargetsError;
use aws_sdk_elasticloadbalancingv2::types::{
    TargetDescription, TargetGroup as Described, TargetGroupAttribute, TargetHealthDescription,
    TargetHealthReasonEnum, TargetHealthStateEnum, TargetTypeEnum,
};
use esclusa_core::configuration::TargetGroup;
use esclusa_core::name::HostId;
use esclusa_core::traffic::{GroupSettings, Health, SeenGroup, SeenTarget, Target};
use esclusa_shell::measure::ports::Serving;
use esclusa_shell::ports::{BoxError, Traffic, Unavailable};

use crate::failure::{Missing, unavailable};
use crate::{Aws, Gauges, Machines};

/// Seconds that a deregistered target is drained; the load balancer's default is 300.
const DELAY: &str = "deregistration_delay.timeout_seconds";

impl Traffic for Aws<Machines> {
    async fn group(&self, group: &TargetGroup) -> Result<SeenGroup, Unavailable> {
        let read = self.seen_group(group).await;
        read.map_err(unavailable(format!("read the settings of `{}`", group.as_str())))
    }

    async fn targets(&self, group: &TargetGroup) -> Result<Vec<SeenTarget>, Unavailable> {
        targets(&self.own.elb, group).await
    }

    async fn deregister(&self, group: &TargetGroup, targets: &[Target]) -> Result<(), Unavailable> {
        let call = (self.own.elb.deregister_targets())
            .target_group_arn(group.as_str())
            .set_targets(Some(described(targets)));
        let doing = || unavailable(format!("take targets of `{}` out of service", group.as_str()));
        call.send().await.map_err(|e| doing()(e.into()))?;
        Ok(())
    }

    /// One target whose instance does not run has the whole call refused: then each is registered
    /// by itself.
    async fn register(
        &self,
        group: &TargetGroup,
        targets: &[Target],
    ) -> Result<Vec<Target>, Unavailable> {
        let doing = || unavailable(format!("put targets of `{}` into service", group.as_str()));
        let all = self.registered(group, targets).await;
        if !all.as_ref().is_err_and(is_not_running) {
            return all.map(|()| Vec::new()).map_err(|error| doing()(error.into()));
        }
        let mut refused = Vec::new();
        for target in targets {
            match self.registered(group, std::slice::from_ref(target)).await {
                Ok(()) => {}
                Err(error) if is_not_running(&error) => refused.push(target.clone()),
                Err(error) => return Err(doing()(error.into())),
            }
        }
        Ok(refused)
    }
}

impl Serving for Aws<Gauges> {
    async fn serving(&self, group: &TargetGroup) -> Result<usize, Unavailable> {
        let seen = targets(&self.own.elb, group).await?;
        let healthy = seen.into_iter().filter(|it| it.health == Health::Healthy);
        Ok(healthy.map(|it| it.target.host).collect::<BTreeSet<_>>().len())
    }
}

async fn targets(elb: &Client, group: &TargetGroup) -> Result<Vec<SeenTarget>, Unavailable> {
    let doing = || unavailable(format!("read the target health of `{}`", group.as_str()));
    let call = elb.describe_target_health().target_group_arn(group.as_str());
    let seen = call.send().await.map_err(|e| doing()(e.into()))?;
    let all = seen.target_health_descriptions.unwrap_or_default();
    Ok(all.iter().filter_map(|it| target(group, it)).collect())
}

impl Aws<Machines> {
    async fn registered(
        &self,
        group: &TargetGroup,
        targets: &[Target],
    ) -> Result<(), SdkError<RegisterTargetsError>> {
        let call = (self.own.elb.register_targets())
            .target_group_arn(group.as_str())
            .set_targets(Some(described(targets)));
        call.send().await.map(drop)
    }

    async fn seen_group(&self, group: &TargetGroup) -> Result<SeenGroup, BoxError> {
        let elb = &self.own.elb;
        let found = elb.describe_target_groups().target_group_arns(group.as_str()).send().await;
        let found = match found {
            Ok(found) => found.target_groups.unwrap_or_default(),
            Err(error) if is_gone(&error) => return Ok(SeenGroup::Absent),
            Err(error) => return Err(error.into()),
        };
        let Some(found) = found.into_iter().next() else { return Ok(SeenGroup::Absent) };
        if let Some(kind) = found.target_type().filter(|it| **it != TargetTypeEnum::Instance) {
            return Ok(SeenGroup::OfOthers(kind.as_str().to_owned()));
        }
        let call = elb.describe_target_group_attributes().target_group_arn(group.as_str());
        let attributes = call.send().await?.attributes.unwrap_or_default();
        Ok(SeenGroup::OfInstances(settings(&found, &attributes)?))
    }
}

fn is_not_running(error: &SdkError<RegisterTargetsError>) -> bool {
    error.as_service_error().is_some_and(RegisterTargetsError::is_invalid_target_exception)
}

fn is_gone(error: &SdkError<DescribeTargetGroupsError>) -> bool {
    let error = error.as_service_error();
    error.is_some_and(DescribeTargetGroupsError::is_target_group_not_found_exception)
}

fn settings(
    group: &Described,
    attributes: &[TargetGroupAttribute],
) -> Result<GroupSettings, BoxError> {
    let positive = |number: Option<i32>, what| -> Result<u32, BoxError> {
        Ok(number.and_then(|it| u32::try_from(it).ok()).ok_or(Missing(what))?)
    };
    let delay = attributes.iter().find(|it| it.key() == Some(DELAY)).and_then(|it| it.value());
    let delay: u64 = delay.and_then(|it| it.parse().ok()).ok_or(Missing(DELAY))?;
    let interval = positive(group.health_check_interval_seconds(), "HealthCheckIntervalSeconds")?;
    Ok(GroupSettings {
        deregistration_delay: Duration::from_secs(delay),
        interval: Duration::from_secs(interval.into()),
        unhealthy_threshold: positive(
            group.unhealthy_threshold_count(),
            "UnhealthyThresholdCount",
        )?,
        healthy_threshold: positive(group.healthy_threshold_count(), "HealthyThresholdCount")?,
    })
}

/// A target that is one of our hosts: groups may hold addresses and functions as well, which are
/// nobody's to move but their owner's.
fn target(group: &TargetGroup, seen: &TargetHealthDescription) -> Option<SeenTarget> {
    let described = seen.target()?;
    let host: HostId = described.id()?.parse().ok()?;
    let port = described.port().and_then(|port| u16::try_from(port).ok())?;
    let health = seen.target_health();
    Some(SeenTarget {
        target: Target { group: group.clone(), host, port },
        health: state(health.and_then(|it| it.state()), health.and_then(|it| it.reason())),
        reason: health
            .and_then(|it| it.reason())
            .map(|it| it.as_str().to_owned())
            .unwrap_or_default(),
    })
}

fn state(state: Option<&TargetHealthStateEnum>, reason: Option<&TargetHealthReasonEnum>) -> Health {
    match state {
        Some(TargetHealthStateEnum::Initial) => Health::Initial,
        Some(TargetHealthStateEnum::Healthy) => Health::Healthy,
        // Still registered: it only finishes its requests before it counts as unhealthy.
        Some(TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining) => {
            Health::Unhealthy
        }
        Some(TargetHealthStateEnum::Draining) => Health::Draining,
        Some(TargetHealthStateEnum::Unused) => match reason {
            Some(TargetHealthReasonEnum::InvalidState) => Health::Stopped,
            Some(_) | None => Health::Unused,
        },
        Some(_) | None => Health::Unavailable,
    }
}

fn described(targets: &[Target]) -> Vec<TargetDescription> {
    let described = targets.iter().map(|target| {
        let id = TargetDescription::builder().id(target.host.as_str());
        id.port(i32::from(target.port)).build()
    });
    described.collect()
}
