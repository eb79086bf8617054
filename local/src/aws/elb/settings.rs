//! A group's settings as requests give them.

use super::invalid;
use super::model::HealthCheck;
use crate::aws::error::ApiResult;
use crate::aws::query::Params;

/// Attributes that a new group has, with their defaults.
pub(super) const ATTRIBUTES: [(&str, &str); 6] = [
    ("deregistration_delay.timeout_seconds", "300"),
    ("load_balancing.algorithm.type", "round_robin"),
    ("load_balancing.cross_zone.enabled", "use_load_balancer_configuration"),
    ("slow_start.duration_seconds", "0"),
    ("stickiness.enabled", "false"),
    ("stickiness.type", "lb_cookie"),
];

/// The attribute that says how long a target drains.
pub(super) const DELAY: &str = "deregistration_delay.timeout_seconds";

/// Applies what a request says about health checks.
///
/// # Errors
///
/// `ValidationError` for a value outside its documented bounds.
pub(super) fn apply(check: &mut HealthCheck, params: &Params) -> ApiResult<()> {
    let text = |name: &str, into: &mut String| {
        if let Some(value) = params.text(name) {
            value.clone_into(into);
        }
    };
    text("HealthCheckProtocol", &mut check.protocol);
    text("HealthCheckPort", &mut check.port);
    text("HealthCheckPath", &mut check.path);
    text("Matcher.HttpCode", &mut check.matcher);
    if let Some(enabled) = params.text("HealthCheckEnabled") {
        check.enabled = enabled == "true";
    }
    let number = |name: &str, least: u64, most: u64, or: u64| -> ApiResult<u64> {
        let value = params.number(name)?.unwrap_or(or);
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(invalid(format!("{name} must be between {least} and {most}, not {value}")))
    };
    check.interval = number("HealthCheckIntervalSeconds", 5, 300, check.interval)?;
    check.timeout = number("HealthCheckTimeoutSeconds", 2, 120, check.timeout)?;
    let healthy = number("HealthyThresholdCount", 2, 10, check.healthy.into())?;
    let unhealthy = number("UnhealthyThresholdCount", 2, 10, check.unhealthy.into())?;
    check.healthy = u32::try_from(healthy).unwrap_or(check.healthy);
    check.unhealthy = u32::try_from(unhealthy).unwrap_or(check.unhealthy);
    check_texts(check)
}

/// These texts go into HAProxy's configuration.
fn check_texts(check: &HealthCheck) -> ApiResult<()> {
    let graphic = |text: &str| text.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    if !check.path.starts_with('/') || check.path.len() > 1024 || !graphic(&check.path) {
        return Err(invalid("HealthCheckPath must begin with / and have no blanks"));
    }
    let code = |it: &str| it.len() == 3 && it.bytes().all(|it| it.is_ascii_digit());
    let range = |it: &str| it.split_once('-').map_or_else(|| code(it), |(a, b)| code(a) && code(b));
    if !check.matcher.split(',').all(range) {
        return Err(invalid("Matcher.HttpCode is a list of codes and ranges, like 200-299,301"));
    }
    if check.port != "traffic-port" && check.port.parse::<u16>().is_err() {
        return Err(invalid("HealthCheckPort is a port or traffic-port"));
    }
    if !["HTTP", "TCP"].contains(&check.protocol.as_str()) {
        return Err(invalid("HealthCheckProtocol is HTTP or TCP here"));
    }
    if check.timeout >= check.interval {
        return Err(invalid("Health check timeout must be smaller than the interval"));
    }
    Ok(())
}

/// Checks an attribute that a request sets.
pub(super) fn check_attribute(key: &str, value: &str) -> ApiResult<()> {
    if !ATTRIBUTES.iter().any(|(known, _)| *known == key) {
        let message = format!("Target group attribute key '{key}' is not recognized");
        return Err(invalid(message));
    }
    let in_bounds = value.parse::<u64>().is_ok_and(|it| it <= 3600);
    if key == DELAY && !in_bounds {
        return Err(invalid(format!("'{key}' must be between 0 and 3600")));
    }
    Ok(())
}
