//! The structures of load balancing's answers.

use super::model::{Balancer, Listener, Model, TargetGroup};
use crate::aws::xml::Xml;

/// The `TargetGroup` structure.
pub(super) fn group(model: &Model, it: &TargetGroup) -> Vec<Xml> {
    let check = &it.check;
    let mut fields = vec![
        Xml::text("TargetGroupArn", &it.arn),
        Xml::text("TargetGroupName", &it.name),
        Xml::text("Protocol", &it.protocol),
        Xml::text("Port", it.port),
        Xml::text("HealthCheckProtocol", &check.protocol),
        Xml::text("HealthCheckPort", &check.port),
        Xml::text("HealthCheckEnabled", check.enabled),
        Xml::text("HealthCheckIntervalSeconds", check.interval),
        Xml::text("HealthCheckTimeoutSeconds", check.timeout),
        Xml::text("HealthyThresholdCount", check.healthy),
        Xml::text("UnhealthyThresholdCount", check.unhealthy),
        Xml::texts("LoadBalancerArns", model.balancers_of(&it.arn)),
        Xml::text("TargetType", &it.target_type),
        Xml::text("ProtocolVersion", "HTTP1"),
        Xml::text("IpAddressType", "ipv4"),
    ];
    fields.extend(it.vpc.as_ref().map(|vpc| Xml::text("VpcId", vpc)));
    if check.protocol == "HTTP" {
        fields.push(Xml::text("HealthCheckPath", &check.path));
        fields.push(Xml::node("Matcher", vec![Xml::text("HttpCode", &check.matcher)]));
    }
    fields
}

/// The `LoadBalancer` structure.
pub(super) fn balancer(it: &Balancer) -> Vec<Xml> {
    let zone = |subnet: &String| vec![Xml::text("SubnetId", subnet)];
    vec![
        Xml::text("LoadBalancerArn", &it.arn),
        Xml::text("LoadBalancerName", &it.name),
        Xml::text("DNSName", "localhost"),
        Xml::text("CreatedTime", it.created_at.iso_millis()),
        Xml::text("Scheme", &it.scheme),
        Xml::node("State", vec![Xml::text("Code", "active")]),
        Xml::text("Type", "application"),
        Xml::list("AvailabilityZones", it.subnets.iter().map(zone)),
        Xml::text("IpAddressType", "ipv4"),
    ]
}

/// The `Listener` structure.
pub(super) fn listener(it: &Listener) -> Vec<Xml> {
    let action = vec![Xml::text("Type", "forward"), Xml::text("TargetGroupArn", &it.group)];
    vec![
        Xml::text("ListenerArn", &it.arn),
        Xml::text("LoadBalancerArn", &it.balancer),
        Xml::text("Port", it.port),
        Xml::text("Protocol", &it.protocol),
        Xml::list("DefaultActions", [action]),
    ]
}
